"""The sheets that the actions on files open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from gui import picture
from gui.actions import Action
from gui.actions import files as file_actions
from gui.files import KINDS, TEXTS
from gui.sheets.file_dialog import FileDialog, SaveDialog
from gui.sheets.games import ChoiceSheet, GamesSheet
from gui.strings import say

REVIEWS: Final = (".html", ".txt", ".pgn")
"""The files that a review can be saved as."""

if TYPE_CHECKING:
    from gui.controller import Controller
    from gui.sheets.overlay import Overlay


def sheet_of(controller: Controller, action: Action) -> Overlay:
    """Return the sheet that an action on files opens. Raises ``ValueError`` for another action."""
    files, paste, hides = controller.files, controller.clipboard.get, controller.games.has_in_play
    recent = controller.settings.recent
    match action:
        case Action.OPEN:
            return FileDialog(say("file.open"), _folder(controller), files.open, recent, paste, hides)
        case Action.IMPORT:
            done = controller.library.add_file
            return FileDialog(say("file.import"), _folder(controller), done, recent, paste, hides)
        case Action.SAVE_AS:
            path = files.own_file
            return SaveDialog(
                say("file.save_as"),
                _folder(controller),
                [(say(f"kind.{kind.name}"), kind.suffix) for kind in KINDS],
                path.name if path else files.suggested(files.kind),
                lambda path, kind: files.save_as(path, KINDS[kind]),
                KINDS.index(files.kind),
                paste,
                hides,
            )
        case Action.PICTURE:
            return SaveDialog(
                say("file.picture"),
                _folder(controller),
                [(suffix[1:].upper(), suffix) for suffix in picture.SUFFIXES],
                f"{Path(files.suggested(KINDS[0])).stem} {controller.session.viewed}{picture.SUFFIXES[0]}",
                lambda path, _: file_actions.save_picture(controller, path),
                paste=paste,
                hides=hides,
            )
        case Action.SAVE_REVIEW:
            return SaveDialog(
                say("file.review"),
                _folder(controller),
                [(say(f"kind.review{suffix}"), suffix) for suffix in REVIEWS],
                f"{Path(files.suggested(KINDS[0])).stem} {say('view.review')}{REVIEWS[0]}",
                lambda path, _: file_actions.save_review(controller, path),
                paste=paste,
                hides=hides,
            )
        case Action.GAMES:
            return GamesSheet(files, paste)
        case Action.COPY_AS:
            names = [say(f"text.{name}") for name in TEXTS]
            return ChoiceSheet(say("copy_as.title"), names, lambda kind: file_actions.copy_as(controller, kind))
    raise ValueError(f"{action} opens no sheet")


def _folder(controller: Controller) -> Path:
    """Return where a dialog begins: at the file at hand or used last, or in the folder of saved games."""
    used = controller.files.path or next(iter(controller.settings.recent), None)
    folder = used.parent if used is not None else controller.games.path
    return folder if folder.is_dir() else Path.home()
