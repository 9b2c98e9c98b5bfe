"""Monte Carlo: normal laws where they are known in closed form, shared errors, reproducibility."""

from __future__ import annotations

import json
from dataclasses import replace
from math import erf, sqrt

import numpy as np
import pytest

from cosinter.analysis.equilibrium.interface import interface_reaction
from cosinter.analysis.equilibrium.scan import MixingLines
from cosinter.analysis.equilibrium.simplex import Basis, Path
from cosinter.analysis.equilibrium.uncertainty import ErrorModel, LineSamples, interval, sample_line
from cosinter.analysis.thermochemistry.functions import Combination, FloatArray
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary, load_library, reaction_uncertainty
from cosinter.analysis.thermochemistry.solution_tables import standard_solutions
from cosinter.data.exceptions import ConvergenceError, InputError

LIBRARY = load_library()
TEMPERATURE = 1000.0
SPAN = TEMPERATURE - 298.15
COUNT = 4000


def with_errors(name: str, errors: dict[str, tuple[float, float]]) -> Phase:
    return replace(LIBRARY.phase(name), errors=errors)


def twin(errors: dict[str, tuple[float, float]], *, gap: float) -> Phase:
    """A second Li2TiO3, ``gap`` J/mol above the first."""
    phase = LIBRARY.phase("Li2TiO3")
    function = Combination(((1.0, phase.function),), enthalpy_shift=gap)
    return replace(phase, name="twin", errors=errors, function=function)


def sample(*phases: Phase, samples: int = COUNT, seed: int = 1) -> LineSamples:
    return sample_line(
        "Li2O",
        "TiO2",
        library=PhaseLibrary(phases),
        temperature_K=TEMPERATURE,
        pressures_bar={},
        samples=samples,
        seed=seed,
    )


LITHIA = with_errors("Li2O", {"Li2O": (3e3, 2.0)})
TITANIA = with_errors("rutile", {"TiO2": (2e3, 1.0)})
TITANATE = with_errors("Li2TiO3", {"Li2TiO3": (4e3, 5.0), "TiO2": (1e3, -3.0)})


def test_energy_of_one_reaction_is_the_normal_law_of_its_error() -> None:
    found = sample(LITHIA, TITANIA, TITANATE).at(0.5)
    parts = [(0.5, TITANATE), (-0.5, LITHIA), (-0.5, TITANIA)]
    expected = reaction_uncertainty(parts, TEMPERATURE)
    by_hand = 0.5 * sqrt(3e3**2 + (2.0 * SPAN) ** 2 + 4e3**2 + (5.0 * SPAN) ** 2 + 1e3**2 + (4.0 * SPAN) ** 2)
    assert expected == pytest.approx(by_hand, rel=1e-12)
    # standard error of a standard deviation: s / sqrt(2 n) = 1.1 %
    assert float(found.dG_J_per_mol.std()) == pytest.approx(expected, rel=0.04)
    best = sum(n * float(phase.gibbs(TEMPERATURE)) for n, phase in parts)
    assert float(found.dG_J_per_mol.mean()) == pytest.approx(best, abs=5.0 * expected / sqrt(COUNT))
    low, high = (interval(found.dG_J_per_mol)[key] for key in ("p5", "p95"))
    assert high - low == pytest.approx(2.0 * 1.6449 * expected, rel=0.06)


def test_what_reactants_and_product_share_cancels() -> None:
    shared = {"titanium": (9e3, 7.0)}
    products = sample(
        with_errors("Li2O", {"none": (0.0, 0.0)}),
        with_errors("rutile", shared),
        with_errors("Li2TiO3", shared),
        samples=50,
    )
    assert float(np.ptp(products.at(0.5).dG_J_per_mol)) < 1e-6


