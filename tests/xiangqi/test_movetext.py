"""Movetext in algebraic notation, and signs after moves. The rest of movetext is tested with PGN."""

from __future__ import annotations

import pickle
import random

import pytest

from xiangqi import Board, Game, Move
from xiangqi.move import AmbiguousMoveError, IllegalMoveError, InvalidMoveError
from xiangqi.notation import parse_algebraic, parse_wxf


def iccs(text: str) -> str:
    game = Game.from_pgn(text)
    assert game.errors == []
    return " ".join(move.iccs for move in game.moves())


def algebraic(board: Board, move: Move, first_rank: int, pawn: str) -> str:
    """Return a move as WinBoard (``pawn`` is ``""``) or PyChess (``"P"``) write it: an encoder of the tests' own."""

    def name(square: int) -> str:
        return f"{'abcdefghi'[square % 9]}{square // 9 + first_rank}"

    piece = board.piece_at(move.from_square)
    assert piece is not None
    symbol = piece.symbol().upper()
    letter = pawn if symbol == "P" else {"N": "H", "B": "E"}.get(symbol, symbol)
    captures = "x" if board.piece_at(move.to_square) else ""
    origin = name(move.from_square)
    rivals = [
        name(other.from_square)
        for other in board.legal_moves
        if other.to_square == move.to_square and board.piece_at(other.from_square) is piece and other is not move
    ]
    if letter == "" and (captures or not rivals or move.from_square % 9 != move.to_square % 9):
        mark = origin[0] if captures or move.from_square % 9 != move.to_square % 9 else ""
    elif not rivals:
        mark = ""
    elif all(rival[0] != origin[0] for rival in rivals):
        mark = origin[0]
    else:
        mark = origin[1:]
    board.push(move)
    check = "+" if board.is_check() else ""
    board.pop()
    return f"{letter}{mark}{captures}{name(move.to_square)}{check}"


