"""The rulings beside a second, plain version of them and beside pyffish, over generated cycles."""

import importlib.util
import itertools
import random
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyffish")

from xiangqi import Board, Move, chase

ROOT = Path(__file__).parents[2]


def load():
    spec = importlib.util.spec_from_file_location("rulings_comparison", ROOT / "benchmarks" / "rulings.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


comparison = load()


@pytest.fixture(scope="module")
def sample():
    return list(itertools.islice(comparison.cycles(seed=20200111), 1000))


class TestSecondVersion:
    def test_same_chases_in_every_position(self):
        rng = random.Random(5)
        seen = 0
        for i in range(400):
            board = (comparison.played_position if i % 4 == 0 else comparison.invented_position)(rng)
            cells = board.cells.copy()
            pieces = board.piece_map()
            found = {(a, b) for a in pieces for b in pieces if chase.chase(cells, a, b) != chase.NO_CHASE}
            expected = comparison._chases(board, 0, frozenset()) | comparison._chases(board, 1, frozenset())
            assert found == expected, board.fen()
            seen += len(found)
        assert seen > 200

    @pytest.mark.parametrize("rules", comparison.SWITCHES)
    def test_same_verdicts(self, sample, rules):
        for cycle in sample:
            assert cycle.board().outcome(rules).winner == comparison.switched_winner(cycle, rules), cycle

    @pytest.mark.parametrize("rules", comparison.SWITCHES)
    def test_same_verdicts_upside_down_and_mirrored(self, sample, rules):
        for cycle in sample[:300]:
            outcome = cycle.board().outcome(rules)
            for turn in (Board.rotate, Board.mirror):
                board = turn(Board(cycle.fen))
                for move in cycle.moves:
                    board.push(getattr(move, turn.__name__)())
                turned = board.outcome(rules)
                swapped = turn is Board.rotate and outcome.winner is not None
                assert turned.reason == outcome.reason
                assert turned.winner == (1 - outcome.winner if swapped else outcome.winner)


class TestPyffish:
    def test_perpetual_checks_are_judged_alike(self, sample):
        checking = [cycle for cycle in sample if "check" in cycle.board().outcome("check_only").reason]
        assert len(checking) > 5
        for cycle in checking:
            assert cycle.board().outcome().winner == comparison.pyffish_winner(cycle)

    @pytest.mark.parametrize(("rules", "share"), [("computer", 0.6), ("asian", 0.75)])
    def test_every_difference_has_a_name(self, sample, rules, share):
        result = comparison.compare(sample, rules)
        assert result.decisive > 20
        assert result.agreed > share * result.decisive
        assert () not in result.classes

    @pytest.mark.slow
    def test_the_documented_comparison(self):
        text = (ROOT / "docs" / "rulings.md").read_text(encoding="utf-8")
        sample = [*itertools.islice(comparison.cycles(seed=1), 10_000)]
        found = {rules: comparison.compare(sample, rules) for rules in comparison.SWITCHES}
        for rules, result in found.items():
            assert f"| `{rules}` | {result.decisive} | {result.agreed} |" in text
        for names in {names for result in found.values() for names in result.classes}:
            counts = (len(result.classes.get(names, ())) or "" for result in found.values())
            assert f"| {' + '.join(names)} | {' | '.join(map(str, counts))} |".replace("  ", " ") in text


class TestDocumentation:
    """The verdicts on the positions of docs/rulings.md are those of the page."""

    EXAMPLE = re.compile(
        r"^    (\S+ [wb]) moves (.+)\n    computer (\S+) \((.+)\), asian (\S+) \((.+)\), pyffish (\S+)$", re.MULTILINE
    )

    def examples(self, text=None):
        """Yield each cycle, the verdicts of the rule sets as results and reasons, and the result by pyffish."""
        found = self.EXAMPLE.findall(text or (ROOT / "docs" / "rulings.md").read_text(encoding="utf-8"))
        for fen, moves, computer, why, asian, why_asian, theirs in found:
            cycle = comparison.Cycle(fen, tuple(Move.from_iccs(move) for move in moves.split()))
            yield cycle, {"computer": (computer, why), "asian": (asian, why_asian)}, theirs

    def test_verdicts(self):
        examples = list(self.examples())
        assert len(examples) >= len(comparison.COMPUTER | comparison.ASIAN)
        for cycle, verdicts, theirs in examples:
            for rules, verdict in verdicts.items():
                outcome = cycle.board().outcome(rules)
                assert (outcome.result, outcome.reason) == verdict, cycle.fen
            winner = comparison.pyffish_winner(cycle)
            assert theirs == ("1/2-1/2" if winner is None else ("1-0", "0-1")[winner]), cycle.fen

    def test_each_class_has_a_position_that_needs_it(self):
        text = (ROOT / "docs" / "rulings.md").read_text(encoding="utf-8")
        for rules, switches in comparison.SWITCHES.items():
            for name in switches:
                section = text.split(f"### {name.capitalize()}\n")[1].split("\n#")[0]
                cycle, _, _ = next(self.examples(section))
                assert name in comparison.explain(cycle, rules), (rules, name)
