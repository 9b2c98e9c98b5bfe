"""Relaxation: known lattices, symmetry, abort rules, and what is kept."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from ase.calculators.calculator import Calculator
from pymatgen.core import Lattice, Structure

from cosinter.analysis.atoms.abort_rules import AbortRules
from cosinter.analysis.atoms.calculators import make_calculator
from cosinter.analysis.atoms.relaxation import Step, relax
from cosinter.data.exceptions import (
    ConvergenceError,
    EngineError,
    InputError,
    StructureError,
    UnknownNameError,
)


def nickel_oxide(a: float = 4.1684) -> Structure:
    lattice = Lattice.cubic(a)
    return Structure.from_spacegroup("Fm-3m", lattice, ["Ni2+", "O2-"], [[0, 0, 0], [0.5, 0, 0]])


def rutile() -> Structure:
    # Howard, Sabine, Dickson, Acta Cryst. B 47 (1991) 462
    lattice = Lattice.tetragonal(4.5937, 2.9587)
    return Structure.from_spacegroup(
        "P4_2/mnm", lattice, ["Ti4+", "O2-"], [[0, 0, 0], [0.30478, 0.30478, 0.0]]
    )


class Spring(Calculator):
    """Pulls every atom with a given force; pushes the cell outwards if asked."""

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012

    def __init__(self, force: float = 0.0, stress: float = 0.0, error_at: int | None = None) -> None:
        super().__init__()
        self.force, self.push, self.error_at, self.calls = force, stress, error_at, 0

    def calculate(self, *args: object, **kwargs: object) -> None:
        super().calculate(*args, **kwargs)
        self.calls += 1
        if self.calls == self.error_at:
            raise ValueError("no such basis set")
        forces = np.zeros((len(self.atoms), 3))
        forces[0, 0] = self.force
        energy = -self.force * self.atoms.positions[0, 0] + self.push * self.atoms.get_volume()
        stress = np.array([self.push] * 3 + [0.0] * 3)
        self.results = {"energy": energy, "free_energy": energy, "forces": forces, "stress": stress}


def test_rutile_relaxes_to_its_measured_cell_within_the_stated_error() -> None:
    start = rutile()
    before = start.copy()
    result = relax(start, make_calculator("pmmcs"))
    assert start == before
    assert result.converged
    assert result.max_force_eV_per_A <= 0.01
    assert result.energy_eV_per_atom == pytest.approx(result.energy_eV / 6)
    # computed with this potential: a -0.48 %, c +1.54 %; 0.05 % covers the force tolerance
    assert result.lattice_change_percent == pytest.approx((-0.48, -0.48, 1.54), abs=0.05)
    assert result.volume_change_percent == pytest.approx(0.58, abs=0.1)
    assert {str(site.specie) for site in result.structure} == {"Ti4+", "O2-"}
    assert result.calculator["model"] == "pmmcs"


def test_two_starts_end_in_the_same_minimum() -> None:
    rough = nickel_oxide()
    rough.perturb(0.05, seed=3)
    calculator = make_calculator("pmmcs")
    first = relax(nickel_oxide(4.3), calculator, force_tolerance=1e-3)
    second = relax(rough, calculator, force_tolerance=1e-3, optimizer="FIRE")
    # quadratic in a force error of 1e-3 eV/Å: below 1e-5 eV
    assert first.energy_eV == pytest.approx(second.energy_eV, abs=1e-5)
    assert first.lattice_after[:3] == pytest.approx(second.lattice_after[:3], rel=1e-4)


def test_a_fixed_cell_stays() -> None:
    start = rutile()
    result = relax(start, make_calculator("pmmcs"), cell=False)
    assert result.structure.lattice == start.lattice
    assert result.max_stress_eV_per_A3 is None


def test_site_properties_and_steps_are_kept() -> None:
    start = nickel_oxide(4.25)
    start.add_site_property("interface_label", ["film"] * 4 + ["substrate"] * 4)
    seen: list[Step] = []
    result = relax(start, make_calculator("pmmcs"), soft_steps=5, on_step=seen.append)
    assert result.structure.site_properties["interface_label"] == ["film"] * 4 + ["substrate"] * 4
    assert [step.number for step in seen] == list(range(result.steps + 1))
    assert seen[-1].energy_eV == pytest.approx(result.energy_eV)
    assert seen[-1].energy_eV < seen[0].energy_eV
    with pytest.raises(FrozenInstanceError):
        result.energy_eV = 0.0  # type: ignore[misc]


def test_a_growing_cell_is_stopped() -> None:
    with pytest.raises(StructureError, match="changed its volume by"):
        relax(nickel_oxide(), Spring(stress=-0.1))


def test_a_force_that_stays_large_is_stopped() -> None:
    with pytest.raises(StructureError, match="after 21 steps"):
        relax(nickel_oxide(), Spring(force=25.0), cell=False, optimizer="FIRE")


def test_an_atom_that_leaves_is_found() -> None:
    apart = Structure(Lattice.cubic(12.0), ["Ni2+", "O2-", "O2-"], [[0, 0, 0], [0.15, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(StructureError, match="has no neighbour within 4 Å"):
        relax(apart, Spring(), cell=False)


def test_rules_can_be_changed() -> None:
    with pytest.raises(StructureError, match="allowed is ±1 %"):
        relax(nickel_oxide(4.4), make_calculator("pmmcs"), rules=AbortRules(volume_change_percent=1.0))


def test_a_calculator_that_fails_under_way_is_an_engine_error() -> None:
    with pytest.raises(EngineError, match="no such basis set"):
        relax(nickel_oxide(), Spring(force=1.0, error_at=3), cell=False, optimizer="FIRE")


def test_running_out_of_steps_is_said_or_raised() -> None:
    start = nickel_oxide(4.4)
    assert not relax(start, make_calculator("pmmcs"), max_steps=1).converged
    with pytest.raises(ConvergenceError, match="raise max_steps"):
        relax(start, make_calculator("pmmcs"), max_steps=1, strict=True)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"force_tolerance": 0.0}, InputError),
        ({"force_tolerance": float("nan")}, InputError),
        ({"max_steps": 0}, InputError),
        ({"optimizer": "CG"}, UnknownNameError),
    ],
)
def test_bad_options_are_refused(options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        relax(nickel_oxide(), Spring(), **options)  # type: ignore[arg-type]
