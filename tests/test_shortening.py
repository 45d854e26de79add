"""What is too large becomes smaller: media a digest, texts and lists their beginning. The facts stay."""

from __future__ import annotations

import base64
import copy
import dataclasses
import hashlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlayer_patch._refining.media import with_digests
from promptlayer_patch._refining.shortening import content_size, shortened
from promptlayer_patch.records import Ending, Failure, Record


def a_record(**fields: Any) -> Record:
    return Record(**{"id": "01a2", "function_name": "openai.chat.completions.create", **fields})


class Unreadable:
    def __str__(self) -> str:
        raise ValueError("not to be read")


# Shortening


def test_a_record_that_fits_is_left_alone() -> None:
    record = a_record(request={"model": "m", "messages": ["x" * 900]})
    assert shortened(record, content_size(record)) is record
    assert shortened(record, content_size(record) - 1) is not record


def test_the_longest_texts_are_cut_first_and_tell_how_long_they_were() -> None:
    record = a_record(
        request={"model": "m", "messages": [{"content": "a" * 9000}, {"content": "b" * 500}]},
        response={"text": "c" * 7000},
        metadata={"k": "v"},
    )
    told = copy.deepcopy(record)
    new = shortened(record, 4000)
    long, short = (message["content"] for message in new.request["messages"])
    assert long.startswith("aaa")
    assert long.endswith("a… [shortened: 9000 characters]")
    assert new.response["text"].endswith("c… [shortened: 7000 characters]")
    assert short == "b" * 500
    assert 3900 < content_size(new) <= 4000
    assert new.shortened_from == content_size(record)
    assert record == told


def test_then_the_longest_lists_are_cut_and_tell_how_many_items_they_had() -> None:
    record = a_record(request={"input": [1, 2, 3]}, response={"data": list(range(1500))})
    new = shortened(record, 3000)
    assert new.request == {"input": [1, 2, 3]}
    assert new.response["data"][:3] == [0, 1, 2]
    assert new.response["data"][-1] == "… [shortened: 1500 items]"
    assert 1000 < content_size(new) <= 3000


def test_at_last_the_largest_part_goes() -> None:
    record = a_record(request={"model": "m"}, response={str(key): key for key in range(5000)})
    assert (shortened(record, 2000).request, shortened(record, 2000).response) == ({"model": "m"}, None)
    record = a_record(request={"model": "m", **{str(key): key for key in range(5000)}}, response={"a": 1})
    assert (shortened(record, 2000).request, shortened(record, 2000).response) == ({"model": "m"}, {"a": 1})


def test_the_name_of_a_model_is_never_cut() -> None:
    model = "ft:" + "m" * 300
    new = shortened(a_record(request={"model": model, "p": "x" * 9000}, response={"model": model}), 2000)
    assert (new.request["model"], new.response["model"]) == (model, model)


def test_no_character_is_cut_in_two() -> None:
    for limit in range(1024, 1060):
        text = shortened(a_record(request={"p": "\ud83d\ude00" * 3000}), limit).request["p"]
        assert text.partition("…")[0].count("\ud83d") == text.count("\ude00")
        whole = shortened(a_record(request={"p": "😀é" * 3000}), limit).request["p"]
        whole.encode()


def test_a_record_shortened_again_remembers_its_first_size() -> None:
    record = a_record(request={"p": "x" * 9000})
    assert shortened(shortened(record, 4000), 2000).shortened_from == content_size(record)


TEXTS = st.text(max_size=30) | st.text(
    st.characters(exclude_categories=[]) | st.sampled_from('\ud800\udc00\x00\\"'), max_size=30
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXTS,
    st.builds(lambda text, times: text * times, TEXTS, st.integers(0, 400)),
    st.sampled_from([b"bytes", {1, 2}, object, math.nan, 1j]),
    st.builds(lambda: 10**5000),
    st.builds(Unreadable),
)
KEYS = st.text(max_size=8) | st.integers() | st.sampled_from(["content", "data", None, (1, 2), b"key"])
DATA = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.builds(lambda item, times: [item] * times, inner, st.integers(0, 200)),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS, inner, max_size=6),
    ),
    max_leaves=12,
)


