"""MXQ: the records of the client of movesky.net (弈天).

A file is a series of strings, each its length in one byte and its bytes in GB18030 or Big5: the room; date and time;
the players and the result, as ``A-胜-B`` (also ``和`` and ``负``, from Red's view); their ratings; five settings; how
the game ended; ``Moves``; the moves; ``Ends``; ``Comments``; ``End``. A move is ``7C-4C``: files 0 to 8 from Red's
left, ranks A to J from Red's back rank.

Sources: the converter of ElephantEye (MXQ2PGN) and the importer of XQStudio. Read so, all of 51 files that the client
saved are legal to the last move. How it stores comments is not known: any text after ``Comments`` is taken for one on
the game.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from xiangqi.board import Board
from xiangqi.formats.errors import ErrorHandler, Faults, log_error
from xiangqi.formats.records import Step, build_game, pgn_date
from xiangqi.formats.streams import Source, open_bytes, read_whole, source_name
from xiangqi.formats.text import clean_comment, clean_header, parse_result
from xiangqi.game import Game
from xiangqi.move import RED, Square

SUFFIXES: Final = (".mxq",)
_HEADER: Final = 5
"""Number of strings with a known meaning at the beginning."""
_MOST: Final = 40
"""Largest number of strings before the moves; known files have eleven."""
_MOVE: Final = re.compile(rb"\s*([0-8])([A-J])-([0-8])([A-J])\s*", re.IGNORECASE)
_PLAYERS: Final = re.compile(r"(.*?)\s*-([胜勝和负負])-\s*(.*)", re.DOTALL)


def sniff(head: bytes) -> bool:
    """Whether a file that starts with these bytes is a series of strings, the string ``Moves`` among the first."""
    for _, (_, text) in zip(range(_MOST), _strings(head), strict=False):
        if text == b"Moves":
            return True
    return False


def read(source: Source, on_error: ErrorHandler = log_error, encoding: str | None = None) -> Iterator[Game]:
    """Yield the one game of a file.

    ``on_error`` is called with faults of its moves; ``encoding`` is that of the texts. Raises ``FormatError`` if the
    file is not MXQ.
    """
    path = source_name(source)
    with open_bytes(source) as file:
        game = loads(read_whole(file, path), path, encoding)
    yield game.reported(on_error)


def loads(data: bytes, path: str | None = None, encoding: str | None = None) -> Game:
    """Return the game in the bytes of a file; errors name ``path``.

    ``encoding`` is that of the texts. Faults of the moves are in the game's ``errors``. Raises ``FormatError`` if the
    file is not MXQ.

    >>> strings = ["", "2003", "A-胜-B", "", "", "Moves", "7C-4C", "7J-6H", "Ends"]
    >>> game = loads(b"".join(bytes([len(text)]) + text for text in (text.encode("gbk") for text in strings)))
    >>> game.headers, [move.iccs for move in game.moves()]
    ({'Date': '2003.??.??', 'Red': 'A', 'Black': 'B', 'Result': '1-0'}, ['h2e2', 'h9g7'])
    """
    faults = Faults(path)
    if not sniff(data):
        raise faults.error("not an MXQ file: it has no string 'Moves'", offset=0)
    strings = _strings(data)
    texts = []
    for _, text in strings:
        if text == b"Moves":
            break
        texts.append(text)
    steps, comment = [], ""
    for place, text in strings:
        if text in (b"Ends", b"Comments", b"End"):
            comment = _comment(strings, encoding or "gb18030")
            break
        move = _MOVE.fullmatch(text)
        if move is None:
            fault = f"expected a move like '7C-4C', found {text.decode('ascii', 'replace')!r:.40}"
            steps.append(Step(-1, -1, True, False, "", place, fault))
        else:
            steps.append(Step(_square(move[1], move[2]), _square(move[3], move[4]), True, False, "", place))

    def report(place: int, reason: str, ply: int | None = None) -> None:
        faults.add(reason, offset=place, ply=ply)

    game = build_game(_headers(texts, encoding), Board().piece_map(), RED, steps, comment, report)
    game.errors = faults.errors
    return game


def _strings(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each string with its place. One that is cut off is yielded as far as it goes."""
    at = 0
    while at < len(data):
        end = at + 1 + data[at]
        yield at, data[at + 1 : end]
        at = end


def _comment(strings: Iterator[tuple[int, bytes]], encoding: str) -> str:
    texts = [text.decode(encoding, "replace") for _, text in strings if text not in (b"Comments", b"End")]
    return clean_comment("\n".join(text for text in texts if text.strip()))


def _headers(texts: list[bytes], encoding: str | None) -> dict[str, str]:
    room, date, players, *ratings = (texts + [b""] * _HEADER)[:_HEADER]
    found = None
    for guess in (encoding,) if encoding else ("big5hkscs", "utf-8", "gb18030"):
        found = _PLAYERS.fullmatch(players.decode(guess, "replace"))
        if found:
            break

    def text(raw: bytes) -> str:
        return clean_header(raw.decode(guess, "replace"))

    headers = {"Site": text(room), "Date": pgn_date(text(date).partition(" ")[0])}
    if found:
        headers |= {"Red": clean_header(found[1]), "Black": clean_header(found[3])}
    else:
        headers["Event"] = text(players)
    headers |= {"RedElo": text(ratings[0]), "BlackElo": text(ratings[1])}
    if len(texts) > _HEADER:
        headers["Termination"] = text(texts[-1])
    headers = {name: value for name, value in headers.items() if value not in ("", "-")}
    headers["Result"] = parse_result(f"红{found[2]}") if found else "*"
    return headers


def _square(file: bytes, rank: bytes) -> Square:
    return (rank.upper()[0] - ord("A")) * 9 + int(file)
