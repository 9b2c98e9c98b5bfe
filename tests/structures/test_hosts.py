from collections import Counter

import numpy as np
import pytest

from cosinter.data.exceptions import CompositionError, InputError
from cosinter.structures.crystals import crystal
from cosinter.structures.hosts import CHARGE, EMPTY, decorate, host
from cosinter.structures.layered import vegard_lattice


@pytest.mark.parametrize(
    "name", ["ncm811", "Li0.5CoO2", "latp", "LATP_x04", "ltp", "lto", "li3po4", "LiTi2O4"]
)
def test_mean_charges_are_neutral(name):
    assert sum(host(name).cell.site_properties[CHARGE]) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "family", "unit", "exact_unit"),
    [
        ("ncm811", "layered", 1, 10),
        ("latp", "nasicon", 1, 3),
        ("lto", "mixed", 3, 3),
        ("nio", "ordered", 1, 1),
    ],
)
def test_families_and_units(name, family, unit, exact_unit):
    made = host(name)
    assert (made.family, made.unit, made.exact_unit) == (family, unit, exact_unit)


def test_layered_lattice_is_vegards():
    cell = host("LiNi0.8Co0.1Mn0.1O2").cell.lattice
    assert (cell.a, cell.c) == pytest.approx(vegard_lattice(0.8, 0.1, 0.1))


def test_latp_host_becomes_neutral_latp():
    base = host("latp")
    assert base.cell.lattice.a == pytest.approx(crystal("LATP").structure.lattice.a)
    filled, label = decorate(base.cell, base, within=range(len(base.cell)))
    ions = Counter(s.specie.symbol for s in filled)
    assert label == "Li1.33Al0.333Ti1.67(PO4)3"
    assert ions == {"Li": 8, "Al": 2, "Ti": 10, "P": 18, "O": 72}
    assert sum(s.specie.oxi_state for s in filled) == pytest.approx(0.0)
    lithium = [i for i, s in enumerate(filled) if s.specie.symbol == "Li"]
    gaps = filled.distance_matrix[np.ix_(lithium, lithium)] + 1e3 * np.eye(len(lithium))
    assert gaps.min() >= 2.5
    assert sum(s.species_string == EMPTY for s in base.cell) == 36  # 36f, untouched


def test_delithiated_host_keeps_vacancies():
    base = host("Li0.5CoO2")
    filled, label = decorate(base.cell * (2, 1, 1), base, within=range(24))
    assert Counter(s.species_string for s in filled) == {"Li+": 3, "Co3+": 3, "Co4+": 3, "O2-": 12}
    assert label == "Li0.5CoO2"


def test_deviation_is_that_of_the_nearest_numbers():
    assert host("ncm811").deviation(10) == pytest.approx(0.0)
    assert host("ncm811").deviation(5) == pytest.approx(0.1)
    assert host("latp").deviation(3) == pytest.approx(1 / 3 - 0.3)
    assert host("nio").deviation(1) == 0.0


def test_mixed_host_refuses_fractions():
    base = host("lto")
    with pytest.raises(CompositionError, match="a multiple of 3 primitive cells"):
        decorate(base.cell, base, within=[i for i, s in enumerate(base.cell)])


def test_disordered_structure_is_refused():
    with pytest.raises(InputError, match="order it first"):
        host(crystal("lto").structure)
