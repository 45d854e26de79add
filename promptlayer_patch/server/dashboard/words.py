"""The interface in two languages. What people wrote themselves is never translated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie

from promptlayer_patch.server.dashboard.chinese import CHINESE

__all__ = ["COOKIE", "LANGUAGES", "language_of", "words"]

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
