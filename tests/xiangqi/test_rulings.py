"""Ends of games: one class for each rule and one test for each clause of docs/rulings.md."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from xiangqi import BLACK, NULL_MOVE, RED, Board, Move, chase, parse_square
from xiangqi.rulings import CODES, Outcome, Rules, quiet_plies, repetition_outcome

# A lap is four plies that lead back to the position; two laps make its third occurrence.
SHUFFLE = ["h2e2", "h9g7", "e2h2", "g7h9"]
CHECKING = ("3k5/9/9/9/9/9/9/9/4R4/5K3 w", "e1d1 d9e9 d1e1 e9d9")
BOTH_CHECKING = ("5c3/9/3k5/9/9/9/2rn5/5C2c/5K3/3R5 w", "f2d2 d3f4 d2f2 f4d3")
CHASING = ("5k3/9/9/9/2n6/9/9/9/4R4/3K5 w", "e1c1 c5e4 c1e1 e4c5")
EXPOSING = ("4ck3/4a4/3P5/9/9/R3n4/9/9/9/3K5 w", "d7e7 e8d9 e7d7 d9e8")
"""The cannon protects the knight across one piece. Red's pawn makes it two and none, Black's advisor one again."""
CHASING_A_CHECKER = ("3k5/9/9/9/2n6/9/4R4/5K3/9/9 w", "e3c3 c5e4 c3e3 e4c5")
"""The knight gives check with every other move, while the rook chases it."""
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

    @pytest.mark.parametrize("rules", get_args(Rules))
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
        assert board.outcome().evidence[1] == "plies 1 and 5 give check, but no side checks with every move"

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


class TestEvidenceOfDraws:
    """What a draw says of checks, and of chases that would have lost without them."""

    def test_checks_are_named_with_what_they_excuse(self):
        assert play(*CHASING_A_CHECKER).outcome().evidence[1:] == (
            "plies 2 and 6 give check, but no side checks with every move",
            "red newly chases the knight from c5 with every move, which the checks excuse",
        )
        assert play(*CHASING_A_CHECKER).outcome("check_only").evidence[1:] == (
            "plies 2 and 6 give check, but no side checks with every move",
        )

    def test_a_single_check(self):
        board = Board.from_moves("e3c3 c5e4 c3e3 e4c5 e3c3 c5b3 c3e3 b3c5", CHASING_A_CHECKER[0])
        assert board.outcome().evidence[1:] == (
            "ply 2 gives check, but no side checks with every move",
            "no side newly chases the same piece with every move",
        )

    @pytest.mark.parametrize("rules", ["computer", "asian"])
    def test_lawful_attacks_are_named(self, rules):
        king = ("5k3/9/9/9/9/9/9/9/4K4/3c5 w", "e1e0 d0d1 e0e1 d1d0")
        pawn = ("3k5/9/3c5/4P4/9/9/9/9/9/5K3 w", "e6d6 d7e7 d6e6 e7d7")
        for cycle, fact in (
            (king, "red newly attacks the cannon from d0 with every move, which is lawful: kings and pawns may"),
            (pawn, "red newly attacks the cannon from d7 with every move, which is lawful: kings and pawns may"),
        ):
            outcome = play(*cycle).outcome(rules)
            assert (outcome.winner, outcome.evidence[-1]) == (None, fact)

    def test_attacks_on_a_pawn_before_the_river_are_lawful(self):
        # The rooks attack the pawn in turn, one behind the other.
        outcome = play("3k5/9/9/p8/9/9/9/9/1R7/R3K4 w", "b1a1 d9d8 a1b1 d8d9").outcome("asian")
        assert (outcome.winner, outcome.evidence[-1]) == (
            None,
            "red newly attacks the pawn from a6 with every move, which is lawful: it has not crossed the river",
        )
        crossed = play("3k5/9/9/9/9/p8/9/9/1R7/R3K4 w", "b1a1 d9d8 a1b1 d8d9").outcome("asian")
        assert (crossed.winner, crossed.reason) == (BLACK, "perpetual chase")


BOOK = [json.loads(line) for line in (Path(__file__).parent / "files" / "book-rulings.jsonl").open()]
"""60 diagrams of the rule book of the Asian and World Xiangqi Federations: the position, the moves to a third
occurrence, and the winner by the book. The docs say more of them."""


class TestAsian:
    """What the rules ``asian`` judge otherwise than ``computer``, and what alike."""

    @pytest.mark.parametrize("index", range(60))
    def test_a_diagram_of_the_book(self, index):
        case = BOOK[index]
        outcome = Board.from_moves(case["moves"], case["fen"]).outcome("asian")
        assert {None: "draw", RED: "red", BLACK: "black"}[outcome.winner] == case["winner"], outcome.evidence

    def test_the_diagrams_that_computer_judges_otherwise(self):
        boards = [Board.from_moves(case["moves"], case["fen"]) for case in BOOK]
        others = [i for i, board in enumerate(boards) if board.outcome().winner != board.outcome("asian").winner]
        assert others == [56, 57, 58, 59]

    def test_checks_of_the_chased_side_excuse_nobody(self):
        assert ruling(*CHASING_A_CHECKER, rules="asian") == (BLACK, "perpetual chase")

    def test_a_check_and_a_chase_in_turn_draw(self):
        # The rook gives check from d5 and attacks the cannon from h5.
        fen, moves = "3k5/9/9/9/7R1/9/9/2c6/9/5K3 w", "h5h2 d9e9 h2h5 e9d9"
        assert ruling(fen, moves, rules="asian") == (None, "repetition")

    def test_perpetual_check_is_graver_than_a_chase(self):
        assert ruling(*CHECKING, rules="asian") == (BLACK, "perpetual check")
        assert ruling(*BOTH_CHECKING, rules="asian") == (None, "mutual perpetual check")

    def test_chases_of_both_draw(self):
        assert ruling(*CHASING, rules="asian") == (BLACK, "perpetual chase")
        assert ruling(*BOTH_CHASING, rules="asian") == (None, "mutual perpetual chase")

    def test_hunters_are_told_apart(self):
        # The cannon attacks the rook across one piece with every move. The knight's attack from d4 goes on meanwhile.
        outcome = Board.from_moves(BOOK[56]["moves"], BOOK[56]["fen"]).outcome("asian")
        assert [fact for fact in outcome.evidence if fact.startswith(("ply 7", "ply 9"))] == [
            "ply 7: red d4e2 newly chases the rook on c2 with the cannon on h2, which is worth more than its hunter",
            "ply 9: red e2d4 newly chases the rook on c2 with the cannon on h2, which is worth more than its hunter",
            "ply 9: red e2d4 newly chases the rook on c2 with the knight on d4, which is worth more than its hunter",
        ]

    def test_a_piece_that_walks_along_with_its_attacker_is_not_chased(self):
        assert ruling("5k3/9/9/9/9/9/c8/9/R8/3K5 w", "a1a2 a3a4 a2a1 a4a3", rules="asian") == (None, "repetition")

    def test_taking_away_protection_is_a_chase(self):
        outcome = play(*EXPOSING).outcome("asian")
        assert (outcome.winner, outcome.reason) == (BLACK, "perpetual chase")
        assert outcome.evidence[1:3] == (
            "ply 1: red d7e7 newly exposes the knight on e4 to the rook on a4, which has no legal recapture",
            "ply 3: red e7d7 newly exposes the knight on e4 to the rook on a4, which has no legal recapture",
        )

    def test_new_attacks_excuse_who_only_takes_away_protection(self):
        # The black rook may not leave the red knight, which pins it. Black's advisor wards off attacks on the rook, by
        # which the knight loses its protection each time.
        outcome = Board.from_moves(BOOK[57]["moves"], BOOK[57]["fen"]).outcome("asian")
        assert outcome.winner == BLACK
        assert all(": red" in fact for fact in outcome.evidence[1:-1])
        assert outcome.evidence[-1] == (
            "black newly exposes the knight from g8 with every move, which red's new attacks excuse"
        )

    def test_upside_down_and_mirrored(self):
        for case in BOOK:
            outcome = Board.from_moves(case["moves"], case["fen"]).outcome("asian")
            for turn, sign in ((Board.rotate, -1), (Board.mirror, 1)):
                board = turn(Board(case["fen"]))
                for move in case["moves"].split():
                    board.push(getattr(Move.from_iccs(move), turn.__name__)())
                assert _score(board.outcome("asian")) == sign * _score(outcome)


def _score(outcome: Outcome) -> int:
    return {None: 0, RED: 1, BLACK: -1}[outcome.winner]


class TestThreat:
    """What a move lets one piece do to another, clause by clause."""

    @staticmethod
    def threat(fen: str, move: str, hunter: str, prey: str) -> int:
        board = Board.from_moves(move, fen)
        cells = board.cells.copy()
        found = chase.threat(cells, board.peek().index, parse_square(hunter), parse_square(prey))
        assert (cells == board.cells).all()
        return found

    def test_new_attack(self):
        assert self.threat("5k3/9/9/9/2n6/9/9/9/4R4/3K5 w", "e1c1", "c1", "c5") == chase.ATTACKED

    def test_attack_uncovered_by_another_piece(self):
        assert self.threat("5k3/9/9/9/2n6/9/2P6/9/2R6/3K5 w", "c3c4", "c1", "c5") == chase.LEFT_ALONE
        assert self.threat("5k3/9/9/9/2n6/2N6/9/9/2R6/3K5 w", "c4e3", "c1", "c5") == chase.ATTACKED

    def test_attack_that_goes_on(self):
        assert self.threat("5k3/9/9/9/2n6/9/9/9/2R6/3K5 w", "c1c2", "c2", "c5") == chase.LEFT_ALONE
        assert self.threat("5k3/9/9/9/2n6/9/9/9/2R6/3K5 w", "d0d1", "c1", "c5") == chase.LEFT_ALONE

    def test_capture_that_was_illegal(self):
        # The knight on f4 stood alone between the kings.
        assert self.threat("4rk1N1/9/9/9/9/5N3/9/5Kc2/9/9 w", "h9f8", "f4", "g2") == chase.ATTACKED

    def test_capture_that_only_a_check_made_illegal(self):
        assert self.threat("5k3/9/9/9/2n6/9/9/9/2R6/3Kr4 w", "d0d1", "c1", "c5") == chase.LEFT_ALONE

    def test_exposure(self):
        fen = EXPOSING[0]
        assert self.threat(fen, "d7e7", "a4", "e4") == chase.EXPOSED
        assert self.threat(fen, "d7d8", "a4", "e4") == chase.LEFT_ALONE

    def test_pinning_the_protector_exposes(self):
        assert self.threat("4k4/9/9/9/c3r4/9/9/9/3R5/R2K5 w", "d1e1", "a0", "a5") == chase.EXPOSED

    def test_lawful(self):
        assert self.threat("5k3/9/9/9/9/9/9/9/4K4/3c5 w", "e1e0", "e0", "d0") == chase.LAWFUL
        assert self.threat("3k5/9/3c5/4P4/9/9/9/9/9/5K3 w", "e6d6", "d6", "d7") == chase.LAWFUL
        assert self.threat("4k4/9/9/p8/9/9/9/9/9/1R1K5 w", "b0a0", "a0", "a6") == chase.LAWFUL
        assert self.threat("4k4/9/9/9/9/p8/9/9/9/1R1K5 w", "b0a0", "a0", "a4") == chase.ATTACKED

    def test_a_check_does_not_take_away_protection(self):
        # Black has to answer the check of the knight on f7 first; then its rook recaptures.
        fen = "4k4/9/9/3N5/9/5c2r/9/9/9/3K5 w"
        assert self.threat(fen, "d6f7", "f7", "f4") == chase.LEFT_ALONE


class TestRuleSets:
    def test_each_has_a_code(self):
        assert tuple(CODES) == get_args(Rules)

    @pytest.mark.parametrize("rules", ["computer", "asian", "check_only"])
    @pytest.mark.parametrize("cycle", [CHECKING, BOTH_CHECKING, CHASING, BOTH_CHASING, EXPOSING, CHASING_A_CHECKER])
    def test_the_kernel_gives_the_same_verdicts(self, cycle, rules):
        board = play(*cycle)
        moves = np.array([move.index for move in board.move_stack], np.int16)
        start = board.root()
        loser = chase.judge(start.cells.copy(), start.turn, moves, CODES[rules])
        assert (None if loser < 0 else 1 - loser) == board.outcome(rules).winner

    def test_check_only_knows_no_chase(self):
        assert ruling(*CHASING, rules="check_only") == (None, "repetition")
        assert ruling(*CHECKING, rules="check_only") == (BLACK, "perpetual check")
        assert ruling(*BOTH_CHECKING, rules="check_only") == (None, "mutual perpetual check")

    @pytest.mark.parametrize("cycle", [CHECKING, BOTH_CHECKING, CHASING, BOTH_CHASING])
    def test_none_goes_on(self, cycle):
        assert play(*cycle).outcome("none") is None
        assert repetition_outcome(play(*cycle), "none") is None

    def test_unknown(self):
        with pytest.raises(ValueError, match="unknown rules 'fide': expected one of computer, asian, check_only, none"):
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
