"""Reads pasted text: a game or a position in any format."""

from __future__ import annotations

import contextlib
import io
import re
from typing import Final

from xiangqi import STARTING_FEN, formats
from xiangqi.formats import FormatError, UnknownFormatError, pgn
from xiangqi.game import Game

_POSITION: Final = re.compile(
    r"(?:position\s+)?(?:startpos|(?:fen[\s:]\s*)?(?P<fen>[^\s/]+(?:/[^\s/]+){9}(?:\s+(?!moves)\S+){0,5}))"
    r"(?:\s+moves\s+(?P<moves>.*))?",
    re.IGNORECASE | re.DOTALL,
)
_FIRST_MOVE: Final = re.compile(r"^\s*1\s*[.\N{FULLWIDTH FULL STOP}\N{IDEOGRAPHIC COMMA}]", re.MULTILINE)


def read_pasted(text: str) -> Game:
    """Return the first game in a text; a position is a game without moves.

    A position is a FEN or UCI's command ``position``. A game is a text in a format of `xiangqi.formats`, or a bare list
    of moves in any notation, with or without lines of heading before it. Raises ``ValueError`` with the reason.

    >>> read_pasted("炮二平五 马8进7").moves()
    [Move.from_iccs('h2e2'), Move.from_iccs('h9g7')]
    >>> read_pasted("position startpos moves h2e2").moves()
    [Move.from_iccs('h2e2')]
    >>> read_pasted("4k4/9/9/9/9/9/9/9/9/3K5 b - - - -").fen
    '4k4/9/9/9/9/9/9/9/9/3K5 b - - 0 1'
    >>> read_pasted("hello")
    Traceback (most recent call last):
    ...
    ValueError: neither a game nor a position: 'hello'
    """
    text = text.encode("utf-8", "replace").decode("utf-8-sig").strip()
    if (position := _POSITION.fullmatch(text)) is not None:
        game = Game(fen=position["fen"] or STARTING_FEN)
        return pgn.loads(f'[FEN "{game.fen}"]\n{position["moves"]}') if position["moves"] else game
    lost: list[FormatError] = []
    try:
        game_or_none = next(formats.load(io.BytesIO(text.encode()), lost.append), None)
    except UnknownFormatError:
        return _read_moves(text)
    if game_or_none is None:
        raise lost[0] if lost else ValueError("there is no game in the text")
    return game_or_none


def _read_moves(text: str) -> Game:
    """Read a bare list of moves, with or without some lines of other text before it."""
    first = _FIRST_MOVE.search(text)
    with contextlib.suppress(FormatError):
        game = pgn.loads(text[first.start() :] if first else text)
        if game.variations:
            return game
    beginning = text if len(text) <= 40 else f"{text[:40]}…"
    raise ValueError(f"neither a game nor a position: {beginning!r}")
