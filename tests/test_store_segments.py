"""Text of any script is found by its words, and no text is ever taken for search syntax."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlayer_patch.store.indexing.segments import phrase, segmented, words


@pytest.fixture(scope="module")
def index() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE VIRTUAL TABLE texts USING fts5(text, content='', tokenize='ascii')")
        yield connection


def finds(index: sqlite3.Connection, expression: str | None, text: str) -> bool:
    if expression is None:
        return False
    row = (1, segmented(text))
    index.execute("INSERT INTO texts (rowid, text) VALUES (?, ?)", row)
    try:
        return bool(index.execute("SELECT 1 FROM texts WHERE texts MATCH ?", (expression,)).fetchall())
    finally:
        index.execute("INSERT INTO texts (texts, rowid, text) VALUES ('delete', ?, ?)", row)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World-wide 3.14 a_b", ["hello", "world", "wide", "3", "14", "a", "b"]),
        ("Crème BRÛLÉE naïve Ångström", ["creme", "brulee", "naive", "angstrom"]),
        ("Straße ẞ İstanbul ﬁne ½ ²", ["strasse", "ss", "istanbul", "fine", "1", "2", "2"]),
        ("ПРИВЕТ мир Ελλάδα", ["привет", "мир", "ελλαδα"]),
        ("\uff21\uff22\uff23\uff11\uff12", ["abc12"]),
        ("退款政策", ["退", "款", "政", "策"]),
        ("退款policy政策", ["退", "款", "policy", "政", "策"]),
        ("ガガ ｶﾞ か\u3099", ["ガ", "ガ", "ガ", "が"]),
        ("한국 \u1112\u1161\u11ab", ["한", "국", "한"]),
        ("𠮷野家 \U0002ebf0", ["𠮷", "野", "家", "\U0002ebf0"]),
        ("हिन्दी العَرَبِيَّة שָׁלוֹם", ["हिनदी", "العربية", "שלום"]),
        ("𐐀 𞤀 ꟲ", ["𐐨", "𞤀", "ꟲ"]),
        ("emoji 👩‍👩‍👧 and 🇩🇪 marks\u0301", ["emoji", "and", "marks"]),
        ("join\u200ded \ufeffmarked", ["joined", "marked"]),
        ("half \ud800 pair\x00nul", ["half", "pair", "nul"]),
        ("", []),
        ("  \t—…!? ", []),
    ],
)
def test_a_text_falls_into_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_chinese_characters_are_words_as_they_stand() -> None:
    """They are not looked up one by one, so none of them may be one that folding changes."""
    unicode = unicodedata.ucd_3_2_0
    for code in (*range(0x3400, 0x4DB6), *range(0x4E00, 0x9FA6)):
        character = chr(code)
        assert unicode.category(character) == "Lo"
        assert unicode.normalize("NFKD", character.casefold()) == character
        assert words(f"a{character}b") == ["a", character, "b"]


def test_neighbours_of_scripts_without_spaces_are_indexed_in_pairs() -> None:
    assert segmented("退款政策").split() == ["退款", "款政", "政策", "策"]
    assert segmented("退，款 a 政").split() == ["退款", "款", "a", "政"], "a comma parts no words"


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "text", ["人工智能可以帮助", "プロンプトを書く", "환불정책안내문서", "一人で東京へ行く"]
)
def test_a_part_of_any_length_is_found(index: sqlite3.Connection, text: str, size: int) -> None:
    for begin in range(len(text) - size + 1):
        assert finds(index, phrase(text[begin : begin + size]), f"before {text}, after")


def test_only_the_last_word_may_be_begun(index: sqlite3.Connection) -> None:
    assert finds(index, phrase("refund pol"), "The refund policy")
    assert not finds(index, phrase("ref policy"), "The refund policy")
    assert not finds(index, phrase("refund pol", begun=False), "The refund policy")


def test_what_is_longer_than_any_word_is_cut_on_both_sides(index: sqlite3.Connection) -> None:
    """An image in base64 must not fill the index, and is found by its beginning."""
    image = "iVBORw0KGgo" * 10_000
    assert len(segmented(f"see {image} there")) == len("see ") + 64 + len(" there")
    assert finds(index, phrase(image), f"see {image} there")
    assert segmented("x" * 64 + " " + "y" * 65).split() == ["x" * 64, "y" * 64]
    assert words("文" * 200) == ["文"] * 200, "these are words of one character, however many"


HOSTILE = (
    *('"', '""', '"a', 'a"b', "'", "*", "a*", "^a", "a^", "-a", "a - b", "+", "a + b", "a : b", "input : a"),
    *(
        "facets : x",
        "{input} : a",
        "(",
        ")",
        "(a",
        "a)",
        "AND",
        "a AND",
        "OR b",
        "NOT",
        "a NOT b",
        "NEAR(a b)",
    ),
    *("NEAR(a b, 5)", "a; DROP TABLE texts", "--", "/* a */", "%", "_", "\\", "a\x00b", "\ud800", "\ufffe"),
    *("rank MATCH 'x'", ".*", "[a-z]", "$1", "?", "?1", ":a", "@a", "a" * 10_000, "a " * 1000, "文" * 1000),
)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("begun", [True, False])
def test_no_text_is_syntax(index: sqlite3.Connection, text: str, begun: bool) -> None:
    expression = phrase(text, begun=begun)
    if expression is not None:
        assert finds(index, expression, f"x {text} y")
        assert finds(index, f"{{text}} : {expression}", f"x {text} y")
        assert not finds(index, expression, "something else")


@settings(max_examples=300)
@given(st.text(), st.booleans())
def test_any_text_is_a_valid_query(index: sqlite3.Connection, text: str, begun: bool) -> None:
    expression = phrase(text, begun=begun)
    assert (expression is None) == (not words(text))
    assert expression is None or finds(index, expression, text)


# Few words and few characters, so that queries and texts meet.
texts = st.lists(
    st.sampled_from([*"退款政策かガ한", "ab", "abc", "b", " ", " ", ", ", "é"]), max_size=12
).map("".join)


def begins(found: list[str], sought: list[str]) -> bool:
    *whole, begun = sought
    return len(found) >= len(sought) and found[: len(whole)] == whole and found[len(whole)].startswith(begun)


@settings(max_examples=500)
@given(texts, texts)
def test_a_query_finds_the_texts_that_have_its_words_in_order(
    index: sqlite3.Connection, text: str, query: str
) -> None:
    """Words one after the other, the last perhaps begun, as plain Python says it; nothing more or less."""
    has, sought = words(text), words(query)
    expected = bool(sought) and any(begins(has[at:], sought) for at in range(len(has)))
    assert finds(index, phrase(query), text) == expected
    at_once = bool(sought) and begins(has, sought)
    assert finds(index, f"^ {phrase(query)}" if sought else None, text) == at_once
    ends = bool(sought) and has[-len(sought) :] == sought
    assert not ends or finds(index, phrase(query, begun=False), text)


@given(st.text())
def test_composed_and_decomposed_forms_are_the_same_words(text: str) -> None:
    known = "".join(character for character in text if unicodedata.ucd_3_2_0.category(character) != "Cn")
    assert words(unicodedata.normalize("NFD", known)) == words(unicodedata.normalize("NFC", known))


@given(st.text())
def test_words_do_not_depend_on_case(text: str) -> None:
    assert words(text.casefold()) == words(text)


@given(st.text())
def test_words_are_their_own_words(text: str) -> None:
    found = words(text)
    assert words(" ".join(found)) == found
    assert all(1 <= len(word) <= 64 for word in [*found, *segmented(text).split()])
