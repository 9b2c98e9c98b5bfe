"""Energies between arrangements of the same atoms: antisite pairs; layered against spinel against rock salt.

antisite   E(Ni_Li + Li_Ni) - E(perfect), eV per pair, same cell and ions
polymorph  [E(form)/M - E(reference)/M] at equal Li:M:O, kJ per mole of metal M, 0 K, without entropy
interlayer gamma(film|layer) + gamma(layer|substrate) - gamma(film|substrate), J/m2
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cosinter.analysis.atoms.calculators import calculator_name, calculator_record, uncertainty_of
from cosinter.analysis.atoms.formation import RelaxSettings, metal_count, molar_to_eV, relaxed_cell
from cosinter.data.exceptions import CompositionError, InputError, UnknownNameError
from cosinter.structures.fingerprint import structure_sha256

if TYPE_CHECKING:
    from pymatgen.core import Structure

_TABLE_NAMES: Mapping[tuple[str, float], tuple[str, float]] = {
    ("rock_salt", 1.0): ("disordering_energy", 1.0),
    ("spinel", 0.5): ("spinel_stabilisation", -1.0),
    ("spinel", 1.0): ("lithiated_spinel_energy", 1.0),
}
"""Form and lithium content -> entry of ``cathode`` in data/thermochemistry.yaml, and its sign."""


@dataclass(frozen=True)
class AntisiteEnergy:
    """Energy of one antisite pair in a cell of ``atoms`` atoms with ``metals`` metals.

    ``uncertainty_eV`` is one standard deviation of the calculator, ``None`` where it was never measured.
    ``volume_change_percent`` is that of the relaxed cell, pair against perfect.
    """

    host: str
    energy_eV: float
    uncertainty_eV: float | None
    uncertainty_source: str
    volume_change_percent: float
    atoms: int
    metals: int
    converged: bool
    structure_sha256: tuple[str, str]
    settings: dict[str, float]
    calculator: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Give all fields as plain JSON types."""
        return asdict(self) | {"structure_sha256": list(self.structure_sha256)}


@dataclass(frozen=True)
class Polymorph:
    """One form against the reference, kJ per mole of metal: mean and lowest of its ``arrangements`` cells.

    ``standard_error`` of the mean is 0 for one arrangement, which says nothing of what others would give.
    """

    form: str
    energy_kJ_per_mol_metal: float
    lowest_kJ_per_mol_metal: float
    standard_error_kJ_per_mol_metal: float
    arrangements: int
    volume_A3_per_metal: float
    converged: bool
    structure_sha256: tuple[str, ...]


@dataclass(frozen=True)
class Polymorphs:
    """Forms of one composition; ``uncertainty_kJ_per_mol_metal`` is that of the calculator, one standard deviation."""

    formula: str
    lithium_per_metal: float
    reference: str
    forms: tuple[Polymorph, ...]
    uncertainty_kJ_per_mol_metal: float | None
    uncertainty_source: str
    settings: dict[str, float]
    calculator: dict[str, Any]

    def form(self, name: str) -> Polymorph:
        """Look up one form.

        Raises
        ------
        UnknownNameError
            It was not computed.
        """
        for found in self.forms:
            if found.form == name:
                return found
        raise UnknownNameError("form of the cathode", name, (f.form for f in self.forms))

    def to_dict(self) -> dict[str, Any]:
        """Give all fields as plain JSON types."""
        record = asdict(self)
        return record | {
            "forms": [f | {"structure_sha256": list(f["structure_sha256"])} for f in record["forms"]]
        }


@dataclass(frozen=True)
class CathodeComparison:
    """A computed energy beside the entry of ``cathode`` in data/thermochemistry.yaml it could replace, kJ/mol metal.

    ``deviations`` is the difference in standard deviations of both together.
    """

    name: str
    computed_kJ_per_mol: float
    computed_uncertainty_kJ_per_mol: float | None
    table_kJ_per_mol: float
    table_uncertainty_kJ_per_mol: float
    table_kind: str
    deviations: float | None


