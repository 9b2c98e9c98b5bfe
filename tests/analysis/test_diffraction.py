"""Powder patterns against symmetry, limits of the theory and tabulated reference intensity ratios."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from cosinter.analysis.observables.diffraction import (
    PhaseWeight,
    intensity_ratio_003_104,
    pattern_ratio_003_104,
    powder_pattern,
)
from cosinter.analysis.observables.sintered_phases import (
    SinteredCathode,
    layered_structure,
    rock_salt_structure,
    sintered_mixture,
    spinel_structure,
)
from cosinter.data.exceptions import InputError

METALS = {"Ni": 0.8, "Co": 0.1, "Mn": 0.1}


def layered(antisite: float = 0.0, lithium: float = 1.0) -> Structure:
    return layered_structure(SinteredCathode(METALS, lithium, 1.0, antisite=antisite))


def corundum() -> Structure:
    return Structure.from_spacegroup(
        "R-3c",
        Lattice.hexagonal(4.7602, 12.9933),
        ["Al", "O"],
        [[0, 0, 0.35216], [0.30624, 0, 0.25]],
    )


def simple(name: str) -> Structure:
    return {
        "rutile": lambda: Structure.from_spacegroup(
            "P4_2/mnm", Lattice.tetragonal(4.5937, 2.9587), ["Ti", "O"], [[0, 0, 0], [0.3053, 0.3053, 0]]
        ),
        "halite": lambda: Structure.from_spacegroup(
            "Fm-3m", Lattice.cubic(5.6402), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
        ),
        "silicon": lambda: Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.4309), ["Si"], [[0, 0, 0]]),
    }[name]()


@pytest.mark.parametrize(("name", "tabulated"), [("rutile", 3.4), ("halite", 4.4), ("silicon", 4.7)])
def test_mixture_weights_reproduce_tabulated_reference_intensity_ratios(name: str, tabulated: float) -> None:
    """I/Ic of the PDF cards 21-1276, 05-0628 and 27-1402: strongest line against corundum (113), 1:1 by weight.

    10 %: thermal motion (B of 0.3 to 1.5 Å²) and the monochromator are not modelled, and the cards round to 0.1.
    """
    mixture = [PhaseWeight(corundum(), 0.5, "corundum"), PhaseWeight(simple(name), 0.5, name)]
    reflections = powder_pattern(mixture).reflections
    strongest = {label: max(r.area for r in reflections if r.label == label) for label in ("corundum", name)}
    assert strongest[name] / strongest["corundum"] == pytest.approx(tabulated, rel=0.10)


def test_a_mixture_of_the_same_phase_is_the_pure_phase() -> None:
    pure = powder_pattern([PhaseWeight(layered(), 1.0, "NCM")])
    mixed = powder_pattern([PhaseWeight(layered(), 0.3, "NCM"), PhaseWeight(layered(), 0.7, "NCM")])
    np.testing.assert_allclose(mixed.intensity, pure.intensity, rtol=1e-12)
    assert set(mixed.components) == {"NCM"}


def test_doubling_weights_or_cells_changes_nothing() -> None:
    phases = [PhaseWeight(layered(), 1.0, "a"), PhaseWeight(simple("rutile"), 0.5, "b")]
    doubled = [PhaseWeight(p.structure, 2.0 * p.weight_fraction, p.label) for p in phases]
    supercells = [PhaseWeight(p.structure * (2, 1, 1), p.weight_fraction, p.label) for p in phases]
    reference = powder_pattern(phases)
    np.testing.assert_allclose(powder_pattern(doubled).intensity, reference.intensity, rtol=1e-12)
    # reflections weaker than 1e-5 of the strongest are dropped by pymatgen
    np.testing.assert_allclose(
        powder_pattern(supercells).intensity, reference.intensity, atol=2e-5 * reference.intensity.max()
    )


@settings(max_examples=6, deadline=None)
@given(share=st.floats(0.01, 0.99))
def test_intensity_is_linear_in_weight_and_components_add_up(share: float) -> None:
    first, second = simple("halite"), simple("rutile")
    pure = [powder_pattern([PhaseWeight(s, 1.0, "x")], step_deg=0.1).intensity for s in (first, second)]
    mixed = powder_pattern(
        [PhaseWeight(first, share, "first"), PhaseWeight(second, 1.0 - share, "second")], step_deg=0.1
    )
    np.testing.assert_allclose(mixed.intensity, share * pure[0] + (1.0 - share) * pure[1], rtol=1e-9)
    np.testing.assert_allclose(mixed.components["first"] + mixed.components["second"], mixed.intensity)


def test_silicon_peak_has_the_scherrer_width_and_keeps_its_area() -> None:
    size, wavelength = 20.0, 1.5406
    pattern = powder_pattern(
        [PhaseWeight(simple("silicon"), 1.0, "Si")],
        wavelength=wavelength,
        two_theta=(20.0, 37.0),
        step_deg=0.002,
        crystallite_size_nm=size,
        instrument_width_deg=0.0,
    )
    (peak,) = pattern.reflections
    above = pattern.two_theta_deg[pattern.intensity >= 0.5 * pattern.intensity.max()]
    theta = math.asin(wavelength / (2.0 * 5.4309 / math.sqrt(3.0)))
    assert peak.two_theta_deg == pytest.approx(2.0 * math.degrees(theta), abs=1e-4)
    assert above[-1] - above[0] == pytest.approx(
        math.degrees(0.9 * wavelength / (10.0 * size * math.cos(theta))), abs=0.004
    )
    # a Lorentzian keeps 97.0 % within this range: 1 - (2/pi)(w/2)/distance to the edges, summed over both sides
    half = 0.5 * math.degrees(0.9 * wavelength / (10.0 * size * math.cos(theta)))
    inside = (
        math.atan((37.0 - peak.two_theta_deg) / half) + math.atan((peak.two_theta_deg - 20.0) / half)
    ) / math.pi
    area = np.trapezoid(pattern.intensity, pattern.two_theta_deg)
    assert area == pytest.approx(peak.area * inside, rel=1e-4)


def test_nickel_on_lithium_sites_lowers_003_over_104() -> None:
    ratios = [intensity_ratio_003_104(layered(z)) for z in (0.0, 0.02, 0.05, 0.10, 0.20)]
    assert all(later < earlier for earlier, later in itertools.pairwise(ratios))
    assert (
        1.2 < ratios[0] < 1.5
    )  # well ordered Ni-rich oxides: above 1.2 (Ohzuku 1993, doi:10.1149/1.2220730)


def test_random_cations_scatter_003_like_cubic_111() -> None:
    """Fully random and metrically cubic (c/a = 2 sqrt 6, z = 1/4): (003) is one of four {111}, (104) three of six {200}."""
    edge = 4.1
    a, c = edge / math.sqrt(2.0), 2.0 * math.sqrt(3.0) * edge
    mixed = {"Li": 0.5, "Ni": 0.5}
    random_layered = Structure.from_spacegroup(
        "R-3m", Lattice.hexagonal(a, c), [mixed, mixed, "O"], [[0, 0, 0], [0, 0, 0.5], [0, 0, 0.25]]
    )
    cubic = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(edge), [mixed, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    layered_pattern = powder_pattern([PhaseWeight(random_layered, 1.0, "x")])
    cubic_pattern = powder_pattern([PhaseWeight(cubic, 1.0, "x")])
    np.testing.assert_allclose(layered_pattern.intensity, cubic_pattern.intensity, rtol=1e-6)
    peaks = {r.hkl: r.area for r in cubic_pattern.reflections}
    by_family = {tuple(sorted(map(abs, hkl), reverse=True)): area for hkl, area in peaks.items()}
    merged_003 = [r for r in layered_pattern.reflections if abs(r.d_A - edge / math.sqrt(3.0)) < 1e-3]
    assert sum(r.area for r in merged_003) == pytest.approx(by_family[(1, 1, 1)], rel=1e-9)


def test_ratio_from_a_pure_pattern_equals_that_of_the_sticks_and_rock_salt_lowers_it() -> None:
    cathode = SinteredCathode(METALS, 1.0, 1.0)
    intact = layered_structure(cathode)
    pure = powder_pattern([PhaseWeight(intact, 1.0, "NCM")])
    # 1 %: both windows cut the Lorentzian tails, at slightly different widths
    assert pattern_ratio_003_104(pure, intact) == pytest.approx(intensity_ratio_003_104(intact), rel=0.01)
    damaged = SinteredCathode(METALS, 0.7, 0.6, 0.1, 0.3)
    mixed = powder_pattern(sintered_mixture(damaged, {}).phases)
    own = layered_structure(damaged)
    assert pattern_ratio_003_104(mixed, own) < intensity_ratio_003_104(own)


@settings(max_examples=6, deadline=None)
@given(u=st.floats(0.0, 1.0), nickel=st.floats(0.34, 1.0))
def test_average_cells_have_the_composition_asked_for(u: float, nickel: float) -> None:
    metals = {"Ni": nickel, "Co": 0.5 * (1.0 - nickel), "Mn": 0.5 * (1.0 - nickel)}
    cathode = SinteredCathode(metals, u, 1.0)
    oxygen = {
        layered_structure: 2.0,
        spinel_structure: 2.0 if u >= 0.5 else 4.0 * (1.0 + u) / 3.0,
        rock_salt_structure: 1.0 + u,
    }
    for build, expected in oxygen.items():
        composition = build(cathode).composition
        metal = composition["Ni"] + composition["Co"] + composition["Mn"]
        assert composition["Li"] / metal == pytest.approx(u, abs=1e-6)
        assert composition["Ni"] / metal == pytest.approx(nickel, abs=1e-6)
        assert composition["O"] / metal == pytest.approx(expected, rel=1e-6)


def test_spinel_and_rock_salt_bonds_are_those_of_the_end_members() -> None:
    spinel = spinel_structure(SinteredCathode(METALS, 0.5, 0.0, 1.0))
    octahedral = [i for i, site in enumerate(spinel) if "Ni" in site.species.as_dict()]
    oxygens = [i for i, site in enumerate(spinel) if "O" in site.species.as_dict()]
    bonds = sorted(spinel.get_distance(octahedral[0], j) for j in oxygens)[:6]
    assert len(octahedral) == 16
    assert bonds == pytest.approx([1.94] * 6, abs=0.03)  # Mn-O 1.96 in LiMn2O4, Co3+-O 1.92 in Co3O4
    pure_nickel = SinteredCathode({"Ni": 1.0}, 0.0, 0.0, 0.0, 1.0)
    assert rock_salt_structure(pure_nickel).lattice.a == pytest.approx(4.177, abs=0.01)  # bunsenite


def test_weight_fractions_follow_the_moles() -> None:
    cathode = SinteredCathode(METALS, 1.0, 1.0)
    mixture = sintered_mixture(cathode, {"Li3PO4": 0.1, "LATP": 0.05, "Ti4O7": 0.01})
    grams = {"layered": 97.28, "Li3PO4": 0.1 * 115.79, "LATP": 0.05 * 383.40, "Ti4O7": 0.01 * 303.46}
    total = sum(grams.values())
    found = {phase.label: phase.weight_fraction for phase in mixture.phases} | dict(mixture.missing)
    assert found == pytest.approx({name: mass / total for name, mass in grams.items()}, rel=2e-3)
    assert [name for name, _ in mixture.missing] == ["Ti4O7"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"phases": []},
        {"phases": [PhaseWeight(simple("silicon"), 0.0, "Si")]},
        {"phases": [PhaseWeight(simple("silicon"), -1.0, "Si")]},
        {"two_theta": (80.0, 10.0)},
        {"step_deg": 0.0},
        {"crystallite_size_nm": 0.0},
        {"wavelength": "CuKx"},
        {"wavelength": 50.0},
    ],
)
def test_nonsense_is_refused(arguments: dict[str, object]) -> None:
    defaults: dict[str, object] = {"phases": [PhaseWeight(simple("silicon"), 1.0, "Si")]}
    options = defaults | arguments
    with pytest.raises(InputError):
        powder_pattern(options.pop("phases"), **options)  # type: ignore[arg-type]


def test_a_phase_without_layers_has_no_003_104_ratio() -> None:
    with pytest.raises(InputError, match="hexagonal"):
        intensity_ratio_003_104(simple("halite"))


def test_cathode_shares_must_add_up() -> None:
    with pytest.raises(InputError, match="add up"):
        SinteredCathode(METALS, 1.0, 0.5, 0.1, 0.1)
    with pytest.raises(InputError, match="antisite"):
        SinteredCathode(METALS, 0.1, 1.0, antisite=0.5)


def test_a_lithium_free_layered_cell_still_scatters() -> None:
    """Li scatters against the metal layers in (003) and with them in (104): without it the ratio is higher."""
    empty, full = layered(lithium=0.0), layered()
    assert powder_pattern([PhaseWeight(empty, 1.0, "x")]).intensity.max() > 0.0
    assert intensity_ratio_003_104(empty) > intensity_ratio_003_104(full)
