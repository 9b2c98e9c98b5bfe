"""Lattice matches of two crystal planes, from pymatgen's interface builder."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from cosinter.data.exceptions import StructureError
from cosinter.structures.geometry import von_mises

Miller = tuple[int, int, int]


@contextmanager
def without_spglib_notice() -> Iterator[None]:
    """Silence one notice that spglib addresses to its callers (pymatgen), which users cannot act on."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Set OLD_ERROR_HANDLING", DeprecationWarning)
        yield


@lru_cache(maxsize=16)
def _builder(
    film: str, substrate: str, film_miller: Miller, substrate_miller: Miller, limits: tuple[float, ...]
) -> Any:
    """The pymatgen builder for a pair; enumerating matches and terminations takes seconds."""
    from pymatgen.analysis.interfaces.coherent_interfaces import CoherentInterfaceBuilder
    from pymatgen.analysis.interfaces.zsl import ZSLGenerator
    from pymatgen.core import Structure

    area, length, tilt = limits
    matcher: Any = ZSLGenerator  # has no annotations
    try:
        with without_spglib_notice():
            builder = CoherentInterfaceBuilder(
                substrate_structure=Structure.from_str(substrate, "json"),
                film_structure=Structure.from_str(film, "json"),
                film_miller=film_miller,
                substrate_miller=substrate_miller,
                zslgen=matcher(max_area=area, max_length_tol=length, max_angle_tol=tilt),
                label_index=True,
                filter_out_sym_slabs=False,
            )
    except (ValueError, IndexError, ArithmeticError, np.linalg.LinAlgError) as error:
        raise StructureError(
            f"slabs of the planes {film_miller} and {substrate_miller} cannot be matched ({error}); try other planes"
        ) from error
    if len({*builder.terminations}) != len(builder.terminations):
        raise StructureError("two terminations of the interface share a label; try other planes")
    return builder


def lattice_matches(
    film: str,
    substrate: str,
    film_miller: Miller,
    substrate_miller: Miller,
    limits: tuple[float, float, float],
) -> list[dict[str, Any]]:
    """Find distinct matches of two crystals (JSON text) by area, then strain.

    ``limits`` are the largest area (Å²) and the tolerances of lengths and angles. Each match holds ``match``,
    ``area`` (Å²), ``strain`` (von Mises, %) and the ``builder``; repeats of one area and strain are dropped.

    Raises
    ------
    StructureError
        The planes cannot be cut or matched.
    """
    builder = _builder(film, substrate, film_miller, substrate_miller, limits)
    distinct: dict[tuple[float, float], dict[str, Any]] = {}
    for match in builder.zsl_matches:
        strain = 100.0 * von_mises(np.asarray(match.film_sl_vectors), np.asarray(match.substrate_sl_vectors))
        key = (round(float(match.match_area), 2), round(strain, 3))
        distinct.setdefault(key, {"match": match, "area": key[0], "strain": strain, "builder": builder})
    return [distinct[key] for key in sorted(distinct)]
