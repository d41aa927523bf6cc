"""Options of the engine: what a board is told of them, the values that it sets, and the player that follows from them.

The handshake needs this module before anything else is loaded, so that it imports nothing that takes time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from lm import UserError, processors
from lm.players.levels import DEFAULT_LEVEL, LEVELS, Level, find_level

if TYPE_CHECKING:
    from lm.players.specs import Spec
    from xiangqi.engine import Option

PROTOCOLS: Final = ("uci", "ucci")
"""The two that the engine speaks, by the first word of the board."""

FULL: Final = "Full"
"""The level that thinks for as long as the board allows."""

EMPTY: Final = "<empty>"
"""What stands for a text without a character."""

_DECLARED: Final = {
    "Level": (
        "combo",
        DEFAULT_LEVEL.name,
        " ".join(f"var {name}" for name in (*(level.name for level in LEVELS), FULL)),
    ),
    "UCI_LimitStrength": ("check", "false", ""),
    "UCI_Elo": ("spin", f"{DEFAULT_LEVEL.elo}", f"min {LEVELS[0].elo} max {LEVELS[-1].elo}"),
    "Nodes": ("spin", "0", "min 0 max 1000000"),
    "Voice": ("combo", "human", "var human var engine"),
    "Temperature": ("string", EMPTY, ""),
    "MultiPV": ("spin", "1", "min 1 max 128"),
    "Threads": ("spin", "1", f"min 1 max {processors()}"),
    "Hash": ("spin", "256", "min 16 max 65536"),
    "Ponder": ("check", "false", ""),
    "Model": ("string", EMPTY, ""),
    "RuleSet": ("combo", "computer", "var computer var asian var check_only var none"),
    "UCI_ShowWDL": ("check", "false", ""),
    "UCI_Variant": ("combo", "xiangqi", "var xiangqi"),
}
"""The options by name: type, default and the values that are possible."""

_DECLARED_IN_UCCI: Final = {
    "usemillisec": ("check", "false", ""),
    "batch": ("check", "false", ""),
    "newgame": ("button", "", ""),
}

NODE: Final = 13
"""Kilobytes of memory that a position in the tree of a search takes."""

_OF_PLAYER: Final[dict[str, tuple[str, Callable[[str], str]]]] = {
    "Voice": ("voice", str),
    "Temperature": ("temperature", str),
    "Model": ("model", str),
    "RuleSet": ("rules", str),
    "Threads": ("threads", str),
    "Hash": ("size", lambda megabytes: str(int(megabytes) * 1024 // NODE)),
}
"""Options that are handed on to a player that takes them: the name in its spec, and the value there."""
_ASKED_FOR: Final = ("Voice", "Temperature", "Model")
"""Those that no board sets by itself; whoever does is told if the player does not take them."""


_OF_LEVELS: Final = ("Level", "UCI_LimitStrength", "UCI_Elo", "Nodes")
"""Options that choose who plays, where no player is given."""


def greeting(protocol: str, version: str, player: str | None = None) -> Iterator[str]:
    """Yield the lines that answer ``uci`` or ``ucci``; ``player`` is a spec that plays instead of the level.

    >>> next(greeting("uci", "xqlm 1.0"))
    'id name xqlm 1.0'
    """
    yield f"id name {version}"
    yield "id author the xqlm authors"
    for name in _declared(protocol, player):
        yield f"option {'name ' if protocol == 'uci' else ''}{name} {_declaration(name, protocol)}"
    yield f"{protocol}ok"


def _declared(protocol: str, player: str | None = None) -> dict[str, tuple[str, str, str]]:
    declared = _DECLARED if protocol == "uci" else _DECLARED | _DECLARED_IN_UCCI
    return {name: told for name, told in declared.items() if player is None or name not in _OF_LEVELS}


def _declaration(name: str, protocol: str) -> str:
    """Return what follows the name of an option. In UCI the default stands before the values, in UCCI after them."""
    kind, default, values = _declared(protocol)[name]
    default = f"default {default}" if default else ""
    words = (default, values) if protocol == "uci" else (values, default)
    return " ".join(filter(None, (f"type {kind}", *words)))


def level_of_elo(elo: int) -> Level:
    """Return the level whose strength is nearest to an Elo.

    >>> level_of_elo(2000).name
    'Best'
    """
    return min(LEVELS, key=lambda level: abs(level.elo - elo))


class Settings:
    """The values of the options. ``player`` is a spec that plays instead of the level.

    >>> settings = Settings("uci")
    >>> settings.set("level", "steady")
    >>> str(settings.spec())
    'lm:temperature=0.35'
    """

    def __init__(self, protocol: str, player: str | None = None) -> None:
        from xiangqi.engine.wire import UCI, parse_option

        self._player = player
        found = (
            parse_option(f"name {name} {_declaration(name, protocol)}", UCI) for name in _declared(protocol, player)
        )
        self._options: dict[str, Option] = {option.name.lower(): option for option in found}
        self._values: dict[str, str] = {}

    def find(self, name: str) -> str | None:
        """Return the name of an option as it is declared, or ``None`` if there is none."""
        option = self._options.get(name.lower())
        return option.name if option else None

    def set(self, name: str, text: str) -> None:
        """Set a declared option. Raises ``ValueError`` if it does not accept the value; the old one is then kept.

        Raises it too if the player takes no such option. The value is kept then: the player of another level may.
        """
        option = self._options[name.lower()]
        value = self._values[option.name] = option.text("" if text == EMPTY else text)
        if option.name in _ASKED_FOR and value:
            self._base().with_options(_handed_on(option.name, value))

    def text(self, name: str) -> str:
        """Return the value of an option; ``""`` if it has none."""
        default = self._options[name.lower()].default
        return self._values.get(name, "" if default in (None, EMPTY) else str(default))

    def number(self, name: str) -> int:
        """Return the value of a ``spin``."""
        return int(self.text(name))

    def flag(self, name: str) -> bool:
        """Return the value of a ``check``; false where the protocol does not have it."""
        return name.lower() in self._options and self.text(name) == "true"

    def spec(self) -> Spec:
        """Return who plays, with the options that this player takes."""
        spec = self._base()
        for name in _OF_PLAYER:
            if value := self._values.get(name):
                with contextlib.suppress(UserError):
                    spec = spec.with_options(_handed_on(name, value))
        return spec

    def _base(self) -> Spec:
        from lm.players.specs import Spec

        return Spec.parse(self._player or self._played())

    def _played(self) -> str:
        if nodes := self.number("Nodes"):
            return f"search:nodes={nodes}"
        if self.flag("UCI_LimitStrength"):
            return level_of_elo(self.number("UCI_Elo")).spec
        level = self.text("Level")
        return "search" if level == FULL else find_level(level).spec


def _handed_on(name: str, value: str) -> dict[str, str]:
    word, convert = _OF_PLAYER[name]
    return {word: convert(value)}
