"""``xqlm leaderboard``: any players on one page, by what they predict, what they solve and how they play."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from lm import UserError
from lm.cli.console import interruptible, progress, write
from lm.cli.levels import FolderOption, publish
from lm.cli.options import CoresOption, GamesOption, ParallelOption, PuzzlesOption

if TYPE_CHECKING:
    from lm.matches.ratings import Ratings
    from lm.measure.answers import Card, Question
    from lm.players.specs import Spec

ENGINE: Final = "uci:fairy-stockfish,UCI_Variant=xiangqi"
PLAYERS: Final = (
    "random:seed=1,name=random",
    "greedy:seed=1,name=greedy",
    f"{ENGINE},depth=1,name=Fairy-Stockfish depth 1",
    "lm:temperature=0,seed=1,name=policy alone",
    f"{ENGINE},depth=3,name=Fairy-Stockfish depth 3",
    f"{ENGINE},depth=5,name=Fairy-Stockfish depth 5",
    "level:Best,name=level Best",
    f"{ENGINE},depth=8,name=Fairy-Stockfish depth 8",
)
"""Players of the page, weak ones first."""
NEXT: Final = 2
"""Each player meets so many of the next ones."""
MAX_PLIES: Final = 300

PositionsOption = Annotated[int, typer.Option(min=1, help="Positions of held-out games to ask for.")]


def leaderboard(
    players: Annotated[
        list[str] | None,
        typer.Argument(metavar="SPECS", show_default=False, help="Weak ones first; ours and an engine at some depths."),
    ] = None,
    games: GamesOption = 40,
    positions: PositionsOption = 2000,
    puzzles: PuzzlesOption = None,
    anchor: Annotated[
        str | None, typer.Option(metavar="NAME", show_default=False, help="The player whose Elo is 0; the first one.")
    ] = None,
    out: FolderOption = Path("runs/leaderboard"),
    table: Annotated[
        Path, typer.Option(help="Markdown file for the page; the same figures go into JSON beside it.")
    ] = Path("docs/leaderboard.md"),
    parallel: ParallelOption = None,
    cores: CoresOption = None,
) -> None:
    """Measure players of any kind and let them meet: one page; resumed by the same command."""
    from lm import cpu_model
    from lm.matches import meetings
    from lm.matches.arena import load_openings
    from lm.matches.ratings import rate
    from lm.players.specs import Spec

    specs = [Spec.parse(text) for text in players or PLAYERS]
    names = [spec.name for spec in specs]
    if len(specs) < 2 or len(set(names)) < len(names):
        raise UserError("a page takes two players at least, with names of their own (name=…)")
    if (anchor := anchor or names[0]) not in names:
        raise UserError(f"no player {anchor!r} (players: {'; '.join(names)})")
    out.mkdir(parents=True, exist_ok=True)
    with interruptible():
        asked, solved = held_out(positions), puzzle_questions(puzzles)
        cards = [card_of(spec, asked, solved, out) for spec in specs]
        matches = [meetings.Meeting(a, b, games) for i, a in enumerate(specs) for b in specs[i + 1 : i + 1 + NEXT]]
        results = meetings.play(
            matches, out, load_openings(), progress, max_plies=MAX_PLIES, parallel=parallel, cores=cores
        )
    ratings = rate(results, anchor)
    rated = [with_elo(card, ratings, spec.name) for card, spec in zip(cards, specs, strict=True)]
    write(table.with_suffix(".json"), json.dumps([asdict(card) for card in rated], indent=1) + "\n")
    publish(page(rated, specs, ratings, anchor, sum(result.games for result in results), cpu_model()), table)


def held_out(positions: int) -> list[Question]:
    """Return positions of the shipped games between people that the shipped model has not learnt from."""
    from lm.cli.shipped import open_shard, shipped_games
    from lm.measure.answers import questions_of
    from lm.measure.held_out import records_of

    records = records_of(open_shard(shipped_games(), Path("cache")), "test")
    return questions_of([record for record in records if record.tier != "engine"], positions)


def puzzle_questions(path: Path | None) -> list[Question]:
    """Return the first moves of the puzzles of a file, those of one position in one group; none without a file."""
    from lm.cli.shipped import read_puzzles
    from lm.measure.answers import Question
    from xiangqi import MOVES, Board

    found, groups = [], dict[str, int]()
    for puzzle in read_puzzles(path):
        group = groups.setdefault(puzzle.fen, len(groups))
        found.append(Question(Board(puzzle.fen), MOVES[int(puzzle.game.moves[0])], group))
    return found


def card_of(spec: Spec, questions: Sequence[Question], puzzles: Sequence[Question], folder: Path) -> Card:
    """Return the figures of a player, from the folder if they are there for as many questions."""
    from lm.measure.answers import SCHEMA, Card, measure

    kept = folder / f"{''.join(c if c.isalnum() or c in ' -.=' else '_' for c in spec.name)[:120]}.json"
    solutions = len({puzzle.group for puzzle in puzzles})
    if kept.exists():
        card = Card(**json.loads(kept.read_text(encoding="utf-8")))
        if (card.schema, card.player, card.positions, card.puzzles) == (SCHEMA, str(spec), len(questions), solutions):
            return card
    with progress(f"asking {spec.name}", len(questions) + len(puzzles)) as (_, advance):
        player = spec.open()
        try:
            card = measure(player, questions, puzzles, lambda done: advance(done, ""))
        finally:
            player.close()
    card = replace(card, player=str(spec))
    write(kept, json.dumps(asdict(card)) + "\n")
    return card


def with_elo(card: Card, ratings: Ratings, name: str) -> Card:
    """Return figures with a rating."""
    bounds = {"elo": [round(bound, 1) for bound in ratings.interval(name)]}
    return replace(card, elo=round(ratings[name], 1), interval=card.interval | bounds)


def page(cards: Sequence[Card], specs: Sequence[Spec], ratings: Ratings, anchor: str, games: int, machine: str) -> str:
    """Return the page in Markdown."""
    from lm.matches.level_ratings import paragraph
    from xiangqi.words import counted

    first = cards[0]
    lines = [
        "# Leaderboard",
        "",
        paragraph(
            f"{counted(first.positions, 'position')} of {counted(first.games, 'held-out game')} between people"
            f"{', ' + counted(first.puzzles, 'puzzle') if first.puzzles else ''}, and {counted(games, 'game')}: "
            "each player met the next "
            f"{NEXT} in the order of the command, in pairs of games with the same opening and colours exchanged; a "
            f"game is drawn at ply {MAX_PLIES}. Elo by one Bradley-Terry fit, with {anchor} as 0. 95% intervals over "
            f"games, puzzles and pairs of games. Machine: {machine}. `xqlm leaderboard` makes this page and the same "
            "figures as JSON."
        ),
        "",
        paragraph(
            "*Top-1*: the answer is the move that was played. *NLL*: of the move played, in nats, for players with "
            "probabilities. *Legal*: for a model that knows no rules, the probability that it gives legal moves before "
            "the mask; for an engine, how often its move is legal. *Puzzles*: the answer is the first move of the "
            "solution."
        ),
        "",
        "| player | spec | Elo | top-1 | NLL | legal | puzzles |",
        "|---|---|---|---|---|---|---|",
    ]
    by_name = {spec.name: (card, spec) for card, spec in zip(cards, specs, strict=True)}
    for name in ratings:
        card, spec = by_name[name]
        elo = "0" if name == anchor else _figure(card.elo, card.interval.get("elo"), 0)
        shown = [_figure(getattr(card, key), card.interval.get(key), 3) for key in ("top1", "nll", "legal", "solved")]
        options = tuple((key, value) for key, value in spec.options if key != "name")
        lines.append(f"| {name} | `{replace(spec, options=options)}` | {elo} | {' | '.join(shown)} |")
    if ratings.infinite:
        lines += ["", "Some scored all or nothing: each two that met count as having drawn one game more."]
    return "\n".join(lines) + "\n"


def _figure(value: float | None, bounds: Sequence[float] | None, digits: int) -> str:
    if value is None:
        return ""
    text = f"{value:.{digits}f}"
    return text if bounds is None else f"{text} ({bounds[0]:.{digits}f} to {bounds[1]:.{digits}f})"


def evaluate_player(text: str, positions: int, solutions: Sequence[Question], as_json: bool) -> None:
    """Measure the player of a spec and print its figures: ``xqlm evaluate --player``."""
    from lm.measure.answers import measure
    from lm.players.specs import Spec
    from xiangqi.words import counted

    spec = Spec.parse(text)
    questions = held_out(positions)
    with progress(f"asking {spec.name}", len(questions) + len(solutions)) as (_, advance):
        player = spec.open()
        try:
            card = measure(player, questions, solutions, lambda done: advance(done, ""))
        finally:
            player.close()
    card = replace(card, player=str(spec))
    if as_json:
        print(json.dumps(asdict(card)))
        return
    sizes = counted(card.games, "game"), counted(card.positions, "position"), counted(card.puzzles, "puzzle")
    print(f"{card.player}: {', '.join(sizes)}")
    for name in ("top1", "nll", "legal", "solved"):
        if (value := getattr(card, name)) is not None:
            low, high = card.interval[name]
            print(f"{name:20} {value:.4f}  ({low:.4f} to {high:.4f})")
