"""The view of the review: the score over the game, the move shown, and the worst moves of each side."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import pygame
from pygame import Rect

from gui import theme
from gui.actions import Action
from gui.layout import Layout
from gui.names import share_text
from gui.palettes import Rgb
from gui.strings import say
from gui.views import View
from gui.widgets import Position, Scroll, box, draw_hint, paragraph, write
from lm.study.review import LOSSES, Judged
from xiangqi import BLACK, RED
from xiangqi.lines import move_number

if TYPE_CHECKING:
    from gui.review import GameReview
    from gui.session import Session
    from xiangqi import Move
    from xiangqi.game import GameNode

SHOWN: Final = 6
"""So many moves of what was better are written, and added to the game by a click."""
_SIGNS: Final = {"blunder": "??", "mistake": "?", "inaccuracy": "?!"}


class ReviewView(View):
    """The review of the game. A press on the curve shows a position."""

    name = "review"

    def __init__(self, session: Session, review: GameReview) -> None:
        self.session, self.review = session, review
        self.scroll = Scroll()
        self._spots: list[tuple[Rect, Callable[[], None]]] = []
        """What was last drawn that can be pressed, and what it does."""
        self._spots_of: object = None
        """What `_of` was when they were drawn."""
        self._curve = Rect(0, 0, 0, 0)
        self._dragging = False

    # --- The pointer --------------------------------------------------------------------------------------------------

    def press(self, layout: Layout, area: Rect, position: Position) -> None:
        if self.scroll.grab(area, layout, position) or self._spots_of != self._of:
            return
        if self._curve.collidepoint(position):
            self._dragging = True
            self._show_at(position)
            return
        for rect, act in self._spots:
            if rect.collidepoint(position):
                act()
                return

    @property
    def _of(self) -> object:
        """What changes with the moves that can be clicked."""
        return self.session.number, self.session.revision, len(self.review.nodes)

    def motion(self, layout: Layout, area: Rect, position: Position) -> None:
        self.scroll.drag(area, layout, position)
        if self._dragging and self._spots_of == self._of:
            self._show_at(position)

    def release(self) -> None:
        self.scroll.let_go()
        self._dragging = False

    def wheel(self, layout: Layout, area: Rect, lines: float) -> None:
        self.scroll.by(area, lines * layout.px(24))

    def _show_at(self, position: Position) -> None:
        """Show the position of the curve under the pointer."""
        nodes = self.review.nodes
        if len(nodes) > 1:
            share = (position[0] - self._curve.x) / max(1, self._curve.width)
            self.session.show(nodes[max(0, min(len(nodes) - 1, round(share * (len(nodes) - 1))))])

    def curve_point(self, ply: int) -> Position:
        """Return where a position was last drawn on the curve."""
        review, curve = self.review.review, self._curve
        assert review is not None
        value = review.points[ply].value_for(self.session.bottom)
        x = curve.x + curve.width * ply / max(1, len(review.moves))
        return round(x), round(curve.bottom - 1 - (curve.height - 2) * value)

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def draw(self, screen: pygame.Surface, layout: Layout, area: Rect, pointer: Position, now: float) -> None:
        review = self.review
        self._spots, self._spots_of, self._curve = [], self._of, Rect(0, 0, 0, 0)
        if review.review is None or (review.error is not None and not review.review.points):
            start = say("analysis.start", key=Action.REVIEW.shortcut)
            text = f"{say('review.off')} {start}" if review.error is None else say("review.failed", reason=review.error)
            draw_hint(screen, layout, area, text)
            return
        clip = screen.get_clip()
        screen.set_clip(area)
        room = Rect(area.x + layout.px(12), 0, area.width - layout.px(26), 0)
        y = area.y + layout.px(10) - self.scroll.offset
        y = self._draw_curve(screen, layout, room, y, pointer)
        y = self._draw_progress(screen, layout, room, y)
        y = self._draw_move(screen, layout, room, y, pointer)
        y = self._draw_sides(screen, layout, room, y, pointer)
        screen.set_clip(clip)
        self.scroll.content = y + self.scroll.offset - area.y
        self.scroll.clamp(area)
        self.scroll.draw(screen, area, layout)
        self._curve = self._curve.clip(area)
        self._spots = [(rect.clip(area), act) for rect, act in self._spots if rect.clip(area).height > 0]

    def _draw_curve(self, screen: pygame.Surface, layout: Layout, room: Rect, y: int, pointer: Position) -> int:
        review = self.review.review
        assert review is not None
        bottom = self.session.bottom
        self._curve = curve = Rect(room.x, y, room.width, layout.px(96))
        lower, upper = (theme.WIN, theme.LOSS) if bottom == RED else (theme.LOSS, theme.WIN)
        screen.fill(theme.RAISED, curve)
        points = [self.curve_point(ply) for ply in range(len(review.points))]
        if len(points) > 1:
            screen.fill(upper, Rect(curve.x, curve.y, points[-1][0] - curve.x, curve.height))
            floor = [(points[-1][0], curve.bottom - 1), (points[0][0], curve.bottom - 1)]
            pygame.draw.polygon(screen, lower, [*points, *floor])
            pygame.draw.aalines(screen, theme.TEXT, False, points)
        screen.fill(theme.EDGE, Rect(curve.x, curve.centery, curve.width, 1))
        node, nodes = self.session.node, self.review.nodes
        if node.ply < len(nodes) and nodes[node.ply] is node:
            x = curve.x + round(curve.width * node.ply / max(1, len(review.moves)))
            screen.fill(theme.GOLD, Rect(x - layout.px(1), curve.y, layout.px(2), curve.height))
        for judged in self.review.summary.mistakes:
            color = theme.GOLD if judged.turns else theme.ALARM
            dot = theme.disc((4.5 if judged.turns else 3.2) * layout.unit, color)
            screen.blit(dot, dot.get_rect(center=points[judged.ply]))
        if curve.collidepoint(pointer):
            screen.fill(theme.FAINT, Rect(pointer[0], curve.y, 1, curve.height))
        return curve.bottom + layout.px(6)

    def _draw_progress(self, screen: pygame.Surface, layout: Layout, room: Rect, y: int) -> int:
        """Say how far the review is, where it is not at its end."""
        review = self.review.review
        assert review is not None
        if self.review.error is not None:
            text = say("review.failed", reason=self.review.error)
        elif review.done and not self.review.changed:
            return y
        elif self.review.running and not review.points:
            text = say("analysis.loading")
        elif self.review.running:
            text = say("review.reading", done=len(review.points), all=len(review.moves) + 1)
        else:
            text = say("review.go_on", key=Action.REVIEW.shortcut)
        return self._paragraph(screen, layout, room, y, text, theme.GOLD, small=True) + layout.px(2)

    def _draw_move(self, screen: pygame.Surface, layout: Layout, room: Rect, y: int, pointer: Position) -> int:
        """Tell of the move that led to the position shown, or of the mistake that followed there."""
        review, node = self.review, self.session.node
        if (awaited := review.awaited) is not None:
            text = say("review.try", move=self._title(awaited), lost=_percent(awaited.lost))
            return self._paragraph(screen, layout, room, y, text, theme.GOLD)
        if node is review.tried and review.judged(node) is None:
            return self._paragraph(screen, layout, room, y, say("review.trying"), theme.GOLD)
        judged = review.judged(node)
        if judged is None:
            flawless = review.review is not None and review.review.done and not review.summary.mistakes
            pick = say("review.flawless" if flawless else "review.pick", key=Action.NEXT_MISTAKE.shortcut)
            return self._paragraph(screen, layout, room, y, pick, theme.FAINT)
        start, scribe = node.parent, self.session.scribe
        assert start is not None
        before, after = (_percent(point.value_for(judged.color)) for point in (judged.before, judged.after))
        head = say("review.move", move=self._title(judged), verdict=say(f"verdict.{judged.verdict}"))
        color = theme.JADE if judged.verdict in ("best", "good") else theme.ALARM
        y = self._paragraph(screen, layout, room, y, head, color)
        text = say("review.chances", before=before, after=after)
        y = self._paragraph(screen, layout, room, y, text, theme.FAINT, small=True)
        if node is review.tried:
            again = say("review.again", key=Action.RETRY.shortcut)
            y = self._paragraph(screen, layout, room, y, again, theme.GOLD)
        if judged.verdict != "best" and judged.before.line:
            line = judged.before.line[:SHOWN]
            top = y
            key = "review.best" if judged.verdict == "good" else "review.better"
            text = say(key, moves=" ".join(scribe.moves(start, line)))
            y = self._paragraph(screen, layout, room, y, text, theme.TEXT)
            self._spots.append((Rect(room.x, top, room.width, y - top), lambda: self._add(start, line)))
        if judged.before.popular:
            shares = [f"{scribe.moves(start, (move,))[0]} {share_text(share)}" for move, share in judged.before.popular]
            own = judged.before.played_share
            text = say("review.people", moves=" · ".join(shares))
            if own is not None and judged.move not in [move for move, _ in judged.before.popular]:
                text += " " + say("review.own", share=share_text(own))
            y = self._paragraph(screen, layout, room, y, text, theme.FAINT)
        return y + layout.px(4)

    def _draw_sides(self, screen: pygame.Surface, layout: Layout, room: Rect, y: int, pointer: Position) -> int:
        """List the worst moves of each side, in two columns if these have room."""
        summary = self.review.summary
        size, small = layout.text(14), layout.text(12)
        row, head = theme.height(size) + layout.px(4), theme.height(small) + layout.px(2)
        gap = layout.px(10)
        titles = [f"{self._title(judged)} -{_percent(judged.lost)}" for side in summary.worst for judged in side]
        widest = max([theme.width(title, small) for title in titles], default=0) + layout.px(6)
        columns = 2 if widest <= (room.width - gap) // 2 else 1
        width = (room.width - gap) // 2 if columns == 2 else room.width
        screen.fill(theme.EDGE, Rect(room.x, y, room.width, 1))
        top, end = y + layout.px(6), y
        for column, color in enumerate((RED, BLACK)):
            x, y = (room.x + column * (width + gap), top) if columns == 2 else (room.x, max(top, end))
            accuracy = summary.accuracy[color]
            name = say("side.red" if color == RED else "side.black")
            ink = theme.CAPTURED_RED if color == RED else theme.TEXT
            write(screen, name, size, Rect(x, y, width, row), ink)
            if accuracy is not None:
                text = f"{accuracy:.0f}%"
                write(screen, text, size, Rect(x, y, width, row), theme.TEXT, "right")
            y += row
            counts = summary.counts[color]
            text = " · ".join(f"{_SIGNS[verdict]} {counts.get(verdict, 0)}" for _, verdict, _ in LOSSES)
            write(screen, text, small, Rect(x, y, width, head), theme.FAINT)
            y += head + layout.px(2)
            for judged in summary.worst[color]:
                rect = Rect(x - layout.px(4), y, width + layout.px(8), row)
                if rect.collidepoint(pointer):
                    box(screen, rect, theme.RAISED, layout.px(4))
                lost = write(screen, f"-{_percent(judged.lost)}", small, Rect(x, y, width, row), theme.ALARM, "right")
                room_left = Rect(x, y, lost.left - x - layout.px(3), row)
                title = self._title(judged)
                write(screen, title, size if len(title) < 14 else small, room_left)
                self._spots.append((rect, lambda judged=judged: self.session.show(self.review.nodes[judged.ply])))  # type: ignore[misc]
                y += row
            end = max(end, y)
        return end + layout.px(8)

    # --- Texts --------------------------------------------------------------------------------------------------------

    def _paragraph(
        self,
        screen: pygame.Surface,
        layout: Layout,
        room: Rect,
        y: int,
        text: str,
        color: Rgb,
        small: bool = False,
    ) -> int:
        return paragraph(screen, layout, room, y, text, color, 12 if small else 14) + layout.px(2)

    def _title(self, judged: Judged) -> str:
        """Return a judged move with its number and sign: ``12... 馬8進7??``."""
        review = self.review
        game = self.session.table.game
        node = review.nodes[judged.ply] if judged.ply < len(review.nodes) else None
        if node is None or node.move is not judged.move:  # then it is the move tried
            node = review.tried
        assert node is not None
        text = self.session.scribe.line(node.line())[-1]
        dots = "." if (game.start_turn + judged.ply) % 2 else "..."
        number = move_number(game.start_turn, judged.ply, game.first_number)
        return f"{number}{dots} {text}{_SIGNS.get(judged.verdict, '')}"

    def _add(self, start: GameNode, moves: tuple[Move, ...]) -> None:
        """Add what was better as a variation, and show its first move."""
        session = self.session
        session.show(start)
        session.explore(moves)
        session.view(start.ply + 1)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"
