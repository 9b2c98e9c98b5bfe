import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosinter.data.exceptions import CompositionError, InputError
from cosinter.structures.crystals import crystal
from cosinter.structures.nasicon import latp, latp_ordering, ltp


def check(structure, x):
    elements = structure.composition.element_composition
    units = elements["P"] / 3
    assert elements["Al"] / units == pytest.approx(x, abs=1e-9)
    assert elements["Ti"] / units == pytest.approx(2 - x, abs=1e-9)
    assert elements["Li"] / units == pytest.approx(1 + x, abs=1e-9)
    assert elements["O"] == 12 * units
    assert sum(site.specie.oxi_state for site in structure) == 0
    assert (structure.distance_matrix + 10 * np.eye(len(structure))).min() >= 1.4


@settings(max_examples=20, deadline=None)
@given(st.floats(0.0, 0.6), st.integers(0, 100))
def test_any_content_is_neutral_and_close(x, seed):
    structure = latp(x, seed=seed)
    check(structure, structure.properties["aluminium"])
    assert abs(structure.properties["aluminium"] - x) <= 1 / 12 + 1e-9


def test_default_is_the_approximant():
    structure = latp()
    assert len(structure) == 110
    assert structure.properties["aluminium"] == pytest.approx(1 / 3)
    assert structure.properties["aluminium_asked"] == 0.3
    check(structure, 1 / 3)


@pytest.mark.parametrize(("x", "units"), [(0.3, 10), (0.4, 10), (0.25, 4), (0.5, 2)])
def test_exact(x, units):
    structure = latp(x, exact=True)
    check(structure, x)
    assert structure.composition.element_composition["P"] == 3 * units


def test_lattice_volume_per_unit_is_kept_by_the_exact_cell():
    record = crystal("LATP").structure
    assert latp(0.3, exact=True).volume / 10 == pytest.approx(record.volume / 6, rel=1e-9)


def test_extra_lithium_is_on_m2_near_aluminium():
    structure = latp()
    record = crystal("LATP").structure
    m2 = np.array([s.frac_coords for s in record if not s.is_ordered and "Li" in s.species_string])
    li = [s for s in structure if s.specie.symbol == "Li"]
    extra = [s for s in li if structure.lattice.get_all_distances(s.frac_coords, m2).min() < 1e-6]
    al = [s for s in structure if s.specie.symbol == "Al"]
    assert len(extra) == len(al) == 2
    for site in extra:  # M2 lies 2.8-2.9 angstrom from its two nearest Ti sites
        assert min(site.distance(a) for a in al) < 3.0


def test_seeds():
    assert latp(seed=1) == latp(seed=1)


def test_ltp():
    assert ltp().composition.reduced_formula == latp(0.0).composition.reduced_formula
    check(ltp(), 0.0)


@pytest.mark.parametrize("x", [-0.1, 0.7, float("nan")])
def test_out_of_range(x):
    with pytest.raises(CompositionError, match=r"outside 0 to 0\.6"):
        latp(x)


def test_impossible_exact():
    with pytest.raises(CompositionError, match="30 formula units"):
        latp(0.3137, exact=True)


@pytest.mark.parametrize(
    ("x", "exact", "vacancies"), [(0.0, False, 0), (0.3, True, 2), (0.5, False, 1), (0.5, True, 0)]
)
def test_ordering_problem_has_the_ions_of_the_crystal(x, exact, vacancies):
    problem = latp_ordering(x, exact=exact, m1_vacancies=vacancies)
    titanium, m1, m2 = problem.sublattices
    units = problem.properties["formula_units"]
    number = round(x * units)
    assert titanium.counts.get("Al3+", 0) == number
    assert len(titanium.sites) == 2 * units
    assert m1.counts.get("", 0) == vacancies
    assert len(m1.sites) == units
    assert m2.counts.get("Li+", 0) == number + vacancies
    assert len(m2.sites) == 6 * units
    assert problem.properties["aluminium"] == pytest.approx(latp(x, exact=exact).properties["aluminium"])


def test_ordering_problem_refusals():
    with pytest.raises(InputError, match="6 M1 sites"):
        latp_ordering(0.3, m1_vacancies=7)
    with pytest.raises(CompositionError, match="outside 0 to"):
        latp_ordering(0.7)
