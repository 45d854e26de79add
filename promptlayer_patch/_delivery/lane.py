"""One exporter, as whoever delivers with it wants it: opened when it is needed, and never failing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from promptlayer_patch._delivery.parcels import Load, PendingAnnotation
from promptlayer_patch._guard import report
from promptlayer_patch.annotations import Annotation
from promptlayer_patch.records import Delivered, Delivery, Record, Rejected, TryLater

if TYPE_CHECKING:
    from promptlayer_patch.exporters import Batch, Exporter

T = TypeVar("T")


class Lane:
    """Opened, used and closed by one thread."""

    def __init__(self, open_exporter: Callable[[], Exporter]) -> None:
        self._open_exporter = open_exporter
        self._exporter: Exporter | None = None

    def export(self, loads: Sequence[Load]) -> list[Delivery]:
        """Deliveries for `loads`, in order; an exporter that fails or breaks its contract rejects them."""
        records = [load for load in loads if isinstance(load, Record)]
        exported = iter(self._exported(records) if records else ())
        return [next(exported) if isinstance(load, Record) else self._annotated(load) for load in loads]

    @property
    def batch(self) -> Batch | None:
        """How many records the exporter takes at once; `None` if one."""
        found = self._answered(lambda exporter: getattr(exporter, "batch", None))
        return None if isinstance(found, Rejected) else found

    def close(self) -> None:
        exporter, self._exporter = self._exporter, None
        if exporter is not None:
            try:
                exporter.close()
            except Exception as fault:
                report("closing an exporter", fault)

    def forget(self) -> None:
        """In a forked child: the connections are the parent's."""
        self._exporter = None

    def _exported(self, records: Sequence[Record]) -> list[Delivery]:
        deliveries = self._answered(lambda exporter: list(exporter.export(records)))
        if isinstance(deliveries, Rejected):
            return [deliveries] * len(records)
        if len(deliveries) != len(records):
            return [Rejected("the exporter answered for another number of records")] * len(records)
        return [_checked(delivery) for delivery in deliveries]

    def _annotated(self, pending: PendingAnnotation) -> Delivery:
        found = pending.resolved()
        if isinstance(found, Annotation):
            return _checked(self._answered(lambda exporter: _annotate(exporter, found)))
        return found

    def _answered(self, ask: Callable[[Exporter], T]) -> T | Rejected:
        try:
            return ask(self._opened())
        except BaseException as fault:  # this thread is ours: a SystemExit has nobody to stop here
            report("exporting", fault)
            return Rejected(f"the exporter failed: {type(fault).__name__}")

    def _opened(self) -> Exporter:
        if self._exporter is None:
            self._exporter = self._open_exporter()
        return self._exporter


def _annotate(exporter: Exporter, annotation: Annotation) -> Any:
    annotate = getattr(exporter, "annotate", None)
    if annotate is None:
        return Rejected(f"{type(exporter).__name__} takes no annotations")
    return annotate(annotation)


def _checked(delivery: object) -> Delivery:
    if isinstance(delivery, (Delivered, Rejected, TryLater)):
        return delivery
    return Rejected(f"the exporter answered a {type(delivery).__name__} instead of a delivery")
