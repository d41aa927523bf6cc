"""A review of a game as text and as a web page."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Final

from lm.study.review import MISTAKE, Judged, Review
from xiangqi import BLACK, RED, Color, save, svg
from xiangqi.formats.streams import open_replacing
from xiangqi.lines import Notation, move_text
from xiangqi.words import counted

BARS: Final = "▁▂▃▄▅▆▇█"
SHOWN_PLIES: Final = 6
CURVE: Final = 900, 160
"""Width and height of the curve on a page."""
STYLE: Final = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 920px; margin: 2em auto; padding: 0 1em; color: #222 }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
figure { display: grid; grid-template-columns: 300px 1fr; gap: 1.2em; margin: 1em 0; align-items: center }
figure.curve { display: block } figure svg { max-width: 100%; height: auto }
@media (max-width: 640px) { figure { grid-template-columns: 1fr } }
"""


def write_review(reviewed: Review, path: Path, worst: int, notation: Notation) -> None:
    """Write a review: as a page (``.html``), as text (``.txt``), or as the game with marks, scores and better moves.

    Raises ``FormatError`` for a suffix of no format, and ``OSError``.
    """
    made = {".html": as_html, ".htm": as_html, ".txt": as_text}.get(path.suffix.lower())
    if made is None:
        save(reviewed.annotated(), path)
        return
    with open_replacing(path) as file:
        file.write(f"{made(reviewed, worst, notation)}\n".encode())


def as_text(reviewed: Review, worst: int, notation: Notation) -> str:
    """Return a review as text."""
    lines = [title_of(reviewed), "", *summary(reviewed)]
    lines += ["", "Red's expected score, from 0 to 1, by move:", curve(reviewed)]
    if turning := reviewed.turning_points():
        lines += ["", "Turning points:"]
        lines += [f"  {describe(reviewed, judged, notation)}" for judged in turning]
    for color in (RED, BLACK):
        if found := reviewed.worst(color, worst):
            lines += ["", f"Worst moves of {player_name(reviewed, color)}:"]
            for judged in found:
                lines += [
                    f"  {describe(reviewed, judged, notation)}",
                    *(f"    {line}" for line in advice(reviewed, judged, notation)),
                ]
    return "\n".join(lines)


def as_html(reviewed: Review, worst: int, notation: Notation) -> str:
    """Return a review as a page that needs no other file, with a board for each of the worst moves of each side."""
    title = escape(title_of(reviewed))
    parts = [
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>',
        f"<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>",
        *(f"<p>{escape(line)}</p>" for line in summary(reviewed)),
        "<h2>Red's expected score</h2>",
        f'<figure class="curve">{_curve(reviewed)}</figure>',
    ]
    for color in (RED, BLACK):
        found = sorted(reviewed.worst(color, worst), key=lambda judged: judged.ply)
        if found:
            parts.append(f"<h2>Worst moves of {escape(player_name(reviewed, color))}</h2>")
            parts += [_figure(reviewed, judged, notation) for judged in found]
    return "\n".join([*parts, "</body>\n</html>"])


def _figure(reviewed: Review, judged: Judged, notation: Notation) -> str:
    """Return the board before a move, with that move in red and the better one in green, and what is said of it."""
    arrows = [svg.Arrow(judged.move, "red", 0.7)]
    if judged.before.line:
        arrows.append(svg.Arrow(judged.before.line[0]))
    picture = svg.board(reviewed.board_at(judged.before.ply), arrows=arrows, orientation=judged.color, size=300)
    texts = [f"<strong>{escape(describe(reviewed, judged, notation))}</strong>"]
    texts += [escape(line) for line in advice(reviewed, judged, notation)]
    return f"<figure>{picture}<figcaption>{'<br/>'.join(texts)}</figcaption></figure>"


def _curve(reviewed: Review) -> str:
    """Return the score over the game as a drawing, with a dot at each mistake."""
    width, height = CURVE
    step = width / max(1, len(reviewed.points) - 1)

    def at(ply: int) -> str:
        return f"{ply * step:.1f},{height * (1 - reviewed.points[ply].value):.1f}"

    line = " ".join(at(ply) for ply in range(len(reviewed.points)))
    dots = []
    for judged in reviewed.judged:
        if judged.lost >= MISTAKE:
            x, y = at(judged.ply).split(",")
            said = escape(describe(reviewed, judged, "iccs"))
            dots.append(f'<circle cx="{x}" cy="{y}" r="5" fill="#c0392b"><title>{said}</title></circle>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -6 {width} {height + 12}" role="img">'
        f'<rect width="{width}" height="{height}" fill="#3d3733"/>'
        f'<polygon points="0,{height} {line} {width},{height}" fill="#e8dcc8"/>'
        f'<path d="M0 {height / 2}H{width}" stroke="#8a7f74" stroke-dasharray="4"/>{"".join(dots)}</svg>'
    )


def title_of(reviewed: Review) -> str:
    """Return who played, with the result and the event if it is known."""
    red, black = (player_name(reviewed, color) for color in (RED, BLACK))
    title, event = f"{red} - {black}, {reviewed.game.result}", reviewed.game.headers.get("Event", "?")
    return title if event in ("", "?") else f"{title}, {event}"


def player_name(reviewed: Review, color: Color) -> str:
    """Return the name of a player, or the side where it is not known."""
    side = ("Red", "Black")[color]
    return reviewed.game.headers.get(side) or side


def summary(reviewed: Review) -> list[str]:
    """Return the accuracy of each side and how many mistakes it made, a line each."""
    lines = []
    for color in (RED, BLACK):
        accuracy = reviewed.accuracy(color)
        if accuracy is not None:
            counts = ", ".join(counted(count, name) for name, count in reviewed.counts(color).items())
            lines.append(f"{('Red', 'Black')[color]}: accuracy {accuracy:.0f}%, {counts}")
    return lines


def curve(reviewed: Review, width: int = 80) -> str:
    """Return the score over the game as bars, at most so many."""
    values = [point.value for point in reviewed.points]
    step = -(-len(values) // width)
    return "".join(BARS[min(int(value * len(BARS)), len(BARS) - 1)] for value in values[::step])


def describe(reviewed: Review, judged: Judged, notation: Notation) -> str:
    """Return a move, its mark, and what the mover could expect before and after it."""
    board = reviewed.board_at(judged.before.ply)
    marks = {"blunder": "??", "mistake": "?", "inaccuracy": "?!"}
    before, after = (point.value_for(judged.color) for point in (judged.before, judged.after))
    dots = "..." if judged.color else "."
    text = move_text(board, judged.move, notation)
    return f"{judged.before.ply // 2 + 1}{dots} {text}{marks.get(judged.verdict, '')}  {before:.2f} → {after:.2f}"


def advice(reviewed: Review, judged: Judged, notation: Notation) -> list[str]:
    """Return what was better, and what people play."""
    board = reviewed.board_at(judged.before.ply)
    found = [f"better: {board.line_text(judged.before.line[:SHOWN_PLIES], notation)}"]
    if judged.before.popular:
        shares = [f"{move_text(board, move, notation)} {share:.0%}" for move, share in judged.before.popular]
        own = judged.before.played_share
        found.append(f"people: {', '.join(shares)}" + ("" if own is None else f"; the move played {own:.0%}"))
    return found
