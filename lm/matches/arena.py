"""Matches and self-play: many games at once, openings in pairs, adjudication, records.

The ``Termination`` header of a record gives the reason of the ending: a rule (``checkmate``, ``stalemate``, the
repetition rulings and draws of ``Board.outcome``), ``resignation``, ``draw agreed``, or ``ply limit``, which is a draw.
Nothing else ends a game.

>>> red, black = Spec.parse("greedy:seed=1"), Spec.parse("random:seed=2")
>>> games = dict(play_games({0: Pairing(red, black), 1: Pairing(black, red)}))
>>> sorted(games)
[0, 1]
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lm import UserError, data_path, processors
from lm.matches.pool import OpenPlayer, Pool
from lm.matches.table import Seat, Table
from lm.players.player import Choice, Player, PlayerError
from lm.players.specs import Spec
from xiangqi import Board, IllegalMoveError, Move
from xiangqi.game import Game
from xiangqi.rulings import Rules

MAX_PLIES: Final = 400
"""Default number of plies after which a game is drawn. Of 46,279 games between people, seven were longer."""
ATTEMPTS: Final = 3
"""Failures of one game, or of one player in successive games, after which the match stops."""

Opening = tuple[Move, ...]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Pairing:
    """A game to be played: the players' specs, the opening and the headers. It can be pickled."""

    red: Spec
    black: Spec
    opening: Opening = ()
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def seats(self) -> tuple[Spec, Spec]:
        """Red's and Black's."""
        return self.red, self.black


def load_openings(path: Path | None = None) -> list[Opening]:
    """Read an opening suite (by default the shipped one): one opening of ICCS moves a line; ``#`` starts a comment.

    Raises ``UserError`` with the line that cannot be played, and ``OSError``.

    >>> len(load_openings()) >= 200
    True
    """
    path = path or data_path("openings.txt")
    lines = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if moves := text.partition("#")[0].split():
            try:
                lines.append(tuple(Board.from_moves(moves).move_stack))
            except ValueError as error:
                raise UserError(f"{path}:{number}: {error}") from None
    if not lines:
        raise UserError(f"{path}: no opening in the file")
    return lines


# --- Playing ----------------------------------------------------------------------------------------------------------


def play_games(
    pairings: Mapping[int, Pairing],
    *,
    rules: Rules = "computer",
    max_plies: int = MAX_PLIES,
    parallel: int = 64,
    cores: int | None = None,
    report: Report = lambda text: None,
    open_player: OpenPlayer = Spec.open,
) -> Generator[tuple[int, Game]]:
    """Play games, ``parallel`` at a time, and yield each with its number as it ends.

    A player that can play many games receives all the boards on which it is to move in one call. An engine plays each
    game in a process of its own. ``cores`` engines think at the same time (by default one for each core), and at most
    twice as many processes run, since half of them wait for their opponents. All games advance by one ply at a time, so
    that the results depend on the seeds alone. A game in which a player fails is reported and restarted.
    ``PlayerError`` is raised after ``ATTEMPTS`` failures in one game, or of one player in as many games in a row.
    """
    cores = cores or processors()
    waiting = list(pairings.items())[::-1]
    running: list[_Running] = []
    deaths: Counter[int] = Counter()
    failures: Counter[Spec] = Counter()
    pool, threads = Pool(2 * cores, open_player), _Threads(cores)
    try:
        while waiting or running:
            while waiting and len(running) < parallel:
                index, pairing = waiting[-1]
                players = pool.take(pairing.seats)
                if players is None:
                    break
                waiting.pop()
                seats = Seat(pairing.red.name), Seat(pairing.black.name)
                table = Table(seats=seats, opening=pairing.opening, rules=rules, max_plies=max_plies)
                running.append(_Running(index, pairing, table, players))
            going_on, running = running, []
            for game, answer in _answers(threads, [game for game in going_on if game.table.ending is None]):
                mover, ply = game.mover, game.table.board.ply
                try:
                    game.answer(answer)
                    failures[mover] = 0
                except PlayerError as error:
                    name = mover.name
                    deaths[game.index] += 1
                    failures[mover] += 1
                    report(f"game {game.index + 1} died at ply {ply}, {name} to move: {error}")
                    if deaths[game.index] >= ATTEMPTS:
                        raise PlayerError(
                            f"game {game.index + 1} died {ATTEMPTS} times; the last time {name} failed: {error}"
                        ) from None
                    if failures[mover] >= ATTEMPTS:
                        raise PlayerError(
                            f"{name} failed in {ATTEMPTS} games in a row, the last time: {error}"
                        ) from None
                    pool.give_back(game.pairing.seats, game.players)
                    waiting.append((game.index, game.pairing))
                    going_on.remove(game)
            for game in going_on:
                if game.table.ending is None:
                    running.append(game)
                else:
                    pool.give_back(game.pairing.seats, game.players)
                    yield game.index, game.table.record({"Round": str(game.index + 1), **game.pairing.headers})
    finally:
        threads.shutdown()  # an interruption does not wait for a player that thinks
        pool.close()


