"""Bands on a known surface and hops in real hosts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from ase.calculators.calculator import Calculator
from pymatgen.core import Lattice, Structure

from cosinter.analysis.atoms.bands import BandStep, humps, spread_over
from cosinter.analysis.atoms.barriers import Barrier, barrier, hop_calculator
from cosinter.analysis.atoms.calculators import make_calculator, to_atoms
from cosinter.data.exceptions import ConvergenceError, EngineError, InputError
from cosinter.structures.migration import MigrationPath, layered_hop, migration_path, nasicon_hop


@dataclass(frozen=True)
class Path:
    """The least a hop needs."""

    name: str
    host: str
    initial: Structure
    final: Structure
    mobile_index: int
    hop_length_A: float
    via: tuple[float, float, float] | None = None


class Ripple(Calculator):
    """E = sum over hopping Li of height/2 [1 - cos(2 pi x/a)] + tilt x + k/2 (y - bow sin(pi x/a))^2 + k/2 z^2.

    Minima at multiples of a; with tilt = 0 the saddle lies exactly ``height`` above them.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012
    a, height, stiff = 2.5, 0.4, 4.0

    def __init__(self, *, tilt: float = 0.0, bow: float = 0.0) -> None:
        super().__init__()
        self.tilt, self.bow = tilt, bow

    def calculate(self, *args: object, **kwargs: object) -> None:
        super().calculate(*args, **kwargs)
        forces = np.zeros((len(self.atoms), 3))
        x, y, z = self.atoms.positions[0] - np.array([0.5, 5.0, 5.0])
        wave, arc = 2 * np.pi / self.a, np.pi / self.a
        off = y - self.bow * np.sin(arc * x)
        energy = self.height / 2 * (1 - np.cos(wave * x)) + self.tilt * x + self.stiff / 2 * (off**2 + z**2)
        slope = self.height / 2 * wave * np.sin(wave * x) + self.tilt
        slope -= self.stiff * off * self.bow * arc * np.cos(arc * x)
        forces[0] = [-slope, -self.stiff * off, -self.stiff * z]
        self.results = {"energy": energy, "free_energy": energy, "forces": forces, "stress": np.zeros(6)}


def ripple_path(step: float = 2.5) -> Path:
    """One Li that hops by ``step`` along x; an O beside the middle of the way keeps the cell company."""

    def at(x: float) -> Structure:
        positions = [[0.5 + x, 5.0, 5.0], [0.5 + step / 2, 5.0, 8.0]]
        return Structure(Lattice.cubic(10.0), ["Li+", "O2-"], positions, coords_are_cartesian=True)

    return Path("ripple", "nothing", at(0.0), at(step), 0, abs(step))


def solve(path: Path, calculator: object, **options: object) -> Barrier:
    return barrier(path, calculator, cell="given", **options)  # type: ignore[arg-type]


def test_the_saddle_of_a_known_surface_is_exact() -> None:
    result = solve(ripple_path(), Ripple(), force_tolerance=0.005)
    # climbing image: error quadratic in the residual, 0.005^2/(2*1.3 eV/Å^2) < 1e-4 eV
    assert result.barrier_eV == pytest.approx(0.4, abs=1e-3)
    assert result.reverse_barrier_eV == pytest.approx(result.barrier_eV, abs=1e-6)
    assert (result.converged, result.climbing, result.climbing_image) == (True, True, 3)
    assert result.max_force_eV_per_A <= 0.005
    # d2E/dx2 at the top: -height/2 (2 pi/a)^2; step of 0.02 Å and residual leave 0.1 %
    assert result.curvature_eV_per_A2 == pytest.approx(-0.2 * (2 * np.pi / 2.5) ** 2, rel=2e-3)
    assert (result.humps, result.minima) == ((3,), ())
    assert len(result.images) == 7
    assert result.images[0].distance_A == 0.0
    assert result.images[-1].distance_A == pytest.approx(2.5, abs=1e-3)
    assert result.images[0].energy_eV == 0.0
    assert result.uncertainty_eV is None  # nobody compared this calculator with a measurement
    assert {str(site.specie) for site in result.images[3].structure} == {"Li+", "O2-"}


