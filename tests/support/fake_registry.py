"""PromptLayer's prompt registry on a loopback port, with templates that one can publish, get and label."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.fake_promptlayer import ANNOTATING, Answer, FakePromptLayer, Post, refused

KEY = "pl_0123456789abcdef"
TEXT = "Write to {name} about {topic}."
MODEL = {"provider": "openai", "name": "gpt-4o-mini", "parameters": {"temperature": 0.5}}
OF_RECORDS = {"/track-request", *ANNOTATING}
DROPPED = Answer(dropped=True)


def chat(*texts: str, template_format: str = "f-string") -> dict[str, Any]:
    """A chat template: one message of the system, then one of the user's for each further text."""
    messages = [
        {
            "role": "user" if place else "system",
            "content": [{"type": "text", "text": text}],
            "template_format": template_format,
            "input_variables": re.findall(r"\{(\w+)\}", text),
            "name": None,
            "raw_request_display_role": "",
            "dataset_examples": [],
        }
        for place, text in enumerate(texts)
    ]
    names = [name for message in messages for name in message["input_variables"]]
    return {"type": "chat", "messages": messages, "tools": None, "input_variables": names}


class FakeRegistry(FakePromptLayer):
    """Answers as recorded PromptLayer does. `next_answers` are given first, to whatever is asked."""

    methods = ("POST", "GET", "PATCH", "DELETE")

    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[str, list[dict[str, Any]]] = {}
        """By name, oldest first."""
        self.labels: dict[int, tuple[str, str, int]] = {}
        """By id: name of the template, name of the label, number of the version."""
        self._template_ids, self._label_ids, self._groups = count(17), count(9), count(1)

    def put(
        self,
        name: str,
        template: Mapping[str, Any],
        *,
        model: Mapping[str, Any] | None = MODEL,
        tags: tuple[str, ...] = (),
        label: str = "",
        **more: Any,
    ) -> dict[str, Any]:
        """Publish a version from this side."""
        versions = self.versions.setdefault(name, [])
        version = {
            "id": versions[0]["id"] if versions else next(self._template_ids),
            "workspace_id": 1,
            "prompt_name": name,
            "tags": list(tags),
            "prompt_template": dict(template),
            "snippets": [],
            "version": len(versions) + 1,
            "metadata": {"model": dict(model)} if model else None,
            "commit_message": None,
            "provider_base_url": None,
            "warning": None,
            **more,
        }
        versions.append(version)
        if label:
            self.labels[next(self._label_ids)] = (name, label, version["version"])
        return version

    def asked(self, path: str = "") -> list[Post]:
        """What was asked, but for records."""
        return [one for one in self.posts if one.path not in OF_RECORDS and one.path.startswith(path)]

    def take(self, post: Post) -> Answer:
        if post.path in OF_RECORDS:
            return super().take(post)
        with self.changed:
            self.posts.append(post)
            self.changed.notify_all()
            if self.next_answers:
                return self.next_answers.popleft()
            if post.headers.get("x-api-key", post.body.get("api_key")) != KEY:
                return refused(401, "Invalid API key")
            return self._answer(post)

    def _answer(self, post: Post) -> Answer:
        path = urlsplit(post.path).path
        query = parse_qs(urlsplit(post.path).query)
        steps = [unquote(step) for step in path.strip("/").split("/")]
        match (post.method, *steps):
            case ("POST", "create-group"):
                return Answer(200, {"success": True, "id": next(self._groups)})
            case ("GET", "prompt-templates"):
                return self._list(query)
            case ("POST", "rest", "prompt-templates"):
                return self._publish(post.body)
            case ("PATCH", "rest", "prompt-templates", identifier):
                return self._patch(identifier, post.body)
            case ("GET", "prompt-templates", identifier, "labels"):
                return self._labels(identifier)
            case ("GET" | "POST", "prompt-templates", identifier):
                wanted = {name: values[0] for name, values in query.items()} | post.body
                return self._get(identifier, wanted)
            case ("POST", "prompts", number, "label"):
                return self._label(int(number), post.body)
            case ("PATCH" | "DELETE", "prompt-labels", number) if int(number) in self.labels:
                return self._move(int(number), post)
        return refused(404, "no such thing")

    def _found(self, identifier: str) -> list[dict[str, Any]]:
        return next(
            (one for name, one in self.versions.items() if identifier in (name, str(one[0]["id"]))), []
        )

    def _get(self, identifier: str, wanted: Mapping[str, Any]) -> Answer:
        versions = self._found(identifier)
        number = wanted.get("version", len(versions))
        if "label" in wanted:
            names = (identifier, versions[0]["prompt_name"]) if versions else ()
            number = next(
                (at for n, label, at in self.labels.values() if n in names and label == wanted["label"]), 0
            )
        if not 1 <= int(number) <= len(versions):
            return refused(404, "Prompt template not found")
        version = versions[int(number) - 1]
        variables = None if wanted.get("skip_input_variable_rendering") else wanted.get("input_variables", {})
        return Answer(200, _with_call(_filled_in(version, variables), wanted))

    def _list(self, query: Mapping[str, list[str]]) -> Answer:
        page, per_page = int(query.get("page", ["1"])[0]), int(query.get("per_page", ["30"])[0])
        latest = [versions[-1] for versions in reversed(self.versions.values())]
        found = [
            one
            for one in latest
            if query.get("name", [""])[0].lower() in one["prompt_name"].lower()
            and set(query.get("tags", [])) <= set(one["tags"])
        ]
        pages = max(1, -(-len(found) // per_page))
        items = found[(page - 1) * per_page : page * per_page]
        envelope = {"items": items, "page": page, "pages": pages, "per_page": per_page, "total": len(found)}
        return Answer(200, {**envelope, "has_next": page < pages, "has_prev": page > 1})

    def _publish(self, body: Mapping[str, Any]) -> Answer:
        template, version = body["prompt_template"], body["prompt_version"]
        made = self.put(
            template["prompt_name"],
            version["prompt_template"],
            model=None,
            tags=tuple(template.get("tags") or ()),
            metadata=version.get("metadata"),
            commit_message=version.get("commit_message"),
        )
        return self._published(made, body.get("release_labels"))

    def _patch(self, identifier: str, body: Mapping[str, Any]) -> Answer:
        versions = self._found(identifier)
        if not versions:
            return refused(404, "Prompt template not found")
        base = versions[body.get("version", len(versions)) - 1]
        template = dict(base["prompt_template"])
        if isinstance(body.get("messages"), list):
            template["messages"] = body["messages"]
        for place, message in body["messages"].items() if isinstance(body.get("messages"), dict) else ():
            template["messages"] = [*template["messages"]]
            template["messages"][int(place)] = {**template["messages"][int(place)], **message}
        made = self.put(base["prompt_name"], template, tags=tuple(base["tags"]))
        return self._published(made, body.get("release_labels"))

    def _published(self, made: Mapping[str, Any], labels: list[str] | None) -> Answer:
        for label in labels or ():
            self.labels[next(self._label_ids)] = (made["prompt_name"], label, made["version"])
        hidden = ("version", "workspace_id", "snippets", "warning", "provider_base_url")
        answer = {name: value for name, value in made.items() if name not in hidden}
        return Answer(201, {**answer, "release_labels": labels, "version_number": made["version"]})

    def _labels(self, identifier: str) -> Answer:
        versions = self._found(identifier)
        if not versions:
            return refused(404, "Prompt template not found")
        found = [
            {
                "prompt_version_id": 100 + version,
                "prompt_version_number": version,
                "release_label": label,
                "release_label_id": number,
            }
            for number, (name, label, version) in self.labels.items()
            if name == versions[0]["prompt_name"]
        ]
        return Answer(200, {"release_labels": found})

    def _label(self, prompt_id: int, body: Mapping[str, Any]) -> Answer:
        name = self._found(str(prompt_id))[0]["prompt_name"]
        number = next(self._label_ids)
        self.labels[number] = (name, body["name"], body["prompt_version_number"])
        return self._label_answer(number)

    def _move(self, number: int, post: Post) -> Answer:
        if post.method == "DELETE":
            del self.labels[number]
            return Answer(204, b"")
        name, label, _ = self.labels[number]
        self.labels[number] = (name, label, post.body["prompt_version_number"])
        return self._label_answer(number)

    def _label_answer(self, number: int) -> Answer:
        name, label, version = self.labels[number]
        prompt_id = self.versions[name][0]["id"]
        return Answer(
            200, {"id": number, "name": label, "prompt_id": prompt_id, "prompt_version_id": 100 + version}
        )


def _filled_in(version: Mapping[str, Any], variables: Mapping[str, Any] | None) -> dict[str, Any]:
    """The server's own rendering, of f-strings only, marked so that it can be told from ours."""
    if variables is None:
        return dict(version)

    def text(block: Mapping[str, Any]) -> dict[str, Any]:
        if block["type"] != "text":
            return dict(block)
        filled = re.sub(r"\{(\w+)\}", lambda found: str(variables.get(found[1], "")), block["text"])
        return {**block, "text": f"{filled} (server)"}

    template = version["prompt_template"]
    messages = [
        {**message, "content": [text(block) for block in message.get("content") or ()]}
        for message in template.get("messages", ())
    ]
    return {**version, "prompt_template": {**template, "messages": messages}}


def _with_call(version: dict[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    model = (version["metadata"] or {}).get("model")
    messages = [
        {
            "role": message["role"],
            "content": message["content"] if message["role"] == "user" else message["content"][0]["text"],
        }
        for message in version["prompt_template"].get("messages", ())
        if message.get("content")
    ]
    if model is None:
        return {**version, "llm_kwargs": None}
    call = {"model": wanted.get("model", model["name"]), **model["parameters"], "messages": messages}
    return {**version, "llm_kwargs": call}
