"""How the user and the model sound, by the phrases they use: an indication, no understanding.

A list of phrases in English and Chinese decides, the first list that has one of those found near the
beginning of the text. Who writes in another language, or in other words, has no intent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["agent_intent", "user_intent"]

_LOOKED_AT_CHARS = 500
_USER = {
    "frustrated": (
        *("not working", "doesn't work", "does not work", "still wrong", "still not", "that's wrong"),
        *("you're wrong", "frustrated", "frustrating", "useless", "terrible", "waste of time", "fed up"),
        *("太差", "没用", "没有用", "不对", "还是不行", "错了", "失望", "烦死", "受够"),
    ),
    "satisfied": (
        *("thank you", "thanks", "perfect", "awesome", "that worked", "it works now", "well done"),
        *("great job", "exactly what i", "谢谢", "感谢", "太好了", "完美", "很好", "满意", "解决了"),
    ),
    "curious": (
        *("why", "how", "what", "tell me more", "curious", "wondering", "can you explain"),
        *("为什么", "怎么", "如何", "什么", "请解释", "好奇"),
    ),
}
_AGENT = {
    "apologetic": (
        *("i'm sorry", "i am sorry", "i apologize", "my apologies", "sorry for", "sorry about"),
        *("抱歉", "对不起", "不好意思"),
    ),
    "refusal": (
        *("i can't help", "i cannot help", "i can't assist", "i cannot assist", "i'm unable to"),
        *("i am unable to", "i won't", "i must decline", "i can't provide", "i cannot provide"),
        *("无法提供", "不能提供", "无法协助", "不能帮", "无法回答"),
    ),
    "uncertain": (
        *("i'm not sure", "i am not sure", "i don't know", "i do not know", "it's unclear", "uncertain"),
        *("不确定", "不清楚", "不知道", "可能是"),
    ),
}


def user_intent(input_text: str) -> str | None:
    """`frustrated`, `satisfied` or `curious`, by the user's last message."""
    _, role, last = input_text.rpartition("[user]: ")
    return _first(_USER, last) if role else None


def agent_intent(output_text: str) -> str | None:
    """`apologetic`, `refusal` or `uncertain`, by the answer."""
    return _first(_AGENT, output_text)


def _first(intents: Mapping[str, tuple[str, ...]], text: str) -> str | None:
    text = text[:_LOOKED_AT_CHARS].lower().replace("\u2019", "'")
    for intent, phrases in intents.items():
        for phrase in phrases:
            if phrase in text and _is_whole(phrase, text):
                return intent
    return None


def _is_whole(phrase: str, text: str) -> bool:
    """Whether it is more than a part of longer words; Chinese has none."""
    return not phrase.isascii() or re.search(rf"\b{phrase}\b", text) is not None
