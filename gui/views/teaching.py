"""What takes the place of the panel's view while a mistake may be taken back: what it costs, why, and the choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pygame
from pygame import Rect

from gui import theme
from gui.actions import Action
from gui.layout import Layout
from gui.strings import say
from gui.views import View
from gui.widgets import Position, box, button, paragraph

if TYPE_CHECKING:
    from gui.session import Session
    from gui.teaching import Teacher

CHOICES = (Action.UNDO, Action.LET_STAND)


class TeachingView(View):
    """A press on what follows shows it on the board once more; ``do`` carries out the person's choice."""

    name = "teaching"

    def __init__(self, session: Session, teacher: Teacher, do: Callable[[Action], None]) -> None:
        self.session, self.teacher, self._do = session, teacher, do
        self._line = Rect(0, 0, 0, 0)
        """Where what follows was last drawn."""

    def press(self, layout: Layout, area: Rect, position: Position) -> None:
        if self._line.collidepoint(position):
            self.teacher.replay()
        for action, rect in zip(CHOICES, self.buttons(layout, area), strict=True):
            if rect.collidepoint(position):
                self._do(action)

    def buttons(self, layout: Layout, area: Rect) -> list[Rect]:
        """Return the places of the two choices."""
        height, gap = layout.px(32), layout.px(8)
        room = area.inflate(-layout.px(20), -layout.px(20))
        width = (room.width - gap) // 2
        return [Rect(room.x + n * (width + gap), room.bottom - height, width, height) for n in range(2)]

    def draw(self, screen: pygame.Surface, layout: Layout, area: Rect, pointer: Position, now: float) -> None:
        teacher, judged = self.teacher, self.teacher.offered
        if judged is None:
            return
        clip = screen.get_clip()
        screen.set_clip(area)
        room = Rect(area.x + layout.px(12), 0, area.width - layout.px(24), 0)
        title = say("review.move", move=self.session.texts[-1], verdict=say(f"verdict.{judged.verdict}"))
        y = self._paragraph(screen, layout, room, area.y + layout.px(12), title, 16, theme.ALARM)
        before, after = (f"{100 * point.value_for(judged.color):.0f}%" for point in (judged.before, judged.after))
        chances = say("review.chances", before=before, after=after)
        y = self._paragraph(screen, layout, room, y, chances, 14, theme.TEXT) + layout.px(6)
        if teacher.why:
            texts = self.session.scribe.style.line(self.session.board, teacher.why)
            text = say("teaching.why", moves=" ".join(texts[: teacher.count or len(texts)]))
            self._line = Rect(room.x, y, room.width, layout.px(60))
            if self._line.collidepoint(pointer):
                box(screen, self._line.inflate(layout.px(8), 0), theme.RAISED, layout.px(4))
            y = self._paragraph(screen, layout, room, y, text, 14, theme.GOLD)
            self._line.height = max(y - self._line.y, 1)
        ask, size, top = say("teaching.ask"), layout.text(14), self.buttons(layout, area)[0].top
        if y + layout.px(6) + len(theme.wrap(ask, size, room.width)) * theme.height(size) <= top:
            self._paragraph(screen, layout, room, y + layout.px(6), ask, 14, theme.FAINT)
        screen.set_clip(clip)
        for action, rect in zip(CHOICES, self.buttons(layout, area), strict=True):
            back = action is Action.UNDO
            label, color = (say("teaching.undo"), theme.GOLD) if back else (action.label, None)
            button(screen, layout, rect, label, action.shortcut, pointer, color=color)

    @staticmethod
    def _paragraph(
        screen: pygame.Surface, layout: Layout, room: Rect, y: int, text: str, size: int, color: tuple[int, int, int]
    ) -> int:
        return paragraph(screen, layout, room, y, text, color, size) + layout.px(3)
