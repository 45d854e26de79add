"""From the bytes of a streamed response to the object the same call without `stream` would have returned.

Runs on the worker, never on the caller's thread, and takes whatever bytes arrived: a stream that was cut
folds into the part of the object that is known.
"""

from __future__ import annotations

from promptlayer_patch._folding.sse import Event, parse_events
from promptlayer_patch._folding.stream import Folded, fold_stream

__all__ = ["Event", "Folded", "fold_stream", "parse_events"]
