"""XQF: the published example, encrypted files of all versions, our files read by cchess, and broken files."""

from __future__ import annotations

import io
import random
import struct
from pathlib import Path

import pytest

import xiangqi
from xiangqi import NULL_MOVE, Board, Game, Move
from xiangqi.formats import FormatError, load, save, sniff, xqf

FILES = Path(__file__).parent / "files"
SQUARES = (80, 70, 60, 50, 40, 30, 20, 10, 0, 72, 12, 83, 63, 43, 23, 3)
BLACK_SQUARES = (9, 19, 29, 39, 49, 59, 69, 79, 89, 17, 77, 6, 26, 46, 66, 86)

# The moves of the example at the end of XQF.TXT (Dong Shiwei, 2001) as that text prints their bytes.
PUBLISHED = """
18 20 F0 FF 2F 38 F0 00 67 63 F0 00 57 60 F0 00 29 3B F0 00 2C 4A F0 00 2B 27 F0 00 22 36 F0 00 21 33 F0 00
18 2A F0 00 2B 2F F0 00 24 22 F0 00 27 6B F0 00 60 6D F0 00 33 6D F0 00 5E 5E F0 00 71 6F 00 00
"""
PUBLISHED_MOVES = "c3c4 h9g7 g3g4 b7c7 c0e2 b9a7 b0c2 a9b9 a0b0 b9b5 b2a2 b5h5 h2h7 c7h7 h0g2 i9h9"

Tree = tuple[int, int, bool, bool, str]
"""Origin and target as ``file * 10 + rank``, continued, alternative, comment."""

TREE: list[Tree] = [
    (0, 0, True, False, "开局前"),
    (72, 42, True, True, "炮二平五"),
    (79, 67, False, False, ""),
    (12, 42, True, False, ""),
    (77, 47, False, True, "顺炮\r\n第二行"),
    (19, 27, False, False, ""),
]
TREE_LINES = {"h2e2 h9g7", "b2e2 h7e7", "b2e2 b9c7"}


def header(version: int, squares: bytes, keys: bytes = bytes(12), result: int = 0, turn: int = 0) -> bytearray:
    head = bytearray(1024)
    head[:3] = b"XQ" + bytes([version])
    head[4:16] = keys
    head[16:48] = squares
    head[50], head[51] = turn, result
    return head


def set_text(head: bytearray, offset: int, text: str) -> None:
    raw = text.encode("gb18030")
    head[offset : offset + 1 + len(raw)] = bytes([len(raw)]) + raw


def encipher(
    version: int, seed: int, tree: list[Tree] = TREE, squares: tuple[int, ...] = SQUARES + BLACK_SQUARES
) -> bytes:
    """Write an enciphered file as XQStudio does (XQFileRW.pas), with random keys and random filling."""
    rng = random.Random(seed)
    mask, factors = rng.randrange(256), [rng.randrange(256) for _ in range(4)]
    pieces, origin, target = (rng.randrange(1, 255) for _ in range(3))
    total = -(pieces + origin + target) & 255

    def scramble(key: int, by: int) -> int:
        return (((((key * key) * 3 + 9) * 3 + 8) * 2 + 1) * 3 + 8) * by & 255

    key_pieces = scramble(pieces, pieces)
    key_origin = scramble(origin, key_pieces)
    key_target = scramble(target, key_origin)
    stored = [0] * 32
    for i in range(1, 33):
        place = (i + key_pieces) % 32 if version >= 12 else i - 1
        square = squares[place]
        stored[i - 1] = (square if square != 255 else 90 + rng.randrange(155)) + key_pieces & 255
    head = header(version, bytes(stored))
    head[3], head[8:12], head[12:16] = mask, bytes(factors), bytes([total, pieces, origin, target])
    body = b""
    for a, b, continued, alternative, comment in tree:
        raw = comment.encode("gb18030")
        flags = 0x80 * continued | 0x40 * alternative | 0x20 * bool(raw) | rng.randrange(32)
        body += bytes([(a + 0x18 + key_origin) & 255, (b + 0x20 + key_target) & 255, flags, rng.randrange(256)])
        if raw:
            body += struct.pack("<I", len(raw) + (total * 256 + pieces) % 32000 + 767) + raw
    parts = [(key & mask) | factor for key, factor in zip((total, pieces, origin, target), factors, strict=True)]
    stream = [ord(char) & parts[i % 4] for i, char in enumerate("[(C) Copyright Mr. Dong Shiwei.]")]
    return bytes(head) + bytes((byte + stream[(1024 + i) % 32]) & 255 for i, byte in enumerate(body))


