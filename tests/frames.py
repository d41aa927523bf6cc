"""Presses keys, and reads from the pixels of the window what a person sees there."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

import numpy as np
import pygame
from numpy.typing import NDArray

from gui import fonts, theme
from gui.app import App
from gui.board_view import Marks
from gui.layout import MARGIN
from xiangqi import square_name

Frame = NDArray[np.int32]
"""The pixels of a window, ``(width, height, 3)``."""

NOWHERE = (1, 1)
"""Where the pointer is out of the way."""


def shot(app: App, pointer: tuple[int, int] = NOWHERE, now: float = 1000.0, settled: bool = True) -> Frame:
    """Draw a frame at a time in seconds and return it, ``settled`` when nothing glides any more."""
    with patch("pygame.mouse.get_pos", return_value=pointer):
        if settled:
            app.frame(now - 100)
        app.frame(now)
    return pygame.surfarray.array3d(app.window.get_surface()).astype(np.int32)


def key(app: App, name: str, mod: int = 0) -> None:
    """Press a key by pygame's name for it, with modifiers."""
    app.handle(pygame.Event(pygame.KEYDOWN, key=pygame.key.key_code(name), mod=mod, unicode=""))


def unmarked(app: App) -> Frame:
    """Draw the same frame without a mark on the board."""
    with patch.object(App, "_marks", return_value=Marks()):
        return shot(app)


def around(app: App, frame: Frame, name: str, reach: float) -> Frame:
    """Return the pixels around the point of a square, up to ``reach`` cells away in each direction."""
    x, y = spot(app, name)
    r = round(reach * app.layout.cell)
    return frame[x - r : x + r + 1, y - r : y + r + 1]


def spot(app: App, name: str) -> tuple[int, int]:
    """Return the pixel of a square, worked out from the board's edges: for Red below, a0 is at the lower left."""
    file, rank = "abcdefghi".index(name[0]), int(name[1])
    if app.session.bottom:
        file, rank = 8 - file, 9 - rank
    layout = app.layout
    return round(layout.plate.x + (MARGIN + file) * layout.cell), round(
        layout.plate.y + (MARGIN + 9 - rank) * layout.cell
    )


def squares_where(app: App, test: Callable[[str], bool]) -> set[str]:
    """Return the names of the squares for which a test holds."""
    return {name for name in map(square_name, range(90)) if test(name)}


def changed(app: App, before: Frame, after: Frame, reach: float) -> set[str]:
    """Return the squares around whose point the frames differ clearly."""

    def differs(name: str) -> bool:
        difference = np.abs(around(app, after, name, reach) - around(app, before, name, reach)).sum(2)
        return bool((difference > 40).mean() > 0.01)

    return squares_where(app, differs)


def moved_pixels(before: Frame, after: Frame) -> pygame.Rect:
    """Return the smallest rectangle that holds all pixels in which two frames differ; empty if there are none."""
    x, y = np.nonzero((before != after).any(2))
    return pygame.Rect(x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1) if len(x) else pygame.Rect(0, 0, 0, 0)


def close_to(pixels: Frame, color: tuple[int, int, int], most: int = 12) -> NDArray[np.bool_]:
    """Return which pixels are of about this colour."""
    return np.abs(pixels - np.array(color)).max(-1) <= most


def pieces(app: App, frame: Frame) -> dict[str, str]:
    """Read the pieces off the board: by square, the character on the disc that looks most like what is drawn."""
    diameter = round(app.layout.cell * 0.9)
    r = round(app.layout.cell * 0.22)
    labels, faces = [], []
    for traditional in (True, False):
        for code, character in enumerate(theme.GLYPHS[traditional]):
            if character != " ":
                face = pygame.surfarray.array3d(theme.piece(code, diameter, traditional)).astype(np.int32)
                labels.append(("red " if code < 8 else "black ") + character)
                faces.append(face[diameter // 2 - r :, diameter // 2 - r :][: 2 * r + 1 : 2, : 2 * r + 1 : 2])
    found = {}
    for name in map(square_name, range(90)):
        x, y = spot(app, name)
        distances = np.min(  # a piece may lie half a pixel beside its point
            [
                np.abs(frame[x + dx - r : x + dx + r + 1 : 2, y + dy - r : y + dy + r + 1 : 2] - np.array(faces)).mean(
                    (1, 2, 3)
                )
                for dx in (-1, 0, 1)
                for dy in (-1, 0, 1)
            ],
            axis=0,
        )
        if distances.min() < 15:
            found[name] = labels[int(distances.argmin())]
    return found


def numerals(app: App, frame: Frame) -> tuple[str, str]:
    """Read the numbers of the files above and below the board, each from left to right."""
    layout = app.layout
    size, r = round(layout.cell * 0.24), round(layout.cell * 0.16)
    shapes = {}
    for numeral in "一二三四五六七八九１２３４５６７８９":
        mark = theme.text(numeral, size, theme.LINE, fonts.KAI)
        body = mark.get_bounding_rect()
        shape = np.zeros((2 * r + 1, 2 * r + 1))
        alpha = pygame.surfarray.array_alpha(mark)[body.x : body.right, body.y : body.bottom] / 255
        shape[r - body.width // 2 :, r - body.height // 2 :][: body.width, : body.height] = alpha
        shapes[numeral] = shape
    lines = []
    for row in (-0.74, 9.74):
        line = ""
        for file in range(9):
            x = round(layout.plate.x + (MARGIN + file) * layout.cell)
            y = round(layout.plate.y + (MARGIN + row) * layout.cell)
            pixels = frame[x - r : x + r + 1, y - r : y + r + 1].mean(2)
            ink = np.clip((np.median(pixels) - pixels) / (np.median(pixels) - np.mean(theme.LINE)), 0, 1)
            line += min(shapes, key=lambda numeral: float(np.abs(shapes[numeral] - ink).sum()))
        lines.append(line)
    return lines[0], lines[1]
