"""Reads pasted text: games or a position in any format."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from typing import Final

from xiangqi import STARTING_FEN, formats
from xiangqi.formats import ErrorHandler, FormatError, UnknownFormatError, pgn
from xiangqi.formats.errors import log_error
from xiangqi.game import Game

_POSITION: Final = re.compile(
    r"(?:position\s+)?(?:startpos|(?:fen[\s:]\s*)?(?P<fen>[^\s/]+(?:/[^\s/]+){9}(?:\s+(?!moves)\S+){0,5}))"
    r"(?:\s+moves\s+(?P<moves>.*))?",
    re.IGNORECASE | re.DOTALL,
)
_FIRST_MOVE: Final = re.compile(r"^\s*1\s*[.\N{FULLWIDTH FULL STOP}\N{IDEOGRAPHIC COMMA}]", re.MULTILINE)


_FENCE: Final = re.compile(r"^[ \t]*(?:```|~~~)[^\n`]*$", re.MULTILINE)
_QUOTES: Final = "\"'`“”‘’「」『』"


def read_pasted(text: str, on_error: ErrorHandler = log_error) -> Iterator[Game]:
    """Iterate over the games in a text; a position is a game without moves.

    A position is a FEN, in quotes or not, or UCI's command ``position``. A game is a text in a format of
    `xiangqi.formats`, or a bare list of moves in any notation, with or without lines of heading before it. The fences
    of Markdown are passed over. ``on_error`` is as for `xiangqi.formats.load`. Raises ``ValueError`` with the reason if
    there is no game.

    >>> next(read_pasted("炮二平五 马8进7")).moves()
    [Move.from_iccs('h2e2'), Move.from_iccs('h9g7')]
    >>> next(read_pasted("position startpos moves h2e2")).moves()
    [Move.from_iccs('h2e2')]
    >>> next(read_pasted('"4k4/9/9/9/9/9/9/9/9/3K5 b - - - -"')).fen
    '4k4/9/9/9/9/9/9/9/9/3K5 b - - 0 1'
    >>> next(read_pasted("hello"))
    Traceback (most recent call last):
    ...
    ValueError: neither a game nor a position: 'hello'
    """
    text = _FENCE.sub("", text.encode("utf-8", "replace").decode("utf-8-sig")).strip()
    bare = text.translate(dict.fromkeys(map(ord, _QUOTES))).strip()
    if (position := _POSITION.fullmatch(bare)) is not None:
        game = Game(fen=position["fen"] or STARTING_FEN)
        yield pgn.loads(f'[FEN "{game.fen}"]\n{position["moves"]}') if position["moves"] else game
        return
    try:
        yield from formats.load(io.BytesIO(text.encode()), on_error)
    except UnknownFormatError:
        yield _read_moves(text.strip(_QUOTES))


def _read_moves(text: str) -> Game:
    """Read a bare list of moves, with or without some lines of other text before it."""
    first = _FIRST_MOVE.search(text)
    with contextlib.suppress(FormatError):
        game = pgn.loads(text[first.start() :] if first else text)
        if game.variations:
            return game
    beginning = text if len(text) <= 40 else f"{text[:40]}…"
    raise ValueError(f"neither a game nor a position: {beginning!r}")
