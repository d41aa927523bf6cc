"""The search tree: selection by PUCT, endings found when a node is created, backup, and proven results.

A node is a position with the moves that led to it; its edges are its legal moves, likeliest first. All values are
expected scores from -1 (loss) to 1 (win) for the side to move at their node. The tree is three arrays, so that the
kernels below need nothing from Python:

- ``nodes`` ``(N,)`` of `NODE` and ``edges`` ``(E,)`` of `EDGE`, each filled from the start;
- ``state`` ``(1,)`` of `STATE`: how many of them are in use, the parameters of the search, and work space.

The position of the root comes with the moves and position keys of the game, as a `Game`.

Selection is PUCT (Rosin 2011; Silver et al. 2017, "AlphaZero") with these changes, each with its effect in docs/log.md:
first-play urgency by reduction, an exploration constant that grows with the visits and with the spread of values
(as in KataGo), and bounds on results that are proven (Winands et al. 2008, "MCTS-Solver").
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.model.features import zobrist_after
from lm.model.network import Answers
from lm.players.search.records import DEEPEST, NEW, OVER, READ, Batch, Game, Keys, Moves, Records
from xiangqi import chase, kernels
from xiangqi.jit import allocating, compiled
from xiangqi.kernels import MOVE_FROM, MOVE_TO, Cells, copy
from xiangqi.rulings import QUIET_PLIES

# --- Selection --------------------------------------------------------------------------------------------------------


@compiled
def mean(node: Any) -> float:
    """Return the value of a node, which has visits: the mean of its visits, within its proven bounds."""
    return float(min(max(node.total / node.visits, float(node.lower)), float(node.upper)))


@compiled
def _exploration(s: Any, node: Any) -> float:
    """Return the factor of PUCT's exploration term at a node.

    It grows with the logarithm of the visits, as in AlphaZero, and with the standard deviation of the values, which
    counts as 0.4 for the first two visits, as in KataGo ("KataGoMethods.md").
    """
    factor = s.exploration + s.growth * np.log(1 + node.visits / s.base)
    if s.spread > 0:
        n = node.visits + 2.0
        average = node.total / max(1, node.visits)
        variance = max(0.0, node.squares - node.visits * average * average)
        deviation = np.sqrt((variance + 2.0 * 0.16) / n)
        factor *= 1 + s.spread * (deviation / 0.4 - 1)
    return float(factor * np.sqrt(max(1, node.visits + node.flying - 1)))


@compiled
def best_edge(s: Any, nodes: Records, edges: Records, at: int) -> int:
    """Return the edge of an evaluated node to visit next; -1 if all results there are known.

    Edges are sorted by prior. So of those without a visit only the first needs to be looked at.
    """
    node = nodes[at]
    explore, q, visited = _exploration(s, node), mean(node), 0.0
    best, found, lost = -np.inf, -1, -1
    for e in range(node.first, node.first + node.edges):
        edge = edges[e]
        if edge.node < 0:
            score = q - s.reduction * np.sqrt(visited) + explore * edge.prior
            return e if score > best else found
        child = nodes[edge.node]
        if child.lower == child.upper:
            if child.lower == 1:  # the opponent wins
                continue
            lost = e
        tried = child.visits + child.flying
        value = q - s.reduction * np.sqrt(visited)
        if child.visits > 0:
            value = -mean(child)
        visited += edge.prior
        score = value + explore * edge.prior / (1 + tried)
        if score > best:
            best, found = score, e
    return found if found >= 0 else lost


@compiled
def leaders(nodes: Records, edges: Records, at: int) -> tuple[int, int, bool]:
    """Return the most visits that a move of a node has, those of the next, and whether the most visited move has the
    best value."""
    node = nodes[at]
    most, second, leader, highest = 0, 0, -2.0, -2.0
    for e in range(node.first, node.first + node.edges):
        if edges[e].node < 0 or nodes[edges[e].node].visits == 0:
            continue
        child = nodes[edges[e].node]
        value = -mean(child)
        highest = max(highest, value)
        if child.visits > most:
            most, second, leader = int(child.visits), most, value
        elif child.visits > second:
            second = int(child.visits)
    return most, second, leader >= highest


@compiled
def _wanted_edge(nodes: Records, edges: Records, at: int) -> int:
    """Return the root's first edge with fewer visits than wanted, or -1."""
    node = nodes[at]
    for e in range(node.first, node.first + node.edges):
        edge = edges[e]
        if edge.wanted > 0:
            if edge.node < 0:
                return e
            child = nodes[edge.node]
            if child.visits + child.flying < edge.wanted and child.lower != child.upper:
                return e
    return -1


