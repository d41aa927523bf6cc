"""Every text that the window shows, from one table: a column a language.

Whoever writes a text in the window adds it to `gui.english` and to `gui.chinese`; a test compares. Words in braces are
filled in by `say`.

>>> say("status.looking_back", shown=3, last=7, key="End")
'Looking back at move 3 of 7. End returns, a move tries a variation.'
>>> set_language("zh-Hant")
>>> say("status.your_move"), translated("Red wins: Black resigned")
('輪到您走。', '紅勝：黑方認輸')
>>> set_language("en")
"""

from __future__ import annotations

import functools
import re
from typing import Final

from gui.chinese import CHINESE
from gui.english import ENGLISH

LANGUAGES: Final = {"en": "English", "zh-Hans": "简体中文", "zh-Hant": "繁體中文"}
"""The languages of the table by their codes, with their own names."""

_language = "en"


def say(key: str, /, **values: object) -> str:
    """Return the text of a key in the current language. Raises ``KeyError``."""
    text = column(_language).get(key) or ENGLISH[key]
    if "reason" in values:
        values["reason"] = translated(str(values["reason"]))
    return text.format(**values) if values else text


def translated(sentence: str) -> str:
    """Return a sentence of the packages below in the current language; as it is if the table does not have it.

    The place of a fault may stand before it, as ``a.pgn, line 12: ``.
    """
    if _language == "en":
        return sentence
    for key, pattern in _sentences():
        if (found := pattern.fullmatch(sentence)) is not None:
            return say(key, **{name: _word(text) for name, text in found.groupdict().items()})
    place, _, fault = sentence.partition(": ")
    if fault and (told := translated(fault)) != fault:
        return f"{', '.join(map(_place, place.split(', ')))}：{told}"
    return sentence


def _word(text: str) -> str:
    """Return words within a sentence in the current language."""
    faults = [f"fault.{word.replace(' ', '_')}" for word in text.split(", ")]
    if all(map(has, faults)):
        return "；".join(say(key).rstrip("。") for key in faults)
    return say(key) if has(key := f"word.{text}") else translated(text)


def _place(text: str) -> str:
    name, _, number = text.rpartition(" ")
    return say(key, number=number) if number.isdigit() and has(key := f"place.{name}") else text


def has(key: str) -> bool:
    """Whether the table has a text for a key."""
    return key in ENGLISH


def column(language: str) -> dict[str, str]:
    """Return the texts of a language by their keys. Raises ``KeyError``."""
    return {"en": ENGLISH, "zh-Hans": CHINESE}.get(language) or {"zh-Hant": _traditional}[language]()


@functools.cache
def _traditional() -> dict[str, str]:
    from opencc import OpenCC

    convert = OpenCC("s2twp").convert
    return {key: convert(text) for key, text in CHINESE.items()}


@functools.cache
def _sentences() -> list[tuple[str, re.Pattern[str]]]:
    """Return the keys of the sentences of the packages below, and what these look like."""
    found = []
    for key, text in ENGLISH.items():
        if key.startswith("said."):
            parts = re.split(r"\{(\w+)\}", text)
            pattern = "".join(f"(?P<{part}>.+?)" if n % 2 else re.escape(part) for n, part in enumerate(parts))
            found.append((key, re.compile(pattern)))
    return found


def language() -> str:
    """Return the code of the current language."""
    return _language


def set_language(code: str) -> None:
    """Change the language of all texts. Raises ``KeyError``."""
    global _language
    column(code)
    _language = code
