"""PGN for xiangqi: moves in any notation, in UTF-8, UTF-16, GB18030 or Big5, with comments, variations and glyphs.

Headers are kept, with four exceptions: ``White`` becomes ``Red`` (``WhiteElo`` becomes ``RedElo``), results are
converted to ``1-0``, ``0-1``, ``1/2-1/2`` or ``*``, the starting position goes to ``Game.fen``, and ``Game``,
``Variant`` and ``Format`` are dropped. Their brackets may be full-width, 【】 or ［］.

The moves are read by `xiangqi.formats.movetext`, games are written by `xiangqi.formats.pgn_writer`.

Verified: of 12,138 published games in GBK, 12,133 are the same as in an independent database.

Source of the format: https://www.xqbase.com/protocol/cchess_pgn.htm, and otherwise the PGN standard of 1994 (http://www.saremba.de/chessgml/standards/pgn/pgn-complete.htm).
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from xiangqi.board import STARTING_FEN, Board
from xiangqi.fen import InvalidFenError
from xiangqi.formats.errors import ErrorHandler, Faults, FormatError, log_error
from xiangqi.formats.movetext import parse_move, read_game, words_of
from xiangqi.formats.pgn_writer import dumps, write, write_to
from xiangqi.formats.streams import Source, open_lines, source_name
from xiangqi.formats.text import TextDecoder, clean_comment, one_line, parse_result
from xiangqi.game import RESULTS, Game
from xiangqi.lines import Notation

__all__ = [
    "SUFFIXES",
    "Notation",
    "begins",
    "dumps",
    "loads",
    "read",
    "read_headers",
    "read_texts",
    "sniff",
    "write",
    "write_to",
]

SUFFIXES: Final = (".pgn",)

MAX_GAME: Final = 8 << 20
"""Largest size in bytes of a game's text: a bound on memory."""


def sniff(head: bytes) -> bool:
    """Whether a file that starts with these bytes looks like PGN, or like moves that somebody typed.

    >>> sniff(b'notes\\n[Red "A"]'), sniff(b"h2e2 h9g7 h0g2"), sniff(b"h2e2 or so")
    (True, True, False)
    """
    return begins(head) or _TAG_START.search(head.replace(b"\r", b"\n")) is not None or _opens_a_game(head)


def _opens_a_game(head: bytes) -> bool:
    """Whether the first two words are moves of a game, in any notation and without a number before them."""
    words = list(itertools.islice(words_of(TextDecoder().decode(head[:100])), 2))
    for first_rank in (0, 1):
        board = Board()
        try:
            for word in words:
                board.push(parse_move(board, word, first_rank))
        except ValueError:
            continue
        return bool(words)
    return False


def begins(head: bytes) -> bool:
    """Whether a file starts with a header or move 1, after any comments, which is certain to be PGN.

    >>> begins(b'{see [DhtmlXQ_movelist]} [Red "A"]'), begins(b'<html> [Red "A"]')
    (True, False)
    """
    return _BEGINNING.match(head.replace(b"\r", b"\n")) is not None


# --- Splitting a file into games --------------------------------------------------------------------------------------

