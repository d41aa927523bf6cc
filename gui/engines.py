"""The engines that a person added: how they are kept, and what their options may be."""

from __future__ import annotations

import difflib
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from gui.processes.probing import PROTOCOLS
from gui.settings import Settings
from gui.strings import say
from lm import UserError
from lm.players.specs import ENGINE_SETTINGS, Spec
from xiangqi.engine import Option

TYPES: Final = ("check", "spin", "combo", "string")
"""The types of the options that have a value."""
OURS: Final = ("multipv", "ponder", "protocol", "usemillisec", "variant")
"""Options that the program sets itself, in small letters. So it does with those that begin with ``UCI_``, which are for
it and not for a person, but for `STRENGTH`."""
STRENGTH: Final = ("uci_limitstrength", "uci_elo")


def engines(settings: Settings) -> list[tuple[str, str]]:
    """Return the names and specs of the engines that were added."""
    found = settings.get("engines", [])
    return [(str(each[0]), str(each[1])) for each in found if isinstance(each, list) and len(each) == 2]


def add_engine(settings: Settings, spec: Spec, before: str = "") -> None:
    """Keep an engine, in place of one of the same name, or of the name that it had before."""
    place = before or spec.name
    kept = [[name, text] for name, text in engines(settings) if name == place or name != spec.name]
    names = [name for name, _ in kept]
    at = names.index(place) if place in names else len(kept)
    kept[at : at + 1] = [[spec.name, str(spec)]]
    settings.set("engines", kept)


def remove_engine(settings: Settings, name: str) -> None:
    """Forget the engine of this name."""
    settings.set("engines", [[other, text] for other, text in engines(settings) if other != name])


# --- What is typed ----------------------------------------------------------------------------------------------------


def engine_spec(name: str, command: str, options: str) -> Spec:
    """Return the spec of an engine. Raises ``UserError`` for a program that is not there or options without a value.

    >>> str(engine_spec("Fairy", "sh -c true", "Hash=64 depth=5"))
    'uci:cmd=sh -c true,Hash=64,depth=5,name=Fairy'
    """
    words, given = command_words(command), _given(options)
    if not words:
        raise UserError(say("engine.no_command"))
    if shutil.which(words[0]) is None:
        raise UserError(say("engine.no_program", name=words[0]))
    kind = typed_protocol(options) or PROTOCOLS[0]
    given.pop("protocol", None)
    return Spec(kind, None, (("cmd", command.strip()), *given.items(), ("name", name or words[0].rpartition("/")[2])))


def typed_protocol(options: str) -> str | None:
    """Return the protocol that is typed among the options, or ``None``. Raises ``UserError`` for one that is not known.

    >>> typed_protocol("Hash=64 protocol=UCCI"), typed_protocol("Hash=64")
    ('ucci', None)
    """
    protocol = _given(options).get("protocol", "").lower()
    if protocol and protocol not in PROTOCOLS:
        raise UserError(say("engine.refused", name="protocol", value=protocol, allowed=_listed(PROTOCOLS)))
    return protocol or None


def typed_options(spec: Spec) -> str:
    """Return the options of a spec as they are typed.

    >>> typed_options(engine_spec("Fairy", "sh", "protocol=ucci depth=5 'Skill Level=3'"))
    "protocol=ucci depth=5 'Skill Level=3'"
    """
    given = [f"{name}={value}" for name, value in spec.options if name not in ("cmd", "name")]
    if spec.kind != PROTOCOLS[0]:
        given.insert(0, f"protocol={spec.kind}")
    return shlex.join(given)


def command_words(command: str) -> list[str]:
    """Split a command into words. Raises ``UserError``."""
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UserError(f"{command!r}: {error}") from None


def _given(options: str) -> dict[str, str]:
    """Return what is typed as options, by name. Raises ``UserError``."""
    words = command_words(options)
    if wrong := [word for word in words if "=" not in word]:
        raise UserError(say("engine.no_value", name=wrong[0]))
    return dict(word.split("=", 1) for word in words)


# --- Options ----------------------------------------------------------------------------------------------------------