@given(
    request=st.dictionaries(st.text(max_size=8), DATA, max_size=5),
    response=DATA,
    metadata=st.dictionaries(st.text(max_size=8), TEXTS, max_size=3),
    limit=st.integers(1024, 8000),
)
def test_whatever_the_data_the_result_fits_and_the_facts_stay(
    request: dict[str, Any], response: Any, metadata: dict[str, str], limit: int
) -> None:
    record = a_record(
        request={**request, "model": "gpt-4o"},
        response=response,
        metadata=metadata,
        tags=("t" * 50,),
        ending=Ending.PROVIDER_ERROR,
        error=Failure("E", "message", 500),
        started_at=1.0,
        ended_at=2.0,
    )
    size = content_size(record)
    new = shortened(record, limit)
    assert content_size(new) <= max(min(size, limit), 0)
    assert (new is record) == (size <= limit)
    assert new.request["model"] == "gpt-4o"
    facts = {"request": {}, "response": None, "metadata": {}, "shortened_from": None}
    assert dataclasses.replace(new, **facts) == dataclasses.replace(record, **facts)
    if new is not record:
        json.dumps([new.request, new.response, new.metadata])
        assert new.shortened_from == size
        again = shortened(record, limit)
        assert json.dumps([again.request, again.response]) == json.dumps([new.request, new.response])


def test_cycles_and_depth_do_no_harm() -> None:
    knot: dict[str, Any] = {"text": "x" * 9000}
    knot["self"] = knot
    deep: Any = "y" * 9000
    for _ in range(5000):
        deep = [deep]
    new = shortened(a_record(request=knot, response=deep), 2000)
    assert content_size(new) <= 2000
    assert new.request["self"] == "[circular]"


# Media

RAW = bytes(range(256)) * 40
TEXT = base64.b64encode(RAW).decode()
DIGEST = f"bytes={len(RAW)};sha256={hashlib.sha256(RAW).hexdigest()}"
LIMIT = 1000


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ({"url": f"data:image/png;base64,{TEXT}"}, {"url": f"data:image/png;{DIGEST}"}),
        (
            {"url": "data:image/png;base64," + base64.encodebytes(RAW).decode()},
            {"url": f"data:image/png;{DIGEST}"},
        ),
        (f"see ![](data:image/png;base64,{TEXT}) here", f"see ![](data:image/png;{DIGEST}) here"),
        ({"b64_json": TEXT}, {"b64_json": f"base64;{DIGEST}"}),
        ({"data": TEXT, "format": "wav"}, {"data": f"base64;format=wav;{DIGEST}", "format": "wav"}),
        ({"audio": {"id": "a", "data": TEXT}}, {"audio": {"id": "a", "data": f"base64;{DIGEST}"}}),
        ({"file_data": base64.encodebytes(RAW).decode()}, {"file_data": f"base64;{DIGEST}"}),
        (
            {"file_data": f"data:application/pdf;base64,{TEXT}"},
            {"file_data": f"data:application/pdf;{DIGEST}"},
        ),
        (
            {"type": "image_generation_call", "result": TEXT, "output_format": "png"},
            {
                "type": "image_generation_call",
                "result": f"base64;format=png;{DIGEST}",
                "output_format": "png",
            },
        ),
        ({"partial_image_b64": TEXT.rstrip("=")}, {"partial_image_b64": f"base64;{DIGEST}"}),
        ([{"anything": base64.urlsafe_b64encode(RAW).decode()}], [{"anything": f"base64;{DIGEST}"}]),
    ],
)
def test_media_becomes_its_type_size_and_digest(body: Any, left: Any) -> None:
    record = a_record(request={"body": body}, response=body)
    told = copy.deepcopy(record)
    new = with_digests(record, LIMIT)
    assert (new.request, new.response) == ({"body": left}, left)
    assert record == told


@pytest.mark.parametrize(
    "body",
    [
        {"b64_json": base64.b64encode(b"x" * LIMIT).decode()},
        {"url": "data:image/png;base64," + base64.b64encode(b"x" * LIMIT).decode()},
        {"text": "all words and no punctuation\n" * 200},
        {"data": "word, word. " * 500},
        {"data": [0.5] * 5000, "result": "x y" * 1000},
        {"b64_json": "A" * 4001},
    ],
)
def test_small_media_and_long_prose_stay_as_they_are(body: Any) -> None:
    record = a_record(request={"body": body}, response=body)
    assert with_digests(record, LIMIT) is record


def test_under_a_tiny_limit_words_are_no_media() -> None:
    record = a_record(request={"model": "gpt-4o", "role": "assistant", "messages": [{"content": "word"}]})
    assert with_digests(record, 1) is record
