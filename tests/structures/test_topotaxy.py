from collections import Counter

import numpy as np
import pytest
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from cosinter.data.exceptions import CompositionError, InputError
from cosinter.structures.crystals import crystal
from cosinter.structures.geometry import without_spglib_notice
from cosinter.structures.packing import in_metal_layer, oxygen_stacking, spinel_variants
from cosinter.structures.topotaxy import path_between, topotactic_map


@pytest.fixture(scope="module")
def half():
    return topotactic_map(nickel=1.0, cobalt=0.0, manganese=0.0, lithium=0.5)


@pytest.fixture(scope="module")
def full():
    return topotactic_map(nickel=0.5, cobalt=0.0, manganese=0.5, lithium=1.0)


def group(structure):
    with without_spglib_notice():
        return SpacegroupAnalyzer(structure, symprec=1e-3).get_space_group_symbol()


def alike(structure):
    """All metals made Ni, charges dropped."""
    copy = structure.copy()
    copy.remove_oxidation_states()
    copy.replace_species({s.symbol: "Ni" for s in copy.composition if s.symbol in ("Co", "Mn")})
    return copy


def metals(structure):
    return np.array([s.specie.symbol in ("Ni", "Co", "Mn") for s in structure])


def edge(structure, repeat=2):
    """Distance of neighbouring octahedra of the ideal packing."""
    return structure.lattice.a / repeat


def test_half_lithium_is_the_spinel(half):
    """LiM2O4: Fd-3m with 8 formula units per cube; cell edge sqrt(8) times the distance of octahedra."""
    assert group(alike(half.spinel)) == "Fd-3m"
    with without_spglib_notice():
        cube = SpacegroupAnalyzer(alike(half.spinel), symprec=1e-3).get_conventional_standard_structure()
    assert cube.composition.as_dict() == {"Li": 8.0, "Ni": 16.0, "O": 32.0}
    assert cube.lattice.a == pytest.approx(np.sqrt(8.0) * edge(half.spinel), rel=1e-6)
    assert half.lithium_sites == "8a"
    lithium = [s for s in half.spinel if s.specie.symbol == "Li"]
    assert {
        len([n for n in half.spinel.get_neighbors(s, 2.1) if n.specie.symbol == "O"]) for s in lithium
    } == {4}


def test_full_lithium_is_on_16c(full):
    assert full.lithium_sites == "16c"
    assert group(alike(full.spinel)) == "Fd-3m"


def test_a_quarter_of_the_metals_crosses(half, full):
    for made in (half, full):
        total = int(metals(made.layered).sum())
        assert in_metal_layer(made.layered)[metals(made.layered)].all()
        assert len(made.layered_to_spinel.to_lithium_layer) * 4 == total
        assert in_metal_layer(made.spinel)[metals(made.spinel)].sum() * 4 == 3 * total


def test_same_atoms_in_the_same_order(half, full):
    for made in (half, full):
        names = [s.species_string for s in made.layered]
        for other in (made.spinel, made.rock_salt):
            assert [s.species_string for s in other] == names
            assert other.volume == pytest.approx(made.layered.volume, rel=1e-9)
            assert sum(s.specie.oxi_state for s in other) == pytest.approx(0.0, abs=1e-9)


def test_oxygen_stays_where_it_is(half):
    oxygen = np.array([s.specie.symbol == "O" for s in half.layered])
    height = half.layered.lattice.c * abs(0.25 - 0.2415)  # OXYGEN_HEIGHT of the layered cell
    lengths = np.linalg.norm(half.layered_to_spinel.displacements_A[oxygen], axis=1)
    assert lengths == pytest.approx(height, rel=2e-2)  # mean of the two cells' c against the layered c
    for cell in (half.layered, half.spinel, half.rock_salt):
        assert oxygen_stacking(cell, (2, 2)) == "ABCABC"


def test_stacking_of_other_packings_is_seen():
    """O1 stacking (hexagonal, ABABAB) is not called cubic."""
    cell = crystal("linio2").structure.copy() * (2, 2, 1)
    places = cell.frac_coords.copy()
    oxygen = [i for i, s in enumerate(cell) if s.specie.symbol == "O"]
    for i in oxygen:
        layer = int(places[i, 2] * 6.0)
        base = places[i, :2] * 2.0
        places[i, :2] = (np.floor(base) + ([0.0, 0.0], [2 / 3, 1 / 3])[layer % 2]) / 2.0
    moved = cell.copy()
    for i, place in enumerate(places):
        moved.translate_sites([i], place - cell.frac_coords[i], to_unit_cell=True)
    assert oxygen_stacking(moved, (2, 2)) == "ABABAB"


