"""Draws the board: wood, lines, pieces and marks. Pieces glide when the position changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pygame

from gui import fonts, theme
from gui.layout import MARGIN, Layout, Point
from gui.palettes import DRAWN, Rgb

if TYPE_CHECKING:
    from gui.notation import Notation
    from xiangqi.tags import Drawn

GLIDE = 0.24
"""Seconds that a piece takes to glide to its new square, at normal speed."""

_CROSSES = [(file, rank) for rank in (2, 7) for file in (1, 7)] + [(f, r) for r in (3, 6) for f in range(0, 9, 2)]
_FILES: Final[dict[Notation, tuple[str, str]]] = {
    "chinese": ("九八七六五四三二一", "１２３４５６７８９"),
    "wxf": ("９８７６５４３２１", "１２３４５６７８９"),
    "iccs": ("abcdefghi", "abcdefghi"),
}
"""How Red's and Black's files are called, from Red's left to right."""


@dataclass(frozen=True)
class Arrow:
    """An arrow from square to square; ``weight``, 0 to 1, makes it thicker and less transparent."""

    start: int
    end: int
    color: Rgb
    weight: float = 1.0
    aside: float = 0.0
    """How far it lies beside the line from point to point, in cells, so that two arrows of one move are both seen."""


@dataclass(frozen=True)
class Circle:
    """A circle around a point."""

    square: int
    color: Rgb


@dataclass(frozen=True)
class Glow:
    """A light around a piece; ``strength`` is 0 to 1."""

    square: int
    color: Rgb
    strength: float


@dataclass
class Marks:
    """The marks on a position: the selected piece and its targets, the last move, the king in check."""

    selected: int | None = None
    targets: Sequence[int] = ()
    last_move: tuple[int, int] | None = None
    check: int | None = None
    hover: int | None = None
    arrows: Sequence[Arrow] = ()
    """Drawn over the pieces, in order."""
    circles: Sequence[Circle] = ()
    """Drawn over the pieces."""
    glows: Sequence[Glow] = ()
    """Drawn under the pieces."""


def drawn_marks(drawn: Sequence[Drawn]) -> tuple[list[Arrow], list[Circle]]:
    """Return the arrows and circles that a person drew."""
    arrows = [Arrow(one.start, one.end, DRAWN[one.color], 0.7) for one in drawn if not one.is_circle]
    return arrows, [Circle(one.start, DRAWN[one.color]) for one in drawn if one.is_circle]


@dataclass(frozen=True)
class Scene:
    """What the board shows."""

    cells: Sequence[int]
    """The position by square: ``color * 8 + type``, 0 where there is no piece."""
    bottom: int
    """The side at the lower edge."""
    marks: Marks
    dragged: Point | None = None
    """Where the selected piece is drawn, if the pointer holds it."""


@dataclass
class _Glide:
    code: int
    start: Point
    square: int


