"""XQF: the game records of XQStudio (象棋演播室), the most common format for annotated games and puzzles.

A file holds one game: a header of 1024 bytes and a tree of moves. Text is GB18030. A square is ``file * 10 + rank``.

====== ==== ==================================================================
offset size field
====== ==== ==================================================================
0      2    ``XQ``
2      1    version: up to 10 plain; from 11 encrypted; from 12 the pieces are also rotated (18 is the last known)
3      1    key mask; 4: product (4); 8: four key bytes (4); 12: sum of keys; 13-15: keys of pieces, origins, targets
16     32   squares of the pieces, red ``RNBAKABNRCCPPPPP``, then black; above 89: not on the board
48     2    first ply; 50: side to move (0 Red, 1 Black); 51: result (0-4)
64     2    kind: 0 whole game, 1 opening, 2 middle game, 3 endgame
80          texts, a length byte each: title (64), second title (64), event (64), date (16), place (16), red (16), black
            (16), time rule (64), red's time (16), black's time (16), reserved (32), annotator (16), author (16)
1024        the tree: the root, then moves depth first
====== ==== ==================================================================

A move is origin + 24 + key, target + 32 + key, flags, a reserved byte. Up to version 10 the flags are ``0xF0`` for a
continuation and ``0x0F`` for a variation, and the length of the comment (4 bytes) always follows. Later they are
``0x80``, ``0x40``, and ``0x20`` for a comment, and the length (plus a key) follows only if there is one.

Sources: for version 1.0 the description by the author of the format (XQF.TXT, 2001; its example is among our tests);
for encryption, flags and variations the source of XQStudio, which he published later (XQFileRW.pas).

Verified: 84,257 published files, of versions 10 to 18, were read. Of 1,332 that another reader read too, 1,331 give the
same game. None of them is under a licence that lets us ship it, so the encrypted files of our tests are those of an
independent encoder written from the source of XQStudio.
"""

from __future__ import annotations

import codecs
import itertools
import os
import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, NoReturn

import numpy as np

from xiangqi.formats.errors import ErrorHandler, Faults, FormatError, log_error
from xiangqi.formats.records import RESULTS, SLOTS, Step, build_game, marks, pgn_date, remark, slot_squares
from xiangqi.formats.streams import Source, open_bytes, open_replacing, read_whole, source_name
from xiangqi.formats.text import clean_comment, clean_header
from xiangqi.game import Game
from xiangqi.move import Piece, Square
from xiangqi.words import counted

SUFFIXES: Final = (".xqf",)
MAGIC: Final = b"XQ"
_HEADER_SIZE: Final = 1024
_MOST_SEARCHED: Final = 1 << 20
"""In so many bytes at most the next move is sought: a bound on time."""
_CIPHER_TEXT: Final = b"[(C) Copyright Mr. Dong Shiwei.]"
_TEXTS: Final = (
    ("Title", 80, 63),
    ("Event", 208, 63),
    ("Date", 272, 15),
    ("Site", 288, 15),
    ("Red", 304, 15),
    ("Black", 320, 15),
    ("TimeControl", 336, 63),
    ("RedTime", 400, 15),
    ("BlackTime", 416, 15),
    ("Annotator", 464, 15),
    ("Author", 480, 15),
)
"""Header of the game, offset of the length byte, room for the text."""


class _Keys(NamedTuple):
    pieces: int
    origin: int
    target: int
    comment_length: int
    stream: bytes


def _keys(head: bytes) -> _Keys:
    """Compute the keys from the first 16 bytes of the header."""
    if head[2] <= 10:
        return _Keys(0, 0, 0, 0, bytes(32))
    mask, factors, (total, pieces, origin, target) = head[3], head[8:12], head[12:16]

    def scramble(key: int) -> int:
        return 54 * key * key + 221

    key_pieces = scramble(pieces) * pieces & 0xFF
    key_origin = scramble(origin) * key_pieces & 0xFF
    key_target = scramble(target) * key_origin & 0xFF
    length = (total * 256 + pieces) % 32000 + 767
    parts = [key & mask | factor for key, factor in zip((total, pieces, origin, target), factors, strict=True)]
    stream = bytes(char & parts[i % 4] for i, char in enumerate(_CIPHER_TEXT))
    return _Keys(key_pieces, key_origin, key_target, length, stream)


def _decode(raw: bytes, encoding: str) -> str:
    """Decode text that may end in the middle of a character."""
    return codecs.getincrementaldecoder(encoding)("replace").decode(raw)


def _square(code: int) -> Square:
    """Return the square of a code, or -1 if there is none."""
    file, rank = divmod(code, 10)
    return rank * 9 + file if file < 9 else -1


