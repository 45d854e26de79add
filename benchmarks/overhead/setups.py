"""How each variant is switched on, in the process that is measured: by its own documentation, with content.

Nothing heavy is imported here but by the functions, because starting is measured too.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Ready:
    """What is switched on: how it is flushed, and what it asks of the program that makes clients."""

    def __init__(
        self,
        flush: Callable[[], object] = lambda: None,
        wrap: Callable[[Any], Any] = lambda client: client,
        library: Any = None,
    ) -> None:
        self.flush = flush
        self.wrap = wrap
        """What is done to each client."""
        self.library = library
        """Where `OpenAI` and `AsyncOpenAI` are taken from instead of `openai`."""


def bare(url: str, folder: str) -> Ready:
    return Ready()


def wrapper(url: str, folder: str) -> Ready:
    """The least that any patch costs: wrappers that do nothing."""
    import wrapt

    def through(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    for module, resource in (
        ("chat.completions.completions", "Completions"),
        ("responses.responses", "Responses"),
        ("embeddings", "Embeddings"),
    ):
        for owner in (resource, f"Async{resource}"):
            wrapt.wrap_function_wrapper(f"openai.resources.{module}", f"{owner}.create", through)
    return Ready()


def _installed(**options: Any) -> Ready:
    import promptlayer_patch

    promptlayer_patch.install(**options)
    return Ready(flush=lambda: promptlayer_patch.flush(60))


def local(url: str, folder: str) -> Ready:
    return _installed(to=f"local:{folder}/requests.db")


def promptlayer(url: str, folder: str) -> Ready:
    return _installed(api_key="pl_none", base_url=url)


def promptlayer_without_outbox(url: str, folder: str) -> Ready:
    return _installed(api_key="pl_none", base_url=url, outbox=False)


def jsonl(url: str, folder: str) -> Ready:
    return _installed(to=f"jsonl:{folder}/calls.jsonl")


def program(url: str, folder: str) -> Ready:
    """To an object of the program, which lets go of everything at once."""

    class Nowhere:
        def export(self, batch: Any) -> list[Any]:
            from promptlayer_patch.records import Delivered

            return [Delivered()] * len(batch)

        def close(self) -> None: ...

    return _installed(to=Nowhere())
