"""Product maps: the mixing line at any temperature between two lines of the map is what the map says."""

import json

import numpy as np
import pytest

from cosinter.analysis.equilibrium.interface import interface_reaction
from cosinter.analysis.equilibrium.product_map import product_map
from cosinter.analysis.thermochemistry.library import load_library
from cosinter.data.exceptions import InputError


def order(reaction):
    return [phases for _, _, phases in reaction.segments]


def test_changes_of_products_are_located_to_the_resolution() -> None:
    library, oxygen = load_library(), {"O2": 0.21}
    found = product_map(
        "CoO", "TiO2", library=library, temperatures_K=[900.0, 1300.0], pressures_bar=oxygen, resolution_K=0.5
    )
    temperatures = np.asarray([reaction.problem.temperature_K for reaction in found.reactions])
    assert np.all(np.diff(temperatures) > 0.0)
    changes = [
        (low, high)
        for low, high, a, b in zip(
            temperatures, temperatures[1:], found.reactions, found.reactions[1:], strict=False
        )
        if order(a) != order(b)
    ]
    assert changes
    assert all(high - low <= 0.5 for low, high in changes)
    reduction = next(
        t
        for t, r in zip(temperatures, found.reactions, strict=True)
        if not any("Co3O4" in s for s in order(r))
    )
    alone = interface_reaction(
        "CoO", "TiO2", library=library, temperature_K=float(reduction) - 1.0, pressures_bar=oxygen
    )
    assert any("Co3O4" in phases for phases in order(alone))


@pytest.mark.slow
def test_between_two_like_lines_nothing_else_forms() -> None:
    library, oxygen = load_library(), {"O2": 0.21}
    found = product_map(
        "LiCoO2", "latp", library=library, temperatures_K=np.arange(700.0, 1201.0, 50.0), pressures_bar=oxygen
    )
    rng = np.random.default_rng(11)
    for low, high in zip(found.reactions, found.reactions[1:], strict=False):
        if order(low) != order(high):
            continue
        between = rng.uniform(low.problem.temperature_K, high.problem.temperature_K)
        one = interface_reaction(
            "LiCoO2", "latp", library=library, temperature_K=float(between), pressures_bar=oxygen
        )
        assert order(one) == order(low)


def test_map_is_plain_data() -> None:
    found = product_map(
        "Li2O",
        "TiO2",
        library=load_library(),
        temperatures_K=[800.0, 900.0],
        pressures_bar={},
        resolution_K=50.0,
    )
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert next(line["temperature_C"] for line in data["temperatures"]) == pytest.approx(526.85)
    assert found.sets


@pytest.mark.parametrize(
    ("temperatures", "resolution", "words"),
    [
        ([900.0], 1.0, "two ascending"),
        ([900.0, 800.0], 1.0, "two ascending"),
        ([800.0, 900.0], 0.0, "above 0 K"),
    ],
)
def test_mistakes_are_one_sentence(temperatures, resolution, words) -> None:
    with pytest.raises(InputError, match=words):
        product_map(
            "Li2O",
            "TiO2",
            library=load_library(),
            temperatures_K=temperatures,
            pressures_bar={},
            resolution_K=resolution,
        )
