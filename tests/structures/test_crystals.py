import sys

import numpy as np
import pytest

from cosinter.data.exceptions import CompositionError, UnknownNameError
from cosinter.data.tables import load_table
from cosinter.structures.crystals import crystal, crystal_names, formula_volume, read_formula

BONDS = {frozenset("OH"): 0.9, frozenset("CO"): 1.2, frozenset("H"): 1.2, frozenset("C"): 1.2}


def shortest_ratio(structure):
    """Smallest distance over its allowed value, pairs of alternatives (occupancies sum to <= 1) left out."""
    distances = structure.distance_matrix
    worst = np.inf
    for i, a in enumerate(structure):
        for j in range(i):
            b = structure[j]
            if sum(a.species.values()) + sum(b.species.values()) <= 1.0:
                continue
            elements = frozenset(ion.symbol for ion in a.species) | frozenset(ion.symbol for ion in b.species)
            worst = min(worst, distances[i, j] / BONDS.get(elements, 1.4))
    return worst


@pytest.mark.parametrize("name", crystal_names())
def test_every_entry_rebuilds(name):
    record = crystal(name)
    formula = read_formula(record.formula)
    cell = record.structure.composition.element_composition
    for element in {*formula, *cell}:
        # occupancies and formulas are rounded in the sources: 0.02 per formula unit
        assert cell[element] == pytest.approx(
            formula[element] * record.formula_units, abs=0.02 * record.formula_units
        )
    assert record.structure.charge == pytest.approx(0.0, abs=1e-6)
    assert record.disordered == (not record.structure.is_ordered)
    assert shortest_ratio(record.structure) >= 1.0
    assert len(record.source) > 10
    if name != "Li4Ti5O12":  # 8/3 formula units in the cubic spinel cell
        assert record.formula_units == pytest.approx(round(record.formula_units), abs=1e-3)


@pytest.mark.parametrize("name", crystal_names())
def test_origins_are_honest(name):
    record = crystal(name)
    if "unverified" in record.source or "recalled" in record.source:
        assert record.kind == "assumed"
    if record.kind == "measured":
        assert "CHGNet" not in record.source
    if record.kind != "measured":
        assert record.lattice_uncertainty_percent or record.coordinate_uncertainty_A


def test_table_holds_no_foreign_elements():
    allowed = {"Li", "Ni", "Co", "Mn", "Ti", "Al", "P", "O", "C", "H"}
    for entry in load_table("crystals")["crystals"].values():
        assert {el.symbol for el in read_formula(entry["formula"])} <= allowed


@pytest.mark.parametrize(
    "alias",
    [
        "ncm811",
        "NCM622",
        "ncm111",
        "linio2",
        "LiCoO2",
        "latp",
        "ltp",
        "li2tio3",
        "LI4TI5O12",
        "litiopo4",
        "li3po4",
        "tio2",
        "li2o",
        "nio",
        "LiTi2(PO4)3",
    ],
)
def test_aliases(alias):
    assert crystal(alias).name in crystal_names()


def test_densities_against_handbook():
    # CRC Handbook of Chemistry and Physics: rutile 4.17-4.23, Li2O 2.01, corundum 3.99, NiO 6.72-6.85 g/cm3
    for name, density in {"tio2": 4.23, "li2o": 2.01, "al2o3": 3.99, "nio": 6.8, "li2co3": 2.11}.items():
        assert crystal(name).structure.density == pytest.approx(density, rel=0.02)


def test_copies_do_not_touch_the_table():
    first = crystal("li2o")
    first.structure.remove_sites([0])
    assert len(crystal("li2o").structure) == 12


def test_unknown_name_suggests():
    with pytest.raises(UnknownNameError, match="Li2TiO3"):
        crystal("Li2TiO4x")


def test_formula_volume():
    li2tio3 = crystal("Li2TiO3").structure.volume / 8
    assert formula_volume("Li2TiO3") == pytest.approx(li2tio3)
    assert formula_volume("Li4Ti2O6") == pytest.approx(2 * li2tio3)
    assert formula_volume("TiO2") == pytest.approx(crystal("rutile").structure.volume / 2)
    assert formula_volume("LiNi0.5Co0.2Mn0.3O2") == pytest.approx(33.8, rel=0.02)
    assert formula_volume("CO") is None
    assert formula_volume("LiPO3") is None


def test_bad_formula():
    with pytest.raises(CompositionError, match="not a formula"):
        read_formula("Xy2O3")


def test_import_is_light():
    import subprocess

    code = (
        "import sys, cosinter.structures.named, cosinter.structures.migration, cosinter.structures.interfaces;"
        "sys.exit('pymatgen' in sys.modules or 'ase' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
