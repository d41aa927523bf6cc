"""CBL of the first CCBridge (象棋桥): packed libraries of games, older than the ones that `xiangqi.formats.cbl` reads.

A file is ``CCBridge``, three 32-bit numbers (21; 1 or 3; the size unpacked), and one zlib stream. Numbers are
little-endian. A string is its length as a 32-bit number and its bytes in GB18030. Unpacked, a library is:

- strings: name, two unknown ones around the author (third of four); two times of 19 characters; the number of games; a
  remark. ``||`` is a line break.
- The games. Each is its size with these 4 bytes; 16 squares of red ``RNBAKABNRCCPPPPP`` and 16 of black (file times 16
  plus row, both from 1, row 1 Black's back rank; 0 not on the board); the kind, a number; event; a number; title; three
  unknown strings; date; red; black; the result, a number (1 Red wins, 2 Black wins, 3 draw, 4 several); annotator; an
  unknown string; author; an unknown string; remark; a byte; two times of 19 characters; the number of moves; the moves;
  their comments, a line (CR LF) for each.
- A move is its ply from 1 (2 bytes), origin and target (file times 16 plus row, both from 0), and two bytes for the
  pieces. A ply that does not follow the one before begins a variation: it replaces the move of that ply in the line
  read last, or in the main line if that line is too short.

No description of the format was published. This one was worked out from 106 files with 11,002 games, of which 10,984
are legal to the last move when read so; results agree with other sources of the same games. The fields called unknown
were empty or told nothing. Offsets in the faults are those of the unpacked library.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from xiangqi.formats.errors import ErrorHandler, Faults, FormatError, log_error
from xiangqi.formats.records import RESULTS, SLOTS, Step, build_game, pgn_date
from xiangqi.formats.streams import MAX_FILE, Source, open_bytes, read_whole, source_name
from xiangqi.formats.text import clean_comment, clean_header
from xiangqi.game import Game
from xiangqi.move import RED, Piece, Square
from xiangqi.words import counted

SUFFIXES: Final = (".cbl",)
MAGIC: Final = b"CCBridge\x15\0\0\0"
_PACKED: Final = 20
_PIECE: Final = 8192
"""Number of bytes that are unpacked at a time: few, because they can expand a thousandfold."""
_TIMES: Final = 38
_MOVE: Final = 6


def sniff(head: bytes) -> bool:
    """Whether a file that starts with these bytes is a library of the first CCBridge."""
    return head.startswith(MAGIC)


def read(source: Source, on_error: ErrorHandler = log_error, encoding: str | None = None) -> Iterator[Game]:
    """Iterate over the games of a library.

    ``on_error`` is called with faults of the moves, with games that cannot be read, and if the library is cut off.
    ``encoding`` is that of the texts. Raises ``FormatError`` if the file is no such library or its header cannot be
    read.
    """
    path = source_name(source)
    with open_bytes(source) as file:
        packed = read_whole(file, path)
    if not packed.startswith(MAGIC):
        raise FormatError("not a library of the first CCBridge", path=path, offset=0)
    data, fault = _unpack(packed, path)
    library = _Cursor(data, 0, len(data), Faults(path))
    for _ in range(4):
        library.string()
    library.take(_TIMES)
    count = library.number()
    library.string()
    for game in range(1, count + 1):
        if library.at == library.end:
            fault = fault or f"the library ends after {game - 1} of {counted(count, 'game')}"
            break
        base, faults = library.at, Faults(path, game)
        try:
            size = _Cursor(data, base, len(data), faults).number()
            if size < 4 + len(SLOTS):
                fault = f"a game of {counted(size, 'byte')}: the place of the next one is not known"
                break
            library.at = min(base + size, len(data))
            if base + size > len(data) and not fault:
                faults.add(
                    f"the library ends in the middle of the game: {counted(size, 'byte')} expected here", offset=base
                )
            reader = _Reader(_Cursor(data, base + 4, library.at, faults), encoding or "gb18030")
            yield reader.game().reported(on_error)
        except FormatError as error:
            on_error(error)
            if library.at == base:
                break
    if fault:
        on_error(FormatError(fault, path=path, offset=library.at))


def _unpack(packed: bytes, path: str | None) -> tuple[bytes, str]:
    """Return what is packed, as far as it is sound, and what is wrong with the rest."""
    data = bytearray()
    unpacker = zlib.decompressobj()
    for start in range(_PACKED, len(packed), _PIECE):
        before = unpacker.copy()
        try:
            data += unpacker.decompress(packed[start : start + _PIECE])
        except zlib.error as error:
            with suppress(zlib.error):
                for at in range(start, len(packed)):
                    data += before.decompress(packed[at : at + 1])
            return bytes(data), f"broken compression: {error}"
        if len(data) > MAX_FILE:
            raise FormatError(f"the library unpacks to more than {MAX_FILE >> 20} MiB", path=path)
    return bytes(data), "" if unpacker.eof else "the packed library is cut off"


class _Cursor:
    """A place in the unpacked library. What is taken must lie before ``end``."""

    def __init__(self, data: bytes, at: int, end: int, faults: Faults) -> None:
        self.data, self.at, self.end, self.faults = data, at, end, faults

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes. Raises ``FormatError`` if there are fewer."""
        if size > self.end - self.at:
            raise self.faults.error(
                f"{counted(size, 'byte')} expected here, found {self.end - self.at}", offset=self.at
            )
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def string(self) -> bytes:
        return self.take(self.number())


