"""Ends of games: one class for each rule and one test for each clause of docs/rulings.md."""

import pytest

from xiangqi import BLACK, NULL_MOVE, RED, Board, Move, chase, parse_square
from xiangqi.rulings import Outcome, quiet_plies, repetition_outcome

# A lap is four plies that lead back to the position; two laps make its third occurrence.
SHUFFLE = ["h2e2", "h9g7", "e2h2", "g7h9"]
CHECKING = ("3k5/9/9/9/9/9/9/9/4R4/5K3 w", "e1d1 d9e9 d1e1 e9d9")
BOTH_CHECKING = ("5c3/9/3k5/9/9/9/2rn5/5C2c/5K3/3R5 w", "f2d2 d3f4 d2f2 f4d3")
CHASING = ("5k3/9/9/9/2n6/9/9/9/4R4/3K5 w", "e1c1 c5e4 c1e1 e4c5")
BOTH_CHASING = ("5k3/4C4/5P3/9/c8/9/3Nn2c1/9/9/3C1K3 w", "d3e5 e3d5 e5d3 d5e3")


def play(fen: str, moves: str, laps: int = 2) -> Board:
    return Board.from_moves(" ".join([moves] * laps), fen)


def ruling(fen: str, moves: str, rules: str = "computer") -> tuple[int | None, str]:
    outcome = play(fen, moves).outcome(rules)
    return outcome.winner, outcome.reason


def why(placement: str, hunter: str, prey: str) -> int:
    return chase.chase(Board(placement).cells.copy(), parse_square(hunter), parse_square(prey))


class TestMate:
    def test_checkmate(self):
        outcome = Board("R3k4/R8/9/9/9/9/9/9/9/3K5 b").outcome()
        assert outcome == Outcome(RED, "checkmate", None, ("black is in check from a9 and has no legal move",))
        assert outcome.result == "1-0"

    def test_stalemate_loses(self):
        outcome = Board("3k5/4P4/9/9/9/9/9/9/9/4K4 b").outcome()
        assert (outcome.winner, outcome.reason) == (RED, "stalemate")

    @pytest.mark.parametrize("rules", ["computer", "check_only", "none"])
    def test_comes_first_under_all_rules(self, rules):
        board = Board("4k4/R8/1R7/9/9/9/9/9/9/3K5 w - - 119 90")
        board.push_iccs("b7b9")
        assert board.halfmove_clock == 120
        assert board.outcome(rules).reason == "checkmate"


class TestRepetition:
    def test_needs_the_third_occurrence(self):
        board = Board()
        for ply, move in enumerate(SHUFFLE * 2, 1):
            board.push_iccs(move)
            assert (board.outcome() is not None) == (ply == 8)
        assert board.outcome() == Outcome(
            None,
            "repetition",
            (0, 8),
            (
                "the position after ply 8 is the one after ply 0, with no capture in between",
                "no side newly chases the same piece with every move",
            ),
        )

    def test_side_to_move_belongs_to_the_position(self):
        # Red's rook comes round in three moves, Black's king in two.
        board = Board.from_moves("a0a1 d9d8 a1a2 d8d9 a2a0", "3k5/9/9/9/9/9/9/9/9/R3K4 w")
        assert board.placement() == board.root().placement()
        assert board.repetitions() == 1

    def test_counts(self):
        board = Board()
        assert board.repetitions() == 1
        for move in SHUFFLE:
            board.push_iccs(move)
        assert board.repetitions() == 2
        assert board.is_repetition(2) and not board.is_repetition()
        board.push_iccs("a3a4")
        assert board.repetitions() == 1
        board.pop()
        assert board.repetitions() == 2

    def test_window_starts_at_the_last_capture(self):
        board = Board.from_moves("h2e2 h9g7 e2h2 g7h9 h2h9 i9h9 a0a1 a9a8 a1a0 a8a9")
        assert board.repetitions() == 2
        for move in ["a0a1", "a9a8", "a1a0", "a8a9"]:
            board.push_iccs(move)
        assert board.repetitions() == 3
        assert board.outcome().span == (6, 14)

    def test_window_starts_at_the_last_null_move(self):
        board = Board.from_moves(SHUFFLE)
        board.push(NULL_MOVE)
        board.push(NULL_MOVE)
        assert board.repetitions() == 1
        for move in SHUFFLE * 2:
            assert board.outcome() is None
            board.push_iccs(move)
        assert board.outcome().span == (6, 14)

    def test_history_before_the_fen_is_unknown(self):
        board = Board("3k5/9/9/9/9/9/9/9/4R4/5K3 w - - 60 40")
        for move in CHECKING[1].split() * 2:
            assert board.outcome() is None
            board.push_iccs(move)
        assert board.outcome().span == (0, 8)

    def test_latest_three_occurrences_count(self):
        assert play(*CHECKING, laps=3).outcome().span == (4, 12)

    def test_does_not_change_the_board(self):
        board = play(*CHASING)
        fen, stack = board.fen(), board.move_stack
        board.outcome()
        assert (board.fen(), board.move_stack) == (fen, stack)

    def test_early_judgement_for_a_search(self):
        board = play(*CHECKING, laps=1)
        assert board.outcome() is None
        assert repetition_outcome(board, count=2).reason == "perpetual check"
        with pytest.raises(ValueError, match="at least 2"):
            repetition_outcome(board, count=1)


