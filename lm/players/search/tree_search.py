"""A search of one game: it reads leaves in batches, in one or more threads, until the limit is reached.

The tree is kept from move to move: the part below the moves played becomes the new tree.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lm.model.groups import MAX_CANDIDATES
from lm.model.prompts import End
from lm.players.search import halving, tree
from lm.players.search.candidates import Candidate, Verified
from lm.players.search.clock import Budget
from lm.players.search.leaves import MAX_DEPTH, Leaves, Workspace, never
from lm.players.search.params import Params
from lm.players.search.records import EDGE, NODE, OVER, READ, STATE, Game
from xiangqi import MOVES, Board, Move
from xiangqi.alphabeta import LOST, MATE
from xiangqi.evaluation import VALUE_A_CENTIPAWN
from xiangqi.rulings import CODES, QUIET_PLIES, Rules
from xiangqi.tactics import Price

MATE_NODES: Final = 20_000
"""Most checks tried in the mate search at the root."""
FORCED: Final = 16
"""Visits where there is only one move. Its value is wanted, too, and tactics are no help: they take the first return to
a position of the game for its end."""
SOON: Final = 20
"""Plies before a draw for want of captures within which there is no verification."""
EDGES_A_NODE: Final = 48
"""Room for edges; positions have 40 legal moves on average."""


@dataclass(frozen=True)
class Effort:
    """Where the tactical search at the root ends."""

    nodes: int = 20_000
    depth: int = MAX_DEPTH
    """In plies."""
    is_over: Callable[[], bool] = never
    """Whether its time is over already; then it is ended by `TreeSearch.stop`."""


EFFORT: Final = Effort()


class TreeSearch:
    """The search of one game. ``size`` is the most positions that its tree may hold."""

    def __init__(self, leaves: Leaves, params: Params, rules: Rules = "computer", size: int = 20000) -> None:
        self.params, self._leaves = params, leaves
        self._state = np.zeros(1, STATE)
        for field in fields(params):
            if field.name in (STATE.names or ()):
                self._state[field.name] = getattr(params, field.name)
        self._state["counting"] *= VALUE_A_CENTIPAWN
        self._state["caution"] /= 100
        self._state["rules"] = CODES[rules]
        # The system gives these arrays memory only as they are written to.
        self._nodes, self._edges = np.zeros(size, NODE), np.zeros(size * EDGES_A_NODE, EDGE)
        self._spare = np.zeros(size, NODE), np.zeros(size * EDGES_A_NODE, EDGE)  # where what is kept is copied to
        self._twins = np.full(1 << size.bit_length() if params.share else 1, -1, np.int32)
        self._game = Game(np.zeros(90, np.uint8), 0, np.empty(0, np.int16), np.zeros(1, np.uint64), 0)
        self._lock = threading.Lock()
        self._spaces: dict[int, Workspace] = {}
        self._chosen: int | None = None  # the edge that sequential halving has chosen
        self._partial = False  # whether the root has only some of its moves
        self._mate: list[Move] = []  # the line of a mate found at the root
        self._tactical: int | None = None  # the best move by the tactical search at the root
        self._looked = 0  # how deep that was
        self._verified = Verified()
        self._in_tactics = False  # whether a tactical search runs that `stop` ends
        self.ends: NDArray[np.float32] = np.zeros(len(End), np.float32)
        """The network's chances of each `End` at the root."""
        self.made = 0
        """Visits made since the root was set."""
        self.spent = 0.0
        """Seconds that this thread took for them."""
        self.unmixed: dict[int, float] = {}
        """The root's priors by the numbers of its moves, without the noise, if noise was mixed in."""

    @property
    def root(self) -> Any:
        """The record of the root."""
        return self._nodes[0]

    # --- The game -----------------------------------------------------------------------------------------------------

    def continues(self, board: Board) -> bool:
        """Return whether a board's game continues the one searched last."""
        return self._leaves.continues(board)

    def set_root(
        self,
        board: Board,
        moves: Collection[Move] | None = None,
        effort: Effort = EFFORT,
        is_stopped: Callable[[], bool] = never,
        gives_up: bool = False,
    ) -> bool:
        """Make a position, with its history, the root, and read it. What is known of it is kept.

        With ``moves`` only these are considered there. ``effort`` is that of the tactical search, which `stop` ends
        too; ``is_stopped`` says whether all is stopped already. Returns whether the root was read: where it
        ``gives_up``, it is not if it is stopped in the midst of a long game, and nothing may be asked of it then.
        """
        self.made, self.spent, self._chosen, self._verified, self.unmixed = 0, 0.0, None, Verified(), {}
        self._game = Game.of(board)
        news = self._leaves.set_board(board)
        self._state["deepest"] = self._leaves.deepest
        known = news.continues and self._state["nodes"][0] and not (self._partial and not news.moves)
        at: int | None = 0 if known else None
        for move in news.moves:
            at = self._child(at, move) if at is not None else None
            if at is None:
                break
            self._leaves.advance(int(self._nodes["entry"][at]))
            self._nodes["entry"][at] = -1  # it is on the game's path now
        if at is not None:
            self._keep(at)
        if at is None or self._is_outdated():
            entries = self._nodes["entry"][: int(self._state["nodes"][0])]
            self._leaves.free(entries[entries >= 0].astype(np.int64))
            self._begin()
        return self._read_root(moves, effort, is_stopped, gives_up)

    def _begin(self) -> None:
        """Begin a tree with a root that is not evaluated yet."""
        self._nodes[0] = np.zeros((), NODE)
        node = self._nodes[0]
        node["key"], node["clock"] = self._game.keys[-1], self._game.clock
        node["parent"] = node["entry"] = -1
        node["lower"], node["upper"], node["flying"] = -1, 1, 1
        self._state["nodes"], self._state["edges"], self._state["root"] = 1, 0, 0
        self._twins[:] = -1

    def _keep(self, root: int) -> None:
        """Keep the part of the tree below a node, which becomes the root."""
        if root == 0:
            return
        nodes, edges = self._spare
        freed = np.empty(int(self._state["nodes"][0]), np.int64)
        count = tree.keep(self._state, self._nodes, self._edges, self._twins, root, nodes, edges, freed)
        self._leaves.free(freed[:count])
        self._spare = self._nodes, self._edges
        self._nodes, self._edges = nodes, edges

    def _is_outdated(self) -> bool:
        """Return whether the tree has an ending by a return to a position that is one of the game by now.

        Within the tree the first return is the end, since both sides could repeat it; in the game it is not.
        """
        nodes = self._nodes[: int(self._state["nodes"][0])]
        ends = nodes["key"][(nodes["state"] == OVER) & (nodes["ruled"] != 0)]
        return bool(np.isin(ends, self._game.keys[:-1]).any())

    def _read_root(
        self, wanted: Collection[Move] | None, effort: Effort, is_stopped: Callable[[], bool], gives_up: bool
    ) -> bool:
        """Evaluate the root, more thoroughly than other nodes: with its mirror image and deeper tactics."""
        space = self._space(0)
        space.batch.cells[0], space.batch.lengths[0] = self._game.cells, 0
        self._mate = []
        if not self._leaves.read_root(space, is_stopped if gives_up else never):
            return False
        if self.params.mate_moves > 0 and wanted is None and not is_stopped():
            self._mate = self._leaves.find_root_mate(space, self.params.root_mate_moves, MATE_NODES)
        if self.params.depth >= 0:
            with self._stoppable(lambda: is_stopped() or effort.is_over()):
                self._looked = self._leaves.correct_root(space, self.params.root_margin, effort.nodes, effort.depth)
        if self.root["state"] != READ:
            self._absorb(space, np.zeros(1, np.int32))
        answers, n = space.answers, int(space.answers.counts[0])
        moves, scores, losses = answers.moves[0, :n], answers.scores[0, :n], space.losses[0, :n]
        self.ends = answers.ends[0].copy()
        self._partial = wanted is not None
        if wanted is not None:
            kept = np.isin(moves, [move.index for move in wanted])
            moves, scores, losses = moves[kept], scores[kept], losses[kept]
        self._tactical = int(moves[losses.argmin()]) if self.params.depth >= 0 and len(moves) else None
        tree.change_priors(self._state, self._nodes, self._edges, 0, moves, scores, losses)
        return True

    def _child(self, at: int, move: int) -> int | None:
        """Return the node with edges after a move, or ``None``."""
        node = self._nodes[at]
        for e in range(node["first"], node["first"] + node["edges"]):
            if self._edges["move"][e] == move:
                child = int(self._edges["node"][e])
                return child if child >= 0 and self._nodes["state"][child] == READ else None
        return None

    def mix_priors(self, noise: NDArray[np.float64], share: float) -> None:
        """Replace a share of the root's priors by ``noise`` ``(n,)``, which sums to 1."""
        edges = self._root_edges()
        self.unmixed = dict(zip(edges["move"].tolist(), edges["prior"].tolist(), strict=True))
        edges["prior"] = (1 - share) * edges["prior"] + share * noise
        edges[:] = edges[np.argsort(-edges["prior"], kind="stable")]

    def _space(self, thread: int) -> Workspace:
        if thread not in self._spaces:
            self._spaces[thread] = Workspace(self.params.batch)
        return self._spaces[thread]

    # --- The search ---------------------------------------------------------------------------------------------------

    def think(
        self,
        nodes: int | None,
        budget: Budget,
        threads: int = 1,
        stopped: threading.Event | None = None,
        started: float | None = None,
    ) -> Iterator[None]:
        """Search until so many visits, the time of the budget, or ``stopped``; yield after each batch of this thread.

        ``started`` is when the time began, by ``time.perf_counter()``; now if not given.

        The other threads work until the iteration ends. With one thread the result depends on nothing but the position
        and the number of visits.
        """
        if nodes is not None and nodes <= self.params.halving and threads == 1:
            yield from self._think_in_rounds(nodes, stopped)
            return
        started, done = time.perf_counter() if started is None else started, threading.Event()
        goal = sys.maxsize if nodes is None else nodes
        stops = [done] if stopped is None else [done, stopped]
        helpers = [threading.Thread(target=self._help, args=(n, goal, stops), daemon=True) for n in range(1, threads)]
        for helper in helpers:
            helper.start()
        try:
            while not (stopped is not None and stopped.is_set()):
                # On a slow machine the root may have taken all of the time. Some visits are made nevertheless.
                used = time.perf_counter() - started
                if self._is_decided(nodes, used, budget) and (self.made or not self.unclear):
                    return
                if not self._own_step(goal):
                    return
                yield
        finally:
            done.set()
            for helper in helpers:
                helper.join()

    def _think_in_rounds(self, nodes: int, stopped: threading.Event | None) -> Iterator[None]:
        """Share the visits among the moves at the root by sequential halving."""
        edges = self._root_edges()
        for part, each in halving.rounds(nodes, len(edges)):
            edges["wanted"] = 0
            visits, values = self._seen(edges)
            best = np.argsort(-halving.improved(edges["prior"].astype(float), values, visits), kind="stable")[:part]
            edges["wanted"][best] = visits[best] + each
            self._state["scheduled"], goal = 1, self.made + part * each
            while self.made < goal and not (stopped is not None and stopped.is_set()):
                if not self._own_step(goal):
                    break
                yield
            self._state["scheduled"] = 0
        visits, values = self._seen(edges)
        rank = np.where(visits > 0, halving.improved(edges["prior"].astype(float), values, visits), -np.inf)
        self._chosen = int(self.root["first"] + rank.argmax()) if visits.any() else None

    def _root_edges(self) -> Any:
        """Return the records of the root's edges."""
        return self._edges[int(self.root["first"]) :][: int(self.root["edges"])]

    def _seen(self, edges: Any) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return visits and values of moves, for the side that makes them; a value is 0 where there are no visits."""
        nodes = self._nodes[edges["node"]]
        visits = np.where(edges["node"] >= 0, nodes["visits"], 0).astype(np.int64)
        mean = nodes["total"] / np.maximum(visits, 1)
        return visits, np.where(visits > 0, -np.clip(mean, nodes["lower"], nodes["upper"]), 0.0)

    def _help(self, thread: int, goal: int, stops: Sequence[threading.Event]) -> None:
        while not any(event.is_set() for event in stops) and self._step(thread, goal):
            pass

    def _own_step(self, goal: int) -> bool:
        """Do a step in this thread, and count its time."""
        begun = time.perf_counter()
        try:
            return self._step(0, goal)
        finally:
            self.spent += time.perf_counter() - begun

    def _step(self, thread: int, goal: int) -> bool:
        """Read a batch of leaves, unless so many visits have been made; return whether there may be more to do."""
        space = self._space(thread)
        with self._lock:
            waiting = int(self.root["flying"])
            size = min(self.params.batch, goal - self.made - waiting)
            if size <= 0 or self.root["lower"] == self.root["upper"] or not self._has_room(size + waiting):
                return waiting > 0
            taken = self._leaves.take(size)
            batch = space.batch.first(size)
            n, made = tree.select(self._state, self._nodes, self._edges, self._twins, self._game, taken, batch)
            self._leaves.free(taken[n:])
            self.made += made - n
        if n:
            self._read(space, n)
        elif not made:  # all that could be read is being read by others
            time.sleep(1e-4)
            return waiting > 0
        return True

    def _read(self, space: Workspace, n: int) -> None:
        """Evaluate the first n leaves of a batch, and back them up."""
        mates, left = 0, n
        if self.params.mate_moves > 0:
            mates, left = self._leaves.find_mates(space, n, self.params.mate_moves, self.params.mate_nodes)
        if left:
            self._leaves.read(space, left)
            self._correct(space, left)
        with self._lock:
            if mates:
                found = space.proven[0, :mates]
                self._leaves.free(self._nodes["entry"][found].astype(np.int64))
                self._nodes["entry"][found] = -1
                tree.prove(self._nodes, self._edges, found, space.proven[1])
            if left:
                self._absorb(space, space.batch.nodes[:left])
            self.made += n

    def _correct(self, space: Workspace, n: int) -> None:
        if self.params.depth >= 0:
            self._leaves.correct(space, n, self.params.depth, self.params.priced)

    def _absorb(self, space: Workspace, leaves: NDArray[np.int32]) -> None:
        tree.absorb(
            self._state, self._nodes, self._edges, self._twins, leaves, space.answers, space.worth, space.losses
        )

    def _has_room(self, leaves: int) -> bool:
        """Return whether the tree has room for so many leaves and the ends of games found on the way."""
        nodes, edges = int(self._state["nodes"][0]), int(self._state["edges"][0])
        return nodes + 4 * leaves <= len(self._nodes) and edges + leaves * MAX_CANDIDATES <= len(self._edges)

    @property
    def grows(self) -> bool:
        """Whether there is room for more."""
        return self._has_room(self.params.batch)

    @property
    def full(self) -> int:
        """How full the tree is, in thousandths."""
        return 1000 * int(self._state["nodes"][0]) // len(self._nodes)

    def _is_decided(self, nodes: int | None, used: float, budget: Budget) -> bool:
        """Return whether thinking ends: the time is up, or the choice is certain.

        It is certain if there is one move, whose value takes a few visits; if the result is proven; or if the visits
        that are left cannot change it. A fixed time is used in full nevertheless. Past the time aimed at, it is enough
        that the most visited move has the best value.
        """
        target, most = budget.target, budget.most
        if self._mate or self.root["lower"] == self.root["upper"] or (most is not None and used >= most):
            return True
        if nodes is None and target is None:
            return False
        if self.root["edges"] < 2:
            return self.made >= FORCED
        if not self.made or (nodes is None and target == most):
            return False
        first, second, best = tree.leaders(self._nodes, self._edges, 0)
        left = math.inf if nodes is None else nodes - self.made
        if target is not None and target != most:
            if used >= target:
                return best
            left = min(left, self.made / used * (target - used))
        return first - second > left

    @property
    def unclear(self) -> int:
        """How many moves at the root may be the best; 0 if the result is proven."""
        if self._mate or self.root["lower"] == self.root["upper"]:
            return 0
        edges = self._root_edges()
        nodes = self._nodes[edges["node"]]
        proven = (edges["node"] >= 0) & (nodes["visits"] > 0) & (nodes["lower"] == nodes["upper"])
        return int(np.count_nonzero(~proven))

    def verify(
        self, nodes: int, count: int = 1, threads: int = 1, is_over: Callable[[], bool] = never
    ) -> Iterator[None]:
        """Search the best moves tactically, with so many nodes or until `stop`, to choose the ``count`` best of them;
        yield after each depth.

        The other threads work until the iteration ends. ``is_over`` says whether it is stopped already. What counts
        then is the value of a move's score there, with its visits and its own value. If all these moves lead to a mate,
        the others are searched, too.
        """
        if self.params.depth < 0 or not self.unclear or self._ends_within(SOON):
            return
        found = [candidate for candidate in self._candidates(lines=False) if candidate.proven is None]
        # Moves beyond those that are wanted, so that each has a better one to hold its place against.
        most = max(self.params.verified, 2 * count) if count > 1 else self.params.verified
        some = [*found[:most], *(c for c in found[most:] if c.move.index == self._tactical)]
        latest = Verified()
        try:
            with self._stoppable(is_over):
                for chosen in (some, found):
                    with closing(self._search_tactically(chosen, count, nodes, threads)) as searching:
                        for depth, best in searching:
                            if best[0].score < -LOST and len(chosen) < len(found):
                                self._verified = Verified()
                                break
                            latest = Verified(depth, tuple(sorted(best, key=lambda price: -price.score)))
                            # Not before it is as deep again as what is known.
                            if depth >= max(self._verified.depth, self._looked):
                                self._verified = latest
                                yield
                        else:
                            return
        finally:
            if not self._verified.prices:
                self._verified = latest

    def _search_tactically(
        self, found: list[Candidate], count: int, nodes: int, threads: int
    ) -> Generator[tuple[int, list[Price]]]:
        """Yield each depth of a tactical search of moves, with the ``count`` best ones; see `verify`."""
        params, every = self.params, math.log(2 + int(self.root["visits"]))

        def liking_of(candidate: Candidate) -> float:
            return params.popularity * math.log(1 + candidate.visits) / every + params.hope * candidate.value

        found = sorted(found, key=liking_of, reverse=True)
        liking = [liking_of(candidate) for candidate in found]
        # In centipawns, as many as make this difference between values near the root's.
        scale = float(self._state["counting"][0]) * max(1 - float(self.root["value"]) ** 2, 0.2)
        favours = np.array([round((x - liking[0]) / scale) for x in liking], np.int64)
        moves = np.array([candidate.move.index for candidate in found], np.int16)
        own, *helpers = map(self._space, range(threads))
        return self._leaves.verify(own, moves, favours, min(count, len(moves)), nodes, helpers)

    def has_found(self, depth: int | None, mate: int | None) -> bool:
        """Return whether the search is as deep as is asked for, has a mate in so many moves, or knows the result."""
        if depth is None and mate is None:
            return False
        best = self.candidates()[0]
        mates = mate is not None and best.proven == 1 and not best.ruled and (best.plies + 1) // 2 <= mate
        return mates or (depth is not None and (best.depth >= depth or self.unclear < 2))

    def _ends_within(self, plies: int) -> bool:
        """Return whether the game may be drawn by then for want of captures, of which tactics know nothing."""
        return int(self._state["rules"][0]) != CODES["none"] and self._game.clock + plies >= QUIET_PLIES

    def stop(self) -> None:
        """End the tactical search, at the root or of `verify`, that runs in another thread."""
        with self._lock:
            if self._in_tactics:
                for space in self._spaces.values():
                    space.tactics["stop"] = True

    @contextmanager
    def _stoppable(self, is_over: Callable[[], bool]) -> Iterator[None]:
        """Let `stop` end the tactical search that is run meanwhile; ``is_over`` says whether it has to end already."""
        tactics = self._space(0).tactics
        with self._lock:
            tactics["stop"], self._in_tactics = is_over(), True
        try:
            yield
        finally:
            with self._lock:
                self._in_tactics = False
                for space in self._spaces.values():
                    space.tactics["stop"] = False

    # --- The result ---------------------------------------------------------------------------------------------------

    def candidates(self) -> list[Candidate]:
        """Return the moves at the root, best first."""
        found = self._candidates()
        if self._mate:
            others = [candidate for candidate in found if candidate.move is not self._mate[0]]
            line = tuple(self._mate)
            return [Candidate(line[0], 1.0, 0, 1.0, 1.0, 0.0, 1, len(line), False, line, len(line)), *others]
        depth, prices = self._verified
        by_move = {candidate.move: candidate for candidate in found}
        first = [self._priced(by_move[p.move], p, depth) for p in prices if by_move[p.move].proven is None]
        if not prices and self._chosen is not None:
            chosen = by_move[MOVES[self._edges["move"][self._chosen]]]
            first = [chosen] if chosen.proven is None else []
        if first:
            sure = 0 if first[0].value < 0 else 1  # a draw that is proven is better than to lose
            proven = [candidate for candidate in found if candidate.proven is not None and candidate.proven >= sure]
            known = {candidate.move for candidate in (*proven, *first)}
            return [*proven, *first, *(candidate for candidate in found if candidate.move not in known)]
        most = max(candidate.visits for candidate in found)
        top = found[0]
        if top.proven is None:  # a move with fewer visits, but clearly better
            for candidate in found[1:]:
                better = candidate.value > top.value + self.params.veto
                if candidate.proven is None and better and candidate.visits > 0.2 * most:
                    found.remove(candidate)
                    found.insert(0, candidate)
                    break
        return found

    def _candidates(self, lines: bool = True) -> list[Candidate]:
        """Return the moves at the root, proven wins first, then by visits, proven losses last; without ``lines`` they
        have no moves after the first, which saves half a millisecond."""
        first = int(self.root["first"])
        found = [self._candidate(e, lines) for e in range(first, first + int(self.root["edges"]))]
        return sorted(found, key=lambda candidate: candidate.rank, reverse=True)

    def _candidate(self, e: int, lines: bool) -> Candidate:
        edge = self._edges[e]
        move, prior, child = MOVES[edge["move"]], float(edge["prior"]), int(edge["node"])
        if child < 0 or not self._nodes["visits"][child]:
            own = self.root
            value = float(own["value"])
            return Candidate(
                move, prior, 0, value, value, float(own["draw"]), None, 0, False, (move,), self._looked or 1
            )
        node = self._nodes[child]
        visits, lower, upper = int(node["visits"]), int(node["lower"]), int(node["upper"])
        value = tree.mean(node)
        proven = -lower if lower == upper else None
        pv = (move, *self._line(child)) if lines else (move,)
        draw, plies, ruled = float(node["draws"]) / visits, int(node["plies"]) + 1, bool(node["ruled"])
        return Candidate(move, prior, visits, -value, -value, draw, proven, plies, ruled, pv, self._looked or len(pv))

    def _priced(self, candidate: Candidate, price: Price, depth: int) -> Candidate:
        """Return a candidate with what the verification says of it."""
        plies = MATE - abs(price.score)
        if price.mate is not None and not self._ends_within(plies):
            proven = 1 if price.score > 0 else -1
            candidate = replace(candidate, value=float(proven), proven=proven, plies=plies, ruled=False)
        else:
            candidate = replace(candidate, value=math.tanh(float(self._state["counting"][0]) * price.score))
        return replace(candidate, pv=price.line, depth=depth)

    def _line(self, at: int) -> list[Move]:
        """Return the most visited continuation of a node."""
        moves: list[Move] = []
        while self._nodes["edges"][at] and len(moves) < 40:
            first = int(self._nodes["first"][at])
            edges = self._edges[first : first + int(self._nodes["edges"][at])]
            visited = edges[edges["node"] >= 0]
            if not len(visited):
                break
            nodes = self._nodes[visited["node"]]
            wins = np.flatnonzero(nodes["upper"] == -1)
            best = wins[nodes["plies"][wins].argmin()] if len(wins) else nodes["visits"].argmax()
            moves.append(MOVES[visited["move"][best]])
            at = int(visited["node"][best])
        return moves
