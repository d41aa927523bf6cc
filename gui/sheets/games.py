"""The games of a file, to choose from; and a short list of things to choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pygame
from pygame import Rect

from gui import theme
from gui.layout import Layout
from gui.sheets.overlay import Overlay
from gui.sheets.row_list import RowList
from gui.sheets.text_field import TextField
from gui.strings import say
from gui.widgets import Position, draw_hint, write
from lm.library.searching import searchable

if TYPE_CHECKING:
    from gui.files import Files


class GamesSheet(Overlay):
    """The games of the file at hand. Typing searches players, event, date and result."""

    def __init__(self, files: Files, paste: Callable[[], str]) -> None:
        super().__init__()
        self.files = files
        self.filter = TextField("", paste)
        self.rows = RowList()
        self.found: list[int] = []
        """The indices of the games that have all the words typed."""
        self._known = -1
        self._search()

    @property
    def title(self) -> str:  # type: ignore[override]  # it changes while the file is read
        return say("games.title", name=self.files.name, count=f"{len(self.files.entries):,}")

    def _search(self) -> None:
        entries, words = self.files.entries, searchable(self.filter.value).split()
        self._known = len(entries)
        self.found = [index for index, entry in enumerate(entries) if entry.has(words)]
        at = self.found.index(self.files.index) if self.files.index in self.found else 0 if self.found else -1
        self.rows.reset(len(self.found), at)

    def typed_in(self) -> TextField:
        return self.filter

    def text(self, event: pygame.Event) -> None:
        before = self.filter.value
        self.filter.text(event)
        if self.filter.value != before:
            self._search()

    def key(self, name: str) -> None:
        if self.rows.key(name):
            return
        if name == "enter" and 0 <= self.rows.chosen < len(self.found):
            self._choose(self.rows.chosen)
        elif self.filter.key(name):
            self._search()

    def press_inside(self, layout: Layout, room: Rect, position: Position) -> None:
        if (row := self.rows.at(layout, self._list(layout, room), position)) is not None:
            self._choose(row)

    def _choose(self, row: int) -> None:
        self.closed = True
        self.files.choose(self.found[row])

    def wheel(self, layout: Layout, lines: float) -> None:
        self.rows.wheel(layout, self._list(layout, self.room(layout)), lines)

    def size(self, layout: Layout) -> tuple[int, int]:
        return layout.px(880), layout.px(560)

    @staticmethod
    def _list(layout: Layout, room: Rect) -> Rect:
        top = layout.px(42)
        return Rect(room.x, room.y + top, room.width, room.height - top)

    def draw_inside(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position, now: float) -> None:
        if self._known != len(self.files.entries):  # the file is still being read
            chosen, offset = self.rows.chosen, self.rows.scroll.offset
            self._search()
            if chosen >= 0:
                self.rows.chosen, self.rows.scroll.offset = chosen, offset
        self.filter.draw(screen, layout, Rect(room.x, room.y, room.width, layout.px(34)), say("games.filter"))
        area = self._list(layout, room)
        self.rows.draw(screen, layout, area, pointer, lambda row, rect, _: self._draw_row(screen, layout, row, rect))
        if not self.found:
            draw_hint(screen, layout, area, say("games.nothing"))

    def _draw_row(self, screen: pygame.Surface, layout: Layout, row: int, rect: Rect) -> None:
        index = self.found[row]
        entry = self.files.entries[index]
        current = index == self.files.index
        columns = (
            (str(index + 1), 0.07, theme.GOLD if current else theme.FAINT),
            (entry.players, 0.37, theme.TEXT),
            ({"1/2-1/2": "1/2"}.get(entry.result, entry.result), 0.08, theme.TEXT),
            (entry.date, 0.15, theme.FAINT),
            (entry.event, 0.24, theme.FAINT),
            (say("games.fault") if entry.faults else str(entry.moves), 0.09, theme.FAINT),
        )
        x = float(rect.x)
        for text, share, ink in columns:
            width = share * rect.width
            place = Rect(round(x), rect.y, round(width) - layout.px(8), rect.height)
            write(screen, text, layout.text(14 if ink is theme.TEXT else 13), place, theme.GOLD if current else ink)
            x += width


class ChoiceSheet(Overlay):
    """A short list, at first at one of its rows; ``done`` is called with the index of what is chosen."""

    def __init__(self, title: str, choices: Sequence[str], done: Callable[[int], None], at: int = 0) -> None:
        super().__init__()
        self.title, self.choices, self._done = title, choices, done
        self.rows = RowList()
        self.rows.reset(len(choices), at)

    def key(self, name: str) -> None:
        if not self.rows.key(name):
            if name == "enter":
                self._choose(self.rows.chosen)
            elif name.isdigit() and 1 <= int(name) <= len(self.choices):
                self._choose(int(name) - 1)

    def press_inside(self, layout: Layout, room: Rect, position: Position) -> None:
        if (row := self.rows.at(layout, room, position)) is not None:
            self._choose(row)

    def _choose(self, row: int) -> None:
        self.closed = True
        self._done(row)

    def wheel(self, layout: Layout, lines: float) -> None:
        self.rows.wheel(layout, self.room(layout), lines)

    def size(self, layout: Layout) -> tuple[int, int]:
        size, rows = layout.text(14), len(self.choices) * self.rows.row(layout)
        return max(layout.px(300), *(theme.width(text, size) + layout.px(60) for text in self.choices)), rows

    def draw_inside(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position, now: float) -> None:
        def draw(row: int, rect: Rect, _: bool) -> None:
            key = write(screen, str(row + 1) if row < 9 else "", layout.text(11), rect, theme.FAINT, "right")
            write(screen, self.choices[row], layout.text(14), Rect(rect.x, rect.y, key.left - rect.x, rect.height))

        self.rows.draw(screen, layout, room, pointer, draw)
