"""Element balances of a composite, counted from the states alone.

Every element is summed over grain, compensator, electrolyte with its products, and gas; the error is the change
since the start relative to the inventory at the start (all in mol per mol metal).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.lanes import Batch
from cosinter.analysis.continuum.rates import reservoirs_of

FloatArray = NDArray[np.float64]

ELEMENTS = ("Li", "Ni", "Co", "Mn", "Ti", "Al", "P", "O", "C", "H")
OXYGEN_PER_LITHIUM = (1.0, 1.5, 0.5)  # of LiOH, Li2CO3, Li2O


def gas_released(extents: FloatArray, lattice_oxygen: FloatArray) -> dict[str, FloatArray]:
    """O2, H2O, CO2 and LiOH vapour given off, mol per mol metal (n); below 0 where the solids take gas up.

    ``extents`` (n, 14); ``lattice_oxygen`` (n) is the O per metal of the grain. O2 = (O lost by the lattice - O that
    left it inside Li2O)/2, so the oxygen balance is the definition of the O2 released and not a check of it.
    """
    x = extents.T
    left_as_oxide = x[9] - x[3] - x[4] - x[5]
    return {
        "O2": 0.5 * (lattice_oxygen[0] - lattice_oxygen - left_as_oxide),
        "H2O": x[0] + x[2] + x[3] + x[6] - 0.5 * (x[11] + x[12]),
        "CO2": x[1] + x[4] + x[7] - x[2] + 0.5 * x[11],
        "LiOH": x[10] + x[11] + x[12],
    }


def inventories(batch: Batch, states: FloatArray, lattice_oxygen: FloatArray) -> dict[str, FloatArray]:
    """Total of each element in grain, compensator, electrolyte and gas, mol per mol metal (n).

    ``states`` (n, m) of the first lane at n times.
    """
    n, lanes, inputs = batch.cells, batch.lanes, batch.inputs
    u, s, a = states[:, :n], states[:, n : 2 * n], states[:, 2 * n : 3 * n]
    extents = states[:, 3 * n :]
    held = reservoirs_of(lanes, extents)
    salts = held[:3].T
    gas = gas_released(extents, lattice_oxygen)
    products = batch.sink.products(held[3]) * lanes.electrolyte[0, 0]
    phases = batch.grid.mean((1.0 - s - a) + s + a)

    def solid(element: str) -> FloatArray:
        return np.asarray(products @ np.array([c.get(element, 0.0) for c in inputs.compositions]))

    totals = {element: solid(element) for element in ELEMENTS}
    for element, name in zip(("Ni", "Co", "Mn"), ("nickel", "cobalt", "manganese"), strict=True):
        totals[element] = totals[element] + inputs[f"cathode.{name}"] * phases
    totals["Li"] = totals["Li"] + batch.grid.mean(u) + salts.sum(axis=-1) + gas["LiOH"]
    totals["O"] = (
        totals["O"] + lattice_oxygen + salts @ np.array(OXYGEN_PER_LITHIUM)
        + 2.0 * gas["O2"] + gas["H2O"] + 2.0 * gas["CO2"] + gas["LiOH"]
    )  # fmt: skip
    totals["C"] = totals["C"] + 0.5 * salts[..., 1] + gas["CO2"]
    totals["H"] = totals["H"] + salts[..., 0] + 2.0 * gas["H2O"] + gas["LiOH"]
    return totals


def balance_errors(batch: Batch, states: FloatArray, lattice_oxygen: FloatArray) -> dict[str, FloatArray]:
    """|change since the start| over the inventory at the start, per element and time (n).

    An element that the composite does not hold has error equal to the largest amount found of it (0 if none).
    """
    errors = {}
    for element, total in inventories(batch, states, lattice_oxygen).items():
        start = float(abs(total[0]))
        errors[element] = np.abs(total - total[0]) / (start if start > 1e-12 else 1.0)
    return errors
