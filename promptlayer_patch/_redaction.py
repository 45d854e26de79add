"""What must not be recorded: secrets, which always go, and what the user names with `redact=`.

Copies are made only of what changes: data in which nothing is found comes back as the same objects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, TypeAlias

from promptlayer_patch._guard import report
from promptlayer_patch.errors import InvalidArgument
from promptlayer_patch.records import Failure, Record

REDACTED = "[redacted]"
_SECRET = "***"
_DEPTH = 64
_PLAIN = frozenset({int, float, bool, type(None)})


class _Any(Enum):
    CHILD = "*"
    DEPTH = "**"


@dataclass(frozen=True, slots=True)
class _Key:
    name: str


@dataclass(frozen=True, slots=True)
class _Path:
    steps: tuple[str | int | _Any, ...]
    from_record: bool
    """Whether it begins at the record; else at the request and at the response as well."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _Change:
    function: Callable[[Record], object]


Rule: TypeAlias = _Key | _Path | _Pattern | _Change

_STEP = re.compile(
    r"\.(?P<any>\*\*?)(?=[.\[]|$)|\.(?P<name>[^.\[\]*]+)|\[(?P<index>-?\d{1,9}|\*)\]"
    r"|\[(?P<quote>['\"])(?P<quoted>[^'\"]+)(?P=quote)\]"
)
_ROOTS = frozenset({"request", "response", "metadata", "error", *_Any})


def rules_of(argument: str, redact: object) -> tuple[Rule, ...]:
    """What `redact` asks for, ready to be used: one rule or a list of them.

    A rule is a key ("password"), a path ("messages[*].content", "$.request.user", "**.ssn",
    "metadata['a.b']"), a compiled pattern or a function from record to record. Raises `InvalidArgument`.
    """
    if redact is None:
        return ()
    many = redact if isinstance(redact, (list, tuple)) else (redact,)
    return tuple(_rule(argument, one) for one in many)


def _rule(argument: str, one: object) -> Rule:
    if isinstance(one, str):
        if not one.strip():
            raise InvalidArgument(argument, "expected a key or a path, got an empty string")
        is_path = one[0] in "$*" or "." in one or "[" in one
        return _path(argument, one) if is_path else _Key(one.casefold())
    if isinstance(one, re.Pattern):
        if not isinstance(one.pattern, str):
            raise InvalidArgument(argument, "expected a pattern of str, got one of bytes")
        return _Pattern(one)
    if callable(one) and not isinstance(one, type):
        return _Change(one)
    raise InvalidArgument(
        argument, f"expected keys, paths, compiled patterns or functions, got {type(one).__name__}"
    )


def _path(argument: str, path: str) -> _Path:
    from_record = path.startswith("$")
    rest = path[1:] if from_record else path if path.startswith("[") else f".{path}"
    steps: list[str | int | _Any] = []
    at = 0
    while found := _STEP.match(rest, at):
        at = found.end()
        step = _step(found)
        if step is not _Any.DEPTH or steps[-1:] != [step]:
            steps.append(step)
    if at < len(rest) or not steps:
        raise InvalidArgument(argument, f"{path!r} is no path such as 'messages[*].content' or '**.ssn'")
    if from_record and steps[0] not in _ROOTS:
        raise InvalidArgument(
            argument, f"after '$' comes request, response, metadata or error, not as in {path!r}"
        )
    return _Path(tuple(steps), from_record)


def _step(found: re.Match[str]) -> str | int | _Any:
    index = found["index"]
    if index is not None:
        return _Any.CHILD if index == "*" else int(index)
    if found["any"]:
        return _Any(found["any"])
    return found["name"] or found["quoted"]


def redacted(record: Record, rules: Sequence[Rule]) -> Record:
    """`record` without secrets and without what `rules` name.

    Never raises: where a rule fails, the content is dropped and the fact of the call stays.
    """
    try:
        # Before the rules, which could cut a key into pieces that no longer look like one.
        record = _scrubbed(record)
        for rule in rules:
            record = _applied(record, rule)
        return record
    except Exception as fault:
        report("redacting", fault)
        return emptied(record, "the redaction failed")


