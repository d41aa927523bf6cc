"""The position editor: the position on the board, and pieces, tools and faults in place of the panel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import pygame
from pygame import Rect

from gui import theme
from gui.actions import Action, availability
from gui.board_view import Marks, Scene
from gui.editor import HANDICAPS, Editor
from gui.layout import Layout, Point
from gui.names import side_name
from gui.sheets.overlay import Overlay
from gui.strings import say
from gui.widgets import Position, box, button, write
from xiangqi import BLACK, KING, RED, InvalidFenError, Piece, Square, Status

if TYPE_CHECKING:
    from gui.controller import Controller

TOOLS: Final = {
    "n": "editor.start",
    "c": "editor.clear",
    "m": "editor.mirror",
    "x": "editor.swap_colors",
    "u": "editor.undo",
    "f": "flip",
    "ctrl+c": "copy",
    "ctrl+v": "editor.paste",
    "h": "editor.handicap",
}
"""The tools: each key with the text on its button."""
TURNS: Final = {RED: "editor.red_moves", BLACK: "editor.black_moves"}
_MOST: Final = (0, 1, 2, 2, 2, 2, 2, 5)
"""The most pieces of each type that a side has."""


class EditorSheet(Overlay):
    """Sets up a position, at first that shown. ``done`` is called with its FEN, and whether it is to be analysed."""

    on_board = True

    def __init__(self, controller: Controller, done: Callable[[str, bool], None]) -> None:
        super().__init__()
        self.controller, self._done = controller, done
        self.editor = Editor(controller.session.shown)
        self.bottom = controller.session.bottom
        self.hand: Piece | None = None
        """The piece in hand: one of the board's, or one of the palette, of which any number can be put."""
        self.source: Square | None = None
        """Where the piece in hand stands; ``None`` for one of the palette."""
        self.listing = False
        """Whether the handicaps are listed, in place of the tools."""
        self._message = ""
        self._armed = False
        """Whether to play or analyse once more gives up the game in play."""
        self._pressed_at: Position | None = None
        self._pointer: Position = (-1, -1)

    # --- Tools --------------------------------------------------------------------------------------------------------

    def key(self, name: str) -> None:
        self._message = ""
        if name in ("enter", "space"):
            self._finish(analyse=name == "space")
            return
        self._armed = False
        if name.removeprefix("shift+") in tuple("1234567"):
            color = BLACK if name.startswith("shift+") else RED
            self._take(Piece(color, int(name[-1])))
        elif name in ("delete", "backspace"):
            self._remove(self._under_pointer)
        elif name == "s":
            self.editor.set_turn(1 - self.editor.board.turn)
        elif name in TOOLS:
            self._use(name)

    def escape(self) -> bool:
        if self.hand is not None or self.listing:
            self._let_go()
            self.listing = False
            return True
        return False

    def _use(self, key: str) -> None:
        editor, clipboard = self.editor, self.controller.clipboard
        self._let_go()
        match key:
            case "n":
                editor.start()
            case "c":
                editor.clear()
            case "m":
                editor.mirror()
            case "x":
                editor.swap_colors()
            case "u":
                editor.undo()
            case "f":
                self.bottom ^= 1
            case "h":
                self.listing = not self.listing
            case "ctrl+c":
                clipboard.put(editor.board.fen())
                self._message = say("notice.fen_copied")
            case "ctrl+v":
                try:
                    editor.set_fen(clipboard.get().strip())
                except InvalidFenError as error:
                    self._message = say("editor.no_fen", reason=error)

    def _finish(self, analyse: bool) -> None:
        if self.editor.faults or self.editor.over:
            return
        if not self._armed and availability.question(self.controller, Action.NEW):
            self._armed = True
            self._message = say("editor.leave")
            return
        self.closed = True
        self._done(self.editor.board.fen(), analyse)

    # --- Pieces -------------------------------------------------------------------------------------------------------

    def _take(self, piece: Piece) -> None:
        """Take a piece of the palette, or lay it back."""
        self.hand, self.source = (None if self.hand == piece and self.source is None else piece), None

    def _let_go(self) -> None:
        self.hand = self.source = self._pressed_at = None

    def _remove(self, square: Square | None) -> None:
        if square is not None and not self.editor.remove(square) and self.editor.board.piece_at(square) is not None:
            self._message = say("editor.king_stays")

    def _put(self, square: Square) -> None:
        """Put the piece in hand on a square."""
        assert self.hand is not None
        if self.source is not None:
            done = self.source == square or self.editor.move(self.source, square)
            self._let_go()
        elif self.editor.board.piece_at(square) == self.hand:
            done = self.editor.remove(square) or self.hand.type == KING
        else:
            done = self.editor.put(square, self.hand)
        if not done:
            self._message = say("editor.king_stays")

    @property
    def _under_pointer(self) -> Square | None:
        return None if self._layout is None else self._layout.square_at(self._pointer, self.bottom)

    _layout: Layout | None = None

    # --- The pointer --------------------------------------------------------------------------------------------------

    def press(self, layout: Layout, position: Position) -> None:
        self._message, self._pointer = "", position
        if any(rect.collidepoint(position) for rect in self._ends(layout).values()):
            self._press_end(layout, position)
            return
        self._armed = False
        square = layout.square_at(position, self.bottom)
        if square is not None:
            if self.hand is not None:
                self._put(square)
            elif (piece := self.editor.board.piece_at(square)) is not None:
                self.hand, self.source, self._pressed_at = piece, square, position
            return
        for piece, rect in self._palette(layout).items():
            if rect.collidepoint(position):
                self._take(piece)
                self._pressed_at = position
                return
        self._let_go()
        self._press_tool(layout, position)

    def _press_end(self, layout: Layout, position: Position) -> None:
        for name, rect in self._ends(layout).items():
            if rect.collidepoint(position):
                if name == "cancel":
                    self.closed = True
                else:
                    self._finish(analyse=name == "analyse")

    def _press_tool(self, layout: Layout, position: Position) -> None:
        for color, rect in self._turns(layout).items():
            if rect.collidepoint(position):
                self.editor.set_turn(color)
        if self.listing:
            for name, rect in self._handicaps(layout).items():
                if rect.collidepoint(position):
                    self.listing = False
                    if name in HANDICAPS:
                        self.editor.give(name)
            return
        for key, rect in self._tools(layout).items():
            if rect.collidepoint(position):
                self._use(key)

    def press_right(self, layout: Layout, position: Position) -> None:
        self._message, self._armed = "", False
        square = layout.square_at(position, self.bottom)
        if square is None or self.editor.board.piece_at(square) is None or self.source is not None:
            self._let_go()
        else:
            self._remove(square)

    def motion(self, layout: Layout, position: Position) -> None:
        self._pointer, self._layout = position, layout

    def release(self, layout: Layout, position: Position) -> None:
        start, self._pressed_at = self._pressed_at, None
        if start is None or self.hand is None or not layout.is_drag(start, position):
            return
        square = layout.square_at(position, self.bottom)
        if square is not None:
            self._put(square)
        elif self.source is not None and not layout.plate.collidepoint(position):
            self._remove(self.source)
        self._let_go()

    # --- Places -------------------------------------------------------------------------------------------------------

    @staticmethod
    def _inner(layout: Layout) -> Rect:
        return layout.panel.inflate(-layout.px(22), -layout.px(20))

    def _palette(self, layout: Layout) -> dict[Piece, Rect]:
        inner = self._inner(layout)
        side, top = min(inner.width // 7, layout.px(58)), inner.y + layout.px(30)
        left = inner.centerx - 7 * side // 2
        return {
            Piece(color, type): Rect(left + (type - 1) * side, top + row * side, side, side)
            for row, color in enumerate((1 - self.bottom, self.bottom))
            for type in range(1, 8)
        }

    def _turns(self, layout: Layout) -> dict[int, Rect]:
        top = max(rect.bottom for rect in self._palette(layout).values()) + layout.px(10)
        return dict(zip(TURNS, self._columns(layout, top, 2), strict=True))

    def _tools(self, layout: Layout) -> dict[str, Rect]:
        return dict(zip(TOOLS, self._grid(layout, len(TOOLS)), strict=True))

    def _handicaps(self, layout: Layout) -> dict[str, Rect]:
        names = [*HANDICAPS, "back"]
        return dict(zip(names, self._grid(layout, len(names)), strict=True))

    def _grid(self, layout: Layout, count: int) -> list[Rect]:
        """Return the places of so many buttons in two columns; an odd last one is as wide as both."""
        top, step = self._turns(layout)[RED].bottom + layout.px(12), layout.px(37)
        rects = [rect for i in range((count + 1) // 2) for rect in self._columns(layout, top + i * step, 2)]
        if count % 2:
            rects[count - 1 :] = [rects[count - 1].union(rects[count])]
        return rects

    def _ends(self, layout: Layout) -> dict[str, Rect]:
        top = self._inner(layout).bottom - layout.px(32)
        return dict(zip(("cancel", "analyse", "play"), self._columns(layout, top, 3), strict=True))

    def _columns(self, layout: Layout, top: int, count: int) -> list[Rect]:
        inner, gap = self._inner(layout), layout.px(6)
        width = (inner.width - gap * (count - 1)) // count
        return [Rect(inner.x + i * (width + gap), top, width, layout.px(32)) for i in range(count)]

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def scene(self, layout: Layout, pointer: Position) -> Scene:
        dragged: Point | None = None
        if self._pressed_at is not None and self.source is not None and layout.is_drag(self._pressed_at, pointer):
            dragged = pointer
        over = layout.square_at(pointer, self.bottom)
        marks = Marks(selected=self.source, targets=[over] if self.source is not None and over is not None else ())
        return Scene(self.editor.board.cells.tolist(), self.bottom, marks, dragged)

    def draw(self, screen: pygame.Surface, layout: Layout, pointer: Position, now: float) -> None:
        self._layout = layout
        box(screen, layout.panel, theme.PANEL, layout.px(12))
        inner = self._inner(layout)
        title = Rect(inner.x, inner.y, inner.width, layout.px(26))
        write(screen, say("editor.title"), layout.text(17), title, theme.GOLD)
        self._draw_palette(screen, layout, pointer)
        for color, rect in self._turns(layout).items():
            chosen = theme.GOLD if self.editor.board.turn == color else None
            button(screen, layout, rect, say(TURNS[color]), "S", pointer, color=chosen)
        if self.listing:
            for name, rect in self._handicaps(layout).items():
                button(screen, layout, rect, say(f"handicap.{name}"), "Esc" if name == "back" else "", pointer)
        else:
            for key, rect in self._tools(layout).items():
                enabled = key != "u" or self.editor.can_undo
                button(screen, layout, rect, say(TOOLS[key]), key.title(), pointer, enabled)
        self._draw_faults(screen, layout)
        fine = not self.editor.faults and not self.editor.over
        for name, rect in self._ends(layout).items():
            key = {"cancel": "Esc", "analyse": "Space", "play": "Enter"}[name]
            face = theme.GOLD if name == "play" and fine else None
            label = say({"cancel": "cancel", "analyse": "analyse", "play": "editor.play"}[name])
            if self._armed and name != "cancel":
                face = theme.WARNING
            button(screen, layout, rect, label, key, pointer, name == "cancel" or fine, face)
        if self.hand is not None and self.source is None:
            self._draw_hand(screen, layout, pointer, self.hand)

    def _draw_palette(self, screen: pygame.Surface, layout: Layout, pointer: Position) -> None:
        board = self.editor.board
        for piece, rect in self._palette(layout).items():
            chosen = self.hand == piece and self.source is None
            if chosen or rect.collidepoint(pointer):
                box(screen, rect, theme.GOLD if chosen else theme.HOVER, layout.px(8))
            face = theme.piece(piece.code, rect.width - layout.px(6), self._traditional)
            if len(board.pieces(piece.color, piece.type)) >= _MOST[piece.type] and not chosen:
                face = face.copy()
                face.set_alpha(110)
            screen.blit(face, face.get_rect(center=rect.center))

    def _draw_hand(self, screen: pygame.Surface, layout: Layout, pointer: Position, piece: Piece) -> None:
        """Draw a piece of the palette at the pointer, or on the point where it would stand."""
        face = theme.piece(piece.code, round(layout.cell * 0.9), self._traditional)
        over = layout.square_at(pointer, self.bottom)
        if self._pressed_at is not None and layout.is_drag(self._pressed_at, pointer):
            screen.blit(face, face.get_rect(center=pointer))
        elif over is not None and self.editor.board.piece_at(over) != piece:
            face = face.copy()
            face.set_alpha(150)
            screen.blit(face, face.get_rect(center=tuple(map(round, layout.point(over, self.bottom)))))

    def _draw_faults(self, screen: pygame.Surface, layout: Layout) -> None:
        inner, size = self._inner(layout), layout.text(14)
        top = max(rect.bottom for rect in self._grid(layout, len(TOOLS))) + layout.px(10)
        room = Rect(inner.x, top, inner.width, self._ends(layout)["play"].y - layout.px(8) - top)
        faults = self.editor.faults
        if Status.KINGS_FACING in faults:  # which is a check in itself
            faults = [fault for fault in faults if fault is not Status.OPPOSITE_CHECK]
        texts = [(say(f"fault.{(fault.name or '').lower()}"), theme.ALARM) for fault in faults]
        if self.editor.over:
            texts = [(say("editor.over", side=side_name(self.editor.board.turn)), theme.ALARM)]
        texts = texts or [(say("editor.valid"), theme.JADE)]
        if self._message:
            texts.insert(0, (self._message, theme.GOLD))
        texts.append((say("editor.hint"), theme.FAINT))
        step, y = theme.height(size), room.y
        for text, color in texts:
            for line in theme.wrap(text, size, room.width):
                if y + step <= room.bottom:
                    write(screen, line, size, Rect(room.x, y, room.width, step), color)
                    y += step
            y += layout.px(4)

    @property
    def _traditional(self) -> bool:
        return self.controller.session.traditional