def antisite_energy(
    perfect: Structure, defective: Structure, calculator: Any, *, settings: RelaxSettings | None = None
) -> AntisiteEnergy:
    """Relax a cell with and without an antisite pair (atoms and lattice) and subtract.

    With the same ions in both cells a potential that fails for reactions may be asked; how far it is off is then unknown
    (``uncertainty_eV`` None). It is refused where oxidation states change (2 Ni3+ -> Ni2+ + Ni4+), which is a reaction.
    For other calculators their error of a reaction energy is taken, per pair.

    Raises
    ------
    InputError
        The oxidation states differ and the calculator must not be asked for reaction energies.
    CompositionError
        The two cells do not hold the same atoms.
    StructureError, EngineError
        A cell fell apart, or the calculator failed.
    """
    _check_exchange(perfect, defective, calculator)
    chosen = settings or RelaxSettings()
    before, after = (relaxed_cell(cell, calculator, chosen) for cell in (perfect, defective))
    spread, source = _uncertainty(calculator)
    return AntisiteEnergy(
        host=str(perfect.composition.element_composition.reduced_formula),
        energy_eV=after.energy_eV - before.energy_eV,
        uncertainty_eV=None if spread is None else molar_to_eV(spread),
        uncertainty_source=source,
        volume_change_percent=100.0 * (after.structure.volume / before.structure.volume - 1.0),
        atoms=len(perfect),
        metals=metal_count(perfect.composition),
        converged=before.converged and after.converged,
        structure_sha256=(structure_sha256(perfect), structure_sha256(defective)),
        settings=chosen.to_dict(),
        calculator=calculator_record(calculator),
    )


def polymorph_energies(
    forms: Mapping[str, Sequence[Structure]],
    calculator: Any,
    *,
    reference: str = "layered",
    settings: RelaxSettings | None = None,
) -> Polymorphs:
    """Relax several forms of one composition and compare them per mole of metal.

    Coordination and bonding change, so a calculator that may not be asked for reaction energies is refused. The lowest
    arrangement of the reference counts; of the others the mean (a disordered form) and the lowest are given.

    Parameters
    ----------
    forms
        Name -> arrangements (ordered cells); sizes may differ, Li:M:O must not.
    reference
        The form the others are compared with.

    Raises
    ------
    InputError
        The calculator must not be asked, or a form has no cell.
    UnknownNameError
        The reference is not among the forms.
    CompositionError
        The forms differ in composition.
    StructureError, EngineError
        A cell fell apart, or the calculator failed.
    """
    error = uncertainty_of(calculator, "reaction_energy")
    if reference not in forms:
        raise UnknownNameError("form of the cathode", reference, forms)
    for name, cells in forms.items():
        if not cells:
            raise InputError(f"form {name} has no cell; give at least one structure")
    _check_same_composition(forms)
    chosen = settings or RelaxSettings()
    found: dict[str, list[_Cell]] = {
        name: [_Cell.of(cell, calculator, chosen) for cell in cells] for name, cells in forms.items()
    }
    zero = min(cell.energy for cell in found[reference])
    elements = forms[reference][0].composition.element_composition
    metals = metal_count(elements)
    return Polymorphs(
        formula=str((elements / metals).formula).replace(" ", ""),
        lithium_per_metal=float(elements["Li"]) / metals,
        reference=reference,
        forms=tuple(_polymorph(name, cells, zero) for name, cells in found.items()),
        uncertainty_kJ_per_mol_metal=error.value,
        uncertainty_source=f"{error.source}; taken per mole of metal"
        if error.value is not None
        else error.note,
        settings=chosen.to_dict(),
        calculator=calculator_record(calculator),
    )