def emptied(record: Record, reason: str) -> Record:
    """`record` as a bare fact: without request, response, metadata and the words of its error."""
    return replace(
        record,
        request={},
        response=None,
        metadata={"promptlayer_patch.content": f"dropped: {reason}"},
        error=record.error and Failure(record.error.type, "", record.error.status),
    )


def _applied(record: Record, rule: Rule) -> Record:
    match rule:
        case _Key(name):
            return rewritten(record, _Json(name), _under({name}, REDACTED, object))
        case _Pattern(pattern):
            return rewritten(record, _substitution(pattern), message=True)
        case _Path():
            return _without_path(record, rule)
        case _Change(function):
            return _scrubbed(replace(_checked(function(record)), id=record.id))


def _checked(answer: object) -> Record:
    if not isinstance(answer, Record):
        raise TypeError("the function of a redaction returns a record")
    whole = isinstance(answer.request, Mapping) and isinstance(answer.metadata, Mapping)
    if not whole or not isinstance(answer.tags, tuple) or not isinstance(answer.error, Failure | None):
        raise TypeError("the function of a redaction returned a record with fields of other types")
    return answer


# Walking through data

Entry: TypeAlias = Callable[[Any, Any, Mapping[Any, Any]], Any]
"""Of a key, its value and the mapping they stand in: the value, or what takes its place."""


