"""Solution phases made on demand: one composition of layered NCM or of NASICON LATP as a phase.

Layered oxide, charges resolved (Mn4+ pairs with Ni2+), zero excess enthalpy, ideal mixing of the metals:

    LiNi_x Co_y Mn_z O2 = (x - z) LiNiO2 + y LiCoO2 + z Li2MnO3 + z NiO,   S += -R sum_i x_i ln x_i

NASICON, zero excess enthalpy, ideal mixing of Al and Ti on two sites (theta = x / 2):

    Li_(1+x) Al_x Ti_(2-x) (PO4)3 = (1 - x/2) LiTi2(PO4)3 + x/2 (Li3PO4 + 2 AlPO4),
    S += -2 R [theta ln theta + (1 - theta) ln(1 - theta)]

Both are points of the models in ``data/solutions.yaml`` (layered, nasicon), where their parameters, sources and
uncertainties stand; so a reactant never differs from its own solution.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import TYPE_CHECKING

import numpy as np
from scipy.constants import R

from cosinter.data.exceptions import CompositionError, UnknownNameError

if TYPE_CHECKING:
    from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary

TOLERANCE = 1e-5
METALS = ("Ni", "Co", "Mn")
#: Largest x of Li(1+x)Al(x)Ti(2-x)(PO4)3: the end member of the model.
LARGEST_ALUMINIUM = 0.6


def mixing_entropy(fractions: Mapping[str, float] | list[float]) -> float:
    """Ideal entropy -R sum x ln x of one site, J/mol/K."""
    values = list(fractions.values()) if isinstance(fractions, Mapping) else fractions
    return float(-R * sum(x * log(x) for x in values if x > 0.0))


def _number(value: float) -> str:
    return "" if abs(value - 1.0) < 1e-10 else f"{value:.10f}".rstrip("0").rstrip(".")


def layered_formula(fractions: Mapping[str, float]) -> str:
    """Write LiNixCoyMnzO2, leaving out metals that are absent."""
    return "Li" + "".join(f"{m}{_number(fractions[m])}" for m in METALS if fractions[m] > 0.0) + "O2"


def normalised_metals(nickel: float, cobalt: float, manganese: float) -> dict[str, float]:
    """Check that three metal fractions are not negative and sum to one (to 1e-5), and normalise them.

    Raises
    ------
    CompositionError
        A fraction is negative or the sum is not one.
    """
    total = nickel + cobalt + manganese
    if min(nickel, cobalt, manganese) < 0.0 or abs(total - 1.0) > TOLERANCE:
        raise CompositionError(
            f"metal fractions Ni {nickel:g}, Co {cobalt:g}, Mn {manganese:g} must not be negative and must sum to 1"
        )
    return {"Ni": nickel / total, "Co": cobalt / total, "Mn": manganese / total}


def layered_phase(library: PhaseLibrary, *, nickel: float, cobalt: float, manganese: float) -> Phase:
    """Make layered LiNixCoyMnzO2 (see the module's equation).

    Raises
    ------
    CompositionError
        Negative fractions, a sum other than one, or more Mn than Ni (Mn4+ needs as much Ni2+).
    """
    fractions = normalised_metals(nickel, cobalt, manganese)
    x, y, z = fractions["Ni"], fractions["Co"], fractions["Mn"]
    if z > x + TOLERANCE:
        raise CompositionError(
            f"layered oxide with Mn {z:g} above Ni {x:g} cannot be balanced: every Mn4+ needs one Ni2+; "
            "lower Mn to at most Ni"
        )
    parts = {"LiNiO2": max(x - z, 0.0), "LiCoO2": y, "LiNi0.5Mn0.5O2": 2.0 * min(z, x)}
    return _point("layered", library, parts, layered_formula(fractions))


def nasicon_phase(library: PhaseLibrary, aluminium: float) -> Phase:
    """Make Li(1+x)Al(x)Ti(2-x)(PO4)3 with x = ``aluminium`` (see the module's equation).

    Raises
    ------
    CompositionError
        x is negative or beyond the solubility range of the model.
    """
    largest = LARGEST_ALUMINIUM
    if not 0.0 <= aluminium <= largest + TOLERANCE:
        raise CompositionError(
            f"LATP with x = {aluminium:g} lies outside the solution model; choose x between 0 and {largest:g}"
        )
    share = min(aluminium / largest, 1.0)
    formula = f"Li{_number(1.0 + aluminium)}Al{_number(aluminium)}Ti{_number(2.0 - aluminium)}(PO4)3"
    parts = {"LiTi2(PO4)3": 1.0 - share, "Li1.6Al0.6Ti1.4(PO4)3": share}
    return _point("nasicon", library, parts, formula)


def _point(key: str, library: PhaseLibrary, parts: Mapping[str, float], formula: str) -> Phase:
    """Make the phase of one composition: ``parts`` mole of the end members, named by its formula."""
    from cosinter.analysis.thermochemistry.solution_tables import standard_solution

    solution = standard_solution(key, library)
    names = [member.name for member in solution.members]
    total = sum(parts.values())
    amounts = np.zeros(len(names))
    for name, amount in parts.items():
        if amount > 0.0 and name not in names:
            raise UnknownNameError("end member", name, names)
        if amount > 0.0:
            amounts[names.index(name)] = amount / total
    return solution.phase(amounts, name=formula, formula=formula)


def _near_miss(composition: Mapping[str, float], expected: Mapping[str, float]) -> str | None:
    """Describe the element that is furthest from ``expected`` if all are within 10 %; None if it is another phase."""
    off = {e: abs(composition[e] / n - 1.0) for e, n in expected.items()}
    worst = max(off, key=lambda element: off[element])
    if off[worst] > 0.1:
        return None
    return f"{worst} is {composition[worst]:.6g}, expected {expected[worst]:.6g}"


def _layered(library: PhaseLibrary, composition: Mapping[str, float]) -> Phase | None:
    metal = sum(composition.get(m, 0.0) for m in METALS)
    if abs(composition["Li"] / metal - 1.0) > TOLERANCE or abs(composition["O"] / metal - 2.0) > TOLERANCE:
        miss = _near_miss(composition, {"Li": metal, "O": 2.0 * metal})
        if miss is None:
            return None
        raise CompositionError(
            f"a layered LiMO2 needs one Li and two O per metal to five digits: {miss}; write out all digits of the metals"
        )
    nickel, cobalt, manganese = (composition.get(m, 0.0) / metal for m in METALS)
    return layered_phase(library, nickel=nickel, cobalt=cobalt, manganese=manganese)


def _nasicon(library: PhaseLibrary, composition: Mapping[str, float]) -> Phase | None:
    unit = composition["P"] / 3.0
    x = composition["Al"] / unit
    expected = {"Li": (1.0 + x) * unit, "Ti": (2.0 - x) * unit, "O": 12.0 * unit}
    if all(abs(composition[e] - n) <= TOLERANCE * unit for e, n in expected.items()):
        return nasicon_phase(library, x)
    miss = _near_miss(composition, expected)
    if miss is None:
        return None
    raise CompositionError(f"LATP must be Li(1+x)Al(x)Ti(2-x)(PO4)3 with one x, here x = {x:g}: {miss}")


def solution_phase(library: PhaseLibrary, composition: Mapping[str, float]) -> Phase | None:
    """Recognise a layered LiMO2 or a LATP composition and make its phase; None for anything else.

    Raises
    ------
    CompositionError
        The composition belongs to a model but lies outside its range, or misses its formula by less than 10 %.
    """
    elements = set(composition)
    if elements >= {"Li", "O"} and elements & set(METALS) and elements <= {"Li", "O", *METALS}:
        return _layered(library, composition)
    if elements == {"Li", "Al", "Ti", "P", "O"}:
        return _nasicon(library, composition)
    return None
