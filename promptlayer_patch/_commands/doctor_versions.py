"""Whether what is installed is supported, by the ranges that the installed packages themselves name."""

from __future__ import annotations

import importlib
import operator
import platform
import re
from collections.abc import Iterable
from importlib import metadata

from promptlayer_patch._commands.checking import Check, failed, ok, warning
from promptlayer_patch._version import __version__

__all__ = ["checks", "satisfies"]

_OURS = "promptlayer-patch"
_HTTP_LIBRARIES = ("httpx", "httpx2")
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*\(?([^;()]*)\)?\s*(;.*)?")
_CLAUSE = re.compile(r"\s*(>=|<=|==|!=|~=|>|<)\s*([^\s,]+)\s*")
_COMPARE = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}


def checks() -> list[Check]:
    try:
        wanted = metadata.requires(_OURS) or []
        python = metadata.metadata(_OURS)["Requires-Python"] or ""
    except metadata.PackageNotFoundError:
        text = f"{__version__}, which is not installed as a package: what it needs is not known"
        return [warning("promptlayer_patch", text), *_sqlite()]
    found = [_judged("python", platform.python_version(), python), ok("promptlayer_patch", __version__)]
    found += [_installed(name, clauses) for name, clauses in _plain(wanted)]
    return found + _http() + _sqlite()


def satisfies(version: str, clauses: str) -> bool:
    """Whether a version is in a range such as `>=2.4,<3`. Of pre-releases, only the number counts."""
    have = _numbers(version)
    for sign, text in _CLAUSE.findall(clauses):
        wanted, starred = _numbers(text), text.endswith(".*")
        if starred or sign == "~=":
            length = len(wanted) - (sign == "~=")
            same = _padded(have, length)[:length] == wanted[:length]
            met = not same if sign == "!=" else same and (starred or have >= wanted)
        else:
            length = max(len(have), len(wanted))
            met = _COMPARE[sign](_padded(have, length), _padded(wanted, length))
        if not met:
            return False
    return True


def _plain(requirements: Iterable[str]) -> list[tuple[str, str]]:
    """Names and ranges, without those that only an extra or another platform asks for."""
    matches = [_REQUIREMENT.fullmatch(one) for one in requirements]
    return [(match[1], match[2].strip()) for match in matches if match is not None and not match[3]]


def _installed(name: str, clauses: str) -> Check:
    try:
        return _judged(name, metadata.version(name), clauses)
    except metadata.PackageNotFoundError:
        return failed(name, f"is not installed (supported: {clauses or 'any'})")


def _judged(name: str, version: str, clauses: str) -> Check:
    if satisfies(version, clauses):
        return ok(name, f"{version} (supported: {clauses or 'any'})")
    return failed(name, f"{version} is not supported (supported: {clauses})")


def _http() -> list[Check]:
    """The library beneath openai, in the range that openai asks for."""
    try:
        wanted = dict(_plain(metadata.requires("openai") or []))
    except metadata.PackageNotFoundError:
        return []
    return [_installed(name, wanted[name]) for name in _HTTP_LIBRARIES if name in wanted]


def _sqlite() -> list[Check]:
    try:
        return [ok("sqlite3", importlib.import_module("sqlite3").sqlite_version)]
    except ImportError:
        return [failed("sqlite3", "this Python was built without it: nothing can be kept on disk")]


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"v?(?:\d+!)?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def _padded(numbers: tuple[int, ...], length: int) -> tuple[int, ...]:
    return numbers + (0,) * (length - len(numbers))
