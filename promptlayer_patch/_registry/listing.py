"""All templates, a page at a time: PromptLayer is asked for the next one when it is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import wraps
from typing import Any, ParamSpec

from promptlayer_patch._registry.template import PromptTemplate
from promptlayer_patch.errors import APIStatusError

P = ParamSpec("P")

Ask = Callable[[int], Any]


class _Page:
    def __init__(self, answer: Any) -> None:
        if not isinstance(answer, Mapping) or not isinstance(answer.get("items"), list):
            raise APIStatusError(200, "the answer is no list of prompt templates")
        self.templates = [PromptTemplate(item) for item in answer["items"] if isinstance(item, Mapping)]
        self.pages = _number(answer.get("pages"), 1)
        self.total = _number(answer.get("total"), len(self.templates))


class Listing(Iterator[PromptTemplate]):
    """Prompt templates one after another. What waits is `next`, once for each page."""

    def __init__(self, ask: Ask, only: int | None = None) -> None:
        self._ask = ask
        self._only = only
        self._number = 1 if only is None else only
        self._page: _Page | None = None
        self._place = 0

    @property
    def total(self) -> int:
        """How many there are on all pages. Waits for the first page, if that was not done yet."""
        return self._current().total

    @property
    def pages(self) -> int:
        """On how many pages they are. Waits for the first page, if that was not done yet."""
        return self._current().pages

    def __iter__(self) -> Listing:
        return self

    def __next__(self) -> PromptTemplate:
        page = self._current()
        while self._place >= len(page.templates):
            if self._only is not None or not page.templates or self._number >= page.pages:
                raise StopIteration
            page = self._page = _Page(self._ask(self._number + 1))
            self._number, self._place = self._number + 1, 0
        self._place += 1
        return page.templates[self._place - 1]

    def _current(self) -> _Page:
        if self._page is None:
            self._page = _Page(self._ask(self._number))
        return self._page


class AsyncListing(AsyncIterator[PromptTemplate]):
    """The same for `async for`: it waits in a thread, so that the event loop goes on."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing

    async def total(self) -> int:
        """How many there are on all pages. Waits for the first page, if that was not done yet."""
        import asyncio

        return await asyncio.to_thread(lambda: self._listing.total)

    def __aiter__(self) -> AsyncListing:
        return self

    async def __anext__(self) -> PromptTemplate:
        import asyncio

        # A `StopIteration` cannot leave a thread.
        found = await asyncio.to_thread(next, self._listing, None)
        if found is None:
            raise StopAsyncIteration
        return found


def alisting(listing: Callable[P, Listing]) -> Callable[P, AsyncListing]:
    """The same call, for `async for`; it does not wait itself."""

    @wraps(listing)
    def twin(*args: P.args, **kwargs: P.kwargs) -> AsyncListing:
        return AsyncListing(listing(*args, **kwargs))

    twin.__name__ = f"a{listing.__name__}"
    twin.__qualname__ = f"a{listing.__qualname__}"
    twin.__doc__ = (
        f"`{listing.__name__}` for `async for`. It waits in a thread, so that the event loop goes on."
    )
    return twin


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
