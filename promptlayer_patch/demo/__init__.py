"""`promptlayer-patch demo`: real client calls, recorded, and shown as a table."""

DEFAULT_MODEL = "gpt-4o-mini"
"""The chat model that the demo asks, a small and cheap one."""
