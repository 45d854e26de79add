"""Environments: one for each set of packages, kept from run to run, and made anew when the set changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.overhead.variants import PACKAGES, Role, Variant

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "benchmarks" / ".environments"
_PIP = ("-m", "pip", "-q", "--disable-pip-version-check")


def python_of(name: str) -> Path | None:
    """The interpreter of an environment, made if need be; none if its packages cannot be installed."""
    folder = KEPT / name
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    made = folder / "made.json"
    wanted = json.dumps([sys.version, *PACKAGES[name]])
    if made.exists() and made.read_text() == wanted:
        return python
    print(f"installing {' '.join(PACKAGES[name])}", file=sys.stderr)
    venv.create(folder, clear=True, with_pip=True)
    command = [str(python), *_PIP, "install", "--use-pep517", *PACKAGES[name]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"SKIPPED, cannot be installed: {name}\n{done.stderr[-2000:]}", file=sys.stderr)
        return None
    made.write_text(wanted)
    return python


def variables_of(variant: Variant, url: str, folder: Path) -> dict[str, str]:
    """What the process of a variant has in its environment: nothing of this machine's own set-up."""
    inherited = os.environ.items()  # noqa: TID251  a program needs the rest of it
    prefixes = ("PROMPTLAYER_", "OPENAI_", "OTEL_", "LANGFUSE_", "BRAINTRUST_", "OPIK_", "LOGFIRE_", "PYTHON")
    return {
        **{name: value for name, value in inherited if not name.startswith(prefixes)},
        **{name: value.format(url=url) for name, value in variant.variables.items()},
        "PROMPTLAYER_OUTBOX_DIR": str(folder / "outbox"),
        "HOME": str(folder),
        # The order of sets and dicts, and so their speed, is the same everywhere.
        "PYTHONHASHSEED": "0",
        "NO_PROXY": "127.0.0.1",
    }


def openai_of(name: str) -> str:
    """The version that was chosen for an environment: some peers hold it back."""
    found = next(_packages_of(name).glob("openai-*.dist-info"))
    return found.name.removeprefix("openai-").removesuffix(".dist-info")


def sizes(variant: Variant) -> dict[str, float]:
    """What an install of it adds to an environment that has openai; bytecode is not counted."""
    distributions = len(_distributions(variant.environment) - _distributions("bare"))
    added = _bytes_in(_packages_of(variant.environment)) - _bytes_in(_packages_of("bare"))
    if variant.role is Role.OURS:
        distributions += 1
        added += _bytes_in(ROOT / "promptlayer_patch")
    return {"size: packages added": distributions, "size: MB added": added / 1e6}


def _packages_of(name: str) -> Path:
    return next((KEPT / name).rglob("site-packages"))


def _distributions(name: str) -> set[str]:
    return {found.name.partition("-")[0] for found in _packages_of(name).glob("*.dist-info")}


def _bytes_in(folder: Path) -> int:
    files = (path for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return sum(path.stat().st_size for path in files if path.is_file())
