"""Solutions in equilibria: within 1 J per mole of atoms of a fine grid, bounds that hold, gaps, eutectic, open gases."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations_with_replacement

import numpy as np
import pytest
from scipy.constants import R
from scipy.optimize import brentq

from cosinter.analysis.equilibrium.column_search import Search
from cosinter.analysis.equilibrium.interface import (
    InterfaceReaction,
    interface_reaction,
    interface_reactions,
)
from cosinter.analysis.equilibrium.line import make_line
from cosinter.analysis.equilibrium.lp import Equilibrium, LinearProblem, equilibrium, make_problem
from cosinter.analysis.equilibrium.products import merge_products
from cosinter.analysis.equilibrium.refine import TOLERANCE_J, refine_line, refine_points
from cosinter.analysis.equilibrium.simplex import minimise
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.library import load_library
from cosinter.analysis.thermochemistry.melts import salt_melt
from cosinter.analysis.thermochemistry.solution_models import Solution, SolutionSample
from cosinter.analysis.thermochemistry.solution_tables import standard_solution, standard_solutions
from cosinter.data.exceptions import InputError

LIBRARY = load_library()
SOLUTIONS = standard_solutions(LIBRARY)
NCM, LATP = "LiNi0.8Co0.1Mn0.1O2", "Li1.3Al0.3Ti1.7(PO4)3"
AIR = {"O2": 0.21}


def lattice(members: int, steps: int) -> np.ndarray:
    points = [
        np.bincount(chosen, minlength=members)
        for chosen in combinations_with_replacement(range(members), steps)
    ]
    return np.asarray(points) / steps


def on_a_grid(
    problem: LinearProblem, solutions: Mapping[str, int], vectors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Free energies and duals with every solution on a fine lattice: {key: steps}; no refinement."""
    matrix, costs = [problem.counts], [problem.costs]
    for key, steps in solutions.items():
        solution = standard_solution(key, LIBRARY).restricted(problem.elements)
        assert solution is not None
        x = lattice(len(solution.members), steps)
        order = [solution.elements.index(e) if e in solution.elements else None for e in problem.elements]
        counts = solution.composition(x)
        matrix.append(np.stack([counts[:, i] if i is not None else np.zeros(len(x)) for i in order]))
        costs.append(solution.gibbs(x, problem.temperature_K))
    table = np.concatenate(matrix, axis=1)
    free = np.concatenate([problem.is_open, np.zeros(table.shape[1] - problem.is_open.size, dtype=bool)])
    found = minimise(table, np.concatenate(costs), vectors, free=free)
    return found.value, found.duals


def chosen(*keys: str) -> tuple[Solution, ...]:
    return tuple(standard_solution(key, LIBRARY) for key in keys)


@pytest.mark.parametrize("temperature", [550.0, 700.0, 973.15, 1250.0])
@pytest.mark.parametrize(
    ("composition", "gases", "grid"),
    [
        ({"Ni": 0.4, "Co": 0.27, "Mn": 0.33, "O": 1.0}, {}, {"rock_salt": 150}),
        ({"Li": 1.0, "Ni": 0.31, "Co": 0.24, "Mn": 0.45, "P": 1.0, "O": 4.0}, {}, {"olivine": 150}),
        ({"Li": 1.31, "O": 1.9, "H": 0.69, "C": 0.31}, {}, {"salt_melt": 150}),
        ({"Li": 0.9, "Ni": 0.6, "Co": 0.5, "O": 2.0}, AIR, {"layered": 24, "rock_salt": 40}),
        ({"Ni": 0.3, "Co": 0.3, "Mn": 0.4, "Ti": 1.1, "O": 3.4}, AIR, {"ilmenite": 120, "rock_salt": 120}),
    ],
    ids=["rock salt", "olivine", "melt", "layered", "ilmenite"],
)
def test_refined_answer_is_within_one_joule_of_a_fine_grid(
    composition: dict[str, float], gases: dict[str, float], grid: dict[str, int], temperature: float
) -> None:
    problem = make_problem(LIBRARY, composition, temperature_K=temperature, pressures_bar=gases)
    vector = problem.vector(composition)
    refined = refine_points(problem, chosen(*grid), vector)
    value = float(refined.problem.costs @ refined.amounts[0])
    brute = float(on_a_grid(problem, grid, vector[None, :])[0][0])
    atoms = float(vector.sum())
    assert refined.converged
    assert 0.0 <= refined.bound_J <= TOLERANCE_J
    assert value <= brute + TOLERANCE_J * atoms
    assert value - refined.bound_J * atoms <= brute + 1e-6  # nothing lies below the bound
    assert value >= brute - 12.0 * atoms  # the grid's own error
    assert refined.problem.balance_error(refined.amounts[0], vector) < 1e-10


