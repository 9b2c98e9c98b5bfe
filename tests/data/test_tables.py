"""Tables load once, damage is one sentence, and every number says where it is from."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from cosinter.data.exceptions import CosinterError, DataError, EngineError, InputError, UnknownNameError
from cosinter.data.tables import load_table

KINDS = {"measured", "computed", "assumed", "fitted"}


@pytest.mark.parametrize(
    "name", ["cell", "crystals", "potentials", "published", "references", "thermochemistry", "transport"]
)
def test_shipped_tables_load_once(name: str) -> None:
    assert load_table(name) is load_table(name)
    assert load_table(name)


def test_a_missing_table_is_one_sentence() -> None:
    with pytest.raises(DataError, match="reinstall cosinter"):
        load_table("no-such-table")


def _records(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        found = [value] if "kind" in value else []
        return found + [record for inner in value.values() for record in _records(inner)]
    if isinstance(value, list):
        return [record for inner in value for record in _records(inner)]
    return []


@pytest.mark.parametrize("name", ["cell", "references", "transport"])
def test_every_number_has_a_kind_and_a_source(name: str) -> None:
    records = _records(load_table(name))
    assert records
    for record in records:
        assert record["kind"] in KINDS
        assert len(str(record["source"])) > 5


def test_an_unknown_name_suggests_near_ones_and_survives_a_worker() -> None:
    error = UnknownNameError("crystal", "ncm81", ["ncm811", "latp"])
    assert "did you mean ncm811" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert "known: latp, ncm811" in str(UnknownNameError("crystal", "zzzz", ["ncm811", "latp"]))


def test_the_two_families_have_the_builtin_parents() -> None:
    assert issubclass(InputError, ValueError)
    assert issubclass(EngineError, RuntimeError)
    assert issubclass(InputError, CosinterError)
    assert issubclass(EngineError, CosinterError)
