"""Text files of the WXF, of PlayOK and of XieXie."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from xiangqi import STARTING_FEN, Board, Game
from xiangqi.formats import FormatError, load, sniff, wxf

FILES = Path(__file__).parent / "files"
XIEXIE = "FORMAT  \tWXF\nGAME    \nRED     \tA;;;\nBLACK   \tB;;;\nDATE    \t24-12-2022\n\nSTART{\n"
PLAYOK = """\
FORMAT  WXF
RED     red player ; 1200 ;;
BLACK   black player ; 1240 ;;
RESULT  0-1
DATE    2020-02-03 02:04:05
EVENT   PlayOK Game ; 10m+0s
START{
 1. C2.5 h8+7   2. H2+3 r9.8 }END
"""
OPENING = "h2e2 h9g7 h0g2 i9h9"


def read(text: str) -> Game:
    errors: list[FormatError] = []
    (game,) = load(io.BytesIO(text.encode()), errors.append)
    assert errors == []
    return game


def iccs(game: Game) -> str:
    return " ".join(move.iccs for move in game.moves())


class TestRead:
    def test_the_file(self) -> None:
        assert sniff(FILES / "game.wxf") == "wxf"
        (game,) = load(FILES / "game.wxf")
        assert (iccs(game), game.errors) == (OPENING, [])
        assert game.headers == {"Red": "A", "Black": "B", "Date": "2022.12.24"}

    def test_playok(self) -> None:
        game = read(PLAYOK)
        assert iccs(game) == OPENING
        assert game.headers == {
            "Event": "PlayOK Game ; 10m+0s",
            "Red": "red player",
            "RedElo": "1200",
            "Black": "black player",
            "BlackElo": "1240",
            "Date": "2020.02.03",
            "Result": "0-1",
        }

    def test_several_games(self) -> None:
        text = f"{PLAYOK}\n{XIEXIE} 1. P3+1 }}END\n\n{PLAYOK}".replace("\n", "\r\n")
        games = list(load(io.BytesIO(text.encode())))
        assert [iccs(game) for game in games] == [OPENING, "g3g4", OPENING]
        assert [game.headers["Red"] for game in games] == ["red player", "A", "red player"]

    @pytest.mark.parametrize(
        "moves",
        [
            "1. C2=5 H8+7 2. H2+3 R9=8",  # AXF
            "1. H2-E2 H9-G7 2. H0-G2 I9-H9",
            "1. Che2 Ng7 2. Ng2 Rh9",
            "1. Ch2-e2 Nh9-g7 2. Nh0-g2 Ri9-h9",
            "1. 炮二平五 马8进7 2. 马二进三 车9平8",
            "1. C2.5!  H8+7     !!2.  H2+3 R9.8?",
        ],
    )
    def test_any_notation(self, moves: str) -> None:
        assert iccs(read(f"{XIEXIE}{moves}\n}}END\n")) == OPENING

    @pytest.mark.parametrize(
        ("line", "fen"),
        [
            ("FEN  \t\t3k5/9/9/9/9/9/9/9/9/R3K4 b", "3k5/9/9/9/9/9/9/9/9/R3K4 b"),
            ("FEN rheakaehr/9/1c5c1/p1p1p1p1p/9/9/P1P1P1P1P/1C5C1/9/RHEAKAEHR r", STARTING_FEN),
            ("SETUP{ kd9 Ke0, Ra0 BLACK MOVE 3 }", "3k5/9/9/9/9/9/9/9/9/R3K4 b"),
            ("SETUP{\nkd9\nKe0\nHa0\n}", "3k5/9/9/9/9/9/9/9/9/N3K4 w"),
        ],
    )
    def test_position(self, line: str, fen: str) -> None:
        assert read(f"FORMAT WXF\n{line}\nSTART{{\n}}END\n").fen == Board(fen).fen()

    @pytest.mark.parametrize(
        ("date", "read_as"),
        [
            ("24-12-2022", "2022.12.24"),
            ("12-24-2022", "2022.12.24"),
            ("3.4.1999", "1999.04.03"),
            ("2014-07-16", "2014.07.16"),
            ("1997年11月16日", "1997.11.16"),
            ("soon", "soon"),
        ],
    )
    def test_date(self, date: str, read_as: str) -> None:
        assert read(f"DATE {date}\nSTART{{ 1. C2.5 }}END").headers["Date"] == read_as

    def test_comments(self) -> None:
        game = read("RED A;;;\n/* five\nminutes */\nSTART{\n 1. C2.5 /* good */ H8+7 {bad} }END")
        assert game.comment == "five\nminutes"
        assert [node.comment for node in game.main_line()] == ["good", "bad"]

    def test_result_after_the_moves(self) -> None:
        assert read("RED A;;;\nSTART{ 1. C2.5 H8+7 1-0 }END").result == "1-0"

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "big5", "utf-16"])
    def test_encodings(self, encoding: str) -> None:
        (game,) = load(io.BytesIO(PLAYOK.replace("red player", "陳信安").encode(encoding)))
        assert (game.headers["Red"], iccs(game)) == ("陳信安", OPENING)
        (game,) = load(io.BytesIO(PLAYOK.replace("red", "Müller").encode("latin-1")), encoding="latin-1")
        assert game.headers["Red"] == "Müller player"

    def test_pgn_is_not_taken_for_it(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text('[Red "A"]\n\n{see\nSTART{ 1. C2.5 }END}\n1. h2e2 *\n')
        assert sniff(tmp_path / "a") == "pgn"


class TestFaults:
    def test_an_unsound_move_ends_its_game_and_no_other(self) -> None:
        errors: list[FormatError] = []
        broken = PLAYOK.replace("H2+3", "H2+9")
        games = list(load(io.BytesIO(f"{broken}{PLAYOK}".encode()), errors.append))
        assert [iccs(game) for game in games] == ["h2e2 h9g7", OPENING]
        assert [(error.line, error.ply) for error in errors] == [(8, 3)]
        assert games[0].errors == errors and games[0].result == "0-1"

    def test_without_an_end(self) -> None:
        for end in ("", "}", "}\n\n"):
            errors: list[FormatError] = []
            (game,) = load(io.BytesIO(f"{XIEXIE}1. C2.5 H8+7\n{end}".encode()), errors.append)
            assert iccs(game) == "h2e2 h9g7"
            assert [error.reason for error in errors] == ["the moves do not end with }END"]

    def test_without_an_end_before_another_game(self) -> None:
        errors: list[FormatError] = []
        games = list(load(io.BytesIO(f"{XIEXIE}1. C2.5 H8+7\n{PLAYOK}".encode()), errors.append))
        assert [iccs(game) for game in games] == ["h2e2 h9g7", OPENING]
        assert [error.line for error in errors] == [8]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("FEN 9/9", "line 2: "),
            ("SETUP{ Xd9 }", "line 2: not a piece letter: 'X'"),
        ],
    )
    def test_a_position_that_cannot_be_read_costs_its_game(self, line: str, reason: str) -> None:
        errors: list[FormatError] = []
        games = list(load(io.BytesIO(f"FORMAT WXF\n{line}\nSTART{{\n}}END\n{PLAYOK}".encode()), errors.append))
        assert [iccs(game) for game in games] == [OPENING]
        assert [str(error).startswith(reason) for error in errors] == [True]

    def test_no_game(self) -> None:
        with pytest.raises(FormatError, match="there is no game in the file: it has no START"):
            list(wxf.read(io.BytesIO(b"FORMAT WXF\n")))
        with pytest.raises(FormatError, match="there is no game in the text: it has no START"):
            wxf.loads("FORMAT WXF\n")

    def test_a_game_without_bounds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wxf, "MAX_GAME", 1000)
        errors: list[FormatError] = []
        text = f"{XIEXIE}{'1. C2.5 ' * 1000}\n}}END\n{PLAYOK}"
        assert [iccs(game) for game in load(io.BytesIO(text.encode()), errors.append)] == [OPENING]
        assert [error.reason for error in errors] == ["a game of more than 0 MiB"]