def plain(tree: list[Tree], squares: tuple[int, ...] = SQUARES + BLACK_SQUARES) -> bytes:
    body = b""
    for a, b, continued, alternative, comment in tree:
        raw = comment.encode("gb18030")
        flags = 0xF0 * continued | 0x0F * alternative
        body += bytes([a + 0x18, b + 0x20, flags, 0]) + struct.pack("<I", len(raw)) + raw
    return bytes(header(10, bytes(squares))) + body


def lines(game: Game) -> set[str]:
    return {" ".join(step.move.iccs for step in node.line()) for node in game.walk() if not node.variations}


def random_game(rng: random.Random, size: int) -> Game:
    """A tree of legal moves with remarks, from the initial position or from the middle of a random game."""
    board = Board()
    for _ in range(rng.choice((0, 0, 25))):
        board.push(rng.choice(board.legal_moves))
    game = Game(
        {"Red": "柳大华", "Date": "1997.11.16", "Result": rng.choice(("1-0", "0-1", "1/2-1/2", "*"))}, board.fen()
    )
    nodes: list[xiangqi.game.GameNode] = [game]
    game.comment = rng.choice(("", "开局"))
    for _ in range(size):
        parent = rng.choice(nodes[-6:])
        moves = [move for move in parent.board().legal_moves if parent.variation(move) is None]
        if moves:
            node = parent.add_variation(rng.choice(moves))
            node.comment = rng.choice(("", "", "好棋", "第一行\n第二行", "[%eval 0.35]", "扩展字 𠀀 é"))
            nodes.append(node)
    return game


def as_lists(game: Game) -> list[tuple[int, str, str]]:
    return [(node.ply, node.move.iccs, node.comment) for node in game.walk()]


def fen_parts(game: Game) -> list[str]:
    return game.fen.split()[:2]


class TestPublishedExample:
    @pytest.fixture
    def data(self) -> bytes:
        head = header(10, bytes(SQUARES + BLACK_SQUARES), result=2)
        for offset, text in (
            (80, "仙人指路对起马局"),
            (208, '"中立杯"象棋电视快棋赛'),
            (272, "1997年11月16日"),
            (288, "北京"),
        ):
            set_text(head, offset, text)
        for offset, text in ((304, "柳大华"), (320, "吕  钦"), (464, "刘殿中"), (480, "过河象")):
            set_text(head, offset, text)
        moves = bytes.fromhex(PUBLISHED)
        return bytes(head) + b"".join(moves[i : i + 4] + bytes(4) for i in range(0, len(moves), 4))

    def test_has_the_published_size(self, data: bytes) -> None:
        assert len(data) == 0x488

    def test_moves_and_headers(self, data: bytes) -> None:
        game = xqf.loads(data)
        assert " ".join(move.iccs for move in game.moves()) == PUBLISHED_MOVES
        assert game.fen == xiangqi.STARTING_FEN
        assert game.headers == {
            "Title": "仙人指路对起马局",
            "Event": '"中立杯"象棋电视快棋赛',
            "Date": "1997.11.16",
            "Site": "北京",
            "Red": "柳大华",
            "Black": "吕  钦",
            "Annotator": "刘殿中",
            "Author": "过河象",
            "Result": "0-1",
        }

    def test_written_again_it_has_the_same_bytes(self, data: bytes) -> None:
        game = xqf.loads(data)
        written = xqf.dumps(game)
        assert written[1024:] == data[1024:]
        assert sorted(written[16:32]) == sorted(data[16:32])
        assert written[:16] == data[:16] and written[48:272] == data[48:272] and written[288:1024] == data[288:1024]

    def test_the_file(self, data: bytes) -> None:
        assert (FILES / "published.xqf").read_bytes() == data
        assert sniff(FILES / "published.xqf") == "xqf"
        (game,) = load(FILES / "published.xqf")
        assert len(game.moves()) == 16


