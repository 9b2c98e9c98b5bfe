import numpy as np
import pytest

from cosinter.data.exceptions import CompositionError, InputError
from cosinter.structures.crystals import crystal, crystal_names, read_formula
from cosinter.structures.ordering import ordered, pair_matrix

DISORDERED = [n for n in crystal_names() if crystal(n).disordered and not n.startswith("LATP")]


@pytest.mark.parametrize("name", DISORDERED)
def test_representatives_are_exact_and_neutral(name):
    record = crystal(name)
    structure = ordered(record)
    assert structure.is_ordered
    assert sum(site.specie.oxi_state for site in structure) == 0
    wanted = read_formula(record.formula).fractional_composition
    assert structure.composition.element_composition.fractional_composition.almost_equals(wanted, atol=1e-4)
    assert (structure.distance_matrix + 10 * np.eye(len(structure))).min() >= 1.4
    assert structure.properties["largest_occupancy_error"] <= 0.1
    assert structure == ordered(record)


def test_ordered_crystals_come_back():
    record = crystal("li2o")
    assert ordered(record) == record.structure
    assert len(ordered(record, supercell=(2, 1, 1))) == 24


def test_too_small_a_cell_names_the_smallest():
    with pytest.raises(CompositionError, match="smallest that fits has 42 sites"):
        ordered(crystal("li4ti5o12"), supercell=(1, 1, 1))


def test_bad_supercell():
    with pytest.raises(InputError, match="three integers"):
        ordered(crystal("li4ti5o12"), supercell=(1, 1))


def test_pair_matrix_counts_images():
    """One site in a cubic cell of edge 4: 6 at 4, 12 at 4√2, 8 at 4√3, 6 at 8, 24 at 4√5, 24 at 4√6 < 10."""
    from scipy.special import erfc

    shells = {1: 6, 2: 12, 3: 8, 4: 6, 5: 24, 6: 24}
    expected = sum(n * erfc(np.sqrt(k)) / (4 * np.sqrt(k)) for k, n in shells.items())
    assert pair_matrix(4.0 * np.eye(3), np.zeros((1, 3)))[0, 0] == pytest.approx(expected, rel=1e-12)
