"""However a process ends, what it recorded is delivered; and a dead endpoint does not hold up the end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from textwrap import dedent

import pytest

from promptlayer_patch.demo.standin import StandIn
from tests.support.fake_promptlayer import SILENCE, FakePromptLayer, nobody_listening, refused
from tests.support.programs import FORKS, Ended, asking, printed, run_program

GENEROUSLY_S = 20.0
"""More than a loaded machine needs to start Python, import openai and end; less than any endless wait."""


@pytest.fixture(scope="module")
def openai_server() -> Iterator[StandIn]:
    with StandIn(chunk_delay_s=0.0) as server:
        yield server


@pytest.fixture
def promptlayer() -> Iterator[FakePromptLayer]:
    with FakePromptLayer() as server:
        yield server


@pytest.fixture(autouse=True)
def _environment(
    monkeypatch: pytest.MonkeyPatch, openai_server: StandIn, promptlayer: FakePromptLayer
) -> None:
    """Of the programs: a provider that answers, and a PromptLayer that counts."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.base_url)
    monkeypatch.setenv("PROMPTLAYER_API_KEY", "pl_test")
    monkeypatch.setenv("PROMPTLAYER_BASE_URL", promptlayer.base_url)


def told(promptlayer: FakePromptLayer) -> list[str]:
    return [body["kwargs"]["messages"][0]["content"] for body in promptlayer.bodies]


def run(source: str) -> Ended:
    ended = run_program(asking("promptlayer_patch.install()\n" + source))
    assert ended.seconds < GENEROUSLY_S
    return ended


def test_a_normal_end_delivers_what_is_queued(promptlayer: FakePromptLayer) -> None:
    ended = run("for at in range(10): ask(f'call {at}')")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert sorted(told(promptlayer)) == [f"call {at}" for at in range(10)]


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("import sys; sys.exit(3)", 3),
        ("raise LookupError('uncaught')", 1),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("import asyncio; asyncio.run(asyncio.sleep(0))", 0),
    ],
    ids=["sys.exit", "uncaught", "ctrl-c", "asyncio"],
)
def test_other_ends_deliver_it_too_and_keep_their_exit_code(
    promptlayer: FakePromptLayer, ending: str, code: int
) -> None:
    ended = run(f"ask('last words')\n{ending}")
    assert ended.code == code
    assert told(promptlayer) == ["last words"]


def test_openai_may_come_when_everything_has_ended(promptlayer: FakePromptLayer) -> None:
    """Handlers of `atexit` that were there before ours run after it."""
    source = dedent(
        """
        import atexit

        @atexit.register
        def farewell():
            import openai
            messages = [{"role": "user", "content": "farewell"}]
            openai.OpenAI(max_retries=0).chat.completions.create(model="gpt-4o", messages=messages)
        """
    )
    if run_program(f"import threading\n{source}").err:
        pytest.skip("this openai cannot be imported so late, by no program that has threading")
    install = "import promptlayer_patch; promptlayer_patch.install(shutdown_timeout_s=30)"
    ended = run_program(f"{source}\n{install}\n")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert told(promptlayer) == ["farewell"]


def test_a_failed_call_that_ends_the_program_is_delivered(promptlayer: FakePromptLayer) -> None:
    """The record one needs most is the one of the call that brought the program down."""
    ended = run(
        "client.chat.completions.create(model='no-such-model', messages=[{'role': 'user', 'content': '?'}])"
    )
    assert ended.code == 1
    assert "NotFoundError" in ended.err
    assert promptlayer.bodies[0]["status"] == "ERROR"


def test_a_stream_that_is_open_at_the_end_is_delivered(promptlayer: FakePromptLayer) -> None:
    ended = run("stream = ask('stream', stream=True)\nnext(iter(stream))")
    assert ended.err == ""  # not the exit code: Python 3.13.0 itself crashes while it collects such a stream
    (body,) = promptlayer.bodies
    assert body["metadata"]["promptlayer_patch.ending"] == "abandoned"


def test_an_unread_stream_is_delivered(promptlayer: FakePromptLayer) -> None:
    run("stream = ask('stream', stream=True)")
    (body,) = promptlayer.bodies
    assert body["metadata"]["promptlayer_patch.ending"] == "never_read"


def test_calls_in_the_applications_own_exit_handlers_are_delivered(promptlayer: FakePromptLayer) -> None:
    ended = run("import atexit\natexit.register(ask, 'farewell')\nask('hello')")
    assert (ended.code, ended.err) == (0, "")
    assert sorted(told(promptlayer)) == ["farewell", "hello"]


def test_the_first_call_may_be_made_at_exit(promptlayer: FakePromptLayer) -> None:
    """Newer Pythons start no threads by then, so somebody else has to deliver."""
    # What openai loads at the first call cannot be loaded any more by then.
    ended = run("import atexit\nclient.chat.completions\natexit.register(ask, 'only')")
    assert (ended.code, ended.err) == (0, "")
    assert told(promptlayer) == ["only"]


def test_exit_handlers_older_than_ours_are_served_as_well(promptlayer: FakePromptLayer) -> None:
    """Handlers run in reverse: those of modules imported before `install()` come after ours."""
    program = """
        import atexit
        atexit.register(lambda: ask('farewell'))
        import promptlayer_patch
        promptlayer_patch.install()
        ask('hello')
    """
    ended = run_program(asking(program))
    assert (ended.code, ended.err) == (0, "")
    assert sorted(told(promptlayer)) == ["farewell", "hello"]


