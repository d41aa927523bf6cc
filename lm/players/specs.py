"""Specs: text that names a player on any command line.

A spec is a kind, and after a colon its options, such as ``lm:temperature=0.5,model=DIR``. Some kinds also take a value
without a name: ``level:Sharp``, ``search:400`` (nodes), ``tactics:4`` (depth), ``uci:PROGRAM``, ``file:ENGINE.toml``
(command, options and folder of an engine, by `_file`), ``hf:FOLDER`` (a language model that reads text). Text
with a comma, and such a value with an equals sign, is put in double quotes, as in
``uci:cmd="engine --log a,b",depth=1``; a quote inside is doubled. Every kind takes the option ``name``, the player's
name in game records, which is otherwise its spec.

An installed package can add a kind with an entry point in the group ``xqlm.players``. Its name is the kind, and it
refers to a function, or class, that returns a `Player`.

A spec can name a program to run or a module to import. For safety, specs are taken only from the command line and the
user's own settings, never from game records or other files.

>>> from xiangqi import Board
>>> player = load_player("greedy:seed=1")
>>> board = Board.from_moves("h2e2 h9g7 e2e6")
>>> player.choose([board])[0].move  # takes the cannon that took a pawn
Move.from_iccs('g7e6')
"""

from __future__ import annotations

import inspect
import math
import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, Self

from lm import UserError, data_path
from lm.players.engine import MOVE_TIMEOUT, EnginePlayer
from lm.players.levels import Level, find_level
from lm.players.player import Player, described
from lm.players.search.params import Params
from lm.players.simple import GreedyPlayer, RandomPlayer
from xiangqi.engine import Limit
from xiangqi.rulings import compile_rulings

GROUP: Final = "xqlm.players"
"""Entry points that add kinds of players."""

KEPT: Final = ("model", "voice", "dtype", "rules", "threads", "seed", "name")
"""Options that a player keeps at another level."""
MOVETIME: Final = 1000
"""Milliseconds of an engine for a move, unless a limit or a clock is given."""

Reader = Callable[[str], Any]
Opener = Callable[[], Player]

_QUOTED: Final = r'"(?:[^"]|"")*+"'
_ITEM: Final = re.compile(
    rf"""\s*+ (?: (?P<name> {_QUOTED} | (?!") [^,=]*+ ) \s*+ = \s*+ (?P<value> {_QUOTED} | (?!") [^,]*+ )
             | (?P<alone> {_QUOTED} | (?!") [^,=]*+ ) )
        \s*+ (?: , | \Z )""",
    re.VERBOSE,
)

