"""Explains a move: how much each piece on the board contributes to its score, relative to the other moves.

The model's input for a position is a sum of table rows (`lm.model.features`). Rows about a piece are attributed to it:
its square (``board``), its attackers and defenders (``status``), and its moves and captures (``own_moves``,
``enemy_moves``). The method is integrated gradients (M. Sundararajan et al., "Axiomatic Attribution for Deep Networks",
2017): all these rows are scaled from zero to their values, and each row gets the integral of its gradient.

The explained quantity is the move's score less the mean score of the legal moves, as only differences of scores matter.
The shares add up to the change of this difference from a board without these rows to the full one, not to the
difference itself: the part that comes from the rest of the input and from the game so far is attributed to no piece.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from lm import UserError, require
from lm.measure.pieces import EXPLAINED, rows_of_pieces
from lm.model.cache import Entries
from lm.model.encoding import Encoder, GameMoves
from lm.model.model import XiangqiLM
from lm.model.prompts import Voice
from lm.model.tensor_cache import TensorCache
from lm.players.evaluation import recent
from xiangqi import Board, Move, Piece, Square, svg

TOLERANCE: Final = 0.01
"""Largest relative error of the sum of all shares."""

STEPS: Final = (32, 64, 128, 256, 512, 1024)
"""Numbers of integration points, tried in turn until the error is small enough."""


@dataclass(frozen=True)
class Share:
    """The contribution of one piece to the score of a move, relative to the mean score of the legal moves."""

    square: Square
    piece: Piece
    value: float
    """Contribution in nats, the unit of scores; above zero it supports the move."""
    parts: dict[str, float]
    """Contribution of each input group."""


@dataclass(frozen=True)
class Explanation:
    """An explanation of a move's score by the pieces on the board."""

    board: Board
    move: Move
    shares: tuple[Share, ...]
    """One share a piece, the largest absolute value first."""
    difference: float
    """The relative score (score less the mean of the legal moves) with the pieces, less the one without them."""
    steps: int
    """Number of integration points used."""

    @property
    def error(self) -> float:
        """Relative error of the sum of the shares against the difference."""
        total = sum(share.value for share in self.shares)
        return abs(total - self.difference) / max(abs(self.difference), 1e-6)

    def svg(self, labels: int = 6, **options: Any) -> str:
        """Return the board as an SVG document: blue rings around pieces that support the move, yellow rings around
        those that oppose it. A stronger ring is a larger share; the ``labels`` largest show their values.

        ``options`` go to ``xiangqi.svg.board``.
        """
        most = max((abs(share.value) for share in self.shares), default=0.0) or 1.0
        marks = [
            svg.Mark(
                share.square,
                "blue" if share.value > 0 else "yellow",
                abs(share.value) / most,
                f"{share.value:+.2f}" if i < labels else "",
            )
            for i, share in enumerate(self.shares)
            if abs(share.value) >= 0.05 * most
        ]
        return svg.board(self.board, arrows=[svg.Arrow(self.move)], marks=marks, **options)


