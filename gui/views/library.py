"""The view of the library: what was played in the position shown, how it ended, and the latest games."""

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
from gui.processes.importing import AddFile, AddShipped, BuildIndex
from gui.processes.library import FEW
from gui.strings import say
from gui.views import View
from gui.widgets import Position, Scroll, box, button, draw_hint, paragraph, write

if TYPE_CHECKING:
    from gui.library import GameLibrary
    from gui.session import Session
    from lm.library.entries import Entry, Score
    from xiangqi import Board, Move

FOOT: Final = (Action.SEARCH_LIBRARY, Action.IMPORT)
"""The actions at the lower edge."""
RESULTS: Final = {"1/2-1/2": "1/2"}
"""Results that are written otherwise in lists."""


class LibraryView(View):
    """The opening explorer. A press on a move plays it, and one on a game opens it."""

    name = "library"

    def __init__(self, session: Session, library: GameLibrary) -> None:
        self.session, self.library = session, library
        self.scroll = Scroll()
        self._spots: list[tuple[Rect, Callable[[], None]]] = []
        """What was last drawn that can be pressed, and what it does."""
        self._moves: list[tuple[Rect, Move]] = []
        """Where the moves were last drawn."""
        self._about: object = None

    def appear(self) -> None:
        self.library.shown = True

    def disappear(self) -> None:
        self.library.shown = False

    # --- The pointer --------------------------------------------------------------------------------------------------

    def press(self, layout: Layout, area: Rect, position: Position) -> None:
        if not self.scroll.grab(self._list(layout, area), layout, position):
            for rect, act in self._spots:
                if rect.collidepoint(position):
                    act()
                    return

    def action_at(self, layout: Layout, area: Rect, position: Position) -> Action | None:
        for action, rect in zip(FOOT, self._buttons(layout, area), strict=True):
            if rect.collidepoint(position):
                return action
        return None

    def motion(self, layout: Layout, area: Rect, position: Position) -> None:
        self.scroll.drag(self._list(layout, area), layout, position)
        over = [move for rect, move in self._moves if rect.collidepoint(position)]
        self.library.hovered = over[0] if over and self.library.current else None

    def release(self) -> None:
        self.scroll.let_go()

    def leave(self) -> None:
        self.library.hovered = None

    def wheel(self, layout: Layout, area: Rect, lines: float) -> None:
        self.scroll.by(self._list(layout, area), lines * layout.px(24))

    # --- Places -------------------------------------------------------------------------------------------------------

    def _buttons(self, layout: Layout, area: Rect) -> list[Rect]:
        pad, gap = layout.px(8), layout.px(6)
        width = (area.width - 2 * pad - gap) // 2
        top = area.bottom - pad - layout.px(28)
        return [Rect(area.x + pad + i * (width + gap), top, width, layout.px(28)) for i in range(2)]

    def _progress(self, layout: Layout, area: Rect) -> Rect:
        """Return the place of what is being written; it has no height if nothing is."""
        height = layout.px(24) if self.library.tasks else 0
        top = self._buttons(layout, area)[0].y - layout.px(6) - height
        return Rect(area.x + layout.px(12), top, area.width - layout.px(24), height)

    def _list(self, layout: Layout, area: Rect) -> Rect:
        return Rect(area.x, area.y, area.width, self._progress(layout, area).y - area.y - layout.px(2))

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def draw(self, screen: pygame.Surface, layout: Layout, area: Rect, pointer: Position, now: float) -> None:
        self._spots, self._moves = [], []
        self._draw_position(screen, layout, self._list(layout, area), pointer)
        progress = self._progress(layout, area)
        if progress.height:
            draw_progress(screen, layout, progress, pointer, self.library)
            self._spots.append((progress, self.library.stop))
        for action, rect in zip(FOOT, self._buttons(layout, area), strict=True):
            button(screen, layout, rect, action.label, action.shortcut, pointer)

    def _draw_position(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position) -> None:
        """Draw all that is known of the position."""
        library = self.library
        if library.explored is None or library.board is None:
            text = say("library.failed", reason=library.error) if library.error else say("library.opening")
            draw_hint(screen, layout, room, text)
            return
        if self._about != library.board.fen():  # another position is read from its first move on
            self._about, self.scroll.offset = library.board.fen(), 0
        clip = screen.get_clip()
        screen.set_clip(room)
        inner = Rect(room.x + layout.px(12), 0, room.width - layout.px(26), 0)
        y = room.y + layout.px(8) - self.scroll.offset
        games = library.explored.found.score.games
        if games:
            y = self._draw_moves(screen, layout, inner, y, pointer, library.board)
            y = self._draw_games(screen, layout, inner, y, pointer, library.explored.games)
        if games < FEW:
            y = self._draw_similar(screen, layout, inner, y, pointer, library.board)
        screen.set_clip(clip)
        self.scroll.content = y + self.scroll.offset - room.y
        self.scroll.clamp(room)
        self.scroll.draw(screen, room, layout)
        self._spots = [(rect.clip(room), act) for rect, act in self._spots if rect.clip(room).height > 0]
        self._moves = [(rect.clip(room), move) for rect, move in self._moves if rect.clip(room).height > 0]

    def _draw_moves(
        self, screen: pygame.Surface, layout: Layout, room: Rect, y: int, pointer: Position, board: Board
    ) -> int:
        """List the moves: how many games, how they ended, and when one was last played."""
        assert self.library.explored is not None
        found = self.library.explored.found
        size, small = layout.text(14), layout.text(12)
        row = theme.height(size) + layout.px(6)
        texts = {played.move: self.session.scribe.move(board, played.move) for played in found.moves}
        rows: list[tuple[Move | None, str, Score, int | None]] = [
            (played.move, texts[played.move], played.score, played.last) for played in found.moves
        ]
        rows.append((None, say("library.all"), found.score, None))
        gap = layout.px(8)
        first = max(theme.width(text, size) for _, text, _, _ in rows) + gap
        heads, tiny = (say("library.games"), say("library.last")), layout.text(11)
        numbers, years = [f"{score.games:,}" for _, _, score, _ in rows], [str(last) for *_, last in rows if last]
        count = max(theme.width(heads[0], tiny), *(theme.width(text, small) for text in numbers)) + gap
        year = max([theme.width(heads[1], tiny), *(theme.width(text, small) for text in years)])
        write(screen, heads[0], tiny, Rect(room.x + first, y, count - gap, row), theme.FAINT, "right")
        write(screen, heads[1], tiny, Rect(room.right - year, y, year, row), theme.FAINT, "right")
        y += row
        for move, text, score, last in rows:
            spot = Rect(room.x, y, room.width, row)
            if move is not None:
                self._moves.append((spot, move))
                self._spots.append((spot, lambda move=move: self.library.play(move)))  # type: ignore[misc]
                if spot.collidepoint(pointer):
                    box(screen, spot.inflate(layout.px(8), 0), theme.RAISED, layout.px(4))
            write(screen, text, size, Rect(room.x, y, first, row), theme.TEXT if move else theme.FAINT)
            number = Rect(room.x + first, y, count - gap, row)
            write(screen, f"{score.games:,}", small, number, theme.FAINT, "right")
            left = number.right + gap
            bar = Rect(left, y + layout.px(3), room.right - year - gap - left, row - layout.px(6))
            _draw_score(screen, layout, bar, score)
            if last is not None:
                write(screen, str(last), small, Rect(room.right - year, y, year, row), theme.FAINT, "right")
            y += row
        return y + layout.px(8)

    def _draw_games(
        self, screen: pygame.Surface, layout: Layout, room: Rect, y: int, pointer: Position, games: tuple[Entry, ...]
    ) -> int:
        """List games, the latest first."""
        size, small = layout.text(13), layout.text(12)
        row = theme.height(size) + layout.px(4)
        screen.fill(theme.EDGE, Rect(room.x, y - layout.px(4), room.width, 1))
        result = max(theme.width(text, small) for text in ("0-1", "1/2")) + layout.px(6)
        year = max([theme.width(entry.date[:4], small) for entry in games], default=0) + layout.px(8)
        for index, entry in enumerate(games):
            spot = Rect(room.x, y, room.width, row)
            if spot.collidepoint(pointer):
                box(screen, spot.inflate(layout.px(8), 0), theme.RAISED, layout.px(4))
            self._spots.append((spot, lambda index=index: self.library.open(games, index)))  # type: ignore[misc]
            write(screen, entry.date[:4], small, Rect(room.x, y, year, row), theme.FAINT)
            write(screen, entry.players, size, Rect(room.x + year, y, room.width - year - result, row))
            ended = RESULTS.get(entry.result, entry.result)
            write(screen, ended, small, Rect(room.right - result, y, result, row), theme.FAINT, "right")
            y += row
        return y + layout.px(6)

    def _draw_similar(
        self, screen: pygame.Surface, layout: Layout, room: Rect, y: int, pointer: Position, board: Board
    ) -> int:
        """Tell what was played in similar positions, as few games or none have this one."""
        library, found = self.library, self.library.resembling
        exact = library.explored is not None and library.explored.found.score.games > 0
        if AddShipped() in library.tasks:
            return y if exact else self._write(screen, layout, room, y, say("library.soon"), theme.FAINT)
        if exact:
            screen.fill(theme.EDGE, Rect(room.x, y, room.width, 1))
            y += layout.px(6)
        else:
            y = self._write(screen, layout, room, y, say("library.none"), theme.TEXT)
        if found is None:
            return self._write(screen, layout, room, y, say("library.looking"), theme.GOLD)
        if not found.indexed:
            if library.indexing:
                return y
            top, text = y, say("library.no_index", key=Action.SIMILAR.shortcut)
            y = self._write(screen, layout, room, y, text, theme.GOLD)
            self._spots.append((Rect(room.x, top, room.width, y - top), library.build_index))
            return y
        y = self._write(screen, layout, room, y, say("library.similar"), theme.FAINT)
        size, small = layout.text(14), layout.text(12)
        row = theme.height(size) + layout.px(6)
        texts = {move: self.session.scribe.move(board, move) for move, _ in found.moves}
        first = max([theme.width(text, size) for text in texts.values()], default=0) + layout.px(8)
        number = theme.width("100%", small) + layout.px(6)
        for move, share in found.moves:
            spot = Rect(room.x, y, room.width, row)
            self._moves.append((spot, move))
            self._spots.append((spot, lambda move=move: library.play(move)))  # type: ignore[misc]
            if spot.collidepoint(pointer):
                box(screen, spot.inflate(layout.px(8), 0), theme.RAISED, layout.px(4))
            write(screen, texts[move], size, Rect(room.x, y, first, row))
            most, thick = room.width - first - number, layout.px(8)
            bar = Rect(room.x + first, y + (row - thick) // 2, max(layout.px(3), round(most * share)), thick)
            box(screen, bar, theme.GOLD, layout.px(3), 0.85)
            write(screen, share_text(share), small, spot, theme.FAINT, "right")
            y += row
        if found.red is not None:
            y = self._write(screen, layout, room, y, say("library.red", score=f"{100 * found.red:.0f}"), theme.FAINT)
        return self._draw_games(screen, layout, room, y + layout.px(8), pointer, found.games)

    # --- Texts --------------------------------------------------------------------------------------------------------

    @staticmethod
    def _write(screen: pygame.Surface, layout: Layout, room: Rect, y: int, text: str, color: Rgb) -> int:
        return paragraph(screen, layout, room, y, text, color) + layout.px(6)


def draw_progress(screen: pygame.Surface, layout: Layout, rect: Rect, pointer: Position, library: GameLibrary) -> None:
    """Draw how far what is being written to the library is; what draws it stops that by a press."""
    task = library.tasks[0]
    progress = library.progress if library.progress is not None and library.progress.task == task else None
    read = progress.read if progress is not None else 0
    name = task.path.name if isinstance(task, AddFile) else ""
    key = {AddShipped: "library.shipped", AddFile: "library.reading", BuildIndex: "library.indexing"}[type(task)]
    text, size = say(key, name=name, read=f"{read:,}"), layout.text(12)
    box(screen, rect, theme.RAISED, layout.px(5))
    if progress is not None and progress.total:
        done = Rect(rect.x, rect.y, round(rect.width * min(1.0, read / progress.total)), rect.height)
        box(screen, done, theme.EDGE, layout.px(5))
    room = rect.inflate(-layout.px(14), 0)
    ink = theme.TEXT if rect.collidepoint(pointer) else theme.FAINT
    stop = write(screen, say("library.stop"), size, room, ink, "right")
    write(screen, text, size, Rect(room.x, room.y, stop.x - room.x - layout.px(6), room.height), theme.TEXT)


def _draw_score(screen: pygame.Surface, layout: Layout, bar: Rect, score: Score) -> None:
    """Draw the parts of the games that Red won, that were drawn, and that Black won, with their percentages."""
    known, size = score.games - score.unknown, layout.text(11)
    screen.fill(theme.RAISED, bar)
    if not known or bar.width <= 0:
        return
    left, done = bar.x, 0
    inks = theme.ON_WARNING, theme.LOSS, theme.ON_WARNING
    for count, color, ink in zip(
        (score.red, score.draws, score.black), (theme.WIN, theme.DRAW, theme.LOSS), inks, strict=True
    ):
        done += count
        right = bar.x + round(bar.width * done / known)
        part = Rect(left, bar.y, right - left, bar.height)
        screen.fill(color, part)
        text = f"{100 * count / known:.0f}%"
        if theme.width(text, size) + layout.px(4) <= part.width:
            write(screen, text, size, part, ink, "center")
        left = right
