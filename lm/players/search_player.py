"""The language model with a search: a tree led by its policy."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Final, cast, get_args

import numpy as np
from numpy.typing import NDArray

from lm import UserError, one_of
from lm.model.ahead import compile_beside, compile_kernels
from lm.model.folder import load_net, load_network
from lm.model.prompts import End, Voice
from lm.model.sampling import Sampling
from lm.players.chance import Chances
from lm.players.lm_player import DRAWS_BELOW
from lm.players.player import Analysis, Choice, GeneratedAnalysis, Limits, Line, Thinker, limit_of_each
from lm.players.search import halving
from lm.players.search.ahead import grow_a_tree
from lm.players.search.candidates import Candidate
from lm.players.search.clock import Budget, budget
from lm.players.search.corrections import correct
from lm.players.search.leaves import MAX_DEPTH, Leaves, NetworkLeaves
from lm.players.search.params import Params
from lm.players.search.tree_search import Effort, TreeSearch
from xiangqi import Board
from xiangqi.alphabeta import NO_LIMIT
from xiangqi.engine import Info, Limit, Score, Wdl
from xiangqi.evaluation import centipawns
from xiangqi.nnue import NO_NET
from xiangqi.rulings import Rules

NODES: Final = 400
"""Positions that are read for a move, unless something else is asked for."""
SHOWN_EVERY: Final = 0.1
"""Seconds between the reports of an analysis."""
NO_MODEL: Final = "none"
"""Instead of a model: values by tactics alone and no preference among moves, to see what the model is worth."""
VISITS_A_SECOND: Final = 4500
NODES_A_SECOND: Final = 3_000_000
"""Speeds of a processor core, for sharing the time between the tree and tactics; rough on any other."""
ROOT_MOST: Final = 0.5
"""Share of the tree's time after which the tactical search at the root ends, on a machine however slow."""
LONGEST: Final = 3.0
"""The tactical search at the root gets its share of so many seconds at most."""
FIRST_TURN: Final = 0.1
LONGEST_TURN: Final = 60.0
"""Seconds of a turn of an analysis without a limit."""
RESIGNS_BELOW: Final = 0.05
"""A player whose expected score is not below this does not resign: less than without a search, which errs more."""
SAMPLED_PLIES: Final = 30
"""Plies of a game in which moves are drawn, if there is a temperature."""
FAIR: Final = 0.1
"""How much worse than the best a drawn move may be, on the scale from -1 to 1."""
DIRICHLET: Final = 10.0
"""The concentration of the noise, shared by all moves, as in AlphaZero."""


@dataclass(frozen=True)
class Study:
    """What a search found in a position."""

    candidates: tuple[Candidate, ...]
    """All moves, best first."""
    shares: tuple[float, ...]
    """The improved policy: the share of each, by its prior and its value (`lm.players.search.halving`)."""
    info: Info
    """The report of the best one."""


