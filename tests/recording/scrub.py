"""What may stand in a cassette: no key, and nothing that differs from one recording to the next.

Everything a cassette is written from passes through `Scrubber`; `keys_in` looks for what it may have missed.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from replay.multipart import normalised

Interaction: TypeAlias = dict[str, Any]
"""A request and its response as vcrpy hands them to a serializer, bodies as text where they are text."""

TRACK_REQUEST = "/track-request"
HIDDEN = "***"

# Lists of what is kept: a header that nobody has thought of is not written.
_REQUEST_HEADERS = frozenset({"content-type", "x-stainless-retry-count"})
_RESPONSE_HEADERS = frozenset({"content-type", "retry-after", "x-request-id"})

# After anything but a letter: in binary data read as text, what is before a key may well be one to Unicode.
_KEYS = re.compile(
    r"(?<![A-Za-z])(?:(?:sk|pk|rk|pl)[-_][A-Za-z0-9_-]{12,}|(?:Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,})"
)
_KEY_FIELDS = re.compile(
    r'"(?:authorization|proxy-authorization|api[-_]?key|x-api-key|openai-organization|openai-project|cookie'
    r'|set-cookie)"\s*:\s*(?!\s*"\*\*\*")',
    re.IGNORECASE,
)

_BASE64 = re.compile(r'"base64": "([A-Za-z0-9+/=]+)"')

# The server's random ids, and the times at which it made things.
_IDS = re.compile(
    r"\b(req|chatcmpl|call|resp|msg|fc|modr|file|batch)([-_])[A-Za-z0-9_-]{16}(?![A-Za-z0-9_-])"
)
_TIMES = re.compile(r'("(?:created|created_at|completed_at|expires_at)":\s*)\d{10}\b')
_SOME_TIME = r"\g<1>1700000000"

_ACCOUNT = {"api_key": HIDDEN, "request_start_time": 0.0, "request_end_time": 0.0}
_METADATA = {"record_id": "0" * 32, "sdk": "openai-python/0", "first_token_s": "0.000"}


def keys_in(text: str) -> list[str]:
    """Whatever looks like a credential in the text of a cassette, or like the place of one."""
    blobs = [base64.b64decode(blob).decode("latin-1") for blob in _BASE64.findall(text)]
    found = (pattern.finditer(each) for each in (text, *blobs) for pattern in (_KEYS, _KEY_FIELDS))
    return [one.group() for some in found for one in some]


def account(body: Mapping[str, Any]) -> dict[str, Any]:
    """What PromptLayer was told, with a constant for what differs from run to run or is a key."""
    ours = {f"promptlayer_patch.{name}": constant for name, constant in _METADATA.items()}
    metadata = {name: ours.get(name, value) for name, value in (body.get("metadata") or {}).items()}
    return {**body, **_ACCOUNT, "metadata": metadata}


class Scrubber:
    """Makes the interactions of one cassette fit to be written.

    `hosts` gives each address of the recording the name it has in the cassette; `secrets` are hidden wherever
    they turn up, whatever they look like.
    """

    def __init__(self, hosts: Mapping[str, str], secrets: Iterable[str] = ()) -> None:
        self._hosts = dict(hosts)
        self._secrets = list(secrets)
        self._aliases: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def __call__(self, interactions: Iterable[Interaction]) -> list[Interaction]:
        """The interactions, OpenAI's first and then PromptLayer's by request id, as they may be written."""
        return [self._interaction(one) for one in sorted(interactions, key=_request_id)]

    def _interaction(self, one: Interaction) -> Interaction:
        request, response = one["request"], one["response"]
        # The answer first: what its ids are called is then known where a later request quotes them.
        answer = {
            "status": response["status"],
            "headers": self._headers(response["headers"], _RESPONSE_HEADERS),
            "body": {"string": self._text(response["body"]["string"])},
        }
        headers = self._headers(request["headers"], _REQUEST_HEADERS)
        body = self._text(request["body"])
        kind = headers.get("content-type", [""])[0]
        if kind.startswith("multipart/"):
            kind, content = normalised(kind, body.encode() if isinstance(body, str) else body)
            headers["content-type"], body = [kind], _readable(content)
        uri = self._text(request["uri"])
        if uri.endswith(TRACK_REQUEST):
            body = json.dumps(account(json.loads(body)), separators=(",", ":"), ensure_ascii=False)
        return {
            "request": {"method": request["method"], "uri": uri, "headers": headers, "body": body},
            "response": answer,
        }

    def _headers(self, headers: Mapping[str, list[str]], kept: frozenset[str]) -> dict[str, list[str]]:
        found = {name.lower(): [self._text(value) for value in values] for name, values in headers.items()}
        return {name: found[name] for name in sorted(found) if name in kept}

    def _text(self, text: Any) -> Any:
        """Text without secrets, addresses, random ids and times; so too what is text in binary data."""
        if isinstance(text, bytes):
            return self._text(text.decode("latin-1")).encode("latin-1")
        if not isinstance(text, str):
            return text
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        for address, name in self._hosts.items():
            text = text.replace(address, name)
        return _TIMES.sub(_SOME_TIME, _IDS.sub(self._alias, _KEYS.sub(HIDDEN, text)))

    def _alias(self, found: re.Match[str]) -> str:
        """The same short name for the same random id, all over the cassette."""
        kind = found[1]
        if found[0] not in self._aliases:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._aliases[found[0]] = f"{kind}{found[2]}{self._counts[kind]}"
        return self._aliases[found[0]]


def _request_id(one: Interaction) -> int:
    """Which place an interaction has: with the id PromptLayer answered, or before all of those."""
    if not one["request"]["uri"].endswith(TRACK_REQUEST):
        return 0
    return int(json.loads(one["response"]["body"]["string"]).get("request_id") or 0)


def _readable(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content
