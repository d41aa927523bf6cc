"""Matches and self-play: many games at once, openings in pairs, adjudication, records.

How a game ends is stated in the ``Termination`` header of its record: by the rules (``checkmate``, ``stalemate``,
the repetition rulings and draws of ``Board.outcome``), by ``resignation``, by ``draw agreed``, or as a draw by
``ply limit``. Nothing else ends a game.

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
"""Default length after which a game counts as drawn; of 46,279 games between people seven were longer."""
ATTEMPTS: Final = 3
"""Times that a game is played before its dying stops the match; games in a row in which a player may fail."""

Opening = tuple[Move, ...]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Pairing:
    """A game to be played: who plays whom, after which opening, under which headers. It can be sent elsewhere."""

    red: Spec
    black: Spec
    opening: Opening = ()
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def seats(self) -> tuple[Spec, Spec]:
        """Red's and Black's."""
        return self.red, self.black


def load_openings(path: Path | None = None) -> list[Opening]:
    """Read an opening suite (the shipped one by default): a line of ICCS moves each, ``#`` starting a remark.

    Raises ``UserError`` naming the line that cannot be played, and ``OSError``.

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

    A player that can play many games gets all the boards on which it is to move in one call. An engine plays each game
    in a process of its own; ``cores`` of them think at once (by default, as many as there are), and there are at most
    twice as many, since half of them wait for their opponents. Games go on in step, so that seeds decide them. A game
    in which a player fails is reported and begun anew; ``PlayerError`` is raised after ``ATTEMPTS`` failures in one
    game, or of one player in as many games in a row.
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
        threads.shutdown()  # whoever interrupts does not wait for a player's thought
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
        """Whose turn it is."""
        return self.pairing.seats[self.table.turn]

    @property
    def player(self) -> Player:
        """The player whose turn it is."""
        return self.players[self.table.turn]

    def answer(self, answer: Choice | PlayerError) -> None:
        """Do what the player has chosen. Raises ``PlayerError`` if it failed, or if its move is not legal."""
        if isinstance(answer, PlayerError):
            raise answer
        try:
            self.table.answer(answer)
        except IllegalMoveError:
            move = answer.move.iccs if answer.move else ""
            raise PlayerError(f"{move} is not legal in {self.table.board.fen()}") from None


class _Threads:
    """Where players think: engines side by side up to a number, others each apart from them."""

    def __init__(self, engines: int) -> None:
        self._engines, self._others = ThreadPoolExecutor(engines), ThreadPoolExecutor()

    def ask(self, games: Sequence[_Running]) -> Future[list[Choice]]:
        """Ask the one player of these games for its choices."""
        player = games[0].player
        threads = self._engines if player.one_game else self._others
        return threads.submit(player.choose, [game.table.board for game in games])

    def shutdown(self) -> None:
        """End without waiting for those who think; nobody else begins to."""
        for threads in (self._engines, self._others):
            threads.shutdown(wait=False, cancel_futures=True)


def _answers(threads: _Threads, games: Sequence[_Running]) -> Iterator[tuple[_Running, Choice | PlayerError]]:
    """Ask every player about all its boards at once, the players side by side, and yield what comes of each game.

    One that fails is asked for each game alone, to learn which one it failed in.
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

    Openings come in an order that depends on ``seed`` alone, and again from the first when they run out.
    """
    order = random.Random(seed).sample(range(len(openings)), len(openings))
    headers = {"Event": f"{a.name} against {b.name}"}
    return {
        index: Pairing(*((a, b), (b, a))[index % 2], openings[order[index // 2 % len(order)]], headers)
        for index in range(games)
    }