class TestVersions:
    @pytest.mark.parametrize("version", [11, 12, 15, 18])
    @pytest.mark.parametrize("seed", range(5))
    def test_enciphered(self, version: int, seed: int) -> None:
        game = xqf.loads(encipher(version, seed))
        assert lines(game) == TREE_LINES
        assert game.comment == "开局前"
        assert [node.comment for node in game.walk()] == ["炮二平五", "", "", "顺炮\n第二行", ""]
        assert game.fen == xiangqi.STARTING_FEN

    def test_plain(self) -> None:
        assert lines(xqf.loads(plain(TREE))) == TREE_LINES

    @pytest.mark.parametrize("version", [10, 11, 18])
    def test_set_up_position_with_black_to_move(self, version: int) -> None:
        squares = [255] * 32
        squares[4], squares[20], squares[16] = 30, 49, 9
        tree: list[Tree] = [(0, 0, True, False, ""), (9, 8, False, False, "")]
        data = plain(tree, tuple(squares)) if version == 10 else encipher(version, 3, tree, tuple(squares))
        game = xqf.loads(data)
        assert game.fen == "r3k4/9/9/9/9/9/9/9/9/3K5 b - - 0 1"
        assert [move.iccs for move in game.moves()] == ["a9a8"]

    def test_header_alone_is_a_position(self) -> None:
        game = xqf.loads(bytes(header(10, bytes(SQUARES + BLACK_SQUARES), turn=1)))
        assert game.start_turn == xiangqi.BLACK and not game.variations

    def test_independent_reader_agrees(self, tmp_path: Path) -> None:
        cchess = pytest.importorskip("cchess")
        path = tmp_path / "a.xqf"
        for version in (11, 12, 18):
            path.write_bytes(encipher(version, version))
            assert {" ".join(line) for line in cchess.Game.read_from(path).dump_iccs_moves()} == TREE_LINES


class TestTexts:
    def test_a_character_cut_in_half_is_left_out(self) -> None:
        data = bytearray(plain([(0, 0, False, False, "")]))
        data[304:320] = bytes([15]) + "一二三四五六七八".encode("gb18030")[:15]
        assert xqf.loads(bytes(data)).headers["Red"] == "一二三四五六七"

    def test_too_long_a_length_byte(self) -> None:
        data = bytearray(plain([(0, 0, False, False, "")]))
        data[304:320] = b"\xff" + b"x" * 15
        assert xqf.loads(bytes(data)).headers["Red"] == "x" * 15

    def test_big5(self) -> None:
        data = bytearray(plain([(0, 0, False, False, "")]))
        data[304:311] = bytes([6]) + "許銀川".encode("big5")
        assert xqf.loads(bytes(data), encoding="big5").headers["Red"] == "許銀川"

    def test_long_names_are_cut_between_characters(self) -> None:
        game = Game({"Red": "一二三四五六七八九", "Title": "题" * 40})
        headers = xqf.loads(xqf.dumps(game)).headers
        assert headers["Red"] == "一二三四五六七" and headers["Title"] == "题" * 31

    def test_result_four_is_unknown(self) -> None:
        assert xqf.loads(bytes(header(10, bytes(SQUARES + BLACK_SQUARES), result=4))).result == "*"