def test_a_bowed_path_is_followed() -> None:
    result = solve(ripple_path(), Ripple(bow=0.8), force_tolerance=0.01)
    assert result.barrier_eV == pytest.approx(0.4, abs=2e-3)
    middle = result.images[result.climbing_image or 0].structure[0].coords
    assert middle[1] == pytest.approx(5.8, abs=0.02)
    # arc length of y = 0.8 sin(pi x/2.5) over 2.5 Å, six chords of it
    x = np.linspace(0.0, 2.5, 4001)
    arc = np.hypot(np.diff(x), np.diff(0.8 * np.sin(np.pi * x / 2.5))).sum()
    assert result.images[-1].distance_A == pytest.approx(arc, rel=0.03)


def test_unequal_ends_give_two_barriers() -> None:
    tilt = 0.04
    result = solve(ripple_path(), Ripple(tilt=tilt), force_tolerance=0.005)
    # wells and saddle are shifted alike, so the ends differ by exactly tilt * a
    assert result.energy_difference_eV == pytest.approx(tilt * 2.5, abs=1e-3)
    assert result.barrier_eV - result.reverse_barrier_eV == pytest.approx(tilt * 2.5, abs=1e-3)
    x = np.linspace(0.0, 2.5, 200001)
    surface = 0.2 * (1 - np.cos(2 * np.pi * x / 2.5)) + tilt * x
    x_well = np.linspace(-0.5, 0.5, 200001)
    well = (0.2 * (1 - np.cos(2 * np.pi * x_well / 2.5)) + tilt * x_well).min()
    assert result.barrier_eV == pytest.approx(surface.max() - well, abs=2e-3)


def test_progress_is_told_stage_by_stage() -> None:
    steps: list[BandStep] = []
    result = solve(ripple_path(), Ripple(), on_step=steps.append)
    assert {step.stage for step in steps} == {"plain", "climbing"}
    assert steps[-1].max_force_eV_per_A == pytest.approx(result.max_force_eV_per_A)


def test_a_hop_to_nowhere_is_named() -> None:
    with pytest.raises(ConvergenceError, match="one place"):
        solve(ripple_path(step=0.6), Ripple())


def test_running_out_of_steps_is_raised_or_said() -> None:
    with pytest.raises(ConvergenceError, match="raise max_steps"):
        solve(ripple_path(), Ripple(bow=0.8), max_steps=1, force_tolerance=0.01)
    result = solve(ripple_path(), Ripple(bow=0.8), max_steps=1, force_tolerance=0.01, strict=False)
    assert not result.converged


def test_a_failing_calculator_is_an_engine_error() -> None:
    class Dead(Ripple):
        def calculate(self, *args: object, **kwargs: object) -> None:
            raise RuntimeError("license server")

    with pytest.raises(EngineError, match="license server"):
        solve(ripple_path(), Dead())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"images": 0}, "images is 0"),
        ({"force_tolerance": 0.2}, "not above the second"),
        ({"force_tolerance": 0.0}, "must be positive"),
    ],
)
def test_bad_options_are_refused(options: dict[str, float], text: str) -> None:
    with pytest.raises(InputError, match=text):
        solve(ripple_path(), Ripple(), **options)


def test_ends_that_do_not_belong_together_are_refused() -> None:
    good = ripple_path()
    other = good.final.copy()
    other[0] = "Na+"
    with pytest.raises(InputError, match="same ions"):
        solve(Path("p", "h", good.initial, other, 0, 2.5), Ripple())
    wide = good.final.copy()
    wide.scale_lattice(1100.0)
    with pytest.raises(InputError, match="different cells"):
        solve(Path("p", "h", good.initial, wide, 0, 2.5), Ripple())
    with pytest.raises(InputError, match="no site 5"):
        solve(Path("p", "h", good.initial, good.final, 5, 2.5), Ripple())


