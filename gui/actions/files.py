"""The actions of the menu's group *Files*, and what its dialogs do: the clipboard, pictures, and files."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from gui import picture
from gui.actions import Action
from gui.errors import describe
from gui.files import TEXTS, as_text
from gui.review import WORST
from gui.strings import say, translated
from lm.study.report import write_review

if TYPE_CHECKING:
    from gui.controller import Controller
    from xiangqi.lines import Notation


def do(controller: Controller, action: Action) -> None:
    """Carry out an action."""
    files = controller.files
    match action:
        case Action.SAVE:
            files.save()
        case Action.PREVIOUS_GAME | Action.NEXT_GAME:
            holder = controller.library if controller.library.several else files
            holder.step(-1 if action is Action.PREVIOUS_GAME else 1)
        case Action.MEND:
            files.mend()
        case Action.COPY_PICTURE:
            _copy_picture(controller)
        case Action.COPY:
            controller.clipboard.put(controller.session.shown.fen())
            controller.say(say("notice.fen_copied"), "good")
        case Action.PASTE:
            _paste(controller)


def copy_as(controller: Controller, kind: int) -> None:
    """Copy the position shown or the game as one of `gui.files.TEXTS`."""
    name = TEXTS[kind]
    try:
        controller.clipboard.put(as_text(controller.session, controller.files.game(), name))
    except ValueError as error:
        controller.say(translated(describe(error)), "alert")
        return
    controller.say(say("notice.copied", what=say(f"text.{name}")), "good")


def save_picture(controller: Controller, path: Path) -> None:
    """Write a picture of the position shown to a file, PNG or SVG."""
    try:
        picture.save(controller.session, path)
    except (OSError, ValueError) as error:
        controller.say(say("notice.not_saved", reason=describe(error)), "alert")
        return
    controller.say(say("notice.saved", path=path), "good")


def save_review(controller: Controller, path: Path) -> None:
    """Write the review to a file: a page, a text, or the game with marks, scores and better moves."""
    review = controller.review.named(controller.record())
    if review is None:
        return
    style = controller.session.scribe.style
    notation: Notation = style.notation
    if notation == "chinese" and style.traditional:
        notation = "traditional"
    try:
        write_review(review, path, WORST, notation)
    except (OSError, ValueError) as error:
        controller.say(say("notice.not_saved", reason=describe(error)), "alert")
        return
    controller.say(say("notice.saved", path=path), "good")


def _paste(controller: Controller) -> None:
    text = controller.clipboard.get()
    if not text.strip():
        controller.say(say("notice.no_text"), "alert")
        return
    controller.files.paste(text)


def _copy_picture(controller: Controller) -> None:
    try:
        copied = picture.copy(controller.session)
    except (OSError, subprocess.SubprocessError) as error:
        controller.say(say("notice.not_saved", reason=describe(error)), "alert")
        return
    if copied:
        controller.say(say("notice.picture_copied"), "good")
    else:
        controller.say(say("notice.no_picture", key=Action.PICTURE.shortcut), "alert")
