"""The interface in two languages. What people wrote themselves is never translated."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from http.cookies import CookieError, SimpleCookie

from promptlayer_patch.server.dashboard.chinese import CHINESE
from promptlayer_patch.server.dashboard.chinese.problems import PROBLEMS

__all__ = ["COOKIE", "LANGUAGES", "language_of", "problems", "words"]

LANGUAGES = {"en": "English", "zh": "中文"}
COOKIE = "promptlayer_patch_language"


def language_of(headers: Mapping[str, str]) -> str:
    """What the reader has chosen, else what the browser asks for."""
    try:
        chosen = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        chosen = None
    if chosen is not None and chosen.value in LANGUAGES:
        return chosen.value
    return "zh" if headers.get("accept-language", "").lower().startswith("zh") else "en"


def words(language: str) -> Callable[[str], str]:
    """Gives the words of the interface, which are written in English, in another language."""
    if language == "zh":
        return lambda text: CHINESE.get(text, text)
    return lambda text: text


def problems(language: str) -> Callable[[str], str]:
    """Gives what is wrong with a query or a form, with its numbers and names, in another language."""
    return _in_chinese if language == "zh" else lambda text: text


def _in_chinese(text: str) -> str:
    known = CHINESE.get(text) or PROBLEMS.get(text)
    if known is not None:
        return known
    for pattern, chinese in _patterns():
        found = pattern.fullmatch(text)
        if found is not None:
            # What differs may itself be one of these sentences.
            return chinese.format(*map(_in_chinese, found.groups()))
    place, colon, rest = text.partition(": ")
    said = _in_chinese(rest) if colon else rest
    return text if said == rest else f"{place}：{said}"


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple(
        (re.compile("(.+?)".join(map(re.escape, english.split("{}")))), chinese)
        for english, chinese in PROBLEMS.items()
        if "{}" in english
    )
