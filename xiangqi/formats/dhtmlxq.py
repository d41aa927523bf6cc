"""DhtmlXQ, also called UBB: the text records of dpxq.com (东萍象棋网), common on web pages and forums.

    [DhtmlXQ]
    [DhtmlXQ_title]…[/DhtmlXQ_title]
    [DhtmlXQ_binit]8979695949392919097717866646260600102030405060708012720323436383[/DhtmlXQ_binit]
    [DhtmlXQ_movelist]774770627967[/DhtmlXQ_movelist]
    [DhtmlXQ_move_0_2_1]797770…[/DhtmlXQ_move_0_2_1]
    [DhtmlXQ_comment3]…[/DhtmlXQ_comment3]
    [DhtmlXQ_comment1_4]…[/DhtmlXQ_comment1_4]
    [/DhtmlXQ]

A square is two digits, file from Red's left and rank from the top. ``binit`` has the squares of the 32 pieces in the
order red ``RNBAKABNRCCPPPPP``, then black; 99 is a piece not on the board. A move is origin and target. ``move_B_N_K``
is variation K: it leaves line B (0 is the main line), and its first move replaces move N, counted from the start of the
game. ``commentN`` follows move N of the main line (0: before the first), ``commentB_N`` move N of line B. ``||`` is a
line break. A file may hold several games, each in a tag such as ``[DhtmlXQ]`` or ``[DhtmlXQiFrame]``, or one game
without such a tag.

Sources: the script of the board of dpxq.com (DhtmlXQ_www_dpxq_com.js), the reader of vschess (which also supports
``[DhtmlXQ_fen]`` and ``\\uXXXX``), and published records, two of which are among our tests. Pages of the site with
moves in a script, as ``[0_1_0]…[/0_1_0][0_4_1]…``, are read too, and so is a list of moves without any tag. The
lettered move list of the board's first versions is not supported and reported as a fault.
"""

from __future__ import annotations

import io
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, NoReturn

from xiangqi.board import Board
from xiangqi.fen import InvalidFenError
from xiangqi.formats import pgn
from xiangqi.formats.errors import ErrorHandler, Faults, FormatError, log_error
from xiangqi.formats.records import SLOTS, Step, build_game, find_fault, marks, pgn_date, remark, set_up, slot_squares
from xiangqi.formats.streams import Source, open_lines, open_replacing, source_name, write_texts
from xiangqi.formats.text import TextDecoder, clean_comment, clean_header, parse_result
from xiangqi.game import ChildNode, Game, GameNode
from xiangqi.move import BLACK, RED, Color, Piece, Square

SUFFIXES: Final = (".ubb", ".dhtmlxq")

MAX_RECORD: Final = 8 << 20
"""Largest size in bytes of a game's text: a bound on memory."""

_TOKEN: Final = re.compile(
    r"\[(?P<end>/?)(?:DhtmlXQ(?:_(?P<tag>\w{1,40})|(?P<wrapper>[A-Za-z]{0,20}))|(?P<line>\d{1,6}_\d{1,6}_\d{1,6}))\]",
    re.IGNORECASE | re.ASCII,
)
_VARIATION: Final = re.compile(r"move_(\d{1,6})_(\d{1,6})_(\d{1,6})", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]*")
_COMMENT: Final = re.compile(r"comment(\d{1,6})(?:_(\d{1,6}))?", re.ASCII)
_WRAPPER: Final = re.compile(rb"\[/?DhtmlXQ[A-Za-z]{0,20}\]", re.IGNORECASE)
_MARK: Final = re.compile(rb"\[DhtmlXQ_\w{1,40}\]|\A(?:\xef\xbb\xbf)?\s*\[DhtmlXQ", re.IGNORECASE)
_BARE: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*([0-8])\s*([0-9])\s*([0-8])\s*([0-9])[\s0-9]*")
_ESSENTIAL: Final = frozenset(("movelist", "binit", "fen"))
_TEXTS: Final = {
    "title": "Title",
    "event": "Event",
    "place": "Site",
    "round": "Round",
    "table": "Board",
    "red": "Red",
    "redteam": "RedTeam",
    "redrating": "RedElo",
    "redtime": "RedTime",
    "black": "Black",
    "blackteam": "BlackTeam",
    "blackrating": "BlackElo",
    "blacktime": "BlackTime",
    "open": "Opening",
    "timerule": "TimeControl",
    "remark": "Annotator",
    "author": "Author",
    "endtype": "Termination",
    "refer": "Source",
}
_RESULT_TEXTS: Final = {"1-0": "红胜", "0-1": "黑胜", "1/2-1/2": "和棋", "*": "未知"}
_UNICODE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")

