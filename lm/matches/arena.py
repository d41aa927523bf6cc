"""Matches and self-play: many games at once, openings in pairs, adjudication, records.

How a game ends is stated in the ``Termination`` header of its record: by the rules (``checkmate``, ``stalemate``,
the repetition rulings and draws of ``Board.outcome``), by ``resignation``, by ``draw agreed``, or as a draw by
``ply limit``. Nothing else ends a game.

>>> from lm.players.specs import load_player
>>> red, black = load_player("greedy:seed=1"), load_player("random:seed=2")
>>> games = dict(play_games({0: Pairing(red, black), 1: Pairing(black, red)}))
>>> sorted(games)
[0, 1]
"""

from __future__ import annotations

import datetime
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lm import UserError, data_path
from lm.players.player import Choice, Player, PlayerError
from xiangqi import Board, Move
from xiangqi.game import Game
from xiangqi.rulings import Rules

MAX_PLIES: Final = 400
"""Default length after which a game counts as drawn; of 46,279 games between people seven were longer."""
ATTEMPTS: Final = 3
"""Times that a game is played before its dying stops the match; games in a row in which a player may fail."""

Opening = tuple[Move, ...]
Ending = tuple[str, str]
"""Result as PGN writes it, and why."""
Report = Callable[[str], None]


@dataclass(frozen=True)
class Pairing:
    """A game to be played: who plays whom, after which opening, under which headers."""

    red: Player
    black: Player
    opening: Opening = ()
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class _Running:
    index: int
    pairing: Pairing
    board: Board
    draw_offered: bool = False

    def mover(self) -> Player:
        return (self.pairing.red, self.pairing.black)[self.board.turn]


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
    report: Report = lambda text: None,
) -> Iterator[tuple[int, Game]]:
    """Play games, ``parallel`` at a time, and yield each with its number as it ends.

    Every player gets all the boards on which it is to move in one call, and players think at the same time. A game in
    which a player fails is reported and begun anew; ``PlayerError`` is raised after ``ATTEMPTS`` failures in one game,
    or of one player in as many games in a row.
    """
    waiting = list(pairings.items())[::-1]
    running: list[_Running] = []
    deaths: Counter[int] = Counter()
    threads = ThreadPoolExecutor(max_workers=2)
    try:
        while waiting or running:
            while waiting and len(running) < parallel:
                index, pairing = waiting.pop()
                running.append(_Running(index, pairing, Board.from_moves(pairing.opening)))
            going_on = []
            for game in running:
                if ending := _adjudicate(game.board, rules, max_plies):
                    yield game.index, _record(game, ending)
                else:
                    going_on.append(game)
            running = []
            for game, choice in _choices(threads, going_on):
                try:
                    if isinstance(choice, PlayerError):
                        raise choice
                    ending = _apply(game, choice)
                except PlayerError as error:
                    deaths[game.index] += 1
                    name, ply = game.mover().name, game.board.ply
                    report(f"game {game.index + 1} died at ply {ply}, {name} to move: {error}")
                    if deaths[game.index] >= ATTEMPTS:
                        raise PlayerError(
                            f"game {game.index + 1} died {ATTEMPTS} times; the last time {name} failed: {error}"
                        ) from None
                    waiting.append((game.index, game.pairing))
                else:
                    if ending:
                        yield game.index, _record(game, ending)
                    else:
                        running.append(game)
    finally:
        threads.shutdown(wait=False)  # whoever interrupts does not wait for a player's thought


def _choices(threads: ThreadPoolExecutor, games: Sequence[_Running]) -> Iterable[tuple[_Running, Choice | PlayerError]]:
    """Ask every player about all its boards at once, the players side by side."""
    asked: dict[int, list[_Running]] = {}
    for game in games:
        asked.setdefault(id(game.mover()), []).append(game)
    for group, answers in zip(asked.values(), threads.map(_ask, asked.values()), strict=True):
        yield from zip(group, answers, strict=True)


def _ask(games: list[_Running]) -> list[Choice | PlayerError]:
    """Ask the one player of these games. If it fails, ask for each game alone to learn which one it failed in."""
    player = games[0].mover()
    try:
        return list(player.choose([game.board for game in games]))
    except PlayerError as error:
        if len(games) == 1:
            return [error]
        answers: list[Choice | PlayerError] = []
        for game in games:
            answers += _ask([game])
            if len(answers) >= ATTEMPTS and all(isinstance(answer, PlayerError) for answer in answers[-ATTEMPTS:]):
                raise PlayerError(
                    f"{player.name} failed in {ATTEMPTS} games in a row, the last time: {answers[-1]}"
                ) from None
        return answers


def _apply(game: _Running, choice: Choice) -> Ending | None:
    """Make a choice on the board. Raises ``PlayerError`` if it is not legal there."""
    board = game.board
    if choice.move is None:
        return ("0-1", "1-0")[board.turn], "resignation"
    if not board.is_legal(choice.move):
        raise PlayerError(f"{choice.move.iccs} is not legal in {board.fen()}")
    board.push(choice.move)
    if choice.draw and game.draw_offered:
        return "1/2-1/2", "draw agreed"
    game.draw_offered = choice.draw
    return None


def _adjudicate(board: Board, rules: Rules, max_plies: int) -> Ending | None:
    if outcome := board.outcome(rules):
        return outcome.result, outcome.reason
    return ("1/2-1/2", "ply limit") if board.ply >= max_plies else None


def _record(game: _Running, ending: Ending) -> Game:
    result, termination = ending
    pairing, board = game.pairing, game.board
    headers = {
        "Game": "Chinese Chess",
        "Event": "?",
        "Site": "?",
        "Date": f"{datetime.date.today():%Y.%m.%d}",
        "Round": str(game.index + 1),
        "Red": pairing.red.name,
        "Black": pairing.black.name,
        **pairing.headers,
        "Result": result,
        "Format": "ICCS",
        "Termination": termination,
        "PlyCount": str(board.ply),
    }
    return Game.from_board(board, headers)


# --- Matches ----------------------------------------------------------------------------------------------------------


def match_pairings(a: Player, b: Player, games: int, openings: Sequence[Opening], seed: int = 0) -> dict[int, Pairing]:
    """Return the games of a match: each opening twice, first with ``a`` as Red, then with ``b``.

    Openings come in an order that depends on ``seed`` alone, and again from the first when they run out.
    """
    order = random.Random(seed).sample(range(len(openings)), len(openings))
    headers = {"Event": f"{a.name} against {b.name}"}
    return {
        index: Pairing(*((a, b), (b, a))[index % 2], openings[order[index // 2 % len(order)]], headers)
        for index in range(games)
    }
