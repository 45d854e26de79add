"""Saying where records go."""

from __future__ import annotations

import sys

from promptlayer_patch._guard import warn
from promptlayer_patch._options import shown_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from promptlayer_patch._options import Destination, Options


def say_where(options: Options) -> None:
    if options["fell_back"]:
        warn(
            "PROMPTLAYER_API_KEY is not set: OpenAI requests are recorded in the local store %s; "
            "promptlayer_patch.install(to=...) chooses another place",
            options["local_db"],
        )
    elif "logging" in sys.modules:  # else nobody has asked for what is no warning
        from promptlayer_patch._guard import log

        places = [_place(destination, options) for destination in options["to"]]
        log.info("OpenAI requests are recorded in %s", ", ".join(places))


def _place(destination: Destination, options: Options) -> str:
    match destination:
        case str() if destination.startswith("promptlayer:"):
            return shown_url(destination.partition(":")[2] or options["base_url"])
        case "local:":
            return f"the local store {options['local_db']}"
        case str():
            return destination
    return type(destination).__name__
