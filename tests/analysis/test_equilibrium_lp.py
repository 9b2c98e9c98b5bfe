"""Equilibrium by linear program: pymatgen as peer, balances, duals, errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import Avogadro, R, e

from cosinter.analysis.equilibrium.lp import describe, equilibrium, make_problem
from cosinter.analysis.thermochemistry.functions import PiecewiseCp
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary, load_library
from cosinter.data.exceptions import CompositionError, InputError, UnknownNameError

LIBRARY = load_library()
AIR = {"O2": 0.21}
EV = e * Avogadro


def constant_phase(formula: str, energy_eV: float, name: str = "") -> Phase:
    """A phase whose G is the same at every temperature."""
    function = PiecewiseCp(
        np.asarray([200.0, 3000.0]), np.zeros((1, 8)), np.asarray([energy_eV * EV]), np.asarray([0.0])
    )
    return Phase(
        name or formula, formula, "s", function, 0.0, 0.0, "made up for a test", "assumed", (200.0, 3000.0)
    )


def random_library(
    seed: int, elements: tuple[str, ...] = ("Li", "O", "P", "Ti"), size: int = 18
) -> PhaseLibrary:
    """Elements at zero and random compounds with formation energies of 0 to -2 eV per atom."""
    random = np.random.default_rng(seed)
    phases = [constant_phase(element, 0.0) for element in elements]
    while len(phases) < size + len(elements):
        counts = random.integers(0, 5, len(elements))
        formula = "".join(f"{el}{n}" for el, n in zip(elements, counts, strict=True) if n)
        if (counts > 0).sum() >= 2 and all(p.name != formula for p in phases):
            phases.append(constant_phase(formula, -random.uniform(0.0, 2.0) * float(counts.sum())))
    return PhaseLibrary(phases)


@pytest.mark.parametrize("seed", range(6))
def test_random_systems_equal_the_convex_hull_of_pymatgen(seed: int) -> None:
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    library = random_library(seed)
    diagram = PhaseDiagram(
        [PDEntry(Composition(p.formula), float(p.gibbs(300.0)) / EV) for p in library.phases]
    )
    random = np.random.default_rng(100 + seed)
    for _ in range(8):
        atoms = dict(zip(("Li", "O", "P", "Ti"), random.uniform(0.05, 1.0, 4).tolist(), strict=True))
        result = equilibrium(library, atoms, temperature_K=300.0, pressures_bar={})
        expected = diagram.get_hull_energy(Composition(atoms))
        assert result.gibbs_J / EV == pytest.approx(expected, abs=1e-9)
        parts = diagram.get_decomposition(Composition(atoms))
        assert {Composition(n).reduced_formula for n in result.amounts} == {
            entry.composition.reduced_formula for entry in parts
        }


SOLIDS = [
    p.name for p in LIBRARY.phases if p.state != "g" and "C" not in p.composition and "H" not in p.composition
]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(SOLIDS), min_size=1, max_size=4, unique=True),
    st.lists(st.floats(0.01, 1.0), min_size=4, max_size=4),
    st.floats(500.0, 1300.0),
    st.floats(-6.0, 0.0),
)
def test_any_mixture_balances_and_lies_below_its_reactants(
    names: list[str], amounts: list[float], temperature: float, log_pressure: float
) -> None:
    pressures = {"O2": 10.0**log_pressure}
    atoms: dict[str, float] = {}
    given_gibbs = 0.0
    for name, amount in zip(names, amounts, strict=False):
        phase = LIBRARY.phase(name)
        given_gibbs += amount * float(phase.gibbs(temperature))
        for element, count in phase.composition.items():
            atoms[element] = atoms.get(element, 0.0) + amount * count
    result = equilibrium(LIBRARY, atoms, temperature_K=temperature, pressures_bar=pressures)
    assert result.gibbs_J <= given_gibbs + 1e-3
    total = sum(atoms.values())
    phases = {phase.name: phase for phase in LIBRARY.phases}
    for element in set(atoms) | {"O"}:
        made = sum(n * phases[name].composition.get(element, 0.0) for name, n in result.amounts.items())
        assert made == pytest.approx(atoms.get(element, 0.0), abs=1e-9 * total)
    assert all(n > 0.0 for name, n in result.amounts.items() if name != "O2(g)")
    # strong duality, and no phase lies below the tangent plane of the chemical potentials
    dual = sum(atoms[element] * result.element_potentials[element] for element in atoms)
    assert dual == pytest.approx(result.gibbs_J, abs=1e-6 * abs(result.gibbs_J))
    for phase in result.library.phases:
        if phase.name != "O2(g)":
            assert float(phase.gibbs(temperature)) >= result.mu(phase.formula) - 1e-2 * phase.atoms


def test_open_gas_stands_at_its_pressure() -> None:
    result = equilibrium(LIBRARY, "LiCoO2", temperature_K=900.0, pressures_bar=AIR)
    expected = float(LIBRARY.gas("O2").gibbs(900.0)) + R * 900.0 * np.log(0.21)
    assert result.mu("O2") == pytest.approx(expected, abs=1e-3)


def test_cobalt_monoxide_takes_up_oxygen_with_a_negative_sign() -> None:
    result = equilibrium(LIBRARY, "CoO", temperature_K=900.0, pressures_bar=AIR)
    assert result.amounts == pytest.approx({"Co3O4": 1 / 3, "O2(g)": -1 / 6})
    hot = equilibrium(LIBRARY, "Co3O4", temperature_K=1250.0, pressures_bar=AIR)
    assert hot.amounts == pytest.approx({"CoO": 3.0, "O2(g)": 0.5})


def test_lithium_oxide_turns_into_carbonate_in_carbon_dioxide() -> None:
    gases = {"O2": 0.21, "CO2": 4e-4, "H2O": 0.01}
    result = equilibrium(LIBRARY, "Li2O", temperature_K=800.0, pressures_bar=gases)
    assert result.amounts == pytest.approx({"Li2CO3_s": 1.0, "CO2(g)": -1.0})
    expected = float(
        LIBRARY.phase("Li2CO3").gibbs(800.0)
        - LIBRARY.gas("CO2").gibbs(800.0)
        - R * 800.0 * np.log(4e-4)
        - LIBRARY.phase("Li2O").gibbs(800.0)
    )
    assert result.relative_mu("Li2O") == pytest.approx(expected, abs=1e-2)
    assert result.relative_mu("Li2CO3") == pytest.approx(0.0, abs=1e-2)


def test_a_closed_gas_forms_at_one_bar() -> None:
    hot = equilibrium(
        LIBRARY, {"Li": 2.0, "Ti": 1.0, "C": 1.0, "O": 5.0}, temperature_K=700.0, pressures_bar=AIR
    )
    assert hot.amounts["CO2(g)"] == pytest.approx(1.0)
    cold = equilibrium(
        LIBRARY, {"Li": 2.0, "Ti": 1.0, "C": 1.0, "O": 5.0}, temperature_K=500.0, pressures_bar=AIR
    )
    assert cold.amounts["Li2CO3_s"] == pytest.approx(1.0)


def test_excluded_phases_do_not_form() -> None:
    result = equilibrium(LIBRARY, "CoO", temperature_K=900.0, pressures_bar=AIR, exclude=["Co3O4"])
    assert "Co3O4" not in result.amounts


def test_result_is_independent_of_scale_and_of_the_order_of_elements() -> None:
    small = equilibrium(LIBRARY, {"Li": 1e-4, "Co": 1e-4, "O": 2e-4}, temperature_K=900.0, pressures_bar=AIR)
    large = equilibrium(LIBRARY, {"O": 2e3, "Co": 1e3, "Li": 1e3}, temperature_K=900.0, pressures_bar=AIR)
    assert small.gibbs_J * 1e7 == pytest.approx(large.gibbs_J, rel=1e-12)
    assert small.amounts.keys() == large.amounts.keys()


def test_results_cannot_be_changed() -> None:
    result = equilibrium(LIBRARY, "CoO", temperature_K=900.0, pressures_bar=AIR)
    with pytest.raises(TypeError):
        result.amounts["CoO"] = 1.0  # type: ignore[index]
    with pytest.raises(AttributeError):
        result.gibbs_J = 0.0  # type: ignore[misc]


def test_phase_outside_its_data_is_named() -> None:
    result = equilibrium(LIBRARY, "LiPO3", temperature_K=1050.0, pressures_bar=AIR)
    assert any("LiPO3" in text and "outside its data" in text for text in result.warnings)
    cold = equilibrium(LIBRARY, "LiPO3", temperature_K=800.0, pressures_bar=AIR)
    assert not any("LiPO3" in text for text in cold.warnings)


def test_products_are_listed_condensed_first() -> None:
    problem = make_problem(LIBRARY, ["Co", "O"], temperature_K=900.0, pressures_bar=AIR)
    amounts, _, unique = problem.solve(problem.vector({"Co": 3.0, "O": 3.0}))
    listed = describe(problem, problem.named(amounts))
    assert [entry["phase"] for entry in listed] == ["Co3O4", "O2(g)"]
    assert unique
    assert problem.balance_error(amounts, problem.vector({"Co": 3.0, "O": 3.0})) < 1e-12


@pytest.mark.parametrize(
    ("composition", "options", "message"),
    [
        ({"Fe": 1.0}, {}, "element Fe has no phase"),
        ({"Li": -1.0, "O": 1.0}, {}, "must be positive"),
        ({"Li": 0.0}, {}, "no atoms"),
        ({"Li": 1.0}, {"temperature_K": 20.0}, "between 250 and 2500"),
        ({"Li": 1.0}, {"pressures_bar": {"O2": 0.0}}, "pressure of O2"),
        ({"Li": 1.0}, {"pressures_bar": {"O2": 0.21, "CO2": 0.1, "CO": 0.1}}, "open gases"),
        ({"Li": 1.0, "O": 1.0}, {"pressures_bar": {"O2": 1e-30, "CO2": 1.0}}, "without end"),
        ({"Ni": 1.0, "O": 1.0}, {"exclude": ["O2(g)"]}, "both open and excluded"),
    ],
)
def test_errors_name_what_is_wrong(
    composition: dict[str, float], options: dict[str, object], message: str
) -> None:
    arguments = {"temperature_K": 900.0, "pressures_bar": AIR} | options
    with pytest.raises(InputError, match=message):
        equilibrium(LIBRARY, composition, **arguments)  # type: ignore[arg-type]


def test_composition_without_its_only_phases_is_refused() -> None:
    pair = PhaseLibrary([constant_phase("LiO", -1.0), constant_phase("O", 0.0)])
    with pytest.raises(InputError, match="no combination"):
        equilibrium(pair, {"Li": 2.0, "O": 1.0}, temperature_K=300.0, pressures_bar={})
    with pytest.raises(CompositionError):
        equilibrium(pair, {"Ti": 1.0}, temperature_K=300.0, pressures_bar={})
    with pytest.raises(UnknownNameError):
        equilibrium(LIBRARY, "CoO", temperature_K=900.0, pressures_bar={"Xe": 1.0})


def test_foreign_potential_is_refused() -> None:
    result = equilibrium(LIBRARY, "CoO", temperature_K=900.0, pressures_bar=AIR)
    with pytest.raises(InputError, match="element Li"):
        result.mu("Li2O")


def test_a_phase_without_a_number_is_named_and_never_an_answer() -> None:
    broken = LIBRARY.with_phases(constant_phase("CoO", float("nan"), "broken"))
    with pytest.raises(InputError, match="broken is not a number"):
        equilibrium(broken, "CoO", temperature_K=900.0, pressures_bar=AIR)


def test_an_element_without_amount_takes_no_part() -> None:
    result = equilibrium(LIBRARY, {"Co": 1.0, "O": 1.0, "Ti": 0.0}, temperature_K=900.0, pressures_bar=AIR)
    assert set(result.element_potentials) == {"Co", "O"}
    assert result.unique
