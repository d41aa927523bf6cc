"""The board: FEN, moves and taking them back, errors, copies, and faults of positions."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiangqi import (
    BLACK,
    CANNON,
    KING,
    KNIGHT,
    MOVES,
    NULL_MOVE,
    PAWN,
    RED,
    ROOK,
    SQUARES,
    STARTING_FEN,
    Board,
    IllegalMoveError,
    InvalidFenError,
    InvalidMoveError,
    Move,
    Piece,
    Status,
    kernels,
    parse_square,
)


@st.composite
def boards(draw):
    """A board after up to 100 random moves, null moves among them."""
    board = Board()
    for choice in draw(st.lists(st.integers(0, 2**16), max_size=100)):
        moves = board.legal_moves
        if not moves:
            break
        board.push(NULL_MOVE if choice % 50 == 7 and not board.is_check() else moves[choice % len(moves)])
    return board


@st.composite
def placements(draw):
    """A board with any pieces anywhere."""
    pieces = st.dictionaries(
        st.sampled_from(SQUARES), st.builds(Piece, st.sampled_from([RED, BLACK]), st.integers(1, 7))
    )
    board = Board(None)
    board.set_piece_map(draw(pieces))
    board.turn = draw(st.sampled_from([RED, BLACK]))
    board.halfmove_clock, board.fullmove_number = draw(st.integers(0, 200)), draw(st.integers(1, 500))
    return board


def state(board):
    return board.fen(), board.key, board.turn, board.cells.tolist(), board.move_stack


class TestFen:
    def test_start(self):
        assert Board().fen() == STARTING_FEN
        assert Board().placement() == STARTING_FEN.split()[0]

    @settings(max_examples=200, deadline=None)
    @given(st.one_of(boards(), placements()))
    def test_round_trip(self, board):
        again = Board(board.fen())
        assert again == board
        assert again.fen() == board.fen()
        assert again.key == board.key

    def test_counters(self):
        board = Board("4k4/9/9/9/9/9/9/9/9/3K5 b - - 17 45")
        assert (board.halfmove_clock, board.fullmove_number, board.turn) == (17, 45, BLACK)
        assert board.fen() == "4k4/9/9/9/9/9/9/9/9/3K5 b - - 17 45"

    @pytest.mark.parametrize("tail", ["", " w", " r", " r -", " w - -", " w - - 0", " w - - 0 0", "  w  -  - 0 1 "])
    def test_what_may_be_left_out(self, tail):
        assert Board(STARTING_FEN.split()[0] + tail) == Board()

    def test_letters_of_either_convention(self):
        assert Board("rheakaehr/9/1c5c1/p1p1p1p1p/9/9/P1P1P1P1P/1C5C1/9/RHEAKAEHR w") == Board()

    def test_empty(self):
        assert Board(None).fen() == "9/9/9/9/9/9/9/9/9/9 w - - 0 1"
        assert Board("9/9/9/9/9/9/9/9/9/9 w") == Board(None)

    @pytest.mark.parametrize(
        ("fen", "message"),
        [
            ("", "expected 1 to 6 fields in FEN, found 0: ''"),
            (STARTING_FEN + " 7", "expected 1 to 6 fields in FEN, found 7"),
            ("9/9/9 w", "expected 10 ranks in FEN placement, found 3: '9/9/9'"),
            ("9/9/9/9/9/9/9/9/9/9/9", "found 11"),
            ("rnbqkbnr/9/9/9/9/9/9/9/9/9 w", "unknown piece 'q' on rank 9 of FEN"),
            ("9/9/9/9/9/9/9/9/9/4帅4 w", "unknown piece '帅' on rank 0 of FEN"),
            ("9/9/9/9/9/9/9/9/9/4ÿ4 w", "unknown piece 'ÿ' on rank 0 of FEN"),
            ("9/9/9/9/9/9/9/9/9/4²4 w", "unknown piece '²' on rank 0 of FEN"),
            ("9/9/9/9/09/9/9/9/9/9 w", "unknown piece '0' on rank 5 of FEN"),
            ("9/9/9/9/9/9/9/9/9/8 w", "expected 9 files on rank 0 of FEN, found 8: '8'"),
            ("9/9/9/9/9/9/9/9/9k/9 w", "expected 9 files on rank 1 of FEN, found 10: '9k'"),
            ("//////////", "found 11"),
            ("/////////", "expected 9 files on rank 9 of FEN, found 0"),
            ("9/9/9/9/45/9/9/9/9/9 w", "two numbers in a row in FEN placement"),
            ("9/9/9/9/9/9/9/9/9/9 x", "side to move of FEN must be w, r or b: 'x'"),
            ("9/9/9/9/9/9/9/9/9/9 w KQ -", "third and fourth field of a xiangqi FEN are '-'"),
            ("9/9/9/9/9/9/9/9/9/9 w - - x 1", "halfmove clock of FEN is not a number: 'x'"),
            ("9/9/9/9/9/9/9/9/9/9 w - - -1 1", "halfmove clock of FEN is not a number: '-1'"),
            ("9/9/9/9/9/9/9/9/9/9 w - - 0 1.5", "move number of FEN is not a number: '1.5'"),
            ("9/9/9/9/9/9/9/9/9/9 w - - ² 1", "halfmove clock of FEN is not a number"),
            ("9/9/9/9/9/9/9/9/9/9 w - - 0 " + "9" * 5000, "move number of FEN is not a number"),
        ],
    )
    def test_errors(self, fen, message):
        board = Board.from_moves("h2e2")
        before = state(board)
        with pytest.raises(InvalidFenError) as error:
            board.set_fen(fen)
        assert message in str(error.value)
        assert state(board) == before

    @settings(max_examples=300, deadline=None)
    @given(st.integers(0, len(STARTING_FEN) - 1), st.text(max_size=3))
    def test_mutations(self, place, text):
        """Whatever is done to a FEN, it is read or refused, and what is read is written in the same way for ever."""
        fen = STARTING_FEN[:place] + text + STARTING_FEN[place + 1 :]
        try:
            board = Board(fen)
        except InvalidFenError:
            return
        assert Board(board.fen()) == board


class TestMoves:
    @settings(max_examples=100, deadline=None)
    @given(boards())
    def test_push_and_pop_restore_everything(self, board):
        """Every position of a game comes back as it was, and its key is always that of its cells."""
        moves, states = board.move_stack, []
        walker = board.root()
        for move in moves:
            states.append(state(walker))
            walker.push(move)
            assert walker.peek() is move
            assert walker.key == int(kernels.zobrist(walker.cells.copy(), walker.turn))
        assert state(walker) == state(board)
        for move in reversed(moves):
            assert walker.pop() is move
            assert state(walker) == states.pop()
        assert walker.ply == 0

    @settings(max_examples=40, deadline=None)
    @given(placements())
    def test_any_legal_move_of_any_position(self, board):
        before, clock = state(board), board.halfmove_clock
        for move in board.legal_moves:
            captured = board.piece_at(move.to_square)
            board.push(move)
            assert board.halfmove_clock == (0 if captured else clock + 1)
            assert board.piece_at(move.from_square) is None
            assert board.pop() is move
            assert state(board) == before

    def test_counters(self):
        board = Board.from_moves("h2e2 h9g7 e2e6")
        assert (board.halfmove_clock, board.fullmove_number, board.ply) == (0, 2, 3)
        assert Board.from_moves("h2e2 h9g7").fullmove_number == 2
        assert Board.from_moves("h2e2").fullmove_number == 1

    def test_null_move(self):
        board = Board()
        board.push(NULL_MOVE)
        assert board.turn == BLACK
        assert board.placement() == Board().placement()
        assert (board.halfmove_clock, board.fullmove_number) == (1, 1)
        assert board.key == Board(STARTING_FEN.replace(" w ", " b ")).key != Board().key
        assert not board.is_capture(NULL_MOVE)
        assert board.pop() is NULL_MOVE
        assert board == Board()

    def test_the_moves_before_a_pass_are_remembered(self):
        board = Board.from_moves("h2e2 h9g7 e2e6")
        before = state(board)
        board.push(NULL_MOVE)
        board.push_iccs("h0g2")
        assert [str(move) for move in board.move_stack] == ["h2e2", "h9g7", "e2e6", "0000", "h0g2"]
        assert state(board.root()) == state(Board())
        for taken_back in ("h0g2", "0000"):
            assert str(board.pop()) == taken_back
        assert state(board) == before
        assert [str(board.pop()) for _ in range(3)] == ["e2e6", "h9g7", "h2e2"]

    def test_turn_may_be_set(self):
        board = Board()
        board.turn = BLACK
        assert board.key == Board(STARTING_FEN.replace(" w ", " b ")).key
        assert Move.from_iccs("h9g7") in board.legal_moves

    def test_pop_and_peek_at_the_root(self):
        with pytest.raises(IndexError):
            Board().pop()
        with pytest.raises(IndexError):
            Board().peek()

    def test_root(self):
        board = Board.from_moves("h2e2 h9g7")
        assert board.root() == Board()
        assert board.ply == 2

    @pytest.mark.parametrize(
        ("text", "error", "message"),
        [
            ("xyz", InvalidMoveError, "not an ICCS move: 'xyz'"),
            ("0000", IllegalMoveError, "illegal move '0000': passing is not allowed"),
            ("e5e6", IllegalMoveError, "there is no piece on e5"),
            ("h9g7", IllegalMoveError, "it is red's turn"),
            ("a0b0", IllegalMoveError, "b0 holds a piece of the same side"),
            ("b0d1", IllegalMoveError, "the piece cannot move like that"),
            ("h2h8", IllegalMoveError, "the piece cannot move like that"),
        ],
    )
    def test_why_a_move_is_illegal(self, text, error, message):
        board = Board()
        with pytest.raises(error) as raised:
            board.push_iccs(text)
        assert message in str(raised.value)
        assert board == Board()

    def test_king_in_check(self):
        board = Board("3k5/9/9/9/9/9/9/3r5/3R5/3K5 w")
        with pytest.raises(IllegalMoveError, match="it leaves the king in check"):
            board.push_iccs("d1e1")

    def test_from_moves(self):
        assert Board.from_moves([Move.from_iccs("h2e2"), "H9-G7"]) == Board.from_moves("h2e2 h9g7")
        with pytest.raises(IllegalMoveError, match="ply 2: illegal move 'h2e2'"):
            Board.from_moves("h2e2 h2e2")
        with pytest.raises(InvalidMoveError, match="ply 3: not an ICCS move: 'x'"):
            Board.from_moves("h2e2 h9g7 x")

    def test_captures(self):
        board = Board()
        assert [move.iccs for move in board.legal_moves if board.is_capture(move)] == ["b2b9", "h2h9"]

    @settings(max_examples=50, deadline=None)
    @given(st.one_of(boards(), placements()))
    def test_legal_captures(self, board):
        assert board.legal_captures == [move for move in board.legal_moves if board.is_capture(move)]

    def test_legal_moves_are_the_callers(self):
        """A list that was handed out does not change with the board."""
        board = Board()
        moves = board.legal_moves
        indices = board.legal_move_indices()
        board.push(moves[0])
        assert moves == Board().legal_moves != board.legal_moves
        assert indices.tolist() == Board().legal_move_indices().tolist()


class TestPieces:
    def test_piece_at(self):
        board = Board()
        assert board.piece_at(parse_square("h2")) is Piece(RED, CANNON)
        assert board.piece_at(parse_square("e5")) is None

    def test_set_piece_at(self):
        board = Board.from_moves("h2e2")
        board.set_piece_at(parse_square("e5"), Piece(BLACK, PAWN))
        assert board.piece_at(parse_square("e5")) is Piece(BLACK, PAWN)
        assert board.ply == 0
        assert board.key == Board(board.fen()).key
        board.set_piece_at(parse_square("e5"), None)
        assert board.placement() == Board.from_moves("h2e2").placement()

    def test_maps(self):
        board = Board(None)
        board.set_piece_map(Board().piece_map())
        assert board == Board()
        assert board.key == Board().key
        board.set_piece_map({4: Piece(RED, KING)})
        assert board.piece_map() == {4: Piece(RED, KING)}
        assert board.fen() == "9/9/9/9/9/9/9/9/9/4K4 w - - 0 1"

    def test_lists(self):
        board = Board()
        assert board.pieces(BLACK, KNIGHT) == [parse_square("b9"), parse_square("h9")]
        assert board.pieces(RED, PAWN) == [27, 29, 31, 33, 35]
        assert (board.king(RED), board.king(BLACK), Board(None).king(RED)) == (4, 85, None)

    def test_cells_follow_and_are_read_only(self):
        board = Board()
        cells = board.cells
        board.push_iccs("h2e2")
        assert (cells[25], cells[22]) == (0, CANNON)
        with pytest.raises(ValueError, match="read-only"):
            cells[0] = 1

    @pytest.mark.parametrize("sq", [-1, 90])
    def test_off_the_board(self, sq):
        board = Board()
        for call in (
            lambda: board.set_piece_at(sq, None),
            lambda: board.set_piece_map({0: Piece(RED, ROOK), sq: Piece(RED, KING)}),
            lambda: board.attackers(RED, sq),
            lambda: board.attacks(sq),
            lambda: board.is_attacked_by(RED, sq),
            lambda: board.piece_at(sq),
        ):
            with pytest.raises(ValueError, match="not a square"):
                call()
        assert board == Board()

    @pytest.mark.parametrize("color", ["red", 2, -1, None])
    def test_not_a_side(self, color: Any) -> None:
        board = Board()
        for call in (
            lambda: board.attackers(color, 20),
            lambda: board.is_attacked_by(color, 20),
            lambda: board.pinned(color),
            lambda: board.pieces(color, ROOK),
            lambda: board.king(color),
        ):
            with pytest.raises(ValueError, match=f"not a side: {color!r}"):
                call()

    @pytest.mark.parametrize("type", ["rook", 0, 8, 9])
    def test_not_a_type_of_piece(self, type: Any) -> None:
        with pytest.raises(ValueError, match="not a type of piece"):
            Board().pieces(RED, type)


class TestCheck:
    def test_by_every_piece(self):
        checks = {
            "3k5/9/9/9/9/9/9/9/9/3RK4 b": ["d0"],
            "3k5/9/9/3P5/9/9/9/9/9/3CK4 b": ["d0"],
            "3k5/9/4N4/9/9/9/9/9/9/4K4 b": ["e7"],
            "3k5/9/2N6/9/9/9/9/9/9/4K4 b": ["c7"],
            "3k5/3P5/9/9/9/9/9/9/9/4K4 b": ["d8"],
            "2Pk5/9/9/9/9/9/9/9/9/4K4 b": ["c9"],
            "3k5/9/9/9/9/9/9/9/9/3K5 b": ["d0"],
            "3k5/9/2N6/9/9/9/9/9/3R5/4K4 b": ["d1", "c7"],
        }
        for fen, squares in checks.items():
            board = Board(fen)
            assert board.checkers() == [parse_square(name) for name in squares], fen
            assert board.is_check()

    def test_hobbled_horse_gives_none(self):
        assert not Board("3k5/2a6/2N6/9/9/9/9/9/9/4K4 b").is_check()

    def test_pawn_gives_none_backwards(self):
        assert not Board("9/3P5/3k5/9/9/9/9/9/9/4K4 b").is_check()

    def test_advisors_and_bishops_give_none(self):
        assert not Board("4k4/9/9/9/9/9/9/9/9/4K4 w").is_valid()
        board = Board("3k5/4A4/9/9/9/9/9/9/9/4K4 b")
        assert not board.is_check()

    def test_gives_check_leaves_the_board(self):
        board = Board("3k5/9/9/9/9/9/9/9/4R4/5K3 w")
        before = state(board)
        assert [move.iccs for move in board.legal_moves if board.gives_check(move)] == ["e1d1", "e1e9"]
        assert state(board) == before

    @settings(max_examples=60, deadline=None)
    @given(st.one_of(boards(), placements()))
    def test_gives_check_is_what_stands_afterwards(self, board):
        for move in [*board.legal_moves, NULL_MOVE]:
            after = board.copy()
            after.push(move)
            assert board.gives_check(move) == after.is_check()

    @settings(max_examples=60, deadline=None)
    @given(st.one_of(boards(), placements()))
    def test_pinned_is_what_cannot_be_taken_away(self, board):
        for color in (RED, BLACK):
            expected = []
            for sq, piece in board.piece_map().items():
                without = board.copy()
                without.set_piece_at(sq, None)
                if piece.color == color and piece.type != KING and kernels.in_check(without.cells, color):
                    expected.append(sq)
            assert board.pinned(color) == ([] if kernels.in_check(board.cells, color) else expected)

    def test_pinned(self):
        board = Board("3k5/9/9/3r5/9/9/9/9/3A5/3K5 w")
        assert board.pinned(RED) == [parse_square("d1")]
        cannon = Board("5k3/9/9/3c5/3p5/9/9/9/3A5/3K5 w")
        assert cannon.pinned(RED) == [parse_square("d1")]
        assert cannon.pinned(BLACK) == []

    @pytest.mark.parametrize("turn", ["w", "b"])
    def test_nothing_is_pinned_while_the_king_is_in_check(self, turn):
        """Nor does a check to one king free the pieces of the other."""
        checked = Board(f"4k4/4a4/9/4R4/9/9/9/3A5/9/r2K5 {turn}")  # Red is in check on the rank, his advisor is free
        assert checked.pinned(RED) == []
        assert checked.pinned(BLACK) == [parse_square("e8")]
        turned = checked.rotate()
        assert turned.pinned(BLACK) == []
        assert turned.pinned(RED) == [parse_square("e1")]

    @settings(max_examples=50, deadline=None)
    @given(st.one_of(boards(), placements()))
    def test_attacks_are_attackers_seen_from_the_other_end(self, board):
        attacked = {(a, b) for a in SQUARES for b in board.attacks(a)}
        attackers = {(a, b) for b in SQUARES for color in (RED, BLACK) for a in board.attackers(color, b)}
        assert attacked == attackers
        for color in (RED, BLACK):
            hit = {b for a, b in attacked if board.piece_at(a).color == color}
            assert {sq for sq in SQUARES if board.is_attacked_by(color, sq)} == hit

    def test_attacks(self):
        board = Board("4k4/9/9/9/c3P3c/9/4C4/9/4N4/R2K5 w")
        for square, squares in {
            "a0": "b0 c0 d0 a1 a2 a3 a4 a5",
            "e3": "e0 e6 e7 e8 e9",
            "e1": "c0 g0 c2 g2 d3 f3",
            "e5": "d5 f5 e6",
            "b4": "",
        }.items():
            assert board.attacks(parse_square(square)) == sorted(map(parse_square, squares.split())), square
        with pytest.raises(ValueError, match="not a square: 90"):
            board.attacks(90)
        with pytest.raises(ValueError, match="not a square: -1"):
            board.is_attacked_by(RED, -1)

    def test_attackers_leave_pins_aside(self):
        board = Board("3k5/9/9/3r5/9/9/9/9/3R5/3K5 w")
        assert board.attackers(RED, parse_square("e1")) == [parse_square("d1")]


class TestEnd:
    def test_checkmate(self):
        board = Board("3k5/3R5/3R5/9/9/9/9/9/9/4K4 b")
        assert board.is_checkmate()
        assert not board.is_stalemate()
        assert not board.has_legal_moves()
        assert board.is_game_over()

    def test_stalemate_loses(self):
        board = Board("3k5/4P4/9/9/9/9/9/9/9/4K4 b")
        assert board.is_stalemate()
        assert not board.is_checkmate()
        assert board.outcome().winner == RED

    def test_ongoing(self):
        board = Board()
        assert not (board.is_checkmate() or board.is_stalemate() or board.is_check() or board.is_game_over())
        assert board.outcome() is None


class TestStatus:
    @pytest.mark.parametrize(
        ("fen", "expected"),
        [
            (STARTING_FEN, Status.VALID),
            ("4k4/9/9/9/9/9/9/9/9/3K5 w", Status.VALID),
            ("9/9/9/9/9/9/9/9/9/3K5 w", Status.NO_BLACK_KING),
            ("3k5/9/9/9/9/9/9/9/9/9 w", Status.NO_RED_KING),
            ("4k4/9/9/9/9/9/9/9/9/3K1K3 w", Status.TOO_MANY_KINGS),
            ("4k4/9/9/9/9/9/9/3A1A3/4A4/3K5 w", Status.TOO_MANY_ADVISORS),
            ("4k4/9/9/9/9/2B6/9/B7B/9/3K5 w", Status.TOO_MANY_BISHOPS),
            ("4k4/9/9/9/9/9/9/9/NNN6/3K5 w", Status.TOO_MANY_KNIGHTS),
            ("4k4/9/9/9/9/9/9/9/RRR6/3K5 w", Status.TOO_MANY_ROOKS),
            ("4k4/9/9/9/9/9/9/9/CCC6/3K5 w", Status.TOO_MANY_CANNONS),
            ("4k4/9/9/PPPPPP3/9/9/9/9/9/3K5 w", Status.TOO_MANY_PAWNS),
            ("4k4/9/PPPPPPPPP/PPPPPPPPP/9/9/9/9/9/3K5 w", Status.TOO_MANY_PAWNS),
            ("4k4/9/9/9/9/9/3K5/9/9/9 w", Status.KING_OUTSIDE_PALACE),
            ("3k5/9/9/9/9/9/9/9/9/6K2 w", Status.KING_OUTSIDE_PALACE),
            ("4k4/9/9/9/9/9/9/9/3A5/3K5 w", Status.ADVISOR_OFF_ITS_POINTS),
            ("4kA3/9/9/9/9/9/9/9/9/3K5 w", Status.ADVISOR_OFF_ITS_POINTS),
            ("4k4/9/9/9/9/9/9/9/B8/3K5 w", Status.BISHOP_OFF_ITS_POINTS),
            ("2B1k4/9/9/9/9/9/9/9/9/3K5 w", Status.BISHOP_OFF_ITS_POINTS),
            ("4k4/9/9/9/9/9/9/P8/9/3K5 w", Status.PAWN_OFF_ITS_POINTS),
            ("4k4/9/9/9/9/9/1P7/9/9/3K5 w", Status.PAWN_OFF_ITS_POINTS),
            ("4k4/9/1p7/9/9/9/9/9/9/3K5 w", Status.PAWN_OFF_ITS_POINTS),
            ("4k4/9/9/9/9/P8/P8/9/9/3K5 w", Status.PAWNS_DOUBLED_AT_HOME),
            ("4k4/9/9/9/P8/9/P8/9/9/3K5 w", Status.VALID),
            ("4k4/9/9/9/9/9/9/9/9/4K4 w", Status.KINGS_FACING | Status.OPPOSITE_CHECK),
            ("4K4/9/9/9/9/9/9/9/9/4k4 w", Status.KINGS_FACING | Status.OPPOSITE_CHECK | Status.KING_OUTSIDE_PALACE),
            ("4k4/9/9/9/4p4/9/9/9/9/4K4 w", Status.VALID),
            ("4k4/9/9/9/9/9/9/9/4R4/3K5 w", Status.OPPOSITE_CHECK),
            ("4k4/9/9/9/9/9/9/9/4R4/3K5 b", Status.VALID),
        ],
    )
    def test_flags(self, fen, expected):
        assert Board(fen).status() == expected
        assert Board(fen).is_valid() == (expected == Status.VALID)

    def test_both_sides_alike(self):
        for fen in ("4k4/9/9/9/9/9/1P7/9/9/3K5 w", "4k4/9/9/9/9/9/9/9/B8/3K5 w", "4k4/9/9/9/9/9/9/9/RRR6/3K5 w"):
            assert Board(fen).rotate().status() == Board(fen).mirror().status() == Board(fen).status()

    @settings(max_examples=100, deadline=None)
    @given(boards())
    def test_games_are_valid(self, board):
        """No legal move makes anything wrong; only passing may."""
        assert board.status() & ~Status.OPPOSITE_CHECK == Status.VALID
        if NULL_MOVE not in board.move_stack:
            assert board.is_valid()

    def test_empty(self):
        assert Board(None).status() == Status.NO_RED_KING | Status.NO_BLACK_KING


class TestCopies:
    @settings(max_examples=50, deadline=None)
    @given(boards())
    def test_pickle_and_copies(self, board):
        for again in (pickle.loads(pickle.dumps(board)), copy.copy(board), copy.deepcopy(board), board.copy()):
            assert state(again) == state(board)
            while again.ply:
                again.pop()
            assert state(again) == state(board.root())

    def test_a_pass_is_pickled(self):
        board = Board.from_moves("h2e2")
        board.push(NULL_MOVE)
        assert state(pickle.loads(pickle.dumps(board))) == state(board)

    def test_independent(self):
        board = Board.from_moves("h2e2")
        twin = board.copy()
        twin.push_iccs("h9g7")
        twin.set_piece_at(45, Piece(RED, ROOK))
        assert board == Board.from_moves("h2e2")
        assert board.ply == 1

    def test_without_history(self):
        board = Board.from_moves("h2e2 h9g7").copy(stack=False)
        assert board == Board.from_moves("h2e2 h9g7")
        assert board.move_stack == []

    @settings(max_examples=50, deadline=None)
    @given(st.one_of(boards(), placements()))
    def test_reflections(self, board):
        for turned in (board.mirror(), board.rotate()):
            assert turned.move_stack == []
            assert turned.key == Board(turned.fen()).key
            assert (turned.halfmove_clock, turned.fullmove_number) == (board.halfmove_clock, board.fullmove_number)
        assert board.mirror().mirror() == board.rotate().rotate() == board
        assert board.mirror().turn == board.turn == 1 - board.rotate().turn
        assert board.rotate().mirror() == board.mirror().rotate()

    def test_the_start_is_symmetrical(self):
        assert Board().mirror() == Board()
        assert Board().rotate().placement() == Board().placement()

    def test_equality(self):
        assert Board() != Board.from_moves("h2e2")
        assert Board() != Board(STARTING_FEN.replace(" w ", " b "))
        assert Board() != Board(STARTING_FEN.replace("0 1", "0 2"))
        assert Board() != STARTING_FEN
        with pytest.raises(TypeError, match="unhashable"):
            hash(Board())

    def test_text(self):
        assert repr(Board()) == f"Board({STARTING_FEN!r})"
        assert eval(repr(Board())) == Board()
        assert str(Board()).splitlines()[0] == "r n b a k a b n r"
        assert str(Board()).splitlines()[-1] == "R N B A K A B N R"
        assert str(Board()).count(".") == 90 - 32


class TestThreads:
    """Any number of threads may read one board at a time."""

    BOARD = Board.from_moves("h2e2 h9g7 h0g2 i9h9")
    READERS = (
        lambda board: board.legal_moves,
        lambda board: board.legal_move_indices().tolist(),
        lambda board: board.has_legal_moves(),
        lambda board: [move for move in MOVES[::40] if board.is_legal(move)],
        lambda board: [move for move in board.legal_moves if board.gives_check(move)],
        lambda board: (board.is_check(), board.checkers(), board.attackers(RED, 85), board.attacks(25)),
        lambda board: (board.legal_captures, board.is_attacked_by(BLACK, 25), board.line_text(board.legal_moves[:1])),
        lambda board: (board.pinned(RED), board.pinned(BLACK)),
        lambda board: (board.outcome(), board.status(), board.repetitions()),
        lambda board: board.perft(2),
        lambda board: [board.chinese(move) + board.wxf(move) for move in board.legal_moves],
        lambda board: (board.fen(), board.key, str(board), board.unicode(), board.piece_map()),
        lambda board: (board.copy().fen(), board.root().fen(), board.mirror().fen(), pickle.dumps(board)),
    )

    def test_readers_leave_one_another_alone(self):
        boards = [Board("r1bakab1r/9/1cn4c1/p1p1p1p1p/4C4/9/P1P1P1P1P/2N4C1/9/R1BAKABNR b"), self.BOARD]
        wanted = [[read(board) for read in self.READERS] for board in boards]
        before = [state(board) for board in boards]

        def view(first):
            """Return what was read otherwise than by one thread alone; each thread begins with another method."""
            wrong = []
            for turn in range(25 * len(self.READERS)):
                i = (first + turn) % len(self.READERS)
                wrong += [i for board, want in zip(boards, wanted, strict=True) if self.READERS[i](board) != want[i]]
            return wrong

        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(view, range(4))) == [[]] * 4
        assert [state(board) for board in boards] == before

    @pytest.mark.parametrize("read", READERS)
    def test_nothing_is_tried_on_the_board_itself(self, read):
        """Cells that cannot be written to will do for everything that reads."""
        board = self.BOARD.copy()
        board._cells, board._view = bytes(board._cells), board.cells
        assert read(board) == read(self.BOARD)


def test_every_move_of_the_vocabulary_is_someones():
    """Each of the 2086 moves is legal for some piece on some board."""
    possible = set()
    for sq in SQUARES:
        for kind in range(1, 8):
            for color in (RED, BLACK):
                board = Board(None)
                board.set_piece_at(sq, Piece(color, kind))
                board.turn = color
                possible.update(board.legal_moves)
    assert possible == set(MOVES)
