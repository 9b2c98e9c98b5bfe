"""Checks of the formulas that a study names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cosinter.data.exceptions import CompositionError

TOLERANCE = 1.0e-3
#: Usual states in oxide electrolytes.
OXIDATION_STATES = {
    **dict.fromkeys(("H", "Li", "Na", "K"), 1),
    **dict.fromkeys(("Mg", "Ca", "Sr", "Ba", "Zn"), 2),
    **dict.fromkeys(("B", "Al", "Ga", "Sc", "Y", "La"), 3),
    **dict.fromkeys(("C", "Si", "Ge", "Ti", "Zr", "Hf", "Sn"), 4),
    **dict.fromkeys(("P", "V", "Nb", "Ta"), 5),
    **dict.fromkeys(("Mo", "W", "S"), 6),
    "O": -2,
}
NASICON = {"Li", "Al", "Ti", "P", "O"}
ALIASES = {
    "ncm811": "LiNi0.8Co0.1Mn0.1O2",
    "ncm622": "LiNi0.6Co0.2Mn0.2O2",
    "ncm111": "LiNi0.333333Co0.333333Mn0.333334O2",
    "latp": "Li1.3Al0.3Ti1.7(PO4)3",
    "ltp": "LiTi2(PO4)3",
}


def amounts(formula: str) -> dict[str, float]:
    """Element amounts of a formula.

    Raises
    ------
    CompositionError
        The formula cannot be read or names an unknown element.
    """
    from pymatgen.core import Composition

    try:
        composition: Any = Composition(formula, strict=True)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise CompositionError(
            f"formula '{formula}' cannot be read; write it like LiNi0.8Co0.1Mn0.1O2"
        ) from error
    unknown = [str(element) for element in composition if not element.is_valid_symbol(str(element))]
    if unknown or not composition.num_atoms > 0.0:
        raise CompositionError(
            f"formula '{formula}' names the unknown element {unknown[0] if unknown else '(none)'}"
        )
    return {str(element): float(amount) for element, amount in composition.items()}


def metals(formula: str) -> tuple[float, float, float]:
    """Ni, Co and Mn per metal of a layered oxide formula."""
    found = amounts(formula)
    return found.get("Ni", 0.0), found.get("Co", 0.0), found.get("Mn", 0.0)


def check_cathode(formula: str) -> str:
    """Accept LiNixCoyMnzO2 with x + y + z = 1 and z <= x; return the formula with aliases resolved.

    Mn is 4+ in these oxides and each Mn4+ needs one Ni2+, hence z <= x.

    Raises
    ------
    CompositionError
        Another element, other stoichiometry, or no charge balance.
    """
    formula = ALIASES.get(formula.lower(), formula)
    found = amounts(formula)
    other = sorted(set(found) - {"Li", "Ni", "Co", "Mn", "O"})
    if other:
        raise CompositionError(f"cathode '{formula}' holds {other[0]}; allowed are Li, Ni, Co, Mn, O")
    nickel, cobalt, manganese = metals(formula)
    if abs(nickel + cobalt + manganese - 1.0) > TOLERANCE:
        raise CompositionError(
            f"cathode '{formula}' has Ni + Co + Mn = {nickel + cobalt + manganese:g}; must be 1"
        )
    if abs(found.get("Li", 0.0) - 1.0) > TOLERANCE or abs(found.get("O", 0.0) - 2.0) > TOLERANCE:
        raise CompositionError(
            f"cathode '{formula}' has Li{found.get('Li', 0.0):g} and O{found.get('O', 0.0):g}; must be Li1 and O2"
        )
    if manganese > nickel + TOLERANCE:
        raise CompositionError(
            f"cathode '{formula}' cannot be charge-balanced: Mn4+ needs as much Ni2+, but Mn {manganese:g} > Ni {nickel:g}"
        )
    return formula


def check_electrolyte(formula: str) -> str:
    """Accept Li1+xAlxTi2-x(PO4)3 with 0 <= x <= 0.6 and other lithium oxides; return it with aliases resolved.

    Whether the library knows a phase of that composition is found out where the library is read.

    Raises
    ------
    CompositionError
        No lithium oxide, no charge balance, or x outside the range.
    """
    formula = ALIASES.get(formula.lower(), formula)
    found = amounts(formula)
    if not {"Li", "O"} <= set(found):
        raise CompositionError(f"electrolyte '{formula}' must hold Li and O")
    other = sorted(set(found) - set(OXIDATION_STATES))
    if other:
        raise CompositionError(
            f"electrolyte '{formula}' holds {other[0]}; allowed are {', '.join(OXIDATION_STATES)}"
        )
    charge = sum(OXIDATION_STATES[element] * amount for element, amount in found.items())
    if abs(charge) > 0.01:
        raise CompositionError(
            f"electrolyte '{formula}' is not charge-balanced: the ions sum to {charge:+.3g}; must be 0"
        )
    if set(found) == NASICON:
        _check_nasicon(formula, found)
    return formula


def _check_nasicon(formula: str, found: Mapping[str, float]) -> None:
    aluminium = found["Al"]
    if not aluminium <= 0.6 or any(
        abs(found[element] - expected) > 0.01
        for element, expected in {"Ti": 2.0 - aluminium, "P": 3.0, "O": 12.0}.items()
    ):
        raise CompositionError(
            f"electrolyte '{formula}' is not Li1+xAlxTi2-x(PO4)3 with x from 0 to 0.6, the range of its data"
        )
