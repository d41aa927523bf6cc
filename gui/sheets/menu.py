"""The menu: all actions by groups, each with its key. Typing searches, so it is a command palette as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pygame
from pygame import Rect

from gui import theme
from gui.actions import Action, Group
from gui.layout import Layout
from gui.preferences import PREFERENCES
from gui.sheets.overlay import Overlay
from gui.sheets.text_field import TextField
from gui.strings import say
from gui.widgets import Position, box, write

if TYPE_CHECKING:
    from gui.controller import Controller

COLUMNS: tuple[tuple[Group, ...], ...] = (
    ("game", "files"),
    ("steps", "tree", "library"),
    ("analysis", "study", "board"),
)
"""The groups of each column."""


def longest_column() -> float:
    """Return how many rows the longest column has, with the groups' names and gaps."""
    return max(sum(1 for a in Action if a.group in groups) + 1.4 * len(groups) for groups in COLUMNS)


class Menu(Overlay):
    """All actions. ``do`` carries one out."""

    def __init__(self, controller: Controller, do: Callable[[Action], None]) -> None:
        super().__init__()
        self.controller, self._do = controller, do
        self.title = say("menu.title")
        self.filter = TextField()
        self._chosen = 0
        """Which of the actions found is chosen by the arrow keys."""

    def found(self) -> list[Action]:
        """Return the actions whose text has all the words typed; all of them if nothing is typed."""
        words = self.filter.value.lower().split()
        listed = [action for groups in COLUMNS for group in groups for action in Action if action.group == group]
        return [action for action in listed if all(word in self._searched(action) for word in words)]

    def _searched(self, action: Action) -> str:
        """Return what finds an action: its text, and for the settings what they are called."""
        texts = [self._label(action)]
        if action is Action.SETTINGS:
            texts += [text for preference in PREFERENCES for text in (preference.name, preference.title)]
        return " ".join(texts).lower()

    def _label(self, action: Action) -> str:
        label = self.controller.label(action)
        return action.title if label == action.label else label

    # --- Keys and pointer ---------------------------------------------------------------------------------------------

    def typed_in(self) -> TextField:
        return self.filter

    def text(self, event: pygame.Event) -> None:
        self.filter.text(event)
        self._chosen = 0

    def key(self, name: str) -> None:
        found = self.found()
        if name in ("up", "down"):
            self._chosen = (self._chosen + (1 if name == "down" else -1)) % max(1, len(found))
        elif name == "enter" and self.filter.value and found:
            self._run(found[min(self._chosen, len(found) - 1)])
        elif name == Action.MENU.shortcut.lower():
            self.closed = True
        elif self.filter.key(name):
            self._chosen = 0

    def press_inside(self, layout: Layout, room: Rect, position: Position) -> None:
        for action, rect in self._places(layout, room):
            if rect.collidepoint(position):
                self._run(action)

    def _run(self, action: Action) -> None:
        if self.controller.enabled(action):
            self.closed = True
            self._do(action)

    # --- Places -------------------------------------------------------------------------------------------------------

    def size(self, layout: Layout) -> tuple[int, int]:
        return layout.px(840), layout.px(40) + round(longest_column() * self._row(layout))

    def _row(self, layout: Layout) -> int:
        """Return the height of a row: lower in a small window, so that all fit."""
        return min(layout.px(26), int((self.most(layout) - layout.px(40)) / longest_column()))

    def _places(self, layout: Layout, room: Rect) -> list[tuple[Action, Rect]]:
        """Return the place of each action that is shown."""
        found, places, row = set(self.found()), [], self._row(layout)
        gap, top = layout.px(14), room.y + layout.px(40)
        width = (room.width - gap * (len(COLUMNS) - 1)) // len(COLUMNS)
        if self.filter.value:
            rows = max(1, (room.bottom - top) // row)
            for i, action in enumerate(self.found()):
                column, line = divmod(i, rows)
                places.append((action, Rect(room.x + column * (width + gap), top + line * row, width, row)))
            return places
        for column, groups in enumerate(COLUMNS):
            x, y = room.x + column * (width + gap), top
            for group in groups:
                y += row  # the group's name
                for action in Action:
                    if action.group == group and action in found:
                        places.append((action, Rect(x, y, width, row)))
                        y += row
                y += round(row * 0.4)
        return places

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def draw_inside(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position, now: float) -> None:
        field = Rect(room.x, room.y, room.width, layout.px(32))
        self.filter.draw(screen, layout, field, say("menu.filter"))
        places = self._places(layout, room)
        if not places:
            write(
                screen, say("menu.nothing"), layout.text(14), Rect(room.x, field.bottom, room.width, field.height * 2)
            )
        heads: set[Group] = set()
        for i, (action, rect) in enumerate(places):
            if not self.filter.value and action.group not in heads:
                heads.add(action.group)
                head = rect.move(0, -rect.height)
                write(
                    screen, say(f"group.{action.group}"), layout.text(13), head.inflate(-layout.px(20), 0), theme.GOLD
                )
            chosen = bool(self.filter.value) and i == self._chosen
            self._draw_action(screen, layout, action, rect, chosen or rect.collidepoint(pointer))

    def _draw_action(self, screen: pygame.Surface, layout: Layout, action: Action, rect: Rect, chosen: bool) -> None:
        controller = self.controller
        enabled = controller.enabled(action)
        if controller.armed(action):
            box(screen, rect, theme.WARNING, layout.px(5))
        elif chosen and enabled:
            box(screen, rect, theme.HOVER, layout.px(5))
        room = rect.inflate(-layout.px(20), 0)
        if controller.ticked(action):
            dot = layout.px(5)
            box(screen, Rect(rect.x + layout.px(1), rect.centery - dot // 2, dot, dot), theme.JADE, dot / 2)
        key = write(screen, action.shortcut, layout.text(11), room, theme.FAINT if enabled else theme.OFF, "right")
        room.width = key.left - room.x - layout.px(4)
        write(screen, self._label(action), layout.text(14), room, theme.TEXT if enabled else theme.OFF)
