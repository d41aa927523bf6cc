"""The layout: the geometry of the window and of the board, with either side at the bottom."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pygame import Rect

MINIMUM_SIZE = (640, 480)
MARGIN = 1.04
"""Width of the wood outside the outer lines, in cells: room for half a piece and the file numbers."""
SHEET_SIZE = (853, 640)
"""The size of a window in which the largest sheets just fit, for a unit of 1."""
SMALLEST_TEXT = 11
"""Pixels of the smallest letters, at a density of 1."""
DRAG_START = 6
"""Pixels that a press must move to become a drag, at a density of 1."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """The rectangles of a window ``(width, height)``, all in pixels."""

    size: tuple[int, int]
    unit: float
    """Pixels of what is one pixel in a window of 1100 by 800: texts, rows and gaps grow with the window."""
    plate: Rect
    """The wooden board."""
    cell: float
    """Distance between neighbouring points."""
    bar: Rect
    """The evaluation bar, beside the board."""
    panel: Rect
    cards: tuple[Rect, Rect]
    """The two players' cards: of the side at the upper edge and of the side at the lower edge."""
    tabs: Rect
    """The names of the views."""
    view: Rect
    """What the view shown draws in."""
    navigation: tuple[Rect, ...]
    status: Rect
    buttons: tuple[Rect, ...]
    density: float = 1.0
    """Pixels for one of those in which the desktop tells where the pointer is: 2 where it shows all twice as large."""

    def px(self, length: float) -> int:
        """Return a length in pixels, given for a unit of 1."""
        return max(1, round(length * self.unit))

    def for_sheets(self) -> Layout:
        """Return the same with texts no larger than the largest sheets have room for."""
        return replace(self, unit=min(self.unit, self.size[0] / SHEET_SIZE[0], self.size[1] / SHEET_SIZE[1]))

    def text(self, size: int) -> int:
        """Return the size of a text in pixels, given for a unit of 1."""
        return max(round(SMALLEST_TEXT * self.density), round(size * self.unit))

    def is_drag(self, start: Point, end: Point) -> bool:
        """Whether a pointer that was pressed at one place and is at another by now drags something."""
        return max(abs(end[0] - start[0]), abs(end[1] - start[1])) >= DRAG_START * self.density

    def in_pixels(self, position: Point) -> tuple[int, int]:
        """Return a place that the desktop tells, in pixels."""
        return round(position[0] * self.density), round(position[1] * self.density)

    def point(self, square: int, bottom: int) -> Point:
        """Return the centre of a square in pixels, with ``bottom`` (0 for Red, 1 for Black) at the lower edge."""
        if bottom:
            square = 89 - square
        file, rank = square % 9, square // 9
        left, top = self.plate.x + MARGIN * self.cell, self.plate.y + MARGIN * self.cell
        return left + file * self.cell, top + (9 - rank) * self.cell

    def square_at(self, position: Point, bottom: int) -> int | None:
        """Return the square whose piece would cover a pixel, or ``None`` between the pieces and off the board."""
        x = (position[0] - self.plate.x) / self.cell - MARGIN
        y = (position[1] - self.plate.y) / self.cell - MARGIN
        file, row = round(x), round(y)
        if not (0 <= file < 9 and 0 <= row < 10) or (x - file) ** 2 + (y - row) ** 2 > 0.48**2:
            return None
        square = (9 - row) * 9 + file
        return 89 - square if bottom else square


def arrange(width: int, height: int, buttons: int, navigation: int, scale: float = 1.0, density: float = 1.0) -> Layout:
    """Lay out the window: the board as large as fits, and a panel with these numbers of buttons beside it.

    ``scale`` makes the panel and its texts larger, as far as its parts fit. ``density`` is as in `Layout`.
    """
    unit = max(0.75 * density, min(width / 1100, height / 800))
    unit = max(unit, min(unit * scale, width / 720, height / 530))

    def px(length: float) -> int:
        return round(length * unit)

    pad, gutter = px(14), px(20)  # the gutter to the left of the board holds the evaluation bar
    narrowest = min(px(310), round(width * (0.37 if scale == 1 else 0.45)))
    cell = min((height - 2 * pad) / (9 + 2 * MARGIN), (width - narrowest - 2 * pad - gutter) / (8 + 2 * MARGIN))
    plate_width, plate_height = round(cell * (8 + 2 * MARGIN)), round(cell * (9 + 2 * MARGIN))
    panel_width = min(width - plate_width - 2 * pad - gutter, px(460))
    left = gutter + (width - panel_width - plate_width - 2 * pad - gutter) // 2
    plate = Rect(left, (height - plate_height) // 2, plate_width, plate_height)
    bar = Rect(0, 0, px(10), plate_height - px(8))
    bar.midright = (plate.left - px(5), plate.centery)
    panel = Rect(plate.right + pad, pad, panel_width, height - 2 * pad)

    gap = px(7)
    inner = panel.inflate(-px(22), -px(20))
    card, tab, line, row = px(50), px(28), px(29), px(32)
    status = 2 * max(px(19), round(density * (SMALLEST_TEXT + 4)))
    rows = (buttons + 1) // 2
    bottom = inner.bottom - rows * (row + px(5)) + px(5)
    half = (inner.width - px(6)) // 2
    grid = tuple(
        Rect(inner.x + (i % 2) * (half + px(6)), bottom + (i // 2) * (row + px(5)), half, row) for i in range(buttons)
    )
    message = Rect(inner.x, bottom - gap - status, inner.width, status)
    lower_card = Rect(inner.x, message.y - gap - card, inner.width, card)
    step = (inner.width - px(6) * (navigation - 1)) // navigation
    steps = tuple(Rect(inner.x + i * (step + px(6)), lower_card.y - gap - line, step, line) for i in range(navigation))
    upper_card = Rect(inner.x, inner.y, inner.width, card)
    tabs = Rect(inner.x, upper_card.bottom + gap, inner.width, tab)
    view = Rect(inner.x, tabs.bottom, inner.width, steps[0].y - px(6) - tabs.bottom)
    return Layout(
        (width, height),
        unit,
        plate,
        cell,
        bar,
        panel,
        (upper_card, lower_card),
        tabs,
        view,
        steps,
        message,
        grid,
        density,
    )
