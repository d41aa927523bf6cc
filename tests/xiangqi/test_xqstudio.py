"""The text that XQStudio copies, and other texts without tags."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from xiangqi import Game
from xiangqi.formats import FormatError, load, sniff, xqstudio

RULE = "-" * 52
HEADER = (
    "标题: 第一局\n赛事: 五羊杯\n日期: 1997-11-16\n地点: 广州\n红方: 胡荣华\n黑方: 吕钦\n结果: 红方胜\n评论: \n作者: \n"
)
MAKER = "棋谱由XQStudio生成 (http://www.qipaile.net/xqstudio)\n"
TEXT = f"""
{RULE}
{HEADER}{RULE}

序言
第二行

  1. 炮二平五  马８进７    2. 马二进三  …………

好棋{{!}}
1、红方跳正马

  2. …………  车９平８
{RULE}
{MAKER}
"""
OPENING = "h2e2 h9g7 h0g2 i9h9"


def iccs(game: Game) -> str:
    return " ".join(move.iccs for move in game.moves())


class TestRead:
    @pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "utf-8-sig", "utf-16"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_everything(self, encoding: str, end: str, tmp_path: Path) -> None:
        (tmp_path / "game.txt").write_bytes(TEXT.replace("\n", end).encode(encoding))
        assert sniff(tmp_path / "game.txt") == "xqstudio"
        (game,) = load(tmp_path / "game.txt")
        assert (iccs(game), game.errors) == (OPENING, [])
        assert game.headers == {
            "Title": "第一局",
            "Event": "五羊杯",
            "Date": "1997.11.16",
            "Site": "广州",
            "Red": "胡荣华",
            "Black": "吕钦",
            "Result": "1-0",
        }
        assert game.comment == "序言\n第二行"
        assert [node.comment for node in game.main_line()] == ["", "", "好棋｛!｝\n1、红方跳正马", ""]

    @pytest.mark.parametrize(
        "text",
        [
            f"{RULE}\n  1. 炮二平五  马８进７    2. 马二进三  车９平８\n{RULE}\n{MAKER}",
            f"  1. 炮二平五  马８进７\n  2. 马二进三  车９平８\n{RULE}\n{MAKER}",
            f"{HEADER}{RULE}\n  1. 炮二平五  马８进７\n  2. 马二进三  车９平８\n",
            f"{RULE}\n  1. 炮二平五  马8进7  2. 马二进三  车9平8",
            f"{RULE}\n  1. 炮二平五  馬８進７  2. 馬二進三  車９平８\n{RULE}",
        ],
    )
    def test_parts_of_it(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "game").write_text(text, encoding="utf-8")
        assert sniff(tmp_path / "game") == "xqstudio"
        (game,) = load(tmp_path / "game")
        assert (iccs(game), game.comment, game.errors) == (OPENING, "", [])
        assert [node.comment for node in game.main_line()] == ["", "", "", ""]

    def test_several_games(self) -> None:
        games = list(load(io.BytesIO((TEXT * 3).encode())))
        assert [iccs(game) for game in games] == [OPENING] * 3
        assert [game.comment for game in games] == ["序言\n第二行"] * 3

    def test_no_moves(self) -> None:
        game = xqstudio.loads(f"{RULE}\n{HEADER}{RULE}\n    *** 没有棋谱记录!\n{RULE}\n{MAKER}")
        assert (game.moves(), game.comment, game.headers["Red"]) == ([], "", "胡荣华")

    @pytest.mark.parametrize(
        "text",
        [
            f'[Annotator "XQStudio"]\n\n1. 炮二平五 {{\n{RULE}\n{MAKER}}} *\n',
            "1. 炮二平五 马8进7 {XQStudio} *",
            "{\n标题: a\n}\n1. 炮二平五 马8进7 *",
        ],
    )
    def test_pgn_is_not_taken_for_it(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "game").write_text(text, encoding="utf-8")
        assert sniff(tmp_path / "game") == "pgn"


class TestFaults:
    def test_an_unsound_move_ends_its_game_and_no_other(self) -> None:
        errors: list[FormatError] = []
        text = TEXT.replace("马二进三", "马二进四") + TEXT
        games = list(load(io.BytesIO(text.encode()), errors.append))
        assert [iccs(game) for game in games] == ["h2e2 h9g7", OPENING]
        assert [(error.line, error.ply) for error in errors] == [(17, 3)]

    def test_nothing(self) -> None:
        with pytest.raises(FormatError, match="there is no game in the text"):
            xqstudio.loads(" \n\n")

    def test_a_game_without_bounds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(xqstudio, "MAX_GAME", 1000)
        errors: list[FormatError] = []
        assert list(load(io.BytesIO((RULE + "\n" + "  1. 炮二平五\n" * 1000).encode()), errors.append)) == []
        assert [error.reason for error in errors] == ["a game of more than 0 MiB"]
