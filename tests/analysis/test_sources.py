"""The library by preference of sources, and the choice of the provider of entropies."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest

from cosinter.analysis.equilibrium.lp import equilibrium
from cosinter.analysis.thermochemistry.energy_tables import load_energy_table, rules
from cosinter.analysis.thermochemistry.entropies import compare_entropies, entropy_errors
from cosinter.analysis.thermochemistry.functions import Combination
from cosinter.analysis.thermochemistry.library import EnergySource, Phase, PhaseLibrary, load_library
from cosinter.analysis.thermochemistry.solution_tables import standard_solutions
from cosinter.analysis.thermochemistry.sources import DEFAULT_ENERGIES, make_library, table_phases
from cosinter.data.exceptions import UnknownNameError

TEMPERATURES = np.array([298.15, 700.0, 1200.0])


@cache
def made(*energies: EnergySource) -> PhaseLibrary:
    return make_library(energies)


def test_the_default_is_the_library() -> None:
    ours, library = make_library(), load_library()
    assert ours.names == library.names
    assert np.allclose(ours.gibbs(TEMPERATURES), library.gibbs(TEMPERATURES), rtol=0.0, atol=0.05)
    for phase in library.phases:
        twin = next(p for p in ours.phases if p.name == phase.name)
        assert twin.energy_source == phase.energy_source
        assert twin.uncertainty_J_per_mol == pytest.approx(phase.uncertainty_J_per_mol, rel=1e-6, abs=1e-6)
        assert twin.errors.keys() == phase.errors.keys()


def test_anchors_keep_their_measured_enthalpy_with_any_calculator() -> None:
    for calculator in ("chgnet", "pmmcs"):
        library = made(calculator, "measured")  # type: ignore[arg-type]
        for name in ("Li2O", "TiO2_rutile", "Al2O3", "NiO", "Li3PO4"):
            phase = next(p for p in library.phases if p.name == name)
            assert phase.energy_source == calculator
            measured = load_library().phase(name)
            assert np.allclose(phase.gibbs(TEMPERATURES), measured.gibbs(TEMPERATURES), atol=1e-3)
            assert phase.uncertainty_J_per_mol == pytest.approx(measured.uncertainty_J_per_mol)


def test_pmmcs_is_flagged_everywhere() -> None:
    library = made("pmmcs", "measured", "assumed")
    computed = [phase for phase in library.phases if phase.energy_source == "pmmcs"]
    assert len(computed) > 30
    assert all(phase.qualitative for phase in computed)
    assert not any(phase.qualitative for phase in load_library().phases)


def test_gases_melts_and_elements_stay_measured() -> None:
    library = made("pmmcs")
    assert {phase.name for phase in load_library().phases if phase.state != "s"} <= set(library.names)
    assert {"Li", "Ni", "Ti", "Al"} <= set(library.names)
    assert "Li2CO3_s" not in library.names  # no carbon in that potential, and nothing else was asked for


def test_one_source_per_composition() -> None:
    library = made("chgnet", "measured", "assumed")
    groups: dict[str, set[str]] = {}
    for phase in library.phases:
        if phase.state == "s":
            total = phase.atoms
            key = ",".join(f"{e}{n / total:.6f}" for e, n in sorted(phase.composition.items()))
            groups.setdefault(key, set()).add(phase.energy_source)
    assert all(len(sources) == 1 for sources in groups.values())
    assert {"TiO2_rutile", "TiO2_anatase", "TiO2_brookite"} <= set(library.names)


def test_solution_compositions_are_no_phases_of_their_own() -> None:
    names = {phase.name for phase in table_phases(load_energy_table("chgnet"), load_library())}
    assert not names & set(rules()["solutions"])
    assert {"LiTi2(PO4)3", "LiNiPO4", "Co2TiO4"} <= names


def fake(source: EnergySource, name: str, of: str) -> Phase:
    return dataclasses.replace(load_library().phase(of), name=name, energy_source=source, errors={})


def test_phases_handed_in() -> None:
    mp, user = fake("mp", "LiNiO2 (mp)", "LiNiO2"), fake("user", "my LiCoO2", "LiCoO2")
    ignored = make_library(extra=[mp])
    assert "LiNiO2 (mp)" not in ignored
    first = make_library(["measured", "mp", "chgnet", "assumed"], extra=[mp])
    assert first.phase("LiNiO2").energy_source == "mp"
    assert first.phase("LiCoO2").energy_source == "chgnet"
    for order in (
        DEFAULT_ENERGIES,
        ("user", "measured", "chgnet", "assumed"),
        ("measured", "chgnet", "user"),
    ):
        own = make_library(order, extra=[user])
        assert own.phase("LiCoO2").energy_source == "chgnet"
        assert own.phase("my LiCoO2") is user


def shifted(source: EnergySource, name: str, of: str, *, up_J: float = 0.0, **changes: object) -> Phase:
    """A phase like ``of``, ``up_J`` higher."""
    phase = load_library().phase(of)
    function = Combination(((1.0, phase.function),), enthalpy_shift=up_J)
    given = {"name": name, "energy_source": source, "errors": {}, "function": function, **changes}
    return dataclasses.replace(phase, **given)  # type: ignore[arg-type]


def solution_members(library: PhaseLibrary) -> dict[str, tuple[str, ...]]:
    return {s.name: tuple(member.name for member in s.members) for s in standard_solutions(library)}


def test_a_form_of_the_user_stands_beside_the_others() -> None:
    base = load_library()
    extra = [
        shifted("user", "LT-LiCoO2", "LiCoO2", up_J=9.3e3),
        shifted("user", "TiO2_B", "TiO2_rutile", up_J=6e3),
        shifted("user", "NiO_l", "NiO", up_J=50e3, state="l"),
        shifted("user", "Co_fcc", "Co", up_J=500.0),
    ]
    library = make_library(extra=extra)
    assert set(library.names) == {*base.names, *(phase.name for phase in extra)}
    assert solution_members(library) == solution_members(base)
    assert library.stable("LiCoO2", temperature_K=900.0).name == "LiCoO2"
    for alias in ("ncm811", "latp"):
        ours, theirs = library.phase(alias), base.phase(alias)
        assert np.allclose(ours.gibbs(TEMPERATURES), theirs.gibbs(TEMPERATURES), atol=0.1)
    lower = make_library(extra=[shifted("user", "better", "LiCoO2", up_J=-5e3)])
    formed = equilibrium(lower, "LiCoO2", temperature_K=900.0, pressures_bar={})
    assert set(formed.amounts) == {"better"}


def test_solutions_live_on_phases_of_a_snapshot() -> None:
    """A snapshot names its phases by entry; they take the place and the name of what they replace."""
    base = load_library()
    names = ("LiNiO2", "LiCoO2", "Li2MnO3", "NiO", "CoO", "MnO", "LiTi2(PO4)3", "Li3PO4", "AlPO4", "LiMnPO4")
    entries = [
        shifted("mp", f"{name} (mp-{number})", name, up_J=-1e3, note=f"mp-{number}")
        for number, name in enumerate(names)
    ]
    entries.append(shifted("mp", "TiO2 (mp-99)", "TiO2_anatase", up_J=-1e4))
    library = make_library(["mp", "measured", "chgnet", "assumed"], extra=entries)
    assert solution_members(library) == solution_members(base)
    for number, name in enumerate(names):
        phase = library.phase(name)
        assert (phase.name, phase.energy_source, phase.note) == (name, "mp", f"mp-{number}")
    assert [p.name for p in library.candidates("TiO2") if p.state == "s"] == ["TiO2_rutile"]
    for alias, parts in (("ncm811", 0.7 + 0.1 + 0.1 + 0.1), ("latp", 0.85 + 0.15 + 0.3)):
        ours, theirs = library.phase(alias), base.phase(alias)
        assert ours.energy_source == "mp"
        assert np.allclose(ours.gibbs(TEMPERATURES) - theirs.gibbs(TEMPERATURES), -1e3 * parts, atol=1.0)
    last = make_library(["measured", "mp", "chgnet"], extra=entries)
    assert {"layered oxide", "LATP"} <= set(solution_members(last))


def test_a_snapshot_phase_is_counted_per_formula_of_the_phase_that_it_replaces() -> None:
    double = shifted("mp", "Li2Ni2O4 (mp-2)", "LiNiO2").rescaled("Li2Ni2O4")
    phase = make_library(["mp", "measured", "chgnet", "assumed"], extra=[double]).phase("LiNiO2")
    assert phase.formula == "LiNiO2"
    assert np.allclose(phase.gibbs(TEMPERATURES), load_library().phase("LiNiO2").gibbs(TEMPERATURES))


def test_entropy_errors_that_phases_share_survive_a_calculator() -> None:
    """Anatase errs with rutile, so that the two hardly differ however the energies are chosen."""
    library, base = made("chgnet", "measured"), load_library()
    sharing = [
        p for p in base.phases if p.energy_source == "measured" and len(p.errors) > 1 and p.state == "s"
    ]
    seen = 0
    for phase in sharing:
        twin = next((p for p in library.phases if p.name == phase.name), None)
        if twin is None or twin.energy_source != "chgnet":
            continue
        seen += 1
        before = {source: entropy for source, (_, entropy) in phase.errors.items() if entropy}
        after = {source: entropy for source, (_, entropy) in twin.errors.items() if entropy}
        assert after == pytest.approx(before)
        assert twin.entropy_uncertainty_J_per_mol_K == pytest.approx(phase.entropy_uncertainty_J_per_mol_K)
    assert seen


def test_an_unknown_source_is_named() -> None:
    with pytest.raises(UnknownNameError, match="chgnit"):
        make_library(["chgnit"])  # type: ignore[list-item]
    assert set(DEFAULT_ENERGIES) == {"measured", "chgnet", "assumed"}


def test_new_phases_have_entropies_of_their_size() -> None:
    """A Neumann-Kopp sum: Co2TiO4 from CoO and CoTiO3, 2 CoO + TiO2 within the error of such sums."""
    phase = next(p for p in made("chgnet", "measured").phases if p.name == "Co2TiO4")
    library = load_library()
    oxides = 2.0 * library.phase("CoO").entropy(298.15) + library.phase("TiO2_rutile").entropy(298.15)
    assert float(phase.entropy(298.15)) == pytest.approx(float(oxides), abs=14.0)
    assert phase.entropy_uncertainty_J_per_mol_K > 0.0


def test_sums_beat_phonons_on_measured_phases() -> None:
    """What keeps phonons out of the chain; if this fails the chain has to be thought over."""
    table = load_energy_table("pmmcs")
    computed = {
        crystal: {"formula": row["formula"], "S298_J_per_mol_K": row["S298"]}
        for crystal, row in table.content["entropies"].items()
    }
    rows = compare_entropies(computed, table.energies, load_library(), rules=rules())
    errors = entropy_errors(rows)
    assert errors["phonons"][1] == errors["neumann_kopp"][1] >= 10
    assert errors["neumann_kopp"][0] < 0.7 * errors["phonons"][0]
    sums = entropy_errors(
        compare_entropies({}, load_energy_table("chgnet").energies, load_library(), rules=rules())
    )
    assert sums["neumann_kopp_all"][0] == pytest.approx(rules()["entropy_error"]["value"], abs=0.4)
    by_name = {row.phase: row for row in rows}
    # half of Li2TiO3's oxides by hand: S(Li2O) + S(TiO2)
    library = load_library()
    by_hand = float(library.phase("Li2O").entropy(298.15) + library.phase("TiO2_rutile").entropy(298.15))
    assert by_name["Li2TiO3"].neumann_kopp == pytest.approx(by_hand)