@pytest.mark.parametrize("temperature", [450.0, 700.0, 973.15, 1250.0])
@pytest.mark.parametrize(
    ("composition", "key"),
    [
        ({"Ni": 0.43, "Mn": 0.57, "O": 1.0}, "rock_salt"),
        ({"Li": 1.0, "Ni": 0.31, "Co": 0.69, "P": 1.0, "O": 4.0}, "olivine"),
        ({"Co": 0.7, "Mn": 0.4, "Ti": 1.1, "O": 3.3}, "ilmenite"),
        ({"Li": 1.25, "Al": 0.25, "Ti": 1.75, "P": 3.0, "O": 12.0}, "nasicon"),
    ],
)
def test_binary_solutions_equal_a_grid_of_4000_steps_to_one_joule(
    composition: dict[str, float], key: str, temperature: float
) -> None:
    problem = make_problem(LIBRARY, composition, temperature_K=temperature, pressures_bar={})
    vector = problem.vector(composition)
    refined = refine_points(problem, chosen(key), vector)
    value = float(refined.problem.costs @ refined.amounts[0])
    brute = float(on_a_grid(problem, {key: 4000}, vector[None, :])[0][0])
    assert value == pytest.approx(brute, abs=TOLERANCE_J * float(vector.sum()))


@pytest.mark.parametrize("temperature", [650.0, 900.0, 1200.0])
def test_refined_line_is_within_one_joule_of_a_fine_grid_everywhere(temperature: float) -> None:
    grid = {"rock_salt": 100, "ilmenite": 100}
    line = make_line("Co0.5Mn0.5TiO3", "Ni0.7Mn0.3O", library=with_mixtures(), **at(temperature))
    refined = refine_line(line.problem, chosen(*grid), *line.vectors)
    assert refined.converged
    positions = np.linspace(0.03, 0.97, 41)
    vectors = np.outer(positions, line.vectors[0]) + np.outer(1.0 - positions, line.vectors[1])
    values = np.interp(positions, refined.positions, refined.amounts @ refined.problem.costs)
    brute, _ = on_a_grid(line.problem, grid, vectors)
    atoms = vectors.sum(axis=1)
    assert np.all(values <= brute + TOLERANCE_J * atoms)
    assert np.all(values - refined.bound_J * atoms <= brute + 1e-6)
    assert np.all(values >= brute - 12.0 * atoms)  # the grid's own error


def at(temperature: float) -> dict[str, object]:
    return {"temperature_K": temperature, "pressures_bar": {}}


def with_mixtures():  # type: ignore[no-untyped-def]
    """The library with two mixed reactants of the models."""
    ilmenite, salt = chosen("ilmenite", "rock_salt")
    first = ilmenite.phase(np.asarray([0.0, 0.5, 0.5]), name="Co0.5Mn0.5TiO3", formula="Co0.5Mn0.5TiO3")
    second = salt.phase(np.asarray([0.7, 0.0, 0.3, 0.0, 0.0, 0.0]), name="Ni0.7Mn0.3O", formula="Ni0.7Mn0.3O")
    return LIBRARY.with_phases(first, second)


