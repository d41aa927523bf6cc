"""Libraries of the first CCBridge, built here from the description in the reader's module."""

from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path

import pytest

from xiangqi import Board, ChildNode, Game, Move
from xiangqi.formats import FormatError, ccbridge, load, sniff

FILES = Path(__file__).parent / "files"
SLOTS = "RNBAKABNRCCPPPPPrnbakabnrccppppp"
TIMES = b"01-1-1 0:00:00     " * 2

Entry = tuple[int, str, str]
"""The number of a move, the move in ICCS, its comment."""


def string(text: str | bytes) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode("gb18030")
    return struct.pack("<I", len(raw)) + raw


def record(
    entries: list[Entry], fen: str = Board().fen(), result: int = 1, remark: str = "||", red: str = "胡荣华"
) -> bytes:
    squares = bytearray(32)
    for square, piece in Board(fen).piece_map().items():
        slot = next(i for i, symbol in enumerate(SLOTS) if symbol == piece.symbol() and not squares[i])
        squares[slot] = (square % 9 + 1) << 4 | 10 - square // 9
    body = bytes(squares) + struct.pack("<I", 1) + string("五羊杯") + struct.pack("<I", 0)
    for text in ("第一局", "", "", "", "1997-11-16", red, "吕钦"):
        body += string(text)
    body += struct.pack("<I", result)
    for text in ("柳大华", "", "董世伟", "", remark):
        body += string(text)
    body += b"\1" + TIMES + struct.pack("<I", len(entries))
    for ply, move, _ in entries:
        origin, target = ("abcdefghi".index(square[0]) << 4 | 9 - int(square[1]) for square in (move[:2], move[2:]))
        body += struct.pack("<HBBBB", ply, origin, target, 0, 0)
    body += b"".join(comment.encode("gb18030") + b"\r\n" for _, _, comment in entries)
    return struct.pack("<I", len(body) + 4) + body


def unpacked(records: list[bytes], count: int | None = None) -> bytes:
    head = string("lib") + string("") + string("author") + string("") + TIMES
    return head + struct.pack("<I", len(records) if count is None else count) + string("") + b"".join(records)


def packed(data: bytes) -> bytes:
    return b"CCBridge" + struct.pack("<III", 0x15, 3, len(data)) + zlib.compress(data)


def library(*records: bytes) -> io.BytesIO:
    return io.BytesIO(packed(unpacked(list(records))))


def lines(game: Game) -> set[str]:
    return {" ".join(step.move.iccs for step in node.line()) for node in game.walk() if not node.variations}


def stored(game: Game) -> list[Entry]:
    """Return a tree as CCBridge stores it: the main line, then the other lines, each after the line it leaves."""

    def line(node: ChildNode) -> list[ChildNode]:
        return [node, *node.main_line()]

    entries: list[Entry] = []
    waiting = [game.variations[0]] if game.variations else []
    while waiting:
        nodes = line(waiting.pop(0))
        entries += [(node.ply, node.move.iccs, node.comment) for node in nodes]
        deeper = [
            rival
            for node in reversed(nodes)
            for rival in node.parent.variations[1:]
            if node is node.parent.variations[0]
        ]
        waiting[:0] = deeper
    return entries


