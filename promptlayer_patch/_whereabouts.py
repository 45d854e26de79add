"""Saying where records go."""

from __future__ import annotations

import logging

from promptlayer_patch._guard import log
from promptlayer_patch._settings import Destination, Settings, shown_url


def say_where(settings: Settings) -> None:
    places = [_place(destination, settings) for destination in settings.to]
    if settings.fell_back:
        log.warning(
            "PROMPTLAYER_API_KEY is not set: OpenAI requests are recorded in the local store %s; "
            "promptlayer_patch.install(to=...) chooses another place",
            settings.local_db,
        )
    elif log.isEnabledFor(logging.INFO):
        log.info("OpenAI requests are recorded in %s", ", ".join(places))


def _place(destination: Destination, settings: Settings) -> str:
    match destination:
        case str() if destination.startswith("promptlayer:"):
            return shown_url(destination.partition(":")[2] or settings.base_url)
        case "local:":
            return f"the local store {settings.local_db}"
        case str():
            return destination
    return type(destination).__name__
