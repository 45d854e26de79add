"""The application: from a table of endpoints to answers."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope, Send

from promptlayer_patch.server.bodies import (
    LARGE_BYTES,
    MAX_BYTES,
    MAX_INFLATED_BYTES,
    Bodies,
    Place,
    UnsupportedMediaType,
    checked,
    json_in,
)
from promptlayer_patch.server.dashboard import entering
from promptlayer_patch.server.dashboard.refusing import refused
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint, RawBody, Stream
from promptlayer_patch.server.guarding import ALWAYS, Gate
from promptlayer_patch.server.keyring import Keyring
from promptlayer_patch.server.protocol import answered_at_once
from promptlayer_patch.server.refusals import BadRequest, NotFound, Refusal, Unauthorized, Unavailable
from promptlayer_patch.server.sessions import Sessions
from promptlayer_patch.server.streaming import start_of, stream
from promptlayer_patch.server.workspaces import Workspace
from promptlayer_patch.server.writing import answer_json
from promptlayer_patch.store import StoreUnavailable

__all__ = ["Application"]

log = logging.getLogger("promptlayer_patch.server")

_JSON = "application/json; charset=utf-8"
_JSON_HEAD = b"content-type: %b\r\ncontent-length: %%d\r\n%b" % (
    _JSON.encode(),
    b"".join(b"%b: %b\r\n" % header for header in ALWAYS),
)
"""The headers of most answers, without the length."""
_FORM = "application/x-www-form-urlencoded"
_WITHOUT_BODY = ("GET", "DELETE")
_PART = re.compile(r"{(\w+)}")


class MethodNotAllowed(Refusal):
    status = 405


class Mistake(Refusal):
    status = 500


class Application:
    """The ASGI application over one table of endpoints."""

    def __init__(
        self, endpoints: Sequence[Endpoint], keyring: Keyring, gate: Gate, sessions: Sessions
    ) -> None:
        self._keyring = keyring
        self._gate = gate
        self._sessions = sessions
        self._bodies = Bodies()
        self._fixed: dict[str, dict[str, Endpoint]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Endpoint]]] = []
        for endpoint in (*endpoints, *entering.endpoints(sessions, keyring.workspace_of)):
            self._methods_of(endpoint.path)[endpoint.method] = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            answer = await self._answer(scope, receive)
            if isinstance(answer.content, Stream):
                await stream(send, receive, answer, answer.content, head=scope["method"] == "HEAD")
            else:
                await _send(send, answer, head=scope["method"] == "HEAD")

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        headers = _headers(scope)
        try:
            self._gate.admit(scope, headers)
            endpoint, path = self._endpoint(scope)
            return await self._call(endpoint, path, scope, headers, receive)
        except Refusal as refusal:
            return refused(headers, refusal)
        except StoreUnavailable:
            return refused(headers, Unavailable("the store is busy; try again"))
        except Exception as fault:
            _log(fault, scope["path"])
            return refused(headers, Mistake("the server made a mistake"))

    def _methods_of(self, path: str) -> dict[str, Endpoint]:
        if "{" not in path:
            return self._fixed.setdefault(path, {})
        pattern = re.compile(_PART.sub(r"(?P<\1>[^/]+)", path))
        for known, methods in self._patterns:
            if known == pattern:
                return methods
        self._patterns.append((pattern, {}))
        return self._patterns[-1][1]

    def _endpoint(self, scope: Scope) -> tuple[Endpoint, dict[str, str]]:
        # As it was sent, not as it was decoded: a name in it may hold a slash, sent as %2F.
        sent = scope["raw_path"].decode("latin-1").partition("?")[0]
        methods, parts = self._fixed.get(sent), {}
        if methods is None:
            for pattern, known in self._patterns:
                match = pattern.fullmatch(sent)
                if match:
                    methods = known
                    parts = {name: unquote(part) for name, part in match.groupdict().items()}
                    break
            else:
                raise NotFound("there is nothing at this address")
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method not in methods:
            raise MethodNotAllowed("this address takes other methods", headers={"Allow": ", ".join(methods)})
        return methods[method], parts

    async def _call(
        self,
        endpoint: Endpoint,
        path: Mapping[str, str],
        scope: Scope,
        headers: Mapping[str, str],
        receive: Receive,
    ) -> Answer:
        # Who it is comes first: whoever has no key makes the server read no body, where the key is in the
        # header, and learns nothing from what is said about one.
        key = headers.get("x-api-key")
        if endpoint.auth is Auth.SESSION and not key:
            token = QueryParams(scope["query_string"]).get("token")
            if token is not None and self._sessions.admits(token):
                return entering.entered(self._sessions, _without_token(scope))
            workspace = self._visitor(endpoint, headers)
            if workspace is None:
                return entering.stranger(headers)
        else:
            workspace = self._workspace(endpoint, key) if key or endpoint.raw else None
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        place = self._bodies.place()
        try:
            content = await self._content(endpoint, kind, headers, receive, place)
            if len(content) > LARGE_BYTES:
                known, body = await run_in_threadpool(self._read, endpoint, workspace, kind, content)
            else:
                known, body = self._read(endpoint, workspace, kind, content)
            query = None
            if endpoint.query is not None:
                query = checked(endpoint.query, _parameters(QueryParams(scope["query_string"])), "query")
            return await _handled(endpoint, Call(known, body, query, path, headers))
        finally:
            place.leave()

    async def _content(
        self,
        endpoint: Endpoint,
        kind: str,
        headers: Mapping[str, str],
        receive: Receive,
        place: Place,
    ) -> bytes:
        if endpoint.method in _WITHOUT_BODY:
            return b""
        read = self._bodies.read
        if endpoint.raw:
            if kind not in endpoint.raw:
                raise UnsupportedMediaType(f"the content type must be one of {', '.join(endpoint.raw)}")
            most = MAX_BYTES if kind == "application/json" else MAX_INFLATED_BYTES
            return await read(receive, headers, place, inflated_max=most)
        content = await read(receive, headers, place)
        if endpoint.form and kind == _FORM:
            return content
        # A form of another site can send any other type without asking; it cannot send this one.
        if content and kind != "application/json":
            raise UnsupportedMediaType("the content type must be application/json")
        return content

    def _read(
        self, endpoint: Endpoint, workspace: Workspace | None, kind: str, content: bytes
    ) -> tuple[Workspace, Any]:
        """Who it is, and what they have sent in the form that the endpoint declares."""
        if workspace is not None and endpoint.raw:
            return workspace, RawBody(content, kind)
        sent = _form_in(content) if kind == _FORM else json_in(content)
        workspace = workspace or self._workspace(endpoint, _key_in(sent))
        if endpoint.method in _WITHOUT_BODY:
            return workspace, None
        return workspace, sent if endpoint.body is None else checked(endpoint.body, sent, "body")

    def _visitor(self, endpoint: Endpoint, headers: Mapping[str, str]) -> Workspace | None:
        """The workspace of a browser that was let in."""
        number = self._sessions.workspace_in(headers)
        if number is not None and endpoint.method not in _WITHOUT_BODY:
            self._gate.admit_own_page(headers)
        return None if number is None else self._keyring.workspace(number)

    def _workspace(self, endpoint: Endpoint, key: str | None) -> Workspace:
        if endpoint.auth is Auth.NONE:
            return self._keyring.home
        workspace = self._keyring.workspace_of(key) if key else None
        if workspace is None:
            raise Unauthorized("the API key is unknown" if key else "there is no API key")
        return workspace


async def _handled(endpoint: Endpoint, call: Call[Any, Any]) -> Answer:
    if endpoint.is_async:
        given = await endpoint.handler(call)
    else:
        given = await run_in_threadpool(endpoint.handler, call)
    if not isinstance(given, Answer):
        return Answer(given, endpoint.ok)
    return given if given.status else replace(given, status=endpoint.ok)


def _headers(scope: Scope) -> dict[str, str]:
    """By lower-case name; of several with one name the first."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


