"""Matches in PGN files: a game is appended as it ends, and an interrupted match is resumed from its file."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Container, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from lm import UserError
from lm.matches import MARGIN, MAX_PLIES, clocks
from lm.matches.adjudication import Adjudication
from lm.matches.arena import Arena, Pairing, Report, play_games
from lm.matches.clocks import Clocks
from lm.matches.pool import OpenPlayer
from lm.matches.workers import Crew, Work, in_order
from lm.players.specs import Spec
from xiangqi.formats import FormatError, pgn
from xiangqi.formats.streams import open_appending, open_replacing
from xiangqi.game import Game
from xiangqi.rulings import Rules

TOGETHER: Final = 8
"""Games that a worker plays at a time by default: a model reads eight positions together in half the time of one by
one, and no more than that is gained by more."""

_RECORD: Final = re.compile(r"(?<=\n\n)(?=\[)|(?<=\n)(?=\[Game )")
"""Matches between two records, also if only the first letters of the second were written."""


def play_to_file(
    pairings: Mapping[int, Pairing],
    path: Path | None,
    *,
    rules: Rules = "computer",
    max_plies: int = MAX_PLIES,
    parallel: int | None = None,
    cores: int | None = None,
    margin: float = MARGIN,
    adjudication: Adjudication = Adjudication(),  # noqa: B008 # it is frozen
    report: Report = lambda text: None,
    open_player: OpenPlayer = Spec.open,
    crew: Crew | None = None,
    numbers: Container[int] | None = None,
) -> Generator[tuple[int, Game]]:
    """Play games as ``play_games`` does and append each to the PGN file as it ends; without a path, only play.

    Only games of these ``numbers`` are played, by default all; the file may hold any of the pairings. The workers of a
    ``crew`` play with players of their own; then games are appended in the order of their number, with gaps if a player
    ends the match.

    If the file exists, its games are yielded first and not played again, and a truncated record at its end is removed.
    Players' names in the file are only compared with the pairings: no player or program that it names is opened. Raises
    ``UserError``, and leaves the file unchanged, if it holds anything but games of these pairings.
    """
    timed = any(pairing.clocks for pairing in pairings.values())
    stated = conditions_of(rules, max_plies, margin if timed else None, adjudication)
    headers: dict[tuple[int, Clocks], dict[str, str]] = {}  # shared, as there may be very many games
    for pairing in pairings.values():
        if (key := (id(pairing.headers), pairing.clocks)) not in headers:
            headers[key] = {"Adjudication": stated} | pairing.clocks.headers | pairing.headers
    pairings = {
        index: replace(pairing, headers=headers[id(pairing.headers), pairing.clocks])
        for index, pairing in pairings.items()
    }
    played = _resume(pairings, path, report) if path and path.exists() else {}
    yield from played.items()
    left = {
        index: pairing
        for index, pairing in pairings.items()
        if index not in played and (numbers is None or index in numbers)
    }
    conditions: dict[str, Any] = {
        "rules": rules,
        "max_plies": max_plies,
        "margin": margin,
        "adjudication": adjudication,
    }
    if crew is None:
        games = play_games(left, **conditions, parallel=parallel, cores=cores, report=report, open_player=open_player)
    else:
        games = _play_by(crew, left, conditions, parallel, report)
    with contextlib.closing(games):
        if path is None:
            yield from games
            return
        with open_appending(path) as file:
            for index, game in games:
                file.write(f"{pgn.dumps(game)}\n".encode())
                file.flush()
                yield index, game


def conditions_of(
    rules: Rules,
    max_plies: int,
    margin: float | None,
    adjudication: Adjudication = Adjudication(),  # noqa: B008 # it is frozen
) -> str:
    """Return the conditions of games as their records state them; ``margin`` is ``None`` without clocks.

    >>> conditions_of("computer", 300, 0.5)
    'rules computer, draw at ply 300, margin 0.5 s'
    """
    found = [f"rules {rules}", f"draw at ply {max_plies}", *([] if margin is None else [f"margin {margin:g} s"])]
    return ", ".join([*found, *filter(None, [str(adjudication)])])


def _play_by(
    crew: Crew, pairings: Mapping[int, Pairing], conditions: dict[str, Any], parallel: int | None, report: Report
) -> Generator[tuple[int, Game]]:
    """Let the workers of a crew play; yield the games in the order of their number."""
    if not pairings:
        return
    clocks = any(pairing.clocks for pairing in pairings.values())
    if parallel is not None:
        at_once = max(1, parallel // crew.size)
    else:
        at_once = 1 if clocks else max(1, min(TOGETHER, len(pairings) // (2 * crew.size)))
    work = partial(_arena, conditions | {"clocks": clocks, "parallel": at_once, "cores": 1})
    tasks = ((index, (index, pairing)) for index, pairing in pairings.items())
    for index, (game, told) in in_order(crew, work, tasks, at_once=at_once, gaps=True, report=report):
        for text in told:
            report(text)
        yield index, game


@contextlib.contextmanager
def _arena(conditions: dict[str, Any]) -> Iterator[Work[tuple[int, Pairing], tuple[Game, list[str]]]]:
    """Open an arena; its work is to play games, and to return each with what was reported before it ended."""
    told: list[str] = []

    def play(tasks: Sequence[tuple[int, Pairing]]) -> Iterator[tuple[int, tuple[Game, list[str]]]]:
        places = {index: place for place, (index, _) in enumerate(tasks)}
        for index, game in arena.play(dict(tasks)):
            yield places[index], (game, told.copy())
            told.clear()

    with contextlib.closing(Arena(**conditions, report=told.append)) as arena:
        yield play


def _resume(pairings: Mapping[int, Pairing], path: Path, report: Report) -> dict[int, Game]:
    """Read the games already played, and remove a truncated record from the end of the file."""
    played: dict[int, Game] = {}
    text, kept = path.read_text(encoding="utf-8", errors="surrogateescape"), ""
    records = [record for record in _RECORD.split(text) if record.strip()]
    for number, record in enumerate(records, 1):
        game, whole = _read(record)
        stated = game.headers.get("Round", "")
        index = int(stated) - 1 if stated.isdecimal() else -1
        fault = "it holds this game twice" if index in played else _difference(game, index, pairings, whole)
        if not whole and (number < len(records) or not _is_beginning(record, pairings)):
            fault = fault or "it is not a complete game"
        if fault:
            raise UserError(f"{path}: holds other games than these (record {number}: {fault}); choose another file")
        if whole:
            played[index] = game
            kept += f"{record.rstrip()}\n\n"
        else:
            report(f"{path}: game {stated or '?'} was cut short: it is played again")
    if kept != text:
        with open_replacing(path) as file:
            file.write(kept.encode("utf-8", "surrogateescape"))
    return played


def _read(record: str) -> tuple[Game, bool]:
    """Return the game of a record and whether it is whole; a truncated record gives a game with its headers alone."""
    for text in (record, record.partition("\n\n")[0]):
        with contextlib.suppress(FormatError):
            game = pgn.loads(text)
            stated = game.headers.get("PlyCount") == str(game.end().ply) and text.split()[-1] == game.result
            return game, stated and not game.errors
    return Game(), False


def _difference(game: Game, index: int, pairings: Mapping[int, Pairing], whole: bool) -> str:
    """Return how a record, whole or truncated, differs from the game to be played; "" if it does not differ."""
    pairing = pairings.get(index)
    unstated = dict.fromkeys(clocks.HEADERS, "?")
    expected = unstated | (next(iter(pairings.values())) if pairing is None else pairing).headers
    if pairing is not None:
        expected |= {"Red": pairing.red.name, "Black": pairing.black.name}
    for name, value in expected.items():
        if (found := game.headers.get(name, "?" if whole else value)) != value:
            return f"{name} is {found!r} instead of {value!r}"
    if pairing is None:
        stated = game.headers.get("Round", "?")
        return f"game {stated} is none of the {len(pairings)} asked for" if whole or stated != "?" else ""
    moves = tuple(game.moves()[: len(pairing.opening)])
    if whole and moves != pairing.opening:
        found, value = (" ".join(move.iccs for move in line) for line in (moves, pairing.opening))
        return f"game {index + 1} opens with {found or 'nothing'} instead of {value}"
    return ""


def _is_beginning(record: str, pairings: Mapping[int, Pairing]) -> bool:
    """Whether a text agrees with the first two lines of these games' records, as far as it goes."""
    known = Game({"Event": "?"} | next(iter(pairings.values())).headers)
    start = "\n".join([*pgn.dumps(known).splitlines()[:2], ""])
    found = record.encode("utf-8", "ignore").decode()  # without a truncated character
    return start.startswith(found) or found.startswith(start)
