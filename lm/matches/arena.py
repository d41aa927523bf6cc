"""Matches and self-play: many games at once, openings in pairs, adjudication, clocks, records.

The ``Termination`` header of a record gives the reason of the ending: a rule (``checkmate``, ``stalemate``, the
repetition rulings and draws of ``Board.outcome``), ``resignation``, ``draw agreed``, ``ply limit``, which is a draw,
``adjudication`` by score (`lm.matches.adjudication`), ``time forfeit``, or one of the four ways in which a player
fails and so loses: ``crash``, ``stall`` (no answer in time), ``illegal move`` and ``no move``. Nothing else ends a
game. The comment of a move has what its player said of it: evaluation, depth, nodes and seconds.

>>> red, black = Spec.parse("greedy:seed=1"), Spec.parse("random:seed=2")
>>> games = dict(play_games({0: Pairing(red, black), 1: Pairing(black, red)}))
>>> sorted(games)
[0, 1]
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Final

from lm import UserError, data_path, processors
from lm.matches import MARGIN, MAX_PLIES
from lm.matches.adjudication import Adjudication, Judge
from lm.matches.clocks import NO_CLOCKS, Clocks
from lm.matches.pool import OpenPlayer, Pool
from lm.matches.table import Seat, Table
from lm.players.player import Choice, Player, PlayerError, blamed, choices
from lm.players.specs import Spec
from xiangqi import RED, Board, IllegalMoveError, Move
from xiangqi.engine import Info
from xiangqi.game import Game, GameNode
from xiangqi.rulings import Rules
from xiangqi.words import counted

FAILURES: Final = 3
"""Failures of a player without a legal move between them, after which the match stops."""

MOST_GAMES: Final = 100_000
"""Games after which a match without a number of games ends."""
PARALLEL: Final = 64
"""Default number of games without clocks that are played at a time."""

Opening = tuple[Move, ...]
Report = Callable[[str], None]
_Start = Callable[[int], "_Running | None"]


@dataclass(frozen=True)
class Pairing:
    """A game to be played: the players' specs, the opening, the headers and the clocks. It can be pickled."""

    red: Spec
    black: Spec
    opening: Opening = ()
    headers: dict[str, str] = field(default_factory=dict)
    clocks: Clocks = NO_CLOCKS

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
    parallel: int | None = None,
    cores: int | None = None,
    margin: float = MARGIN,
    adjudication: Adjudication = Adjudication(),  # noqa: B008 # it is frozen
    timer: Callable[[], float] = time.perf_counter,
    report: Report = lambda text: None,
    open_player: OpenPlayer = Spec.open,
) -> Generator[tuple[int, Game]]:
    """Play games, ``parallel`` at a time, and yield each with its number as it ends.

    Without clocks, 64 games are played at a time by default. A player that can play many games receives all the boards
    on which it is to move in one call. An engine plays each game in a process of its own. ``cores`` engines think at
    the same time (by default one for each core), and at most twice as many processes run, since half of them wait for
    their opponents. All games advance by one ply at a time. A game depends on the seeds of its players and its number
    alone, not on the games beside it (`Player.begin_game`).

    With clocks, every game has players of its own and goes its own pace, by default one game for each of the ``cores``.
    A player thinks only while its clock runs, as ``timer`` tells it. It loses when it exceeds its time by more than
    ``margin`` seconds.

    A player that fails is reported and loses the game. ``PlayerError`` is raised when it has failed `FAILURES` times
    without a legal move between, and when a player cannot be opened.
    """
    arena = Arena(
        rules=rules,
        max_plies=max_plies,
        clocks=any(pairing.clocks for pairing in pairings.values()),
        parallel=parallel,
        cores=cores,
        margin=margin,
        adjudication=adjudication,
        timer=timer,
        report=report,
        open_player=open_player,
    )
    with closing(arena):
        yield from arena.play(pairings)