@allocating
def select(
    state: Records,
    nodes: Records,
    edges: Records,
    twins: NDArray[np.int32],
    game: Game,
    taken: NDArray[np.int64],
    batch: Batch,
) -> tuple[int, int]:
    """Visit the tree until the ``batch`` is full, and return the number of leaves in it and of all visits made.

    A visit ends at a new leaf, which waits for its evaluation; at the end of a game, which is backed up at once; or at
    a leaf that waits already. After as many of the last as the batch has places, the batch stays as it is. ``taken``
    ``(B,)`` are the free cache entries for the leaves. There must be room for ``B`` nodes.
    """
    s, size = state[0], len(batch.nodes)
    keys, moves = np.empty(DEEPEST + 1, np.uint64), np.empty(DEEPEST, np.int16)
    cells = np.empty(90, np.uint8)
    n, made, collisions = 0, 0, 0
    while n < size and collisions < size and made < 4 * size and nodes[s.root].lower != nodes[s.root].upper:
        at, depth, turn = s.root, 0, game.turn
        copy(game.cells, cells, 90)
        keys[0] = game.keys[-1]
        while True:
            nodes[at].flying += 1
            if nodes[at].state == NEW or nodes[at].lower == nodes[at].upper or depth == s.deepest:
                break
            if at == s.root and s.scheduled:
                e = _wanted_edge(nodes, edges, at)
            else:
                e = best_edge(s, nodes, edges, at)
            if e < 0:
                break
            move = int(edges[e].move)
            a, b = MOVE_FROM[move], MOVE_TO[move]
            keys[depth + 1] = zobrist_after(keys[depth], cells[a], cells[b], a, b)
            clock = 0 if cells[b] != 0 else nodes[at].clock + 1
            cells[b] = cells[a]
            cells[a] = 0
            moves[depth] = move
            depth, turn = depth + 1, 1 - turn
            if edges[e].node < 0:
                at = _create(s, nodes, edges, at, e, keys[depth], clock)
                nodes[at].flying = 1
                _end(s, nodes, at, game, cells, turn, moves[:depth], keys[: depth + 1])
                twin = _twin(nodes, twins, nodes[at].key)
                if nodes[at].state == NEW and twin >= 0 and _is_mate(nodes[twin]):
                    nodes[at].lower, nodes[at].upper = nodes[twin].lower, nodes[twin].upper
                    nodes[at].plies, nodes[at].state = nodes[twin].plies, OVER
                if nodes[at].state == OVER:
                    _settle(nodes, edges, at)
                else:
                    nodes[at].entry = taken[n]
                    batch.nodes[n] = at
                    batch.lengths[n] = depth
                    copy(moves, batch.moves[n], depth)
                    copy(cells, batch.cells[n], 90)
                    up = at
                    for i in range(depth - 1, -1, -1):
                        batch.entries[n, i] = nodes[up].entry
                        up = nodes[up].parent
                    n += 1
                break
            at = edges[e].node
        node = nodes[at]
        if node.lower == node.upper:
            backup(nodes, at, s.root, float(node.lower), 1.0 if node.lower == 0 else 0.0)
            made += 1
        elif depth == s.deepest:
            backup(nodes, at, s.root, 0.0, 1.0)
            made += 1
        elif n > 0 and at == batch.nodes[n - 1] and node.flying == 1:
            made += 1
        else:  # a leaf that waits already, or a root whose schedule is complete
            collisions += 1
            done = at == s.root
            while at != s.root:
                nodes[at].flying -= 1
                at = nodes[at].parent
            nodes[at].flying -= 1
            if done:
                break
    return n, made


