"""Element balances of a composite, counted from the states alone.

Every element is summed over grain, compensator, electrolyte with its products, and gas; the error is the change
since the start relative to the inventory at the start (all in mol per mol metal).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cosinter.analysis.continuum.model import Composite

FloatArray = NDArray[np.float64]

ELEMENTS = ("Li", "Ni", "Co", "Mn", "Ti", "Al", "P", "O", "C", "H")


def gas_released(
    composite: Composite, states: FloatArray, lattice_oxygen: FloatArray
) -> dict[str, FloatArray]:
    """O2, H2O and CO2 given off, mol per mol metal (n).

    ``lattice_oxygen`` (n) is the O per metal of the grain. O2 = (O lost by the lattice - O that left it inside
    Li2O)/2, so the oxygen balance is the definition of the O2 released and not a check of it.
    """
    x = composite.extents(states)
    left_as_oxide = x[..., 8] - x[..., 2:5].sum(axis=-1)
    return {
        "O2": 0.5 * (lattice_oxygen[0] - lattice_oxygen - left_as_oxide),
        "H2O": x[..., 0] + x[..., 2] + x[..., 5],
        "CO2": x[..., 1] + x[..., 3] + x[..., 6],
    }


def inventories(
    composite: Composite, states: FloatArray, lattice_oxygen: FloatArray
) -> dict[str, FloatArray]:
    """Total of each element in grain, compensator, electrolyte and gas, mol per mol metal (n)."""
    u, s, a = composite.cells(states)
    held = composite.inventories(states)
    gas = gas_released(composite, states, lattice_oxygen)
    products = composite.sink.products(composite.taken(states)) * composite.electrolyte_amount
    phases = composite.grid.mean((1.0 - s - a) + s + a)

    def solid(element: str) -> FloatArray:
        return np.asarray(products @ np.array([c.get(element, 0.0) for c in composite.inputs.compositions]))

    totals = {element: solid(element) for element in ELEMENTS}
    for element, name in zip(("Ni", "Co", "Mn"), ("nickel", "cobalt", "manganese"), strict=True):
        totals[element] = totals[element] + composite.inputs[f"cathode.{name}"] * phases
    totals["Li"] = totals["Li"] + composite.grid.mean(u) + held.sum(axis=-1)
    totals["O"] = (
        totals["O"] + lattice_oxygen + held @ np.array([1.0, 1.5, 0.5])
        + 2.0 * gas["O2"] + gas["H2O"] + 2.0 * gas["CO2"]
    )  # fmt: skip
    totals["C"] = totals["C"] + 0.5 * held[..., 1] + gas["CO2"]
    totals["H"] = totals["H"] + held[..., 0] + 2.0 * gas["H2O"]
    return totals


def balance_errors(
    composite: Composite, states: FloatArray, lattice_oxygen: FloatArray
) -> dict[str, FloatArray]:
    """|change since the start| over the inventory at the start, per element and time (n).

    An element that the composite does not hold has error equal to the largest amount found of it (0 if none).
    """
    errors = {}
    for element, total in inventories(composite, states, lattice_oxygen).items():
        start = float(abs(total[0]))
        errors[element] = np.abs(total - total[0]) / (start if start > 1e-12 else 1.0)
    return errors
