"""Variants of one case: which parameters each gets, and that runs come back in their order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosinter.analysis.continuum import batch
from cosinter.analysis.continuum.batch import OUTCOMES, Outcomes
from cosinter.analysis.continuum.inputs import SinterCase
from cosinter.analysis.parameters import ParameterSet
from cosinter.data.exceptions import InputError, StudyError, UnknownNameError
from cosinter.workflows.study import Case, Compensator, Study
from cosinter.workflows.variants import Variants, one_case, read_parameters

STUDY = Study(
    name="two",
    cases=(Case(name="bare"), Case(name="gel", compensator=Compensator(LiOH_wt_percent=2))),
)
GEL = one_case(STUDY, None)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches; every run answers with its dose and its highest temperature, above 1000 K it fails."""
    sizes: list[int] = []

    def run_cases(parameters: ParameterSet, cases: Sequence[SinterCase], **_: Any) -> Outcomes:
        sizes.append(len(cases))
        values = np.zeros((len(cases), len(OUTCOMES)))
        values[:, 0] = [case.doses.get("lithium_hydroxide", 0.0) for case in cases]
        values[:, 1] = [max(case.furnace.temperatures_K) for case in cases]
        hot = values[:, 1] > 1000.0
        values[hot] = np.nan
        return Outcomes(OUTCOMES, values, {int(row): "too hot" for row in np.flatnonzero(hot)})

    monkeypatch.setattr(batch, "run_cases", run_cases)
    return sizes


def test_one_case_is_chosen() -> None:
    assert [case.name for case in GEL.cases] == ["gel"]
    assert one_case(STUDY, "bare").cases[0].name == "bare"
    with pytest.raises(UnknownNameError, match="gel"):
        one_case(STUDY, "gell")


def test_runs_come_back_in_their_order_and_failures_keep_their_place(calls: list[int]) -> None:
    variants = Variants(GEL)
    wanted = [(700.0, 1.0), (400.0, 2.0), (800.0, 1.0), (700.0, 3.0)]
    made = [variants.of({"furnace.hold_C": hold, "compensator.wt_percent": dose}) for hold, dose in wanted]
    found = variants.run(made)
    assert found.failures == {2: "too hot"}
    assert found.values[[0, 1, 3], 1] == pytest.approx([973.15, 673.15, 973.15])
    doses = found.values[:, 0]
    assert doses[3] / doses[0] == pytest.approx((3.0 / 97.0) / (1.0 / 99.0))
    assert sum(calls) == 4


def test_sets_of_equal_numbers_run_together(calls: list[int]) -> None:
    variants = Variants(GEL)
    made = [variants.of({"furnace.hold_C": hold}) for hold in (600.0, 650.0, 700.0)]
    sources = {one.parameters["electrolyte.titration.products"].source for one in made}
    assert len(sources) == 3  # each is titrated at its own highest temperature ...
    variants.run(made)
    assert calls == [3]  # ... but the steps are the same


def test_a_set_is_assembled_once() -> None:
    variants = Variants(GEL)
    first, second = (variants.of({"compensator.wt_percent": dose}).parameters for dose in (1.0, 2.0))
    assert first is second


def test_a_given_set_serves_all() -> None:
    given = Variants(GEL).of({}).parameters
    variants = Variants(GEL, parameters=given)
    assert all(variants.of({"furnace.hold_C": hold}).parameters is given for hold in (400.0, 700.0))


def test_the_draws_are_the_same_for_every_variant() -> None:
    variants = Variants(GEL)
    draws = [variants.draws(variants.of({"compensator.wt_percent": dose}), 8, seed=3) for dose in (1.0, 2.0)]
    assert draws[0].names == draws[1].names
    assert np.array_equal(draws[0].z, draws[1].z)


def test_what_a_study_cannot_be_is_refused() -> None:
    with pytest.raises(StudyError, match="hold_C"):
        Variants(GEL).of({"furnace.hold_C": 5000.0})


def test_a_parameter_file_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json cannot be read"):
        read_parameters(tmp_path / "none.json")
    (tmp_path / "wrong.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="not valid"):
        read_parameters(tmp_path / "wrong.json")
