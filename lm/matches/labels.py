"""Labels: what a player thinks of each ply of games, for reading and for training.

A label of a ply has the best moves with their expected scores, the score of the position, and, of our search, the
visits of each move and the policy that it found. It is written into the comments of the game (`label_ply`), which PGN
and JSON lines hold.

`annotate` labels games of files. Its output in JSON lines grows a game at a time, in their order, so it can be trained
on before it is finished, and an interrupted run goes on after the last whole line.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lm import UserError
from lm.dataset.parquet import is_parquet, open_parquet
from lm.dataset.records import record_of, splits_of
from lm.matches.workers import Crew, in_order, with_player
from lm.players.player import Player, PlayerError, Thinker, expected_score
from lm.players.search_player import Search
from lm.players.specs import Spec
from xiangqi import MOVES, NULL_MOVE, RED, Board
from xiangqi.engine import Info
from xiangqi.formats import FormatError, jsonl, load, pgn, save
from xiangqi.formats.streams import bare_suffix, open_appending
from xiangqi.game import ChildNode, Game, GameNode
from xiangqi.kernels import MOVE_MIRRORED
from xiangqi.tags import Candidate
from xiangqi.words import counted

OPENING: Final = 50
ENDING: Final = 30
"""Games that share so many first or so many last plies, mirrored or not, are near-duplicates."""


# --- A ply ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Label:
    """What a player thinks of a position. It can be pickled."""

    candidates: tuple[Candidate, ...]
    """At least one move, best first."""
    info: Info
    """The report of the best one."""


def judge(player: Player, board: Board, most: int, random: np.random.Generator | None = None) -> Label:
    """Return a player's label of a position with a legal move, with up to ``most`` moves.

    ``random`` draws the noise of a search that has any. Raises ``UserError`` for a player that does not judge moves,
    and ``PlayerError``.
    """
    if isinstance(player, Search):
        study = player.study(board, random)
        found = [
            Candidate(candidate.move, (1 + candidate.value) / 2, candidate.visits, share)
            for candidate, share in zip(study.candidates, study.shares, strict=True)
            if candidate.visits or candidate.proven is not None
        ] or [Candidate(study.candidates[0].move, (1 + study.candidates[0].value) / 2, 0, 1.0)]
        best, *others = found
        others.sort(key=lambda candidate: -(candidate.share or 0))
        return Label((best, *others[: most - 1]), study.info)
    thinker = as_thinker(player)
    with thinker.analyse(board, thinker.limit, most) as analysis:
        lines = analysis.result().lines
    judged = [(line, value) for line in lines if (value := expected_score(line.info)) is not None]
    if not judged:
        raise PlayerError(f"{player.name} gave no score in {board.fen()}", "no move")
    return Label(tuple(Candidate(line.move, value, None, line.share) for line, value in judged), judged[0][0].info)


def as_thinker(player: Player) -> Thinker:
    """Return a player that judges moves. Raises ``UserError`` for another."""
    if not isinstance(player, Thinker):
        raise UserError(f"{player.name} chooses moves but does not judge them: name an engine, or search:64")
    return player


def label_ply(before: GameNode, node: ChildNode, label: Label) -> None:
    """Write a label of the position ``before`` a move into the comments there and at the move."""
    info = label.info
    if info.score is not None:
        before.eval = info.score.pov(RED).pawns()
        before.depth = info.depth
    if info.wdl is not None:
        wins, losses = round(info.wdl.win), round(info.wdl.loss)
        before.wdl = wins, 1000 - wins - losses, losses
    before.nodes = info.nodes
    node.best = label.candidates[0].move
    node.candidates = label.candidates


# --- Near-duplicates --------------------------------------------------------------------------------------------------


class Groups:
    """The games seen so far, by their first and last plies: finds near-duplicates.

    >>> groups = Groups()
    >>> moves = np.array([576], np.int16)  # h2e2; b2e2 is its mirror image
    >>> groups.is_new("", moves), groups.is_new("", MOVE_MIRRORED[moves]), groups.is_new("4k4", moves)
    (True, False, True)
    """

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def is_new(self, fen: str, moves: NDArray[np.int16]) -> bool:
        """Note a game from a position, or from the initial one (``""``); return whether it is near no earlier one."""
        keys = {_key(fen, "first", moves[:OPENING]), _key(fen if len(moves) <= ENDING else "", "last", moves[-ENDING:])}
        new = not keys & self._seen
        self._seen |= keys
        return new


def _key(fen: str, part: str, moves: NDArray[np.int16]) -> bytes:
    same = min(moves.tobytes(), MOVE_MIRRORED[moves].astype(np.int16).tobytes())
    return hashlib.blake2b(f"{part} {fen} ".encode() + same, digest_size=8).digest()


# --- Games of files ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Order:
    """What is to be labelled, and how."""

    spec: Spec
    most: int = 8
    """Moves of a label."""
    share: float = 1.0
    """Share of the plies, drawn at random."""
    every_game: bool = False
    """Whether held-out games and near-duplicates are labelled too."""
    seed: int = 0

    @property
    def text(self) -> str:
        """What the header ``Annotator`` of a labelled game says."""
        text = f"{self.spec.name}, {counted(self.most, 'move')}"
        return text if self.share == 1 else f"{text}, {self.share:g} of the plies, seed {self.seed}"

    def plies(self, number: int, length: int) -> Sequence[int]:
        """Return the plies of a game to label, from 0."""
        if self.share == 1:
            return range(length)
        drawn = np.random.default_rng((self.seed, number)).random(length) < self.share
        return array("H", np.flatnonzero(drawn).tolist())


@dataclass(frozen=True)
class Survey:
    """What the games of some files are, in their order; only sound games count."""

    plies: list[Sequence[int]]
    """The plies of each that are to be labelled, from 0."""
    counts: Counter[str]
    """How many are left as they are, by the reason."""


def sound_games(files: Sequence[Path], on_error: Callable[[FormatError], None]) -> Iterator[tuple[Game, bool]]:
    """Yield the games of files, each with whether it is sound: has moves, and no fault and no passed move."""
    for path in files:
        for game in load(open_parquet(path) if is_parquet(path) else path, on_error=on_error):
            moves = game.moves()
            yield game, bool(moves) and not game.errors and NULL_MOVE not in moves


def survey(files: Sequence[Path], order: Order, advance: Callable[[int], None] = lambda games: None) -> Survey:
    """Read files and find the games to label: not those that training holds out, and one of near-duplicates.

    Held out are the validation and test games of `lm.dataset.records`, and those that share a group with one of them.
    """
    records: list[tuple[str, str, int, bool]] = []  # key, opening, plies, whether it is new
    groups, counts = Groups(), Counter[str]()
    for game, is_sound in sound_games(files, lambda error: None):
        if not is_sound:
            counts["not sound"] += 1
            continue
        record = record_of(game)
        opening = record.opening()
        new = groups.is_new(record.fen or "", record.moves)
        records.append(
            (record.key(), hashlib.blake2b(opening.encode(), digest_size=8).hexdigest(), len(record.moves), new)
        )
        if len(records) % 100 == 0:
            advance(len(records))
    splits = splits_of({(key, opening) for key, opening, _, _ in records})
    plies: list[Sequence[int]] = []
    for number, (key, _, n, new) in enumerate(records):
        reason = "held out" if splits[key] != "train" else "" if new else "near-duplicates"
        if reason and not order.every_game:
            counts[reason] += 1
            n = 0
        plies.append(order.plies(number, n))
    return Survey(plies, counts)


Task = tuple[str, NDArray[np.int16], Sequence[int]]
"""A game to be labelled: its first position, its moves and the plies."""


def _label_game(most: int, player: Player, task: Task) -> list[Label]:
    """Return the labels of a game's plies, with up to ``most`` moves each."""
    fen, moves, plies = task
    if not plies:
        return []
    player.new_game()
    board, labels, wanted = Board(fen), list[Label](), set(plies)
    for ply, move in enumerate(moves.tolist()):
        if ply in wanted:
            labels.append(judge(player, board, most))
        board.push(MOVES[move])
    return labels


