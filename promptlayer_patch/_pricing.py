"""What a request costs, by the offline price list of genai-prices.

Tokens are priced, each kind as the provider prices it; what a provider charges by the call on top of them,
such as a web search, is not in it. A service tier (`flex`, `priority`) counts where the list knows its price
for the model, else the plain price stands. What the list does not know has no price, and never the price 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from promptlayer_patch._blueprint import Usage
from promptlayer_patch._guard import warn_once
from promptlayer_patch._imports import importing

__all__ = ["price"]

# The provider of a record, where the list has another name for it.
_PROVIDERS = {"openai.azure": "azure", "amazon.bedrock": "aws", "bedrock": "aws", "vertexai": "google"}
# APIs that give back no tokens.
_WITHOUT_OUTPUT = frozenset({"embeddings", "moderations"})
# Prices by something else than what `Usage` counts: with them, tokens alone would give a wrong sum.
_UNCOUNTED = (
    "input_image_mtok",
    "output_image_mtok",
    "input_video_mtok",
    "output_video_mtok",
    "requests_kcount",
)
_SLOT_S = 1800.0
"""Prices change at midnight UTC, or at a time of the day; no finer than this."""
_EARLIEST, _LATEST = 0.0, 4e9


def price(
    provider: str,
    model: str | None,
    usage: Usage,
    at: float,
    api_type: str | None = None,
    service_tier: str | None = None,
) -> float | None:
    """US dollars for `usage` of a model at a time in seconds since the epoch; `None` if nobody can say."""
    given, received = usage.input_tokens, usage.output_tokens
    if model is None or given is None or (received is None and api_type not in _WITHOUT_OUTPUT):
        return None
    moment = min(max(at, _EARLIEST), _LATEST) if math.isfinite(at) else _LATEST
    rates = _rates(provider, model, int(moment // _SLOT_S), service_tier)
    return None if rates is None else rates.sum(usage)


@dataclass(frozen=True, slots=True)
class _Rate:
    """US dollars a token, and what every token costs from so many input tokens on."""

    base: float
    steps: tuple[tuple[int, float], ...] = ()

    def of(self, tokens: int, input_tokens: int) -> float:
        rate = self.base
        for start, stepped in self.steps:
            if input_tokens > start:
                rate = stepped
        return tokens * rate


@dataclass(frozen=True, slots=True)
class _Rates:
    """What a model charges; a kind of token without a price of its own costs what the others do."""

    input: _Rate
    output: _Rate
    cached: _Rate
    written: _Rate
    heard: _Rate
    spoken: _Rate

    def sum(self, usage: Usage) -> float | None:
        total, output = usage.input_tokens or 0, usage.output_tokens or 0
        cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
        heard, spoken = usage.input_audio_tokens or 0, usage.output_audio_tokens or 0
        plain, said = total - cached - written - heard, output - spoken
        if plain < 0 or said < 0:
            return None  # parts that are more than the whole: what was counted is not what we think
        dollars = math.fsum(
            (
                self.input.of(plain, total),
                self.cached.of(cached, total),
                self.written.of(written, total),
                self.heard.of(heard, total),
                self.output.of(said, total),
                self.spoken.of(spoken, total),
            )
        )
        return round(dollars, 12)


@lru_cache(maxsize=4096)
def _rates(provider: str, model: str, slot: int, service_tier: str | None) -> _Rates | None:
    found = _model(provider, model)
    if found is None:
        return None
    at = datetime.fromtimestamp(slot * _SLOT_S, timezone.utc)
    tier = {"service_tier": service_tier} if service_tier else None
    prices = {name: value for name, value in vars(found.get_prices(at, tier)).items() if value is not None}
    if "input_mtok" not in prices or any(name in prices for name in _UNCOUNTED):
        return None
    return _rates_of(prices)


def _rates_of(prices: Mapping[str, object]) -> _Rates:
    plain, said = _rate(prices["input_mtok"]), _rate(prices.get("output_mtok", 0))

    def rate(name: str, otherwise: _Rate) -> _Rate:
        return _rate(prices[name]) if name in prices else otherwise

    return _Rates(
        input=plain,
        output=said,
        cached=rate("cache_read_mtok", plain),
        written=rate("cache_write_mtok", plain),
        heard=rate("input_audio_mtok", plain),
        spoken=rate("output_audio_mtok", said),
    )


def _rate(price: Any) -> _Rate:
    """From the list's price of a million tokens, which may depend on how long the input is."""
    if hasattr(price, "tiers"):
        steps = tuple((int(tier.start), float(tier.price) / 1e6) for tier in price.tiers)
        return _Rate(float(price.base) / 1e6, steps)
    return _Rate(float(price) / 1e6)


@lru_cache(maxsize=1024)
def _model(provider: str, model: str) -> Any:
    try:
        with importing():
            from genai_prices.data_snapshot import get_snapshot
    except ImportError:
        warn_once(
            "prices",
            "requests have no cost without genai-prices: pip install 'promptlayer-patch[server]'",
        )
        return None
    try:
        return get_snapshot().find_provider_model(model, None, _PROVIDERS.get(provider, provider), None)[1]
    except LookupError:
        return None
