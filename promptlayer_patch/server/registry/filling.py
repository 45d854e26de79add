"""Putting variables into a template: into its texts, and for its tools, media and messages."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from promptlayer_patch._registry.budget import Budget, NotHere
from promptlayer_patch._registry.rendering import rendered
from promptlayer_patch.errors import TemplateError
from promptlayer_patch.server.refusals import Invalid
from promptlayer_patch.server.registry.blueprints import messages_in

__all__ = ["filled"]


def filled(template: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """The template with its variables put in; nothing in it is changed.

    Raises `Invalid` for values that do not fit, and for a template that does more than it should.
    """
    try:
        given = {**variables, **_messages(template, variables)}
        whole = rendered({"prompt_template": _expanded(template, variables)}, given, snippets=True)
    except NotHere as lack:
        raise _refusal(f"the prompt template has {lack.what}, which this server does not render") from None
    except TemplateError as error:
        raise _refusal(str(error)) from None
    made: dict[str, Any] = whole["prompt_template"]
    return made


def _messages(template: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that placeholders are replaced by, checked."""
    messages = template.get("messages") or ()
    names = {message["name"] for message in messages if message["role"] == "placeholder"}
    made = {}
    for name in names & variables.keys():
        try:
            made[name] = messages_in(variables[name] or [])
        except ValidationError as error:
            raise _refusal(f"expected a list of messages: {error.errors()[0]['msg']}", name) from None
    return made


def _expanded(template: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """With the tools and the media that variables hold."""
    given = _Given(variables)
    made = dict(template)
    if isinstance(template.get("tools"), list):
        made["tools"] = [tool for one in template["tools"] for tool in given.tools(one)]
    if isinstance(template.get("messages"), list):
        made["messages"] = [
            {**message, "content": given.blocks(message["content"])} for message in template["messages"]
        ]
    else:
        made["content"] = given.blocks(template["content"])
    return made


class _Given:
    """Variables that stand for more than text. One may stand in many places, so each use is weighed."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = variables
        self._budget = Budget()

    def tools(self, tool: Mapping[str, Any]) -> list[Any]:
        """The tool, or those that are in the variable it stands for."""
        if tool.get("type") != "variable":
            return [tool]
        name = str(tool.get("name"))
        given = self._variables.get(name)
        if given is None:
            return []
        if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
            raise _refusal("expected a list of tools", name)
        self._budget.weigh(given)
        return given

    def blocks(self, blocks: Any) -> Any:
        if not isinstance(blocks, list):
            return blocks
        return [made for block in blocks for made in self._of_block(block)]

    def _of_block(self, block: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The block, or those of the media in the variable it stands for."""
        if block["type"] == "media_variable":
            for given in self._media(str(block.get("name"))):
                yield {"type": "media", "media": _media(given) if isinstance(given, str) else dict(given)}
        elif block.get("image_variable"):
            image = block.get("image_url")
            known = image if isinstance(image, Mapping) else {}
            for given in self._media(str(block["image_variable"])):
                self._budget.weigh(known)
                said = {"url": given} if isinstance(given, str) else dict(given)
                yield {"type": "image_url", "image_url": {**known, **said}}
        else:
            yield block

    def _media(self, name: str) -> list[Any]:
        given = self._variables.get(name)
        if given is None or given == "":
            return []
        values = given if isinstance(given, list) else [given]
        if not all(isinstance(one, (str, Mapping)) for one in values):
            raise _refusal("expected addresses, or objects, of media", name)
        self._budget.weigh(values)
        return values


def _media(address: str) -> dict[str, Any]:
    """What a `https:` or `data:` address says of what is there."""
    if address.startswith("data:"):
        kind = address[5:].partition(",")[0].partition(";")[0] or "text/plain"
        return {"title": "media", "type": kind, "url": address, "format": "base64"}
    kind = mimetypes.guess_type(address.partition("?")[0])[0] or "application/octet-stream"
    return {"title": "media", "type": kind, "url": address, "format": "url"}


def _refusal(message: str, variable: str | None = None) -> Invalid:
    place = ("body", "input_variables") if variable is None else ("body", "input_variables", variable)
    return Invalid([(place, message, "template_error")])