# --- Specs ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spec:
    """A parsed spec: the player's kind, the value that some kinds take, and the options, all as text.

    Raises ``UserError`` (a ``ValueError``) that names what is allowed. The options of a plugged-in player (``py``, or
    an entry point) are only checked when it is opened.

    >>> spec = Spec.parse('uci:cmd="engine --log a,b",depth=1')
    >>> spec.options
    (('cmd', 'engine --log a,b'), ('depth', '1'))
    >>> str(spec)
    'uci:cmd="engine --log a,b",depth=1'
    """

    kind: str
    value: str | None = None
    options: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        self._opener()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a spec. Raises ``UserError``.

        >>> Spec.parse("lm:temperature=warm")
        Traceback (most recent call last):
        lm.UserError: player 'lm:temperature=warm': temperature is a number, not 'warm'
        """
        kind, _, rest = text.partition(":")
        value: str | None = None
        options: list[tuple[str, str]] = []
        at = 0
        while at < len(rest):
            item = _ITEM.match(rest, at)
            if item is None:
                raise UserError(f"player {text!r}: the quotes of {rest[at:]!r} do not match")
            at = item.end()
            if item["name"] is not None:
                options.append((_bare(item["name"]), _bare(item["value"])))
            elif alone := item["alone"].strip():
                if value is not None:
                    raise UserError(f"player {text!r}: {alone!r} is not written as name=value")
                value = _bare(alone)
        return cls(kind, value, tuple(options))

    def __str__(self) -> str:
        items = [f"{_written(name, ',=')}={_written(value, ',')}" for name, value in self.options]
        if self.value is not None:
            items.insert(0, _written(self.value, ",="))
        return f"{self.kind}:{','.join(items)}" if items else self.kind

    @property
    def name(self) -> str:
        """The player's name in game records; that of an engine file is the file's own.

        >>> Spec.parse("greedy:seed=1").name, Spec.parse("greedy:seed=1,name=Xiao Ming").name
        ('greedy:seed=1', 'Xiao Ming')
        """
        own = dict(self.options).get("name")
        return own or (Path(self.value).stem if self.kind == "file" and self.value else str(self))

    @property
    def answers_alike(self) -> bool:
        """Whether its options say that it plays the likeliest move always, so that an opening leads to one game.

        It is not known of engines and searches, whose moves depend on time and on what they searched before.

        >>> [Spec.parse(text).answers_alike for text in ("lm:temperature=0", "lm", "char", "char:temperature=1")]
        [True, False, True, False]
        """
        if self.kind not in ("lm", "char", "careful", "hf"):
            return False
        options, usual = dict(self.options), "0" if self.kind == "char" else "1"
        return float(options.get("temperature", usual)) == 0 or options.get("top_k", "").strip() == "1"

    def with_options(self, options: Mapping[str, str]) -> Self:
        """Return the spec with these options set and all others unchanged. Raises ``UserError``.

        >>> str(Spec.parse("lm:temperature=1,seed=3").with_options({"temperature": "0.5", "model": "runs/a"}))
        'lm:temperature=0.5,seed=3,model=runs/a'
        """
        return replace(self, options=tuple((dict(self.options) | dict(options)).items()))

    def at(self, level: Level) -> Self:
        """Return the player of a level, with those options of this spec that its kind has and that make no strength.

        >>> str(Spec.parse("lm:model=runs/a,temperature=1").at(find_level("Deep")))
        'search:nodes=55,model=runs/a'
        """
        spec = self.parse(level.spec)
        for name, value in self.options:
            if name in KEPT:
                with suppress(UserError):
                    spec = spec.with_options({name: value})
        return spec

    def open(self) -> Player:
        """Return the player. Raises ``UserError`` for wrong options or files, ``PlayerError`` if it does not start.

        >>> Spec.parse("random:seed=1").open().name
        'random:seed=1'
        """
        player = self._opener()()
        player.name = self.name
        compile_rulings()
        return player

    def _opener(self) -> Opener:
        """Check the spec as far as possible without opening the player, and return a function that opens it."""
        if (kind := KINDS.get(self.kind) or _plugged_in().get(self.kind)) is not None:
            if (option := VALUES.get(self.kind)) is None or self.value is None:
                return kind(self)
            return kind(replace(self, value=None, options=((option, self.value), *self.options)))
        kinds = ", ".join([*KINDS, *_plugged_in()])
        raise UserError(f"no player {self.kind!r} ({kinds}; as lm:temperature=0.5)")

    def read(self, known: Mapping[str, Reader], others: bool = False) -> dict[str, Any]:
        """Return the options except ``name`` as values, converted by the functions in ``known`` (`int` and the like).

        With ``others`` unknown options are kept as text. Raises ``UserError``.
        """
        found: dict[str, Any] = {}
        for name, text in self.options:
            if not name or (name not in known and name != "name" and not others):
                raise self._no_option(f"{name}={text}", known)
            if name in found:
                raise self.error(f"{name} is given twice")
            try:
                found[name] = known.get(name, str)(text)
            except ValueError:
                number = "a whole number" if known[name] is int else "a number"
                raise self.error(f"{name} is {number}, not {text!r}") from None
        found.pop("name", None)
        return found

    def without_value(self, known: Mapping[str, Reader]) -> Self:
        """Return the spec. Raises ``UserError`` if it has a value."""
        if self.value is not None:
            raise self._no_option(self.value, known)
        return self

    def error(self, text: str) -> UserError:
        """Return an error with the spec and a text about it."""
        return UserError(f"player {str(self)!r}: {text}")

    def _no_option(self, item: str, known: Mapping[str, Reader]) -> UserError:
        return self.error(f"{item!r} is not an option of {self.kind} (options: {', '.join(known)}, as name=value)")


def load_player(spec: str) -> Player:
    """Open the player of a spec: ``Spec.parse(spec).open()``. Raises the same errors.

    >>> load_player("randy")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lm.UserError: no player 'randy' (random, greedy, lm, ...; as lm:temperature=0.5)
    """
    return Spec.parse(spec).open()


def _bare(text: str) -> str:
    text = text.strip()
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


def _written(text: str, special: str) -> str:
    """Return a part of a spec as text, in quotes where they are needed."""
    alone = "=" in special  # a name, or a value without a name, must not be empty
    plain = text == text.strip() and not text.startswith('"') and not any(char in text for char in special)
    return text if plain and (text or not alone) else '"{}"'.format(text.replace('"', '""'))


# --- Kinds: each checks a spec and returns a function that opens the player -------------------------------------------

_SEED: Final[dict[str, Reader]] = {"seed": int}
_LIMITS: Final[dict[str, Reader]] = {"depth": int, "nodes": int, "movetime": float}
ENGINE_SETTINGS: Final[dict[str, Reader]] = {
    "cmd": str,
    **_LIMITS,
    "timeout": float,
    "move_timeout": float,
    "folder": str,
    "ponder": int,
}
"""What is set of an engine's player; all other options are the engine's own."""
_TACTICS: Final[dict[str, Reader]] = {**_LIMITS, "megabytes": int, "net": str}
_LM: Final[dict[str, Reader]] = {
    "model": str,
    "temperature": float,
    "top_k": int,
    "top_p": float,
    "voice": str,
    "source": str,
    "strength": str,
    "aim": str,
    "dtype": str,
    "symmetries": int,
    "rules": str,
    "seed": int,
}

_CHAR: Final[dict[str, Reader]] = {
    "temperature": float,
    "top_k": int,
    "top_p": float,
    "rules": str,
    "seed": int,
}
_HF: Final[dict[str, Reader]] = {"model": str, **_CHAR}
_CAREFUL: Final[dict[str, Reader]] = {"depth": int, "care": float, **_LM}
_PARAMS: Final[dict[str, Reader]] = {
    field.name: int if field.type == "int" else float
    for field in fields(Params)  # annotations are text here
}
_SEARCH: Final[dict[str, Reader]] = {
    "nodes": int,
    "movetime": float,
    "threads": int,
    "size": int,
    "model": str,
    "net": str,
    "dtype": str,
    "voice": str,
    "rules": str,
    "temperature": float,
    "noise": float,
    "seed": int,
    **_PARAMS,
}


def _random(spec: Spec) -> Opener:
    return partial(RandomPlayer, **spec.without_value(_SEED).read(_SEED))


def _greedy(spec: Spec) -> Opener:
    return partial(GreedyPlayer, **spec.without_value(_SEED).read(_SEED))


def _lm(spec: Spec) -> Opener:
    options = spec.without_value(_LM).read(_LM)

    def open_it() -> Player:
        from lm.players.lm_player import LMPlayer  # imported only when needed: it compiles

        return LMPlayer(**options)

    return open_it


def _char(spec: Spec) -> Opener:
    """The system of 2020, as it is shipped. It plays the likeliest move, as it did then."""
    options = {"temperature": 0.0} | spec.without_value(_CHAR).read(_CHAR)

    def open_it() -> Player:
        from lm.players.lm_player import LMPlayer  # imported only when needed: it compiles

        return LMPlayer(**options, model=data_path("char"))

    return open_it


def _hf(spec: Spec) -> Opener:
    options = spec.read(_HF)
    if "model" not in options:
        raise spec.error("hf needs the folder of a model, as hf:FOLDER,temperature=0")

    def open_it() -> Player:
        from lm.players.lm_player import LMPlayer  # imported only when needed: it compiles

        return LMPlayer(**options, text=True)

    return open_it


def _careful(spec: Spec) -> Opener:
    options = spec.without_value(_CAREFUL).read(_CAREFUL)

    def open_it() -> Player:
        from lm.players.careful import CarefulPlayer  # imported only when needed: it compiles

        return CarefulPlayer(**options)

    return open_it


def _search(spec: Spec) -> Opener:
    options = spec.without_value(_SEARCH).read(_SEARCH)

    def open_it() -> Player:
        from lm.players.search_player import Search  # imported only when needed: it compiles

        own = {name: options.pop(name) for name in _PARAMS if name in options}
        return Search(**options, params=Params(**own))

    return open_it


def _tactics(spec: Spec) -> Opener:
    options = spec.without_value(_TACTICS).read(_TACTICS)

    def open_it() -> Player:
        from lm.players.tactics_player import TacticsPlayer  # imported only when needed: it compiles

        return TacticsPlayer(**options)

    return open_it


def _engine(spec: Spec) -> Opener:
    options = spec.without_value(ENGINE_SETTINGS).read(ENGINE_SETTINGS, others=True)
    if "cmd" not in options:
        raise spec.error(f"{spec.kind} needs a program, as {spec.kind}:PROGRAM,depth=1")
    for name in _LIMITS:
        if not 1 <= options.get(name, 1) < math.inf:
            raise spec.error(f"{name} must be at least 1 and finite")
    if not any(name in options for name in _LIMITS):
        options["movetime"] = MOVETIME
    command, timeout, time = options.pop("cmd"), options.pop("timeout", 10.0), options.pop("movetime", None)
    move_timeout = options.pop("move_timeout", MOVE_TIMEOUT)
    for name, value in (("timeout", timeout), ("move_timeout", move_timeout)):
        if not 0 < value < math.inf:
            raise spec.error(f"{name} is in seconds, above 0: {value:g}")
    limit = Limit(time / 1000 if time is not None else None, options.pop("depth", None), options.pop("nodes", None))
    folder, ponder = options.pop("folder", None), bool(options.pop("ponder", 0))
    return partial(
        EnginePlayer,
        spec.kind,
        command,
        limit,
        options,
        timeout,
        folder=folder,
        ponder=ponder,
        move_timeout=move_timeout,
    )


def _file(spec: Spec) -> Opener:
    """An engine as a TOML file describes it: `ENGINE_SETTINGS`, the protocol, and a table of options."""
    if spec.value is None:
        raise spec.error("file needs an engine file, as file:pikafish.toml")
    try:
        found = tomllib.loads(Path(spec.value).read_text(encoding="utf-8"))
    except OSError as error:
        raise spec.error(f"{spec.value}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise spec.error(f"{spec.value}: {error}") from None
    protocol, options = found.pop("protocol", "uci"), found.pop("options", {})
    if protocol not in ("uci", "ucci"):
        raise spec.error(f"{spec.value}: protocol must be uci or ucci, not {protocol!r}")
    if unknown := found.keys() - ENGINE_SETTINGS.keys() - {"command"}:
        settings = ", ".join(["protocol", "command", *list(ENGINE_SETTINGS)[1:], "options"])
        raise spec.error(f"{spec.value}: no setting {', '.join(sorted(unknown))} (settings: {settings})")
    if not isinstance(options, dict):
        raise spec.error(f"{spec.value}: options is a table of names and values, not {options!r}")
    for name, value in [*found.items(), *options.items()]:
        if not isinstance(value, str | int | float):
            raise spec.error(f"{spec.value}: {name} takes a text, a number or true or false, not {value!r}")
    if "command" in found:
        found["cmd"] = found.pop("command")
    own = dict(spec.options)
    if own.keys() & _LIMITS.keys():  # limits of the spec replace those of the file
        found = {name: value for name, value in found.items() if name not in _LIMITS}
    written = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in options.items()}
    written |= {name: str(int(value)) if isinstance(value, bool) else str(value) for name, value in found.items()}
    return _engine(Spec(protocol, options=tuple((written | own).items())))


def _level(spec: Spec) -> Opener:
    if spec.value is None:
        raise spec.error("level needs the name or number of one, as level:Sharp")
    return Spec.parse(find_level(spec.value).spec).with_options(dict(spec.options)).open


def _py(spec: Spec) -> Opener:
    module, _, name = (spec.value or "").partition(":")
    if not module or not name:
        raise spec.error("py needs a module and a function in it, as py:MODULE:FUNCTION")

    def load() -> Any:
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())  # so that modules in the current folder are found
        function = import_module(module)
        for part in name.split("."):
            function = getattr(function, part)
        return function

    return partial(_open_plugged_in, spec, load)


def _entry_point(point: EntryPoint, spec: Spec) -> Opener:
    return partial(_open_plugged_in, spec, point.load, spec.value)


def _plugged_in() -> dict[str, Callable[[Spec], Opener]]:
    return {point.name: partial(_entry_point, point) for point in entry_points(group=GROUP)}


def _open_plugged_in(spec: Spec, load: Callable[[], Any], value: str | None = None) -> Player:
    """Open a plugged-in player. Options are arguments of its function, converted by the parameters' types; a value
    without a name is the first argument."""
    try:
        function = load()
    except (Exception, SystemExit) as error:  # an import can raise anything
        raise spec.error(f"it cannot be imported: {described(error)}") from error
    if not callable(function):
        raise spec.error(f"{function!r} is not a function or class")
    try:
        signature = inspect.signature(function)
    except ValueError as error:  # some functions in C have none
        raise spec.error(str(error)) from None
    parameters = [parameter for parameter in signature.parameters.values() if parameter.kind not in _STARRED]
    known = {parameter.name: _reader(parameter.annotation) for parameter in parameters}
    if value is not None:
        if not parameters:
            raise spec.error(f"{spec.kind} takes no value")
        spec = replace(spec, value=None, options=((parameters[0].name, value), *spec.options))
    options = spec.read(known, others=any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()))
    try:
        signature.bind(**options)
    except TypeError as error:
        raise spec.error(str(error)) from None
    try:
        player = function(**options)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise spec.error(f"it cannot be opened: {described(error)}") from error
    if not isinstance(player, Player):
        raise spec.error(f"it returns {type(player).__name__}, not a player (derive the class from Player)")
    return player


_STARRED: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _reader(annotation: object) -> Reader:
    """Return the conversion of an option for a parameter of this type: `int` or `float` for numbers, else `str`."""
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return {"int": int, "float": float}.get(name.removesuffix(" | None"), str)


KINDS: Final[dict[str, Callable[[Spec], Opener]]] = {
    "random": _random,
    "greedy": _greedy,
    "lm": _lm,
    "char": _char,
    "careful": _careful,
    "hf": _hf,
    "search": _search,
    "tactics": _tactics,
    "uci": _engine,
    "ucci": _engine,
    "file": _file,
    "level": _level,
    "py": _py,
}

VALUES: Final = {
    "careful": "depth",
    "hf": "model",
    "search": "nodes",
    "tactics": "depth",
    "uci": "cmd",
    "ucci": "cmd",
}
"""The option that a value without a name is, by kind. Other kinds make of the value what they like."""
