"""Distils a model into the small network that evaluates positions in tactical searches (`xiangqi.nnue`).

An alpha-beta search looks at a million positions a second, far more than the model can read. So a small network learns
what the model would say of them:

1. `label` collects quiet positions of training games, and positions one or two random moves away from them, and asks
   the model for each one's value v. A tactical search of two plies gives its score s. Held-out games are not used.
2. `fit` trains a first network. Its target is ``tanh(trust atanh(v) + counting ln(10) s / 800)``, a `Mixture`.
3. `look_further` searches the same positions six plies deep with that network. Such a score says more of a position
   than the model does, because it sees what the position comes to (docs/log.md, "What a search teaches").
4. `fit` trains the network that is kept, with this score for s and less of v.

Quiet is a position whose side to move is not in check and gains nothing by captures: a tactical search evaluates no
others.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from torch import Tensor, nn

from lm import UserError
from lm.dataset.shards import Shard
from lm.matches.workers import Crew, Processes, Work, in_order, one_by_one
from lm.model.folder import NET, load_network
from lm.players.policy import Evaluator
from xiangqi import MOVES, Board
from xiangqi.alphabeta import NO_LIMIT, Table, quiesce, search_position
from xiangqi.evaluation import VALUE_A_CENTIPAWN, evaluate
from xiangqi.formats.streams import open_replacing
from xiangqi.jit import compiled
from xiangqi.nnue import BIAS, FRACTION, FULL, NO_NET, QUARTERS, ROWS, Net
from xiangqi.workspace import HIDDEN, Workspace, new_workspace, set_position

PIECES: Final = 32
NO_PIECE: Final = BIAS
POSITION: Final = np.dtype(
    [
        ("pieces", np.int16, PIECES),  # ``code * 90 + square`` as the side to move sees the board; NO_PIECE at the end
        ("static", np.int16),  # the pieces' score for that side, in centipawns
        ("tactical", np.int16),  # after a tactical search of two plies
        ("value", np.float32),  # what the model says, from -1 to 1
        ("game", np.int32),  # number of the game
    ]
)
"""A labelled position."""
CHUNK: Final = 500
"""Games of a file of labels."""
FIRST: Final = 6
"""The ply before which positions are all too well known."""
LONGEST: Final = 250
ASTRAY: Final = 0.3
"""Share of the plies from which one or two random moves are made, too."""
LARGEST: Final = 2000
QUIET: Final = 10
"""Centipawns that captures may change."""
PLIES: Final = 6
"""How deep `look_further` searches."""
NODES: Final = 20_000
"""The most nodes that it takes for a position."""
HELD_OUT: Final = 50
"""One game of so many is kept back, to measure the fit."""
EPOCHS: Final = 8
BATCH: Final = 8192
LEARNING_RATE: Final = 4e-3


class Mixture(NamedTuple):
    """How much the target of a network heeds the model's value, and a tactical score."""

    trust: float
    counting: float


DISTILLED: Final = Mixture(0.85, 0.56)
"""The weights of v and of two plies of tactics that foresee results of games best (docs/log.md, "Search")."""
SEARCHED: Final = Mixture(0.25, 0.75)
"""Those of v and of the deeper search: of the mixtures tried no other was better."""


# --- Labels -----------------------------------------------------------------------------------------------------------


def label(
    shard: Shard,
    model: Path,
    out: Path,
    games: int | None = None,
    processes: int = 1,
    advance: Callable[[int, int], None] = lambda done, games: None,
) -> list[Path]:
    """Label positions of training games, at most so many ``games``, and return the files of `POSITION` records in
    ``out``. Files that are there already are not made again.

    ``advance`` is called with the games done and all games. Raises ``UserError`` where the shard has no training games,
    or where ``out`` has labels of another model or of other games.
    """
    chosen = np.random.default_rng(0).permutation(shard.games("train"))[:games]
    if not len(chosen):
        raise UserError(f"{shard.path}: no games to train on")
    out.mkdir(parents=True, exist_ok=True)
    _claim(out, shard, model, chosen)
    parts = [chosen[at : at + CHUNK] for at in range(0, len(chosen), CHUNK)]
    files = [out / f"labels-{number:04d}.npy" for number in range(len(parts))]
    done = sum(len(part) for part, file in zip(parts, files, strict=True) if file.exists())
    advance(done, len(chosen))
    tasks = [
        (len(part), (part.tolist(), file, number))
        for number, (part, file) in enumerate(zip(parts, files, strict=True))
        if not file.exists()
    ]
    for finished, _ in in_order(_crew(processes), partial(_labelling, shard.path, model), tasks):
        done += finished
        advance(done, len(chosen))
    return files


