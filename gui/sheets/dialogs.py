"""Dialogs: sheets with buttons, as that of a comment."""

from __future__ import annotations

from collections.abc import Callable

import pygame
from pygame import Rect

from gui import theme
from gui.layout import Layout
from gui.sheets.overlay import Overlay
from gui.sheets.text_field import TextField
from gui.strings import say
from gui.widgets import Position, button


class Dialog(Overlay):
    """A sheet with *OK*, by Enter, and *Cancel*, by Escape. ``accept`` is called by the first."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title

    def accept(self) -> None:
        """Do what the dialog is for."""
        raise NotImplementedError

    def body_size(self, layout: Layout) -> tuple[int, int]:
        """Return the width and height of what lies above the buttons."""
        raise NotImplementedError

    def draw_body(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position, now: float) -> None:
        """Draw what lies above the buttons."""
        raise NotImplementedError

    def press_body(self, layout: Layout, room: Rect, position: Position) -> None:
        """Handle a press above the buttons."""

    def ok(self) -> tuple[str, str]:
        """Return the text on the button that finishes, and its key, if Enter is for it now."""
        return say("ok"), "Enter"

    # --- Common to all ------------------------------------------------------------------------------------------------

    def size(self, layout: Layout) -> tuple[int, int]:
        width, height = self.body_size(layout)
        return width, height + layout.px(12) + self._button_height(layout)

    def key(self, name: str) -> None:
        if name == "enter":
            self._finish()

    def press_inside(self, layout: Layout, room: Rect, position: Position) -> None:
        ok, cancel = self.buttons(layout, room)
        if ok.collidepoint(position):
            self._finish()
        elif cancel.collidepoint(position):
            self.closed = True
        else:
            self.press_body(layout, self._body(layout, room), position)

    def draw_inside(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position, now: float) -> None:
        self.draw_body(screen, layout, self._body(layout, room), pointer, now)
        ok, cancel = self.buttons(layout, room)
        label, key = self.ok()
        button(screen, layout, ok, label, key, pointer, color=theme.GOLD if key else None)
        button(screen, layout, cancel, say("cancel"), "Esc", pointer)

    def buttons(self, layout: Layout, room: Rect) -> tuple[Rect, Rect]:
        """Return the places of *OK* and *Cancel*."""
        height, gap = self._button_height(layout), layout.px(8)
        label, _ = self.ok()
        width = min(max(layout.px(140), theme.width(label, layout.text(14)) + layout.px(70)), (room.width - gap) // 2)
        ok = Rect(room.right - width, room.bottom - height, width, height)
        return ok, ok.move(-width - gap, 0)

    def _finish(self) -> None:
        self.closed = True
        self.accept()

    def _body(self, layout: Layout, room: Rect) -> Rect:
        return Rect(room.x, room.y, room.width, room.height - layout.px(12) - self._button_height(layout))

    @staticmethod
    def _button_height(layout: Layout) -> int:
        return layout.px(34)


class TextDialog(Dialog):
    """Asks for a text; ``done`` is called with it."""

    def __init__(self, title: str, text: str, done: Callable[[str], None], paste: Callable[[], str]) -> None:
        super().__init__(title)
        self.field, self._done = TextField(text, paste), done
        self._before = text

    def accept(self) -> None:
        self._done(self.field.value)

    def body_size(self, layout: Layout) -> tuple[int, int]:
        return layout.px(520), layout.px(150)

    def draw_body(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position, now: float) -> None:
        self.field.draw(screen, layout, room)

    def typed_in(self) -> TextField:
        return self.field

    def key(self, name: str) -> None:
        super().key(name)
        self.field.key(name)

    def press(self, layout: Layout, position: Position) -> None:
        """Handle a press anywhere; one outside takes the dialog away unless that would lose what was typed."""
        if self.frame(layout).collidepoint(position) or self.field.value == self._before:
            super().press(layout, position)
