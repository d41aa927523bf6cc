"""The list of moves: the main line in two columns, with comments and variations below the moves that they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import pygame
from pygame import Rect

from gui import theme
from gui.actions import SIGNS
from gui.layout import Layout
from gui.strings import say
from gui.views import View
from gui.widgets import Position, Scroll, box, draw_hint, write
from xiangqi.game import ChildNode, Game, GameNode
from xiangqi.lines import move_number

if TYPE_CHECKING:
    from gui.session import Session

DEEPEST = 24
"""Variations within so many variations are not written out."""
Kind = Literal["move", "branch", "number", "comment", "sign", "rule"]


@dataclass(frozen=True)
class _Cell:
    """A piece of text of the list; ``rect`` is relative to its upper left corner."""

    rect: Rect
    text: str
    kind: Kind
    node: GameNode | None = None


@dataclass(frozen=True)
class _Word:
    """A piece of text of a variation before it has its place."""

    text: str
    kind: Kind
    node: GameNode | None = None
    joins: bool = False
    """Whether it is written right after the word before, in the same row: so a number and its move stay together."""


class MovesView(View):
    """The moves of the tree; a click shows a position."""

    name = "moves"

    def __init__(self, session: Session) -> None:
        self.session = session
        self.scroll = Scroll()
        self._cells: list[_Cell] = []
        self._key: tuple[object, ...] = ()
        self._followed: object = None

    # --- The pointer --------------------------------------------------------------------------------------------------

    def press(self, layout: Layout, area: Rect, position: Position) -> None:
        if self.scroll.grab(area, layout, position):
            return
        if (node := self.node_at(layout, area, position)) is not None:
            self.session.show(node)

    def motion(self, layout: Layout, area: Rect, position: Position) -> None:
        self.scroll.drag(area, layout, position)

    def release(self) -> None:
        self.scroll.let_go()

    def wheel(self, layout: Layout, area: Rect, lines: float) -> None:
        self.scroll.by(area, lines * layout.px(27))

    def node_at(self, layout: Layout, area: Rect, position: Position) -> GameNode | None:
        """Return the node whose move is under the pointer."""
        if not area.collidepoint(position):
            return None
        self._place(layout, area)
        for cell in self._cells:
            if cell.node is not None and self._on_screen(area, cell).collidepoint(position):
                return cell.node
        return None

    def rect_of(self, layout: Layout, area: Rect, node: GameNode) -> Rect:
        """Return where a node's move is on the screen. Raises ``KeyError`` if it is not in the list."""
        self._place(layout, area)
        for cell in self._cells:
            if cell.node is node and cell.kind in ("move", "branch"):
                return self._on_screen(area, cell)
        raise KeyError(node)

    def _on_screen(self, area: Rect, cell: _Cell) -> Rect:
        return cell.rect.move(area.x, area.y - self.scroll.offset)

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def draw(self, screen: pygame.Surface, layout: Layout, area: Rect, pointer: Position, now: float) -> None:
        self._place(layout, area)
        if not self._cells:
            draw_hint(screen, layout, area, say("moves.empty"))
            return
        self._follow(layout, area)
        clip = screen.get_clip()
        screen.set_clip(area)
        session = self.session
        hovered = self.node_at(layout, area, pointer)
        line = set(session.cursor.line)
        for cell in self._cells:
            rect = self._on_screen(area, cell)
            if rect.bottom >= area.top and rect.top <= area.bottom:
                self._draw_cell(screen, layout, cell, rect, line, cell.node is not None and cell.node is hovered)
        screen.set_clip(clip)
        self.scroll.draw(screen, area, layout)

    def _draw_cell(
        self, screen: pygame.Surface, layout: Layout, cell: _Cell, rect: Rect, line: set[ChildNode], hovered: bool
    ) -> None:
        session, size = self.session, _size(layout, cell.kind)
        if cell.kind in ("number", "sign"):
            write(screen, cell.text, size, rect, theme.FAINT, "right" if cell.kind == "number" else "left")
            return
        if cell.kind == "rule":
            screen.fill(theme.EDGE, rect)
            return
        if cell.kind == "comment":
            write(screen, cell.text, size, rect, theme.NOTE)
            return
        ink = theme.TEXT if cell.node in line or cell.kind == "move" else theme.FAINT
        if cell.node is session.node:
            box(screen, rect, theme.GOLD, layout.px(5))
            ink = theme.ON_GOLD
        elif hovered:
            box(screen, rect, theme.RAISED, layout.px(5))
        elif cell.node is session.table.node:  # where the game stands, while one looks elsewhere
            box(screen, rect, theme.GOLD, layout.px(5), 0.28)
        pad = layout.px(10) if cell.kind == "move" else layout.px(3)
        write(screen, cell.text, size, Rect(rect.x + pad, rect.y, rect.width - pad, rect.height), ink)

    def _follow(self, layout: Layout, area: Rect) -> None:
        """Scroll to the move of the position shown, once after each change."""
        session = self.session
        key = session.node, session.revision, area.size
        if self._followed != key:
            self._followed = key
            for cell in self._cells:
                if cell.node is session.node:
                    self.scroll.to(area, cell.rect.top - layout.px(6), cell.rect.bottom + layout.px(6))
                    break
            else:
                if session.node.ply == 0:
                    self.scroll.offset = 0
        self.scroll.clamp(area)

    # --- Places -------------------------------------------------------------------------------------------------------

    def _place(self, layout: Layout, area: Rect) -> None:
        """Give every text its place, when the tree or the width has changed."""
        session = self.session
        key = session.number, session.revision, session.scribe.style, area.width, layout.unit
        if key == self._key:
            return
        self._key = key
        game = session.table.game
        typist = _Typist(layout, area.width, session.scribe.texts(game), game)
        typist.write(game)
        self._cells = typist.cells
        self.scroll.content = typist.y + layout.px(6) if self._cells else 0
        self.scroll.clamp(area)