@compiled
def _create(s: Any, nodes: Records, edges: Records, parent: int, edge: int, key: int, clock: int) -> int:
    """Add the node of an edge, and return its number."""
    at = int(s.nodes)
    s.nodes += 1
    node = nodes[at]
    node.key, node.parent, node.first, node.edges = key, parent, 0, 0
    node.total, node.squares, node.draws, node.visits, node.flying = 0.0, 0.0, 0.0, 0, 0
    node.value, node.draw, node.clock, node.plies = 0.0, 0.0, clock, 0
    node.lower, node.upper, node.state, node.ruled, node.entry = -1, 1, NEW, 0, -1
    edges[edge].node = at
    return at


# --- Transpositions ---------------------------------------------------------------------------------------------------


@compiled
def _twin(nodes: Records, twins: NDArray[np.int32], key: int) -> int:
    """Return an evaluated node with the same position, reached by other moves; -1 if none is known.

    ``twins`` of one place stand for none at all.
    """
    if len(twins) == 1:
        return -1
    at = twins[key & np.uint64(len(twins) - 1)]
    return int(at) if at >= 0 and nodes[at].key == key else -1


@compiled
def _is_mate(node: Any) -> bool:
    """Return whether it is proven that a side is mated, whatever the moves before."""
    return bool(node.lower == node.upper and node.lower != 0 and node.ruled == 0)


@compiled
def _enlist(nodes: Records, twins: NDArray[np.int32], at: int) -> None:
    """Make a node the one to be found for its position, unless a node with more visits is."""
    place = nodes[at].key & np.uint64(len(twins) - 1)
    other = twins[place]
    if other < 0 or nodes[other].visits <= nodes[at].visits:
        twins[place] = at


# --- Endings ----------------------------------------------------------------------------------------------------------


@allocating
def _end(s: Any, nodes: Records, at: int, game: Game, cells: Cells, turn: int, moves: Moves, keys: Keys) -> None:
    """Find out whether the game ends at a new node, and prove its value if so.

    A repetition of a position of the tree, the root included, is judged at once: what is not better the first time is
    not better the second. A position of the game before the root may come back once more, because whoever is worse off
    for it can still turn aside; its third occurrence ends the game.
    """
    node = nodes[at]
    if kernels.legal_moves(cells, turn, s.moves) == 0:
        node.state, node.lower, node.upper = OVER, -1, -1
        return
    if s.rules == chase.NO_RULES:
        return
    depth, played = len(moves), len(game.moves)
    window = min(int(node.clock), depth + played)
    earlier = 0
    for ago in range(4, window + 1, 2):
        where = depth - ago
        key = keys[where] if where >= 0 else game.keys[played + where]
        if key != node.key:
            continue
        earlier += 1
        if where >= 0 or earlier == 2:
            loser = chase.judge(*_cycle(game, cells, turn, moves, ago), s.rules)
            node.state, node.ruled = OVER, 1
            node.lower = node.upper = 0 if loser < 0 else (-1 if loser == turn else 1)
            return
    if node.clock >= QUIET_PLIES and _is_quiet(game, cells, turn, moves, int(node.clock)):
        node.state, node.lower, node.upper, node.ruled = OVER, 0, 0, 1


@allocating
def _cycle(game: Game, cells: Cells, turn: int, moves: Moves, plies: int) -> tuple[Cells, int, Moves]:
    """Return the position ``plies`` ago, the side to move there, and the moves since."""
    span = np.empty(plies, np.int16)
    for i in range(plies):
        back = len(moves) - plies + i
        span[i] = moves[back] if back >= 0 else game.moves[len(game.moves) + back]
    before = cells.copy()
    chase.rewind(before, span)
    return before, turn ^ (plies & 1), span