class TestPerpetualCheck:
    def test_loses(self):
        board = play(*CHECKING)
        assert board.outcome() == Outcome(
            BLACK,
            "perpetual check",
            (0, 8),
            (
                "the position after ply 8 is the one after ply 0, with no capture in between",
                "ply 1: red e1d1 checks from d1",
                "ply 3: red d1e1 checks from e1",
                "ply 5: red e1d1 checks from d1",
                "ply 7: red d1e1 checks from e1",
            ),
        )

    def test_loses_for_black_too(self):
        board = Board(CHECKING[0]).rotate()
        for move in CHECKING[1].split() * 2:
            board.push(Move.from_iccs(move).rotate())
        assert (board.outcome().winner, board.outcome().reason) == (RED, "perpetual check")

    def test_of_both_draws(self):
        assert ruling(*BOTH_CHECKING) == (None, "mutual perpetual check")

    def test_one_move_without_check_draws(self):
        board = play("3k5/9/9/9/9/9/9/9/5R3/5K3 w", "f1d1 d9e9 d1f1 e9d9")
        assert (board.outcome().winner, board.outcome().reason) == (None, "repetition")
        assert board.outcome().evidence[1] == "there are checks, but no side checks with every move"

    def test_any_check_excuses_a_chase(self):
        # The rook chases the knight with every move, but the knight gives check on one of its squares.
        fen, moves = "3k5/9/9/9/2n6/9/4R4/5K3/9/9 w", "e3c3 c5e4 c3e3 e4c5"
        assert ruling(fen, moves) == (None, "repetition")
        assert ruling(fen.replace("5K3/9/9", "9/9/5K3"), moves) == (BLACK, "perpetual chase")


