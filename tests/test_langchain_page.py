"""Code for LangChain's former PromptLayer classes runs when only its imports are changed.

The examples of the pages in LangChain's documentation, as they are there: for `PromptLayerOpenAI`, for
`PromptLayerChatOpenAI`, for the provider, and for the callback handler. Left out is what they do with
packages that are no part of this: a model on the reader's disk, and templates in LangChain's form.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import indent
from typing import Any

import pytest

pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")

from promptlayer_patch.demo.standin import StandIn
from tests.support.fake_promptlayer import without_key
from tests.support.langchain import Numbering, prompts_in
from tests.support.programs import ROOT, TOO_LONG_S, printed

IMPORTS = {
    "import promptlayer  # Don't forget this 🍰": "import promptlayer_patch as promptlayer",
    "import promptlayer\n": "import promptlayer_patch as promptlayer\n",
    "from langchain_community.llms import": "from promptlayer_patch.langchain import",
    "from langchain_community.chat_models import": "from promptlayer_patch.langchain import",
    "from langchain.llms import": "from promptlayer_patch.langchain import",
    "from langchain.callbacks import": "from promptlayer_patch.langchain import",
    "from langchain.schema import (": "from langchain_core.messages import (",
}
"""What is changed: the imports."""

LLM_PAGE = """
import os

import promptlayer
from langchain_community.llms import PromptLayerOpenAI
from getpass import getpass

PROMPTLAYER_API_KEY = getpass()
os.environ["PROMPTLAYER_API_KEY"] = PROMPTLAYER_API_KEY
from getpass import getpass

OPENAI_API_KEY = getpass()
os.environ["OPENAI_API_KEY"] = OPENAI_API_KEY
llm = PromptLayerOpenAI(pl_tags=["langchain"])
llm("I am a cat and I want")
llm = PromptLayerOpenAI(return_pl_id=True)
llm_results = llm.generate(["Tell me a joke"])

for res in llm_results.generations:
    pl_request_id = res[0].generation_info["pl_request_id"]
    promptlayer.track.score(request_id=pl_request_id, score=100)
"""

CHAT_PAGE = """
import os

from langchain_community.chat_models import PromptLayerChatOpenAI
from langchain_core.messages import HumanMessage
os.environ["PROMPTLAYER_API_KEY"] = "**********"
chat = PromptLayerChatOpenAI(pl_tags=["langchain"])
chat([HumanMessage(content="I am a cat and I want")])
import promptlayer

chat = PromptLayerChatOpenAI(return_pl_id=True)
chat_results = chat.generate([[HumanMessage(content="I am a cat and I want")]])

for res in chat_results.generations:
    pl_request_id = res[0].generation_info["pl_request_id"]
    promptlayer.track.score(request_id=pl_request_id, score=100)
"""

PROVIDER_PAGE = """
from langchain.llms import PromptLayerOpenAI
llm = PromptLayerOpenAI(pl_tags=["langchain-requests", "chatbot"])
from langchain.llms import PromptLayerOpenAI
llm = PromptLayerOpenAI(return_pl_id=True)
llm_results = llm.generate(["hello world"])
for res in llm_results.generations:
    print("pl request id: ", res[0].generation_info["pl_request_id"])
"""

CALLBACK_PAGE = """
import promptlayer  # Don't forget this 🍰
from langchain.callbacks import PromptLayerCallbackHandler
from langchain.schema import (
    HumanMessage,
)
from langchain_openai import ChatOpenAI

chat_llm = ChatOpenAI(
    temperature=0,
    callbacks=[PromptLayerCallbackHandler(pl_tags=["chatopenai"])],
)
llm_results = chat_llm.invoke(
    [
        HumanMessage(content="What comes after 1,2,3 ?"),
        HumanMessage(content="Tell me another joke?"),
    ]
)
print(llm_results)
"""

CALLBACK_ID_PAGE = """
import promptlayer  # Don't forget this 🍰
from langchain.callbacks import PromptLayerCallbackHandler
from langchain_openai import OpenAI


def pl_id_callback(promptlayer_request_id):
    print("prompt layer id ", promptlayer_request_id)
    promptlayer.track.score(
        request_id=promptlayer_request_id, score=100
    )  # score is an integer 0-100
    promptlayer.track.metadata(
        request_id=promptlayer_request_id, metadata={"foo": "bar"}
    )  # metadata is a dictionary of key value pairs that is tracked on PromptLayer
    promptlayer.track.prompt(
        request_id=promptlayer_request_id,
        prompt_name="example",
        prompt_input_variables={"product": "toasters"},
        version=1,
    )  # link the request to a prompt template


