"""`promptlayer-patch run`: the program records, and is otherwise what it is without."""

from __future__ import annotations

import inspect
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from textwrap import indent

import pytest

import promptlayer_patch
from promptlayer_patch._autostart import DIRECTORY
from promptlayer_patch._commands.run import OPTIONS
from promptlayer_patch._commands.run_program import ignores_the_path
from promptlayer_patch.demo.standin import StandIn
from tests.support.programs import FORKS, ROOT, TOO_LONG_S
from tests.support.running import ASKS, COMMAND, Outcome, Runner, without_ours

posix = pytest.mark.skipif(sys.platform == "win32", reason="processes are not replaced, nor signalled, there")
PYTHON = sys.executable
OBSERVES = """\
import json, os, signal, sys
handlers = {int(one): str(signal.getsignal(one)).partition(" at ")[0] for one in signal.valid_signals()}
print(json.dumps({
    "argv": sys.argv,
    "interpreter's own": getattr(sys, "orig_argv", None),
    "executable": sys.executable,
    "path": sys.path,
    "flags": repr(sys.flags),
    "main": [__name__, globals().get("__file__"), str(__spec__ and __spec__.name)],
    "modules": sorted(sys.modules),
    "finders": [type(one).__name__ for one in sys.meta_path],
    "directory": os.getcwd(),
    "environment": dict(os.environ),
    "handlers": handlers,
    "stdin": sys.stdin.read(),
}))
"""
ARGUMENTS = ["two words", "", "ünïcödé 🕰", "--", "--tags", "x", "-h", "*", "$HOME", "'\"\\", "-I"]


@pytest.fixture(scope="module")
def provider() -> Iterator[StandIn]:
    with StandIn(chunk_delay_s=0.0) as server:
        yield server