def test_threads_that_outlive_main_are_waited_for(promptlayer: FakePromptLayer) -> None:
    ended = run(
        "import threading\n"
        "gate = threading.Event()\n"
        "def later():\n"
        "    threading.main_thread().join()\n"
        "    ask('after main')\n"
        "threading.Thread(target=later).start()\n"
        "ask('main')"
    )
    assert (ended.code, ended.err) == (0, "")
    assert sorted(told(promptlayer)) == ["after main", "main"]


def test_daemon_threads_that_go_on_calling_do_not_hold_up_the_end(promptlayer: FakePromptLayer) -> None:
    ended = run(
        "import threading\n"
        "started = threading.Event()\n"
        "def forever():\n"
        "    while True:\n"
        "        ask('daemon')\n"
        "        started.set()\n"
        "for _ in range(3): threading.Thread(target=forever, daemon=True).start()\n"
        "started.wait()\n"
        "ask('main')"
    )
    assert ended.code == 0
    assert "main" in told(promptlayer), ended
    assert "Fatal" not in ended.err


def test_uninstall_before_the_end_leaves_nothing_to_do(promptlayer: FakePromptLayer) -> None:
    ended = run("ask('recorded')\npromptlayer_patch.uninstall()\nask('not recorded')")
    assert (ended.code, ended.err) == (0, "")
    assert told(promptlayer) == ["recorded"]


def test_installed_and_never_used_ends_quietly(promptlayer: FakePromptLayer) -> None:
    ended = run_program("import promptlayer_patch; promptlayer_patch.install()")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert promptlayer.posts == []


def test_a_queue_of_many_batches_at_the_end(promptlayer: FakePromptLayer) -> None:
    """More than one batch, over several connections."""
    program = """
        import promptlayer_patch
        from tests.support.wire import MODEL, Wire
        promptlayer_patch.install(shutdown_timeout_s=60)
        create = Wire().client().chat.completions.create
        for at in range(300):
            create(model=MODEL, messages=[{"role": "user", "content": str(at)}])
    """
    ended = run_program(program)
    assert (ended.code, ended.err) == (0, "")
    assert sorted(map(int, told(promptlayer))) == list(range(300))


# An endpoint that is not there


def test_a_dead_endpoint_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with nobody_listening() as url:
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", url)
        ended = run("for at in range(100): ask(f'call {at}')")
    assert ended.code == 0
    assert "records were not delivered" in ended.err
    assert "Traceback" not in ended.err


def test_a_silent_endpoint_holds_it_up_for_no_longer_than_allowed(
    monkeypatch: pytest.MonkeyPatch, promptlayer: FakePromptLayer
) -> None:
    promptlayer.answer = SILENCE
    monkeypatch.setenv("PROMPTLAYER_SHUTDOWN_TIMEOUT_S", "0.5")
    ended = run("for at in range(10): ask(f'call {at}')")
    assert ended.code == 0
    assert "10 records were not delivered" in ended.err
    # Its read timeout is fifteen seconds: that somebody waited for it would show.
    assert ended.seconds < 15.0


def test_a_busy_endpoint_does_not_hold_up_the_end(promptlayer: FakePromptLayer) -> None:
    promptlayer.answer = refused(429, retry_after="3600")
    ended = run("for at in range(10): ask(f'call {at}')")
    assert ended.code == 0
    assert "10 records were not delivered" in ended.err


def test_what_is_lost_at_the_end_is_said_without_content(promptlayer: FakePromptLayer) -> None:
    promptlayer.answer = refused(503, "busy with pl_test")
    ended = run("ask('secret prompt')")
    assert "records were not delivered" in ended.err
    assert "secret prompt" not in ended.err
    assert "pl_test" not in ended.err


def test_a_disk_that_does_not_answer_does_not_hold_up_the_end(promptlayer: FakePromptLayer) -> None:
    """A network file system that hangs: what is not on it by then is lost, and said to be."""
    ended = run(
        "import threading\n"
        "from promptlayer_patch._outbox.ledger import Ledger\n"
        "Ledger._write = lambda *_: threading.Event().wait()\n"
        "ask('stuck')"
    )
    assert ended.code == 0
    assert "1 records were not delivered" in ended.err


_IMPORTING_WHILE_FORKING = """
import os, threading
from promptlayer_patch._imports import around_forks, importing

told, begun, forking = [], threading.Event(), threading.Event()
os.register_at_fork(before=forking.set)  # called before ours, which waits for the import

def work():
    with importing():
        begun.set()
        forking.wait(10)
        around_forks(*(lambda word=word: told.append(word) for word in ("before", "parent", "child")))

threading.Thread(target=work).start()
begun.wait(10)
pid = os.fork()
if not pid:
    os._exit(told != ["before", "child"])
print(os.waitpid(pid, 0)[1], told)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_fork_that_waits_for_an_import_heeds_what_the_import_brings() -> None:
    """What is imported may have locks of its own, which must not be held by another thread meanwhile."""
    assert printed(_IMPORTING_WHILE_FORKING, options=FORKS) == ["0 ['before', 'parent']"]
