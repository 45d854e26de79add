"""Which filters, methods and operators a jinja2 template may use, and what each costs before it is used."""

from __future__ import annotations

import types
from collections.abc import Callable
from string import Formatter
from typing import Any

from jinja2.runtime import BlockReference, LoopContext, Macro, Undefined
from jinja2.utils import Cycler, Joiner, Namespace

from promptlayer_patch._registry.budget import BITS, Budget, NotHere, Refused


def _named(names: str) -> frozenset[str]:
    return frozenset(names.split())


ALLOWED_FILTERS = _named(
    """abs attr batch capitalize center count d default dictsort e escape filesizeformat first float
    forceescape format groupby indent int items join last length list lower map max min random reject
    rejectattr replace reverse round safe select selectattr slice sort string sum title tojson trim truncate
    unique upper urlencode wordcount"""
)

_LINEAR: dict[type, frozenset[str]] = {
    str: _named(
        """capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit
        isidentifier islower isnumeric isprintable isspace istitle isupper lower partition removeprefix
        removesuffix split splitlines startswith swapcase title upper"""
    ),
    list: _named("index count remove reverse sort copy"),
    tuple: _named("index count"),
    dict: _named("copy"),
}
"""Methods that look at their object once."""
_QUICK: dict[type, frozenset[str]] = {
    list: _named("append extend insert pop clear"),
    dict: _named("get keys values items pop popitem setdefault update clear"),
    int: _named("bit_length"),
    float: _named("is_integer"),
}
"""Methods that do not; what they are given and what they answer is counted anyway."""

_OF_JINJA = (BlockReference, Cycler, Joiner, LoopContext, Macro, Undefined)
_CLASSES = (range, dict, Cycler, Joiner, Namespace)
_PRECISION = 300


