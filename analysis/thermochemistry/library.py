"""The phase library: every solid, melt and gas on one scale of free energy.

Scale: H(298.15 K, elements in their reference states, P white) = 0, absolute entropies, G = H - T S, 1 bar.
The elements themselves therefore have G = -T S at 298.15 K. Data and sources: ``data/thermochemistry.yaml``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from cosinter.analysis.parameters import Kind
from cosinter.analysis.thermochemistry.formulas import parse_formula, proportionality
from cosinter.analysis.thermochemistry.functions import (
    REFERENCE_TEMPERATURE,
    Combination,
    FloatArray,
    ThermoFunction,
)
from cosinter.data.exceptions import CompositionError, InputError, UnknownNameError

State = Literal["s", "l", "g"]
#: Providers of H298: measured tables (or a fit to one), the user's own file, a machine-learned or a classical
#: potential, the Materials Project, or an estimate by hand.
EnergySource = Literal["measured", "user", "chgnet", "pmmcs", "mp", "assumed"]
#: The same, most trusted first; a classical potential comes last because its reaction energies can have the wrong sign.
TRUST: tuple[EnergySource, ...] = ("measured", "user", "chgnet", "mp", "assumed", "pmmcs")
#: Providers of S298 and Cp, best first.
ThermalSource = Literal["measured", "phonons", "descriptor", "neumann_kopp"]


@dataclass(frozen=True, eq=False)
class Phase:
    """A stoichiometric phase, or one composition of a solution.

    Attributes
    ----------
    name : unique name in its library
    formula, composition : one formula unit, and its atoms
    state : s (solid), l (liquid), g (ideal gas at 1 bar)
    function : H(T), S(T) of one mole of formula
    uncertainty_J_per_mol, entropy_uncertainty_J_per_mol_K : standard uncertainties of H298 and S298 per formula
    source, kind, note : where the numbers are from
    range_K : temperatures the data hold for
    errors : {source of error: (J/mol of H298, J/mol/K of S298)}, signed, per formula; phases that share a source err
        together. The phase alone, with its two uncertainties, where nothing is given
    energy_source, thermal_source : provider of H298 (see :data:`EnergySource`) and of S and Cp (see
        :data:`ThermalSource`)
    qualitative : True where even the sign of a reaction energy is not sure
    """

    name: str
    formula: str
    state: State
    function: ThermoFunction
    uncertainty_J_per_mol: float
    entropy_uncertainty_J_per_mol_K: float
    source: str
    kind: Kind
    range_K: tuple[float, float]
    note: str = ""
    errors: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    energy_source: EnergySource = "measured"
    thermal_source: ThermalSource = "measured"
    qualitative: bool = False
    composition: Mapping[str, float] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "composition", parse_formula(self.formula))
        own = {self.name: (self.uncertainty_J_per_mol, self.entropy_uncertainty_J_per_mol_K)}
        object.__setattr__(self, "errors", dict(self.errors) or own)

    def __reduce__(self) -> tuple[Any, ...]:
        return Phase, tuple(getattr(self, item.name) for item in fields(self) if item.init)

    @property
    def atoms(self) -> float:
        """Atoms per formula unit."""
        return sum(self.composition.values())

    def enthalpy(self, temperature_K: ArrayLike) -> FloatArray:
        """H in J/mol of formula, same shape as ``temperature_K``."""
        return self.function.enthalpy(temperature_K)

    def entropy(self, temperature_K: ArrayLike) -> FloatArray:
        """S in J/mol/K of formula at 1 bar, same shape as ``temperature_K``."""
        return self.function.entropy(temperature_K)

    def gibbs(self, temperature_K: ArrayLike) -> FloatArray:
        """G = H - T S in J/mol of formula at 1 bar, same shape as ``temperature_K``."""
        temperature = np.asarray(temperature_K, dtype=np.float64)
        return self.enthalpy(temperature) - temperature * self.entropy(temperature)

    def gibbs_uncertainty(self, temperature_K: ArrayLike) -> FloatArray:
        """Standard uncertainty of G, hypot(u_H, (T - 298.15) u_S), in J/mol.

        The entropy part counts from 298.15 K because most enthalpies were derived from, or checked against,
        free energies near that temperature. This is the phase alone: phases that share an error source must not be
        added in quadrature, see :func:`reaction_uncertainty`.
        """
        temperature = np.asarray(temperature_K, dtype=np.float64)
        spread = (temperature - REFERENCE_TEMPERATURE) * self.entropy_uncertainty_J_per_mol_K
        return np.hypot(self.uncertainty_J_per_mol, spread)

    def covers(self, temperature_K: float) -> bool:
        """Tell whether ``temperature_K`` lies in the range of the data."""
        return self.range_K[0] - 1.0 <= temperature_K <= self.range_K[1] + 1e-9

    def rescaled(self, formula: str) -> Phase:
        """Return the same phase counted per ``formula`` (proportional composition).

        Raises
        ------
        CompositionError
            The formula is not proportional to the phase's own.
        """
        factor = proportionality(parse_formula(formula), self.composition, tolerance=1e-6)
        if factor is None:
            raise CompositionError(
                f"formula '{formula}' has not the composition of {self.name} ({self.formula})"
            )
        return replace(
            self,
            formula=formula,
            function=Combination(((factor, self.function),)),
            uncertainty_J_per_mol=factor * self.uncertainty_J_per_mol,
            entropy_uncertainty_J_per_mol_K=factor * self.entropy_uncertainty_J_per_mol_K,
            errors=combined_errors([(factor, self)]),
        )


def range_warning(phase: Phase, low_K: float, high_K: float | None = None) -> str | None:
    """Say that ``phase`` is used at ``low_K`` (or from there to ``high_K``) outside its data; None where they hold."""
    high = low_K if high_K is None else high_K
    inside = phase.covers(low_K), phase.covers(high)
    if all(inside):
        return None
    span = f"{low_K:g}" if high == low_K else f"{low_K:g} to {high:g}"
    partly = "partly " if any(inside) else ""
    low, top = phase.range_K
    return f"{phase.name} is used at {span} K, {partly}outside its data ({low:g} to {top:g} K)"


def add_errors(
    parts: Iterable[tuple[float, Mapping[str, tuple[float, float]]]],
) -> dict[str, tuple[float, float]]:
    """Add [(amount, error sources)] with their signs: {source: (J of H298, J/K of S298)}."""
    total: dict[str, tuple[float, float]] = {}
    for amount, errors in parts:
        for source, (enthalpy, entropy) in errors.items():
            before = total.get(source, (0.0, 0.0))
            total[source] = (before[0] + amount * enthalpy, before[1] + amount * entropy)
    return total


def combined_errors(parts: Iterable[tuple[float, Phase]]) -> dict[str, tuple[float, float]]:
    """Add the error sources of ``parts`` = [(mol, phase)] with their signs: {source: (J of H298, J/K of S298)}."""
    return add_errors((amount, phase.errors) for amount, phase in parts)


def reaction_uncertainty(parts: Iterable[tuple[float, Phase]], temperature_K: float) -> float:
    """Standard uncertainty of sum_i n_i G_i(T) in J, products positive and reactants negative.

    sqrt(sum_s h_s^2 + (T - 298.15)^2 s_s^2) over the sources s after adding what each phase has from a source, so
    that what two phases share cancels.
    """
    spread = temperature_K - REFERENCE_TEMPERATURE
    errors = combined_errors(parts).values()
    return float(np.sqrt(sum(enthalpy**2 + (spread * entropy) ** 2 for enthalpy, entropy in errors)))


class PhaseLibrary:
    """An immutable set of phases by name.

    >>> from cosinter.analysis.thermochemistry.library import load_library
    >>> round(float(load_library().phase("Li2O").enthalpy(298.15)) / 1000.0, 1)
    -598.7
    """

    def __init__(self, phases: Iterable[Phase], *, aliases: Mapping[str, str] | None = None) -> None:
        named: dict[str, Phase] = {}
        for phase in phases:
            if phase.name in named:
                raise InputError(f"two phases are named {phase.name}; every phase needs a name of its own")
            named[phase.name] = phase
        self._phases = MappingProxyType(named)
        self._aliases = MappingProxyType(dict(aliases or {}))
        self._lower = {name.lower(): name for name in self._phases}

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.phases, dict(self._aliases))

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All phases, in the order of the data."""
        return tuple(self._phases.values())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all phases."""
        return tuple(self._phases)

    @property
    def aliases(self) -> Mapping[str, str]:
        """Short names in lower case, and the phases or formulas they stand for."""
        return self._aliases

    @property
    def elements(self) -> tuple[str, ...]:
        """All elements that occur, sorted."""
        return tuple(sorted({element for phase in self.phases for element in phase.composition}))

    def __contains__(self, name: object) -> bool:
        return name in self._phases

    def gas(self, formula: str) -> Phase:
        """Find the gas ``formula`` (for example ``O2``).

        Raises
        ------
        UnknownNameError
            No such gas.
        """
        gases = {phase.formula: phase for phase in self.phases if phase.state == "g"}
        if formula not in gases:
            raise UnknownNameError("gas", formula, gases)
        return gases[formula]

    def candidates(self, name_or_formula: str) -> tuple[Phase, ...]:
        """All condensed phases a name or formula may mean (polymorphs, melt), counted per formula as typed.

        A phase name or an alias gives one phase; a formula gives every phase of that composition; the formula of
        a layered oxide or of LATP gives its solution phase.

        Raises
        ------
        UnknownNameError
            Nothing of that name or composition is known.
        CompositionError
            The formula cannot be read, or lies outside the range of the solution model.
        """
        from cosinter.analysis.thermochemistry.solutions import solution_phase

        key = name_or_formula.strip()
        key = self._aliases.get(key.lower(), key)
        named = self._phases.get(key) or self._phases.get(self._lower.get(key.lower(), ""))
        if named is not None and named.state != "g" and (named.name == key or named.formula != key):
            return (named,)
        try:
            composition = parse_formula(key)
        except CompositionError as error:
            raise UnknownNameError("phase", name_or_formula, [*self._phases, *self._aliases]) from error
        found = [
            phase
            for phase in self.phases
            if phase.state != "g" and proportionality(composition, phase.composition, tolerance=1e-6)
        ]
        if not found:
            solution = solution_phase(self, composition)
            found = [] if solution is None else [solution]
        if not found:
            raise UnknownNameError("phase", name_or_formula, [*self._phases, *self._aliases])
        return tuple(p if p.composition == composition else p.rescaled(key) for p in found)

    def phase(self, name_or_formula: str) -> Phase:
        """Find a condensed phase by name, alias or formula; of several the first of the data (the stable solid).

        Raises
        ------
        UnknownNameError, CompositionError
            See :meth:`candidates`.
        """
        return self.candidates(name_or_formula)[0]

    def stable(self, name_or_formula: str, *, temperature_K: float) -> Phase:
        """Find the polymorph or melt of lowest G at ``temperature_K``.

        Raises
        ------
        UnknownNameError, CompositionError
            See :meth:`candidates`.
        """
        return min(self.candidates(name_or_formula), key=lambda phase: float(phase.gibbs(temperature_K)))

    def restricted(
        self, *, elements: Iterable[str] | None = None, exclude: Iterable[str] = ()
    ) -> PhaseLibrary:
        """Return a library with only phases made of ``elements`` and without the names in ``exclude``.

        Raises
        ------
        UnknownNameError
            A name in ``exclude`` is not in the library.
        """
        dropped = set(exclude)
        for name in sorted(dropped - set(self._phases)):
            raise UnknownNameError("phase", name, self._phases)
        allowed = set(self.elements if elements is None else elements)
        kept = [p for p in self.phases if p.name not in dropped and set(p.composition) <= allowed]
        return PhaseLibrary(kept, aliases=self._aliases)

    def with_phases(self, *phases: Phase) -> PhaseLibrary:
        """Return a library with ``phases`` added (a phase of the same name is replaced)."""
        return PhaseLibrary([*(self._phases | {p.name: p for p in phases}).values()], aliases=self._aliases)

    def gibbs(self, temperature_K: ArrayLike) -> FloatArray:
        """G of all phases at 1 bar, J/mol; shape [*temperature shape, phases] in the order of :attr:`names`."""
        temperature = np.asarray(temperature_K, dtype=np.float64)
        if not np.all(np.isfinite(temperature)) or np.any(temperature <= 0.0):
            raise InputError(f"temperature must be positive, in K; got {temperature}")
        return np.stack([phase.gibbs(temperature) for phase in self.phases], axis=-1)

    def to_dict(self) -> dict[str, Any]:
        """Describe every phase: formula, state, H298 (kJ/mol), S298 (J/mol/K), uncertainty, kind, source."""
        return {
            phase.name: {
                "formula": phase.formula,
                "state": phase.state,
                "H298_kJ_per_mol": float(phase.enthalpy(REFERENCE_TEMPERATURE)) * 1e-3,
                "S298_J_per_mol_K": float(phase.entropy(REFERENCE_TEMPERATURE)),
                "uncertainty_kJ_per_mol": phase.uncertainty_J_per_mol * 1e-3,
                "range_K": list(phase.range_K),
                "kind": phase.kind,
                "energy_source": phase.energy_source,
                "thermal_source": phase.thermal_source,
                "qualitative": phase.qualitative,
                "source": phase.source,
                "note": phase.note,
            }
            for phase in self.phases
        }


def _rebuild(phases: tuple[Phase, ...], aliases: dict[str, str]) -> PhaseLibrary:
    return PhaseLibrary(phases, aliases=aliases)


@cache
def load_library() -> PhaseLibrary:
    """Load the library of ``data/thermochemistry.yaml``; read once per process.

    Raises
    ------
    DataError
        The table is missing or damaged, or Cantera's data lack a species.
    """
    from cosinter.analysis.thermochemistry.records import phases_from_table
    from cosinter.data.tables import load_table

    table = load_table("thermochemistry")
    return PhaseLibrary(phases_from_table(table), aliases=table["aliases"])
