"""Neighbouring studies share equal stages; a stage that is asked for again is computed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cosinter.workflows.results import SET_ASIDE, Results
from cosinter.workflows.sharing import take_from_neighbour

KEY = "0123456789abcdef"


@pytest.fixture
def neighbours(tmp_path: Path) -> tuple[Results, Results]:
    theirs, ours = Results(tmp_path / "a"), Results(tmp_path / "b")
    with theirs.writing("s", KEY) as folder:
        (folder / "result.json").write_text(json.dumps({"value": 7}), encoding="utf-8")
        (folder / "more").mkdir()
        (folder / "more" / "data.txt").write_text("x", encoding="utf-8")
    return theirs, ours


def test_a_neighbours_result_is_taken_whole(neighbours: tuple[Results, Results]) -> None:
    theirs, ours = neighbours
    assert take_from_neighbour(ours, "s", KEY) == theirs.root
    assert ours.is_complete("s", KEY)
    assert ours.damage("s", KEY) == []
    assert ours.read("s", KEY).data == {"value": 7}
    assert ours.executed("s", KEY) == 0
    assert [event["event"] for event in ours.events("s", KEY)] == ["shared"]


def test_other_keys_and_other_stages_are_not_taken(neighbours: tuple[Results, Results]) -> None:
    _, ours = neighbours
    assert take_from_neighbour(ours, "s", KEY[::-1]) is None
    assert take_from_neighbour(ours, "t", KEY) is None


def test_a_changed_file_of_the_right_size_is_not_taken(neighbours: tuple[Results, Results]) -> None:
    theirs, ours = neighbours
    (theirs.folder("s", KEY) / "result.json").write_text(json.dumps({"value": 8}), encoding="utf-8")
    assert theirs.is_complete("s", KEY)
    assert theirs.damage("s", KEY) == ["result.json"]
    assert take_from_neighbour(ours, "s", KEY) is None


def test_what_was_set_aside_is_computed(neighbours: tuple[Results, Results]) -> None:
    _, ours = neighbours
    ours.log("s", event=SET_ASIDE, key=KEY)
    assert take_from_neighbour(ours, "s", KEY) is None


def test_without_links_the_files_are_copied(
    neighbours: tuple[Results, Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", no_links)
    theirs, ours = neighbours
    assert take_from_neighbour(ours, "s", KEY) is not None
    assert ours.damage("s", KEY) == []
    same = (theirs.folder("s", KEY) / "result.json").stat().st_ino
    assert (ours.folder("s", KEY) / "result.json").stat().st_ino != same
