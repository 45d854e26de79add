"""What `install()` costs before anything happens: no heavy import, no thread, no file, no hook but one."""

from __future__ import annotations

import importlib.util
import json
from textwrap import dedent

import pytest

import promptlayer_patch
from tests.support.programs import printed, run_program

HEAVY = [
    "asyncio",
    "contextlib",
    "dataclasses",
    "email",
    "enum",
    "http.client",
    "httpx",
    "httpx2",
    "inspect",
    "json",
    "logging",
    "multiprocessing",
    "openai",
    "pathlib",
    "pydantic",
    "random",
    "re",
    "requests",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "traceback",
    "typing",
    "urllib.parse",
    "urllib3",
    "wrapt",
]
LIGHT = "import __future__, atexit, collections.abc, functools, os, sys, threading"
"""The parts of the standard library that `install()` loads, and with them what they load themselves."""
OURS = [
    "promptlayer_patch",
    "promptlayer_patch._arrival",
    "promptlayer_patch._destinations",
    "promptlayer_patch._exits",
    "promptlayer_patch._guard",
    "promptlayer_patch._install",
    "promptlayer_patch._installation",
    "promptlayer_patch._options",
    "promptlayer_patch._process",
    "promptlayer_patch._version",
    "promptlayer_patch._whereabouts",
    "promptlayer_patch.errors",
]
"""What it loads of ours; everything else comes with openai, or with what is asked for."""
LATER = """
import __future__, atexit, collections.abc, contextlib, contextvars, dataclasses, enum, functools, importlib
import inspect, itertools, json, logging, math, os, pathlib, pkgutil, queue, random, re, sys, textwrap
import threading, time, traceback, types, typing, urllib.parse, warnings, weakref
"""
"""The parts of the standard library that may come with openai, and with them what they load themselves."""
BARE = ("-S",)
"""Without what the environment of the tests loads as Python starts."""
DESTINATIONS = {
    "promptlayer": "to='promptlayer:', api_key='pl_0'",
    "local": "to='local:'",
    "local file": "to='local:' + path",
    "jsonl": "to='jsonl:' + path",
    "memory": "to='memory:'",
    "console": "to='console:'",
    "object": "to=Exporter()",
    "several": "to=['memory:', 'jsonl:' + path, 'local:' + path, 'promptlayer:'], api_key='pl_0'",
    "key only": "api_key='pl_0'",
    "tagged": "to='memory:', tags=['a'], metadata={'a': 'b'}, base_url='http://a.test'",
}
INSTALL = """
import sys
path = sys.argv[1]
class Exporter:
    def export(self, batch): return []
    def close(self): pass
{first}
import promptlayer_patch
promptlayer_patch.install({arguments})
{then}
"""
CLIENT = """
import openai, openai._base_client as base
http = getattr(base, "httpx2", None) or base.httpx
transport = http.MockTransport(lambda request: http.Response(200, json={"id": "x", "choices": []}))
client = openai.OpenAI(api_key="k", http_client=http.Client(transport=transport))
def ask():
    client.chat.completions.create(model="m", messages=[])
"""
destinations = pytest.mark.parametrize("arguments", DESTINATIONS.values(), ids=DESTINATIONS)


def installing(arguments: str, *, first: str = "", then: str = "") -> str:
    return INSTALL.format(arguments=arguments, first=dedent(first), then=dedent(then))


def loaded(source: str, path: object, *options: str) -> set[str]:
    """The modules that are there when `source` has run."""
    last = "\nimport sys; names = sorted(sys.modules); import json; print(json.dumps(names))\n"
    return set(json.loads(printed(source + last, path, options=options)[-1]))


@pytest.fixture(scope="module")
def later() -> set[str]:
    return loaded(LATER, "-")


@pytest.fixture(scope="module")
def light() -> set[str]:
    return loaded(LIGHT, "-", *BARE)