openai_llm = OpenAI(
    model_name="gpt-3.5-turbo-instruct",
    callbacks=[PromptLayerCallbackHandler(pl_id_callback=pl_id_callback)],
)
openai_llm.invoke("What is a good name for a company that makes toasters?")
"""

FORMER_CALLS = """
from langchain_core.messages import HumanMessage
from langchain_community.chat_models import PromptLayerChatOpenAI
from langchain_community.llms import PromptLayerOpenAI
llm = PromptLayerOpenAI(model_name="gpt-3.5-turbo-instruct", temperature=0, openai_api_key="sk-x")
chat = PromptLayerChatOpenAI(model_name="gpt-3.5-turbo", openai_api_key="sk-x", request_timeout=9)
for model in (llm, chat):
    print(type(model.predict("hello", stop=["\\n"])).__name__)
    print(model.predict_messages([HumanMessage("hello")]).type)
"""
"""What LangChain has removed from its models since."""

PAGES = {
    "llm": LLM_PAGE,
    "chat": CHAT_PAGE,
    "provider": PROVIDER_PAGE,
    "callback": CALLBACK_PAGE,
    "callback id": CALLBACK_ID_PAGE,
    "former calls": FORMER_CALLS,
}
ASYNC_CALLS = {
    'llm("': 'await llm.ainvoke("',
    "chat([": "await chat.ainvoke([",
    ".generate(": ".agenerate(",
    "llm_results = llm": "llm_results = await llm",
    "chat_results = chat": "chat_results = await chat",
    "chat_llm.invoke(": "await chat_llm.ainvoke(",
    "openai_llm.invoke(": "await openai_llm.ainvoke(",
    "model.predict(": "await model.apredict(",
    'model.predict_messages([HumanMessage("hello")])': (
        '(await model.apredict_messages([HumanMessage("hello")]))'
    ),
}
"""The asynchronous form of each call."""

PROGRAM = """
import asyncio, contextlib, getpass, io, json, sys, threading
import promptlayer_patch

pages = json.load(sys.stdin)
loop = asyncio.new_event_loop()  # one: LangChain keeps its asynchronous clients
for source, lines in pages:
    getpass.getpass = iter(["pl_0123456789abcdef", "sk-typed"]).__next__  # what the reader types
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        names = {}
        exec(compile(source, "page", "exec"), names)
        if "main" in names:
            loop.run_until_complete(names["main"]())
        assert promptlayer_patch.flush(20)
        for _ in range(2000):  # the last lines may be a callback's
            if len(said.getvalue().splitlines()) >= lines and said.getvalue()[-1:] in ("", "\\n"):
                break
            threading.Event().wait(0.01)
    assert promptlayer_patch.flush(20)  # what a callback has said about a request
    stats = promptlayer_patch.stats()
    print(json.dumps([said.getvalue().splitlines(), stats.delivered - stats.annotations]))
