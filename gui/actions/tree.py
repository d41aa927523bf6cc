"""The actions of the menu's groups *Steps* and *Variations*, and those on how the board is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gui.actions import MARKS, Action
from gui.strings import say

if TYPE_CHECKING:
    from gui.controller import Controller


def do(controller: Controller, action: Action) -> None:
    """Carry out an action on what is shown of the tree, or on the tree."""
    session = controller.session
    match action:
        case Action.FIRST:
            session.view(0)
        case Action.BACK:
            session.view(session.viewed - 1)
        case Action.FORWARD:
            session.view(session.viewed + 1)
        case Action.LAST:
            session.view_last()
        case Action.UPPER_BRANCH | Action.LOWER_BRANCH:
            session.view_branch(-1 if action is Action.UPPER_BRANCH else 1)
        case Action.TO_GAME:
            session.show(session.table.node)
        case Action.PLAY_FROM_HERE:
            session.play_from_here()
        case Action.PROMOTE | Action.DEMOTE:
            session.move_branch(-1 if action is Action.PROMOTE else 1)
        case Action.PROMOTE_TO_MAIN:
            session.make_main()
        case Action.ERASE:
            session.erase()
        case Action.DELETE:
            session.delete()
            controller.say(say("notice.deleted"))
        case _ if action in MARKS:
            session.toggle_mark(MARKS[action])


def draw_otherwise(controller: Controller, action: Action) -> None:
    """Carry out an action of the group *Board*."""
    session = controller.session
    match action:
        case Action.FLIP:
            session.flip()
        case Action.SCRIPT:
            controller.preferences.switch_script()
        case Action.NOTATION:
            controller.preferences.step("notation")
        case Action.LETTERS:
            letters = controller.preferences["pieces"] not in ("letters", "both")
            controller.preferences.set("pieces", "letters" if letters else "characters")
            controller.preferences.set("notation", "wxf" if letters else "chinese")
            controller.say(say("notice.letters" if letters else "notice.characters"))
