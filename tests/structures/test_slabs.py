from collections import Counter

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.core.surface import SlabGenerator

from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.structures.crystals import crystal
from cosinter.structures.cuts import charges, cuts
from cosinter.structures.geometry import without_spglib_notice
from cosinter.structures.hosts import host
from cosinter.structures.named import build
from cosinter.structures.slabs import surface_slab, surface_slabs


def counts(structure):
    return Counter(site.specie.symbol for site in structure)


def test_rock_salt_001_is_type_one():
    slab = surface_slab("nio", (0, 0, 1))
    assert (slab.tasker, slab.polar, slab.symmetric) == ("I", False, True)
    edge = crystal("nio").structure.lattice.a
    assert slab.area_A2 == pytest.approx(edge**2 / 2)
    assert slab.thickness_A == pytest.approx((slab.layers - 1) * edge / 2)


def test_rock_salt_111_moves_half_a_plane():
    """Tasker's example: alternating planes of equal distance, f = 1/2; dipole q d/2 per repeat before."""
    slab = surface_slab("nio", (1, 1, 1))
    spacing = crystal("nio").structure.lattice.a / np.sqrt(3.0)
    cells = slab.area_A2 / (crystal("nio").structure.lattice.a ** 2 * np.sqrt(3.0) / 4.0)
    assert slab.tasker == "III"
    assert abs(slab.dipole_before_eA) == pytest.approx(2.0 * spacing / 2.0 * slab.layers * cells, rel=1e-6)
    assert slab.dipole_eA == pytest.approx(0.0, abs=1e-6)
    assert slab.reconstructed.startswith(("1 of 2 Ni2+", "1 of 2 O2-"))
    assert counts(slab.structure)["Ni"] == counts(slab.structure)["O"]


def test_fluorite_111_of_li2o_is_type_two():
    """The anti-fluorite's O-centred sandwich Li-O-Li has charged planes and no dipole."""
    listed = surface_slabs("li2o", (1, 1, 1))
    assert listed[0].tasker == "II"
    assert not listed[0].polar
    assert listed[0].termination == "Li|Li"
    assert {s.tasker for s in listed} == {"II", "III"}


@pytest.mark.parametrize(("miller", "tasker"), [((0, 0, 3), "III"), ((1, 0, 4), "I"), ((0, 1, 2), "III")])
def test_layered_planes(miller, tasker):
    slab = surface_slab("ncm811", miller)
    assert slab.tasker == tasker
    assert not slab.polar
    assert abs(slab.dipole_eA) < 1.0
    assert slab.formula == "LiNi0.8Co0.1Mn0.1O2"
    found = counts(slab.structure)
    assert found["Ni"] * 8 == 64 * found["Mn"]
    assert found["Li"] * 2 == found["O"]
    assert float(charges(slab.structure).sum()) == pytest.approx(0.0, abs=1e-9)


def test_003_loses_its_dipole_by_half_the_lithium():
    kept = surface_slabs("linio2", (0, 0, 3), reconstruct=False)
    moved = surface_slab("linio2", (0, 0, 3))
    spacing = crystal("linio2").structure.lattice.c / 3.0
    area = crystal("linio2").structure.lattice.a ** 2 * np.sqrt(3.0) / 2.0
    by_lithium = next(s for s in kept if s.termination == "Li|O")
    assert by_lithium.polar
    assert abs(by_lithium.dipole_eA) == pytest.approx(by_lithium.layers * spacing / 2.0, rel=1e-6)
    assert moved.termination == "Li|Li"
    assert moved.area_A2 == pytest.approx(2.0 * area, rel=1e-6)
    assert moved.symmetric


@pytest.mark.parametrize("miller", [(0, 1, 2), (0, 0, 1), (1, 0, 4), (1, 1, 0)])
def test_phosphate_stays_whole(miller):
    slab = surface_slab("latp", miller, thickness_A=6.0)
    assert slab.formula == "Li1.33Al0.333Ti1.67(PO4)3"
    for index, site in enumerate(slab.structure):
        if site.specie.symbol == "P":
            near = [n for n in slab.structure.get_neighbors(site, 1.8) if n.specie.symbol == "O"]
            assert len(near) == 4, index


