"""The text files of the World Xiangqi Federation, also those of PlayOK, Club Xiangqi and the XieXie program.

    FORMAT  WXF
    GAME
    RED     Lin; 1200; Team;
    BLACK   Meyer;;;
    RESULT  1-0
    DATE    24-12-2022
    FEN     rheakaehr/9/1c5c1/p1p1p1p1p/9/9/P1P1P1P1P/1C5C1/9/RHEAKAEHR r

    START{
     1.  C2.5  H8+7     2.  H2+3  R9.8
    }END

A file may hold several games. Instead of ``FEN``, ``SETUP{ Rh0 ke9 Ke0 RED }`` may name the squares of the pieces and
the side to move; red pieces are upper case. Moves are in any notation; PlayOK writes those of Black in lower case.
``/* */`` is a comment. A date is year, month, day, or day, month, year.

Sources: "Chinese Chess File Format" by Huayong Yang (https://www.wxf-xiangqi.org/images/computer-xiangqi/
chinese-chess-file-format.pdf), the reader of xiangqi-setup, and published games of PlayOK and XieXie.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Final

from xiangqi.board import STARTING_FEN, Board
from xiangqi.fen import InvalidFenError
from xiangqi.formats import pgn
from xiangqi.formats.errors import ErrorHandler, Faults, FormatError, log_error
from xiangqi.formats.movetext import read_game
from xiangqi.formats.records import pgn_date, set_up
from xiangqi.formats.streams import Source, open_lines, source_name
from xiangqi.formats.text import TextDecoder, clean_comment, clean_header, parse_result
from xiangqi.game import Game
from xiangqi.move import BLACK, RED, Piece, parse_square

SUFFIXES: Final = (".wxf",)

MAX_GAME: Final = 8 << 20
"""Largest size in bytes of a game's text: a bound on memory."""

_START: Final = re.compile(rb"^[ \t]*START[ \t]*\n?[ \t]*\{", re.MULTILINE | re.IGNORECASE)
_END: Final = re.compile(rb"\}\s*END\b", re.IGNORECASE)
_FORMAT: Final = re.compile(rb"[ \t]*FORMAT\b", re.IGNORECASE)
_BODY: Final = re.compile(_START.pattern.decode(), _START.flags)
_BODY_END: Final = re.compile(_END.pattern.decode(), _END.flags)
_KEY: Final = re.compile(r"[ \t]*([A-Z]{2,20})(?:[ \t:]+(.*))?", re.IGNORECASE)
_SETUP: Final = re.compile(r"^[ \t]*SETUP\s*\{([^}]*)\}?", re.MULTILINE | re.IGNORECASE)
_PLACED: Final = re.compile(r"([A-Za-z])([a-i][0-9])")
_COMMENT: Final = re.compile(r"/\*(.*?)\*/", re.DOTALL)
_TIME: Final = re.compile(r"\s\d{1,2}:.*")
_DAY_FIRST: Final = re.compile(r"(\d{1,2})[-./ ](\d{1,2})[-./ ](\d{4})")
_TEXTS: Final = {
    "GAME": "Title",
    "TITLE": "Title",
    "EVENT": "Event",
    "SITE": "Site",
    "PLACE": "Site",
    "ROUND": "Round",
    "RED": "Red",
    "BLACK": "Black",
    "OPENING": "Opening",
    "TIME": "TimeControl",
    "ANNOTATOR": "Annotator",
    "AUTHOR": "Author",
}


def sniff(head: bytes) -> bool:
    """Whether a file that starts with these bytes has moves between ``START{`` and ``}END``, and is not PGN."""
    return _START.search(head.replace(b"\r", b"\n")) is not None and not pgn.begins(head)


def read(source: Source, on_error: ErrorHandler = log_error, encoding: str | None = None) -> Iterator[Game]:
    """Iterate over the games of a file, with one in memory at a time.

    ``on_error`` is called with faults of the moves and with games that cannot be read. ``encoding`` is that of the
    file, if it is not UTF-8, UTF-16, GB18030 or Big5. Raises ``FormatError`` if there is no game.
    """
    path = source_name(source)
    decoder = TextDecoder()
    number = 0
    with open_lines(source, encoding) as file:
        for first, data in _blocks(file):
            number += 1
            faults = Faults(path, number)
            try:
                if data is None:
                    raise faults.error(f"a game of more than {MAX_GAME >> 20} MiB", line=first)
                game = _parse(decoder.decode(data), first, faults)
            except FormatError as error:
                on_error(error)
            else:
                yield game.reported(on_error)
    if not number:
        raise FormatError("there is no game in the file: it has no START{", path=path, line=1)


