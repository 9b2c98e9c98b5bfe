from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosinter.data.exceptions import CompositionError, InputError
from cosinter.structures.crystals import crystal
from cosinter.structures.layered import (
    layered_ordering,
    layered_oxide,
    oxidation_counts,
    smallest_supercell,
    vegard_lattice,
)

NCM811 = {"nickel": 0.8, "cobalt": 0.1, "manganese": 0.1}


def charge(structure):
    return sum(site.specie.oxi_state for site in structure)


def closest(structure):
    return (structure.distance_matrix + 10.0 * np.eye(len(structure))).min()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_composition_on_the_grid_is_exact_and_neutral(data):
    ni = data.draw(st.integers(0, 10))
    mn = data.draw(st.integers(0, min(ni, 10 - ni)))
    li = data.draw(st.integers(0, 5)) * 2
    x = {"nickel": ni / 10, "cobalt": (10 - ni - mn) / 10, "manganese": mn / 10, "lithium": li / 10}
    structure = layered_oxide(**x)
    units = structure.composition["O2-"] / 2
    elements = structure.composition.element_composition
    for symbol, name in {"Ni": "nickel", "Co": "cobalt", "Mn": "manganese", "Li": "lithium"}.items():
        assert elements[symbol] == round(x[name] * units)
        assert elements[symbol] / units == pytest.approx(x[name], abs=1e-12)
    assert charge(structure) == 0
    assert closest(structure) > 1.9


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 60), st.data())
def test_oxidation_counts_balance(ni, co, mn, data):
    total = ni + co + mn
    li = data.draw(st.integers(0, total))
    counts = oxidation_counts((ni, co, mn), li)
    assert sum(counts.values()) == total
    assert sum(int(ion[2]) * n for ion, n in counts.items()) == 4 * total - li
    assert min(counts.values()) > 0


def test_ncm811_default_cell():
    structure = layered_oxide(**NCM811)
    assert structure.composition.as_dict() == {
        "Li+": 30,
        "Ni2+": 3,
        "Ni3+": 21,
        "Co3+": 3,
        "Mn4+": 3,
        "O2-": 60,
    }


def test_vacancies_oxidise_nickel():
    structure = layered_oxide(nickel=1, cobalt=0, manganese=0, lithium=0.75, supercell=(2, 2, 1))
    assert structure.composition.as_dict() == {"Li+": 9, "Ni3+": 9, "Ni4+": 3, "O2-": 24}


def test_same_seed_same_cell():
    assert layered_oxide(**NCM811, seed=3) == layered_oxide(**NCM811, seed=3)
    assert layered_oxide(**NCM811, seed=3) != layered_oxide(**NCM811, seed=4)


def test_annealing_beats_random_orders():
    from cosinter.structures.ordering import pair_matrix

    structure = layered_oxide(**NCM811)
    metals = [i for i, s in enumerate(structure) if s.specie.symbol in ("Ni", "Co", "Mn")]
    couplings = pair_matrix(structure.lattice.matrix, structure.frac_coords[metals])
    charges = np.array([structure[i].specie.oxi_state for i in metals])
    rng = np.random.default_rng(0)
    shuffled = [(q := rng.permutation(charges)) @ couplings @ q for _ in range(200)]
    assert charges @ couplings @ charges <= min(shuffled)


def test_lattice_reproduces_its_anchors():
    for name, x in {"LiNiO2": (1, 0, 0), "LiCoO2": (0, 1, 0), "NCM111": (1 / 3, 1 / 3, 1 / 3)}.items():
        lattice = crystal(name).structure.lattice
        assert vegard_lattice(*x) == pytest.approx((lattice.a, lattice.c), rel=1e-12)
    # the NCM811 record is independent of the three anchors; its cell is uncertain by 0.5 %
    lattice = crystal("NCM811").structure.lattice
    assert vegard_lattice(0.8, 0.1, 0.1) == pytest.approx((lattice.a, lattice.c), rel=5e-3)


def test_smallest_supercell_is_a_multiple():
    cells = smallest_supercell(nickel=0.85, cobalt=0.1, manganese=0.05)
    assert (Fraction(17, 20) * cells[0] * cells[1]).denominator == 1
    assert smallest_supercell(nickel=0.333, cobalt=0.333, manganese=0.334) == (3, 1, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"supercell": (2, 2, 1)}, "smallest that fits is 5x2x1"),
        # thirds and sixths: 3 units of the cell are part of the 6 that are needed
        ({"nickel": 5 / 6, "cobalt": 0, "manganese": 1 / 6, "supercell": (1, 1, 1)}, "fits is 2x1x1"),
        ({"lithium": 1.1}, "one lithium site per metal"),
        ({"nickel": 0.9}, "must be 1"),
        ({"lithium": 1.2}, "outside 0 to 1"),
        ({"lithium": float("nan")}, "outside 0 to 1"),
        ({"nickel": 0.847312, "cobalt": 0.052688}, "not a fraction"),
    ],
)
def test_bad_compositions(change, message):
    with pytest.raises(CompositionError, match=message):
        layered_oxide(**(NCM811 | change))


