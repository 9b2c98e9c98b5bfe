from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from cosinter.data.exceptions import InputError, StructureError
from cosinter.structures.layered import layered_parent
from cosinter.structures.quasirandom import neighbour_shells, pair_correlations, quasi_random


def lattice_of(centring, repeat, a=3.6):
    sites = {
        "bcc": [[0, 0, 0], [0.5, 0.5, 0.5]],
        "fcc": [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
    }
    points = sites[centring]
    return Structure(Lattice.cubic(a), ["Cu"] * len(points), points) * repeat


def counted(structure, distance):
    """Ordered pairs of elements at a distance, by pymatgen's neighbour search."""
    pairs = Counter()
    for site, neighbours in zip(structure, structure.get_all_neighbors(distance + 0.005), strict=True):
        for other in neighbours:
            if other.nn_distance > distance - 0.005:
                pairs[site.specie.symbol, other.specie.symbol] += 1
    return pairs


def test_shells_of_fcc():
    shells = neighbour_shells(lattice_of("fcc", (2, 2, 2)), range(32), shells=4)
    assert shells.distances_A == pytest.approx([3.6 * np.sqrt(k / 2) for k in (1, 2, 3, 4)])
    assert [float(c.sum()) / 32 for c in shells.counts] == [12.0, 6.0, 24.0, 12.0]


@pytest.mark.parametrize(
    ("centring", "ordered", "alpha"),
    # B2: a site has 8 unlike neighbours, then 6 like. L1_0: 8 of 12 unlike, then 6 like.
    [("bcc", lambda f: f[0] % 1.0 > 0.1, (-1.0, 1.0)), ("fcc", lambda f: f[2] % 1.0 > 0.1, (-1 / 3, 1.0))],
)
def test_ordered_alloys(centring, ordered, alpha):
    repeat = 2
    structure = lattice_of(centring, (repeat,) * 3)
    elements = ["Au" if ordered(f * repeat + 1e-6) else "Cu" for f in structure.frac_coords]
    found = pair_correlations(neighbour_shells(structure, range(len(structure)), shells=2), elements)
    assert found.warren_cowley["Au-Cu"] == pytest.approx(alpha)
    # x = 1/2: every |p - 1/4| is |α|/4, four ordered pairs
    assert found.error == pytest.approx(np.mean(np.abs(alpha)))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([(2, 2, 1), (3, 2, 1), (3, 1, 2)]))
def test_correlations_agree_with_a_direct_count(seed, repeat):
    cell = layered_parent((2.87, 14.2)) * repeat
    sites = [i for i, s in enumerate(cell) if s.specie.symbol == "Ni"]
    elements = list(np.random.default_rng(seed).choice(["Ni", "Co", "Mn"], len(sites)))
    metals = Structure(cell.lattice, elements, cell.frac_coords[sites])
    found = pair_correlations(neighbour_shells(cell, sites, shells=3), elements)
    number = Counter(elements)
    for shell, distance in enumerate(found.distances_A):
        pairs = counted(metals, distance)
        for name, alpha in found.warren_cowley.items():
            a, b = name.split("-")
            expected = sum(pairs.values()) * number[a] * number[b] / len(sites) ** 2
            assert alpha[shell] == pytest.approx(1.0 - pairs[a, b] / expected, abs=1e-12)


def test_fcc_alloy_becomes_quasi_random():
    structure = lattice_of("fcc", (2, 2, 2))
    shells = neighbour_shells(structure, range(32), shells=2)
    start = np.tile(np.repeat([0, 1], 16), (4, 1))
    found = quasi_random(shells, start, seeds=range(4))
    assert (found.sum(axis=1) == 16).all()
    errors = [pair_correlations(shells, [str(x) for x in row]).error for row in found]
    # 192 and 96 pairs are divisible by 4: the random alloy's correlations exist in this cell
    assert min(errors) == pytest.approx(0.0, abs=1e-12)


def test_the_search_beats_random_draws_and_rows_are_independent():
    cell = layered_parent((2.85, 14.2)) * (3, 3, 1)
    sites = [i for i, s in enumerate(cell) if s.specie.symbol == "Ni"]
    shells = neighbour_shells(cell, sites, shells=4)
    start = np.tile(np.repeat([0, 1, 2], 9), (3, 1))
    found = quasi_random(shells, start, seeds=[5, 6, 7])
    np.testing.assert_array_equal(found[1], quasi_random(shells, start[:1], seeds=[6])[0])
    errors = [pair_correlations(shells, [str(x) for x in row]).error for row in found]
    rng = np.random.default_rng(0)
    drawn = [pair_correlations(shells, [str(x) for x in rng.permutation(start[0])]).error for _ in range(300)]
    assert max(errors) < min(drawn)


def test_too_few_shells():
    with pytest.raises(InputError, match="at least 1"):
        neighbour_shells(lattice_of("fcc", (1, 1, 1)), range(4), shells=0)


def test_no_neighbours_within_reach():
    lonely = Structure(Lattice.cubic(50.0), ["Cu"], [[0, 0, 0]])
    with pytest.raises(StructureError, match="fewer than 1 shells"):
        neighbour_shells(lonely, [0], shells=1)
