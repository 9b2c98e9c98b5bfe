"""Oxidation states from magnetic moments: nearest, and neutral."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosinter.analysis.atoms.magnetic_states import states_from_moments
from cosinter.data.exceptions import CompositionError, InputError
from cosinter.structures.layered import layered_oxide

#: Moments of CHGNet: Ni2+ about 1.7, Ni3+ 0.7 to 1.3, Ni4+ 0.1 to 0.6; Mn4+, Co3+ near their spins.
MOMENTS = {"Ni2+": 1.7, "Ni3+": 0.9, "Ni4+": 0.4, "Mn4+": 2.9, "Co3+": 0.1}


def ions(structure: object) -> Counter[str]:
    return Counter(site.species_string for site in structure)  # type: ignore[attr-defined]


@pytest.mark.parametrize("lithium", [1.0, 0.5])
def test_the_states_that_made_the_moments_come_back(lithium: float) -> None:
    structure = layered_oxide(nickel=0.8, cobalt=0.1, manganese=0.1, lithium=lithium)
    moments = [MOMENTS.get(site.species_string, 0.0) for site in structure]
    found = states_from_moments(structure, moments)
    assert ions(found) == ions(structure)
    assert found.charge == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-3.0, 3.0), min_size=12, max_size=12))
def test_any_moments_give_a_neutral_crystal(moments: list[float]) -> None:
    structure = layered_oxide(nickel=1.0, cobalt=0.0, manganese=0.0)
    assert states_from_moments(structure, moments).charge == 0


def test_the_best_of_all_neutral_choices_is_found() -> None:
    from itertools import product

    structure = layered_oxide(nickel=1.0, cobalt=0.0, manganese=0.0)
    nickel = [i for i, site in enumerate(structure) if site.specie.symbol == "Ni"]
    spins = {2: 2, 3: 1, 4: 0}
    for seed in range(5):
        moments = np.random.default_rng(seed).uniform(0.0, 2.0, len(structure))
        costs = [
            sum(abs(moments[i] - spins[state]) for i, state in zip(nickel, states, strict=True))
            for states in product(spins, repeat=len(nickel))
            if sum(states) == 3 * len(nickel)
        ]
        found = states_from_moments(structure, moments.tolist())
        ours = sum(abs(moments[i] - spins[int(found[i].specie.oxi_state)]) for i in nickel)
        assert ours == pytest.approx(min(costs))


def test_what_cannot_be_is_told() -> None:
    structure = layered_oxide(nickel=1.0, cobalt=0.0, manganese=0.0)
    with pytest.raises(InputError, match="3 moments were given for 12 sites"):
        states_from_moments(structure, [0.0, 1.0, 2.0])
    structure.remove_sites([i for i, site in enumerate(structure) if site.specie.symbol == "O"][:4])
    with pytest.raises(CompositionError, match="no neutral choice"):
        states_from_moments(structure, [1.0] * len(structure))
