"""Exports games with their split to a table for Hugging Face's ``datasets``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from lm.dataset.parquet import write_parquet
from lm.dataset.records import RESULTS, STRENGTHS, UNKNOWN, Record
from lm.dataset.shards import collect
from lm.model.prompts import Aim, Source
from lm.model.vocabulary import ENDINGS, PROMPT_TOKENS
from xiangqi import MOVES, Board

_WORDS: Final = {choice: word for word, choice in PROMPT_TOKENS.items()}
_MATE, *_ENDED = ENDINGS
_RESULTS: Final = {number: text for text, number in RESULTS.items()}


def export(paths: Sequence[Path], out: Path, progress: Callable[[int], None] = lambda games: None) -> Counter[str]:
    """Read files of records and write them to a Parquet file, with the split and without copies of games.

    The games and the splits are those of `lm.dataset.shards.build`. Returns the counts of the `Collection` and the
    number of games in each split. Raises ``UserError`` if there is no valid game, and without the package pyarrow.
    """
    games = collect(paths, progress)
    rows = [row_of(record, games.splits[record.key()]) for _, record in games.records]
    write_parquet(rows, out)
    return games.counts + Counter(f"games to {row['split']}" for row in rows)


def row_of(record: Record, split: str) -> dict[str, Any]:
    """Return the row of a game in the columns of `lm.dataset.parquet`.

    >>> import numpy as np
    >>> row = row_of(Record(np.array([576, 2054], np.int16), 0, gid="7", tier="club"), "train")
    >>> row["text"], row["moves"], row["result"]
    ('[human] [club] [black wins] h2e2 h9g7 [red resigns]', 'h2e2 h9g7', '0-1')
    """
    best = None if record.best is None else [MOVES[i].iccs if i >= 0 else "-" for i in record.best.tolist()]
    score = None if record.score is None else [None if math.isnan(x) else round(100 * x) for x in record.score.tolist()]
    return {
        "text": None if record.fen else text_of(record),
        "moves": " ".join(MOVES[i].iccs for i in record.moves.tolist()),
        "result": _RESULTS.get(record.result, "*"),
        "split": split,
        "source": record.source or None,
        "tier": record.tier or None,
        "gid": record.gid,
        "fen": record.fen,
        "best": best and " ".join(best),
        "score": score,
    }


def text_of(record: Record) -> str:
    """Return a game from the initial position as the move tokenizer reads it: prompts, moves and the ending.

    People's games that are not mate end by the loser's resignation or by agreement; how others end is not known.
    """
    engines, board = record.tier == "engine", Board.from_moves([MOVES[i] for i in record.moves.tolist()])
    known = record.result != UNKNOWN
    asked = [
        Source.ENGINE if engines else Source.HUMAN,
        STRENGTHS.get(record.tier),
        (Aim.LOSS, Aim.DRAW, Aim.WIN)[record.result] if known else None,
    ]
    red, black, agreed = _ENDED
    words = [*(_WORDS[choice] for choice in asked if choice), *(move.iccs for move in board.move_stack)]
    if not board.legal_moves:
        words.append(_MATE)
    elif known and not engines:
        words.append((red, agreed, black)[record.result])
    return " ".join(words)
