"""Record `cassettes/` anew, against servers on loopback ports: `make record`, ARGS="chat ..." for some only.

OpenAI's part is played by aimock, which npm installs below `.venvs/`; PromptLayer's by a stand-in of ours.
A cassette is replaced when its scenario went well.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
from pathlib import Path

import openai
from recording import aimock, promptlayer
from recording.scenarios import SCENARIOS, Scenario
from recording.scrub import Scrubber
from recording.session import Clients, heard
from recording.tape import HOME, OPENAI, PROMPTLAYER, Tape


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - {scenario.name for scenario in SCENARIOS})
    if unknown:
        print(f"no such scenario: {', '.join(unknown)}", file=sys.stderr)
        return 2
    # Made up for each recording: if one of them ever got into a cassette, the next recording would differ.
    api_key, promptlayer_key = f"sk-{secrets.token_hex(20)}", f"pl_{secrets.token_hex(16)}"
    chosen = [scenario for scenario in SCENARIOS if not names or scenario.name in names]
    print(f"recording {len(chosen)} cassettes with openai {openai.__version__}")
    try:
        with aimock.serving(api_key) as url:
            failed = [one for one in chosen if not record(one, Clients(url, api_key), promptlayer_key)]
    except aimock.NotAvailable as problem:
        print(problem, file=sys.stderr)
        return 1
    if not names:
        remove_leftovers()
    return 1 if failed else 0


def record(scenario: Scenario, clients: Clients, promptlayer_key: str) -> bool:
    """Record one cassette; false, with a line that says why, if it did not go as it should."""
    missing = scenario.missing()
    if missing:
        print(f"  {scenario.name:24} not recorded: {missing}")
        return False
    with promptlayer.serving(promptlayer_key) as promptlayer_url, tempfile.TemporaryDirectory() as scratch:
        hosts = {clients.url: OPENAI, promptlayer_url: PROMPTLAYER}
        path = Path(scratch, f"{scenario.name}.json")
        tape = Tape(path, Scrubber(hosts, [clients.api_key, clients.api_key[::-1], promptlayer_key]))
        told, _ = heard(
            scenario.play, tape, clients, promptlayer_url=promptlayer_url, promptlayer_key=promptlayer_key
        )
        if not told.flushed or told.stats.delivered != len(told.results):
            print(f"  {scenario.name:24} not recorded: {len(told.results)} calls, {told.stats}")
            return False
        keep(path)
    return True


def keep(path: Path) -> None:
    """Put a new cassette in its place and say how it compares to the old one."""
    HOME.mkdir(exist_ok=True)
    place = HOME / path.name
    new, old = path.read_bytes(), place.read_bytes() if place.exists() else None
    place.write_bytes(new)
    verdict = "new" if old is None else "as before" if old == new else "CHANGED"
    print(f"  {path.stem:24} {len(new):6} bytes  {verdict}")


def remove_leftovers() -> None:
    """Remove the cassettes of scenarios that are no more."""
    names = {scenario.name for scenario in SCENARIOS}
    for path in HOME.glob("*.json"):
        if path.stem not in names:
            path.unlink()
            print(f"  {path.stem:24} removed")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
