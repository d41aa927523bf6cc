"""The layout: the geometry of the window and of the board, with either side at the bottom."""

from __future__ import annotations

from dataclasses import dataclass

from pygame import Rect

MINIMUM_SIZE = (720, 560)
MARGIN = 1.04
"""Width of the wood outside the outer lines, in cells: room for half a piece and the file numbers."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """The rectangles of a window ``(width, height)``, all in pixels."""

    size: tuple[int, int]
    plate: Rect
    """The wooden board."""
    cell: float
    """Distance between neighbouring points."""
    panel: Rect
    cards: tuple[Rect, Rect]
    """The two players' cards: of the side at the upper edge and of the side at the lower edge."""
    moves: Rect
    navigation: tuple[Rect, ...]
    status: Rect
    buttons: tuple[Rect, ...]

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


def arrange(width: int, height: int, buttons: int, navigation: int) -> Layout:
    """Lay out the window: the board as large as fits, and a panel with these numbers of buttons beside it."""
    pad = 12 if min(width, height) < 700 else 20
    panel_width = max(264, min(348, round(width * 0.3)))
    cell = min((height - 2 * pad) / (9 + 2 * MARGIN), (width - panel_width - 3 * pad) / (8 + 2 * MARGIN))
    plate_width, plate_height = round(cell * (8 + 2 * MARGIN)), round(cell * (9 + 2 * MARGIN))
    left = max(pad, (width - panel_width - plate_width - pad) // 2)
    plate = Rect(left, (height - plate_height) // 2, plate_width, plate_height)
    panel = Rect(plate.right + pad, pad, min(panel_width, width - plate.right - 2 * pad), height - 2 * pad)

    gap = 8
    tight = panel.height < 640
    card, line, row, status = (46, 28, 30, 40) if tight else (62, 32, 36, 46)
    inner = panel.inflate(-24, -20)
    rows = (buttons + 1) // 2
    bottom = inner.bottom - rows * (row + 6) + 6
    width_of_two = (inner.width - 6) // 2
    grid = tuple(
        Rect(inner.x + (i % 2) * (width_of_two + 6), bottom + (i // 2) * (row + 6), width_of_two, row)
        for i in range(buttons)
    )
    message = Rect(inner.x, bottom - gap - status, inner.width, status)
    lower_card = Rect(inner.x, message.y - gap - card, inner.width, card)
    width_of_one = (inner.width - 6 * (navigation - 1)) // navigation
    steps = tuple(
        Rect(inner.x + i * (width_of_one + 6), lower_card.y - gap - line, width_of_one, line) for i in range(navigation)
    )
    upper_card = Rect(inner.x, inner.y, inner.width, card)
    moves = Rect(inner.x, upper_card.bottom + gap, inner.width, steps[0].y - 6 - upper_card.bottom - gap)
    return Layout((width, height), plate, cell, panel, (upper_card, lower_card), moves, steps, message, grid)
