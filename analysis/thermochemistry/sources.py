"""Compose the phase library from sources of energies, in order of preference.

For every composition the solid phases come from the first source in the list that has it; gases, melts and elements
are always those of the base library. Sources: ``measured`` and ``assumed`` (the base library's own), ``chgnet`` and
``pmmcs`` (tables of computed energies, anchored on measured phases), ``mp`` and ``user`` (phases handed in).

S298 and Cp of a phase with a computed energy: the measured ones of the same crystal, else those of another form of
the composition, else the Neumann-Kopp sum over the reaction that anchors the energy. Phonons are not in the chain:
on the measured phases their entropies err more than the sums (:mod:`cosinter.analysis.thermochemistry.entropies`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    energies : sources, best first; a source that is not named is not used, except ``user``, which then comes first
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
    order = list(dict.fromkeys(energies))
    if "user" not in order and any(phase.energy_source == "user" for phase in added):
        order.insert(0, "user")
    fixed = [phase for phase in library.phases if phase.state != "s" or len(phase.composition) == 1]
    chosen: list[Phase] = []
    taken = [phase for phase in fixed if phase.state == "s"]
    for source in order:
        new = [p for p in _offered(source, library, added, tables or {}) if not _has(taken, p)]
        chosen += new
        taken += new
    names = {phase.name: phase for phase in (*fixed, *chosen)}
    known = [names.pop(name) for name in library.names if name in names]
    return PhaseLibrary([*known, *names.values()], aliases=library.aliases)


def _offered(
    source: EnergySource, library: PhaseLibrary, extra: Sequence[Phase], tables: Mapping[str, EnergyTable]
) -> list[Phase]:
    """Solid compounds that a source has."""
    if source in CALCULATORS or source in tables:
        found: Iterable[Phase] = table_phases(tables.get(source) or load_energy_table(source), library)
    elif source in ("measured", "assumed"):
        found = [phase for phase in library.phases if phase.energy_source == source]
    else:
        found = [phase for phase in extra if phase.energy_source == source]
    return [phase for phase in found if phase.state == "s" and len(phase.composition) > 1]


def _has(phases: Iterable[Phase], wanted: Phase) -> bool:
    return any(
        proportionality(wanted.composition, phase.composition, tolerance=1e-6) is not None for phase in phases
    )


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
    from cosinter.analysis.thermochemistry.library import Phase

    formula = own.formula if own else table.energies[crystal].formula
    factor = proportionality(
        parse_formula(formula), parse_formula(table.energies[crystal].formula), tolerance=1e-6
    )
    scale = float(factor or 1.0)
    name = own.name if own else crystal
    function, entropy_error, thermal, origin = _thermal(formula, enthalpy.reaction, phases, own)
    shift = scale * enthalpy.value_J_per_mol - float(function.enthalpy(REFERENCE_TEMPERATURE))
    errors = {source: (scale * value, 0.0) for source, value in enthalpy.errors.items()}
    before = errors.get(name, (0.0, 0.0))
    calculator = table.content["calculator"]
    weights = calculator.get("parameters", {}).get("weights")
    model = f"{table.calculator} {weights}" if weights else table.calculator
    return Phase(
        name=name,
        formula=formula,
        state="s",
        function=Combination(((1.0, function),), enthalpy_shift=shift),
        uncertainty_J_per_mol=scale * enthalpy.uncertainty_J_per_mol,
        entropy_uncertainty_J_per_mol_K=entropy_error,
        source=f"H298: {model} ({calculator['engine']} {calculator['version']}), anchored by "
        f"{table.energies[crystal].formula} = {enthalpy.reaction}; {origin}",
        kind="computed",
        range_K=own.range_K if own else SUM_RANGE_K,
        note="" if table.energies[crystal].converged else "the relaxation did not converge",
        errors=errors | {name: (before[0], before[1] + entropy_error)},
        energy_source=table.energy_source,
        thermal_source=thermal,
        qualitative=table.qualitative,
    )


def _thermal(
    formula: str, reaction: Reaction, phases: Mapping[str, Phase], own: Phase | None
) -> tuple[ThermoFunction, float, ThermalSource, str]:
    """H(T) and S(T) up to a constant of H, the error of S298, the provider and its name."""
    composition = parse_formula(formula)
    if own is not None:
        return (
            own.function,
            own.entropy_uncertainty_J_per_mol_K,
            own.thermal_source,
            f"S298, Cp: as {own.name}",
        )
    error = rules()["entropy_error"]["value"] * sum(composition.values())
    for phase in phases.values():
        factor = proportionality(composition, phase.composition, tolerance=1e-6)
        if phase.state == "s" and factor is not None:
            function = Combination(((factor, phase.function),))
            return function, error, phase.thermal_source, f"S298, Cp: as {phase.name}"
    per_crystal = sum_function(reaction, phases)
    atoms = (
        sum(amount * phases[name].atoms for name, amount in reaction.phases.items()) + 2.0 * reaction.oxygen
    )
    function = Combination(((sum(composition.values()) / atoms, per_crystal),))
    return function, error, "neumann_kopp", "S298, Cp: Neumann-Kopp sum over the same reaction"
