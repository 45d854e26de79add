"""Looking at release labels and moving them."""

from __future__ import annotations

from promptlayer_patch import _api
from promptlayer_patch._registry import arguments as checks
from promptlayer_patch._registry import fetching
from promptlayer_patch._registry import labels as _labels
from promptlayer_patch._registry.labels import ReleaseLabel
from promptlayer_patch._registry.twins import awaitable

__all__ = [
    "ReleaseLabel",
    "adelete_label",
    "alabels",
    "amove_label",
    "aset_label",
    "delete_label",
    "labels",
    "move_label",
    "set_label",
]


def labels(name_or_id: str | int, *, timeout_s: float = 10.0) -> list[ReleaseLabel]:
    """The release labels of a prompt template."""
    identifier, wait_s = checks.checked_identifier(name_or_id), checks.checked_timeout(timeout_s)
    return _labels.listed(_api.account(), identifier, wait_s)


def set_label(name_or_id: str | int, label: str, version: int, *, timeout_s: float = 10.0) -> ReleaseLabel:
    """Put a release label on a version of a prompt template; it is made, or moved if it is there.

    Asks PromptLayer up to three times, each for at most `timeout_s` seconds.
    """
    identifier, wait_s = checks.checked_identifier(name_or_id), checks.checked_timeout(timeout_s)
    name, number = checks.checked_text("label", label, 512), checks.checked_whole("version", version)
    account = _api.account()
    there = [one for one in _labels.listed(account, identifier, wait_s) if one.name == name]
    try:
        if there:
            return _labels.moved(account, there[0], number, wait_s)
        return _labels.created(account, identifier, name, number, wait_s)
    finally:
        fetching.CACHE.invalidate(identifier)


def move_label(name_or_id: str | int, label: str, version: int, *, timeout_s: float = 10.0) -> ReleaseLabel:
    """Move a release label to another version of its prompt template. Raises `NotFound` if there is none."""
    identifier, wait_s = checks.checked_identifier(name_or_id), checks.checked_timeout(timeout_s)
    name, number = checks.checked_text("label", label, 512), checks.checked_whole("version", version)
    account = _api.account()
    found = _labels.named(account, identifier, name, wait_s)
    try:
        return _labels.moved(account, found, number, wait_s)
    finally:
        fetching.CACHE.invalidate(identifier)


def delete_label(name_or_id: str | int, label: str, *, timeout_s: float = 10.0) -> None:
    """Take a release label off a prompt template. Raises `NotFound` if there is none."""
    identifier, wait_s = checks.checked_identifier(name_or_id), checks.checked_timeout(timeout_s)
    name, account = checks.checked_text("label", label, 512), _api.account()
    found = _labels.named(account, identifier, name, wait_s)
    try:
        _labels.deleted(account, found, wait_s)
    finally:
        fetching.CACHE.invalidate(identifier)


alabels = awaitable(labels)
aset_label = awaitable(set_label)
amove_label = awaitable(move_label)
adelete_label = awaitable(delete_label)