@destinations
def test_install_loads_nothing_heavy(arguments: str, light: set[str], tmp_path: object) -> None:
    """A program that may never call OpenAI does not pay for it at start-up."""
    modules = loaded(installing(arguments), f"{tmp_path}/here", *BARE)
    if "base_url" in arguments:  # which has to be taken apart to be checked
        modules -= loaded("import urllib.parse", "-", *BARE) - light
    assert sorted(set(HEAVY) & modules) == []
    assert sorted(modules - light) == OURS


def test_importing_the_package_alone_loads_no_more(light: set[str]) -> None:
    modules = loaded("import promptlayer_patch", "-", *BARE)
    assert sorted(modules - light) == OURS


def test_what_stands_for_the_warning_is_what_logging_would_print() -> None:
    """Where no logging was loaded, none is for the line that says where records go."""
    source = "import sys\n{}import promptlayer_patch\npromptlayer_patch.install()\n{}"
    alone = run_program(source.format("", "print('logging' in sys.modules)"), options=BARE)
    logged = run_program(source.format("import logging\n", "print('logging' in sys.modules)"), options=BARE)
    assert (alone.code, alone.out, logged.code, logged.out) == (0, "False\n", 0, "True\n")
    assert alone.err == logged.err
    assert len(alone.err.splitlines()) == 1


NAMES = """
import promptlayer_patch
print(sorted(set(promptlayer_patch.__all__) - set(dir(promptlayer_patch))))
{}
"""


@pytest.mark.parametrize("name", promptlayer_patch.__all__)
def test_every_name_is_there_before_it_is_loaded(name: str) -> None:
    """By an attribute and by an import, as if all of them had been loaded with the package."""
    by_attribute = f"found = promptlayer_patch.{name}"
    by_import = f"from promptlayer_patch import {name} as found"
    for way in (by_attribute, by_import):
        last = f"{way}\nprint(found is promptlayer_patch.{name})"
        assert printed(NAMES.format(last)) == ["[]", "True"]


def test_what_is_asked_for_without_openai_loads_what_it_needs() -> None:
    """And a program that asks for nothing is told so without loading it."""
    then = """
    print(promptlayer_patch.flush(), "promptlayer_patch._delivery.pipeline" in sys.modules)
    print(promptlayer_patch.stats(), "promptlayer_patch._delivery.pipeline" in sys.modules)
    promptlayer_patch.track.score(1, 100)
    print("promptlayer_patch._delivery.pipeline" in sys.modules, promptlayer_patch.flush())
    print(promptlayer_patch.stats() == promptlayer_patch.Stats(recorded=1, delivered=1, annotations=1))
    print("promptlayer_patch._capture.capture" in sys.modules, "openai" in sys.modules)
    """
    assert printed(installing("to='memory:'", then=then), "-") == [
        "True False",
        f"{promptlayer_patch.Stats()} False",
        "True True",
        "True",
        "False False",
    ]


def test_the_names_of_heavy_modules_are_right() -> None:
    """A name that was mistyped would be absent for ever."""
    optional = {"httpx", "httpx2"}
    assert [name for name in HEAVY if name not in optional and importlib.util.find_spec(name) is None] == []


@destinations
def test_install_starts_no_thread_and_opens_nothing(arguments: str, tmp_path: object) -> None:
    """The thread comes with the first record, and so do files and connections."""
    first = """
    import threading
    seen = []
    reading = ("r", "rb", None)
    loud = ("socket.", "subprocess.", "os.mkdir", "os.remove", "os.rename", "sqlite3.", "os.putenv")
    def watch(event, args):
        if event.startswith(loud) or (event == "open" and args[1] not in reading and args[2] & 3):
            seen.append((event, str(args[0])))
    sys.dont_write_bytecode = True
    sys.addaudithook(watch)
    """
    then = """
    print(seen, [thread.name for thread in threading.enumerate()])
    """
    lines = printed(installing(arguments, first=first, then=then), f"{tmp_path}/here")
    assert lines == ["[] ['MainThread']"]


