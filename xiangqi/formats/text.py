"""Code shared by text formats: Chinese encodings, control characters, and spellings of results."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final


class TextDecoder:
    """Decodes the parts of one file: as UTF-8 if valid, else as GB18030 or Big5, whichever is likelier.

    Evidence from earlier parts is kept, so that a short name is decoded like the rest of its file.

    >>> TextDecoder().decode("胡荣华".encode("gb18030")), TextDecoder().decode("胡榮華".encode("big5"))
    ('胡荣华', '胡榮華')
    """

    def __init__(self) -> None:
        self._gb = self._big5 = 0

    def decode(self, data: bytes) -> str:
        """Return the text of ``data``; bytes that are invalid in all encodings become U+FFFD.

        >>> decoder = TextDecoder()
        >>> decoder.decode("仙人指路".encode("gb18030")), decoder.decode(b"1. h2e2 h9g7 *")
        ('仙人指路', '1. h2e2 h9g7 *')
        """
        try:
            return data.decode().removeprefix("\ufeff")
        except UnicodeDecodeError:
            text = data.decode("utf-8-sig", "replace")
        bad = text.count("\ufffd")
        if 4 * bad < len(text) - len(text.encode("ascii", "ignore")):
            return text  # UTF-8 with a few invalid bytes
        self._weigh(data)
        first, second = ("gb18030", "big5hkscs") if self._gb >= self._big5 else ("big5hkscs", "gb18030")
        for encoding in (first, second):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                continue
        return data.decode(first, "replace")

    def _weigh(self, data: bytes) -> None:
        """Count the characters that would be common ones; each encoding has its own range for these."""
        for lead, trail in _PAIR.findall(data):
            self._gb += (0xB0 <= lead[0] <= 0xD7 or 0xA1 <= lead[0] <= 0xA3) and trail[0] >= 0xA1
            self._big5 += 0xA1 <= lead[0] <= 0xC6 and (trail[0] <= 0x7E or trail[0] >= 0xA1)


_PAIR: Final = re.compile(rb"([\x81-\xfe])([\x40-\xfe])")

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_CONTROLS_BUT_BREAKS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]+")


def one_line(text: str) -> str:
    """Return a text with a space for each run of control characters, including line breaks.

    >>> one_line("五羊杯\\r\\n第12\\0轮 ")
    '五羊杯 第12 轮 '
    """
    return text if text.isprintable() else _CONTROLS.sub(" ", text)


def clean_header(text: str) -> str:
    """Return a header's text on one line, without padding.

    >>> clean_header("五羊杯\\r\\n第12轮 ")
    '五羊杯 第12轮'
    """
    return one_line(text).strip()


def clean_comment(text: str) -> str:
    """Return a comment with plain line ends, without padding and without other control characters.

    >>> clean_comment("好\\0棋\\r\\n\\0")
    '好棋'
    """
    if not text.isprintable():
        text = _CONTROLS_BUT_BREAKS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return text.strip()


_RED_WINS: Final = re.compile(r"1\s*[-:]\s*0|[红紅先].*[胜勝]|[红紅]方?先?[胜勝]|red\s?(wins|win|won)?", re.IGNORECASE)
_BLACK_WINS: Final = re.compile(r"0\s*[-:]\s*1|黑.*[胜勝]|[红紅先].*[负負]|black\s?(wins|win|won)?", re.IGNORECASE)
_DRAW: Final = re.compile(r"1/2(\s*[-:]\s*1/2)?|½(-½)?|0?\.5-0?\.5|.*和.*|draw|drawn", re.IGNORECASE)


@lru_cache(maxsize=256)
def parse_result(text: str) -> str:
    """Return ``1-0``, ``0-1``, ``1/2-1/2`` or ``*`` for a result in any common spelling.

    >>> [parse_result(text) for text in ("1-0", "黑方胜", "红先和", "½-½", "?")]
    ['1-0', '0-1', '1/2-1/2', '1/2-1/2', '*']
    """
    text = unicodedata.normalize("NFKC", text[:40]).replace("\u2044", "/").strip()
    for pattern, result in ((_BLACK_WINS, "0-1"), (_RED_WINS, "1-0"), (_DRAW, "1/2-1/2")):
        if pattern.fullmatch(text):
            return result
    return "*"
