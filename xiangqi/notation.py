"""Move notation, both ways: UCI, WXF and Chinese."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xiangqi.board import Board
    from xiangqi.move import Move


def wxf(board: Board, move: Move) -> str:
    raise NotImplementedError


def chinese(board: Board, move: Move, traditional: bool = False) -> str:
    raise NotImplementedError


def parse_wxf(board: Board, text: str) -> Move:
    raise NotImplementedError


def parse_chinese(board: Board, text: str) -> Move:
    raise NotImplementedError
