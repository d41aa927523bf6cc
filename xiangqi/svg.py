"""The board as an SVG document: ``svg.board(board)``. Jupyter displays a ``Board`` this way.

Characters are drawn as outlines, so no font is needed. Arguments control the rest:

>>> from xiangqi import Board, Move, svg
>>> board = Board.from_moves("h2e2 h9g7")
>>> picture = svg.board(
...     board,
...     orientation=1,
...     arrows=[svg.Arrow(Move.from_iccs("h0g2"), weight=0.7, label="70%"), Move.from_iccs("b0c2")],
...     marks=[svg.Mark(22, color="blue")],
... )
>>> picture.startswith("<svg ")
True
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import Final

from xiangqi.board import Board
from xiangqi.glyphs import GLYPHS
from xiangqi.move import (
    BLACK,
    COLOR_NAMES,
    FILE_NAMES,
    NULL_MOVE,
    PIECE_NAMES,
    RED,
    SQUARES,
    Color,
    Move,
    Piece,
    Square,
    no_square,
    square,
)
from xiangqi.text import Coordinates, Pieces, check_options

COLORS: Final = MappingProxyType({"green": "#2f8f5b", "blue": "#2f6fb5", "red": "#c8382c", "yellow": "#e0a100"})
"""Named colours. Arrows and marks take these and any other SVG colour."""


@dataclass(frozen=True)
class Arrow:
    """An arrow along a move. ``weight``, from 0 to 1, sets its width; ``label`` is written on it."""

    move: Move
    color: str = "green"
    weight: float = 1.0
    label: str = ""


@dataclass(frozen=True)
class Mark:
    """A mark on a point: a ring around the piece there, or a dot. ``weight``, from 0 to 1, sets its opacity.

    Raises ``ValueError`` if ``square`` is not one.
    """

    square: Square
    color: str = "green"
    weight: float = 1.0
    label: str = ""

    def __post_init__(self) -> None:
        if self.square not in SQUARES:
            raise no_square(self.square)


def board(
    board: Board,
    *,
    orientation: Color = RED,
    last_move: Move | None = None,
    arrows: Iterable[Arrow | Move] = (),
    marks: Iterable[Mark | Square] = (),
    check: bool = True,
    coordinates: Coordinates | None = "iccs",
    pieces: Pieces = "traditional",
    size: float | None = 480,
) -> str:
    """Return a board as an SVG document.

    ``orientation`` is the side at the bottom (the board is turned, not mirrored). ``last_move`` is the move to mark, by
    default the board's last (``NULL_MOVE`` for none). ``check`` marks a king in check. ``size`` is the width in pixels,
    or ``None`` to fill the available space. Raises ``ValueError`` for unknown options, a mark off the board and a
    size that is not above 0.
    """
    check_options(orientation, pieces, coordinates)
    if size is not None and not 0 < size < math.inf:
        raise ValueError(f"a picture is wider than 0 pixels: {size!r}")
    if last_move is None:
        last_move = board.peek() if board.ply else NULL_MOVE
    men = board.piece_map()
    king = board.king(board.turn) if check and board.is_check() else None
    spots = [mark if isinstance(mark, Mark) else Mark(mark) for mark in marks]
    # The arrow with the largest weight is drawn last, on top.
    ways = sorted((arrow if isinstance(arrow, Arrow) else Arrow(arrow) for arrow in arrows), key=lambda way: way.weight)
    margin = _MARGIN if coordinates else _NARROW_MARGIN

    parts = [_ground(margin), _GRID, _river("楚河汉界" if pieces == "simplified" else "楚河漢界")]
    if coordinates:
        parts.append(_coordinates(coordinates, orientation))
    if king is not None:
        parts.append(_glow(king, orientation))
    parts += [_man(piece, sq, orientation, pieces) for sq, piece in men.items()]
    if last_move is not NULL_MOVE:
        parts += [_corners(sq, orientation) for sq in (last_move.from_square, last_move.to_square)]
    parts += [_mark(mark, orientation, mark.square in men) for mark in spots]
    parts += [_arrow(arrow, orientation) for arrow in ways]
    parts += [_label(arrow.label, arrow.color, *_middle(arrow, orientation)) for arrow in ways if arrow.label]

    edge = margin + _FRAME
    width, height = _WIDTH + 2 * edge, _HEIGHT + 2 * edge
    scaled = "" if size is None else f' width="{_n(size)}" height="{_n(size * height / width)}"'
    characters = {piece.chinese(pieces == "traditional") for piece in men.values()} if pieces != "letters" else set()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' viewBox="{-edge} {-edge} {width} {height}"{scaled} role="img">'
        f"<title>{escape(board.fen())}</title>{_definitions(characters)}{''.join(parts)}</svg>\n"
    )


# --- Sizes and colours; neighbouring points are 60 units apart --------------------------------------------------------

_STEP: Final = 60
_WIDTH: Final = 8 * _STEP
_HEIGHT: Final = 9 * _STEP
_RADIUS: Final = 27
_MARGIN: Final = 52
_NARROW_MARGIN: Final = 40
_FRAME: Final = 10

_LINE: Final = "#6b4423"
_FACE_INK: Final = ("#b3201a", "#26211f")
_LATIN: Final = 'font-family="\'Helvetica Neue\',Helvetica,Arial,sans-serif" text-anchor="middle"'


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _xy(sq: Square, orientation: Color) -> tuple[int, int]:
    """Return the coordinates of a point of the board."""
    if orientation == BLACK:
        sq = 89 - sq
    return sq % 9 * _STEP, (9 - sq // 9) * _STEP


def _paint(color: str) -> str:
    return escape(COLORS.get(color, color))


def _strength(weight: float) -> float:
    return min(max(weight, 0.0), 1.0)


def _definitions(characters: set[str]) -> str:
    glyphs = "".join([f'<path id="xq-{ord(c):x}" d="{GLYPHS[c]}"/>' for c in sorted(characters)])
    return (
        "<defs>"
        '<linearGradient id="xq-wood" x1="0" y1="0" x2="0.25" y2="1"><stop offset="0" stop-color="#efcf9a"/>'
        '<stop offset="0.5" stop-color="#e6be83"/><stop offset="1" stop-color="#dcae70"/></linearGradient>'
        '<linearGradient id="xq-frame" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#8a5a33"/>'
        '<stop offset="1" stop-color="#63391b"/></linearGradient>'
        '<radialGradient id="xq-face" cx="0.4" cy="0.32" r="0.75"><stop offset="0" stop-color="#fff7e3"/>'
        '<stop offset="0.6" stop-color="#f8e3b8"/><stop offset="1" stop-color="#e5bf83"/></radialGradient>'
        '<radialGradient id="xq-shadow"><stop offset="0.78" stop-color="#3a1f08" stop-opacity="0.5"/>'
        '<stop offset="1" stop-color="#3a1f08" stop-opacity="0"/></radialGradient>'
        '<radialGradient id="xq-check"><stop offset="0.55" stop-color="#e02418" stop-opacity="0.95"/>'
        '<stop offset="1" stop-color="#e02418" stop-opacity="0"/></radialGradient>'
        f"{glyphs}</defs>"
    )


# --- The board --------------------------------------------------------------------------------------------------------


def _ground(margin: int) -> str:
    edge = margin + _FRAME
    return (
        f'<rect x="{-edge}" y="{-edge}" width="{_WIDTH + 2 * edge}" height="{_HEIGHT + 2 * edge}" rx="9"'
        ' fill="url(#xq-frame)"/>'
        f'<rect x="{-margin}" y="{-margin}" width="{_WIDTH + 2 * margin}" height="{_HEIGHT + 2 * margin}" rx="3"'
        ' fill="url(#xq-wood)" stroke="#4a2a12" stroke-width="1"/>'
    )


def _grid() -> str:
    lines = [f"M0 {y}H{_WIDTH}" for y in range(0, _HEIGHT + 1, _STEP)]
    bank = 4 * _STEP
    lines += [f"M{x} 0V{bank}M{x} {bank + _STEP}V{_HEIGHT}" for x in range(_STEP, _WIDTH, _STEP)]
    lines += [f"M0 0V{_HEIGHT}M{_WIDTH} 0V{_HEIGHT}"]
    left, right, deep = 3 * _STEP, 5 * _STEP, 2 * _STEP
    lines += [f"M{left} {y}L{right} {y + deep}M{right} {y}L{left} {y + deep}" for y in (0, _HEIGHT - deep)]
    stars = [(file, rank) for file in (1, 7) for rank in (2, 7)]
    stars += [(file, rank) for file in range(0, 9, 2) for rank in (3, 6)]
    near, far = 5, 14
    for file, rank in stars:
        for side in (-1, 1):
            if 0 <= file + side <= 8:
                x, y = file * _STEP, rank * _STEP
                lines += [f"M{x + side * far} {y + up * near}H{x + side * near}V{y + up * far}" for up in (-1, 1)]
    return (
        f'<g fill="none" stroke="{_LINE}"><path stroke-width="1.5" d="{"".join(lines)}"/>'
        f'<rect x="-5" y="-5" width="{_WIDTH + 10}" height="{_HEIGHT + 10}" stroke-width="3"/></g>'
    )


_GRID: Final = _grid()


def _river(name: str) -> str:
    """Return the inscription of the river: Chu river, Han border."""
    y = 4.5 * _STEP
    spots = zip(name, (1.25, 2.5, 5.5, 6.75), strict=True)
    glyphs = [f'<path transform="translate({_n(x * _STEP)} {_n(y)}) scale(0.1)" d="{GLYPHS[c]}"/>' for c, x in spots]
    return f'<g fill="{_LINE}" fill-opacity="0.75">{"".join(glyphs)}</g>'


def _coordinates(kind: Coordinates, orientation: Color) -> str:
    out = _MARGIN - 13
    texts = []
    if kind == "iccs":
        for file in range(9):
            x, _ = _xy(square(file, 0), orientation)
            texts += [_text(FILE_NAMES[file], x, y) for y in (-out, _HEIGHT + out)]
        for rank in range(10):
            _, y = _xy(square(0, rank), orientation)
            texts += [_text(str(rank), x, y) for x in (-out, _WIDTH + out)]
    else:
        for file in range(9):
            x, _ = _xy(square(file, 0), orientation)
            red, black = (_HEIGHT + out, -out) if orientation == RED else (-out, _HEIGHT + out)
            numeral = GLYPHS["一二三四五六七八九"[8 - file]]
            texts.append(f'<path transform="translate({x} {red}) scale(0.045)" d="{numeral}"/>')
            texts.append(_text(str(file + 1), x, black))
    return f'<g {_LATIN} font-size="15" fill="{_LINE}">{"".join(texts)}</g>'


def _text(text: str, x: float, y: float, height: float = 15) -> str:
    """Return text whose capitals and digits are centred on a point."""
    return f'<text x="{_n(x)}" y="{_n(y + 0.36 * height)}">{escape(text)}</text>'


# --- Pieces and marks -------------------------------------------------------------------------------------------------


def _man(piece: Piece, sq: Square, orientation: Color, pieces: Pieces) -> str:
    x, y = _xy(sq, orientation)
    ink = _FACE_INK[piece.color]
    if pieces == "letters":
        name = f'<g {_LATIN} font-size="31" font-weight="bold" fill="{ink}">{_text(piece.symbol(), 0, 0, 31)}</g>'
    else:
        character = ord(piece.chinese(pieces == "traditional"))
        name = (
            f'<use href="#xq-{character:x}" xlink:href="#xq-{character:x}" transform="scale(0.092)"'
            f' fill="{ink}" stroke="{ink}" stroke-width="9"/>'
        )
    return (
        f'<g class="piece {COLOR_NAMES[piece.color]} {PIECE_NAMES[piece.type]}" transform="translate({x} {y})">'
        f'<circle cy="3" r="{_RADIUS + 3.5}" fill="url(#xq-shadow)"/>'
        f'<circle r="{_RADIUS}" fill="url(#xq-face)" stroke="#8d5f2f" stroke-width="1.2"/>'
        f'<circle r="{_RADIUS - 4}" fill="none" stroke="{ink}" stroke-width="1.6"/>{name}</g>'
    )


def _glow(sq: Square, orientation: Color) -> str:
    x, y = _xy(sq, orientation)
    return f'<circle class="check" cx="{x}" cy="{y}" r="{_RADIUS + 14}" fill="url(#xq-check)"/>'


def _corners(sq: Square, orientation: Color) -> str:
    """Return four corners around a point, the usual mark of the last move."""
    x, y = _xy(sq, orientation)
    reach, arm = _RADIUS + 2, 11
    corners = "".join(
        [
            f"M{x + side * (reach - arm)} {y + up * reach}H{x + side * reach}V{y + up * (reach - arm)}"
            for side in (-1, 1)
            for up in (-1, 1)
        ]
    )
    return (
        '<path class="last-move" fill="none" stroke="#1d6f63" stroke-width="3.5" stroke-linecap="round"'
        f' d="{corners}"/>'
    )


def _mark(mark: Mark, orientation: Color, occupied: bool) -> str:
    x, y = _xy(mark.square, orientation)
    color, strength = _paint(mark.color), _strength(mark.weight)
    if occupied:
        shape = (
            f'<circle class="mark" cx="{x}" cy="{y}" r="{_RADIUS + 0.5}"'
            f' fill="{color}" fill-opacity="{_n(0.32 * strength)}"'
            f' stroke="{color}" stroke-opacity="{_n(0.25 + 0.75 * strength)}" stroke-width="3.5"/>'
        )
    else:
        opacity = _n(0.2 + 0.7 * strength)
        shape = f'<circle class="mark" cx="{x}" cy="{y}" r="8.5" fill="{color}" fill-opacity="{opacity}"/>'
    return shape + (_label(mark.label, mark.color, x, y + _RADIUS) if mark.label else "")


def _arrow(arrow: Arrow, orientation: Color) -> str:
    (ax, ay), (bx, by) = _xy(arrow.move.from_square, orientation), _xy(arrow.move.to_square, orientation)
    strength = _strength(arrow.weight)
    length = math.hypot(bx - ax, by - ay)
    # Drawn along the x axis, then rotated: from the edge of the piece to just before the centre of the target.
    start, tip = _RADIUS * 0.6, length - 4
    half = 2 + 4 * strength
    head, barb = 12 + 9 * strength, 7 + 7 * strength
    near, far = f"{_n(start)} {_n(half * 0.7)}", _n(tip - head)
    outline = (
        f"M{_n(start)} {_n(-half * 0.7)}L{far} {_n(-half)}V{_n(-barb)}L{_n(tip)} 0L{far} {_n(barb)}V{_n(half)}L{near}Z"
    )
    return (
        f'<path class="arrow" transform="translate({ax} {ay}) rotate({_n(math.degrees(math.atan2(by - ay, bx - ax)))})"'
        f' d="{outline}" fill="{_paint(arrow.color)}"'
        f' fill-opacity="{_n(0.5 + 0.35 * strength)}" stroke="#fff" stroke-opacity="0.6" stroke-width="1"'
        ' stroke-linejoin="round"/>'
    )


def _middle(arrow: Arrow, orientation: Color) -> tuple[float, float]:
    (ax, ay), (bx, by) = _xy(arrow.move.from_square, orientation), _xy(arrow.move.to_square, orientation)
    return (ax + bx) / 2, (ay + by) / 2


def _label(text: str, color: str, x: float, y: float) -> str:
    width = 12 + 8 * len(text)
    return (
        f'<rect x="{_n(x - width / 2)}" y="{_n(y - 9)}" width="{_n(width)}" height="18" rx="9" fill="{_paint(color)}"/>'
        f'<g {_LATIN} font-size="13" font-weight="bold" fill="#fff">{_text(text, x, y, 13)}</g>'
    )
