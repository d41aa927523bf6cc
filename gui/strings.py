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
    """Return a sentence of the packages below in the current language and in the words of the board.

    It stays as it is if the table does not have it. The place of a fault may stand before it, as ``a.pgn, line 12: ``.

    >>> translated("red newly chases the knight with every move, which the checks excuse")
    'red newly chases the horse with every move, which the checks excuse'
    """
    return _translated(sentence, _language)


@functools.lru_cache(maxsize=256)
def _translated(sentence: str, language: str) -> str:
    if (found := _PLACED.fullmatch(sentence)) is not None:
        return _placed(found[1], _translated(found[2], language), language)
    for key, pattern in _sentences():
        if (found := pattern.fullmatch(sentence)) is not None:
            words = {name: _word(text, language) for name, text in found.groupdict().items()}
            return column(language)[key].format(**words)
    place, _, fault = sentence.partition(": ")
    if fault and (told := _translated(fault, language)) != fault:
        return _placed(place, told, language)
    return sentence


def _placed(place: str, told: str, language: str) -> str:
    comma, colon = (", ", ": ") if language == "en" else ("，", "：")
    return f"{comma.join(_place(text, language) for text in place.split(', '))}{colon}{told}"


def _word(text: str, language: str) -> str:
    """Return words within a sentence in a language."""
    texts = column(language)
    if (key := f"word.{text}") in texts:
        return texts[key]
    if all(fault in _faults() for fault in text.split("; ")):
        faults = [texts[_faults()[fault]] for fault in text.split("; ")]
        return texts["word.then"].join(fault[0].lower() + fault[1:].rstrip(".。") for fault in faults)
    pieces = [f"word.{name.removeprefix('the ')}" for name in text.split(" and ") if name.startswith("the ")]
    if pieces and all(map(has, pieces)):
        return texts["word.and"].join(texts["word.the"].format(piece=texts[piece]) for piece in pieces)
    return _translated(text, language)


def _place(text: str, language: str) -> str:
    name, _, number = text.rpartition(" ")
    key = f"place.{name}"
    return column(language)[key].format(number=number) if number.isdigit() and has(key) else text


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
    return {key: _corrected(convert(text)) for key, text in CHINESE.items()}


_CORRECTIONS: Final = {
    "棋鍾": "棋鐘",
    "系統只讀": "系統唯讀",
    "全屏": "全螢幕",
    "幫助": "說明",
    "單擊": "按一下",
    "拖動": "拖曳",
    "拖到": "拖曳到",
    "退格鍵": "倒退鍵",
    "回車鍵": " Enter 鍵",
    "許可權": "權限",
    "撤銷": "復原",
    "協議": "協定",
    "列表": "清單",
    "自定": "自訂",
    "字號": "文字大小",
    "文本": "純文字",
    "註釋": "註解",
    "設定檔案": "設定檔",
    "檔案頭": "檔頭",
    "退出碼": "結束代碼",
    "擴充套件名": "副檔名",
    "查詢相似": "尋找相似",
    "輸入文字查詢": "輸入文字尋找",
    "查詢棋手": "尋找棋手",
}
"""Words that OpenCC takes over from the mainland, or converts wrongly, and what readers in Taiwan say instead."""


def _corrected(text: str) -> str:
    for word, better in _CORRECTIONS.items():
        text = text.replace(word, better)
    return text


_PLACED: Final = re.compile(r"((?:.+?, )?(?:(?:game|line|byte|ply) \d+(?:, )?)+): (.+)")
"""A fault with its place."""
_SHAPES: Final = {
    **dict.fromkeys(("winner", "loser"), "Red|Black"),
    **dict.fromkeys(("color", "other"), "red|black"),
    **dict.fromkeys(("number", "count", "size", "ply", "plies"), r"[\d,]+"),
    **dict.fromkeys(("bytes", "games"), r"[\d,]+ \w+"),
    "suffix": r"\.\w+|'[^']*'",
    "square": "[a-i][0-9]",
    "opinion": "wdl|depth|nodes|candidates",
}
"""What words in braces look like, by their names; any others are any text."""


@functools.cache
def _sentences() -> list[tuple[str, re.Pattern[str]]]:
    """Return the keys of the sentences of the packages below, and what these look like."""
    found = []
    for key, text in ENGLISH.items():
        if key.startswith("said."):
            parts = re.split(r"\{(\w+)\}", text)
            plain = [re.escape(part.replace("{{", "{").replace("}}", "}")) for part in parts[::2]]
            words = [f"(?P<{name}>{_SHAPES.get(name, '.+?')})" for name in parts[1::2]]
            pattern = "".join(part for pair in zip(plain, [*words, ""], strict=True) for part in pair)
            found.append((key, re.compile(pattern)))
    return found


@functools.cache
def _faults() -> dict[str, str]:
    """Return the keys of the faults of a position by what the library says of them."""
    from xiangqi.status import FAULTS

    return {text: f"fault.{str(flag.name).lower()}" for flag, text in FAULTS.items()}


def language() -> str:
    """Return the code of the current language."""
    return _language


def set_language(code: str) -> None:
    """Change the language of all texts. Raises ``KeyError``."""
    global _language
    column(code)
    _language = code