# The patterns use single bytes only where no Chinese encoding has them as the second byte of a character.
_OPEN: Final = rb"(?:\[|\xe3\x80\x90|\xef\xbc\xbb|\xa1\xbe|\xa3\xdb|\xa1\x69|\xc6\xe4)"  # [, 【 or ［
_CLOSING: Final = (b"]", b"\xe3\x80\x91", b"\xef\xbc\xbd", b"\xa1\xbf", b"\xa3\xdd", b"\xa1\x6a", b"\xc6\xe5")
_TAG_START: Final = re.compile(rb"^(?:\xef\xbb\xbf)?[ \t]*" + _OPEN + rb'[ \t]*([^\s"\[\]%{}]+)[ \t]*"', re.MULTILINE)
_ONE: Final = (
    rb"(?:1|\xef\xbc\x91|\xa3\xb1|\xa2\xb0)\s*"  # 1, and as a full-width digit in UTF-8, GB18030 and Big5
    rb"(?:[.:]|\xef\xbc[\x8e\x9a]|\xa3[\xae\xba]|\xa1[\x44\x47\xa2\x42]|\xe3\x80\x81)"  # a full stop, colon or 、
)
_DOTS: Final = rb"(?!\xe2\x80\xa6|\xa1\xad|\xa1\x4b)"  # not ……, which stands for Red's move: the game goes on
_FIRST_MOVE: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?>\s+|\{[^}]*\})*+" + _ONE + rb"\s*" + _DOTS + rb"[^\s\d.]")
_BEGINNING: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?(?>\s+|\{[^}]*\}|[;%][^\n]*\n)*+(?:" + _TAG_START.pattern[1:] + rb"|" + _ONE + rb"\s*[^\s\d.])"
)
_NO_MOVES: Final = re.compile(rb"[ \t]*(?:[%;]|\[[^\]\n]*(?:\]\s*)?$)")
"""A line before the moves without a move: a comment or a malformed header."""
_COMMENT: Final = re.compile(rb"\{[^}]*\}?")
_PLAIN_GAME: Final = re.compile(
    rb'(?:\[[A-Za-z0-9_]++ "[^"\\\n]*+"\]\n)++\n++(?=\d)((?:[^"{}\[]++|\{[^{}"]*+\})++)'
    rb'(?<=\n)(?=\[[A-Za-z0-9_]++ ")'
)
"""A game with plain headers, and no bracket or quotation mark in its moves but in comments, up to the next header."""
_MOVE_ONE: Final = re.compile(rb"\n\s*+(?:1\s*+[.:\x80-\xff]|[\x80-\xff])")
"""The start of a line that may begin a game without headers."""
_RESULTS: Final = tuple(result.encode() for result in RESULTS)


def _blocks(file: io.BufferedReader) -> Iterator[tuple[int, bytes | None]]:
    """Iterate over the games as ``(number of the first line, text)``; the text is ``None`` if it is too long.

    A new game starts with a tag after moves, with a repeated tag after a blank line, or, without tags, with move 1 at
    the start of a line after a result or outside of variations. Other blank lines are ignored, because some programs
    write them anywhere. Within a comment only a tag at the very start of a line counts, so that reading recovers after
    a comment that is not closed.
    """
    text = bytearray()
    tags: set[bytes] = set()
    size, number, first = 0, 1, 1
    depth = 0  # of variations
    has_moves = moved = in_comment = ended = after_blank = False
    while line := file.readline(MAX_GAME):
        is_blank = line.isspace()
        tag = _TAG_START.match(line) if b'"' in line else None
        if (
            (has_moves and tag and not (in_comment and line[:1].isspace()))
            or (after_blank and tag and not has_moves and tag[1] in tags)
            or ((ended or (moved and not in_comment and depth < 1)) and _FIRST_MOVE.match(line))
        ):
            yield first, bytes(text) if size <= MAX_GAME else None
            text.clear()
            tags.clear()
            size, first = 0, number
            has_moves = moved = in_comment = ended = False
            depth = 0
        if tag and not size:  # a game begins: pass over all plain ones that are in the buffer at once
            ahead, at = line + file.peek(), 0
            while (game := _PLAIN_GAME.match(ahead, at)) and not _MOVE_ONE.search(ahead, game.start(1), game.end()):
                yield number, game[0]
                number += game[0].count(b"\n")
                at = game.end()
            if at:
                file.read(at - len(line))
                line = file.readline(MAX_GAME)
                first, tag = number, _TAG_START.match(line)
        if tag and not has_moves:
            tags.add(tag[1])
        after_blank = is_blank
        if not (is_blank or (tag and line.rstrip().endswith(_CLOSING)) or (not has_moves and _NO_MOVES.match(line))):
            has_moves = True  # or a comment before the moves
            rest = line.partition(b"}")[2] if in_comment else line
            said = _COMMENT.sub(b"", rest)  # besides comments
            moved = moved or (not _NO_MOVES.match(rest) and bool(said.strip()))
            depth += said.count(b"(") - said.count(b")")
            opened, closed = line.rfind(b"{"), line.rfind(b"}")
            if opened != closed:
                in_comment = opened > closed
            ended = not in_comment and (ended or line.rstrip().endswith(_RESULTS))
        size += len(line)
        if size <= MAX_GAME:
            text += line
        else:
            text.clear()
        number += line.endswith(b"\n")
    if size:
        yield first, bytes(text) if size <= MAX_GAME else None


