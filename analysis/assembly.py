"""Bring free energies, the titration of the electrolyte and the transport table together into one ParameterSet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.constants import N_A, R, angstrom, bar, gram, kilo, physical_constants

from cosinter.analysis.coatings import coating_records
from cosinter.analysis.continuum.staircase import not_falling
from cosinter.analysis.equilibrium.ladder import salt_potential
from cosinter.analysis.equilibrium.titration import TitrationCurve
from cosinter.analysis.parameters import AnyRecord, Arrhenius, ParameterSet, Scalar, Table, errors_of
from cosinter.analysis.shared_errors import conductivity_errors, shared_errors, uptake_steps
from cosinter.analysis.thermochemistry.cathode import CathodeModel, CathodePhase, open_circuit_potential
from cosinter.analysis.thermochemistry.library import Phase
from cosinter.analysis.thermochemistry.melts import water_pressure
from cosinter.data.exceptions import DataError, InputError
from cosinter.data.tables import load_table

FloatArray = NDArray[np.float64]

FARADAY = float(physical_constants["Faraday constant"][0])
TEMPERATURES_K = np.linspace(280.0, 1300.0, 35)
LITHIUM = np.linspace(0.0, 1.0, 101)
VOLTAGE_LITHIUM = np.linspace(0.05, 0.98, 94)
ANCHOR_K = 973.15
VOLUME_PER_OXYGEN_M3 = 1.2e-5
CATHODE_PHASES: tuple[CathodePhase, ...] = ("layered", "spinel", "rock_salt")


def assemble(
    *,
    study_name: str,
    cathode: CathodeModel,
    titration: TitrationCurve,
    lithium_diffusivity: Arrhenius | None = None,
    overrides: Mapping[str, AnyRecord] | None = None,
) -> ParameterSet:
    """Make the parameter set of one cathode and one electrolyte.

    Parameters
    ----------
    cathode : free energies of the layered, spinel and rock-salt forms; its library gives O2, Li2O and Li2CO3
    titration : uptake of Li2O by the electrolyte at one temperature; the same steps are used at all others, joined
        (:mod:`cosinter.analysis.continuum.staircase`) where one would fall below the one before it.
        An electrolyte that takes none stays as it is
    lithium_diffusivity : D of lithium vacancies in the layered phase (m2/s), for example from
        :func:`cosinter.analysis.atoms.barriers.hop_diffusivity`; the literature estimate if left out
    overrides : records that replace others of the same dotted name

    Raises
    ------
    InputError
        The diffusivity is not in m2/s.
    DataError
        ``data/transport.yaml`` is damaged.
    """
    from cosinter import __version__

    titration = titration if uptake_steps(titration) else titration.saturated()
    records: dict[str, AnyRecord] = {}
    records.update(transport_records())
    records.update(coating_records())
    records.update(_cathode_records(cathode))
    records.update(_gas_and_salt_records(cathode))
    electrolyte, labels = _electrolyte_records(titration)
    records.update(electrolyte)
    if lithium_diffusivity is not None:
        if lithium_diffusivity.unit != "m2/s":
            raise InputError(
                f"lithium diffusivity has unit {lithium_diffusivity.unit}, it must be m2/s; convert it"
            )
        records["cathode.layered.lithium_diffusivity"] = lithium_diffusivity
    records.update(overrides or {})
    labels |= {"cathode.formula": cathode.formula}
    errors = shared_errors(cathode, titration, lithium_points=LITHIUM.size)
    errors += conductivity_errors([product["formula"] for product in labels["electrolyte.products"]])
    return ParameterSet(
        study=study_name,
        cosinter_version=__version__,
        parameters=records,
        labels=labels,
        # a record put in the place of a table brings its own uncertainty
        shared_errors=errors_of(errors, set(records) - set(overrides or {})),
    )


def transport_records() -> dict[str, AnyRecord]:
    """Records of ``data/transport.yaml`` by dotted name (conductivities excepted).

    Raises
    ------
    DataError
        A record of the file lacks a field.
    """
    table = load_table("transport")
    records: dict[str, AnyRecord] = {}
    try:
        for name, entry in table["arrhenius"].items():
            fields = {key: value for key, value in entry.items() if key != "prefactor"}
            reference = entry["prefactor"] * np.exp(-entry["activation_energy"] / (R * ANCHOR_K))
            records[name] = Arrhenius(
                reference_value=float(reference), reference_temperature=ANCHOR_K, **fields
            )
        for name, entry in table["scalar"].items():
            records[name] = Scalar(**entry)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"data table transport.yaml is damaged ({error}); reinstall cosinter to mend it"
        ) from error
    return records


def _mass(composition: Mapping[str, float]) -> float:
    """Molar mass in kg/mol."""
    from ase.data import atomic_masses, atomic_numbers

    grams = sum(n * atomic_masses[atomic_numbers[element]] for element, n in composition.items())
    return float(grams * gram)


def _cited(source: str) -> str:
    """Spell out a source key of the thermochemical tables."""
    return str(load_table("thermochemistry")["sources"].get(source, source))


def _scalar(value: float, unit: str, source: str, **fields: Any) -> Scalar:
    return Scalar(value=value, unit=unit, source=source, **({"kind": "measured"} | fields))


def _table(values: Any, unit: str, source: str, axes: Mapping[str, Any], **fields: Any) -> Table:
    grid = {name: tuple(float(x) for x in axis) for name, axis in axes.items()}
    return Table(
        axes=grid,
        values=np.asarray(values).tolist(),
        unit=unit,
        source=source,
        **({"kind": "computed"} | fields),
    )


def volume_per_mole(formula: str) -> tuple[float, bool]:
    """Molar volume (m3/mol) from the crystal tables, and whether it is only estimated from the oxygen content.

    Without a crystal the oxygen sublattice is taken to need 12 cm3 per mol O.
    """
    from cosinter.analysis.thermochemistry.formulas import parse_formula
    from cosinter.structures.crystals import formula_volume

    volume = formula_volume(formula)
    if volume is not None:
        return float(volume * angstrom**3 * N_A), False
    composition = parse_formula(formula)
    return max(composition.get("O", 0.0), 1.0) * VOLUME_PER_OXYGEN_M3, True


def _volume_origin(estimated: bool) -> dict[str, Any]:
    if estimated:
        return {"source": "no crystal in the tables: 12 cm3 per mol O", "kind": "assumed"}
    return {"source": "cell volume of the crystal tables", "kind": "measured"}


def _cathode_records(cathode: CathodeModel) -> dict[str, AnyRecord]:
    source = "cathode model on the open-circuit potential of NMC811, doi 10.1149/1945-7111/ab9050, and the phase library"
    axes = {"temperature_K": TEMPERATURES_K, "lithium_per_metal": LITHIUM}
    volume, estimated = volume_per_mole(cathode.formula)
    metals = dict(zip(("nickel", "cobalt", "manganese"), cathode.fractions.values(), strict=True))
    records: dict[str, AnyRecord] = {
        f"cathode.{metal}": _scalar(share, "1", "composition of the study") for metal, share in metals.items()
    }
    records["cathode.molar_mass"] = _scalar(
        _mass(cathode.layered.composition), "kg/mol", "standard atomic weights"
    )
    records["cathode.metal_concentration"] = _scalar(1.0 / volume, "mol/m3", **_volume_origin(estimated))
    for phase in CATHODE_PHASES:
        values = cathode.excess_gibbs(phase, LITHIUM, TEMPERATURES_K)
        records[f"cathode.{phase}.excess_gibbs"] = _table(values, "J/mol", source, axes)
    records["capacity.open_circuit_voltage"] = _table(
        open_circuit_potential(VOLTAGE_LITHIUM),
        "V",
        "Chen et al., J. Electrochem. Soc. 167 (2020) 080534, doi 10.1149/1945-7111/ab9050",
        {"lithium_per_metal": VOLTAGE_LITHIUM},
        kind="measured",
        note="measured for 0.27 < u < 0.91, extrapolated outside",
    )
    return records


def _gas_and_salt_records(cathode: CathodeModel) -> dict[str, AnyRecord]:
    library, axes = cathode.library, {"temperature_K": TEMPERATURES_K}
    melts = load_table("thermochemistry")["melts"]
    oxide = library.phase("Li2O")
    gases = {"oxygen": "O2", "water": "H2O", "lithium_hydroxide": "LiOH"}
    dioxide = bar * np.exp(
        salt_potential(library, "Li2CO3", TEMPERATURES_K, pressure_bar=1.0) / (R * TEMPERATURES_K)
    )
    water = melts["water_over_lioh"]
    records: dict[str, AnyRecord] = {
        **{f"thermo.{name}_gas.gibbs": _gas_table(library.gas(formula)) for name, formula in gases.items()},
        "thermo.lithium_oxide.gibbs": _table(oxide.gibbs(TEMPERATURES_K), "J/mol", _cited(oxide.source), axes),
        "compensator.lithium_hydroxide.equilibrium_pressure": _table(
            bar * water_pressure(TEMPERATURES_K), "Pa", water["source"], axes, kind="measured",
            uncertainty=float(water["uncertainty"]), note="601-820 K, extrapolated outside; uncertainty of log10 p",
        ),
        "compensator.lithium_carbonate.equilibrium_pressure": _table(
            dioxide, "Pa", "Li2CO3 = Li2O + CO2 of the phase library", axes, note="pure Li2O(s)",
        ),
    }  # fmt: skip
    for name, formula in (("lithium_hydroxide", "LiOH"), ("lithium_carbonate", "Li2CO3")):
        fusion = melts["fusion"][formula]
        source, prefix = _cited(fusion["source"]), f"compensator.{name}"
        records[f"{prefix}.molar_mass"] = _scalar(
            _mass(library.phase(formula).composition), "kg/mol", "standard atomic weights"
        )
        records[f"{prefix}.melting_temperature"] = _scalar(fusion["T"], "K", source, uncertainty=6.0)
        records[f"{prefix}.fusion_enthalpy"] = _scalar(
            fusion["dH"] * kilo, "J/mol", source, uncertainty=fusion["uncertainty"] * kilo
        )
    return records


def _gas_table(gas: Phase) -> Table:
    axes = {"temperature_K": TEMPERATURES_K}
    return _table(gas.gibbs(TEMPERATURES_K), "J/mol", _cited(gas.source), axes)


def _electrolyte_records(titration: TitrationCurve) -> tuple[dict[str, AnyRecord], dict[str, Any]]:
    steps = uptake_steps(titration)
    kept = [titration.steps.index(step) for step in steps]
    vertices = [0.0, *(step.li2o_to for step in steps)]
    mixtures = [steps[0].products_from, *(step.products_to for step in steps)]
    names = list(dict.fromkeys([name for mixture in mixtures for name in mixture]))
    phases = {phase.name: phase for phase in [*titration.library.phases, titration.solid]}
    products = [phases[name] for name in names]
    amounts = [[mixture.get(name, 0.0) for name in names] for mixture in mixtures]
    plateau = not_falling(titration.plateau_mu(TEMPERATURES_K)[:, kept], np.diff(vertices)).T
    index = {"product": range(len(names))}
    source = f"titration of {titration.solid.formula} with Li2O at {titration.temperature_K:g} K"
    volume, estimated = volume_per_mole(titration.solid.formula)
    records: dict[str, AnyRecord] = {
        "electrolyte.titration.potential": _table(
            np.vstack([plateau, plateau[-1:]]), "J/mol", source,
            {"lithium_oxide_mol_per_mol": vertices, "temperature_K": TEMPERATURES_K},
        ),
        "electrolyte.titration.products": _table(
            amounts, "mol/mol", source, {"lithium_oxide_mol_per_mol": vertices} | index
        ),
        "electrolyte.molar_volume": _scalar(volume, "m3/mol", **_volume_origin(estimated)),
        "electrolyte.molar_mass": _scalar(_mass(titration.solid.composition), "kg/mol", "standard atomic weights"),
    }  # fmt: skip
    records |= _product_records(products, index)
    labels = {
        "electrolyte.formula": titration.solid.formula,
        "electrolyte.composition": dict(titration.solid.composition),
        "electrolyte.products": [
            {"formula": p.formula, "composition": dict(p.composition)} for p in products
        ],
    }
    return records, labels


def _product_records(products: list[Phase], index: Mapping[str, Any]) -> dict[str, AnyRecord]:
    if len(products) < 2:
        raise InputError("the titration names a single phase; a product table needs at least two")
    volumes = [(0.0, False) if p.state == "g" else volume_per_mole(p.formula) for p in products]
    guessed = [p.formula for p, (_, estimated) in zip(products, volumes, strict=True) if estimated]
    known = load_table("transport")["conductivity"]
    entries = [known.get(p.formula, known["other"]) for p in products]
    return {
        "electrolyte.products.molar_volume": _table(
            [v for v, _ in volumes], "m3/mol", "cell volumes of the crystal tables", index,
            kind="assumed" if guessed else "measured",
            note=f"12 cm3 per mol O taken for {', '.join(guessed)}" if guessed else "",
        ),
        "interphase.conductivity": _table(
            [e["value"] for e in entries], "S/m",
            "; ".join(f"{p.formula}: {e['source']}" for p, e in zip(products, entries, strict=True)),
            index, kind="assumed",
        ),
    }  # fmt: skip
