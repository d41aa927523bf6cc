"""Games as lines of JSON: what training corpora are kept in.

Two kinds of line are read. Ours, which is also written, has ``moves`` (ICCS, separated by spaces), ``result``,
optionally ``fen``, ``best`` (an engine's move for every ply, ``-`` for none) and ``score`` (its opinion of the position
before every ply, good for the mover if positive, or null), and any other keys as headers: ``red_elo`` is the header
``RedElo``. That of the character-level system of 2020 has ``iccs`` (a list), ``fen`` and ``items`` (Chinese headers, of
which 棋局结果 is the result).

``best`` becomes ``[%best]`` of the node of its ply. ``score`` is divided by 100, brought to Red's view and becomes
``[%eval]`` of the node before, as it is about the position there. Variations and remarks have no place in these lines.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

from xiangqi.board import STARTING_FEN, Board
from xiangqi.formats.errors import ErrorHandler, FormatError, log_error
from xiangqi.formats.streams import Source, open_bytes, open_replacing, source_name
from xiangqi.formats.text import parse_result
from xiangqi.game import Game, GameNode, count_legal
from xiangqi.move import Move

SUFFIXES: Final = (".jsonl", ".ndjson")

MAX_LINE: Final = 8 << 20
"""Bytes beyond which a line is not read: a bound on memory."""

_SCORE_LIMIT: Final = 10**8

_ITEMS: Final = {  # headers of 2020
    "棋局结果": "Result",
    "比赛名称": "Event",
    "赛事名称": "Event",
    "棋谱标题": "Event",
    "比赛地点": "Site",
    "比赛日期": "Date",
    "比赛轮次": "Round",
    "红方": "Red",
    "红方姓名": "Red",
    "红方团体": "RedTeam",
    "黑方": "Black",
    "黑方姓名": "Black",
    "黑方团体": "BlackTeam",
    "开局": "Opening",
    "棋局开局": "Opening",
}
_OTHER_KEYS: Final = ("moves", "iccs", "items", "fen", "best", "score", "result")
_NUMBERS: Final = ("gid", "random_plies")
_WORD_STARTS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def sniff(head: bytes) -> bool:
    """Whether a file that starts with these bytes looks like lines of JSON.

    >>> sniff(b'{"moves": "h2e2 h9g7"}'), sniff(b"1. h2e2 h9g7 *")
    (True, False)
    """
    return re.match(rb'(?:\xef\xbb\xbf)?\s*\{\s*"', head) is not None


def read(source: Source, on_error: ErrorHandler = log_error) -> Iterator[Game]:
    """Iterate over the games of a file, one in memory at a time.

    A line that cannot be read goes to ``on_error`` as a `FormatError`, and the next one is read. Raises `FormatError`
    if the file's compression is broken, ``OSError`` if the path cannot be opened.

    >>> line = '{"moves": "h2e2 h9g7", "result": "1-0", "red": "A", "best": "b2e2 -", "score": [40, -35]}'
    >>> game = next(read(io.BytesIO(line.encode())))
    >>> game.result, game.headers["Red"], game.next().best, game.eval, game.next().eval
    ('1-0', 'A', Move.from_iccs('b2e2'), 0.4, 0.35)
    """
    name = source_name(source)
    with open_bytes(source) as file:
        for number, line in _lines(file):
            try:
                if line is None:
                    raise FormatError(f"a line of more than {MAX_LINE >> 20} MiB")
                game = loads(line)
            except FormatError as error:
                error.path, error.line = name, number
                on_error(error)
                continue
            yield game


def _lines(file: io.BufferedReader) -> Iterator[tuple[int, bytes | None]]:
    """Iterate over the lines that are not empty, with their numbers; ``None`` stands for one that is too long."""
    number = 1
    while line := file.readline(MAX_LINE):
        if len(line) == MAX_LINE and line[-1:] != b"\n":
            while (rest := file.readline(MAX_LINE)) and rest[-1:] != b"\n":
                pass
            yield number, None
        elif not line.isspace():
            yield number, line
        number += 1


def loads(line: str | bytes) -> Game:
    """Return the game of one line. Raises `FormatError`.

    >>> loads('{"iccs": ["h2e2", "h9g7"], "items": {"棋局结果": "黑方胜"}}').result
    '0-1'
    """
    try:
        text = line.decode("utf-8-sig") if isinstance(line, bytes) else line
        record = json.loads(text)
    except UnicodeDecodeError as error:
        raise FormatError(f"not UTF-8: {error.reason} at byte {error.start} of the line") from None
    except RecursionError:
        raise FormatError("not JSON that one can read: too deeply nested") from None
    except ValueError as error:
        raise FormatError(f"not JSON: {error}") from None
    if not isinstance(record, dict):
        raise FormatError("not a JSON object")
    moves = _moves(record.get("moves", record.get("iccs")))
    fen = record.get("fen") or STARTING_FEN
    if not isinstance(fen, str):
        raise FormatError("fen is not a string")
    try:
        game = Game(_headers(record), fen)
        board = game.board()
        if (played := count_legal(board, moves)) < len(moves):
            board = Board.from_moves(moves[:played], game.fen)
            raise FormatError(f"ply {played + 1}: {_fault(board, moves[played])}")
    except FormatError:
        raise
    except ValueError as error:
        raise FormatError(str(error)) from None
    game.add_main_line(moves)
    if "best" in record or "score" in record:
        _annotate(game, board.turn, record)
    return game


def _moves(value: Any) -> list[Move]:
    if value is None:
        raise FormatError("there are no moves (expected a key moves or iccs)")
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise FormatError("the moves are neither a string nor a list of strings")
    try:
        return [Move.from_iccs(word) for word in words]
    except ValueError as error:
        raise FormatError(str(error)[:200]) from None


def _fault(board: Board, move: Move) -> str:
    try:
        board.parse_iccs(move.iccs)
    except ValueError as error:
        return str(error)
    raise AssertionError("the move is legal after all")


def _headers(record: dict[str, Any]) -> dict[str, str]:
    headers: dict[str, str] = {}
    items: dict[str, Any] = record["items"] if isinstance(record.get("items"), dict) else {}
    for key, value in items.items():
        headers[_ITEMS.get(key, key)] = str(value)
    for key, value in record.items():
        if key not in _OTHER_KEYS and isinstance(value, str | int | float) and value != "":
            name = "ECCO" if key == "ecco" else "".join([word[:1].upper() + word[1:] for word in key.split("_")])
            headers[name] = str(value).lower() if isinstance(value, bool) else str(value)
    if "result" in record:
        headers["Result"] = str(record["result"])
    if "Result" in headers:
        headers["Result"] = parse_result(headers["Result"])
    return headers


def _annotate(game: Game, turn: int, record: dict[str, Any]) -> None:
    """Write what an engine said of each ply into the comments."""
    best, scores = record.get("best") or "", record.get("score") or []
    if not isinstance(best, str) or not isinstance(scores, list):
        raise FormatError("best is not a string or score is not a list")
    words = best.split()
    node: GameNode = game
    for ply, child in enumerate(game.main_line()):
        score = scores[ply] if ply < len(scores) else None
        if score is not None:
            if isinstance(score, bool) or not isinstance(score, int | float) or not abs(score) <= _SCORE_LIMIT:
                raise FormatError(f"ply {ply + 1}: not a score: {score!r:.40}")
            node.eval = (-score if (turn + ply) % 2 else score) / 100
        if ply < len(words) and words[ply] != "-":
            try:
                child.best = Move.from_iccs(words[ply])
            except ValueError as error:
                raise FormatError(f"ply {ply + 1}: best: {error}"[:200]) from None
        node = child


def write(games: Iterable[Game], path: str | os.PathLike[str]) -> int:
    """Write games to a file, which appears when all are written, and return how many they were.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     write([Game(), Game()], f"{directory}/games.jsonl.gz")
    2
    """
    with open_replacing(path) as file:
        return write_to(games, file)


def write_to(games: Iterable[Game], file: BinaryIO) -> int:
    """Write games to an open binary file and return how many they were.

    >>> file = io.BytesIO()
    >>> write_to([Game.from_pgn("1. h2e2 h9g7 1-0")], file)
    1
    >>> print(file.getvalue().decode(), end="")
    {"moves": "h2e2 h9g7", "result": "1-0"}
    """
    count = 0
    for game in games:
        file.write(f"{dumps(game)}\n".encode("utf-8", "replace"))
        count += 1
    return count


def dumps(game: Game) -> str:
    """Return the main line of a game as one line of JSON.

    >>> dumps(Game.from_pgn('[RedElo "2400"] 1. h2e2 h9g7 1-0'))
    '{"moves": "h2e2 h9g7", "result": "1-0", "red_elo": "2400"}'
    """
    nodes = list(game.main_line())
    record: dict[str, Any] = {"moves": " ".join([node.move.iccs for node in nodes]), "result": game.result}
    if game.fen != STARTING_FEN:
        record["fen"] = game.fen
    for name, value in game.headers.items():
        key = _WORD_STARTS.sub("_", name).lower()
        if key not in record and key not in _OTHER_KEYS:
            record[key] = int(value) if key in _NUMBERS and value.isdecimal() and len(value) < 16 else value
    best = [node.best for node in nodes]
    if any(best):
        record["best"] = " ".join([move.iccs if move else "-" for move in best])
    evals = [node.eval for node in [game, *nodes][: len(nodes)]]
    if any(value is not None for value in evals):
        turn = game.start_turn
        signed = [value if value is None or (turn + ply) % 2 == 0 else -value for ply, value in enumerate(evals)]
        record["score"] = [None if value is None else round(value * 100) for value in signed]
    return json.dumps(record, ensure_ascii=False)