def write_labels(game: Game, plies: Sequence[int], labels: Sequence[Label], order: Order) -> None:
    """Write the labels of plies into a game."""
    nodes: list[GameNode] = [game, *game.main_line()]
    for ply, label in zip(plies, labels, strict=True):
        node = nodes[ply + 1]
        assert isinstance(node, ChildNode)
        label_ply(nodes[ply], node, label)
    if labels:
        game.headers["Annotator"] = order.text


def journal_of(out: Path) -> Path:
    """Return the file that grows while ``out`` is made: itself if it is in JSON lines."""
    return out if out.suffix in jsonl.SUFFIXES else out.with_name(f"{out.name}.labels.jsonl")


def check(files: Sequence[Path], out: Path, order: Order) -> None:
    """Check, before any work, that ``out`` can be written and that the player judges moves.

    Raises ``UserError`` for an ``out`` that exists or has the games themselves and for a player that does not judge,
    ``PlayerError`` for one that does not start, and ``FormatError`` for a format that does not hold the games.
    """
    for path in files:
        if out.exists() and path.exists() and out.samefile(path):
            raise UserError(f"{out} holds the games themselves, which stay as they are: name another file")
    if journal_of(out) != out and out.exists():
        raise UserError(f"{out} exists: name another file, or remove it")
    if bare_suffix(out) not in (*pgn.SUFFIXES, *jsonl.SUFFIXES):  # these hold any game
        with TemporaryDirectory() as folder:
            try:
                save((game for game, _ in sound_games(files, lambda error: None)), Path(folder) / out.name)
            except FormatError as error:
                error.path = str(out)
                raise
    player = order.spec.open()
    try:
        as_thinker(player)
    finally:
        player.close()