@dataclass
class BoardView:
    """Keeps the pieces that are gliding; everything else is an argument of each frame."""

    traditional: bool = True
    coordinates: bool = True
    """Whether the files have their numbers, and in ICCS the ranks, too."""
    notation: Notation = "chinese"
    """The notation whose numbers they are."""
    glide: float = GLIDE
    """Seconds that a piece glides."""
    cells: tuple[int, ...] = (0,) * 90
    """The position on the screen by square: ``color * 8 + type``, 0 where there is no piece."""
    _gliding: dict[int, _Glide] = field(default_factory=dict)
    _fading: list[tuple[int, int]] = field(default_factory=list)
    _since: float = -1.0
    _ground: pygame.Surface | None = None
    _ground_key: object = None

    def show(
        self, cells: Sequence[int], now: float, layout: Layout, bottom: int, dropped: tuple[int, Point] | None = None
    ) -> None:
        """Change the position; pieces glide to their new squares, a ``dropped`` piece from the pixel of the drop."""
        new, old = tuple(cells), self.cells
        if new == old:
            return
        appeared = [sq for sq in range(90) if new[sq] and new[sq] != old[sq]]
        vanished = [sq for sq in range(90) if old[sq] and new[sq] != old[sq]]
        self._gliding.clear()
        for sq in appeared:
            here = layout.point(sq, bottom)
            sources = [v for v in vanished if old[v] == new[sq]]
            if not sources:
                continue
            source = min(sources, key=lambda v: _distance(layout.point(v, bottom), here))
            vanished.remove(source)
            start = dropped[1] if dropped is not None and dropped[0] == sq else layout.point(source, bottom)
            self._gliding[sq] = _Glide(new[sq], start, sq)
        self._fading = [(sq, old[sq]) for sq in vanished]
        self.cells, self._since = new, now

    def moving(self, now: float) -> bool:
        """Whether a piece is still gliding, so that the next frame differs."""
        return now - self._since < self.glide

    def draw(
        self,
        screen: pygame.Surface,
        layout: Layout,
        bottom: int,
        marks: Marks,
        now: float,
        dragged: Point | None = None,
    ) -> None:
        """Draw the window's ground and the board, with the selected piece at ``dragged`` if that is given."""
        self._draw_ground(screen, layout, bottom)
        cell = layout.cell
        if marks.last_move is not None:
            for square in marks.last_move:
                _corners(screen, layout.point(square, bottom), cell)
        if marks.check is not None:
            _center(screen, theme.glow(cell * 0.78, (230, 40, 20), 0.95), layout.point(marks.check, bottom))
        for glow in marks.glows:
            strength = 0.3 + 0.7 * round(glow.strength, 1)
            _center(screen, theme.glow(cell * 0.86, glow.color, round(strength, 2)), layout.point(glow.square, bottom))
        progress = min(1.0, (now - self._since) / self.glide) if self.glide else 1.0
        if progress >= 1.0:
            self._gliding.clear()
            self._fading.clear()
        for square, code in self._fading:
            self._piece(screen, layout, code, layout.point(square, bottom), opacity=1 - progress)
        for square, code in enumerate(self.cells):
            if code and square not in self._gliding:
                held = square == marks.selected
                ghost = 0.35 if held and dragged else 1.0
                self._piece(screen, layout, code, layout.point(square, bottom), lifted=held, opacity=ghost)
        if marks.selected is not None and dragged is None:
            halo = theme.ring(cell * 0.475, max(2.0, cell * 0.045), theme.TARGET)
            _center(screen, halo, layout.point(marks.selected, bottom))
        for square in marks.targets:
            self._target(screen, layout, layout.point(square, bottom), bool(self.cells[square]), square == marks.hover)
        eased = 1 - (1 - progress) ** 3
        for glide in self._gliding.values():
            end = layout.point(glide.square, bottom)
            x = glide.start[0] + (end[0] - glide.start[0]) * eased
            y = glide.start[1] + (end[1] - glide.start[1]) * eased
            self._piece(screen, layout, glide.code, (x, y), lifted=progress < 0.8)
        for circle in marks.circles:
            halo = theme.ring(cell * 0.5, max(2.5, cell * 0.06), circle.color, 0.95)
            _center(screen, halo, layout.point(circle.square, bottom))
        for arrow in marks.arrows:
            _draw_arrow(screen, layout.point(arrow.start, bottom), layout.point(arrow.end, bottom), cell, arrow)
        if dragged is not None and marks.selected is not None:
            self._piece(screen, layout, self.cells[marks.selected], dragged, lifted=True)

    # --- Pieces and marks ---------------------------------------------------------------------------------------------

    def _piece(
        self,
        screen: pygame.Surface,
        layout: Layout,
        code: int,
        at: Point,
        lifted: bool = False,
        opacity: float = 1.0,
    ) -> None:
        diameter = round(layout.cell * 0.9)
        drop, spread = (0.13, 1.3) if lifted else (0.055, 1.17)
        body = theme.piece(code, diameter, self.traditional)
        if opacity < 1.0:
            body = body.copy()
            body.set_alpha(round(255 * opacity))
        else:
            shadow = theme.glow(diameter / 2 * spread, (40, 18, 4), 0.62)
            _center(screen, shadow, (at[0] + layout.cell * drop * 0.5, at[1] + layout.cell * drop))
        _center(screen, body, at)

    @staticmethod
    def _target(screen: pygame.Surface, layout: Layout, at: Point, capture: bool, hover: bool) -> None:
        cell = layout.cell
        if capture:
            _center(screen, theme.ring(cell * 0.475, max(3.0, cell * 0.07), theme.TARGET, 0.95), at)
        else:
            _center(screen, theme.disc(cell * (0.2 if hover else 0.135), theme.TARGET, 0.85), at)

    # --- The wood -----------------------------------------------------------------------------------------------------

    def _draw_ground(self, screen: pygame.Surface, layout: Layout, bottom: int) -> None:
        """Draw the window's ground with the board on it, which is kept as one picture."""
        notation = self.notation if self.coordinates else None
        key = layout, bottom, notation, self.traditional, theme.current
        if self._ground is None or self._ground_key != key:
            ground, rect = pygame.Surface(layout.size, 0, screen), layout.plate
            ground.fill(theme.BACKGROUND)
            blur = max(8, round(layout.cell * 0.3))
            shadow = theme.box_shadow(rect.width, rect.height, layout.cell * 0.12, blur, 0.75)
            ground.blit(shadow, (rect.x - blur, rect.y - blur + blur // 3))
            ground.blit(_render_plate(layout, bottom, notation, self.traditional), rect)
            self._ground, self._ground_key = ground, key
        screen.blit(self._ground, (0, 0))


def _render_plate(layout: Layout, bottom: int, notation: Notation | None, traditional: bool) -> pygame.Surface:
    """Draw the fixed parts: wood, frame, lines, river, and the numbers of a notation at the edges, if any."""
    size, cell = layout.plate.size, layout.cell
    plate = theme.box(*size, cell * 0.12, theme.FRAME).copy()
    edge = max(3, round(cell * 0.09))
    wood = pygame.transform.smoothscale(theme.wood_texture(), (size[0] - 2 * edge, size[1] - 2 * edge))
    plate.blit(wood, (edge, edge))
    inner = pygame.Rect(0, 0, *size).inflate(-2 * edge, -2 * edge)
    for i, opacity in enumerate((70, 40, 18)):  # the frame's shadow on the wood
        pygame.draw.rect(plate, _darker(theme.WOOD_DARK, 1 - opacity / 160), inner.inflate(-2 * i, -2 * i), 1)

    def at(file: float, row: float) -> tuple[int, int]:
        return round((MARGIN + file) * cell), round((MARGIN + row) * cell)

    width = max(1, round(cell * 0.024))

    def line(a: tuple[int, int], b: tuple[int, int]) -> None:
        size = b[0] - a[0] + width, b[1] - a[1] + width
        plate.fill(theme.LINE, ((a[0] - width // 2, a[1] - width // 2), size))

    for row in range(10):
        line(at(0, row), at(8, row))
    for file in range(9):
        if file in (0, 8):
            line(at(file, 0), at(file, 9))
        else:
            line(at(file, 0), at(file, 4))
            line(at(file, 5), at(file, 9))
    out, thick = max(2, round(cell * 0.06)), max(2, round(cell * 0.05))
    corners = pygame.Rect(at(0, 0), (at(8, 9)[0] - at(0, 0)[0] + 1, at(8, 9)[1] - at(0, 0)[1] + 1))
    pygame.draw.rect(plate, theme.LINE, corners.inflate(2 * (out + thick), 2 * (out + thick)), thick)
    for row in (0, 7):
        pygame.draw.aaline(plate, theme.LINE, at(3, row), at(5, row + 2), width + 1)
        pygame.draw.aaline(plate, theme.LINE, at(5, row), at(3, row + 2), width + 1)
    near, far = cell * 0.09, cell * 0.24
    for file, rank in _CROSSES:
        x, y = at(file, rank)
        for sx in (-1, 1):
            if 0 <= file + sx <= 8:
                for sy in (-1, 1):
                    corner = round(x + sx * near), round(y + sy * near)
                    line(*_ordered(corner, (round(x + sx * far), corner[1])))
                    line(*_ordered(corner, (corner[0], round(y + sy * far))))

    _write(plate, "楚河", at(2, 4.5), cell * 0.6, cell * 1.05)
    _write(plate, "漢界" if traditional else "汉界", at(6, 4.5), cell * 0.6, cell * 1.05)
    for text, across, down in _numbers(notation, bottom) if notation else ():
        mark = theme.text(text, round(cell * 0.24), theme.LINE, fonts.UI if notation == "iccs" else fonts.KAI)
        body = mark.get_bounding_rect()
        x, y = at(across, down)
        plate.blit(mark, (x - body.centerx, y - body.centery))
    return plate


def _numbers(notation: Notation, bottom: int) -> list[tuple[str, float, float]]:
    """Return what stands at the edges, each with its place in files and rows of points from the upper left one."""
    red, black = _FILES[notation]
    upper, lower = (black, red) if bottom == 0 else (red[::-1], black[::-1])
    found = [
        (text, float(file), row) for texts, row in ((upper, -0.74), (lower, 9.74)) for file, text in enumerate(texts)
    ]
    if notation == "iccs":
        ranks = "9876543210"[:: 1 if bottom == 0 else -1]
        found += [(text, file, float(row)) for file in (-0.78, 8.78) for row, text in enumerate(ranks)]
    return found


def _write(plate: pygame.Surface, text: str, at: tuple[int, int], size: float, spread: float) -> None:
    for i, character in enumerate(text):
        mark = theme.text(character, round(size), theme.LINE, fonts.KAI).copy()
        mark.set_alpha(215)
        body = mark.get_bounding_rect()
        x = at[0] + (i - (len(text) - 1) / 2) * spread
        plate.blit(mark, (x - body.centerx, at[1] - body.centery))


def _corners(screen: pygame.Surface, at: Point, cell: float) -> None:
    """Draw four corners around a point."""
    half, arm, width = cell * 0.475, cell * 0.16, max(2, round(cell * 0.04))
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = at[0] + sx * half, at[1] + sy * half
            for w, h in ((arm, width), (width, arm)):
                left, top = (x - w if sx > 0 else x), (y - h if sy > 0 else y)
                screen.fill(theme.CORNER, (round(left), round(top), round(w), round(h)))


def _draw_arrow(screen: pygame.Surface, start: Point, end: Point, cell: float, arrow: Arrow) -> None:
    dx, dy = round(end[0] - start[0]), round(end[1] - start[1])
    if dx or dy:
        body = theme.arrow(dx, dy, round(cell), arrow.color, round(arrow.weight, 1))
        aside = arrow.aside * cell / (dx * dx + dy * dy) ** 0.5
        _center(screen, body, ((start[0] + end[0]) / 2 - dy * aside, (start[1] + end[1]) / 2 + dx * aside))


def draw_chances(screen: pygame.Surface, layout: Layout, bottom: int, chances: tuple[float, float, float]) -> None:
    """Draw the evaluation bar: Red's chances of win, draw and loss, with the lower side's wins at the bottom."""
    bar = layout.bar
    screen.blit(theme.box(bar.width, bar.height, bar.width / 2, theme.DRAW), bar)
    win, _, loss = chances
    lower, upper = (win, loss) if bottom == 0 else (loss, win)
    colors = (theme.WIN, theme.LOSS) if bottom == 0 else (theme.LOSS, theme.WIN)
    for share, color, top in ((lower, colors[0], False), (upper, colors[1], True)):
        height = round(share * bar.height)
        part = pygame.Rect(bar.x, bar.y if top else bar.bottom - height, bar.width, height)
        screen.set_clip(part)
        screen.blit(theme.box(bar.width, bar.height, bar.width / 2, color), bar)
        screen.set_clip(None)
    screen.fill(theme.GOLD, (bar.x - 1, bar.centery, bar.width + 2, max(1, layout.px(1))))


def _ordered(a: tuple[int, int], b: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    return (min(a[0], b[0]), min(a[1], b[1])), (max(a[0], b[0]), max(a[1], b[1]))


def _darker(color: Rgb, factor: float) -> Rgb:
    return round(color[0] * factor), round(color[1] * factor), round(color[2] * factor)


def _distance(a: Point, b: Point) -> float:
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2


def _center(screen: pygame.Surface, surface: pygame.Surface, at: Point) -> None:
    screen.blit(surface, (round(at[0] - surface.get_width() / 2), round(at[1] - surface.get_height() / 2)))
