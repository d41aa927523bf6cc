"""PGN for xiangqi: moves in ICCS, WXF or Chinese, in UTF-8, GB18030 or Big5, with comments, variations and glyphs.

Headers are read as they are, but for four things: ``White`` becomes ``Red`` (``WhiteElo`` becomes ``RedElo``), results
are brought to ``1-0``, ``0-1``, ``1/2-1/2`` or ``*``, the starting position goes to ``Game.fen``, and ``Game``,
``Variant`` and ``Format``, which say nothing about the game, are left out. Whatever ``Format`` claims, each move is
read as what it looks like.

Source of the format: https://www.xqbase.com/protocol/cchess_pgn.htm, and for everything that it leaves open the PGN
standard of 1994 (http://www.saremba.de/chessgml/standards/pgn/pgn-complete.htm).
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, Literal

from xiangqi.board import STARTING_FEN, Board
from xiangqi.fen import InvalidFenError
from xiangqi.formats.errors import ErrorHandler, FormatError, log_error
from xiangqi.formats.streams import Source, open_bytes, open_replacing, source_name
from xiangqi.formats.text import TextDecoder, parse_result
from xiangqi.game import RESULTS, ChildNode, Game, GameNode, count_legal
from xiangqi.move import MOVES, RED, AmbiguousMoveError, IllegalMoveError, InvalidMoveError, Move
from xiangqi.notation import parse_chinese, parse_wxf

SUFFIXES: Final = (".pgn",)

Notation = Literal["iccs", "wxf", "chinese", "traditional"]
"""How moves are written: ``H2-E2``, ``C2=5``, ``炮二平五`` or ``炮二平五`` in traditional characters."""

MAX_GAME: Final = 8 << 20
"""Bytes of text beyond which something is not taken for one game: a bound on memory."""

_WIDTH: Final = 80


def sniff(head: bytes) -> bool:
    """Whether a file that starts with these bytes looks like PGN.

    >>> sniff(b'[Red "A"]'), sniff("1. 炮二平五".encode("gb18030")), sniff(b"{}")
    (True, True, False)
    """
    return b"\0" not in head and (_TAG_START.search(head) is not None or _FIRST_MOVE.match(head) is not None)


# --- Cutting a file into games ----------------------------------------------------------------------------------------

# Single bytes are looked at only where no Chinese encoding can have them as the second half of a character.
_TAG_START: Final = re.compile(rb'^(?:\xef\xbb\xbf)?[ \t]*\[[ \t]*[^\s"\[\]%{}]+[ \t]*"', re.MULTILINE)
_FIRST_MOVE: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*1\s*\.\s*[^\s\d.]")
_RESULT_AT_END: Final = re.compile(rb"(?:1-0|0-1|1/2-1/2|\*)\s*$")


def _blocks(file: io.BufferedReader) -> Iterator[tuple[int, bytes | None]]:
    """Iterate over the games as ``(number of the first line, text)``; the text of an endless one is ``None``.

    A game starts with a tag after moves, or, where games have no tags, with a move 1 after a result. Blank lines do not
    count, because some programs put them anywhere. Within a comment only a tag at the very start of a line is one,
    which is how the reader finds its way again after a comment that nobody closed.
    """
    text = bytearray()
    size, number, first = 0, 1, 1
    has_moves = in_comment = ended = False
    while line := file.readline(MAX_GAME):
        is_blank = line.isspace()
        is_tag = not is_blank and _TAG_START.match(line) is not None
        if (has_moves and is_tag and (line[:1] == b"[" or not in_comment)) or (ended and _FIRST_MOVE.match(line)):
            yield first, bytes(text) if size <= MAX_GAME else None
            text.clear()
            size, first = 0, number
            has_moves = in_comment = ended = False
        if not is_blank and not (is_tag and line.rstrip().endswith(b"]")):
            has_moves = True
            opened, closed = line.rfind(b"{"), line.rfind(b"}")
            if opened != closed:
                in_comment = opened > closed
            ended = not in_comment and (ended or _RESULT_AT_END.search(line, max(len(line) - 40, 0)) is not None)
        size += len(line)
        if size <= MAX_GAME:
            text += line
        else:
            text.clear()
        number += line.endswith(b"\n")
    if size:
        yield first, bytes(text) if size <= MAX_GAME else None


def read(source: Source, on_error: ErrorHandler = log_error) -> Iterator[Game]:
    """Iterate over the games of a PGN file, one in memory at a time.

    A game that cannot be read goes to ``on_error`` as a `FormatError` with its line, and the next one is read. Raises
    `FormatError` if the file's compression is broken, ``OSError`` if the path cannot be opened.

    >>> import io
    >>> games = read(io.StringIO('[Red "A"]  1. H2-E2 H9-G7  1-0'))
    >>> [(game.headers["Red"], game.result, len(game.moves())) for game in games]
    [('A', '1-0', 2)]
    """
    name = source_name(source)
    decoder = TextDecoder()
    with open_bytes(source) as file:
        for first, data in _blocks(file):
            try:
                if data is None:
                    raise FormatError(f"a game of more than {MAX_GAME >> 20} MiB", line=first)
                game = _parse(decoder.decode(data), first)
            except FormatError as error:
                error.path = name
                on_error(error)
                continue
            if game is not None:
                yield game


def loads(text: str) -> Game:
    """Return the first game of a text. Raises `FormatError` if there is none or it cannot be read.

    >>> loads("1. 炮二平五 马8进7 *").moves()
    [Move.from_iccs('h2e2'), Move.from_iccs('h9g7')]
    """
    for first, data in _blocks(io.BufferedReader(io.BytesIO(text.encode("utf-8", "replace")))):
        game = None if data is None else _parse(data.decode("utf-8-sig"), first)
        if game is not None:
            return game
    raise FormatError("there is no game in the text")


# --- Reading one game -------------------------------------------------------------------------------------------------

_TAG: Final = re.compile(r'\s*\[\s*([^\s"\[\]%{}]+)\s*"((?:[^"\\\n]|\\.)*)"\s*\]')
_SLOPPY_TAG: Final = re.compile(r'\s*\[\s*([^\s"\[\]%{}]+)\s*"(.*)"[^\S\n]*\][^\S\n]*$', re.MULTILINE)
"""A tag whose value has quotation marks or backslashes that nobody escaped."""
_BROKEN_TAG: Final = re.compile(r"\s*(\[[^\n]*|%[^\n]*)")
_ESCAPED: Final = re.compile(r'\\(["\\])')

_COMMENT: Final = re.compile(r"\{([^}]*)\}")
_MOVE_NUMBERS: Final = frozenset([f"{number}{dots}" for number in range(1, 1000) for dots in (".", "...")])
_TOKEN: Final = re.compile(
    r"""
      (?P<comment>\{[^}]*\}?|;[^\n]*)
    | (?P<escape>^%[^\n]*)
    | (?P<open>\()
    | (?P<close>\))
    | (?P<nag>\$\d{1,3}(?!\d))
    | (?P<glyph>[!?]{1,2})
    | (?P<result>(?:1-0|0-1|1/2-1/2|½-½|1/2)(?![\w/-])|\*)
    | (?P<pawn>[1-9][1-9]\.[1-9](?![\w.=+-]))      # tandem pawns in WXF with a full stop
    | (?P<number>\d+\s*[.．、]+|[.…]+|\d+(?!\S))
    | (?P<word>[^\s(){};!?$*]+)
    | (?P<other>\S)
    """,
    re.VERBOSE | re.MULTILINE,
)
_GLYPHS: Final = {"!": 1, "?": 2, "!!": 3, "??": 4, "!?": 5, "?!": 6}
_ICCS_LIKE: Final = re.compile(r"[a-zA-Z]\d-?[a-zA-Z]\d")

_MOVE_OF_TEXT: Final = {
    text: move
    for move in MOVES
    for dashed in (move.iccs, f"{move.iccs[:2]}-{move.iccs[2:]}")
    for text in (dashed, dashed.upper())
}


def _parse(text: str, first: int) -> Game | None:
    """Return the game of a text that starts in line ``first``, or ``None`` if there is nothing in it."""
    headers: dict[str, str] = {}
    fen, position = STARTING_FEN, 0
    while True:
        match = _TAG.match(text, position) or _SLOPPY_TAG.match(text, position)
        if match is None:
            match = _BROKEN_TAG.match(text, position)
            if match is None:
                break
            if match[1].upper().startswith("[FEN"):
                raise FormatError(f"cannot read the header {match[1].strip()!r:.100}", line=_line(text, match, first))
        else:
            key, value = match[1], match[2]
            headers[key] = _ESCAPED.sub(r"\1", value) if "\\" in value else value
            if key == "FEN" and value.strip():
                try:
                    fen = Board(value).fen()
                except InvalidFenError as error:
                    raise FormatError(str(error), line=_line(text, match, first)) from None
        position = match.end()
    body = text[position:]
    if not headers and not body.strip():
        return None
    ending = _clean(headers)
    game = Game(headers, STARTING_FEN if fen == STARTING_FEN else fen)
    termination = _read_plainly(game, body)
    if termination is None:
        termination = _read_movetext(game, body, first + text.count("\n", 0, position))
    if termination != "*" or ending != "*":
        game.headers["Result"] = ending if ending != "*" else termination
    return game


def _line(text: str, match: re.Match[str], first: int) -> int:
    return first + text.count("\n", 0, match.start(1))


def _clean(headers: dict[str, str]) -> str:
    """Bring headers to their common form and return the result that they claim."""
    for key in [key for key in headers if key == "White" or (key.startswith("White") and key[5].isupper())]:
        headers.setdefault("Red" + key[5:], headers.pop(key))
    for key in ("Game", "Variant", "Format", "FEN", "SetUp"):
        headers.pop(key, None)
    if "Result" in headers:
        headers["Result"] = parse_result(headers["Result"])
    return headers.get("Result", "*")


def _read_plainly(game: Game, body: str) -> str | None:
    """Read a game of legal moves and comments, which is what most of large files are, in few steps.

    Returns its result, or ``None`` for a game with anything else in it.
    """
    moves: list[Move] = []
    board = None  # only names of moves, not squares, have to be looked up on it
    comments: dict[int, list[str]] = {}
    result = None
    texts = _COMMENT.split(body)
    for place, text in enumerate(texts):
        if place % 2:
            if result is None:
                comments.setdefault(len(moves), []).append(_strip_lines(text))
            continue
        for word in text.split():
            if result is not None:
                return None
            move = _MOVE_OF_TEXT.get(word)
            if move is None:
                if word in RESULTS:
                    result = word
                    continue
                if word in _MOVE_NUMBERS:
                    continue
                if board is None:
                    board = game.board()
                    for played in moves:
                        board.push(played)
                if "." in word:  # "1.炮二平五", but not "C2.5"
                    number, _, rest = word.partition(".")
                    word = rest if number.isdecimal() else word
                try:
                    move = parse_wxf(board, word) if word.isascii() else parse_chinese(board, word)
                except (InvalidMoveError, IllegalMoveError, AmbiguousMoveError):
                    return None
            moves.append(move)
            if board is not None:
                board.push(move)
    if count_legal(Board(game.fen), moves) < len(moves):
        return None
    game.add_main_line(moves)
    if comments:
        nodes: list[GameNode] = [game, *game.main_line()]
        for ply, parts in comments.items():
            nodes[ply].comment = " ".join(filter(None, parts))
    return result or "*"


def _read_movetext(game: Game, body: str, first: int) -> str:
    """Read any text of moves and return its result. ``first`` is the number of its first line."""
    board = game.board()
    node: GameNode = game
    left: list[tuple[ChildNode, int]] = []  # the move that each open variation varies, and the ply before it
    comments: dict[GameNode, list[str]] = {}
    start: list[str] | None = None  # not None: a variation has been opened and has no move yet, only these comments
    result = "*"
    for match in _TOKEN.finditer(body):
        kind, token = match.lastgroup, match[0]
        try:
            if kind == "word" or kind == "pawn":
                if token in _RESULT_WORDS:
                    result = parse_result(token)
                    if not left:
                        break
                    continue
                move = _parse_move(board, token)
                board.push(move)
                node = node.add_variation(move)
                if start is not None:
                    node.starting_comment = " ".join(filter(None, start))
                    start = None
            elif kind == "comment":
                (comments.setdefault(node, []) if start is None else start).append(_clean_comment(token))
            elif kind == "open":
                if not isinstance(node, ChildNode) or start is not None:
                    raise _MovetextError("a variation opens where there is no move to vary")
                board.pop()
                left.append((node, board.ply))
                node, start = node.parent, []
            elif kind == "close":
                if not left:
                    raise _MovetextError("a variation closes that was never opened")
                node, ply = left.pop()
                while board.ply > ply:
                    board.pop()
                board.push(node.move)
                if start:  # the variation was nothing but a remark
                    comments.setdefault(node, []).extend(start)
                start = None
            elif kind == "nag":
                node.nags.add(int(token[1:]))
            elif kind == "glyph":
                node.nags.add(_GLYPHS[token])
            elif kind == "result":
                if not left:
                    result = parse_result(token)
                    break
            elif kind == "other":
                raise _MovetextError(f"cannot read {token!r}")
        except (InvalidMoveError, IllegalMoveError, AmbiguousMoveError, _MovetextError) as error:
            raise FormatError(str(error), line=first + body.count("\n", 0, match.start())) from None
    if left:
        raise FormatError("a variation is not closed", line=first + body.rstrip().count("\n"))
    for node, parts in comments.items():
        node.comment = " ".join(filter(None, parts))
    return result


class _MovetextError(ValueError):
    """A fault of the text that is not one of a move."""


_RESULT_WORDS: Final = frozenset(
    ("红胜", "紅勝", "黑胜", "黑勝", "和棋", "和局", "红方胜", "黑方胜", "紅方勝", "黑方勝")
)


def _parse_move(board: Board, word: str) -> Move:
    move = _MOVE_OF_TEXT.get(word)
    if move is not None:
        return move if board.is_legal(move) else board.parse_iccs(word)
    bare = word.rstrip("#+")
    if _ICCS_LIKE.fullmatch(bare):
        return board.parse_iccs(bare)
    if len(word) > 12:
        raise _MovetextError(f"cannot read {word[:12] + '…'!r}")
    return board.parse_wxf(word) if word.isascii() else board.parse_chinese(word)


def _clean_comment(token: str) -> str:
    if token[0] == ";":
        return token[1:].strip()
    if token[-1] != "}" or token == "{":
        raise _MovetextError("a comment is not closed")
    return _strip_lines(token[1:-1])


def _strip_lines(text: str) -> str:
    text = text.strip()
    return "\n".join([line.strip() for line in text.split("\n")]) if "\n" in text else text


# --- Writing ----------------------------------------------------------------------------------------------------------

_ORDER: Final = ("Event", "Site", "Date", "Round", "RedTeam", "Red", "BlackTeam", "Black", "Result")
_FORMATS: Final = {"iccs": "ICCS", "wxf": "WXF", "chinese": "Chinese", "traditional": "Chinese"}
_LINE_BREAKS: Final = re.compile(r"[\r\n]+")
_NAME: Final = re.compile(r'[\s"\[\]%{}]')
_TAG_LIKE: Final = re.compile(r"(?<=\n)\[")


def write(games: Iterable[Game], path: str | os.PathLike[str], notation: Notation = "iccs") -> int:
    """Write games to a file, which appears when all are written, and return how many they were.

    Raises `FormatError` for a move that ``notation`` cannot name because it is not legal.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     write([Game(), Game()], f"{directory}/games.pgn.gz")
    2
    """
    with open_replacing(path) as file:
        return write_to(games, file, notation)


def write_to(games: Iterable[Game], file: BinaryIO, notation: Notation = "iccs") -> int:
    """Write games to an open binary file and return how many they were. Raises as `write`.

    >>> file = io.BytesIO()
    >>> write_to([loads("1. h2e2 h9g7 1-0")], file, "traditional")
    1
    >>> file.getvalue().decode().split()[-3:]
    ['炮二平五', '馬８進７', '1-0']
    """
    count = 0
    for game in games:
        file.write(f"{dumps(game, notation)}\n".encode("utf-8", "replace"))
        count += 1
    return count


def dumps(game: Game, notation: Notation = "iccs") -> str:
    """Return a game as PGN. Raises `FormatError` as `write`.

    >>> print(dumps(loads("1. h2e2 {best by test} (1. b2e2) 1... h9g7 1-0"), "wxf"))
    [Game "Chinese Chess"]
    [Result "1-0"]
    [Format "WXF"]
    <BLANKLINE>
    1. C2=5 {best by test} (1. C8=5) 1... H8+7 1-0
    <BLANKLINE>
    """
    if notation not in _FORMATS:
        raise ValueError(f"no such notation: {notation!r} (expected one of {', '.join(_FORMATS)})")
    headers = {"Game": "Chinese Chess"}
    headers |= {key: game.headers[key] for key in _ORDER if key in game.headers}
    headers |= {_NAME.sub("_", key): value for key, value in game.headers.items() if key not in headers}
    headers["Result"] = game.result
    if game.fen != STARTING_FEN:
        headers["FEN"] = game.fen
    headers["Format"] = _FORMATS[notation]
    lines = [f'[{key} "{_escape(value)}"]' for key, value in headers.items() if key]
    try:
        return "\n".join([*lines, "", _wrap(_tokens(game, notation)), ""])
    except IllegalMoveError as error:
        raise FormatError(f"cannot write in {notation} notation: {error}") from None


def _escape(value: str) -> str:
    return _LINE_BREAKS.sub(" ", value).replace("\\", "\\\\").replace('"', '\\"')


def _wrap(tokens: Iterable[str]) -> str:
    """Join tokens by spaces and line breaks; "(" and ")" cling to what they enclose."""
    parts: list[str] = []
    column, clings = 0, True
    for token in tokens:
        if not (clings or token == ")"):
            wide = column + 1 + len(token) > _WIDTH
            parts.append("\n" if wide else " ")
            column = 0 if wide else column + 1
        parts.append(token)
        newline = token.rfind("\n")
        column = len(token) - newline - 1 if newline >= 0 else column + len(token)
        clings = token == "("
    return "".join(parts)


def _tokens(game: Game, notation: Notation) -> Iterator[str]:
    """Iterate over the words of a game. A list of things to do stands in for recursion, which long games exhaust."""
    board = game.board()
    plies: list[int] = []  # where each open variation began
    needs_number = True
    if game.comment:
        yield _comment(game.comment)
    todo = _continuation(game)
    while todo:
        action, node = todo.pop()
        if action == "open":
            plies.append(board.ply)
            yield "("
            needs_number = True
        elif action == "close":
            ply = plies.pop()
            while board.ply > ply:
                board.pop()
            yield ")"
            needs_number = True
        elif action == "go on":
            board.push(node.move)
            todo += _continuation(node)
        else:
            if node.starting_comment:
                yield _comment(node.starting_comment)
                needs_number = True
            if board.turn == RED or needs_number:
                yield f"{board.fullmove_number}.{'' if board.turn == RED else '..'}"
            yield _move_text(board, node.move, notation)
            needs_number = False
            if node.has_nags():
                yield from [f"${nag}" for nag in sorted(node.nags)]
            if node.comment:
                yield _comment(node.comment)
                needs_number = True
    yield game.result


def _continuation(node: GameNode) -> list[tuple[str, ChildNode]]:
    """Return what there is to write after a node, last things first."""
    if not node.variations:
        return []
    main, *rivals = node.variations
    todo = [("write", main)]
    for rival in rivals:
        todo += [("open", rival), ("write", rival), ("go on", rival), ("close", rival)]
    todo.append(("go on", main))
    return todo[::-1]


def _move_text(board: Board, move: Move, notation: Notation) -> str:
    if notation == "iccs":
        return f"{move.iccs[:2]}-{move.iccs[2:]}".upper()
    if notation == "wxf":
        return board.wxf(move)
    return board.chinese(move, traditional=notation == "traditional")


def _comment(text: str) -> str:
    """Return a comment in braces, none of them within, and no line of it that looks like a header."""
    return "{" + _TAG_LIKE.sub(" [", text.replace("}", "｝").replace("\r", "").strip()) + "}"
