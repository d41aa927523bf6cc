"""A person's own pictures of the pieces, from a folder.

The files are named as those of XQWizard and of most sets: ``r`` or ``b`` for the side and the letter of the piece
(K, A, B, N, R, C, P), as ``rk.png``, in capitals or not, in any format that pygame reads.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import platformdirs
import pygame

SUFFIXES: Final = (".png", ".svg", ".webp", ".gif", ".bmp", ".jpg")
_LETTERS: Final = " kabnrcp"


def folder() -> Path:
    """Return the folder of the user's pictures."""
    return platformdirs.user_config_path("xqlm", appauthor=False) / "pieces"


@lru_cache(maxsize=2)
def load(path: Path) -> dict[int, pygame.Surface]:
    """Return the pictures of a folder by cell codes, ``color * 8 + type``; empty unless each of the 14 can be read."""
    try:
        files = {file.name.lower(): file for file in sorted(path.iterdir())}
        found = {}
        for code in (color * 8 + kind for color in (0, 1) for kind in range(1, 8)):
            name = "rb"[code // 8] + _LETTERS[code % 8]
            file = next(files[name + suffix] for suffix in SUFFIXES if name + suffix in files)
            found[code] = pygame.image.load(file)
    except (OSError, pygame.error, StopIteration):
        return {}
    return found


def drawn(picture: pygame.Surface, diameter: int) -> pygame.Surface:
    """Return a picture as large as a piece, in its own proportions."""
    width, height = picture.get_size()
    scale = diameter / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    full = pygame.Surface(picture.get_size(), pygame.SRCALPHA)
    full.blit(picture, (0, 0))  # as pictures with a palette cannot be scaled smoothly
    surface = pygame.Surface((diameter, diameter), pygame.SRCALPHA)
    scaled = pygame.transform.smoothscale(full, size)
    surface.blit(scaled, scaled.get_rect(center=surface.get_rect().center))
    return surface