class Arena:
    """Plays games, as `play_games` does, with players that stay open from one call to the next.

    With ``clocks`` every game has players of its own.
    """

    def __init__(
        self,
        *,
        rules: Rules = "computer",
        max_plies: int = MAX_PLIES,
        clocks: bool = False,
        parallel: int | None = None,
        cores: int | None = None,
        margin: float = MARGIN,
        adjudication: Adjudication = Adjudication(),  # noqa: B008 # it is frozen
        timer: Callable[[], float] = time.perf_counter,
        report: Report = lambda text: None,
        open_player: OpenPlayer = Spec.open,
    ) -> None:
        cores = cores or processors()
        self._rules, self._max_plies, self._margin, self._adjudication = rules, max_plies, margin, adjudication
        self._pool = Pool(2 * (parallel or cores if clocks else cores), open_player, alone=clocks)
        self._referee = _Referee(report)
        self._play: Callable[..., Generator[_Running]] = (
            partial(_apart, timer=timer, parallel=parallel or cores)
            if clocks
            else partial(_together, cores=cores, parallel=parallel or PARALLEL)
        )

    def play(self, pairings: Mapping[int, Pairing]) -> Generator[tuple[int, Game]]:
        """Play games and yield each with its number as it ends. Raises ``PlayerError``."""

        def start(index: int) -> _Running | None:
            """Take the players of a game and set up its table; ``None`` while there is no room for its engines."""
            pairing = pairings[index]
            players = self._pool.take(pairing.seats)
            if players is None:
                return None
            table = Table(
                seats=(Seat(pairing.red.name), Seat(pairing.black.name)),
                opening=pairing.opening,
                rules=self._rules,
                max_plies=self._max_plies,
                clocks=pairing.clocks,
                margin=self._margin,
            )
            game = _Running(index, pairing, table, players, self._adjudication.judge())
            for player in game.different:
                with blamed():
                    player.begin_game(table.board, index)
            return game

        with closing(self._play(list(pairings), start, self._referee)) as ended:
            for game in ended:
                for player in game.different:
                    with blamed():
                        player.end_game(game.table.board)
                self._pool.give_back(game.pairing.seats, game.players)
                yield game.index, game.table.record({"Round": str(game.index + 1), **game.pairing.headers})

    def close(self) -> None:
        """Stop and close all players, even while they think."""
        self._pool.close()


@dataclass
class _Running:
    """A game in play."""

    index: int
    pairing: Pairing
    table: Table
    players: list[Player]
    judge: Judge

    @property
    def different(self) -> list[Player]:
        """Its players, once each."""
        return list({id(player): player for player in self.players}.values())

    @property
    def mover(self) -> Spec:
        """The spec of the player to move."""
        return self.pairing.seats[self.table.turn]

    @property
    def player(self) -> Player:
        """The player to move."""
        return self.players[self.table.turn]

    def ask(self) -> Choice | PlayerError:
        """Ask the player to move for its choice."""
        try:
            return choices(self.player, [self.table.board], self.table.limit())[0]
        except PlayerError as error:
            return error


class _Fault(Enum):
    """What is wrong with a line that a player claims to expect."""

    ILLEGAL = "holds the illegal move"
    AFTER_THE_END = "goes on after the end of the game"