def is_settable(option: Option) -> bool:
    """Whether a person may set an option in the list: not a button, and none that the program has to set.

    >>> [is_settable(Option(name, "check")) for name in ("Ponder", "UCI_Variant", "UCI_Elo", "Hash")]
    [False, False, True, True]
    """
    name = option.name.lower()
    ours = name in OURS or (name.startswith("uci_") and name not in STRENGTH)
    return option.type in TYPES and not ours and option.name not in (*ENGINE_SETTINGS, "name")


def options_of(spec: Spec, options: Sequence[Option]) -> dict[str, str]:
    """Return the values that a spec gives to an engine's options, by the names that these have.

    Raises ``UserError`` for an option that the engine does not have, and for a value that it does not take.

    >>> options_of(engine_spec("", "sh", "hash=64 depth=5"), [Option("Hash", "spin")])
    {'Hash': '64'}
    """
    known, found = {option.name.lower(): option for option in options}, {}
    for name, text in spec.options:
        if name in (*ENGINE_SETTINGS, "name"):
            continue
        option = known.get(name.lower())
        if option is None or option.type not in TYPES:
            raise UserError(_no_option(name, [option.name for option in options if option.type in TYPES]))
        found[option.name] = checked(option, text)
        if option.name.lower() == "uci_variant" and found[option.name].lower() != "xiangqi":
            raise UserError(say("engine.refused", name=option.name, value=text, allowed="xiangqi"))
    return found


def with_options(spec: Spec, values: Mapping[str, str]) -> Spec:
    """Return the spec with these options of the engine, in place of all that it had.

    >>> str(with_options(engine_spec("Fairy", "sh", "Hash=64 depth=5"), {"Threads": "2"}))
    'uci:cmd=sh,depth=5,Threads=2,name=Fairy'
    """
    own = [(name, value) for name, value in spec.options if name in ENGINE_SETTINGS]
    return replace(spec, options=(*own, *values.items(), ("name", spec.name)))


def default_of(option: Option) -> str:
    """Return the value that an option has unless it is set; that of a text may be empty."""
    default = "" if option.default in (None, "<empty>") else str(option.default)
    return default.lower() if option.type == "check" else default


def checked(option: Option, text: str) -> str:
    """Return a value as the engine takes it. Raises ``UserError``, which says what is allowed.

    >>> checked(Option("Ponder", "check"), "On"), checked(Option("Style", "combo", choices=("solid", "wild")), "WILD")
    ('true', 'wild')
    >>> checked(Option("Hash", "spin", min=1, max=64), "65")
    Traceback (most recent call last):
    lm.UserError: Hash cannot be 65; allowed: 1 to 64.
    """
    text = text.strip()
    if option.type == "check":
        words = {say("engine.on").lower(): "true", say("engine.off").lower(): "false"}
        text = words.get(text.lower(), text)
    elif option.type == "string" and text == "<empty>":
        text = ""
    try:
        return option.text(text)
    except ValueError:
        raise UserError(say("engine.refused", name=option.name, value=text, allowed=allowed(option))) from None


def shown(option: Option, value: str) -> str:
    """Return a value as it is shown."""
    return say("engine.on" if value == "true" else "engine.off") if option.type == "check" else value


def allowed(option: Option) -> str:
    """Say which values an option takes.

    >>> [allowed(Option("", "spin", min=low, max=high)) for low, high in ((1, 9), (1, None), (None, 9), (None, None))]
    ['1 to 9', 'from 1', 'up to 9', 'a number']
    """
    if option.type == "check":
        return _listed((say("engine.on"), say("engine.off")))
    if option.type == "combo":
        return _listed(option.choices)
    if option.type == "string":
        return say("engine.any_text")
    bounds = {"low": option.min, "high": option.max}
    given = [name for name, bound in bounds.items() if bound is not None]
    return say("engine.number" + "".join(f".{name}" for name in given), **{name: bounds[name] for name in given})


def _no_option(name: str, names: Iterable[str]) -> str:
    """Say that there is no such option, and which ones are like it."""
    known = {each.lower(): each for each in (*names, *ENGINE_SETTINGS) if each != "cmd"}
    near = [known[each] for each in difflib.get_close_matches(name.lower(), known, cutoff=0.5)]
    return say("engine.like", name=name, names=_listed(near)) if near else say("engine.no_option", name=name)


def _listed(words: Iterable[str]) -> str:
    return say("engine.comma").join(words)
