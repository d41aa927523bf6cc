"""A player that has been opened has compiled what it needs: no move waits for machine code."""

import json
import subprocess
import sys

import pytest

GAMES = """
import json, random, sys
from numba.core.dispatcher import Dispatcher
from lm.players.specs import load_player
from xiangqi import Board
from xiangqi.engine import Limit

late, added, original = False, [], Dispatcher.add_overload

def add_overload(self, result):
    if late:
        added.append(self.py_func.__qualname__)
    return original(self, result)

Dispatcher.add_overload = add_overload
player = load_player(sys.argv[1])
late = True
for seed in range(3):
    board, drawn = Board(), random.Random(seed)
    for _ in range(60):
        if board.outcome() is not None or (move := player.choose([board])[0].move) is None:
            break
        board.push(move if drawn.random() < 0.8 else drawn.choice(list(board.legal_moves)))
back_and_forth = Board.from_moves("h2e2 h9g7 e2h2 g7h9 h2e2 h9g7 e2h2")
player.choose([back_and_forth])
mate = Board("3k5/9/9/9/9/9/1R7/R8/9/4K4 w")
player.choose([mate])
if hasattr(player, "analyse"):
    for board in (back_and_forth, mate):
        for _ in player.analyse(board, Limit(nodes=100), 2):
            pass
print(json.dumps(added))
"""


@pytest.mark.parametrize("spec", ["search:30", "tactics:2", "careful:2", "lm"])
def test_no_kernel_is_compiled_or_loaded_while_a_move_is_awaited(spec):
    done = subprocess.run([sys.executable, "-c", GAMES, spec], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
