"""The page of settings: a row a preference, with its values as buttons. A change is seen at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pygame
from pygame import Rect

from gui import piece_pictures, theme
from gui.actions import Action
from gui.layout import Layout
from gui.preferences import PREFERENCES, Preference, Value
from gui.sheets.overlay import Overlay
from gui.strings import say
from gui.widgets import Position, box, write

if TYPE_CHECKING:
    from gui.preferences import Preferences
    from gui.sounds import Sounds


class SettingsSheet(Overlay):
    """All preferences. The arrow keys go from row to row and from value to value."""

    def __init__(self, preferences: Preferences, sounds: Sounds) -> None:
        super().__init__()
        self.preferences, self.sounds = preferences, sounds
        self.chosen = 0
        """The row that the arrow keys are for."""

    @property
    def title(self) -> str:  # type: ignore[override]  # it changes with the language
        return say("settings.title")

    def key(self, name: str) -> None:
        if name in ("up", "down", "tab", "shift+tab"):
            self.chosen = (self.chosen + (1 if name in ("down", "tab") else -1)) % len(PREFERENCES)
        elif name in ("left", "right", "space"):
            self.preferences.step(PREFERENCES[self.chosen].name, -1 if name == "left" else 1)
        elif name in ("enter", Action.SETTINGS.shortcut.lower()):
            self.closed = True

    def press_inside(self, layout: Layout, room: Rect, position: Position) -> None:
        for row, preference in enumerate(PREFERENCES):
            for value, rect in self.places(layout, room, row):
                if rect.collidepoint(position):
                    self.chosen = row
                    self.preferences.set(preference.name, value)

    # --- Places -------------------------------------------------------------------------------------------------------

    def size(self, layout: Layout) -> tuple[int, int]:
        return layout.px(640), self._row(layout) * len(PREFERENCES) + layout.px(28)

    def _row(self, layout: Layout) -> int:
        return min(layout.px(42), (self.most(layout) - layout.px(28)) // len(PREFERENCES))

    def places(self, layout: Layout, room: Rect, row: int) -> list[tuple[Value, Rect]]:
        """Return the places of the values of a row."""
        values, gap, height = PREFERENCES[row].values, layout.px(6), self._row(layout)
        left = room.x + round(room.width * 0.26)
        width = (room.right - left - gap * (len(values) - 1)) // len(values)
        top = room.y + row * height
        pad = max(1, height // 10)
        return [
            (value, Rect(left + n * (width + gap), top + pad, width, height - 2 * pad))
            for n, value in enumerate(values)
        ]

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def draw_inside(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position, now: float) -> None:
        for row, preference in enumerate(PREFERENCES):
            self._draw_row(screen, layout, room, row, preference, pointer)
        size = layout.text(12)
        foot = Rect(room.x, room.bottom - theme.height(size), room.width, theme.height(size))
        pictures = piece_pictures.folder()
        if self.preferences["pieces"] == "pictures" and not piece_pictures.load(pictures):
            write(screen, say("settings.pictures", folder=pictures), size, foot, theme.GOLD)
        elif self.sounds.device:
            write(screen, say("settings.help"), size, foot, theme.FAINT)
        else:
            write(screen, say("settings.silent"), size, foot, theme.ALARM)

    def _draw_row(
        self, screen: pygame.Surface, layout: Layout, room: Rect, row: int, preference: Preference, pointer: Position
    ) -> None:
        places, chosen = self.places(layout, room, row), self.preferences[preference.name]
        size = layout.text(14)
        label = Rect(room.x, places[0][1].y, places[0][1].x - room.x - layout.px(8), places[0][1].height)
        write(screen, preference.title, size, label, theme.GOLD if row == self.chosen else theme.TEXT)
        for value, rect in places:
            if value == chosen:
                face, ink = theme.GOLD, theme.ON_GOLD
            else:
                face, ink = theme.HOVER if rect.collidepoint(pointer) else theme.RAISED, theme.TEXT
            box(screen, rect, face, layout.px(7))
            text = preference.label(value)
            inner = rect.inflate(-layout.px(8), 0)
            fitting = next((s for s in range(size, layout.text(11), -1) if theme.width(text, s) <= inner.width), 0)
            write(screen, text, fitting or layout.text(11), inner, ink, "center")
