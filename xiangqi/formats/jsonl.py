"""Games as JSON: a game a line, the format of training corpora, which is also written.

Objects over several lines and lists of objects are read as well, one object in memory at a time, and a list in an
object, as ``{"games": [...]}``; what else that object has is passed over.

Two kinds of object are read. The first, which is also written, has ``moves`` (separated by spaces), ``result``,
optionally ``fen``, ``best`` (an engine's move for each ply, ``-`` for none) and ``score`` (its score of the position
before each ply, positive if good for the mover, or null). Other keys are headers: ``red_elo`` is the header ``RedElo``.
The second, of the character-level system of 2020, has ``iccs`` (a list), ``fen`` and ``items`` (Chinese headers, with
the result as 棋局结果). Moves are ICCS, or whatever `xiangqi.formats.movetext` reads; both keys take a text or a list.

Further lists with an entry or null for each ply: ``wdl`` (three numbers, for the mover, in thousandths), ``depth``,
``nodes`` and ``candidates`` (the text of `xiangqi.tags.Candidate`).

``best`` becomes ``[%best]`` of the node of its ply. ``score`` is divided by 100, converted to Red's view and becomes
``[%eval]`` of the node before, because it is about that position; so do ``wdl``, ``depth`` and ``nodes``.
``candidates`` become ``[%candidates]`` of the node of their ply. Variations and comments are not stored (`left_out`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Final

from xiangqi.board import STARTING_FEN, Board
from xiangqi.formats import pgn
from xiangqi.formats.errors import ErrorHandler, Faults, FormatError, UnreadMove, log_error
from xiangqi.formats.json_objects import MAX_SIZE, records
from xiangqi.formats.movetext import read_game
from xiangqi.formats.streams import Source, open_lines, open_replacing, source_name, write_texts
from xiangqi.formats.text import TextDecoder, one_line, parse_result
from xiangqi.game import ChildNode, Game, GameNode, count_legal
from xiangqi.move import Move
from xiangqi.tags import parse_candidates

SUFFIXES: Final = (".jsonl", ".ndjson")

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
_OPINIONS: Final = ("best", "score", "wdl", "depth", "nodes", "candidates")
_OTHER_KEYS: Final = ("moves", "iccs", "items", "fen", "result", *_OPINIONS)
_NUMBERS: Final = ("gid", "random_plies")
_BEGINNING: Final = re.compile(
    rb'^(?:\xef\xbb\xbf)?[ \t]*(?:\[\s*)?\{\s*"[^"]{0,200}"\s*:\s*["\[{\dnft-]', re.MULTILINE
)
_ICCS_LIKE: Final = re.compile(r"[a-iA-I]\d-?[a-iA-I]\d")
_WORD_STARTS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def sniff(head: bytes) -> bool:
    """Whether a file that starts with these bytes looks like lines of JSON."""
    found = _BEGINNING.search(head.replace(b"\r", b"\n"))
    if found is None or pgn.begins(head):
        return False
    before = head[: found.start()]  # the first lines may be broken
    return not pgn.sniff(before) and b"[dhtmlxq" not in before.lower()


def read(source: Source, on_error: ErrorHandler = log_error, encoding: str | None = None) -> Iterator[Game]:
    """Iterate over the games of a file, with one in memory at a time.

    ``on_error`` is called with faults of the moves and with lines that cannot be read. Raises `FormatError` if the
    compression is broken, ``OSError`` if the path cannot be opened.

    >>> import io
    >>> line = '{"moves": "h2e2 h9g7", "result": "1-0", "red": "A", "best": "b2e2 -", "score": [40, -35]}'
    >>> game = next(read(io.BytesIO(line.encode())))
    >>> game.result, game.headers["Red"], game.next().best, game.eval, game.next().eval
    ('1-0', 'A', Move.from_iccs('b2e2'), 0.4, 0.35)
    """
    path = source_name(source)
    decoder = TextDecoder()
    with open_lines(source, encoding) as file:
        for number, record in enumerate(records(file), 1):
            try:
                if record.text is None:
                    raise Faults(path, number).error(f"a game of more than {MAX_SIZE >> 20} MiB", line=record.line)
                game = _parse(decoder.decode(record.text), path, number, record.line, record.column)
            except FormatError as error:
                on_error(error)
            else:
                yield game.reported(on_error)


def loads(line: str | bytes) -> Game:
    """Return the game of one line. Faults of its moves are in ``errors``. Raises `FormatError` if there is no game.

    >>> loads('{"iccs": ["h2e2", "h9g7"], "items": {"棋局结果": "黑方胜"}}').result
    '0-1'
    """
    return _parse(TextDecoder().decode(line) if isinstance(line, bytes) else line, None, None, None)


def _parse(text: str, path: str | None, number: int | None, line: int | None, column: int = 0) -> Game:
    """Return the game of an object. ``line`` is that in which it begins, after so many characters (``column``)."""
    faults = Faults(path, number)
    try:
        record = json.loads(text)
    except RecursionError:
        raise faults.error("the JSON is nested too deeply", line=line) from None
    except json.JSONDecodeError as error:
        if text.strip() == "[":
            raise faults.error("the list that begins here is not closed", line=line) from None
        if line is None:
            raise faults.error(f"not JSON: {error.msg}") from None
        place = error.colno + (column if error.lineno == 1 else 0)
        raise faults.error(f"not JSON: {error.msg} (column {place})", line=line + error.lineno - 1) from None
    except ValueError as error:  # a number of too many digits
        raise faults.error(f"not JSON: {error}", line=line) from None
    if not isinstance(record, dict):
        raise faults.error("not a JSON object", line=line)
    try:
        words = _words(record.get("moves", record.get("iccs")))
        fen = record.get("fen") or STARTING_FEN
        if not isinstance(fen, str):
            raise ValueError("fen is not a string")
        game = Game(_headers(record), fen)
    except ValueError as error:
        raise faults.error(str(error), line=line) from None
    moves, fault = _moves(words)
    board = game.board()
    if (played := count_legal(board, moves)) < len(moves):
        fault = _why_illegal(Board(game.fen), moves, played)
    other = _in_another_notation(game, words, played, faults, line) if fault else None
    if other is not None:
        game = other
    else:
        if fault:
            faults.add(fault, line=line, ply=played + 1)
            game.unread = [UnreadMove(f"{words[at]!s:.40}", at + 1) for at in range(played, len(words))]
        game.add_main_line(moves[:played])
    if any(key in record for key in _OPINIONS):
        for ply, fault in _annotate(game, board.turn, record):
            faults.add(fault, line=line, ply=ply)
    game.errors = faults.errors
    return game


def _in_another_notation(game: Game, words: list[Any], read: int, faults: Faults, line: int | None) -> Game | None:
    """Return the game whose moves are not ICCS, or ``None`` if no more of them can be read than the ``read`` first."""
    if not all(isinstance(word, str) for word in words):
        return None
    found = Faults(faults.path, faults.game)
    other, result = read_game(game.headers, game.fen, " ".join(words), line or 1, found)
    length, is_iccs = other.end().ply, read > 0 or _ICCS_LIKE.match(words[0]) is not None
    if length < read or (length == read and is_iccs):
        return None
    for error in found.errors:
        faults.add(error.reason, line=line, ply=error.ply)
    if result != "*" and other.result == "*":
        other.result = result
    return other


def _words(value: Any) -> list[Any]:
    if value is None:
        raise ValueError("there are no moves (expected a key moves or iccs)")
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list):
        raise ValueError("the moves are neither a string nor a list of strings")
    return words


def _moves(words: list[Any]) -> tuple[list[Move], str]:
    """Return the moves before the first word that is not a move, and the fault of that word."""
    moves: list[Move] = []
    try:
        for word in words:
            if not isinstance(word, str):
                return moves, f"a move is a string, not {word!r:.40}"
            moves.append(Move.from_iccs(word))
    except ValueError as error:
        return moves, str(error)[:200]
    return moves, ""


def _why_illegal(board: Board, moves: list[Move], ply: int) -> str:
    for move in moves[:ply]:
        board.push(move)
    try:
        board.parse_iccs(moves[ply].iccs)
    except ValueError as error:
        return str(error)
    raise AssertionError("count_legal and parse_iccs disagree")


def _headers(record: dict[str, Any]) -> dict[str, str]:
    headers: dict[str, str] = {}
    items: dict[str, Any] = record["items"] if isinstance(record.get("items"), dict) else {}
    for key, value in items.items():
        headers[_ITEMS.get(key, key)] = one_line(str(value))
    for key, value in record.items():
        if key not in _OTHER_KEYS and isinstance(value, str | int | float) and value != "":
            name = "ECCO" if key == "ecco" else "".join([word[:1].upper() + word[1:] for word in key.split("_")])
            headers[name] = str(value).lower() if isinstance(value, bool) else one_line(str(value))
    if "result" in record:
        headers["Result"] = str(record["result"])
    if "Result" in headers:
        headers["Result"] = parse_result(headers["Result"])
    return headers


def _annotate(game: Game, turn: int, record: dict[str, Any]) -> Iterator[tuple[int | None, str]]:
    """Write the engine's opinions into the comments; yield faults, each with its ply."""
    best, scores = record.get("best") or "", record.get("score") or []
    if not isinstance(best, str) or not isinstance(scores, list):
        yield None, "best is not a string or score is not a list"
        return
    words, others = best.split(), {}
    for key in _OPINIONS[2:]:
        others[key] = record.get(key) or []
        if not isinstance(others[key], list):
            yield None, f"{key} is not a list"
            return
    node: GameNode = game
    for ply, child in enumerate(game.main_line()):
        score = scores[ply] if ply < len(scores) else None
        if score is not None:
            if isinstance(score, bool) or not isinstance(score, int | float) or not abs(score) <= _SCORE_LIMIT:
                yield ply + 1, f"not a score: {score!r:.40}"
            else:
                node.eval = (-score if (turn + ply) % 2 else score) / 100
        if ply < len(words) and words[ply] != "-":
            try:
                child.best = Move.from_iccs(words[ply])
            except ValueError as error:
                yield ply + 1, f"best: {error}"[:200]
        for key, values in others.items():
            value = values[ply] if ply < len(values) else None
            try:
                if value is not None:
                    _SETTERS[key](node, child, value)
            except (TypeError, ValueError, OverflowError):
                yield ply + 1, f"not {key}: {value!r:.40}"
        node = child


