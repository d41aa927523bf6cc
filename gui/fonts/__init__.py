"""The two bundled fonts: one for pieces, board and banner, and one for all other text.

They are loaded by path, so that Chinese characters look the same everywhere and are never missing boxes. The first is
cut down to the characters that the board writes: whoever writes a new one there adds it here and runs
``make_fonts.py``; a test compares. The second has all that names and comments are written with.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Final

import pygame

PIECE_CHARACTERS: Final = "帥仕相傌俥炮兵將士象馬車砲卒帅马车将"
NOTATION_CHARACTERS: Final = PIECE_CHARACTERS + "進退平进前中後后一二三四五六七八九１２３４５６７８９"
KAI_CHARACTERS: Final = NOTATION_CHARACTERS + "楚河漢界汉象棋紅黑和勝胜红將軍将军絕殺杀困斃毙認认負负 0123456789"
"""What ``kai.ttf`` holds."""
UI_RANGES: Final = (
    (0x20, 0x24F),  # Latin
    (0x370, 0x3FF),  # Greek
    (0x2000, 0x2BFF),  # punctuation, arrows, signs
    (0x2E80, 0x9FFF),  # Chinese, Japanese kana
    (0xF900, 0xFAFF),
    (0xFE30, 0xFFEF),  # full-width forms
)
"""``ui.ttf`` holds all characters of these ranges that its source has: those of GB 18030, in both scripts."""

KAI: Final = "kai.ttf"
UI: Final = "ui.ttf"


def load(name: str, size: int) -> pygame.font.Font:
    """Open a bundled font, ``KAI`` or ``UI``, at ``size`` pixels."""
    pygame.font.init()
    with as_file(files(__package__) / name) as path:
        return pygame.font.Font(path, size)
