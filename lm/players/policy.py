"""Evaluates positions with the model, with a cache of the games in progress."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lm.model.cache import KVCache
from lm.model.encoding import GameMoves
from lm.model.folder import Network
from lm.model.network import Answers, evaluate_games, make_answers, make_workspace
from lm.model.prompts import NO_PROMPT, Prompt, Voice
from lm.players.evaluation import SLOTS, Evaluation, recent
from xiangqi import MOVES, Board
from xiangqi.kernels import MOVE_MIRRORED


class _ReadGames:
    """The games whose plies are in a cache, as a tree: games that begin alike share the entries of their common plies.

    The key of an entry is its parent, which is another entry or the position that a game starts from, and the move that
    led from there; -1 for no move."""

    def __init__(self, cache: KVCache) -> None:
        self.cache = cache
        self._entries: dict[tuple[int | bytes, int], int] = {}
        self._keys: dict[int, tuple[int | bytes, int]] = {}  # the inverse of _entries
        self._users: dict[int, int] = {}  # number of entries after an entry, plus one if a game ends there
        self._games: dict[int, None] = {}  # last entries of games; the most recently used is last

    def __len__(self) -> int:
        """Return the number of games in the tree."""
        return len(self._games)

    def find(self, start: bytes, moves: list[int]) -> list[int]:
        """Return the path of a game up to the last ply that has been read."""
        path: list[int] = []
        before: int | bytes = start
        for move in (-1, *moves):
            entry = self._entries.get((before, move))
            if entry is None:
                break
            path.append(entry)
            before = entry
        return path

    def add(self, start: bytes, moves: list[int], known: list[int], new: list[int]) -> None:
        """Add a game whose beginning has ``known`` entries and whose rest was read into ``new`` ones. New entries for
        plies that are in the tree already are freed."""
        before: int | bytes = known[-1] if known else start
        spare = []
        for move, read in zip([-1, *moves][len(known) :], new, strict=True):
            entry = self._entries.setdefault((before, move), read)
            if entry not in self._users:
                self._keys[entry], self._users[entry] = (before, move), 0
                if isinstance(before, int):
                    self._users[before] += 1
            elif entry != read:
                spare.append(read)
            if isinstance(before, int) and before in self._games:  # this game continues one that ended here
                del self._games[before]
                self._users[before] -= 1
            before = entry
        assert isinstance(before, int)
        if before in self._games:
            del self._games[before]
        else:
            self._users[before] += 1
        self._games[before] = None
        self.cache.free(np.array(spare, np.int64))

    def forget(self, keep: int) -> None:
        """Remove all but ``keep`` games, the least recently used first."""
        while len(self._games) > keep:
            entry: int | bytes = next(iter(self._games))
            assert isinstance(entry, int)
            del self._games[entry]
            while isinstance(entry, int):
                self._users[entry] -= 1
                if self._users[entry]:
                    break
                del self._users[entry]
                self.cache.free(np.array([entry]))
                key = self._keys.pop(entry)
                del self._entries[key]
                entry = key[0]


class Evaluator:
    """A model with a cache of the games that it has read: evaluating a game after one more ply reads one token.

    Games are recognised by their moves, so boards may be copied or have moves taken back. ``prompt`` is the prompt of
    the side to move. With two ``symmetries`` the mirror image is read too, and the outputs are averaged. Up to
    ``slots`` games, and as many mirror images, are kept; plies in common are read and stored once.
    """

    judges: Final = True
    """Whether the model predicts WDL."""

    def __init__(self, network: Network, slots: int = SLOTS, prompt: Prompt = NO_PROMPT, symmetries: int = 1) -> None:
        self.network, self.prompt, self.symmetries = network, prompt, symmetries
        self._room = slots
        self._space = make_workspace(network.config, network.eight_bits)
        self._games = _ReadGames(KVCache(network.config))
        self._lock = threading.Lock()

    def __call__(self, boards: Sequence[Board], voice: Voice = Voice.HUMAN) -> list[Evaluation]:
        """Evaluate positions, each with its history, in batches. Boards are not changed."""
        return [evaluation for (evaluation,) in self.along(boards, [0] * len(boards), voice)]

    def along(
        self, boards: Sequence[Board], plies: Sequence[int], voice: Voice = Voice.HUMAN
    ) -> list[list[Evaluation]]:
        """Evaluate for each board the positions before its last ``plies`` moves, in order, and the position itself.

        So the n + 1 evaluations of n plies tell how probable each of these moves was. Only the moves that the model
        reads count: fewer where they are more than its context holds or come before a null move.
        """
        with self._lock:
            evaluations: list[list[Evaluation]] = []
            for start in range(0, len(boards), self._room):
                part = slice(start, start + self._room)
                evaluations += self._batch(boards[part], plies[part], voice)
            return evaluations

    def _batch(self, boards: Sequence[Board], plies: Sequence[int], voice: Voice) -> list[list[Evaluation]]:
        games = [self._moves_of(board) for board in boards]
        if self.symmetries == 2:
            games += [game.mirror() for game in games]
        askers = self.symmetries * [board.turn for board in boards]
        # With an aim, cached entries depend on the side that asks for it.
        asked = [asker if self.prompt.aim else 0 for asker in askers]
        starts = [g.cells.tobytes() + bytes([g.turn, min(g.clock, 255), x]) for g, x in zip(games, asked, strict=True)]
        moves = [game.moves.tolist() for game in games]
        # The plies asked for are read even if they are in the cache, because their states are needed.
        wanted = [
            min(n, len(game.moves) - game.invented) for n, game in zip(self.symmetries * [*plies], games, strict=True)
        ]
        known = [
            self._games.find(start, played)[: len(played) - n]
            for start, played, n in zip(starts, moves, wanted, strict=True)
        ]
        counts = [len(played) + 1 - len(path) for played, path in zip(moves, known, strict=True)]
        taken = self._games.cache.take(sum(counts))
        ends = np.cumsum(counts)
        new = [entries.tolist() for entries in np.split(taken, ends[:-1])]
        try:
            out = self._read(games, [path + more for path, more in zip(known, new, strict=True)], counts, askers, voice)
        except BaseException:  # the new entries were not filled
            self._games.cache.free(taken)
            raise
        for read in zip(starts, moves, known, new, strict=True):
            self._games.add(*read)
        self._games.forget(self._room * self.symmetries)
        rows = [range(end - n - 1, end) for end, n in zip(ends.tolist(), wanted, strict=True)]
        if self.symmetries == 1:
            return [[_evaluation(out, row) for row in of_game] for of_game in rows]
        images = rows[len(boards) :]
        return [
            [_mean(out, *pair) for pair in zip(*both, strict=True)]
            for both in zip(rows[: len(boards)], images, strict=True)
        ]

    def _read(
        self, games: list[GameMoves], paths: list[list[int]], counts: list[int], askers: list[int], voice: Voice
    ) -> Answers:
        """Read the last ``counts`` plies of each game into the last entries of its path."""
        longest = max(map(len, paths))
        moves, entries = np.zeros((len(games), longest), np.int16), np.zeros((len(games), longest), np.int64)
        for i, (game, path) in enumerate(zip(games, paths, strict=True)):
            moves[i, : len(game.moves)] = game.moves
            entries[i, : len(path)] = path
        turns = np.array([game.turn for game in games], np.int64)
        numbers = np.repeat(np.arange(len(games)), counts)
        lengths = np.concatenate([np.arange(len(path) - n, len(path)) for path, n in zip(paths, counts, strict=True)])
        asks = (turns[numbers] + lengths) % 2 == np.array(askers)[numbers]
        cache, out = self._games.cache, make_answers(len(numbers))
        evaluate_games(
            self.network.weights,
            cache.keys,
            cache.values,
            np.stack([game.cells for game in games]),
            turns,
            np.array([game.clock for game in games], np.int64),
            moves,
            entries,
            numbers,
            lengths,
            int(voice),
            self.prompt.rows(asks),
            self._space,
            out,
        )
        return out

    def _moves_of(self, board: Board) -> GameMoves:
        game, context = GameMoves.of(board).with_past(), self.network.config.n_context
        if len(game.moves) >= context:  # longer than the model's context: only its end
            game = GameMoves.of(recent(board, context // 2))
        return game


def _evaluation(out: Answers, row: int) -> Evaluation:
    n = out.counts[row]
    return Evaluation([MOVES[m] for m in out.moves[row, :n]], out.scores[row, :n], out.wdl[row], out.ends[row])


def _mean(out: Answers, row: int, image: int) -> Evaluation:
    """Return the evaluation of a position, averaged over it and its mirror image."""
    n = out.counts[row]
    moves, images = out.moves[row, :n], MOVE_MIRRORED[out.moves[image, :n]]
    scores = average(moves, out.scores[row, :n], images, out.scores[image, :n])
    wdl, ends = ((x[row] + x[image]) / 2 for x in (out.wdl, out.ends))
    return Evaluation([MOVES[m] for m in moves], scores, wdl, ends)


def average(
    moves: NDArray[np.int16], scores: NDArray[np.float32], others: NDArray[np.int16], of_others: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return log-probabilities ``(n,)`` of ``moves``, each the mean over two readings.

    The second reading has the same moves, ``others``, in another order.

    >>> first, second = np.log(np.float32([0.75, 0.25])), np.log(np.float32([0.1, 0.9]))
    >>> chances = np.exp(average(np.array([5, 7]), first, np.array([7, 5]), second)) ** 2
    >>> [round(float(chance), 4) for chance in chances]  # 0.75 * 0.9, 0.25 * 0.1
    [0.675, 0.025]
    """
    order = np.empty(len(moves), np.int64)
    order[moves.argsort()] = others.argsort()
    logs: NDArray[np.float32] = (_log_softmax(scores) + _log_softmax(of_others)[order]) * np.float32(0.5)
    return logs


def _log_softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    total: np.float32 = np.logaddexp.reduce(scores)
    logs: NDArray[np.float32] = scores - total
    return logs
