"""Mixing lines: kinks against pymatgen, convexity, balances, known products, JSON keys."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import Avogadro, e

from cosinter.analysis.equilibrium.interface import InterfaceReaction, interface_reaction
from cosinter.analysis.equilibrium.line import make_line
from cosinter.analysis.equilibrium.lp import equilibrium
from cosinter.analysis.thermochemistry.library import PhaseLibrary, load_library
from cosinter.data.exceptions import InputError, UnknownNameError

LIBRARY = load_library()
AIR = {"O2": 0.21}
EV = e * Avogadro
LATP = "Li1.3Al0.3Ti1.7(PO4)3"


def react(first: str, second: str, celsius: float, library: PhaseLibrary = LIBRARY) -> InterfaceReaction:
    return interface_reaction(
        first, second, library=library, temperature_K=celsius + 273.15, pressures_bar=AIR
    )


def test_tangents_of_the_line_touch_the_path() -> None:
    line = make_line("LiNiO2", "LiTi2(PO4)3", library=LIBRARY, temperature_K=973.15, pressures_bar=AIR)
    path = line.path()
    for x in np.linspace(0.013, 0.987, 17):
        amounts, potentials, _ = line.problem.solve(line.mixture(float(x)))
        value = float(line.problem.costs @ amounts - line.given(x))
        slope = float(potentials @ (line.vectors[0] - line.vectors[1])) - line.gibbs[0] + line.gibbs[1]
        assert path.value(x) - line.given(x) == pytest.approx(value, abs=1e-4)
        below = value + slope * (path.positions - x)
        assert np.all(below <= path.values - line.given(path.positions) + 1e-4)


@pytest.mark.parametrize(
    ("first", "second", "temperature"),
    [("LiNiO2", "LiTi2(PO4)3", 900.0), ("NiO", "Li3PO4", 1000.0), ("Li2O", "TiP2O7", 700.0)],
)
def test_closed_system_equals_interfacial_reactivity_of_pymatgen(
    first: str, second: str, temperature: float
) -> None:
    from pymatgen.analysis.interface_reactions import InterfacialReactivity
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    library = LIBRARY.restricted(elements=["Li", "Ti", "P", "O", "Ni"])
    entries = [PDEntry(Composition(p.formula), float(p.gibbs(temperature)) / EV) for p in library.phases]
    peer = InterfacialReactivity(
        Composition(first), Composition(second), PhaseDiagram(entries), norm=False, use_hull_energy=False
    )
    kinks = sorted((kink[1], kink[2]) for kink in peer.get_kinks())
    ours = interface_reaction(
        first, second, library=library, temperature_K=temperature, pressures_bar={}
    ).kinks
    assert len(ours) == len(kinks)
    for kink, (fraction, energy) in zip(ours, kinks, strict=True):
        assert kink.mole == pytest.approx(fraction, abs=1e-6)
        assert kink.dG_J_per_mol / EV == pytest.approx(energy, abs=1e-6)


CASES = [("LiCoO2", LATP, 450.0), ("ncm811", "latp", 700.0), ("LiNiO2", "LiTi2(PO4)3", 700.0)]


@pytest.fixture(scope="module", params=CASES, ids=["LCO", "NCM811", "LNO"])
def reaction(request: pytest.FixtureRequest) -> InterfaceReaction:
    return react(*request.param)


def test_energy_is_convex_and_negative_along_the_line(reaction: InterfaceReaction) -> None:
    x = np.asarray([kink.mole for kink in reaction.kinks])
    energy = np.asarray([kink.dG_J_per_mol for kink in reaction.kinks])
    assert x[0] == 0.0
    assert x[-1] == 1.0
    assert np.all(np.diff(x) > 0.0)
    slopes = np.diff(energy) / np.diff(x)
    assert np.all(np.diff(slopes) > 0.0)
    assert np.all(energy <= 1e-6)
    assert reaction.kinks[0].dG_mutual_J_per_mol == pytest.approx(0.0, abs=1e-9)
    assert reaction.kinks[-1].dG_mutual_J_per_mol == pytest.approx(0.0, abs=1e-9)


def test_every_ratio_balances(reaction: InterfaceReaction) -> None:
    phases = {phase.name: phase for phase in reaction.problem.library.phases}
    for x in np.linspace(0.0, 1.0, 23).tolist() + [kink.mole for kink in reaction.kinks]:
        products = reaction.at(x).products
        for element in reaction.problem.elements:
            made = sum(p["mol"] * phases[p["phase"]].composition.get(element, 0.0) for p in products)
            first, second = (r.composition.get(element, 0.0) for r in (reaction.first, reaction.second))
            assert made == pytest.approx(x * first + (1 - x) * second, abs=1e-9 * 20.0)


@settings(max_examples=25, deadline=None)
@given(x=st.floats(0.001, 0.999))
def test_between_kinks_the_line_equals_the_linear_program(x: float) -> None:
    line = react("LiNiO2", "LiTi2(PO4)3", 700.0)
    first, second = line.first, line.second
    atoms = {
        element: x * first.composition.get(element, 0.0) + (1 - x) * second.composition.get(element, 0.0)
        for element in {*first.composition, *second.composition}
    }
    direct = equilibrium(LIBRARY, atoms, temperature_K=973.15, pressures_bar=AIR)
    given_gibbs = x * float(first.gibbs(973.15)) + (1 - x) * float(second.gibbs(973.15))
    assert line.at(x).dG_J_per_mol == pytest.approx(direct.gibbs_J - given_gibbs, abs=1e-2)


def test_lithium_cobalt_oxide_and_latp_give_the_products_of_physics() -> None:
    # LiCoO2 + LATP at 450 C: Co3O4, Li3PO4 and TiO2 were observed below 500 C (Ichihara et al. 2025)
    reaction = react("LiCoO2", LATP, 450.0)
    sets = [{p["phase"] for p in kink.products} for kink in reaction.kinks]
    assert any({"Co3O4", "Li3PO4", "TiO2_rutile", "O2(g)"} <= found for found in sets)
    assert reaction.strongest.dG_meV_per_atom < -20.0


def test_energy_units_agree(reaction: InterfaceReaction) -> None:
    kink = reaction.strongest
    atoms = kink.mole * reaction.first.atoms + (1 - kink.mole) * reaction.second.atoms
    # 1 eV per particle = 96.485 kJ/mol
    assert kink.dG_meV_per_atom == pytest.approx(kink.dG_J_per_mol / atoms / 96.48533212, rel=1e-9)
    assert kink.uncertainty_J_per_mol > 0.0


def test_fractions_convert_into_each_other() -> None:
    reaction = react("LiCoO2", LATP, 700.0)
    kink = reaction.at(0.4, "mole")
    mass = 0.4 * 97.871 / (0.4 * 97.871 + 0.6 * 383.40)  # molar masses in g/mol
    assert kink.mass == pytest.approx(mass, abs=1e-4)
    assert reaction.at(kink.mass, "mass").mole == pytest.approx(0.4, abs=1e-12)
    assert kink.volume is not None
    assert reaction.at(kink.volume, "volume").mole == pytest.approx(0.4, abs=1e-12)


def test_unknown_cell_volume_leaves_the_volume_fraction_empty() -> None:
    reaction = react("Mn2TiO4", "NiCO3", 500.0)
    if None in reaction.volumes_A3:
        assert reaction.kinks[1].volume is None
        with pytest.raises(InputError, match="cell volume"):
            reaction.at(0.3, "volume")
    else:
        assert 0.0 < reaction.at(0.3, "volume").mole < 1.0


def test_json_keys_and_point() -> None:
    result = json.loads(json.dumps(react("LiCoO2", LATP, 900.0).to_dict(at=0.3, basis="volume")))
    assert {"temperature_C", "atmosphere", "reactants", "kinks", "point"} <= set(result)
    assert result["temperature_C"] == pytest.approx(900.0)
    assert result["atmosphere"] == {"O2": 0.21}
    assert result["reactants"] == ["LiCoO2", LATP]
    for entry in [*result["kinks"], result["point"]]:
        assert set(entry["fraction"]) == {"mole", "mass", "volume"}
        assert set(entry["dG"]) == {"kJ_per_mol", "meV_per_atom"}
        assert all(set(product) == {"phase", "formula", "mol"} for product in entry["products"])
    assert result["point"]["fraction"]["volume"] == pytest.approx(0.3)


def test_a_metastable_reactant_shows_in_the_total_but_not_in_the_mutual_energy() -> None:
    library = LIBRARY.with_phases()
    reaction = interface_reaction(
        LIBRARY.phase("anatase"), "Li3PO4", library=library, temperature_K=900.0, pressures_bar=AIR
    )
    change = float(LIBRARY.phase("rutile").gibbs(900.0) - LIBRARY.phase("anatase").gibbs(900.0))
    assert reaction.kinks[-1].dG_J_per_mol == pytest.approx(change, abs=1e-3)
    assert reaction.kinks[-1].dG_mutual_J_per_mol == pytest.approx(0.0, abs=1e-9)


def test_errors_that_phases_share_cancel_in_the_uncertainty() -> None:
    apart = react("Li2O", "TiO2", 600.0).kinks[1]
    shared = [
        replace(p, errors={"one source": (1000.0 * p.atoms, 0.0)}) if p.state == "s" else p
        for p in LIBRARY.phases
    ]
    together = react("Li2O", "TiO2", 600.0, PhaseLibrary(shared)).kinks[1]
    # errors proportional to atoms cancel in a reaction of solids alone
    assert together.mole == pytest.approx(apart.mole)
    assert apart.uncertainty_J_per_mol > 10.0
    assert together.uncertainty_J_per_mol == pytest.approx(0.0, abs=1e-6)


def test_a_reactant_of_the_same_name_and_another_energy_is_taken_as_given() -> None:
    anatase = replace(LIBRARY.phase("anatase"), function=LIBRARY.phase("Al2O3").function)
    reaction = interface_reaction(anatase, "Li3PO4", library=LIBRARY, temperature_K=900.0, pressures_bar=AIR)
    given = float(anatase.gibbs(900.0))
    column = reaction.problem.library.names.index(anatase.name)
    assert reaction.problem.costs[column] == pytest.approx(given)


def test_identical_reactants_have_nothing_to_react() -> None:
    reaction = react("LiCoO2", "LiCoO2", 600.0)
    assert [kink.mole for kink in reaction.kinks] == [0.0, 1.0]


def test_segments_hold_between_kinks(reaction: InterfaceReaction) -> None:
    assert len(reaction.segments) == len(reaction.kinks) - 1
    low, high, phases = reaction.segments[len(reaction.segments) // 2]
    inside = {p["phase"] for p in reaction.at(0.5 * (low + high)).products}
    assert inside == set(phases)


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(UnknownNameError):
        react("LiFeO2", LATP, 700.0)
    reaction = react("Li2O", "TiO2", 700.0)
    with pytest.raises(InputError, match="between 0 and 1"):
        reaction.at(1.4)
    with pytest.raises(UnknownNameError, match="ratio basis"):
        reaction.at(0.4, "atoms")  # type: ignore[arg-type]
