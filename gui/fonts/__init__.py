"""The bundled fonts: one for pieces, board and banner, one for letters on pieces, and one for all other text.

They are loaded by path, so that Chinese characters look the same everywhere and are never missing boxes. The first is
cut down to the characters that the board writes: whoever writes a new one there adds it here and runs
``make_fonts.py``; a test compares. The last has all that names and comments are written with.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Final

import pygame

PIECE_CHARACTERS: Final = "帥仕相傌俥炮兵將士象馬車砲卒帅马车将"
NOTATION_CHARACTERS: Final = PIECE_CHARACTERS + "進退平进前中後后一二三四五六七八九１２３４５６７８９"
KAI_CHARACTERS: Final = NOTATION_CHARACTERS + "楚河漢界汉象棋紅黑和勝胜红將軍将军絕殺杀困斃毙認认負负 0123456789"
"""What ``kai.ttf`` holds."""
LETTER_CHARACTERS: Final = "KAEHRCP"
"""What ``letters.ttf`` holds: the letters of the pieces."""
UI_RANGES: Final = (
    (0x20, 0x24F),  # Latin
    (0x370, 0x52F),  # Greek, Cyrillic
    (0x1E00, 0x1EFF),  # Vietnamese
    (0x2000, 0x2BFF),  # punctuation, arrows, signs
    (0x2E80, 0x9FFF),  # Chinese with its Extension A, Japanese kana
    (0xAC00, 0xD7A3),  # Korean
    (0xF900, 0xFAFF),
    (0xFE30, 0xFFEF),  # full-width forms
)
"""``ui.ttf`` holds all characters of these ranges that its sources have: those of GB 18030, in both scripts."""

KAI: Final = "kai.ttf"
UI: Final = "ui.ttf"
LETTERS: Final = "letters.ttf"


def load(name: str, size: int) -> pygame.font.Font:
    """Open a bundled font, ``KAI``, ``UI`` or ``LETTERS``, at ``size`` pixels."""
    pygame.font.init()
    with as_file(files(__package__) / name) as path:
        return pygame.font.Font(path, size)
