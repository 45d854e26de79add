"""Groups: requests that belong together in PromptLayer, such as those of one conversation."""

from __future__ import annotations

from promptlayer_patch import _api, _process
from promptlayer_patch._registry.arguments import checked_timeout
from promptlayer_patch._registry.twins import awaitable
from promptlayer_patch.errors import APIStatusError

__all__ = ["acreate", "create"]


def create(timeout_s: float = 10.0) -> int:
    """Make a new group and give its id, for `scope(group=...)` and `track.group(...)`.

    Each call makes another group, where requests get their ids: at PromptLayer, for which it waits up to
    `timeout_s` seconds, or in the local store.

    Raises `InvalidArgument` without an API key, and what calls to PromptLayer raise: `APIConnectionError`,
    `APITimeoutError`, `APIStatusError`. A call whose answer is lost is not tried again, for it may have made
    its group.
    """
    wait_s = checked_timeout(timeout_s)
    here = _process.created_group()
    return _asked_for(wait_s) if here is None else here


def _asked_for(wait_s: float) -> int:
    answer = _api.ask(
        _api.account(),
        "POST",
        "/create-group",
        key_in_body=True,
        key_in_header=False,
        repeatable=False,
        timeout_s=wait_s,
    )
    made = answer.get("id") if isinstance(answer, dict) else None
    if not isinstance(made, int) or isinstance(made, bool):
        raise APIStatusError(200, "the answer names no group")
    return made


acreate = awaitable(create)
