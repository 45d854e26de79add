"""What is told of a record from its bytes is what going through its data would have told."""

from __future__ import annotations

import array
import base64
import json
import random
import string
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from promptlayer_patch._bodies import Bodies
from promptlayer_patch._encoding import decoded, encoded
from promptlayer_patch._refining.media import with_digests
from promptlayer_patch._refining.screening import is_clean, is_small, longest, suspects
from promptlayer_patch._refining.secrets import scrubbed_value
from promptlayer_patch._refining.shortening import content_size
from promptlayer_patch._vectors import as_floats, has_vectors
from promptlayer_patch.records import Record
from tests.test_redaction import SECRETS

# Beginnings and names of secrets, in all their spellings, and what may stand beside them.
PIECES = (
    *("sk-", "sk_", "pl_", "rk_", "eyJ", "AKIA", "ASIA", "AIza", "ghp_", "gho_", "ghs_", "ghu_", "ghr_"),
    *(
        "github_pat_",
        "xoxb-",
        "xoxs-",
        "Bearer ",
        "bearer\t",
        "Basic ",
        "basic\n",
        "-----BEGIN ",
        "Bearer\u00a0",
    ),
    *("-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", "live_", "proj-", "."),
    *(
        "api_key",
        "API-Key",
        "apiKey",
        "authorization",
        "Proxy-Authorization",
        "access_token",
        "client_secret",
    ),
    *("acce\u00df-token", "acce\u017fs_token", "api_\u212aey", '"', '":', '" :', '"\t:', '\\"', '\\":', ": "),
    *(
        "a",
        "Z",
        "9",
        "_",
        "-",
        "*",
        " ",
        "\n",
        "\t",
        "\r",
        "\\",
        "/",
        "é",
        "世",
        "\x00",
        "\ud83d",
        "task",
        "dis",
    ),
    *("abcdefghijkl", "ABCDEFGHIJKLMNOP", "0123456789012345", "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0"),
)
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(string.printable, max_size=6)), max_size=7).map(
    "".join
)
DATA = st.recursive(
    st.one_of(TEXTS, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
SPELLINGS: tuple[dict[str, Any], ...] = (
    {"ensure_ascii": True},
    {"ensure_ascii": False, "separators": (",", ":")},
    {"ensure_ascii": False, "indent": 2},
    {"separators": (" , ", "\n:\t")},
)


def nested(value: Any, times: int) -> Any:
    """In JSON in a string, as the arguments of a tool are, or deeper."""
    for _ in range(times):
        value = {"arguments": json.dumps(value)}
    return value


@settings(max_examples=600)
@given(data=DATA, times=st.integers(0, 2), spelling=st.sampled_from(SPELLINGS))
@example(data="sk-ABCDEFGHIJKLMNOP0123", times=0, spelling=SPELLINGS[0])
@example(data="\nsk-ABCDEFGHIJKLMNOP0123", times=1, spelling=SPELLINGS[1])
@example(data={"acce\u00df-token": "hidden"}, times=0, spelling=SPELLINGS[0])
@example(data={"API_\u212aEY": "hidden"}, times=0, spelling=SPELLINGS[1])
@example(data={"a": '"api_key" : "hidden"'}, times=0, spelling=SPELLINGS[2])
@example(data={"a": '\\"api_key\\":\\"hidden\\"'}, times=1, spelling=SPELLINGS[3])
@example(data="Bearer A1b2C3d4E5f6G7h8", times=2, spelling=SPELLINGS[1])
def test_what_is_called_clean_has_nothing_to_take_out(
    data: Any, times: int, spelling: dict[str, Any]
) -> None:
    data = nested(data, times)
    body = json.dumps(data, **spelling).encode("utf-8", "surrogatepass")
    if is_clean(body):
        assert scrubbed_value(data) is data


BESIDE = (
    *("", " ", "\n", "\t", "a", "9", "-", "_", '"', "\\", "\x1f", "\x85", "\u00a0", "\u3000"),
    *("é", "\u4e16", "\U0001f511"),
)
"""What may stand before a secret and between its parts: letters and spaces of all scripts."""


@settings(max_examples=1500)
@given(
    secret=SECRETS,
    before=st.sampled_from(BESIDE),
    after=st.sampled_from(BESIDE),
    space=st.sampled_from(BESIDE),
    times=st.integers(0, 1),
    spelling=st.sampled_from(SPELLINGS),
)
@example("sk-ABCDEFGHIJKLMNOP0123", "\u4e16", "", " ", 0, SPELLINGS[0])
@example("sk-ABCDEFGHIJKLMNOP0123", "é", "", " ", 0, SPELLINGS[0])
@example("Bearer A1b2C3d4E5f6G7h8", "", "", "\u00a0", 0, SPELLINGS[0])
@example("Bearer A1b2C3d4E5f6G7h8", "", "", "\u3000", 0, SPELLINGS[1])
@example("eyJhéabcdefgh.abcdefgh.abcdefgh", "", "", " ", 0, SPELLINGS[1])
def test_no_neighbour_hides_a_secret(
    secret: str, before: str, after: str, space: str, times: int, spelling: dict[str, Any]
) -> None:
    data = nested({"text": before + secret.replace(" ", space) + after, f"{before}api_key": "hidden"}, times)
    told = {**data, "named": f'"api_key"{space}:"hidden"'}
    for one in (data, told, [before + secret.replace(" ", space) + after]):
        if scrubbed_value(one) is not one:
            assert not is_clean(json.dumps(one, **spelling).encode("utf-8", "surrogatepass"))


@settings(max_examples=300)
@given(
    data=DATA,
    secret=SECRETS,
    before=st.sampled_from(BESIDE),
    many=st.sampled_from(("", "-", "_", "J", "I", "B", "b", "\\", '"')),
    apart=st.sampled_from((40, 3_000, 9_000)),
    spelling=st.sampled_from(SPELLINGS),
)
def test_no_length_of_the_text_around_it_hides_a_secret(
    data: Any, secret: str, before: str, many: str, apart: int, spelling: dict[str, Any]
) -> None:
    """Long bodies are looked through in another way, which changes where a byte becomes frequent."""
    around = (many + "z" * apart + " ") * (20_000 // apart)
    for one in ([around, data], [around, before + secret], [before + secret, around], {around: secret}):
        if scrubbed_value(one) is not one:
            assert not is_clean(json.dumps(one, **spelling).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("code", [f"\\u00{number:02x}" for number in range(0x20, 0x7F)], ids=str)
def test_a_letter_spelled_as_a_number_hides_nothing(code: str) -> None:
    letter = json.loads(f'"{code}"')
    secret = "sk-ABCDEFGHIJKLMNOP0123"
    at = secret.find(letter)
    spelled = f'["{secret[:at]}{code}{secret[at + 1 :]}"]' if at >= 0 else f'["{code}"]'
    if at >= 0:
        assert json.loads(spelled) == [secret]
    assert not is_clean(spelled.encode())


WORDS = [
    *("risk-free", "desk-bound", "task_identifier", "disk_usage_percent", "re-read", "well-known", "bearers"),
    *("Basics", "Jays", "I", "A.I.", "xo", "x-axis_label", "keyJuggling", "__init__", "self._lock", "client"),
]


def test_prose_and_code_are_called_clean() -> None:
    dice = random.Random(7)
    texts = [" ".join(dice.choices(WORDS, k=40)) for _ in range(200)]
    bodies = [json.dumps({"messages": [{"role": "user", "content": text}]}).encode() for text in texts]
    assert [body for body in bodies if not is_clean(body)] == []


def a_record(request: Any, response: Any = None, spelling: dict[str, Any] | None = None) -> Record:
    """A record as decoding makes it."""
    record = Record(
        id="01a2", function_name="openai.chat.completions.create", request=request, response=response
    )
    bodies = [
        json.dumps(one, **(spelling or {})).encode("utf-8", "surrogatepass") for one in (request, response)
    ]
    object.__setattr__(record, "bodies", Bodies(*bodies))
    return record


def test_only_what_is_not_clean_or_has_no_bytes_is_suspected() -> None:
    clean, not_clean = {"model": "gpt-4o"}, {"key": "sk-ABCDEFGHIJKLMNOP0123"}
    assert suspects(a_record(clean, clean)) == ["metadata"]
    assert suspects(a_record(clean, not_clean)) == ["response", "metadata"]
    assert suspects(Record(id="1", function_name="f", request=clean)) == ["request", "response", "metadata"]


@given(request=st.dictionaries(TEXTS, DATA, max_size=3), response=DATA, spelling=st.sampled_from(SPELLINGS))
@example(request={}, response=[1e15, 1e16, 1e22, -1e-7, 1e300], spelling=SPELLINGS[1])
def test_what_is_called_small_is(request: Any, response: Any, spelling: dict[str, Any]) -> None:
    record = a_record(request, response, spelling)
    for limit in range(0, 4096, 64):
        if is_small(record, limit):
            assert content_size(record) <= limit


@given(request=st.dictionaries(TEXTS, DATA, max_size=3), spelling=st.sampled_from(SPELLINGS))
def test_no_text_is_longer_than_its_body(request: Any, spelling: dict[str, Any]) -> None:
    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for pair in value.items() for one in pair for text in texts(one)]
        return [text for one in value for text in texts(one)] if isinstance(value, list) else [str(value)]

    record = a_record(request, None, spelling)
    assert max(map(len, texts(request)), default=0) <= longest(record, "request")


def test_short_bodies_are_not_searched_for_media_and_long_ones_are() -> None:
    media = {"b64_json": "QUJD" * 100}
    record = a_record({"model": "gpt-image-1"}, {"data": [media]})
    assert with_digests(record, 10_000) is record
    assert with_digests(record, 100).response["data"][0]["b64_json"].startswith("base64;bytes=300;sha256=")


@settings(max_examples=300)
@given(request=st.dictionaries(TEXTS, DATA, max_size=3), response=DATA, spelling=st.sampled_from(SPELLINGS))
def test_a_record_written_with_its_bytes_is_read_as_it_was(
    request: Any, response: Any, spelling: dict[str, Any]
) -> None:
    text = json.dumps([request, response], **spelling)
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        return  # such bytes are no UTF-8, and no record has them
    assert decoded(encoded(a_record(request, response, spelling))) == a_record(request, response)


def test_vectors_are_written_as_they_came_and_read_as_floats() -> None:
    floats = array.array("f", [0.5, -0.25, 1e-7])
    item = {"index": 0, "embedding": base64.b64encode(floats.tobytes()).decode()}
    response: Any = {"object": "list", "data": [item], "usage": {"total_tokens": 1}}
    body = json.dumps(response, indent=2).encode()
    assert has_vectors(response)
    as_floats(response)
    record = Record(id="01a2", function_name="openai.embeddings.create", request={}, response=response)
    object.__setattr__(record, "bodies", Bodies(b"{}", body, vectors=True))
    assert item["embedding"] == floats.tolist()
    assert body in encoded(record)
    assert decoded(encoded(record)) == record


def with_vectors(*embeddings: str, beside: Any = None) -> Record:
    """A record of embeddings whose response has been left as it came."""
    response = {"data": [{"index": 0, "embedding": one} for one in embeddings], "beside": beside}
    record = Record(id="01a2", function_name="openai.embeddings.create", request={}, response=response)
    object.__setattr__(record, "bodies", Bodies(b"{}", json.dumps(response).encode(), vectors=True))
    return record


KEY = "AKIAIOSFODNN7EXAMPLE"


def test_a_vector_spells_no_secret() -> None:
    assert "response" not in suspects(with_vectors("ab/+" * 64 + KEY + "ab/+" * 59, "ab/+" * 320))


@pytest.mark.parametrize(
    "embedding",
    [
        KEY,
        KEY + "ab/+" * 58 + "abc",  # no whole number of floats
        KEY + "ab/+" * 59 + "===",
        KEY + "ab=+" * 59,
        KEY + "ab-_" * 59,
        KEY + "ab/ " * 59,
    ],
)
def test_what_is_no_vector_is_looked_at(embedding: str) -> None:
    assert "response" in suspects(with_vectors("ab/+" * 64, embedding))


@given(
    st.lists(st.binary(max_size=400).map(lambda data: base64.b64encode(data * 4).decode()), max_size=3), DATA
)
def test_beside_vectors_nothing_is_called_clean_that_is_not(embeddings: list[str], beside: Any) -> None:
    record = with_vectors(*embeddings, beside=beside)
    if "response" not in suspects(record):
        as_floats(record.response)
        assert scrubbed_value(record.response) is record.response


def test_vectors_that_were_asked_for_in_base64_stay_so() -> None:
    response = {"data": [{"embedding": base64.b64encode(b"abcdefgh").decode()}]}
    assert decoded(encoded(a_record({"encoding_format": "base64"}, response))).response == response