@allocating
def _is_quiet(game: Game, cells: Cells, turn: int, moves: Moves, clock: int) -> bool:
    """Return whether a game is drawn for its plies without a capture, as by `xiangqi.rulings.quiet_plies`."""
    before, first, span = _cycle(game, cells, turn, moves, min(clock, len(moves) + len(game.moves)))
    return clock - chase.exempt_plies(before, first, span) >= QUIET_PLIES


# --- Backup -----------------------------------------------------------------------------------------------------------


@compiled
def backup(nodes: Records, at: int, root: int, value: float, draw: float) -> None:
    """Add an evaluation of a node to it and to all nodes above; it was counted there as flying."""
    while True:
        node = nodes[at]
        node.total += value
        node.squares += value * value
        node.draws += draw
        node.visits += 1
        node.flying -= 1
        if at == root:
            return
        at, value = node.parent, -value


@compiled
def _settle(nodes: Records, edges: Records, at: int) -> None:
    """Carry the proven bounds of a node to those above it, as far as they prove more there.

    Of several ways to win the shortest counts, of several ways to lose the longest; a mate counts before a ruling.
    """
    while nodes[at].parent >= 0:
        at = nodes[at].parent
        node = nodes[at]
        lower, upper, shortest, longest, ruled = -1, -1, 60000, 0, 0
        for e in range(node.first, node.first + node.edges):
            if edges[e].node < 0:
                upper = 1
                continue
            child = nodes[edges[e].node]
            lower, upper = max(lower, -child.upper), max(upper, -child.lower)
            if child.upper == -1:
                shortest = min(shortest, child.plies + 30000 * child.ruled)
            longest = max(longest, int(child.plies))
            ruled |= child.ruled
        plies = longest + 1
        if lower == 1:
            ruled, plies = shortest // 30000, shortest % 30000 + 1
        if lower != upper:
            ruled = plies = 0
        if lower == node.lower and upper == node.upper and plies == node.plies and ruled == node.ruled:
            return
        node.lower, node.upper, node.plies, node.ruled = lower, upper, plies, ruled


@compiled
def prove(nodes: Records, edges: Records, mating: NDArray[np.int64], plies: NDArray[np.int64]) -> None:
    """Record that the side to move mates at the new nodes ``mating`` ``(n,)``, in so many ``plies`` ``(n,)``."""
    for i in range(len(mating)):
        at = mating[i]
        node = nodes[at]
        node.state, node.lower, node.upper, node.plies = OVER, 1, 1, plies[i]
        _settle(nodes, edges, at)
        backup(nodes, at, 0, 1.0, 0.0)


@compiled
def expand(
    state: Records, nodes: Records, edges: Records, at: int, moves: Moves, priors: NDArray[np.float32], n: int
) -> None:
    """Give a node its edges: ``n`` moves ``(n,)`` with their priors, sorted here. There must be room for them."""
    s, node = state[0], nodes[at]
    first = int(s.edges)
    s.edges += n
    node.first, node.edges, node.state = first, n, READ
    for i in range(n):
        e = first + i
        while e > first and edges[e - 1].prior < priors[i]:
            edges[e] = edges[e - 1]
            e -= 1
        edges[e].move, edges[e].prior, edges[e].node, edges[e].wanted = moves[i], priors[i], -1, 0


@compiled
def _priors(
    s: Any, scores: NDArray[np.float32], losses: NDArray[np.float32], n: int, priors: NDArray[np.float32]
) -> None:
    """Write the priors of a node's moves, from the network's scores and what the moves lose."""
    highest, total = -np.inf, 0.0
    for m in range(n):
        priors[m] = scores[m] / s.policy_temperature - s.caution * losses[m]
        highest = max(highest, priors[m])
    for m in range(n):
        priors[m] = np.exp(priors[m] - highest)
        total += priors[m]
    for m in range(n):
        priors[m] /= total


