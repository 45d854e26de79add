"""What many requests repeat is stored once: the messages of a conversation, long instructions, tools.

Such parts are cut out of a request's body, byte for byte, when a server stores it or when it is indexed, and
their numbers are left; to read the body is to put them back where they were. What a part means plays no role
in this, so a body always comes out as it went in.

A body is zlib data, or the text itself until the indexer compresses it. When parts are cut out of it, it is a
byte 1 and then, as numbers of seven bits a byte, how many parts there are, and for each how far behind the
one before it stands and which message it is; after them comes the rest, as zlib data. What was looked through
for parts has this form, too, where there was nothing to cut out.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from promptlayer_patch.records import Record
from promptlayer_patch.store.frame import deflated, inflated
from promptlayer_patch.store.multirow import bounded, insertion, run
from promptlayer_patch.store.repeats import candidates

__all__ = [
    "MESSAGES_TABLES",
    "Split",
    "body_of",
    "is_split",
    "is_whole",
    "joined",
    "keep",
    "keep_new",
    "remove_body",
    "split",
]

MESSAGES_TABLES = (
    # `uses` says how many places in bodies refer to the message.
    """
    CREATE TABLE messages (
        message_id INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        uses INTEGER NOT NULL,
        data BLOB NOT NULL
    )
    """,
    # Not made shorter where they are: most of the pages would stay as they are, half empty. Moved, they leave
    # pages to what is stored next. In the order in which they come, which is that of the ends of the calls:
    # by their beginnings, nearly each would belong on another page.
    """
    CREATE TABLE split_bodies (
        request_id INTEGER NOT NULL UNIQUE REFERENCES requests ON DELETE CASCADE,
        body BLOB NOT NULL
    )
    """,
)

_CUT = b"\x01"
_SPLIT_BODIES = insertion("split_bodies", ("request_id", "body"))
_DELETE_BODIES = tuple(
    f"DELETE FROM {table} WHERE request_id IN (SELECT column1 FROM {{rows}})"
    for table in ("bodies", "split_bodies")
)
_USE = """
    INSERT INTO messages (digest, uses, data) SELECT * FROM {rows} WHERE column1 IS NOT NULL
    ON CONFLICT (digest) DO UPDATE SET uses = uses + excluded.uses
"""
# In one row: to be handed many gives the interpreter's lock away as often.
_IDS = """
    SELECT json_group_array(json_array(hex(digest), message_id))
    FROM {rows} CROSS JOIN messages ON digest = column1
