"""Form bodies: their parts, and the boundary that differs from run to run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message

_PLAIN_BOUNDARY = "boundary-of-the-form"


@dataclass(frozen=True)
class Part:
    """One field of a form; a file has a `filename`."""

    name: str
    filename: str | None
    content_type: str | None
    content: bytes


def boundary_of(content_type: str) -> str | None:
    """The boundary named in a `multipart/form-data` header, `None` for any other type."""
    if not content_type.startswith("multipart/form-data"):
        return None
    found = re.search(r'boundary="?([^";]+)', content_type)
    return found.group(1) if found else None


def parts_of(content_type: str, body: bytes) -> list[Part]:
    boundary = boundary_of(content_type)
    assert boundary is not None, f"no form: {content_type}"
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    # Before the first boundary there is nothing, after the last one only `--`.
    return [_part(piece.removeprefix(b"\r\n")) for piece in pieces[1:-1]]


def normalised(content_type: str, body: bytes) -> tuple[str, bytes]:
    """Header and body with the client's random boundary replaced by a constant one."""
    boundary = boundary_of(content_type)
    if boundary is None:
        return content_type, body
    plain = content_type.replace(boundary, _PLAIN_BOUNDARY)
    return plain, body.replace(boundary.encode(), _PLAIN_BOUNDARY.encode())


def _part(piece: bytes) -> Part:
    head, _, content = piece.partition(b"\r\n\r\n")
    headers = Message()
    for line in head.decode().splitlines():
        field, _, value = line.partition(":")
        headers[field] = value.strip()
    name = headers.get_param("name", header="content-disposition")
    filename = headers.get_param("filename", header="content-disposition")
    return Part(
        name=str(name),
        filename=None if filename is None else str(filename),
        content_type=headers.get("content-type"),
        content=content,
    )
