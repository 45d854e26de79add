"""What differs between two texts: exact, readable, and over in time whatever the texts are."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlayer_patch.server.wording import Change, Run, compared

TEXTS = st.text(alphabet="ab .,\n\té中文", max_size=60) | st.text(max_size=60)


@given(TEXTS, TEXTS)
def test_the_runs_make_up_both_texts(before: str, after: str) -> None:
    found = compared(before, after)
    assert "".join(run.text for run in found.before) == before
    assert "".join(run.text for run in found.after) == after
    assert found.equal == (before == after)
    assert all(run.text for run in found.runs)
    assert all(one.change is not two.change for one, two in zip(found.runs, found.runs[1:], strict=False))


def test_words_are_compared_as_wholes() -> None:
    assert compared("Reply in one sentence.", "Reply in two sentences.").runs == (
        Run(Change.SAME, "Reply in "),
        Run(Change.GONE, "one sentence"),
        Run(Change.NEW, "two sentences"),
        Run(Change.SAME, "."),
    )


def test_a_mark_behind_a_word_is_a_difference_of_its_own() -> None:
    assert compared("Hello world", "Hello world!").runs == (
        Run(Change.SAME, "Hello world"),
        Run(Change.NEW, "!"),
    )


def test_each_chinese_character_is_a_word() -> None:
    assert [run.text for run in compared("我要退款", "我想退款").runs] == ["我", "要", "想", "退款"]


def test_one_changed_word_in_a_long_text_is_found_alone() -> None:
    words = [f"word{number % 997}" for number in range(40_000)]
    before = ". ".join(words)
    words[20_000] = "changed"
    found = compared(before, ". ".join(words))
    assert found.exact
    assert [run.text for run in found.runs if run.change is not Change.SAME] == ["word60", "changed"]


def test_changes_all_over_a_long_text_are_found_within_its_sentences() -> None:
    sentences = [f"This is sentence number {number} of the text. " for number in range(2_000)]
    before = "".join(sentences)
    for number in range(0, 2_000, 100):
        sentences[number] = sentences[number].replace("sentence", "remark")
    found = compared(before, "".join(sentences))
    assert found.exact
    assert {run.text for run in found.runs if run.change is Change.NEW} == {"remark "}


@pytest.mark.parametrize("alphabet", [1, 2, 30, 3_000])
@pytest.mark.parametrize("separator", [" ", ". ", "\n"])
def test_long_texts_are_over_in_time_whatever_they_say(alphabet: int, separator: str) -> None:
    chance = random.Random(alphabet)
    before, after = (
        separator.join(f"w{chance.randrange(alphabet)}" for _ in range(40_000)) for _ in range(2)
    )
    began = time.process_time()
    found = compared(before + " end", "start " + after)
    assert time.process_time() - began < 20, "bounded, with much room for slow machines"
    assert "".join(run.text for run in found.after) == "start " + after


def test_what_was_too_much_to_compare_is_said() -> None:
    chance = random.Random(1)
    before, after = (" ".join(chance.choice("abcdef") for _ in range(40_000)) for _ in range(2))
    assert not compared(before, after).exact
