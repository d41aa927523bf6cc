"""Draws the panel beside the board, and the banners on it: players, moves, status line and buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pygame
from pygame import Rect

from gui import fonts, theme
from gui.actions import Action, Tone
from gui.layout import Layout

if TYPE_CHECKING:
    from gui.controller import Controller
    from lm.matches.table import Ending

BUTTONS = (
    Action.NEW,
    Action.UNDO,
    Action.RESIGN,
    Action.DRAW,
    Action.LEVEL,
    Action.SWAP,
    Action.FLIP,
    Action.SCRIPT,
    Action.COPY,
    Action.PASTE,
    Action.SAVE,
)
NAVIGATION = (Action.FIRST, Action.BACK, Action.FORWARD, Action.LAST)

_TONES: dict[Tone, theme.Rgb] = {
    "quiet": theme.TEXT,
    "busy": theme.GOLD,
    "alert": theme.ALARM,
    "good": theme.JADE,
}
_ROW = 27
"""Height of a line of the move list."""


class Panel:
    """The panel; its only state is the scroll position of the move list, the rest comes from the controller."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self._scroll = 0
        """Pixels that the list is scrolled by."""
        self._followed = -1, -1
        self._grab: int | None = None

    # --- The pointer --------------------------------------------------------------------------------------------------

    def action_at(self, layout: Layout, position: tuple[int, int]) -> Action | None:
        """Return the action of the button under the pointer."""
        for action, rect in zip(BUTTONS + NAVIGATION, layout.buttons + layout.navigation, strict=True):
            if rect.collidepoint(position):
                return action
        return None

    def ply_at(self, layout: Layout, position: tuple[int, int]) -> int | None:
        """Return the ply (counted from 1) of the move under the pointer."""
        if not layout.moves.collidepoint(position):
            return None
        for ply in range(1, len(self.controller.session.texts) + 1):
            if self._move_rect(layout, ply).collidepoint(position):
                return ply
        return None

    def scroll(self, layout: Layout, lines: float) -> None:
        """Scroll the move list, downwards if ``lines`` is positive."""
        self._scroll = max(0, min(self._scroll + round(lines * _ROW), self._overflow(layout)))

    def grab(self, layout: Layout, position: tuple[int, int]) -> bool:
        """Start dragging the scroll bar if the pointer is on it; returns whether it is."""
        bar = self._bar(layout)
        if bar is None or not layout.moves.collidepoint(position) or position[0] < bar.x - 6:
            return False
        self._grab = position[1] - bar.y if bar.collidepoint(position) else bar.height // 2
        self.drag(layout, position)
        return True

    def drag(self, layout: Layout, position: tuple[int, int]) -> None:
        """Move the scroll bar with the pointer while it is dragged."""
        bar = self._bar(layout)
        if self._grab is not None and bar is not None:
            way = layout.moves.height - 8 - bar.height
            part = (position[1] - self._grab - layout.moves.y - 4) / max(1, way)
            self._scroll = round(max(0.0, min(1.0, part)) * self._overflow(layout))

    def let_go(self) -> None:
        """Stop dragging the scroll bar."""
        self._grab = None

    # --- Geometry of the list -----------------------------------------------------------------------------------------

    def _first(self) -> int:
        """Return 1 if Black moves first, since Black's moves are in the second column, else 0."""
        session = self.controller.session
        return (session.board.turn + session.board.ply) % 2

    def _overflow(self, layout: Layout) -> int:
        rows = (len(self.controller.session.texts) + self._first() + 1) // 2
        return max(0, rows * _ROW + 12 - layout.moves.height)

    def _move_rect(self, layout: Layout, ply: int) -> Rect:
        row, column = divmod(ply - 1 + self._first(), 2)
        area = layout.moves
        number = 40
        width = (area.width - number - 16) // 2
        return Rect(area.x + number + column * width, area.y + 6 + row * _ROW - self._scroll, width - 4, _ROW - 2)

    def _bar(self, layout: Layout) -> Rect | None:
        overflow = self._overflow(layout)
        if not overflow:
            return None
        area = layout.moves
        way = area.height - 8
        height = max(28, way * area.height // (area.height + overflow))
        return Rect(area.right - 9, area.y + 4 + (way - height) * self._scroll // overflow, 5, height)

    def _follow(self, layout: Layout) -> None:
        """Scroll to the move of the position shown, once after each change."""
        session = self.controller.session
        if self._followed != (session.generation, session.viewed):
            self._followed = session.generation, session.viewed
            rect = self._move_rect(layout, max(1, session.viewed))
            if rect.top < layout.moves.top + 6:
                self._scroll -= layout.moves.top + 6 - rect.top
            elif rect.bottom > layout.moves.bottom - 6:
                self._scroll += rect.bottom - layout.moves.bottom + 6
        self._scroll = max(0, min(self._scroll, self._overflow(layout)))

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def draw(self, screen: pygame.Surface, layout: Layout, pointer: tuple[int, int], now: float) -> None:
        """Draw the panel; ``pointer`` is the mouse position and ``now`` the time in seconds."""
        _box(screen, layout.panel, theme.PANEL, 14)
        bottom = self.controller.session.bottom
        self._draw_card(screen, layout.cards[0], 1 - bottom, now)
        self._draw_card(screen, layout.cards[1], bottom, now)
        self._follow(layout)
        self._draw_moves(screen, layout, pointer)
        for action, rect in zip(NAVIGATION, layout.navigation, strict=True):
            self._draw_button(screen, rect, action, pointer)
        line, tone = self.controller.status()
        draw_status(screen, layout, line, tone)
        for action, rect in zip(BUTTONS, layout.buttons, strict=True):
            self._draw_button(screen, rect, action, pointer)

    def _draw_card(self, screen: pygame.Surface, rect: Rect, color: int, now: float) -> None:
        session = self.controller.session
        active = session.ending is None and session.board.turn == color
        _box(screen, rect, theme.RAISED if active else theme.BACKGROUND, 10)
        if active:
            _box(screen, Rect(rect.x, rect.y + 10, 4, rect.height - 20), theme.GOLD, 2)
        diameter = rect.height - 16
        face = theme.piece(color * 8 + 1, diameter, session.traditional)
        screen.blit(face, (rect.x + 12, rect.y + 8))
        left = rect.x + 12 + diameter + 12
        width = rect.right - left - 10
        who, side_name = self.controller.side(color)
        name = theme.fit(who, 17, width)
        label = theme.text(name, 17)
        captured = "".join(theme.GLYPHS[session.traditional][code] for code in session.captured(1 - color))
        ink = theme.FAINT if not captured else theme.TEXT if color == 0 else theme.CAPTURED_RED
        line = theme.text(theme.fit(captured or side_name, 13, width), 13, ink)
        top = rect.centery - (label.get_height() + line.get_height()) // 2
        screen.blit(label, (left, top))
        screen.blit(line, (left, top + label.get_height()))
        if active and color not in session.humans and self.controller.thinking:
            for i in range(3):
                bright = 0.35 + 0.65 * max(0.0, 1 - abs((now * 2.2 - i * 0.5) % 2 - 0.75))
                dot = theme.disc(3.5, theme.GOLD, round(bright, 1))
                screen.blit(dot, (rect.right - 44 + i * 12, rect.y + 14))

    def _draw_moves(self, screen: pygame.Surface, layout: Layout, pointer: tuple[int, int]) -> None:
        area, session = layout.moves, self.controller.session
        _box(screen, area, theme.BACKGROUND, 10)
        if not session.texts:
            for i, line in enumerate(("Click a piece and then a dot,", "or drag the piece there.")):
                hint = theme.text(line, 14, theme.FAINT)
                screen.blit(hint, hint.get_rect(center=(area.centerx, area.centery - 11 + 22 * i)))
            return
        screen.set_clip(area.inflate(0, -6))
        hovered = self.ply_at(layout, pointer)
        first = self._first()
        for ply, text in enumerate(session.texts, 1):
            rect = self._move_rect(layout, ply)
            if rect.bottom < area.top or rect.top > area.bottom:
                continue
            if ply == 1 or (ply - 1 + first) % 2 == 0:
                number = theme.text(f"{(ply - 1 + first) // 2 + 1}.", 14, theme.FAINT)
                screen.blit(number, number.get_rect(midright=(area.x + 34, rect.centery)))
            if ply == session.viewed:
                _box(screen, rect, theme.GOLD, 6)
            elif ply == hovered:
                _box(screen, rect, theme.RAISED, 6)
            ink = (48, 32, 16) if ply == session.viewed else theme.TEXT
            move = theme.text(text, 17, ink)
            screen.blit(move, move.get_rect(midleft=(rect.x + 10, rect.centery)))
        screen.set_clip(None)
        bar = self._bar(layout)
        if bar is not None:
            _box(screen, bar, theme.FAINT if self._grab is not None else theme.EDGE, 2)

    def _draw_button(self, screen: pygame.Surface, rect: Rect, action: Action, pointer: tuple[int, int]) -> None:
        controller = self.controller
        enabled = controller.enabled(action)
        color = theme.RAISED
        if controller.armed(action):
            color = (128, 48, 38)
        elif enabled and rect.collidepoint(pointer):
            color = theme.HOVER
        _box(screen, rect, color if enabled else theme.BACKGROUND, 8)
        ink = theme.TEXT if enabled else theme.EDGE
        if action in NAVIGATION:
            label = theme.text(action.label, 16, ink)
            screen.blit(label, label.get_rect(center=rect.center))
            return
        key = theme.text(action.shortcut, 11, theme.FAINT if enabled else theme.EDGE)
        screen.blit(key, key.get_rect(midright=(rect.right - 9, rect.centery)))
        size = 14 if rect.width >= 130 else 13
        label = theme.text(theme.fit(controller.label(action), size, rect.width - 24 - key.get_width()), size, ink)
        screen.blit(label, label.get_rect(midleft=(rect.x + 10, rect.centery)))


def draw_status(screen: pygame.Surface, layout: Layout, line: str, tone: Tone = "busy") -> None:
    """Draw the status line, on two lines if it is long."""
    rect = layout.status
    lines = theme.wrap(line, 14, rect.width - 8, 2)
    top = rect.centery - len(lines) * 10
    for i, part in enumerate(lines):
        screen.blit(theme.text(part, 14, _TONES[tone]), (rect.x + 4, top + i * 20))


def draw_first_panel(screen: pygame.Surface, layout: Layout, line: str) -> None:
    """Draw the panel with its status line only, before there is a game."""
    _box(screen, layout.panel, theme.PANEL, 14)
    draw_status(screen, layout, line, "busy")


def draw_error(screen: pygame.Surface, layout: Layout, message: str) -> None:
    """Draw an error over the river, in one line."""
    width = layout.plate.width - round(layout.cell * 1.2)
    rect = Rect(0, 0, width, max(34, round(layout.cell * 0.62)))
    rect.center = layout.plate.center
    _box(screen, rect, (120, 30, 24), 10, 0.95)
    label = theme.text(theme.fit(message, 15, width - 28), 15, (255, 236, 224))
    screen.blit(label, label.get_rect(center=rect.center))


def _banner_lines(layout: Layout, ending: Ending) -> list[tuple[str, int, theme.Rgb]]:
    cell, width = layout.cell, round(layout.cell * 6.6)
    large, small = max(13, round(cell * 0.25)), max(11, round(cell * 0.17))
    facts = "; ".join(dict.fromkeys((*ending.evidence[:1], *ending.evidence[-1:])))
    why = theme.wrap(facts[:1].upper() + facts[1:], small, width - 48, 3) if facts else []
    hint = "N new game · U take back · click here to see the board"
    return [
        (theme.fit(ending.text, large, width - 32), large, theme.TEXT),
        *((line, small, theme.FAINT) for line in why),
        (theme.fit(hint, small, width - 32), small, theme.FAINT),
    ]


def banner_rect(layout: Layout, ending: Ending) -> Rect:
    """Return the rectangle of the result's banner."""
    height = layout.cell * 1.42 + sum(1.6 * size for _, size, _ in _banner_lines(layout, ending)) + layout.cell * 0.25
    rect = Rect(0, 0, round(layout.cell * 6.6), round(height))
    rect.center = layout.plate.center
    return rect


def draw_banner(screen: pygame.Surface, layout: Layout, ending: Ending) -> None:
    """Draw the result and its reason over the middle of the board."""
    rect, cell = banner_rect(layout, ending), layout.cell
    blur = round(cell * 0.4)
    shadow = theme.box_shadow(rect.width, rect.height, 16, blur, 0.7)
    screen.blit(shadow, (rect.x - blur, rect.y - blur + 4))
    _box(screen, rect, (44, 36, 30), 16, 0.96)
    title = theme.text({0: "紅勝", 1: "黑勝", None: "和棋"}[ending.winner], round(cell * 0.95), theme.GOLD, fonts.KAI)
    body = title.get_bounding_rect()
    screen.blit(title, (rect.centerx - body.centerx, rect.y + round(cell * 0.76) - body.centery))
    y = rect.y + cell * 1.42
    for line, size, color in _banner_lines(layout, ending):
        label = theme.text(line, size, color)
        screen.blit(label, label.get_rect(midtop=(rect.centerx, round(y))))
        y += 1.6 * size


def _box(screen: pygame.Surface, rect: Rect, color: theme.Rgb, radius: float, opacity: float = 1.0) -> None:
    screen.blit(theme.box(rect.width, rect.height, min(radius, rect.height / 2), color, opacity), rect)
