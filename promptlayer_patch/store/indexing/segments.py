"""Text as the words by which it is found, in any script; the same for what is indexed and what is asked.

A word is a run of letters and digits, without case and accents. Chinese, Japanese and Korean have no spaces,
so each of their characters is a word, and the index holds every pair of neighbours and the last one alone:
two characters or more are found as a phrase of pairs, a single one as the beginning of a pair.

What is indexed is taken out again by segmenting the same text once more, perhaps by another Python. So
everything here rests on Unicode 3.2, which every Python carries unchanged beside its own newer version.
"""

from __future__ import annotations

import re
from operator import add
from unicodedata import ucd_3_2_0 as unicode

__all__ = ["END", "phrase", "segmented", "words"]

END = "\N{SYMBOL FOR END OF TEXT}"
"""The index's last word of every text: no text has it, since it is neither letter nor digit."""

_WORD_CHARS = 64
_CJK = (
    "\u1100-\u11ff\u2e80-\u2fd5\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u3096\u309d-\u309f"
    "\u30a1-\u30fa\u30fc-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97c"
    "\uac00-\ud7fb\uf900-\ufaff\uff66-\uffdc\U0001aff0-\U0001b16f\U00020000-\U0003fffd"
)
_IDEOGRAPH = re.compile(f"[{_CJK}]")
# Neighbours as words are: what stands between two words, such as a comma, does not part them.
_IDEOGRAPHS = re.compile(f"[{_CJK}](?:[ {_CJK}]*[{_CJK}])?")
# Pieces of a syllable, or a sound mark behind its kana: one character to whoever reads them.
_IN_PIECES = re.compile("[\u1100-\u11ff\u3099\u309a\u3131-\u318e\uff66-\uffdc]")
_KANA = re.compile("[\u3041-\u30ff]")
# Nearly all of Chinese text: characters that folding leaves as they are.
_UNCHANGED = re.compile("([\u3400-\u4db5\u4e00-\u9fa5]+)")
# Letters and marks of scripts that are younger than Unicode 3.2, as they stand.
_YOUNGER = re.compile(
    "[\u0220-\u0233\u0370-\u1fff\u2c00-\u2ddf\ua4d0-\uabff\ufb00-\ufdff\U00010280-\U00016fff\U0001df00-\U0001e95f]"
)
_YOUNGER_WITH_CASE = re.compile("[\u0220-\u058f\u1e00-\u1eff]")


def segmented(text: str) -> str:
    """The words of `text` as the index takes them, with spaces between them."""
    folded = _folded(text)
    return _shortened(folded if folded.isascii() else _IDEOGRAPHS.sub(_pairs, folded))


def words(text: str) -> list[str]:
    """The words of `text`; of Chinese, Japanese and Korean every character."""
    folded = _folded(text)
    return _shortened(folded if folded.isascii() else _IDEOGRAPH.sub(r" \g<0> ", folded)).split()


def phrase(text: str, *, begun: bool = True) -> str | None:
    """The full-text expression for what has these words one after the other, or `None` if `text` has no word.

    The last word may be only `begun`. Nothing in `text` is taken for a part of the expression.
    """
    found = segmented(text).split()
    if not found:
        return None
    if not begun:
        return f'"{" ".join(found)}"'
    if len(found) > 1 and _IDEOGRAPH.fullmatch(found[-1]):
        # The last character alone would say that nothing follows it. Where another word stands before, there
        # is no pair that holds it, and it is the beginning of one.
        in_pair = found[-2].endswith(found[-1]) and _IDEOGRAPH.match(found[-2]) and len(found[-2]) > 1
        if in_pair:
            return f'"{" ".join(found[:-1])}"'
    return f'"{" ".join(found)}" *'


class _Folding(dict[int, str]):
    """What becomes of each character, found out when it is first met."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _fold(chr(code))
        return folded


_FOLDING = _Folding()


def _folded(text: str) -> str:
    if text.isascii():
        return text.translate(_FOLDING)
    if _IN_PIECES.search(text):
        text = unicode.normalize("NFKC", text)
    # Every second one is a run that stays as it is: to look up each of its characters takes five times as
    # long.
    runs = _UNCHANGED.split(text)
    runs[::2] = [run.translate(_FOLDING) for run in runs[::2]]
    return "".join(runs)


def _shortened(spaced: str) -> str:
    """`spaced` with every word cut to the length that the index takes: an image in base64 is one word."""
    begin, end = 0, len(spaced) - _WORD_CHARS
    while begin < end:
        # From gap to gap, as far as a word may reach.
        gap = spaced.rfind(" ", begin, begin + _WORD_CHARS + 1)
        if gap < 0:
            return " ".join(word[:_WORD_CHARS] for word in spaced.split(" "))
        begin = gap + 1
    return spaced


def _fold(character: str) -> str:
    if unicode.category(character) == "Cn":
        return _fold_younger(character)
    if _KANA.match(character) or "\uac00" <= character <= "\ud7a3":
        # Sound marks tell words apart, and syllables would fall into pieces.
        plain = unicode.normalize("NFKC", character)
    else:
        plain = unicode.normalize("NFKD", unicode.normalize("NFKD", character.casefold()).casefold())
    return "".join(_letter(one) for one in plain)


def _fold_younger(character: str) -> str:
    if _YOUNGER_WITH_CASE.match(character):
        return character.casefold()
    return character if _YOUNGER.match(character) or _IDEOGRAPH.match(character) else " "


def _letter(character: str) -> str:
    """A letter, digit or vowel sign itself, nothing for an accent, a space for all that parts words."""
    if unicode.combining(character):
        return ""
    category = unicode.category(character)
    if category[0] in "LNM":
        return character
    return " " if category != "Cf" else ""


def _pairs(run: re.Match[str]) -> str:
    characters = run.group().replace(" ", "")
    return f" {' '.join((*map(add, characters, characters[1:]), characters[-1]))} "
