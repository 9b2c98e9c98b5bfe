"""Phase diagrams: pymatgen for closed systems and open oxygen, the linear program inside every region, plain mistakes."""

import numpy as np
import pytest
from scipy.constants import Avogadro, R, e

from cosinter.analysis.equilibrium.components import check_independent, find_component, split_system
from cosinter.analysis.equilibrium.diagrams import phase_diagram
from cosinter.analysis.equilibrium.lp import equilibrium
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.library import load_library
from cosinter.data.exceptions import CompositionError, InputError, UnknownNameError

EV = e * Avogadro


@pytest.fixture(scope="module")
def library():
    return load_library()


def pymatgen_entries(library, elements, temperature_K):
    """All phases of the elements as pymatgen entries at G(T), eV per formula."""
    from pymatgen.analysis.phase_diagram import PDEntry
    from pymatgen.core import Composition

    chosen = library.restricted(elements=elements).phases
    return [
        PDEntry(Composition(dict(p.composition)), float(p.gibbs(temperature_K)) / EV, name=p.name)
        for p in chosen
    ]


def facets_of(diagram):
    return {frozenset(region.phases) for region in diagram.regions}


@pytest.mark.parametrize(
    ("elements", "temperature_K"),
    [
        ("Li-Co-O", 300.0),
        ("Li-Co-O", 1000.0),
        ("Li-Ti-O", 900.0),
        ("Ni-Ti-O", 1100.0),
        ("Li-Ti-P-O", 900.0),
        ("Li-Al-P-O", 700.0),
    ],
)
def test_closed_elements_give_the_facets_of_pymatgen(library, elements, temperature_K) -> None:
    from pymatgen.analysis.phase_diagram import PhaseDiagram

    names = elements.split("-")
    found = phase_diagram(names, library=library, temperature_K=temperature_K, pressures_bar={})
    entries = pymatgen_entries(library, names, temperature_K)
    theirs = PhaseDiagram(entries)
    facets = {frozenset(theirs.qhull_entries[k].name for k in facet) for facet in theirs.facets}
    assert facets_of(found) == facets
    assert found.complete
    assert found.whole
    above = {entry.name: 1e3 * theirs.get_e_above_hull(entry) for entry in entries}
    for point in found.points:
        assert point.above_hull_meV_per_atom == pytest.approx(above[point.name], abs=1e-5)


@pytest.mark.parametrize(
    "components", [("Li2O", "TiO2", "P2O5"), ("Li2O", "Al2O3", "P2O5"), ("Li2O", "TiO2", "P2O5", "Al2O3")]
)
def test_oxides_give_the_facets_of_a_compound_diagram(library, components) -> None:
    from pymatgen.analysis.phase_diagram import CompoundPhaseDiagram
    from pymatgen.core import Composition

    temperature = 973.15
    found = phase_diagram(components, library=library, temperature_K=temperature, pressures_bar={})
    elements = sorted({element for name in components for element in parse_formula(name)})
    entries = pymatgen_entries(library, elements, temperature)
    theirs = CompoundPhaseDiagram(
        entries, [Composition(name) for name in components], normalize_terminal_compositions=True
    )
    facets = {frozenset(theirs.qhull_entries[k].name for k in facet) for facet in theirs.facets}
    assert facets_of(found) == facets


def test_open_oxygen_gives_the_facets_of_a_grand_potential_diagram(library) -> None:
    from pymatgen.analysis.phase_diagram import GrandPotentialPhaseDiagram
    from pymatgen.core import Element

    temperature, pressure = 1000.0, 0.21
    found = phase_diagram(
        ("Li", "Co", "Ti"), library=library, temperature_K=temperature, pressures_bar={"O2": pressure}
    )
    oxygen = library.gas("O2")
    mu = (float(oxygen.gibbs(temperature)) + R * temperature * np.log(pressure)) / EV / 2.0
    entries = pymatgen_entries(library, ("Li", "Co", "Ti", "O"), temperature)
    theirs = GrandPotentialPhaseDiagram(entries, {Element("O"): mu})
    facets = {frozenset(theirs.qhull_entries[k].name for k in facet) for facet in theirs.facets}
    assert facets_of(found) == facets


@pytest.mark.parametrize(
    ("components", "temperature_K", "pressures"),
    [
        (("Li2O", "TiO2", "P2O5"), 973.15, {"O2": 0.21}),
        (("Li2O", "CoO", "TiO2"), 1100.0, {"O2": 0.21}),
        (("Li2CO3", "CoO", "TiO2"), 900.0, {"O2": 0.21, "CO2": 4e-4}),
        (("Li2O", "MnO2", "TiO2"), 973.15, {}),
        (("ncm811", "latp", "LiOH"), 973.15, {"O2": 0.21, "H2O": 0.01}),
        (("Li2O", "TiO2", "P2O5", "NiO"), 973.15, {"O2": 0.21}),
    ],
)
def test_inside_every_region_the_equilibrium_is_exactly_its_phases(
    library, components, temperature_K, pressures
) -> None:
    found = phase_diagram(components, library=library, temperature_K=temperature_K, pressures_bar=pressures)
    parts = [find_component(name, library, temperature_K=temperature_K) for name in components]
    extra = [phase for _, phases in parts for phase in phases]
    rng = np.random.default_rng(7)
    gases = {library.gas(gas).name for gas in pressures}
    for region in found.regions:
        shares = rng.dirichlet(3.0 * np.ones(len(region.corners)))
        fractions = shares @ found.vertices[list(region.corners)]
        atoms: dict[str, float] = {}
        for share, (component, _) in zip(fractions, parts, strict=True):
            for element, amount in component.composition.items():
                atoms[element] = atoms.get(element, 0.0) + share * amount
        answer = equilibrium(
            library, atoms, temperature_K=temperature_K, pressures_bar=pressures, extra=extra
        )
        assert set(answer.amounts) - gases == set(region.phases)
        mu = answer.relative_mu("Li2O") if "Li" in atoms else 0.0
        place = found.regions.index(region)
        potentials = found.potentials("Li2O")
        if potentials is not None:
            assert potentials[place] == pytest.approx(mu, abs=1.0)