@pytest.mark.parametrize("gap", [0.0, 2e3, 6e3])
def test_probability_of_two_rivals_is_the_error_function(gap: float) -> None:
    one, other = with_errors("Li2TiO3", {"one": (4e3, 0.0)}), twin({"twin": (4e3, 0.0)}, gap=gap)
    found = sample(LITHIA, TITANIA, one, other).at(0.5).products
    expected = 0.5 * (1.0 + erf(gap / (4e3 * sqrt(2.0)) / sqrt(2.0)))
    spread = sqrt(expected * (1.0 - expected) / COUNT)
    assert found["Li2TiO3"] == pytest.approx(expected, abs=4.0 * spread)
    assert found["Li2TiO3"] + found["twin"] == pytest.approx(1.0)


def test_rivals_that_err_together_never_swap() -> None:
    shared = {"both": (4e3, 3.0)}
    found = sample(LITHIA, TITANIA, with_errors("Li2TiO3", shared), twin(shared, gap=10.0), samples=200)
    assert found.at(0.5).products["Li2TiO3"] == 1.0
    assert "twin" not in found.anywhere()


def test_potential_of_lithia_is_that_of_the_buffer() -> None:
    # between Li2TiO3 and TiO2: mu = G(Li2TiO3) - G(TiO2) - G(Li2O); above it Li2O itself is left over
    found = sample(LITHIA, TITANIA, TITANATE)
    mu = found.at(0.25).mu_li2o_J_per_mol
    assert mu is not None
    np.testing.assert_allclose(mu[:, 0], mu[:, 1])
    parts = [(1.0, TITANATE), (-1.0, LITHIA), (-1.0, TITANIA)]
    assert float(mu[:, 0].std()) == pytest.approx(reaction_uncertainty(parts, TEMPERATURE), rel=0.04)
    kink = found.at(0.5).mu_li2o_J_per_mol
    assert kink is not None
    np.testing.assert_allclose(kink[:, 0], mu[:, 0], atol=1e-6)
    np.testing.assert_allclose(kink[:, 1], 0.0, atol=1e-6)


def test_without_errors_every_sample_is_the_best_estimate() -> None:
    bare = PhaseLibrary(
        [replace(phase, errors={"none": (0.0, 0.0)}) for phase in LIBRARY.phases],
        aliases={"latp": "Li1.3Al0.3Ti1.7(PO4)3"},
    ).restricted(elements=["Li", "Ti", "P", "O", "Ni"])
    found = sample_line(
        "LiNiO2", "Li3PO4", library=bare, temperature_K=900.0, pressures_bar={"O2": 0.21}, samples=5
    )
    single = interface_reaction(
        "LiNiO2", "Li3PO4", library=bare, temperature_K=900.0, pressures_bar={"O2": 0.21}
    )
    for path in found.paths:
        np.testing.assert_allclose(path.positions, [kink.mole for kink in single.kinks], atol=1e-9)
    assert found.strongest[1] == pytest.approx(single.strongest.dG_meV_per_atom, abs=1e-6)
    assert set(found.at_strongest().values()) == {1.0}
    assert [share for _, share in found.kinks()] == [1.0] * (len(single.kinks) - 2)


REAL = sample_line(
    "ncm811", "latp", library=LIBRARY, temperature_K=973.15, pressures_bar={"O2": 0.21}, samples=300, seed=3
)


def test_a_real_line_is_summarised_without_nan() -> None:
    content = json.loads(json.dumps(REAL.to_dict([REAL.nominal_strongest, 0.5]), allow_nan=False))
    assert content["samples"] == 300
    assert [ratio["mole"] for ratio in content["ratios"]] == [REAL.nominal_strongest, 0.5]
    for ratio in content["ratios"]:
        assert (
            ratio["dG_meV_per_atom"]["p5"] < ratio["dG_meV_per_atom"]["p50"] < ratio["dG_meV_per_atom"]["p95"]
        )
        assert all(0.0 < share <= 1.0 for share in ratio["products"].values())
        assert ratio["mu_Li2O_kJ_per_mol"]["above"]["p95"] < 20.0
    shares = list(content["anywhere"].values())
    assert shares == sorted(shares, reverse=True)
    assert "normal" in content["method"]


