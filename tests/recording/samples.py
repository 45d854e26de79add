"""What the scenarios send along: a tool, a schema, a sound and a picture."""

from __future__ import annotations

from typing import Any

BRIDGE: Any = {
    "type": "function",
    "function": {
        "name": "bridge_state",
        "description": "Whether a bridge is open at a time of the day",
        "parameters": {
            "type": "object",
            "properties": {"bridge": {"type": "string"}, "at": {"type": "string"}},
            "required": ["bridge", "at"],
        },
    },
}
TIDES: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "tides",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {
                "port": {"type": "string"},
                "high_water": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["port", "high_water"],
            "additionalProperties": False,
        },
    },
}
WAVE = (
    b"RIFF\x2c\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00"
    b"\x01\x00\x08\x00data\x08\x00\x00\x00@@``@@``"
)
"""A millisecond of sound."""
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x00IEND\xaeB`\x82"
