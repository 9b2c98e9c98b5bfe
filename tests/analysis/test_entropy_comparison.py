"""Entropies and heat capacities against measured values, within tolerances written before the first run."""

from __future__ import annotations

import json

import pytest

from cosinter.analysis.atoms.calculators import make_calculator
from cosinter.analysis.atoms.entropy_comparison import EntropyComparison, compare_with_measured
from cosinter.data.exceptions import InputError, UnknownNameError


def check(row: EntropyComparison) -> None:
    # the potential's table gives 15 % as one standard deviation of an entropy; two of them. Nothing is tabulated for
    # C_p, which at room temperature errs less than S because hard modes hardly contribute: one of them.
    assert row.entropy_uncertainty_J_per_mol_K == pytest.approx(0.15 * row.entropy_J_per_mol_K)
    assert row.entropy_deviation_percent == pytest.approx(0.0, abs=30.0)
    assert row.heat_capacity_deviation_percent == pytest.approx(0.0, abs=15.0)
    json.dumps(row.to_dict())


def test_rutile_against_measured_values() -> None:
    row = compare_with_measured("TiO2_rutile", make_calculator("pmmcs"))
    check(row)
    # NASA polynomials of the JANAF assessment: S 50.3, C_p 55.3 J/mol/K
    assert row.measured_entropy_J_per_mol_K == pytest.approx(50.3, abs=0.1)
    assert row.measured_heat_capacity_J_per_mol_K == pytest.approx(55.3, abs=0.2)
    assert row.phase == "TiO2_rutile"
    assert "NASA" in row.source


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "supercell"),
    [
        ("Li2O", (2, 2, 2)),
        ("NiO", (2, 2, 2)),
        ("Al2O3", (2, 2, 1)),
        ("Li2TiO3", (2, 1, 1)),
        ("LiAlO2_gamma", (2, 2, 2)),
    ],
)
def test_measured_values(name: str, supercell: tuple[int, int, int]) -> None:
    check(compare_with_measured(name, make_calculator("pmmcs"), supercell=supercell))


def test_estimates_are_not_taken_for_measurements() -> None:
    with pytest.raises(InputError, match=r"estimates \(neumann_kopp\)"):
        compare_with_measured("Li3PO4_gamma", make_calculator("pmmcs"))
    with pytest.raises(UnknownNameError):
        compare_with_measured("unobtainium", make_calculator("pmmcs"))
