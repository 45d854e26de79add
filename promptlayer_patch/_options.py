"""Where every option of `install()` comes from: the argument, else the environment, else the default.

The only module that reads `os.environ`. It loads next to nothing, for `install()` needs it at once, in
programs as well that will never call OpenAI.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping

from promptlayer_patch.errors import InvalidArgument

# As type checkers know it: typing itself takes longer to load than all that `install()` needs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TypeAlias

    from promptlayer_patch._refining.redaction import Rule
    from promptlayer_patch._sampling import Sampler
    from promptlayer_patch.exporters import Exporter

    Destination: TypeAlias = str | Exporter
    Options: TypeAlias = dict[str, Any]
    """By name, what `Settings` is made of."""

DEFAULT_BASE_URL = "https://api.promptlayer.com"

_WORDS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def read_options(
    *,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, str] | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    to: Destination | Sequence[Destination] | None = None,
    shutdown_timeout_s: float | None = None,
    queue_max_records: int | None = None,
    queue_max_bytes: int | None = None,
    outbox: bool | None = None,
    outbox_max_records: int | None = None,
    outbox_max_bytes: int | None = None,
    record_max_bytes: int | None = None,
    media_max_bytes: int | None = None,
    capture_content: bool | None = None,
    redact: object = None,
    sample_rate: Sampler | None = None,
    sample_errors: float | None = None,
    batch: bool | None = None,
    cache_ttl_s: float | None = None,
) -> Options:
    """Check the arguments of `install()` and fill in what was left out.

    Raises `InvalidArgument`, which names the argument or the environment variable that is wrong.
    """
    key = _key(api_key)
    destinations = _destinations(to)
    return {
        "tags": checked_tags("tags", tags) if tags is not None else _tags_from_environment(),
        "metadata": checked_metadata("metadata", metadata)
        if metadata is not None
        else _metadata_from_environment(),
        "api_key": key,
        "base_url": _base_url(base_url),
        "to": destinations or (("promptlayer:",) if key else ("local:",)),
        "fell_back": not destinations and not key,
        "local_db": os.environ.get("PROMPTLAYER_LOCAL_DB") or os.path.join(_data_directory(), "requests.db"),
        "shutdown_timeout_s": _number("shutdown_timeout_s", shutdown_timeout_s, default=2.0, low=0.0),
        "queue_max_records": _whole("queue_max_records", queue_max_records, default=10_000),
        "queue_max_bytes": _whole("queue_max_bytes", queue_max_bytes, default=64 * 1024 * 1024),
        "outbox": _switch("outbox", outbox, default=True),
        "outbox_dir": os.environ.get("PROMPTLAYER_OUTBOX_DIR") or os.path.join(_data_directory(), "outbox"),
        "outbox_max_records": _whole("outbox_max_records", outbox_max_records, default=1_000_000),
        "outbox_max_bytes": _whole("outbox_max_bytes", outbox_max_bytes, default=512 * 1024 * 1024),
        "record_max_bytes": _whole("record_max_bytes", record_max_bytes, default=4 * 1024 * 1024),
        "media_max_bytes": _whole("media_max_bytes", media_max_bytes, default=256 * 1024),
        "capture_content": _switch("capture_content", capture_content, default=True),
        "redact": _rules(redact),
        "sample_rate": _sampler(sample_rate),
        "sample_errors": _number("sample_errors", sample_errors, default=1.0, low=0.0, high=1.0),
        "batch": _switch("batch", batch, default=False),
        "cache_ttl_s": _number("cache_ttl_s", cache_ttl_s, default=60.0, low=0.0),
        "send": sends(),
    }


def sends() -> bool:
    """Whether anything may leave the process: not in tests, nor in programs that they start."""
    return _switch("send", None, default=True)


def tell_children(send: str | None) -> str | None:
    """Set `PROMPTLAYER_SEND` for the programs that this one starts; what it was before, `None` if unset."""
    before = os.environ.pop("PROMPTLAYER_SEND", None)
    if send is not None:
        os.environ["PROMPTLAYER_SEND"] = send
    return before


def checked_tags(argument: str, tags: object) -> tuple[str, ...]:
    """`tags` as a tuple without repeats, in order. A single string is refused: it is nearly always a slip."""
    if tags is None:
        return ()
    if isinstance(tags, (str, bytes)) or not isinstance(tags, Iterable):
        raise InvalidArgument(argument, f"expected a list of strings, got {type(tags).__name__}")
    kept = list(tags)
    for tag in kept:
        if not isinstance(tag, str):
            raise InvalidArgument(argument, f"expected a list of strings, it has a {type(tag).__name__}")
    return tuple(dict.fromkeys(kept))


def checked_metadata(argument: str, metadata: object) -> dict[str, str]:
    """`metadata` as a dict of its own; PromptLayer takes strings only, as keys and as values."""
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise InvalidArgument(argument, f"expected a mapping of strings, got {type(metadata).__name__}")
    for key, value in metadata.items():
        if not isinstance(key, str):
            raise InvalidArgument(argument, f"keys must be strings, one is a {type(key).__name__}")
        if not isinstance(value, str):
            raise InvalidArgument(argument, f"values must be strings, {key!r} is a {type(value).__name__}")
    return dict(metadata)


def _key(api_key: object) -> str | None:
    if api_key is None:
        # Keys are read from files, which end with a line end.
        return os.environ.get("PROMPTLAYER_API_KEY", "").strip() or None
    if not isinstance(api_key, str) or not api_key.strip():
        raise InvalidArgument("api_key", f"expected a non-empty string, got {_kind(api_key)}")
    return api_key.strip()


def _base_url(base_url: object) -> str:
    if base_url is not None:
        return checked_url("base_url", base_url)
    named = os.environ.get("PROMPTLAYER_BASE_URL")
    return checked_url("PROMPTLAYER_BASE_URL", named) if named else DEFAULT_BASE_URL


def shown_url(url: str) -> str:
    """A URL as it may be logged: without a user name or password."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def checked_url(argument: str, url: object) -> str:
    """An http or https address, without the slash at its end."""
    if not isinstance(url, str):
        raise InvalidArgument(argument, f"expected a URL, got {type(url).__name__}")
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InvalidArgument(argument, "expected a URL such as https://api.promptlayer.com")
    return url.rstrip("/")


