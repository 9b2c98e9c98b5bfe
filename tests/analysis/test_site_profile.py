"""Site energies along an interface: a known field, a bulk crystal in two halves, a hop across."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from pymatgen.core import Structure

from cosinter.analysis.atoms.barriers import barrier
from cosinter.analysis.atoms.calculators import make_calculator
from cosinter.analysis.atoms.relaxation import relax
from cosinter.analysis.atoms.site_profile import cell_height, crossing_hop, interface_planes, site_profile
from cosinter.data.exceptions import InputError
from cosinter.structures.layered import layered_oxide


class Field(Calculator):
    """E = sum over lithium of 0.3 eV cos(2 pi z / c): what each lithium feels is known."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        lithium = np.array(self.atoms.get_chemical_symbols()) == "Li"
        phase = 2.0 * np.pi * self.atoms.get_scaled_positions()[:, 2]
        value = float(0.3 * np.cos(phase[lithium]).sum())
        zero = np.zeros((len(lithium), 3))
        self.results = {"energy": value, "free_energy": value, "forces": zero, "stress": np.zeros(6)}


def stack(*, upper: str = "Ni3+", shift: float = 0.0) -> Structure:
    """Six layers of LiMO2 along c: the lower half film, the upper half substrate."""
    cell = layered_oxide(nickel=1.0, cobalt=0.0, manganese=0.0, supercell=(2, 1, 2))
    labels = []
    for i, site in enumerate(cell):
        # oxygen at the border belongs to the metal layer beside it: cut half-way between O and Li layers
        high = (site.frac_coords[2] + 0.04) % 1.0 >= 0.5
        labels.append("substrate" if high else "film")
        if high and site.specie.symbol == "Ni":
            cell.replace(i, upper)
    cell.add_site_property("interface_label", labels)
    cell.translate_sites(list(range(len(cell))), [0.0, 0.0, shift])
    return cell


def test_halves_of_one_crystal_are_alike() -> None:
    """Film and substrate of the same crystal: all lithium sites are equal by translation."""
    found = site_profile(stack(), make_calculator("pmmcs"), relax_steps=0)
    assert len(found.sites) == 12
    assert max(abs(site.energy_eV) for site in found.sites) < 1e-6
    assert found.step_eV == pytest.approx(0.0, abs=1e-6)
    assert "spread evenly" in found.compensation
    assert not found.relaxed


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.8])
def test_known_field(shift: float) -> None:
    """energy(i) = phi(z_i) - <phi> in the film's middle, wherever the cell's origin lies."""
    cell = stack(shift=shift)
    found = site_profile(cell, Field(), relax_steps=0)
    field = {s.index: 0.3 * np.cos(2.0 * np.pi * s.z_A / found.height_A) for s in found.sites}
    zero = np.mean([field[i] for i in found.reference_sites])
    for site in found.sites:
        assert site.energy_eV == pytest.approx(field[site.index] - zero, abs=1e-9)
    assert all(cell[i].properties["interface_label"] == "film" for i in found.reference_sites)
    assert sum(b.sites for b in found.bins) == len(found.sites)
    for b in found.bins:
        assert b.lowest_eV <= b.energy_eV <= b.highest_eV
    json.dumps(found.to_dict())


@pytest.mark.parametrize("shift", [0.0, 0.17, 0.5, 0.93])
def test_planes_move_with_the_cell(shift: float) -> None:
    """The cut lies 0.04 c below the layers at z = 0 and z = c/2 (see stack), half-way between the atoms beside it."""
    start, moved = stack(), stack(shift=shift)
    height = cell_height(start)
    for before, after in zip(interface_planes(start), interface_planes(moved), strict=True):
        apart = (after - before) / height - shift
        assert apart - round(apart) == pytest.approx(0.0, abs=1e-6)
    low, high = interface_planes(start)
    assert (high - low) % height == pytest.approx(height / 2.0, abs=1e-6)


