"""Evaluates positions with the model, with a cache of the games in progress."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from lm.model.cache import KVCache
from lm.model.encoding import Encoder, GameMoves
from lm.model.model import XiangqiLM, spread
from lm.model.prompts import NO_PROMPT, Prompt, Voice
from lm.model.quantize import FEW
from lm.players.evaluation import SLOTS, Evaluation, recent
from xiangqi import MOVES, Board
from xiangqi.kernels import MOVE_MIRRORED

MIRRORED: Final = torch.tensor(MOVE_MIRRORED)
"""Numbers of the moves with left and right exchanged ``(2086,)``."""


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

    def __init__(self, model: XiangqiLM, slots: int = SLOTS, prompt: Prompt = NO_PROMPT, symmetries: int = 1) -> None:
        self.model, self.prompt, self.symmetries = model, prompt, symmetries
        self._room = slots
        self._encoder = Encoder(model.config.input_groups, model.config.candidate_groups)
        self._games = _ReadGames(KVCache(model.config, dtype=model.dtype))
        self._lock = threading.Lock()

    @torch.inference_mode()
    def __call__(self, boards: Sequence[Board], voice: Voice = Voice.HUMAN) -> list[Evaluation]:
        """Evaluate positions, each with its history, in batches. Boards are not changed."""
        with self._lock:
            evaluations: list[Evaluation] = []
            for start in range(0, len(boards), self._room):
                evaluations += self._batch(boards[start : start + self._room], voice)
            return evaluations

    def _batch(self, boards: Sequence[Board], voice: Voice) -> list[Evaluation]:
        games = [self._moves_of(board) for board in boards]
        if self.symmetries == 2:
            games += [game.mirror() for game in games]
        askers = self.symmetries * [board.turn for board in boards]
        # With an aim, cached entries depend on the side that asks for it.
        asked = [asker if self.prompt.aim else 0 for asker in askers]
        starts = [g.cells.tobytes() + bytes([g.turn, min(g.clock, 255), x]) for g, x in zip(games, asked, strict=True)]
        moves = [game.moves.tolist() for game in games]
        # The last ply is always read, even if it is in the cache, because its state is needed.
        known = [self._games.find(start, played)[: len(played)] for start, played in zip(starts, moves, strict=True)]
        for game, path in zip(games, known, strict=True):
            game.first = len(path)
        features = self._encoder(games)
        cache, ends = self._games.cache, np.cumsum(features.lengths)
        taken = cache.take(int(ends[-1]))
        new = [entries.tolist() for entries in np.split(taken, ends[:-1])]
        paths = [np.array(path + more, np.int64) for path, more in zip(known, new, strict=True)]
        rows = torch.from_numpy(ends - 1)
        try:
            out = self.model(
                **features.tensors(),
                prompts=self._prompts(features.turns == np.repeat(askers, features.lengths)),
                rows=rows,
                voices=torch.full_like(rows, voice) if voice else None,
                cache=cache,
                paths=paths,
                unmasked=len(games) > FEW,
            )
        except BaseException:  # the new entries were not filled
            cache.free(taken)
            raise
        for read in zip(starts, moves, known, new, strict=True):
            self._games.add(*read)
        self._games.forget(self._room * self.symmetries)
        assert out.scores is not None and out.wdl_logits is not None and out.end_logits is not None
        scores, wdl, over = out.scores, out.wdl_logits[rows].softmax(-1).flip(-1), out.end_logits[rows].softmax(-1)
        if self.symmetries == 2:
            scores = average(scores, out.moves.long(), out.counts)
            wdl, over = (x.view(2, len(boards), -1).mean(0) for x in (wdl, over))
        found = []
        for i in range(len(boards)):
            legal = [MOVES[m] for m in features.moves(int(rows[i])).tolist()]
            values = (x.float().numpy() for x in (scores[i, : len(legal)], wdl[i], over[i]))
            found.append(Evaluation(legal, *values))
        return found

    def _moves_of(self, board: Board) -> GameMoves:
        game = GameMoves.of(board).with_past()
        if len(game.moves) >= self.model.config.n_context:  # longer than the model's context: only its end
            game = GameMoves.of(recent(board, self.model.config.n_context // 2))
        return game

    def _prompts(self, asks: NDArray[np.bool_]) -> torch.Tensor | None:
        """Return the prompts ``(N, 3)`` of N plies; ``asks`` ``(N,)`` is true where the asker is to move."""
        return torch.from_numpy(self.prompt.rows(asks)) if any(self.prompt) else None


def average(scores: torch.Tensor, moves: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return log-probabilities ``(R, M)`` of R positions, each the mean over the position and its mirror image.

    ``scores`` ``(2 R, M)``, ``moves`` ``(C,)`` (move numbers) and ``counts`` ``(2 R,)`` (moves of each position) have
    the positions in the first half and their mirror images in the second.

    >>> from xiangqi import Move
    >>> h2e2, b2e2, h2i2, b2a2 = (Move.from_iccs(iccs).index for iccs in ("h2e2", "b2e2", "h2i2", "b2a2"))
    >>> scores = torch.tensor([[0.5, 0.25], [0.1, 0.9]]).log()
    >>> average(scores, torch.tensor([h2e2, h2i2, b2a2, b2e2]), torch.tensor([2, 2])).exp() ** 2  # 2/3 * 0.9, 1/3 * 0.1
    tensor([[0.6000, 0.0333]])
    """
    R, logp = len(scores) // 2, scores.log_softmax(-1)
    mirrored = MIRRORED[moves]
    own, of_images = (spread(x, counts, scores.shape[1], -1).argsort(-1) for x in (moves, mirrored))
    image = torch.empty_like(logp[:R]).scatter_(1, own[:R], logp[R:].gather(1, of_images[R:]))
    return (logp[:R] + image) / 2
