"""What a new game begins with: who plays, from which position, with which clocks."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import unicodedata
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from gui.editor import HANDICAPS, Editor
from gui.engines import engines
from gui.names import ELO_OF_2020, OF_2020, level_name
from gui.processes.probing import PROTOCOLS
from gui.settings import Settings
from gui.strings import say
from lm import UserError, install_command
from lm.matches.clocks import NO_CLOCKS, Clocks, TimeControl
from lm.players.char_process import PACKAGES
from lm.players.levels import LEVELS
from lm.players.specs import Spec
from xiangqi import STARTING_FEN, Board

CLOCKS: Final = ("", "3+2", "10+5", "30b30")
"""The clocks that are offered, in minutes, seconds a move, and seconds of byoyomi."""


@dataclass(frozen=True)
class Setup:
    """A new game. ``players`` are Red's and Black's, ``None`` for a person."""

    players: tuple[Spec | None, Spec | None]
    fen: str = STARTING_FEN
    clocks: Clocks = NO_CLOCKS


@dataclass(frozen=True)
class Candidate:
    """Who may take a seat."""

    label: str
    detail: str = ""
    spec: Spec | None = None
    """``None`` for a person."""
    added: bool = False
    """Whether it is an engine that was added, and may be removed."""
    about: str = ""
    """What is said of it where it is chosen."""
    lacks: str = ""
    """What has to be installed before it can play, in one line; empty if nothing has."""


def candidates(settings: Settings) -> list[Candidate]:
    """Return who may take a seat: a person, the levels with their strength, the system of 2020, the engines added."""
    found = [Candidate(say("new.person"))]
    found += [
        Candidate(level_name(level), f"{level.elo:+d}" if level.elo else "0", Spec("level", level.name))
        for level in LEVELS
    ]
    oldest = say("player.of_2020")
    found.append(Candidate(oldest, f"{ELO_OF_2020:+d}", OF_2020, about=say("new.of_2020"), lacks=_lacks()))
    for name, text in engines(settings):
        try:
            spec = Spec.parse(text)
            if spec.kind in PROTOCOLS:
                found.append(Candidate(name, say("new.engine"), spec, added=True, lacks=_lacks_program(spec)))
        except UserError:  # the settings were edited
            continue
    return found


def _lacks() -> str:
    """Return what is to be installed for the system of 2020: it needs torch, which playing does without."""
    missing = next((package for package in PACKAGES if find_spec(package) is None), None)
    return "" if missing is None else say("new.lacks", package=missing, command=install_command("torch"))


def _lacks_program(spec: Spec) -> str:
    """Return that an engine's program is not there; empty if it is."""
    with contextlib.suppress(ValueError):
        words = shlex.split(dict(spec.options).get("cmd", ""))
        if words and shutil.which(words[0]) is None:
            return say("engine.no_program", name=words[0])
    return ""


def known_player(settings: Settings, text: str) -> Spec | None:
    """Return the level, the system of 2020 or the added engine that a kept game names; ``None`` for any other.

    An engine is a program that runs with the person's rights, so a file may not name one that the person did not add.
    """
    return next((each.spec for each in candidates(settings) if each.spec is not None and str(each.spec) == text), None)


def parse_clocks(red: str, black: str = "") -> Clocks:
    """Read Red's and Black's clock in minutes: ``10+5`` gains 5 seconds a move, ``10b30`` has byoyomi of 30.

    ``0:20`` are 20 seconds, ``1:30:00`` an hour and a half. Black's clock is the same if it is empty; ``-`` is none.
    Spaces, capitals and the wide characters of input methods do not matter. Raises ``UserError``.

    >>> parse_clocks("10+5").headers, parse_clocks("1b30").red.byoyomi, bool(parse_clocks(""))
    ({'TimeControl': '600+5'}, 30.0, False)
    >>> str(parse_clocks("10", "5+3")), str(parse_clocks("", "5")), str(parse_clocks("5", "-"))
    ('600,300+3', '-,300', '300,-')
    >>> str(parse_clocks("0:20", "1：30：00 ＋ 5"))
    '20,5400+5'
    """
    return Clocks(_control(red), _control(black if black.strip() else red))


def _control(text: str) -> TimeControl | None:
    plain = "".join(unicodedata.normalize("NFKC", text).lower().split())
    if plain in ("", "-"):
        return None
    try:
        return TimeControl.parse(plain, unit=60)
    except UserError:  # whose text tells of seconds
        raise UserError(say("new.no_clock", text=text)) from None


def starts(shown: Board, start: str) -> list[tuple[str, str]]:
    """Return the positions to start from, names and FENs.

    They are the full board, the position shown if it can be played, the handicaps, and before these the start of the
    game if it is another one.
    """
    found = [(say("new.full"), STARTING_FEN)]
    if shown.is_valid() and shown.legal_moves and shown.fen() != STARTING_FEN:
        found.append((say("new.shown"), shown.fen()))
    handicaps = []
    for name in HANDICAPS:
        editor = Editor(Board())
        editor.give(name)
        handicaps.append((say(f"handicap.{name}"), editor.board.fen()))
    if start not in [fen for _, fen in found + handicaps]:
        found.append((say("new.same"), start))
    return found + handicaps
