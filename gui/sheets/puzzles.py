"""The room of the puzzles: the puzzle on the board, and what is said of it in place of the panel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import pygame
from pygame import Rect

from gui import theme
from gui.actions import Action, availability
from gui.board_view import Arrow, Marks, Scene
from gui.layout import Layout, Point
from gui.names import side_name
from gui.palettes import Rgb
from gui.sheets.overlay import Overlay
from gui.strings import say
from gui.widgets import Position, box, button, draw_hint, write
from xiangqi import Board, Move

if TYPE_CHECKING:
    from gui.controller import Controller
    from gui.processes.puzzles import Standing
    from gui.sounds import Sounds

GRADES: Final = 10
"""The hardest grade of a puzzle."""
KEYS: Final = {
    "next": "Enter",
    "hint": "Q",
    "retry": "U",
    "solve": "S",
    "switch": "X",
    "analyse": "Space",
    "leave": "Esc",
}
"""The buttons, each with its key."""


class PuzzleSheet(Overlay):
    """A person solves puzzles, and hears the moves. ``analyse`` is called with the FEN of a position to analyse."""

    on_board = True

    def __init__(self, controller: Controller, sounds: Sounds, analyse: Callable[[str], None]) -> None:
        super().__init__()
        self.controller, self.puzzles, self._analyse = controller, controller.puzzles, analyse
        self._sounds = sounds
        self._heard = len(self.puzzles.moves), self._pieces
        """How many moves were seen, and how many pieces, when a frame was last drawn."""
        self._armed = False
        """Whether to analyse once more gives up the game in play."""
        self._pressed_at: Position | None = None
        self.puzzles.begin()

    # --- What can be done ---------------------------------------------------------------------------------------------

    def enabled(self, name: str) -> bool:
        """Whether a button can be pressed now."""
        puzzles, standing = self.puzzles, self.puzzles.standing
        if name == "leave":
            return True
        if standing is None or puzzles.waiting:
            return False
        match name:
            case "hint":
                return puzzles.awaits and standing.target is None
            case "solve":
                return puzzles.awaits
            case "retry":
                return standing.phase == "wrong"
            case "analyse":
                return standing.phase != "over"
            case "next":
                return standing.phase != "over"
        return True

    def do(self, name: str) -> None:
        """Press a button."""
        if not self.enabled(name):
            return
        armed, self._armed = self._armed, False
        match name:
            case "next":
                self.puzzles.next()
            case "hint":
                self.puzzles.hint()
            case "retry":
                self.puzzles.retry()
            case "solve":
                self.puzzles.solve()
            case "switch":
                self.puzzles.switch()
            case "analyse":
                if not armed and availability.question(self.controller, Action.NEW):
                    self._armed = True
                    return
                self.closed = True
                self._analyse(self.puzzles.board.fen())
            case "leave":
                self.closed = True

    @property
    def _pieces(self) -> int:
        return sum(1 for code in self.puzzles.board.cells.tolist() if code)

    def _sound(self) -> None:
        """Play what belongs to a move that has just been made."""
        heard, self._heard = self._heard, (len(self.puzzles.moves), self._pieces)
        if self._heard[0] > heard[0]:
            captures = self._heard[1] < heard[1]
            self._sounds.play("check" if self.puzzles.board.is_check() else "capture" if captures else "move")

    # --- Keys and pointer ---------------------------------------------------------------------------------------------

    def key(self, name: str) -> None:
        if name == "backspace":
            name = "u"
        elif name == Action.PUZZLES.shortcut.lower():
            name = "esc"
        elif name == "n":
            name = "enter"
        for button_name, key in KEYS.items():
            if key.lower() == name:
                self.do(button_name)

    def escape(self) -> bool:
        if self.puzzles.selected is not None:
            self.puzzles.press(None)
            return True
        return False

    def press(self, layout: Layout, position: Position) -> None:
        for name, rect in self._buttons(layout).items():
            if rect.collidepoint(position):
                self.do(name)
                return
        self._armed = False
        self.puzzles.press(layout.square_at(position, self.puzzles.solver))
        self._pressed_at = position

    def press_right(self, layout: Layout, position: Position) -> None:
        self.puzzles.press(None)

    def release(self, layout: Layout, position: Position) -> None:
        self.puzzles.release(layout.square_at(position, self.puzzles.solver))
        self._pressed_at = None

    # --- Places -------------------------------------------------------------------------------------------------------

    @staticmethod
    def _inner(layout: Layout) -> Rect:
        return layout.panel.inflate(-layout.px(22), -layout.px(20))

    def _buttons(self, layout: Layout) -> dict[str, Rect]:
        """Return the places of the buttons: the next puzzle above, the others below it in two columns."""
        inner, gap, height = self._inner(layout), layout.px(6), layout.px(32)
        half, names = (inner.width - gap) // 2, list(KEYS)
        top = inner.bottom - 4 * height - 3 * gap
        found = {"next": Rect(inner.x, top, inner.width, height)}
        for n, name in enumerate(names[1:]):
            row, column = divmod(n, 2)
            y = top + (row + 1) * (height + gap)
            found[name] = Rect(inner.x + column * (half + gap), y, half, height)
        return found

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def scene(self, layout: Layout, pointer: Position) -> Scene:
        puzzles, standing = self.puzzles, self.puzzles.standing
        board, bottom = puzzles.board, puzzles.solver
        if standing is None or not standing.fen:
            return Scene(board.cells.tolist(), bottom, Marks())
        dragged: Point | None = None
        if self._pressed_at is not None and puzzles.selected is not None and layout.is_drag(self._pressed_at, pointer):
            dragged = pointer
        arrows, move = [], puzzles.last_move
        if standing.solution and puzzles.selected is None:
            first = standing.solution[0]
            arrows = [Arrow(first.from_square, first.to_square, theme.BEST, 0.7)]
        elif standing.piece is not None and standing.target is not None and puzzles.selected is None:
            arrows = [Arrow(standing.piece, standing.target, theme.TARGET, 0.7)]
        hinted = standing.piece if puzzles.selected is None else None
        marks = Marks(
            selected=puzzles.selected if puzzles.selected is not None else hinted,
            targets=puzzles.targets if puzzles.selected is not None else (),
            last_move=(move.from_square, move.to_square) if move is not None else None,
            check=board.king(board.turn) if board.is_check() else None,
            hover=layout.square_at(pointer, bottom),
            arrows=arrows,
        )
        return Scene(board.cells.tolist(), bottom, marks, dragged)

    def draw(self, screen: pygame.Surface, layout: Layout, pointer: Position, now: float) -> None:
        self._sound()
        box(screen, layout.panel, theme.PANEL, layout.px(12))
        inner, buttons, standing = self._inner(layout), self._buttons(layout), self.puzzles.standing
        title = Rect(inner.x, inner.y, inner.width, layout.px(24))
        write(screen, say("puzzles.title"), layout.text(17), title, theme.GOLD)
        for name, rect in buttons.items():
            face = theme.WARNING if name == "analyse" and self._armed else None
            if name == "next" and standing is not None and standing.phase == "solved":
                face = theme.GOLD
            button(screen, layout, rect, self._label(name, standing), KEYS[name], pointer, self.enabled(name), face)
        small = theme.height(layout.text(12))
        card = Rect(inner.x, title.bottom + layout.px(6), inner.width, layout.px(54))
        below = Rect(inner.x, buttons["next"].y - layout.px(16) - small, inner.width, small)
        room = Rect(inner.x, card.bottom + layout.px(6), inner.width, below.y - card.bottom - layout.px(14))
        if standing is None or self.puzzles.error:
            error = self.puzzles.error
            text = say("puzzles.error", reason=error) if error else say("puzzles.opening")
            draw_hint(screen, layout, room, text)
            return
        if standing.fen:
            self._draw_task(screen, layout, card, standing)
        else:
            room.height, room.y = room.bottom - card.y, card.y
        self._draw_progress(screen, layout, below, standing)
        box(screen, room, theme.BACKGROUND, layout.px(8))
        self._draw_lines(screen, layout, room.inflate(-layout.px(24), -layout.px(20)), standing)

    def _draw_lines(self, screen: pygame.Surface, layout: Layout, room: Rect, standing: Standing) -> None:
        y = room.y
        for text, size, color in self._lines(standing):
            pixels = layout.text(size)
            step = theme.height(pixels)
            for line in theme.wrap(text, pixels, room.width):
                if y + step <= room.bottom:
                    write(screen, line, pixels, Rect(room.x, y, room.width, step), color)
                y += step
            y += layout.px(8)

    def _draw_task(self, screen: pygame.Surface, layout: Layout, card: Rect, standing: Standing) -> None:
        """Draw who is to do what, and how hard that is."""
        box(screen, card, theme.RAISED, layout.px(9))
        face = theme.piece(self.puzzles.solver * 8 + 1, card.height - layout.px(14), self._traditional)
        screen.blit(face, face.get_rect(midleft=(card.x + layout.px(10), card.centery)))
        left = card.x + layout.px(18) + face.get_width()
        large, small = layout.text(16), layout.text(12)
        heights = theme.height(large), theme.height(small)
        top, width = card.centery - sum(heights) // 2, card.right - left - layout.px(8)
        key = "puzzles.win" if standing.mate is None else "puzzles.mate"
        text = say(key, side=side_name(self.puzzles.solver), moves=standing.mate)
        large = next((size for size in range(large, small, -1) if theme.width(text, size) <= width), small)
        write(screen, text, large, Rect(left, top, width, heights[0]))
        text = say("puzzles.grade", grade=standing.of_grade)
        place = write(screen, text, small, Rect(left, top + heights[0], width, heights[1]), theme.FAINT)
        step = layout.px(9)
        for n in range(GRADES):
            x = place.right + layout.px(12) + n * step
            if x + step <= card.right - layout.px(8):
                dot = theme.disc(2.6 * layout.unit, theme.GOLD if n < standing.of_grade else theme.EDGE)
                screen.blit(dot, dot.get_rect(center=(x, place.centery)))

    def _draw_progress(self, screen: pygame.Surface, layout: Layout, below: Rect, standing: Standing) -> None:
        """Draw how many puzzles were solved and failed, and how many there are."""
        counts = say("puzzles.counts", solved=standing.solved, failed=standing.failed)
        grade = say("puzzles.your_grade", grade=standing.grade)
        size = layout.text(12)
        place = write(screen, grade, size, below, theme.FAINT, "right")
        write(screen, counts, size, Rect(below.x, below.y, place.x - below.x - layout.px(4), below.height), theme.FAINT)
        bar = Rect(below.x, below.bottom + layout.px(3), below.width, layout.px(4))
        screen.fill(theme.RAISED, bar)
        solved = round(bar.width * standing.solved / max(1, standing.all))
        failed = round(bar.width * standing.failed / max(1, standing.all))
        screen.fill(theme.JADE, Rect(bar.x, bar.y, solved, bar.height))
        screen.fill(theme.ALARM, Rect(bar.x + solved, bar.y, failed, bar.height))

    @property
    def _traditional(self) -> bool:
        return self.controller.session.traditional

    def _label(self, name: str, standing: Standing | None) -> str:
        if name == "switch" and standing is not None and standing.only_failed:
            return say("puzzles.new_ones")
        if name == "hint" and standing is not None and standing.piece is not None:
            return say("puzzles.hint_again")
        if name == "analyse":
            return say("confirm") if self._armed else say("analyse")
        return say(f"puzzles.{name}")

    def _lines(self, standing: Standing) -> list[tuple[str, int, Rgb]]:
        """Return what is said, each paragraph with its size and colour."""
        puzzles = self.puzzles
        if standing.phase == "over":
            key = "puzzles.none_failed" if standing.only_failed else "puzzles.none_left"
            return [(say(key), 15, theme.TEXT)]
        lines = []
        if puzzles.moves:
            lines.append((" ".join(self._texts(standing, puzzles.moves)), 15, theme.TEXT))
        if (word := self._word(standing)) is not None:
            lines.append(word)
        if standing.solution:
            rest = self._texts(standing, (*puzzles.moves, *standing.solution))[len(puzzles.moves) :]
            lines.append((say("puzzles.solution", moves=" ".join(rest)), 15, theme.TEXT))
        if standing.phase == "solved" or standing.solution:
            found = say("puzzles.found" if standing.found else "puzzles.missed")
            chance = f"{100 * standing.chance:.0f}" if standing.chance >= 0.01 else "<1"
            lines.append((f"{found} {say('puzzles.chance', share=chance)}", 13, theme.FAINT))
            if standing.source:
                lines.append((standing.source, 13, theme.FAINT))
        return lines

    def _word(self, standing: Standing) -> tuple[str, int, Rgb] | None:
        """Return the word on what has just happened; ``None`` once the solution says it all."""
        puzzles = self.puzzles
        if self._armed:
            return say("editor.leave"), 14, theme.ALARM
        if puzzles.waiting:
            return say("puzzles.judging"), 14, theme.FAINT
        match standing.phase:
            case "solved":
                key = "puzzles.solved_late" if standing.is_failed else "puzzles.solved"
                return say(key), 18, theme.GOLD if standing.is_failed else theme.JADE
            case "wrong":
                return say("puzzles.wrong", key=KEYS["retry"]), 16, theme.ALARM
        if standing.solution:
            return None
        if standing.target is not None:
            return say("puzzles.hinted_target"), 14, theme.GOLD
        if standing.piece is not None:
            return say("puzzles.hinted_piece"), 14, theme.GOLD
        if standing.phase == "right":
            return say("puzzles.right"), 16, theme.JADE
        return say("puzzles.find"), 16, theme.TEXT

    def _texts(self, standing: Standing, moves: tuple[Move, ...]) -> list[str]:
        return self.controller.session.scribe.style.line(Board(standing.fen), moves)
