"""A loopback stand-in for PromptLayer's `POST /track-request`: checks what comes, counts the ids up."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FIRST_ID = 1001

_REQUIRED: dict[str, type | tuple[type, ...]] = {
    "function_name": str,
    "kwargs": dict,
    "request_response": (dict, list, str),
    "request_start_time": (int, float, str),
    "request_end_time": (int, float, str),
}
_OPTIONAL: dict[str, type | tuple[type, ...]] = {
    "provider_type": str,
    "args": list,
    "tags": list,
    "metadata": dict,
    "span_id": str,
    "status": str,
    "error_type": str,
    "error_message": str,
}

_STATUSES = {
    "PROVIDER_RATE_LIMIT": ("WARNING", "ERROR"),
    "PROVIDER_QUOTA_LIMIT": ("WARNING", "ERROR"),
    "UNKNOWN_ERROR": ("WARNING", "ERROR"),
    "PROVIDER_PARTIAL_RESPONSE": ("WARNING",),
    "VARIABLE_MISSING_OR_EMPTY": ("WARNING",),
    "PROVIDER_TIMEOUT": ("ERROR",),
    "PROVIDER_AUTH_ERROR": ("ERROR",),
    "PROVIDER_ERROR": ("ERROR",),
    "TEMPLATE_RENDER_ERROR": ("ERROR",),
}
"""The error types there are, and the `status` each goes with."""


@contextmanager
def serving(api_key: str) -> Iterator[str]:
    """Answer as PromptLayer does, for requests that carry `api_key`; gives the server's URL."""
    server = _Server(api_key)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api_key: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api_key = api_key
        self._lock = threading.Lock()
        self._next_id = FIRST_ID

    def answer(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        if path != "/track-request":
            return 404, {"success": False, "message": "Not found"}
        if not isinstance(body, dict) or body.get("api_key") != self.api_key:
            return 401, {"success": False, "message": "Invalid API key"}
        wrong = wrong_fields(body)
        if wrong:
            return 400, {"success": False, "message": f"Wrong or missing: {', '.join(wrong)}"}
        with self._lock:
            request_id, self._next_id = self._next_id, self._next_id + 1
        message = "Request tracked successfully"
        return 200, {
            "success": True,
            "request_id": request_id,
            "prompt_blueprint": None,
            "message": message,
        }


def wrong_fields(body: Mapping[str, Any]) -> list[str]:
    """The fields PromptLayer would not take."""
    wrong = [name for name, kind in _REQUIRED.items() if not isinstance(body.get(name), kind)]
    present = {name: kind for name, kind in _OPTIONAL.items() if body.get(name) is not None}
    wrong += [name for name, kind in present.items() if not isinstance(body[name], kind)]
    pairs = (body.get("metadata") or {}).items()
    if not all(isinstance(key, str) and isinstance(value, str) for key, value in pairs):
        wrong.append("metadata")
    if body.get("error_type") is not None and body.get("status") not in _STATUSES.get(body["error_type"], ()):
        wrong.append("error_type")
    return wrong


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            body = json.loads(sent)
        except ValueError:
            body = None
        status, answer = self.server.answer(self.path, body)
        content = json.dumps(answer, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are on the tape, not on the screen."""
