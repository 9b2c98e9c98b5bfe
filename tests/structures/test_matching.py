import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.interfaces.zsl import ZSLGenerator

from cosinter.structures.geometry import von_mises
from cosinter.structures.matching import (
    cells_of,
    compact_superlattice,
    lattice_matches,
    nearest_match,
    superlattices,
)

SQUARE = np.array([[4.0, 0.0], [0.0, 4.0]])
HEXAGON = np.array([[2.88, 0.0], [-1.44, 2.88 * np.sqrt(3.0) / 2.0]])


def divisor_sum(n):
    return sum(k for k in range(1, n + 1) if n % k == 0)


@pytest.mark.parametrize("number", [1, 2, 5, 6, 12])
def test_number_of_superlattices(number):
    """A plane has sigma(n) sublattices of index n (Cassels)."""
    found = superlattices(HEXAGON, number)
    assert len(found) == divisor_sum(number)
    assert [cells_of(rows) for rows in found] == [number] * len(found)
    assert all(np.linalg.det(rows) > 0 for rows in found)


def test_compact_superlattice_of_a_square():
    assert np.linalg.norm(compact_superlattice(SQUARE, 2) @ SQUARE, axis=1) == pytest.approx(
        [4.0 * np.sqrt(2.0)] * 2
    )
    assert np.linalg.norm(compact_superlattice(SQUARE, 4) @ SQUARE, axis=1) == pytest.approx([8.0, 8.0])


def test_a_lattice_matches_itself():
    first = lattice_matches(SQUARE, SQUARE, max_area_A2=20.0, max_strain_percent=1.0)[0]
    assert first.area_A2 == pytest.approx(16.0)
    assert first.largest_percent == pytest.approx(0.0, abs=1e-9)


def test_known_match_of_a_square_turned_by_45_degrees():
    """A square of edge 4 on one of edge 4 sqrt(2) (1 + 1 %): two cells, both principal strains 1 %."""
    wide = SQUARE * np.sqrt(2.0) * 1.01
    match = lattice_matches(SQUARE, wide, max_area_A2=40.0, max_strain_percent=2.0)[0]
    assert (cells_of(match.film), cells_of(match.substrate)) == (2, 1)
    assert match.principal_percent == pytest.approx((1.0, 1.0))


@settings(max_examples=12, deadline=None)
@given(
    st.floats(3.0, 6.0),
    st.floats(3.0, 6.0),
    st.floats(60.0, 120.0),
    st.floats(3.0, 6.0),
    st.floats(70.0, 110.0),
)
def test_everything_pymatgen_finds_is_found(a, b, gamma, c, delta):
    """Each of pymatgen's matches within the strain limit has one of ours of its area and no more strain."""
    film, substrate = _plane(a, b, gamma), _plane(c, 1.3 * c, delta)
    theirs = ZSLGenerator(max_area=90.0, max_length_tol=0.04, max_angle_tol=0.02)(
        _flat(film), _flat(substrate)
    )
    ours = lattice_matches(film, substrate, max_area_A2=95.0, max_strain_percent=6.0)
    for match in theirs:
        start, end = np.array(match.film_sl_vectors), np.array(match.substrate_sl_vectors)
        strain = 100.0 * von_mises(start, end)
        area = float(np.linalg.norm(np.cross(end[0], end[1])))
        stretches = np.linalg.svd(np.linalg.solve(_two(start), _two(end)), compute_uv=False)
        if max(strain, 100.0 * np.abs(stretches - 1.0).max()) > 5.99:
            continue
        same = [m for m in ours if abs(m.area_A2 - area) < 0.02]
        assert same
        assert min(m.strain_percent for m in same) <= strain + 1e-6


def _plane(a, b, gamma):
    angle = np.radians(gamma)
    return np.array([[a, 0.0], [b * np.cos(angle), b * np.sin(angle)]])


def _flat(vectors):
    return np.column_stack([vectors, np.zeros(2)])


def _two(vectors):
    from cosinter.structures.geometry import planar

    return planar(vectors)


def test_reported_strain_belongs_to_the_matrices():
    for match in lattice_matches(HEXAGON, SQUARE, max_area_A2=150.0, max_strain_percent=5.0):
        strain = 100.0 * von_mises(match.film @ HEXAGON, match.substrate @ SQUARE)
        assert strain == pytest.approx(match.strain_percent, abs=1e-9)
        assert match.largest_percent <= 5.0
        assert match.area_A2 == pytest.approx(16.0 * cells_of(match.substrate))


def test_nearest_match_when_nothing_fits():
    wide = SQUARE * 1.07
    assert lattice_matches(SQUARE, wide, max_area_A2=20.0, max_strain_percent=5.0) == []
    best = nearest_match(SQUARE, wide, max_area_A2=20.0)
    assert best is not None
    assert best.principal_percent == pytest.approx((7.0, 7.0))
    assert nearest_match(SQUARE, SQUARE * 3.5, max_area_A2=20.0) is None