def check_call(budget: Budget, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Spend what the call of `function` costs beyond its arguments and its result."""
    budget.spend()
    if isinstance(function, _OF_JINJA) or function in _CLASSES:
        return
    # The sandbox puts a function of its own before `format`.
    method = getattr(function, "__wrapped__", function)
    owner = getattr(method, "__self__", None)
    if isinstance(owner, _OF_JINJA):
        return
    name = method.__name__ if isinstance(method, (types.BuiltinMethodType, types.MethodType)) else ""
    kind = next((one for one in (str, int, float, list, tuple, dict) if isinstance(owner, one)), type(None))
    if isinstance(owner, str) and name in _OF_TEXT:
        _OF_TEXT[name](budget, owner, args, kwargs)
    elif name in _LINEAR.get(kind, ()):
        budget.weigh(owner)
    elif name not in _QUICK.get(kind, ()):
        raise NotHere(f"a call of {name!r}" if name else "a call")


def check_filter(budget: Budget, name: str, args: list[Any], kwargs: dict[str, Any]) -> list[Any]:
    """Spend what a filter costs beyond its arguments and its result; the arguments it is to be given."""
    check = _OF_FILTERS.get(name)
    return args if check is None else check(budget, args, kwargs) or args


def check_operator(budget: Budget, operator: str, left: Any, right: Any) -> None:
    if operator == "%" and isinstance(left, str):
        _percent(budget, left, right)
    elif operator == "**" and isinstance(left, int) and isinstance(right, int):
        if right > 0 and left.bit_length() * right > BITS:
            raise Refused("the prompt template raises a number to a power that is not allowed here")
    elif operator == "*":
        if isinstance(left, int) and isinstance(right, int):
            if left.bit_length() + right.bit_length() > BITS:
                raise Refused("the prompt template makes a number that is too large here")
        else:
            _repeated(budget, left, right)
            _repeated(budget, right, left)


def _repeated(budget: Budget, many: Any, times: Any) -> None:
    if isinstance(times, int) and times > 0:
        if isinstance(many, str):
            budget.characters(len(many) * times)
        elif isinstance(many, (list, tuple)):
            budget.spend(budget.weigh(many) * times)


def _percent(budget: Budget, text: str, values: Any) -> None:
    _, _, formats = text.partition("%")
    budget.padding(formats)
    budget.spend(text.count("%") * budget.weigh(values))


def _format(budget: Budget, text: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    budget.padding(text)
    fields = 0
    for _, name, specification, _ in Formatter().parse(text):
        fields += name is not None
        if "{" in (specification or ""):
            raise NotHere("a format within a format")
    budget.spend(fields * budget.weigh(args, kwargs))


def _padded(budget: Budget, text: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    budget.weigh(text)
    budget.characters(_number(args, 0))


def _replaced(budget: Budget, text: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    old = str(args[0] if args else kwargs.get("old", ""))
    new = str(args[1] if len(args) > 1 else kwargs.get("new", ""))
    budget.characters(len(text) + (text.count(old) if old else len(text) + 1) * len(new))


def _joined(budget: Budget, text: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    items = args[0] if args else ()
    if not hasattr(items, "__len__"):
        raise NotHere("a join of what has no length")
    budget.characters(len(text) * len(items))


def _searched(budget: Budget, text: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Backwards, or for one of many letters, Python may try each of them at each place."""
    wanted = args[0] if args else kwargs.get("sep")
    budget.characters(len(text) * max(1, len(wanted) if isinstance(wanted, str) else 1))


_OF_TEXT: dict[str, Callable[[Budget, str, tuple[Any, ...], dict[str, Any]], None]] = {
    "center": _padded,
    "ljust": _padded,
    "rjust": _padded,
    "zfill": _padded,
    "replace": _replaced,
    "join": _joined,
    "format": _format,
    "format_map": _format,
    **dict.fromkeys(("rfind", "rindex", "rpartition", "rsplit", "strip", "lstrip", "rstrip"), _searched),
}


def _center(budget: Budget, args: list[Any], kwargs: dict[str, Any]) -> None:
    budget.characters(_number(args, 1, kwargs.get("width")))


def _pieces(budget: Budget, args: list[Any], kwargs: dict[str, Any]) -> None:
    budget.spend(_number(args, 1, kwargs.get("linecount", kwargs.get("slices"))))


def _format_filter(budget: Budget, args: list[Any], kwargs: dict[str, Any]) -> None:
    _percent(budget, str(args[0]), kwargs or args[1:])


def _indent(budget: Budget, args: list[Any], kwargs: dict[str, Any]) -> None:
    width = args[1] if len(args) > 1 else kwargs.get("width", 4)
    lines = str(args[0]).count("\n") + 1
    budget.characters(lines * (len(width) if isinstance(width, str) else _number((width,), 0)))


def _join_filter(budget: Budget, args: list[Any], kwargs: dict[str, Any]) -> list[Any]:
    items = list(args[0])
    between = str(args[1] if len(args) > 1 else kwargs.get("d", ""))
    budget.characters(len(between) * len(items))
    return [items, *args[1:]]


def _replace_filter(budget: Budget, args: list[Any], kwargs: dict[str, Any]) -> None:
    _replaced(budget, str(args[0]), tuple(args[1:]), kwargs)


def _round(budget: Budget, args: list[Any], kwargs: dict[str, Any]) -> None:
    if _number(args, 1, kwargs.get("precision")) > _PRECISION:
        raise Refused("the prompt template rounds to more places than there are")


def _sum(budget: Budget, args: list[Any], kwargs: dict[str, Any]) -> list[Any]:
    items = list(args[0])
    # Lists are added one by one, and each time the sum so far is copied.
    budget.spend(len(items) * budget.weigh(items) if any(isinstance(one, list) for one in items) else 0)
    return [items, *args[1:]]


def _trim(budget: Budget, args: list[Any], kwargs: dict[str, Any]) -> None:
    _searched(budget, str(args[0]), (args[1] if len(args) > 1 else kwargs.get("chars"),), {})


def _tojson(budget: Budget, args: list[Any], kwargs: dict[str, Any]) -> None:
    budget.spend(budget.weigh(args[0]) * (1 + _number(args, 1, kwargs.get("indent")) // 20))


_OF_FILTERS: dict[str, Callable[[Budget, list[Any], dict[str, Any]], list[Any] | None]] = {
    "batch": _pieces,
    "center": _center,
    "format": _format_filter,
    "indent": _indent,
    "join": _join_filter,
    "replace": _replace_filter,
    "round": _round,
    "slice": _pieces,
    "sum": _sum,
    "tojson": _tojson,
    "trim": _trim,
}


def _number(args: list[Any] | tuple[Any, ...], place: int, named: Any = None) -> int:
    """The size of a number among the arguments, however it was given."""
    value = args[place] if len(args) > place else named
    return abs(value) if isinstance(value, int) else 0
