"""CBF: the XML records of CCBridge (象棋桥), the format of a widely used collection of master games.

    <ChineseChessRecord Version="1.0">
      <Head> <Name>…</Name> <Red>…</Red> <RecordResult>1</RecordResult> <FEN>…</FEN> … </Head>
      <MoveList> <Move value="00-00"/> <Move value="77-47"/> … <Move value="40-50" end="1"/> </MoveList>
    </ChineseChessRecord>

A square is two digits, file from Red's left and rank from the top. The first move, ``00-00``, stands for the starting
position. Sources: the public readers and writers of that collection's files (cchess, icyElephant). Those files have one
line of moves and no comments.

Verified: 452 games of published CBF, CBL and CBR files are the same as another reader's. Not verified: variations and
comments, because no such file is known. By analogy with CBR, ``end="1"`` ends a line, any
other attribute with the value 1 announces a variation that replaces the move, and text inside a move is a comment.
Moves after the end of a line without an announced variation are a fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NoReturn
from xml.parsers import expat

from xiangqi.board import Board
from xiangqi.fen import InvalidFenError
from xiangqi.formats.errors import ErrorHandler, Faults, log_error
from xiangqi.formats.records import RESULTS, Step, build_game, pgn_date
from xiangqi.formats.streams import Source, open_bytes, read_whole, source_name
from xiangqi.formats.text import TextDecoder, clean_comment, clean_header
from xiangqi.game import Game
from xiangqi.move import Square

SUFFIXES: Final = (".cbf",)
_ROOT: Final = "ChineseChessRecord"
_BEGINNING: Final = re.compile(rf"\s*(?:(?><\?.*?\?>|<!--.*?-->|<!DOCTYPE[^<>]*>)\s*)*+<{_ROOT}[\s/>]", re.DOTALL)
_MOVE: Final = re.compile(r"([0-8])([0-9])-([0-8])([0-9])")
_TEXTS: Final = {
    "Name": "Title",
    "From": "Source",
    "Contest": "Event",
    "Round": "Round",
    "Group": "Group",
    "Table": "Board",
    "Date": "Date",
    "Site": "Site",
    "TimeRule": "TimeControl",
    "Red": "Red",
    "RedTeam": "RedTeam",
    "RedTime": "RedTime",
    "RedRating": "RedElo",
    "Black": "Black",
    "BlackTeam": "BlackTeam",
    "BlackTime": "BlackTime",
    "BlackRating": "BlackElo",
    "Commentator": "Annotator",
    "Creator": "Author",
    "ECCO": "ECCO",
    "ResultType": "Termination",
}


def sniff(head: bytes) -> bool:
    """Whether a file that starts with these bytes is XML with a CBF record as its root."""
    return _BEGINNING.match(_decode(head[:4096])) is not None


def read(source: Source, on_error: ErrorHandler = log_error, encoding: str | None = None) -> Iterator[Game]:
    """Yield the one game of a CBF file.

    ``on_error`` is called with faults of its moves and with XML errors after the header. Raises ``FormatError`` if the
    file is not CBF or the position cannot be read.
    """
    path = source_name(source)
    with open_bytes(source) as file:
        game = loads(read_whole(file, path), path, encoding)
    yield game.reported(on_error)


def loads(data: bytes, path: str | None = None, encoding: str | None = None) -> Game:
    """Return the game in the bytes of a CBF file; errors name ``path``.

    ``encoding`` replaces the one that the file declares. Faults are in the game's ``errors``. Raises ``FormatError``
    like `read`.

    >>> moves = '<MoveList><Move value="00-00"/><Move value="77-47"/></MoveList>'
    >>> loads(f"<ChineseChessRecord>{moves}</ChineseChessRecord>".encode()).moves()
    [Move.from_iccs('h2e2')]
    """
    return _Reader(_decode(data, encoding), path).game()


class _Reader:
    """One pass of the XML parser over a file. It is event-driven, so deep nesting costs no stack."""

    def __init__(self, text: str, path: str | None) -> None:
        self.faults = Faults(path)
        self.open: list[str] = []
        self.text: list[str] = []
        self.head: dict[str, str] = {}
        self.fen_line = 1
        self.moves: list[tuple[dict[str, str], str, int]] = []
        self.attributes: dict[str, str] = {}
        self.line = 1
        self.parser = expat.ParserCreate("utf-8")  # overrides the declared encoding: the text is decoded already
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text.append
        self.parser.StartDoctypeDeclHandler = self.doctype
        try:
            self.parser.Parse(text.encode("utf-8", "replace"), True)
        except expat.ExpatError as error:
            reason = f"broken XML: {expat.ErrorString(error.code)}"
            if not self.head and not self.moves:
                self.fail(error.lineno, reason)
            self.report(error.lineno, reason)

    def fail(self, place: int, reason: str) -> NoReturn:
        raise self.faults.error(reason, line=place)

    def report(self, place: int, reason: str, ply: int | None = None) -> None:
        self.faults.add(reason, line=place, ply=ply)

    def doctype(self, *_: object) -> None:
        self.fail(self.parser.CurrentLineNumber, "a document type is not allowed in a CBF file")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.open and name != _ROOT:
            self.fail(self.parser.CurrentLineNumber, f"not a CBF file: its root is {name!r}, not {_ROOT!r}")
        self.open.append(name)
        self.text.clear()
        if name == "Move":
            self.attributes, self.line = attributes, self.parser.CurrentLineNumber

    def end(self, name: str) -> None:
        text = "".join(self.text)
        self.text.clear()
        if len(self.open) == 3 and self.open[1] == "Head":
            self.head[name] = text
            if name == "FEN":
                self.fen_line = self.parser.CurrentLineNumber
        elif len(self.open) == 3 and self.open[1] == "MoveList" and name == "Move":
            self.moves.append((self.attributes, text, self.line))
        self.open.pop()

    def steps(self) -> Iterator[Step]:
        """Yield the moves, without the one that stands for the starting position."""
        last = len(self.moves) - 1
        waiting = 0
        for i, (attributes, text, line) in enumerate(self.moves):
            value = attributes.get("value", "").strip()
            if i == 0 and value == "00-00":
                continue
            continued = attributes.get("end", "0") != "1" and i < last
            alternative = any(value == "1" for name, value in attributes.items() if name not in ("value", "end"))
            origin = target = -1
            fault = ""
            if match := _MOVE.fullmatch(value):
                origin, target = _square(match[1], match[2]), _square(match[3], match[4])
            else:
                fault = f"expected a move like '77-47', found {value!r:.40}"
            waiting += alternative
            if not continued:
                if waiting == 0 and i < last:
                    self.report(self.moves[i + 1][2], "a move after the end of the line, with no alternative announced")
                if waiting and i == last:
                    self.report(line, "the moves end before an alternative that was announced")
                waiting -= 1
            yield Step(origin, target, continued, alternative, clean_comment(text), line, fault)

    def headers(self) -> dict[str, str]:
        headers = {}
        for element, header in _TEXTS.items():
            if text := clean_header(self.head.get(element, "")):
                headers[header] = text
        if date := pgn_date(headers.pop("Date", "")):
            headers["Date"] = date
        result = self.head.get("RecordResult", "").strip()
        headers["Result"] = RESULTS[int(result)] if result in ("1", "2", "3") else "*"
        return headers

    def game(self) -> Game:
        try:
            board = Board(fen) if (fen := self.head.get("FEN", "").strip()) else Board()
        except InvalidFenError as error:
            self.fail(self.fen_line, str(error))
        comment = ""
        if self.moves and self.moves[0][0].get("value", "").strip() == "00-00":
            comment = clean_comment(self.moves[0][1])
        game = build_game(self.headers(), board.piece_map(), board.turn, self.steps(), comment, self.report)
        game.errors = self.faults.errors
        return game


def _decode(data: bytes, encoding: str | None = None) -> str:
    """Decode by ``encoding``, by the declared encoding if that is a Chinese one, or by detection."""
    if encoding is not None:
        return data.decode(encoding, "replace")
    declared = re.match(rb"""<\?xml[^>]{0,200}encoding=["'](gb2312|gbk|gb18030|big5)["']""", data, re.IGNORECASE)
    if declared:
        return data.decode("big5" if declared[1].lower() == b"big5" else "gb18030", "replace")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return TextDecoder().decode(data)


def _square(file: str, row: str) -> Square:
    return (9 - int(row)) * 9 + int(file)
