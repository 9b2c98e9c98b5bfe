from dataclasses import replace

import numpy as np
import pytest

from cosinter.data.exceptions import InputError
from cosinter.structures.interfaces import coherent_interfaces
from cosinter.structures.named import build


@pytest.fixture(scope="module")
def titanate():
    return coherent_interfaces(
        "ncm811", "li2tio3", film_miller=(0, 0, 1), substrate_miller=(0, 0, 1), max_area_A2=45, max_models=4
    )


def test_ncm_li2tio3(titanate):
    first = titanate[0]
    assert first.atoms == 60
    assert all(all(model.checks().values()) for model in titanate)
    assert first.strain_percent < 2.0
    assert [m.atoms for m in titanate] == sorted(m.atoms for m in titanate)


def test_composition_is_film_plus_substrate(titanate):
    for model in titanate:
        ions = {"film": 0.0, "substrate": 0.0}
        for site in model.structure:
            ions[site.properties["interface_label"]] += site.specie.oxi_state
        assert ions == {"film": 0.0, "substrate": 0.0}
        substrate = [s for s in model.structure if s.properties["interface_label"] == "substrate"]
        assert len(substrate) * 3 == sum(s.specie.symbol == "O" for s in substrate) * 6
        assert model.film == "LiNi0.778Co0.111Mn0.111O2"  # 7, 1, 1 of 9


def test_substrate_is_unstrained(titanate):
    """Distances within the substrate are those of the crystal: here Ti-O below 2.2 angstrom."""
    bulk = build("li2tio3")
    crystal_bonds = {
        round(n.nn_distance, 2) for s in bulk if s.specie.symbol == "Ti" for n in bulk.get_neighbors(s, 2.2)
    }
    for model in titanate:
        cell = model.structure
        for site in cell:
            if site.properties["interface_label"] == "substrate" and site.specie.symbol == "Ti":
                for n in cell.get_neighbors(site, 2.2):
                    if n.properties["interface_label"] == "substrate":
                        assert min(abs(n.nn_distance - b) for b in crystal_bonds) < 0.02


def test_terminations_differ(titanate):
    assert len({m.termination for m in titanate}) > 1


def test_guards_can_fail(titanate):
    good = titanate[0]
    bad = {
        "in_plane_residual": {"in_plane_residual_A": 0.01},
        "normals_parallel": {"normal_angle_deg": 81.0},
        "strain_as_reported": {"strain_residual_percent": 0.1},
        "composition": {"composition_ok": False},
        "contacts": {"min_distance_A": 1.3},
    }
    for name, change in bad.items():
        assert [k for k, passed in replace(good, **change).checks().items() if not passed] == [name]


def test_film_and_substrate_of_one_crystal_match_without_strain():
    cell = build("li2o")
    model = coherent_interfaces(
        cell, cell, film_miller=(0, 0, 1), substrate_miller=(0, 0, 1), max_area_A2=25, max_models=1
    )[0]
    assert model.strain_percent == pytest.approx(0.0, abs=1e-9)
    assert model.area_A2 == pytest.approx(4.619**2 / 2, rel=1e-6)


def test_no_match_names_the_nearest():
    with pytest.raises(InputError, match=r"nearest has .* % strain"):
        coherent_interfaces(
            "linio2",
            "li2tio3",
            film_miller=(0, 0, 1),
            substrate_miller=(0, 0, 1),
            max_area_A2=45,
            max_strain_percent=0.01,
        )


def test_too_many_atoms_names_the_smallest():
    with pytest.raises(InputError, match=r"smallest interface .* has 60 atoms"):
        coherent_interfaces(
            "ncm811",
            "li2tio3",
            film_miller=(0, 0, 1),
            substrate_miller=(0, 0, 1),
            max_area_A2=45,
            max_atoms=40,
        )


def test_zero_plane():
    with pytest.raises(InputError, match="0 0 0"):
        coherent_interfaces("linio2", "li2o", film_miller=(0, 0, 0), substrate_miller=(0, 0, 1))


def test_ncm_latp():
    models = coherent_interfaces(
        "ncm811", "latp", film_miller=(0, 0, 1), substrate_miller=(0, 0, 1), max_area_A2=70, max_models=2
    )
    assert models[0].atoms == 218
    assert all(all(model.checks().values()) for model in models)
    symbols = {s.specie.symbol for s in models[0].structure}
    assert symbols == {"Li", "Ni", "Co", "Mn", "O", "Al", "Ti", "P"}
    assert np.isclose(sum(s.specie.oxi_state for s in models[0].structure), 0.0)
