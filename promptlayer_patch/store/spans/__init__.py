"""Traces in a store: their spans, and the requests that these tell of."""