def _destinations(to: object) -> tuple[Destination, ...]:
    if to is None:
        named = os.environ.get("PROMPTLAYER_TO", "")
        return tuple(part.strip() for part in named.split(",") if part.strip())
    many = list(to) if isinstance(to, (list, tuple)) else [to]
    if not many:
        raise InvalidArgument("to", "the list of destinations is empty")
    return tuple(_destination(one) for one in many)


def _destination(one: Any) -> Destination:
    if isinstance(one, str):
        return one
    if isinstance(one, type):
        raise InvalidArgument("to", f"expected an exporter, got the class {one.__name__} itself")
    if callable(getattr(one, "export", None)) and callable(getattr(one, "close", None)):
        exporter: Destination = one
        return exporter
    raise InvalidArgument(
        "to", f"expected 'scheme:target' or an object with export() and close(), got {type(one).__name__}"
    )


def _tags_from_environment() -> tuple[str, ...]:
    return checked_tags("PROMPTLAYER_TAGS", _listed("PROMPTLAYER_TAGS"))


def _metadata_from_environment() -> dict[str, str]:
    pairs = {}
    for part in _listed("PROMPTLAYER_METADATA"):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise InvalidArgument("PROMPTLAYER_METADATA", "expected key=value,key=value")
        pairs[key.strip()] = value.strip()
    return pairs


def _listed(variable: str) -> list[str]:
    return [part.strip() for part in os.environ.get(variable, "").split(",") if part.strip()]


def _switch(argument: str, value: object, *, default: bool) -> bool:
    if value is None:
        variable = f"PROMPTLAYER_{argument.upper()}"
        text = os.environ.get(variable, "").strip().lower()
        if text in _WORDS:
            return _WORDS[text]
        if text:
            raise InvalidArgument(variable, f"expected true or false, got {text!r}")
        return default
    if not isinstance(value, bool):
        raise InvalidArgument(argument, f"expected True or False, got {type(value).__name__}")
    return value


def _rules(redact: object) -> tuple[Rule, ...]:
    argument = "PROMPTLAYER_REDACT" if redact is None else "redact"
    asked = _listed(argument) if redact is None else redact
    if asked == []:
        return ()
    from promptlayer_patch._refining.redaction import rules_of

    return rules_of(argument, asked)


def _sampler(sample_rate: Sampler | None) -> Sampler:
    if callable(sample_rate):
        return sample_rate
    return _number("sample_rate", sample_rate, default=1.0, low=0.0, high=1.0)


def _number(argument: str, value: object, *, default: float, low: float, high: float = float("inf")) -> float:
    if value is None:
        variable = f"PROMPTLAYER_{argument.upper()}"
        text = os.environ.get(variable)
        if not text:
            return default
        argument = variable
        try:
            value = float(text)
        except ValueError:
            raise InvalidArgument(variable, f"expected a number, got {text!r}") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidArgument(argument, f"expected a number, got {type(value).__name__}")
    if not low <= value <= high or value == float("inf"):
        wanted = f"of at least {low:g}" if high == float("inf") else f"from {low:g} to {high:g}"
        raise InvalidArgument(argument, f"expected a number {wanted}, got {value:g}")
    return value


def _whole(argument: str, value: object, *, default: int) -> int:
    number = _number(argument, value, default=default, low=1)
    if number != int(number):
        name = argument if value is not None else f"PROMPTLAYER_{argument.upper()}"
        raise InvalidArgument(name, f"expected a whole number, got {number:g}")
    return int(number)


def _kind(value: object) -> str:
    return "an empty one" if isinstance(value, str) else type(value).__name__


def _data_directory() -> str:
    """Ours in the user's data directory, by the platform's own convention."""
    home = os.path.expanduser("~")
    if home.startswith("~"):  # a container whose user has no home
        home = os.path.abspath(os.sep)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Application Support")
    else:
        base = os.environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    return os.path.join(base, "promptlayer")
