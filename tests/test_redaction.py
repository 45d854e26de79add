"""Secrets never leave, what the user named neither, and everything else is left as it is."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import logging
import re
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlayer_patch._refining.redaction import redacted, rules_of
from promptlayer_patch._refining.rewriting import emptied
from promptlayer_patch.errors import InvalidArgument
from promptlayer_patch.records import Ending, Failure, Record

ALNUM = string.ascii_letters + string.digits


def a_record(**fields: Any) -> Record:
    return Record(**{"id": "01a2", "function_name": "openai.chat.completions.create", **fields})


def under(record: Record, *rules: Any) -> Record:
    return redacted(record, rules_of("redact", list(rules)))


def said(text: str) -> str:
    """What becomes of `text` in a message."""
    return str(under(a_record(request={"m": [{"content": text}]})).request["m"][0]["content"])


# Generated secrets and data


def run(alphabet: str, low: int, high: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=low, max_size=high)


PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + "MIIEpAIBAAKCAQEA0123456789abcdefMIIEpAIBAAKCAQEA0123456789abcdef\n" * 3
    + "q83vEjRWeJA=\n-----END RSA PRIVATE KEY-----"
)
SECRETS = st.one_of(
    run(ALNUM, 20, 60).map("sk-{}".format),
    run(ALNUM + "_-", 24, 60).map(lambda rest: f"sk-proj-{rest}A1b2C3d4E5f6"),
    run(ALNUM, 20, 60).map("sk-ant-api03-{}".format),
    run("0123456789abcdef", 31, 31).map("pl_7{}".format),
    run(ALNUM, 24, 24).map("rk_live_{}".format),
    run(string.ascii_uppercase + string.digits, 16, 16).map("AKIA{}".format),
    st.tuples(st.sampled_from(["ghp_", "gho_", "ghs_"]), run(ALNUM, 36, 36)).map("".join),
    run(ALNUM, 22, 22).map(lambda rest: f"github_pat_{rest}_{rest}"),
    st.tuples(st.sampled_from("bap"), run(string.digits, 10, 12), run(ALNUM, 24, 24)).map(
        lambda parts: "xox{}-{}-{}".format(*parts)
    ),
    run(ALNUM + "_-", 35, 35).map("AIza{}".format),
    st.tuples(run(ALNUM + "_-", 10, 40), run(ALNUM + "_-", 10, 40)).map(
        lambda parts: "eyJhbGciOiJIUzI1NiJ9.eyJ{}.{}".format(*parts)
    ),
    st.just(PEM),
)
DATA = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=7),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def nested(draw: st.DrawFn, leaf: str) -> Any:
    """Data with `leaf` somewhere in it."""
    data: Any = leaf
    for key in draw(st.lists(st.none() | st.text(max_size=6), max_size=8)):
        others = draw(st.lists(DATA, max_size=2))
        data = [*others, data] if key is None else {"other": others, key: data}
    return data


# Secrets


@given(data=st.data(), secret=SECRETS)
def test_no_secret_survives_anywhere(data: st.DataObject, secret: str) -> None:
    text = f"before {secret} after"
    record = a_record(
        request={"body": data.draw(nested(text))},
        response=data.draw(nested(text)),
        metadata={"note": text},
        tags=("one", text),
        error=Failure("AuthenticationError", text, 401),
    )
    told = copy.deepcopy(record)
    new = under(record)
    assert secret not in json.dumps(dataclasses.asdict(new)).replace("\\n", "\n")
    assert secret[8:24] not in json.dumps(dataclasses.asdict(new))
    assert record == told
    assert new.tags == ("one", "before *** after")
    assert new.error == Failure("AuthenticationError", "before *** after", 401)


@given(DATA, DATA)
def test_data_without_secrets_comes_back_as_the_same_object(request: Any, response: Any) -> None:
    record = a_record(request={"body": request}, response=response, metadata={"a": "b"}, tags=("t",))
    assert under(record) is record
    assert under(record, "no-such-key", "no.such.path", re.compile("\x00\x01no such text")) is record


def test_only_what_holds_a_secret_is_copied() -> None:
    record = a_record(request={"a": {"x": ["y"]}, "b": ["sk-0123456789abcdef0123"]}, response={"z": [1]})
    new = under(record)
    assert new.request == {"a": {"x": ["y"]}, "b": ["***"]}
    assert new.request["a"] is record.request["a"]
    assert new.response is record.response


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Authorization: Bearer abcdef0123456789", "Authorization: Bearer ***"),
        ("bearer " + "x" * 20, "bearer ***"),
        ("Basic " + base64.b64encode(b"ada:lovelace").decode(), "Basic ***"),
        ("Basic " + base64.b64encode(b"u:p").decode() + "!", "Basic ***!"),
        ("Incorrect API key provided: sk-abcde***********wxyz.", "Incorrect API key provided: ***."),
        ("OPENAI_API_KEY=sk-0123456789abcdef", "OPENAI_API_KEY=***"),
        ("my_sk-0123456789abcdef", "my_***"),
        ('{"api_key": "abc", "n": 1}', '{"api_key": "***", "n": 1}'),
        (r'{"a": "{\"Authorization\": \"abc\"}"}', r'{"a": "{\"Authorization\": \"***\"}"}'),
        (PEM + " tail", "*** tail"),
        (PEM[:150], "***"),
    ],
)
def test_what_is_left_of_a_text_with_a_secret(text: str, left: str) -> None:
    assert said(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "Basic understanding of JavaScript is a basic requirement, basic authentication too",
        "The bearer of this letter; bearer authentication; Bearer internationally",
        "a risk-averse task-force-number-one for disk-encryption-at-rest-2024-2025",
        "mask-rcnn-resnet50-fpn-coco-2017-weights ask-me-anything-anytime-anywhere",
        "sk-learn-based-approach, pl_module_state_dict, rk_step_size_of_integrator",
        "pl_tags, return_pl_id, sk_classifier_with_options",
        "-----BEGIN CERTIFICATE----- is not a private key",
        "eyJ is how base64 of a JSON object begins",
        '{"key": "value", "token": "word", "max_tokens": "100"}',
    ],
)
def test_prose_is_no_secret(text: str) -> None:
    assert said(text) == text


WORDS = st.text(string.ascii_lowercase, min_size=1, max_size=11)


@given(
    st.sampled_from(["chatcmpl-", "resp_", "call_", "asst_", "msg_", "thread_", "file-", "batch_", "req_"]),
    run(ALNUM, 20, 40),
    st.sampled_from(["task-", "risk-", "desk-", "disk-", "sk-", "pl_", "Basic ", "bearer "]),
    st.lists(WORDS, min_size=1, max_size=8),
)
def test_ids_and_words_are_no_secrets(prefix: str, rest: str, start: str, words: list[str]) -> None:
    for text in (prefix + rest, f"see {prefix}{rest}.", start + "-".join(words), start + "_".join(words)):
        assert said(text) == text


def test_a_header_by_its_name_is_a_secret_whatever_it_looks_like() -> None:
    headers = {
        "Authorization": "opaque",
        "X-API-Key": "k",
        "api_key": "",
        "client_secret": "s",
        "Accept": "a",
    }
    record = under(a_record(request={"tools": [{"headers": headers}]}, metadata={"api_key": "x"}))
    assert record.request["tools"][0]["headers"] == {
        "Authorization": "***",
        "X-API-Key": "***",
        "api_key": "",
        "client_secret": "***",
        "Accept": "a",
    }
    assert record.metadata == {"api_key": "***"}
    assert under(record) is record


def test_a_secret_in_an_object_that_is_no_json_does_not_leave() -> None:
    secret = b"sk-0123456789abcdef0123"
    new = under(a_record(request={"body": {"raw": secret, "set": {secret.decode()}, "path": b"plain"}}))
    assert secret.decode() not in str(new)
    assert new.request["body"]["path"] == b"plain"


def test_cycles_and_endless_depth_come_to_an_end() -> None:
    knot: dict[str, Any] = {"secret": "sk-0123456789abcdef0123"}
    knot["self"] = [knot, knot]
    deep: Any = "sk-0123456789abcdef0123"
    for _ in range(5000):
        deep = [deep]
    shared: Any = ["sk-0123456789abcdef0123"]
    for _ in range(60):
        shared = [shared, shared]
    assert under(a_record(request=knot)).request == {"secret": "***", "self": ["[circular]", "[circular]"]}
    assert "nested too deeply" in str(under(a_record(response=deep)).response)
    assert under(a_record(response=shared)).id == "01a2"


# Rules


BODY = {
    "model": "gpt-4o",
    "messages": [
        {"role": "user", "content": "one", "Password": {"old": 1}},
        {"role": "user", "content": "two"},
    ],
}


def test_a_key_is_redacted_at_any_depth_and_in_any_spelling() -> None:
    record = under(
        a_record(request=BODY, response={"PASSWORD": None, "x": 1}, metadata={"password": "p", "q": "r"}),
        "password",
    )
    assert record.request["messages"][0] == {"role": "user", "content": "one", "Password": "[redacted]"}
    assert record.request["messages"][1] is BODY["messages"][1]
    assert record.response == {"PASSWORD": "[redacted]", "x": 1}
    assert record.metadata == {"password": "[redacted]", "q": "r"}


def test_a_key_is_redacted_within_the_arguments_of_tools() -> None:
    for arguments in (
        '{"password": {"is": "hunter2"}, "n": 1}',
        '{"password": "hunter2',
        '[{"Password": "hunter2"}]',
    ):
        record = under(a_record(response={"function": {"arguments": arguments}}), "password")
        assert "hunter2" not in str(record.response)
    kept = under(a_record(response={"arguments": '{"n":  1}'}), "password")
    assert kept.response == {"arguments": '{"n":  1}'}


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        ("messages[*].content", {"request.0", "request.1", "response.0"}),
        ("request.messages[*].content", {"request.0", "request.1"}),
        ("$.request.messages[0].content", {"request.0"}),
        ("$['request'].messages[-1]['content']", {"request.1"}),
        ("$.response.messages[9].content", set()),
        ("**.content", {"request.0", "request.1", "response.0", "metadata"}),
        ("$.**.content", {"request.0", "request.1", "response.0", "metadata"}),
        ("$.*.messages.*.content", {"request.0", "request.1", "response.0"}),
        ("metadata.content", {"metadata"}),
        ("error.message", {"error"}),
        ("$.response", {"response.0"}),
        ("**", {"request.0", "request.1", "response.0", "metadata", "error"}),
    ],
)
def test_a_path_redacts_what_it_leads_to(path: str, gone: set[str]) -> None:
    record = a_record(
        request={"messages": [{"content": "request.0"}, {"content": "request.1"}]},
        response={"messages": [{"content": "response.0"}]},
        metadata={"content": "metadata"},
        error=Failure("E", "error"),
    )
    told = copy.deepcopy(record)
    new = under(record, path)
    left = str((new.request, new.response, dict(new.metadata), new.error and new.error.message))
    assert {
        name for name in ("request.0", "request.1", "response.0", "metadata", "error") if name not in left
    } == gone
    assert record == told
    assert (new is record) == (not gone)


def test_a_pattern_is_replaced_in_every_text() -> None:
    text = "write to ada@example.org"
    record = a_record(
        request={"m": [text]}, response=text, metadata={"who": text}, error=Failure("E", text), tags=("kept",)
    )
    new = under(record, re.compile(r"\w+@[\w.]+"))
    gone = "write to [redacted]"
    assert (new.request, new.response, new.metadata) == ({"m": [gone]}, gone, {"who": gone})
    assert new.error == Failure("E", gone)


def test_a_pattern_cannot_break_a_secret_into_unknown_pieces() -> None:
    new = under(a_record(request={"m": "sk-abcdefghijkl0123456789mnopqrstuv"}), re.compile(r"\d+"))
    assert new.request == {"m": "***"}


def test_a_function_decides_about_content_and_keeps_the_id() -> None:
    def change(record: Record) -> Record:
        return dataclasses.replace(record, id="other", request={"key": "sk-0123456789abcdef0123"})

    new = under(a_record(request=BODY), change)
    assert (new.id, new.request) == ("01a2", {"key": "***"})


def failing(record: Record) -> Record:
    raise ValueError(f"cannot redact {record.request}")


@pytest.mark.parametrize(
    "rule",
    [
        failing,
        lambda record: None,
        lambda record: dataclasses.replace(record, request="text"),
        lambda record: dataclasses.replace(record, tags=(1,)),
    ],
)
def test_where_a_rule_fails_the_content_is_dropped_and_the_fact_stays(
    rule: Any, caplog: pytest.LogCaptureFixture
) -> None:
    record = a_record(
        request={"m": "the question"},
        response="the answer",
        metadata={"user": "ada"},
        tags=("t",),
        ending=Ending.PROVIDER_ERROR,
        error=Failure("RateLimitError", "the words", 429),
    )
    with caplog.at_level(logging.WARNING, "promptlayer_patch"):
        new = under(record, rule)
    assert new == emptied(record, "the redaction failed")
    assert (new.request, new.response) == ({}, None)
    assert new.metadata == {"promptlayer_patch.content": "dropped: the redaction failed"}
    assert new.error == Failure("RateLimitError", "", 429)
    assert (new.id, new.tags, new.ending) == (record.id, record.tags, record.ending)
    assert "redacting failed" in caplog.text
    assert "the question" not in caplog.text


@pytest.mark.parametrize(
    "redact",
    [
        *(
            "",
            " ",
            ["ok", ""],
            "a..b",
            "a.",
            "$",
            "$.",
            "$x",
            "a[",
            "a[]",
            "a[x]",
            "$.messages",
            "a]b.c",
            "a.b*",
        ),
        *(1, True, b"key", re.compile(b"x"), {"key": 1}, {"key"}, [None], dict, [["a"]]),
    ],
)
def test_what_is_no_rule_is_refused_by_name(redact: object) -> None:
    with pytest.raises(InvalidArgument) as refused:
        rules_of("redact", redact)
    assert refused.value.argument == "redact"


def test_no_rules_one_rule_or_a_list_of_them() -> None:
    assert rules_of("redact", None) == rules_of("redact", []) == ()
    assert rules_of("redact", "a") == rules_of("redact", ("A",))
    assert len(rules_of("redact", ["a", "a.b", re.compile("x"), failing])) == 4
