"""``xqlm leaderboard``: any players on one page, by what they predict, what they solve and how they play."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from lm import UserError
from lm.cli.console import figure, progress
from lm.cli.levels import carry_out, publish, results_beside
from lm.cli.options import (
    CoresOption,
    FolderOption,
    GamesOption,
    HoursOption,
    PageOption,
    ParallelOption,
    PuzzlesOption,
)
from lm.players.levels import ENGINE

if TYPE_CHECKING:
    from lm.matches.rating_page import Rated
    from lm.matches.results_file import Entrant, ResultsFile
    from lm.measure.answers import Card, Question

ANCHOR: Final = "Fairy-Stockfish depth 1"
"""The player whose Elo is 0, if it is on the page."""
PLAYERS: Final = (
    "random:seed=1,name=random",
    "rung char",
    "level:1,name=level 1",
    "greedy:seed=1,name=greedy",
    "rung blind",
    "rung board",
    "rung threats",
    f"uci:{ENGINE},depth=1,name={ANCHOR}",
    f"uci:{ENGINE},depth=3,name=Fairy-Stockfish depth 3",
    "level:5,name=level 5",
    "rung full",
    "lm:temperature=0,seed=1,name=policy alone",
    f"uci:{ENGINE},depth=5,name=Fairy-Stockfish depth 5",
    f"uci:{ENGINE},depth=8,name=Fairy-Stockfish depth 8",
    f"uci:{ENGINE},depth=10,name=Fairy-Stockfish depth 10",
    "level:10,name=level 10",
)
"""Players of the page, weak ones first. Rungs are there if `LADDER` has them."""
LADDER: Final = Path("runs/ladder")
NEXT: Final = 2
"""Each player meets so many of the next ones."""

PositionsOption = Annotated[int, typer.Option(min=1, help="Positions of held-out games to ask for.")]


def leaderboard(
    players: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SPECS",
            show_default=False,
            help="Weak ones first; three levels, an engine at five depths, controls, and the rungs in runs/ladder.",
        ),
    ] = None,
    games: GamesOption = 40,
    positions: PositionsOption = 2000,
    puzzles: PuzzlesOption = None,
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", show_default=False, help=f"The player whose Elo is 0; {ANCHOR}, or else the first one."
        ),
    ] = None,
    out: FolderOption = Path("runs/leaderboard"),
    table: PageOption = Path("docs/leaderboard.md"),
    hours: HoursOption = None,
    parallel: ParallelOption = None,
    cores: CoresOption = None,
) -> None:
    """Measure players of any kind and let them meet: one page; resumed by the same command."""
    from lm.matches import meetings
    from lm.matches.arena import load_openings
    from lm.matches.marks import marked, version_of
    from lm.matches.rating_page import Rated
    from lm.matches.results_file import Entrant
    from lm.players.specs import Spec

    specs = [Spec.parse(text) for text in players or usual_players()]
    names = [spec.name for spec in specs]
    if len(specs) < 2 or len(set(names)) < len(names):
        raise UserError("a page takes two players at least, with names of their own (name=…)")
    if (anchor := anchor or (ANCHOR if ANCHOR in names else names[0])) not in names:
        raise UserError(f"no player {anchor!r} (players: {'; '.join(names)})")
    with results_beside(table, out) as known:
        openings = load_openings()
        entrants = [Entrant(marked(spec.name, spec, version_of(spec))) for spec in specs]
        pairs = [(a, b) for i, a in enumerate(entrants) for b in entrants[i + 1 : i + 1 + NEXT]]
        planned = [meetings.Meeting(a, b, games) for a, b in pairs]
        asked, solved = held_out(positions), puzzle_questions(puzzles)
        mark = mark_of(asked, solved)

        def finish() -> None:
            rated = Rated(entrants, planned, known, openings, entrants[names.index(anchor)])
            cards = [card_of(entrant, mark, known) for entrant in entrants]
            keep(cards, rated, mark, known)
            publish(page(rated, cards), table)

        def work() -> None:
            for entrant in entrants:
                ask(entrant, asked, solved, mark, known)
            meetings.play(planned, known, out, openings, progress, parallel=parallel, cores=cores)

        carry_out(work, finish, hours)


def usual_players() -> list[str]:
    """Return the specs of the usual players, with the rungs of the ladder that have been trained."""
    found = []
    for text in PLAYERS:
        spec, _, rung = text.partition("rung ")
        model = LADDER / rung / "model"
        if spec:
            found.append(text)
        elif (model / "metrics.json").exists():  # which a run writes last
            found.append(f"lm:model={model},temperature=0,symmetries=1,seed=1,name={text}")
    return found


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


def mark_of(questions: Sequence[Question], puzzles: Sequence[Question]) -> str:
    """Return a hash of what players are asked."""
    lines = [f"{question.board.fen()} {question.answer.iccs}" for question in (*questions, *puzzles)]
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=4).hexdigest()


def ask(
    entrant: Entrant, questions: Sequence[Question], puzzles: Sequence[Question], mark: str, known: ResultsFile
) -> None:
    """Ask a player what it has not been asked, and write its figures into the file of results."""
    from lm.measure.answers import measure

    if card_of(entrant, mark, known) is not None:
        return
    with progress(f"asking {entrant.called}", len(questions) + len(puzzles)) as (_, advance):
        player = entrant.spec.open()
        try:
            card = measure(player, questions, puzzles, lambda done: advance(done, ""))
        finally:
            player.close()
    told = entrant.as_dict()
    known.players.append({"name": told["name"], "asked": mark, **asdict(replace(card, player=told["spec"]))})
    known.write()


def card_of(entrant: Entrant, mark: str, known: ResultsFile) -> Card | None:
    """Return the figures of a player, if it has been asked these questions. Raises ``UserError`` for damaged ones."""
    from lm.measure.answers import SCHEMA, Card

    for found in known.players:
        figures = dict(found)
        if (figures.pop("name", None), figures.pop("asked", None)) == (entrant.spec.name, mark):
            try:
                card = Card(**figures)
            except TypeError as error:
                raise UserError(f"{known.path}: figures of {entrant.called} cannot be read: {error}") from None
            if card.schema == SCHEMA:
                return card
    return None


def keep(cards: Sequence[Card | None], rated: Rated, mark: str, known: ResultsFile) -> None:
    """Write the figures of the players of a page, with their ratings, into the file of results."""
    known.players = []
    for entrant, card in zip(rated.entrants, cards, strict=True):
        if card is not None:
            name = entrant.spec.name
            if rated.ratings is not None and name in rated.ratings:
                bounds = {"elo": [round(bound, 1) for bound in rated.ratings.interval(name)]}
                card = replace(card, elo=round(rated.ratings[name], 1), interval=card.interval | bounds)
            known.players.append({"name": name, "asked": mark, **asdict(card)})
    known.write()


def page(rated: Rated, cards: Sequence[Card | None]) -> str:
    """Return the page in Markdown, from the figures of the players as far as they have been asked."""
    from lm.matches.marks import nameless
    from lm.matches.rating_page import paragraph
    from xiangqi.words import counted

    found = [card for card in cards if card is not None]
    asked = "Nobody has been asked yet."
    if found:
        puzzles = f" and {counted(found[0].puzzles, 'puzzle')}" if found[0].puzzles else ""
        asked = (
            f"Asked: {counted(found[0].positions, 'position')} of {counted(found[0].games, 'held-out game')} between "
            f"people{puzzles}, with 95% intervals over games and puzzles."
        )
    if len(found) < len(cards):
        asked += f" Still to be asked: {counted(len(cards) - len(found), 'player')}."
    lines = [
        "# Leaderboard",
        "",
        paragraph(
            f"{asked} Each player met the next {NEXT} in the order of the command. {rated.about} `xqlm leaderboard` "
            "makes this page, goes on from the figures in JSON beside it, and writes both."
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
    by_name = dict(zip((entrant.spec.name for entrant in rated.entrants), cards, strict=True))
    for player in rated.ranked:
        card = by_name[player.spec.name]
        shown = [_figure(card, key) for key in ("top1", "nll", "legal", "solved")]
        lines.append(f"| {player.called} | `{nameless(player.spec)}` | {rated.elo(player)} | {' | '.join(shown)} |")
    return "\n".join([*lines, *rated.matches, *rated.notes]) + "\n"


def _figure(card: Card | None, key: str) -> str:
    value: float | None = getattr(card, key, None)
    if card is None or value is None:
        return ""
    low, high = card.interval[key]
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


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
            print(figure(name, value, card.interval[name]))
