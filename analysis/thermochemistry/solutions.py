"""Solution phases made on demand from the library: layered NCM and NASICON LATP.

Layered oxide, charges resolved (Mn4+ pairs with Ni2+), zero excess enthalpy, ideal mixing of the metals:

    LiNi_x Co_y Mn_z O2 = (x - z) LiNiO2 + y LiCoO2 + z Li2MnO3 + z NiO,   S += -R sum_i x_i ln x_i

NASICON, zero excess enthalpy, ideal mixing of Al and Ti on two sites (theta = x / 2):

    Li_(1+x) Al_x Ti_(2-x) (PO4)3 = (1 - x/2) LiTi2(PO4)3 + x/2 (Li3PO4 + 2 AlPO4),
    S += -2 R [theta ln theta + (1 - theta) ln(1 - theta)]

Both are assumptions (kind ``assumed``); their parameters and uncertainties are in ``data/thermochemistry.yaml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import hypot, log
from typing import TYPE_CHECKING

from scipy.constants import R

from cosinter.analysis.thermochemistry.functions import Combination
from cosinter.data.exceptions import CompositionError
from cosinter.data.tables import load_table

if TYPE_CHECKING:
    from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary

TOLERANCE = 1e-5
METALS = ("Ni", "Co", "Mn")


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
    from cosinter.analysis.thermochemistry.library import Phase, combined_errors

    fractions = normalised_metals(nickel, cobalt, manganese)
    x, y, z = fractions["Ni"], fractions["Co"], fractions["Mn"]
    if z > x + TOLERANCE:
        raise CompositionError(
            f"layered oxide with Mn {z:g} above Ni {x:g} cannot be balanced: every Mn4+ needs one Ni2+; "
            "lower Mn to at most Ni"
        )
    parts = {"LiNiO2": max(x - z, 0.0), "LiCoO2": y, "Li2MnO3": z, "NiO": z}
    phases = [(amount, library.phase(name)) for name, amount in parts.items() if amount > 0.0]
    model = load_table("thermochemistry")["solutions"]["layered"]
    own = model["excess_enthalpy"]["uncertainty"] * 1e3
    function = Combination(
        tuple((n, p.function) for n, p in phases),
        model["excess_enthalpy"]["value"] * 1e3,
        mixing_entropy(fractions),
    )
    formula = layered_formula(fractions)
    return Phase(
        name=formula,
        formula=formula,
        state="s",
        function=function,
        uncertainty_J_per_mol=hypot(own, *(n * p.uncertainty_J_per_mol for n, p in phases)),
        entropy_uncertainty_J_per_mol_K=hypot(*(n * p.entropy_uncertainty_J_per_mol_K for n, p in phases)),
        errors=combined_errors(phases) | {formula: (own, 0.0)},
        energy_source="assumed",
        thermal_source="neumann_kopp",
        source="(x-z) LiNiO2 + y LiCoO2 + z Li2MnO3 + z NiO of this library; "
        + model["excess_enthalpy"]["source"],
        kind="assumed",
        range_K=(298.15, 1400.0),
        note="ideal mixing of the metals, zero excess enthalpy",
    )


def nasicon_phase(library: PhaseLibrary, aluminium: float) -> Phase:
    """Make Li(1+x)Al(x)Ti(2-x)(PO4)3 with x = ``aluminium`` (see the module's equation).

    Raises
    ------
    CompositionError
        x is negative or beyond the solubility range of the model.
    """
    from cosinter.analysis.thermochemistry.library import Phase

    model = load_table("thermochemistry")["solutions"]["nasicon"]
    largest = float(model["largest_x"]["value"])
    if not 0.0 <= aluminium <= largest + TOLERANCE:
        raise CompositionError(
            f"LATP with x = {aluminium:g} lies outside the solution model; choose x between 0 and {largest:g}"
        )
    theta = aluminium / 2.0
    parts = {"LiTi2(PO4)3": 1.0 - theta, "Li3PO4": theta, "AlPO4": 2.0 * theta}
    phases = [(amount, library.phase(name)) for name, amount in parts.items() if amount > 0.0]
    function = Combination(
        tuple((n, p.function) for n, p in phases),
        model["excess_enthalpy"]["value"] * 1e3,
        2.0 * mixing_entropy([theta, 1.0 - theta]),
    )
    formula = f"Li{_number(1.0 + aluminium)}Al{_number(aluminium)}Ti{_number(2.0 - aluminium)}(PO4)3"
    return Phase(
        name=formula,
        formula=formula,
        state="s",
        function=function,
        uncertainty_J_per_mol=model["excess_enthalpy"]["uncertainty"] * 1e3,
        entropy_uncertainty_J_per_mol_K=hypot(*(n * p.entropy_uncertainty_J_per_mol_K for n, p in phases)),
        source="(1-x/2) LiTi2(PO4)3 + x/2 (Li3PO4 + 2 AlPO4) of this library; "
        + model["excess_enthalpy"]["source"],
        kind="assumed",
        energy_source="assumed",
        thermal_source="neumann_kopp",
        range_K=(298.15, 1400.0),
        note="ideal Al/Ti mixing, zero excess enthalpy",
    )


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
