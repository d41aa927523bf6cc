"""Reading and writing notation."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiangqi import (
    ADVISOR,
    BISHOP,
    BLACK,
    CANNON,
    KING,
    KNIGHT,
    NULL_MOVE,
    PAWN,
    RED,
    ROOK,
    SQUARES,
    AmbiguousMoveError,
    Board,
    IllegalMoveError,
    InvalidMoveError,
    Move,
    Piece,
    notation,
    parse_square,
    rotate_square,
    square_name,
)
from xiangqi.lines import Notation, move_text


def assert_round_trip(board: Board) -> None:
    """Every legal move has a text of its own in each notation, and the text leads back to the move."""
    moves = board.legal_moves
    for texts, parse in (
        ([board.wxf(move) for move in moves], board.parse_wxf),
        ([board.chinese(move) for move in moves], board.parse_chinese),
        ([board.chinese(move, traditional=True) for move in moves], board.parse_chinese),
        ([board.iccs(move) for move in moves], board.parse_iccs),
        ([board.algebraic(move) for move in moves], board.parse_algebraic),
        (
            [board.algebraic(move, first_rank=1) for move in moves],
            lambda text: board.parse_algebraic(text, first_rank=1),
        ),
    ):
        assert len(set(texts)) == len(moves), (board, texts)
        for move, text in zip(moves, texts, strict=True):
            assert parse(text) is move, (board, move, text)


def place(pieces: str, turn: int = RED) -> Board:
    """Set up pieces given as ``Pa8``; with kings on d0 and f9 unless they are given."""
    board = Board(None)
    men = {parse_square(item[1:]): Piece.from_symbol(item[0]) for item in pieces.split()}
    for king, home in (("K", "d0"), ("k", "f9")):
        if Piece.from_symbol(king) not in men.values():
            men[parse_square(home)] = Piece.from_symbol(king)
    board.set_piece_map(men)
    board.turn = turn
    return board


def heads(board: Board, write) -> dict[str, set[str]]:
    """Return how the piece on each square is named in the texts of its legal moves."""
    names: dict[str, set[str]] = {}
    for move in board.legal_moves:
        names.setdefault(square_name(move.from_square), set()).add(write(move)[:-2])
    return names


class TestUci:
    @pytest.mark.parametrize(
        ("iccs", "first_rank", "text"), [("b9c7", 0, "b9c7"), ("b9c7", 1, "b10c8"), ("a0a9", 1, "a1a10")]
    )
    def test_both_ways(self, iccs, first_rank, text):
        move = Move.from_iccs(iccs)
        assert notation.uci(move, first_rank) == text
        assert notation.parse_uci(text, first_rank) is move

    def test_null_move(self):
        assert notation.uci(NULL_MOVE, 1) == "0000"
        assert notation.parse_uci("0000", 1) is NULL_MOVE

    @pytest.mark.parametrize(
        ("text", "first_rank"),
        [
            ("b10c8", 0),
            ("a0a1", 1),
            ("a1a11", 1),
            ("j1a1", 1),
            ("a1a1", 1),
            ("a1b8", 1),
            ("", 0),
            ("h2e2q", 0),
            ("h2-e2", 0),
        ],
    )
    def test_nonsense(self, text, first_rank):
        with pytest.raises(InvalidMoveError, match="UCI"):
            notation.parse_uci(text, first_rank)

    @pytest.mark.parametrize("first_rank", [-1, 2, "1"])
    def test_ranks_start_at_0_or_1(self, first_rank: Any) -> None:
        board, move = Board(), Move.from_iccs("h2e2")
        for call in (
            lambda: board.uci(move, first_rank),
            lambda: board.algebraic(move, first_rank),
            lambda: board.parse_uci("h2e2", first_rank),
            lambda: board.parse_algebraic("Che2", first_rank),
        ):
            with pytest.raises(ValueError, match=f"ranks start at 0 or 1, not at {first_rank!r}"):
                call()


class TestUciOnTheBoard:
    def test_both_numberings(self) -> None:
        board = Board()
        for text in ("h3e3", "h10g8", "h1g3"):
            board.push_uci(text)
        assert [move.iccs for move in board.move_stack] == ["h2e2", "h9g7", "h0g2"]
        assert board.parse_uci("i9h9").iccs == "i9h9"
        assert board.parse_uci("i10i9", first_rank=1).iccs == "i9i8"

    @settings(max_examples=20, deadline=None)
    @given(st.integers(0, 2**32))
    def test_what_is_written_is_read(self, seed: int) -> None:
        """With the rank it is always read; without it, it is read or found to be ambiguous, never misread."""
        rng = random.Random(seed)
        board = Board()
        while board.ply < 60 and board.legal_moves:
            for move in board.legal_moves:
                for first_rank in (0, 1):
                    text = board.uci(move, first_rank)
                    assert board.parse_uci(text, first_rank) is move
                    try:
                        assert board.parse_uci(text) is move
                    except AmbiguousMoveError:
                        assert board.is_legal(notation.parse_uci(text, 1 - first_rank))
            board.push(rng.choice(board.legal_moves))

    def test_ambiguous(self) -> None:
        board = place("Ra0 Ra1")
        with pytest.raises(AmbiguousMoveError, match="'a1b1': a1b1 if ranks start at 0, a0b0 if at 1; give first_rank"):
            board.push_uci("a1b1")
        assert board.ply == 0
        assert board.push_uci("a1b1", first_rank=1).iccs == "a0b0"

    def test_errors(self) -> None:
        with pytest.raises(InvalidMoveError, match=r"not a UCI move: 'C2=5' \(two squares, ranks 0 to 9 or 1 to 10\)"):
            Board().parse_uci("C2=5")
        with pytest.raises(IllegalMoveError, match="'h10g8': it is red's turn in"):
            Board().parse_uci("h10g8")
        with pytest.raises(IllegalMoveError, match=r"'b3b1': there is no piece on b3, or .* if ranks start at 1 in"):
            Board().parse_uci("b3b1")


class TestAlgebraic:
    @pytest.mark.parametrize(
        ("board", "iccs", "text"),
        [
            (Board(), "h2e2", "Che2"),
            (Board(), "h0g2", "Hg2"),
            (Board(), "h2h9", "Cxh9"),
            (Board(), "c3c4", "c4"),
            (Board(), "d0e1", "Ade1"),
            (Board(), "g0e2", "Ege2"),
            (place("Ra0 Ra2"), "a0a1", "R0a1"),
            (place("Ra0 Ra4 Re2"), "a0a2", "R0a2"),
            (place("Ha2 Ha4"), "a2c3", "H2c3"),
            (place("Hb2 Hb6 Hf2 Hf6"), "b2d3", "Hbd3"),
            (place("Hb3 Hb5 Hf3 Hf5"), "b3d4", "Hb3d4"),
            (place("Pe5 pe6"), "e5e6", "exe6"),
            (place("Pd6 Pf6"), "d6e6", "de6"),
            (place("Re1"), "e1f1", "Rf1+"),
            (Board("4k4/R8/9/9/9/9/9/9/8R/3K5 w"), "i1i9", "Ri9#"),
            (Board("4k4/R8/9/9/9/9/9/9/4K4/5R3 w"), "e1d1", "Kd1"),
        ],
    )
    def test_texts(self, board: Board, iccs: str, text: str) -> None:
        assert board.algebraic(Move.from_iccs(iccs)) == text
        assert board.push_algebraic(text).iccs == iccs

    def test_ranks_from_1(self) -> None:
        assert Board().algebraic(Move.from_iccs("h2h9"), first_rank=1) == "Cxh10"
        assert Board().push_algebraic("Cxh10", first_rank=1).iccs == "h2h9"

    def test_only_legal_moves_are_written(self) -> None:
        with pytest.raises(IllegalMoveError, match="'h9g7': it is red's turn"):
            Board().algebraic(Move.from_iccs("h9g7"))


class TestLines:
    LINE = Board.from_moves("h2e2 h9g7 h0g2 i9h9").move_stack

    @pytest.mark.parametrize(
        ("notation", "text"),
        [
            ("iccs", "1. h2e2 h9g7 2. h0g2 i9h9"),
            ("wxf", "1. C2=5 H8+7 2. H2+3 R9=8"),
            ("chinese", "1. 炮二平五 马8进7 2. 马二进三 车9平8"),
            ("traditional", "1. 炮二平五 馬８進７ 2. 傌二進三 車９平８"),
            ("algebraic", "1. Che2 Hg7 2. Hg2 Rh9"),
        ],
    )
    def test_notations(self, notation: Notation, text: str) -> None:
        assert Board().line_text(self.LINE, notation) == text

    def test_from_the_middle_of_a_game(self) -> None:
        board = Board.from_moves("h2e2")
        assert board.line_text(self.LINE[1:]) == "1... H8+7 2. H2+3 R9=8"
        assert board.line_text([]) == ""
        assert board.line_text([NULL_MOVE, *self.LINE[2:3]]) == "1... -- 2. H2+3"
        assert board.move_stack == self.LINE[:1]

    @pytest.mark.parametrize("notation", ["iccs", "wxf", "chinese", "algebraic"])
    def test_an_illegal_move(self, notation: Notation) -> None:
        with pytest.raises(IllegalMoveError, match="ply 2: illegal move 'h2e2': there is no piece on h2"):
            Board().line_text([self.LINE[0]] * 2, notation)

    def test_an_unknown_notation(self) -> None:
        with pytest.raises(ValueError, match=r"no such notation: 'san' .*wxf"):
            Board().line_text([], "san")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="no such notation: 'san'"):
            move_text(Board(), self.LINE[0], "san")  # type: ignore[arg-type]


class TestPlain:
    @pytest.mark.parametrize(
        ("moves", "wxf", "simplified", "traditional"),
        [
            ("h2e2", "C2=5", "炮二平五", "炮二平五"),
            ("h2e2 h7e7", "C8=5", "炮8平5", "砲８平５"),
            ("b0c2", "H8+7", "马八进七", "傌八進七"),
            ("h2e2 h9g7", "H8+7", "马8进7", "馬８進７"),
            ("g0e2", "E3+5", "相三进五", "相三進五"),
            ("h2e2 c9e7", "E3+5", "象3进5", "象３進５"),
            ("d0e1", "A6+5", "仕六进五", "仕六進五"),
            ("h2e2 f9e8", "A6+5", "士6进5", "士６進５"),
            ("i0i1", "R1+1", "车一进一", "俥一進一"),
            ("h2e2 a9a8", "R1+1", "车1进1", "車１進１"),
            ("e0e1", "K5+1", "帅五进一", "帥五進一"),
            ("h2e2 e9e8", "K5+1", "将5进1", "將５進１"),
            ("c3c4", "P7+1", "兵七进一", "兵七進一"),
            ("h2e2 g6g5", "P7+1", "卒7进1", "卒７進１"),
            ("h2h1", "C2-1", "炮二退一", "炮二退一"),
            ("h0g2 h9g7 g2h0", "H3-2", "马三退二", "傌三退二"),
        ],
    )
    def test_texts(self, moves, wxf, simplified, traditional):
        board = Board.from_moves(moves)
        move = board.pop()
        assert (board.wxf(move), board.chinese(move), board.chinese(move, traditional=True)) == (
            wxf,
            simplified,
            traditional,
        )
        assert board.push_chinese(traditional) is move
        assert board.pop() is board.push_wxf(wxf)

    def test_two_advisors_or_bishops_on_a_file_take_no_mark(self):
        board = place("Ad0 Ad2 Bc0 Bc4 Ke1")
        assert board.wxf(Move.from_iccs("c0e2")) == "E7+5"
        assert board.chinese(Move.from_iccs("c4e2")) == "相七退五"
        assert board.parse_chinese("后相进五") is Move.from_iccs("c0e2")
        assert_round_trip(board)

    def test_only_legal_moves_are_written(self):
        for write in (Board().wxf, Board().chinese):
            with pytest.raises(IllegalMoveError, match="a0a9"):
                write(Move.from_iccs("a0a9"))
            with pytest.raises(IllegalMoveError, match="red's turn"):
                write(Move.from_iccs("a9a8"))


class TestTandem:
    def test_two(self):
        board = place("Rc4 Rc1 Ce2 Ce5")
        assert heads(board, board.wxf) == {
            "c4": {"+R"}, "c1": {"-R"}, "e5": {"+C"}, "e2": {"-C"}, "d0": {"K6"}
        }  # fmt: skip
        assert heads(board, board.chinese) == {
            "c4": {"前车"}, "c1": {"后车"}, "e5": {"前炮"}, "e2": {"后炮"}, "d0": {"帅六"}
        }  # fmt: skip
        assert board.chinese(Move.from_iccs("c1c2"), traditional=True) == "後俥進一"

    def test_front_is_seen_from_the_mover(self):
        board = place("nc6 nc3", BLACK)
        assert board.chinese(Move.from_iccs("c3e2")) == "前马进5"
        assert board.chinese(Move.from_iccs("c6b8"), traditional=True) == "後馬退２"

    def test_three_pawns(self):
        board = place("Pg5 Pg6 Pg8")
        assert heads(board, board.wxf) == {"g8": {"+P"}, "g6": {"P3"}, "g5": {"-P"}, "d0": {"K6"}}
        assert heads(board, board.chinese) == {"g8": {"前兵"}, "g6": {"中兵"}, "g5": {"后兵"}, "d0": {"帅六"}}

    def test_four_pawns(self):
        board = place("pg1 pg2 pg3 pg4", BLACK)
        assert heads(board, board.wxf) == {"g1": {"++"}, "g2": {"+P"}, "g3": {"-P"}, "g4": {"--"}, "f9": {"K6"}}
        assert heads(board, board.chinese) == {
            "g1": {"一卒"}, "g2": {"二卒"}, "g3": {"三卒"}, "g4": {"四卒"}, "f9": {"将6"}
        }  # fmt: skip

    def test_five_pawns(self):
        board = place("Pg4 Pg5 Pg6 Pg7 Pg8")
        board.set_piece_at(parse_square("g4"), None)
        board.set_piece_at(parse_square("g9"), Piece(RED, PAWN))
        assert heads(board, board.wxf) == {
            "g9": {"++"}, "g8": {"+P"}, "g7": {"P3"}, "g6": {"-P"}, "g5": {"--"}, "d0": {"K6"}
        }  # fmt: skip
        assert heads(board, board.chinese)["g9"] == {"一兵"}
        assert heads(board, board.chinese)["g5"] == {"五兵"}

    def test_pawns_on_two_files(self):
        """The example of the Chinese standard: four pawns on Red's files 4 and 6."""
        board = place("Pf8 Pf6 Pd8 Pd6 Pa6")
        texts = {"f8e8": "一兵平五", "f6e6": "二兵平五", "d8e8": "三兵平五", "d6e6": "四兵平五", "a6b6": "兵九平八"}
        assert {move: board.chinese(Move.from_iccs(move)) for move in texts} == texts
        assert heads(board, board.wxf) == {
            "f8": {"+4"}, "f6": {"-4"}, "d8": {"+6"}, "d6": {"-6"}, "a6": {"P9"}, "d0": {"K6"}
        }  # fmt: skip

    def test_three_and_two_pawns(self):
        board = place("Pg5 Pg6 Pg7 Pc5 Pc6")
        assert heads(board, board.wxf) == {
            "g7": {"+3"}, "g6": {"33"}, "g5": {"-3"}, "c6": {"+7"}, "c5": {"-7"}, "d0": {"K6"}
        }  # fmt: skip
        assert_round_trip(board)

    @pytest.mark.parametrize(
        ("text", "move"),
        [
            ("前兵四平五", "f8e8"), ("后兵六平五", "d6e6"), ("前四平五", "f8e8"), ("前六兵平五", "d8e8"),
            ("後６兵平５", "d6e6"), ("二兵六平五", "d6e6"), ("一兵平五", "f8e8"),
        ],
    )  # fmt: skip
    def test_other_ways_to_name_pawns_on_two_files(self, text, move):
        assert place("Pf8 Pf6 Pd8 Pd6 Pa6").parse_chinese(text).iccs == move

    @pytest.mark.parametrize(
        ("text", "move"),
        [("前兵平四", "g9f9"), ("二兵平四", "g8f8"), ("三兵平四", "g6f6"), ("后兵平四", "g5f5"), ("四兵平四", "g5f5")],
    )
    def test_other_ways_to_name_four_pawns(self, text, move):
        assert place("Pg5 Pg6 Pg8 Pg9").parse_chinese(text).iccs == move

    @pytest.mark.parametrize(
        ("text", "move"),
        [
            ("3+=4", "g7f7"), ("3-=4", "g5f5"), ("33=4", "g6f6"), ("13=4", "g7f7"), ("23=4", "g6f6"),
            ("17=6", "c6d6"), ("27=6", "c5d5"), ("+P3=4", "g7f7"), ("5P=6", "c5d5"), ("Pd.6", "c6d6"), ("pa.4", "g7f7"),
        ],
    )  # fmt: skip
    def test_other_ways_in_wxf(self, text, move):
        assert place("Pg5 Pg6 Pg7 Pc5 Pc6").parse_wxf(text).iccs == move

    def test_middle_is_the_third_pawn_only_between_two_others_on_one_of_two_files(self):
        """What Fairy-Stockfish means by "33", the third pawn of file 3, is only there the middle one."""
        assert place("Pg5 Pg6 Pg7").parse_wxf("33=4").iccs == "g5f5"
        assert place("Pg5 Pg6 Pg7 Pc5 Pc6").parse_wxf("33=4").iccs == "g6f6"