class TestWriting:
    @pytest.mark.parametrize("seed", range(40))
    def test_round_trip(self, seed: int) -> None:
        game = random_game(random.Random(seed), 40)
        again = xqf.loads(xqf.dumps(game))
        assert as_lists(again) == as_lists(game)
        assert again.headers | {"FEN": ""} == game.headers | {"FEN": ""} and again.comment == game.comment
        assert fen_parts(again) == fen_parts(game)

    def test_independent_reader_agrees(self, tmp_path: Path) -> None:
        cchess = pytest.importorskip("cchess")
        for seed in range(10):
            game = random_game(random.Random(seed), 25)
            save(game, tmp_path / "a.xqf")
            read = cchess.Game.read_from(tmp_path / "a.xqf")
            assert {" ".join(line) for line in read.dump_iccs_moves()} == lines(game)
            assert read.info["result"] == game.result and read.info["red"] == "柳大华"

    def test_all_remarks_of_a_move_become_one(self) -> None:
        game = Game()
        node = game.add_variation(Move.from_iccs("h2e2"))
        node.starting_comment, node.comment, node.nags = "before", "after", {1, 13}
        assert xqf.loads(xqf.dumps(game)).variations[0].comment == "! $13\nbefore\nafter"

    def test_what_xqf_cannot_hold(self, tmp_path: Path) -> None:
        game = Game()
        game.add_variation(NULL_MOVE)
        with pytest.raises(FormatError, match="null move"):
            xqf.dumps(game)
        with pytest.raises(FormatError, match="red rook too many"):
            xqf.dumps(Game(fen="4k4/9/9/9/9/9/9/9/9/RRR1K4 w"))
        with pytest.raises(FormatError, match="one game, not several"):
            save([Game(), Game()], tmp_path / "a.xqf")
        with pytest.raises(FormatError, match="one game, not none"):
            save([], tmp_path / "a.xqf")
        assert list(tmp_path.iterdir()) == []

    def test_very_deep_and_very_wide_trees(self) -> None:
        game = Game()
        node = game.add_main_line([Move.from_iccs(text) for text in ("a0a1", "a9a8", "a1a0", "a8a9") * 2500])
        for _ in range(2000):
            node.add_variation(Move.from_iccs("a0a1"))
        again = xqf.loads(xqf.dumps(game))
        assert len(again.moves()) == 10001
        assert len(again.end().parent.variations) == 2000  # type: ignore[union-attr]

    def test_control_characters(self) -> None:
        game = Game({"Red": "L\0in"})
        game.add_variation(Move.from_iccs("h2e2")).comment = "go\0od\rmove"
        again = xqf.loads(xqf.dumps(game))
        assert (again.headers["Red"], again.next().comment) == ("L in", "good\nmove")


class TestDiagrams:
    """In version 1.0 the root always announces a move, even if the file ends there."""

    @pytest.mark.parametrize("comment", ["", "好棋"])
    def test_without_moves(self, comment: str) -> None:
        squares = [255] * 32
        squares[0], squares[4], squares[20] = 1, 40, 39
        game = xqf.loads(plain([(0, 0, True, False, comment)], tuple(squares)))
        assert (game.fen, game.comment) == ("3k5/9/9/9/9/9/9/9/R8/4K4 w - - 0 1", comment)
        assert (game.moves(), game.errors) == ([], [])

    def test_later_versions_announce_what_there_is(self) -> None:
        game = xqf.loads(encipher(18, 1, [(0, 0, True, False, "")]))
        assert ["the file ends" in error.reason for error in game.errors] == [True]


