"""The help sheet: every key, which can be changed there, and what the mouse does."""

from __future__ import annotations

from typing import Final, Literal

import pygame
from pygame import Rect

from gui import theme
from gui.actions import Action
from gui.keys import Keys, is_possible, title_of
from gui.layout import Layout
from gui.sheets.menu import COLUMNS, longest_column
from gui.sheets.overlay import Overlay
from gui.strings import say
from gui.widgets import Position, box, write

Page = Literal["keys", "pointer"]
PAGES: Final[tuple[Page, ...]] = ("keys", "pointer")
POINTER: Final = (
    "help.click",
    "help.draw",
    "help.wheel",
    "help.line",
    "help.list",
    "help.copy",
    "help.scores",
    "help.letters",
)


class HelpSheet(Overlay):
    """All keys by groups, and on a second page the mouse. A press on an action lets the next key become its key."""

    def __init__(self, keys: Keys) -> None:
        super().__init__()
        self.title = say("help")
        self._keys = keys
        self.page: Page = "keys"
        self.chosen: Action | None = None
        """The action that awaits its new key."""
        self.note = say("help.change")

    # --- Keys and pointer ---------------------------------------------------------------------------------------------

    def key(self, name: str) -> None:
        action = self.chosen
        if action is None and name in ("tab", "left", "right"):
            self.page = "pointer" if self.page == "keys" else "keys"
        elif action is None:
            self.closed = True
        elif name == "backspace":
            self._give(action, action.first_key)
        elif is_possible(name):
            self._give(action, title_of(name))

    def escape(self) -> bool:
        waited, self.chosen = self.chosen is not None, None
        self.note = say("help.change")
        return waited

    def press_inside(self, layout: Layout, room: Rect, position: Position) -> None:
        places = self.places(layout, room) if self.page == "keys" else []
        pressed = next((action for action, rect in places if rect.collidepoint(position)), None)
        tab = next((page for page, rect in self.tabs(layout, room).items() if rect.collidepoint(position)), None)
        if tab is not None:
            self.escape()
            self.page = tab
        elif pressed is None and self.chosen is None:
            self.closed = True
        elif pressed is None:
            self.escape()
        else:
            self.chosen, self.note = pressed, say("help.press", action=_name(pressed))

    def _give(self, action: Action, key: str) -> None:
        other = self._keys.give(action, key)
        self.chosen, self.note = None, say("help.changed", action=_name(action), key=key)
        if other is not None:
            names = {"action": _name(action), "key": key, "other": _name(other), "other_key": other.shortcut}
            self.note = say("help.exchanged", **names)

    # --- Places -------------------------------------------------------------------------------------------------------

    def size(self, layout: Layout) -> tuple[int, int]:
        width = min(layout.px(840), layout.size[0] - layout.px(44))
        return width, round(longest_column() * self._row(layout)) + _line(layout)

    def _row(self, layout: Layout) -> int:
        """Return the height of a row: lower in a small window, so that all fit."""
        return min(layout.px(23), int((self.most(layout) - _line(layout)) / longest_column()))

    def tabs(self, layout: Layout, room: Rect) -> dict[Page, Rect]:
        """Return the places of the names of the pages, to the right of the title."""
        size, height = layout.text(15), self._title_height(layout)
        widths = [theme.width(say(f"help.{page}"), size) + layout.px(24) for page in PAGES]
        left, places = room.right - sum(widths), {}
        for page, width in zip(PAGES, widths, strict=True):
            places[page] = Rect(left, room.y - height, width, height - layout.px(4))
            left += width
        return places

    def places(self, layout: Layout, room: Rect) -> list[tuple[Action, Rect]]:
        """Return the place of each action."""
        row, gap, places = self._row(layout), layout.px(18), []
        width = (room.width - gap * (len(COLUMNS) - 1)) // len(COLUMNS)
        for column, groups in enumerate(COLUMNS):
            x, y = room.x + column * (width + gap), room.y
            for group in groups:
                y += row  # the group's name
                for action in (action for action in Action if action.group == group):
                    places.append((action, Rect(x, y, width, row)))
                    y += row
                y += round(row * 0.4)
        return places

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def draw_inside(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position, now: float) -> None:
        for page, rect in self.tabs(layout, room).items():
            ink = theme.GOLD if page == self.page else theme.TEXT if rect.collidepoint(pointer) else theme.FAINT
            write(screen, say(f"help.{page}"), layout.text(15), rect, ink, "center")
        if self.page == "keys":
            self._draw_keys(screen, layout, room, pointer)
        else:
            self._draw_pointer(screen, layout, room)

    def _draw_keys(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position) -> None:
        size, small = layout.text(13), layout.text(12)
        keys = max(theme.width(action.shortcut, small) for action in Action) + layout.px(8)
        places, heads = self.places(layout, room), set()
        for action, rect in places:
            if action.group not in heads:
                heads.add(action.group)
                write(screen, say(f"group.{action.group}"), size, rect.move(0, -rect.height), theme.GOLD)
            if action is self.chosen or rect.collidepoint(pointer):
                box(screen, rect.inflate(layout.px(8), 0), theme.HOVER, layout.px(4))
            ink = theme.FAINT if action.shortcut == action.first_key else theme.GOLD
            write(screen, action.shortcut, small, Rect(rect.x, rect.y, keys, rect.height), ink)
            write(screen, action.title, size, Rect(rect.x + keys, rect.y, rect.width - keys, rect.height))
        foot = Rect(room.x, room.bottom - _line(layout), room.width, _line(layout))
        write(screen, self.note, size, foot, theme.FAINT if self.chosen is None else theme.GOLD)

    @staticmethod
    def _draw_pointer(screen: pygame.Surface, layout: Layout, room: Rect) -> None:
        size, top = layout.text(15), room.y + layout.px(8)
        step = theme.height(size) + layout.px(3)
        for key in POINTER:
            for line in theme.wrap(say(key), size, room.width):
                write(screen, line, size, Rect(room.x, top, room.width, step))
                top += step
            top += layout.px(8)


def _name(action: Action) -> str:
    return action.title.replace("...", "").replace("…", "")


def _line(layout: Layout) -> int:
    return theme.height(layout.text(13)) + layout.px(1)
