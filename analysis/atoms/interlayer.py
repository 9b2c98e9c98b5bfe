"""What an interlayer costs in interface energy.

cost = gamma(film|layer) + gamma(layer|substrate) - gamma(film|substrate),    J/m2
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from cosinter.data.exceptions import InputError


class InterfaceEnergy(Protocol):
    """What an interface must offer; ``analysis.atoms.adhesion.Adhesion`` does."""

    @property
    def film(self) -> str:
        """Formula of the film."""

    @property
    def substrate(self) -> str:
        """Formula of the substrate."""

    @property
    def interface_energy_J_per_m2(self) -> float:  # noqa: N802
        """gamma, J/m2."""

    @property
    def calculator(self) -> dict[str, Any]:
        """Model, version, parameters."""


@dataclass(frozen=True)
class InterlayerCost:
    """What an interlayer costs in interface energy, J/m2; positive: it costs. Energies of the layer itself are not in it.

    ``energies_J_per_m2`` are those of film|layer, layer|substrate and film|substrate.
    """

    film: str
    layer: str
    substrate: str
    cost_J_per_m2: float
    uncertainty_J_per_m2: float | None
    energies_J_per_m2: tuple[float, float, float]
    calculator: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Give all fields as plain JSON types."""
        return asdict(self) | {"energies_J_per_m2": list(self.energies_J_per_m2)}


def interlayer_cost(
    film_layer: InterfaceEnergy,
    layer_substrate: InterfaceEnergy,
    film_substrate: InterfaceEnergy,
    *,
    uncertainties_J_per_m2: tuple[float, float, float] | None = None,
) -> InterlayerCost:
    """Compare two interfaces with a layer between with the one they replace (module's equation).

    The errors of the three are taken as independent. Each gamma belongs to its own planes, terminations and in-plane
    cell; nothing makes the layer fit both sides at once.

    Parameters
    ----------
    film_layer, layer_substrate, film_substrate
        Interface energies by one calculator; which part was built as film does not matter.
    uncertainties_J_per_m2
        One standard deviation of each, in that order; the cost has none without them.

    Raises
    ------
    InputError
        Different calculators, parts that do not belong together, or an uncertainty below 0.
    """
    trio = (film_layer, layer_substrate, film_substrate)
    models = {str(part.calculator["model"]) for part in trio}
    if len(models) > 1:
        raise InputError(
            f"the interfaces come from {', '.join(sorted(models))}; take one calculator for all three"
        )
    ends = [{_elements(name): name for name in (part.film, part.substrate)} for part in trio]
    first, second, direct = (frozenset(end) for end in ends)
    layer = first & second
    if len(layer) != 1 or (first ^ second) != direct or layer & direct:
        raise InputError(
            "; ".join(f"{part.film}|{part.substrate}" for part in trio)
            + " are not film|layer, layer|substrate and film|substrate"
        )
    spreads = uncertainties_J_per_m2
    if spreads is not None and not all(math.isfinite(s) and s >= 0.0 for s in spreads):
        raise InputError(f"uncertainties {spreads} J/m2 must be zero or positive")
    a, b, c = (float(part.interface_energy_J_per_m2) for part in trio)
    (middle,), (film,), (substrate,) = layer, first - layer, second - layer
    return InterlayerCost(
        film=ends[0][film],
        layer=ends[0][middle],
        substrate=ends[1][substrate],
        cost_J_per_m2=a + b - c,
        uncertainty_J_per_m2=None if spreads is None else math.hypot(*spreads),
        energies_J_per_m2=(a, b, c),
        calculator=film_layer.calculator,
    )


def _elements(formula: str) -> frozenset[str]:
    """Elements of a formula, which tell the parts apart where NCM films differ in their whole numbers."""
    from cosinter.structures.crystals import read_formula

    return frozenset(element.symbol for element in read_formula(formula))