def test_miscibility_gap_of_nickel_and_manganese_oxide() -> None:
    """Binodal of a symmetric regular solution, ln((1 - x)/x) = W (1 - 2x) / RT, at 550 K."""
    temperature = 550.0
    w = 14200.0 - 4.0 * temperature

    def balance(x: float) -> float:
        return R * temperature * np.log((1.0 - x) / x) - w * (1.0 - 2.0 * x)

    poor = brentq(balance, 1e-4, 0.4)
    found = equilibrium(
        LIBRARY,
        {"Ni": 0.5, "Mn": 0.5, "O": 1.0},
        temperature_K=temperature,
        pressures_bar={},
        solutions=chosen("rock_salt"),
    )
    names = [product["phase"] for product in found.products]
    assert sorted(names) == ["rock salt", "rock salt 2"]
    shares = sorted(parse_formula(p["formula"])["Mn"] for p in found.products)
    assert shares == pytest.approx([poor, 1.0 - poor], abs=0.03)  # 1 J/mol is flat there
    warm = equilibrium(
        LIBRARY,
        {"Ni": 0.5, "Mn": 0.5, "O": 1.0},
        temperature_K=800.0,
        pressures_bar={},
        solutions=chosen("rock_salt"),
    )
    assert [p["phase"] for p in warm.products] == ["rock salt"]
    assert warm.products[0]["formula"] == "Ni0.5Mn0.5O"


def salts(carbonate: float) -> dict[str, float]:
    hydroxide = 1.0 - carbonate
    return {
        "Li": hydroxide + 2.0 * carbonate,
        "O": hydroxide + 3.0 * carbonate,
        "H": hydroxide,
        "C": carbonate,
    }


def molten(temperature: float, carbonate: float) -> list[dict[str, object]]:
    found = equilibrium(
        LIBRARY,
        salts(carbonate),
        temperature_K=temperature,
        pressures_bar={},
        solutions=chosen("salt_melt"),
    )
    return [product for product in found.products if product["phase"] == "salt melt"]


def test_eutectic_of_lithium_hydroxide_and_carbonate() -> None:
    """Beside the closed form (0.5 K) and the bracket of the facts for an ideal melt, 438 to 446 C, +-10 C."""
    expected, fraction = salt_melt(LIBRARY).eutectic()
    low, high = 690.0, 740.0
    while high - low > 0.02:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if molten(middle, fraction) else (middle, high)
    assert high == pytest.approx(expected, abs=0.5)
    assert 438.0 <= high - 273.15 <= 446.0
    counts = parse_formula(str(molten(high + 0.05, fraction)[0]["formula"]))
    assert counts["C"] == pytest.approx(fraction, abs=0.005)


@pytest.mark.parametrize("temperature", [725.0, 740.0, 800.0, 900.0, 980.0])
def test_liquidus_of_lithium_hydroxide_and_carbonate(temperature: float) -> None:
    melt = salt_melt(LIBRARY)
    (product,) = molten(temperature, 0.97)
    counts = parse_formula(str(product["formula"]))
    carbonate = counts["C"] / (counts["C"] + counts["H"])
    # 0.5 K on the temperature axis
    edges = melt.carbonate_liquidus(np.asarray([temperature - 0.5, temperature + 0.5]))
    assert edges[0] - 0.002 <= carbonate <= edges[1] + 0.002


@pytest.fixture(scope="module")
def reactions():  # type: ignore[no-untyped-def]
    """NCM811 | LATP in air at 700 C without and with all standard solutions."""
    plain = interface_reaction(NCM, LATP, library=LIBRARY, temperature_K=973.15, pressures_bar=AIR)
    mixed = interface_reaction(
        NCM, LATP, library=LIBRARY, temperature_K=973.15, pressures_bar=AIR, solutions=SOLUTIONS
    )
    return plain, mixed


def test_solutions_only_lower_the_free_energy(reactions) -> None:  # type: ignore[no-untyped-def]
    plain, mixed = reactions
    assert mixed.bound_J_per_mol <= TOLERANCE_J
    for kink in plain.kinks:
        other = mixed.at(kink.mole)
        assert other.dG_meV_per_atom <= kink.dG_meV_per_atom + 0.02
    assert mixed.strongest.dG_meV_per_atom < plain.strongest.dG_meV_per_atom - 1.0
    assert len(mixed.kinks) < 500