class TestReading:
    @pytest.mark.parametrize(
        "text",
        ["炮二平五", "砲二平五", "包二平五", "炮２平５", "炮2平5", "砲二平５", " 炮 二 平 五 ", "炮⼆平五"],
    )
    def test_spellings(self, text):
        assert Board().parse_chinese(text).iccs == "h2e2"

    @pytest.mark.parametrize(
        ("text", "move"),
        [
            ("车九进一", "a0a1"), ("車９進1", "a0a1"), ("俥九進一", "a0a1"), ("象三进五", "g0e2"), ("士四進五", "f0e1"),
            ("將五进一", "e0e1"), ("帥5進1", "e0e1"), ("卒三进一", "g3g4"), ("馬２进三", "h0g2"), ("傌二進3", "h0g2"),
        ],
    )  # fmt: skip
    def test_characters_of_either_side(self, text, move):
        assert Board().parse_chinese(text).iccs == move

    @pytest.mark.parametrize("text", ["C2=5", "c2=5", "C2.5", " C2=5", "Ｃ２＝５"])
    def test_spellings_of_wxf(self, text):
        assert Board().parse_wxf(text).iccs == "h2e2"

    @pytest.mark.parametrize(
        ("text", "move"),
        [("N2+3", "h0g2"), ("h2+3", "h0g2"), ("B3+5", "g0e2"), ("S3+1", "g3g4"), ("G5+1", "e0e1"), ("C2−1", "h2h1")],
    )
    def test_other_letters_of_wxf(self, text, move):
        assert Board().parse_wxf(text).iccs == move

    def test_mark_before_or_after(self):
        board = place("Ra1 Ra3")
        assert board.parse_wxf("+R=5") is board.parse_wxf("R+=5") is board.parse_chinese("車前平五")

    def test_a_doubtful_text_is_taken_if_only_one_move_is_legal(self):
        board = place("Ra1 Ra3 Pa4")  # the front rook is blocked
        assert board.parse_wxf("R9+1").iccs == "a1a2"
        assert board.parse_chinese("车九进一").iccs == "a1a2"

    def test_push(self):
        board = Board()
        assert board.push_chinese("炮二平五").iccs == "h2e2"
        assert board.push_wxf("H8+7").iccs == "h9g7"
        assert board.ply == 2


