"""The help sheet: every key, and what the mouse does."""

from __future__ import annotations

import pygame
from pygame import Rect

from gui import theme
from gui.actions import Action
from gui.layout import Layout
from gui.sheets.menu import COLUMNS, longest_column
from gui.sheets.overlay import Overlay
from gui.strings import say
from gui.widgets import Position, write

POINTER = ("help.click", "help.draw", "help.wheel", "help.line", "help.list", "help.scores", "help.letters")


class HelpSheet(Overlay):
    """All keys by groups, and the mouse below."""

    def __init__(self) -> None:
        super().__init__()
        self.title = say("help.title")

    def key(self, name: str) -> None:
        self.closed = True

    def press_inside(self, layout: Layout, room: Rect, position: Position) -> None:
        self.closed = True

    def size(self, layout: Layout) -> tuple[int, int]:
        width = min(layout.px(840), layout.size[0] - layout.px(44))
        below = len(_pointer_lines(layout, width)) * _line(layout)
        return width, round(longest_column() * self._row(layout, width)) + below

    def _row(self, layout: Layout, width: int) -> int:
        """Return the height of a row: lower in a small window, so that all fit."""
        below = len(_pointer_lines(layout, width)) * _line(layout)
        return min(layout.px(23), int((self.most(layout) - below) / longest_column()))

    def draw_inside(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position, now: float) -> None:
        row, gap, small = self._row(layout, room.width), layout.px(18), layout.text(12)
        width = (room.width - gap * (len(COLUMNS) - 1)) // len(COLUMNS)
        keys = max(theme.width(action.shortcut, small) for action in Action) + layout.px(8)
        bottom = room.y
        for column, groups in enumerate(COLUMNS):
            x, y = room.x + column * (width + gap), room.y
            for group in groups:
                write(screen, say(f"group.{group}"), layout.text(13), Rect(x, y, width, row), theme.GOLD)
                y += row
                for action in (action for action in Action if action.group == group):
                    write(screen, action.shortcut, small, Rect(x, y, keys, row), theme.FAINT)
                    write(screen, action.title, layout.text(13), Rect(x + keys, y, width - keys, row))
                    y += row
                y += round(row * 0.4)
            bottom = max(bottom, y)
        for line in _pointer_lines(layout, room.width):
            write(screen, line, layout.text(13), Rect(room.x, bottom, room.width, _line(layout)), theme.FAINT)
            bottom += _line(layout)


def _line(layout: Layout) -> int:
    return theme.height(layout.text(13)) + layout.px(1)


def _pointer_lines(layout: Layout, width: int) -> list[str]:
    return [line for key in POINTER for line in theme.wrap(say(key), layout.text(13), width)]
