"""One composite through its furnace programme."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosinter.analysis.continuum.inputs import SinterCase, model_inputs
from cosinter.analysis.parameters import ParameterSet
from cosinter.data.exceptions import ConvergenceError

if TYPE_CHECKING:
    import xarray


def simulate(parameters: ParameterSet, case: SinterCase) -> xarray.Dataset:
    """Integrate one composite through its furnace programme; a spread of grain sizes is left to the caller.

    A run that stops is tried again with a tenth and a hundredth of the tolerance.

    Returns a dataset over ``time`` (the accepted steps, s), ``radius`` (m, cell centres), ``product``, ``species`` and
    ``element`` with units in the attributes: see :func:`cosinter.analysis.continuum.results.collect`.

    Raises
    ------
    InputError
        A parameter is missing or outside its range.
    ConvergenceError
        The integration ended early; no partial result is returned.
    """
    from time import perf_counter

    import numpy as np

    from cosinter.analysis.continuum.lanes import make_batch
    from cosinter.analysis.continuum.results import collect
    from cosinter.analysis.continuum.run import TRIES, failure, run_batch

    start = perf_counter()
    batch = make_batch(model_inputs(parameters), [case])
    for part in TRIES:
        run = run_batch(batch, tolerance=part * case.tolerance, every_step=True)
        stopped = float(run.record.failed_at[0])
        if np.isnan(stopped):
            return collect(batch, run, wall_s=lambda: perf_counter() - start)
    raise ConvergenceError(failure(case, stopped))