def annotate(
    files: Sequence[Path],
    out: Path,
    order: Order,
    *,
    crew: Crew | None = None,
    found: Survey | None = None,
    advance: Callable[[int], None] = lambda plies: None,
    report: Callable[[str], None] = lambda text: None,
) -> int:
    """Label the games of files and write them to ``out``; return how many games were labelled.

    A journal in JSON lines (`journal_of`) grows by a whole game at a time, in their order; if it is there, its games
    are not labelled again. With another suffix than ``.jsonl``, ``out`` appears at the end, with all that the games
    contained, and the journal is removed; JSON lines have the main lines of sound games alone. ``advance`` is called
    with the number of plies labelled so far, those of an earlier run included. The workers of ``crew`` label, or this
    process. ``found`` is the survey of the files, after a `check`.

    Raises ``UserError`` for a journal that is not of these games, ``PlayerError``, and like `check`.
    """
    if found is None:
        check(files, out, order)
        found = survey(files, order)
    journal = journal_of(out)
    cut_short(journal)
    number = done = 0

    def tasks() -> Iterator[tuple[tuple[Game, Sequence[int]], Task]]:
        for at, game in enumerate(games, number):
            plies = found.plies[at]
            yield (game, plies), (game.fen, np.array([move.index for move in game.moves()], np.int16), plies)

    games = (game for game, is_sound in sound_games(files, lambda error: None) if is_sound)
    for written in load_lines(journal):
        game = next(games, None)
        same = game is not None and game.moves() == written.moves()
        if not same or (found.plies[number] and written.headers.get("Annotator") != order.text):
            raise UserError(f"{journal}: line {number + 1} is not of these games and {order.text}; choose another file")
        done += len(found.plies[number])
        number += 1
    advance(done)
    with open_appending(journal) as file:
        work = partial(with_player, order.spec, partial(_label_game, order.most))
        for (game, plies), labels in in_order(crew, work, tasks(), report=report):
            write_labels(game, plies, labels, order)
            file.write(f"{jsonl.dumps(game)}\n".encode())
            file.flush()
            done += len(plies)
            advance(done)
    if journal != out:
        save(_joined(files, journal), out)
        journal.unlink()
    return sum(map(bool, found.plies))


def _joined(files: Sequence[Path], journal: Path) -> Iterator[Game]:
    """Yield the games of files with the labels of the journal."""
    lines = load_lines(journal)
    for game, is_sound in sound_games(files, lambda error: None):
        if is_sound and "Annotator" in (told := next(lines)).headers:
            game.headers["Annotator"] = told.headers["Annotator"]
            pairs = zip(chain([game], game.main_line()), chain([told], told.main_line()), strict=True)
            for node, other in pairs:
                if other.eval is not None:
                    node.eval, node.depth = other.eval, other.depth
                if other.wdl is not None:
                    node.wdl = other.wdl
                if other.nodes is not None:
                    node.nodes = other.nodes
                if isinstance(node, ChildNode) and other.candidates:
                    node.best, node.candidates = other.best, other.candidates
        yield game


def load_lines(path: Path) -> Iterator[Game]:
    """Yield the games of a file of JSON lines; none if there is no such file. Raises ``UserError`` for a fault."""

    def fail(error: FormatError) -> None:
        raise UserError(str(error))

    if path.exists() and path.stat().st_size:
        yield from jsonl.read(path, fail)


def cut_short(path: Path) -> None:
    """Remove what follows the last whole line of a file, if it exists: a line that was being written at the end."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        end = file.seek(0, 2)
        while end:
            start = max(0, end - (1 << 16))
            file.seek(start)
            if (at := file.read(end - start).rfind(b"\n")) >= 0:
                file.truncate(start + at + 1)
                return
            end = start
        file.truncate(0)
