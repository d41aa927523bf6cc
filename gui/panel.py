"""Draws the panel beside the board, and the banners on it: players, views, status line and buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pygame
from pygame import Rect

from gui import fonts, theme
from gui.actions import Action, Tone
from gui.layout import SMALLEST_TEXT, Layout
from gui.palettes import Rgb
from gui.strings import say, translated
from gui.widgets import Position, box, button, write

if TYPE_CHECKING:
    from gui.controller import Controller
    from gui.views import View
    from lm.matches.table import Ending

BUTTONS = (Action.NEW, Action.UNDO, Action.ANALYSE, Action.FLIP, Action.RESIGN, Action.MENU)
"""The actions of every game; all others are in the menu."""
NAVIGATION = (Action.FIRST, Action.BACK, Action.FORWARD, Action.LAST, Action.LETTERS, Action.SETTINGS)

_TONES: Final[dict[Tone, str]] = {"quiet": "TEXT", "busy": "GOLD", "alert": "ALARM", "good": "JADE"}
"""The colours of the tones, by their names in `theme`."""


class Panel:
    """The panel. Its only state is the view shown; the rest comes from the controller."""

    def __init__(self, controller: Controller) -> None:
        from gui.views.analysis import AnalysisView
        from gui.views.library import LibraryView
        from gui.views.mind import MindView
        from gui.views.moves import MovesView
        from gui.views.review import ReviewView
        from gui.views.teaching import TeachingView

        self.controller = controller
        self.moves = MovesView(controller.session)
        self.views: tuple[View, ...] = (
            self.moves,
            AnalysisView(controller.session, controller.analysis),
            ReviewView(controller.session, controller.review),
            MindView(controller.session, controller.mind, controller.analysis),
            LibraryView(controller.session, controller.library),
        )
        self.teaching = TeachingView(controller.session, controller.teacher, controller.do)
        self._view: View = self.moves
        """The view chosen."""

    @property
    def view(self) -> View:
        """The view shown: that chosen, unless a mistake may be taken back."""
        return self.teaching if self.controller.teacher.offered is not None else self._view

    def show(self, name: str) -> None:
        """Show the view of this name."""
        self._switch(next(view for view in self.views if view.name == name))

    def show_next(self) -> None:
        """Show the next view."""
        self._switch(self.views[(self.views.index(self._view) + 1) % len(self.views)])

    def _switch(self, view: View) -> None:
        self._view.leave()
        self._view.disappear()
        self._view = view
        view.appear()

    # --- The pointer --------------------------------------------------------------------------------------------------

    @property
    def buttons(self) -> tuple[Action, ...]:
        """The actions on the buttons: where two players play each other, nobody resigns, but one may pause."""
        if self.controller.session.humans:
            return BUTTONS
        return tuple(Action.PAUSE if action is Action.RESIGN else action for action in BUTTONS)

    def action_at(self, layout: Layout, position: Position) -> Action | None:
        """Return the action of the button under the pointer."""
        for action, rect in zip(self.buttons + NAVIGATION, layout.buttons + layout.navigation, strict=True):
            if rect.collidepoint(position):
                return action
        return self.view.action_at(layout, layout.view, position)

    def press(self, layout: Layout, position: Position) -> bool:
        """Handle a press on a tab or in the view; return whether it is on one."""
        for view, rect in zip(self.views, self._tabs(layout), strict=True):
            if rect.collidepoint(position):
                self._switch(view)
                return True
        if layout.view.collidepoint(position):
            self.view.press(layout, layout.view, position)
            return True
        return False

    def motion(self, layout: Layout, position: Position) -> None:
        """Handle a motion of the pointer."""
        self.view.motion(layout, layout.view, position)

    def release(self) -> None:
        """Handle the release of the button."""
        self.view.release()

    def wheel(self, layout: Layout, lines: float) -> None:
        """Scroll the view, downwards if ``lines`` is positive."""
        self.view.wheel(layout, layout.view, lines)

    def _tabs(self, layout: Layout) -> list[Rect]:
        area, places, left = layout.tabs, [], layout.tabs.x
        widths = [theme.width(say(f"view.{view.name}"), layout.text(14)) for view in self.views]
        pad = min(layout.px(44), (area.width - sum(widths)) // len(widths))
        for width in widths:
            places.append(Rect(left, area.y, width + pad, area.height))
            left += width + pad
        return places

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def draw(self, screen: pygame.Surface, layout: Layout, pointer: Position, now: float) -> None:
        """Draw the panel; ``pointer`` is the mouse position and ``now`` the time in seconds."""
        box(screen, layout.panel, theme.PANEL, layout.px(12))
        bottom = self.controller.session.bottom
        self._draw_card(screen, layout, layout.cards[0], 1 - bottom, now)
        self._draw_card(screen, layout, layout.cards[1], bottom, now)
        self._draw_tabs(screen, layout, pointer)
        box(screen, layout.view, theme.BACKGROUND, layout.px(8))
        self.view.draw(screen, layout, layout.view, pointer, now)
        for action, rect in zip(NAVIGATION, layout.navigation, strict=True):
            enabled = self.controller.enabled(action)
            button(screen, layout, rect, action.label, "", pointer, enabled)
        line, tone = self.controller.status()
        if (sign := self._sign_at(layout, pointer)) is not None:
            line, tone = f"{sign.title} · {sign.shortcut}", "quiet"
        draw_status(screen, layout, line, tone)
        for action, rect in zip(self.buttons, layout.buttons, strict=True):
            self._draw_button(screen, layout, rect, action, pointer)

    @staticmethod
    def _sign_at(layout: Layout, pointer: Position) -> Action | None:
        """Return the action of the button with a sign that the pointer rests on, so that it can be told in words."""
        places = zip(NAVIGATION, layout.navigation, strict=True)
        return next((action for action, rect in places if rect.collidepoint(pointer)), None)

    def _draw_tabs(self, screen: pygame.Surface, layout: Layout, pointer: Position) -> None:
        for view, rect in zip(self.views, self._tabs(layout), strict=True):
            shown = view is self.view
            if shown:
                face = rect.inflate(0, layout.px(8))
                face.top = rect.top
                box(screen, face, theme.BACKGROUND, layout.px(8))
            ink = theme.GOLD if shown else theme.TEXT if rect.collidepoint(pointer) else theme.FAINT
            write(screen, say(f"view.{view.name}"), layout.text(14), rect, ink, "center")

    def _draw_card(self, screen: pygame.Surface, layout: Layout, rect: Rect, color: int, now: float) -> None:
        session = self.controller.session
        active = not session.over and session.board.turn == color
        marked = session.to_move == color
        box(screen, rect, theme.RAISED if marked else theme.BACKGROUND, layout.px(9))
        if marked:
            box(screen, Rect(rect.x, rect.y + layout.px(9), layout.px(4), rect.height - layout.px(18)), theme.GOLD, 2)
        diameter = rect.height - layout.px(14)
        face = theme.piece(color * 8 + 1, diameter, session.traditional)
        screen.blit(face, face.get_rect(midleft=(rect.x + layout.px(12), rect.centery)))
        left = rect.x + layout.px(22) + diameter
        dots = active and color not in session.humans and self.controller.opponents.thinking
        dots = dots and not self.controller.teacher.holds
        room = Rect(left, rect.y, rect.right - left - layout.px(8), rect.height)
        who, side_name = self.controller.opponents.side(color)
        large, small = layout.text(16), layout.text(12)
        captured = "".join(theme.glyph(code, session.traditional) for code in session.captured(1 - color))
        ink = theme.FAINT if not captured else theme.TEXT if color == 0 else theme.CAPTURED_RED
        heights = theme.height(large), theme.height(small)
        top = rect.centery - sum(heights) // 2
        time_left = self.controller.clocks.time_left(color)
        if time_left is not None:
            control = session.table.clocks[color]
            running, waiting = clock_texts(time_left, control.byoyomi if control is not None else 0.0)
            clock = Rect(left, rect.y, rect.right - left - layout.px(12), rect.height)
            ending = active and time_left < 20
            ink_of_clock = theme.ALARM if ending else theme.GOLD if active else theme.FAINT
            for text, size in ((waiting, layout.text(14)), (running, layout.text(20))):
                if text:
                    at = write(screen, text, size, clock, ink_of_clock, "right")
                    clock.width = at.left - left - layout.px(8)
            room.width = clock.width
        name_room = Rect(left, top, room.width - (layout.px(42) if dots else 0), heights[0])
        write(screen, who, large if theme.width(who, large) <= name_room.width else small, name_room)
        write(screen, captured or side_name, small, Rect(left, top + heights[0], room.width, heights[1]), ink)
        if dots:
            for i in range(3):
                bright = 0.35 + 0.65 * max(0.0, 1 - abs((now * 2.2 - i * 0.5) % 2 - 0.75))
                dot = theme.disc(3.5 * layout.unit, theme.GOLD, round(bright, 1))
                screen.blit(dot, dot.get_rect(center=(left + room.width - layout.px(30 - i * 12), name_room.centery)))

    def _draw_button(
        self, screen: pygame.Surface, layout: Layout, rect: Rect, action: Action, pointer: Position
    ) -> None:
        controller = self.controller
        color = theme.WARNING if controller.armed(action) else None
        enabled = controller.enabled(action)
        button(screen, layout, rect, controller.label(action), action.shortcut, pointer, enabled, color)


def clock_text(seconds: float, tenths: bool = True) -> str:
    """Write the time that is left: ``1:02:03``, ``4:05``, and tenths in the last seconds, ``0:07.3``, or none.

    >>> [clock_text(seconds) for seconds in (3723, 245.9, 7.39, 0)]
    ['1:02:03', '4:05', '0:07.3', '0:00.0']
    """
    minutes, rest = divmod(seconds, 60)
    if tenths and seconds < 10:
        return f"0:{int(rest * 10) / 10:04.1f}"
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{int(rest):02}" if hours else f"{minutes}:{int(rest):02}"


def clock_texts(left: float, byoyomi: float) -> tuple[str, str]:
    """Write the time that runs, and the byoyomi that waits behind the main time: ``1:00`` and ``b10``.

    Once the main time is used up, the byoyomi runs: ``b0:10``.

    >>> clock_texts(70, 10), clock_texts(7.39, 10), clock_texts(70, 0)
    (('1:00', 'b10'), ('b0:07.3', ''), ('1:10', ''))
    """
    if not byoyomi:
        return clock_text(left), ""
    return (clock_text(left - byoyomi, False), f"b{byoyomi:g}") if left > byoyomi else (f"b{clock_text(left)}", "")


def draw_status(screen: pygame.Surface, layout: Layout, line: str, tone: Tone = "busy") -> None:
    """Draw the status line, on two lines if it is long."""
    rect, size, ink = layout.status, layout.text(14), getattr(theme, _TONES[tone])
    lines = theme.wrap(line, size, rect.width - layout.px(8), 2)
    step = min(rect.height // 2, theme.height(size))
    top = rect.centery - len(lines) * step // 2
    for i, part in enumerate(lines):
        write(screen, part, size, Rect(rect.x + layout.px(4), top + i * step, rect.width, step), ink)


def draw_first_panel(screen: pygame.Surface, layout: Layout, line: str) -> None:
    """Draw the panel with its status line only, before there is a game."""
    box(screen, layout.panel, theme.PANEL, layout.px(12))
    draw_status(screen, layout, line, "busy")


def _error_lines(layout: Layout, message: str, hint: str) -> list[tuple[str, int]]:
    width = _error_width(layout) - 2 * layout.px(14)
    told = translated(message)
    lines = theme.wrap(told[:1].upper() + told[1:], layout.text(15), width, 5)
    hints = theme.wrap(hint, layout.text(13), width, 2)
    return [(line, layout.text(15)) for line in lines] + [(line, layout.text(13)) for line in hints]


def _error_width(layout: Layout) -> int:
    return layout.plate.width - round(layout.cell * 1.2)


def error_rect(layout: Layout, message: str, hint: str) -> Rect:
    """Return the rectangle of an error over the river, with what can be done as its last line."""
    height = sum(theme.height(size) for _, size in _error_lines(layout, message, hint)) + layout.px(14)
    rect = Rect(0, 0, _error_width(layout), height)
    rect.center = layout.plate.center
    return rect


def draw_error(screen: pygame.Surface, layout: Layout, message: str, hint: str) -> None:
    """Draw an error over the river, in five lines at most, and what can be done."""
    rect, pad = error_rect(layout, message, hint), layout.px(14)
    box(screen, rect, theme.WARNING, layout.px(10), 0.95)
    top = rect.y + pad // 2
    for line, size in _error_lines(layout, message, hint):
        place = Rect(rect.x + pad, top, rect.width - 2 * pad, theme.height(size))
        write(screen, line, size, place, theme.ON_WARNING, "center")
        top += place.height


def _banner_lines(layout: Layout, ending: Ending, hint: str) -> list[tuple[str, int, Rgb]]:
    cell, width = layout.cell, round(layout.cell * 6.6)
    least = round(13 * layout.density), round(SMALLEST_TEXT * layout.density)
    large, small = max(least[0], round(cell * 0.25)), max(least[1], round(cell * 0.17))
    facts = say("word.then").join(map(translated, dict.fromkeys((*ending.evidence[:1], *ending.evidence[-1:]))))
    why = theme.wrap(facts[:1].upper() + facts[1:], small, width - 48, 3) if facts else []
    return [
        (theme.fit(translated(ending.text), large, width - 32), large, theme.TEXT),
        *((line, small, theme.FAINT) for line in why),
        *((line, small, theme.FAINT) for line in theme.wrap(hint, small, width - 32, 2)),
    ]


def banner_rect(layout: Layout, ending: Ending, hint: str) -> Rect:
    """Return the rectangle of the result's banner, with what can be done there as its last line."""
    heights = sum(1.6 * size for _, size, _ in _banner_lines(layout, ending, hint))
    height = layout.cell * 1.42 + heights + layout.cell * 0.25
    rect = Rect(0, 0, round(layout.cell * 6.6), round(height))
    rect.center = layout.plate.center
    return rect


def draw_banner(screen: pygame.Surface, layout: Layout, ending: Ending, hint: str) -> None:
    """Draw the result, its reason and what can be done, over the middle of the board."""
    rect, cell = banner_rect(layout, ending, hint), layout.cell
    blur = round(cell * 0.4)
    shadow = theme.box_shadow(rect.width, rect.height, 16, blur, 0.7)
    screen.blit(shadow, (rect.x - blur, rect.y - blur + 4))
    box(screen, rect, theme.BANNER, 16, 0.96)
    title = say({0: "banner.red_wins", 1: "banner.black_wins", None: "banner.draw"}[ending.winner])
    label = theme.text(title, round(cell * 0.95), theme.GOLD, fonts.UI if title.isascii() else fonts.KAI)
    body = label.get_bounding_rect()
    screen.blit(label, (rect.centerx - body.centerx, rect.y + round(cell * 0.76) - body.centery))
    y = rect.y + cell * 1.42
    for line, size, color in _banner_lines(layout, ending, hint):
        label = theme.text(line, size, color)
        screen.blit(label, label.get_rect(midtop=(rect.centerx, round(y))))
        y += 1.6 * size