def test_install_changes_nothing_of_the_process() -> None:
    """Hooks, filters, signals and logging are the application's."""
    first = """
    import atexit, gc, logging, signal, socket, threading, warnings
    import promptlayer_patch

    def process():
        return {
            "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook),
            "tracing": (sys.gettrace(), sys.getprofile(), sys.getswitchinterval()),
            "recursion": sys.getrecursionlimit(),
            "signals": [signal.getsignal(one) for one in signal.valid_signals()],
            "warnings": list(warnings.filters),
            "handlers": (list(logging.root.handlers), logging.root.level, logging.lastResort),
            "logger": (logging.getLoggerClass(), logging.getLogRecordFactory()),
            "own logger": (list(logging.getLogger("promptlayer_patch").handlers), logging.NOTSET),
            "collector": (gc.isenabled(), gc.get_threshold(), list(gc.callbacks)),
            "path": (list(sys.path), list(sys.path_hooks)),
            "timeout": socket.getdefaulttimeout(),
        }

    before, finders = process(), list(sys.meta_path)
    """
    then = """
    print([name for name, value in process().items() if value != before[name]])
    added = [type(finder).__module__ for finder in sys.meta_path if finder not in finders]
    print(added)
    promptlayer_patch.uninstall()
    print(sys.meta_path == finders)
    """
    lines = printed(installing("to='memory:'", first=first, then=then), "-")
    assert lines == ["[]", "['promptlayer_patch._arrival']", "True"]


def test_wrapt_comes_with_openai() -> None:
    """It is loaded when openai is, which loads the costly part of what wrapt needs anyway."""
    then = """
    print("wrapt" in sys.modules)
    import openai
    print("wrapt" in sys.modules)
    """
    assert printed(installing("to='memory:'", then=then), "-") == ["False", "True"]


@pytest.mark.parametrize("step", ["import openai", CLIENT, CLIENT + "client.chat.completions"])
def test_openai_loads_what_it_loads_without_us(step: str, later: set[str]) -> None:
    """It loads its resources one by one, when they are first used; we do not reach ahead."""
    bare = loaded(step, "-")
    ours = loaded(installing("to='memory:'", then=step), "-")
    assert sorted(bare - ours) == []
    families = {"promptlayer_patch", "wrapt", "_wrapt"}
    assert sorted(name for name in ours - bare - later if name.partition(".")[0] not in families) == []


def test_the_thread_comes_with_the_first_record() -> None:
    """And not with the first client, or with a call that leaves none."""
    then = """
    import threading

    def ours():
        return [one.name for one in threading.enumerate() if one.name.startswith("promptlayer")]

    print(ours())
    client.models.with_raw_response.list()
    promptlayer_patch.flush()
    promptlayer_patch.stats()
    print(ours())
    ask()
    promptlayer_patch.flush()
    print(ours())
    promptlayer_patch.uninstall()
    print(ours())
    """
    lines = printed(installing("to='memory:'", then=CLIENT + dedent(then)), "-")
    assert lines == ["[]", "[]", "['promptlayer-worker']", "[]"]


def test_what_delivery_needs_is_loaded_by_delivery(tmp_path: object) -> None:
    """`requests` and SQLite come on the worker's thread, when there is something to deliver."""
    then = """
    print([name for name in ("sqlite3", "requests") if name in sys.modules])
    ask()
    promptlayer_patch.flush()
    print([name for name in ("sqlite3", "requests") if name in sys.modules])
    """
    source = installing("to='local:' + path", then=CLIENT + dedent(then))
    assert printed(source, f"{tmp_path}/requests.db") == ["[]", "['sqlite3']"]


# Looking for openai, and faults of ours while it is imported


