"""PGN for xiangqi: moves in ICCS, WXF or Chinese, in UTF-8, GB18030 or Big5, with comments, variations and glyphs.

Headers are kept, with four exceptions: ``White`` becomes ``Red`` (``WhiteElo`` becomes ``RedElo``), results are
converted to ``1-0``, ``0-1``, ``1/2-1/2`` or ``*``, the starting position goes to ``Game.fen``, and ``Game``,
``Variant`` and ``Format`` are dropped. Their brackets may be full-width, 【】 or ［］. The notation of each move is
detected, whatever ``Format`` is. A null move (a pass) is written ``--``; ``Z0``, ``0000``, ``00-00`` and ``@@@@`` are
read as well. A comment between a move number and its move is the comment before the move.

An unsound move ends its line: it is dropped with the moves that follow it. Variations from earlier moves are kept.
Games are written by `xiangqi.formats.pgn_writer`.

Source of the format: https://www.xqbase.com/protocol/cchess_pgn.htm, and otherwise the PGN standard of 1994 (http://www.saremba.de/chessgml/standards/pgn/pgn-complete.htm).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from xiangqi.board import STARTING_FEN, Board
from xiangqi.fen import InvalidFenError
from xiangqi.formats.errors import ErrorHandler, Faults, FormatError, log_error
from xiangqi.formats.pgn_writer import Notation, dumps, write, write_to
from xiangqi.formats.streams import Source, open_lines, source_name
from xiangqi.formats.text import TextDecoder, clean_comment, one_line, parse_result
from xiangqi.game import RESULTS, ChildNode, Game, GameNode, count_legal
from xiangqi.move import MOVES, NULL_MOVE, AmbiguousMoveError, IllegalMoveError, InvalidMoveError, Move
from xiangqi.notation import parse_chinese, parse_wxf

__all__ = ["SUFFIXES", "Notation", "begins", "dumps", "loads", "read", "sniff", "write", "write_to"]

SUFFIXES: Final = (".pgn",)

MAX_GAME: Final = 8 << 20
"""Largest size in bytes of a game's text: a bound on memory."""


def sniff(head: bytes) -> bool:
    """Whether a file that starts with these bytes looks like PGN."""
    return begins(head) or _TAG_START.search(head.replace(b"\r", b"\n")) is not None


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
_FIRST_MOVE: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*" + _ONE + rb"\s*[^\s\d.]")
_BEGINNING: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?(?>\s+|\{[^}]*\}|[;%][^\n]*\n)*+(?:" + _TAG_START.pattern[1:] + rb"|" + _ONE + rb"\s*[^\s\d.])"
)
_NO_MOVES: Final = re.compile(rb"[ \t]*(?:[%;]|\[[^\]\n]*(?:\]\s*)?$)")
"""A line before the moves without a move: a comment or a malformed header."""
_RESULTS: Final = tuple(result.encode() for result in RESULTS)


def _blocks(file: io.BufferedReader) -> Iterator[tuple[int, bytes | None]]:
    """Iterate over the games as ``(number of the first line, text)``; the text is ``None`` if it is too long.

    A new game starts with a tag after moves, with a repeated tag after a blank line, or, without tags, with move 1
    after a result. Other blank lines are ignored, because some programs write them anywhere. Within a comment only a
    tag at the very start of a line counts, so that reading recovers after a comment that is not closed.
    """
    text = bytearray()
    tags: set[bytes] = set()
    size, number, first = 0, 1, 1
    has_moves = in_comment = ended = after_blank = False
    while line := file.readline(MAX_GAME):
        is_blank = line.isspace()
        tag = _TAG_START.match(line) if b'"' in line else None
        if (
            (has_moves and tag and not (in_comment and line[:1].isspace()))
            or (after_blank and tag and not has_moves and tag[1] in tags)
            or (ended and _FIRST_MOVE.match(line))
        ):
            yield first, bytes(text) if size <= MAX_GAME else None
            text.clear()
            tags.clear()
            size, first = 0, number
            has_moves = in_comment = ended = False
        if tag and not has_moves:
            tags.add(tag[1])
        after_blank = is_blank
        if not (is_blank or (tag and line.rstrip().endswith(_CLOSING)) or (not has_moves and _NO_MOVES.match(line))):
            has_moves = True
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


def read(source: Source, on_error: ErrorHandler = log_error) -> Iterator[Game]:
    """Iterate over the games of a PGN file, with one in memory at a time.

    ``on_error`` is called with faults of the moves and with games that cannot be read at all. Raises `FormatError` if
    the compression is broken, ``OSError`` if the path cannot be opened.

    >>> import io
    >>> games = read(io.StringIO('[Red "A"]  1. H2-E2 H9-G7  1-0'))
    >>> [(game.headers["Red"], game.result, len(game.moves())) for game in games]
    [('A', '1-0', 2)]
    """
    path = source_name(source)
    decoder = TextDecoder()
    with open_lines(source) as file:
        for number, (first, data) in enumerate(_blocks(file), 1):
            faults = Faults(path, number)
            try:
                if data is None:
                    raise faults.error(f"a game of more than {MAX_GAME >> 20} MiB", line=first)
                game = _parse(decoder.decode(data), first, faults)
            except FormatError as error:
                on_error(error)
            else:
                if game is not None:
                    yield game.reported(on_error)


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
            game = _parse(data.decode("utf-8-sig"), first, Faults())
            if game is not None:
                return game
    raise FormatError("there is no game in the text")


