"""For tests of programs that use OpenAI: what was asked, as a list that assertions can be made about.

    with promptlayer_patch.testing.capture() as requests:
        answer_customer("Where is my order?")
    requests.assert_called(model="gpt-4o-mini", tags=["support"], text="order")

Under pytest the fixture `promptlayer_requests` is such a list for each test, and nothing is sent or written
unless a test asks for it; pytest finds both by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, overload

from promptlayer_patch import _describing
from promptlayer_patch._diversion import KEPT, Opener, Recorder, defaults, recorded
from promptlayer_patch._installation import Installation
from promptlayer_patch._process import process
from promptlayer_patch.annotations import Annotation
from promptlayer_patch.records import Record

__all__ = ["Requests", "capture"]

_OVER = "the block that it began in is over"


@contextmanager
def capture() -> Iterator[Requests]:
    """Record every OpenAI call of the process into a list, and nowhere else, until the block ends.

    What was installed before is in force again after the block, exactly; its tags, metadata, sampling and
    redaction hold in the block too. An `install()` within the block counts until its end. Blocks nest: a
    request is in the list of the innermost one. At most the last 10,000 requests are kept.
    """
    opener = Opener(recorded, Recorder(KEPT))
    before = process.now
    found = before.options if before.is_on and not before.only_asked else defaults()
    here = process.exchange(Installation(found, is_on=True), opener)
    try:
        yield Requests(opener.look, opener.recorder)
    finally:
        ended, _ = process.exchange(*here)
        ended.end(_OVER)
        opener.close()


class Requests(Sequence[Record]):
    """The requests so far, in the order in which they ended: a list of `Record`s that is always up to date.

    A stream is in it once it was read to its end, closed or dropped.
    """

    def __init__(
        self, look: Callable[[], Sequence[Record]], recorder: Recorder, *, whole: bool = True
    ) -> None:
        self._look = look
        self._recorder = recorder
        self._whole = whole

    def one(self) -> Record:
        """The only request. Raises `AssertionError`, which lists what there is, if there is not just one."""
        __tracebackhide__ = True
        found = self._look()
        if len(found) != 1:
            raise AssertionError(
                f"expected one request; {_describing.counted(found)}{_describing.listed(found)}"
            )
        return found[0]

    @property
    def last(self) -> Record:
        """The latest request. Raises `AssertionError` if there is none."""
        __tracebackhide__ = True
        found = self._look()
        if not found:
            raise AssertionError("expected a request; there are none")
        return found[-1]

    def with_tag(self, *tags: str) -> Requests:
        """Those that have all of these tags."""
        return self._those(lambda record: set(tags) <= set(record.tags))

    def for_model(self, model: str) -> Requests:
        """Those that asked this model, or that it answered."""
        return self._those(lambda record: model in _describing.models_of(record))

    @property
    def models(self) -> list[str | None]:
        """The model each request asked."""
        return [_describing.asked_model(record) for record in self._look()]

    @property
    def tags(self) -> list[tuple[str, ...]]:
        """The tags of each request."""
        return [record.tags for record in self._look()]

    @property
    def messages(self) -> list[Any]:
        """What each request said: its `messages`, `input` or `prompt`, as it was sent."""
        return [_describing.said(record) for record in self._look()]

    @property
    def annotations(self) -> list[Annotation]:
        """What was said about requests by `track`, in order; of a part of the list, about those in it."""
        found = self._look()
        those = {record.id for record in found}
        return [
            annotation
            for annotation in self._recorder.annotations
            if self._whole or annotation.record_id in those
        ]

    def assert_called(
        self,
        *,
        model: str | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, str] | None = None,
        messages: Any = None,
        text: str | None = None,
        function_name: str | None = None,
        times: int | None = None,
    ) -> Requests:
        """Assert that there is a request like this, and return those there are.

        Args:
            model: the one that was asked, or that answered.
            tags: it has all of these, and perhaps others.
            metadata: it has all of this, and perhaps more.
            messages: what it said, exactly: its `messages`, `input` or `prompt`.
            text: is somewhere in what it said.
            function_name: for example `"openai.chat.completions.create"`.
            times: how many such requests there are; left out, at least one.

        Raises `AssertionError`, which says for each request in what it differs.
        """
        __tracebackhide__ = True
        all_of = list(tags)
        wanted: dict[str, tuple[Any, Callable[[Record], bool]]] = {}
        if model is not None:
            wanted["model"] = model, lambda record: model in _describing.models_of(record)
        if all_of:
            wanted["tags"] = all_of, lambda record: set(all_of) <= set(record.tags)
        if metadata:
            wanted["metadata"] = metadata, lambda record: metadata.items() <= record.metadata.items()
        if messages is not None:
            wanted["messages"] = messages, lambda record: bool(_describing.said(record) == messages)
        if text is not None:
            wanted["text"] = (
                text,
                lambda record: any(text in one for one in _describing.texts_in(_describing.said(record))),
            )
        if function_name is not None:
            wanted["function_name"] = function_name, lambda record: record.function_name == function_name
        there = self._look()
        differs = [[name for name, (_, fits) in wanted.items() if not fits(one)] for one in there]
        fitting = [one for one, names in zip(there, differs, strict=True) if not names]
        if (len(fitting) != times) if times is not None else not fitting:
            raise AssertionError(
                _describing.unmet(wanted, times, len(fitting)) + _describing.listed(there, differs)
            )
        return self._those(lambda record: all(fits(record) for _, fits in wanted.values()))

    def assert_not_called(self) -> None:
        """Assert that there is no request. Raises `AssertionError`, which lists what there is."""
        __tracebackhide__ = True
        found = self._look()
        if found:
            raise AssertionError(
                f"expected no request; {_describing.counted(found)}{_describing.listed(found)}"
            )

    def _those(self, fits: Callable[[Record], bool]) -> Requests:
        return Requests(
            lambda: [record for record in self._look() if fits(record)], self._recorder, whole=False
        )

    @overload
    def __getitem__(self, at: int) -> Record: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Record]: ...

    def __getitem__(self, at: int | slice) -> Record | Sequence[Record]:
        return self._look()[at]

    def __len__(self) -> int:
        return len(self._look())

    def __iter__(self) -> Iterator[Record]:
        return iter(self._look())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sequence) and not isinstance(other, (str, bytes)):
            return list(self) == list(other)
        return NotImplemented

    # What changes and can be equal to others has no hash.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Without what was said: that is for those who ask."""
        found = self._look()
        much = f"{len(found)} request{'s' * (len(found) != 1)}"
        return f"<{': '.join(filter(None, [much, '; '.join(map(_describing.named, found))]))}>"
