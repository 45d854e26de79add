"""From what a handler knows to a page, or to the same as JSON."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from promptlayer_patch._version import __version__
from promptlayer_patch._wire import encoded
from promptlayer_patch.server.dashboard.formats import FILTERS
from promptlayer_patch.server.dashboard.static import address
from promptlayer_patch.server.dashboard.visible import visible
from promptlayer_patch.server.dashboard.words import LANGUAGES, language_of, problems, words
from promptlayer_patch.server.endpoints import Answer, Call

__all__ = ["page", "rendered"]

_PACKED_FROM = 1_024


def page(
    call: Call[Any, Any], template: str, data: Mapping[str, Any], *, title: str, status: int = 200
) -> Answer:
    """`data` as the page `template`, or as JSON where the address ends in `format=json`.

    For a request of htmx (`HX-Request`) the template gets `partial` true, and leaves the frame out.
    """
    if getattr(call.query, "format", None) == "json":
        return _packed(call.headers, Answer(encoded(_plain(data)), status, content_type="application/json"))
    text = rendered(call.headers, template, {**data, "title": title})
    # Half a surrogate pair, which UTF-8 cannot say, is spelled out.
    content = text.encode("utf-8", "backslashreplace")
    return _packed(call.headers, Answer(content, status, content_type="text/html; charset=utf-8"))


def rendered(headers: Mapping[str, str], template: str, context: Mapping[str, Any]) -> str:
    language = language_of(headers)
    return (
        _environment()
        .get_template(template)
        .render(
            t=words(language),
            told=problems(language),
            language=language,
            languages=LANGUAGES,
            partial=headers.get("hx-request") == "true",
            version=__version__,
            **context,
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("promptlayer_patch.server.dashboard"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["address"] = address
    environment.filters.update(FILTERS, visible=visible)
    return environment


def _packed(headers: Mapping[str, str], answer: Answer) -> Answer:
    if len(answer.content) < _PACKED_FROM or "gzip" not in headers.get("accept-encoding", ""):
        return answer
    packed = gzip.compress(answer.content, 5, mtime=0)
    more = {**answer.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return dataclasses.replace(answer, content=packed, headers=more)


def _plain(value: Any) -> Any:
    """What a page shows, as JSON can say it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one) for one in value]
    return value
