"""Computed entropies and heat capacities beside measured ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cosinter.analysis.atoms.phonons import ImaginaryPolicy, plain_fields
from cosinter.analysis.atoms.quasiharmonic import VOLUME_STRAINS, quasi_harmonic
from cosinter.data.exceptions import InputError, UnknownNameError

if TYPE_CHECKING:
    from cosinter.analysis.thermochemistry.library import Phase

REFERENCE_K = 298.15


@dataclass(frozen=True)
class EntropyComparison:
    """S and C_p at 298.15 K of one crystal, computed and measured, J/mol/K per formula unit.

    ``harmonic_entropy_J_per_mol_K`` is S at the static volume. Uncertainties are one standard deviation; ``None``
    where the calculator was never compared.
    """

    name: str
    phase: str
    formula: str
    entropy_J_per_mol_K: float
    entropy_uncertainty_J_per_mol_K: float | None
    harmonic_entropy_J_per_mol_K: float
    measured_entropy_J_per_mol_K: float
    measured_entropy_uncertainty_J_per_mol_K: float
    entropy_deviation_percent: float
    heat_capacity_J_per_mol_K: float
    measured_heat_capacity_J_per_mol_K: float
    heat_capacity_deviation_percent: float
    imaginary_percent: float
    source: str
    calculator: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Give all fields as plain JSON types."""
        return plain_fields(self)


def compare_with_measured(
    name: str,
    calculator: Any,
    *,
    strains: Sequence[float] = VOLUME_STRAINS,
    supercell: tuple[int, int, int] | None = None,
    imaginary: ImaginaryPolicy = "drop",
) -> EntropyComparison:
    """Compute S(298.15 K) and C_p(298.15 K) of a named crystal and set them beside the measured values.

    Raises
    ------
    UnknownNameError
        No crystal or no phase of that name.
    InputError
        Entropy or heat capacity of the phase are estimates, not measurements.
    StructureError, ConvergenceError, EngineError
        See :func:`quasi_harmonic`.
    """
    from cosinter.structures.named import build

    structure = build(name)
    formula = structure.composition.reduced_formula
    phase = _measured_phase(name, formula)
    result = quasi_harmonic(
        structure,
        calculator,
        temperatures_K=[REFERENCE_K],
        strains=strains,
        supercell=supercell,
        imaginary=imaginary,
    )
    entropy, heat = float(result.entropy_J_per_mol_K[0]), float(result.heat_capacity_p_J_per_mol_K[0])
    measured_entropy = float(phase.entropy(REFERENCE_K))
    # Cp as the slope of H over 1 K: its curvature leaves 1e-5
    measured_heat = float(phase.enthalpy(REFERENCE_K + 0.5) - phase.enthalpy(REFERENCE_K - 0.5))
    percent = result.entropy_uncertainty_percent
    return EntropyComparison(
        name=name,
        phase=phase.name,
        formula=formula,
        entropy_J_per_mol_K=entropy,
        entropy_uncertainty_J_per_mol_K=None if percent is None else entropy * percent / 100.0,
        harmonic_entropy_J_per_mol_K=float(result.static_volume_entropy_J_per_mol_K[0]),
        measured_entropy_J_per_mol_K=measured_entropy,
        measured_entropy_uncertainty_J_per_mol_K=phase.entropy_uncertainty_J_per_mol_K,
        entropy_deviation_percent=100.0 * (entropy / measured_entropy - 1.0),
        heat_capacity_J_per_mol_K=heat,
        measured_heat_capacity_J_per_mol_K=measured_heat,
        heat_capacity_deviation_percent=100.0 * (heat / measured_heat - 1.0),
        imaginary_percent=float(result.imaginary_percent.max()),
        source=phase.source,
        calculator=result.calculator,
    )


def _measured_phase(name: str, formula: str) -> Phase:
    """The phase of the library with measured S and Cp; a name it does not know is looked up by formula."""
    from cosinter.analysis.thermochemistry.library import load_library

    library = load_library()
    try:
        (phase,) = library.candidates(name)[:1]
        phase = phase.rescaled(formula)
    except UnknownNameError:
        solids = [phase for phase in library.candidates(formula) if phase.state == "s"]
        if len(solids) != 1:
            raise UnknownNameError("measured phase", name, [phase.name for phase in solids]) from None
        phase = solids[0]
    if phase.thermal_source != "measured":
        raise InputError(
            f"entropy and heat capacity of {phase.name} are estimates ({phase.thermal_source}), not measurements; "
            "compare a phase that was measured"
        )
    return phase
