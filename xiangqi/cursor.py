"""A cursor: the position of a game tree that is shown, and the line that it lies on.

>>> from xiangqi import Game
>>> game = Game.from_pgn("1. h2e2 h9g7 (1... h7e7 2. b0c2) 2. b0c2 *")
>>> cursor = Cursor(game)
>>> cursor.to_ply(2)
>>> cursor.to_branch(1)
>>> [node.move.iccs for node in cursor.line]
['h2e2', 'h7e7', 'b0c2']
"""

from __future__ import annotations

from xiangqi.game import ChildNode, Game, GameNode


class Cursor:
    """A node of a tree and a line through it, which is kept while one steps along it."""

    def __init__(self, game: Game) -> None:
        self.node: GameNode = game
        self.line: list[ChildNode] = []
        """The nodes from the first move to the end of the line."""
        self.board = game.board()
        """The position of the node, with its history."""
        self.refresh()

    def go(self, node: GameNode) -> None:
        """Go to a node; where it is not on the line, the line becomes that node's."""
        self.node, self.board = node, node.board()
        self.refresh()

    def to_ply(self, ply: int) -> None:
        """Go along the line to the position after so many moves, or to its nearer end."""
        ply = max(0, min(ply, len(self.line)))
        self.go(self.line[ply - 1] if ply else self.node.game())

    def to_branch(self, step: int) -> None:
        """Go to another move in place of the one that led here, so many variations further down the list."""
        node = self.node
        if isinstance(node, ChildNode):
            siblings = node.parent.variations
            self.go(siblings[(siblings.index(node) + step) % len(siblings)])

    def refresh(self) -> None:
        """Lead the line through the node, after a change of the tree too, and on to its end."""
        node, line = self.node, self.line
        if node.ply == 0 or (node.ply <= len(line) and line[node.ply - 1] is node):
            kept = node.ply
            while kept < len(line) and line[kept] in (line[kept - 1] if kept else node).variations:
                kept += 1
            line = line[:kept]
        else:
            line = node.line()
        self.line = [*line, *(line[-1] if line else node).main_line()]


def branch_of(node: GameNode) -> ChildNode | None:
    """Return the first move of the variation that a node lies in, or ``None`` where there is but one line.

    A node of the main line counts as its own variation where there are others in its place.
    """
    while isinstance(node, ChildNode):
        if len(node.parent.variations) > 1:
            return node
        node = node.parent
    return None