class TestErrors:
    @pytest.mark.parametrize(
        "text",
        [
            "", " ", "炮", "炮二平", "炮二平五五", "炮二平十", "炮〇平五", "前前平五", "炮炮平五",
            "你好世界", "C2=5", "h2e2",
            "马二平三", "相三平五", "仕四平五", "兵三退一", "前车二平五六", "一" * 1000, "\x00\x01", "🐎二进三",
        ],
    )  # fmt: skip
    def test_nonsense_in_chinese(self, text):
        with pytest.raises(InvalidMoveError) as caught:
            Board().parse_chinese(text)
        assert repr(text) in str(caught.value)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "C",
            "C2",
            "C2=",
            "C25",
            "C2=0",
            "C0=5",
            "X2=5",
            "C2*5",
            "CC=5",
            "+-=5",
            "H2=3",
            "E3=5",
            "A4=5",
            "P3-1",
            "炮二平五",
            "h2e2",
            "O-O",
        ],
    )
    def test_nonsense_in_wxf(self, text):
        with pytest.raises(InvalidMoveError) as caught:
            Board().parse_wxf(text)
        assert repr(text) in str(caught.value)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("炮三平五", "no red cannon on file 3"),
            ("炮二平二", "goes that way from h2"),
            ("炮二进九", "goes that way from h2"),
            ("马二进五", "goes that way from h0"),
            ("仕四进六", "cannot move like that"),
            ("车一进三", "holds a piece of the same side"),
            ("炮二进八", "goes that way from h2"),
            ("前炮平五", "there is no such tandem red cannon"),
            ("前兵三平四", "tandem red pawn on file 3"),
            ("三兵平四", "there is no such tandem red pawn"),
        ],
    )
    def test_impossible(self, text, reason):
        board = Board()
        with pytest.raises(IllegalMoveError, match=reason) as caught:
            board.push_chinese(text)
        assert repr(text) in str(caught.value)
        assert board == Board()

    def test_check_is_not_left(self):
        board = place("Kd0 Rd1 rd5")
        with pytest.raises(IllegalMoveError, match="leaves the king in check"):
            board.parse_wxf("R6=5")

    @pytest.mark.parametrize("text", ["兵三平四", "P3=4"])
    def test_ambiguous_file(self, text):
        board = place("Pg5 Pg7")
        parse = board.parse_wxf if text.isascii() else board.parse_chinese
        with pytest.raises(AmbiguousMoveError, match="g7f7 or g5f5") as caught:
            parse(text)
        assert repr(text) in str(caught.value)

    def test_ambiguous_mark(self):
        with pytest.raises(AmbiguousMoveError, match="f8e8 or d8e8"):
            place("Pf8 Pf6 Pd8 Pd6").parse_chinese("前兵平五")