_Line = tuple[int, str]
"""Line number of a tag in the file, and the text of the tag."""


def sniff(head: bytes) -> bool:
    """Whether a file that starts with these bytes contains a DhtmlXQ tag, in any encoding compatible with ASCII.

    False for a PGN file, which may mention such a tag in a header or comment.

    True also for a file of digits alone, if the first four are a move from the initial position.

    >>> sniff(b"<html> ... [DhtmlXQ_movelist]7747[/DhtmlXQ_movelist]"), sniff(b'[Event "[DhtmlXQ_movelist]7747"]')
    (True, False)
    >>> sniff(b"77477062"), sniff(b"20041229")
    (True, False)
    """
    if _is_bare(head):
        return True
    mark = _MARK.search(head)
    return mark is not None and not pgn.begins(head) and not pgn.sniff(head[: mark.start()])


def read(source: Source, on_error: ErrorHandler = log_error, encoding: str | None = None) -> Iterator[Game]:
    """Iterate over the games of a text or page in UTF-8, GB18030 or Big5, with one game in memory at a time.

    ``on_error`` is called with faults of the moves and with games that cannot be read. Raises ``FormatError`` if there
    is no game.
    """
    path = source_name(source)
    decoder = TextDecoder()
    number = 0
    with open_lines(source, encoding) as file:
        for first, data in _blocks(file):
            for tags in [None] if data is None else _games(decoder.decode(data), first):
                number += 1
                try:
                    if tags is None:
                        reason = f"a game of more than {MAX_RECORD >> 20} MiB"
                        raise FormatError(reason, path=path, game=number, line=first)
                    game = _Reader(tags, path, number).game()
                except FormatError as error:
                    on_error(error)
                else:
                    yield game.reported(on_error)
    if not number:
        raise FormatError("there is no DhtmlXQ game in the file", path=path, line=1)


def loads(text: str, path: str | None = None) -> Game:
    """Return the first game of a text; errors name ``path``.

    Faults of the moves are in the game's ``errors``. Raises ``FormatError`` if there is no game or its position cannot
    be read.

    >>> loads("[DhtmlXQ][DhtmlXQ_movelist]77477062[/DhtmlXQ_movelist][/DhtmlXQ]").moves()
    [Move.from_iccs('h2e2'), Move.from_iccs('h9g7')]
    """
    for tags in _games(text, 1):
        return _Reader(tags, path).game()
    raise FormatError("there is no DhtmlXQ game in the text", path=path, line=1)


def dumps(game: Game) -> str:
    """Return a game as DhtmlXQ.

    Raises ``FormatError`` for null moves and for positions with more pieces than a set has.
    """
    tags = [(tag, game.headers.get(header, "").strip("?")) for tag, header in _TEXTS.items()]
    tags.append(("date", game.headers.get("Date", "").replace(".", "-").strip("?-")))
    tags.append(("result", _RESULT_TEXTS[game.result]))
    squares = slot_squares(game.board())
    tags.append(("binit", "".join("99" if square is None else _digits(square) for square in squares)))
    if game.start_turn == BLACK:  # otherwise readers guess from the first move, and there may be none
        tags.append(("fen", game.fen))
    comments = []
    lines: deque[tuple[int, int, int, GameNode]] = deque([(0, 0, 0, game)])
    count = 0
    while lines:
        number, parent, start, node = lines.popleft()
        moves, ply = [], start
        while True:
            if isinstance(node, ChildNode):
                marks(node)
                moves.append(_digits(node.move.from_square) + _digits(node.move.to_square))
            comments.append((f"comment{number}_{ply}" if number else f"comment{ply}", remark(node)))
            if not node.variations:
                break
            ply += 1
            for rival in node.variations[1:]:
                count += 1
                lines.append((count, number, ply, rival))
            node = node.variations[0]
        tags.append((f"move_{parent}_{start}_{number}" if number else "movelist", "".join(moves)))
    body = "".join(f"[DhtmlXQ_{tag}]{_escape(text)}[/DhtmlXQ_{tag}]\n" for tag, text in tags + comments if text)
    return f"[DhtmlXQ]\n[DhtmlXQ_ver]www_dpxq_com[/DhtmlXQ_ver]\n{body}[/DhtmlXQ]\n"


def write(games: Iterable[Game], path: str | os.PathLike[str], on_error: ErrorHandler | None = None) -> int:
    """Write games as UTF-8 and return their number.

    Raises ``OSError`` and, like ``dumps``, ``FormatError``; with ``on_error``, such games are left out instead.
    """
    with open_replacing(path) as file:
        return write_texts(games, file, dumps, on_error)