def loads(text: str) -> Game:
    """Return the first game of a text. Faults of its moves are in its ``errors``.

    Raises ``FormatError`` if there is no game or its position cannot be read.

    >>> game = loads("RED Lin;;;\\nDATE 24-12-2022\\nSTART{\\n 1. C2.5 h8+7 }END")
    >>> game.headers, game.moves()
    ({'Red': 'Lin', 'Date': '2022.12.24'}, [Move.from_iccs('h2e2'), Move.from_iccs('h9g7')])
    """
    with open_lines(io.StringIO(text)) as file:
        for first, data in _blocks(file):
            if data is None:
                raise FormatError(f"a game of more than {MAX_GAME >> 20} MiB", line=first)
            return _parse(data.decode(), first, Faults())
    raise FormatError("there is no game in the text: it has no START{", line=1)


def _blocks(file: io.BufferedReader) -> Iterator[tuple[int, bytes | None]]:
    """Iterate over the games as ``(number of the first line, text)``; the text is ``None`` if it is too long.

    A game ends with ``}END``, or before the next ``FORMAT``.
    """
    text = bytearray()
    size, number, first = 0, 1, 1
    started = False
    while line := file.readline(MAX_GAME):
        if started and _FORMAT.match(line):
            yield first, bytes(text) if size <= MAX_GAME else None
            text.clear()
            size, first, started = 0, number, False
        size += len(line)
        if size <= MAX_GAME:
            text += line
        else:
            text.clear()
        number += line.endswith(b"\n")
        started = started or _START.search(line) is not None or line.strip().upper() == b"START"
        if started and _END.search(line):
            yield first, bytes(text) if size <= MAX_GAME else None
            text.clear()
            size, first, started = 0, number, False
    if started:
        yield first, bytes(text) if size <= MAX_GAME else None


def _parse(text: str, first: int, faults: Faults) -> Game:
    """Return the game of a text that starts in line ``first``."""
    start = _BODY.search(text)
    if start is None:
        raise faults.error("there is no game in the text: it has no START{", line=first)
    end = _BODY_END.search(text, start.end())
    body = text[start.end() : end.start()] if end else text[start.end() :].rstrip().removesuffix("}")
    head = _COMMENT.sub(lambda remark: "\n" * remark[0].count("\n"), text[: start.start()])
    remarks = [clean_comment(remark) for remark in _COMMENT.findall(text[: start.start()])]
    values: dict[str, tuple[str, int]] = {}
    for line, words in enumerate(head.split("\n"), first):
        if match := _KEY.fullmatch(words.rstrip()):
            values[match[1].upper()] = (match[2] or "").strip(), line
    remarks.append(clean_comment(values.get("COMMENT", ("", 0))[0]))
    body = _COMMENT.sub(lambda remark: "{" + remark[1].replace("}", "｝") + "}", body)
    line = first + text.count("\n", 0, start.end())
    game, result = read_game(_headers(values), _position(head, values, first, faults), body, line, faults)
    if result != "*" and game.result == "*":
        game.result = result
    if end is None:
        faults.add("the moves do not end with }END", line=first + text.rstrip().count("\n"))
    game.comment = "\n".join(filter(None, [*remarks, game.comment]))
    return game


def _headers(values: dict[str, tuple[str, int]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for key, header in _TEXTS.items():
        text = clean_header(values.get(key, ("", 0))[0])
        if key in ("RED", "BLACK"):
            text, *others = [part.strip() for part in text.split(";")]
            headers[header] = text
            for other in filter(None, others):
                headers.setdefault(f"{header}{'Elo' if other.isdecimal() else 'Team'}", other)
        elif text:
            headers[header] = text
    date = _TIME.sub("", clean_header(values.get("DATE", ("", 0))[0]))
    if match := _DAY_FIRST.fullmatch(date):
        day, month, year = match.groups()
        date = f"{year}-{month}-{day}" if int(month) <= 12 else f"{year}-{day}-{month}"
    if date := pgn_date(date):
        headers["Date"] = date
    if "RESULT" in values:
        headers["Result"] = parse_result(values["RESULT"][0])
    return {header: text for header, text in headers.items() if text}


def _position(text: str, values: dict[str, tuple[str, int]], first: int, faults: Faults) -> str:
    """Return the FEN of the position in which the game begins. Raises ``FormatError``."""
    fen, line = values.get("FEN", ("", first))
    if fen:
        try:
            return Board(fen).fen()
        except InvalidFenError as error:
            raise faults.error(str(error), line=line) from None
    setup = _SETUP.search(text)
    if setup is None:
        return STARTING_FEN
    line = first + text.count("\n", 0, setup.start(1))
    pieces, turn = {}, RED
    for word in re.split(r"[\s,;]+", setup[1].strip()):
        placed = _PLACED.fullmatch(word)
        if word.upper() in ("RED", "BLACK"):
            turn = BLACK if word.upper() == "BLACK" else RED
        elif placed:
            try:
                pieces[parse_square(placed[2])] = Piece.from_symbol(placed[1])
            except ValueError as error:
                raise faults.error(str(error), line=line) from None
    try:
        return set_up(pieces, turn).fen()
    except InvalidFenError as error:
        raise faults.error(str(error), line=line) from None
