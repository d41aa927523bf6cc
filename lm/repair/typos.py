"""How probable the text of a ply is if it stands for a given move: the channel through which the record came.

A wrong text is, with even chances, a typo or the text of another move. A typo is the right text in one of its notations
in which characters are wrong, illegible, left out or added, or two neighbours have changed places, each with the
probability below. The text of another move says nothing of the right one: it is any legal move's, or any of all moves'
if it is not legal.

This is the noisy channel of M. Kernighan, K. Church and W. Gale, "A Spelling Correction Program Based on a Noisy
Channel Model", 1990, with the model of games in place of the frequencies of words. The figures are round, not fitted.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from xiangqi import MOVES, RED, Board, Move
from xiangqi.notation import spell, uci

WRONG: Final = math.log(0.02 / 20)
"""A character is another one, of about twenty."""
ILLEGIBLE: Final = math.log(0.005)
"""A character is one that no text in the notation has, such as ``?``."""
LEFT_OUT: Final = math.log(0.005)
ADDED: Final = math.log(0.005 / 20)
SWAPPED: Final = math.log(0.005)
"""Two neighbours have changed places."""
ANY: Final = math.log(0.12)
"""There is a mistake at all among four characters. The text of a ply is known to be wrong, so what is asked is the
probability under that condition."""

_SQUARES: Final = frozenset("abcdefghi0123456789")
_ALGEBRAIC: Final = frozenset("KAEHRCPabcdefghi0123456789")
_FILES: Final = frozenset("KABNRCP=+-M123456789")


class Spelling(NamedTuple):
    """One of a move's right texts."""

    text: str
    alphabet: frozenset[str]
    """The characters that texts in its notation have."""


def spellings(board: Board, move: Move, first_rank: int = 0) -> list[Spelling]:
    """Return the right texts of a legal move: in squares, algebraic, and, spelt in one alphabet, in WXF and Chinese.

    Among the last is the one by the file, which careless hands write for tandem pieces too.

    >>> [spelling.text for spelling in spellings(Board(), Move.from_iccs("h2e2"))]
    ['h2e2', 'Che2', 'C2=5']
    """
    algebraic = board.algebraic(move, first_rank).rstrip("+#").replace("x", "")
    wxf, chinese = spell(board.wxf(move)), spell(board.chinese(move))
    piece, file = board.piece_at(move.from_square), move.from_square % 9
    assert piece is not None
    plain = f"{piece.symbol().upper()}{9 - file if board.turn == RED else file + 1}{wxf[-2:]}"
    of_files = [Spelling(text, _FILES) for text in dict.fromkeys((wxf, chinese, plain))]
    return [Spelling(uci(move, first_rank), _SQUARES), Spelling(algebraic, _ALGEBRAIC), *of_files]


def log_chance(text: str, right: list[Spelling], legal: int) -> float:
    """Return the log-probability of a wrong text if a move is meant that has the texts ``right``.

    ``legal`` is the number of legal moves if the text is that of one of them, else 0. A text that is right but fits
    several moves has log-probability 0.

    >>> right = spellings(Board(), Move.from_iccs("h2e2"))
    >>> [round(log_chance(text, right, 0), 1) for text in ("h2e2", "h2e?", "C2=6", "炮二平五", "跑二平五", "h2h9")]
    [0.0, -3.9, -5.4, 0.0, -3.9, -8.3]
    """
    typo = max(_typo(form, *spelling) for spelling in right for form in _forms(text, spelling.alphabet))
    if typo == 0:
        return 0.0
    other = -math.log(legal or len(MOVES))
    return float(np.logaddexp(typo - ANY, other)) - math.log(2)


@lru_cache(4096)
def _forms(text: str, alphabet: frozenset[str]) -> tuple[str, ...]:
    """Return a written text as a notation has it, with and without the signs at its end.

    Texts in squares are in lower case without dash; those with Chinese characters are in one notation only.

    >>> _forms("H2-E?", _SQUARES), _forms("C2=?", _FILES), _forms("炮二", _SQUARES)
    (('h2e?', 'h2e'), ('C2=?', 'C2='), ('',))
    """
    if alphabet is _FILES:
        form = spell("".join(text.split()))
    elif not text.isascii():
        form = ""
    elif alphabet is _SQUARES:
        form = text.lower().replace("-", "")
    else:
        form = text.replace("x", "")
    return tuple(dict.fromkeys((form, form.rstrip("!?#"))))


@lru_cache(1 << 16)
def _typo(written: str, right: str, alphabet: frozenset[str]) -> float:
    """Return the log-probability of the likeliest way to write ``written`` for ``right``.

    This is the alignment of F. Damerau, Communications of the ACM 7, 1964, weighted.

    >>> [round(_typo(text, "h2e2", _SQUARES), 1) for text in ("h2e2", "h2e3", "h2?2", "h2e", "h2ee2", "2he2")]
    [0.0, -6.9, -5.3, -5.3, -8.3, -5.3]
    """
    rows = [[LEFT_OUT * column for column in range(len(right) + 1)]]
    for i, character in enumerate(written, 1):
        wrong = WRONG if character in alphabet else ILLEGIBLE
        row = [ADDED * i]
        for j, meant in enumerate(right, 1):
            best = max(
                rows[i - 1][j - 1] + (0 if character == meant else wrong), rows[i - 1][j] + ADDED, row[j - 1] + LEFT_OUT
            )
            if i > 1 and j > 1 and written[i - 2] == meant != character == right[j - 2]:
                best = max(best, rows[i - 2][j - 2] + SWAPPED)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]