def compare_with_cathode_table(found: Polymorphs) -> tuple[CathodeComparison, ...]:
    """Set computed energies beside the disordering and spinel energies that the cathode model uses.

    Only lithium contents 1/2 and 1 have such entries. Nothing is changed.
    """
    from cosinter.data.tables import load_table

    table = load_table("thermochemistry")["cathode"]
    rows = []
    for form in found.forms:
        entry = _TABLE_NAMES.get((form.form, round(found.lithium_per_metal, 6)))
        if entry is None:
            continue
        name, sign = entry
        record = table[name]
        own = found.uncertainty_kJ_per_mol_metal
        spread = None if own is None else math.hypot(own, form.standard_error_kJ_per_mol_metal)
        computed, known = sign * form.energy_kJ_per_mol_metal, float(record["value"])
        both = None if spread is None else math.hypot(spread, float(record["uncertainty"]))
        rows.append(
            CathodeComparison(
                name=name,
                computed_kJ_per_mol=computed,
                computed_uncertainty_kJ_per_mol=spread,
                table_kJ_per_mol=known,
                table_uncertainty_kJ_per_mol=float(record["uncertainty"]),
                table_kind=str(record["kind"]),
                deviations=None if both is None else (computed - known) / both,
            )
        )
    return tuple(rows)


@dataclass(frozen=True)
class _Cell:
    """Energy (eV per metal) and volume (Å^3 per metal) of one relaxed arrangement."""

    energy: float
    volume: float
    converged: bool
    digest: str

    @classmethod
    def of(cls, cell: Structure, calculator: Any, settings: RelaxSettings) -> _Cell:
        relaxed = relaxed_cell(cell, calculator, settings)
        metals = metal_count(cell.composition)
        return cls(
            relaxed.energy_eV / metals,
            float(relaxed.structure.volume) / metals,
            relaxed.converged,
            structure_sha256(cell),
        )


def _polymorph(name: str, cells: Sequence[_Cell], zero: float) -> Polymorph:
    energies = (np.array([cell.energy for cell in cells]) - zero) / molar_to_eV(1.0)
    count = len(cells)
    return Polymorph(
        form=name,
        energy_kJ_per_mol_metal=float(energies.mean()),
        lowest_kJ_per_mol_metal=float(energies.min()),
        standard_error_kJ_per_mol_metal=float(energies.std(ddof=1) / math.sqrt(count)) if count > 1 else 0.0,
        arrangements=count,
        volume_A3_per_metal=float(np.mean([cell.volume for cell in cells])),
        converged=all(cell.converged for cell in cells),
        structure_sha256=tuple(cell.digest for cell in cells),
    )


def _check_same_composition(forms: Mapping[str, Sequence[Structure]]) -> None:
    cells = [(name, cell) for name, group in forms.items() for cell in group]
    first = cells[0][1].composition.element_composition.fractional_composition
    for name, cell in cells:
        other = cell.composition.element_composition.fractional_composition
        if not other.almost_equals(first, rtol=1e-6, atol=1e-6):
            raise CompositionError(
                f"form {name} is {cell.composition.element_composition.reduced_formula}, the others "
                f"{cells[0][1].composition.element_composition.reduced_formula}; give one composition"
            )


def _check_exchange(perfect: Structure, defective: Structure, calculator: Any) -> None:
    before, after = perfect.composition, defective.composition
    if before.element_composition != after.element_composition:
        raise CompositionError(
            f"{before.formula} and {after.formula} do not hold the same atoms; "
            "give one cell with and without the exchange"
        )
    if before != after:
        uncertainty_of(calculator, "reaction_energy")


def _uncertainty(calculator: Any) -> tuple[float | None, str]:
    """Error of a reaction energy (kJ/mol) and its source; None for a calculator that has none or is refused."""
    try:
        error = uncertainty_of(calculator, "reaction_energy")
    except InputError:
        return (
            None,
            f"not assessed: {calculator_name(calculator)} is not compared with measured antisite energies",
        )
    return error.value, error.source if error.value is None else f"{error.source}; taken per pair"
