"""What one `install()` asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promptlayer_patch._options import DEFAULT_BASE_URL, read_options

if TYPE_CHECKING:
    from promptlayer_patch._options import Destination
    from promptlayer_patch._refining.redaction import Rule
    from promptlayer_patch._sampling import Sampler


@dataclass(frozen=True, slots=True)
class Settings:
    """What one `install()` asked for, checked."""

    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    api_key: str | None = field(default=None, repr=False)
    base_url: str = field(default=DEFAULT_BASE_URL, repr=False)
    to: tuple[Destination, ...] = field(default=(), repr=False)
    fell_back: bool = False
    """No destination was chosen and there is no key, so records go to the local store."""
    local_db: str = ""
    shutdown_timeout_s: float = 2.0
    queue_max_records: int = 10_000
    queue_max_bytes: int = 64 * 1024 * 1024
    outbox: bool = True
    outbox_dir: str = ""
    outbox_max_records: int = 1_000_000
    outbox_max_bytes: int = 512 * 1024 * 1024
    record_max_bytes: int = 4 * 1024 * 1024
    media_max_bytes: int = 256 * 1024
    capture_content: bool = True
    redact: tuple[Rule, ...] = field(default=(), repr=False)
    sample_rate: Sampler = 1.0
    sample_errors: float = 1.0
    batch: bool = False
    cache_ttl_s: float = 60.0
    send: bool = True
    """False for a program that a test has started: nothing leaves its process."""


def read_settings(**given: Any) -> Settings:
    """The arguments of `install()`, checked, and what the environment and the defaults say of the rest.

    Raises `InvalidArgument`, which names the argument or the environment variable that is wrong.
    """
    return Settings(**read_options(**given))
