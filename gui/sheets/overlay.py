"""What is laid over the board for a while: the menu, the help sheet, dialogs. The game goes on behind it."""

from __future__ import annotations

from typing import ClassVar

import pygame
from pygame import Rect

from gui import theme
from gui.board_view import Scene
from gui.layout import Layout
from gui.sheets.text_field import TextField
from gui.widgets import Position, box, write


class Overlay:
    """A sheet over the window. It is taken away once ``closed`` is set; Escape and a press outside set it."""

    title = ""
    on_board: ClassVar = False
    """Whether the sheet stands on the board and the panel in place of what they show, so that it has a `scene`."""

    def __init__(self) -> None:
        self.closed = False

    def size(self, layout: Layout) -> tuple[int, int]:
        """Return the width and height that the sheet needs, in pixels; it gets less in a small window."""
        raise NotImplementedError

    def draw_inside(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position, now: float) -> None:
        """Draw what the sheet shows below its title."""
        raise NotImplementedError

    def press_inside(self, layout: Layout, room: Rect, position: Position) -> None:
        """Handle a press of the left button."""

    def key(self, name: str) -> None:
        """Handle a key by its name in `gui.keys`; while an input method composes a text, keys are its own."""

    def text(self, event: pygame.Event) -> None:
        """Handle a text that is typed or composed, ``TEXTINPUT`` or ``TEXTEDITING``."""
        if (field := self.typed_in()) is not None:
            field.text(event)

    def escape(self) -> bool:
        """Handle Escape; return whether it means something here, so that the sheet stays."""
        return False

    def press_right(self, layout: Layout, position: Position) -> None:
        """Handle a press of the right button, anywhere in the window."""

    def release(self, layout: Layout, position: Position) -> None:
        """Handle the release of the left button, anywhere."""

    def scene(self, layout: Layout, pointer: Position) -> Scene | None:
        """Return what stands on the board in place of the position shown; such a sheet draws the panel too."""
        return None

    def motion(self, layout: Layout, position: Position) -> None:
        """Handle a motion of the pointer."""

    def wheel(self, layout: Layout, lines: float) -> None:
        """Scroll by so many lines, downwards if positive."""

    def typed_in(self) -> TextField | None:
        """Return the field that is typed in; input methods are on where there is one."""
        return None

    def leave(self) -> None:
        """Take note that the sheet is taken away, for whatever reason."""

    # --- Common to all ------------------------------------------------------------------------------------------------

    def frame(self, layout: Layout) -> Rect:
        """Return the rectangle of the whole sheet."""
        width, height = self.size(layout)
        pad = layout.px(16)
        rect = Rect(0, 0, width + 2 * pad, height + 2 * pad + self._title_height(layout))
        rect.width = min(rect.width, layout.size[0] - layout.px(12))
        rect.height = min(rect.height, layout.size[1] - layout.px(12))
        rect.center = layout.size[0] // 2, layout.size[1] // 2
        return rect

    def most(self, layout: Layout) -> int:
        """Return the greatest height that `size` can have."""
        return layout.size[1] - layout.px(12) - 2 * layout.px(16) - self._title_height(layout)

    def room(self, layout: Layout) -> Rect:
        """Return the rectangle below the title."""
        rect = self.frame(layout).inflate(-2 * layout.px(16), -2 * layout.px(16))
        top = self._title_height(layout)
        return Rect(rect.x, rect.y + top, rect.width, rect.height - top)

    @staticmethod
    def _title_height(layout: Layout) -> int:
        return theme.height(layout.text(17)) + layout.px(8)

    def draw(self, screen: pygame.Surface, layout: Layout, pointer: Position, now: float) -> None:
        """Draw the sheet, and darken the window around it."""
        screen.fill((140, 140, 140), special_flags=pygame.BLEND_RGB_MULT)
        frame = self.frame(layout)
        box(screen, frame.inflate(2, 2), theme.EDGE, layout.px(13))
        box(screen, frame, theme.PANEL, layout.px(12))
        pad = layout.px(16)
        line = Rect(frame.x + pad, frame.y + pad, frame.width - 2 * pad, theme.height(layout.text(17)))
        write(screen, self.title, layout.text(17), line, theme.GOLD)
        self.draw_inside(screen, layout, self.room(layout), pointer, now)

    def press(self, layout: Layout, position: Position) -> None:
        """Handle a press anywhere in the window."""
        if self.frame(layout).collidepoint(position):
            self.press_inside(layout, self.room(layout), position)
        else:
            self.closed = True