class _Typist:
    """Writes a tree from top to bottom into cells."""

    def __init__(self, layout: Layout, width: int, texts: dict[GameNode, str], game: Game) -> None:
        self.layout, self.width, self.texts = layout, width, texts
        self.start_turn, self.first_number = game.start_turn, game.first_number
        self.cells: list[_Cell] = []
        self.y = layout.px(6)
        self._row = max(layout.px(27), theme.height(layout.text(17)) + 2)
        self._open = False
        """Whether Red's half of the current row is written and Black's is not."""

    def write(self, game: Game) -> None:
        """Write the main line with all that hangs on it."""
        self._comment(game)
        node: GameNode = game
        while node.variations:
            main, *others = node.variations
            self._main_move(main)
            if others or main.remark:
                self._end_row()
                self._comment(main)
                for other in others:
                    self._block(list(self._words(other, 1)))
            node = main
        self._end_row()

    # --- The main line ------------------------------------------------------------------------------------------------

    def _main_move(self, node: ChildNode) -> None:
        column = self._side(node)
        number = self.layout.px(38)
        half = (self.width - number - self.layout.px(14)) // 2
        if column == 0 or not self._open:
            self._end_row()
            rect = Rect(0, self.y, number - self.layout.px(6), self._row - 2)
            self.cells.append(_Cell(rect, f"{self._number(node)}.", "number"))
        rect = Rect(number + column * half, self.y, half - self.layout.px(4), self._row - 2)
        self.cells.append(_Cell(rect, self._text(node), "move", node))
        self._open = column == 0
        if column == 1:
            self.y += self._row

    def _end_row(self) -> None:
        if self._open:
            self.y += self._row
            self._open = False

    def _comment(self, node: GameNode) -> None:
        if text := node.remark:
            left, size = self.layout.px(12), _size(self.layout, "comment")
            width, step = self.width - left - self.layout.px(16), theme.height(size)
            for line in theme.wrap(text, size, width):
                self.cells.append(_Cell(Rect(left, self.y, width, step), line, "comment", node if node.ply else None))
                self.y += step
            self.y += self.layout.px(3)

    # --- Variations ---------------------------------------------------------------------------------------------------

    def _words(self, head: ChildNode, depth: int) -> Iterator[_Word]:
        """Yield the words of a variation that begins with ``head``."""
        node, numbered = head, False
        others: list[ChildNode] = []
        if head.starting_comment:
            yield from self._remark_words(head.starting_comment, head)
        while True:
            red = self._side(node) == 0
            if red or not numbered:
                yield _Word(f"{self._number(node)}." + ("" if red else ".."), "sign")
            yield _Word(self._text(node), "branch", node, joins=red or not numbered)
            remark = node.remark
            yield from self._remark_words(remark, node)
            for other in others:
                yield _Word("(", "sign")
                inner = self._words(other, depth + 1) if depth < DEEPEST else iter([_Word("...", "sign")])
                yield replace(next(inner), joins=True)
                yield from inner
                yield _Word(")", "sign", joins=True)
            numbered = not remark and not others
            if not node.variations:
                return
            node, *others = node.variations

    def _remark_words(self, remark: str, node: ChildNode) -> Iterator[_Word]:
        for word in theme.split(remark):
            yield _Word(word, "comment", node)

    def _block(self, words: list[_Word]) -> None:
        """Write a variation, from left to right and in as many rows as it takes, with a line at its side."""
        layout = self.layout
        left, right = layout.px(22), self.width - layout.px(14)
        row = max(layout.px(22), theme.height(layout.text(14)) + 2)
        x, top = left, self.y
        commented = False
        for group in _groups(words):
            if commented and group[0].kind != "comment" and x > left:
                x += layout.px(6)
            commented = group[-1].kind == "comment"
            widths = [min(self._width(word), right - left) for word in group]
            if x > left and x + sum(widths) > right:
                x, self.y = left, self.y + row
            for word, width in zip(group, widths, strict=True):
                if x > left and x + width > right:
                    x, self.y = left, self.y + row
                text = word.text.rstrip()
                self.cells.append(_Cell(Rect(x, self.y, width, row - 2), text, word.kind, word.node))
                x += width
            if not commented:
                x += layout.px(4)
        self.y += row
        self.cells.append(_Cell(Rect(layout.px(12), top, layout.px(2), self.y - top - 2), "", "rule"))
        self.y += layout.px(3)

    def _width(self, word: _Word) -> int:
        pad = 2 * self.layout.px(3) if word.kind == "branch" else self.layout.px(2) if word.text.endswith(".") else 0
        return theme.width(word.text, _size(self.layout, word.kind)) + pad

    # --- Texts --------------------------------------------------------------------------------------------------------

    def _side(self, node: ChildNode) -> int:
        return (self.start_turn + node.ply - 1) % 2

    def _number(self, node: ChildNode) -> int:
        return move_number(self.start_turn, node.ply, self.first_number)

    def _text(self, node: ChildNode) -> str:
        signs = "".join(SIGNS[glyph] for glyph in sorted(node.nags) if glyph in SIGNS) if node.has_nags() else ""
        return self.texts[node] + signs


def _groups(words: list[_Word]) -> Iterator[list[_Word]]:
    """Yield the words in groups that are not torn apart at the end of a row."""
    group: list[_Word] = []
    for word in words:
        if group and not word.joins:
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _size(layout: Layout, kind: Kind) -> int:
    return layout.text({"move": 17, "branch": 14, "number": 14, "comment": 13, "sign": 13, "rule": 13}[kind])
