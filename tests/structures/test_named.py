import json

import pytest

from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.structures.crystals import crystal, crystal_names
from cosinter.structures.named import build, write

ELEMENTS = {"Li", "graphite", "phosphorus", "Ti", "Al", "Ni", "Co", "Mn"}


@pytest.mark.parametrize("name", crystal_names())
def test_everything_builds_ordered_and_neutral(name):
    structure = build(name)
    assert structure.is_ordered
    assert sum(site.specie.oxi_state for site in structure) == pytest.approx(0.0, abs=1e-9)
    assert structure.properties["source"]
    if name not in ELEMENTS:
        assert any(site.specie.oxi_state for site in structure)


def test_formulas_of_layered_oxides_build():
    elements = build("LiNi0.5Co0.2Mn0.3O2").composition.element_composition
    assert elements.reduced_composition.as_dict() == {"Li": 10, "Ni": 5, "Co": 2, "Mn": 3, "O": 20}
    assert build("Li0.9CoO2").composition["Co4+"] == 3


def test_unknown():
    with pytest.raises(UnknownNameError, match="unknown crystal 'ZrO2'"):
        build("ZrO2")


def test_json_is_lossless():
    from pymatgen.core import Structure

    structure = build("ncm622")
    again = Structure.from_dict(json.loads(write(structure, "json")))
    assert again == structure
    assert again.composition == structure.composition


def test_cif_round_trip_with_citation():
    from pymatgen.io.cif import CifParser

    text = write(build("li2co3"), "cif")
    assert "# source: Idemoto" in text
    parsed = CifParser.from_str(text).parse_structures(primitive=False, on_error="raise")[0]
    assert parsed.composition.element_composition == build("li2co3").composition.element_composition
    assert parsed.volume == pytest.approx(crystal("li2co3").structure.volume, rel=1e-6)


def test_poscar_round_trip():
    from pymatgen.io.vasp import Poscar

    structure = build("latp")
    parsed = Poscar.from_str(write(structure, "poscar")).structure
    assert parsed.composition == structure.composition.element_composition


def test_xyz_keeps_oxidation_states():
    import io

    from ase.io import read

    structure = build("ncm811")
    atoms = read(io.StringIO(write(structure, "xyz")), format="extxyz")
    assert atoms.arrays["oxidation_state"].tolist() == [s.specie.oxi_state for s in structure]


def test_lammps_data_round_trip():
    import io

    import numpy as np
    from ase.io import read

    structure = build("li2tio3")
    atoms = read(io.StringIO(write(structure, "lammps-data")), format="lammps-data", atom_style="charge")
    distances = np.sort(atoms.get_all_distances(mic=True), axis=None)
    assert distances == pytest.approx(np.sort(structure.distance_matrix, axis=None), abs=1e-6)
    assert atoms.get_initial_charges().sum() == pytest.approx(0.0)


def test_lammps_types_are_ions():
    text = write(build("ncm811"), "lammps-data")
    assert "6 atom types" in text
    assert "# Ni2+" in text
    assert "# Ni3+" in text


def test_bad_formats():
    with pytest.raises(InputError, match="known: cif"):
        write(build("li2o"), "pdb")
    with pytest.raises(InputError, match="disordered"):
        write(crystal("li4ti5o12").structure, "poscar")