def _set_wdl(node: GameNode, child: ChildNode, value: Any) -> None:
    wins, draws, losses = (_count(x, 1000) for x in value)
    node.wdl = wins, draws, losses


def _set_depth(node: GameNode, child: ChildNode, value: Any) -> None:
    node.depth = _count(value, 999)


def _set_nodes(node: GameNode, child: ChildNode, value: Any) -> None:
    node.nodes = _count(value, 10**15 - 1)


def _set_candidates(node: GameNode, child: ChildNode, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError("not text")
    child.candidates = parse_candidates(value)


_SETTERS: Final[dict[str, Callable[[GameNode, ChildNode, Any], None]]] = {
    "wdl": _set_wdl,
    "depth": _set_depth,
    "nodes": _set_nodes,
    "candidates": _set_candidates,
}


def _count(value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError("not a count")
    return value


def write(games: Iterable[Game], path: str | os.PathLike[str], on_error: ErrorHandler | None = None) -> int:
    """Write games to a file, which appears when all are written, and return their number.

    The format can hold any game, so ``on_error`` is never called.
    """
    with open_replacing(path) as file:
        return write_texts(games, file, dumps, on_error)


def write_to(games: Iterable[Game], file: BinaryIO) -> int:
    """Write games to an open binary file and return their number.

    >>> import io
    >>> file = io.BytesIO()
    >>> write_to([Game.from_pgn("1. h2e2 h9g7 1-0")], file)
    1
    >>> print(file.getvalue().decode(), end="")
    {"moves": "h2e2 h9g7", "result": "1-0"}
    """
    return write_texts(games, file, dumps)


def left_out(game: Game) -> list[str]:
    """Return what a game has that is not written.

    It is some of ``variations``, ``comments``, ``marks``, ``drawings`` and ``clocks``.

    >>> left_out(Game.from_pgn("1. h2e2! {[%eval 0.35] An idea.} (1. c3c4) *")), left_out(Game.from_pgn("1. h2e2 *"))
    (['variations', 'comments', 'marks'], [])
    """
    nodes: list[GameNode] = [game, *game.walk()]
    has = {
        "variations": any(len(node.variations) > 1 for node in nodes),
        "comments": any(node.remark or (isinstance(node, ChildNode) and node.starting_comment) for node in nodes),
        "marks": any(node.has_nags() for node in nodes),
        "drawings": any(node.drawn for node in nodes),
        "clocks": any(node.clock is not None for node in nodes),
    }
    return [name for name, there in has.items() if there]


def dumps(game: Game) -> str:
    """Return the main line of a game as one line of JSON.

    >>> dumps(Game.from_pgn('[RedElo "2400"] 1. h2e2 h9g7 1-0'))
    '{"moves": "h2e2 h9g7", "result": "1-0", "red_elo": "2400"}'
    """
    nodes = list(game.main_line())
    record: dict[str, Any] = {"moves": " ".join([node.move.iccs for node in nodes]), "result": game.result}
    if game.fen != STARTING_FEN:
        record["fen"] = game.fen
    for name, header in game.headers.items():
        key, value = _WORD_STARTS.sub("_", name).lower(), one_line(header)
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
    positions = [game, *nodes][: len(nodes)]
    others: dict[str, list[Any]] = {
        "wdl": [node.wdl for node in positions],
        "depth": [node.depth for node in positions],
        "nodes": [node.nodes for node in positions],
        "candidates": [" ".join(map(str, node.candidates)) or None for node in nodes],
    }
    record |= {key: values for key, values in others.items() if any(value is not None for value in values)}
    return json.dumps(record, ensure_ascii=False)
