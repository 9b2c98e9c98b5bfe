"""Compose the phase library from sources of energies, in order of preference.

For every composition the solid phases come from the first source in the list that has it; gases, melts and elements
are always those of the base library. Sources: ``measured`` and ``assumed`` (the base library's own), ``chgnet`` and
``pmmcs`` (tables of computed energies, anchored on measured phases), ``mp`` (phases handed in).

Phases of the source ``user`` - solids, melts and elements alike - stand beside all others, which they never replace:
another form of a composition competes with the known ones by its free energy. Only a phase of the same name gives way.

A phase that takes the place of a base phase takes its name and formula unit too, so that solutions, aliases and exclusions
find it; where it came from stands in its ``source``. Of several forms the lowest takes the name of the stable one.

S298 and Cp of a phase with a computed energy: the measured ones of the same crystal, else those of another form of
the composition, else the Neumann-Kopp sum over the reaction that anchors the energy. Phonons are not in the chain:
on the measured phases their entropies err more than the sums (:mod:`cosinter.analysis.thermochemistry.entropies`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import hypot
from typing import TYPE_CHECKING

from cosinter.analysis.thermochemistry.energy_tables import (
    CALCULATORS,
    EnergyTable,
    Enthalpy,
    load_energy_table,
    rules,
    table_enthalpy,
)
from cosinter.analysis.thermochemistry.entropies import measured_crystals, sum_function
from cosinter.analysis.thermochemistry.formulas import parse_formula, proportionality
from cosinter.analysis.thermochemistry.functions import REFERENCE_TEMPERATURE, Combination, ThermoFunction
from cosinter.data.exceptions import UnknownNameError

if TYPE_CHECKING:
    from cosinter.analysis.thermochemistry.anchoring import Reaction
    from cosinter.analysis.thermochemistry.library import EnergySource, Phase, PhaseLibrary, ThermalSource

DEFAULT_ENERGIES: tuple[EnergySource, ...] = ("measured", "chgnet", "assumed")
ENERGIES: tuple[EnergySource, ...] = ("measured", "user", "chgnet", "pmmcs", "mp", "assumed")
#: Temperatures up to which a Neumann-Kopp sum is used, K.
SUM_RANGE_K = (298.15, 1400.0)


def make_library(
    energies: Sequence[EnergySource] = DEFAULT_ENERGIES,
    *,
    extra: Iterable[Phase] = (),
    base: PhaseLibrary | None = None,
    tables: Mapping[str, EnergyTable] | None = None,
) -> PhaseLibrary:
    """Compose a library; the default order gives the phases of :func:`load_library`.

    Parameters
    ----------
    energies : sources, best first; a source that is not named is not used, except ``user``, which is always used
    extra : phases of the sources ``mp`` and ``user``
    base : library of measured and assumed phases; :func:`load_library` if not given
    tables : tables of computed energies by calculator instead of the shipped ones

    Raises
    ------
    UnknownNameError
        A source that does not exist.
    DataError
        A shipped table is damaged.

    Example
    -------
    >>> make_library(["measured", "pmmcs"]).phase("Li4Ti5O12").qualitative
    True
    """
    from cosinter.analysis.thermochemistry.library import PhaseLibrary, load_library

    for name in energies:
        if name not in ENERGIES:
            raise UnknownNameError("source of energies", name, ENERGIES)
    library = load_library() if base is None else base
    added = tuple(extra)
    fixed = [phase for phase in library.phases if phase.state != "s" or len(phase.composition) == 1]
    chosen: list[Phase] = []
    taken = [phase for phase in fixed if phase.state == "s"]
    for source in dict.fromkeys(energies):
        new = [p for p in _offered(source, library, added, tables or {}) if not _forms(p, taken)]
        chosen += _named_after(new, library)
        taken += new
    own = [phase for phase in added if phase.energy_source == "user"]
    names = {phase.name: phase for phase in (*fixed, *chosen, *own)}
    known = [names.pop(name) for name in library.names if name in names]
    return PhaseLibrary([*known, *names.values()], aliases=library.aliases)


def _offered(
    source: EnergySource, library: PhaseLibrary, extra: Sequence[Phase], tables: Mapping[str, EnergyTable]
) -> list[Phase]:
    """Solid compounds that a source has; those of the user are no choice and not among them."""
    if source == "user":
        return []
    if source in CALCULATORS or source in tables:
        found: Iterable[Phase] = table_phases(tables.get(source) or load_energy_table(source), library)
    elif source in ("measured", "assumed"):
        found = [phase for phase in library.phases if phase.energy_source == source]
    else:
        found = [phase for phase in extra if phase.energy_source == source]
    return [phase for phase in found if phase.state == "s" and len(phase.composition) > 1]


def _forms(wanted: Phase, phases: Iterable[Phase]) -> list[Phase]:
    """Solids among ``phases`` of the composition of ``wanted``."""
    return [
        phase
        for phase in phases
        if phase.state == "s"
        and proportionality(wanted.composition, phase.composition, tolerance=1e-6) is not None
    ]


def _named_after(new: Sequence[Phase], library: PhaseLibrary) -> list[Phase]:
    """Name the lowest of the new forms of a composition like the stable form of ``library`` if none is named like any."""
    named = []
    for phase in new:
        forms = _forms(phase, library.phases)
        twins = _forms(phase, new) if forms else []
        if {form.name for form in forms}.isdisjoint(twin.name for twin in twins):
            lowest = min(twins, key=_gibbs_per_atom, default=None)
            if phase is lowest:
                same = phase if phase.formula == forms[0].formula else phase.rescaled(forms[0].formula)
                phase = replace(same, name=forms[0].name)
        named.append(phase)
    return named


def _gibbs_per_atom(phase: Phase) -> float:
    return float(phase.gibbs(REFERENCE_TEMPERATURE)) / phase.atoms


def table_phases(table: EnergyTable, library: PhaseLibrary) -> tuple[Phase, ...]:
    """Make the phases of a table of computed energies, with the measured phases of ``library`` as anchors.

    Crystals whose reaction needs a phase that ``library`` lacks are left out, and so are compositions of a
    solution (they belong to the solution's model).
    """
    phases = {phase.name: phase for phase in library.phases}
    own = measured_crystals(table.energies, library, rules=rules())
    made = []
    for crystal, row in table.anchored.items():
        needed = set(row.reaction.phases) | ({"MnO", "MnO2"} if row.reaction.oxygen else set())
        if crystal in rules()["solutions"] or not needed <= set(phases):
            continue
        made.append(_phase(table, crystal, table_enthalpy(table, crystal, phases), phases, own.get(crystal)))
    return tuple(made)


def _phase(
    table: EnergyTable, crystal: str, enthalpy: Enthalpy, phases: Mapping[str, Phase], own: Phase | None
) -> Phase:
    from cosinter.analysis.thermochemistry.library import Phase, add_errors

    formula = own.formula if own else table.energies[crystal].formula
    factor = proportionality(
        parse_formula(formula), parse_formula(table.energies[crystal].formula), tolerance=1e-6
    )
    scale = float(factor or 1.0)
    name = own.name if own else crystal
    function, thermal, origin = _thermal(formula, enthalpy.reaction, phases, own)
    shift = scale * enthalpy.value_J_per_mol - float(function.enthalpy(REFERENCE_TEMPERATURE))
    entropy_errors = {source: (0.0, entropy) for source, (_, entropy) in own.errors.items()} if own else {}
    if own is None:
        entropy_errors = {
            name: (0.0, rules()["entropy_error"]["value"] * sum(parse_formula(formula).values()))
        }
    enthalpy_errors = {source: (value, 0.0) for source, value in enthalpy.errors.items()}
    calculator = table.content["calculator"]
    weights = calculator.get("parameters", {}).get("weights")
    model = f"{table.calculator} {weights}" if weights else table.calculator
    return Phase(
        name=name,
        formula=formula,
        state="s",
        function=Combination(((1.0, function),), enthalpy_shift=shift),
        uncertainty_J_per_mol=scale * enthalpy.uncertainty_J_per_mol,
        entropy_uncertainty_J_per_mol_K=hypot(*(entropy for _, entropy in entropy_errors.values())),
        source=f"H298: {model} ({calculator['engine']} {calculator['version']}), anchored by "
        f"{table.energies[crystal].formula} = {enthalpy.reaction}; {origin}",
        kind="computed",
        range_K=own.range_K if own else SUM_RANGE_K,
        note="" if table.energies[crystal].converged else "the relaxation did not converge",
        errors=add_errors([(scale, enthalpy_errors), (1.0, entropy_errors)]),
        energy_source=table.energy_source,
        thermal_source=thermal,
        qualitative=table.qualitative,
    )


def _thermal(
    formula: str, reaction: Reaction, phases: Mapping[str, Phase], own: Phase | None
) -> tuple[ThermoFunction, ThermalSource, str]:
    """H(T) and S(T) up to a constant of H, the provider and its name."""
    composition = parse_formula(formula)
    if own is not None:
        return own.function, own.thermal_source, f"S298, Cp: as {own.name}"
    for phase in phases.values():
        factor = proportionality(composition, phase.composition, tolerance=1e-6)
        if phase.state == "s" and factor is not None:
            function = Combination(((factor, phase.function),))
            return function, phase.thermal_source, f"S298, Cp: as {phase.name}"
    per_crystal = sum_function(reaction, phases)
    atoms = (
        sum(amount * phases[name].atoms for name, amount in reaction.phases.items()) + 2.0 * reaction.oxygen
    )
    function = Combination(((sum(composition.values()) / atoms, per_crystal),))
    return function, "neumann_kopp", "S298, Cp: Neumann-Kopp sum over the same reaction"
