"""``xqlm explore``, ``similar`` and ``import``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lm.cli.console import interruptible, progress, say
from lm.cli.options import ModelOption

if TYPE_CHECKING:
    from lm.library.entries import Entry, Explored, Progress, Score
    from lm.library.library import Library
    from xiangqi import Board

LibraryOption = Annotated[
    Path | None, typer.Option("--library", show_default=False, help="File of the library; that in your data folder.")
]
RESULTS_SHOWN = {"1-0": "1-0", "0-1": "0-1", "1/2-1/2": "½-½", "*": "*"}


def explore(
    fen: Annotated[str | None, typer.Argument(show_default="start position", help="The position.")] = None,
    moves: Annotated[str, typer.Option(help="Moves from there, as 'h2e2 h9g7'.")] = "",
    player: Annotated[str, typer.Option(help="Only games of a player: part of the name.")] = "",
    event: Annotated[str, typer.Option(help="Only games of an event: part of its name.")] = "",
    result: Annotated[str, typer.Option(help="Only games that ended so: 1-0, 0-1, 1/2-1/2 or *.")] = "",
    games: Annotated[int, typer.Option("--games", "-n", min=0, help="How many games to list.")] = 10,
    number: Annotated[
        int | None, typer.Option("--show", show_default=False, help="Print the game of this number, as PGN.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    library: LibraryOption = None,
) -> None:
    """What was played in a position: moves, games and scores, in the shipped games, yours and those you imported."""
    from lm.library.entries import Filter
    from lm.library.library import Library
    from xiangqi import STARTING_FEN, Board
    from xiangqi.words import counted

    board = Board.from_moves(moves, fen or STARTING_FEN)
    where = Filter(player, event, result)
    with Library(library) as opened:
        add_shipped(opened)
        if number is not None:
            print(opened.game(number))
            return
        found, entries = opened.explore_with_games(board, where, games)
        unfiltered = found if found.score.games or as_json else opened.explore(board)
    if as_json:
        print(as_json_text(board, found, entries))
    elif found.score.games:
        print(as_table(board, found, entries))
    elif others := unfiltered.score.games:
        print(f"no game with this position fits the filter; without it, {counted(others, 'game')} would be found")
    else:
        print("no games with this position")


def import_games(
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="Games in any format that can be read.")],
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of their text, such as latin-1. By default it is detected.")
    ] = None,
    library: LibraryOption = None,
) -> None:
    """Add games to the library. An import that was stopped goes on where it was."""
    from lm.library.library import Library
    from xiangqi import FormatError
    from xiangqi.words import counted

    faults: list[FormatError] = []
    with Library(library) as opened, interruptible():
        for file in files:
            faults.clear()
            done = follow(opened.add_file(file, faults.append, encoding), str(file), None)
            for error in faults[:10]:
                say(str(error))
            if len(faults) > 10:
                say(f"{file}: {counted(len(faults) - 10, 'more fault')}")
            print(f"{file}: {counted(done.read, 'game')} read, {done.added} added, {done.known} there before")


def similar(
    fen: Annotated[str | None, typer.Argument(show_default="start position", help="The position.")] = None,
    moves: Annotated[str, typer.Option(help="Moves from there, as 'h2e2 h9g7'.")] = "",
    count: Annotated[int, typer.Option("--games", "-n", min=1, help="How many positions to list.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    model: ModelOption = None,
    library: LibraryOption = None,
) -> None:
    """Positions of the library's games that are similar, as the model sees it, and what was played there."""
    from lm.library.library import Library
    from lm.library.similar import GAMES, Index, expected, foreseen
    from xiangqi import STARTING_FEN, Board

    board = Board.from_moves(moves, fen or STARTING_FEN)
    with Library(library) as opened:
        add_shipped(opened)
        index = Index.open(opened, model)
        if index is None:
            with interruptible(), progress("reading games for similar positions, once", GAMES, at_once=True) as bar:
                for done in Index.build(opened, model):
                    bar[1](done, "")
            index = Index.open(opened, model)
            assert index is not None
        found = index.neighbours(opened, board, max(count, 32))
    shares, score = foreseen(board, found), expected(found)
    if as_json:
        near = [
            asdict(one.entry) | {"likeness": round(one.likeness, 4), "move": one.move.iccs} for one in found[:count]
        ]
        told = {"fen": board.fen(), "red": score, "moves": {move.iccs: share for move, share in shares}, "games": near}
        print(json.dumps(told, ensure_ascii=False, indent=1))
        return
    print(
        f"in {'the most similar position' if len(found) == 1 else f'the {len(found)} most similar positions'}: "
        + ", ".join(f"{board.chinese(move)} {share:.0%}" for move, share in shares[:5])
    )
    if score is not None:
        print(f"Red scored {score:.2f} there")
    for one in found[:count]:
        game = one.entry
        print(
            f"{one.likeness:.2f}  {game.id:>7}  {game.date:<10}  {game.players}  "
            f"{RESULTS_SHOWN[game.result]}  move {(game.ply or 0) // 2 + 1}: {one.move.iccs}  {game.event}"
        )


def add_shipped(library: Library) -> None:
    """Add the shipped games to a library that has not got them."""
    from lm.library.entries import SHIPPED_GAMES

    if not library.has_shipped():
        with interruptible():
            follow(library.add_shipped(), "adding the shipped games, once", SHIPPED_GAMES)


def follow(steps: Iterator[Progress], title: str, total: int | None) -> Progress:
    """Show the progress of an import, and return the last."""
    with progress(title, total, at_once=True) as (_, advance):
        for step in steps:
            advance(step.read, f"{step.known} known" if step.known else "")
    return step


def as_table(board: Board, found: Explored, entries: list[Entry]) -> str:
    """Return a table of moves and one of games. A score is that of the side to move."""
    lines = [f"{'move':<18}{'games':>8}{'score':>8}{'red':>8}{'draw':>7}{'black':>8}{'last':>7}"]
    for played in found.moves:
        name = f"{board.wxf(played.move)}  {board.chinese(played.move)}"  # a Chinese character is two columns wide
        lines.append(f"{name:<14}{shares(played.score, board.turn)}{played.last or '':>7}")
    lines += [f"{'all':<18}{shares(found.score, board.turn)}", ""]
    for game in entries:
        place = f"move {game.ply // 2 + 1}" if game.ply is not None else ""
        lines.append(
            f"{game.id:>7}  {game.date:<10}  {game.players}  {RESULTS_SHOWN[game.result]}  {place}  {game.event}"
        )
    return "\n".join(lines).rstrip()


def shares(score: Score, turn: int) -> str:
    """Return the number of games, the score of the side to move, and how many percent ended how."""
    known = score.games - score.unknown
    expected = score.expected(turn)
    if expected is None:
        return f"{score.games:>8}{'':>31}"
    red, draws, black = (round(100 * count / known) for count in (score.red, score.draws, score.black))
    return f"{score.games:>8}{expected:>8.3f}{red:>7}%{draws:>6}%{black:>7}%"


def as_json_text(board: Board, found: Explored, entries: list[Entry]) -> str:
    """Return all that was found as JSON."""
    moves = [
        {"move": played.move.iccs, "chinese": board.chinese(played.move), "wxf": board.wxf(played.move)}
        | {"score": played.score.expected(board.turn)}
        | asdict(played.score)
        | {"last": played.last}
        for played in found.moves
    ]
    told = {"fen": board.fen()} | asdict(found.score) | {"moves": moves, "games": [asdict(game) for game in entries]}
    return json.dumps(told, ensure_ascii=False, indent=1)