def read(
    source: Source,
    on_error: ErrorHandler = log_error,
    encoding: str | None = None,
    choose: Callable[[dict[str, str]], bool] | None = None,
) -> Iterator[Game]:
    """Iterate over the games of a PGN file, with one in memory at a time.

    ``choose`` is called with the headers of each game (see `read_headers`); a game for which it returns false is
    skipped, and its moves are not read. ``on_error`` is called with faults of the moves and with games that cannot be
    read at all. Raises `FormatError` if the compression is broken, ``OSError`` if the path cannot be opened.

    >>> import io
    >>> games = read(io.StringIO('[Red "A"]  1. H2-E2 H9-G7  1-0'))
    >>> [(game.headers["Red"], game.result, len(game.moves())) for game in games]
    [('A', '1-0', 2)]
    >>> two = '[Red "A"]  1. H2-E2 *\\n\\n[Red "B"]  1. C3-C4 *'
    >>> [game.moves() for game in read(io.StringIO(two), choose=lambda headers: headers["Red"] == "B")]
    [[Move.from_iccs('c3c4')]]
    """
    for top in _tops(source, on_error, encoding):
        if choose is None or choose(_told(top.headers.copy(), top.fen)):
            try:
                game = _finish(top)
            except FormatError as error:
                on_error(error)
            else:
                yield game.reported(on_error)


def read_headers(
    source: Source, on_error: ErrorHandler = log_error, encoding: str | None = None
) -> Iterator[dict[str, str]]:
    """Iterate over the headers of the games of a PGN file, without reading moves: many times as fast as `read`.

    They are those that ``Game.headers`` would hold, but for a result that only the end of the moves tells. ``on_error``
    is called with games whose headers cannot be read. Raises like `read`.

    >>> import io
    >>> list(read_headers(io.StringIO('[White "A"]  1. H2-E2 H9-G7  1-0')))
    [{'Red': 'A'}]
    """
    return (headers for headers, _ in read_texts(source, on_error, encoding))


def read_texts(
    source: Source, on_error: ErrorHandler = log_error, encoding: str | None = None
) -> Iterator[tuple[dict[str, str], str]]:
    """Iterate over the games of a PGN file: headers, as `read_headers` gives them, and the moves as they are written.

    >>> import io
    >>> list(read_texts(io.StringIO('[White "A"]  1. H2-E2 H9-G7  1-0')))
    [({'Red': 'A'}, '1. H2-E2 H9-G7  1-0')]
    """
    for top in _tops(source, on_error, encoding):
        yield _told(top.headers, top.fen), top.text[top.position :].strip()


def _tops(source: Source, on_error: ErrorHandler, encoding: str | None) -> Iterator[_Top]:
    """Iterate over the games with their headers read, but not their moves."""
    path = source_name(source)
    decoder = TextDecoder()
    with open_lines(source, encoding) as file:
        for number, (first, data) in enumerate(_blocks(file), 1):
            faults = Faults(path, number)
            try:
                if data is None:
                    raise faults.error(f"a game of more than {MAX_GAME >> 20} MiB", line=first)
                top = _begin(decoder.decode(data), first, faults)
            except FormatError as error:
                on_error(error)
            else:
                if top is not None:
                    yield top


def loads(text: str) -> Game:
    """Return the first game of a text. Faults of its moves are in its ``errors``.

    Raises `FormatError` if there is no game or it cannot be read at all.

    >>> loads("1. 炮二平五 马8进7 *").moves()
    [Move.from_iccs('h2e2'), Move.from_iccs('h9g7')]
    """
    with open_lines(io.BytesIO(text.encode("utf-8", "replace"))) as file:
        for first, data in _blocks(file):
            if data is None:
                raise FormatError(f"a game of more than {MAX_GAME >> 20} MiB", line=first)
            top = _begin(data.decode("utf-8-sig"), first, Faults())
            if top is not None:
                return _finish(top)
    raise FormatError("there is no game in the text")


# --- Reading one game -------------------------------------------------------------------------------------------------

