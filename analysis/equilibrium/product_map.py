"""Product maps: what two solids form at every temperature and mixing ratio.

At each temperature the mixing line is exact (:mod:`cosinter.analysis.equilibrium.interface`). Between two temperatures
whose lines run through different products the change is bisected, so every border of a region is exact in the ratio
and within ``resolution_K`` in temperature; nothing depends on a grid being fine enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cosinter.analysis.equilibrium.interface import InterfaceReaction, interface_reaction
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary
from cosinter.analysis.thermochemistry.solution_models import Solution
from cosinter.data.exceptions import InputError

_MOST_LINES = 2000
#: With solutions, stretches narrower than this (mole fraction) are no change of products: their ends carry the
#: tolerance of the refinement.
_NARROW = 2e-3


@dataclass(frozen=True, eq=False)
class ProductMap:
    """Mixing lines at ascending temperatures, dense enough that every change of products lies between two close ones."""

    reactions: tuple[InterfaceReaction, ...]

    @property
    def sets(self) -> tuple[tuple[str, ...], ...]:
        """Every set of products on the map, gases included, in order of appearance."""
        found = [segment[2] for reaction in self.reactions for segment in reaction.segments]
        return tuple(dict.fromkeys(found))

    def to_dict(self) -> dict[str, Any]:
        """Give the map as plain data: {"temperatures": [one mixing line each, keys of ``cosinter react --json``]}."""
        return {"temperatures": [reaction.to_dict() for reaction in self.reactions]}


def product_map(
    first: str | Phase,
    second: str | Phase,
    *,
    library: PhaseLibrary,
    temperatures_K: ArrayLike,
    pressures_bar: Mapping[str, float],
    exclude: Iterable[str] = (),
    solutions: Iterable[Solution] = (),
    resolution_K: float = 1.0,
) -> ProductMap:
    """Find the mixing lines of two reactants at ``temperatures_K`` and wherever the products change between them.

    Parameters
    ----------
    first, second, library, pressures_bar, exclude, solutions : see
        :func:`cosinter.analysis.equilibrium.interface.interface_reaction`
    temperatures_K : at least two, ascending
    resolution_K : how closely a change of products is located

    Raises
    ------
    InputError
        Fewer than two temperatures, not ascending, or a resolution that is not positive.
    UnknownNameError, CompositionError, ConvergenceError
        See :func:`cosinter.analysis.equilibrium.interface.interface_reaction`.
    """
    asked = np.atleast_1d(np.asarray(temperatures_K, dtype=np.float64))
    if asked.size < 2 or not np.all(np.diff(asked) > 0.0):
        raise InputError("a product map needs at least two ascending temperatures")
    if not resolution_K > 0.0:
        raise InputError(f"the resolution in temperature must be above 0 K; got {resolution_K:g}")
    forbidden, models = tuple(exclude), tuple(solutions)
    narrow = _NARROW if models else 0.0

    def line(temperature_K: float) -> InterfaceReaction:
        return interface_reaction(
            first,
            second,
            library=library,
            temperature_K=temperature_K,
            pressures_bar=pressures_bar,
            exclude=forbidden,
            solutions=models,
        )

    reactions = [line(float(temperature)) for temperature in asked]
    place = 0
    while place + 1 < len(reactions):
        low, high = reactions[place], reactions[place + 1]
        between = [reaction.problem.temperature_K for reaction in (low, high)]
        if _order(low, narrow) == _order(high, narrow) or between[1] - between[0] <= resolution_K:
            place += 1
        elif len(reactions) >= _MOST_LINES:
            raise InputError(f"the map has more than {_MOST_LINES} changes; ask for a coarser resolution")
        else:
            reactions.insert(place + 1, line(0.5 * (between[0] + between[1])))
    return ProductMap(tuple(reactions))


def _order(reaction: InterfaceReaction, narrow: float) -> Sequence[tuple[str, ...]]:
    return [phases for start, end, phases in reaction.segments if end - start > narrow]
