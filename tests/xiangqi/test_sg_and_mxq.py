"""SG and MXQ records, built here from the descriptions in the readers' modules."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from xiangqi import Board
from xiangqi.formats import FormatError, load, mxq, sg, sniff

FILES = Path(__file__).parent / "files"
OPENING = ["h2e2", "h9g7", "h0g2", "i9h9"]


def record(moves: list[str], fen: str = Board().fen(), date: str = "2004-12-29") -> bytes:
    """Return an SG record."""
    squares = [0] * 32
    for square, piece in Board(fen).piece_map().items():
        symbols = "PPPPPCCNNRRBBAAKpppppccnnrrbbaak"
        slot = next(i for i, symbol in enumerate(symbols) if symbol == piece.symbol() and not squares[i])
        squares[slot] = 16 * (9 - square // 9 + 3) + square % 9 + 4
    body = b"\xb0\x1f" * 32 + b"D==     " + date.encode().ljust(10)
    body += b"".join(b"%03d " % square for square in squares)
    body += bytes(
        10 + "abcdefghi".index(name[0]) * 10 + 9 - int(name[1]) for move in moves for name in (move[:2], move[2:])
    )
    return body.ljust(1192)


def strings(*texts: str, encoding: str = "gb18030") -> bytes:
    return b"".join(bytes([len(text.encode(encoding))]) + text.encode(encoding) for text in texts)


def saved(*moves: str, players: str = "安徽校长(3段)-胜-东方剑客(6段)", encoding: str = "gb18030") -> bytes:
    """Return an MXQ file."""
    header = ["华山第2关", "2003年6月21日 15", players, "2166", "2161", "30", "10", "60", "117", "48", "黑方投子"]
    return strings(*header, "Moves", *moves, "Ends", "Comments", "End", encoding=encoding)


class TestSg:
    def test_the_file(self) -> None:
        assert sniff(FILES / "one.sg") == "sg"
        (game,) = load(FILES / "one.sg")
        assert [move.iccs for move in game.moves()] == OPENING
        assert (game.headers, game.fen, game.errors) == ({"Date": "2004.12.29", "Result": "*"}, Board().fen(), [])

    def test_several_games(self) -> None:
        data = record(OPENING) + record([]) + record(OPENING[:3], date="")
        games = list(load(io.BytesIO(data)))
        assert [[move.iccs for move in game.moves()] for game in games] == [OPENING, [], OPENING[:3]]
        assert [game.headers.get("Date") for game in games] == ["2004.12.29", "2004.12.29", None]

    def test_set_up_position(self) -> None:
        fen = "3k5/9/9/9/9/9/9/2n6/9/R3K4 b - - 0 1"
        (game,) = load(io.BytesIO(record(["c2b0"], fen)))
        assert (game.fen, [move.iccs for move in game.moves()]) == (fen, ["c2b0"])

    def test_numbers_without_zeros_before_them(self) -> None:
        data = record([], "3k5/9/9/9/9/9/9/9/9/R3K4 w").replace(b"000 ", b"    ").replace(b"055 ", b" 55 ")
        (game,) = load(io.BytesIO(data))
        assert game.fen == "3k5/9/9/9/9/9/9/9/9/R3K4 w - - 0 1"
        with pytest.raises(FormatError):
            load(io.BytesIO(b" " * 1192))

    def test_the_square_whose_byte_is_a_space(self) -> None:
        moves = ["h2e2", "b9c7", "h0g2", "c7e8", "i0h0", "e8c7"]
        (game,) = load(io.BytesIO(record(moves)))
        assert [move.iccs for move in game.moves()] == moves

    def test_an_unsound_move_ends_its_game_and_no_other(self) -> None:
        errors: list[FormatError] = []
        data = record(["h2e2", "h9h8", "h0g2"]) + record(OPENING)
        games = list(load(io.BytesIO(data), errors.append))
        assert [len(game.moves()) for game in games] == [1, 4]
        assert [(error.game, error.offset, error.ply) for error in errors] == [(1, 212, 2)]
        assert games[0].errors == errors

    def test_a_record_that_cannot_be_read_costs_itself(self) -> None:
        broken, twice = bytearray(record(OPENING)), bytearray(record(OPENING))
        broken[90] = ord("x")
        twice[82:85] = twice[86:89]
        errors: list[FormatError] = []
        data = record(OPENING) + broken + twice + record(OPENING[:2])
        assert [len(game.moves()) for game in load(io.BytesIO(data), errors.append)] == [4, 2]
        assert [(error.game, error.offset) for error in errors] == [(2, 1192), (3, 2 * 1192 + 86)]

    def test_a_record_that_is_cut_off(self) -> None:
        errors: list[FormatError] = []
        games = list(load(io.BytesIO(record(OPENING) + record(OPENING)[:215]), errors.append))
        assert [len(game.moves()) for game in games] == [4, 2]
        assert [str(error) for error in errors] == [
            "game 2, byte 1407: the file ends in the middle of a record of 1192 bytes"
        ]
        errors.clear()
        assert len(list(load(io.BytesIO(record(OPENING) + record(OPENING)[:100]), errors.append))) == 1
        assert [error.game for error in errors] == [2]

    @pytest.mark.parametrize("end", [b"\r\n", b"\x1a", b" " * 500, bytes(2000)])
    def test_padding_is_no_record(self, end: bytes) -> None:
        errors: list[FormatError] = []
        assert len(list(load(io.BytesIO(record(OPENING) + end), errors.append))) == 1
        assert errors == []

    def test_no_record(self) -> None:
        with pytest.raises(FormatError, match="not an SG record"):
            list(sg.read(io.BytesIO(b"hello"), lambda error: None))
        with pytest.raises(FormatError, match="there is no SG record in the file"):
            list(sg.read(io.BytesIO(b"")))


class TestMxq:
    def test_the_file(self) -> None:
        assert sniff(FILES / "one.mxq") == "mxq"
        (game,) = load(FILES / "one.mxq")
        assert [move.iccs for move in game.moves()] == OPENING[:3]
        assert (game.headers["Red"], game.headers["Black"], game.result, game.errors) == ("A", "B", "1-0", [])

    def test_headers(self) -> None:
        (game,) = load(io.BytesIO(saved("7C-4C", "7J-6H")))
        assert game.headers == {
            "Site": "华山第2关",
            "Date": "2003.06.21",
            "Red": "安徽校长(3段)",
            "Black": "东方剑客(6段)",
            "RedElo": "2166",
            "BlackElo": "2161",
            "Termination": "黑方投子",
            "Result": "1-0",
        }
        assert ([move.iccs for move in game.moves()], game.errors) == (OPENING[:2], [])

    @pytest.mark.parametrize("encoding", ["gb18030", "big5", "utf-8"])
    @pytest.mark.parametrize(
        ("word", "result"), [("胜", "1-0"), ("勝", "1-0"), ("和", "1/2-1/2"), ("负", "0-1"), ("負", "0-1")]
    )
    def test_results(self, word: str, result: str, encoding: str) -> None:
        texts = ["", "", f"王-a-{word}-林-b", "Moves", "7C-4C", "Ends"]
        try:
            data = strings(*texts, encoding=encoding)
        except UnicodeEncodeError:
            pytest.skip("no such character")
        (game,) = load(io.BytesIO(data))
        assert (game.headers["Red"], game.headers["Black"], game.result) == ("王-a", "林-b", result)

    def test_players_without_a_result(self) -> None:
        (game,) = load(io.BytesIO(saved("7C-4C", players="练习")))
        assert (game.headers["Event"], game.result) == ("练习", "*")

    def test_encoding(self) -> None:
        data = strings("", "", "楊官璘-勝-B", "Moves", "7C-4C", encoding="big5")
        assert [game.headers["Red"] for game in load(io.BytesIO(data), encoding="big5")] == ["楊官璘"]

    def test_comments(self) -> None:
        data = strings("", "", "", "Moves", "7C-4C", "Ends", "Comments", "好棋", "再看", "End")
        assert [game.comment for game in load(io.BytesIO(data))] == ["好棋\n再看"]

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("7C-4D", "no piece moves from h2 to e3"),
            ("4C-4D", "there is no piece on e2"),
            ("9C-4C", "expected a move like '7C-4C', found '9C-4C'"),
            ("", "expected a move like '7C-4C', found ''"),
        ],
    )
    def test_an_unsound_move_ends_the_game(self, text: str, reason: str) -> None:
        errors: list[FormatError] = []
        (game,) = load(io.BytesIO(saved("1A-2C", "7J-6H", text, "8J-7J")), errors.append)
        assert [move.iccs for move in game.moves()] == ["b0c2", "h9g7"]
        assert [error.ply for error in errors] == [3] and reason in errors[0].reason
        assert errors[0].offset == saved("1A-2C", "7J-6H", text, "8J-7J").index(b"6H") + 2

    def test_cut_off(self) -> None:
        data = saved("7C-4C", "7J-6H", "7A-6C")
        for end in range(data.index(b"Moves") + 5, len(data)):
            errors: list[FormatError] = []
            (game,) = load(io.BytesIO(data[:end]), errors.append)
            assert len(game.moves()) in (0, 1, 2, 3) and len(errors) <= 1

    def test_not_mxq(self) -> None:
        with pytest.raises(FormatError, match="not an MXQ file: it has no string 'Moves'"):
            mxq.loads(b"\x05Movex")
