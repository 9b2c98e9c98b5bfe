"""The same functions compiled with numba: one lane per run, all of the time integration without the interpreter.

Only the primitives have a second form, written as loops; all equations are compiled from the functions that NumPy runs.
The first run compiles (about a minute); the code is kept beside the package, under a name that changes with its source.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from cosinter.analysis.continuum import (
    cells,
    conditions,
    contact,
    linearised,
    loops,
    primitives,
    rates,
    rosenbrock,
    run,
)

MODULES = (conditions, cells, contact, rates, linearised, loops, rosenbrock, run)
FUNCTIONS: tuple[Callable[..., Any], ...] = (
    conditions.temperature_at, conditions.bracket, conditions.conditions,
    cells.phase_fractions, cells.positions, cells.stretched, cells.share_lithium, cells.drive, cells.cell_functions, cells.affinities,
    cells.conversion_rates, cells.resistivities, cells.flows, cells.half_conductance,
    contact.liquid_fraction, contact.cover, contact.layer_thickness, contact.sink_potential, contact.contact_rates,
    contact._salt_reactions,
    rates.reservoirs_of, rates.shells, rates.inner_side, rates.outer_side, rates.rates, rates.rates_at,
    linearised.prepare, linearised._outflow, linearised._reservoirs, linearised.potential_slopes,
    linearised._flow_slopes, linearised._eliminate, linearised._contact_slopes, linearised.solve,
    rosenbrock._store, rosenbrock.error_norm, rosenbrock.attempt, rosenbrock.integrate, rosenbrock._segment,
    run.settle, run._settle_fractions, run._settle_salts,
)  # fmt: skip


def available() -> bool:
    """Whether numba is installed (extra ``fast``)."""
    return find_spec("numba") is not None


@lru_cache(maxsize=1)
def compiled_advance() -> Callable[..., Any]:
    """:func:`run.advance` as machine code."""
    import numba
    from numba.extending import register_jitable

    for name in ("lookup", "integral", "factor_tridiagonal", "solve_tridiagonal", "inverse"):
        _replace(getattr(primitives, name), getattr(loops, name))
    for function in FUNCTIONS:
        register_jitable(error_model="numpy")(function)
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_cache_folder(list(MODULES)))
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(run.advance)  # type: ignore[no-any-return]
    finally:
        numba.config.CACHE_DIR = before


def _cache_folder(modules: list[ModuleType]) -> Path:
    """Named after the source, since numba itself watches only the file of the outermost function."""
    files = [Path(str(module.__file__)) for module in modules] + [Path(__file__)]
    digest = sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    return Path(__file__).parent / "__pycache__" / f"kernel-{digest}"


def _replace(primitive: Callable[..., Any], loop: Callable[..., Any]) -> None:
    from numba.extending import overload

    def choose(*_: Any, **__: Any) -> Callable[..., Any]:
        return loop

    overload(primitive, jit_options={"error_model": "numpy"}, strict=False)(choose)