class _Reader:
    """One pass over one game."""

    def __init__(self, cursor: _Cursor, encoding: str) -> None:
        self.cursor, self.faults, self.encoding = cursor, cursor.faults, encoding

    def text(self) -> str:
        return self.cursor.string().decode(self.encoding, "replace")

    def report(self, place: int, reason: str, ply: int | None = None) -> None:
        self.faults.add(reason, offset=place, ply=ply)

    def pieces(self) -> dict[Square, Piece]:
        pieces: dict[Square, Piece] = {}
        for piece, code in zip(SLOTS, self.cursor.take(len(SLOTS)), strict=True):
            if not code:
                continue
            square = _square(code - 0x11)
            if square < 0 or square in pieces:
                reason = f"no square has the code 0x{code:02x}" if square < 0 else "two pieces are on one square"
                raise self.faults.error(reason, offset=self.cursor.at)
            pieces[square] = piece
        return pieces

    def headers(self) -> tuple[dict[str, str], str]:
        """Return the headers and the remark."""
        headers = {}
        self.cursor.number()
        headers["Event"] = self.text()
        self.cursor.number()
        headers["Title"], *_, date, headers["Red"], headers["Black"] = [self.text() for _ in range(7)]
        headers["Date"] = pgn_date(date.partition(" ")[0])
        result = self.cursor.number()
        headers["Annotator"], _, headers["Author"], _, remark = [self.text() for _ in range(5)]
        self.cursor.take(1 + _TIMES)
        headers = {name: cleaned for name, text in headers.items() if (cleaned := clean_header(text))}
        headers["Result"] = RESULTS[result] if result < len(RESULTS) else "*"
        return headers, _lines(remark)

    def moves(self) -> tuple[list[tuple[int, int, int, int]], list[str]]:
        """Return the moves as ``(place, ply, origin, target)``, and their comments."""
        count, cursor = self.cursor.number(), self.cursor
        if count > (cursor.end - cursor.at) // _MOVE:
            self.report(cursor.at, f"{counted(count, 'move')} expected here, but the game ends before that")
            count = (cursor.end - cursor.at) // _MOVE
        moves = []
        for _ in range(count):
            place, record = cursor.at, cursor.take(_MOVE)
            moves.append((place, record[0] | record[1] << 8, record[2], record[3]))
        comments = cursor.take(cursor.end - cursor.at).decode(self.encoding, "replace").split("\r\n")
        return moves, [_lines(comment) for comment in comments]

    def steps(self) -> Iterator[Step]:
        """Yield the moves depth first. They are stored in the order in which their lines were entered."""
        moves, comments = self.moves()
        replies: list[list[int]] = [[] for _ in range(len(moves) + 1)]  # of each move; the last are those of the root
        main: list[int] = []
        shared, own = 0, list[int]()  # the line read last: how much it shares with the main line, and its other moves
        in_main = True
        for i, (place, ply, _, _) in enumerate(moves):
            length = shared + len(own)
            in_main = in_main and ply == length + 1
            if ply > length + 1 and ply <= len(main) + 1:
                shared, own = ply - 1, []
            elif not 1 <= ply <= length + 1:
                self.report(place, f"a move has the number {ply}, and there is no move before it", ply)
                continue
            elif ply <= shared:
                shared, own = ply - 1, []
            else:
                del own[ply - 1 - shared :]
            replies[own[-1] if own else main[shared - 1] if shared else -1].append(i)
            if in_main:
                main.append(i)
                shared += 1
            else:
                own.append(i)
        waiting = [(i, i != replies[-1][-1]) for i in reversed(replies[-1])]
        while waiting:
            i, has_rivals = waiting.pop()
            place, _, origin, target = moves[i]
            comment = comments[i] if i < len(comments) else ""
            yield Step(_square(origin), _square(target), bool(replies[i]), has_rivals, comment, place)
            waiting.extend((reply, reply != replies[i][-1]) for reply in reversed(replies[i]))

    def game(self) -> Game:
        pieces = self.pieces()
        headers, remark = self.headers()
        game = build_game(headers, pieces, RED, self.steps(), remark, self.report)
        game.errors = self.faults.errors
        return game


def _square(code: int) -> Square:
    """Return the square of a file times 16 plus a row from the top, or -1 if there is none."""
    file, row = code >> 4, code & 15
    return (9 - row) * 9 + file if 0 <= file < 9 and row < 10 else -1


def _lines(text: str) -> str:
    return clean_comment(text.replace("||", "\n"))