@dataclass
class _Running:
    """A game in play."""

    index: int
    pairing: Pairing
    table: Table
    players: list[Player]

    @property
    def mover(self) -> Spec:
        """The spec of the player to move."""
        return self.pairing.seats[self.table.turn]

    @property
    def player(self) -> Player:
        """The player to move."""
        return self.players[self.table.turn]

    def answer(self, answer: Choice | PlayerError) -> None:
        """Carry out the player's choice. Raises ``PlayerError`` if the player failed, or if its move is not legal."""
        if isinstance(answer, PlayerError):
            raise answer
        try:
            self.table.answer(answer)
        except IllegalMoveError:
            move = answer.move.iccs if answer.move else ""
            raise PlayerError(f"{move} is not legal in {self.table.board.fen()}") from None


class _Threads:
    """The threads in which players think: a given number for engines, and others for players that play many games."""

    def __init__(self, engines: int) -> None:
        self._engines, self._others = ThreadPoolExecutor(engines), ThreadPoolExecutor()

    def ask(self, games: Sequence[_Running]) -> Future[list[Choice]]:
        """Ask the player to move in these games, the same in all, for its choices."""
        player = games[0].player
        threads = self._engines if player.one_game else self._others
        return threads.submit(player.choose, [game.table.board for game in games])

    def shutdown(self) -> None:
        """Cancel what has not started, and do not wait for players that think."""
        for threads in (self._engines, self._others):
            threads.shutdown(wait=False, cancel_futures=True)


def _answers(threads: _Threads, games: Sequence[_Running]) -> Iterator[tuple[_Running, Choice | PlayerError]]:
    """Ask the players in parallel, each about all its boards at once, and yield the answer for each game.

    A player that fails is asked again for each game separately, to find the game in which it fails.
    """
    asked: dict[int, list[_Running]] = {}
    for game in games:
        asked.setdefault(id(game.player), []).append(game)
    for group, answers in [(group, threads.ask(group)) for group in asked.values()]:
        try:
            yield from zip(group, answers.result(), strict=True)
        except PlayerError as error:
            if len(group) == 1:
                yield group[0], error
                continue
            for game in group:
                yield game, _ask_alone(game)


def _ask_alone(game: _Running) -> Choice | PlayerError:
    try:
        return game.player.choose([game.table.board])[0]
    except PlayerError as error:
        return error


# --- Matches ----------------------------------------------------------------------------------------------------------


def match_pairings(a: Spec, b: Spec, games: int, openings: Sequence[Opening], seed: int = 0) -> dict[int, Pairing]:
    """Return the games of a match: each opening twice, first with ``a`` as Red, then with ``b``.

    The order of the openings depends on ``seed`` alone. After the last one they start again from the first.
    """
    order = random.Random(seed).sample(range(len(openings)), len(openings))
    headers = {"Event": f"{a.name} against {b.name}"}
    return {
        index: Pairing(*((a, b), (b, a))[index % 2], openings[order[index // 2 % len(order)]], headers)
        for index in range(games)
    }
