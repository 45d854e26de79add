"""Cassettes: played, unless `SAMPLE_RECORDS_FROM` says from which server they are to be recorded."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import vcr

sys.path.insert(0, str(Path(__file__).parents[1]))

RECORDS_FROM = os.environ.get("SAMPLE_RECORDS_FROM", "")


def as_of_openai(request: Any) -> Any:
    if RECORDS_FROM:
        request.uri = request.uri.replace(RECORDS_FROM, "https://api.openai.com/v1")
    return request


tapes = vcr.VCR(
    cassette_library_dir=str(Path(__file__).parent / "cassettes"),
    record_mode="all" if RECORDS_FROM else "none",
    before_record_request=as_of_openai,
    filter_headers=["authorization", "host"],
    match_on=["method", "uri", "body"] if RECORDS_FROM else ["method", "uri"],
)


@pytest.fixture(autouse=True)
def tape(request: pytest.FixtureRequest) -> Iterator[Any]:
    with tapes.use_cassette(f"{request.node.name}.yaml", allow_playback_repeats=False) as cassette:
        yield cassette
        if not RECORDS_FROM:
            assert cassette.all_played
