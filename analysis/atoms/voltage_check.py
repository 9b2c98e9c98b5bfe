"""Compare computed voltages with the measured open-circuit potential of NMC811: a validation, nothing is fitted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cosinter.analysis.atoms.formation import Delithiation, molar_to_eV
from cosinter.data.exceptions import InputError


@dataclass(frozen=True)
class VoltageCheck:
    """Mean computed and measured voltage (V) between two lithium contents, and the uncertainty of the difference."""

    lithium_low: float
    lithium_high: float
    computed_V: float
    measured_V: float
    uncertainty_V: float | None

    @property
    def difference_V(self) -> float:  # noqa: N802
        """Computed minus measured, V."""
        return self.computed_V - self.measured_V


def measured_voltage(low: float, high: float) -> float:
    """Mean open-circuit potential of NMC811 at 298 K between two lithium contents, V.

    Chen et al., J. Electrochem. Soc. 167 (2020) 080534, doi:10.1149/1945-7111/ab9050; measured for 0.27 < u < 0.91.

    >>> round(measured_voltage(0.3, 0.9), 2)
    3.86
    """
    from cosinter.analysis.thermochemistry.open_circuit import ocv_integral

    if not 0.0 <= low < high <= 1.0:
        raise InputError(f"lithium contents {low:g} to {high:g} must rise within 0 to 1 per metal")
    ends = ocv_integral(np.array([low, high]))
    return float(ends[0] - ends[1]) / (high - low)


def check_voltage(found: Delithiation, *, low: float = 0.27, high: float = 0.91) -> VoltageCheck:
    """Compare the mean voltage of the hull with that measured on NMC811 between two contents.

    The standard defaults are the limits of the measurement. The uncertainty joins that of the calculator, of the measured
    curve and, for another Ni:Co:Mn than 8:1:1, ``composition_error`` of the cathode table.

    Raises
    ------
    InputError
        The contents were not computed.
    """
    from cosinter.data.tables import load_table

    table = load_table("thermochemistry")["cathode"]
    errors = [float(table["open_circuit_potential"]["uncertainty"])]
    if not _is_ncm811(found.host):
        errors.append(molar_to_eV(float(table["composition_error"]["value"])))
    own = found.steps[0].uncertainty_eV
    return VoltageCheck(
        lithium_low=low,
        lithium_high=high,
        computed_V=found.mean_voltage_V(low, high),
        measured_V=measured_voltage(low, high),
        uncertainty_V=None if own is None else math.hypot(own, *errors),
    )


def _is_ncm811(formula: str) -> bool:
    from cosinter.structures.crystals import read_formula
    from cosinter.structures.layered import layered_contents

    found = layered_contents(read_formula(formula))
    return found is not None and max(abs(a - b) for a, b in zip(found, (0.8, 0.1, 0.1), strict=False)) < 0.04
