"""DhtmlXQ, also called UBB: the text records of dpxq.com (东萍象棋网) that web pages and forums exchange.

    [DhtmlXQ]
    [DhtmlXQ_title]…[/DhtmlXQ_title]
    [DhtmlXQ_binit]8979695949392919097717866646260600102030405060708012720323436383[/DhtmlXQ_binit]
    [DhtmlXQ_movelist]774770627967[/DhtmlXQ_movelist]
    [DhtmlXQ_move_0_2_1]797770…[/DhtmlXQ_move_0_2_1]
    [DhtmlXQ_comment3]…[/DhtmlXQ_comment3]
    [DhtmlXQ_comment1_4]…[/DhtmlXQ_comment1_4]
    [/DhtmlXQ]

A square is two digits, file from Red's left and rank from the top. ``binit`` has the 32 pieces in the order red
``RNBAKABNRCCPPPPP``, then black, 99 for one that is not on the board; a move is origin and target. ``move_B_N_K`` is
variation K: it leaves line B (0 is the main line) and its first move replaces move N, counted from the start of the
game. ``commentN`` follows move N of the main line (0: before the first), ``commentB_N`` move N of line B; ``||`` is a
line break. A file may hold many games, each in ``[DhtmlXQ]``, ``[DhtmlXQiFrame]`` or the like, or one with bare tags.

Where these facts come from: the script of dpxq.com's own board (DhtmlXQ_www_dpxq_com.js), the reader of vschess (which
also knows ``[DhtmlXQ_fen]`` and ``\\uXXXX``), and published records, two of which are among our tests. Pages of the
site that keep the moves in a script as ``[0_1_0]…[/0_1_0][0_4_1]…`` are read as well. Not supported: the lettered move
list of the board's first versions, for which a clear error is raised.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, NoReturn

from xiangqi.board import Board
from xiangqi.fen import InvalidFenError
from xiangqi.formats.errors import ErrorHandler, FormatError, log_error
from xiangqi.formats.records import (
    SLOTS,
    Step,
    build_game,
    clean_comment,
    clean_header,
    marks,
    pgn_date,
    remark,
    slot_squares,
)
from xiangqi.formats.streams import Source, open_bytes, open_replacing, source_name
from xiangqi.formats.text import TextDecoder, parse_result
from xiangqi.game import ChildNode, Game, GameNode
from xiangqi.move import BLACK, RED, Color, Piece, Square

SUFFIXES: Final = (".ubb", ".dhtmlxq")
_TOKEN: Final = re.compile(
    r"\[(?P<end>/?)(?:DhtmlXQ(?:_(?P<tag>\w{1,40})|(?P<wrapper>[A-Za-z]{0,20}))|(?P<line>\d{1,6}_\d{1,6}_\d{1,6}))\]",
    re.IGNORECASE | re.ASCII,
)
_VARIATION: Final = re.compile(r"move_(\d{1,6})_(\d{1,6})_(\d{1,6})", re.ASCII)
_COMMENT: Final = re.compile(r"comment(\d{1,6})(?:_(\d{1,6}))?", re.ASCII)
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
"""The line of the file where a tag stands, and what is in it."""


def sniff(head: bytes) -> bool:
    """Whether a file that starts with these bytes has a tag of DhtmlXQ in it (in any encoding that keeps ASCII).

    >>> sniff(b"<html> ... [DhtmlXQ_movelist]7747[/DhtmlXQ_movelist]")
    True
    """
    return b"[dhtmlxq" in head.lower()


def read(source: Source, on_error: ErrorHandler = log_error) -> Iterator[Game]:
    """Iterate over the games of a text or page with DhtmlXQ in UTF-8, GB18030 or Big5.

    A game that cannot be read goes to ``on_error`` and the next one is read. Raises ``FormatError`` if there is no game
    at all.

    >>> import io
    >>> [game.result for game in read(io.BytesIO(dumps(Game({"Result": "1-0"})).encode()))]
    ['1-0']
    """
    path = source_name(source)
    with open_bytes(source) as file:
        text = TextDecoder().decode(file.read())
    found = False
    for tags in _games(text):
        found = True
        try:
            game = _Reader(tags, path).game()
        except FormatError as error:
            on_error(error)
        else:
            yield game
    if not found:
        raise FormatError("there is no DhtmlXQ game in the file", path=path, line=1)


def loads(text: str, path: str | None = None) -> Game:
    """Return the first game of a text; ``path`` is what errors call it. Raises ``FormatError``.

    >>> loads("[DhtmlXQ][DhtmlXQ_movelist]77477062[/DhtmlXQ_movelist][/DhtmlXQ]").moves()
    [Move.from_iccs('h2e2'), Move.from_iccs('h9g7')]
    """
    for tags in _games(text):
        return _Reader(tags, path).game()
    raise FormatError("there is no DhtmlXQ game in the text", path=path, line=1)


def dumps(game: Game) -> str:
    """Return a game as DhtmlXQ.

    Raises ``FormatError`` for what the format cannot hold: null moves and positions with more pieces than a set has.

    >>> "[DhtmlXQ_result]和棋[/DhtmlXQ_result]" in dumps(Game({"Result": "1/2-1/2"}))
    True
    """
    tags = [(tag, game.headers.get(header, "").strip("?")) for tag, header in _TEXTS.items()]
    tags.append(("date", game.headers.get("Date", "").replace(".", "-").strip("?-")))
    tags.append(("result", _RESULT_TEXTS[game.result]))
    squares = slot_squares(game.board())
    tags.append(("binit", "".join("99" if square is None else _digits(square) for square in squares)))
    if game.start_turn == BLACK:  # readers would otherwise guess from the first move, which may be missing
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


def write(games: Iterable[Game], path: str | os.PathLike[str]) -> int:
    """Write games as UTF-8 and return how many. Raises ``OSError`` and, as ``dumps``, ``FormatError``.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     write([Game({"Red": "柳大华"}), Game()], f"{directory}/games.ubb")
    2
    """
    count = 0
    with open_replacing(path) as file:
        for game in games:
            file.write((dumps(game) + "\n").encode("utf-8", "replace"))
            count += 1
    return count


def _digits(square: Square) -> str:
    return f"{square % 9}{9 - square // 9}"


def _escape(text: str) -> str:
    """Write a line break as ``||`` and keep what would be read as something else apart with ``\\uXXXX``."""
    text = text.replace("\\u", "\\u005cu").replace("|", "\\u007c").replace("\n", "||")
    return re.sub(r"\[(?=/?(?:DhtmlXQ|\d))", lambda _: "\\u005b", text, flags=re.IGNORECASE)


def _unescape(text: str) -> str:
    text = clean_comment(text).rstrip("|").replace("||", "\n")
    text = _UNICODE.sub(lambda match: chr(int(match[1], 16)), text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # joins halves of one character


def _games(text: str) -> Iterator[dict[str, _Line]]:
    """Yield the tags of each game by name in lower case; a tag without an end goes as far as the next tag.

    The page of a game may repeat its tags, once filled and once empty: what is filled counts.
    """
    tags: dict[str, _Line] = {}
    name, start, line, seen = "", 0, 1, 0
    for token in _TOKEN.finditer(text):
        if name:
            value = text[start : token.start()]
            if value.strip() or name not in tags:
                tags[name] = (line, value)
            name = ""
        if token["wrapper"] is not None:
            if not tags.keys().isdisjoint(_ESSENTIAL):
                yield tags
            tags = {}
        elif not token["end"]:
            name = token["tag"].lower() if token["tag"] else f"move_{token['line']}"
            name = "movelist" if name == "move_0_1_0" else name
            line += text.count("\n", seen, token.start())
            start, seen = token.end(), token.start()
    if not tags.keys().isdisjoint(_ESSENTIAL):
        yield tags


class _Reader:
    """Makes the game of the tags of one record."""

    def __init__(self, tags: dict[str, _Line], path: str | None) -> None:
        self.tags, self.path = tags, path
        self.moves: dict[int, list[str]] = {}
        self.starts: dict[int, int] = {}
        self.places: dict[int, int] = {}
        self.rivals: dict[tuple[int, int], list[int]] = {}
        self.comments: dict[tuple[int, int], str] = {}
        self.add_line(0, 1, *tags.get("movelist", (1, "")))
        for name, (place, text) in tags.items():
            if match := _VARIATION.fullmatch(name):
                parent, ply, number = map(int, match.groups())
                if number in self.moves:
                    self.fail(place, f"there are two variations {number}")
                if self.add_line(number, ply, place, text):
                    self.rivals.setdefault((parent, ply), []).append(number)
            elif match := _COMMENT.fullmatch(name):
                key = (0, int(match[1])) if match[2] is None else (int(match[1]), int(match[2]))
                self.comments[key] = _unescape(text)

    def fail(self, place: int, reason: str) -> NoReturn:
        raise FormatError(reason, path=self.path, line=place)

    def add_line(self, number: int, start: int, place: int, text: str) -> bool:
        """Take in the moves of a line; false if there are none."""
        text = "".join(text.split())
        if not (text.isascii() and text.isdigit()) and text:
            self.fail(place, "a list of moves has digits only; the lettered lists of old boards are not supported")
        if len(text) % 4:
            self.fail(place, f"a move has four digits, and the list of moves ends in {text[len(text) // 4 * 4 :]!r}")
        self.starts[number], self.places[number] = start, place
        self.moves[number] = [text[i : i + 4] for i in range(0, len(text), 4)]
        return bool(text)

    def steps(self) -> Iterator[Step]:
        """Yield the moves depth first: a line to its end, then the rivals of its last moves, then of earlier ones."""
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
        game = build_game(self.headers(), pieces, turn, self.steps(), self.comments.get((0, 0), ""), self.fail)
        for (parent, ply), (number, *_) in self.rivals.items():  # steps() takes out what it has used
            self.fail(
                self.places[number], f"variation {number} leaves line {parent} at move {ply}, where there is none"
            )
        return game


def _square(digits: str) -> Square:
    """Return the square of two digits; -1 if it is none."""
    file, row = int(digits[0]), int(digits[1])
    return (9 - row) * 9 + file if file < 9 else -1