def test_reactants_keep_their_own_composition(reactions) -> None:  # type: ignore[no-untyped-def]
    _, mixed = reactions
    assert {NCM, LATP} <= set(mixed.problem.library.names)
    # NCM811 may shed a little Li2O into nickel-rich NCM: its own metastability, shown, not hidden
    end = mixed.kinks[-1]
    assert -5.0 < end.dG_meV_per_atom <= 1e-9
    assert end.dG_mutual_J_per_mol == pytest.approx(0.0, abs=1e-6)
    for kink in mixed.kinks[:: len(mixed.kinks) // 7]:
        vector = mixed.line.mixture(kink.mole)
        index = [k.mole for k in mixed.kinks].index(kink.mole)
        assert mixed.problem.balance_error(mixed.amounts[index], vector) < 1e-10


def test_products_of_one_solution_are_one_phase(reactions) -> None:  # type: ignore[no-untyped-def]
    _, mixed = reactions
    for x in (0.1, 0.3, 0.6, 0.8, 0.93):
        products = mixed.at(x).products
        names = [product["phase"] for product in products]
        assert len(names) == len(set(names))
        total = dict.fromkeys(mixed.problem.elements, 0.0)
        for product in products:
            for element, count in parse_formula(product["formula"]).items():
                total[element] += product["mol"] * count
        expected = dict(zip(mixed.problem.elements, mixed.line.mixture(x), strict=True))
        assert total == pytest.approx(expected, abs=5e-3)  # formulas are shown to three digits
    assert len(mixed.segments) < 40


def test_a_range_of_temperatures_gives_the_answers_of_single_ones() -> None:
    temperatures = [950.0, 973.15]
    solutions = chosen("olivine", "ilmenite", "layered")
    several = list(
        interface_reactions(
            NCM,
            LATP,
            library=LIBRARY,
            temperatures_K=temperatures,
            pressures_bar=AIR,
            solutions=solutions,
        )
    )
    alone = interface_reaction(
        NCM, LATP, library=LIBRARY, temperature_K=temperatures[1], pressures_bar=AIR, solutions=solutions
    )
    for x in np.linspace(0.0, 1.0, 21):
        first, second = several[1].at(float(x)), alone.at(float(x))
        # both lie within 1 J/mol of atoms (0.0104 meV) of the truth
        assert first.dG_meV_per_atom == pytest.approx(second.dG_meV_per_atom, abs=0.011)


def test_carbon_dioxide_and_water_may_be_open_too() -> None:
    found = interface_reaction(
        "LiNiO2",
        "Li2CO3",
        library=LIBRARY,
        temperature_K=1000.0,
        pressures_bar={"O2": 0.21, "CO2": 4e-4, "H2O": 0.01},
        solutions=SOLUTIONS,
    )
    assert found.bound_J_per_mol is not None
    assert found.bound_J_per_mol <= TOLERANCE_J
    assert found.to_dict()["bound"]["J_per_mol_atoms"] == found.bound_J_per_mol


def test_open_gases_that_react_are_still_explained() -> None:
    with pytest.raises(InputError, match="open gases"):
        interface_reaction(
            NCM,
            LATP,
            library=LIBRARY,
            temperature_K=1000.0,
            pressures_bar={"O2": 0.2, "H2": 1.0, "H2O": 1e-9},
            solutions=SOLUTIONS,
        )


def test_merging_keeps_gases_names_and_amounts() -> None:
    olivine = chosen("olivine")[0]
    first = olivine.phase(np.asarray([0.8, 0.2, 0.0]))
    second = olivine.phase(np.asarray([0.7, 0.3, 0.0]))
    corner = LIBRARY.phase("LiNiPO4")
    oxygen = LIBRARY.gas("O2")
    rows = merge_products([(oxygen, 0.5), (first, 0.2), (second, 0.2)], 1000.0)
    assert rows == [
        {"phase": "olivine", "formula": "LiNi0.75Co0.25PO4", "mol": pytest.approx(0.4)},
        {"phase": "O2(g)", "formula": "O2", "mol": 0.5},
    ]
    apart = merge_products([(corner, 0.1), (first, 1e-9)], 1000.0)
    assert apart[0]["phase"] in ("LiNiPO4", "olivine")
    named = olivine.phase(np.asarray([0.5, 0.5, 0.0]), name="my mix")
    assert merge_products([(named, 1.0)], 1000.0)[0]["phase"] == "my mix"
    assert isinstance(named, SolutionSample)


def test_the_end_of_a_line_is_the_equilibrium_of_that_reactant() -> None:
    """LiMn2O4 sheds lithium at 1100 K: the line must show it, and count dG_mutual from there."""
    conditions = {"temperature_K": 1100.0, "pressures_bar": AIR, "solutions": SOLUTIONS}
    line = interface_reaction("NiO", "LiMn2O4", library=LIBRARY, **conditions)
    alone = equilibrium(LIBRARY, "LiMn2O4", **conditions)
    own = alone.gibbs_J - float(LIBRARY.phase("LiMn2O4").gibbs(1100.0))
    assert own < -100.0
    assert line.kinks[0].dG_J_per_mol == pytest.approx(own, abs=7.0 * TOLERANCE_J)
    assert line.bound_J_per_mol <= TOLERANCE_J
    assert not line.warnings
    assert [line.kinks[i].dG_mutual_J_per_mol for i in (0, -1)] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert max(kink.dG_mutual_J_per_mol for kink in line.kinks) <= TOLERANCE_J


def test_a_line_without_a_bend_has_two_kinks() -> None:
    line = interface_reaction(
        "anatase", "rutile", library=LIBRARY, temperature_K=900.0, pressures_bar={}, solutions=SOLUTIONS
    )
    assert [kink.mole for kink in line.kinks] == [0.0, 1.0]


def test_an_excluded_phase_is_no_end_member_either() -> None:
    line = interface_reaction(
        "NiO",
        "Co3O4",
        library=LIBRARY,
        temperature_K=1100.0,
        pressures_bar=AIR,
        exclude=["CoO"],
        solutions=SOLUTIONS,
    )
    assert line.bound_J_per_mol <= TOLERANCE_J
    salts = [p["formula"] for kink in line.kinks for p in kink.products if p["phase"] in ("CoO", "rock salt")]
    assert all("Co" not in formula for formula in salts)


def test_an_answer_that_is_not_refined_is_told_and_its_bound_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    def line() -> InterfaceReaction:
        return interface_reaction(
            "NiO", "Co3O4", library=LIBRARY, temperature_K=1100.0, pressures_bar=AIR, solutions=SOLUTIONS
        )

    good = line()
    monkeypatch.setattr("cosinter.analysis.equilibrium.refine._ROUNDS", 3)
    poor = line()
    assert good.bound_J_per_mol <= TOLERANCE_J < poor.bound_J_per_mol
    assert not any("refined" in warning for warning in good.warnings)
    (told,) = (warning for warning in poor.warnings if "refined" in warning)
    assert f"{poor.bound_J_per_mol:.3g} J per mole of atoms" in told
    for x in np.linspace(0.0, 1.0, 101):
        metal = x + 3.0 * (1.0 - x)  # the bound counts atoms that no open gas holds
        below = poor.at(float(x)).dG_J_per_mol - good.at(float(x)).dG_J_per_mol
        assert -TOLERANCE_J * metal <= below <= poor.bound_J_per_mol * metal + 1e-6


def test_one_composition_reached_in_two_ways_gives_two_columns() -> None:
    """Every column of a refined program has its own phase, also where two samples have one formula."""
    (spinel,) = chosen("spinel")
    by_formula: dict[str, list[np.ndarray]] = {}
    for x in spinel.sample(400):
        by_formula.setdefault(spinel.label(x), []).append(x)
    ways = next(found for found in by_formula.values() if len(found) > 1)
    problem = make_problem(LIBRARY, spinel.elements, temperature_K=1000.0, pressures_bar={})
    search = Search(problem, [spinel], {"spinel": np.asarray(ways)})
    extended, amounts, _ = search.extended(np.ones((1, len(search.costs))))
    assert len(extended.library.phases) == extended.counts.shape[1] == amounts.shape[1]
    assert len(set(extended.library.names)) == len(extended.library.names)


def test_potentials_are_unique_where_a_solution_fixes_them() -> None:
    """Plain LiMn2O4 leaves mu(Li) a choice; with solutions its tangent plane does not."""

    def answer(solutions: tuple[Solution, ...], lithium: float) -> Equilibrium:
        composition = {"Li": lithium, "Mn": 2.0, "O": 4.0}
        return equilibrium(LIBRARY, composition, temperature_K=1100.0, pressures_bar=AIR, solutions=solutions)

    for solutions, unique in ((), False), (SOLUTIONS, True):
        assert answer(solutions, 1.0).unique is unique
        sides = [answer(solutions, 1.0 + step).mu("Li") for step in (-1e-4, 1e-4)]
        assert (abs(sides[1] - sides[0]) < 50.0) is unique
