"""The engine's side of the protocols: what a client writes is read as it was meant, and the other way round."""

import pytest

from xiangqi import BLACK, RED, Board, InvalidFenError, Move
from xiangqi.engine import Info, Limit, Score, Wdl
from xiangqi.engine.serving import (
    read_go,
    read_moves,
    read_position,
    read_setting,
    whole_wdl,
    write_best_move,
    write_info,
    write_text,
)
from xiangqi.engine.values import Option
from xiangqi.engine.wire import UCCI, UCI, parse_best_move, parse_info, position

BOARDS = (Board(), Board.from_moves("h2e2"), Board.from_moves("h2e2 h9g7 e2e6 g7e6 h0g2"))
MOVE, REPLY = Move.from_iccs("h2e2"), Move.from_iccs("h9g7")


class TestBothDirections:
    @pytest.mark.parametrize("first_rank", [0, 1])
    @pytest.mark.parametrize("board", BOARDS, ids=["start", "one", "five"])
    def test_positions(self, board, first_rank):
        text = position(board, first_rank).removeprefix("position ")
        read, found = read_position(text.split(), (first_rank,))
        assert read == board
        assert found == first_rank
        upper, _ = read_position(text.replace("moves", "MOVES").split(), (first_rank,))
        assert upper == board

    @pytest.mark.parametrize("dialect", [UCI, UCCI], ids=["uci", "ucci"])
    @pytest.mark.parametrize(
        "limit",
        [
            Limit(depth=7),
            Limit(nodes=1000),
            Limit(red_clock=60, black_clock=30, red_increment=2, black_increment=1),
            Limit(red_clock=60, black_clock=30, moves_to_go=9),
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("board", BOARDS[:2], ids=["red", "black"])
    def test_limits(self, dialect, limit, board):
        assert read_go(dialect.go(limit, board, None, 0, False).split(), board, dialect).limit == limit

    def test_time_for_a_move(self):
        board, limit = Board(), Limit(time=2)
        assert read_go(UCI.go(limit, board, None, 0, False).split(), board, UCI).limit == limit
        read = read_go(UCCI.go(limit, board, None, 0, False).split(), board, UCCI)
        assert read.limit == Limit(red_clock=2, moves_to_go=1)

    @pytest.mark.parametrize("first_rank", [0, 1])
    def test_root_moves(self, first_rank):
        words = UCI.go(Limit(depth=3), Board(), [MOVE], first_rank, False).split()
        assert read_go(words, Board(), UCI, first_rank).limit == Limit(depth=3, root_moves=(MOVE,))

    @pytest.mark.parametrize("dialect", [UCI, UCCI], ids=["uci", "ucci"])
    def test_settings(self, dialect):
        for name, value in (("Hash", "16"), ("Analysis Style", "Very Risky"), ("Model", "/a  b/c")):
            if dialect is UCI or " " not in name:
                text = dialect.set_option(Option(name, "string"), value).removeprefix("setoption")
                assert read_setting(text) == (name, value)

    @pytest.mark.parametrize("dialect", [UCI, UCCI], ids=["uci", "ucci"])
    def test_information(self, dialect):
        info = Info(2, 5, score=Score(RED, cp=-80), nodes=100, time=0.25, pv=(MOVE, REPLY))
        lines = list(write_info(info, dialect))
        read = Info()
        for line in lines:
            read = read.updated(parse_info(line.split()[1:], Board(), 0, dialect))
        assert read.updated(Info(2)) == info

    def test_information_of_uci_alone(self):
        wdl = Wdl(200, 300, 500)
        info = Info(1, 9, 14, Score(BLACK, mate=-4), "upper", wdl, 1.5, 9, 6, 3, (REPLY,))
        (line,) = write_info(info, UCI, 1)
        assert parse_info(line.split()[1:], BOARDS[1], 1, UCI) == info
        assert line == (
            "info depth 9 seldepth 14 multipv 1 score mate -4 upperbound wdl 200 300 500 "
            "nodes 9 nps 6 hashfull 3 time 1500 pv h10g8"
        )

    @pytest.mark.parametrize("dialect", [UCI, UCCI], ids=["uci", "ucci"])
    def test_best_moves(self, dialect):
        line = write_best_move(dialect, MOVE, REPLY, draw=True)
        result, _ = parse_best_move(line.split(), Board(), Info(), 0)
        assert (result.move, result.ponder, result.draw_offered) == (MOVE, REPLY, dialect is UCCI)
        result, _ = parse_best_move(write_best_move(dialect, None).split(), Board(), Info(), 0)
        assert result.move is None and not result.resigned
        result, _ = parse_best_move(write_best_move(dialect, MOVE, resign=True).split(), Board(), Info(), 0)
        assert result.resigned == (dialect is UCCI)

    def test_a_mate_in_ucci_is_a_large_score(self):
        (line,) = write_info(Info(depth=3, score=Score(RED, mate=2)), UCCI)
        assert line == "info depth 3 score 9998"


class TestReading:
    def test_the_first_ranks_that_fit(self):
        assert read_position(["startpos", "moves", "h2e2"], (0, 1))[1] == 0
        assert read_position(["startpos", "moves", "h3e3"], (0, 1))[1] == 1
        assert read_position(["startpos", "moves", "h3e3"], (1, 0))[1] == 1
        assert read_position(["startpos"], (1, 0))[1] == 1

    @pytest.mark.parametrize(
        ("text", "wrong"),
        [
            ("", "startpos or fen"),
            ("startpos moves h2e2 h2e2", "illegal move 'h2e2'"),
            ("startpos moves e2", "not a UCI move"),
            ("startpos moves 0000", "illegal move '0000'"),
        ],
    )
    def test_wrong_positions(self, text, wrong):
        with pytest.raises(ValueError, match=wrong):
            read_position(text.split(), (0, 1))

    def test_wrong_fens(self):
        with pytest.raises(InvalidFenError):
            read_position(["fen"], (0,))

    def test_units_of_ucci(self):
        words = ["go", "time", "60", "increment", "1"]
        assert read_go(words, Board(), UCCI, unit=1.0).limit == Limit(red_clock=60, red_increment=1)
        assert read_go(words, Board(), UCCI).limit == Limit(red_clock=0.06, red_increment=0.001)
        assert read_go(["go", "wtime", "60"], Board(), UCCI, unit=1.0).limit == Limit(red_clock=0.06)

    def test_strange_words(self):
        for text in ("go depth", "go depth x", "go depth nan", "go depth inf", "go foo bar", "go searchmoves", "go"):
            assert read_go(text.split(), Board(), UCI).limit == Limit()
        assert read_go(["go", "searchmoves", "a0a9", "depth", "2"], Board(), UCI).limit == Limit(depth=2)
        assert read_go(["go", "wtime", "-5", "nodes", "1e3"], Board(), UCI).limit == Limit(red_clock=0, nodes=1000)

    def test_moves(self):
        assert read_moves(["H2E2", "x", "0000", "a0a9", "b0c2"], Board()) == [MOVE, Move.from_iccs("b0c2")]

    def test_text_is_one_line(self):
        assert write_text("a\n  b", UCI) == "info string a b"

    def test_whole_shares(self):
        for wdl in (Wdl(0.5, 0.5, 999), Wdl(0, 0, 0), Wdl(500.5, 0, 499.5), Wdl(1, 1, 1)):
            assert sum(whole_wdl(wdl)) == 1000
            assert min(whole_wdl(wdl)) >= 0