class _Referee:
    """Carries out what players choose. One that fails is reported and loses its game."""

    def __init__(self, report: Report) -> None:
        self.error: PlayerError | None = None
        """Why the match ends, once a player has failed too often."""
        self._report = report
        self._failures: Counter[Spec] = Counter()
        self._warned: set[tuple[Spec, _Fault]] = set()

    def carry_out(self, game: _Running, answer: Choice | PlayerError, seconds: float = 0.0) -> None:
        """Carry out a choice that took ``seconds``."""
        mover, table, color, node = game.mover, game.table, game.table.turn, game.table.node
        if not isinstance(answer, PlayerError):
            try:
                table.answer(answer, seconds)
                self._failures[mover] = 0
                if table.node is not node:
                    note(table.node, answer.info, seconds)
                    self._look_at_line(game, mover, answer.info)
                    board = table.board
                    if verdict := game.judge.hear(color, answer.info, (board.ply + 1) // 2, board.halfmove_clock == 0):
                        table.adjudicate(verdict)
                return
            except IllegalMoveError:
                move = answer.move.iccs if answer.move else ""
                answer = PlayerError(f"{move} is not legal in {table.board.fen()}", "illegal move")
        table.forfeit(table.turn, answer.failure)
        self._failures[mover] += 1
        self._report(f"game {game.index + 1}: {mover.name} loses at ply {table.board.ply} ({answer.failure}): {answer}")
        if self._failures[mover] >= FAILURES and self.error is None:
            text = f"{mover.name} failed {FAILURES} times in a row, the last time: {answer}"
            self.error = PlayerError(text, answer.failure)

    def _look_at_line(self, game: _Running, mover: Spec, info: Info) -> None:
        """Warn, once for each player, of a line that holds an illegal move or goes on after the end of the game."""
        board, fault, told = game.table.board.copy(), None if info.illegal is None else _Fault.ILLEGAL, info.illegal
        for move in info.pv[1:] if info.pv and info.pv[0] is board.peek() else ():
            if outcome := board.outcome(game.table.rules):
                fault, told = _Fault.AFTER_THE_END, f"({outcome.reason})"
                break
            board.push(move)
        if fault is not None and (mover, fault) not in self._warned:
            self._warned.add((mover, fault))
            where = f"the line of {mover.name} at ply {game.table.board.ply}"
            self._report(f"game {game.index + 1}: warning: {where} {fault.value} {told}; it costs nothing")


def note(node: GameNode, info: Info, seconds: float = 0.0) -> None:
    """Write what a player said of its move into the move's comment: evaluation, chances, depth, nodes and seconds.

    The seconds are those that the player counted, or else those that it took.
    """
    if info.score is not None:
        node.eval = info.score.pov(RED).pawns()
        if info.depth is not None:
            node.depth = info.depth
    elif info.wdl is not None:
        win, draw, loss = (round(chance) for chance in info.wdl.turned())
        node.wdl = win, draw, loss
    if info.nodes is not None:
        node.nodes = info.nodes
    if (spent := info.time if info.time is not None else seconds or None) is not None:
        node.comment = f"{node.comment} [%emt {spent:.3f}]".strip()


# --- All games one ply at a time --------------------------------------------------------------------------------------


def _together(
    games: Sequence[int], start: _Start, referee: _Referee, *, cores: int, parallel: int
) -> Generator[_Running]:
    """Play games in step and yield each as it ends. Raises the referee's error after the games of its step."""
    waiting, running = list(games)[::-1], list[_Running]()
    threads = _Threads(cores)
    try:
        while waiting or running:
            while waiting and len(running) < parallel and (game := start(waiting[-1])) is not None:
                running.append(game)
                waiting.pop()
            asked = [game for game in running if game.table.ending is None]
            for game, answer in _answers(threads, asked, referee):
                referee.carry_out(game, answer)
            going_on = [game for game in running if game.table.ending is None]
            ended = [game for game in running if game.table.ending is not None]
            running = going_on
            yield from ended
            if referee.error is not None:
                raise referee.error
    finally:
        threads.shutdown()  # an interruption does not wait for a player that thinks


class _Threads:
    """The threads in which players think: a given number for engines, and others for players that play many games."""

    def __init__(self, engines: int) -> None:
        self._engines, self._others = ThreadPoolExecutor(engines), ThreadPoolExecutor()

    def ask(self, games: Sequence[_Running]) -> Future[list[Choice]]:
        """Ask the player to move in these games, the same in all, for its choices."""
        player = games[0].player
        threads = self._engines if player.one_game else self._others
        return threads.submit(choices, player, [game.table.board for game in games])

    def shutdown(self) -> None:
        """Cancel what has not started, and do not wait for players that think."""
        for threads in (self._engines, self._others):
            threads.shutdown(wait=False, cancel_futures=True)


def _answers(
    threads: _Threads, games: Sequence[_Running], referee: _Referee
) -> Iterator[tuple[_Running, Choice | PlayerError]]:
    """Ask the players in parallel, each about all its boards at once, and yield the answer for each game.

    A player that fails is asked again for each game separately, to find the game in which it fails. Once the referee
    ends the match, nobody is asked or waited for any more.
    """
    asked: dict[int, list[_Running]] = {}
    for game in games:
        asked.setdefault(id(game.player), []).append(game)
    for group, answers in [(group, threads.ask(group)) for group in asked.values()]:
        if referee.error is not None and not answers.done():
            continue
        try:
            yield from zip(group, answers.result(), strict=True)
        except PlayerError as error:
            if len(group) == 1:
                yield group[0], error
                continue
            for game in group:
                if referee.error is None:
                    yield game, game.ask()


# --- Each game at its own pace ----------------------------------------------------------------------------------------


def _apart(
    games: Sequence[int], start: _Start, referee: _Referee, *, parallel: int, timer: Callable[[], float]
) -> Generator[_Running]:
    """Play each game in a thread of its own, with clocks, and yield it as it ends.

    Raises the referee's error after the games that have ended.
    """
    waiting, running = list(games)[::-1], dict[Future[None], _Running]()
    stopped = threading.Event()

    def play(game: _Running) -> None:
        while game.table.ending is None:
            since = timer()
            answer = game.ask()
            seconds = timer() - since
            if stopped.is_set() or referee.error is not None:
                break
            referee.carry_out(game, answer, seconds)

    threads = ThreadPoolExecutor(parallel)
    try:
        while waiting or running:
            ready: list[_Running] = []  # opened before the clocks of any of them start
            while waiting and len(running) + len(ready) < parallel and (game := start(waiting[-1])) is not None:
                ready.append(game)
                waiting.pop()
            running |= {threads.submit(play, game): game for game in ready}
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
            error = referee.error
            ended = [running.pop(future) for future in (done if error is None else list(running))]
            yield from [game for game in ended if game.table.ending is not None]
            if error is not None:
                raise error
    finally:
        stopped.set()
        threads.shutdown(wait=False, cancel_futures=True)


# --- Matches ----------------------------------------------------------------------------------------------------------


def shuffled(openings: Sequence[Opening], seed: int) -> list[Opening]:
    """Return the openings in an order that depends on ``seed`` alone."""
    return random.Random(seed).sample(list(openings), len(openings))


def selfplay_pairings(player: Spec, games: int, openings: Sequence[Opening], seed: int = 0) -> dict[int, Pairing]:
    """Return the games of a player against itself: each opening once, in an order that depends on ``seed`` alone, then
    again from the first.

    Raises ``UserError`` if the player always answers alike and has fewer openings than games, which would repeat.
    """
    if player.answers_alike and (different := len(set(openings))) < games:
        raise UserError(
            f"{player} always plays the same moves: from {counted(different, 'opening')} it plays "
            f"{counted(different, 'game')}, not {games}; give it a temperature, or more openings "
            "(as --openings suite)"
        )
    order, headers = shuffled(openings, seed), {"Event": f"{player.name} against itself"}
    return {index: Pairing(player, player, order[index % len(order)], headers) for index in range(games)}


def most_games(a: Spec, b: Spec, openings: Sequence[Opening]) -> int:
    """Return the number of games of a match that only a test ends: `MOST_GAMES`, or as many as do not repeat if both
    players always answer alike."""
    return 2 * len(set(openings)) if a.answers_alike and b.answers_alike else MOST_GAMES


def match_pairings(
    a: Spec, b: Spec, games: int, openings: Sequence[Opening], seed: int = 0, clocks: Clocks = NO_CLOCKS
) -> dict[int, Pairing]:
    """Return the games of a match: each opening twice, first with ``a`` as Red, then with ``b``.

    ``clocks`` are those of a game in which ``a`` is Red; a player keeps its time control when colours change. The order
    of the openings depends on ``seed`` alone. After the last one they start again from the first.
    """
    order = shuffled(openings, seed)
    headers = {"Event": f"{a.name} against {b.name}"}
    sides = (a, b, clocks), (b, a, clocks.swapped())
    return {
        index: Pairing(red, black, order[index // 2 % len(order)], headers, control)
        for index in range(games)
        for red, black, control in [sides[index % 2]]
    }