class TestAlgebraic:
    @pytest.mark.parametrize(
        "text",
        [
            "1. Che2 Hg7 2. Hg2 Rh9 *",
            "1. Che3 Hg8 2. Hg3 Rh10 *",
            "1. h3e3 h10g8 2. h1g3 i10h10 *",
            "1. Ch2-e2 Nh9-g7 2. Nh0-g2 Ri9-h9 *",
            "1. Che2 {+0.38/19} Hg7 {-0.27/28 29} 2.\nHg2 Rh9 *",
        ],
    )
    def test_squares_count_from_0_or_from_1(self, text: str) -> None:
        assert iccs(text) == "h2e2 h9g7 h0g2 i9h9"

    @pytest.mark.parametrize(("first_rank", "pawn"), [(0, ""), (0, "P"), (1, ""), (1, "P")])
    def test_whole_games(self, first_rank: int, pawn: str) -> None:
        for seed in range(12):
            rng = random.Random(seed)
            board, texts, moves = Board(), [], []
            while len(moves) < 100 and board.legal_moves:
                move = rng.choice([move for move in board.legal_moves if board.piece_at(move.to_square)] or [None])
                move = rng.choice(board.legal_moves) if move is None or rng.random() < 0.7 else move
                texts.append(algebraic(board, move, first_rank, pawn))
                moves.append(move.iccs)
                board.push(move)
            assert iccs(f'[Red "A"]\n\n{" ".join(texts)} *') == " ".join(moves)

    def test_a_game_that_fits_both_ways_is_read_as_its_site_writes(self) -> None:
        text = "1. Ra2 Ra8 *"
        assert Game.from_pgn(text).moves()[0].iccs == "a0a2"
        assert Game.from_pgn(f'[Site "https://www.pychess.org/x"]\n\n{text}').moves()[0].iccs == "a0a1"
        assert iccs('[Site "https://www.pychess.org/x"]\n\n1. Che2 Hg7 *') == "h2e2 h9g7"

    @pytest.mark.parametrize("text", ["1. Che3 Hg8 2. Hg3 Rh9 3. Rh1 *", "1. Che2 Hg7 2. Hg2 Rh8 3. Rh0 *"])
    def test_one_unsound_move_does_not_change_the_count(self, text: str) -> None:
        game = Game.from_pgn(text)
        assert [move.iccs for move in game.moves()] == ["h2e2", "h9g7", "h0g2"]
        assert [error.ply for error in game.errors] == [4]

    def test_variations(self) -> None:
        game = Game.from_pgn("1. Che3 (1. Cbe3 Hc8) Hg8 2. Hg3 Rh10 *")
        assert [node.move.iccs for node in game.walk()] == ["h2e2", "h9g7", "h0g2", "i9h9", "b2e2", "b9c7"]

    @pytest.mark.parametrize(
        ("fen", "text", "move"),
        [
            ("3ak4/9/3a5/9/9/9/9/9/9/5K3 b", "A9e8", "d9e8"),
            ("3ak4/9/3a5/9/9/9/9/9/9/5K3 b", "A7e8", "d7e8"),
            ("4k4/9/9/9/4c4/4P4/9/9/9/3K5 w", "xe5", "e4e5"),
            ("5k3/9/9/3P5/9/9/9/9/9/4K4 w", "de6", "d6e6"),
            ("3k5/4P4/3P5/9/9/9/9/9/9/4K4 w", "d8", "d7d8"),
            ("3k5/9/9/9/9/9/9/9/C8/C3K4 w", "C1c1", "a1c1"),
            ("3k5/9/9/8P/9/9/9/9/9/4K4 w", "i7=.", "i6i7"),
        ],
    )
    def test_single_moves(self, fen: str, text: str, move: str) -> None:
        game = Game.from_pgn(f'[FEN "{fen}"]\n\n1. {text} *')
        assert ([move.iccs for move in game.moves()], game.errors) == ([move], [])

    def test_what_is_wrong_is_said(self) -> None:
        with pytest.raises(InvalidMoveError, match=r"'C2=5' \(expected piece and square, as Che2"):
            parse_algebraic(Board(), "C2=5")
        with pytest.raises(IllegalMoveError, match="'Ke5': no red king can go there"):
            parse_algebraic(Board(), "Ke5")
        with pytest.raises(IllegalMoveError, match="'Cb3': no red cannon can go there"):
            parse_algebraic(Board(), "Cb3", first_rank=1)
        with pytest.raises(IllegalMoveError, match="'Che3': no red cannon on file h can go there"):
            parse_algebraic(Board(), "Che3")
        with pytest.raises(AmbiguousMoveError, match="'Ce2': b2e2 or h2e2"):
            parse_algebraic(Board(), "Ce2")


class TestAmbiguous:
    """Two red pawns on file 7, Black's horse before the front one, and a cannon behind the other."""

    FEN = "3k5/9/9/2n6/2P6/9/2P6/9/2c6/4K4 w"

    @pytest.mark.parametrize(
        ("text", "moves"),
        [
            ("1. P7+1 H3+5 2. P7+1 K4.5", "c3c4 c6e5 c5c6 d9e9"),
            ("1. P7+1 C3-5 2. P7+1", "c5c6 c1c6 c3c4"),
            ("1. P7+1 {front} C3-5 (1... K4+1 2. K5=4) 2. P7+1 *", "c5c6 c1c6 c3c4"),
            ("1. 兵七进一 炮3退5 2. 兵七进一", "c5c6 c1c6 c3c4"),
        ],
    )
    def test_the_rest_of_the_line_decides(self, text: str, moves: str) -> None:
        game = Game.from_pgn(f'[Red "A"]\n[FEN "{self.FEN}"]\n\n{text}')
        assert (" ".join(move.iccs for move in game.moves()), game.errors) == (moves, [])

    @pytest.mark.parametrize("text", ["1. P7+1 *", "1. P7+1 K4+1 *", "1. P7+1 K4+1 2. K9+9 *"])
    def test_or_does_not(self, text: str) -> None:
        game = Game.from_pgn(f'[Red "A"]\n[FEN "{self.FEN}"]\n\n{text}')
        assert game.moves() == []
        assert [error.reason[:38] for error in game.errors] == ["ambiguous move 'P7+1': c5c6 or c3c4 in"]

    def test_the_moves_are_told(self) -> None:
        with pytest.raises(AmbiguousMoveError) as caught:
            parse_wxf(Board(self.FEN), "P7+1")
        assert [move.iccs for move in caught.value.moves] == ["c5c6", "c3c4"]
        assert pickle.loads(pickle.dumps(caught.value)).moves == caught.value.moves


