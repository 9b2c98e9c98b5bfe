"""Formation energies as records of a ParameterSet: value, unit, uncertainty, source, kind computed.

Nothing here is wired in. What a record could take the place of:

| function                 | name                                                    | kept where                               |
|--------------------------|---------------------------------------------------------|------------------------------------------|
| ``antisite_fraction``    | ``cathode.antisite_fraction``                           | parameter set, data/transport.yaml       |
| ``crossing_rate``        | ``contact.interface_rate``                              | parameter set, data/transport.yaml       |
| ``polymorph_records``    | disordering_energy, spinel_stabilisation,               | ``cathode`` of data/thermochemistry.yaml,|
|                          | lithiated_spinel_energy                                 | from which ``cathode.*.excess_gibbs``    |
| ``vacancy_energy``       | none: to be compared with ``capacity.open_circuit_voltage`` | parameter set, measured              |
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from cosinter.analysis.parameters import Arrhenius, Scalar
from cosinter.data.exceptions import InputError

if TYPE_CHECKING:
    from cosinter.analysis.atoms.barriers import Barrier
    from cosinter.analysis.atoms.formation import Delithiation
    from cosinter.analysis.atoms.rearrangement import AntisiteEnergy, Polymorphs

Association = Literal["separate", "bound"]

METAL_NEIGHBOURS = 6
"""Metal sites around a lithium site of the layered structure (three above, three below)."""


def antisite_fraction(
    energy: AntisiteEnergy, *, temperature_K: float, association: Association = "separate"
) -> Scalar:
    """Share of lithium sites held by nickel in equilibrium at ``temperature_K``.

        separate: f / (1 - f) = exp(-E / 2kT)          bound: f / (1 - f) = z exp(-E / kT), z = 6

    E is that of a pair far apart or of neighbours; entropies of vibration and of the metals' mixing are left out. A powder
    keeps what it had when it last reached equilibrium, so the temperature is that of its synthesis.

    Raises
    ------
    InputError
        A temperature that is not positive, another association, or an energy of unknown uncertainty.
    """
    thermal = _thermal(temperature_K)
    if association not in ("separate", "bound"):
        raise InputError(f"association '{association}' is unknown; known: separate, bound")
    if energy.uncertainty_eV is None:
        raise InputError(
            f"the antisite energy of {energy.host} by {energy.calculator['model']} has no known uncertainty; "
            "a record needs one: take a calculator that was compared with measurements"
        )
    share, neighbours = (0.5, 1.0) if association == "separate" else (1.0, float(METAL_NEIGHBOURS))
    odds = neighbours * math.exp(-share * energy.energy_eV / thermal)
    value = odds / (1.0 + odds)
    return Scalar(
        value=value,
        log10_uncertainty=(1.0 - value) * share * energy.uncertainty_eV / thermal / math.log(10.0),
        unit="1",
        kind="computed",
        source=f"antisite pair in {energy.host}, {energy.energy_eV:.3f} eV, {_model(energy.calculator)}",
        note=f"{association} pairs in equilibrium at {temperature_K:g} K",
    )


def crossing_rate(
    hop: Barrier,
    *,
    attempt_frequency_Hz: float = 1.0e13,
    attempt_frequency_log10_uncertainty: float = 0.5,
    reference_temperature_K: float = 973.15,
) -> Arrhenius:
    """Rate constant of lithium over an interface, k = a nu exp(-E/kT) in m/s, from a hop across it.

    a is the length of the hop, E the barrier out of the film; the attempt frequency is assumed. As in
    :func:`cosinter.analysis.atoms.hopping.hop_diffusivity` the error of E counts at the reference temperature too.

    Raises
    ------
    InputError
        The barrier has no known uncertainty, or a number is not positive.
    """
    from scipy.constants import N_A, angstrom, electron_volt

    thermal = _thermal(reference_temperature_K)
    if hop.uncertainty_eV is None:
        raise InputError(f"the barrier of {hop.path} has no known uncertainty; a record needs one")
    if not (math.isfinite(attempt_frequency_Hz) and attempt_frequency_Hz > 0.0):
        raise InputError(f"attempt_frequency_Hz is {attempt_frequency_Hz!r}, allowed is a positive number")
    molar = electron_volt * N_A
    spread = hop.uncertainty_eV / thermal / math.log(10.0)
    rate = attempt_frequency_Hz * math.exp(-hop.barrier_eV / thermal)
    return Arrhenius(
        reference_value=hop.hop_length_A * angstrom * rate,
        reference_temperature=reference_temperature_K,
        activation_energy=hop.barrier_eV * molar,
        activation_energy_uncertainty=hop.uncertainty_eV * molar,
        log10_uncertainty=math.hypot(attempt_frequency_log10_uncertainty, spread),
        unit="m/s",
        kind="computed",
        source=f"climbing-image NEB of {hop.path}, {_model(hop.calculator)}; attempt frequency assumed",
        note=f"nu = {attempt_frequency_Hz:.3g} Hz, hop of {hop.hop_length_A:.2f} Å; one hop of one model interface",
    )


def polymorph_records(found: Polymorphs) -> dict[str, Scalar]:
    """Disordering and spinel energies (J/mol metal) by their name in ``cathode`` of data/thermochemistry.yaml.

    Raises
    ------
    InputError
        The calculator's uncertainty is not known.
    """
    from cosinter.analysis.atoms.rearrangement import compare_with_cathode_table

    records = {}
    for row in compare_with_cathode_table(found):
        if row.computed_uncertainty_kJ_per_mol is None:
            raise InputError(
                f"the energies of {found.formula} by {found.calculator['model']} have no known uncertainty; "
                "a record needs one"
            )
        records[row.name] = Scalar(
            value=1e3 * row.computed_kJ_per_mol,
            uncertainty=1e3 * row.computed_uncertainty_kJ_per_mol,
            unit="J/mol",
            kind="computed",
            source=f"relaxed cells of {found.formula} against {found.reference}, {_model(found.calculator)}",
            note=f"per mole of metal, 0 K, Li/M = {found.lithium_per_metal:.4g}",
        )
    return records


def vacancy_energy(found: Delithiation, lithium_per_metal: float) -> Scalar:
    """Lithium vacancy formation energy against lithium metal at one content, J per mole of lithium.

    Raises
    ------
    InputError
        The content was not computed, or the calculator's uncertainty is not known.
    """
    from scipy.constants import N_A, electron_volt

    step = next(
        (s for s in found.vacancies if s.lithium_to <= lithium_per_metal <= s.lithium_from),
        None,
    )
    if step is None:
        raise InputError(
            f"lithium content {lithium_per_metal:g} lies outside {found.states[0].lithium_per_metal:g} to "
            f"{found.states[-1].lithium_per_metal:g} per metal"
        )
    if step.uncertainty_eV is None:
        raise InputError(f"the vacancy energy of {found.host} has no known uncertainty; a record needs one")
    molar = N_A * electron_volt
    return Scalar(
        value=step.vacancy_energy_eV * molar,
        uncertainty=step.uncertainty_eV * molar,
        unit="J/mol",
        kind="computed",
        source=f"{found.reaction}; {found.host}, {_model(found.calculator)}",
        note=f"mean between Li/M = {step.lithium_to:.4g} and {step.lithium_from:.4g}",
    )


def _thermal(temperature_K: float) -> float:
    """kT in eV."""
    from scipy.constants import electron_volt, k

    if not (math.isfinite(temperature_K) and temperature_K > 0.0):
        raise InputError(f"temperature {temperature_K!r} must be a positive number in K")
    return float(k * temperature_K / electron_volt)


def _model(calculator: dict[str, Any]) -> str:
    source = calculator["parameters"].get("source", f"version {calculator['version']}")
    return f"{calculator['model']} ({source})"
