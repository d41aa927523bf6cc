"""The views of the panel, a module each: what is shown between the two players' cards.

A new view is a class with the methods of `View`, named in `gui.panel`, with its title ``view.NAME`` in `gui.strings`.
"""

from __future__ import annotations

from typing import ClassVar

import pygame
from pygame import Rect

from gui.actions import Action
from gui.layout import Layout
from gui.widgets import Position


class View:
    """A view of the panel. Every method may be left out but `draw`."""

    name: ClassVar[str]
    """The view's title is the text ``view.NAME``."""

    def draw(self, screen: pygame.Surface, layout: Layout, area: Rect, pointer: Position, now: float) -> None:
        """Draw the view in an area."""
        raise NotImplementedError

    def appear(self) -> None:
        """Take note that the view is shown now."""

    def disappear(self) -> None:
        """Take note that another view is shown now."""

    def action_at(self, layout: Layout, area: Rect, position: Position) -> Action | None:
        """Return the action of the view's own button under the pointer."""
        return None

    def press(self, layout: Layout, area: Rect, position: Position) -> None:
        """Handle a press of the left button in the area."""

    def motion(self, layout: Layout, area: Rect, position: Position) -> None:
        """Handle a motion of the pointer, anywhere."""

    def release(self) -> None:
        """Handle the release of the left button, anywhere."""

    def leave(self) -> None:
        """Take note that the pointer is no longer over the view, or that another view is shown."""

    def wheel(self, layout: Layout, area: Rect, lines: float) -> None:
        """Scroll by so many lines, downwards if positive."""
