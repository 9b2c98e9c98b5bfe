"""The Gibbs descriptor: equal to pymatgen, consistent with itself, and as wrong against measured G(T) as stated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosinter.analysis.thermochemistry import descriptor
from cosinter.analysis.thermochemistry.descriptor import (
    DescriptorFunction,
    element_gibbs,
    formation_gibbs,
    gibbs_increments,
    gibbs_slopes,
    reduced_masses,
)
from cosinter.data.exceptions import InputError, UnknownNameError

ELEMENTS = ("Li", "O", "P", "Ti", "Ni", "Mn", "Co", "Al", "C", "H")


def pymatgen_gibbs(
    counts: dict[str, int], volume_A3: float, enthalpy_eV: float, temperature_K: float
) -> float:
    """dG_f in eV/atom from pymatgen's entry; the positions of the atoms do not matter."""
    from pymatgen.core import Lattice, Structure
    from pymatgen.entries.computed_entries import GibbsComputedStructureEntry

    species = [element for element, count in counts.items() for _ in range(count)]
    size = (volume_A3 * len(species)) ** (1.0 / 3.0)
    places = [[i / len(species)] * 3 for i in range(len(species))]
    structure = Structure(Lattice.cubic(size), species, places)
    entry = GibbsComputedStructureEntry(structure, enthalpy_eV, temp=temperature_K)
    return float(entry.energy) / len(species)


compositions = st.dictionaries(
    st.sampled_from([element for element in ELEMENTS if element not in "CH"]),
    st.integers(1, 6),
    min_size=2,
    max_size=5,
)


@settings(max_examples=30, deadline=None)
@given(
    counts=compositions,
    volume=st.floats(5.0, 40.0),
    enthalpy=st.floats(-4.0, 0.5),
    temperature=st.floats(300.0, 2000.0),
)
def test_equal_to_pymatgen(
    counts: dict[str, int], volume: float, enthalpy: float, temperature: float
) -> None:
    ours = formation_gibbs(
        [enthalpy],
        volumes_A3=[volume],
        fractions=np.asarray([[counts.get(element, 0) for element in ELEMENTS]], dtype=float),
        elements=ELEMENTS,
        temperature_K=temperature,
    )
    assert ours[0, 0] == pytest.approx(pymatgen_gibbs(counts, volume, enthalpy, temperature), abs=1e-9)


@pytest.mark.parametrize("temperature", [300, 1000, 1750.5, 2000])
def test_many_at_once_are_those_one_by_one(temperature: float) -> None:
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 4, size=(40, 8))
    counts[:, :2] += 1
    volumes, enthalpies = rng.uniform(6.0, 30.0, 40), rng.uniform(-3.0, 0.0, 40)
    elements = ELEMENTS[:8]
    grid = formation_gibbs(
        enthalpies,
        volumes_A3=volumes,
        fractions=counts.astype(float),
        elements=elements,
        temperature_K=[temperature, 500.0],
    )
    assert grid.shape == (2, 40)
    for index in range(0, 40, 7):
        present = {e: int(n) for e, n in zip(elements, counts[index], strict=True) if n}
        peer = pymatgen_gibbs(present, float(volumes[index]), float(enthalpies[index]), temperature)
        assert grid[0, index] == pytest.approx(peer, abs=1e-9)


def test_function_is_the_descriptor_and_consistent() -> None:
    function = DescriptorFunction(2.0, -1.5, -7e-4)
    temperature = np.linspace(300.0, 1800.0, 7)
    gibbs = function.enthalpy(temperature) - temperature * function.entropy(temperature)
    assert gibbs == pytest.approx(2.0 * (gibbs_increments(-7e-4, temperature) - 1.5), abs=1e-12)
    step = 1e-3
    up, down = temperature + step, temperature - step
    slope = (
        function.enthalpy(up)
        - up * function.entropy(up)
        - function.enthalpy(down)
        + down * function.entropy(down)
    ) / (2.0 * step)
    assert slope == pytest.approx(-function.entropy(temperature), rel=1e-6)


def test_scale_needs_no_elements() -> None:
    """dG_f(T) plus the same elements at T is dH_f + G_delta(T): the scale of the phase library."""
    fractions = np.asarray([[2.0, 1.0, 0.0], [3.0, 4.0, 1.0]]) / [[3.0], [8.0]]
    volumes, enthalpies = [8.2, 9.9], [-2.07, -2.71]
    temperature = np.asarray([400.0, 973.15, 1500.0])
    elements = ("Li", "O", "P")
    formed = formation_gibbs(
        enthalpies, volumes_A3=volumes, fractions=fractions, elements=elements, temperature_K=temperature
    )
    absolute = formed + element_gibbs(elements, temperature) @ fractions.T
    slopes = gibbs_slopes(volumes, reduced_masses(fractions, elements))
    assert absolute == pytest.approx(gibbs_increments(slopes, temperature) + enthalpies, abs=1e-12)


def test_elements_are_those_of_the_library_to_three_millielectronvolts() -> None:
    from scipy.constants import N_A, elementary_charge

    from cosinter.analysis.thermochemistry.library import load_library

    library = load_library()
    for element in ("Li", "Ni", "Co", "Mn", "Ti", "Al", "P", "C"):
        ours = library.phase(element).gibbs(np.asarray([300.0, 600.0, 1000.0])) / (N_A * elementary_charge)
        assert element_gibbs([element], [300.0, 600.0, 1000.0])[:, 0] == pytest.approx(ours, abs=3e-3)


@pytest.mark.parametrize("temperature", [299.0, 2001.0, np.nan, np.inf, -5.0])
def test_temperatures_outside_the_table_are_refused(temperature: float) -> None:
    with pytest.raises(InputError, match="300 to 2000 K"):
        element_gibbs(["Li"], temperature)


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan])
def test_increments_refuse_wrong_temperatures(temperature: float) -> None:
    with pytest.raises(InputError, match="must be positive"):
        gibbs_increments(-7e-4, temperature)


def test_wrong_volumes_elements_and_compositions_are_refused() -> None:
    for volume in (0.0, -3.0, np.nan):
        with pytest.raises(InputError, match="volumes per atom"):
            gibbs_slopes([volume], [10.0])
    with pytest.raises(InputError, match="at least two elements"):
        reduced_masses(np.asarray([[1.0, 0.0]]), ("Li", "O"))
    with pytest.raises(UnknownNameError, match="Xx"):
        reduced_masses(np.asarray([[1.0, 1.0]]), ("Li", "Xx"))
    with pytest.raises(UnknownNameError, match="Xx"):
        element_gibbs(["Xx"], 500.0)


def test_shapes_follow_the_arguments() -> None:
    slopes = gibbs_slopes(np.full((2, 3), 10.0), np.full((2, 3), 15.0))
    assert gibbs_increments(slopes, np.full((4, 5), 700.0)).shape == (4, 5, 2, 3)
    assert gibbs_increments(slopes[0, 0], 700.0).shape == ()
    assert descriptor.RANGE_K[0] < 300.0