def _digits(square: Square) -> str:
    return f"{square % 9}{9 - square // 9}"


def _escape(text: str) -> str:
    """Write a line break as ``||``, and characters with a special meaning as ``\\uXXXX``."""
    text = text.replace("\\u", "\\u005cu").replace("|", "\\u007c").replace("\n", "||")
    return re.sub(r"\[(?=/?(?:DhtmlXQ|\d))", lambda _: "\\u005b", text, flags=re.IGNORECASE)


def _unescape(text: str) -> str:
    text = clean_comment(text).rstrip("|").replace("||", "\n")
    text = _UNICODE.sub(lambda match: chr(int(match[1], 16)), text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # joins surrogate pairs


def _blocks(file: io.BufferedReader) -> Iterator[tuple[int, bytes | None]]:
    """Iterate over parts of the file as ``(number of the first line, text)``; the text is ``None`` if it is too long.

    The file is cut at wrapper tags, because no game spans one: at the last in a line, before an opening tag and after a
    closing one.
    """
    text = bytearray()
    size, number, first = 0, 1, 1
    while line := file.readline(MAX_RECORD):
        cut = None
        for wrapper in _WRAPPER.finditer(line):
            cut = wrapper.end() if line[wrapper.start() + 1] == ord("/") else wrapper.start()
        if cut is not None and size + cut:
            yield first, bytes(text) + line[:cut] if size + cut <= MAX_RECORD else None
            text.clear()
            size, first = 0, number
        size += len(line) - (cut or 0)
        if size <= MAX_RECORD:
            text += line[cut or 0 :]
        else:
            text.clear()
        number += line.endswith(b"\n")
    if size:
        yield first, bytes(text) if size <= MAX_RECORD else None


def _games(text: str, line: int) -> Iterator[dict[str, _Line]]:
    """Yield the tags of each game by lower-case name, for a text whose first line has the number ``line``.

    A tag that is not closed ends at the next tag or at the end of the text. If a page repeats a tag, once filled and
    once empty, the filled one is used.
    """
    if _is_bare(text.encode("utf-8", "replace")):
        yield {"movelist": (line, text)}
        return
    tags: dict[str, _Line] = {}
    name, start, seen, wrapped = "", 0, 0, False

    def take(value: str) -> None:
        if name and (value.strip() or name not in tags):
            tags[name] = (line, value)

    for token in _TOKEN.finditer(text):
        take(text[start : token.start()])
        name = ""
        if token["wrapper"] is not None:
            if _is_game(tags, wrapped):
                yield tags
            tags, wrapped = {}, not token["end"]
        elif not token["end"]:
            name = token["tag"].lower() if token["tag"] else f"move_{token['line']}"
            name = "movelist" if name == "move_0_1_0" else name
            line += text.count("\n", seen, token.start())
            start, seen = token.end(), token.start()
    take(text[start:])
    if _is_game(tags, wrapped):
        yield tags


def _is_bare(text: bytes) -> bool:
    """Whether a text is digits alone, and the first four are a move from the initial position."""
    bare = _BARE.fullmatch(text)
    if bare is None:
        return False
    origin, target = (_square(f"{int(bare[i])}{int(bare[i + 1])}") for i in (1, 3))
    piece = Board().piece_at(origin)
    return piece is not None and not find_fault(set_up(Board().piece_map(), piece.color), origin, target)


def _is_game(tags: dict[str, _Line], wrapped: bool) -> bool:
    """Whether tags make a game: they have a position or moves, or, inside a wrapper, a header that is not empty."""
    if not tags.keys().isdisjoint(_ESSENTIAL):
        return True
    return wrapped and any(text.strip() for name, (_, text) in tags.items() if name in _TEXTS)


class _Reader:
    """Builds the game from the tags of one record."""

    def __init__(self, tags: dict[str, _Line], path: str | None, number: int | None = None) -> None:
        self.tags, self.faults = tags, Faults(path, number)
        self.moves: dict[int, list[str]] = {}
        self.starts: dict[int, int] = {}
        self.places: dict[int, int] = {}
        self.cut_off: set[int] = set()  # lines whose text breaks off
        self.rivals: dict[tuple[int, int], list[int]] = {}
        self.comments: dict[tuple[int, int], str] = {}
        self.add_line(0, 1, *tags.get("movelist", (1, "")))
        for name, (place, text) in tags.items():
            if match := _VARIATION.fullmatch(name):
                parent, ply, number = map(int, match.groups())
                if number in self.moves:
                    self.report(place, f"there are two variations {number}")
                    number = -len(self.moves)  # a number that no tag can refer to
                if self.add_line(number, ply, place, text):
                    self.rivals.setdefault((parent, ply), []).append(number)
            elif match := _COMMENT.fullmatch(name):
                key = (0, int(match[1])) if match[2] is None else (int(match[1]), int(match[2]))
                self.comments[key] = _unescape(text)

    def fail(self, place: int, reason: str) -> NoReturn:
        raise self.faults.error(reason, line=place)

    def report(self, place: int, reason: str, ply: int | None = None) -> None:
        self.faults.add(reason, line=place, ply=ply)

    def add_line(self, number: int, start: int, place: int, text: str) -> bool:
        """Store the moves of a line; return whether there are any."""
        text = "".join(text.split())
        digits = _DIGITS.match(text).end()  # type: ignore[union-attr]
        if digits < len(text):
            self.report(place, "a list of moves has digits only; the lettered lists of old boards are not supported")
        elif digits % 4:
            reason = f"a move has four digits, and the list of moves ends in {text[digits // 4 * 4 :]!r}"
            self.report(place, reason)
        if digits < len(text) or digits % 4:
            self.cut_off.add(number)
        self.starts[number], self.places[number] = start, place
        self.moves[number] = [text[i : i + 4] for i in range(0, digits // 4 * 4, 4)]
        return bool(self.moves[number])

    def steps(self) -> Iterator[Step]:
        """Yield the moves depth first: a line to its end, then its variations, those of its last moves first."""
        waiting = [deque([0] if self.moves[0] else self.rivals.pop((0, 1), []))]
        while waiting:
            if not waiting[-1]:
                waiting.pop()
                continue
            number = waiting[-1].popleft()
            start, moves = self.starts[number], self.moves[number]
            later = waiting.pop()
            for ply, text in enumerate(moves, start):
                later.extend(self.rivals.pop((number, ply), ()))
                goes_on = ply + 1 < start + len(moves) or (number, ply + 1) in self.rivals
                comment = self.comments.get((number, ply), "")
                yield Step(_square(text[:2]), _square(text[2:]), goes_on, bool(later), comment, self.places[number])
                waiting.append(later)
                later = deque()
            waiting.append(deque(self.rivals.pop((number, start + len(moves)), ())))

    def position(self) -> tuple[dict[Square, Piece], Color]:
        place, fen = self.tags.get("fen", (1, ""))
        if fen.strip():
            try:
                board = Board(fen.strip())
            except InvalidFenError as error:
                self.fail(place, str(error))
            return board.piece_map(), board.turn
        place, text = self.tags.get("binit", (1, ""))
        text = re.sub(r"\D", "9", "".join(text.split()), flags=re.ASCII)
        if not text:
            return Board().piece_map(), RED
        if len(text) != 64:
            self.fail(place, f"the starting position has 64 digits, found {len(text)}")
        pieces: dict[Square, Piece] = {}
        for slot, piece in enumerate(SLOTS):
            square = _square(text[2 * slot : 2 * slot + 2])
            if square in pieces:
                self.fail(place, f"two pieces, {pieces[square]} and {piece}, on {text[2 * slot : 2 * slot + 2]}")
            if square >= 0:
                pieces[square] = piece
        return pieces, RED

    def headers(self) -> dict[str, str]:
        headers = {}
        for tag, header in _TEXTS.items():
            if text := clean_header(_unescape(self.tags.get(tag, (1, ""))[1])):
                headers[header] = text
        if date := pgn_date(clean_header(_unescape(self.tags.get("date", (1, ""))[1]))):
            headers["Date"] = date
        headers["Result"] = parse_result(clean_header(self.tags.get("result", (1, ""))[1]))
        return headers

    def game(self) -> Game:
        pieces, turn = self.position()
        game = build_game(self.headers(), pieces, turn, self.steps(), self.comments.get((0, 0), ""), self.report)
        for (parent, ply), numbers in self.rivals.items():  # steps() has removed those that it used
            if parent not in self.cut_off:
                reason = f"variation {numbers[0]} leaves line {parent} at move {ply}, where there is none"
                self.report(self.places[numbers[0]], reason)
                self.cut_off.update(numbers)
        game.errors = self.faults.errors
        return game


def _square(digits: str) -> Square:
    """Return the square of two digits, or -1 if there is none."""
    file, row = int(digits[0]), int(digits[1])
    return (9 - row) * 9 + file if file < 9 else -1