@allocating
def absorb(
    state: Records,
    nodes: Records,
    edges: Records,
    twins: NDArray[np.int32],
    leaves: NDArray[np.int32],
    answers: Answers,
    worth: NDArray[np.float32],
    losses: NDArray[np.float32],
) -> None:
    """Take in the evaluations of n ``leaves`` ``(n,)``.

    These are the network's ``answers``, and what tactics say (`lm.players.search.corrections`): the ``worth`` ``(n,)``
    of each position and the ``losses`` ``(n, M)`` of each move. A position that another node has looked into counts
    with the value found there; ``twins`` ``(T,)`` leads to such nodes.
    """
    s = state[0]
    moves, counts, scores, wdl = answers.moves, answers.counts, answers.scores, answers.wdl
    priors = np.empty(moves.shape[1], np.float32)
    for i in range(len(leaves)):
        at = leaves[i]
        _priors(s, scores[i], losses[i], counts[i], priors)
        expand(state, nodes, edges, at, moves[i], priors, counts[i])
        own = min(max(float(wdl[i, 0] - wdl[i, 2]), -0.999), 0.999)
        value, draw = np.tanh(s.trust * np.arctanh(own) + s.counting * worth[i]), float(wdl[i, 1])
        twin = _twin(nodes, twins, nodes[at].key)
        if twin >= 0 and nodes[twin].visits > 1:
            value, draw = mean(nodes[twin]), nodes[twin].draws / nodes[twin].visits
        nodes[at].value, nodes[at].draw = value, draw
        backup(nodes, at, s.root, value, draw)
        _enlist(nodes, twins, at)


@allocating
def change_priors(
    state: Records,
    nodes: Records,
    edges: Records,
    at: int,
    moves: Moves,
    scores: NDArray[np.float32],
    losses: NDArray[np.float32],
) -> None:
    """Give the edges of a node new priors, from ``moves`` ``(n,)`` with scores and losses as in `absorb`.

    Edges whose moves are not among them are dropped.
    """
    node = nodes[at]
    s = state[0]
    priors = np.empty(len(moves), np.float32)
    _priors(s, scores, losses, len(moves), priors)
    n = 0
    for e in range(node.first, node.first + node.edges):
        for m in range(len(moves)):
            if moves[m] == edges[e].move:
                prior, child, move = priors[m], edges[e].node, edges[e].move
                to = node.first + n
                while to > node.first and edges[to - 1].prior < prior:
                    edges[to] = edges[to - 1]
                    to -= 1
                edges[to].prior, edges[to].node, edges[to].move, edges[to].wanted = prior, child, move, 0
                n += 1
                break
    node.edges = n


# --- Keeping a part ---------------------------------------------------------------------------------------------------


@compiled
def keep(
    state: Records,
    nodes: Records,
    edges: Records,
    twins: NDArray[np.int32],
    root: int,
    to_nodes: Records,
    to_edges: Records,
    freed: NDArray[np.int64],
) -> int:
    """Copy the nodes below a new ``root``, and it, into other arrays; return the number of cache entries freed.

    Those are written to ``freed``, and ``twins`` anew. Nothing may be flying.
    """
    twins[:] = -1
    s = state[0]
    n = m = 0
    to_nodes[0] = nodes[root]
    to_nodes[0].parent = -1
    n, done = 1, 0
    while done < n:
        node = to_nodes[done]
        first = node.first
        node.first = m
        for e in range(first, first + node.edges):
            to_edges[m] = edges[e]
            if edges[e].node >= 0:
                to_nodes[n] = nodes[edges[e].node]
                to_nodes[n].parent = done
                to_edges[m].node = n
                nodes[edges[e].node].flying = -1  # marks it as kept
                n += 1
            m += 1
        if node.state == READ:
            _enlist(to_nodes, twins, done)
        done += 1
    nodes[root].flying = -1
    count = 0
    for i in range(s.nodes):
        if nodes[i].flying != -1 and nodes[i].entry >= 0:
            freed[count] = nodes[i].entry
            count += 1
    s.nodes, s.edges, s.root = n, m, 0
    return count
