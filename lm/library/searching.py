"""The form in which texts are searched: scripts, widths and cases count as the same. No kernel is loaded for it."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opencc import OpenCC


def searchable(text: str) -> str:
    """Return a text in the form in which texts are compared: simplified, in small letters, with plain digits.

    >>> searchable("胡榮華 Cup ２０００")
    '胡荣华 cup 2000'
    """
    if text.isascii():
        return text.casefold()
    converted: str = _simplifier().convert(unicodedata.normalize("NFKC", text))
    return converted.casefold()


@cache
def _simplifier() -> OpenCC:
    from opencc import OpenCC  # imported here: only texts that are not of plain letters need it

    return OpenCC("t2s")
