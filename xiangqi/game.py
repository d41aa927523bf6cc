"""Games as trees: headers, main line, variations, comments, annotation glyphs, evaluations and clocks.

A `Game` is the root of the tree, the position before the first move. Every other node is a `ChildNode`, reached by its
``move``. ``variations[0]`` of a node continues the main line.

>>> from xiangqi import Game, Move
>>> game = Game({"Red": "胡荣华", "Black": "杨官璘"})
>>> end = game.add_main_line([Move.from_iccs("h2e2"), Move.from_iccs("h9g7")])
>>> end.comment = "solid"
>>> other = game.variations[0].add_variation(Move.from_iccs("h7e7"))
>>> [move.iccs for move in game.moves()], end.ply, len(game.variations[0].variations)
(['h2e2', 'h9g7'], 2, 2)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import numpy as np

from xiangqi.board import STARTING_FEN, Board
from xiangqi.kernels import replay
from xiangqi.move import BLACK, NULL_MOVE, RED, Color, Move
from xiangqi.tags import Tagged
from xiangqi.words import counted

if TYPE_CHECKING:
    from xiangqi.formats.errors import FormatError, UnreadMove

RESULTS: Final = ("1-0", "0-1", "1/2-1/2", "*")
"""Red wins, Black wins, draw, unknown or unfinished."""

_INDEX: Final = attrgetter("index")


def count_legal(board: Board, moves: Sequence[Move]) -> int:
    """Return how many of ``moves``, played from ``board``, come before the first illegal one.

    Null moves are accepted anywhere.

    >>> count_legal(Board(), [Move.from_iccs("h2e2"), Move.from_iccs("h2e2")])
    1
    >>> count_legal(Board(), [Move.from_iccs("h2e2"), NULL_MOVE, Move.from_iccs("e2e6")])
    3
    """
    indices = np.fromiter(map(_INDEX, moves), np.int16, len(moves))
    cells, turn, count = board.cells.copy(), board.turn, 0
    passes = np.flatnonzero(indices == NULL_MOVE.index).tolist()
    for end in [*passes, len(moves)]:
        played = int(replay(cells, turn, indices[count:end]))
        if count + played < end:
            return count + played
        turn = (turn + played + 1) % 2
        count = end + 1
    return len(moves)


@lru_cache(maxsize=1024)
def _full_fen(fen: str) -> str:
    """Return a FEN with all its fields. Raises ``InvalidFenError``."""
    return STARTING_FEN if fen == STARTING_FEN else Board(fen).fen()


class GameNode(Tagged):
    """A position of a game tree: the `Game` itself or a `ChildNode`."""

    __slots__ = ("_nags", "ply", "variations")

    move: Move | None = None
    """The move that leads here; ``None`` at the root."""
    parent: GameNode | None = None
    """The node before the move; ``None`` at the root."""
    variations: list[ChildNode]
    """The continuations; the first is the main one."""
    ply: int
    """Number of moves from the start of the game."""

    def __init__(self) -> None:
        self.ply = 0
        self.variations = []
        self.comment = ""
        self._nags: set[int] | None = None

    # --- Reading ------------------------------------------------------------------------------------------------------

    @property
    def nags(self) -> set[int]:
        """The numeric annotation glyphs of the move: ``!``, in PGN ``$1``, is ``{1}``.

        >>> game = Game.from_pgn("1. h2e2! h9g7 *")
        >>> game.next().nags
        {1}
        """
        if self._nags is None:
            self._nags = set()
        return self._nags

    @nags.setter
    def nags(self, nags: Iterable[int]) -> None:
        self._nags = set(nags)

    def has_nags(self) -> bool:
        """Whether the move has an annotation glyph; cheaper than reading ``nags``."""
        return bool(self._nags)

    def line(self) -> list[ChildNode]:
        """Return the nodes from the first move of the game to this one."""
        nodes = []
        node: GameNode = self
        while isinstance(node, ChildNode):
            nodes.append(node)
            node = node.parent
        return nodes[::-1]

    def game(self) -> Game:
        """Return the root of the tree. Raises ``ValueError`` for a node that belongs to no game."""
        node: GameNode = self
        while (parent := node.parent) is not None:
            node = parent
        if not isinstance(node, Game):
            raise ValueError("the node belongs to no game")
        return node

    def board(self) -> Board:
        """Return the position at this node, with the moves that led to it as its history."""
        board = Board(self.game().fen)
        for node in self.line():
            board.push(node.move)
        return board

    @property
    def turn(self) -> Color:
        """The side to move at this node."""
        return (self.game().start_turn + self.ply) % 2

    def next(self) -> ChildNode | None:
        """Return the main continuation, or ``None`` where the line ends."""
        return self.variations[0] if self.variations else None

    def end(self) -> GameNode:
        """Return the last node of the main line from here; this node if nothing follows."""
        node: GameNode = self
        while node.variations:
            node = node.variations[0]
        return node

    def main_line(self) -> Iterator[ChildNode]:
        """Iterate over the nodes that follow this one in the main line."""
        variations = self.variations
        while variations:
            node = variations[0]
            yield node
            variations = node.variations

    def walk(self) -> Iterator[ChildNode]:
        """Iterate over all nodes below this one depth first, main lines before their variations.

        >>> game = Game.from_pgn("1. h2e2 (1. c3c4 g6g5) h9g7 *")
        >>> [node.move.iccs for node in game.walk()]
        ['h2e2', 'h9g7', 'c3c4', 'g6g5']
        """
        waiting = self.variations[::-1]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.variations))

    def variation(self, move: Move) -> ChildNode | None:
        """Return the continuation that starts with ``move``, or ``None``. Raises ``ValueError`` for a text."""
        for node in self.variations:
            if node.move is move:
                return node
        if not isinstance(move, Move):
            raise ValueError(f"not a Move: {move!r}")
        return None

    # --- Editing ------------------------------------------------------------------------------------------------------

    def add_variation(self, move: Move) -> ChildNode:
        """Add a continuation after the existing ones and return its node. Legality is not checked."""
        node = ChildNode(self, move)
        self.variations.append(node)
        return node

    def add_main_line(self, moves: Iterable[Move]) -> GameNode:
        """Add ``moves`` as the main line from here; the old main line becomes a variation.

        Returns the last node (this one if there are no moves). Legality is not checked.
        """
        node: GameNode = self
        for move in moves:
            child = ChildNode(node, move)
            node.variations.insert(0, child)
            node = child
        return node


class ChildNode(GameNode):
    """A node reached by a move."""

    __slots__ = ("move", "parent", "starting_comment")

    move: Move
    """The move that leads here."""
    parent: GameNode
    """The node before the move."""
    starting_comment: str
    """The comment before the move, such as at the head of a variation."""

    def __init__(self, parent: GameNode, move: Move) -> None:
        self.ply = parent.ply + 1
        self.variations = []
        self.comment = ""
        self._nags = None
        self.move = move
        self.parent = parent
        self.starting_comment = ""

    def wxf(self) -> str:
        """Return the move in WXF. Raises ``IllegalMoveError`` if it is not legal, ``ValueError`` without a game.

        >>> Game.from_pgn("1. h2e2 h9g7 *").end().wxf()
        'H8+7'
        """
        return self.parent.board().wxf(self.move)

    def chinese(self, traditional: bool = False) -> str:
        """Return the move in Chinese notation. Raises like ``wxf``."""
        return self.parent.board().chinese(self.move, traditional)

    def algebraic(self, first_rank: int = 0) -> str:
        """Return the move in the algebraic notation of chess. Raises like ``wxf``."""
        return self.parent.board().algebraic(self.move, first_rank)

    def is_main_line(self) -> bool:
        """Whether the node lies on the main line of the game."""
        node: GameNode = self
        while (parent := node.parent) is not None:
            siblings = parent.variations
            if not siblings or siblings[0] is not node:
                return False
            node = parent
        return True

    def promote(self) -> None:
        """Move this variation one place up among its siblings; the main one stays where it is."""
        self._move_to(max(self._place() - 1, 0))

    def promote_to_main(self) -> None:
        """Make this variation the main one among its siblings.

        >>> game = Game.from_pgn("1. h2e2 (1. c3c4) (1. b0c2) *")
        >>> game.variations[2].promote_to_main()
        >>> [node.move.iccs for node in game.variations]
        ['b0c2', 'h2e2', 'c3c4']
        """
        self._move_to(0)

    def demote(self) -> None:
        """Move this variation one place down among its siblings."""
        self._move_to(self._place() + 1)

    def delete(self) -> None:
        """Remove this node and everything after it from its game."""
        del self.parent.variations[self._place()]

    def _place(self) -> int:
        for place, node in enumerate(self.parent.variations):
            if node is self:
                return place
        raise ValueError("the node has been deleted from its game")

    def _move_to(self, place: int) -> None:
        self.delete()
        self.parent.variations.insert(place, self)

    def __repr__(self) -> str:
        return f"<ChildNode at ply {self.ply}: {self.move.iccs}>"


class Game(GameNode):
    """A game: its headers, its starting position and, as the root of the tree, its moves.

    ``headers`` are those of PGN (``Event``, ``Date``, ``Red``, ``Black``, ``Result`` and so on); they are copied. The
    header ``FEN`` is the starting position, also available as the property ``fen``. The argument ``fen`` overrides the
    header. Raises ``InvalidFenError``.

    >>> game = Game({"Result": "1-0"})
    >>> game.result, game.moves(), game.board() == Board()
    ('1-0', [], True)
    """

    __slots__ = ("errors", "headers", "unread")

    headers: dict[str, str]
    errors: list[FormatError]
    """Faults of the text or file that the game was read from. The game holds everything else."""
    unread: list[UnreadMove]
    """The moves of the main line from an unsound one on, which its reader dropped."""

    def __init__(self, headers: Mapping[str, str] | None = None, fen: str | None = None) -> None:
        self.ply = 0
        self.variations = []
        self.comment = ""
        self._nags = None
        self.headers = dict(headers) if headers else {}
        self.errors = []
        self.unread = []
        self.fen = self.headers.get("FEN", "").strip() or STARTING_FEN if fen is None else fen

    @classmethod
    def from_board(cls, board: Board, headers: Mapping[str, str] | None = None) -> Game:
        """Return the game that consists of a board's history."""
        game = cls(headers, board.root().fen())
        game.add_main_line(board.move_stack)
        return game

    @classmethod
    def from_pgn(cls, text: str) -> Game:
        """Return the first game of a PGN text.

        An unsound move ends its line, and ``errors`` gives the reason. Raises ``FormatError`` if the text has no game,
        or a game without a readable part.

        >>> Game.from_pgn('[Red "A"]  1. H2-E2 H9-G7 *').moves()
        [Move.from_iccs('h2e2'), Move.from_iccs('h9g7')]
        >>> print(*Game.from_pgn("1. h2e2 h9h8 *").errors)  # doctest: +ELLIPSIS
        line 1, ply 2: illegal move 'h9h8': the piece cannot move like that in ...
        """
        from xiangqi.formats import pgn

        return pgn.loads(text)

    @property
    def fen(self) -> str:
        """FEN of the starting position, stored as the header ``FEN`` unless it is the usual one.

        Reading and setting it raise ``InvalidFenError`` for a text that is not a FEN.

        >>> game = Game()
        >>> game.fen = "4k4/9/9/9/9/9/9/9/9/3K5 b"
        >>> game.headers
        {'FEN': '4k4/9/9/9/9/9/9/9/9/3K5 b - - 0 1'}
        """
        fen = self.headers.get("FEN", "")
        return _full_fen(fen) if fen.strip() else STARTING_FEN

    @fen.setter
    def fen(self, fen: str) -> None:
        full = _full_fen(fen)
        if full == STARTING_FEN:
            self.headers.pop("FEN", None)
        else:
            self.headers["FEN"] = full

    @property
    def result(self) -> str:
        """Result of the game: ``1-0`` (Red won), ``0-1``, ``1/2-1/2`` or ``*``. Another value raises ``ValueError``."""
        result = self.headers.get("Result", "*")
        return result if result in RESULTS else "*"

    @result.setter
    def result(self, result: str) -> None:
        if result not in RESULTS:
            raise ValueError(f"not a result: {result!r} (expected one of {', '.join(RESULTS)})")
        self.headers["Result"] = result

    @property
    def start_turn(self) -> Color:
        """The side that moves first, ``RED`` or ``BLACK``."""
        return BLACK if "FEN" in self.headers and self.fen.split()[1] == "b" else RED

    @property
    def first_number(self) -> int:
        """The number of the first move, 1 unless the starting position says otherwise."""
        return int(self.fen.split()[5]) if "FEN" in self.headers else 1

    def moves(self) -> list[Move]:
        """Return the moves of the main line."""
        return [node.move for node in self.main_line()]

    def end_board(self) -> Board:
        """Return the position at the end of the main line, with its history."""
        return self.end().board()

    def reported(self, on_error: Callable[[FormatError], None]) -> Game:
        """Call ``on_error`` with each of ``errors`` and return the game. Readers do this last."""
        for error in self.errors:
            on_error(error)
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the tree as a list, because recursion over a long line would exhaust the stack."""
        numbers: dict[GameNode, int] = {self: 0}
        rows = []
        for number, node in enumerate(self.walk(), 1):
            numbers[node] = number
            rows.append((numbers[node.parent], node.move, node.comment, node.starting_comment, node._nags))
        return _rebuild, (self.headers, self.errors, self.unread, self.comment, self._nags, rows)

    def __str__(self) -> str:
        """Return the game as PGN with ICCS moves."""
        from xiangqi.formats import pgn

        return pgn.dumps(self)

    def __repr__(self) -> str:
        red, black = self.headers.get("Red", "?"), self.headers.get("Black", "?")
        return f"<Game {red} - {black}, {self.result}, {counted(self.end().ply, 'ply')}>"


def _rebuild(
    headers: dict[str, str],
    errors: list[FormatError],
    unread: list[UnreadMove],
    comment: str,
    nags: set[int] | None,
    rows: list[tuple[int, Move, str, str, set[int] | None]],
) -> Game:
    game = Game()
    game.headers, game.errors, game.unread = dict(headers), list(errors), list(unread)
    game.comment, game._nags = comment, nags
    nodes: list[GameNode] = [game]
    for parent, move, remark, starting_comment, glyphs in rows:
        node = nodes[parent].add_variation(move)
        node.comment, node.starting_comment, node._nags = remark, starting_comment, glyphs
        nodes.append(node)
    return game
