"""A list of rows that scrolls, one of which is chosen by the arrow keys or by a click."""

from __future__ import annotations

from collections.abc import Callable

import pygame
from pygame import Rect

from gui import theme
from gui.layout import Layout
from gui.widgets import Position, Scroll, box

Draw = Callable[[int, Rect, bool], None]
"""Draws a row by its index, in a rectangle; the last argument says whether it is chosen."""


class RowList:
    """So many rows of the same height."""

    def __init__(self) -> None:
        self.count = 0
        self.chosen = -1
        """The index of the chosen row, -1 for none."""
        self.scroll = Scroll()
        self._follows = False

    def reset(self, count: int, chosen: int = -1) -> None:
        """Show other rows, from the first on or from the chosen one on."""
        self.count, self.chosen = count, chosen
        self.scroll.offset, self._follows = 0, chosen >= 0

    @staticmethod
    def row(layout: Layout) -> int:
        """Return the height of a row."""
        return max(layout.px(27), theme.height(layout.text(14)) + 2)

    def key(self, name: str) -> bool:
        """Handle a key; return whether it means something here."""
        steps = {"up": -1, "down": 1, "pageup": -10, "pagedown": 10}
        if name not in steps or not self.count:
            return False
        start = self.chosen if self.chosen >= 0 or steps[name] > 0 else self.count
        self.chosen = max(0, min(self.count - 1, start + steps[name]))
        self._follows = True
        return True

    def at(self, layout: Layout, area: Rect, position: Position) -> int | None:
        """Return the index of the row under the pointer."""
        index = (position[1] - area.y + self.scroll.offset) // self.row(layout)
        return index if area.collidepoint(position) and 0 <= index < self.count else None

    def wheel(self, layout: Layout, area: Rect, lines: float) -> None:
        """Scroll by so many rows."""
        self.scroll.by(area, lines * self.row(layout))

    def draw(self, screen: pygame.Surface, layout: Layout, area: Rect, pointer: Position, draw: Draw) -> None:
        """Draw the rows that are in sight."""
        row = self.row(layout)
        self.scroll.content = self.count * row
        if self._follows:
            self.scroll.to(area, self.chosen * row, (self.chosen + 1) * row)
            self._follows = False
        self.scroll.clamp(area)
        box(screen, area, theme.BACKGROUND, layout.px(7))
        clip = screen.get_clip()
        screen.set_clip(area)
        hovered = self.at(layout, area, pointer)
        first = self.scroll.offset // row
        for index in range(first, min(self.count, first + area.height // row + 2)):
            rect = Rect(area.x, area.y + index * row - self.scroll.offset, area.width, row)
            if index in (self.chosen, hovered):
                box(screen, rect, theme.HOVER if index == self.chosen else theme.RAISED, layout.px(5))
            inner = rect.inflate(-layout.px(20), 0)
            inner.width -= layout.px(5) if self.scroll.overflow(area) else 0
            draw(index, inner, index == self.chosen)
        screen.set_clip(clip)
        self.scroll.draw(screen, area, layout)
