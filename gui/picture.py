"""A picture of the position shown: to a file, PNG or SVG, or to the clipboard."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pygame

from gui import theme
from gui.board_view import BoardView, Marks, drawn_marks
from gui.layout import arrange
from xiangqi import Move, svg
from xiangqi.formats.streams import open_replacing
from xiangqi.text import Pieces

if TYPE_CHECKING:
    from gui.session import Session

HEIGHT: Final = 1200
"""Pixels of the picture's height."""
SUFFIXES: Final = (".png", ".svg")
_COLORS: Final = {"G": "green", "R": "red", "Y": "yellow", "B": "blue"}
_PROGRAMS: Final = (("wl-copy", "--type", "image/png"), ("xclip", "-selection", "clipboard", "-t", "image/png"))
"""Programs that put a picture into the clipboard of a Linux desktop, Wayland's first."""


def save(session: Session, path: Path) -> None:
    """Write a picture to a file, PNG or SVG by its suffix. Raises ``OSError``."""
    data = as_svg(session).encode() if path.suffix.lower() == ".svg" else as_png(session)
    with open_replacing(path) as file:
        file.write(data)


def as_svg(session: Session) -> str:
    """Return the position as an SVG document."""
    pieces: Pieces = "traditional" if session.traditional else "simplified"
    if theme.pieces == "letters":
        pieces = "letters"
    drawn = session.node.drawn
    arrows = [svg.Arrow(Move(one.start, one.end), _COLORS[one.color], 0.7) for one in drawn if not one.is_circle]
    circles = [svg.Mark(one.start, _COLORS[one.color]) for one in drawn if one.is_circle]
    return svg.board(
        session.shown,
        orientation=session.bottom,
        last_move=session.last_move,
        pieces=pieces,
        coordinates="iccs" if session.scribe.style.notation == "iccs" else "files",
        arrows=arrows,
        marks=circles,
    )


def as_png(session: Session) -> bytes:
    """Return the position, as it looks on the board, as the bytes of a PNG file."""
    layout = arrange(HEIGHT * 2, HEIGHT, 0, 1)
    screen = pygame.Surface(layout.size, depth=32)
    view, move = BoardView(), session.last_move
    view.traditional, view.notation = session.traditional, session.scribe.style.notation
    view.show(session.shown.cells.tolist(), 0.0, layout, session.bottom, None)
    last = None if move is None else (move.from_square, move.to_square)
    arrows, circles = drawn_marks(session.node.drawn)
    marks = Marks(last_move=last, check=session.checked_king, arrows=arrows, circles=circles)
    view.draw(screen, layout, session.bottom, marks, 1e9)
    file = io.BytesIO()
    pygame.image.save(screen.subsurface(layout.plate), file, "board.png")
    return file.getvalue()


def copy(session: Session) -> bool:
    """Put a picture into the clipboard; return whether a program was found that can. Raises ``OSError``."""
    programs = _PROGRAMS if os.environ.get("WAYLAND_DISPLAY") else _PROGRAMS[::-1]
    for name, *options in programs:
        if (program := shutil.which(name)) is not None:
            subprocess.run(
                [program, *options],
                input=as_png(session),
                stdout=subprocess.DEVNULL,  # the program stays to serve the clipboard, and would hold a pipe open
                stderr=subprocess.DEVNULL,
                timeout=5,
                check=True,
            )
            return True
    return False
