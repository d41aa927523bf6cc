"""Players without a model: random moves and greedy captures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lm.players.chance import Chances
from lm.players.player import Choice, Limits, Player, limit_of_each
from xiangqi import ADVISOR, BISHOP, CANNON, KING, KNIGHT, PAWN, ROOK, Board, Move
from xiangqi.engine import Limit

PIECE_VALUES: Final = {KING: 100.0, ROOK: 9.0, CANNON: 4.5, KNIGHT: 4.0, ADVISOR: 2.0, BISHOP: 2.0, PAWN: 1.0}
"""Piece values in exchanges, in pawns that have not crossed the river: the usual textbook values."""


class _Drawing(Player):
    """A player that draws moves by chance."""

    _chances: Chances

    def begin_game(self, board: Board, number: int) -> None:
        self._chances.begin(board, number)

    def end_game(self, board: Board) -> None:
        self._chances.end(board)

    def _drawn(self, board: Board, moves: Sequence[Move]) -> Move:
        return moves[int(self._chances.of(board).integers(len(moves)))]


class RandomPlayer(_Drawing):
    """Plays uniformly random legal moves; the same moves for the same ``seed`` and boards."""

    def __init__(self, seed: int | None = None, name: str = "random") -> None:
        self.name = name
        self._chances = Chances(seed)

    def choose(self, boards: Sequence[Board], limits: Limits = None) -> list[Choice]:
        """Return a random legal move for each board."""
        each = limit_of_each(limits, boards)
        return [Choice(self._drawn(board, allowed(limit, board))) for board, limit in zip(boards, each, strict=True)]


class GreedyPlayer(_Drawing):
    """Plays the capture with the best simple exchange; if none gains material, any move but a losing capture."""

    def __init__(self, seed: int | None = None, name: str = "greedy") -> None:
        self.name = name
        self._chances = Chances(seed)

    def choose(self, boards: Sequence[Board], limits: Limits = None) -> list[Choice]:
        """Return the move with the best simple exchange for each board."""
        each = limit_of_each(limits, boards)
        return [Choice(self._choose(board, allowed(limit, board))) for board, limit in zip(boards, each, strict=True)]

    def _choose(self, board: Board, moves: Sequence[Move]) -> Move:
        gains = [exchange(board, move) if board.is_capture(move) else 0.0 for move in moves]
        best = max(gains)
        return self._drawn(board, [move for move, gain in zip(moves, gains, strict=True) if gain == best])


def allowed(limit: Limit | None, board: Board) -> Sequence[Move]:
    """Return the moves from which a limit lets a player choose."""
    return board.legal_moves if limit is None or limit.root_moves is None else limit.root_moves


def exchange(board: Board, capture: Move) -> float:
    """Return the gain of a capture in pawns, less the capturing piece if it can be recaptured at once.

    >>> exchange(Board.from_moves("h2e2 h9g7"), Move.from_iccs("e2e6"))  # a cannon for a pawn
    -3.5
    """
    mover, taken = board.piece_at(capture.from_square), board.piece_at(capture.to_square)
    assert mover is not None and taken is not None, "not a capture"
    after = board.copy(stack=False)
    after.push(capture)
    lost = any(reply.to_square == capture.to_square for reply in after.legal_moves)
    return PIECE_VALUES[taken.type] - (PIECE_VALUES[mover.type] if lost else 0.0)
