"""Record the cassettes anew, from the stand-in: `python tests/sample_project/record.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from promptlayer_patch.demo.standin import StandIn

HOME = Path(__file__).parent


def main() -> int:
    with StandIn(chunk_delay_s=0.0) as server:
        environment = {
            **os.environ,
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_API_KEY": "sk-of-nobody",
            "SAMPLE_RECORDS_FROM": server.base_url,
        }
        for old in (HOME / "tests" / "cassettes").glob("*.yaml"):
            old.unlink()
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:promptlayer_patch", "-p", "no:recording"]
        return subprocess.run(command, cwd=HOME, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