"""


class Part(NamedTuple):
    gap: int
    """Bytes of the rest between the part before and this one."""
    digest: bytes
    data: bytes


class Split(NamedTuple):
    """A body without the parts that are stored once."""

    rest: bytes
    parts: tuple[Part, ...]


def split(
    text: bytes, record: Record, again: Callable[[bytes], bool], *, plain: bool = False
) -> Split | None:
    """Cut out of `text`, `record` as JSON, what comes `again`, as far as one can tell by its digest.

    The messages of a conversation do in any case: the next request will have them. If nothing does, `None`
    for a body that can stay as it is, which a `plain` one cannot.
    """
    parts: list[Part] = []
    rest: list[bytes] = []
    end = 0
    for data, is_history in candidates(record):
        # The text is found, not the message: the same bytes elsewhere would do as well.
        begin = text.find(data, end)
        digest = hashlib.blake2b(data, digest_size=16).digest()
        if begin < 0 or not (is_history or again(digest)):
            continue
        parts.append(Part(begin - end, digest, data))
        rest.append(text[end:begin])
        end = begin + len(data)
    rest.append(text[end:])
    return Split(deflated(b"".join(rest)), tuple(parts)) if parts or plain else None


def is_split(body: bytes) -> bool:
    """Whether the body has the form of one that parts are cut out of."""
    return body.startswith(_CUT)


def is_whole(body: bytes) -> bool:
    """Whether nothing has been cut out of the body yet."""
    return not is_split(body) or body.startswith(_CUT + b"\0")


def body_of(connection: sqlite3.Connection, request_id: int) -> bytes | None:
    """The body of a request as it is stored, split or not."""
    for table in ("bodies", "split_bodies"):
        found = connection.execute(f"SELECT body FROM {table} WHERE request_id = ?", (request_id,)).fetchone()
        if found is not None:
            return bytes(found[0])
    return None


def joined(connection: sqlite3.Connection, body: bytes) -> bytes:
    """The text that the body was made of. Raises `ValueError` or `zlib.error` for a damaged one."""
    if not is_split(body):
        return inflated(body)
    places, begin = _places(body)
    rest = inflated(body[begin:])
    pieces: list[bytes] = []
    end = 0
    for gap, message_id in places:
        pieces += (rest[end : end + gap], _read(connection, message_id))
        end += gap
    return b"".join((*pieces, rest[end:]))


def keep(connection: sqlite3.Connection, splits: Mapping[int, Split]) -> None:
    """Store bodies in parts, in place of the whole ones of these requests. To be called in a transaction."""
    for statement in _DELETE_BODIES:
        run(connection, statement, [(request_id,) for request_id in splits])
    keep_new(connection, splits)


def keep_new(connection: sqlite3.Connection, splits: Mapping[int, Split]) -> None:
    """Store bodies in parts, of requests that have none yet. To be called in a transaction."""
    ids = _use(connection, [part for split in splits.values() for part in split.parts])
    bodies = []
    for request_id, split in splits.items():
        numbers = [len(split.parts)]
        for gap, digest, _ in split.parts:
            numbers += (gap, ids[digest])
        bodies.append((request_id, b"".join((_CUT, *map(_written, numbers), split.rest))))
    for group in bounded(bodies, lambda row: len(row[1])):
        run(connection, _SPLIT_BODIES, group)


def remove_body(connection: sqlite3.Connection, request_id: int) -> None:
    """Delete a request's body, and what no other one refers to. To be called in a transaction."""
    body = body_of(connection, request_id)
    if body is not None and is_split(body):
        ids = [(message_id,) for _, message_id in _places(body)[0]]
        connection.executemany("UPDATE messages SET uses = uses - 1 WHERE message_id = ?", ids)
        connection.executemany("DELETE FROM messages WHERE message_id = ? AND uses <= 0", ids)
    for table in ("bodies", "split_bodies"):
        connection.execute(f"DELETE FROM {table} WHERE request_id = ?", (request_id,))


def _use(connection: sqlite3.Connection, parts: Sequence[Part]) -> Mapping[bytes, int]:
    """The ids of messages, by their digests, that more places refer to: as many as there are parts."""
    uses = Counter(part.digest for part in parts)
    data = {part.digest: part.data for part in parts}
    known = _ids(connection, uses)
    rows = [(one, uses[one], b"" if one in known else zlib.compress(data[one])) for one in uses]
    for group in bounded(rows, lambda row: len(row[2])):
        run(connection, _USE, group)
    return known if len(known) == len(uses) else _ids(connection, uses)


def _ids(connection: sqlite3.Connection, digests: Iterable[bytes]) -> dict[bytes, int]:
    groups = run(connection, _IDS, [(digest,) for digest in digests])
    return {
        bytes.fromhex(digest): message_id for (text,) in groups for digest, message_id in json.loads(text)
    }


def _read(connection: sqlite3.Connection, message_id: int) -> bytes:
    found = connection.execute("SELECT data FROM messages WHERE message_id = ?", (message_id,)).fetchone()
    if found is None:
        raise ValueError("a message that the request refers to is missing")
    return zlib.decompress(found[0])


def _places(body: bytes) -> tuple[list[tuple[int, int]], int]:
    """Gap and message of each part, and where the rest begins."""
    count, at = _number(body, len(_CUT))
    places = []
    for _ in range(count):
        gap, at = _number(body, at)
        message_id, at = _number(body, at)
        places.append((gap, message_id))
    return places, at


def _written(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    number = shift = 0
    while True:
        if at >= len(data):
            raise ValueError("the body of the request ends too early")
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] <= 0x7F:
            return number, at
