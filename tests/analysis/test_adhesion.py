from dataclasses import replace

import numpy as np
import pytest
from scipy import constants

from cosinter.analysis.atoms.adhesion import J_PER_M2_PER_EV_PER_A2, adhesion, bulk_of, isolated
from cosinter.analysis.atoms.calculators import make_calculator, single_point, to_atoms
from cosinter.data.exceptions import EngineError, InputError
from cosinter.structures.crystals import crystal
from cosinter.structures.hosts import PART
from cosinter.structures.interfaces import search_interfaces


@pytest.fixture(scope="module")
def oxide():
    """NiO on NiO (001): the perfect crystal again when the gap is one spacing of the planes, a/2."""
    spacing = crystal("nio").structure.lattice.a / 2.0
    return search_interfaces(
        "nio",
        "nio",
        film_miller=(0, 0, 1),
        substrate_miller=(0, 0, 1),
        gap_A=spacing,
        max_area_A2=9.0,
        max_models=1,
    ).models[0]


@pytest.fixture(scope="module")
def crystal_again(oxide):
    """The interface of the film shifted so that unlike ions meet."""
    from cosinter.structures.interface_models import build_model

    energies = {}
    for offset in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)):
        model = build_model(replace(oxide.recipe, offset=offset))
        energies[single_point(to_atoms(model.structure), make_calculator("pmmcs"))[0]] = model
    return energies[min(energies)]


def test_unit():
    assert pytest.approx(constants.e * 1e20) == J_PER_M2_PER_EV_PER_A2


def test_bulk_of_a_part_is_its_crystal(oxide):
    calculator = make_calculator("pmmcs")
    whole = crystal("nio").structure
    per_atom = single_point(to_atoms(whole), calculator)[0] / len(whole)
    for part in ("film", "substrate"):
        bulk = bulk_of(oxide, part)
        assert single_point(to_atoms(bulk), calculator)[0] / len(bulk) == pytest.approx(per_atom, abs=1e-4)
        assert bulk.volume / len(bulk) == pytest.approx(whole.volume / len(whole))
        stretched = bulk_of(oxide, part, stretch=0.02)
        assert stretched.volume / bulk.volume == pytest.approx(1.02)


def test_isolated_slabs_hold_the_ions_of_the_interface(oxide):
    parts = [isolated(oxide, part, vacuum_A=12.0) for part in ("film", "substrate")]
    assert sum(len(part) for part in parts) == oxide.atoms
    for part in parts:
        assert part.lattice.c - np.ptp(part.cart_coords[:, 2]) == pytest.approx(12.0)


def test_perfect_crystal_has_no_interface_energy(crystal_again):
    """gamma = 0, and W is twice the surface energy, when film and substrate continue each other."""
    spacing = crystal("nio").structure.lattice.a / 2.0
    result = adhesion(
        crystal_again, make_calculator("pmmcs"), gaps_A=(spacing,), max_terminations=1, finalists=1
    )
    assert result.interface_energy_J_per_m2 == pytest.approx(
        0.0, abs=0.05
    )  # cell heights are not relaxed together
    surface = sum(
        result.energies_eV[f"{part}_slab"] - result.energies_eV[f"{part}_bulk"]
        for part in ("film", "substrate")
    )
    surface_energy = surface / (4.0 * result.area_A2) * J_PER_M2_PER_EV_PER_A2
    balance = 2.0 * surface_energy - result.interface_energy_J_per_m2
    assert result.work_of_adhesion_J_per_m2 == pytest.approx(balance, rel=1e-9)
    assert result.work_of_adhesion_J_per_m2 > 1.0
    assert result.polar == (False, False)
    assert result.calculator["model"] == "pmmcs"
    row = result.to_dict()
    assert row["scan"][0]["gap_A"] == pytest.approx(spacing)
    assert row["film_miller"] == [0, 0, 1]


def test_scan_prefers_the_better_gap(crystal_again):
    spacing = crystal("nio").structure.lattice.a / 2.0
    result = adhesion(
        crystal_again, make_calculator("pmmcs"), gaps_A=(spacing, 3.5), max_terminations=1, finalists=1
    )
    assert result.gap_A == pytest.approx(spacing)
    assert [p.adhesion_unrelaxed_J_per_m2 for p in result.scan] == sorted(
        (p.adhesion_unrelaxed_J_per_m2 for p in result.scan), reverse=True
    )


def test_relaxed_structure_keeps_its_labels(crystal_again):
    spacing = crystal("nio").structure.lattice.a / 2.0
    result = adhesion(
        crystal_again, make_calculator("pmmcs"), gaps_A=(spacing,), max_terminations=1, finalists=1
    )
    assert {s.properties[PART] for s in result.structure} == {"film", "substrate"}


def test_bad_input(oxide):
    with pytest.raises(InputError, match="at least one gap"):
        adhesion(oxide, make_calculator("pmmcs"), gaps_A=())


def test_all_variants_failing_is_one_error(oxide):
    class Broken:
        def get_property(self, *_: object, **__: object) -> float:
            raise RuntimeError("no licence")

        def get_potential_energy(self, *_: object, **__: object) -> float:
            raise RuntimeError("no licence")

        def get_forces(self, *_: object) -> None:
            raise RuntimeError("no licence")

    with pytest.raises(EngineError, match="could be relaxed"):
        adhesion(oxide, Broken(), gaps_A=(2.0,), max_terminations=1)
