"""The ladder of lithium reservoirs: potential of Li2O in each, relative to Li2O(s), over temperature.

Lithium oxide flows from a higher rung to a lower one. For the compensator

    2 LiOH = Li2O + H2O:      mu = 2 G_LiOH - (G_H2O + R T ln pH2O) - G_Li2O
    Li2CO3 = Li2O + CO2:      mu = G_Li2CO3 - (G_CO2 + R T ln pCO2) - G_Li2O

with the stable form (solid or melt) at each temperature; cathode and electrolyte come from
:class:`~cosinter.analysis.thermochemistry.cathode.CathodeModel`, the linear program and the titration curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.constants import R

from cosinter.analysis.equilibrium.lp import equilibrium
from cosinter.analysis.equilibrium.titration import titration_curve
from cosinter.analysis.thermochemistry.cathode import FARADAY, CathodeModel
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import PhaseLibrary, reaction_uncertainty
from cosinter.data.exceptions import InputError
from cosinter.data.tables import load_table


@dataclass(frozen=True)
class Rung:
    """One reservoir.

    Attributes
    ----------
    reservoir : what holds the lithium, with the condition that sets its potential
    mu_kJ_per_mol : {temperature in K: potential of Li2O relative to Li2O(s), kJ/mol}
    uncertainty_kJ_per_mol : standard uncertainty at the middle temperature, kJ/mol Li2O
    source, kind : where it comes from
    """

    reservoir: str
    mu_kJ_per_mol: Mapping[float, float]
    uncertainty_kJ_per_mol: float
    source: str
    kind: str

    def to_dict(self) -> dict[str, Any]:
        """Give the rung with temperatures as strings of K."""
        return {
            "reservoir": self.reservoir,
            "mu_kJ_per_mol": {f"{t:g}": value for t, value in self.mu_kJ_per_mol.items()},
            "uncertainty_kJ_per_mol": self.uncertainty_kJ_per_mol,
            "source": self.source,
            "kind": self.kind,
        }


def salt_potential(
    library: PhaseLibrary, salt: str, temperature_K: ArrayLike, *, pressure_bar: float
) -> FloatArray:
    """Potential of Li2O in ``LiOH`` (under H2O) or ``Li2CO3`` (under CO2), J/mol relative to Li2O(s), [nT].

    Raises
    ------
    InputError
        The salt is another one, or the pressure is not positive.
    """
    gases = {"LiOH": ("H2O", 2.0), "Li2CO3": ("CO2", 1.0)}
    if salt not in gases or not pressure_bar > 0.0:
        raise InputError(
            f"salt must be LiOH or Li2CO3 under a positive pressure; got {salt}, {pressure_bar:g} bar"
        )
    gas, count = gases[salt]
    temperature = np.atleast_1d(np.asarray(temperature_K, dtype=np.float64))
    forms = np.min([phase.gibbs(temperature) for phase in library.candidates(salt)], axis=0)
    fluid = library.gas(gas).gibbs(temperature) + R * temperature * np.log(pressure_bar)
    return np.asarray(count * forms - fluid - library.phase("Li2O").gibbs(temperature), dtype=np.float64)


def _rung(
    name: str, temperatures: FloatArray, mu: FloatArray, uncertainty: float, source: str, kind: str
) -> Rung:
    values = {float(t): float(m) * 1e-3 for t, m in zip(temperatures, mu, strict=True)}
    return Rung(name, values, uncertainty * 1e-3, source, kind)


def _salts(library: PhaseLibrary, temperatures: FloatArray, pressures: Mapping[str, float]) -> list[Rung]:
    rungs = []
    middle = float(np.median(temperatures))
    for salt, gas, count in (("LiOH", "H2O", 2.0), ("Li2CO3", "CO2", 1.0)):
        if gas not in pressures:
            continue
        mu = salt_potential(library, salt, temperatures, pressure_bar=pressures[gas])
        phase = library.stable(salt, temperature_K=middle)
        parts = [(count, phase), (-1.0, library.gas(gas)), (-1.0, library.phase("Li2O"))]
        spread = reaction_uncertainty(parts, middle)
        rungs.append(
            _rung(
                f"{salt}, p{gas} {pressures[gas]:g} bar", temperatures, mu, spread, phase.source, "measured"
            )
        )
    return rungs


def _cathode(
    model: CathodeModel, temperatures: FloatArray, oxygen: float, contents: Sequence[float]
) -> list[Rung]:
    table = load_table("thermochemistry")["cathode"]
    ocv = table["open_circuit_potential"]
    spread = 2.0 * hypot(FARADAY * ocv["uncertainty"], table["composition_error"]["value"] * 1e3)
    mu = model.mu_li2o("layered", contents, temperatures, oxygen)
    return [
        _rung(
            f"layered oxide, {u:g} Li per metal, delithiated by O2",
            temperatures,
            mu[:, i],
            spread,
            ocv["source"],
            ocv["kind"],
        )
        for i, u in enumerate(contents)
    ]


def _decomposition(model: CathodeModel, temperatures: FloatArray, oxygen: float) -> Rung:
    """Potential at which the layered oxide gives up Li2O and O2 and becomes lower oxides."""
    library, cathode = model.library, model.layered
    atoms = dict(cathode.composition) | {"Li": 0.99, "O": 1.995}
    extra = [] if cathode.name in library else [cathode]
    mu = [
        equilibrium(
            library, atoms, temperature_K=float(t), pressures_bar={"O2": oxygen}, extra=extra
        ).relative_mu("Li2O")
        for t in temperatures
    ]
    curve = titration_curve(
        cathode,
        library=library,
        temperature_K=float(np.median(temperatures)),
        pressures_bar={"O2": oxygen},
        release=True,
    )
    taken = 0.5 * (atoms["Li"] - cathode.composition["Li"])
    spread = next(s.uncertainty_J_per_mol for s in curve.steps if s.li2o_from <= taken <= s.li2o_to)
    return _rung(
        f"{cathode.formula} losing Li2O and O2",
        temperatures,
        np.asarray(mu),
        spread,
        cathode.source,
        "computed",
    )


def _electrolyte(library: PhaseLibrary, solid: str, temperatures: FloatArray, oxygen: float) -> list[Rung]:
    middle = float(np.median(temperatures))
    curve = titration_curve(solid, library=library, temperature_K=middle, pressures_bar={"O2": oxygen})
    mu = curve.plateau_mu(temperatures)
    rungs = []
    for i, step in enumerate(curve.steps):
        formed = [name for name, amount in step.reaction().items() if amount > 0.0]
        gone = [name for name, amount in step.reaction().items() if amount < 0.0]
        span = f"electrolyte + {step.li2o_from:.3g} to {step.li2o_to:.3g} Li2O"
        name = f"{span}: {' + '.join(gone)} → {' + '.join(formed)}"
        source = f"titration at {middle:g} K, phases of data/thermochemistry.yaml"
        rungs.append(_rung(name, temperatures, mu[:, i], step.uncertainty_J_per_mol, source, "computed"))
    return rungs


def li2o_ladder(
    cathode: CathodeModel,
    solid: str = "Li1.3Al0.3Ti1.7(PO4)3",
    *,
    temperatures_K: ArrayLike,
    pressures_bar: Mapping[str, float],
    contents: Sequence[float] = (0.99, 0.9, 0.5),
) -> list[Rung]:
    """Build the ladder of compensator, cathode and electrolyte.

    Parameters
    ----------
    cathode : model whose library is used for all rungs
    solid : electrolyte, formula or name
    temperatures_K : one or more
    pressures_bar : O2 is needed; LiOH appears with H2O, Li2CO3 with CO2
    contents : Li per M of the layered rungs

    Raises
    ------
    InputError
        O2 is missing, or a value is out of range.
    """
    if "O2" not in pressures_bar:
        raise InputError("the ladder needs the oxygen pressure, for example O2=0.21")
    temperatures = np.atleast_1d(np.asarray(temperatures_K, dtype=np.float64))
    oxygen = float(pressures_bar["O2"])
    return [
        *_salts(cathode.library, temperatures, pressures_bar),
        _decomposition(cathode, temperatures, oxygen),
        *_cathode(cathode, temperatures, oxygen, contents),
        *_electrolyte(cathode.library, solid, temperatures, oxygen),
    ]
