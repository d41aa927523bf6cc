"""A field to type text in, with a cursor, any input method, and several lines."""

from __future__ import annotations

from collections.abc import Callable

import pygame
from pygame import Rect

from gui import theme
from gui.layout import Layout
from gui.widgets import box, write

LONGEST = 4000
"""Characters that a field takes."""


class TextField:
    """A text and a cursor in it. What an input method composes is shown at the cursor until it is typed."""

    def __init__(self, text: str = "", paste: Callable[[], str] = lambda: "") -> None:
        self.value = text
        self.at = len(text)
        """The cursor, as a number of characters."""
        self.composed = ""
        """What an input method composes."""
        self._paste = paste

    def text(self, event: pygame.Event) -> None:
        """Take in a ``TEXTINPUT`` or ``TEXTEDITING``."""
        if event.type == pygame.TEXTINPUT:
            self.composed = ""
            self.insert(event.text)
        elif event.type == pygame.TEXTEDITING:
            self.composed = event.text

    def insert(self, text: str) -> None:
        """Insert a text at the cursor."""
        text = " ".join(text.split("\n"))[: LONGEST - len(self.value)]
        self.value = self.value[: self.at] + text + self.value[self.at :]
        self.at += len(text)

    def key(self, name: str) -> bool:
        """Handle a key; return whether it means something here."""
        match name:
            case "backspace" if self.at:
                self.value = self.value[: self.at - 1] + self.value[self.at :]
                self.at -= 1
            case "delete":
                self.value = self.value[: self.at] + self.value[self.at + 1 :]
            case "left":
                self.at = max(0, self.at - 1)
            case "right":
                self.at = min(len(self.value), self.at + 1)
            case "home":
                self.at = 0
            case "end":
                self.at = len(self.value)
            case "ctrl+v":
                self.insert(self._paste())
            case _:
                return name == "backspace"
        return True

    def draw(self, screen: pygame.Surface, layout: Layout, rect: Rect, hint: str = "", focused: bool = True) -> None:
        """Draw the field; the cursor stays in sight, if text is typed here (``focused``)."""
        box(screen, rect, theme.BACKGROUND, layout.px(7))
        pygame.draw.rect(screen, theme.EDGE, rect, 1, layout.px(7))
        size, pad = layout.text(15), layout.px(9)
        step, room = theme.height(size), rect.inflate(-2 * pad, -layout.px(8))
        shown = self.value[: self.at] + self.composed + self.value[self.at :]
        rows = max(1, room.height // step)
        lines, cursor = _lines(shown, self.at + len(self.composed), size, room.width)
        first = max(0, cursor[0] - rows + 1)
        top = room.y if rows > 1 else room.centery - step // 2
        if not shown and hint:
            write(screen, hint, size, Rect(room.x + layout.px(4), top, room.width, step), theme.OFF)
        for i, line in enumerate(lines[first : first + rows]):
            screen.blit(theme.text(line, size), (room.x, top + i * step))
        if not focused:
            return
        x, y = room.x + cursor[1], top + (cursor[0] - first) * step
        if self.composed:
            width = theme.width(self.composed, size)
            screen.fill(theme.GOLD, (max(room.x, x - width), y + step - 2, min(width, x - room.x), 1))
        screen.fill(theme.GOLD, (x, y + 2, max(1, layout.px(1.5)), step - 4))
        pygame.key.set_text_input_rect(Rect(x / layout.density, y / layout.density, 1, step / layout.density))


def _lines(text: str, cursor: int, size: int, width: int) -> tuple[list[str], tuple[int, int]]:
    """Break a text into lines of at most so many pixels; return them, and the cursor's line and pixels in it."""
    lines, place, start = [""], (0, 0), 0
    for part in theme.split_all(text):
        if lines[-1] and theme.width(lines[-1] + part.rstrip(), size) > width:
            lines.append("")
        for character in part:
            if lines[-1] and theme.width(lines[-1] + character, size) > width and not character.isspace():
                lines.append("")
            if start == cursor:
                place = len(lines) - 1, theme.width(lines[-1], size)
            lines[-1] += character
            start += 1
    if cursor >= start:
        place = len(lines) - 1, min(theme.width(lines[-1], size), width)
    return lines, place