class Search(Thinker):
    """The language model with a search.

    ``nodes`` is the number of positions read for a move, ``movetime`` the time in milliseconds; a limit given with the
    board replaces both. ``threads`` search one game together, or several games at once. ``size`` is the most positions
    that a tree may hold; each takes 13 kB. ``model`` is a directory, the shipped one by default, or `NO_MODEL`.
    ``net`` is the folder of a model whose network for tactics is taken instead of its own, ``shipped`` or `NO_MODEL`.
    ``voice`` is ``human`` or ``engine``, ``rules`` a rule set of `xiangqi.rulings`.

    Two options make games differ, for levels and for training: with a ``temperature`` a move of the first
    `SAMPLED_PLIES` plies is drawn by its visits to the power of 1 / temperature, among those not much worse than the
    best; ``noise`` is the share of the priors at the root that is drawn anew (AlphaZero's Dirichlet noise).

    It resigns or offers a draw where the model predicts this ending, as people do, and the search agrees. With one
    thread the same seed gives the same moves for the same calls. Raises ``UserError`` for invalid settings.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        net: str | None = None,
        nodes: int | None = None,
        movetime: float | None = None,
        threads: int = 1,
        size: int = 20000,
        dtype: str = "int8",
        voice: str = "human",
        rules: str = "computer",
        temperature: float = 0.0,
        noise: float = 0.0,
        seed: int | None = None,
        name: str = "search",
        params: Params = Params(),  # noqa: B008 # it is frozen
    ) -> None:
        for option, value in (("nodes", nodes), ("movetime", movetime), ("threads", threads), ("size", size)):
            if value is not None and value < 1:
                raise UserError(f"{option} must be at least 1: {value}")
        if not 0 <= noise <= 1:
            raise UserError(f"noise must lie between 0 and 1: {noise:g}")
        if seed is not None and seed < 0:
            raise UserError(f"seed must not be negative: {seed}")
        self.name, self.threads, self._size = name, threads, size
        self._voice, self._rules = Voice.parse("voice", voice), cast(Rules, one_of("rules", rules, get_args(Rules)))
        self._sampling, self._noise, self._random = Sampling(temperature), noise, Chances(seed)
        self._params = params
        self.limit = Limit(None if movetime is None else movetime / 1000, nodes=nodes)
        if movetime is None and nodes is None:
            self.limit = Limit(nodes=NODES)
        if model == NO_MODEL and net is not None:
            raise UserError("net is the network of a model: there is none with model=none")
        self._network = None if model == NO_MODEL else load_network(model, dtype)
        if self._network is not None and net is not None:
            self._network = replace(self._network, net=NO_NET if net == NO_MODEL else load_net(net))
        helper = compile_beside(correct, "from lm.players.search.ahead import compile_tactics; compile_tactics()")
        if self._network is not None:
            compile_kernels(self._network, grow_a_tree)
        if helper is not None:
            helper.wait()
        self._searches: list[TreeSearch] = []  # the most recently used is last
        self._kept = 1  # so many of them, because each takes up to 13 kB a position
        self._of_games: dict[int, TreeSearch | None] = {}  # of the games that were begun, by the id of their boards
        self._stopped = threading.Event()
        self._in_tactics: list[tuple[TreeSearch, threading.Event]] = []  # the event says whether it was stopped
        self._lock = threading.Lock()
        self._warm_up()

    def _warm_up(self) -> None:
        """Compile or load all kernels, so that no move waits for them: in a game that goes on, and before a mate."""
        threatened = Board("3k5/9/9/p7p/9/9/1R7/R8/9/4K4 b")
        for board in (Board.from_moves("h2e2 h9g7"), Board.from_moves("h2e2 h9g7 h0g2"), threatened):
            self.choose([board], Limit(nodes=100))
        self._searches.clear()

    def choose(self, boards: Sequence[Board], limits: Limits = None) -> list[Choice]:
        """Return a choice for each board; several boards are searched at once, one thread each."""
        self._stopped.clear()
        self._kept = max(self._kept, sum(id(board) not in self._of_games for board in boards))
        each = limit_of_each(limits, boards)
        if len(boards) == 1 or self.threads == 1:
            return [self._choose(board, limit) for board, limit in zip(boards, each, strict=True)]
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(lambda board, limit: self._choose(board, limit, threads=1), boards, each))

    def new_game(self) -> None:
        """Forget the trees, so that a game's searches do not depend on the games before it."""
        with self._lock:
            self._searches.clear()

    def study(self, board: Board, random: np.random.Generator | None = None) -> Study:
        """Search a position to the player's limit, for labels, which are what the tree found: without the verification.

        The noise at the root, if the player has any, is drawn from ``random``, if given. The board must have a legal
        move.
        """
        self._stopped.clear()
        started, search = time.perf_counter(), self._search_of(board, self.limit, self._stopped, random)[0]
        try:
            whole = budget(self.limit, board)
            for _ in search.think(self.limit.nodes, whole, self.threads, self._stopped, started):
                pass
            found = search.candidates()
            info = report(search, found[0], board, time.perf_counter() - started)
        finally:
            self._keep(search)
        if found[0].proven == 1:
            shares = np.eye(1, len(found))[0]
        else:
            own = search.unmixed  # noise leads the search, but is nothing to learn
            parts = ((own.get(c.move.index, c.prior), c.value, c.visits) for c in found)
            priors, values, visits = (np.array(part) for part in zip(*parts, strict=True))
            shares = Sampling().probabilities(halving.improved(priors, values, visits))
        return Study(tuple(found), tuple(shares.tolist()), info)

    def analyse(self, board: Board, limit: Limit | None = None, multipv: int = 1) -> Analysis:
        """Analyse a position. Without a limit it goes on until it is stopped, or the tree is full."""
        self._stopped.clear()
        return _Searching(self, board.copy(), limit or Limit(), multipv)

    def begin_game(self, board: Board, number: int) -> None:
        with self._lock:
            self._random.begin(board, number)
            self._of_games[id(board)] = None

    def end_game(self, board: Board) -> None:
        with self._lock:
            self._random.end(board)
            self._of_games.pop(id(board), None)

    def stop(self) -> None:
        self._interrupt(self._stopped)

    def _interrupt(self, stopped: threading.Event) -> None:
        """Stop the searches that heed an event."""
        stopped.set()
        with self._lock:
            for search, event in self._in_tactics:
                if event is stopped:
                    search.stop()

    def _choose(self, board: Board, limit: Limit | None, threads: int | None = None) -> Choice:
        limit = (limit or self.limit).or_else(self.limit)
        started = time.perf_counter()
        search, _ = self._search_of(board, limit, self._stopped)
        try:
            for _ in self._think(search, limit, board, threads or self.threads, started, self._stopped):
                pass
            candidates = search.candidates()
            chosen = self._draw(board, candidates) if board.ply < SAMPLED_PLIES else candidates[0]
            info = report(search, chosen, board, time.perf_counter() - started)
        finally:
            self._keep(search)
        ranked = tuple((c.move, c.prior) for c in sorted(candidates, key=lambda candidate: -candidate.prior))
        expected, word = (1 + candidates[0].value) / 2, self._word(board, search.ends)
        if word == End.RESIGNS and expected < RESIGNS_BELOW:
            return Choice(None, info, ranked)
        return Choice(chosen.move, info, ranked, draw=word == End.DRAW_AGREED and expected < DRAWS_BELOW)

    def _think(
        self,
        search: TreeSearch,
        limit: Limit,
        board: Board,
        threads: int,
        started: float,
        stopped: threading.Event,
        count: int = 1,
    ) -> Iterator[bool]:
        """Search until the limit, for the last part tactically for the ``count`` best moves; without nodes and time
        both take turns. Yield now and then, True if there is something new to tell."""
        whole, share = budget(limit, board), self._params.verify
        if whole.most is None and limit.nodes is None and share > 0:
            thinking = self._take_turns(search, threads, stopped, count)
        else:
            thinking = self._take_part_each(search, limit.nodes, whole, threads, started, stopped, count)
        for is_news in thinking:
            yield is_news
            if is_news and search.has_found(limit.depth, limit.mate):
                return

    def _take_part_each(
        self,
        search: TreeSearch,
        nodes: int | None,
        whole: Budget,
        threads: int,
        started: float,
        stopped: threading.Event,
        count: int,
    ) -> Iterator[bool]:
        """Let the tree grow, for so many nodes or its share of the time, and then verify its best moves."""
        share = self._params.verify
        for _ in search.think(nodes, whole.times(1 - share), threads, stopped, started):
            yield False
        yield True
        used = time.perf_counter() - started
        if share == 0 or search.unclear < 2:
            return
        effort = NO_LIMIT
        if nodes is not None and (whole.target is None or used < (1 - share) * whole.target):
            visits = search.made if search.grows else nodes  # a tree that was full already makes none
            effort = int(visits / VISITS_A_SECOND * NODES_A_SECOND)  # as long again
        left = math.inf if whole.most is None else min(used / (1 - share), whole.most) - used
        yield from self._verify(search, effort, left, threads, stopped, count)

    def _take_turns(self, search: TreeSearch, threads: int, stopped: threading.Event, count: int) -> Iterator[bool]:
        """Let the tree grow and verify its best moves in turns, each time for longer, until the tree is full."""
        seconds, share = FIRST_TURN, self._params.verify
        while not stopped.is_set():
            # Tactics take a forced return to a position of the game for its end, so one move alone is not verified.
            if search.unclear < 2:
                for _ in search.think(None, Budget(), threads, stopped):
                    yield False
                return
            part = (1 - share) * seconds
            for _ in search.think(None, Budget(part, part), threads, stopped):
                yield False
            yield True
            yield from self._verify(search, NO_LIMIT, share * seconds, threads, stopped, count)
            if not search.grows:
                return
            seconds = min(2 * seconds, LONGEST_TURN)

    def _verify(
        self, search: TreeSearch, nodes: int, seconds: float, threads: int, stopped: threading.Event, count: int
    ) -> Iterator[bool]:
        """Search the best moves tactically, for so long; yield True after each depth."""
        if stopped.is_set() or seconds <= 0:
            return
        with self._stoppable(search, stopped, seconds) as is_over:
            for _ in search.verify(nodes, count, threads, is_over):
                yield True

    @contextmanager
    def _stoppable(
        self, search: TreeSearch, stopped: threading.Event, seconds: float = math.inf
    ) -> Iterator[Callable[[], bool]]:
        """End the tactical searches that are run meanwhile after some time, or when ``stopped`` is set by `_interrupt`.

        Yields a function that says whether they have been ended.
        """
        over, entry = threading.Event(), (search, stopped)

        def end() -> None:
            with self._lock:
                if entry in self._in_tactics:
                    over.set()
                    search.stop()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        with self._lock:
            self._in_tactics.append(entry)
        if seconds < math.inf:
            timer.start()
        try:
            yield lambda: stopped.is_set() or over.is_set()
        finally:
            timer.cancel()
            with self._lock:
                self._in_tactics.remove(entry)

    def _draw(self, board: Board, candidates: list[Candidate]) -> Candidate:
        """Return the best move, or with a temperature one of those that are not much worse."""
        best = candidates[0]
        if self._sampling.temperature == 0 or best.proven is not None:
            return best
        fair = [c for c in candidates if c.visits and c.proven != -1 and c.seen >= best.seen - FAIR]
        scores = np.log([candidate.visits for candidate in fair] or [1])
        with self._lock:
            return (fair or [best])[
                int(self._random.of(board).choice(len(scores), p=self._sampling.probabilities(scores)))
            ]

    def _word(self, board: Board, ends: NDArray[np.float32]) -> End:
        """Draw from the endings that the model predicts: whether the game goes on, or how it ends."""
        chances = Sampling().endings(np.log(np.maximum(ends, 1e-9)))
        with self._lock:
            return End(int(self._random.of(board).choice(len(End), p=chances)))

    def _search_of(
        self,
        board: Board,
        limit: Limit,
        stopped: threading.Event,
        random: np.random.Generator | None = None,
        gives_up: bool = False,
    ) -> tuple[TreeSearch, bool]:
        """Return a search whose root is the board, that of its game if there is one, and whether the root was read.

        It is always, unless it ``gives_up`` when it is stopped (`TreeSearch.set_root`).
        """
        with self._lock:
            begun = id(board) in self._of_games
            if begun:
                found = self._of_games[id(board)]
            else:
                found = next((search for search in reversed(self._searches) if search.continues(board)), None)
                if found is not None:
                    self._searches.remove(found)
        if found is None:
            leaves = Leaves() if self._network is None else NetworkLeaves(self._network, self._size, self._voice)
            found = TreeSearch(leaves, self._params, self._rules, self._size)
            if begun:
                self._of_games[id(board)] = found
        target = budget(limit, board).target
        most = math.inf if target is None else ROOT_MOST * (1 - self._params.verify) * target
        with self._stoppable(found, stopped, most) as is_over:
            effort = Effort(self._root_nodes(limit, target), limit.depth or MAX_DEPTH, is_over)
            was_read = found.set_root(board, limit.root_moves, effort, stopped.is_set, gives_up)
        if self._noise > 0 and was_read:
            with self._lock:
                noise = (random or self._random.of(board)).dirichlet(
                    np.full(int(found.root["edges"]), DIRICHLET / found.root["edges"])
                )
            found.mix_priors(noise, self._noise)
        return found, was_read

    def _root_nodes(self, limit: Limit, target: float | None) -> int:
        """Return how many nodes the tactical search at the root may take, for its share of the time, in seconds."""
        seconds = math.inf if target is None else target
        if limit.nodes is not None:
            seconds = min(seconds, limit.nodes / VISITS_A_SECOND)
        return int(self._params.root_share * min(seconds, LONGEST) * NODES_A_SECOND)

    def _keep(self, search: TreeSearch) -> None:
        with self._lock:
            if search in self._of_games.values():
                return
            self._searches.append(search)
            del self._searches[: -self._kept]


