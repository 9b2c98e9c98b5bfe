"""Element balances of a composite, counted from the states alone.

Every element is summed over grain, compensator, electrolyte with its products, and gas; the error is the change
since the start relative to the inventory at the start (all in mol per mol metal).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.grain import oxygen_per_metal

if TYPE_CHECKING:
    from cosinter.analysis.continuum.model import Composite

FloatArray = NDArray[np.float64]

ELEMENTS = ("Li", "Ni", "Co", "Mn", "Ti", "Al", "P", "O", "C", "H")


def gas_released(composite: Composite, states: FloatArray) -> dict[str, FloatArray]:
    """O2, H2O and CO2 given off, mol per mol metal (n).

    O2 = (O lost from the lattice - O that left it inside Li2O)/2; the first is an integral along the run.
    """
    x = composite.extents(states)
    lost = composite.grid.mean(composite.cells(states)[3])
    left_as_oxide = x[..., 8] - x[..., 2:5].sum(axis=-1)
    return {
        "O2": 0.5 * (lost - left_as_oxide),
        "H2O": x[..., 0] + x[..., 2] + x[..., 5],
        "CO2": x[..., 1] + x[..., 3] + x[..., 6],
    }


def lattice_oxygen(composite: Composite, states: FloatArray) -> FloatArray:
    """O per metal held by the grain (n): mean of l 2 + s n_s(u) + a (1 + u)."""
    u, s, a, _ = composite.cells(states)
    number, _ = oxygen_per_metal(u)
    return composite.grid.mean(number[0] * (1.0 - s - a) + number[1] * s + number[2] * a)


def inventories(composite: Composite, states: FloatArray) -> dict[str, FloatArray]:
    """Total of each element in grain, compensator, electrolyte and gas, mol per mol metal (n)."""
    u, s, a, _ = composite.cells(states)
    held = composite.inventories(states)
    gas = gas_released(composite, states)
    products = composite.sink.products(composite.taken(states)) * composite.electrolyte_amount
    phases = composite.grid.mean((1.0 - s - a) + s + a)

    def solid(element: str) -> FloatArray:
        return products @ np.array([c.get(element, 0.0) for c in composite.inputs.compositions])

    totals = {element: solid(element) for element in ELEMENTS}
    for element, name in zip(("Ni", "Co", "Mn"), ("nickel", "cobalt", "manganese"), strict=True):
        totals[element] = totals[element] + composite.inputs[f"cathode.{name}"] * phases
    totals["Li"] = totals["Li"] + composite.grid.mean(u) + held.sum(axis=-1)
    totals["O"] = (
        totals["O"] + lattice_oxygen(composite, states) + held @ np.array([1.0, 1.5, 0.5])
        + 2.0 * gas["O2"] + gas["H2O"] + 2.0 * gas["CO2"]
    )  # fmt: skip
    totals["C"] = totals["C"] + 0.5 * held[..., 1] + gas["CO2"]
    totals["H"] = totals["H"] + held[..., 0] + 2.0 * gas["H2O"]
    return totals


def balance_errors(composite: Composite, states: FloatArray) -> dict[str, FloatArray]:
    """|change since the start| over the inventory at the start, per element and time (n).

    An element that the composite does not hold has error equal to the largest amount found of it (0 if none).
    """
    errors = {}
    for element, total in inventories(composite, states).items():
        start = float(abs(total[0]))
        errors[element] = np.abs(total - total[0]) / (start if start > 1e-12 else 1.0)
    return errors