def test_sides() -> None:
    found = site_profile(stack(upper="Co3+"), make_calculator("pmmcs"), relax_steps=0, interface_width_A=3.0)
    for site in found.sites:
        gap = min(
            abs((site.z_A - plane + found.height_A / 2) % found.height_A - found.height_A / 2)
            for plane in found.interfaces_A
        )
        assert site.distance_A == pytest.approx(gap, abs=1e-9)
        assert site.side == ("interface" if gap < 3.0 else site.label)
    # with every site near a plane the farthest ones of the film are the reference
    wide = site_profile(stack(), Field(), relax_steps=0, interface_width_A=100.0)
    assert {site.side for site in wide.sites} == {"interface"}
    assert wide.reference_sites


def test_relaxation_lowers_every_cell() -> None:
    cell, energies = stack(upper="Co3+"), []
    for steps in (0, 5):
        totals: dict[int, float] = {}
        site_profile(cell, make_calculator("pmmcs"), relax_steps=steps, on_site=totals.__setitem__)
        energies.append(totals)
    assert energies[0].keys() == energies[1].keys()
    assert all(energies[1][i] < energies[0][i] for i in energies[0])


def test_mistakes() -> None:
    cell = stack()
    with pytest.raises(InputError, match="interface_label"):
        site_profile(layered_oxide(nickel=1.0, cobalt=0.0, manganese=0.0), Field())
    with pytest.raises(InputError, match="bin_width_A"):
        site_profile(cell, Field(), bin_width_A=0.0)
    with pytest.raises(InputError, match="relax_steps"):
        site_profile(cell, Field(), relax_steps=-1)
    with pytest.raises(InputError, match="no lithium of the film"):
        crossing_hop(cell, max_length_A=1.0)
    bare = cell.copy()
    bare.remove_sites(
        [
            i
            for i, s in enumerate(cell)
            if s.specie.symbol == "Li" and s.properties["interface_label"] == "film"
        ]
    )
    with pytest.raises(InputError, match="film holds no lithium"):
        site_profile(bare, Field())
    mixed = cell.copy()
    mixed.add_site_property("interface_label", ["film" if i % 3 else "substrate" for i in range(len(cell))])
    with pytest.raises(InputError, match="two slabs"):
        interface_planes(mixed)


def test_crossing_hop_leads_from_film_to_substrate() -> None:
    cell = stack(upper="Co3+")
    path = crossing_hop(cell, max_length_A=6.5)
    assert len(path.initial) == len(cell) - 1
    ends = [structure[path.mobile_index] for structure in (path.initial, path.final)]
    assert ends[0].properties["interface_label"] == "film"
    vacant = [
        s
        for s in cell
        if s.specie.symbol == "Li"
        and s.distance(ends[1]) < 0.01
        and s.properties["interface_label"] == "substrate"
    ]
    assert len(vacant) == 1
    pairs = [
        cell.get_distance(i, j)
        for i, a in enumerate(cell)
        for j, b in enumerate(cell)
        if a.specie.symbol == b.specie.symbol == "Li"
        and (a.properties["interface_label"], b.properties["interface_label"]) == ("film", "substrate")
    ]
    assert path.hop_length_A == pytest.approx(min(pairs))


@pytest.mark.slow
def test_hop_agrees_with_the_profile() -> None:
    """The end of a hop against its start is the difference of the two site energies (LiNiO2 | Li2TiO3)."""
    from cosinter.structures.interfaces import coherent_interfaces

    calculator = make_calculator("pmmcs")
    model = coherent_interfaces(
        "LiNiO2", "Li2TiO3", film_miller=(0, 0, 1), substrate_miller=(0, 0, 1), max_atoms=60, max_models=1
    )[0]
    cell = relax(model.structure, calculator, soft_steps=200, force_tolerance=0.02).structure
    found = {s.index: s.energy_eV for s in site_profile(cell, calculator, force_tolerance=0.02).sites}
    path = crossing_hop(cell)
    hop = barrier(path, calculator, cell="given", strict=False)
    target = path.final[path.mobile_index]
    end = min(
        (i for i, s in enumerate(cell) if s.specie.symbol == "Li"), key=lambda i: cell[i].distance(target)
    )
    origin = path.initial[path.mobile_index]
    start = min(
        (i for i, s in enumerate(cell) if s.specie.symbol == "Li"), key=lambda i: cell[i].distance(origin)
    )
    # forces of 0.02 eV/Å over shifts below 0.5 Å
    assert hop.energy_difference_eV == pytest.approx(found[end] - found[start], abs=0.02)
