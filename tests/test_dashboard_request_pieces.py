"""What pages of requests are put together from: bounded, whole, and plain whatever a record holds."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlayer_patch.records import Record
from promptlayer_patch.server.dashboard.request_finding import Found
from promptlayer_patch.server.dashboard.request_kinds import vectors, verdicts
from promptlayer_patch.server.dashboard.request_repeat import repeat
from promptlayer_patch.server.dashboard.request_texts import Room, Text
from promptlayer_patch.server.dashboard.request_tree import Node, tree
from promptlayer_patch.server.dashboard.request_view import view
from promptlayer_patch.server.dashboard.visible import visible, visible_json
from promptlayer_patch.store import StoredRequest, Summary

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "messages",
        "content",
        "role",
        "input",
        "prompt",
        "tools",
        "choices",
        "output",
        "data",
        "results",
        "type",
        "message",
        "tool_calls",
        "function",
        "embedding",
        "categories",
        "image_url",
        "text",
        "usage",
        "status",
    ]
)
SHAPED: st.SearchStrategy[Any] = st.recursive(
    JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=8,
)


def shown(text: Text) -> str:
    return "".join(piece.text for piece in (*text.head, *text.rest))


@given(st.text(st.characters(exclude_characters="`"), max_size=200), st.integers(1, 60))
def test_a_text_is_shown_whole_whether_it_is_folded_or_not(text: str, times: int) -> None:
    whole = visible(text * times).strip("\n")
    assert shown(Room().prose(text * times)) == (whole if whole.strip() else "")


@given(st.text(alphabet="ab `\n", max_size=300))
def test_code_is_found_in_any_text(text: str) -> None:
    kept = shown(Room().prose(text))
    assert "".join(kept.split()).replace("`", "") == "".join(text.split()).replace("`", "") or "```" in text


def test_a_page_takes_so_much_text_and_no_more() -> None:
    room = Room()
    texts = [room.prose("word " * 20_000) for _ in range(5)]
    assert [len(shown(text)) for text in texts] == [100_000, 100_000, 400, 400, 400]
    assert [text.left_out for text in texts] == [0, 0, 99_600, 99_600, 99_600]


def test_a_huge_text_leaves_each_of_the_others_its_beginning() -> None:
    room = Room()
    room.prose("word " * 400_000)
    assert shown(room.prose("Write a book")) == "Write a book"
    assert len(shown(room.prose("字" * 1_000))) == 200
    begun = [room.prose("word " * 1_000) for _ in range(1_000)]
    assert sum(len(shown(text)) for text in begun) <= 40_000


@given(SHAPED)
def test_any_json_is_a_tree_of_bounded_size(value: Any) -> None:
    _within(tree(value), 1_500)


def test_large_and_deep_trees_are_cut() -> None:
    deep: Any = "end"
    for _ in range(500):
        deep = [deep]
    wide = {str(number): "x" * 10_000 for number in range(10_000)}
    for value in (deep, wide, [list(range(1_000))] * 1_000):
        _within(tree(value), 1_600)
    assert tree(wide).entries == 10_000


def _within(root: Node, most: int) -> None:
    nodes, chars, waiting = 0, 0, [root]
    while waiting:
        node = waiting.pop()
        nodes, chars = nodes + 1, chars + len(node.text) + len(node.key)
        waiting += node.children
    assert nodes <= most
    assert chars < 150_000


@given(
    st.dictionaries(KEYS, SHAPED, max_size=6), SHAPED, st.sampled_from(["chat.completions", "responses", "x"])
)
def test_whatever_a_record_holds_there_is_a_view_of_it(
    request: dict[str, Any], response: Any, method: str
) -> None:
    record = Record(id="1", function_name=f"openai.{method}.create", request=request, response=response)
    stored = StoredRequest(1, record, None, None)
    assert view(Found(_summary(record), stored)).sent.entries == len(request)


def _summary(record: Record) -> Summary:
    return Summary(
        request_id=1,
        function_name=record.function_name,
        client=None,
        provider="openai",
        model=None,
        input_tokens=None,
        output_tokens=None,
        started_at=0.0,
        duration_s=0.0,
        first_token_at=None,
        ending=record.ending,
        error_type=None,
        error_message=None,
        status=None,
        attempts=1,
        streamed=False,
        preview="",
    )


@given(st.text(max_size=60), st.text(max_size=60))
def test_what_curl_sends_is_what_was_sent_whatever_that_is(model: str, text: str) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    made = repeat(Record(id="1", function_name="openai.chat.completions.create", request=body), 7)
    assert made is not None
    words = shlex.split(made.curl.replace(" \\\n", " ", 3))
    assert json.loads(words[words.index("--data-raw") + 1]) == body
    assert made.python is not None
    compile(made.python, "repeat.py", "exec")


def test_a_file_that_was_sent_is_not_repeated() -> None:
    request = {"prompt": "A cat", "image": {"name": "a.png", "type": "image/png", "bytes": 9}}
    assert repeat(Record(id="1", function_name="openai.images.edit", request=request), 7) is None


def test_azure_has_its_own_key() -> None:
    endpoint = "https://mine.openai.azure.com/openai/deployments/d/chat/completions"
    made = repeat(
        Record(
            id="1",
            function_name="openai.chat.completions.create",
            provider="openai.azure",
            endpoint=endpoint,
            request={"messages": []},
        ),
        7,
    )
    assert made is not None
    assert '"api-key: $AZURE_OPENAI_API_KEY"' in made.curl


@given(st.text(max_size=80))
def test_what_hides_in_a_text_is_spelled_out(text: str) -> None:
    assert not any(character in visible(text) for character in "\u202e\u2066\u200b\ufeff\x00\x1b\ud800")
    assert json.loads(visible_json(json.dumps(text, ensure_ascii=False))) == text


@pytest.mark.parametrize(
    "text", ["a\u200db", "naïve 中文 ✓", "👩\u200d💻 \ufe0f", "\u0645\u06cc\u200c\u062e", "tab\tand\nline"]
)
def test_what_scripts_are_written_with_stays(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    "vector", [[], [True], ["1"], [float("nan")], [float("inf")], None, "AAAA", [0.0, 0.0]]
)
def test_vectors_that_are_none_are_not_drawn(vector: Any) -> None:
    found, count = vectors({"data": [{"embedding": vector}]})
    assert (len(found), count) == ((1, 1) if vector == [0.0, 0.0] else (0, 0))


def test_a_verdict_without_scores_is_one_all_the_same() -> None:
    (verdict,) = verdicts({"results": [{"flagged": False, "categories": {"a": False}, "category_scores": 5}]})
    assert (verdict.flagged, verdict.categories[0].score) == (False, None)
