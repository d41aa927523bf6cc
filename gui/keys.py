"""Names of keys: from an event of pygame to the name that an action has, as ``Ctrl+S``."""

from __future__ import annotations

import pygame

from gui.actions import Action

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
    return _ACTIONS.get(name_of(event))


_ACTIONS = {action.shortcut.lower(): action for action in Action}
