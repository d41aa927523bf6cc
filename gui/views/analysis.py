"""The view of the analysis: score, lines, and what people would play."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pygame
from pygame import Rect

from gui import theme
from gui.actions import Action
from gui.analysis import LiveAnalysis
from gui.layout import Layout
from gui.names import share_text
from gui.palettes import Rgb
from gui.strings import say
from gui.views import View
from gui.widgets import Position, Scroll, box, draw_hint, paragraph, write
from lm.players.analysing import score_text
from xiangqi import RED

if TYPE_CHECKING:
    from gui.session import Session
    from xiangqi import Move

SHOWN = 12
"""So many moves of a line are written at most."""


class AnalysisView(View):
    """The analysis of the position shown. Pointing at a move of a line plays it; the wheel steps on."""

    name = "analysis"

    def __init__(self, session: Session, analysis: LiveAnalysis) -> None:
        self.session, self.analysis = session, analysis
        self.scroll = Scroll()
        self._spots: list[tuple[Rect, tuple[Move, ...], int]] = []
        """Where the moves of lines were last drawn, each with its line and its place there."""
        self._spots_of: object = None
        """The position that they were drawn for."""

    # --- The pointer --------------------------------------------------------------------------------------------------

    def press(self, layout: Layout, area: Rect, position: Position) -> None:
        if not self.scroll.grab(area, layout, position):
            self.motion(layout, area, position)
            self.analysis.add_hovered()

    def motion(self, layout: Layout, area: Rect, position: Position) -> None:
        self.scroll.drag(area, layout, position)
        found = None
        if self.analysis.on and self.analysis.board is self._spots_of and area.collidepoint(position):
            found = next(((moves, n) for rect, moves, n in self._spots if rect.collidepoint(position)), None)
        self.analysis.hovered = found

    def leave(self) -> None:
        self.analysis.hovered = None

    def release(self) -> None:
        self.scroll.let_go()

    def wheel(self, layout: Layout, area: Rect, lines: float) -> None:
        if self.analysis.hovered is None:
            self.scroll.by(area, lines * layout.px(24))
        else:
            self.analysis.step(1 if lines > 0 else -1)

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def draw(self, screen: pygame.Surface, layout: Layout, area: Rect, pointer: Position, now: float) -> None:
        analysis = self.analysis
        self._spots, self._spots_of = [], analysis.board
        if not analysis.on:
            start = say("analysis.start", key=Action.ANALYSE.shortcut)
            draw_hint(screen, layout, area, f"{say('analysis.off')} {start}")
            return
        if analysis.board is None:
            over = not self.session.shown.legal_moves
            draw_hint(screen, layout, area, say("analysis.over" if over else "analysis.no_threat"))
            return
        if analysis.error is not None:
            draw_hint(screen, layout, area, say("analysis.failed", reason=analysis.error))
            return
        clip = screen.get_clip()
        screen.set_clip(area)
        room = Rect(area.x + layout.px(12), 0, area.width - layout.px(26), 0)
        y = area.y + layout.px(8) - self.scroll.offset
        y = self._draw_head(screen, layout, room, y)
        y = self._draw_lines(screen, layout, room, y)
        y = self._draw_people(screen, layout, room, y)
        screen.set_clip(clip)
        self.scroll.content = y + self.scroll.offset - area.y
        self.scroll.clamp(area)
        self.scroll.draw(screen, area, layout)
        visible = [(rect.clip(area), moves, n) for rect, moves, n in self._spots]
        self._spots = [spot for spot in visible if spot[0].height > 0]

    def _draw_head(self, screen: pygame.Surface, layout: Layout, room: Rect, y: int) -> int:
        """Draw the score with depth, nodes and speed, and the chances below."""
        analysis = self.analysis
        assert analysis.board is not None
        if analysis.threats:
            side = say("side.black" if analysis.board.turn == RED else "side.red")
            size = layout.text(14)
            write(screen, say("analysis.threat", side=side), size, Rect(room.x, y, room.width, size + 4), theme.ALARM)
            y += theme.height(size)
        large, small = layout.text(24), layout.text(12)
        height = theme.height(large)
        if not analysis.lines:
            text = say("analysis.waiting" if analysis.loaded else "analysis.loading")
            return paragraph(screen, layout, room, y + layout.px(4), text, theme.GOLD, 14) + layout.px(8)
        best = analysis.lines[0]
        score = score_text(best, analysis.board.turn)
        at = write(screen, score, large, Rect(room.x, y, room.width // 2, height))
        info = best.info
        facts = [say("analysis.paused" if analysis.paused else "analysis.finished")] if analysis.finished else []
        if info.depth is not None:
            facts.append(say("analysis.depth", depth=info.depth))
        if info.nodes is not None:
            facts.append(say("analysis.nodes", nodes=f"{info.nodes:,}"))
        if info.nps is not None and not analysis.finished:
            facts.append(say("analysis.speed", speed=f"{info.nps:,}"))
        rest = Rect(at.right + layout.px(12), y, room.right - at.right - layout.px(12), height)
        while len(facts) > 1 and theme.width(" · ".join(facts), small) > rest.width:
            facts.pop()
        write(screen, " · ".join(facts), small, rest, theme.FAINT, "right")
        step = theme.height(small)
        y += height
        if (chances := analysis.chances) is not None:
            shares = {"red": chances.win, "draw": chances.draw, "black": chances.loss}
            text = say("analysis.chances", **{name: f"{100 * share:.0f}" for name, share in shares.items()})
            if theme.width(text, small) > room.width:
                text = say("analysis.chances_short", **{name: f"{100 * share:.0f}" for name, share in shares.items()})
            write(screen, text, small, Rect(room.x, y, room.width, step), theme.FAINT)
            y += step
        return y + layout.px(6)

    def _draw_lines(self, screen: pygame.Surface, layout: Layout, room: Rect, y: int) -> int:
        analysis = self.analysis
        board = analysis.board
        if not analysis.lines or board is None:
            return y
        y = self._draw_title(screen, layout, room, y, say("analysis.best"), theme.BEST)
        size = layout.text(14)
        row = theme.height(size) + layout.px(4)
        pad, column = layout.px(3), max(layout.px(56), theme.width("+10.00 ", size))
        for line in analysis.lines:
            moves = line.info.pv[:SHOWN]
            write(screen, score_text(line, board.turn), size, Rect(room.x, y, column, row))
            x, rows = room.x + column, 1
            for n, text in enumerate(self.session.scribe.moves(board, moves), 1):
                width = theme.width(text, size) + 2 * pad
                if x + width > room.right:
                    if rows == 2:
                        break
                    x, y, rows = room.x + column, y + row, rows + 1
                spot = Rect(x, y, width, row)
                self._spots.append((spot, moves, n))
                shown = analysis.hovered is not None and analysis.hovered[0] == moves and n <= analysis.hovered[1]
                if shown:
                    box(screen, spot.inflate(0, -2), theme.HOVER, layout.px(4))
                ink = theme.TEXT if n == 1 or shown else theme.FAINT
                write(screen, text, size, Rect(x + pad, y, width, row), ink)
                x += width + layout.px(2)
            y += row + layout.px(2)
        return y + layout.px(4)

    def _draw_people(self, screen: pygame.Surface, layout: Layout, room: Rect, y: int) -> int:
        analysis = self.analysis
        if not analysis.people or analysis.board is None:
            return y
        y = self._draw_title(screen, layout, room, y, say("analysis.people"), theme.PEOPLE)
        size = layout.text(14)
        row = theme.height(size) + layout.px(2)
        texts = [self.session.scribe.move(analysis.board, move) for move, _ in analysis.people]
        column = max(theme.width(text, size) for text in texts) + layout.px(10)
        number = theme.width("100%", size) + layout.px(8)
        most = room.width - column - number
        for (move, share), text in zip(analysis.people, texts, strict=True):
            spot = Rect(room.x, y, room.width, row)
            self._spots.append((spot, (move,), 1))
            if analysis.hovered == ((move,), 1):
                box(screen, spot.inflate(layout.px(8), 0), theme.RAISED, layout.px(4))
            write(screen, text, size, Rect(room.x, y, column, row))
            length = max(layout.px(3), round(most * share))
            thick = layout.px(8)
            box(screen, Rect(room.x + column, y + (row - thick) // 2, length, thick), theme.PEOPLE, layout.px(3), 0.85)
            write(screen, share_text(share), size, Rect(room.right - number, y, number, row), theme.FAINT, "right")
            y += row
        return y + layout.px(8)

    @staticmethod
    def _draw_title(screen: pygame.Surface, layout: Layout, room: Rect, y: int, title: str, color: Rgb) -> int:
        size = layout.text(12)
        height = theme.height(size) + layout.px(4)
        dot = layout.px(8)
        box(screen, Rect(room.x, y + (height - dot) // 2, dot, dot), color, dot / 2)
        write(screen, title, size, Rect(room.x + dot + layout.px(7), y, room.width - dot, height), theme.FAINT)
        return y + height