@pytest.fixture
def here(tmp_path: Path, provider: StandIn) -> Runner:
    return Runner(tmp_path, {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": provider.base_url})


def asking(source: str) -> str:
    return ASKS + source


# The program is the same


@pytest.mark.parametrize("kind", ["script", "directory", "module", "code", "stdin"])
def test_a_program_sees_what_it_sees_without_us(here: Runner, kind: str) -> None:
    """Arguments, path, modules, environment, signals, standard input: all but what was asked for."""
    here.write("app.py", OBSERVES)
    here.write("package/__main__.py", OBSERVES)
    stdin = "spoken to the program"
    match kind:
        case "script":
            program = ["app.py", *ARGUMENTS]
        case "directory":
            program = ["package", *ARGUMENTS]
        case "module":
            program = ["-m", "package", *ARGUMENTS]
        case "code":
            program = ["-c", OBSERVES, *ARGUMENTS]
        case _:
            program, stdin = ["-", *ARGUMENTS], OBSERVES
    bare, ours = here.bare(PYTHON, *program, stdin=stdin), here.run(PYTHON, *program, stdin=stdin)
    seen, seen_by_ours = bare.data, ours.data
    assert seen["argv"][1:] == ARGUMENTS
    assert ours.err == bare.err
    for data in (seen, seen_by_ours):
        data["environment"] = without_ours(data["environment"])
    assert seen_by_ours["finders"].pop(0) == "Start"  # and with openai it goes, too
    assert seen_by_ours == seen


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("pass", 0),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('in words')", 1),
        ("raise LookupError('uncaught')", 1),
        ("import os; os._exit(250)", 250),
        ("no syntax", 1),
        pytest.param("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9, marks=posix),
        pytest.param("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15, marks=posix),
        pytest.param("raise KeyboardInterrupt", -2, marks=posix),
    ],
)
def test_a_program_ends_as_it_ends_without_us(here: Runner, source: str, code: int) -> None:
    program = [PYTHON, here.write("app.py", source)]
    ours = here.run(*program)
    assert ours == here.bare(*program)
    assert ours.code == code


@posix
@pytest.mark.parametrize("handled", [False, True], ids=["unhandled", "handled"])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_a_signal_goes_to_the_program_itself(here: Runner, name: str, handled: bool) -> None:
    """It is the process that was started, so whoever supervises it need not know of us."""
    number = getattr(signal, name)
    waits = "import os, signal, sys\n"
    if handled:
        waits += f"signal.signal({number:d}, lambda *_: sys.exit(7))\n"
    waits += "print(os.getpid(), flush=True)\nsignal.pause()"
    command = [*COMMAND, "--to", "memory:", "--", PYTHON, "-c", waits]
    with subprocess.Popen(
        command, cwd=here.home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        process.send_signal(number)
        assert process.wait(TOO_LONG_S) == (7 if handled else -number)


@posix
def test_a_program_in_another_language_has_its_signals_too(here: Runner) -> None:
    """Python ignores SIGPIPE; a program that inherited that would complain instead of ending quietly."""
    program = ["sh", "-c", "(echo one; while echo more; do :; done) | head -n 1"]
    assert here.run(*program) == here.bare(*program) == Outcome(0, "one\n", "")


@posix
@pytest.mark.parametrize("chosen", [["LANG=C"], ["LANG=C", "LC_ALL=C"], ["LANG=C.UTF-8"]])
def test_a_program_has_its_own_locale(here: Runner, chosen: list[str]) -> None:
    """Python chooses another one where that is C, and tells all its processes."""
    cleared = ["-u", "LANG", "-u", "LC_ALL", "-u", "LC_CTYPE", "-u", "PYTHONUTF8", *chosen]
    tells = (
        "import sys, locale; print(sys.flags.utf8_mode, locale.setlocale(locale.LC_CTYPE), file=sys.stderr)"
    )
    program = ["sh", "-c", f"env | grep -E '^(LC_|LANG)'; {PYTHON} -c '{tells}'"]
    ours = here.bare("env", *cleared, *COMMAND, "--to", "memory:", "--", *program)
    assert ours == here.bare("env", *cleared, *program)


def test_a_process_without_openai_loads_nothing_of_ours(here: Runner) -> None:
    """Every Python that the program starts passes by here, and few of them have to do with openai."""
    ours = here.run(PYTHON, "-c", "import sys; print('promptlayer_patch' in sys.modules)")
    assert ours == Outcome(0, "False\n", "")


# It records


@pytest.mark.parametrize("kind", ["script", "module", "code", "stdin"])
def test_calls_are_recorded_with_what_was_asked_for(here: Runner, kind: str) -> None:
    source = asking("ask('hello')")
    script = here.write("app.py", source)
    program = {
        "script": [PYTHON, script],
        "module": [PYTHON, "-m", "app"],
        "code": [PYTHON, "-c", source],
        "stdin": [PYTHON],
    }[kind]
    options = ["--tags", "a,b", "--tags=c", "--metadata", "k=v,w=x y"]
    ended = here.run(*program, options=options, stdin=source if kind == "stdin" else "")
    assert ended == Outcome(0, "", "")
    (record,) = here.recorded()
    assert record["tags"] == ["a", "b", "c"]
    assert {key: record["metadata"][key] for key in ("k", "w")} == {"k": "v", "w": "x y"}


CHILDREN = {
    "subprocess": "import subprocess; subprocess.run([sys.executable, 'app.py', 'child'], check=True)",
    "in another directory": (
        "import subprocess; subprocess.run([sys.executable, __file__, 'child'], cwd=os.sep, check=True)"
    ),
    "os.exec": "os.execv(sys.executable, [sys.executable, __file__, 'child'])",
    "spawn": "started('spawn')",
    "fork": "started('fork')",
    "forkserver": "started('forkserver')",
    "shell": "os.system(f'\"{sys.executable}\" app.py child')",
}


@pytest.mark.parametrize("kind", CHILDREN)
def test_child_processes_record_too(here: Runner, kind: str) -> None:
    if kind in ("fork", "forkserver", "os.exec") and sys.platform == "win32":
        pytest.skip("there is no such thing")
    late = "def ask(text):\n" + indent(asking("ask(text)\n"), "    ")
    # Of a server of forks, the child imports the main module, at a moment of its own.
    source = asking("") if kind == "forkserver" else late
    source += """\
import multiprocessing, os, sys
def started(way):
    process = multiprocessing.get_context(way).Process(target=ask, args=("child",))
    process.start()
    process.join()
    sys.exit(process.exitcode)
if __name__ == "__main__":
    if sys.argv[1:]:
        ask(sys.argv[1])
    else:
        WAY
""".replace("WAY", CHILDREN[kind])
    ended = here.run(PYTHON, *FORKS, here.write("app.py", source), options=["--tags", "family"])
    assert ended == Outcome(0, "", "")
    assert here.asked() == ["child"]
    assert here.recorded()[0]["tags"] == ["family"]


@pytest.mark.parametrize("order", ["before", "after"])
def test_what_the_program_installs_itself_counts(here: Runner, order: str) -> None:
    own = (
        f"import promptlayer_patch; promptlayer_patch.install(to='jsonl:{(here.home / 'own').as_posix()}')\n"
    )
    source = own + asking("ask('hello')") if order == "before" else asking(own + "ask('hello')")
    assert here.run(PYTHON, "-c", source) == Outcome(0, "", "")
    assert here.asked() == []
    assert len((here.home / "own").read_text(encoding="utf-8").splitlines()) == 1


def test_a_program_that_uninstalls_is_not_recorded(here: Runner) -> None:
    source = "import promptlayer_patch; promptlayer_patch.uninstall()\n" + asking("ask('hello')")
    assert here.run(PYTHON, "-c", source) == Outcome(0, "", "")
    assert here.recorded() == []


def test_where_records_go_is_said_once_and_only_by_who_makes_them(here: Runner) -> None:
    """One WARNING line where neither a key nor a destination was given, as `install()` has it."""
    quiet = here.bare(*COMMAND, PYTHON, "-c", "print(1)")
    told = here.bare(*COMMAND, PYTHON, "-c", asking("print(1)"))
    assert quiet == Outcome(0, "1\n", "")
    assert (told.code, told.out, len(told.err.splitlines())) == (0, "1\n", 1)
    assert told.err.startswith(
        "PROMPTLAYER_API_KEY is not set: OpenAI requests are recorded in the local store"
    )


def test_relative_paths_are_those_of_the_start(here: Runner) -> None:
    source = "import os; os.chdir(os.sep)\n" + asking("ask('hello')")
    ended = here.bare(*COMMAND, "--to", "jsonl:calls.jsonl", PYTHON, "-c", source)
    assert ended == Outcome(0, "", "")
    assert here.asked() == ["hello"]


def test_looking_for_openai_finds_what_is_there(here: Runner) -> None:
    """Also by a finder that comes after ours, and by several searches at once."""
    source = """\
import importlib.util, sys
from concurrent.futures import ThreadPoolExecutor
class Last:
    def find_spec(self, name, path=None, target=None):
        if name == "openai":
            return importlib.util.spec_from_loader(name, loader=None, origin="made up")
sys.meta_path.insert(1, Last())
with ThreadPoolExecutor() as pool:
    print({spec.origin for spec in pool.map(importlib.util.find_spec, ["openai"] * 50)})
"""
    assert here.run(PYTHON, "-c", source) == Outcome(0, "{'made up'}\n", "")


# It takes the place of nobody's sitecustomize


CUSTOMS = {
    "none": None,
    "one that works": "import sys; sys.customised = __file__",
    "one that fails": "import sys; sys.customised = 1; raise ValueError('of its own')",
    "one that misses a module": "import no_such_module",
    "one that misses itself": "raise ImportError(name='sitecustomize')",
    "one with a mistake": "no syntax",
    "one that ends the program": "import sys; sys.exit(3)",
    "one that imports openai": "import openai, sys; sys.customised = openai.__name__",
}
TELLS = """\
import sys
print([getattr(sys, name, None) for name in ("customised", "pth")], "sitecustomize" in sys.modules)
try:
    import sitecustomize
    print(sitecustomize.__file__, sitecustomize.__spec__.origin, sitecustomize.__name__)
except BaseException as error:
    print(type(error).__name__, error)
print(sys.path)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("environment")
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(home)], check=True, timeout=TOO_LONG_S)
    return home


@pytest.fixture
def strangers(environment: Path) -> Iterator[Path]:
    """An environment in which nothing is installed, promptlayer_patch least of all."""
    yield environment
    packages = site_packages_of(environment)
    shutil.rmtree(packages)
    packages.mkdir()


def started_with(path: str) -> str:
    """`PYTHONPATH` as it is handed on: the command itself is a Python too, and minds it as well."""
    return os.pathsep.join([DIRECTORY, path]) if path else DIRECTORY


def python_of(home: Path) -> str:
    return str(home / "Scripts" / "python.exe" if sys.platform == "win32" else home / "bin" / "python")


def site_packages_of(home: Path) -> Path:
    return next(home.rglob("site-packages"))


@pytest.mark.parametrize("place", ["PYTHONPATH", "site-packages"])
@pytest.mark.parametrize("kind", CUSTOMS)
def test_a_sitecustomize_runs_as_it_runs_without_us(
    here: Runner, strangers: Path, kind: str, place: str
) -> None:
    """Its effects, its errors as `site` tells them, and who `import sitecustomize` finds afterwards."""
    directory = here.home / "customs" if place == "PYTHONPATH" else site_packages_of(strangers)
    (directory / "openai").mkdir(parents=True)
    (directory / "openai/__init__.py").touch()
    (directory / "ours.pth").write_text("import sys; sys.pth = 1\n", encoding="utf-8")
    source = CUSTOMS[kind]
    if source is not None:
        (directory / "sitecustomize.py").write_text(source, encoding="utf-8")
    theirs = str(directory) if place == "PYTHONPATH" else ""
    program = [python_of(strangers), here.write("app.py", TELLS)]
    bare = here.bare(*program, PYTHONPATH=theirs)
    ours = here.bare(*program, PYTHONPATH=started_with(theirs))
    assert (ours.code, ours.out) == (bare.code, bare.out)
    if kind == "one that imports openai":
        assert ours.err.startswith("OpenAI requests are not recorded by")
    elif kind != "one that ends the program":  # there Python shows its own frames, and so one of ours
        assert ours.err == bare.err


def test_calls_are_recorded_beside_a_sitecustomize_that_fails(here: Runner) -> None:
    here.write("customs/sitecustomize.py", "raise ValueError")
    ended = here.run(PYTHON, "-c", asking("ask('hello')"), PYTHONPATH=str(here.home / "customs"))
    assert (ended.code, "Error in sitecustomize" in ended.err) == (0, True)
    assert here.asked() == ["hello"]


def test_calls_of_a_sitecustomize_are_recorded(here: Runner) -> None:
    here.write("customs/sitecustomize.py", asking("ask('from a hook')"))
    ended = here.run(PYTHON, "-c", "pass", PYTHONPATH=str(here.home / "customs"))
    assert ended == Outcome(0, "", "")
    assert here.asked() == ["from a hook"]


def test_a_usercustomize_runs_as_well(here: Runner) -> None:
    python = getattr(sys, "_base_executable", PYTHON)
    here.write("customs/usercustomize.py", "print('usercustomize', __file__)")
    here.write("customs/sitecustomize.py", "print('sitecustomize', __file__)")
    customs = str(here.home / "customs")
    environment = {"PYTHONPATH": customs, "PYTHONUSERBASE": str(here.home)}
    bare = here.bare(python, "-c", TELLS, **environment)
    if "usercustomize" not in bare.out:
        pytest.skip("this Python has no user's directory")
    environment["PYTHONPATH"] = started_with(customs)
    assert here.bare(python, "-c", TELLS, **environment) == bare


def test_another_tools_sitecustomize_may_come_before_or_after(here: Runner) -> None:
    """Such tools put a directory of theirs at the head of the path, as we do, and go on to the next one."""
    here.write(
        "tool/sitecustomize.py",
        "import os, sys; sys.path.remove(os.path.dirname(__file__)); del sys.modules['sitecustomize']\n"
        "import sitecustomize; sys.tool = True",
    )
    here.write("customs/sitecustomize.py", "import sys; sys.customised = True")
    tool, customs = str(here.home / "tool"), str(here.home / "customs")
    source = asking("import sys; print(sys.tool, sys.customised); ask('hello')")
    inside = here.run(PYTHON, "-c", source, PYTHONPATH=os.pathsep.join([tool, customs]))
    starts = f"import os, sys; os.environ['PYTHONPATH'] = {tool!r} + os.pathsep + os.environ['PYTHONPATH']\n"
    starts += "os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    outside = here.run(PYTHON, "-c", starts, source, PYTHONPATH=customs)
    assert inside == outside == Outcome(0, "True True\n", "")
    assert here.asked() == ["hello", "hello"]


def test_nobody_meets_our_sitecustomize_who_did_not_ask() -> None:
    """It lies in the package, which is no directory of the path."""
    found = find_spec("sitecustomize")
    assert found is None or os.path.dirname(found.origin or "") != DIRECTORY
    assert os.path.isfile(os.path.join(DIRECTORY, "sitecustomize.py"))
    assert DIRECTORY not in sys.path


# It breaks nothing


def test_a_python_without_us_says_so_where_openai_is_used(here: Runner, strangers: Path) -> None:
    """One line, by who would have had something to record; our packages are not pressed on it."""
    here.write("openai.py", "")
    source = "import openai, sys; print(any('promptlayer' in one for one in sys.path))"
    used, unused = (
        here.run(python_of(strangers), "-c", source),
        here.run(python_of(strangers), "-c", "print(1)"),
    )
    assert (used.code, used.out, len(used.err.splitlines())) == (0, "False\n", 1)
    assert "not recorded" in used.err
    assert "No module named 'promptlayer_patch'" in used.err
    assert unused == Outcome(0, "1\n", "")


def test_a_wrong_setting_of_a_child_does_not_break_it(here: Runner) -> None:
    source = "import os, sys; os.environ['PROMPTLAYER_TO'] = 'nonsense'\n"
    source += "os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    ended = here.run(PYTHON, "-c", source, asking("ask('hello'); print('went on')"))
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (0, "went on\n", 1)
    assert ended.err.startswith("OpenAI requests are not recorded: PROMPTLAYER_TO: unknown destination")


@pytest.mark.parametrize("broken", ["{}['a']", "no syntax"])
def test_a_broken_installation_does_not_break_the_program(here: Runner, broken: str) -> None:
    here.write("broken/promptlayer_patch/__init__.py", broken)
    source = "import os, sys; os.environ['PYTHONPATH'] += os.pathsep + sys.argv[2]\n"
    source += "os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    ended = here.run(
        PYTHON, "-c", source, asking("ask('hello'); print('went on')"), str(here.home / "broken")
    )
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (0, "went on\n", 1)
    assert ended.err.startswith("OpenAI requests are not recorded by")


# The command


def test_there_is_an_option_for_every_option_of_install() -> None:
    """But for the key, which would be seen by everybody who lists the processes of the machine."""
    named = {option.name for option in OPTIONS}
    assert named == set(inspect.signature(promptlayer_patch.install).parameters) - {"api_key"}


def test_an_option_is_its_variable_for_the_program(here: Runner) -> None:
    """And stands above the variable that was there before."""
    values = {
        "metadata": "k=v",
        "to": "memory:",
        "base_url": "http://localhost:9",
        "capture_content": "no",
        "outbox": "off",
    }
    given = {option.variable: values.get(option.name, "1") for option in OPTIONS}
    options = [text for option in OPTIONS for text in (option.flag, given[option.variable])]
    tells = f"import json, os; print(json.dumps({{name: os.environ[name] for name in {list(given)}}}))"
    ended = here.bare(*COMMAND, *options, PYTHON, "-c", tells, **dict.fromkeys(given, "0"))
    assert ended.data == given


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([], "which program?"),
        (["--"], "which program?"),
        (["--tags", "a"], "which program?"),
        (["--tags"], "expected one argument"),
        (["--nonsense", "sh"], "--nonsense"),
        (["--to", "nonsense:", "sh"], "--to: unknown destination"),
        (["--to", "promptlayer:", "sh"], "api_key"),
        (["--to", "jsonl:", "sh"], "--to: "),
        (["--base-url", "ftp://somewhere", "sh"], "--base-url: expected a URL"),
        (["--metadata", "k", "sh"], "--metadata: expected key=value"),
        (["--sample-rate", "2", "sh"], "--sample-rate: expected a number from 0 to 1"),
        (["--outbox", "perhaps", "sh"], "--outbox: expected true or false"),
        (["--queue-max-records", "1.5", "sh"], "--queue-max-records: expected a whole number"),
    ],
)
def test_wrong_usage_ends_with_2_before_anything_starts(here: Runner, wrong: list[str], said: str) -> None:
    started = here.home / "started"
    if wrong[-1:] == ["sh"]:
        wrong = [*wrong[:-1], PYTHON, "-c", f"open({str(started)!r}, 'w')"]
    ended = here.bare(*COMMAND, *wrong)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert ended.err.startswith("usage: promptlayer-patch")
    assert not started.exists()


def test_a_wrong_variable_is_named_as_such(here: Runner) -> None:
    ended = here.bare(*COMMAND, PYTHON, "-c", "print(1)", PROMPTLAYER_TO="nonsense")
    assert (ended.code, ended.out) == (2, "")
    assert "PROMPTLAYER_TO: unknown destination" in ended.err


def test_a_path_that_the_variable_cannot_hold_is_refused(here: Runner) -> None:
    here.write("a,b/empty", "")
    command = [*COMMAND, "--to", "jsonl:x", "--", PYTHON, "-c", "print(1)"]
    code = f"import os, sys; os.chdir('a,b'); os.execv(sys.executable, {command!r})"
    ended = here.bare(PYTHON, "-c", code)
    assert (ended.code, ended.out) == (2, "")
    assert "there must be no comma in the path" in ended.err


@pytest.mark.parametrize("name", ["no-such-program", "./no-such-program", "no/such/program", ""])
def test_a_program_that_is_not_there_is_127(here: Runner, name: str) -> None:
    assert here.run(name) == Outcome(127, "", f"promptlayer-patch run: {name}: not found\n")


def test_a_script_that_is_taken_for_a_program_gets_a_hint(here: Runner) -> None:
    here.write("app.py", "")
    said = "promptlayer-patch run: app.py: not found; is `python app.py` meant?\n"
    assert here.run("app.py") == Outcome(127, "", said)


@posix
@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ("#!/bin/sh\n", 0o644, "Permission denied"),
        ("#!/no/such/interpreter\n", 0o755, "the program it names on its first line is not there"),
        ("echo hello\n", 0o755, "is no program: its first line does not name what runs it"),
    ],
)
def test_a_program_that_cannot_be_run_is_126(here: Runner, content: str, mode: int, said: str) -> None:
    program = here.write("program", content)
    os.chmod(program, mode)
    assert here.run(program) == Outcome(126, "", f"promptlayer-patch run: {program}: {said}\n")


@posix
def test_a_program_beside_us_is_pointed_out(here: Runner) -> None:
    """Who has not activated an environment means its gunicorn, and would not find it."""
    beside = shutil.which("promptlayer-patch", path=os.path.dirname(PYTHON))
    if beside is None:
        pytest.skip("the package is not installed")
    ended = here.bare(*COMMAND, "--to", "memory:", "promptlayer-patch", PATH="/usr/bin:/bin")
    said, _, hint = ended.err.rstrip().partition("; there is ")
    assert (ended.code, ended.out) == (127, "")
    assert said == "promptlayer-patch run: promptlayer-patch: not found"
    assert Path(hint).samefile(beside)


def test_options_behind_the_program_are_the_programs(here: Runner) -> None:
    """With `--` or without."""
    tells = "import sys; print(sys.argv[1:])"
    ended = here.bare(*COMMAND, "--to", "memory:", PYTHON, "-c", tells, "--tags", "x", "--", "--help")
    assert ended == Outcome(0, "['--tags', 'x', '--', '--help']\n", "")


def test_the_path_of_the_user_stays(here: Runner) -> None:
    """Ours comes before it, once, however often we are run in each other."""
    theirs = os.pathsep.join(["relative", str(here.home), ""])
    tells = "import os; print(os.environ['PYTHONPATH'])"
    ended = here.run(*COMMAND, PYTHON, "-c", tells, PYTHONPATH=theirs)
    assert ended == Outcome(0, os.pathsep.join([DIRECTORY, theirs]) + "\n", "")


def test_a_package_that_is_not_installed_is_found_from_other_directories(
    here: Runner, strangers: Path
) -> None:
    """Where it only lies in the directory of the start, its processes elsewhere would not find it."""
    tells = "import os; os.chdir(os.sep); import promptlayer_patch; print(promptlayer_patch.__name__)"
    python = python_of(strangers)
    done = subprocess.run(
        [python, "-m", "promptlayer_patch", "run", "--to", "memory:", python, "-c", tells],
        cwd=ROOT,
        env=here.surroundings(),
        capture_output=True,
        text=True,
        timeout=TOO_LONG_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "promptlayer_patch\n", "")


@pytest.mark.parametrize(
    ("program", "ignores"),
    [
        ("python app.py", ""),
        ("python -I app.py", "-I"),
        ("/usr/bin/python3.12 -BE -m app", "-E"),
        ("python.exe -S", "-S"),
        ("python -W error -I app.py", "-I"),
        ("python -Werror -X dev -I app.py", "-I"),
        ("python -Ximporttime -c pass -I", ""),
        ("python -c -I", ""),
        ("python -mI", ""),
        ("python -sP app.py -I", ""),
        ("python --check-hash-based-pycs default -I app.py", "-I"),
        ("python - -I", ""),
        ("python", ""),
        ("pythonic -I", ""),
        ("gunicorn -E", ""),
    ],
)
def test_a_python_that_skips_us_is_noticed(program: str, ignores: str) -> None:
    said = ignores_the_path(program.split())
    assert bool(said) == bool(ignores)
    assert f"{program.split()[0]} {ignores} " in f"{said} " or not ignores


def test_a_python_that_skips_us_is_run_with_a_warning(here: Runner) -> None:
    ended = here.run(PYTHON, "-I", "-c", "print(1)")
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (0, "1\n", 1)
    assert ended.err.endswith("nothing is recorded\n")


SUPERVISES = """\
import sys
from promptlayer_patch._commands.run_program import supervised
sys.exit(supervised([sys.executable, "-c", sys.argv[1]]))
"""


@pytest.mark.parametrize("code", [0, 3])
def test_where_processes_cannot_be_replaced_the_exit_code_is_passed_on(here: Runner, code: int) -> None:
    ended = here.bare(PYTHON, "-c", SUPERVISES, f"import sys; print(sys.argv); sys.exit({code})")
    assert ended == Outcome(code, "['-c']\n", "")


@posix
def test_where_processes_cannot_be_replaced_ctrl_c_is_left_to_the_program(here: Runner) -> None:
    waits = "import signal, sys; signal.signal(2, lambda *_: sys.exit(5)); print(flush=True); signal.pause()"
    with subprocess.Popen(
        [PYTHON, "-c", SUPERVISES, waits],
        cwd=here.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        assert (process.wait(TOO_LONG_S), process.stderr.read()) == (5, "")
