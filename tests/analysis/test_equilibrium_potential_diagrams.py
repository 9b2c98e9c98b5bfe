"""Potential diagrams: pymatgen's chemical potential diagram, and the equilibrium at points of every field."""

import numpy as np
import pytest
from scipy.constants import Avogadro, R, e

from cosinter.analysis.equilibrium.components import reference_gibbs
from cosinter.analysis.equilibrium.lp import equilibrium
from cosinter.analysis.equilibrium.potential_diagrams import potential_diagram
from cosinter.analysis.thermochemistry.library import load_library
from cosinter.data.exceptions import InputError, UnknownNameError

EV = e * Avogadro


@pytest.fixture(scope="module")
def library():
    return load_library()


@pytest.mark.parametrize(("metal", "temperature_K"), [("Co", 900.0), ("Ti", 1000.0), ("Mn", 700.0)])
def test_one_metal_gives_the_domains_of_pymatgen(library, metal, temperature_K) -> None:
    from pymatgen.analysis.chempot_diagram import ChemicalPotentialDiagram
    from pymatgen.analysis.phase_diagram import PDEntry
    from pymatgen.core import Composition, Element

    found = potential_diagram(
        metal,
        ("Li", "O"),
        library=library,
        temperature_K=temperature_K,
        pressures_bar={},
        lowest_J=(-6e5, -6e5),
    )
    elements = ("Li", metal, "O")
    # gases of lithium and of oxides are beyond reach of both; without them pymatgen's reference of oxygen is O2
    phases = [p for p in library.restricted(elements=elements).phases if p.state != "g" or p.name == "O2(g)"]
    entries = [
        PDEntry(Composition(dict(p.composition)), float(p.gibbs(temperature_K)) / EV, name=p.name)
        for p in phases
    ]
    limits = {Element(element): (-6e5 / EV, 0.0) for element in elements} | {Element(metal): (-50.0, 0.0)}
    theirs = ChemicalPotentialDiagram(entries, limits=limits, formal_chempots=True)
    order = [theirs.elements.index(Element(element)) for element in ("Li", "O")]
    ours = {name: field.corners for field in found.fields for name in field.phases}
    assert len(ours) == len(found.fields)
    formulas = {name: Composition(library.phase(name).formula).reduced_formula for name in ours}
    assert set(formulas.values()) == {f for f in theirs.domains if Element(metal) in Composition(f).elements}
    for name, corners in ours.items():
        projected = theirs.domains[formulas[name]][:, order] * EV
        for corner in corners:
            assert np.min(np.linalg.norm(projected - corner, axis=1)) < 1.0


@pytest.mark.parametrize(
    ("solid", "species", "pressures"),
    [
        ("ncm811", ("Li2O", "O2"), {}),
        ("latp", ("Li2O", "O2"), {}),
        ("LiTi2(PO4)3", ("Li2O", "P2O5"), {"O2": 0.21}),
    ],
)
def test_the_named_assemblage_has_the_lowest_grand_potential_in_its_field(
    library, solid, species, pressures
) -> None:
    """Adding what was taken up and equilibrating closed gives the same phases at the same potentials."""
    temperature = 973.15
    found = potential_diagram(
        solid, species, library=library, temperature_K=temperature, pressures_bar=pressures
    )
    rng = np.random.default_rng(3)
    references = [reference_gibbs(library, name, temperature) for name in species]
    for field in found.fields:
        point = rng.dirichlet(2.0 * np.ones(len(field.corners))) @ field.corners
        mu = point + references
        phases = {p.name: p for p in [*library.phases, library.stable(solid, temperature_K=temperature)]}
        grand = (
            sum(n * float(phases[name].gibbs(temperature)) for name, n in field.phases.items())
            - field.taken_up @ mu
        )
        for other in found.fields:
            value = (
                sum(n * float(phases[k].gibbs(temperature)) for k, n in other.phases.items())
                - other.taken_up @ mu
            )
            assert grand <= value + gas_work(library, field, other, phases, found, temperature) + 1e-3


def gas_work(library, field, other, phases, found, temperature_K):
    """RT ln p and G of the oxygen that one assemblage holds more than the other, where oxygen is open."""
    if not found.pressures_bar:
        return 0.0
    oxygen = library.gas("O2")
    mu = float(oxygen.gibbs(temperature_K)) + R * temperature_K * np.log(found.pressures_bar["O2"])

    def held(assemblage):
        amount = sum(n * phases[name].composition.get("O", 0.0) for name, n in assemblage.phases.items())
        return amount - assemblage.taken_up @ [1.0, 5.0]

    return -0.5 * (held(other) - held(field)) * mu


def test_pressure_axis_agrees_with_an_open_gas(library) -> None:
    temperature = 1000.0
    found = potential_diagram(
        "Co", ("Li2O", "O2"), library=library, temperature_K=temperature, pressures_bar={}
    )
    for log_pressure in (-8.0, -5.0, -3.0, -0.5):
        answer = equilibrium(
            library, "Co", temperature_K=temperature, pressures_bar={"O2": 10.0**log_pressure}
        )
        stable = next(name for name in answer.amounts if name != "O2(g)")
        mu = R * temperature * np.log(10.0) * log_pressure
        field = next(f for f in found.fields if stable in f.phases)
        assert field.corners[:, 1].min() - 1e-3 <= mu <= field.corners[:, 1].max() + 1e-3


@pytest.mark.parametrize(
    ("species", "gas", "molecules"),
    [("O", "O2", 0.5), ("O2", "O2", 1.0), ("CO2", "CO2", 1.0), ("H2O", "H2O", 1.0)],
)
def test_a_gas_goes_one_power_of_ten_beyond_one_bar(library, species, gas, molecules) -> None:
    temperature = 900.0
    axis = potential_diagram(
        "Co", ("Li2O", species), library=library, temperature_K=temperature, pressures_bar={}
    ).axes[1]
    assert (axis.gas, axis.molecules) == (gas, pytest.approx(molecules))
    assert float(axis.log10_pressure(np.asarray(axis.high_J), temperature)) == pytest.approx(1.0)
    # the species in the gas at ten bar has the highest potential of the axis
    top = float(library.gas(gas).gibbs(temperature)) + R * temperature * np.log(10.0)
    assert axis.reference_J + axis.high_J == pytest.approx(molecules * top)


def test_fields_end_where_a_salt_would_form_without_end(library) -> None:
    found = potential_diagram(
        "TiO2", ("Li2O", "CO2"), library=library, temperature_K=973.15, pressures_bar={"O2": 0.21}
    )
    assert any(name.startswith("Li2CO3") for name in found.limits)
    assert max(field.corners[:, 0].max() for field in found.fields) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    ("species", "pressures", "lowest", "error", "words"),
    [
        (("Li2O", "O2"), {"O2": 0.2}, (None, None), InputError, "not independent"),
        (("Li2O", "Qq"), {}, (None, None), (InputError, UnknownNameError), "Qq"),
        (("Li2O", "O2"), {}, (1e3, None), InputError, "lowest potential of Li2O"),
        (("Li2O", "Li2CoO9"), {}, (None, None), UnknownNameError, "Li2CoO9"),
    ],
)
def test_mistakes_are_one_sentence(library, species, pressures, lowest, error, words) -> None:
    with pytest.raises(error, match=words):
        potential_diagram(
            "Co", species, library=library, temperature_K=900.0, pressures_bar=pressures, lowest_J=lowest
        )
