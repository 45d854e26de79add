"""The demo from beginning to end: calls, records, table, and how to go on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TextIO

import openai

import promptlayer_patch
from promptlayer_patch._settings import read_settings
from promptlayer_patch.demo import DEFAULT_MODEL, report
from promptlayer_patch.demo.calls import make_calls
from promptlayer_patch.demo.provider import Provider
from promptlayer_patch.demo.screen import Screen
from promptlayer_patch.demo.standin import StandIn
from promptlayer_patch.errors import PromptLayerError

__all__ = ["DemoFailed", "Options", "run"]


class DemoFailed(PromptLayerError):
    """The demo could not do what it is there for; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line may choose."""

    db: str | None = None
    model: str = DEFAULT_MODEL
    offline: bool = False


def run(options: Options, out: TextIO) -> None:
    """Make the calls, show what was recorded and how to go on.

    Raises `DemoFailed`, or what else the package raises on purpose.
    """
    screen = Screen.of(out)
    settings = read_settings()
    path = os.path.abspath(os.path.expanduser(options.db or settings.local_db))
    with ExitStack() as stack:
        stand_in = _stand_in(stack.enter_context(StandIn()), options)
        stack.callback(stand_in.close)
        provider = _provider(options, stand_in)
        stack.callback(provider.close)
        _say_where(screen, provider, stand_in)
        if settings.api_key:
            screen.note("PROMPTLAYER_API_KEY is set, but the demo records locally and sends nothing there.")
        problem = _record(path, provider, stand_in, screen)
    if problem is not None:
        raise DemoFailed(problem)
    _how_to_go_on(screen, path, own_file=options.db is not None)


def _stand_in(server: StandIn, options: Options) -> Provider:
    return Provider.from_stand_in(server, options.model)


def _provider(options: Options, stand_in: Provider) -> Provider:
    if options.offline:
        return stand_in
    return Provider.from_environment(options.model) or stand_in


def _say_where(screen: Screen, provider: Provider, stand_in: Provider) -> None:
    if provider is stand_in:
        screen.note(f"The calls go to a stand-in for OpenAI in this process, at {provider.address}.")
        return
    screen.note(
        f"OPENAI_API_KEY is set: 8 short calls go to {provider.address} ({provider.chat_model}, "
        f"{provider.embedding_model}) and cost far less than a cent. With --offline, none would."
    )


def _record(path: str, provider: Provider, stand_in: Provider, screen: Screen) -> str | None:
    """Make the calls and show their records; what went wrong with the calls, if anything did."""
    scopes = []
    problem = None
    with _recording(path):
        try:
            for scope in make_calls(provider, stand_in, screen):
                scopes.append(scope)
        except openai.OpenAIError as error:
            problem = _explanation(error, provider, stand_in)
        promptlayer_patch.flush()
        ids = [request_id for scope in scopes for request_id in scope.request_ids()]
    if not ids:
        return problem or "the calls were made, but none was recorded"
    screen.heading("What was recorded")
    report.show(report.read_back(path, ids), screen)
    return problem


@contextmanager
def _recording(path: str) -> Iterator[None]:
    promptlayer_patch.install(to=f"local:{path}", metadata={"source": "promptlayer-patch demo"})
    try:
        yield
    finally:
        promptlayer_patch.uninstall()


def _explanation(error: openai.OpenAIError, provider: Provider, stand_in: Provider) -> str:
    message = f"a call to {provider.address} failed: {type(error).__name__}: {error}"
    if provider is stand_in:
        return message
    if isinstance(error, openai.AuthenticationError):
        message = f"{provider.address} does not accept the key in OPENAI_API_KEY"
    return f"{message}\nWith --offline the demo needs neither key nor network; --model chooses another model."


def _how_to_go_on(screen: Screen, path: str, own_file: bool) -> None:
    install = f"install(to={f'local:{path}'!r})" if own_file else "install()"
    screen.heading("How to go on")
    screen.raw(f"  The records stay in  {path}  (SQLite)")
    screen.raw(f"  In your own app      import promptlayer_patch; promptlayer_patch.{install}")
    screen.raw("  To PromptLayer       set PROMPTLAYER_API_KEY" + (" and leave out to=" if own_file else ""))