class TestPerpetualChase:
    def test_loses(self):
        outcome = play(*CHASING).outcome()
        assert (outcome.winner, outcome.reason, outcome.span) == (BLACK, "perpetual chase", (0, 8))
        assert outcome.evidence[1:3] == (
            "ply 1: red e1c1 newly chases the knight on c5 with the rook on c1, which has no legal recapture",
            "ply 3: red c1e1 newly chases the knight on e4 with the rook on e1, which has no legal recapture",
        )

    def test_loses_for_black_too(self):
        board = Board(CHASING[0]).rotate()
        for move in CHASING[1].split() * 2:
            board.push(Move.from_iccs(move).rotate())
        assert (board.outcome().winner, board.outcome().reason) == (RED, "perpetual chase")

    def test_of_both_draws(self):
        assert ruling(*BOTH_CHASING) == (None, "mutual perpetual chase")

    def test_of_two_pieces_in_turn_draws(self):
        assert ruling("5k3/9/9/9/2n1n4/9/9/9/4R4/3K5 w", "e1c1 f9f8 c1e1 f8f9") == (None, "repetition")

    def test_of_a_protected_piece_draws(self):
        assert ruling("5k3/9/9/2p6/2n1p4/9/9/9/4R4/3K5 w", CHASING[1]) == (None, "repetition")

    def test_of_a_protected_rook_by_a_cannon_loses(self):
        fen, moves = "5k3/9/9/9/2r5r/9/2P1P4/9/4C4/3K5 w", "e1c1 c5e5 c1e1 e5c5"
        assert ruling(fen, moves) == (BLACK, "perpetual chase")
        assert "worth more than its hunter" in play(fen, moves).outcome().evidence[1]

    def test_walking_into_an_attack_is_no_chase(self):
        # The knight steps onto the rook's rank by itself; the rook's moves attack nothing that was not attacked before.
        assert ruling("5k3/9/9/9/9/1R7/6n2/9/9/3K5 w", "b4g4 g3i4 g4b4 i4g3") == (None, "repetition")

    def test_by_a_king_is_allowed(self):
        assert ruling("5k3/9/9/9/9/9/9/9/4K4/3c5 w", "e1e0 d0d1 e0e1 d1d0") == (None, "repetition")

    def test_by_a_pawn_is_allowed(self):
        assert ruling("3k5/9/3c5/4P4/9/9/9/9/9/5K3 w", "e6d6 d7e7 d6e6 e7d7") == (None, "repetition")


