"""Spans of traces: read from the wire, and what they tell of requests. No I/O."""