def test_bad_supercell():
    with pytest.raises(InputError, match="three integers"):
        layered_oxide(**NCM811, supercell=(0, 1, 1))


def numbers(problem):
    """Ions on the metal and on the lithium sites."""
    metal, lithium, *_ = problem.sublattices
    return dict(metal.counts), dict(lithium.counts)


def test_smallest_that_fits_fits():
    layered_oxide(nickel=5 / 6, cobalt=0, manganese=1 / 6, supercell=(2, 1, 1))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_problem_is_neutral_and_fills_its_sites(data):
    pairs, excess = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 2))
    stage = data.draw(st.sampled_from([1, 1, 2, 3]))
    lithium = data.draw(st.integers(2, 10 // stage)) / 10 if stage < 3 else 0.3
    problem = layered_ordering(
        **NCM811, lithium=lithium, stage=stage, antisite_pairs=pairs, excess_nickel=excess
    )
    units = len(problem.cell) // 4
    total = {}
    for sub in problem.sublattices:
        assert sum(sub.counts.values()) == len(sub.sites)
        assert min(sub.counts.values()) > 0
        for ion, n in sub.counts.items():
            total[ion] = total.get(ion, 0) + n
    assert (
        sum(n * int(ion[2]) for ion, n in total.items() if ion not in ("", "Li+")) + total["Li+"] == 4 * units
    )
    assert total["Li+"] == round(lithium * units) - excess
    assert sum(n for ion, n in total.items() if ion.startswith("Ni")) == round(0.8 * units) + excess
    metal, on_lithium = numbers(problem)
    assert on_lithium.get("Ni2+", 0) == pairs + excess
    assert metal.get("Li+", 0) == pairs


def test_antisites_of_a_trivalent_oxide_disproportionate():
    problem = layered_ordering(nickel=1, cobalt=0, manganese=0, supercell=(2, 2, 1), antisite_pairs=1)
    assert numbers(problem) == ({"Ni3+": 10, "Ni4+": 1, "Li+": 1}, {"Li+": 11, "Ni2+": 1})


def test_excess_nickel_reduces_the_metal_layer():
    # Li1-zNi1+zO2: z Ni2+ on lithium sites come with z Ni2+ among the metals
    problem = layered_ordering(nickel=1, cobalt=0, manganese=0, supercell=(2, 2, 1), excess_nickel=2)
    assert numbers(problem) == ({"Ni2+": 2, "Ni3+": 10}, {"Li+": 10, "Ni2+": 2})


def test_stages():
    assert smallest_supercell(nickel=1, cobalt=0, manganese=0, lithium=0.5, stage=2) == (2, 1, 2)
    assert smallest_supercell(nickel=1, cobalt=0, manganese=0, lithium=1 / 3, stage=3) == (3, 1, 1)
    problem = layered_ordering(nickel=1, cobalt=0, manganese=0, lithium=0.5, stage=2)
    _, filled, empty = problem.sublattices
    assert filled.counts == {"Li+": 6}
    assert empty.counts == {"": 6}
    heights = np.round(problem.cell.frac_coords[:, 2] * 6).astype(int)
    assert {int(heights[i]) for i in filled.sites} == {0, 2, 4}
    assert {int(heights[i]) for i in empty.sites} == {1, 3, 5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stage": 2, "lithium": 0.5, "supercell": (5, 2, 1)}, "smallest that fits is 5x1x2"),
        ({"stage": 2, "lithium": 0.6}, "holds at most 0.5 Li"),
        ({"antisite_pairs": 25}, "do not fit"),
        ({"excess_nickel": -1}, "do not fit"),
        ({"stage": 0}, "at least 1"),
        ({"lithium": 0.0, "antisite_pairs": 1}, "do not fit"),
        # x = 0.1: 27 of 30 electrons come from nickel; two held at Ni2+ leave too few
        ({"lithium": 0.1, "antisite_pairs": 3}, "cannot be neutral"),
    ],
)
def test_impossible_orderings(change, message):
    with pytest.raises((CompositionError, InputError), match=message):
        layered_ordering(**(NCM811 | change))


@pytest.mark.parametrize(("metals", "lithium"), [((1, 0, 0), 3), ((0, 2, 0), 3), ((0, 2, 0), -1)])
def test_counts_that_cannot_be_neutral(metals, lithium):
    with pytest.raises(CompositionError, match="cannot be neutral"):
        oxidation_counts(metals, lithium)
