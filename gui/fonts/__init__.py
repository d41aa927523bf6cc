"""The two bundled fonts, each cut down to the characters that the board writes.

They are loaded by path, so that Chinese characters look the same everywhere and are never missing boxes. Whoever writes
a new character in the window adds it here and runs ``make_fonts.py``; a test compares.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Final

import pygame

PIECE_CHARACTERS: Final = "帥仕相傌俥炮兵將士象馬車砲卒帅马车将"
NOTATION_CHARACTERS: Final = PIECE_CHARACTERS + "進退平进前中後后一二三四五六七八九１２３４５６７８９"
LATIN: Final = "".join(map(chr, [*range(0x20, 0x7F), *range(0xA0, 0x100)])) + "–—‘’“”…←→↑↓−×□"

CHARACTERS: Final = {
    "kai.ttf": NOTATION_CHARACTERS + "楚河漢界汉象棋紅黑和勝胜红將軍将军絕殺杀困斃毙認认負负 0123456789",
    "ui.ttf": LATIN + NOTATION_CHARACTERS + "象棋簡繁简體体楚河漢界紅黑",
}
"""What each font file holds: ``kai.ttf`` for pieces, board and banner, ``ui.ttf`` for everything else."""

KAI: Final = "kai.ttf"
UI: Final = "ui.ttf"


def load(name: str, size: int) -> pygame.font.Font:
    """Open a bundled font, ``KAI`` or ``UI``, at ``size`` pixels."""
    pygame.font.init()
    with as_file(files(__package__) / name) as path:
        return pygame.font.Font(path, size)