class TestRead:
    def test_the_file(self) -> None:
        assert sniff(FILES / "first.cbl") == "ccbridge"
        (game,) = load(FILES / "first.cbl")
        assert lines(game) == {"h2e2 h9g7 h0g2", "h2e2 h7e7"}
        assert game.headers == {"Title": "T", "Red": "A", "Black": "B", "Result": "1-0"}
        assert (game.comment, game.errors) == ("", [])

    def test_headers_and_comments(self) -> None:
        (game,) = load(library(record([(1, "h2e2", "中炮||好"), (2, "h9g7", "")], remark="一||二")))
        assert game.headers == {
            "Event": "五羊杯",
            "Title": "第一局",
            "Red": "胡荣华",
            "Black": "吕钦",
            "Date": "1997.11.16",
            "Annotator": "柳大华",
            "Author": "董世伟",
            "Result": "1-0",
        }
        assert (game.comment, [node.comment for node in game.walk()]) == ("一\n二", ["中炮\n好", ""])

    @pytest.mark.parametrize(
        ("number", "result"), [(0, "*"), (1, "1-0"), (2, "0-1"), (3, "1/2-1/2"), (4, "*"), (99, "*")]
    )
    def test_results(self, number: int, result: str) -> None:
        (game,) = load(library(record([(1, "h2e2", "")], result=number)))
        assert game.result == result

    def test_set_up_position_with_black_to_move(self) -> None:
        fen = "r3k4/9/9/9/9/9/9/9/9/3K5 b - - 0 1"
        (game,) = load(library(record([(1, "a9a8", "")], fen)))
        assert (game.fen, [move.iccs for move in game.moves()]) == (fen, ["a9a8"])

    def test_a_variation_replaces_a_move_of_the_line_read_last(self) -> None:
        entries = [(1, "h2e2", ""), (2, "h9g7", ""), (3, "h0g2", ""), (4, "i9h9", "")]
        entries += [(2, "h7e7", ""), (3, "b0c2", ""), (3, "h0g2", "")]  # the last leaves h7e7, not h9g7
        (game,) = load(library(record(entries)))
        assert lines(game) == {"h2e2 h9g7 h0g2 i9h9", "h2e2 h7e7 b0c2", "h2e2 h7e7 h0g2"}

    def test_or_of_the_main_line_if_that_line_is_too_short(self) -> None:
        entries = [(1, "h2e2", ""), (2, "h9g7", ""), (3, "h0g2", ""), (4, "i9h9", "")]
        entries += [(1, "b2e2", ""), (4, "b9c7", "")]
        (game,) = load(library(record(entries)))
        assert lines(game) == {"h2e2 h9g7 h0g2 i9h9", "h2e2 h9g7 h0g2 b9c7", "b2e2"}
        assert game.errors == []

    def test_any_tree(self) -> None:
        for seed in range(40):
            rng = random.Random(seed)
            game = Game()
            nodes = [game.add_variation(Move.from_iccs("h2e2"))]
            for _ in range(rng.randrange(30)):
                parent = rng.choice(nodes + nodes[-1:] * 5)
                moves = [move for move in parent.board().legal_moves if parent.variation(move) is None]
                nodes.append(parent.add_variation(rng.choice(moves)))
                nodes[-1].comment = rng.choice(["", "好棋", "a||b".replace("||", "\n")])
            entries = [(ply, move, comment.replace("\n", "||")) for ply, move, comment in stored(game)]
            (again,) = load(library(record(entries)))
            tree = sorted((" ".join(step.move.iccs for step in node.line()), node.comment) for node in game.walk())
            assert tree == sorted(
                (" ".join(step.move.iccs for step in node.line()), node.comment) for node in again.walk()
            )
            assert [move.iccs for move in again.moves()] == [move.iccs for move in game.moves()]

    def test_encoding(self) -> None:
        data = record([(1, "h2e2", "")], red="XXXXXX").replace(b"XXXXXX", "楊官璘".encode("big5"))
        (game,) = load(library(data), encoding="big5")
        assert game.headers["Red"] == "楊官璘"


