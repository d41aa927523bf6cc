"""The small parts that views, panel and dialogs are made of: boxes, buttons, texts, and lists that scroll."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pygame
from pygame import Rect

from gui import theme
from gui.layout import Layout
from gui.palettes import Rgb

Position = tuple[int, int]


def box(screen: pygame.Surface, rect: Rect, color: Rgb, radius: float, opacity: float = 1.0) -> None:
    """Draw a rectangle with round corners."""
    side = math.ceil(radius) + 1
    if opacity == 1 and min(rect.size) > 2 * side:  # only the corners need blending, which takes long for many pixels
        corners = theme.box(2 * side, 2 * side, radius, color)
        for x, left in ((rect.left, 0), (rect.right - side, side)):
            for y, top in ((rect.top, 0), (rect.bottom - side, side)):
                screen.blit(corners, (x, y), (left, top, side, side))
        screen.fill(color, rect.inflate(-2 * side, 0))
        for x in (rect.left, rect.right - side):
            screen.fill(color, (x, rect.top + side, side, rect.height - 2 * side))
    elif rect.width > 0 and rect.height > 0:
        screen.blit(theme.box(rect.width, rect.height, min(radius, rect.height / 2), color, opacity), rect)


def write(
    screen: pygame.Surface, string: str, size: int, rect: Rect, color: Rgb | None = None, at: str = "left"
) -> Rect:
    """Write a line in the middle of a rectangle's height, ``left``, ``right`` or ``center``; return where it stands.

    It is shortened to the rectangle's width.
    """
    label = theme.text(theme.fit(string, size, rect.width), size, color)
    place = label.get_rect(**{"center" if at == "center" else f"mid{at}": getattr(rect, _ANCHORS[at])})
    screen.blit(label, place)
    return place


def paragraph(screen: pygame.Surface, layout: Layout, room: Rect, y: int, text: str, color: Rgb, size: int = 14) -> int:
    """Write a text in lines as wide as ``room``, from ``y`` on; return the y below it."""
    pixels = layout.text(size)
    step = theme.height(pixels)
    for line in theme.wrap(text, pixels, room.width):
        write(screen, line, pixels, Rect(room.x, y, room.width, step), color)
        y += step
    return y


_ANCHORS = {"left": "midleft", "right": "midright", "center": "center"}


def button(
    screen: pygame.Surface,
    layout: Layout,
    rect: Rect,
    label: str,
    shortcut: str,
    pointer: Position,
    enabled: bool = True,
    color: Rgb | None = None,
) -> None:
    """Draw a button with its key; ``color`` replaces that of its face. The key is left out where there is no room."""
    face = color or (theme.HOVER if rect.collidepoint(pointer) else theme.RAISED)
    box(screen, rect, face if enabled else theme.BACKGROUND, layout.px(7))
    inks = {theme.GOLD: theme.ON_GOLD, theme.WARNING: theme.ON_WARNING}
    ink = inks.get(face, theme.TEXT) if enabled else theme.OFF
    size, small, pad = layout.text(14), layout.text(11), min(layout.px(9), rect.width // 8)
    size = next((s for s in range(size, small - 1, -1) if theme.width(label, s) <= rect.width - 2 * pad), small)
    room = rect.inflate(-2 * pad, 0)
    if shortcut and theme.width(label, size) + layout.px(8) + theme.width(shortcut, small) <= room.width:
        faint = theme.FAINT if enabled and face not in inks else ink
        write(screen, shortcut, small, room, faint, "right")
    write(screen, label, size, room, ink, "left" if shortcut else "center")


def draw_hint(screen: pygame.Surface, layout: Layout, area: Rect, text: str) -> None:
    """Write a text in the middle of an area that has nothing else to show."""
    size = layout.text(14)
    lines = theme.wrap(text, size, area.width - layout.px(30))
    step = theme.height(size)
    top = area.centery - step * len(lines) // 2
    for i, line in enumerate(lines):
        write(screen, line, size, Rect(area.x, top + i * step, area.width, step), theme.FAINT, "center")


@dataclass
class Scroll:
    """How far a list is scrolled, in pixels, and its bar."""

    offset: int = 0
    content: int = 0
    """Height of the whole list."""
    _grabbed: int | None = None

    def overflow(self, area: Rect) -> int:
        """Return how many pixels do not fit."""
        return max(0, self.content - area.height)

    def clamp(self, area: Rect) -> None:
        """Keep within the list, after it or the area has changed."""
        self.offset = max(0, min(self.offset, self.overflow(area)))

    def by(self, area: Rect, pixels: float) -> None:
        """Scroll down by so many pixels, or up."""
        self.offset += round(pixels)
        self.clamp(area)

    def to(self, area: Rect, top: int, bottom: int) -> None:
        """Scroll as little as shows the part between two heights of the list."""
        self.offset = max(min(self.offset, top), bottom - area.height)
        self.clamp(area)

    def bar(self, area: Rect, layout: Layout) -> Rect | None:
        """Return the bar's rectangle, or ``None`` where all fits."""
        overflow, way = self.overflow(area), area.height - layout.px(8)
        if not overflow:
            return None
        height = max(layout.px(24), way * area.height // (area.height + overflow))
        top = area.y + layout.px(4) + (way - height) * self.offset // overflow
        return Rect(area.right - layout.px(8), top, layout.px(5), height)

    def draw(self, screen: pygame.Surface, area: Rect, layout: Layout) -> None:
        """Draw the bar if there is one."""
        if (bar := self.bar(area, layout)) is not None:
            box(screen, bar, theme.FAINT if self._grabbed is not None else theme.EDGE, layout.px(2))

    def grab(self, area: Rect, layout: Layout, position: Position) -> bool:
        """Begin to drag the bar if the pointer is on it or beside it; return whether it is."""
        bar = self.bar(area, layout)
        if bar is None or not area.collidepoint(position) or position[0] < bar.x - layout.px(5):
            return False
        self._grabbed = position[1] - bar.y if bar.collidepoint(position) else bar.height // 2
        self.drag(area, layout, position)
        return True

    def drag(self, area: Rect, layout: Layout, position: Position) -> None:
        """Let the bar follow the pointer while it is held."""
        bar = self.bar(area, layout)
        if self._grabbed is not None and bar is not None:
            way = area.height - layout.px(8) - bar.height
            part = (position[1] - self._grabbed - area.y - layout.px(4)) / max(1, way)
            self.offset = round(max(0.0, min(1.0, part)) * self.overflow(area))

    def let_go(self) -> None:
        """Stop dragging the bar."""
        self._grabbed = None