def test_a_site_on_the_way_leads_the_first_band() -> None:
    straight = ripple_path()
    bowed = replace(straight, via=(0.175, 0.58, 0.5))
    calculator = Ripple(bow=0.8)
    short = solve(straight, calculator, max_steps=1, strict=False)
    led = solve(bowed, calculator, max_steps=1, strict=False)
    assert (
        abs(led.images[3].structure[0].coords[1] - 5.8) < 0.1 < 5.8 - short.images[3].structure[0].coords[1]
    )
    full = solve(bowed, calculator, force_tolerance=0.01)
    assert full.barrier_eV == pytest.approx(0.4, abs=2e-3)


def test_an_end_that_runs_away_is_named() -> None:
    # laid 0.95 Å from its minimum: relaxes back by more than 0.45 of the hop of 1.6 Å
    path, calculator = ripple_path(step=1.6), Ripple()
    calculator.a = 4.0
    late, far = path.initial.copy(), path.final.copy()
    for end in (late, far):
        end.translate_sites([0], [0.095, 0, 0])
    with pytest.raises(ConvergenceError, match="left the start"):
        solve(replace(path, initial=late, final=far), calculator)


def test_a_minimum_on_the_way_gives_two_saddles_and_the_higher_one_counts() -> None:
    tilt = 0.04
    result = solve(ripple_path(step=5.0), Ripple(tilt=tilt), images=9, force_tolerance=0.005)
    first, second = result.humps
    assert result.climbing_image == second
    # both maxima climb: saddles differ by exactly one period of the tilt, as do the minima
    heights = [result.images[i].energy_eV for i in (first, second)]
    assert heights[1] - heights[0] == pytest.approx(tilt * 2.5, abs=1e-3)
    assert result.barrier_eV == heights[1]
    (valley,) = result.minima
    assert first < valley.image < second
    assert valley.energy_eV == pytest.approx(tilt * 2.5, abs=1e-3)
    assert (valley.from_start_A, valley.from_end_A) == pytest.approx((2.5, 2.5), abs=0.01)


def test_a_way_without_a_maximum_has_no_saddle() -> None:
    # from a minimum to the top of the next hump, which is stationary too
    result = solve(ripple_path(step=1.25), Ripple())
    assert (result.climbing, result.climbing_image, result.curvature_eV_per_A2) == (False, None, None)
    assert result.converged
    assert result.barrier_eV == pytest.approx(0.4, abs=1e-6)
    assert result.reverse_barrier_eV == 0.0
    assert "no maximum" in result.note


def test_humps_ignore_ripples() -> None:
    assert humps([0.0, 0.3, 0.295, 0.4, 0.0]) == [3]
    assert humps([0.0, 0.3, 0.1, 0.2, 0.19, 0.5, 0.2]) == [1, 5]
    assert humps([0.0, 0.4, 0.4, 0.0]) == [1]
    assert humps([0.0, 0.1, 0.2]) == []


def test_the_answer_is_plain_json() -> None:
    data = solve(ripple_path(), Ripple(), images=3).to_dict()
    assert json.loads(json.dumps(data)) == data
    named = {
        "host",
        "path",
        "barrier_eV",
        "reverse_barrier_eV",
        "images",
        "climbing",
        "converged",
        "calculator",
    }
    assert named <= set(data)
    assert set(data["images"][0]) == {"distance_A", "energy_eV", "max_force_eV_per_A"}


def test_images_in_two_processes_give_the_same_forces() -> None:
    path = migration_path("li2tio3")
    calculator = hop_calculator(path)
    frames = [to_atoms(path.initial), to_atoms(path.final), to_atoms(path.initial)]
    frames[2].positions[0, 0] += 0.1
    with spread_over(1, calculator) as here, spread_over(2, calculator) as there:
        for (energy, forces), (other, other_forces) in zip(here(frames), there(frames), strict=True):
            assert other == pytest.approx(energy, abs=1e-9)  # rounding of sums over 95 ions
            assert other_forces == pytest.approx(forces, abs=1e-9)


