"""Free energy of the cathode Li_u M O_n per mole of metal M = Ni, Co, Mn, for three crystal forms.

    G(u, T) = G_ex(u, T) + R T [u ln u + (1 - u) ln(1 - u)]                                      (J/mol M)

layered, n = 2: the open-circuit potential U of NMC811 at 298.15 K (Chen et al. 2020) integrated from LiMO2,

    G(u, 298 K) = G_LiMO2 - (1 - u) G_Li + F int_u^1 U du';

above 298 K the ideal lithium-vacancy mixing R (T - 298.15 K) [u ln u + (1 - u) ln(1 - u)] is added. Within 0.02 of
u = 0 and u = 1, far outside the measured range, G follows the ideal dilute limit instead of the fit.

rock salt, n = 1 + u: ideal solution of disordered LiMO2 and MO,

    G_ex = u (G_LiMO2 + E_dis) + (1 - u) G_MO.

spinel, n = 4 (1 + u) / 3 up to u = 1/2, then 2: the parabola in u through M3O4/3, LiM2O4/2 and Li2M2O4/2; its
oxygen content has a kink at u = 1/2, where 8a is full and no cation is left to leave.

All parameters stand in ``data/thermochemistry.yaml`` under ``cathode``; most of the rock-salt and spinel ones are
assumptions, see :meth:`CathodeModel.assumptions`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.constants import R

from cosinter.analysis.thermochemistry.functions import REFERENCE_TEMPERATURE, FloatArray
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary, load_library
from cosinter.analysis.thermochemistry.open_circuit import (
    FARADAY,
    dilute_mixing,
    ideal_mixing,
    ocv_integral,
    open_circuit_potential,
)
from cosinter.analysis.thermochemistry.solutions import layered_formula, mixing_entropy, normalised_metals
from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.data.tables import load_table

__all__ = [
    "FARADAY",
    "CathodeModel",
    "CathodePhase",
    "ideal_mixing",
    "ocv_integral",
    "open_circuit_potential",
]

CathodePhase = Literal["layered", "spinel", "rock_salt"]


@dataclass(frozen=True)
class CathodeModel:
    """Li_u (Ni, Co, Mn) O_n in layered, spinel and rock-salt form (see the module's equations).

    Parameters
    ----------
    nickel, cobalt, manganese : metal fractions, sum 1, manganese at most nickel
    library : phase library, the packaged one if left out

    Raises
    ------
    CompositionError
        The fractions cannot be a layered LiMO2.

    Array convention: ``u`` of length nu and ``temperature_K`` of length nT give [nT, nu]; numbers count as length 1;
    ``pO2_bar`` is a number or has length nT.
    """

    nickel: float
    cobalt: float
    manganese: float
    library: PhaseLibrary = field(default_factory=load_library, repr=False, compare=False)

    def __post_init__(self) -> None:
        fractions = normalised_metals(self.nickel, self.cobalt, self.manganese)
        object.__setattr__(self, "nickel", fractions["Ni"])
        object.__setattr__(self, "cobalt", fractions["Co"])
        object.__setattr__(self, "manganese", fractions["Mn"])
        _ = self.layered

    @property
    def fractions(self) -> dict[str, float]:
        """Metal fractions by symbol."""
        return {"Ni": self.nickel, "Co": self.cobalt, "Mn": self.manganese}

    @property
    def formula(self) -> str:
        """Formula of the fully lithiated layered oxide."""
        return layered_formula(self.fractions)

    @cached_property
    def layered(self) -> Phase:
        """The fully lithiated layered oxide as a phase of the library."""
        return self.library.phase(self.formula)

    def _value(self, name: str) -> float:
        return float(load_table("thermochemistry")["cathode"][name]["value"]) * 1e3

    def assumptions(self) -> list[dict[str, Any]]:
        """List every parameter of the model with value, unit, uncertainty, kind and source."""
        table = load_table("thermochemistry")["cathode"]
        records = []
        for name, record in table.items():
            value = record.get("value", record.get("coefficients"))
            keys = ("unit", "uncertainty", "kind", "source")
            records.append({"name": name, "value": value} | {key: record[key] for key in keys})
        layered = self.layered
        records.append(
            {
                "name": f"H298 of {self.formula}",
                "value": float(layered.enthalpy(REFERENCE_TEMPERATURE)) * 1e-3,
                "unit": "kJ/mol",
                "uncertainty": layered.uncertainty_J_per_mol * 1e-3,
                "kind": layered.kind,
                "source": layered.source,
            }
        )
        return records

    # -- end members, all [nT], J/mol M ------------------------------------------------------------------------

    def _gibbs(self, name: str, temperature: FloatArray) -> FloatArray:
        return self.library.phase(name).gibbs(temperature)

    def _lithiated(self, temperature: FloatArray) -> FloatArray:
        return self.layered.gibbs(temperature)

    def _metal_mixing(self, temperature: FloatArray) -> FloatArray:
        return -temperature * mixing_entropy(self.fractions)

    def _monoxide(self, temperature: FloatArray) -> FloatArray:
        total = self._metal_mixing(temperature)
        for metal, fraction in self.fractions.items():
            total = total + fraction * self._gibbs(f"{metal}O", temperature)
        return total

    def _bare_spinel(self, temperature: FloatArray) -> FloatArray:
        """G of M3O4 / 3; Ni as NiO plus one third of the bound oxygen of MnO2 with an assumed enthalpy."""
        oxide, monoxide = self.library.phase("MnO2"), self.library.phase("MnO")
        enthalpy = oxide.enthalpy(REFERENCE_TEMPERATURE) - monoxide.enthalpy(REFERENCE_TEMPERATURE)
        bound = oxide.gibbs(temperature) - monoxide.gibbs(temperature) - enthalpy
        nickel = self._gibbs("NiO", temperature) + bound / 3.0 + self._value("nickel_spinel_oxidation")
        total = self._metal_mixing(temperature) + self.nickel * nickel
        total = total + self.cobalt * self._gibbs("Co3O4", temperature) / 3.0
        return total + self.manganese * self._gibbs("Mn3O4", temperature) / 3.0

    # -- excess free energies: value and slope in u, [nT, nu] ---------------------------------------------------

    def _layered(self, u: FloatArray, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        lithium = self._gibbs("Li", temperature)[:, None]
        mixing, mixing_slope = dilute_mixing(u)
        thermal = R * REFERENCE_TEMPERATURE
        value = self._lithiated(temperature)[:, None] - (1.0 - u) * lithium
        value = value + FARADAY * ocv_integral(u) - thermal * mixing
        return value, lithium - FARADAY * open_circuit_potential(u) - thermal * mixing_slope

    def _rock_salt(self, u: FloatArray, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        empty = self._monoxide(temperature)[:, None]
        slope = self._lithiated(temperature)[:, None] + self._value("disordering_energy") - empty
        return empty + slope * u, slope + 0.0 * u

    def _spinel(self, u: FloatArray, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        empty = self._bare_spinel(temperature)[:, None]
        half = self._layered(np.asarray([0.5]), temperature)[0] - self._value("spinel_stabilisation")
        full = self._lithiated(temperature)[:, None] + self._value("lithiated_spinel_energy")
        curvature = 2.0 * (empty + full) - 4.0 * half
        slope = full - empty - curvature
        return empty + slope * u + curvature * u**2, slope + 2.0 * curvature * u

    def _excess(self, phase: str) -> Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
        forms = {"layered": self._layered, "spinel": self._spinel, "rock_salt": self._rock_salt}
        if phase not in forms:
            raise UnknownNameError("cathode phase", phase, forms)
        return forms[phase]

    # -- public ------------------------------------------------------------------------------------------------

    def excess_gibbs(self, phase: CathodePhase, u: ArrayLike, temperature_K: ArrayLike) -> FloatArray:
        """G without the ideal lithium mixing term, J/mol M, shape [nT, nu]; finite for 0 <= u <= 1.

        Raises
        ------
        UnknownNameError
            ``phase`` is not layered, spinel or rock_salt.
        InputError
            u outside [0, 1], or a temperature that is not positive.
        """
        content, temperature = _grid(u, temperature_K)
        return self._excess(phase)(content, temperature)[0]

    def gibbs(self, phase: CathodePhase, u: ArrayLike, temperature_K: ArrayLike) -> FloatArray:
        """G of Li_u M O_n at fixed oxygen content n(u), J/mol M, shape [nT, nu].

        Raises
        ------
        UnknownNameError, InputError
            See :meth:`excess_gibbs`.
        """
        content, temperature = _grid(u, temperature_K)
        mixing = R * temperature[:, None] * ideal_mixing(content)
        return np.asarray(self._excess(phase)(content, temperature)[0] + mixing, dtype=np.float64)

    def oxygen_per_metal(self, phase: CathodePhase, u: ArrayLike) -> FloatArray:
        """Oxygen atoms per metal, same shape as ``u``.

        Raises
        ------
        UnknownNameError
            ``phase`` is not layered, spinel or rock_salt.
        """
        x = np.asarray(u, dtype=np.float64)
        contents = {
            "layered": np.full(x.shape, 2.0),
            "spinel": np.minimum(2.0, 4.0 * (1.0 + x) / 3.0),
            "rock_salt": 1.0 + x,
        }
        if phase not in contents:
            raise UnknownNameError("cathode phase", phase, contents)
        return np.asarray(contents[phase], dtype=np.float64)

    def mu_li2o(
        self, phase: CathodePhase, u: ArrayLike, temperature_K: ArrayLike, pO2_bar: ArrayLike
    ) -> FloatArray:
        """Chemical potential of Li2O in the phase relative to Li2O(s), J/mol Li2O, shape [nT, nu].

        mu_Li2O = 2 mu_Li + mu_O - G_Li2O with mu_Li = dG/du - (dn_O/du) mu_O, mu_O = (G_O2 + R T ln pO2) / 2.

        Raises
        ------
        UnknownNameError, InputError
            See :meth:`excess_gibbs`; u must lie strictly between 0 and 1, pO2 be positive.
        """
        content, temperature = _grid(u, temperature_K)
        if np.any(content <= 0.0) or np.any(content >= 1.0):
            raise InputError("lithium content u must lie strictly between 0 and 1 for a chemical potential")
        slope = self._excess(phase)(content, temperature)[1]
        slope = slope + R * temperature[:, None] * np.log(content / (1.0 - content))
        oxygen_slopes = {
            "layered": np.zeros_like(content),
            "spinel": np.where(content < 0.5, 4.0 / 3.0, 0.0),
            "rock_salt": np.ones_like(content),
        }
        oxygen = self.oxygen_potential(temperature, pO2_bar)[:, None]
        lithium = slope - oxygen_slopes[phase] * oxygen
        lithia = self._gibbs("Li2O", temperature)[:, None]
        return np.asarray(2.0 * lithium + oxygen - lithia, dtype=np.float64)

    def oxygen_potential(self, temperature_K: ArrayLike, pO2_bar: ArrayLike) -> FloatArray:
        """mu_O = (G_O2 + R T ln pO2) / 2 in J/mol O, shape [nT].

        Raises
        ------
        InputError
            A pressure or temperature is not positive.
        """
        temperature = _temperatures(temperature_K)
        pressure = np.asarray(pO2_bar, dtype=np.float64)
        if np.any(pressure <= 0.0) or not np.all(np.isfinite(pressure)):
            raise InputError(f"oxygen pressure must be positive, in bar; got {pressure}")
        standard = self.library.gas("O2").gibbs(temperature)
        return np.asarray((standard + R * temperature * np.log(pressure)) / 2.0, dtype=np.float64)

    def conversion_gibbs(
        self,
        source: CathodePhase,
        target: CathodePhase,
        u: ArrayLike,
        temperature_K: ArrayLike,
        pO2_bar: ArrayLike,
    ) -> FloatArray:
        """Free energy of ``source`` -> ``target`` + O2 at fixed u, J/mol M, shape [nT, nu]; negative: it runs.

        Raises
        ------
        UnknownNameError, InputError
            See :meth:`excess_gibbs`.
        """
        content, temperature = _grid(u, temperature_K)
        released = self.oxygen_per_metal(source, content) - self.oxygen_per_metal(target, content)
        oxygen = self.oxygen_potential(temperature, pO2_bar)[:, None]
        change = self._excess(target)(content, temperature)[0] - self._excess(source)(content, temperature)[0]
        return change + released * oxygen


def _temperatures(temperature_K: ArrayLike) -> FloatArray:
    temperature = np.atleast_1d(np.asarray(temperature_K, dtype=np.float64))
    if np.any(temperature <= 0.0) or not np.all(np.isfinite(temperature)):
        raise InputError(f"temperature must be positive, in K; got {temperature}")
    return temperature


def _grid(u: ArrayLike, temperature_K: ArrayLike) -> tuple[FloatArray, FloatArray]:
    content = np.atleast_1d(np.asarray(u, dtype=np.float64))
    if np.any(content < 0.0) or np.any(content > 1.0) or not np.all(np.isfinite(content)):
        raise InputError("lithium content u must lie between 0 and 1 per metal")
    return content, _temperatures(temperature_K)
