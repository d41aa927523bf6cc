"""CBF: the XML of CCBridge."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import xiangqi
from xiangqi import Game
from xiangqi.formats import FormatError, cbf, load, sniff

FILES = Path(__file__).parent / "files"


def record(moves: str, head: str = "", encoding: str = "UTF-8") -> str:
    return (
        f'<?xml version="1.0" encoding="{encoding}"?>\n<ChineseChessRecord Version="1.0">\n <Head>{head}</Head>\n'
        f' <MoveList>\n  <Move value="00-00" />\n{moves} </MoveList>\n</ChineseChessRecord>\n'
    )


MOVES = '  <Move value="77-47" />\n  <Move value="70-62" />\n  <Move value="79-67" end="1" />\n'
HEAD = "<Name>仙人指路</Name><URL /><Red>胡荣华</Red><Date>1997-11-16</Date><RecordResult>2</RecordResult>"


def lines(game: Game) -> set[str]:
    return {" ".join(step.move.iccs for step in node.line()) for node in game.walk() if not node.variations}


class TestReading:
    @pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "GB2312", "gbk"])
    def test_moves_and_headers(self, encoding: str) -> None:
        game = cbf.loads(record(MOVES, HEAD, encoding).encode(encoding))
        assert [move.iccs for move in game.moves()] == ["h2e2", "h9g7", "h0g2"]
        assert game.headers == {"Title": "仙人指路", "Red": "胡荣华", "Date": "1997.11.16", "Result": "0-1"}
        assert game.fen == xiangqi.STARTING_FEN

    def test_set_up_position(self) -> None:
        game = cbf.loads(record('<Move value="00-01"/>', "<FEN>r3k4/9/9/9/9/9/9/9/9/3K5 r</FEN>").encode())
        assert game.fen == "r3k4/9/9/9/9/9/9/9/9/3K5 b - - 0 1"  # the owner of the first piece moved begins

    def test_without_moves(self) -> None:
        assert not cbf.loads(record("").encode()).variations
        assert not cbf.loads(b"<ChineseChessRecord/>").variations

    def test_alternatives_and_remarks_by_analogy_with_cbr(self) -> None:
        moves = (
            '<Move value="77-47" alt="1">炮二平五</Move><Move value="70-62" alt="1"/><Move value="79-67" end="1"/>'
            '<Move value="10-22" end="1"/><Move value="17-47" end="1"/>'
        )
        game = cbf.loads(record(moves).encode())
        assert lines(game) == {"h2e2 h9g7 h0g2", "h2e2 b9c7", "b2e2"}
        assert game.variations[0].comment == "炮二平五"

    def test_the_file(self) -> None:
        assert sniff(FILES / "game.cbf") == "cbf"
        (game,) = load(FILES / "game.cbf")
        assert len(game.moves()) == 3 and game.headers["Red"] == "胡荣华"

    def test_utf16_is_recognised(self) -> None:
        (game,) = load(io.BytesIO(record(MOVES, HEAD, "UTF-16").encode("utf-16")))
        assert len(game.moves()) == 3

    def test_independent_reader_agrees(self) -> None:
        cchess = pytest.importorskip("cchess.read_cbf")
        assert cchess.read_from_cbf(FILES / "game.cbf").dump_iccs_moves() == [["h2e2", "h9g7", "h0g2"]]


class TestBrokenFiles:
    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"<ChineseChessRecord>", "line 1: broken XML: no element found"),
            (b"<Record/>", "line 1: not a CBF file: its root is 'Record'"),
            (record("", "<FEN>x</FEN>").encode(), "line 3: expected 10 ranks"),
            (b'<!DOCTYPE a [<!ENTITY b "c">]><ChineseChessRecord/>', "line 1: a document type is not allowed"),
        ],
    )
    def test_nothing_to_read(self, data: bytes, reason: str) -> None:
        with pytest.raises(FormatError) as error:
            cbf.loads(data)
        assert str(error.value).startswith(reason)

    @pytest.mark.parametrize(
        ("moves", "found", "reason"),
        [
            ('<Move value="77-48"/>', set(), "line 6, ply 1: no piece moves from h2 to e1"),
            ('<Move value="77-47"/>\n<Move value="7062"/>', {"h2e2"},
             "line 7, ply 2: expected a move like '77-47', found '7062'"),
            ("<Move/>", set(), "line 6, ply 1: expected a move like '77-47', found ''"),
            ('<Move value="77-47" end="1"/>\n<Move value="70-62"/>', {"h2e2"}, "line 7: a move after the end"),
            ('<Move value="77-47" alt="1"/>', {"h2e2"}, "line 6: the moves end before an alternative"),
            ('<Move value="77-47" alt="1"/>\n<Move value="70-60" alt="1"/><Move value="79-67" end="1"/>'
             '<Move value="70-62" end="1"/><Move value="17-47" end="1"/>',
             {"h2e2 h9g7", "b2e2"}, "line 7, ply 2: illegal move 'h9g9'"),
        ],
    )  # fmt: skip
    def test_what_is_sound_is_kept(self, moves: str, found: set[str], reason: str) -> None:
        errors: list[FormatError] = []
        (game,) = load(io.BytesIO(record(moves, HEAD).encode()), errors.append)
        assert (lines(game), game.headers["Red"]) == (found, "胡荣华")
        assert [str(error)[: len(reason)] for error in errors] == [reason]
        assert game.errors == errors

    def test_a_file_that_breaks_off(self) -> None:
        game = cbf.loads(record(MOVES, HEAD).encode()[:-60])
        assert ([move.iccs for move in game.moves()], game.headers["Red"]) == (["h2e2", "h9g7"], "胡荣华")
        assert ["broken XML" in error.reason for error in game.errors] == [True]

    def test_a_text_that_mentions_the_format(self) -> None:
        (game,) = load(io.BytesIO(b'[Red "A"]\n\n1. h2e2 {from a <ChineseChessRecord>} *\n'))
        assert game.headers["Red"] == "A"

    def test_deep_nesting_costs_nothing(self) -> None:
        depth = 100_000
        deep = "<a>" * depth + "</a>" * depth
        assert cbf.loads(f"<ChineseChessRecord>{deep}</ChineseChessRecord>".encode()).moves() == []
