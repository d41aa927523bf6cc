"""Games for a command: the user's files, or the shipped ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lm import UserError, data_path
from lm.cli.console import progress, say

if TYPE_CHECKING:
    from lm.dataset.shards import Shard
    from lm.measure.puzzles import Puzzle


def shipped_games() -> list[Path]:
    """Return the files of the sample corpus."""
    files = sorted(data_path("games").glob("*.pgn.zst"))
    if not files:
        raise UserError(f"no games in {data_path('games')}: name files of your own")
    return files


def open_shard(files: list[Path], cache: Path) -> Shard:
    """Open the shard of these files; build it first if they are new or have changed."""
    from lm.dataset.shards import Shard, cached

    with progress("reading games", None, at_once=True) as (_, advance):
        shard = Shard.open(cached(files, cache, lambda games: advance(games, "")))
    if os.environ.get("RANK", "0") == "0":
        say_rejected(shard)
    return shard


def say_rejected(shard: Shard) -> None:
    """Print how many games a shard leaves out, and the file with the reasons."""
    if shard.meta["rejected"]:
        say(f"games rejected: {shard.meta['rejected']}, see {shard.path / 'rejects.jsonl'}")


def open_shards(paths: list[Path], cache: Path) -> list[Shard]:
    """Open the shards among these paths, and one shard of all the files."""
    from lm.dataset.shards import Shard

    files = [path for path in paths if not path.is_dir()]
    return [Shard.open(path) for path in paths if path.is_dir()] + ([open_shard(files, cache)] if files else [])


def read_puzzles(path: Path | None) -> list[Puzzle]:
    """Return the puzzles of a file, none without a file, and report those left out."""
    from lm.measure import puzzles

    return [] if path is None else puzzles.read_puzzles(path, lambda error: say(f"left out: {error}"))