@dataclass(slots=True)
class _Walk:
    text: Callable[[str], str]
    entry: Entry | None
    seen: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    """By id what became of a container; with the container, so that no other gets its id meanwhile."""

    def of(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if type(value) in _PLAIN:
            return value
        if not isinstance(value, (Mapping, list, tuple)):
            return self._foreign(value)
        if id(value) not in self.seen:
            self.seen[id(value)] = value, "[circular]"
            inside = "[nested too deeply]" if depth > _DEPTH else self._inside(value, depth + 1)
            self.seen[id(value)] = value, inside
        return self.seen[id(value)][1]

    def _inside(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        items = [item if type(item) in _PLAIN else self.of(item, depth) for item in value]
        if all(map(_is, items, value)):
            return value
        return tuple(items) if isinstance(value, tuple) else items

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> Mapping[Any, Any]:
        entry, changed, new = self.entry, False, {}
        for key, item in value.items():
            into = new[key] = self.of(entry(key, item, value) if entry else item, depth)
            changed = changed or into is not item
        return new if changed else value

    def _foreign(self, value: Any) -> Any:
        # It is delivered as its text, so it is the text that must not tell anything.
        text = str(value)
        new = self.text(text)
        return value if new == text else new


def _is(one: object, other: object) -> bool:
    return one is other


def rewritten(
    record: Record,
    text: Callable[[str], str],
    entry: Entry | None = None,
    *,
    metadata: bool = True,
    message: bool = False,
) -> Record:
    """`record` with each string of its request and response passed through `text`, each entry of a mapping
    through `entry`; on demand its metadata and the message of its error too. The same where nothing changed.
    """
    walk = _Walk(text, entry)
    new = {"request": walk.of(record.request), "response": walk.of(record.response)}
    if metadata:
        new["metadata"] = walk.of(record.metadata)
    if message and record.error is not None:
        new["error"] = _said(record.error, text(record.error.message))
    return _with(record, new)


def _said(error: Failure, message: str) -> Failure:
    return error if message is error.message else Failure(error.type, message, error.status)


def _with(record: Record, new: dict[str, Any]) -> Record:
    changed = {name: value for name, value in new.items() if value is not getattr(record, name)}
    return replace(record, **changed) if changed else record


# Keys, patterns and paths


def _under(names: set[str], mask: str, kind: type | tuple[type, ...]) -> Entry:
    def entry(key: Any, value: Any, _: Mapping[Any, Any]) -> Any:
        hit = isinstance(key, str) and key.casefold() in names and isinstance(value, kind)
        return value if not hit or (isinstance(value, str) and value in ("", mask)) else mask

    return entry


@dataclass(slots=True)
class _Json:
    """Looks for a key in strings that hold JSON, as the arguments of tools do."""

    name: str

    def __call__(self, text: str) -> str:
        if not text[:64].lstrip().startswith(("{", "[")):
            return text
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            # Arguments that were cut: where the value ends cannot be told.
            named = re.search(rf'{re.escape(self.name)}\\*"\s*:', text.casefold())
            return REDACTED if named else text
        new = _Walk(self, _under({self.name}, REDACTED, object)).of(data)
        return text if new is data else json.dumps(new, ensure_ascii=False)


def _substitution(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def substituted(text: str) -> str:
        new = pattern.sub(REDACTED, text)
        return text if new == text else new

    return substituted


def _without_path(record: Record, path: _Path) -> Record:
    root = {"request": record.request, "response": record.response, "metadata": record.metadata}
    if record.error is not None:
        root["error"] = {"message": record.error.message}
    new = _blanked(root, path.steps)
    new = dict(new) if isinstance(new, Mapping) else dict.fromkeys(root, REDACTED)
    for name in () if path.from_record else ("request", "response"):
        new[name] = _blanked(new[name], path.steps)
    for name in ("request", "metadata"):
        if not isinstance(new[name], Mapping):
            new[name] = {}
    said = new.pop("error", None)
    if record.error is not None:
        new["error"] = _said(record.error, said["message"] if isinstance(said, Mapping) else REDACTED)
    return _with(record, new)


def _blanked(value: Any, steps: tuple[str | int | _Any, ...], depth: int = 0) -> Any:
    if not steps:
        return REDACTED
    if depth > _DEPTH or not isinstance(value, (Mapping, list, tuple)):
        return REDACTED if steps == (_Any.DEPTH,) else value
    step, rest = steps[0], steps[1:]
    if step is _Any.DEPTH:
        value = _blanked(value, rest, depth + 1)
        if not isinstance(value, (Mapping, list, tuple)):
            return value
        rest = steps
    if isinstance(value, Mapping):
        pairs = {
            key: _blanked(item, rest, depth + 1) if isinstance(step, _Any) or step == key else item
            for key, item in value.items()
        }
        return value if all(pairs[key] is item for key, item in value.items()) else pairs
    here = step % len(value) if isinstance(step, int) and -len(value) <= step < len(value) else None
    items = [
        _blanked(item, rest, depth + 1) if isinstance(step, _Any) or number == here else item
        for number, item in enumerate(value)
    ]
    return value if all(map(_is, items, value)) else items


# Secrets


def _scrubbed(record: Record) -> Record:
    record = rewritten(record, _clean, _NAMED_SECRET, message=True)
    tags = tuple(_clean(tag) for tag in record.tags)
    return record if tags == record.tags else replace(record, tags=tags)


def _clean(text: str) -> str:
    if len(text) < 10:
        return text
    new = text
    for anchors, pattern, mask in _SECRETS:
        for anchor in anchors:
            if anchor in new:
                new = pattern.sub(mask, new)
                break
    return text if new == text else new


def _basic(found: re.Match[str]) -> str:
    """Without the credentials, if that is what the word after "Basic" is."""
    import binascii

    token = found["token"]
    try:
        text = binascii.a2b_base64(token + "=" * (-len(token) % 4)).decode()
        secret = ":" in text and text.isprintable()
    except ValueError:
        secret = False
    mixed = len(token) >= 16 and all(re.search(kind, token) for kind in ("[0-9]", "[A-Z]", "[a-z]"))
    return f"{found['kept']}{_SECRET}" if secret or mixed else found[0]


def _secret(prefix: str, rest: str) -> re.Pattern[str]:
    # The prefix comes first, so that `re` searches for it as for a word; what precedes it is looked at then.
    return re.compile(f"{prefix}(?<![A-Za-z0-9]{prefix}){rest}")


_NAMES = (
    *("apikey", "api-key", "x-api-key", "authorization", "proxy-authorization"),
    *("access-token", "refresh-token", "client-secret"),
)
_SPELLED = sorted({*_NAMES, *(name.replace("-", "_") for name in _NAMES)})
_NAMED_SECRET = _under({*_SPELLED}, _SECRET, (str, bytes))
_QUOTED = "|".join(rf'(?<=(?i:{name})")|(?<=(?i:{name})\\")' for name in _SPELLED)

# A hyphenated word of prose has no long run of letters and digits, and few digits.
_DASHED = (
    r"(?=[A-Za-z0-9_*-]{0,200}?[A-Za-z0-9*]{12}|(?=[A-Za-z0-9_*-]{20})(?:[a-z_-]{0,99}[A-Z0-9*]){3})"
    r"[A-Za-z0-9_*-]{12,}"
)
# Nor do the names of variables.
_UNDERSCORED = r"(?:[a-z]{2,8}_)?(?=[A-Za-z]{20}|[A-Za-z]{0,20}[0-9*])[A-Za-z0-9*]{12,}[A-Za-z0-9_*-]*"
_KEY_BLOCK = r"[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"

_SECRETS: tuple[tuple[tuple[str, ...], re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (("sk-",), _secret("sk-", _DASHED), _SECRET),
    (("sk_",), _secret("sk_", _UNDERSCORED), _SECRET),
    (("pl_",), _secret("pl_", _UNDERSCORED), _SECRET),
    (("rk_",), _secret("rk_", _UNDERSCORED), _SECRET),
    (("eyJ",), _secret("eyJ", r"[\w-]{8,2048}\.(?:[\w-]{4,}\.[\w-]*|eyJ[\w-]{8,})"), _SECRET),
    (("AKIA",), _secret("AKIA", r"[A-Z0-9]{16,}"), _SECRET),
    (("ASIA",), _secret("ASIA", r"[A-Z0-9]{16,}"), _SECRET),
    (("AIza",), _secret("AIza", r"[A-Za-z0-9_-]{30,}"), _SECRET),
    (("ghp_", "gho_", "ghs_", "ghu_", "ghr_"), _secret("gh[oprsu]_", r"[A-Za-z0-9]{20,}"), _SECRET),
    (("github_pat_",), _secret("github_pat_", r"[A-Za-z0-9_]{20,}"), _SECRET),
    (("xox",), _secret("xox[abeprs]-", r"[A-Za-z0-9-]{10,}"), _SECRET),
    (
        ("earer",),
        re.compile(
            r"(earer(?<=[Bb]earer)\s+)"
            r"(?=[A-Za-z._~+/*-]{0,400}?(?:[0-9=*]|[a-z][A-Z]|[A-Za-z]{16}))[A-Za-z0-9._~+/=*-]{12,}"
        ),
        rf"\1{_SECRET}",
    ),
    (
        ("asic",),
        re.compile(r"(?P<kept>asic(?<=[Bb]asic)\s+)(?P<token>[A-Za-z0-9+/]{4,})={0,2}"),
        _basic,
    ),
    (
        ("-----BEGIN",),
        re.compile(
            rf"-----BEGIN {_KEY_BLOCK}(?:.{{0,12000}}?-----END {_KEY_BLOCK}"
            r"|(?:[A-Za-z0-9+/=]{16,}|\s|\\[nr])*)",
            re.DOTALL,
        ),
        _SECRET,
    ),
    (
        # The same names in JSON within a string: the arguments of tools.
        ('":', '" :'),
        re.compile(rf'("(?=\s*:)(?:{_QUOTED})\s*:\s*\\*")[^"\\]+'),
        rf"\1{_SECRET}",
    ),
)
"""What has to be in a text for the pattern to be tried, the pattern, and what takes the secret's place.

Looking for one literal after another takes a fifth of the time of one pattern with all of them."""
