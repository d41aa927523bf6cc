"""Self-play for training: games that explore, with a label at each ply (`lm.matches.labels`).

The moves are drawn from the policy of the label by a temperature for each part of the game, and some are forced at
random, so that positions after errors occur too; the label has the best moves nevertheless. A game depends on its
number and the seed alone. Games are written in their order, and near-duplicates of earlier ones are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from lm import UserError
from lm.matches import MAX_PLIES
from lm.matches.arena import Opening
from lm.matches.labels import Groups, Label, cut_short, judge, label_ply, load_lines
from lm.matches.table import Seat, Table
from lm.matches.workers import Crew, in_order, with_player
from lm.model.sampling import Sampling
from lm.players.player import Player
from lm.players.specs import Spec
from xiangqi import Board, Move
from xiangqi.formats import jsonl
from xiangqi.formats.streams import open_appending
from xiangqi.game import ChildNode, Game
from xiangqi.rulings import Rules
from xiangqi.words import counted


@dataclass(frozen=True)
class Exploration:
    """How games are made to differ."""

    temperatures: tuple[tuple[float, int | None], ...] = ((1.0, 30), (0.0, None))
    """Temperatures by which moves are drawn, each up to a ply of the game; the last to the end."""
    deviations: float = 0.0
    """The chance of a random legal move, 0 to 1."""
    regret: float = 0.04
    """Of a player without a policy the moves are drawn by exp(-regret / this), in expected score."""

    @classmethod
    def parse(cls, temperatures: str, deviations: float = 0.0) -> Exploration:
        """Return an exploration whose temperatures are given as text. Raises ``UserError``.

        >>> Exploration.parse("1:20,0.5:40,0").temperatures
        ((1.0, 20), (0.5, 40), (0.0, None))
        """
        found: list[tuple[float, int | None]] = []
        *parts, last = temperatures.split(",")
        try:
            for part in parts:
                value, _, ply = part.partition(":")
                found.append((float(value), int(ply)))
            found.append((float(last), None))
            for heat, _ in found:
                Sampling(heat)
            plies = [0, *(ply for _, ply in found if ply is not None)]
            if any(later <= ply for ply, later in pairwise(plies)):
                raise ValueError("plies must rise")
        except ValueError:
            raise UserError(
                f"temperatures are written as 1:20,0.5:40,0, with plies that rise, not {temperatures!r}"
            ) from None
        return cls(tuple(found), deviations)

    def __str__(self) -> str:
        text = ",".join(f"{value:g}" if ply is None else f"{value:g}:{ply}" for value, ply in self.temperatures)
        return f"temperature {text}, deviations {self.deviations:g}"

    def choose(self, label: Label, board: Board, random: np.random.Generator) -> Move:
        """Draw the move to play."""
        if random.random() < self.deviations:
            return board.legal_moves[int(random.integers(len(board.legal_moves)))]
        temperature = next(value for value, until in self.temperatures if until is None or board.ply < until)
        candidates = label.candidates
        if temperature == 0:
            return candidates[0].move
        if all(candidate.share is not None for candidate in candidates):
            scores = np.log([(candidate.share or 0) + 1e-9 for candidate in candidates])
        else:
            scores = np.array([candidate.expected for candidate in candidates]) / self.regret
        chances = Sampling(temperature).probabilities(scores)
        return candidates[int(random.choice(len(candidates), p=chances))].move


@dataclass(frozen=True)
class Plan:
    """The games to be played. It can be pickled."""

    spec: Spec
    openings: tuple[Opening, ...]
    """Taken in turn, in an order that the seed decides."""
    exploration: Exploration = Exploration()
    most: int = 8
    """Moves of a label."""
    rules: Rules = "computer"
    max_plies: int = MAX_PLIES
    seed: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """The headers of all games; tier ``engine`` says that their moves are not people's."""
        return {
            "Event": f"{self.spec.name} against itself",
            "Red": self.spec.name,
            "Black": self.spec.name,
            "Tier": "engine",
            "Source": "selfplay",
            "Annotator": f"{self.spec.name}, {counted(self.most, 'move')}",
            "Exploration": f"{self.exploration}, seed {self.seed}",
            "Adjudication": f"rules {self.rules}, draw at ply {self.max_plies}",
        }

    def opening(self, number: int) -> Opening:
        """Return the opening of a game."""
        order = np.random.default_rng(self.seed).permutation(len(self.openings))
        return self.openings[int(order[number % len(order)])]


def play(plan: Plan, player: Player, number: int) -> Game:
    """Play a game of a plan, with a label at each ply after the opening."""
    random = np.random.default_rng((plan.seed, number))
    player.new_game()
    seat = Seat(plan.spec.name)
    table = Table(seats=(seat, seat), opening=plan.opening(number), rules=plan.rules, max_plies=plan.max_plies)
    while table.ending is None:
        label, before = judge(player, table.board, plan.most, random), table.node
        table.push(plan.exploration.choose(label, table.board, random))
        assert isinstance(table.node, ChildNode)
        label_ply(before, table.node, label)
    game = table.record()
    game.headers = {
        **plan.headers,
        "Round": str(number + 1),
        "Result": table.ending.result,
        "Termination": table.ending.reason,
    }
    return game


def play_to_file(
    plan: Plan, games: int, out: Path, *, crew: Crew | None = None, report: Callable[[str], None] = lambda text: None
) -> Generator[tuple[int, Game | None]]:
    """Play so many games and append each to a file of JSON lines, in their order; yield its number, from 0, and itself.

    The workers of ``crew`` play, or this process.
    If the file exists, its games are yielded first, and the first game that is played is the one after its last. A game
    that is a near-duplicate of an earlier one is not written, and ``None`` is yielded. Raises ``UserError`` for a file
    with other games, and ``PlayerError``.
    """
    cut_short(out)
    groups, done, headers = Groups(), 0, plan.headers
    for line, game in enumerate(load_lines(out), 1):
        told = game.headers.get("Round", "")
        if not told.isdecimal() or int(told) <= done or any(game.headers.get(k) != v for k, v in headers.items()):
            raise UserError(f"{out}: line {line} is not of these games; choose another file")
        _is_new(groups, game)
        done = int(told)
        if done <= games:
            yield done - 1, game
    numbers: Sequence[int] = range(done, games)
    with open_appending(out) as file:
        work = partial(with_player, plan.spec, partial(play, plan))
        for number, game in in_order(crew, work, ((n, n) for n in numbers), report=report):
            if not _is_new(groups, game):
                report(f"game {number + 1} is a near-duplicate of an earlier one and is left out")
                yield number, None
                continue
            file.write(f"{jsonl.dumps(game)}\n".encode())
            file.flush()
            yield number, game


def _is_new(groups: Groups, game: Game) -> bool:
    return groups.is_new("", np.array([move.index for move in game.moves()], np.int16))