# --- Reading one game -------------------------------------------------------------------------------------------------

_TAG: Final = re.compile(r'\s*[\[【［]\s*([^\s"\[\]%{}]+)\s*"((?:[^"\\\n]|\\.)*)"\s*[\]】］]')
_SLOPPY_TAG: Final = re.compile(r'\s*[\[【［]\s*([^\s"\[\]%{}]+)\s*"(.*)"[^\S\n]*[\]】］][^\S\n]*$', re.MULTILINE)
"""A tag whose value has unescaped quotation marks or backslashes."""
_BROKEN_TAG: Final = re.compile(r"\s*([\[【［%][^\n]*)")
_REMARK_LINE: Final = re.compile(r"\s*;([^\n]*)")
_ESCAPED: Final = re.compile(r'\\(["\\])')

_COMMENT: Final = re.compile(r"\{([^}]*)\}")
_MOVE_NUMBERS: Final = frozenset([f"{number}{dots}" for number in range(1, 1000) for dots in (".", "...")])
_TOKEN: Final = re.compile(
    r"""
      (?P<comment>\{[^}]*\}?|;[^\n]*)
    | (?P<escape>^%[^\n]*)
    | (?P<open>\()
    | (?P<close>\))
    | (?P<nag>\$\d{1,9}(?!\d))
    | (?P<glyph>[!?]{1,2})
    | (?P<null>(?:--|[Zz]0|0000|00-00|@@@@)(?![^\s(){};!?$*]))
    | (?P<result>(?:1[-:]0|0[-:]1|1/2-1/2|½-½|1/2)(?![\w/-])|\*)
    | (?P<pawn>[1-9][1-9]\.[1-9](?![\w.=+-]))      # tandem pawns in WXF with a full stop
    | (?P<number>\d+\s*[.:、…]+|[.…]+|\d+(?![^\s,、。]))
    | (?P<pause>[,、。:]+)
    | (?P<word>[^\s(){};!?$*,、。]+)
    | (?P<other>\S)
    """,
    re.VERBOSE | re.MULTILINE,
)
_PIECES: Final = re.compile(r"\{[^}]*\}?|｛[^｝]*｝?|;[^\n]*|[^{｛;]+")
_HALF_WIDTH: Final[dict[int, int | str]] = (
    {0xFF00 + code: 0x20 + code for code in range(1, 95)}
    | dict.fromkeys(map(ord, "–−‐‑"), "-")
    | dict.fromkeys(map(ord, "\u3000；"), " ")
)
_GLYPHS: Final = {"!": 1, "?": 2, "!!": 3, "??": 4, "!?": 5, "?!": 6}
_ICCS_LIKE: Final = re.compile(r"[a-zA-Z]\d-?[a-zA-Z]\d")

_MOVE_OF_TEXT: Final = {
    text: move
    for move in MOVES
    for dashed in (move.iccs, f"{move.iccs[:2]}-{move.iccs[2:]}")
    for text in (dashed, dashed.upper())
} | dict.fromkeys(("--", "Z0", "0000", "00-00", "@@@@"), NULL_MOVE)


def _parse(text: str, first: int, faults: Faults) -> Game | None:
    """Return the game of a text that starts in line ``first``, or ``None`` if the text is empty."""
    headers: dict[str, str] = {}
    remarks: list[str] = []
    fen, position = STARTING_FEN, 0
    while True:
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
    body = text[position:]
    if not headers and not body.strip():
        return None
    ending = _clean(headers)
    game = Game(headers, fen)
    termination = _read_plainly(game, body)
    if termination is None:
        termination = _read_movetext(game, body, first + text.count("\n", 0, position), faults)
    if not headers and not game.variations and faults.errors:
        raise faults.errors[0]
    if remarks:
        game.comment = " ".join(filter(None, [*remarks, game.comment]))
    if termination != "*" or ending != "*":
        game.headers["Result"] = ending if ending != "*" else termination
    game.errors = faults.errors
    return game


def _line(text: str, match: re.Match[str], first: int) -> int:
    return first + text.count("\n", 0, match.start(1))


def _clean(headers: dict[str, str]) -> str:
    """Normalize the headers in place and return their result."""
    for key in [key for key in headers if key == "White" or (key.startswith("White") and key[5].isupper())]:
        headers.setdefault("Red" + key[5:], headers.pop(key))
    for key in ("Game", "Variant", "Format", "FEN", "SetUp"):
        headers.pop(key, None)
    if "Result" in headers:
        headers["Result"] = parse_result(headers["Result"])
    return headers.get("Result", "*")


