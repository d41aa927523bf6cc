"""Marks at the end of players' names, by which games of other weights, specs or engines are told from theirs."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from lm import data_path
from lm.model.folder import NET, SHIPPED, model_path
from lm.players.engine import EnginePlayer
from lm.players.levels import find_level
from lm.players.specs import Spec

HAVE_MODEL: Final = ("lm", "careful", "search")
"""Kinds of players that have the shipped model unless their spec names another."""
ENGINES: Final = ("uci", "ucci", "file")


def marked(name: str, spec: Spec, version: str = "") -> Spec:
    """Return a player whose name ends with a hash of its spec, of its model's weights and of an engine's ``version``.

    >>> marked("a", Spec.parse("greedy:seed=1")).name == marked("a", Spec.parse("greedy:seed=2")).name
    False
    """
    spec = nameless(spec)
    words = f"{_of_level(spec)}\n{version}\n{weights(spec)}"
    mark = hashlib.blake2b(words.encode(), digest_size=4).hexdigest()
    return spec.with_options({"name": f"{name} {mark}"})


def called(name: str) -> str:
    """Return a name without its mark.

    >>> called("level 1 0a1b2c3d")
    'level 1'
    """
    return name.rpartition(" ")[0]


def nameless(spec: Spec) -> Spec:
    """Return a spec without the name in game records."""
    return replace(spec, options=tuple((name, value) for name, value in spec.options if name != "name"))


def version_of(spec: Spec) -> str:
    """Return the name that an engine gives itself, usually with its version; "" for other players.

    Raises ``UserError`` and ``PlayerError`` if the engine cannot be started.
    """
    if spec.kind not in ENGINES:
        return ""
    player = spec.open()
    try:
        return player.engine_name if isinstance(player, EnginePlayer) else ""
    finally:
        player.close()


def weights(spec: Spec) -> str:
    """Return a hash of the weights that a player has by its spec, or of an engine's file; "" without either.

    Only a player that looks ahead with it has a model's network for tactics among its weights.
    """
    spec = _of_level(spec)
    options = dict(spec.options)
    if spec.kind == "tactics" and "net" in options:
        return _hash(model_path(None if options["net"] == SHIPPED else options["net"]) / NET)
    path = options.get("model", spec.value if spec.kind in ("hf", "file") else None)
    if path is not None:
        return _hash(Path(path), spec.kind == "search")
    if spec.kind == "char":
        return _hash(data_path("char"))
    return _hash(data_path("model"), spec.kind == "search") if spec.kind in HAVE_MODEL else ""


def _of_level(spec: Spec) -> Spec:
    """Return the player of a level, and others as they are."""
    if spec.kind != "level" or spec.value is None:
        return spec
    return Spec.parse(find_level(spec.value).spec).with_options(dict(spec.options))


@cache
def _hash(path: Path, with_net: bool = False) -> str:
    found = hashlib.blake2b(digest_size=8)
    for file in [path] if path.is_file() else sorted(path.glob("*.safetensors")):
        if with_net or file.name != NET or file == path:
            found.update(file.read_bytes())
    return found.hexdigest()
