"""The interface speaks Chinese wherever it speaks English."""

from __future__ import annotations

import ast
import io
import re
import string
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

import promptlayer_patch
import promptlayer_patch.server.dashboard
from promptlayer_patch._query.language import complete
from promptlayer_patch._query.names import NAMES
from promptlayer_patch.demo.history import fill
from promptlayer_patch.server.dashboard import words
from promptlayer_patch.server.dashboard.chinese import CHINESE
from tests.support.crawling import crawl
from tests.support.serving import serving

DASHBOARD = Path(promptlayer_patch.server.dashboard.__file__).parent
_LINK = re.compile(r'<a[^>]*\shref="([^"]*)"')
_VALUES = re.compile(r"[\w.]+(, [\w.]+)+")
_ONE = {"kwargs": {}, "request_response": {}, "request_start_time": 1, "request_end_time": 2}
_SAME_EVERYWHERE = frozenset(
    {"promptlayer_patch", "HTTP", "JSON", "JSONL", "CSV", "SDK", "Python", "curl", "p50", "p90", "p95"}
)


def _texts(node: nodes.Node) -> Iterator[str]:
    """The texts that an argument of `t` may be, whichever way a condition in it goes."""
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, nodes.CondExpr):
        yield from _texts(node.expr1)
        if node.expr2 is not None:
            yield from _texts(node.expr2)


def said_in_templates() -> Iterator[tuple[str, str]]:
    environment = Environment(extensions=[])
    for file in sorted((DASHBOARD / "templates").iterdir()):
        for call in environment.parse(file.read_text(encoding="utf-8")).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "t":
                for text in _texts(call.args[0]):
                    yield file.name, text


def said_in_code() -> Iterator[tuple[str, str]]:
    for file in sorted(DASHBOARD.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            given = node.args[:1] if node.func.id == "t" else []
            if node.func.id == "page":
                given = [keyword.value for keyword in node.keywords if keyword.arg == "title"]
            for value in given:
                for one in (value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,):
                    if isinstance(one, ast.Constant) and isinstance(one.value, str):
                        yield file.name, one.value


def test_all_words_have_chinese() -> None:
    said = {*said_in_templates(), *said_in_code()}
    assert len(said) > 50
    missing = sorted(one for one in said if one[1] not in CHINESE and one[1] not in _SAME_EVERYWHERE)
    assert not missing, "\n".join(f'{file}: "{text}"' for file, text in missing)


def _template_of(message: ast.expr) -> str:
    """With `{}` for what a message has put in."""
    parts = message.values if isinstance(message, ast.JoinedStr) else [message]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)


def said_of_queries() -> Iterator[str]:
    package = Path(promptlayer_patch.__file__).parent
    limits = package / "store" / "searching" / "compiling.py"
    # What PromptLayer's protocol asks for as JSON is no matter of the dashboard.
    for file in (
        *sorted(set((package / "_query").glob("*.py")) - {package / "_query" / "groups.py"}),
        limits,
    ):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "InvalidQuery":
                continue
            if isinstance(node.args[0], (ast.Constant, ast.JoinedStr)):
                yield _template_of(node.args[0])


def test_what_is_wrong_with_a_query_has_chinese() -> None:
    said = set(said_of_queries())
    assert len(said) > 25
    told = words.problems("zh")
    assert [one for one in said if told(one.replace("{}", "x")) == one.replace("{}", "x")] == []


def said_of_completions() -> Iterator[str]:
    typed = ("", *string.ascii_lowercase, *(f"{name}:" for name in NAMES))
    for text in typed:
        yield from (one.says for one in complete(text, len(text)).suggestions)


def test_what_the_query_bar_offers_is_explained_in_chinese() -> None:
    said = {one for one in said_of_completions() if one and not _VALUES.fullmatch(one)}
    assert len(said) > 50
    assert sorted(said - set(CHINESE)) == []


def test_completions_are_explained_in_the_readers_language(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, client):
        offered = client.get(
            "/complete", params={"q": "mod", "at": 3}, headers={"Accept-Language": "zh-CN"}
        ).json()["suggestions"]
        assert [one["says"] for one in offered if one["text"] == "model:"] == ["作答的模型"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("latency:>soon", "latency_ms 需要数字"),
        ("(model:gpt-4o", "括号没有闭合"),
        ("modell:gpt-4o", '没有字段 modell，最接近的是 model；带冒号的词请放在 "引号" 中'),
        ("since:soon", "'soon' 不是 ISO 8601 日期或时间；请写 2026-11-01、today 或 7d"),
        ("latency:5parsec", "latency_ms 没有单位 parsec，可用 "),
    ],
)
def test_a_query_is_explained_in_the_readers_language(query: str, says: str, tmp_path: Path) -> None:
    with serving(tmp_path) as (_, client):
        client.post("/track-request", _ONE)
        page = client.get("/", params={"q": query}, headers={"Accept-Language": "zh-CN"}).text
        assert says in unescape(page)


@pytest.mark.parametrize(
    ("path", "fields", "says"),
    [
        ("/requests/score", {"all": "yes", "score": "101"}, "body.score：应小于或等于 100"),
        ("/requests/score", {"all": "yes", "score": "good"}, "body.score：应为整数"),
        ("/requests/tag", {"all": "yes"}, "body.tag：必填"),
        ("/requests/tag", {"all": "yes", "tag": "x" * 513}, "body.tag：最多 512 个字符"),
        ("/requests/tag", {"all": "yes", "tag": "x", "q": "latency:>soon"}, "latency_ms 需要数字"),
        ("/prompts/new", {"name": "", "as": "text"}, "至少 1 个字符"),
        ("/prompts/new", {"name": "x", "as": "json", "template": "["}, "内容不是 JSON："),
    ],
)
def test_a_form_is_explained_in_the_readers_language(
    path: str, fields: dict[str, str], says: str, tmp_path: Path
) -> None:
    with serving(tmp_path) as (_, client):
        answer = client.send(
            "POST", path, data=fields, headers={"Accept-Language": "zh-CN", "Accept": "text/html"}
        )
        assert answer.status_code in (400, 422)
        assert says in answer.text


def test_what_is_told_to_programs_stays_english(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, client):
        answer = client.send(
            "POST", "/requests/tag", data={"all": "yes"}, headers={"Accept-Language": "zh-CN"}
        )
        assert answer.json()["message"] == "body.tag: Field required"


def test_words_that_code_chooses_have_chinese_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only a page knows when it is made: seen by going through all of them."""
    missing: dict[str, str] = {}
    here = ""

    class Noticing(dict[str, str]):
        def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
            if key not in self and key not in _SAME_EVERYWHERE:
                missing.setdefault(key, here)
            return super().get(key, default)

    monkeypatch.setattr(words, "CHINESE", Noticing(CHINESE))
    fill(tmp_path / "requests.db", io.StringIO())
    with serving(tmp_path) as (_, client):

        def visit(path: str) -> list[str]:
            nonlocal here
            here = path
            answer = client.get(path, headers={"Accept-Language": "zh-CN"})
            assert answer.status_code == 200, path
            return [
                link.replace("&amp;", "&")
                for link in _LINK.findall(answer.text)
                if ".json" not in link and "/static/" not in link
            ]

        crawl(visit, ["/", "/charts", "/prompts", "/groups", "/tags", "/traces"], 3)
    assert not missing, "\n".join(f'"{text}" on {path}' for text, path in missing.items())
