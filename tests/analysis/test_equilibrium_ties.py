"""Ties: gaps equal to equilibria without the product, polymorphs, windows."""

from __future__ import annotations

import json

import pytest

from cosinter.analysis.equilibrium.interface import InterfaceReaction, interface_reaction
from cosinter.analysis.equilibrium.lp import equilibrium
from cosinter.analysis.equilibrium.refine import TOLERANCE_J
from cosinter.analysis.equilibrium.ties import find_ties
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.library import PhaseLibrary, load_library
from cosinter.analysis.thermochemistry.solution_tables import standard_solutions
from cosinter.data.exceptions import InputError

LIBRARY = load_library()
AIR = {"O2": 0.21}


def react(first: str, second: str, library: PhaseLibrary = LIBRARY) -> InterfaceReaction:
    return interface_reaction(first, second, library=library, temperature_K=973.15, pressures_bar=AIR)


def atoms(reaction: InterfaceReaction, x: float) -> dict[str, float]:
    first, second = reaction.first.composition, reaction.second.composition
    return {e: x * first.get(e, 0.0) + (1.0 - x) * second.get(e, 0.0) for e in {*first, *second}}


def test_a_gap_is_the_cost_of_leaving_one_product_out() -> None:
    reaction = react("LiCoO2", "latp")
    ties = find_ties(reaction)
    assert ties
    for tie in ties:
        mixture = atoms(reaction, tie.mole)
        extra = [p for p in (reaction.first, reaction.second) if p.name not in LIBRARY]
        best = equilibrium(LIBRARY, mixture, temperature_K=973.15, pressures_bar=AIR, extra=extra).gibbs_J
        gaps = [alternative.gap_meV_per_atom for alternative in tie.alternatives]
        assert gaps == sorted(gaps)
        assert 0.0 <= gaps[0] <= gaps[-1] <= 10.0
        for other in tie.alternatives:
            assert other.without in tie.products
            assert other.without not in {product["phase"] for product in other.products}
            inside = other.without in LIBRARY
            direct = equilibrium(
                LIBRARY,
                mixture,
                temperature_K=973.15,
                pressures_bar=AIR,
                exclude=[other.without] if inside else [],
                extra=[p for p in extra if p.name != other.without],
            )
            assert other.gap_J_per_mol == pytest.approx(direct.gibbs_J - best, abs=1e-2)
            # 1 eV per particle = 96.485 kJ/mol
            per_atom = other.gap_J_per_mol / sum(mixture.values()) / 96.48533212
            assert other.gap_meV_per_atom == pytest.approx(per_atom, rel=1e-9)


def test_every_alternative_balances() -> None:
    reaction = react("ncm811", "latp")
    phases = {phase.name: phase for phase in reaction.problem.library.phases}
    for tie in find_ties(reaction):
        for other in tie.alternatives:
            for element, amount in atoms(reaction, tie.mole).items():
                made = sum(
                    p["mol"] * phases[p["phase"]].composition.get(element, 0.0) for p in other.products
                )
                assert made == pytest.approx(amount, abs=1e-8)


def test_another_polymorph_is_a_tie_of_known_size() -> None:
    library = PhaseLibrary([LIBRARY.phase(name) for name in ("Li2O", "rutile", "anatase")])
    reaction = interface_reaction("Li2O", "TiO2", library=library, temperature_K=900.0, pressures_bar={})
    gap = float(LIBRARY.phase("anatase").gibbs(900.0) - LIBRARY.phase("rutile").gibbs(900.0))
    tie = find_ties(reaction, [reaction.at(0.4)], window_meV_per_atom=1000.0)[0]
    assert [other.without for other in tie.alternatives] == ["TiO2_rutile"]
    assert tie.alternatives[0].gap_J_per_mol == pytest.approx(0.6 * gap, abs=1e-6)


def test_the_window_bounds_what_is_listed() -> None:
    reaction = react("LiCoO2", "latp")
    few, many = (
        sum(len(tie.alternatives) for tie in find_ties(reaction, window_meV_per_atom=window))
        for window in (1.0, 50.0)
    )
    assert 0 < few < many


def test_what_nothing_can_replace_is_no_tie() -> None:
    library = PhaseLibrary([LIBRARY.phase("Li2O"), LIBRARY.phase("rutile")])
    reaction = interface_reaction("Li2O", "TiO2", library=library, temperature_K=900.0, pressures_bar={})
    assert find_ties(reaction) == ()


def test_ties_are_plain_data_and_a_negative_window_is_refused() -> None:
    reaction = react("LiCoO2", "latp")
    content = json.loads(json.dumps([tie.to_dict() for tie in find_ties(reaction)], allow_nan=False))
    assert set(content[0]) == {"mole", "products", "alternatives"}
    assert set(content[0]["alternatives"][0]) == {"without", "kJ_per_mol", "meV_per_atom", "products"}
    for wrong in (-1.0, float("nan")):
        with pytest.raises(InputError, match="window"):
            find_ties(reaction, window_meV_per_atom=wrong)


def test_with_solutions_the_alternatives_are_refined_too() -> None:
    """What forms without the spinel needs compositions that are not stable beside it."""
    solutions = standard_solutions(LIBRARY)
    conditions = {"temperature_K": 973.15, "pressures_bar": AIR}
    reaction = interface_reaction("ncm811", "latp", library=LIBRARY, solutions=solutions, **conditions)
    (tie,) = find_ties(reaction, [reaction.strongest])
    mixture = atoms(reaction, tie.mole)
    count = sum(mixture.values())
    reactants = [p for p in (reaction.first, reaction.second) if p.name not in LIBRARY]
    models = {solution.name: solution for solution in solutions}
    best = equilibrium(LIBRARY, mixture, extra=reactants, solutions=solutions, **conditions).gibbs_J
    assert {"spinel", "ilmenite"} <= {other.without for other in tie.alternatives}
    for other in tie.alternatives:
        corners = [m.phase for m in models[other.without].members if m.phase in LIBRARY]
        direct = equilibrium(
            LIBRARY,
            mixture,
            exclude=corners,
            extra=reactants,
            solutions=[model for name, model in models.items() if name != other.without],
            **conditions,
        )
        assert other.gap_J_per_mol == pytest.approx(direct.gibbs_J - best, abs=2.0 * TOLERANCE_J * count)
        assert other.without not in {product["phase"] for product in other.products}
        total = dict.fromkeys(mixture, 0.0)
        for product in other.products:
            for element, amount in parse_formula(product["formula"]).items():
                total[element] += product["mol"] * amount
        assert total == pytest.approx(mixture, abs=5e-3)  # formulas are shown to three digits
