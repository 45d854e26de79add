"""A prompt template as PromptLayer gives it, with what one does with it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from promptlayer_patch._registry.arguments import checked_mapping
from promptlayer_patch._registry.blueprint import openai_call, variables_of
from promptlayer_patch._registry.rendering import rendered
from promptlayer_patch.errors import TemplateError

__all__ = ["PromptTemplate"]


class PromptTemplate(dict[str, Any]):
    """PromptLayer's own JSON of a template, as a plain `dict`, and a few short ways into it.

    `templates.get` answers it; from JSON that was kept, `PromptTemplate(json.load(file))` makes it again.

    Attributes:
        variables: the values that were put into it; empty if there were none.
        label: the release label it was asked for by, if it was.
    """

    def __init__(self, wire: Mapping[str, Any]) -> None:
        super().__init__(wire)
        self.variables: Mapping[str, Any] = {}
        self.label: str | None = None
        self._source: Mapping[str, Any] | None = self
        self._model: str | None = None

    @property
    def id(self) -> int | None:
        """PromptLayer's number of the template, the same for all its versions."""
        return _whole(self.get("id"))

    @property
    def name(self) -> str:
        """The template's name."""
        return str(self.get("prompt_name") or "")

    @property
    def version(self) -> int | None:
        """The number of this version; `None` where PromptLayer does not tell it."""
        return _whole(self.get("version", self.get("version_number")))

    @property
    def tags(self) -> list[str]:
        """The template's tags."""
        return list(self.get("tags") or ())

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages in PromptLayer's form, each with a list of blocks as its content."""
        blueprint = self.get("prompt_template")
        found = blueprint.get("messages") if isinstance(blueprint, Mapping) else None
        return list(found or ())

    @property
    def input_variables(self) -> list[str]:
        """The names of the variables it takes."""
        return variables_of(self._source if self._source is not None else self)

    @property
    def llm_kwargs(self) -> dict[str, Any]:
        """The call to make of it: `client.chat.completions.create(**template.llm_kwargs)`.

        PromptLayer's own where it gives one, else one made of the messages and the model kept with them. It
        is a copy, which may be changed. Raises `TemplateError` if no model is known.
        """
        given = self.get("llm_kwargs")
        if not isinstance(given, Mapping) or not given:
            return openai_call(self, self._model)
        call: dict[str, Any] = deepcopy(dict(given))
        if "model" not in call and self._model is not None:
            call["model"] = self._model
        return call

    def format(self, **variables: Any) -> PromptTemplate:
        """A new template with these variables put in; a variable that is missing becomes the empty text.

        Raises `InvalidArgument` for values other than text, numbers, lists and mappings, and `TemplateError`
        if it cannot be rendered here.
        """
        return self._rendered(checked_mapping("variables", variables))

    def __repr__(self) -> str:
        # Without the content, which may be anything.
        return f"<PromptTemplate {self.name!r} version {self.version}>"

    __str__ = __repr__

    def __reduce__(self) -> tuple[Any, ...]:
        source = None if self._source is self else self._source
        return _again, (dict(self), self.variables, self.label, self._model, source, self._source is self)

    def copy(self) -> PromptTemplate:
        """Another one of the same content."""
        return deepcopy(self)

    def _rendered(self, variables: Mapping[str, Any]) -> PromptTemplate:
        if self._source is None:
            raise TemplateError("PromptLayer has filled it in already: get it without input_variables")
        # What is not rendered is in both, and who changes the one must not change the other.
        made = self._made(deepcopy(rendered(self._source, variables)))
        made._source = deepcopy(dict(self._source))
        made.variables = variables
        return made

    def _made(self, wire: Mapping[str, Any]) -> PromptTemplate:
        made = PromptTemplate(wire)
        made.label, made._model = self.label, self._model
        return made


def _again(
    wire: dict[str, Any],
    variables: Mapping[str, Any],
    label: str | None,
    model: str | None,
    source: Mapping[str, Any] | None,
    is_source: bool,
) -> PromptTemplate:
    """A template that was pickled or copied."""
    made = PromptTemplate(wire)
    made.variables, made.label, made._model = variables, label, model
    made._source = made if is_source else source
    return made


def _whole(number: Any) -> int | None:
    return number if isinstance(number, int) and not isinstance(number, bool) else None
