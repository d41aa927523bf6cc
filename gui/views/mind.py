"""The view of the model's mind: people's moves beside the search's, surprise, replies, and the pieces that speak."""

from __future__ import annotations

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
from lm.players.analysing import score_text

if TYPE_CHECKING:
    from gui.analysis import LiveAnalysis
    from gui.mind import Mind
    from gui.session import Session
    from xiangqi import Board, Move

SURPRISES: Final = ((0.3, "expected"), (0.1, "usual"), (0.02, "rare"), (0.0, "surprising"))
"""The least share of each word for a move."""
PIECES: Final = 4
"""So many pieces for the move are listed, and so many against it."""


class MindView(View):
    """What the language model thinks of the position shown. A press on a move asks the pieces about it."""

    name = "mind"

    def __init__(self, session: Session, mind: Mind, analysis: LiveAnalysis) -> None:
        self.session, self.mind, self.analysis = session, mind, analysis
        self.scroll = Scroll()
        self._spots: list[tuple[Rect, Move]] = []
        """Where the moves were last drawn."""
        self._spots_of: object = None
        """The position that they were drawn for."""

    # --- The pointer --------------------------------------------------------------------------------------------------

    def press(self, layout: Layout, area: Rect, position: Position) -> None:
        if not self.scroll.grab(area, layout, position):
            for rect, move in self._spots:
                if rect.collidepoint(position) and self.mind.board is self._spots_of:
                    self.mind.choose(move)

    def motion(self, layout: Layout, area: Rect, position: Position) -> None:
        self.scroll.drag(area, layout, position)

    def release(self) -> None:
        self.scroll.let_go()

    def wheel(self, layout: Layout, area: Rect, lines: float) -> None:
        self.scroll.by(area, lines * layout.px(24))

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def draw(self, screen: pygame.Surface, layout: Layout, area: Rect, pointer: Position, now: float) -> None:
        mind = self.mind
        self._spots, self._spots_of = [], mind.board
        if not mind.on:
            start = say("analysis.start", key=Action.MIND.shortcut)
            draw_hint(screen, layout, area, f"{say('mind.off')} {start}")
            return
        if mind.error is not None:
            draw_hint(screen, layout, area, say("mind.failed", reason=mind.error))
            return
        if mind.thoughts is None or mind.board is None:
            draw_hint(screen, layout, area, say("analysis.loading"))
            return
        clip = screen.get_clip()
        screen.set_clip(area)
        room = Rect(area.x + layout.px(12), 0, area.width - layout.px(26), 0)
        y = area.y + layout.px(8) - self.scroll.offset
        y = self._draw_last(screen, layout, room, y)
        if mind.thoughts.moves:
            y = self._draw_moves(screen, layout, room, y, pointer, mind.board)
            y = self._draw_reply(screen, layout, room, y, mind.board)
            y = self._draw_pieces(screen, layout, room, y, mind.board)
        screen.set_clip(clip)
        self.scroll.content = y + self.scroll.offset - area.y
        self.scroll.clamp(area)
        self.scroll.draw(screen, area, layout)
        self._spots = [(rect.clip(area), move) for rect, move in self._spots if rect.clip(area).height > 0]

    def _draw_last(self, screen: pygame.Surface, layout: Layout, room: Rect, y: int) -> int:
        """Tell how surprising the last move was: the person's own, in a game against a player."""
        mind, thoughts, line = self.mind, self.mind.thoughts, self.session.node.line()
        if thoughts is None or thoughts.last is None or len(line) < mind.back:
            return y
        last = thoughts.last
        word = next(word for least, word in SURPRISES if last.share >= least)
        text = self.session.scribe.line(line)[-mind.back]
        text = say("mind.yours", move=text) if mind.own else text
        color = theme.ALARM if word == "surprising" else theme.GOLD if word == "rare" else theme.TEXT
        y = self._write(screen, layout, room, y, say(f"mind.{word}", move=text), color, 15)
        text = say("mind.rank", rank=last.rank, count=last.count, share=share_text(last.share))
        return self._write(screen, layout, room, y, text, theme.FAINT, 12) + layout.px(6)

    def _draw_moves(
        self, screen: pygame.Surface, layout: Layout, room: Rect, y: int, pointer: Position, board: Board
    ) -> int:
        """List people's moves with their shares, and the search's score of each where it has one."""
        mind, thoughts, analysis = self.mind, self.mind.thoughts, self.analysis
        assert thoughts is not None
        size, small = layout.text(14), layout.text(12)
        head = theme.height(small) + layout.px(4)
        dot = layout.px(8)
        lines = analysis.lines if analysis.on and not analysis.threats else ()
        scores = {line.move: score_text(line, board.turn) for line in lines}
        titles = (
            (room.x, theme.PEOPLE, say("analysis.people"), "left"),
            (room.right, theme.BEST, say("mind.search"), "right"),
        )
        for x, color, title, at in titles:
            if at == "left":
                box(screen, Rect(x, y + (head - dot) // 2, dot, dot), color, dot / 2)
                write(screen, title, small, Rect(x + dot + layout.px(7), y, room.width // 2, head), theme.FAINT)
            elif scores:
                place = write(screen, title, small, Rect(room.x, y, room.width, head), theme.FAINT, "right")
                box(screen, Rect(place.x - dot - layout.px(6), y + (head - dot) // 2, dot, dot), color, dot / 2)
        y += head
        row = theme.height(size) + layout.px(4)
        texts = {expected.move: self.session.scribe.move(board, expected.move) for expected in thoughts.moves}
        column = max(theme.width(text, size) for text in texts.values()) + layout.px(10)
        number = theme.width("100%", size) + layout.px(6)
        value = max([theme.width(text, size) for text in scores.values()], default=0) + (layout.px(8) if scores else 0)
        most = room.width - column - number - value
        for expected in thoughts.moves:
            spot = Rect(room.x, y, room.width, row)
            self._spots.append((spot, expected.move))
            chosen = expected.move is mind.move
            if chosen or spot.collidepoint(pointer):
                box(screen, spot.inflate(layout.px(8), 0), theme.HOVER if chosen else theme.RAISED, layout.px(4))
            write(screen, texts[expected.move], size, Rect(room.x, y, column, row))
            thick = layout.px(8)
            bar = Rect(room.x + column, y + (row - thick) // 2, max(layout.px(3), round(most * expected.share)), thick)
            box(screen, bar, theme.PEOPLE, layout.px(3), 0.85)
            share = Rect(room.right - number - value, y, number, row)
            write(screen, share_text(expected.share), size, share, theme.FAINT, "right")
            if expected.move in scores:
                write(screen, scores[expected.move], size, Rect(room.right - value, y, value, row), theme.TEXT, "right")
            y += row
        others = [line for line in lines if line.move not in texts][:2]
        for line in others:  # what the search would play and people would not
            self._spots.append((Rect(room.x, y, room.width, row), line.move))
            write(
                screen,
                self.session.scribe.move(board, line.move),
                size,
                Rect(room.x, y, room.width // 2, row),
                theme.TEXT,
            )
            write(screen, scores[line.move], size, Rect(room.right - value, y, value, row), theme.TEXT, "right")
            y += row
        if not scores:
            y = self._write(
                screen, layout, room, y, say("mind.no_search", key=Action.ANALYSE.shortcut), theme.FAINT, 12
            )
        return y + layout.px(6)

    def _draw_reply(self, screen: pygame.Surface, layout: Layout, room: Rect, y: int, board: Board) -> int:
        """Tell what people would answer to the move asked about."""
        mind, thoughts = self.mind, self.mind.thoughts
        assert thoughts is not None
        found = [
            (e.move, reply) for e, reply in zip(thoughts.moves, thoughts.replies, strict=True) if e.move is mind.move
        ]
        if not found or found[0][1] is None:
            return y
        move, reply = found[0]
        assert reply is not None
        after = board.copy(stack=False)
        after.push(move)
        text = say(
            "mind.reply",
            move=self.session.scribe.move(board, move),
            reply=self.session.scribe.move(after, reply.move),
            share=share_text(reply.share),
        )
        return self._write(screen, layout, room, y, text, theme.TEXT, 14) + layout.px(6)

    def _draw_pieces(self, screen: pygame.Surface, layout: Layout, room: Rect, y: int, board: Board) -> int:
        """Show the pieces that speak for the move, and those against it, with what they say."""
        mind = self.mind
        if not mind.glow or mind.move is None:
            return y
        title = say("mind.pieces", move=self.session.scribe.move(board, mind.move))
        y = self._write(screen, layout, room, y, title, theme.FAINT, 12)
        speakers = mind.speakers()
        if not speakers:
            return self._write(screen, layout, room, y, say("analysis.waiting"), theme.GOLD, 14)
        small, face = layout.text(12), layout.px(26)
        width = room.width // PIECES
        for side, color in ((1, theme.SPEAKS_FOR), (-1, theme.SPEAKS_AGAINST)):
            shown = [speaker for speaker in speakers if speaker.value * side > 0][:PIECES]
            for n, speaker in enumerate(shown):
                x = room.x + n * width
                code = int(board.cells[speaker.square])
                halo = theme.glow(face * 0.78, color, 0.9)
                disc = theme.piece(code, face, self.session.traditional)
                screen.blit(halo, halo.get_rect(center=(x + face // 2, y + face // 2 + layout.px(3))))
                screen.blit(disc, disc.get_rect(center=(x + face // 2, y + face // 2 + layout.px(3))))
                text = Rect(x + face + layout.px(3), y + layout.px(3), width - face - layout.px(3), face)
                write(screen, f"{speaker.value:+.1f}", small, text, theme.TEXT)
            if shown:
                y += face + layout.px(9)
        return y + layout.px(4)

    # --- Texts --------------------------------------------------------------------------------------------------------

    @staticmethod
    def _write(screen: pygame.Surface, layout: Layout, room: Rect, y: int, text: str, color: Rgb, size: int) -> int:
        return paragraph(screen, layout, room, y, text, color, size) + layout.px(1)
