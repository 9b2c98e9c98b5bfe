"""Which tables of a parameter set an error of thermodynamics moves, and how far: signed, at the temperature of sintering.

Every phase knows its sources of error with their signs
(:attr:`cosinter.analysis.thermochemistry.library.Phase.errors`): h_s (J/mol of H298) and s_s (J/mol/K of S298) per
formula. Both are independent standard normal errors of each source s, so a table value X = sum_j a_j G_j moves by

    sum_j a_j h_js   (enthalpy of s),        -(T - 298.15 K) sum_j a_j s_js   (entropy of s)

with T the temperature of the titration. What a table is made of:

    G(O2), G(Li2O), ...             the phase itself
    mu(Li2O) of each step           products - reactants - Li2O, per mol Li2O                       (J/mol)
    ln p(CO2) over Li2CO3           (Li2CO3 - CO2 - Li2O) / RT                                      (1)
    layered, u = 0 and u = 1        LiMO2 - Li + F dU,  LiMO2                                       (J/mol metal)
    rock salt                       sum x_M MO,  LiMO2 + E_dis
    spinel, u = 1/2 and u = 1       layered(1/2) - E_stab,  LiMO2 + E_lith

dU is the error of the open-circuit potential, which also moves the voltage of the discharge. The three forms so share
the error of LiMO2, which cancels between them. All move by a straight line in u; for the spinel, a parabola, it is
exact at u = 1/2 and 1, so that below 1/2 the error of the lithium-free spinel M3O4 is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.constants import R, kilo, physical_constants

from cosinter.analysis.equilibrium.titration import TitrationCurve, TitrationStep
from cosinter.analysis.parameters import Kind, SharedError
from cosinter.analysis.thermochemistry.cathode import CathodeModel
from cosinter.analysis.thermochemistry.functions import REFERENCE_TEMPERATURE
from cosinter.analysis.thermochemistry.library import add_errors, combined_errors
from cosinter.data.tables import load_table

Errors = Mapping[str, tuple[float, float]]

FARADAY = float(physical_constants["Faraday constant"][0])
POTENTIAL = "open-circuit potential of the cathode"
MIXING = ": mixing"
#: Calculators whose energies have errors of their own, as they write themselves.
CALCULATORS = {"chgnet": "CHGNet", "pmmcs": "PMMCS"}
#: The Ni:Co:Mn of the measured open-circuit potential.
MEASURED_CATHODE = {"Ni": 0.8, "Co": 0.1, "Mn": 0.1}
SOURCE = "uncertainties of data/thermochemistry.yaml and of the phase library"


@dataclass(frozen=True)
class Response:
    """The errors of one table: of the whole table, of each point, or of both ends of a straight line (``ends``)."""

    errors: tuple[Errors, ...]
    ends: bool = False
    factor: float = 1.0


def shared_errors(
    cathode: CathodeModel, titration: TitrationCurve, *, lithium_points: int
) -> tuple[SharedError, ...]:
    """Every source of thermodynamic error of a cathode and an electrolyte, as shifts of the tables.

    Parameters
    ----------
    titration : its :func:`uptake_steps` are those of the table ``electrolyte.titration.potential``
    lithium_points : length of the even lithium axis of the cathode's tables, from 0 to 1
    """
    temperature = titration.temperature_K
    responses = {
        **_phase_responses(cathode, temperature),
        **_cathode_responses(cathode),
        "electrolyte.titration.potential": _titration_response(titration),
    }
    found: dict[str, dict[str, tuple[float, ...]]] = {}
    for table, response in responses.items():
        sources = dict.fromkeys(source for errors in response.errors for source in errors)
        for source in sources:
            enthalpy, entropy = np.array([errors.get(source, (0.0, 0.0)) for errors in response.errors]).T
            for name, values in (
                (_label(source, "enthalpy"), enthalpy),
                (_label(source, "entropy"), -(temperature - REFERENCE_TEMPERATURE) * entropy),
            ):
                if np.any(np.abs(values) > 1e-9):
                    shift = np.linspace(values[0], values[-1], lithium_points) if response.ends else values
                    found.setdefault(name, {})[table] = tuple((response.factor * shift).tolist())
    return tuple(
        SharedError(
            name=name,
            source=f"{SOURCE}, at {temperature:g} K",
            kind=_kind(cathode, name),
            shifts=shifts,
        )
        for name, shifts in found.items()
    )


def _kind(cathode: CathodeModel, name: str) -> Kind:
    """What stands behind the number: as its record says, else a computation."""
    table = load_table("thermochemistry")["cathode"]
    records = {_cathode_label(key): record["kind"] for key, record in table.items()}
    kinds: dict[str, Kind] = {phase.name: phase.kind for phase in cathode.library.phases}
    return records.get(name) or kinds.get(name.partition(" of ")[2], "computed")


def conductivity_errors(products: Sequence[str]) -> tuple[SharedError, ...]:
    """One error of ln(conductivity) for each formula among ``products``, those of the table in its order."""
    known = load_table("transport")["conductivity"]
    errors = []
    for formula in dict.fromkeys(products):
        entry = known.get(formula, known["other"])
        spread = float(entry["log10_uncertainty"]) * float(np.log(10.0))
        shift = tuple(spread if product == formula else 0.0 for product in products)
        errors.append(
            SharedError(
                name=f"conductivity of {formula}",
                source=entry["source"],
                kind=entry["kind"],
                shifts={"interphase.conductivity": shift},
            )
        )
    return tuple(errors)


def _label(source: str, part: str) -> str:
    """Say what is uncertain; sources that are not phases (``cathode ...``) name themselves."""
    if source == POTENTIAL or source.startswith("cathode "):
        return source
    calculator, _, crystal = source.partition(" ")
    if calculator in CALCULATORS and part == "enthalpy":
        return f"{CALCULATORS[calculator]} energy of {crystal}"
    if source.endswith(MIXING):
        return f"{part} of mixing of {source.removesuffix(MIXING)}"
    return f"{part} of {source}"


def _phase_responses(cathode: CathodeModel, temperature: float) -> dict[str, Response]:
    library = cathode.library
    oxide, dioxide = library.phase("Li2O"), library.gas("CO2")
    carbonate = library.stable("Li2CO3", temperature_K=temperature)
    phases = {
        "lithium_oxide": oxide,
        "oxygen_gas": library.gas("O2"),
        "water_gas": library.gas("H2O"),
        "lithium_hydroxide_gas": library.gas("LiOH"),
    }
    dissociation = combined_errors([(1.0, carbonate), (-1.0, dioxide), (-1.0, oxide)])
    return {f"thermo.{name}.gibbs": Response((phase.errors,)) for name, phase in phases.items()} | {
        "compensator.lithium_carbonate.equilibrium_pressure": Response(
            (dissociation,), factor=1.0 / (R * temperature)
        )
    }


def uptake_steps(titration: TitrationCurve) -> list[TitrationStep]:
    """Steps of ``titration`` that take up Li2O."""
    return [step for step in titration.steps if step.li2o_to - step.li2o_from > 1e-9]


def _titration_response(titration: TitrationCurve) -> Response:
    """Errors of every plateau; the last vertex belongs to the last plateau."""
    phases = {phase.name: phase for phase in [*titration.library.phases, titration.solid]}
    oxide = titration.library.stable("Li2O", temperature_K=titration.temperature_K)
    plateaus = [
        combined_errors([*((n, phases[name]) for name, n in step.reaction().items()), (-1.0, oxide)])
        for step in uptake_steps(titration)
    ]
    return Response((*plateaus, plateaus[-1]))


def _own(name: str) -> Errors:
    """Error of one energy of the cathode model, J/mol metal."""
    record = load_table("thermochemistry")["cathode"][name]
    return {_cathode_label(name): (float(record["uncertainty"]) * kilo, 0.0)}


def _cathode_label(name: str) -> str:
    return POTENTIAL if name == "open_circuit_potential" else f"cathode {name.replace('_', ' ')}"


def _potential_error(cathode: CathodeModel) -> Errors:
    """Error F dU of the open-circuit potential, J/mol Li, larger where it was measured at another Ni:Co:Mn."""
    table = load_table("thermochemistry")["cathode"]
    volts = FARADAY * float(table["open_circuit_potential"]["uncertainty"])
    same = all(abs(share - MEASURED_CATHODE[metal]) < 1e-6 for metal, share in cathode.fractions.items())
    other = 0.0 if same else float(table["composition_error"]["value"]) * kilo
    return {POTENTIAL: (float(np.hypot(volts, other)), 0.0)}


def _cathode_responses(cathode: CathodeModel) -> dict[str, Response]:
    """Errors of G of the three forms at u = 0 and u = 1, and of the voltage."""
    full, potential = cathode.layered.errors, _potential_error(cathode)
    lithium = cathode.library.phase("Li").errors
    monoxides = [(x, cathode.library.phase(f"{metal}O").errors) for metal, x in cathode.fractions.items()]
    empty = add_errors([(1.0, full), (-1.0, lithium), (1.0, potential)])
    half = add_errors([(0.5, full), (0.5, empty), (-1.0, _own("spinel_stabilisation"))])
    lithiated = add_errors([(1.0, full), (1.0, _own("lithiated_spinel_energy"))])
    forms = {
        "layered": (empty, full),
        "spinel": (add_errors([(2.0, half), (-1.0, lithiated)]), lithiated),
        "rock_salt": (
            add_errors(monoxides),
            add_errors([(1.0, full), (1.0, _own("disordering_energy"))]),
        ),
    }
    return {f"cathode.{form}.excess_gibbs": Response(ends, ends=True) for form, ends in forms.items()} | {
        "capacity.open_circuit_voltage": Response((potential,), factor=1.0 / FARADAY)
    }