"""


@dataclass(frozen=True)
class Result:
    """What a page has said, and what PromptLayer was told meanwhile, by its ids."""

    lines: list[str]
    requests: dict[int, dict[str, Any]]
    said: list[tuple[str, dict[str, Any]]]
    """What was posted about these requests later: path and body."""

    @property
    def asked(self) -> list[tuple[list[str], list[str] | None]]:
        """What was asked, and with which tags, in the order of the calls; they may arrive in another."""
        bodies = sorted(self.requests.values(), key=lambda body: float(body["request_start_time"]))
        return [(prompts_in(body["kwargs"]), body["tags"]) for body in bodies]


def changed(page: str) -> str:
    for before, after in IMPORTS.items():
        page = page.replace(before, after)
    return page


def asynchronous(page: str) -> str:
    for before, after in ASYNC_CALLS.items():
        page = page.replace(before, after)
    return f"async def main():\n{indent(page, '    ')}"


SAYS = {"provider": 1, "callback": 1, "callback id": 1, "former calls": 4}


OTHERS = ("PROMPTLAYER_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_")
"""What the developer has set is kept out."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, bool], Result]]:
    """All pages, one after the other in one program, with both servers where its environment says they are.

    By the name of the page and whether its asynchronous form was run. `install()` is called by nobody.
    """
    runs = [(name, form) for form in (False, True) for name in PAGES]
    sources = [asynchronous(changed(PAGES[name])) if form else changed(PAGES[name]) for name, form in runs]
    with Numbering() as promptlayer, StandIn(chunk_delay_s=0.0) as openai:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(OTHERS)},  # noqa: TID251
            "XDG_DATA_HOME": str(tmp_path_factory.mktemp("data")),
            "PROMPTLAYER_API_KEY": "pl_0123456789abcdef",
            "PROMPTLAYER_BASE_URL": promptlayer.base_url,
            "OPENAI_API_KEY": "sk-any",
            "OPENAI_BASE_URL": openai.base_url,
        }
        given = json.dumps(
            [[source, SAYS.get(name, 0)] for source, (name, _) in zip(sources, runs, strict=True)]
        )
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            input=given,
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=TOO_LONG_S,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        found, before = {}, 0
        for run, line in zip(runs, done.stdout.splitlines(), strict=True):
            lines, delivered = json.loads(line)
            ids = list(promptlayer.by_id)[before:delivered]
            said = [
                (post.path, without_key(post.body))
                for post in promptlayer.annotations
                if post.body["request_id"] in ids
            ]
            found[run] = Result(lines, {one: promptlayer.by_id[one] for one in ids}, said)
            before = delivered
        yield found


Results = dict[tuple[str, bool], Result]
both_ways = pytest.mark.parametrize("form", [False, True], ids=["sync", "async"])


def scored(result: Result) -> list[int]:
    return [body["request_id"] for path, body in result.said if path == "/library-track-score"]


def untagged(result: Result) -> list[int]:
    return [request_id for request_id, body in result.requests.items() if body["tags"] is None]


@both_ways
def test_the_page_of_the_llm_runs(results: Results, form: bool) -> None:
    result = results["llm", form]

    assert result.lines == []
    assert result.asked == [(["I am a cat and I want"], ["langchain"]), (["Tell me a joke"], None)]
    assert scored(result) == untagged(result)


@both_ways
def test_the_page_of_the_chat_model_runs(results: Results, form: bool) -> None:
    result = results["chat", form]

    assert result.lines == []
    assert result.asked == [(["I am a cat and I want"], ["langchain"]), (["I am a cat and I want"], None)]
    assert scored(result) == untagged(result)


@both_ways
def test_the_page_of_the_provider_runs(results: Results, form: bool) -> None:
    result = results["provider", form]

    assert result.lines == [f"pl request id:  {request_id}" for request_id in result.requests]
    assert result.asked == [(["hello world"], None)]


@both_ways
def test_the_page_of_the_callback_handler_runs(results: Results, form: bool) -> None:
    result = results["callback", form]

    assert [line[:8] for line in result.lines] == ["content="]
    assert result.asked == [(["Tell me another joke?"], ["chatopenai"])]


@both_ways
def test_the_callbacks_id_is_that_of_the_request(results: Results, form: bool) -> None:
    result = results["callback id", form]

    assert result.lines == [f"prompt layer id  {request_id}" for request_id in result.requests]
    assert len(result.lines) == 1
    assert scored(result) == list(result.requests)
    assert [path for path, _ in result.said] == [
        "/library-track-score",
        "/library-track-metadata",
        "/library-track-prompt",
    ]


@both_ways
def test_the_calls_that_langchain_has_removed_are_there(results: Results, form: bool) -> None:
    result = results["former calls", form]

    assert result.lines == ["str", "ai"] * 2
    assert len(result.requests) == 4


HEAVY = """
import sys
import promptlayer_patch
promptlayer_patch.install(to="memory:")
print([name for name in sys.modules if name.partition(".")[0] in ("langchain_core", "langchain_openai")])
"""


def test_the_package_does_not_import_langchain() -> None:
    assert printed(HEAVY) == ["[]"]


MISSING = """
import sys
sys.modules["langchain_openai"] = None
try:
    import promptlayer_patch.langchain
except ImportError as error:
    print(error)
"""


def test_what_is_missing_is_said() -> None:
    (line,) = printed(MISSING)

    assert "pip install 'promptlayer-patch[langchain]'" in line
