from dataclasses import replace

import numpy as np
import pytest

from cosinter.data.exceptions import InputError, StructureError
from cosinter.structures.hosts import PART, host
from cosinter.structures.interface_models import build_model
from cosinter.structures.interfaces import (
    coherent_interfaces,
    planes_of,
    search_interfaces,
    terminations_of,
)
from cosinter.structures.named import build

JSON_KEYS = {
    "film",
    "substrate",
    "miller",
    "strain_percent",
    "area_A2",
    "atoms",
    "in_plane_residual_A",
    "min_distance_A",
    "composition_ok",
}


@pytest.fixture(scope="module")
def titanate():
    return search_interfaces(
        "ncm811", "li2tio3", film_miller=(0, 0, 1), substrate_miller=(0, 0, 1), max_area_A2=45, max_models=3
    )


@pytest.fixture(scope="module")
def electrolyte():
    return search_interfaces(
        "ncm811", "latp", film_miller=(1, 0, 4), substrate_miller=(0, 1, 2), max_models=1
    )


def charges(structure, part):
    return sum(s.specie.oxi_state for s in structure if s.properties[PART] == part)


def symbols(structure, part):
    return [s.specie.symbol for s in structure if s.properties[PART] == part]


def test_every_model_passes_its_guards(titanate, electrolyte):
    for model in (*titanate.models, *electrolyte.models):
        assert all(model.checks().values())
        assert charges(model.structure, "film") == pytest.approx(0.0, abs=1e-9)
        assert charges(model.structure, "substrate") == pytest.approx(0.0, abs=1e-9)
        assert model.atoms == len(model.structure) <= 400


def test_ncm_104_on_latp_012(electrolyte):
    """The pair without matches in pymatgen's default tolerances; facts: LiNiO2 on LTP match at 149.7 angstrom^2."""
    model = electrolyte.models[0]
    assert (model.film_miller, model.substrate_miller) == ((1, 0, 4), (0, 1, 2))
    assert model.strain_percent < 1.2
    assert set(symbols(model.structure, "substrate")) == {"Li", "Al", "Ti", "P", "O"}
    assert set(symbols(model.structure, "film")) == {"Li", "Ni", "Co", "Mn", "O"}
    # two primitive surface cells of (012): V / 3 / d of the hexagonal cell 8.50029, 20.8443 with d(012) = 6.013
    assert model.area_A2 == pytest.approx(144.6, abs=0.1)


def test_phosphate_groups_are_whole(electrolyte):
    for model in electrolyte.models:
        for site in model.structure:
            if site.specie.symbol == "P":
                near = [n for n in model.structure.get_neighbors(site, 1.75) if n.specie.symbol == "O"]
                assert len(near) == 4


def test_rows_have_the_keys_of_the_command_line(titanate):
    rows = titanate.to_dict()["models"]
    assert all(set(row) >= JSON_KEYS for row in rows)
    assert rows[0]["miller"] == [[0, 0, 1], [0, 0, 1]]
    assert rows[0]["composition_ok"] is True


def test_best_score_first(titanate):
    assert list(titanate.scores) == sorted(titanate.scores)
    assert len({m.termination for m in titanate.models}) >= 1
    first = titanate.models[0]
    assert not any(first.polar)


def test_substrate_is_unstrained(titanate):
    """Distances within the substrate are those of the crystal: here Ti-O below 2.2 angstrom."""
    bulk = build("li2tio3")
    bonds = {
        round(n.nn_distance, 2) for s in bulk if s.specie.symbol == "Ti" for n in bulk.get_neighbors(s, 2.2)
    }
    for model in titanate.models:
        for site in model.structure:
            if site.properties[PART] == "substrate" and site.specie.symbol == "Ti":
                for n in model.structure.get_neighbors(site, 2.2):
                    if n.properties[PART] == "substrate":
                        assert min(abs(n.nn_distance - b) for b in bonds) < 0.011  # bonds are rounded to 0.01


def test_film_strain_is_that_of_its_bonds():
    """Li2O on Li2O stretched by 2 %: bonds along the plane 2 % longer, across it unchanged."""
    film, substrate = build("li2o"), build("li2o")
    substrate.scale_lattice(substrate.volume * 1.02**3)
    model = coherent_interfaces(
        film, substrate, film_miller=(0, 0, 1), substrate_miller=(0, 0, 1), max_area_A2=25, max_models=1
    )[0]
    assert model.principal_strains_percent == pytest.approx((2.0, 2.0))
    lithium = [s for s in model.structure if s.properties[PART] == "film" and s.specie.symbol == "Li"]
    edge = film.lattice.a / 2.0
    inside = {
        round(n.nn_distance / edge, 4)
        for s in lithium
        for n in model.structure.get_neighbors(s, 1.1 * edge)
        if n.specie.symbol == "Li" and n.properties[PART] == "film"
    }
    assert inside == {1.0, 1.02}


