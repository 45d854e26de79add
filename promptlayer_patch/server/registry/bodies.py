"""What clients send to the prompt registry."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from typing_extensions import Self

from promptlayer_patch.server.fields import Id, Moment
from promptlayer_patch.server.registry.blueprints import Template

__all__ = [
    "CommitMessage",
    "LabelBody",
    "ListQuery",
    "MoveLabelBody",
    "Name",
    "PatchBody",
    "PublishBody",
    "RawQuery",
    "RenderBody",
    "Tag",
    "UsageQuery",
    "VersionFields",
]

Name = Annotated[str, Field(min_length=1, max_length=512)]
ShortName = Annotated[str, Field(max_length=255)]
CommitMessage = Annotated[str, Field(max_length=72)]
Tag = Annotated[str, Field(max_length=512)]


def _some(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class RenderBody(BaseModel):
    """All of it may be missing. A label goes over a version."""

    version: Id | None = None
    label: Name | None = None
    provider: ShortName | None = None
    model: Name | None = None
    input_variables: dict[str, Any] | None = None
    # Releases are not chosen by these here: a label stands at one version.
    metadata_filters: dict[str, Any] | None = None
    model_parameter_overrides: dict[str, Any] | None = None
    skip_input_variable_rendering: bool | None = None


class RawQuery(BaseModel):
    version: Id | None = None
    label: Name | None = None
    resolve_snippets: bool = True
    include_llm_kwargs: bool = False


class ListQuery(BaseModel):
    page: int = Field(default=1, ge=1, lt=2**31)
    per_page: int = Field(default=30, ge=1, le=1000)
    label: Name | None = None
    name: str | None = Field(default=None, max_length=512)
    tags: Annotated[list[Tag], BeforeValidator(_some), Field(max_length=100)] = []
    status: Literal["active", "deleted", "all"] = "active"
    is_snippet: bool | None = None
    created_by_email: str | None = None
    created_after: Moment | None = None
    created_before: Moment | None = None
    updated_after: Moment | None = None
    updated_before: Moment | None = None
    external_source: str | None = None
    external_id: str | None = None
    sort_by: Literal["created_at", "updated_at", "name", "id"] = "created_at"
    sort_order: Literal["asc", "desc"] = "desc"


class ExternalIdField(BaseModel):
    source: str = Field(min_length=1, max_length=128)
    external_id: str = Field(min_length=1, max_length=512)


class TemplateFields(BaseModel):
    """Of the template; clients put fields of the version here too."""

    prompt_name: Name
    tags: list[Tag] | None = None
    folder_id: Id | None = None
    is_snippet: bool | None = None


class ModelField(BaseModel):
    model_config = ConfigDict(extra="allow")

    provider: str
    name: str
    parameters: dict[str, Any] | None = None
    api_type: str | None = None


class MetadataField(BaseModel):
    """Anything, but that `model` is the model."""

    model_config = ConfigDict(extra="allow")

    model: ModelField | None = None


class VersionFields(BaseModel):
    """Of the version; clients put fields of the template here too."""

    prompt_template: Template
    commit_message: CommitMessage | None = None
    metadata: MetadataField | None = None
    provider_base_url_name: ShortName | None = None
    provider_id: Id | None = None
    inference_client_name: ShortName | None = None


class PublishBody(BaseModel):
    prompt_template: TemplateFields
    prompt_version: VersionFields
    release_labels: list[Name] | None = None
    external_ids: list[ExternalIdField] | None = None


class PatchBody(BaseModel):
    """What is not given stays; `null` takes it out. Lists replace, objects change what stands at an index."""

    version: Id | None = None
    label: Name | None = None
    messages: dict[str, dict[str, Any]] | list[dict[str, Any]] | None = None
    content: dict[str, dict[str, Any]] | list[dict[str, Any]] | None = None
    tools: dict[str, dict[str, Any]] | list[dict[str, Any]] | None = None
    functions: dict[str, dict[str, Any]] | list[dict[str, Any]] | None = None
    function_call: str | dict[str, Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    model_parameters: dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    commit_message: CommitMessage | None = None
    release_labels: list[Name] | None = None


class MoveLabelBody(BaseModel):
    prompt_version_number: Id | None = None
    prompt_version_id: Id | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.prompt_version_number is None) == (self.prompt_version_id is None):
            raise ValueError("give the number of a version, or its id")
        return self


class LabelBody(MoveLabelBody):
    name: Name


class UsageQuery(BaseModel):
    prompt_version_number: Id | None = None