class TestFaults:
    def test_an_unsound_move_costs_its_line_and_no_other(self) -> None:
        entries = [(1, "h2e2", ""), (2, "h9g7", ""), (3, "h0h5", ""), (4, "i9h9", ""), (3, "h0g2", "good")]
        errors: list[FormatError] = []
        games = list(load(library(record(entries), record(entries[:2])), errors.append))
        assert [lines(game) for game in games] == [{"h2e2 h9g7 h0g2"}, {"h2e2 h9g7"}]
        assert [(error.game, error.ply) for error in errors] == [(1, 3)]
        assert "illegal move 'h0h5'" in errors[0].reason

    @pytest.mark.parametrize("ply", [0, 5, 60_000])
    def test_a_move_that_nothing_leads_to(self, ply: int) -> None:
        errors: list[FormatError] = []
        (game,) = load(library(record([(1, "h2e2", ""), (ply, "h9g7", ""), (2, "b9c7", "")])), errors.append)
        assert lines(game) == {"h2e2 b9c7"}
        assert [error.reason for error in errors] == [f"a move has the number {ply}, and there is no move before it"]

    def test_a_position_that_cannot_be_read_costs_its_game(self) -> None:
        broken = bytearray(record([(1, "h2e2", "")]))
        broken[5] = broken[4]
        errors: list[FormatError] = []
        games = list(load(library(bytes(broken), record([(1, "h2e2", "")])), errors.append))
        assert [len(game.moves()) for game in games] == [1]
        assert [(error.game, error.reason) for error in errors] == [(1, "two pieces are on one square")]

    def test_a_string_beyond_the_game(self) -> None:
        broken = bytearray(record([(1, "h2e2", "")]))
        broken[40:44] = struct.pack("<I", 4_000_000_000)
        errors: list[FormatError] = []
        games = list(load(library(bytes(broken), record([(1, "h2e2", "")])), errors.append))
        assert len(games) == 1
        assert [error.game for error in errors] == [1] and "4,000,000,000 bytes expected here" in errors[0].reason

    @pytest.mark.parametrize("size", [0, 35])
    def test_a_game_without_a_size_ends_the_library(self, size: int) -> None:
        data = unpacked([record([(1, "h2e2", "")]), struct.pack("<I", size) + bytes(100)])
        errors: list[FormatError] = []
        assert len(list(load(io.BytesIO(packed(data)), errors.append))) == 1
        assert [error.reason for error in errors] == [f"a game of {size} bytes: the place of the next one is not known"]

    def test_fewer_games_than_announced(self) -> None:
        errors: list[FormatError] = []
        data = packed(unpacked([record([(1, "h2e2", "")])], count=4_000_000_000))
        assert len(list(load(io.BytesIO(data), errors.append))) == 1
        assert [error.reason for error in errors] == ["the library ends after 1 of 4,000,000,000 games"]

    def test_a_library_that_is_cut_off_gives_the_games_before(self) -> None:
        rng = random.Random(1)
        names = ["".join(chr(rng.randrange(0x4E00, 0x9FA5)) for _ in range(400)) for _ in range(30)]
        data = packed(unpacked([record([(1, "h2e2", "")], red=name) for name in names]))
        errors: list[FormatError] = []
        games = list(load(io.BytesIO(data[: len(data) // 2]), errors.append))
        assert [game.headers["Red"] for game in games[:10]] == names[:10]
        assert 10 < len(games) < 20
        assert errors[-1].reason == "the packed library is cut off"
        games = list(load(io.BytesIO(data[:-4] + bytes(4)), errors.append))
        assert len(games) == 30
        assert errors[-1].reason.startswith("broken compression: ")

    def test_a_small_file_that_unpacks_to_much(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ccbridge, "MAX_FILE", 1 << 20)
        with pytest.raises(FormatError, match="the library unpacks to more than 1 MiB"):
            list(load(io.BytesIO(packed(bytes(100 << 20)))))

    def test_header_cut_off(self) -> None:
        with pytest.raises(FormatError, match="bytes expected here"):
            list(load(io.BytesIO(packed(unpacked([])[:20]))))

    def test_lines_that_leave_a_long_main_line_take_linear_time(self) -> None:
        there_and_back = ["a0a1", "a9a8", "a1a0", "a8a9"]
        main = [(ply, there_and_back[(ply - 1) % 4], "") for ply in range(1, 20_001)]
        rivals = [(1, "b2e2", ""), (20_000, "b9c7", "")] * 2_000
        (game,) = load(library(record(main + rivals)), lambda error: None)
        assert sum(1 for _ in game.walk()) == 24_000
