"""Keys: from an event of pygame to the name of a key and its action, and the keys that a person chose."""

from __future__ import annotations

import re
from typing import Any, Final

import pygame

from gui.actions import Action, chosen_keys
from gui.settings import Settings
from gui.strings import say

_SAME = {"return": "enter", "keypad enter": "enter", "[+]": "+", "[-]": "-", "=": "+", "keypad +": "+", "keypad -": "-"}
_SAME |= {"page up": "pageup", "page down": "pagedown"}
"""Keys that count as another one. The plus of most keyboards shares a key with the equals sign."""


def name_of(event: pygame.Event) -> str:
    """Return the name of a pressed key in small letters, with what is held: ``ctrl+s``, ``shift+u``, ``f1``.

    Shift is left out where it only makes the sign, as for a plus.
    """
    name = pygame.key.name(event.key).lower()
    name = _SAME.get(name, name)
    if event.mod & pygame.KMOD_SHIFT and name != "+":
        name = f"shift+{name}"
    if event.mod & (pygame.KMOD_CTRL | pygame.KMOD_META):
        name = f"ctrl+{name}"
    return name


def action_of(event: pygame.Event) -> Action | None:
    """Return the action of a pressed key, or ``None``."""
    if event.mod & pygame.KMOD_ALT:
        return None
    name = name_of(event)
    return next((action for action in Action if action.shortcut.lower() == name), None)


def title_of(name: str) -> str:
    """Return a key as it is shown.

    >>> [title_of(name) for name in ("ctrl+shift+s", "f7", "pageup", "shift++", ";")]
    ['Ctrl+Shift+S', 'F7', 'PageUp', 'Shift++', ';']
    """
    held = re.match(r"(?:ctrl\+)?(?:shift\+)?(?=.)", name)
    assert held is not None
    key = name[held.end() :]
    return held[0].title() + _TITLES.get(key, key.capitalize())


_TITLES: Final = {action.first_key.lower(): action.first_key for action in Action}
_NAMED: Final = "|".join([*(key for key in _TITLES if len(key) > 1 and "+" not in key), "insert", "pause", r"f\d\d?"])
_POSSIBLE: Final = re.compile(rf"(?:ctrl\+)?(?:shift\+)?(?:\S|\[\S\]|{_NAMED})")
"""Keys that an action can have: not Escape and Backspace, which leave and delete, nor those that are held."""


def is_possible(name: str) -> bool:
    """Whether an action can have a key.

    >>> [is_possible(name) for name in ("ctrl+f7", ";", "escape", "left shift", "ctrl+")]
    [True, True, False, False, False]
    """
    return _POSSIBLE.fullmatch(name) is not None


class Keys:
    """The keys that the person chose, kept in the settings as ``keys``, by the names of the actions.

    What the settings have there that is no action or no key, or a key that another action has, is told and left out.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        chosen_keys.clear()
        found: dict[str, Any] = settings.get("keys", {})
        named = {action.value[0]: action for action in Action}
        wanted = {}
        for name, key in found.items():
            if name in named and isinstance(key, str) and is_possible(key.lower()):
                wanted[named[name]] = title_of(key.lower())
            else:
                settings.complain(say("notice.bad_key", action=name, key=key))
        chosen_keys.update(wanted)
        for action, key in wanted.items():
            if any(other.shortcut == key for other in Action if other is not action):
                settings.complain(say("notice.bad_key", action=action.value[0], key=key))
                del chosen_keys[action]

    def give(self, action: Action, key: str) -> Action | None:
        """Give an action another key; the action that had it gets the old one, and is returned."""
        old = action.shortcut
        other = next((each for each in Action if each is not action and each.shortcut == key), None)
        self._set(action, key)
        if other is not None:
            self._set(other, old)
        kept = {each.value[0]: chosen_keys[each] for each in Action if each in chosen_keys}
        self._settings.set("keys", kept)
        return other

    @staticmethod
    def _set(action: Action, key: str) -> None:
        if key == action.first_key:
            chosen_keys.pop(action, None)
        else:
            chosen_keys[action] = key