def test_displacements_lead_from_one_to_the_other(half):
    for step, first, second in (
        (half.layered_to_spinel, half.layered, half.spinel),
        (half.spinel_to_rock_salt, half.spinel, half.rock_salt),
    ):
        mean = (first.lattice.matrix + second.lattice.matrix) / 2.0
        reached = first.frac_coords + step.displacements_A @ np.linalg.inv(mean)
        off = reached - second.frac_coords
        assert np.abs(off - np.round(off)).max() < 1e-9


def test_fewest_and_shortest_moves():
    fewest = topotactic_map(nickel=1.0, cobalt=0.0, manganese=0.0, lithium=1.0)
    shortest = topotactic_map(nickel=1.0, cobalt=0.0, manganese=0.0, lithium=1.0, moves="shortest")
    step = edge(fewest.spinel)
    # corner-sharing octahedra are sqrt(2) farther apart than edge-sharing ones; 1 % for the layered cell's c/a
    assert fewest.layered_to_spinel.largest_A == pytest.approx(np.sqrt(2.0) * step, rel=1e-2)
    assert shortest.layered_to_spinel.largest_A == pytest.approx(step, rel=1e-2)
    lengths = np.linalg.norm(shortest.layered_to_spinel.displacements_A, axis=1)
    assert int((lengths[metals(shortest.layered)] > 1.0).sum()) == 6  # of 12: 3 cross, 3 follow in the layer
    assert len(shortest.layered_to_spinel.to_lithium_layer) == 3


def test_rock_salt_fills_octahedra_at_random(full):
    cations = [s for s in full.rock_salt if s.specie.symbol != "O"]
    neighbours = Counter(
        len([n for n in full.rock_salt.get_neighbors(s, 2.3) if n.specie.symbol == "O"]) for s in cations
    )
    assert set(neighbours) == {6}
    assert group(_one_cation(full.rock_salt)) == "Fm-3m"
    share = in_metal_layer(full.rock_salt)[metals(full.rock_salt)].mean()
    assert (
        0.2 < share < 0.8
    )  # 1/2 in an infinite cell; 4 standard deviations of a cell with 12 metals on 24 places


def _one_cation(structure):
    copy = alike(structure)
    copy.replace_species({"Li": "Ni"})
    return copy


def test_delithiated_rock_salt_has_vacancies(half):
    cations = sum(s.specie.symbol != "O" for s in half.rock_salt)
    oxygen = sum(s.specie.symbol == "O" for s in half.rock_salt)
    assert (cations, oxygen) == (18, 24)


def test_path(half):
    images = path_between(half.layered, half.spinel, images=5)
    assert len(images) == 5
    assert images[0].lattice == half.layered.lattice
    difference = images[-1].frac_coords - half.spinel.frac_coords
    assert np.abs(difference - np.round(difference)).max() < 1e-9
    with pytest.raises(InputError, match="images is 1"):
        path_between(half.layered, half.spinel, images=1)
    with pytest.raises(InputError, match="same atoms"):
        path_between(half.layered, _reversed(half.spinel), images=3)


def _reversed(structure):
    copy = structure.copy()
    copy.reverse()
    return copy


def test_four_spinels_on_one_packing():
    variants = spinel_variants()
    assert [tuple(len(part) for part in v) for v in variants] == [(12, 12, 6)] * 4


def test_seed_repeats():
    first = topotactic_map(nickel=1.0, cobalt=0.0, manganese=0.0, lithium=0.5, seed=3)
    second = topotactic_map(nickel=1.0, cobalt=0.0, manganese=0.0, lithium=0.5, seed=3)
    assert np.array_equal(first.rock_salt.frac_coords, second.rock_salt.frac_coords)


def test_bad_input():
    with pytest.raises(CompositionError):
        topotactic_map(nickel=0.5, cobalt=0.0, manganese=0.0)
    with pytest.raises(InputError, match="moves is"):
        topotactic_map(nickel=1.0, cobalt=0.0, manganese=0.0, moves="all")


def test_plain_json(half):
    row = half.to_dict()
    assert row["spinel_framework"] == "Fd-3m"
    assert len(row["layered_to_spinel"]["displacements_A"]) == row["atoms"]
