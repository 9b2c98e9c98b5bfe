"""Solid solutions and melts: corners, derivatives, the closed-form models they contain, and their lowest points."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import R
from scipy.special import xlogy

from cosinter.analysis.thermochemistry.cathode import CathodeModel
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.library import PhaseLibrary, combined_errors, load_library
from cosinter.analysis.thermochemistry.solution_models import Interaction, Solution, formula_of
from cosinter.analysis.thermochemistry.solution_search import find_lowest
from cosinter.analysis.thermochemistry.solution_tables import standard_solution, standard_solutions
from cosinter.analysis.thermochemistry.solutions import layered_phase, nasicon_phase
from cosinter.data.exceptions import InputError, UnknownNameError

LIBRARY = load_library()
SOLUTIONS = {solution.name: solution for solution in standard_solutions(LIBRARY)}
TEMPERATURES = (300.0, 600.0, 973.15, 1300.0)


def inner_points(solution: Solution, count: int = 4) -> np.ndarray:
    """Random amounts of the end members, each at least 1/(3 n)."""
    size = len(solution.members)
    random = np.random.default_rng(len(solution.name)).dirichlet(np.ones(size), count)
    return 2.0 / 3.0 * random + 1.0 / (3.0 * size)


def test_the_standard_set_holds_every_solution_that_was_asked_for() -> None:
    assert set(SOLUTIONS) >= {
        "layered oxide",
        "rock salt",
        "spinel",
        "LATP",
        "olivine",
        "ilmenite",
        "salt melt",
    }


@pytest.mark.parametrize("name", SOLUTIONS)
def test_corners_are_the_phases_of_the_library(name: str) -> None:
    solution = SOLUTIONS[name]
    phases = {phase.name: phase for phase in LIBRARY.phases}
    known = [(i, m) for i, m in enumerate(solution.members) if m.phase is not None]
    assert known or name == "LATP"
    for i, member in known:
        phase = phases[str(member.phase)]
        corner = np.eye(len(solution.members))[i : i + 1]
        counts = dict(zip(solution.elements, solution.composition(corner)[0], strict=True))
        units = sum(counts.values()) / phase.atoms
        for element, amount in phase.composition.items():
            assert counts[element] == pytest.approx(units * amount, rel=1e-12)
        for temperature in TEMPERATURES:
            expected = units * float(phase.gibbs(temperature))
            assert solution.gibbs(corner, temperature)[0] == pytest.approx(expected, abs=1e-6)
        errors = solution.errors(corner[0])
        for source, (enthalpy, entropy) in combined_errors([(units, phase)]).items():
            assert errors.get(source, (0.0, 0.0)) == pytest.approx((enthalpy, entropy))


@pytest.mark.parametrize("name", SOLUTIONS)
@pytest.mark.parametrize("temperature", [600.0, 1100.0])
def test_derivatives_agree_with_finite_differences(name: str, temperature: float) -> None:
    solution, step = SOLUTIONS[name], 1e-5
    x = inner_points(solution)
    slopes, bend = solution.slopes(x, temperature), solution.curvature(x, temperature)
    for i in range(len(solution.members)):
        move = np.zeros_like(x)
        move[:, i] = step
        up, down = x + move, x - move
        numeric = (solution.gibbs(up, temperature) - solution.gibbs(down, temperature)) / (2.0 * step)
        np.testing.assert_allclose(slopes[:, i], numeric, rtol=1e-7, atol=1.0)
        numeric = (solution.slopes(up, temperature) - solution.slopes(down, temperature)) / (2.0 * step)
        np.testing.assert_allclose(bend[:, i], numeric, rtol=1e-5, atol=5.0)


def test_layered_oxide_is_the_cathode_model_at_fixed_metals() -> None:
    solution = SOLUTIONS["layered oxide"]
    u = np.linspace(0.01, 0.99, 9)
    full = np.asarray([0.7, 0.1, 0.2])
    x = np.stack([np.concatenate([a * full, [0.0], (1.0 - a) * full]) for a in u])
    model = CathodeModel(nickel=0.8, cobalt=0.1, manganese=0.1)
    for temperature in (500.0, 900.0, 1200.0):
        expected = model.gibbs("layered", u, temperature)[0]
        np.testing.assert_allclose(solution.gibbs(x, temperature), expected, atol=1e-6)


def test_rock_salt_is_the_cathode_model_and_the_measured_mixing_of_nio_and_mno() -> None:
    solution = SOLUTIONS["rock salt"]
    u = np.linspace(0.05, 0.95, 5)
    x = np.stack([[(1 - a) * 0.8, (1 - a) * 0.1, (1 - a) * 0.1, 0.7 * a, 0.1 * a, 0.2 * a] for a in u])
    model = CathodeModel(nickel=0.8, cobalt=0.1, manganese=0.1)
    for temperature in (700.0, 1100.0):
        # doi 10.1007/BF03038393: 14.2 kJ/mol and 4.0 J/mol/K, on nickel 0.8 and manganese 0.1
        measured = (14200.0 - 4.0 * temperature) * 0.8 * 0.1
        found = solution.gibbs(x, temperature) - model.gibbs("rock_salt", u, temperature)[0]
        np.testing.assert_allclose(found, measured, atol=1e-5)


def test_heat_of_mixing_of_nickel_and_manganese_oxide_is_the_measured_maximum() -> None:
    solution = SOLUTIONS["rock salt"].part([0, 2])
    half = np.asarray([[0.5, 0.5]])
    cold, warm = solution.mixing(half, 0.0)[0], solution.mixing(half, 1300.0)[0]
    assert cold == pytest.approx(850.0 * 4.184, abs=10.0)  # 850 +- 150 cal/mol
    excess = -(warm - cold) / 1300.0 - R * np.log(2.0)
    assert excess == pytest.approx(0.24 * 4.184, abs=0.05)  # 0.24 +- 0.1 cal/mol/K


def test_reactants_are_points_of_their_solution() -> None:
    ncm = layered_phase(LIBRARY, nickel=0.8, cobalt=0.1, manganese=0.1)
    parts = {"LiNiO2": 0.7, "LiCoO2": 0.1, "Li2MnO3": 0.1, "NiO": 0.1}
    ideal = -R * sum(x * np.log(x) for x in (0.8, 0.1, 0.1))
    for temperature in TEMPERATURES:
        expected = sum(n * float(LIBRARY.phase(p).gibbs(temperature)) for p, n in parts.items())
        assert float(ncm.gibbs(temperature)) == pytest.approx(expected - temperature * ideal, abs=1e-6)
    latp = nasicon_phase(LIBRARY, 0.3)
    parts = {"LiTi2(PO4)3": 0.85, "Li3PO4": 0.15, "AlPO4": 0.3}
    ideal = -2.0 * R * float(xlogy(0.15, 0.15) + xlogy(0.85, 0.85))
    for temperature in TEMPERATURES:
        expected = sum(n * float(LIBRARY.phase(p).gibbs(temperature)) for p, n in parts.items())
        assert float(latp.gibbs(temperature)) == pytest.approx(expected - temperature * ideal, abs=1e-6)
    assert dict(latp.composition) == pytest.approx({"Li": 1.3, "Al": 0.3, "Ti": 1.7, "P": 3.0, "O": 12.0})


@pytest.mark.parametrize("name", SOLUTIONS)
def test_a_sample_is_a_phase_with_the_energy_of_the_model(name: str) -> None:
    solution = SOLUTIONS[name]
    x = inner_points(solution, 1)[0]
    phase = solution.phase(x)
    for temperature in TEMPERATURES:
        expected = solution.gibbs(x[None, :], temperature)[0]
        assert float(phase.gibbs(temperature)) == pytest.approx(expected, rel=1e-11)
    counts = solution.composition(x[None, :])[0]
    for element, amount in zip(solution.elements, counts, strict=True):
        assert phase.composition.get(element, 0.0) == pytest.approx(amount, abs=1e-10)
    again = pickle.loads(pickle.dumps(phase))
    assert (again.name, again.amounts) == (phase.name, phase.amounts)
    assert phase.kind == "assumed"
    assert phase.source


def test_a_sample_is_as_trusted_as_the_least_trusted_end_member_in_it() -> None:
    """Olivine of a measured, a Materials Project and a classical end member."""
    names = {"LiNiPO4": ("measured", False), "LiCoPO4": ("mp", False), "LiMnPO4": ("pmmcs", True)}
    phases = [
        replace(LIBRARY.phase(name), energy_source=source, qualitative=qualitative)  # type: ignore[arg-type]
        for name, (source, qualitative) in names.items()
    ]
    olivine = standard_solution("olivine", PhaseLibrary(phases))
    expected = [
        ([1.0, 0.0, 0.0], "measured", False),
        ([0.5, 0.5, 0.0], "mp", False),
        ([0.5, 0.4, 0.1], "pmmcs", True),
        ([0.0, 0.0, 1.0], "pmmcs", True),
    ]
    for amounts, source, qualitative in expected:
        sample = olivine.phase(np.asarray(amounts))
        assert (sample.energy_source, sample.qualitative) == (source, qualitative)


def test_made_up_end_members_inherit_from_their_parts() -> None:
    nickel = replace(LIBRARY.phase("NiO"), energy_source="pmmcs", qualitative=True)
    layered = standard_solution("layered", LIBRARY.with_phases(nickel))
    told = {member.name: (member.energy_source, member.qualitative) for member in layered.members}
    assert told["LiNi0.5Mn0.5O2"] == ("pmmcs", True)
    assert not told["LiCoO2"][1]


def test_lithia_in_molten_carbonate_follows_carbon_dioxide() -> None:
    """Li2CO3 = Li2O (dissolved) + CO2: 2.2 mol% at 998 K and 420 ppm CO2 (Kaplan, Wachtel, Lubomirsky 2011)."""
    melt, temperature = SOLUTIONS["salt melt"], 998.15
    energies = dict(zip([m.name for m in melt.members], melt.references(temperature).tolist(), strict=True))
    change = energies["Li2O"] + float(LIBRARY.gas("CO2").gibbs(temperature)) - energies["Li2CO3"]
    for pressure, expected in ((4.2e-4, 0.022), (4.2e-3, 0.0022)):
        ratio = float(np.exp(-change / (R * temperature))) / pressure
        assert ratio == pytest.approx(expected, rel=0.05)


def test_mixing_error_is_shared_and_vanishes_at_the_corners() -> None:
    solution = SOLUTIONS["olivine"]
    assert "olivine: mixing" not in solution.errors(np.asarray([1.0, 0.0, 0.0]))
    half = solution.errors(np.asarray([0.5, 0.5, 0.0]))
    assert half["olivine: mixing"] == (pytest.approx(2000.0), 0.0)
    halves = combined_errors([(0.5, LIBRARY.phase("LiNiPO4")), (0.5, LIBRARY.phase("LiCoPO4"))])
    for source, error in halves.items():
        assert half.get(source, (0.0, 0.0)) == pytest.approx(error)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(SOLUTIONS)), st.integers(0, 10_000), st.sampled_from([450.0, 650.0, 973.0, 1300.0])
)
def test_lowest_point_is_below_every_other_and_above_its_bound(
    name: str, seed: int, temperature: float
) -> None:
    solution, rng = SOLUTIONS[name], np.random.default_rng(seed)
    size = len(solution.members)
    planes = rng.normal(0.0, 15e3, (3, size))
    found = find_lowest(
        solution,
        planes,
        temperature,
        start=np.full((3, size), 1.0 / size),
        tolerance_J=0.2,
        enough_J=np.inf,
    )
    others = np.concatenate([np.eye(size), *(rng.dirichlet(np.full(size, a), 400) for a in (0.1, 0.4, 1.0))])
    brute = (planes @ others.T + solution.mixing(others, temperature)).min(axis=1)
    assert np.all(found.bounds <= brute + 1e-6)
    assert np.all(found.values <= brute + 2.0)
    assert np.all(found.values - found.bounds <= 6.0)


def test_lowest_point_below_a_critical_point_is_global() -> None:
    """A symmetric regular solution far below its critical point, tilted slightly: two valleys."""
    base = SOLUTIONS["olivine"].part([0, 1])
    rows = [int(np.argmax(base.occupancy[:, i])) for i in (0, 1)]
    solution = Solution(
        name="test",
        members=base.members,
        occupancy=base.occupancy,
        places=base.places,
        ordering=base.ordering,
        interactions=(Interaction(rows[0], rows[1], 30e3),),
    )
    temperature = 700.0
    assert not solution.convex(temperature)
    planes = np.asarray([[0.0, 50.0], [50.0, 0.0]])
    start = np.asarray([[0.05, 0.95], [0.95, 0.05]])  # in the wrong valley
    found = find_lowest(solution, planes, temperature, start=start, tolerance_J=0.05, enough_J=np.inf)
    grid = np.linspace(1e-9, 1.0 - 1e-9, 200_001)
    x = np.stack([grid, 1.0 - grid], axis=1)
    brute = (planes @ x.T + solution.mixing(x, temperature)).min(axis=1)
    np.testing.assert_allclose(found.values, brute, atol=0.2)
    assert np.all(found.bounds <= brute + 1e-9)
    assert found.amounts[0, 0] > 0.9
    assert found.amounts[1, 1] > 0.9


def test_formulas_round_and_keep_their_order() -> None:
    text = formula_of({"O": 2.0, "Mn": 0.1, "Li": 0.98765, "Ni": 0.8, "Co": 0.1}, digits=3)
    assert text == "Li0.988Ni0.8Co0.1Mn0.1O2"
    assert parse_formula(text)["Li"] == 0.988


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(InputError, match="must sum to 1"):
        SOLUTIONS["olivine"].phase(np.asarray([0.5, 0.2, 0.2]))
    with pytest.raises(UnknownNameError, match="perovskite"):
        standard_solution("perovskite", LIBRARY)
    few = LIBRARY.restricted(elements=["Li", "Ni", "P", "O"])
    assert all(s.name not in ("olivine", "ilmenite") for s in standard_solutions(few))