class TestChase:
    """Whether one piece chases another, clause by clause."""

    def test_unprotected_piece(self):
        assert why("4k4/9/9/9/c8/9/9/9/9/R2K5", "a0", "a5") == chase.UNPROTECTED

    def test_protected_piece(self):
        assert why("4k4/9/9/9/c7r/9/9/9/9/R2K5", "a0", "a5") == chase.NO_CHASE

    def test_pinned_protector_does_not_protect(self):
        assert why("4k4/9/9/9/c3r4/9/9/9/9/R2K5", "a0", "a5") == chase.NO_CHASE
        assert why("4k4/9/9/9/c3r4/9/9/9/4R4/R2K5", "a0", "a5") == chase.UNPROTECTED

    def test_king_may_not_protect_onto_an_open_file(self):
        assert why("4k4/3Rn4/9/9/9/9/9/9/9/5K3", "d8", "e8") == chase.NO_CHASE
        assert why("4k4/3Rn4/9/9/9/9/9/9/9/4K4", "d8", "e8") == chase.UNPROTECTED

    def test_recapture_uncovered_by_the_capture(self):
        # The black rook stands behind the red one; it recaptures once that has moved off.
        assert why("4k4/9/9/9/c8/9/R8/9/r8/3K5", "a3", "a5") == chase.NO_CHASE

    def test_knight_chases_even_a_protected_rook(self):
        assert why("4k4/9/9/9/r7r/9/1N7/9/9/3K5", "b3", "a5") == chase.UNEQUAL

    def test_cannon_chases_even_a_protected_rook(self):
        assert why("4k4/9/9/9/r7r/9/P8/9/C8/3K5", "a1", "a5") == chase.UNEQUAL

    def test_knight_does_not_chase_a_protected_cannon(self):
        assert why("4k4/9/9/9/c7r/9/1N7/9/9/3K5", "b3", "a5") == chase.NO_CHASE

    @pytest.mark.parametrize("prey", "rnc")
    def test_advisor_and_bishop_chase_even_protected_pieces(self, prey):
        assert why(f"5k3/9/9/9/9/9/9/3{prey}4r/4A4/4K4", "e1", "d2") == chase.UNEQUAL
        assert why(f"5k3/9/9/9/9/2{prey}5r/9/4B4/9/3K5", "e2", "c4") == chase.UNEQUAL

    def test_bishop_does_not_chase_a_protected_pawn(self):
        assert why("5k3/9/9/9/9/2p5r/9/4B4/9/3K5", "e2", "c4") == chase.NO_CHASE
        assert why("5k3/9/9/9/9/2p6/9/4B4/9/3K5", "e2", "c4") == chase.UNPROTECTED

    def test_king_and_pawn_chase_nobody(self):
        assert why("5k3/9/9/9/9/9/9/9/4K4/4c4", "e1", "e0") == chase.NO_CHASE
        assert why("5k3/9/9/c8/P8/9/9/9/9/3K5", "a5", "a6") == chase.NO_CHASE

    def test_uncrossed_pawn_is_not_chased(self):
        assert why("5k3/9/9/p8/9/9/9/9/9/R2K5", "a0", "a6") == chase.NO_CHASE
        assert why("5k3/9/9/9/p8/9/9/9/9/R2K5", "a0", "a5") == chase.NO_CHASE
        assert why("5k3/9/9/9/9/p8/9/9/9/R2K5", "a0", "a4") == chase.UNPROTECTED
        assert why("r2k5/9/9/9/9/P8/9/9/9/5K3", "a9", "a4") == chase.NO_CHASE
        assert why("r2k5/9/9/9/P8/9/9/9/9/5K3", "a9", "a5") == chase.UNPROTECTED

    def test_king_is_not_chased(self):
        assert why("4k4/9/9/9/9/9/9/9/4R4/3K5", "e1", "e9") == chase.NO_CHASE

    def test_pinned_hunter_chases_only_its_pinner(self):
        assert why("3k5/9/4r4/9/9/c3R4/9/9/9/4K4", "e4", "a4") == chase.NO_CHASE
        assert why("3k5/9/9/9/4n4/c3R4/9/4c4/9/4K4", "e4", "a4") == chase.UNPROTECTED
        # A rook shields its king from a knight: it may take that, and nothing else.
        assert why("5k3/9/9/9/9/9/9/3n5/n2R5/4K4", "d1", "a1") == chase.NO_CHASE
        assert why("5k3/9/9/9/9/9/9/3n5/n2R5/4K4", "d1", "d2") == chase.UNPROTECTED

    def test_like_pieces_do_not_chase_each_other(self):
        assert why("4k4/9/9/9/r8/9/9/9/9/R2K5", "a0", "a5") == chase.NO_CHASE
        assert why("4k4/9/9/9/c8/p8/9/9/9/C2K5", "a0", "a5") == chase.NO_CHASE
        assert why("4k4/9/9/9/n8/9/1N7/9/9/3K5", "b3", "a5") == chase.NO_CHASE

    def test_like_piece_that_may_not_take_back_is_chased(self):
        assert why("4k4/9/9/9/R3r4/9/9/9/4R4/3K5", "a5", "e5") == chase.UNPROTECTED

    def test_knight_with_a_blocked_leg_is_chased(self):
        assert why("4k4/9/9/9/n8/P8/1N7/9/9/3K5", "b3", "a5") == chase.UNPROTECTED
        assert why("4k4/9/9/9/n8/P8/1N7/9/9/3K5", "a5", "b3") == chase.NO_CHASE

    def test_nothing_chases_nothing(self):
        assert why("4k4/9/9/9/c8/9/9/9/9/R2K5", "a1", "a5") == chase.NO_CHASE
        assert why("4k4/9/9/9/c8/9/9/9/9/R2K5", "a0", "a6") == chase.NO_CHASE
        assert why("4k4/9/9/9/C8/9/9/9/9/R2K5", "a0", "a5") == chase.NO_CHASE

    def test_leaves_the_cells_alone(self):
        cells = Board("4k4/9/9/9/c7r/9/9/9/9/R2K5").cells.copy()
        before = cells.copy()
        chase.chase(cells, 0, 45)
        assert (cells == before).all()


