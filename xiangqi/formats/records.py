"""Code shared by the coordinate formats (XQF, CBR, CBF, DhtmlXQ and others).

All of them have the starting squares of the pieces, then moves as pairs of squares. Their field for the side that moves
first is not reliable; the owner of the first piece that moves is used. The binary formats store the tree of moves depth
first. Each move has two marks: whether a continuation follows, and whether a variation that replaces it follows later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from xiangqi.board import Board
from xiangqi.formats.errors import FormatError, UnreadMove
from xiangqi.formats.text import clean_comment
from xiangqi.game import ChildNode, Game, GameNode
from xiangqi.move import (
    COLOR_NAMES,
    NULL_MOVE,
    PIECE_NAMES,
    RED,
    SQUARES,
    Color,
    IllegalMoveError,
    InvalidMoveError,
    Move,
    Piece,
    Square,
    square_name,
)

SLOTS: Final = tuple(map(Piece.from_symbol, "RNBAKABNRCCPPPPPrnbakabnrccppppp"))
"""The 32 pieces in the order in which XQF and DhtmlXQ list their squares."""

RESULTS: Final = ("*", "1-0", "0-1", "1/2-1/2", "*")
"""Results by their number in XQF, CBR and CBF; 4 is "several"."""

Report = Callable[[int, str, int], None]
"""Called with each fault: its place in the file (byte offset or line), the reason and the ply."""


class Step(NamedTuple):
    """One move of a stored tree."""

    from_square: Square
    to_square: Square
    continued: bool
    """Whether the next step is a reply to this one."""
    alternative: bool
    """Whether a variation that replaces this step comes after its continuations."""
    comment: str
    place: int
    fault: str = ""
    """Why the text of the move cannot be read, or ``""``."""


def build_game(
    headers: Mapping[str, str],
    pieces: Mapping[Square, Piece],
    turn: Color,
    steps: Iterable[Step],
    comment: str,
    report: Report,
) -> Game:
    """Build a game from a position and a stored tree of moves.

    An illegal move is reported and dropped with its continuations; the variations that replace it are kept. The owner
    of the first piece moved begins; without moves it is ``turn``. Time and memory are linear in the number of steps,
    whatever their nesting.

    >>> faults = []
    >>> steps = [Step(25, 22, True, False, "", 0), Step(88, 69, True, False, "", 4), Step(0, 99, False, False, "", 8)]
    >>> game = build_game({}, Board().piece_map(), RED, steps, "", lambda *fault: faults.append(fault))
    >>> game.moves(), faults
    ([Move.from_iccs('h2e2'), Move.from_iccs('h9g7')], [(8, 'the move begins or ends off the board', 3)])
    >>> [move.text for move in game.unread]
    ['a0??']
    """
    steps = list(_whole_tree(steps))
    board = set_up(pieces, _first_turn(steps, pieces, turn))
    game = Game(headers, board.fen())
    game.comment = comment
    parent: GameNode | None = game  # None below a move that was dropped
    is_main = True
    branches: list[tuple[GameNode | None, int]] = []
    for step in steps:
        node: GameNode | None = None
        if parent is not None:
            fault = step.fault or find_fault(board, step.from_square, step.to_square)
            if fault:
                report(step.place, fault, board.ply + 1)
            else:
                node = parent.add_variation(Move(step.from_square, step.to_square))
                node.comment = step.comment
        if node is None and is_main:
            text, ply = f"{_name(step.from_square)}{_name(step.to_square)}", board.ply + 1 + len(game.unread)
            game.unread.append(UnreadMove(text, ply, step.comment))
        is_main = is_main and step.continued
        if step.alternative:
            branches.append((parent, board.ply))
        if step.continued:
            if isinstance(node, ChildNode):
                board.push(node.move)
            parent = node
        elif branches:
            parent, ply = branches.pop()
            while board.ply > ply:
                board.pop()
        else:
            break
    return game


def _name(square: Square) -> str:
    return square_name(square) if square in SQUARES else "??"


def _whole_tree(steps: Iterable[Step]) -> Iterator[Step]:
    """Yield the steps up to the end of the tree, without reading further."""
    announced = 0
    for step in steps:
        yield step
        announced += step.alternative
        if not step.continued:
            if not announced:
                return
            announced -= 1


def _first_turn(steps: Sequence[Step], pieces: Mapping[Square, Piece], turn: Color) -> Color:
    """Return the colour of the first piece that makes a legal move from the starting position."""
    announced: list[bool] = []  # for each announced variation, whether it replaces the first move
    at_root = True
    for step in steps:
        if at_root and step.from_square in pieces:
            color = pieces[step.from_square].color
            if not step.fault and not find_fault(set_up(pieces, color), step.from_square, step.to_square):
                return color
        if step.alternative:
            announced.append(at_root)
        if step.continued:
            at_root = False
        elif announced:
            at_root = announced.pop()
        else:
            break
    return turn


def set_up(pieces: Mapping[Square, Piece], turn: Color = RED) -> Board:
    """Return a board with these pieces and ``turn`` to move."""
    board = Board(None)
    board.set_piece_map(pieces)
    board.set_fen(f"{board.placement()} {'wb'[turn]}")
    return board


def find_fault(board: Board, from_square: Square, to_square: Square) -> str:
    """Return why the move between two squares is not legal, or ``""`` if it is.

    >>> find_fault(Board(), 25, 22), find_fault(Board(), 25, 90)
    ('', 'the move begins or ends off the board')
    """
    if from_square not in SQUARES or to_square not in SQUARES:
        return "the move begins or ends off the board"
    try:
        move = Move(from_square, to_square)
        if not board.is_legal(move):
            board.parse_iccs(move.iccs)
    except InvalidMoveError:
        return f"no piece moves from {square_name(from_square)} to {square_name(to_square)}"
    except IllegalMoveError as error:
        return str(error)
    return ""


def marks(node: ChildNode) -> tuple[bool, bool]:
    """Return the two marks of a stored move: whether it is continued and whether a variation replaces it later.

    Raises ``FormatError`` for a null move, which none of these formats can hold.

    >>> game = Game.from_pgn("1. h2e2 (1. c3c4) 1... h9g7 *")
    >>> [marks(node) for node in game.walk()]
    [(True, True), (False, False), (False, False)]
    """
    if node.move is NULL_MOVE:
        raise FormatError("the game has a null move, which XQF and DhtmlXQ cannot hold")
    return bool(node.variations), node is not node.parent.variations[-1]


def slot_squares(board: Board) -> list[Square | None]:
    """Return the squares of the 32 pieces in the order of ``SLOTS``; ``None`` for a piece not on the board.

    Raises ``FormatError`` if there are more pieces of a type than a set has.
    """
    squares: list[Square | None] = [None] * 32
    for square, piece in sorted(board.piece_map().items()):
        free = [slot for slot in range(32) if SLOTS[slot] is piece and squares[slot] is None]
        if not free:
            raise FormatError(
                f"the position has a {COLOR_NAMES[piece.color]} {PIECE_NAMES[piece.type]} too many for XQF and DhtmlXQ"
            )
        squares[free[0]] = square
    return squares


_NAG_SIGNS: Final = {1: "!", 2: "?", 3: "!!", 4: "??", 5: "!?", 6: "?!"}


def remark(node: GameNode) -> str:
    """Return the annotations of a node as one comment, because these formats allow one for each move.

    It has the glyphs, such as ``!`` or ``$13``, then the comment before the move, then the comment after it.

    >>> remark(Game.from_pgn("1. h2e2!? {an idea} *").next())
    '!?\\nan idea'
    """
    nags = " ".join(_NAG_SIGNS.get(nag, f"${nag}") for nag in sorted(node.nags)) if node.has_nags() else ""
    before = node.starting_comment if isinstance(node, ChildNode) else ""
    return clean_comment("\n".join(part for part in (nags, before, node.comment) if part))


_DATE: Final = re.compile(
    r"(\d{4})(?:[-./年 ]{1,2}(\d{1,2}|\?\?)(?:[-./月 ]{1,2}(\d{1,2}|\?\?))?)?[年月日号號]?|(\d{4})(\d\d)(\d\d)",
    re.ASCII,
)


def pgn_date(text: str) -> str:
    """Return a date in the form of PGN; text that is not a date is returned unchanged, an empty date as ``""``.

    >>> pgn_date("1997年11月16日"), pgn_date("2018-3-4"), pgn_date("2004"), pgn_date("0000-00-00")
    ('1997.11.16', '2018.03.04', '2004.??.??', '')
    """
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return text
    year, month, day = (match[1], match[2], match[3]) if match[1] else (match[4], match[5], match[6])
    if int(year) == 0:
        return ""
    parts = [part.zfill(2) if part and part not in ("0", "00") else "??" for part in (month, day)]
    return ".".join([year, *parts])
