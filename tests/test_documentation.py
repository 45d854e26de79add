"""The README tells the truth: its code runs, and it names every option and variable there is."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from promptlayer_patch import install
from promptlayer_patch.demo.standin import StandIn
from promptlayer_patch.server.endpoints import Endpoint
from promptlayer_patch.server.table import DOCUMENTED
from tests.support.fake_registry import KEY, FakeRegistry

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def runs_here(block: str) -> bool:
    """LangChain is not there beside every openai."""
    return "langchain" not in block or importlib.util.find_spec("langchain_openai") is not None


def test_the_readmes_code_runs(tmp_path: Path) -> None:
    """All Python blocks, one after another in one program, as a reader would type them."""
    program = tmp_path / "readme.py"
    program.write_text("\n".join(filter(runs_here, blocks("python"))), encoding="utf-8")

    with StandIn() as server, FakeRegistry() as promptlayer:
        environment = {
            **os.environ,  # noqa: TID251  for the program, not for us
            "OPENAI_API_KEY": "key-for-the-stand-in",
            "OPENAI_BASE_URL": server.base_url,
            "PROMPTLAYER_API_KEY": KEY,
            "PROMPTLAYER_BASE_URL": promptlayer.base_url,
            "PROMPTLAYER_LOCAL_DB": str(tmp_path / "requests.db"),
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, "-W", "error", str(program)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert len(blocks("python")) >= 7


def test_the_two_commands_are_the_makefiles() -> None:
    """The README holds exactly two set-up commands, and both are targets."""
    commands = [line for block in blocks("console") for line in block.splitlines() if line]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert commands == ["make demo", "make test"]
    for command in commands:
        assert re.search(rf"^{command.split()[1]}:", makefile, flags=re.MULTILINE)


@pytest.mark.parametrize("option", inspect.signature(install).parameters)
def test_every_option_is_in_the_readme(option: str) -> None:
    """With the environment variable that sets it."""
    assert f"| `{option}` | `PROMPTLAYER_{option.upper()}`" in README


def test_every_variable_is_in_the_readme() -> None:
    """No variable is read that the README does not name."""
    options = (ROOT / "promptlayer_patch" / "_options.py").read_text(encoding="utf-8")

    for variable in set(re.findall(r"PROMPTLAYER_[A-Z_]*[A-Z]", options)):
        assert f"`{variable}`" in README


def test_every_framework_has_its_example_in_the_readme() -> None:
    """The table links to the scripts there are, and each framework's tests run one of them."""
    scripts = {path.name for path in (ROOT / "examples").glob("with_*.py")}
    tests = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/frameworks/test_*.py"))

    assert set(re.findall(r"\(examples/(\w+\.py)\)", README)) == scripts
    assert set(re.findall(r'EXAMPLE = "(\w+\.py)"', tests)) == scripts


@pytest.mark.parametrize("endpoint", DOCUMENTED, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_every_endpoint_is_in_the_readme(endpoint: Endpoint) -> None:
    """By one of its addresses: older clients know some by another."""
    addresses = {one.path for one in DOCUMENTED if one.handler == endpoint.handler}

    assert any(f"{address}`" in README for address in addresses)


def test_every_module_is_in_the_architecture() -> None:
    """The table of rooms lists what exists, and nothing that does not."""
    package = ROOT / "promptlayer_patch"
    table = "".join(line for line in ARCHITECTURE.splitlines() if line.startswith("| "))
    named = set(re.findall(r"`(\w+)/?`", table))
    existing = {path.stem for path in package.glob("*.py") if path.stem != "__init__"}
    existing |= {path.parent.name for path in package.glob("*/__init__.py")}

    assert named == existing