def _read_plainly(game: Game, body: str) -> str | None:
    """Read a game of legal moves and comments only: a fast path for most games of large files.

    Returns the result, or ``None`` if the game has anything else.
    """
    if body.rfind("{") > body.rfind("}"):  # unclosed braces would make the search quadratic
        return None
    moves: list[Move] = []
    board = None  # needed for WXF and Chinese moves only
    comments: dict[int, list[str]] = {}
    result = None
    texts = _COMMENT.split(body)
    for place, text in enumerate(texts):
        if place % 2:
            if texts[place - 1].rstrip().endswith((".", "…")):  # a comment before a move
                return None
            if result is None:
                comments.setdefault(len(moves), []).append(_clean_comment(text))
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


class _Left(NamedTuple):
    """The state to restore when an open variation ends."""

    node: GameNode
    skipped: int
    opened: bool
    ply: int
    """Ply of the board where the variation begins."""
    varied: Move | None
    """The move that was taken back for the variation, or ``None`` if it was not played."""


def _read_movetext(game: Game, body: str, first: int, faults: Faults) -> str:
    """Read any movetext and return its result. ``first`` is the number of its first line."""
    if not body.isascii():
        body = _PIECES.sub(_half_width, body)
    board = game.board()
    node: GameNode = game
    skipped = 0  # moves of this line from the unsound one on, which are skipped with their comments and glyphs
    opened = numbered = False  # the last token but comments opened a variation, or was a move number
    before: list[str] = []  # comments before the next move
    left: list[_Left] = []
    buried = 0  # open variations within the skipped part
    comments: dict[GameNode, list[str]] = {}
    result = last_result = "*"

    def report(reason: object) -> None:
        if not faults.is_full():
            faults.add(str(reason), line=first + body.count("\n", 0, match.start()), ply=board.ply + 1)

    for match in _TOKEN.finditer(body):
        kind, token = match.lastgroup, match[0]
        if kind == "result" or token in _RESULT_WORDS:
            last_result = parse_result(token)
            if not left and not buried:
                result = last_result
                break
        elif kind in ("word", "pawn", "null"):
            if not skipped:
                try:
                    move = NULL_MOVE if kind == "null" else _parse_move(board, token)
                except (InvalidMoveError, IllegalMoveError, AmbiguousMoveError) as error:
                    report(error)
                else:
                    board.push(move)
                    node = node.add_variation(move)
                    node.starting_comment = " ".join(filter(None, before))
                    opened, numbered, before = False, False, []
                    continue
            skipped += 1
            opened, numbered, before = False, False, []
        elif kind == "open" and skipped > 1:
            buried += 1
        elif kind == "close" and buried:
            buried -= 1
        elif kind == "open":
            if numbered and before:
                comments.setdefault(node, []).extend(before)
            varied = None
            if skipped == 0 and not opened and isinstance(node, ChildNode):
                varied = board.pop()
            elif skipped == 0:
                report("a variation opens where there is no move to vary")
            left.append(_Left(node, skipped, opened, board.ply, varied))
            # Variations that replace the unsound move itself can be read; those of later moves cannot.
            opened = varied is not None or skipped == 1
            node = node.parent if varied is not None else node  # type: ignore[assignment]
            skipped, numbered, before = 0 if opened else 2, False, []
        elif kind == "close":
            if not left:
                if not skipped:
                    report("a variation closes that was never opened")
                continue
            remark = before if opened else []  # the variation held only a comment
            node, skipped, opened, ply, varied = left.pop()
            while board.ply > ply:
                board.pop()
            if varied is not None:
                board.push(varied)
            if remark and not skipped:
                comments.setdefault(node, []).extend(remark)
            numbered, before = False, []
        elif skipped:
            continue
        elif kind == "comment":
            text = token[1:] if token[0] == ";" else token[1:-1]
            if token[0] == "{" and (token[-1] != "}" or token == "{"):
                report("a comment is not closed")
                text = token[1:]
            (before if opened or numbered else comments.setdefault(node, [])).append(_clean_comment(text))
        elif kind == "number":
            numbered = True
        elif kind == "nag":
            node.nags.add(int(token[1:]))
        elif kind == "glyph":
            node.nags.add(_GLYPHS[token])
        elif kind == "other":
            report(f"cannot read {token!r}")
    if left or buried:
        result = last_result
        faults.add("a variation is not closed", line=first + body.rstrip().count("\n"))
    if before:
        comments.setdefault(node, []).extend(before)
    for node, parts in comments.items():
        node.comment = " ".join(filter(None, parts))
    return result


def _half_width(match: re.Match[str]) -> str:
    """Return a piece of movetext with half-width punctuation, letters and digits; comments are not changed."""
    text = match[0]
    if text[0] == "｛":
        return "{" + text[1:].rstrip("｝").replace("}", "｝") + "}" * text.endswith("｝")
    return text if text[0] in "{;" else text.translate(_HALF_WIDTH)


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
        raise InvalidMoveError(f"cannot read {word[:12] + '…'!r}")
    return board.parse_wxf(word) if word.isascii() else board.parse_chinese(word)


def _clean_comment(text: str) -> str:
    text = clean_comment(text)
    return "\n".join([line.strip() for line in text.split("\n")]) if "\n" in text else text
