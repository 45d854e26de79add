"""The subcommands: one module each, and what they share."""

from __future__ import annotations

from promptlayer_patch.errors import PromptLayerError

__all__ = ["CommandFailed"]


class CommandFailed(PromptLayerError):
    """A command could not do what it is there for; the message is for the user."""