def test_processes_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(InputError, match="workers is 0"), spread_over(0, Ripple()):
        pass
    calculator = Ripple()
    calculator.handle = lambda: None  # type: ignore[attr-defined]  # cannot be sent to a process
    with pytest.raises(EngineError, match="workers=1"), spread_over(2, calculator) as evaluate:
        evaluate([to_atoms(ripple_path().initial)])


def test_hops_the_potential_cannot_do_are_refused() -> None:
    calculator = make_calculator("pmmcs")
    with pytest.raises(InputError, match=r"0\.5 Li per metal.*take chgnet"):
        barrier(migration_path("LiNiO2", lithium=0.5), calculator)
    with pytest.raises(InputError, match=r"moves Ni.*take chgnet"):
        barrier(migration_path("LiNiO2", "ni_to_tetrahedral"), calculator)


def test_a_vacancy_without_transition_metals_sits_in_a_background() -> None:
    path = migration_path("li3po4_beta")
    assert hop_calculator(path).compensation == "background"
    assert hop_calculator(migration_path("ltp")).compensation == "uniform"
    with pytest.raises(InputError, match="undisturbed"):
        barrier(ripple_path(), Ripple(), cell="host")


def test_lithium_hops_through_the_tetrahedron_of_a_layered_oxide() -> None:
    result = barrier(layered_hop("LiNiO2"), make_calculator("pmmcs"))
    # computed before with this potential, other code, cell of the host without vacancies: 0.384 eV; the cell
    # relaxed with its two vacancies and the looser residual change it by less than 0.02 eV
    assert result.barrier_eV == pytest.approx(0.384, abs=0.02)
    assert result.energy_difference_eV == pytest.approx(0.0, abs=0.01)  # mirror-related ends
    assert result.images[3].energy_eV < result.barrier_eV  # the tetrahedral site is a shallow minimum
    assert result.uncertainty_eV == 0.15
    assert result.calculator["parameters"]["compensation"] == "uniform"
    lengths = [image.distance_A for image in result.images]
    assert lengths == sorted(lengths)
    assert lengths[-1] > result.hop_length_A  # bent towards the tetrahedral site


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        # computed before with this potential and other code in the host's cell: 0.431 and 0.551 eV; the cell
        # relaxed with one of six lithium missing takes 0.04 eV off the second
        (lambda: layered_hop("LiCoO2"), 0.431),
        (lambda: nasicon_hop("ltp"), 0.53),
        (lambda: nasicon_hop("latp"), 0.53),
    ],
)
def test_hops_computed_before(path: Callable[[], MigrationPath], expected: float) -> None:
    result = barrier(path(), make_calculator("pmmcs"))
    assert result.converged
    assert result.barrier_eV == pytest.approx(expected, abs=0.03)
    # independent of it: tracer diffusion in NMC111 0.85 eV (Uxa et al. 2021) bounds the single hop from above
    assert result.barrier_eV < 0.85


@pytest.mark.slow
def test_a_band_in_two_processes_is_the_band_in_one() -> None:
    path = migration_path("LiNiO2")
    one, two = (barrier(path, hop_calculator(path), workers=n) for n in (1, 2))
    assert two.barrier_eV == pytest.approx(one.barrier_eV, abs=1e-6)
    assert two.steps == one.steps


@pytest.mark.slow
@pytest.mark.parametrize("host", ["li2tio3", "li4ti5o12", "li3po4", "li3po4_beta"])
def test_default_hop_of_every_other_host_converges(host: str) -> None:
    path = migration_path(host)
    result = barrier(path, hop_calculator(path))
    assert result.converged
    assert 0.1 < result.barrier_eV < 1.0  # lithium ions move in all of them, none is a superionic conductor
    assert result.curvature_eV_per_A2 is not None
    assert result.curvature_eV_per_A2 < 0.0
