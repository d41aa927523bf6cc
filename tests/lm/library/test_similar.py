from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from lm import UserError, data_path
from lm.library.library import Library
from lm.library.similar import Index, expected, foreseen
from xiangqi import Board, load, save

PLY = 20


@pytest.fixture(scope="module")
def library_file(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A library of 30 games with its index."""
    folder = tmp_path_factory.mktemp("library")
    save(list(islice(load(data_path("games") / "practical.pgn.zst"), 30)), folder / "games.pgn")
    with Library(folder / "library.sqlite") as library:
        list(library.add_file(folder / "games.pgn", pytest.fail))
        assert Index.open(library, model_folder) is None
        assert list(Index.build(library, model_folder)) == list(range(1, 31))
    return folder / "library.sqlite"


@pytest.fixture
def library(library_file: Path) -> Library:
    return Library(library_file)


def position(library: Library) -> tuple[Board, int]:
    """Return a position that is in the index, and the number of its game."""
    for number in library.numbers():
        moves = library.game(number).moves()
        if number % 3 == 0 and len(moves) > PLY:
            return Board.from_moves(moves[:PLY]), number
    raise AssertionError("no such game")


def test_a_position_of_a_game_is_most_similar_to_itself(library: Library, model_folder: Path) -> None:
    index = Index.open(library, model_folder)
    assert index is not None
    board, number = position(library)
    first, *others = index.neighbours(library, board, 10)
    assert (first.entry.id, first.entry.ply) == (number, PLY)
    assert first.likeness == pytest.approx(1, abs=0.01)
    assert first.move is library.game(number).moves()[PLY]
    assert len({one.entry.id for one in (first, *others)}) == 10
    assert all((one.entry.ply or 0) % 2 == PLY % 2 for one in others)
    likeness = [one.likeness for one in (first, *others)]
    assert likeness == sorted(likeness, reverse=True)


def test_the_mirror_image_has_mirrored_moves(library: Library, model_folder: Path) -> None:
    index = Index.open(library, model_folder)
    assert index is not None
    board, number = position(library)
    moves = [move.mirror() for move in board.move_stack]
    found = index.neighbours(library, Board.from_moves(moves), 1)[0]
    assert found.entry.id == number
    assert found.move is library.game(number).moves()[PLY].mirror()


def test_what_is_foreseen(library: Library, model_folder: Path) -> None:
    index = Index.open(library, model_folder)
    assert index is not None
    board, _ = position(library)
    found = index.neighbours(library, board)
    shares = foreseen(board, found)
    assert sum(share for _, share in shares) == pytest.approx(1)
    assert all(board.is_legal(move) for move, _ in shares)
    assert 0 <= (expected(found) or 0) <= 1


def test_another_model_needs_another_index(library: Library) -> None:
    assert Index.open(library) is None


def test_an_empty_library(tmp_path: Path, model_folder: Path) -> None:
    with Library(tmp_path / "library.sqlite") as library, pytest.raises(UserError, match="too few games"):
        list(Index.build(library, model_folder))


def test_a_damaged_index_is_named(tmp_path: Path, model_folder: Path) -> None:
    (tmp_path / "library.similar.npz").write_bytes(b"PK rubbish")
    with Library(tmp_path / "library.sqlite") as library, pytest.raises(UserError, match=r"similar\.npz: damaged"):
        Index.open(library, model_folder)


def test_the_command(
    xqlm: Callable[..., tuple[int, str, str]], library_file: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Library, "has_shipped", lambda self: True)
    words = ["--moves", "h2e2 h9g7", "--model", model_folder, "--library", library_file, "-n", 3]
    code, out, _ = xqlm("similar", *words)
    assert code == 0
    assert out.startswith("in the 30 most similar positions: ")
    code, out, _ = xqlm("similar", *words, "--json")
    assert len(json.loads(out)["games"]) == 3
