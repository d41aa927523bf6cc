"""CBR records and CBL libraries, built here byte by byte from the public descriptions of the format."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

import xiangqi
from xiangqi import Board, Game
from xiangqi.formats import FormatError, cbl, load, sniff

FILES = Path(__file__).parent / "files"
CODES = {letter: 0x10 + i for i, letter in enumerate("RNBAKCP", 1)}
CODES |= {letter.lower(): code + 0x10 for letter, code in CODES.items()}
END, ALTERNATIVE, COMMENT = 1, 2, 4

Entry = tuple[str, int, str]
"""A move in ICCS, flags without ``COMMENT``, comment."""

TREE: list[Entry] = [
    ("h2e2", ALTERNATIVE, "炮二平五"),
    ("h9g7", END, ""),
    ("b2e2", 0, ""),
    ("h7e7", END | ALTERNATIVE, "顺炮\r\n第二行"),
    ("b9c7", END, ""),
]
TREE_LINES = {"h2e2 h9g7", "b2e2 h7e7", "b2e2 b9c7"}


def code(square: str, version: int) -> int:
    file, row = "abcdefghi".index(square[0]), 9 - int(square[1])
    return file * 16 + row if version == 1 else row * 9 + file


def moves(entries: list[Entry], root_flags: int = 0, root: str = "开局前", version: int = 2) -> bytes:
    body = b""
    for text, flags, comment in [("a9a9", root_flags, root), *entries]:
        raw = comment.encode("utf-16-le")
        body += bytes([flags | COMMENT * bool(raw), 0, code(text[:2], version), code(text[2:], version)])
        body += struct.pack("<I", len(raw)) + raw if raw else b""
    return body


def record(body: bytes, fen: str = xiangqi.STARTING_FEN, version: int = 2, result: int = 1) -> bytes:
    texts = {180: "仙人指路", 692: "五羊杯", 884: "1997-11-16", 948: "广州", 1076: "胡荣华", 1300: "吕钦"}
    tail = 2112
    if version == 1:
        texts = {52: "仙人指路", 564: "五羊杯", 756: "1997-11-16", 820: "广州", 948: "胡荣华", 1172: "吕钦"}
        tail = 1856
    head = bytearray(tail + 102)
    head[:16] = b"CCBridge Record\0"
    head[19] = version
    head[20:52] = b"\xcc" * 32  # CCBridge leaves in the gaps what the memory held
    for offset, text in texts.items():
        raw = text.encode("utf-16-le") + b"\0\0"
        head[offset : offset + len(raw)] = raw
    board = Board(fen)
    head[tail - 36] = result
    head[tail] = 1 + board.turn
    for square in range(90):
        piece = board.piece_at(square)
        head[tail + 8 + (9 - square // 9) * 9 + square % 9] = CODES[piece.symbol()] if piece else 0
    return bytes(head) + body


def library(records: list[bytes], slots: int = 4) -> bytes:
    head = bytearray(66624 + 276 * slots)
    head[:16] = b"CCBridgeLibrary\0"
    struct.pack_into("<I", head, 60, slots)
    return bytes(head) + b"".join(data.ljust(-(-len(data) // 4096) * 4096, b"\0") for data in records)


def lines(game: Game) -> set[str]:
    return {" ".join(step.move.iccs for step in node.line()) for node in game.walk() if not node.variations}


class TestRecord:
    @pytest.mark.parametrize("version", [1, 2])
    def test_tree_comments_and_headers(self, version: int) -> None:
        game = cbl.loads(record(moves(TREE, version=version), version=version))
        assert lines(game) == TREE_LINES
        assert game.comment == "开局前"
        assert [node.comment for node in game.walk()] == ["炮二平五", "", "", "顺炮\n第二行", ""]
        assert game.fen == xiangqi.STARTING_FEN
        assert game.headers == {
            "Title": "仙人指路",
            "Event": "五羊杯",
            "Date": "1997.11.16",
            "Site": "广州",
            "Red": "胡荣华",
            "Black": "吕钦",
            "Result": "1-0",
        }

    def test_text_with_an_odd_pair_of_zeros(self) -> None:
        data = bytearray(record(moves([])))
        raw = "001 一、杀法".encode("utf-16-le")
        assert b"\0\0" in raw
        data[180 : 180 + len(raw) + 2] = raw + b"\0\0"
        assert cbl.loads(bytes(data)).headers["Title"] == "001 一、杀法"

    def test_set_up_position_with_black_to_move(self) -> None:
        fen = "r3k4/9/9/9/9/9/9/9/9/3K5 b - - 0 1"
        assert cbl.loads(record(moves([], END), fen)).fen == fen
        # The first move is more reliable than the field, which programs fill in differently.
        wrong = record(moves([("a9a8", END, "")]), fen.replace(" b ", " w "))
        assert cbl.loads(wrong).fen == fen

    @pytest.mark.parametrize("body", [b"", moves([], END), moves([]), moves([]) + bytes(1800)])
    def test_without_moves(self, body: bytes) -> None:
        assert not cbl.loads(record(body)).variations

    def test_what_follows_the_tree_does_not_matter(self) -> None:
        assert lines(cbl.loads(record(moves(TREE) + b"\xaa" * 999))) == TREE_LINES

    def test_the_file(self) -> None:
        assert sniff(FILES / "tree.cbr") == "cbl"
        (game,) = load(FILES / "tree.cbr")
        assert lines(game) == TREE_LINES

    def test_independent_reader_agrees(self, tmp_path: Path) -> None:
        cchess = pytest.importorskip("cchess")
        data = bytearray(record(moves(TREE, root="")))
        data[2116] = 1  # where cchess looks for the side to move
        (tmp_path / "a.cbr").write_bytes(data)
        read = cchess.Game.read_from(tmp_path / "a.cbr")
        assert {" ".join(line) for line in read.dump_iccs_moves()} == TREE_LINES

    def test_an_unsound_move_costs_its_line_and_no_other(self) -> None:
        tree: list[Entry] = [
            ("h2e2", ALTERNATIVE, "main"),
            ("h9h8", ALTERNATIVE, "bad"),
            ("h0g2", END, ""),
            ("h9g7", END, "good"),
            ("b2e2", END, "other"),
        ]
        game = cbl.loads(record(moves(tree, root="")))
        assert lines(game) == {"h2e2 h9g7", "b2e2"}
        assert [node.comment for node in game.walk()] == ["main", "good", "other"]
        (error,) = game.errors
        assert (error.offset, error.ply) == (2234, 2) and "illegal move 'h9h8': the piece" in error.reason

    def test_unknown_piece(self) -> None:
        data = bytearray(record(moves(TREE)))
        data[2120 + 5] = 0x18
        with pytest.raises(FormatError, match="byte 2125: unknown piece code 0x18"):
            cbl.loads(bytes(data))

    def test_unknown_version(self) -> None:
        data = bytearray(record(moves(TREE)))
        data[19] = 3
        with pytest.raises(FormatError, match="byte 19: CBR records of version 3"):
            cbl.loads(bytes(data))

    @pytest.mark.parametrize("size", [17, 2000, 2213])
    def test_header_cut_off(self, size: int) -> None:
        with pytest.raises(FormatError, match=r"byte \d+: the header .*ends"):
            cbl.loads(record(moves(TREE))[:size])

    @pytest.mark.parametrize(
        ("size", "place", "found"),
        [
            (2216, 2214, ""),
            (2220, 2218, ""),
            (2235, 2232, "h2e2"),
            (2250, 2248, "h2e2 h9g7"),
            (2258, 2256, "h2e2 h9g7"),
        ],
    )
    def test_moves_cut_off(self, size: int, place: int, found: str) -> None:
        game = cbl.loads(record(moves(TREE))[:size])
        assert " ".join(move.iccs for move in game.moves()) == found
        (error,) = game.errors
        assert error.offset == place and "the record ends in the middle of the game" in error.reason

    def test_tree_without_root(self) -> None:
        game = cbl.loads(record(moves(TREE, root="")[4:]))
        assert "byte 2214: the root of a CBR record must have two equal squares" in str(*game.errors)
        assert (game.moves(), game.headers["Red"]) == ([], "胡荣华")


class TestLibrary:
    def test_all_games_in_order(self, tmp_path: Path) -> None:
        long = [("a0a1", 0, "长" * 1200), ("a9a8", 0, ""), ("a1a0", 0, "x" * 1500), ("a8a9", END, "")]
        path = tmp_path / "a.CBL"
        path.write_bytes(library([record(moves(TREE)), record(moves(long)), record(moves([], END), result=3)]))
        assert sniff(path) == "cbl"
        games = list(load(path))
        assert [len(game.moves()) for game in games] == [2, 4, 0]
        assert [game.result for game in games] == ["1-0", "1-0", "1/2-1/2"]
        assert games[1].variations[0].comment == "长" * 1200

    @pytest.mark.parametrize("slots", [1, 128, 140])
    def test_index_of_any_size(self, slots: int, tmp_path: Path) -> None:
        (tmp_path / "a.cbl").write_bytes(library([record(moves(TREE))] * 2, slots))
        assert len(list(load(tmp_path / "a.cbl"))) == 2

    def test_wrong_number_of_slots(self, tmp_path: Path) -> None:
        data = bytearray(library([record(moves(TREE))] * 2))
        struct.pack_into("<I", data, 60, 4_000_000_000)
        (tmp_path / "a.cbl").write_bytes(data)
        assert len(list(load(tmp_path / "a.cbl"))) == 2

    def test_broken_record_is_reported_and_the_next_one_read(self, tmp_path: Path) -> None:
        broken = record(moves([("a0a1", 0, ""), ("a0a1", END, "")], root=""))
        path = tmp_path / "a.cbl"
        path.write_bytes(library([record(moves(TREE)), broken, record(moves(TREE))]))
        errors: list[FormatError] = []
        games = list(load(path, errors.append))
        assert [len(game.moves()) for game in games] == [2, 1, 2]
        assert [(error.game, error.offset, error.ply) for error in errors] == [(2, 66624 + 4 * 276 + 4096 + 2222, 2)]
        assert games[1].errors == errors
        assert "a.cbl, game 2, byte" in str(errors[0]) and "illegal move 'a0a1'" in str(errors[0])

    def test_a_record_that_cannot_be_read_is_reported_and_the_next_one_read(self, tmp_path: Path) -> None:
        unknown = bytearray(record(moves(TREE)))
        unknown[19] = 3
        path = tmp_path / "a.cbl"
        path.write_bytes(library([record(moves(TREE)), bytes(unknown), record(moves(TREE))]))
        errors: list[FormatError] = []
        assert len(list(load(path, errors.append))) == 2
        assert [error.game for error in errors] == [2] and "version 3" in errors[0].reason

    def test_a_record_without_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cbl, "MAX_RECORD", 1 << 20)
        endless = record(moves(TREE)) + bytes(3 << 20)
        path = tmp_path / "a.cbl"
        path.write_bytes(library([record(moves(TREE)), endless, record(moves(TREE))]))
        errors: list[FormatError] = []
        assert len(list(load(path, errors.append))) == 2
        assert [(error.game, error.reason) for error in errors] == [(2, "a record of more than 1 MiB")]

    def test_empty_library(self, tmp_path: Path) -> None:
        (tmp_path / "a.cbl").write_bytes(library([]))
        assert list(load(tmp_path / "a.cbl")) == []

    def test_cut_off_header(self, tmp_path: Path) -> None:
        (tmp_path / "a.cbl").write_bytes(library([])[:50])
        with pytest.raises(FormatError, match=r"a\.cbl, byte 50: the header of the CBL library is cut off"):
            list(load(tmp_path / "a.cbl"))