@pytest.mark.parametrize("components", [("Li2O", "TiO2", "P2O5"), ("ncm811", "latp", "LiOH")])
def test_regions_fill_the_triangle_once(library, components) -> None:
    found = phase_diagram(
        components, library=library, temperature_K=973.15, pressures_bar={"O2": 0.21, "H2O": 0.01}
    )
    area = 0.0
    for region in found.regions:
        x, y = found.vertices[list(region.corners), :2].T
        area += 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    assert area == pytest.approx(0.5, rel=1e-6)


def test_corners_of_tie_triangles_are_the_compositions_of_their_phases(library) -> None:
    found = phase_diagram(("Li2O", "TiO2", "P2O5"), library=library, temperature_K=973.15, pressures_bar={})
    at = {point.name: point.fractions for point in found.points}
    for region in found.regions:
        corners = found.vertices[list(region.corners)]
        for name in region.phases:
            assert np.min(np.linalg.norm(corners - at[name], axis=1)) < 1e-7


def test_a_corner_may_become_another_phase_by_its_gas(library) -> None:
    found = phase_diagram(
        ("Li2O", "CoO", "TiO2"), library=library, temperature_K=900.0, pressures_bar={"O2": 0.21}
    )
    corner = next(point for point in found.stable if point.name == "Co3O4")
    np.testing.assert_allclose(corner.fractions, [0.0, 1.0, 0.0], atol=1e-12)
    assert not any(point.name == "CoO" and point.stable for point in found.points)


def test_a_section_says_that_phases_lie_outside_it(library) -> None:
    found = phase_diagram(
        ("ncm811", "latp", "LiOH"),
        library=library,
        temperature_K=973.15,
        pressures_bar={"O2": 0.21, "H2O": 0.01},
    )
    assert not found.complete
    assert any(len(region.phases) > 3 for region in found.regions)
    assert found.potentials("Li2O") is not None


def test_compositions_without_phases_are_left_out(library) -> None:
    """Without P4O10 the oxides reach only as far as the phosphates and diphosphates."""
    phosphates = [
        p.name for p in library.phases if set(p.composition) == {"P", "O"} or p.name in ("P", "P4(g)")
    ]
    found = phase_diagram(
        ("Li2O", "TiO2", "P2O5"), library=library, temperature_K=900.0, pressures_bar={}, exclude=phosphates
    )
    assert not found.whole
    assert found.vertices[:, 2].max() == pytest.approx(0.5, abs=1e-6)


def test_straight_lines_stay_straight_on_other_scales(library) -> None:
    found = phase_diagram(("Li2O", "TiO2"), library=library, temperature_K=900.0, pressures_bar={})
    np.testing.assert_allclose(found.weights("atom"), [3.0, 3.0])
    np.testing.assert_allclose(found.weights("mass"), [0.02988, 0.07987], rtol=1e-3)
    with pytest.raises(UnknownNameError, match="basis"):
        found.weights("volume")


def test_numbers_are_plain_data(library) -> None:
    import json

    found = phase_diagram(
        ("Li2O", "TiO2", "P2O5"), library=library, temperature_K=973.15, pressures_bar={"O2": 0.21}
    )
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert {"phases", "regions", "lines", "complete"} <= set(data)
    assert len(data["regions"]) == len(found.regions)
    assert max(region["mu_Li2O_kJ_per_mol"] for region in data["regions"]) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("components", "pressures", "error", "words"),
    [
        (("Li2O", "LiOH", "TiO2"), {"H2O": 0.1}, InputError, "not independent once H2O is open"),
        (("Li2O", "Li2TiO3", "TiO2"), {}, InputError, "not independent"),
        (("Li2O", "Xx2O", "TiO2"), {}, CompositionError, "element Xx of 'Xx2O' is in no phase"),
        (("Li2O", "TiO 2!", "P2O5"), {}, CompositionError, "cannot be read"),
        (("Li2O",), {}, InputError, "two to four"),
        (("Li2O", "TiO2", "P2O5"), {"O2": -0.1}, InputError, "pressure of O2"),
        (("Li2O", "TiO2", "P2O5"), {"O2": float("nan")}, InputError, "pressure of O2"),
    ],
)
def test_mistakes_are_one_sentence(library, components, pressures, error, words) -> None:
    with pytest.raises(error, match=words):
        phase_diagram(components, library=library, temperature_K=900.0, pressures_bar=pressures)


def test_systems_are_split_and_checked(library) -> None:
    assert split_system("Li2O - TiO2-P2O5", fewest=3, most=3) == ("Li2O", "TiO2", "P2O5")
    for text in ("Li2O-TiO2", "Li2O--TiO2", "Li2O-Li2O-TiO2", ""):
        with pytest.raises(InputError, match="system"):
            split_system(text, fewest=3, most=3)
    component, extra = find_component("ncm811", library, temperature_K=900.0)
    assert component.formula == "LiNi0.8Co0.1Mn0.1O2"
    assert [phase.name for phase in extra] == ["LiNi0.8Co0.1Mn0.1O2"]
    check_independent([component], ("O2",))
