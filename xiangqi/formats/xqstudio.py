"""The text that XQStudio (象棋演播室) copies and saves: one game as it is printed.

    ----------------------------------------------------
    标题: 五羊杯
    红方: 胡荣华
    黑方: 吕钦
    结果: 红方胜
    ----------------------------------------------------
      1. 炮二平五  马８进７    2. 马二进三  …………

    红方跳正马。

      2. …………  车９平８
    ----------------------------------------------------
    棋谱由XQStudio生成 (http://www.qipaile.net/xqstudio)

A line that does not begin with a number and a move is part of a remark on the move before it. A move that follows a
remark is preceded by ``…………``. The text has no starting position: a game that begins in another one than the initial
position cannot be read. Variations are not in it either.

Sources: the source of XQStudio (XQTable.pas), and a published text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Final

from xiangqi.board import STARTING_FEN
from xiangqi.formats import pgn
from xiangqi.formats.errors import ErrorHandler, Faults, FormatError, log_error
from xiangqi.formats.movetext import read_game
from xiangqi.formats.records import pgn_date
from xiangqi.formats.streams import Source, open_lines, source_name
from xiangqi.formats.text import TextDecoder, clean_header, parse_result
from xiangqi.game import Game

SUFFIXES: Final = (".txt",)

MAX_GAME: Final = 8 << 20
"""Largest size in bytes of a game's text: a bound on memory."""

_TEXTS: Final = {
    "标题": "Title",
    "赛事": "Event",
    "日期": "Date",
    "地点": "Site",
    "红方": "Red",
    "黑方": "Black",
    "结果": "Result",
    "评论": "Annotator",
    "作者": "Author",
}
_HEADER: Final = re.compile(rf"\s*({'|'.join(_TEXTS)})\s*[:：](.*)")
_RULE: Final = re.compile(r"\s*[-=—─－]{10,}\s*")
_MAKER: Final = re.compile(r"\s*棋谱由\s*XQStudio\s*生成.*", re.IGNORECASE)
_MOVES: Final = re.compile(r"\s*\d{1,3}\s*[.．]\s*(?:…{2,}|[^\s\d.]\S?\S?[进進退平][一二三四五六七八九1-9１-９])")
_GAP: Final = re.compile("…{2,}")
_NO_MOVES: Final = "*** 没有棋谱记录!"


def sniff(head: bytes) -> bool:
    """Whether a file that starts with these bytes begins like a text of XQStudio, or names it as its maker."""
    if pgn.begins(head) and b"XQStudio" not in head:
        return False
    lines = [line for line in TextDecoder().decode(head).splitlines() if line.strip()]
    if not lines or lines[0].lstrip("\ufeff \t")[:1] in "[{":
        return False
    if any(_MAKER.fullmatch(line) for line in lines):
        return True
    return (
        len(lines) > 1
        and (_RULE.fullmatch(lines[0]) is not None or _HEADER.fullmatch(lines[0]) is not None)
        and any(_MOVES.match(line) for line in lines)
    )


def read(source: Source, on_error: ErrorHandler = log_error, encoding: str | None = None) -> Iterator[Game]:
    """Iterate over the games of a file: one, or several copied one after another.

    ``on_error`` is called with faults of the moves and with games that cannot be read. ``encoding`` is that of the
    file, if it is not UTF-8, UTF-16, GB18030 or Big5.
    """
    path = source_name(source)
    decoder = TextDecoder()
    with open_lines(source, encoding) as file:
        for number, (first, data) in enumerate(_blocks(file, decoder), 1):
            faults = Faults(path, number)
            if data is None:
                on_error(faults.error(f"a game of more than {MAX_GAME >> 20} MiB", line=first))
            else:
                yield _parse(data, first, faults).reported(on_error)


def loads(text: str) -> Game:
    """Return the first game of a text. Faults of its moves are in its ``errors``.

    Raises ``FormatError`` if there is nothing in the text.

    >>> game = loads("红方: 胡荣华\\n----------\\n  1. 炮二平五  …………\\n\\n好棋\\n\\n  1. …………  马８进７")
    >>> game.headers, [(node.move.iccs, node.comment) for node in game.main_line()]
    ({'Red': '胡荣华', 'Result': '*'}, [('h2e2', '好棋'), ('h9g7', '')])
    """
    with open_lines(io.StringIO(text)) as file:
        for first, data in _blocks(file, TextDecoder()):
            if data is None:
                raise FormatError(f"a game of more than {MAX_GAME >> 20} MiB", line=first)
            return _parse(data, first, Faults())
    raise FormatError("there is no game in the text")


def _blocks(file: io.BufferedReader, decoder: TextDecoder) -> Iterator[tuple[int, list[str] | None]]:
    """Iterate over the games as ``(number of the first line, lines)``; the lines are ``None`` if there are too many.

    A game ends with the line that names the program, if there is one.
    """
    lines: list[str] = []
    size, number, first, anything = 0, 1, 1, False
    while line := file.readline(MAX_GAME):
        size += len(line)
        text = decoder.decode(line).rstrip("\n") if size <= MAX_GAME else ""
        lines.append(text)
        anything = anything or not (text.isspace() or text == "")
        number += line.endswith(b"\n")
        if size > MAX_GAME:
            lines.clear()
        elif _MAKER.fullmatch(text):
            yield first, lines
            lines, size, first, anything = [], 0, number, False
    if size > MAX_GAME:
        yield first, None
    elif anything:
        yield first, lines


def _parse(lines: list[str], first: int, faults: Faults) -> Game:
    """Return the game of these lines, the first of which has the number ``first``."""
    headers: dict[str, str] = {}
    body: list[str] = []  # as movetext: remarks become comments in braces
    in_head, in_remark = True, False
    for line in lines:
        header = _HEADER.fullmatch(line) if in_head else None
        if header:
            headers[_TEXTS[header[1]]] = clean_header(header[2])
        blank = header or not line.strip() or _RULE.fullmatch(line) or _MAKER.fullmatch(line) or _NO_MOVES in line
        is_moves = not blank and _MOVES.match(line) is not None
        if blank:
            line = ""
        elif not is_moves:
            in_head = False
            line = line.replace("{", "｛").replace("}", "｝")
            line = line if in_remark else "{" + line
            in_remark = True
        else:
            in_head = False
            if in_remark:
                body[-1] += "}"
            in_remark = False
            line = _GAP.sub(" ", line)  # otherwise the remark would be one on the move that comes next
        body.append(line)
    if in_remark:
        body[-1] += "}"
    headers["Date"] = pgn_date(headers.get("Date", ""))
    headers["Result"] = parse_result(headers.get("Result", ""))
    headers = {name: text for name, text in headers.items() if text}
    game, result = read_game(headers, STARTING_FEN, "\n".join(body), first, faults)
    if result != "*" and game.result == "*":
        game.result = result
    return game
