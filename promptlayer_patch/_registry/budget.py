"""What rendering may cost. A template comes from outside, and must neither hang nor fill up a program."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from promptlayer_patch.errors import TemplateError

OUTPUT_LIMIT = 10_000_000
"""Characters that one template may come to."""

BITS = 16_384
"""Of a whole number; dividing larger ones, or writing them out, takes longer than their length."""
_STEPS = 500_000
"""A step is an item that is looked at, a call that is made, or this many characters that are handled:"""
_CHARACTERS = 20
_WIDTH = re.compile(r"\d+|\*")
_CONTAINERS: Any = (
    list,
    tuple,
    set,
    frozenset,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)


class Refused(TemplateError):
    """A template that wants too much, or what it must not have."""


class NotHere(TemplateError):
    """A template that only PromptLayer can render; the message says what it has that we do not."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the prompt template has {what}, which only PromptLayer can render")
        self.what = what

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.what,)


class NoJinja(NotHere):
    """A template in jinja2, which is not installed."""

    def __init__(self) -> None:
        super().__init__("text in jinja2")
        self.args = ("the prompt template is written in jinja2: pip install promptlayer-patch[templates]",)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()


class Budget:
    """Steps and characters that are left for one rendering."""

    def __init__(self) -> None:
        self._steps = _STEPS
        self._output = OUTPUT_LIMIT

    def spend(self, steps: int = 1) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise Refused("the prompt template does more work than is allowed here")

    def put_out(self, characters: int) -> None:
        self._output -= characters
        if self._output < 0:
            raise Refused(f"the prompt template comes to more than {OUTPUT_LIMIT:,} characters")

    def characters(self, count: int) -> None:
        """Before a text of this length is made."""
        self.spend(1 + count // _CHARACTERS)

    def weigh(self, *values: Any) -> int:
        """Spend what a look at all of `values` costs, and tell how much that was.

        A list that holds another twice, which holds another twice, is as large as when it is written out.
        """
        before, stack = self._steps, list(values)
        while stack:
            value = stack.pop()
            if isinstance(value, str):
                self.characters(len(value))
            elif isinstance(value, Mapping):
                self.spend(1 + 2 * len(value))
                stack.extend(value)
                stack.extend(value.values())
            elif isinstance(value, _CONTAINERS):
                self.spend(1 + len(value))
                stack.extend(value)
            elif isinstance(value, range):
                self.spend(1 + _length(value))
            elif isinstance(value, int) and value.bit_length() > BITS:
                raise Refused("the prompt template has a number that is too large here")
            else:
                self.spend()
        return before - self._steps

    def counted(self, items: Iterable[Any]) -> Iterator[Any]:
        """The same items; each costs a step when it is taken."""
        for item in items:
            self.spend()
            yield item

    def padding(self, specification: str) -> None:
        """Spend the widths that a format asks for: `>80` makes a text of 80 characters of any."""
        for width in _WIDTH.findall(specification):
            if width == "*" or len(width) > 4:
                raise Refused("the prompt template asks for a text of a width that is not allowed here")
            self.characters(int(width))


def _length(numbers: range) -> int:
    try:
        return len(numbers)
    except OverflowError:
        raise Refused("the prompt template counts too far") from None
