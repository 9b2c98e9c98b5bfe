"""The electrolyte as a finite sink of Li2O, and the product layer that grows on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.grain import at_temperature
from cosinter.analysis.continuum.inputs import PRODUCT, TITRATED, ModelInputs
from cosinter.data.exceptions import InputError

FloatArray = NDArray[np.float64]

STEP_BLEND = 0.01


@dataclass(frozen=True)
class Sink:
    """Titration of the electrolyte with Li2O, per mol of electrolyte.

    ``vertices`` (K) mol Li2O where a step ends; ``amounts`` (K, P) mol of each product there; ``grown`` (K, P) what
    of it was not there at the start, in m3; ``nodes`` (2K - 2) where the smoothed potential is tabulated.
    """

    vertices: FloatArray
    amounts: FloatArray
    grown: FloatArray
    nodes: FloatArray
    volume_per_lithium: float

    @classmethod
    def of(cls, inputs: ModelInputs) -> Sink:
        """Read the titration tables.

        Raises
        ------
        InputError
            The products take no volume or the curve ends where it starts.
        """
        table = inputs.tables["electrolyte.titration.products"]
        volumes = inputs.tables["electrolyte.products.molar_volume"]
        vertices, amounts = table.axis(TITRATED), table.array
        grown = np.maximum(amounts - amounts[0], 0.0) * volumes.array
        if len(volumes.axis(PRODUCT)) != amounts.shape[1] or grown[-1].sum() <= 0.0:
            raise InputError(
                "electrolyte.titration.products form no volume; give the products of the titration molar volumes > 0"
            )
        width = STEP_BLEND * np.diff(vertices)
        nodes = np.sort(
            np.concatenate([vertices[:-1] + width * (np.arange(len(width)) > 0), vertices[1:] - width])
        )
        return cls(vertices, amounts, grown, nodes, float(grown[-1].sum() / (2.0 * vertices[-1])))

    def plateaus(self, inputs: ModelInputs, temperature: float) -> FloatArray:
        """mu of Li as Li2O/2 in J/mol at ``nodes``: flat on each step, joined over 1 % of its width."""
        steps = at_temperature(inputs.tables["electrolyte.titration.potential"], temperature)[:-1]
        return np.asarray(0.5 * np.repeat(steps, 2))

    def products(self, taken: FloatArray) -> FloatArray:
        """Amounts (..., P) per mol electrolyte after ``taken`` (...) mol Li2O."""
        return _interpolate(taken, self.vertices, self.amounts)

    def layer_volume(self, taken: FloatArray) -> FloatArray:
        """Volume (..., P) in m3 of each product in the layer per mol electrolyte."""
        return _interpolate(taken, self.vertices, self.grown)


def _interpolate(position: FloatArray, nodes: FloatArray, values: FloatArray) -> FloatArray:
    position = np.asarray(position, dtype=np.float64)
    index = np.clip(np.searchsorted(nodes, position, side="right") - 1, 0, len(nodes) - 2)
    weight = ((position - nodes[index]) / (nodes[index + 1] - nodes[index]))[..., None]
    return np.asarray((1.0 - weight) * values[index] + weight * values[index + 1])