class _Reader:
    """One pass over the bytes of a file."""

    def __init__(self, data: bytes, path: str | None, encoding: str) -> None:
        self.faults, self.encoding = Faults(path), encoding
        if data[:2] != MAGIC:
            self.fail(0, "not an XQF file: it does not begin with 'XQ'")
        if len(data) < _HEADER_SIZE:
            self.fail(len(data), f"the header of XQF has {_HEADER_SIZE} bytes, the file ends after {len(data)}")
        self.head, self.version = data[:_HEADER_SIZE], data[2]
        self.keys = _keys(data)
        size = len(data) - _HEADER_SIZE
        stream = np.resize(np.frombuffer(self.keys.stream, np.uint8), size)
        self.body = (np.frombuffer(data, np.uint8, offset=_HEADER_SIZE) - stream).tobytes() if size else b""
        self.at = 0
        self.cut_off = False

    def fail(self, place: int, reason: str) -> NoReturn:
        raise self.faults.error(reason, offset=place)

    def report(self, place: int, reason: str, ply: int | None = None) -> None:
        self.faults.add(reason, offset=place, ply=ply)

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes. If the file has fewer, report a fault and stop reading after them."""
        if size > len(self.body) - self.at:
            self.report(
                _HEADER_SIZE + self.at,
                f"the file ends in the middle of the game: {counted(size, 'byte')} expected here",
            )
            size = len(self.body) - self.at
            self.cut_off = True
        self.at += size
        return self.body[self.at - size : self.at]

    def step(self) -> Step | None:
        place = _HEADER_SIZE + self.at
        record = self.take(4)
        if self.cut_off:
            return None
        origin, target, flags, _ = record
        if self.version <= 10:
            continued, alternative, commented = bool(flags & 0xF0), bool(flags & 0x0F), True
        else:
            continued, alternative, commented = bool(flags & 0x80), bool(flags & 0x40), bool(flags & 0x20)
        comment = self.comment() if commented else ""
        return Step(
            _square((origin - 24 - self.keys.origin) & 0xFF),
            _square((target - 32 - self.keys.target) & 0xFF),
            continued,
            alternative,
            comment,
            place,
        )

    def comment(self) -> str:
        place = _HEADER_SIZE + self.at
        raw = self.take(4)
        length = 0 if self.cut_off else int.from_bytes(raw, "little")
        if length:
            length -= self.keys.comment_length
            if not 0 <= length <= len(self.body) - self.at and (end := self._next_move()) is not None:
                self.report(place, "the length of a comment is damaged")
                length = end - self.at
            elif length < 0:
                self.report(place, "the length of a comment is negative")
                self.cut_off, length = True, 0  # the start of the next move is unknown
        return clean_comment(_decode(self.take(length), self.encoding))

    def _next_move(self) -> int | None:
        """Return where a comment of unknown length ends: whole moves follow up to the end of the file."""
        if len(self.body) - self.at > _MOST_SEARCHED:
            return None
        failed: set[int] = set()
        for start in range(self.at, len(self.body)):
            at, last = start, False
            while at not in failed and (move := self._whole_move(at)) is not None:
                failed.add(at)
                at, last = move
            if at == len(self.body) and last:
                return start
        return None

    def _whole_move(self, at: int) -> tuple[int, bool] | None:
        """Return where a move ends that begins here, and whether nothing continues it; ``None`` if none begins here."""
        old = self.version <= 10
        if at + (8 if old else 4) > len(self.body):
            return None
        origin, target, flags, _ = self.body[at : at + 4]
        squares = _square((origin - 24 - self.keys.origin) & 0xFF), _square((target - 32 - self.keys.target) & 0xFF)
        if -1 in squares or squares[0] == squares[1] or (old and flags not in (0, 0x0F, 0xF0, 0xFF)):
            return None
        at += 4
        if old or flags & 0x20:
            length = int.from_bytes(self.body[at : at + 4], "little")
            length -= self.keys.comment_length if length else 0
            at += 4 + length
            if length < 0 or at > len(self.body):
                return None
        return at, not flags & (0xF0 if old else 0x80)

    def steps(self) -> Iterator[Step]:
        while not self.cut_off and (step := self.step()) is not None:
            yield step

    def pieces(self) -> dict[Square, Piece]:
        codes = bytearray(32)
        for i, code in enumerate(self.head[16:48]):
            codes[(self.keys.pieces + 1 + i) % 32 if self.version >= 12 else i] = (code - self.keys.pieces) & 0xFF
        pieces: dict[Square, Piece] = {}
        for slot, code in enumerate(codes):
            if code <= 89:
                square = _square(code)
                if square in pieces:
                    self.fail(16, f"two pieces, {pieces[square]} and {SLOTS[slot]}, on one square")
                pieces[square] = SLOTS[slot]
        return pieces

    def headers(self) -> dict[str, str]:
        headers = {}
        for name, offset, room in _TEXTS:
            raw = self.head[offset + 1 : offset + 1 + min(self.head[offset], room)]
            if text := clean_header(_decode(raw, self.encoding)):
                headers[name] = text
        if date := pgn_date(headers.pop("Date", "")):
            headers["Date"] = date
        headers["Result"] = RESULTS[self.head[51]] if self.head[51] < len(RESULTS) else "*"
        return headers

    def game(self) -> Game:
        pieces, turn, comment = self.pieces(), int(self.head[50] == 1), ""
        steps: Iterable[Step] = ()
        if self.body and (root := self.step()) is not None:
            comment = root.comment
            # In version 1.0 the root always announces a move; the file of a diagram ends there.
            if root.continued and (self.at < len(self.body) or self.version > 10):
                steps = self.steps()
        game = build_game(self.headers(), pieces, turn, steps, comment, self.report)
        game.errors = self.faults.errors
        return game


def sniff(head: bytes) -> bool:
    """Whether a file that starts with these bytes is XQF."""
    # A text file may begin with the same letters, but has no zero bytes; a header has many.
    return head[:2] == MAGIC and len(head) >= 3 and head[2] <= 32 and b"\0" in head[:_HEADER_SIZE]


def read(source: Source, on_error: ErrorHandler = log_error, encoding: str | None = None) -> Iterator[Game]:
    """Yield the one game of an XQF file of any version.

    ``on_error`` is called with faults of its moves; ``encoding`` is as in `loads`. Raises ``FormatError`` if the header
    or the position cannot be read.
    """
    path = source_name(source)
    with open_bytes(source) as file:
        game = loads(read_whole(file, path), path, encoding or "gb18030")
    yield game.reported(on_error)


def loads(data: bytes, path: str | None = None, encoding: str = "gb18030") -> Game:
    """Return the game in the bytes of an XQF file of any version; errors name ``path``.

    ``encoding`` is that of the texts; early files from Taiwan may need ``big5``. Faults of the moves are in the
    game's ``errors``. Raises ``FormatError`` if the header or the position cannot be read.

    >>> loads(dumps(Game({"Red": "柳大华"}))).headers["Red"]
    '柳大华'
    """
    return _Reader(data, path, encoding).game()


def dumps(game: Game) -> bytes:
    """Return a game as the bytes of an XQF file of version 1.0, which every reader of the format supports.

    Texts that are too long for the header are truncated. Raises ``FormatError`` for null moves and for positions with
    more pieces than a set has.
    """
    board = game.board()
    head = bytearray(_HEADER_SIZE)
    head[:3] = b"XQ\x0a"
    for slot, square in enumerate(slot_squares(board)):
        head[16 + slot] = 255 if square is None else square % 9 * 10 + square // 9
    head[50] = board.turn
    head[51] = RESULTS.index(game.result)
    # Some readers take any position for the initial one unless the kind says middle game or endgame.
    head[64] = 0 if board.placement() == Game().board().placement() else 3
    for name, offset, room in _TEXTS:
        raw = _cut(clean_header(game.headers.get(name, "")), room)
        head[offset : offset + 1 + len(raw)] = bytes([len(raw)]) + raw
    body = [_record(24, 32, bool(game.variations), False, 255, remark(game))]
    for node in game.walk():
        origin, target = (square % 9 * 10 + square // 9 for square in (node.move.from_square, node.move.to_square))
        body.append(_record(origin + 24, target + 32, *marks(node), 0, remark(node)))
    return bytes(head) + b"".join(body)


def write(games: Iterable[Game], path: str | os.PathLike[str], on_error: ErrorHandler | None = None) -> int:
    """Write a single game to a file and return 1.

    Raises ``OSError``, and ``FormatError`` if ``games`` is not exactly one game or if ``dumps`` raises it. There is no
    other game to keep, so ``on_error`` is never called.
    """
    found = list(itertools.islice(games, 2))
    if len(found) != 1:
        raise FormatError(f"an XQF file holds one game, not {'several' if found else 'none'}", path=os.fspath(path))
    with open_replacing(path) as file:
        file.write(dumps(found[0]))
    return 1


def _record(origin: int, target: int, continued: bool, alternative: bool, reserved: int, comment: str) -> bytes:
    raw = comment.replace("\n", "\r\n").encode("gb18030", "replace")
    return struct.pack("<4BI", origin, target, 0xF0 * continued | 0x0F * alternative, reserved, len(raw)) + raw


def _cut(text: str, room: int) -> bytes:
    """Encode as many characters as there is room for. An unknown header (``?``) is left empty."""
    if not text.strip("?. "):
        return b""
    text = text[:room]
    raw = text.encode("gb18030", "replace")
    while len(raw) > room:
        text = text[:-1]
        raw = text.encode("gb18030", "replace")
    return raw