def explain(model: XiangqiLM, board: Board, move: Move, voice: Voice = Voice.HUMAN) -> Explanation:
    """Return the contribution of each piece to the score of a legal move, relative to the mean of the legal moves.

    Only the input of the last ply is varied; earlier plies are not changed. Raises ``IllegalMoveError`` for an illegal
    move, and ``UserError`` for a model without piece features, if captum is not installed, or if the integration does
    not converge.

    >>> from lm.model.model import XiangqiConfig
    >>> model = XiangqiLM(XiangqiConfig(n_layer=1, n_head=1, n_embd=8, n_query=8)).eval()
    >>> explanation = explain(model, Board(), Move.from_iccs("h2e2"))
    >>> len(explanation.shares)
    32
    """
    require("captum", "report")
    from captum.attr import IntegratedGradients

    board.parse_iccs(move.iccs)
    if model.dtype != torch.float32:  # sums of rounded gradients miss by several percent
        model = copy.deepcopy(model).float()
    game = GameMoves.of(board).with_past()
    if len(game.moves) >= model.config.n_context:  # longer than the model's context: only its end
        game = GameMoves.of(recent(board, model.config.n_context // 2))
    score = _Score(model, game, move, voice)
    owners, groups = rows_of_pieces(score.features, model.config.input_groups, board)
    mine = np.flatnonzero(owners >= 0)
    if not len(mine):
        raise UserError("this model does not see the pieces on the board, so there is nothing to explain")
    rows = score.take(mine)
    with torch.no_grad():
        whole, none = score(torch.stack([rows, torch.zeros_like(rows)])).double().tolist()
    gradients = IntegratedGradients(score, multiply_by_inputs=True)
    for steps in STEPS:
        found = gradients.attribute(rows.unsqueeze(0), n_steps=steps, internal_batch_size=64)
        shares = found[0].detach().sum(-1).double().numpy()
        if abs(shares.sum() - (whole - none)) <= TOLERANCE * max(abs(whole - none), 1e-3):
            break
    else:
        raise UserError(f"the shares add up to {shares.sum():.4f} instead of {whole - none:.4f}")

    pieces = []
    for square, piece in board.piece_map().items():
        own = owners[mine] == square
        parts = {name: float(shares[own & (groups[mine] == i)].sum()) for i, name in enumerate(EXPLAINED)}
        pieces.append(Share(square, piece, float(shares[own].sum()), parts))
    pieces.sort(key=lambda share: -abs(share.value))
    return Explanation(board.copy(), move, tuple(pieces), whole - none, steps)


class _Score:
    """The score of a move less the mean score of the legal moves, as a function of some rows of the last ply."""

    def __init__(self, model: XiangqiLM, game: GameMoves, move: Move, voice: Voice) -> None:
        self.model, self.voice = model, voice
        encoder, last = Encoder(model.config.input_groups, model.config.candidate_groups), len(game.moves)
        self.cache = TensorCache(model.config, last, model.dtype)
        self.path = self.cache.take(last)
        if last:
            before = encoder([replace(game, moves=game.moves[:-1])]).tensors()
            read = before["inputs"], before["input_starts"], before["lengths"]
            with torch.no_grad():
                model.states(*read, cache=self.cache, paths=[self.path])
        self.features = encoder([replace(game, first=last)])
        self.tensors = self.features.tensors()
        self.index = self.features.moves(0).tolist().index(move.index)
        self.rows = torch.empty(0)

    def take(self, which: NDArray[np.int64]) -> torch.Tensor:
        """Select the rows to vary, by number, and return their values ``(k, D)``."""
        self.rows = self.model.table.weight.detach()[self.tensors["inputs"][which]]
        return self.rows

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the scores ``(S,)`` for S versions of the rows ``(S, k, D)``."""
        versions, tensors = len(rows), self.tensors
        change = (rows - self.rows).sum(1)  # (S, D)
        past = _Past(self.cache, self.path, versions)
        hook = self.model.table.register_forward_hook(lambda module, args, sums: sums + change)
        try:
            out = self.model(
                inputs=tensors["inputs"].repeat(versions),
                input_starts=len(tensors["inputs"]) * torch.arange(versions),
                lengths=tensors["lengths"].repeat(versions),
                candidates=tensors["candidates"].repeat(versions, 1),
                candidate_counts=tensors["candidate_counts"].repeat(versions),
                voices=torch.full((versions,), self.voice),
                cache=past,
                paths=past.paths,
            )
        finally:
            hook.remove()
        scores = out.scores[:, : int(tensors["candidate_counts"][0])]
        return scores[:, self.index] - scores.mean(1)


class _Past(TensorCache):
    """A cache for several versions of a game's last ply, which share the entries of the plies before. Each layer is a
    tensor of its own, so that gradients pass through it."""

    def __init__(self, cache: TensorCache, path: Entries, versions: int) -> None:
        last = len(path)
        more = torch.zeros(versions, *cache.keys.shape[2:], dtype=cache.keys.dtype)
        self.keys: Any = [torch.cat([layer[path], more]) for layer in cache.keys]
        self.values: Any = [torch.cat([layer[path], more]) for layer in cache.values]
        self.paths = [np.append(np.arange(last), last + i) for i in range(versions)]