def test_samples_balance_and_are_convex() -> None:
    vectors = REAL.lines.vectors
    for path in REAL.paths[:20]:
        amounts = path.dense(REAL.lines.problem.counts.shape[1])
        mixture = path.positions[:, None] * vectors[0] + (1.0 - path.positions[:, None]) * vectors[1]
        np.testing.assert_allclose(amounts @ REAL.lines.problem.counts.T, mixture, atol=1e-9)
        assert np.all(np.diff(path.slopes) > 0.0)


def test_the_seed_fixes_the_samples_and_progress_is_told() -> None:
    told: list[tuple[int, int]] = []

    def run(seed: int, **other: object) -> LineSamples:
        return sample_line(
            "LiCoO2",
            "TiO2",
            library=LIBRARY,
            temperature_K=900.0,
            pressures_bar={"O2": 0.21},
            samples=150,
            seed=seed,
            **other,  # type: ignore[arg-type]
        )

    one, two, other = run(7, progress=lambda done, total: told.append((done, total))), run(7), run(8)
    np.testing.assert_array_equal(one.strongest[1], two.strongest[1])
    assert not np.array_equal(one.strongest[1], other.strongest[1])
    assert told == [(125, 150), (150, 150)]


def test_errors_grow_from_room_temperature() -> None:
    model = ErrorModel([LITHIA, TITANATE])
    assert model.sources == ("Li2O", "Li2TiO3", "TiO2")
    z, w = np.zeros((1, 3)), np.ones((1, 3))
    np.testing.assert_allclose(model.gibbs(z, w, 298.15), 0.0)
    np.testing.assert_allclose(model.gibbs(z, w, 398.15), [[-200.0, -200.0]])
    np.testing.assert_allclose(model.gibbs(w, z, 398.15), [[3e3, 5e3]])


@pytest.mark.parametrize(("samples", "seed"), [(0, 0), (-5, 0), (1_000_000, 0), (10, -1)])
def test_wrong_numbers_of_samples_are_refused(samples: int, seed: int) -> None:
    with pytest.raises(InputError, match=r"samples|seed"):
        sample(LITHIA, TITANIA, TITANATE, samples=samples, seed=seed)
    with pytest.raises(InputError, match="between 0 and 1"):
        REAL.at(float("nan"))


def test_solutions_are_products_of_their_own_name() -> None:
    found = sample_line(
        "LiCoO2",
        "latp",
        library=LIBRARY,
        temperature_K=973.15,
        pressures_bar={"O2": 0.21},
        samples=40,
        solutions=standard_solutions(LIBRARY),
    )
    assert found.failed == 0
    assert found.at_strongest()["spinel"] > 0.5
    assert not any(name.startswith("spinel ") for name in found.anywhere())


def test_a_sample_that_defeats_the_solver_is_tried_alone_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, walk = sample(LITHIA, TITANIA, TITANATE, samples=130), MixingLines.walk

    def stubborn(
        lines: MixingLines, costs: FloatArray | None = None, basis: Basis | None = None
    ) -> list[Path]:
        if costs is not None and (len(costs) > 1 or costs[0, 0] == hopeless):
            raise ConvergenceError("round-off")
        return walk(lines, costs, basis)

    hopeless = float("nan")
    monkeypatch.setattr(MixingLines, "walk", stubborn)
    again = sample(LITHIA, TITANIA, TITANATE, samples=130)
    np.testing.assert_allclose(again.strongest[1], whole.strongest[1], atol=1e-9)
    errors = ErrorModel([LITHIA, TITANIA, TITANATE, LITHIA, TITANIA, LITHIA])
    moved = errors.gibbs(*errors.draw(130, seed=1), TEMPERATURE)
    hopeless = float(whole.lines.costs[0, 0] + moved[7, 0])
    fewer = sample(LITHIA, TITANIA, TITANATE, samples=130)
    assert (fewer.samples, fewer.failed) == (129, 1)
    np.testing.assert_allclose(fewer.strongest[1], np.delete(whole.strongest[1], 7), atol=1e-9)
    with pytest.raises(ConvergenceError, match="1 of 8 sampled mixing lines"):
        sample(LITHIA, TITANIA, TITANATE, samples=8)