def test_looking_for_openai_is_harmless() -> None:
    """Many libraries ask whether openai is there; the answer is the same, and openai is not imported."""
    look = """
    import importlib.metadata, importlib.util, pkgutil
    for name in ("openai", "openai", "openai_no_such", "json"):
        found = importlib.util.find_spec(name)
        print(name, found and (found.name, found.origin, type(found.loader).__name__))
    print(importlib.metadata.version("openai"), "openai" in sys.modules)
    print(any(one.name == "openai" for one in pkgutil.iter_modules()), "openai" in sys.modules)
    try:
        import openai_no_such
    except ImportError as error:
        print(error)
    """
    bare = printed("import sys\n" + dedent(look), "-")
    assert printed(installing("to='memory:'", then=look), "-") == bare
    assert bare[0].startswith("openai ('openai'")


def test_where_openai_is_absent_nothing_happens() -> None:
    then = """
    sys.modules["openai"] = None
    try:
        import openai
    except ImportError as error:
        print(type(error).__name__)
    promptlayer_patch.install(to="memory:")
    promptlayer_patch.uninstall()
    """
    assert printed(installing("to='memory:'", then=then), "-") == ["ModuleNotFoundError"]


STUBS = ["types.ModuleType('openai')", "mock.MagicMock()", "None"]


@pytest.mark.parametrize("stub", STUBS)
def test_a_stubbed_openai_is_left_alone(stub: str) -> None:
    """Test suites put all kinds of things in the place of openai; the next `install()` finds the real one."""
    first = f"""
    import types
    from unittest import mock
    names = ["openai", "openai._client", "openai.resources", "openai.resources.chat.completions"]
    sys.modules.update({{name: {stub} for name in names}})
    """
    then = """
    promptlayer_patch.install(to="memory:")
    promptlayer_patch.uninstall()
    promptlayer_patch.install(to="memory:")
    for name in names:
        del sys.modules[name]
    """
    recorded = """
    promptlayer_patch.install(to="memory:")
    ask()
    promptlayer_patch.flush()
    print(promptlayer_patch.stats().recorded)
    """
    source = installing("to='memory:'", first=first, then=dedent(then) + CLIENT + dedent(recorded))
    assert printed(source, "-") == ["1"]


@pytest.mark.parametrize(
    "missing", ["wrapt", "promptlayer_patch._capture.capture", "promptlayer_patch._patching"]
)
def test_a_fault_of_ours_does_not_break_the_import_of_openai(missing: str) -> None:
    """An exception in our hook is told in the log; the import and the calls go on, at first without us."""
    then = f"""
    import logging
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logging.getLogger("promptlayer_patch").addHandler(handler)
    sys.modules[{missing!r}] = None
    import openai
    del sys.modules[{missing!r}]
    print(len(lines), "your call was not affected" in "".join(lines))
    """
    recovers = """
    ask()
    promptlayer_patch.install(to="memory:")
    ask()
    promptlayer_patch.flush()
    print(promptlayer_patch.stats().recorded)
    """
    source = installing("to='memory:'", then=dedent(then) + CLIENT + dedent(recovers))
    assert printed(source, "-") == ["1 True", "1"]


@pytest.mark.parametrize("module", ["openai._client", "openai.resources.chat.completions"])
def test_an_openai_we_do_not_know_still_works(module: str) -> None:
    """A class that moved or is no longer a class must not break the import; calls go on."""
    then = """
    import importlib.machinery

    class Changing:
        def find_spec(self, name, path=None, target=None):
            if name not in (MODULE, MODULE + ".completions"):
                return None
            spec = importlib.machinery.PathFinder.find_spec(name, path)
            execute = spec.loader.exec_module

            def changed(module):
                execute(module)
                for gone in ("AsyncOpenAI", "AsyncCompletions"):
                    if gone in vars(module) and vars(module)[gone].__module__ == module.__name__:
                        vars(module)[gone].__module__ = "elsewhere"

            spec.loader.exec_module = changed
            return spec

    sys.meta_path.insert(0, Changing())
    """
    source = installing("to='memory:'", then=then.replace("MODULE", repr(module)) + "{client}")
    lines = printed(source.replace("{client}", CLIENT + "ask()\nprint('asked')\n"), "-")
    assert lines == ["asked"]
