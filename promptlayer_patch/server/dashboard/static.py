"""The files that pages are made of, read once: there is no path into a directory."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.server.refusals import NotFound

__all__ = ["ENDPOINTS", "address"]

_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_A_YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    packed: bytes
    content_type: str
    version: str


@lru_cache(maxsize=1)
def _files() -> dict[str, _File]:
    found = {}
    for entry in files(__package__).joinpath("static").iterdir():
        suffix = entry.name[entry.name.rfind(".") :]
        if suffix in _TYPES:
            content = entry.read_bytes()
            version = hashlib.sha256(content).hexdigest()[:12]
            found[entry.name] = _File(content, gzip.compress(content, 9, mtime=0), _TYPES[suffix], version)
    return found


def address(name: str) -> str:
    """Where a page finds a file; another one when its content changes, so that browsers may keep it."""
    return f"/static/{_files()[name].version}/{name}"


def _file(call: Call[None, None]) -> Answer:
    file = _files().get(call.path["name"])
    if file is None or file.version != call.path["version"]:
        raise NotFound("there is no such file")
    headers = {"Cache-Control": _FOR_A_YEAR, "Vary": "Accept-Encoding"}
    if "gzip" in call.headers.get("accept-encoding", ""):
        return Answer(
            file.packed, headers={**headers, "Content-Encoding": "gzip"}, content_type=file.content_type
        )
    return Answer(file.content, headers=headers, content_type=file.content_type)


def _icon(call: Call[None, None]) -> Answer:
    icon = _files()["icon.svg"]
    return Answer(
        icon.content, headers={"Cache-Control": "public, max-age=86400"}, content_type=icon.content_type
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/favicon.ico",
        handler=_icon,
        summary="the icon that browsers ask for where no page names one",
        auth=Auth.NONE,
    ),
    Endpoint(
        method="GET",
        path="/static/{version}/{name}",
        handler=_file,
        summary="a file that pages are made of",
        auth=Auth.NONE,
        refuses=(404,),
    ),
)