def _form_in(content: bytes) -> dict[str, Any]:
    """The fields of a form, as of an address."""
    try:
        return _parameters(QueryParams(content.decode()))
    except UnicodeDecodeError:
        raise BadRequest("the form is no UTF-8") from None


def _without_token(scope: Scope) -> str:
    kept = [
        (name, value) for name, value in QueryParams(scope["query_string"]).multi_items() if name != "token"
    ]
    path: str = scope["raw_path"].decode("latin-1")
    # One slash: two would name another host.
    return "/" + path.lstrip("/") + (f"?{urlencode(kept)}" if kept else "")


def _key_in(sent: Any) -> str | None:
    key = sent.get("api_key") if isinstance(sent, dict) else None
    return key if isinstance(key, str) else None


def _parameters(query: QueryParams) -> dict[str, Any]:
    """One value as it is, several as a list."""
    many = {name: query.getlist(name) for name in query}
    return {name: values[0] if len(values) == 1 else values for name, values in many.items()}


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _send(send: Send, answer: Answer, *, head: bool) -> None:
    content, content_type = answer.content, answer.content_type
    if content_type is None:
        content, content_type = answer_json(content), _JSON
    plain = content_type is _JSON and not answer.headers and not head and answer.status != 204
    if plain and answered_at_once(send, answer.status or 200, _JSON_HEAD % len(content), content):
        return
    headers = {"content-type": content_type, "content-length": str(len(content)), **answer.headers}
    if answer.status == 204:
        content, headers = b"", dict(answer.headers)
    await send(start_of(answer, headers))
    await send({"type": "http.response.body", "body": b"" if head else content})


def _log(fault: Exception, path: str) -> None:
    # The kind and the place: the text of an exception may quote a prompt.
    frame = traceback.extract_tb(fault.__traceback__)[-1]
    log.error("%s failed: %s at %s:%s", path, type(fault).__name__, frame.filename, frame.lineno)
