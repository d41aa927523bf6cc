"""The options of an engine as a list: the name of each, its value, and what it may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import pygame
from pygame import Rect

from gui import theme
from gui.engines import allowed, checked, default_of, shown
from gui.layout import Layout
from gui.palettes import Rgb
from gui.sheets.row_list import RowList
from gui.sheets.text_field import TextField
from gui.strings import say
from gui.widgets import Position, draw_hint, write
from lm import UserError
from xiangqi.engine import Option

MOST_ROWS: Final = 13
"""So many are in sight at most."""


class OptionList:
    """Options, one of which is chosen by the arrow keys; beyond the first and the last row, none is.

    Enter or a click turns a check over, takes the next word of a combo, and lets a number or a text be typed; so does
    typing at once. ``values`` are those that were set; at the end also those that differ from the defaults.
    """

    def __init__(self, options: Sequence[Option], values: Mapping[str, str], paste: Callable[[], str]) -> None:
        self.options, self.values = options, dict(values)
        self.rows = RowList()
        self.rows.reset(len(options))
        self.field = TextField("", paste)
        """Where a value is typed."""
        self.typing = False
        self._refusal = ""

    @property
    def chosen(self) -> Option | None:
        """The option that keys are for."""
        return self.options[self.rows.chosen] if self.rows.chosen >= 0 else None

    def value(self, option: Option) -> str:
        """Return the value of an option."""
        return self.values.get(option.name, default_of(option))

    def commit(self) -> bool:
        """Take over the value that is being typed; returns whether it is right, or none is being typed."""
        if self.typing and self.chosen is not None:
            self._set(self.chosen, self.field.value)
        return not self.typing

    def _set(self, option: Option, text: str) -> None:
        try:
            value = checked(option, text)
        except UserError as error:
            self._refusal = str(error)
            return
        self._end_typing()
        if value == default_of(option):
            self.values.pop(option.name, None)
        else:
            self.values[option.name] = value

    def _type(self, text: str) -> None:
        self.typing = True
        self.field.value, self.field.at = text, len(text)

    def _end_typing(self) -> None:
        self.typing, self._refusal = False, ""
        self.field.value, self.field.at = "", 0

    # --- Keys and pointer ---------------------------------------------------------------------------------------------

    def text(self, event: pygame.Event) -> None:
        """Handle a text that is typed or composed."""
        if not self.typing:
            if self.chosen is None or self.chosen.type == "check" or not event.text.strip():
                return
            self._type("")
        self.field.text(event)
        self._refusal = ""

    def key(self, name: str) -> bool:
        """Handle a key; return whether it means something here."""
        if self.typing:
            if name == "enter":
                self.commit()
                return True
            if name not in ("up", "down", "pageup", "pagedown", "tab", "shift+tab"):
                self.field.key(name)
                self._refusal = ""
                return True
            if not self.commit():
                return True
        at, last = self.rows.chosen, len(self.options) - 1
        if name in ("tab", "shift+tab") or (at == 0 and name == "up") or (at == last and name == "down"):
            self.rows.chosen = -1 if at >= 0 else 0 if self.options else -1
            return True
        if self.rows.key(name):
            return True
        if self.chosen is None:
            return False
        if name in ("enter", "space", "left", "right"):
            self._act(self.chosen, by_arrow={"left": -1, "right": 1}.get(name, 0))
        elif name in ("backspace", "delete"):
            self.values.pop(self.chosen.name, None)
        return True

    def _act(self, option: Option, by_arrow: int = 0) -> None:
        """Do what Enter does on an option, or an arrow key to the left or right."""
        value = self.value(option)
        if option.type == "check":
            self._set(option, "false" if value == "true" else "true")
        elif option.type == "combo" and option.choices:
            at = option.choices.index(value) if value in option.choices else -1
            self._set(option, option.choices[(at + (by_arrow or 1)) % len(option.choices)])
        elif not by_arrow:
            self._type(value)

    def escape(self) -> bool:
        """Leave a value as it was; return whether one is being typed."""
        was = self.typing
        self._end_typing()
        return was

    def press(self, layout: Layout, room: Rect, position: Position) -> None:
        """Handle a press of the left button."""
        row = self.rows.at(layout, self._area(layout, room), position)
        if row is None or (self.typing and row == self.rows.chosen) or not self.commit():
            return
        self.rows.chosen = row
        self._act(self.options[row])

    def wheel(self, layout: Layout, room: Rect, lines: float) -> None:
        """Scroll by so many rows."""
        self.rows.wheel(layout, self._area(layout, room), lines)

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def size(self, layout: Layout) -> tuple[int, int]:
        """Return the width and height that the list needs."""
        rows = max(3, min(MOST_ROWS, len(self.options)))
        return layout.px(660), rows * self.rows.row(layout) + self._foot(layout)

    @staticmethod
    def _foot(layout: Layout) -> int:
        """Return the height of what is told below the rows."""
        return layout.px(8) + 2 * theme.height(layout.text(13))

    def _area(self, layout: Layout, room: Rect) -> Rect:
        return Rect(room.x, room.y, room.width, room.height - self._foot(layout))

    def draw(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position) -> None:
        """Draw the rows, and below them what is allowed or wrong."""
        area, size = self._area(layout, room), layout.text(13)

        def draw(index: int, rect: Rect, chosen: bool) -> None:
            self._draw_row(screen, layout, rect, self.options[index], chosen)

        self.rows.draw(screen, layout, area, pointer, draw)
        if not self.options:
            draw_hint(screen, layout, area, say("engine.no_options"))
        text, ink = self._told()
        top = area.bottom + layout.px(8)
        for line in theme.wrap(text, size, room.width, 2):
            write(screen, line, size, Rect(room.x, top, room.width, theme.height(size)), ink)
            top += theme.height(size)

    def _told(self) -> tuple[str, Rgb]:
        if self._refusal:
            return self._refusal, theme.ALARM
        if (option := self.chosen) is None:
            return say("engine.choose") if self.options else "", theme.FAINT
        default = shown(option, default_of(option)) or say("engine.empty")
        return say("engine.allowed", name=option.name, allowed=allowed(option), default=default), theme.FAINT

    def _draw_row(self, screen: pygame.Surface, layout: Layout, rect: Rect, option: Option, chosen: bool) -> None:
        size, gap = layout.text(14), layout.px(10)
        name = Rect(rect.x, rect.y, round(0.46 * rect.width), rect.height)
        write(screen, option.name, size, Rect(name.x, name.y, name.width - gap, name.height))
        value = Rect(name.right, rect.y, rect.right - name.right, rect.height)
        if chosen and self.typing:
            self.field.draw(screen, layout, value.inflate(2 * layout.px(9), 0))
            return
        changed = self.value(option) != default_of(option)
        ink = theme.GOLD if changed else theme.TEXT
        written = write(screen, shown(option, self.value(option)), size, value, ink)
        hint, small = allowed(option), layout.text(12)
        left = max(written.right + gap, value.x + round(0.3 * value.width))
        rest = Rect(left, rect.y, rect.right - left, rect.height)
        if option.type != "string" and theme.width(hint, small) <= rest.width:  # the line below says it in any case
            write(screen, hint, small, rest, theme.FAINT, "right")