def report(search: TreeSearch, candidate: Candidate, board: Board, seconds: float, rank: int = 1) -> Info:
    """Return what the search says of a move, and of itself: of its speed, how many positions a second the tree reads
    while it grows."""
    return replace(
        info_of(candidate, board),
        multipv=rank,
        depth=candidate.depth,
        time=seconds,
        nodes=search.made,
        nps=round(search.made / max(search.spent, 1e-3)),
        hashfull=search.full,
    )


def info_of(candidate: Candidate, board: Board) -> Info:
    """Return what the search says of a move, as engines do."""
    value, draw = candidate.value, candidate.draw
    if candidate.proven is not None:
        value, draw = float(candidate.proven), float(candidate.proven == 0)
    draw = min(draw, 1 - abs(value))
    chances = Wdl(500 * (1 + value - draw), 1000 * draw, 500 * (1 - value - draw))
    score = Score(board.turn, cp=centipawns((1 + value) / 2))
    if candidate.proven and not candidate.ruled:
        moves = (candidate.plies + 1) // 2
        score = Score(board.turn, mate=moves if candidate.proven > 0 else -moves)
    return Info(score=score, wdl=chances, pv=candidate.pv)


class _Searching(GeneratedAnalysis):
    """A search as a stream of lines. The work is done in the thread that iterates over it."""

    def __init__(self, player: Search, board: Board, limit: Limit, multipv: int) -> None:
        super().__init__(board, limit, multipv)
        self._player = player

    def stop(self) -> None:
        self._player._interrupt(self._stopped)

    def _generate(self) -> Generator[Line]:
        player, limit = self._player, self._limit
        started, shown = time.perf_counter(), 0.0
        search, was_read = player._search_of(self.board, limit, self._stopped, gives_up=True)
        if not was_read:
            player._keep(search)
            return
        try:
            thinking = player._think(search, limit, self.board, player.threads, started, self._stopped, self._count)
            for is_news in thinking:
                now = time.perf_counter() - started
                if is_news or now - shown >= SHOWN_EVERY:
                    shown = now
                    yield from self._tell(search, now)
            yield from self._tell(search, time.perf_counter() - started)
        finally:
            player._keep(search)

    def _tell(self, search: TreeSearch, seconds: float) -> Iterator[Line]:
        lines = []
        for rank, candidate in enumerate(search.candidates()[: self._count], 1):
            lines.append(Line(report(search, candidate, self.board, seconds, rank), candidate.prior))
        old, self._lines = self._lines, lines
        yield from (line for line, before in zip_longest(lines, old[: len(lines)]) if line != before)
