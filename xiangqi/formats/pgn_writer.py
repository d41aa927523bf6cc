"""Writing PGN: headers, moves in any notation, comments, variations and glyphs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, TypedDict, Unpack

from xiangqi.board import STARTING_FEN, Board
from xiangqi.formats.errors import ErrorHandler, FormatError
from xiangqi.formats.streams import open_replacing, write_texts
from xiangqi.formats.text import clean_comment, one_line
from xiangqi.game import ChildNode, Game, GameNode
from xiangqi.lines import Notation, check_notation, move_text
from xiangqi.move import NULL_MOVE, RED, IllegalMoveError, Move


class Options(TypedDict, total=False):
    """The keywords of `dumps`, for functions that pass them on."""

    columns: int | None
    headers: bool
    comments: bool
    variations: bool


_ORDER: Final = ("Event", "Site", "Date", "Round", "RedTeam", "Red", "BlackTeam", "Black", "Result")
_FORMATS: Final = {"iccs": "ICCS", "wxf": "WXF", "chinese": "Chinese", "traditional": "Chinese"}
_NAME: Final = re.compile(r'[\s"\[\]%{}\x00-\x1f\x7f-\x9f]')
_TAG_LIKE: Final = re.compile(r"(?<=\n)\[")


def write(
    games: Iterable[Game],
    path: str | os.PathLike[str],
    notation: Notation = "iccs",
    on_error: ErrorHandler | None = None,
    **options: Unpack[Options],
) -> int:
    """Write games to a file, which appears when all are written, and return their number.

    A game with an illegal move, which has no name in ``notation``, raises `FormatError`; with ``on_error`` it is left
    out instead. ``options`` are those of `dumps`.
    """
    with open_replacing(path) as file:
        return write_to(games, file, notation, on_error, **options)


def write_to(
    games: Iterable[Game],
    file: BinaryIO,
    notation: Notation = "iccs",
    on_error: ErrorHandler | None = None,
    **options: Unpack[Options],
) -> int:
    """Write games to an open binary file and return their number. Raises like `write`.

    ``options`` are those of `dumps`.

    >>> import io
    >>> file = io.BytesIO()
    >>> write_to([Game.from_pgn("1. h2e2 h9g7 1-0")], file, "traditional")
    1
    >>> file.getvalue().decode().split()[-3:]
    ['炮二平五', '馬８進７', '1-0']
    """
    return write_texts(games, file, lambda game: dumps(game, notation, **options), on_error)


def dumps(
    game: Game,
    notation: Notation = "iccs",
    *,
    columns: int | None = 80,
    headers: bool = True,
    comments: bool = True,
    variations: bool = True,
) -> str:
    """Return a game as PGN. Raises `FormatError` like `write`.

    ICCS is written ``H2-E2``; algebraic notation counts ranks from 0 and has the header ``Variant``, as WinBoard does.
    ``columns`` is the greatest length of a line of moves, ``None`` to write them in one. Without ``headers`` there are
    moves only, and a starting position is lost; without ``comments`` there are no glyphs either; without ``variations``
    there is the main line only.

    >>> game = Game.from_pgn("1. h2e2 {best by test} (1. b2e2) 1... h9g7 1-0")
    >>> print(dumps(game, headers=False, comments=False, variations=False), end="")
    1. H2-E2 H9-G7 1-0
    >>> print(dumps(game, "wxf"))
    [Game "Chinese Chess"]
    [Result "1-0"]
    [Format "WXF"]
    <BLANKLINE>
    1. C2=5 {best by test} (1. C8=5) 1... H8+7 1-0
    <BLANKLINE>
    """
    check_notation(notation)
    lines = [*_headers(game, notation), ""] if headers else []
    try:
        return "\n".join([*lines, _wrap(_tokens(game, notation, comments, variations), columns), ""])
    except IllegalMoveError as error:
        raise FormatError(f"cannot write in {notation} notation: {error}") from None


def _headers(game: Game, notation: Notation) -> list[str]:
    found = {"Game": "Chinese Chess"}
    found |= {key: game.headers[key] for key in _ORDER if key in game.headers}
    found |= {_NAME.sub("_", key): value for key, value in game.headers.items() if key not in found}
    found["Result"] = game.result
    if (fen := game.fen) != STARTING_FEN:
        found["FEN"] = fen
    else:
        found.pop("FEN", None)
    if notation == "algebraic":
        found["Variant"] = "xiangqi"  # as WinBoard calls it
    else:
        found["Format"] = _FORMATS[notation]
    return [f'[{key} "{_escape(value)}"]' for key, value in found.items() if key]


def _escape(value: str) -> str:
    return one_line(value).replace("\\", "\\\\").replace('"', '\\"')


def _wrap(tokens: Iterable[str], columns: int | None) -> str:
    """Join tokens by spaces and line breaks, without a space after "(" and before ")"."""
    parts: list[str] = []
    column, clings = 0, True
    for token in tokens:
        if not (clings or token == ")"):
            wide = columns is not None and column + 1 + len(token) > columns
            parts.append("\n" if wide else " ")
            column = 0 if wide else column + 1
        parts.append(token)
        newline = token.rfind("\n")
        column = len(token) - newline - 1 if newline >= 0 else column + len(token)
        clings = token == "("
    return "".join(parts)


def _tokens(game: Game, notation: Notation, comments: bool, variations: bool) -> Iterator[str]:
    """Iterate over the tokens of a game. An explicit stack is used, because long games would exhaust recursion."""
    board = game.board()
    plies: list[int] = []  # where each open variation began
    needs_number = True
    if comments and (text := _comment(game.comment)):
        yield text
    todo = _continuation(game, variations)
    while todo:
        action, node = todo.pop()
        if action == "open":
            plies.append(board.ply)
            yield "("
            needs_number = True
        elif action == "close":
            ply = plies.pop()
            while board.ply > ply:
                board.pop()
            yield ")"
            needs_number = True
        elif action == "go on":
            board.push(node.move)
            todo += _continuation(node, variations)
        else:
            remark = _comment(node.starting_comment) if comments else ""
            if remark and node is not node.parent.variations[0]:  # at the head of a variation
                yield remark
                remark, needs_number = "", True
            if board.turn == RED or needs_number or remark:
                yield f"{board.fullmove_number}.{'' if board.turn == RED else '..'}"
            if remark:
                yield remark
            yield _move_text(board, node.move, notation)
            needs_number = False
            if comments and node.has_nags():
                yield from [f"${nag}" for nag in sorted(node.nags)]
            if comments and (text := _comment(node.comment)):
                yield text
                needs_number = True
    yield game.result


def _continuation(node: GameNode, variations: bool) -> list[tuple[str, ChildNode]]:
    """Return the actions that write the continuations of a node, last first."""
    if not node.variations:
        return []
    main, *rivals = node.variations
    todo = [("write", main)]
    for rival in rivals if variations else ():
        todo += [("open", rival), ("write", rival), ("go on", rival), ("close", rival)]
    todo.append(("go on", main))
    return todo[::-1]


def _move_text(board: Board, move: Move, notation: Notation) -> str:
    if notation == "iccs" and move is not NULL_MOVE:  # legal or not
        return f"{move.iccs[:2]}-{move.iccs[2:]}".upper()
    return move_text(board, move, notation)


def _comment(text: str) -> str:
    """Return a comment in braces, without inner braces or lines that look like headers; "" for an empty comment."""
    if not text or not (text := clean_comment(text)):
        return ""
    return "{" + _TAG_LIKE.sub(" [", text.replace("}", "｝")) + "}"