class TestBrokenFiles:
    def test_an_unsound_move_costs_its_line_and_no_other(self, tmp_path: Path) -> None:
        path = tmp_path / "a.xqf"
        tree: list[Tree] = [
            (0, 0, True, False, ""),
            (72, 42, True, True, "main"),
            (79, 78, True, True, "bad"),  # h9h8, and what follows from it
            (70, 62, True, True, ""),
            (19, 27, False, False, ""),
            (10, 22, False, False, ""),
            (79, 67, True, False, "good"),
            (70, 62, False, False, ""),
            (12, 42, False, False, "other"),
        ]
        path.write_bytes(plain(tree))
        errors: list[FormatError] = []
        (game,) = load(path, errors.append)
        assert lines(game) == {"h2e2 h9g7 h0g2", "b2e2"}
        assert [node.comment for node in game.walk()] == ["main", "good", "", "other"]
        assert game.errors == errors
        assert [(error.path, error.offset, error.ply) for error in errors] == [(str(path), 1044, 2)]
        assert f"{path}, byte 1044, ply 2: illegal move 'h9h8': the piece cannot move like that" in str(errors[0])

    @pytest.mark.parametrize("version", [10, 11, 18])
    def test_the_first_move_may_be_unsound(self, version: int) -> None:
        squares = [255] * 32
        squares[4], squares[20], squares[16] = 30, 49, 9
        tree: list[Tree] = [(0, 0, True, False, ""), (9, 17, True, True, ""), (30, 31, False, False, ""),
                            (9, 8, False, False, "")]  # fmt: skip
        data = plain(tree, tuple(squares)) if version == 10 else encipher(version, 3, tree, tuple(squares))
        game = xqf.loads(data)
        assert game.start_turn == xiangqi.BLACK and lines(game) == {"a9a8"}
        assert [error.ply for error in game.errors] == [1]

    def test_no_square(self) -> None:
        game = xqf.loads(plain([(0, 0, True, False, ""), (95, 42, False, False, "")]))
        assert [str(error) for error in game.errors] == ["byte 1032, ply 1: the move begins or ends off the board"]

    @pytest.mark.parametrize("size", [2, 100, 1023])
    def test_header_cut_off(self, size: int) -> None:
        with pytest.raises(FormatError, match=r"byte \d+: .*ends"):
            xqf.loads(plain(TREE)[:size])

    @pytest.mark.parametrize(
        ("size", "place", "moves"),
        [(1026, 1024, ""), (1030, 1028, ""), (1040, 1038, ""), (1043, 1042, "h2e2"), (1054, 1054, "h2e2"),
         (1062, 1062, "h2e2 h9g7")],
    )  # fmt: skip
    def test_moves_cut_off(self, size: int, place: int, moves: str) -> None:
        game = xqf.loads(plain(TREE)[:size])
        assert " ".join(move.iccs for move in game.moves()) == moves
        (error,) = game.errors
        assert error.offset == place and "the file ends in the middle of the game" in error.reason

    def test_not_xqf(self) -> None:
        with pytest.raises(FormatError, match="byte 0: not an XQF file"):
            xqf.loads(b"PK")

    def test_comment_longer_than_the_file(self) -> None:
        data = bytearray(plain([(0, 0, True, False, ""), (72, 42, False, False, "xyz")]))
        data[1036:1040] = b"\xff\xff\xff\xff"
        game = xqf.loads(bytes(data))
        assert (game.moves(), game.next().comment) == ([Move.from_iccs("h2e2")], "xyz")
        said = "byte 1040: the file ends in the middle of the game: 4,294,967,295 bytes expected here"
        assert str(*game.errors) == said

    def test_comment_of_negative_length(self) -> None:
        tree: list[Tree] = [(0, 0, True, False, ""), (72, 42, True, False, "x"), (79, 67, False, False, "")]
        data, twin = encipher(18, 5, tree), encipher(18, 5, [*tree[:1], (72, 42, True, False, ""), *tree[2:]])
        key = int.from_bytes(data[12:14], "big") % 32000 + 767
        assert data[:1030] == twin[:1030]
        stored = int.from_bytes(data[1032:1036], "little")
        lower = data[:1032] + (stored - min(key, 500)).to_bytes(4, "little") + data[1036:]
        game = xqf.loads(lower)
        assert lines(game) == {"h2e2 h9g7"} and game.next().comment == "x"
        assert str(*game.errors) == "byte 1032: the length of a comment is damaged"
        game = xqf.loads(lower[:-1])  # which is not whole any more
        assert game.moves() == [Move.from_iccs("h2e2")]
        assert "the length of a comment is negative" in str(game.errors[0])

    @pytest.mark.parametrize("comment", ["", "my comment"])
    @pytest.mark.parametrize("place", range(1036, 1040))
    def test_a_damaged_length_costs_no_move(self, comment: str, place: int) -> None:
        tree: list[Tree] = [
            (0, 0, True, False, ""),
            (72, 42, True, False, comment),
            (79, 67, True, False, "another"),
            (70, 62, False, False, ""),
        ]
        damaged = bytearray(plain(tree))
        damaged[place] = 0xFF
        game = xqf.loads(bytes(damaged))
        assert lines(game) == {"h2e2 h9g7 h0g2"}
        assert str(*game.errors) == "byte 1036: the length of a comment is damaged"
        assert [node.comment for node in game.walk()] == [comment, "another", ""]

    def test_two_pieces_on_a_square(self) -> None:
        squares = (80, 80, *SQUARES[2:], *BLACK_SQUARES)
        with pytest.raises(FormatError, match="byte 16: two pieces, R and N, on one square"):
            xqf.loads(plain([(0, 0, False, False, "")], squares))

    def test_a_text_that_begins_with_the_same_letters(self) -> None:
        (game,) = load(io.BytesIO(b'XQ of 1999\n\n[Red "A"]\n\n1. h2e2 *\n'), lambda error: None)
        assert game.headers["Red"] == "A"
