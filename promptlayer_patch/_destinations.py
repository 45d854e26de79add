"""The destinations there are, and what can be said of one before anything of it is loaded."""

from __future__ import annotations

import os

from promptlayer_patch._options import checked_url
from promptlayer_patch.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from promptlayer_patch._options import Destination


def all_checked(
    destinations: Iterable[Destination], api_key: str | None, argument: str = "PROMPTLAYER_TO"
) -> tuple[Destination, ...]:
    """Each as `checked` gives it."""
    return tuple(checked(destination, api_key, argument) for destination in destinations)


def checked(destination: Destination, api_key: str | None, argument: str = "to") -> Destination:
    """The destination, a path in it in full; one that cannot work is refused by `InvalidArgument`."""
    if not isinstance(destination, str):
        return destination
    scheme, target = split(destination, argument)
    try:
        return f"{scheme}:{_CHECKS[scheme](target, api_key)}"
    except InvalidArgument as wrong:
        named = argument if wrong.argument == "to" else wrong.argument
        raise InvalidArgument(named, wrong.problem) from None


def split(destination: str, argument: str = "to") -> tuple[str, str]:
    """`scheme:target` in two. Raises `InvalidArgument` for a scheme that does not exist."""
    scheme, colon, target = destination.partition(":")
    if not colon or scheme not in _CHECKS:
        known = ", ".join(f"{name}:" for name in schemes())
        raise InvalidArgument(argument, f"unknown destination {destination!r}; there are {known}")
    return scheme, target


def schemes() -> list[str]:
    """The known destinations, by the name that stands before the colon."""
    return sorted(_CHECKS)


def _anything(target: str, _: str | None) -> str:
    return target


def _path(target: str, _: str | None) -> str:
    if not target:
        raise InvalidArgument("to", "jsonl: needs a path, for example jsonl:calls.jsonl")
    return _in_full(target)


def _path_or_default(target: str, _: str | None) -> str:
    return _in_full(target) if target else ""


def _address(target: str, api_key: str | None) -> str:
    if target:
        checked_url("to", target)
    if api_key is None:
        raise InvalidArgument("api_key", "promptlayer: needs a key; pass api_key or set PROMPTLAYER_API_KEY")
    return target


def _in_full(path: str) -> str:
    # The program may change its directory before the first record.
    return os.path.abspath(os.path.expanduser(path))


_CHECKS: dict[str, Callable[[str, str | None], str]] = {
    "console": _anything,
    "jsonl": _path,
    "local": _path_or_default,
    "memory": _anything,
    "promptlayer": _address,
}