class TestSigns:
    @pytest.mark.parametrize("move", ["C2=5", "h2e2", "H2-E2", "炮二平五", "Che2"])
    @pytest.mark.parametrize("sign", ["+", "#", "++", " +", " #"])
    def test_marks_of_check(self, move: str, sign: str) -> None:
        game = Game.from_pgn(f"1. {move}{sign} h9g7 *")
        assert [move.iccs for move in game.moves()] == ["h2e2", "h9g7"]
        assert (game.errors, game.variations[0].nags) == ([], set())

    @pytest.mark.parametrize(
        ("sign", "nag"),
        [("±", 16), ("∓", 17), ("=", 10), ("+-", 18), ("-+", 19), ("+/-", 16), ("=/+", 15), ("∞", 13), ("$1000", 1000)],
    )
    @pytest.mark.parametrize("move", ["C2=5", "h2e2", "炮二平五", "Che2"])
    @pytest.mark.parametrize("gap", [" ", ""])
    def test_assessments(self, move: str, gap: str, sign: str, nag: int) -> None:
        game = Game.from_pgn(f"1. {move}{gap}{sign} h9g7 *")
        assert [move.iccs for move in game.moves()] == ["h2e2", "h9g7"]
        assert (game.errors, game.variations[0].nags) == ([], {nag})
        assert Game.from_pgn(str(game)).variations[0].nags == {nag}

    @pytest.mark.parametrize(("sign", "nag"), [("N", 146), ("~", 13), ("□", 7)])
    def test_signs_that_stand_alone(self, sign: str, nag: int) -> None:
        game = Game.from_pgn(f"1. C2=5 {sign} H8+7 *")
        assert ([move.iccs for move in game.moves()], game.variations[0].nags) == (["h2e2", "h9g7"], {nag})

    def test_an_unknown_sign_is_reported_and_costs_no_move(self) -> None:
        game = Game.from_pgn("1. C2=5 =-= H8+7 *")
        assert [move.iccs for move in game.moves()] == ["h2e2", "h9g7"]
        assert [str(error) for error in game.errors] == ["line 1, ply 2: cannot read '=-='"]


class TestMinister:
    """``M``, elephant on ICCS, is otherwise the middle of three pawns."""

    def test_elephant(self) -> None:
        assert [parse_wxf(Board(), text).iccs for text in ("M3+5", "m7+5")] == ["g0e2", "c0e2"]
        assert parse_wxf(Board("4k4/9/9/9/9/9/9/4B4/9/3K5 w"), "M5-3").iccs == "e2g0"

    def test_middle_pawn(self) -> None:
        board = Board("3k5/2P6/9/2P6/9/2P6/9/9/9/2B1K4 w")
        assert [parse_wxf(board, text).iccs for text in ("M7+1", "M7+5")] == ["c6c7", "c0e2"]


class TestTimes:
    """Some programs write the time of a move in brackets after it."""

    @pytest.mark.parametrize("time", ["12", "0:15", "00:15/01:30", " 3 ", "12秒", "3.5s"])
    def test_they_are_comments(self, time: str) -> None:
        game = Game.from_pgn(f"1. 炮二平五({time}) 马8进7 (1... 马2进3 ({time})) 2. 马二进三({time}) *")
        assert game.errors == []
        assert [move.iccs for move in game.moves()] == ["h2e2", "h9g7", "h0g2"]
        for read in (game, Game.from_pgn(str(game))):
            assert [node.comment for node in read.main_line()] == [time.strip(), "", time.strip()]