def test_crystal_on_itself_has_no_strain():
    cell = build("li2o")
    model = coherent_interfaces(
        cell, cell, film_miller=(0, 0, 1), substrate_miller=(0, 0, 1), max_area_A2=25, max_models=1
    )[0]
    assert model.strain_percent == pytest.approx(0.0, abs=1e-9)
    assert model.area_A2 == pytest.approx(4.619**2 / 2, rel=1e-6)


def test_gap_and_offset(titanate):
    recipe = titanate.models[0].recipe
    wide = build_model(replace(recipe, gap_A=3.0))
    assert wide.structure.lattice.c - titanate.models[0].structure.lattice.c == pytest.approx(2.0)
    z = {p: [s.coords[2] for s in wide.structure if s.properties[PART] == p] for p in ("film", "substrate")}
    assert min(z["film"]) - max(z["substrate"]) == pytest.approx(3.0)
    shifted = build_model(replace(recipe, offset=(0.25, 0.0)))
    assert shifted.min_distance_A > 0.0
    with pytest.raises(InputError, match=r"gap_A is 0\.1"):
        build_model(replace(recipe, gap_A=0.1))
    with pytest.raises(InputError, match="termination 99"):
        build_model(replace(recipe, film=replace(recipe.film, cut=99)))


def test_terminations_are_all_listed(titanate):
    listed = terminations_of(titanate.models[0].recipe)
    assert len({(r.film.cut, r.substrate.cut) for r in listed}) == len(listed)
    assert len(listed) == 4 * 8  # cuts of LiMO2 (001) and Li2TiO3 (001)


def test_guards_can_fail(titanate):
    good = titanate.models[0]
    bad = {
        "in_plane_residual": {"in_plane_residual_A": 0.01},
        "normals_parallel": {"normal_angle_deg": 81.0},
        "strain_as_reported": {"strain_residual_percent": 0.1},
        "composition": {"composition_ok": False},
        "contacts": {"min_distance_A": 1.3},
    }
    for name, change in bad.items():
        assert [k for k, passed in replace(good, **change).checks().items() if not passed] == [name]


def test_default_planes():
    assert planes_of(host("ncm811")) == [(0, 0, 1), (1, 0, 4), (0, 1, 2)]
    assert planes_of(host("latp"))[0] == (0, 1, 2)
    spinel = planes_of(host("lto"))
    assert spinel[0] == (1, 1, 1)  # the widest spacing of a face-centred lattice


def test_planes_without_match_are_explained():
    found = search_interfaces("linio2", "li2o", max_models=1, max_area_A2=30.0, max_strain_percent=4.0)
    assert len(found.pairs) == 3 * len(planes_of(host("li2o")))
    missed = [pair for pair in found.pairs if not pair.matches]
    assert missed
    assert all("the nearest has" in p.reason or "no common cell up to" in p.reason for p in missed)
    assert sum(pair.models for pair in found.pairs) == 1


def test_mixed_spinel_is_exact():
    model = search_interfaces(
        "linio2", "li4ti5o12", film_miller=(0, 0, 1), substrate_miller=(1, 1, 1), max_area_A2=60, max_models=1
    ).models[0]
    ions = symbols(model.structure, "substrate")
    assert ions.count("Li") * 5 == ions.count("Ti") * 4
    assert ions.count("O") * 5 == ions.count("Ti") * 12


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
    with pytest.raises(InputError, match=r"smallest interface .* has about 48 atoms"):
        coherent_interfaces(
            "ncm811",
            "li2tio3",
            film_miller=(0, 0, 1),
            substrate_miller=(0, 0, 1),
            max_area_A2=45,
            max_atoms=40,
        )


def test_no_model_within_the_guards():
    with pytest.raises(StructureError, match=r"passes its checks \(.*contacts"):
        search_interfaces(
            "nio", "nio", film_miller=(0, 0, 1), substrate_miller=(0, 0, 1), gap_A=1.0, max_area_A2=12.0
        )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"film_miller": (0, 0, 0)}, "name no plane"),
        ({"max_atoms": 0}, "must be 1 or more"),
        ({"max_area_A2": -1.0}, "max_area_A2 is -1.0"),
        ({"max_strain_percent": 50.0}, "max_strain_percent is 50.0"),
    ],
)
def test_bad_input(options, text):
    with pytest.raises(InputError, match=text):
        search_interfaces("linio2", "li2o", **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("film", "substrate"),
    [
        ("ncm811", "latp"),
        ("ncm811", "li2tio3"),
        ("ncm811", "li4ti5o12"),
        ("latp", "li2tio3"),
        ("ncm811", "li3po4"),
    ],
)
def test_pairs_of_the_composite(film, substrate):
    found = search_interfaces(film, substrate)
    assert all(all(model.checks().values()) for model in found.models)
    assert np.all(np.diff(found.scores) >= -1e-9)
    assert all(model.atoms <= 400 for model in found.models)