class TestEveryLegalMove:
    def test_random_games(self):
        rng = random.Random(7)
        for _ in range(6):
            board = Board()
            while board.ply < 150 and (moves := board.legal_moves):
                assert_round_trip(board)
                board.push(rng.choice(moves))

    @given(
        files=st.lists(st.integers(0, 8), min_size=1, max_size=3, unique=True),
        ranks=st.lists(st.tuples(st.integers(0, 2), st.integers(5, 9)), max_size=5),
        turn=st.sampled_from([RED, BLACK]),
    )
    @settings(max_examples=200, deadline=None)
    def test_up_to_five_pawns_crowded_on_few_files(self, files, ranks, turn):
        board = Board("5k3/9/9/9/9/9/9/9/9/3K5 w")
        for column, rank in ranks:
            sq = rank * 9 + files[column % len(files)]
            if board.piece_at(sq) is None:
                board.set_piece_at(sq, Piece(RED, PAWN))
        assert_round_trip(board if turn == RED else board.rotate())

    @given(
        men=st.dictionaries(
            st.sampled_from(SQUARES),
            st.tuples(
                st.sampled_from([RED, BLACK]),
                st.sampled_from([PAWN] * 8 + [ADVISOR, BISHOP, KNIGHT, ROOK, CANNON, KING]),
            ),
            min_size=5,
            max_size=88,
        ),
        files=st.lists(st.integers(0, 8), min_size=1, max_size=9, unique=True),
        turn=st.sampled_from([RED, BLACK]),
    )
    @settings(max_examples=200, deadline=None)
    def test_positions_that_could_never_arise(self, men, files, turn):
        board = Board(None)
        board.set_piece_map({sq // 9 * 9 + files[sq % 9 % len(files)]: Piece(*man) for sq, man in men.items()})
        board.turn = turn
        assert_round_trip(board)

    @given(st.text(alphabet="炮砲車马傌相仕帥兵卒前中后後一二五九15９平进退進+-=.CRHEAKP ", max_size=6))
    @settings(max_examples=500, deadline=None)
    def test_any_text_is_a_legal_move_or_one_of_our_errors(self, text):
        board = place("Ra1 Ra3 Cb4 Pg5 Pg7 Pc5 Pc6 Hh3 Eg0")
        for parse in (board.parse_chinese, board.parse_wxf):
            try:
                move = parse(text)
            except (InvalidMoveError, IllegalMoveError, AmbiguousMoveError):
                continue
            assert board.is_legal(move)

    def test_turned_board_reads_the_same(self):
        board = Board.from_moves("h2e2 h9g7 h0g2 i9h9 g3g4")
        turned = board.rotate()
        for move in board.legal_moves:
            other = Move(rotate_square(move.from_square), rotate_square(move.to_square))
            assert turned.wxf(other) == board.wxf(move)
