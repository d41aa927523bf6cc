"""The search of the library: by player, event and result, in all games or those with the position shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import pygame
from pygame import Rect

from gui import theme
from gui.layout import Layout
from gui.sheets.overlay import Overlay
from gui.sheets.row_list import RowList
from gui.sheets.text_field import TextField
from gui.strings import say
from gui.views.library import RESULTS as WRITTEN
from gui.views.library import draw_progress
from gui.widgets import Position, button, draw_hint, write
from lm.library.entries import Filter

if TYPE_CHECKING:
    from gui.library import GameLibrary
    from gui.processes.library import Listed

RESULTS: Final = ("", "1-0", "1/2-1/2", "0-1")
"""The results that can be asked for; at first any."""


class LibrarySheet(Overlay):
    """Searches the library while one types; a game that is chosen is opened."""

    def __init__(self, library: GameLibrary, paste: Callable[[], str]) -> None:
        super().__init__()
        self.library = library
        self.title = say("search.title")
        self.fields = TextField("", paste), TextField("", paste)
        """Of the player and of the event."""
        self.focus = 0
        self.result = ""
        self.here = False
        """Whether only games with the position shown are listed."""
        self.rows = RowList()
        self._known: Listed | None = None
        """What `rows` are about."""
        self._searched = 0
        """How often the library had changed when it was last searched."""
        self._search()

    def _search(self) -> None:
        """Look for other games."""
        self._known = None
        self._ask()

    def _ask(self) -> None:
        """Look for the games asked for, as the library is now."""
        self._searched = self.library.changes
        player, event = (field.value.strip() for field in self.fields)
        self.library.search(Filter(player, event, self.result), self.here)

    # --- Keys and pointer ---------------------------------------------------------------------------------------------

    def typed_in(self) -> TextField:
        return self.fields[self.focus]

    def text(self, event: pygame.Event) -> None:
        field = self.fields[self.focus]
        before = field.value
        field.text(event)
        if field.value != before:
            self._search()

    def key(self, name: str) -> None:
        field = self.fields[self.focus]
        before = field.value
        if self.rows.key(name):
            return
        if name in ("tab", "shift+tab"):
            self.focus = 1 - self.focus
        elif name == "ctrl+r":
            self._set_result(RESULTS[(RESULTS.index(self.result) + 1) % len(RESULTS)])
        elif name == "ctrl+p":
            self._switch_here()
        elif name == "enter":
            if self._lacks_index:
                self.library.build_index()
            self._open(max(0, self.rows.chosen))
        elif field.key(name) and field.value != before:
            self._search()

    @property
    def _lacks_index(self) -> bool:
        """Whether games can be read for similar positions, as none has the position asked for."""
        listed = self.library.listed
        return listed is not None and listed.similar is False and not self.library.indexing

    def _set_result(self, result: str) -> None:
        self.result = result
        self._search()

    def _switch_here(self) -> None:
        self.here = not self.here
        self._search()

    def _open(self, row: int) -> None:
        listed = self.library.listed
        if listed is not None and row < len(listed.games):
            self.closed = True
            self.library.open(listed.games, row)

    def press_inside(self, layout: Layout, room: Rect, position: Position) -> None:
        for n, rect in enumerate(self._field_places(layout, room)):
            if rect.collidepoint(position):
                self.focus = n
        for result, rect in zip(RESULTS, self._result_places(layout, room), strict=True):
            if rect.collidepoint(position):
                self._set_result(result)
        if self._here_place(layout, room).collidepoint(position):
            self._switch_here()
        if (row := self.rows.at(layout, self._list(layout, room), position)) is not None:
            self._open(row)
        elif self._list(layout, room).collidepoint(position) and self._lacks_index:
            self.library.build_index()
        elif self.library.tasks and self._progress(layout, room).collidepoint(position):
            self.library.stop()

    def wheel(self, layout: Layout, lines: float) -> None:
        self.rows.wheel(layout, self._list(layout, self.room(layout)), lines)

    # --- Places -------------------------------------------------------------------------------------------------------

    def size(self, layout: Layout) -> tuple[int, int]:
        return layout.px(900), layout.px(600)

    @staticmethod
    def _field_places(layout: Layout, room: Rect) -> list[Rect]:
        gap = layout.px(10)
        width = (room.width - gap) // 2
        return [Rect(room.x + n * (width + gap), room.y, width, layout.px(34)) for n in range(2)]

    @staticmethod
    def _result_places(layout: Layout, room: Rect) -> list[Rect]:
        gap, top = layout.px(6), room.y + layout.px(42)
        width = (room.width // 2 - 4 * gap) // 4
        return [Rect(room.x + n * (width + gap), top, width, layout.px(30)) for n in range(4)]

    @staticmethod
    def _here_place(layout: Layout, room: Rect) -> Rect:
        left = room.x + room.width // 2 + layout.px(5)
        return Rect(left, room.y + layout.px(42), room.right - left, layout.px(30))

    @staticmethod
    def _list(layout: Layout, room: Rect) -> Rect:
        top = layout.px(80) + theme.height(layout.text(12)) + layout.px(4)
        return Rect(room.x, room.y + top, room.width, room.height - top)

    def _progress(self, layout: Layout, room: Rect) -> Rect:
        """Return the place of what is being written, beside the number of games."""
        here, top = self._here_place(layout, room), self._here_place(layout, room).bottom + layout.px(3)
        return Rect(here.x, top, here.width, self._list(layout, room).y - top - layout.px(3))

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def draw_inside(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position, now: float) -> None:
        hints = say("search.player"), say("search.event")
        for n, rect in enumerate(self._field_places(layout, room)):
            self.fields[n].draw(screen, layout, rect, hints[n], focused=n == self.focus)
        for n, rect in enumerate(self._result_places(layout, room)):
            chosen = theme.GOLD if RESULTS[n] == self.result else None
            text = say(("search.any", "search.red", "search.draw", "search.black")[n])
            button(screen, layout, rect, text, "" if n else "Ctrl+R", pointer, color=chosen)
        place = self._here_place(layout, room)
        button(screen, layout, place, say("search.here"), "Ctrl+P", pointer, color=theme.GOLD if self.here else None)
        if self._searched != self.library.changes and self.library.listed is not None:
            self._ask()
        listed, area = self.library.listed, self._list(layout, room)
        games = listed.games if listed is not None else ()
        if listed is not self._known and listed is not None:
            before = self._known.games[max(0, self.rows.chosen)].id if self._known and self._known.games else -1
            at = next((n for n, game in enumerate(games) if game.id == before), 0)
            self._known = listed
            self.rows.reset(len(games), at if games else -1)
        line = Rect(room.x, area.y - theme.height(layout.text(12)) - layout.px(4), room.width, 0)
        line.height = theme.height(layout.text(12))
        if listed is not None:
            key = "search.latest" if listed.count > len(games) else "search.count"
            text = say(key, count=f"{listed.count:,}", shown=len(games))
            if listed.similar:
                text = say("search.similar")
            write(screen, text, layout.text(12), line, theme.FAINT)
        if self.library.tasks:
            draw_progress(screen, layout, self._progress(layout, room), pointer, self.library)
        if listed is None:
            self.rows.count = 0
        self.rows.draw(screen, layout, area, pointer, lambda row, rect, _: self._draw_row(screen, layout, row, rect))
        if not games:
            draw_hint(screen, layout, area, self._why_nothing())

    def _why_nothing(self) -> str:
        """Say why no game is listed."""
        if self.library.error:
            return say("library.failed", reason=self.library.error)
        if self.library.listed is None:
            return say("library.opening")
        if self._lacks_index:
            return say("library.none") + " " + say("library.no_index", key="Enter")
        if self.library.fills:
            return say("library.soon")
        return say("games.nothing" if self.library.listed.similar is None else "library.none")

    def _draw_row(self, screen: pygame.Surface, layout: Layout, row: int, rect: Rect) -> None:
        assert self.library.listed is not None
        entry = self.library.listed.games[row]
        columns = (
            (entry.date, 0.14, theme.FAINT),
            (entry.players, 0.40, theme.TEXT),
            (WRITTEN.get(entry.result, entry.result), 0.08, theme.TEXT),
            (entry.event, 0.30, theme.FAINT),
            (str(entry.moves), 0.08, theme.FAINT),
        )
        x = float(rect.x)
        for text, share, ink in columns:
            width = share * rect.width
            place = Rect(round(x), rect.y, round(width) - layout.px(8), rect.height)
            write(screen, text, layout.text(14 if ink is theme.TEXT else 13), place, ink)
            x += width