def test_nasicon_104_and_110_are_not_polar():
    for miller in ((1, 0, 4), (1, 1, 0)):
        assert surface_slab("ltp", miller, thickness_A=6.0).tasker == "II"


@pytest.mark.parametrize(
    ("name", "miller"), [("nio", (1, 1, 1)), ("linio2", (0, 0, 1)), ("linio2", (1, 0, 4))]
)
def test_same_terminations_as_pymatgen(name, miller):
    """Number, area and content of the cuts against pymatgen's generator, for crystals without groups."""
    cell = crystal(name).structure
    with without_spglib_notice():
        theirs = SlabGenerator(cell, miller, 4, 4, in_unit_planes=True, primitive=True).get_slabs(
            ftol=0.25, filter_out_sym_slabs=False
        )
    ours = cuts(host(name), miller, 4)
    assert len(theirs) % len(ours) == 0  # theirs may repeat the primitive crystal's repeat
    assert {round(c.area, 4) for c in ours} == {round(s.surface_area, 4) for s in theirs}
    formulas = {s.composition.element_composition.reduced_formula for s in theirs}
    assert {c.structure.composition.element_composition.reduced_formula for c in ours} == formulas


def test_bond_valence_cut_is_that_of_the_plane():
    """Rock salt (001): one bond of strength 2/6 per ion is cut, each seen once: two per surface cell."""
    cut = cuts(host("nio"), (0, 0, 1), 3)[0]
    assert cut.cut_valence_per_A2 == pytest.approx(2.0 * (2.0 / 6.0) / cut.area)


def test_bonds_cut_in_anti_fluorite():
    """Li2O (111): between the sandwiches two bonds of 1/4 per cell, inside one three and one."""
    listed = {c.label: c for c in cuts(host("li2o"), (1, 1, 1), 3)}
    sandwich = listed["Li|Li"]
    assert sandwich.cut_valence_per_A2 * sandwich.area == pytest.approx(2 * 0.25)
    inside = [c for c in cuts(host("li2o"), (1, 1, 1), 3) if c.label != "Li|Li"]
    assert [c.cut_valence_per_A2 * c.area for c in inside] == pytest.approx([4 * 0.25, 4 * 0.25])


def test_a_slab_is_whole_repeats_of_the_crystal():
    for name in ("li2tio3", "li3po4", "lto"):
        for slab in surface_slabs(name, (1, 0, 0), thickness_A=5.0)[:3]:
            crystal_formula = crystal(name).structure.composition.element_composition
            assert slab.structure.composition.element_composition.fractional_composition.almost_equals(
                crystal_formula.fractional_composition, atol=2e-3
            )
            assert slab.min_distance_A > 1.4


def test_plain_json():
    row = surface_slab("nio", (0, 0, 1)).to_dict()
    assert row["miller"] == [0, 0, 1]
    assert {type(v) for v in row.values()} <= {str, int, float, bool, list}


def test_structures_are_taken_as_they_are():
    cell = build("li2tio3")
    before = cell.copy()
    slab = surface_slab(cell, (0, 0, 1), thickness_A=5.0)
    assert cell == before
    assert slab.formula == "Li2TiO3"


@pytest.mark.parametrize(
    ("material", "miller", "options", "text"),
    [
        ("nio", (0, 0, 0), {}, "name no plane"),
        ("nio", (0, 0, 1), {"thickness_A": -1.0}, "thickness_A is -1.0"),
        ("nio", (0, 0, 1), {"vacuum_A": float("nan")}, "vacuum_A is nan"),
        ("nio", (0, 0, 1), {"surface_cells": 0}, "surface_cells is 0"),
        (
            Structure(Lattice.cubic(4.0), ["Ni", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
            (0, 0, 1),
            {},
            "oxidation state",
        ),
        (
            Structure(Lattice.cubic(4.0), ["Ni2+", "O-"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
            (0, 0, 1),
            {},
            "has charge",
        ),
    ],
)
def test_bad_input(material, miller, options, text):
    with pytest.raises(InputError, match=text):
        surface_slabs(material, miller, **options)


def test_unknown_name():
    with pytest.raises(UnknownNameError):
        surface_slabs("linio3x", (0, 0, 1))
