"""What a request costs is what the price list says, or nothing: never a guess, never 0 for not knowing."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlayer_patch._blueprint import Usage
from promptlayer_patch._pricing import price

genai_prices = pytest.importorskip("genai_prices")
ROOT = Path(__file__).resolve().parents[1]
JANUARY_2026 = 1_767_225_600.0


def by_the_library(
    provider: str, model: str, usage: Usage, at: float, service_tier: str | None = None
) -> float:
    said: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "input_audio_tokens": usage.input_audio_tokens,
        "output_audio_tokens": usage.output_audio_tokens,
    }
    found = genai_prices.calc_price(
        genai_prices.Usage(**{name: value for name, value in said.items() if value}),
        model,
        provider_id=provider,
        genai_request_timestamp=datetime.fromtimestamp(at, timezone.utc),
        price_context=None if service_tier is None else {"service_tier": service_tier},
    )
    return float(found.total_price)


MODELS = (
    *(("openai", name) for name in ("gpt-4o", "gpt-4o-2024-08-06", "gpt-4.1-mini", "gpt-5", "o3", "gpt-5.5")),
    *(("openai", name) for name in ("ft:gpt-4o-2024-08-06:acme::abc", "gpt-3.5-turbo", "gpt-audio")),
    *(("azure", "gpt-4o"), ("anthropic", "claude-3-5-sonnet-20241022"), ("google", "gemini-2.0-flash")),
    ("deepseek", "deepseek-chat"),
)


@settings(deadline=None)
@given(
    st.sampled_from(MODELS),
    st.tuples(st.integers(0, 400_000), st.integers(0, 50_000)),
    st.floats(0, 0.5),
    st.floats(0, 0.5),
    st.sampled_from([None, "default", "flex", "priority", "auto"]),
    st.floats(1.7e9, 2e9),
)
def test_the_price_is_the_librarys(
    model: tuple[str, str],
    counts: tuple[int, int],
    cached_share: float,
    written_share: float,
    tier: str | None,
    at: float,
) -> None:
    """Cached tokens, long inputs, prices that changed, service tiers."""
    usage = Usage(
        input_tokens=counts[0],
        output_tokens=counts[1],
        cached_tokens=int(counts[0] * cached_share),
        cache_write_tokens=int(counts[0] * written_share) if model[0] == "anthropic" else None,
    )
    found = price(*model, usage, at, service_tier=tier)
    assert found == pytest.approx(by_the_library(*model, usage, at, tier), rel=1e-9, abs=1e-12)


def test_audio_has_its_own_price() -> None:
    usage = Usage(1000, 500, input_audio_tokens=300, output_audio_tokens=400)
    found = price("openai", "gpt-audio", usage, JANUARY_2026)
    assert found == pytest.approx(by_the_library("openai", "gpt-audio", usage, JANUARY_2026))
    assert found != price("openai", "gpt-audio", Usage(1000, 500), JANUARY_2026)


def test_thinking_is_output_and_is_not_counted_twice() -> None:
    plain, thinking = Usage(10, 500), Usage(10, 500, thinking_tokens=400)
    assert price("openai", "o3", plain, JANUARY_2026) == price("openai", "o3", thinking, JANUARY_2026)


def test_azure_is_known_by_our_name_for_it() -> None:
    found = price("openai.azure", "gpt-4o", Usage(1000, 100), JANUARY_2026)
    assert found == pytest.approx(by_the_library("azure", "gpt-4o", Usage(1000, 100), JANUARY_2026))


def test_embeddings_have_no_output() -> None:
    arguments: Any = ("openai", "text-embedding-3-small", Usage(input_tokens=1_000_000), JANUARY_2026)
    assert price(*arguments, "embeddings") == pytest.approx(0.02)
    assert price(*arguments, "chat-completions") is None


@pytest.mark.parametrize(
    ("provider", "model", "usage"),
    [
        ("openai", "a-model-of-ours", Usage(10, 10)),
        ("openai", None, Usage(10, 10)),
        ("openai", "", Usage(10, 10)),
        ("nobody", "gpt-4o", Usage(10, 10)),
        ("openai", "my-gpt-4o-clone", Usage(10, 10)),
        ("openai", "gpt-4o", Usage()),
        ("openai", "gpt-4o", Usage(input_tokens=10)),
        ("openai", "gpt-4o", Usage(output_tokens=10)),
        ("openai", "gpt-4o", Usage(10, 10, cached_tokens=11)),
        ("openai", "gpt-audio", Usage(10, 10, output_audio_tokens=11)),
        ("openai", "whisper-1", Usage(10, 10)),
        ("openai", "gpt-image-1", Usage(10, 10)),
        ("\ud800", "\ud800", Usage(10, 10)),
    ],
)
def test_what_nobody_knows_has_no_price(provider: str, model: str | None, usage: Usage) -> None:
    assert price(provider, model, usage, JANUARY_2026) is None


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf, -1e300, 1e300, -5.0])
def test_a_clock_that_is_wrong_does_not_cost_the_price(at: float) -> None:
    assert price("openai", "gpt-4o", Usage(10, 10), at) is not None


def test_no_tokens_cost_nothing() -> None:
    assert price("openai", "gpt-4o", Usage(0, 0), JANUARY_2026) == 0.0


WITHOUT_LIST = """
import logging, sys
logging.basicConfig(level=logging.WARNING)
sys.modules["genai_prices"] = None
from promptlayer_patch._blueprint import Usage
from promptlayer_patch._pricing import price
for model in ("gpt-4o", "gpt-4.1", "o3"):
    print(price("openai", model, Usage(10, 10), 1767225600.0))
"""


def test_without_the_list_nothing_has_a_price_and_that_is_said_once() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIST], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout.split() == ["None"] * 3
    assert ran.stderr.count("genai-prices") == 1
    assert logging.getLevelName(logging.WARNING) in ran.stderr


def test_the_list_is_not_imported_before_it_is_asked() -> None:
    script = "import sys, promptlayer_patch._pricing; print('genai_prices' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.strip() == "False"