def look_further(
    labels: Sequence[Path],
    net: Net,
    out: Path,
    processes: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> list[Path]:
    """Search the positions of label files `PLIES` plies deep with a network, and return the files of the same records,
    in ``out``, with the scores found. Files that are there already are not made again.

    ``advance`` is called with the number of files done.
    """
    files = [out / file.name.replace("labels", "further") for file in labels]
    done = sum(file.exists() for file in files)
    advance(done)
    tasks = [(1, (before, file)) for before, file in zip(labels, files, strict=True) if not file.exists()]
    for _ in in_order(_crew(processes), partial(_looking, net), tasks):
        done += 1
        advance(done)
    return files


def _claim(out: Path, shard: Shard, model: Path, games: NDArray[np.int64]) -> None:
    """Mark a folder as that of a model's labels of some games. Raises ``UserError`` if it is that of others."""
    found = hashlib.blake2b(digest_size=16)
    for part in (shard.moves, shard.offsets, games):
        found.update(np.ascontiguousarray(part).tobytes())
    for weights in sorted(model.glob("*.safetensors")):
        if weights.name != NET:
            found.update(weights.read_bytes())
    claim = out / "source.txt"
    if not claim.exists():
        with open_replacing(claim) as file:
            file.write(found.hexdigest().encode())
    elif claim.read_text("utf-8") != found.hexdigest():
        raise UserError(f"{out} has labels of another model or of other games: choose another folder by --out")


def _crew(processes: int) -> Crew | None:
    return Processes(processes) if processes > 1 else None


@contextmanager
def _labelling(shard: Path, model: Path) -> Iterator[Work[tuple[list[int], Path, int], int]]:
    """Label the positions of some games, and write them to a file; their number is found."""
    labeller = _Labeller(Shard.open(shard), model)

    def do(task: tuple[list[int], Path, int]) -> int:
        games, file, seed = task
        return _write(np.concatenate([np.zeros(0, POSITION), *labeller.positions(games, seed)]), file)

    yield one_by_one(do)


@contextmanager
def _looking(net: Net) -> Iterator[Work[tuple[Path, Path], int]]:
    """Look further in the positions of a file, and write them to another; their number is found."""
    space, table, cells = new_workspace(), np.zeros((1 << 18, 2), np.int64), np.zeros(90, np.uint8)

    def do(task: tuple[Path, Path]) -> int:
        labels, file = task
        found = np.load(labels)
        for record in found:
            _look_further(space, table, cells, net, record)
        return _write(found, file)

    yield one_by_one(do)


def _write(positions: NDArray[Any], file: Path) -> int:
    with open_replacing(file) as out:
        np.save(out, positions)
    return len(positions)


class _Labeller:
    """Labels positions of a shard's games."""

    def __init__(self, shard: Shard, model: Path) -> None:
        self._shard = shard
        self._evaluate = Evaluator(load_network(model))
        self._space, self._table = new_workspace(), np.zeros((1 << 16, 2), np.int64)

    def positions(self, games: Sequence[int], seed: int) -> Iterator[NDArray[Any]]:
        rng = np.random.default_rng(seed)
        for game in games:
            moves = self._shard.moves_of(game)[:LONGEST]
            if len(moves) > FIRST and str(game) not in self._shard.meta["starts"]:
                yield self._of_game(game, moves, rng)

    def _of_game(self, game: int, moves: NDArray[np.int16], rng: np.random.Generator) -> NDArray[Any]:
        board, boards = Board(), []
        for move in moves.tolist():
            boards.append(board.copy())
            board.push(MOVES[move])
        read = self._evaluate.along([boards[-1]], [len(boards) - 1 - FIRST])[0]
        known = list(zip(boards[-len(read) :], read, strict=True))
        astray = [_astray(board, rng) for board, _ in known if rng.random() < ASTRAY]
        quiet = [board for board in astray if board.legal_moves and self._record(board) is not None]
        known += zip(quiet, self._evaluate(quiet), strict=True) if quiet else ()
        found = []
        for board, evaluation in known:
            record = self._record(board)
            if record is not None:
                record["value"], record["game"] = evaluation.wdl[0] - evaluation.wdl[2], game
                found.append(record)
        return np.array(found, POSITION)

    def _record(self, board: Board) -> Any:
        """Return the record of a position without its value, or ``None`` if it is not quiet."""
        record = np.zeros(1, POSITION)
        return record[0] if _label(self._space, self._table, board.cells, board.turn, NO_NET, record[0]) else None


def _astray(board: Board, rng: np.random.Generator) -> Board:
    """Return the board after one or two random moves."""
    board = board.copy()
    for _ in range(int(rng.integers(1, 3))):
        if moves := board.legal_moves:
            board.push(moves[rng.integers(len(moves))])
    return board


@compiled
def _label(ws: Workspace, table: Table, cells: NDArray[np.uint8], turn: int, net: Net, out: Any) -> bool:
    """Fill a record of a position, without its value; return whether it is quiet."""
    set_position(ws, cells, turn, ws.keys[:0], ws.checked[:0])
    if ws.checked[0] != 0:
        return False
    static = evaluate(ws)
    if abs(quiesce(ws, net, -LARGEST, LARGEST) - static) > QUIET or abs(static) >= LARGEST:
        return False
    n = 0
    for sq in range(90):
        piece = int(cells[sq])
        if piece != 0:
            out.pieces[n] = (piece ^ 8) * 90 + 89 - sq if turn else piece * 90 + sq
            n += 1
    out.pieces[n:] = NO_PIECE
    out.static = static
    out.tactical, _ = search_position(ws, table, net, 2, -LARGEST, LARGEST, NO_LIMIT, False)
    return True


@compiled
def _look_further(ws: Workspace, table: Table, cells: NDArray[np.uint8], net: Net, record: Any) -> None:
    """Replace a record's tactical score by that of a deeper search; ``cells`` is room for its position."""
    cells[:] = 0
    for i in range(PIECES):
        piece = int(record.pieces[i])
        if piece != NO_PIECE:
            cells[piece % 90] = piece // 90
    set_position(ws, cells, 0, ws.keys[:0], ws.checked[:0])
    record.tactical, _ = search_position(ws, table, net, PLIES, -LARGEST, LARGEST, NODES, False)


# --- The network ------------------------------------------------------------------------------------------------------


class _Sums(nn.Module):
    """The network in floats: activations from 0 to 1, outputs in units of atanh of the value."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Embedding(NO_PIECE + 1, HIDDEN, padding_idx=NO_PIECE)
        self.bias = nn.Parameter(torch.full((HIDDEN,), 0.3))
        self.weights = nn.Parameter(0.05 * torch.randn(QUARTERS, 2 * HIDDEN))
        self.offsets = nn.Parameter(torch.zeros(QUARTERS))
        with torch.no_grad():
            self.rows.weight[:NO_PIECE].normal_(std=0.05)

    def forward(self, own: Tensor, other: Tensor, quarter: Tensor) -> Tensor:
        """Return what is added to the pieces' score ``(N,)``, for positions ``(N, PIECES)`` as each side sees them."""
        hidden = torch.cat([self._hidden(own), self._hidden(other)], 1)
        return (hidden * self.weights[quarter]).sum(1) + self.offsets[quarter]

    def _hidden(self, pieces: Tensor) -> Tensor:
        sums = nn.functional.embedding_bag(pieces, self.rows.weight, mode="sum", padding_idx=NO_PIECE) + self.bias
        return sums.clamp(0, 1).square()

    def clamp(self) -> None:
        """Keep the weights within what 16 bits can hold."""
        with torch.no_grad():
            self.rows.weight.clamp_(-2, 2)
            self.weights.clamp_(-4, 4)


def write(net: Net, path: Path) -> None:
    """Write the network as `lm.model.folder` reads it."""
    with open_replacing(path) as file:
        file.write(save({"nnue": net}))


def fit(
    positions: NDArray[Any],
    mixture: Mixture,
    seed: int = 1,
    advance: Callable[[int, int, float], None] = lambda step, steps, error: None,
) -> tuple[Net, float, float]:
    """Train the network on records of `POSITION`, towards the ``mixture`` of their labels.

    Returns it with the mean squared error of its values in games that were kept back, and that of the pieces alone.
    Raises ``UserError`` where the positions are of one game.
    ``advance`` is called with the steps done, all steps, and the error so far.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    games = np.unique(positions["game"])
    if len(games) < 2:
        raise UserError("one game is not enough to train on")
    back = np.isin(positions["game"], games[::HELD_OUT])
    held_out, trained = np.flatnonzero(back), np.flatnonzero(~back)
    model = _Sums()
    steps = EPOCHS * max(1, len(trained) // BATCH)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.05)
    error = math.nan
    for step in range(steps):
        at = step % (steps // EPOCHS)
        if at == 0:
            rng.shuffle(trained)
        part = positions[trained[at * BATCH : (at + 1) * BATCH]]
        loss = _loss(model, part, mixture, mirror=rng.random() < 0.5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        model.clamp()
        error = loss.item() if step == 0 else 0.99 * error + 0.01 * loss.item()
        advance(step + 1, steps, error)
    net = _pack(model)
    with torch.no_grad():
        parts = np.array_split(held_out, max(1, len(held_out) // BATCH))
        found = sum(len(part) * float(_loss(model, positions[part], mixture)) for part in parts) / max(1, len(held_out))
    before = np.tanh(VALUE_A_CENTIPAWN * positions["static"][held_out]) - targets(positions[held_out], mixture)
    return net, found, float((before**2).mean())


def targets(positions: NDArray[Any], mixture: Mixture) -> NDArray[np.float32]:
    """Return the values ``(N,)`` that the network learns."""
    own = np.arctanh(np.clip(positions["value"], -0.999, 0.999))
    tactical = VALUE_A_CENTIPAWN * positions["tactical"]
    return np.tanh(mixture.trust * own + mixture.counting * tactical).astype(np.float32)


_ALL: Final = np.arange(NO_PIECE)
_MIRRORED: Final = np.append(_ALL // 9 * 9 + 8 - _ALL % 9, NO_PIECE)
"""Each piece on its square with left and right exchanged."""
_TURNED: Final = np.append((_ALL // 90 ^ 8) * 90 + 89 - _ALL % 90, NO_PIECE)
"""As the other side sees it."""


def _loss(model: _Sums, positions: NDArray[Any], mixture: Mixture, mirror: bool = False) -> Tensor:
    own = positions["pieces"].astype(np.int64)
    if mirror:
        own = _MIRRORED[own]
    quarter = np.clip(((own < NO_PIECE).sum(1) - 9) // 6, 0, QUARTERS - 1)
    more = model(torch.from_numpy(own), torch.from_numpy(_TURNED[own]), torch.from_numpy(quarter))
    value = torch.tanh(torch.from_numpy(VALUE_A_CENTIPAWN * positions["static"].astype(np.float32)) + more)
    return nn.functional.mse_loss(value, torch.from_numpy(targets(positions, mixture)))


def _pack(model: _Sums) -> Net:
    """Return the network in 16-bit integers, as `xiangqi.nnue` lays it out."""
    net = np.zeros((ROWS, HIDDEN))
    rows, bias, weights, offsets = (
        x.detach().numpy() for x in (model.rows.weight, model.bias, model.weights, model.offsets)
    )
    net[:BIAS], net[BIAS] = rows[:NO_PIECE] * FULL, bias * FULL
    net[BIAS + 1 : -1] = weights.reshape(2 * QUARTERS, HIDDEN) * (FRACTION / VALUE_A_CENTIPAWN)
    net[-1, :QUARTERS] = offsets * (FRACTION / VALUE_A_CENTIPAWN)
    return np.round(net).astype(np.int16)