class TestRuleSets:
    def test_check_only_knows_no_chase(self):
        assert ruling(*CHASING, rules="check_only") == (None, "repetition")
        assert ruling(*CHECKING, rules="check_only") == (BLACK, "perpetual check")
        assert ruling(*BOTH_CHECKING, rules="check_only") == (None, "mutual perpetual check")

    @pytest.mark.parametrize("cycle", [CHECKING, BOTH_CHECKING, CHASING, BOTH_CHASING])
    def test_none_goes_on(self, cycle):
        assert play(*cycle).outcome("none") is None
        assert repetition_outcome(play(*cycle), "none") is None

    def test_unknown(self):
        with pytest.raises(ValueError, match="unknown rules 'fide': expected one of computer, check_only, none"):
            Board().outcome("fide")
        assert not Board().is_game_over()


class TestLongQuiet:
    def test_draws_at_120_plies(self):
        board = Board("3k5/9/9/9/9/9/9/9/R8/4K4 w - - 118 80")
        board.push_iccs("a1a2")
        assert board.outcome() is None
        board.push_iccs("d9d8")
        assert board.outcome() == Outcome(
            None, "no capture in 120 plies", (0, 2), ("120 plies without a capture, of which 120 count",)
        )
        assert board.outcome("check_only").reason == "no capture in 120 plies"
        assert board.outcome("none") is None

    def test_capture_starts_anew(self):
        board = Board("3k5/9/9/9/9/9/9/9/Rc7/4K4 w - - 119 80")
        board.push_iccs("a1b1")
        assert board.outcome() is None

    def test_checks_beyond_the_tenth_and_their_replies_do_not_count(self):
        assert quiet_plies(play(*CHECKING, laps=5)) == 20  # ten checks
        assert quiet_plies(play(*CHECKING, laps=15)) == 20
        board = play(*CHECKING, laps=5)
        board.push_iccs("e1d1")
        assert (board.halfmove_clock, quiet_plies(board)) == (21, 20)
        board.push_iccs("d9e9")
        assert (board.halfmove_clock, quiet_plies(board)) == (22, 20)
        board.push_iccs("d1d2")  # no check
        assert (board.halfmove_clock, quiet_plies(board)) == (23, 21)

    def test_each_side_has_its_own_ten(self):
        assert quiet_plies(play(*BOTH_CHECKING, laps=5)) == 20
        assert quiet_plies(play(*BOTH_CHECKING, laps=6)) == 20
        board = play(*BOTH_CHECKING, laps=5)
        board.push_iccs("f2d2")  # Red's eleventh check
        assert quiet_plies(board) == 20

    def test_plies_before_the_fen_all_count(self):
        board = play("3k5/9/9/9/9/9/9/9/4R4/5K3 w - - 90 60", CHECKING[1], laps=7)
        assert (board.halfmove_clock, quiet_plies(board)) == (118, 110)

    def test_survives_null_moves(self):
        board = play(*CHECKING, laps=5)
        board.push(NULL_MOVE)
        assert (board.halfmove_clock, quiet_plies(board)) == (21, 21)

    def test_comes_after_repetition(self):
        board = play("3k5/9/9/9/9/9/9/9/4R4/5K3 w - - 112 60", CHECKING[1])
        assert board.halfmove_clock == 120
        assert board.outcome().reason == "perpetual check"


class TestInsufficientMaterial:
    BARE = "3aka3/9/4b4/9/9/9/9/4B4/9/4KA3 w"

    def test_is_optional(self):
        board = Board(self.BARE)
        assert board.is_insufficient_material()
        assert board.outcome() is None
        assert board.outcome(insufficient_material=True).reason == "insufficient material"
        assert board.is_game_over("none", insufficient_material=True)

    @pytest.mark.parametrize("piece", "RNCPrncp")
    def test_any_attacker_suffices(self, piece):
        board = Board(self.BARE.replace("9", f"4{piece}4", 1))
        assert not board.is_insufficient_material()
        assert board.outcome(insufficient_material=True) is None