_TAG: Final = re.compile(r'\s*[\[【［]\s*([^\s"\[\]%{}]+)\s*"((?:[^"\\\n]|\\.)*)"\s*[\]】］]')
_PLAIN_HEADERS: Final = re.compile(r'(?:\[[A-Za-z0-9_]+ "[^"\\\x00-\x1f\x7f-\x9f]*"\]\n)+\n*')
_PLAIN_HEADER: Final = re.compile(r'\[(\w+) "([^"]*)"\]\n', re.ASCII)
_SLOPPY_TAG: Final = re.compile(r'\s*[\[【［]\s*([^\s"\[\]%{}]+)\s*"(.*)"[^\S\n]*[\]】］][^\S\n]*$', re.MULTILINE)
"""A tag whose value has unescaped quotation marks or backslashes."""
_BROKEN_TAG: Final = re.compile(r"\s*([\[【［%][^\n]*)")
_REMARK_LINE: Final = re.compile(r"\s*;([^\n]*)")
_ESCAPED: Final = re.compile(r'\\(["\\])')


class _Top(NamedTuple):
    """A game of which only what stands before the moves was read."""

    headers: dict[str, str]
    """Not normalized yet."""
    remarks: list[str]
    fen: str
    text: str
    position: int
    """Where in the text the moves begin."""
    first: int
    """Number of the first line of the text."""
    faults: Faults


def _begin(text: str, first: int, faults: Faults) -> _Top | None:
    """Read the headers of a text that starts in line ``first``; return ``None`` if the text is empty."""
    plain = _PLAIN_HEADERS.match(text)
    headers: dict[str, str] = {}
    remarks: list[str] = []
    fen, position = STARTING_FEN, 0
    if plain and "[FEN " not in plain[0]:  # the usual case; others are read one by one
        headers.update(_PLAIN_HEADER.findall(plain[0]))
        position = plain.end()
    while not text[position : position + 1].isdecimal():  # not at a move's number
        match = _TAG.match(text, position) or _SLOPPY_TAG.match(text, position)
        if match is not None:
            key, value = match[1], match[2]
            headers[key] = one_line(_ESCAPED.sub(r"\1", value) if "\\" in value else value)
            if key == "FEN" and value.strip():
                try:
                    fen = Board(value).fen()
                except InvalidFenError as error:
                    raise faults.error(str(error), line=_line(text, match, first)) from None
        elif (match := _REMARK_LINE.match(text, position)) is not None:
            remarks.append(clean_comment(match[1]))
        elif (match := _BROKEN_TAG.match(text, position)) is not None:
            if match[1][1:].upper().startswith("FEN"):
                raise faults.error(f"cannot read the header {match[1].strip()!r:.100}", line=_line(text, match, first))
        else:
            break
        position = match.end()
    if not headers and not text[position:].strip():
        return None
    return _Top(headers, remarks, fen, text, position, first, faults)


def _told(headers: dict[str, str], fen: str) -> dict[str, str]:
    """Change headers in place to those that the game will have, and return them."""
    _clean(headers)
    if fen != STARTING_FEN:
        headers["FEN"] = fen
    return headers


def _finish(top: _Top) -> Game:
    """Return the game, with its moves read."""
    headers, remarks, fen, text, position, first, faults = top
    site = headers.get("Site", "") + headers.get("Event", "")
    first_rank = 1 if "pychess" in site.lower() else 0
    ending = _clean(headers)
    first += text.count("\n", 0, position)
    game, termination = read_game(headers, fen, text[position:], first, faults, first_rank)
    if not headers and fen == STARTING_FEN and not game.variations and faults.errors:
        raise faults.errors[0]
    if remarks:
        game.comment = " ".join(filter(None, [*remarks, game.comment]))
    if termination != "*" or ending != "*":
        game.headers["Result"] = ending if ending != "*" else termination
    return game


def _line(text: str, match: re.Match[str], first: int) -> int:
    return first + text.count("\n", 0, match.start(1))


def _clean(headers: dict[str, str]) -> str:
    """Normalize the headers in place and return their result."""
    for key in [key for key in headers if key[:5] == "White" and (key == "White" or key[5].isupper())]:
        headers.setdefault("Red" + key[5:], headers.pop(key))
    for key in ("Game", "Variant", "Format", "FEN", "SetUp"):
        headers.pop(key, None)
    if "Result" in headers:
        headers["Result"] = parse_result(headers["Result"])
    return headers.get("Result", "*")
