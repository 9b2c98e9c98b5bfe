"""How much a furnace programme sinters, compared with another: the work of sintering of the master sintering curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.constants import R

from cosinter.data.exceptions import InputError


def sintering_work(
    times_s: Sequence[float], temperatures_K: Sequence[float], activation_energy: float
) -> float:
    """Work of sintering Theta = int exp(-Q/RT)/T dt in s/K along straight lines between the knots.

    Programmes of equal Theta sinter a green body of one kind to equal density (Su and Johnson 1996,
    doi:10.1111/j.1151-2916.1996.tb08097.x). With y = Q/RT a ramp of rate b adds [E1(y_end) - E1(y_start)]/b, exactly.

    Parameters
    ----------
    times_s, temperatures_K : knots (n), times ascending
    activation_energy : Q of densification in J/mol, as fitted to dilatometry of the user's own powder

    Raises
    ------
    InputError
        Q is not from 10 to 1000 kJ/mol.
    """
    from scipy.special import exp1

    if not 1e4 <= activation_energy <= 1e6:
        raise InputError(
            f"activation energy of sintering is {activation_energy / 1e3:g} kJ/mol, allowed is 10 to 1000 kJ/mol"
        )
    time, hot = np.asarray(times_s, dtype=np.float64), np.asarray(temperatures_K, dtype=np.float64)
    y = activation_energy / (R * hot)
    duration, rise = np.diff(time), np.diff(hot)
    ramps = np.abs(rise) > 1e-9 * hot[1:]
    held = np.exp(-y[1:]) / hot[1:] * duration
    risen = np.diff(exp1(y)) * duration / np.where(ramps, rise, 1.0)
    return float(np.sum(np.where(ramps, risen, held)))
