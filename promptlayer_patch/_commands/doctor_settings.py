"""What the environment says about recording: the names only, since values may be secret."""

from __future__ import annotations

import dataclasses
import os
from difflib import get_close_matches

from promptlayer_patch._commands.checking import Check, failed, ok, warning
from promptlayer_patch._options import shown_url
from promptlayer_patch._settings import Settings, read_settings
from promptlayer_patch.errors import InvalidArgument
from promptlayer_patch.exporters import checked

__all__ = ["checks", "usable"]

_KEYS = ("PROMPTLAYER_API_KEY", "OPENAI_API_KEY")
_PREFIX = "PROMPTLAYER_"
_KNOWN = frozenset(
    _PREFIX + field.name.upper() for field in dataclasses.fields(Settings) if field.name != "fell_back"
)


def checks() -> list[Check]:
    found = [ok("keys", ", ".join(f"{name} {_is_set(name)}" for name in _KEYS)), _variables()]
    found += _unknown()
    settings, wrong = _read()
    if settings is None:
        return [*found, failed("settings", wrong)]
    return [*found, _where(settings)]


def usable() -> Settings | None:
    """The settings, unless they are wrong."""
    return _read()[0]


def _read() -> tuple[Settings | None, str]:
    try:
        settings = read_settings()
        for destination in settings.to:
            checked(destination, settings, "PROMPTLAYER_TO")
    except InvalidArgument as wrong:
        return None, str(wrong)
    return settings, ""


def _where(settings: Settings) -> Check:
    if settings.fell_back:
        text = f"no key: records go to the local store {settings.local_db}, and not to PromptLayer"
        return warning("settings", text)
    return ok("settings", f"records go to {', '.join(_place(str(one), settings) for one in settings.to)}")


def _place(destination: str, settings: Settings) -> str:
    scheme, _, target = destination.partition(":")
    if scheme == "promptlayer":
        return shown_url(target or settings.base_url)
    if scheme == "local":
        return f"the local store {target or settings.local_db}"
    return destination


def _variables() -> Check:
    names = sorted(name for name in _environment() if name in _KNOWN and name not in _KEYS)
    return ok("environment", f"sets {', '.join(names)}" if names else "sets nothing else")


def _unknown() -> list[Check]:
    names = sorted(name for name in _environment() if name.startswith(_PREFIX) and name not in _KNOWN)
    return [warning("environment", f"{name} is no option of ours{_meant(name)}") for name in names]


def _meant(name: str) -> str:
    close = get_close_matches(name, sorted(_KNOWN), n=1, cutoff=0.85)
    return f"; is {close[0]} meant?" if close else ""


def _is_set(name: str) -> str:
    return "set" if _environment().get(name, "").strip() else "not set"


def _environment() -> dict[str, str]:
    # To name what is set; the settings themselves are read in _settings.
    return {name: value for name, value in os.environ.items() if value}  # noqa: TID251
