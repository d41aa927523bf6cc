"""Write the sample corpus into ``games/``: ``python data/make_games.py CORPORA``.

CORPORA is a folder with ``human-games``, ``human-annotated`` and ``engine-games``, ``.jsonl.zst`` each. Only games
whose licence allows it are taken: the source below, and engine games of our own. Engine opinions go into the comments,
``[%best]`` is the engine's move, and ``[%eval]`` is in pawns for Red.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from xiangqi import formats
from xiangqi.game import Game, GameNode

SOURCE = "Yvonne761/Chinese-Chess-Practical-Dataset"
ROOK = {"human-annotated": 2.0, "engine-games": 9.0}
"""What a rook is worth in the units of each file's scores, as the reader (a hundredth each) takes them."""


def with_pawns(game: Game, rook: float) -> Game:
    """Bring the evaluations to pawns, a rook being nine of them, and cap mates at 50."""
    node: GameNode = game
    for child in [*game.main_line()]:
        if node.eval is not None:
            node.eval = max(-50.0, min(50.0, node.eval * 9 / rook))
        node = child
    return game


def licensed(corpora: Path) -> Iterator[Game]:
    """Yield the licensed games between people, with engine opinions where there are any."""
    annotated = {}
    for game in formats.load(corpora / "human-annotated.jsonl.zst"):
        annotated[tuple(game.moves())] = game
    for game in formats.load(corpora / "human-games.jsonl.zst"):
        if game.headers["Source"].startswith(SOURCE):
            other = annotated.get(tuple(game.moves()))
            if other is not None:
                other.headers.clear()
                other.headers.update(game.headers)
                game = with_pawns(other, ROOK["human-annotated"])
            game.headers["Source"] = SOURCE
            yield game


def engine_games(corpora: Path) -> Iterator[Game]:
    """Yield the engine's games with itself."""
    for game in formats.load(corpora / "engine-games.jsonl.zst"):
        game.headers |= {"Red": "engine", "Black": "engine", "Source": "xqlm", "Tier": "engine"}
        yield with_pawns(game, ROOK["engine-games"])


def main(corpora: str) -> None:
    folder = Path(__file__).parent / "games"
    folder.mkdir(exist_ok=True)
    print(formats.save(licensed(Path(corpora)), folder / "practical.pgn.zst"), "games between people")
    print(formats.save(engine_games(Path(corpora)), folder / "engine.pgn.zst"), "engine games")


if __name__ == "__main__":
    main(*sys.argv[1:])
