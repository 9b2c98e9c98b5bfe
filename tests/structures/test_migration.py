import numpy as np
import pytest

from cosinter.data.exceptions import CompositionError, InputError, UnknownNameError
from cosinter.structures.layered import layered_oxide
from cosinter.structures.migration import (
    hop_names,
    layered_hop,
    migration_path,
    nasicon_hop,
    nickel_hop,
    path_names,
    vacancy_hop,
)
from cosinter.structures.migration_path import distinct_hops
from cosinter.structures.named import build


def moved(path):
    shift = path.final.frac_coords - path.initial.frac_coords
    return np.flatnonzero(np.abs(shift).sum(axis=1) > 1e-9)


def consistent(path):
    assert moved(path).tolist() == [path.mobile_index]
    assert path.initial.species == path.final.species
    assert path.initial[path.mobile_index].specie.symbol == "Li"
    step = path.final[path.mobile_index].coords - path.initial[path.mobile_index].coords
    assert np.linalg.norm(step) == pytest.approx(path.hop_length_A)
    assert path.net_charge == -path.vacancies
    for end in (path.initial, path.final):
        assert (end.distance_matrix + 10 * np.eye(len(end))).min() > 1.4


@pytest.mark.parametrize(("mechanism", "atoms"), [("single", 191), ("divacancy", 190)])
@pytest.mark.parametrize("host", ["LiNiO2", "licoo2"])
def test_layered(host, mechanism, atoms):
    path = layered_hop(host, mechanism=mechanism)
    assert len(path.initial) == atoms
    consistent(path)
    assert path.hop_length_A == pytest.approx(path.initial.lattice.a / 4)


def test_divacancy_goes_over_a_tetrahedral_site_between_the_vacancies():
    path = layered_hop("LiNiO2")
    lattice = path.initial.lattice
    oxygen = path.initial.frac_coords[[s.specie.symbol == "O" for s in path.initial]]
    shells = np.sort(lattice.get_all_distances(path.via, oxygen)[0])
    assert shells[3] < 2.0 < 3.0 < shells[4]
    ends = [path.initial[path.mobile_index].frac_coords, path.final[path.mobile_index].frac_coords]
    first, second = lattice.get_all_distances(path.via, ends)[0]
    assert first == pytest.approx(second)
    lithium = [
        s.frac_coords
        for i, s in enumerate(path.initial)
        if s.specie.symbol == "Li" and i != path.mobile_index
    ]
    in_layer = lattice.get_all_distances(path.via, lithium)[0].min()
    assert in_layer > first + 0.5  # the three nearest lithium sites are the two ends and the second vacancy


def test_ncm_host_is_exact():
    path = layered_hop("ncm811", mechanism="single")
    assert path.initial.composition.element_composition["Ni"] == 48
    assert path.host == "LiNi0.8Co0.1Mn0.1O2"
    consistent(path)


def test_structure_host_is_not_changed():
    host = layered_oxide(nickel=1, cobalt=0, manganese=0, supercell=(4, 4, 1))
    before = host.copy()
    path = layered_hop(host, lithium_index=5)
    assert host == before
    consistent(path)


@pytest.mark.parametrize(("host", "atoms"), [("ltp", 107), ("latp", 109)])
def test_nasicon(host, atoms):
    path = nasicon_hop(host)
    assert len(path.initial) == atoms
    consistent(path)
    # neighbouring 6b sites: sqrt(a²/3 + c²/36)
    a, c = path.initial.lattice.a, path.initial.lattice.c
    assert path.hop_length_A == pytest.approx(np.sqrt(a**2 / 3 + c**2 / 36), abs=1e-6)
    lithium = [
        s.frac_coords
        for i, s in enumerate(path.initial)
        if s.specie.symbol == "Li" and i != path.mobile_index
    ]
    assert path.initial.lattice.get_all_distances(path.via, lithium).min() > 2.5


def test_vacancy_hop_in_li2tio3():
    host = build("li2tio3") * (2, 1, 1)
    start = next(i for i, s in enumerate(host) if s.specie.symbol == "Li")
    near = min(
        (n for n in host.get_neighbors(host[start], 3.2) if n.specie.symbol == "Li"),
        key=lambda n: n.nn_distance,
    )
    path = vacancy_hop(host, start=start, step=near.coords - host[start].coords)
    consistent(path)
    with pytest.raises(InputError, match="no other lithium"):
        vacancy_hop(host, start=start, step=np.array([0.9, 0.9, 0.9]))


def test_small_cells_are_refused():
    with pytest.raises(InputError, match="4 x 4"):
        layered_hop(layered_oxide(nickel=1, cobalt=0, manganese=0, supercell=(3, 3, 1)))


def test_bad_input():
    with pytest.raises(InputError, match="known: divacancy, single"):
        layered_hop("LiNiO2", mechanism="exchange")
    with pytest.raises(CompositionError, match="fully lithiated"):
        layered_hop("Li0.5NiO2")
    with pytest.raises(UnknownNameError, match="NASICON host"):
        nasicon_hop("lagp")
    with pytest.raises(InputError, match="lithium_index"):
        layered_hop("LiNiO2", lithium_index=48)


NAMED = [(host, path) for host, paths in hop_names().items() for path in paths]


@pytest.mark.parametrize(("host", "path"), NAMED)
def test_every_name_gives_a_path(host, path):
    found = migration_path(host, path)
    assert moved(found).tolist() == [found.mobile_index]
    assert found.initial.species == found.final.species
    assert found.net_charge == -found.vacancies
    assert len(found.perfect) == len(found.initial) + found.vacancies
    for end in (found.initial, found.final):
        assert (end.distance_matrix + 10 * np.eye(len(end))).min() > 1.4
    assert min(found.initial.lattice.abc) > 8.5 - 1e-6


def test_names_follow_the_symmetry_of_the_hosts():
    # Pnma: Li on 8d and 4c; Pmn2_1: Li on 4b and 2a. All neighbour pairs of the first shell have a name each.
    for host, cutoff in (("Li3PO4_gamma", 3.3), ("Li3PO4_beta", 3.2)):
        lengths = [migration_path(host, name).hop_length_A for name in path_names(host)]
        assert lengths == sorted(lengths)
        assert len(lengths) == len(distinct_hops(build(host), cutoff_A=cutoff))
    layers = {name: migration_path("li2tio3", name) for name in path_names("li2tio3")}
    for name, found in layers.items():
        rise = found.final[found.mobile_index].coords - found.initial[found.mobile_index].coords
        normal = np.cross(*found.initial.lattice.matrix[:2])
        rise = abs(rise @ normal) / np.linalg.norm(normal)
        # layers lie c sin(beta) / 4 = 2.4 Å apart
        assert rise == pytest.approx(2.4 if "liti2" in name else 0.0, abs=0.25)


def test_spinel_hop_passes_an_octahedral_site():
    path = migration_path("li4ti5o12")
    lattice = path.initial.lattice
    oxygen = path.initial.frac_coords[[s.specie.symbol == "O" for s in path.initial]]
    around_via = np.sort(lattice.get_all_distances(path.via, oxygen)[0])
    assert around_via[5] < 2.4 < around_via[6]  # 16c: six oxygens
    start = np.sort(lattice.get_all_distances(path.initial[path.mobile_index].frac_coords, oxygen)[0])
    assert start[3] < 2.2 < start[4]  # 8a: four oxygens
    # 8a-8a distance of the diamond sublattice: a sqrt(3)/4, a = 8.357 Å (data/crystals.yaml)
    assert path.hop_length_A == pytest.approx(8.357 * np.sqrt(3) / 4, abs=1e-3)


def test_nickel_goes_over_the_tetrahedron_between_three_vacancies():
    first, second = (nickel_hop("LiNiO2", stage=s) for s in ("to_tetrahedral", "to_lithium_layer"))
    lattice = first.initial.lattice
    middle = first.final[first.mobile_index].frac_coords
    assert first.initial[first.mobile_index].specie.symbol == "Ni"
    assert second.initial[second.mobile_index].frac_coords == pytest.approx(middle)
    oxygen = first.initial.frac_coords[[s.specie.symbol == "O" for s in first.initial]]
    shells = np.sort(lattice.get_all_distances(middle, oxygen)[0])
    assert shells[3] < 2.0 < 2.5 < shells[4]
    # the three lithium sites that share faces with the tetrahedron are gone, all others are farther than a hop
    lithium = first.initial.frac_coords[[s.specie.symbol == "Li" for s in first.initial]]
    assert lattice.get_all_distances(middle, lithium).min() > 2.8
    assert first.vacancies == second.vacancies == 3
    full = layered_oxide(nickel=1, cobalt=0, manganese=0, supercell=(4, 4, 1))
    sites = full.frac_coords[[s.specie.symbol == "Li" for s in full]]
    whole = nickel_hop("LiNiO2", stage="over_tetrahedral")
    assert whole.initial == first.initial
    assert np.array(whole.via) == pytest.approx(middle)
    assert whole.final[whole.mobile_index].frac_coords == pytest.approx(
        second.final[second.mobile_index].frac_coords
    )
    end = second.final[second.mobile_index].frac_coords
    assert lattice.get_all_distances(end, sites).min() < 1e-6


@pytest.mark.parametrize("lithium", [0.9, 0.5, 0.25])
def test_lithium_content_is_reached_away_from_the_hop(lithium):
    path = migration_path("LiCoO2", "tetrahedral", lithium=lithium)
    assert path.lithium_per_metal == pytest.approx(lithium, abs=0.5 / 48)
    assert path.vacancies == 48 - round(48 * lithium)
    near = migration_path("LiCoO2", "tetrahedral")
    if lithium == 0.9:  # three more vacancies, none among the neighbours of the hop
        lithiums = path.initial.frac_coords[[s.specie.symbol == "Li" for s in path.initial]]
        around = path.initial.lattice.get_all_distances(near.via, lithiums)[0]
        before = near.initial.frac_coords[[s.specie.symbol == "Li" for s in near.initial]]
        assert np.sum(around < 5.0) == np.sum(
            near.initial.lattice.get_all_distances(near.via, before)[0] < 5.0
        )
    assert migration_path("LiCoO2", "tetrahedral", lithium=lithium).initial == path.initial


def test_names_that_do_not_fit_are_named():
    assert migration_path("LiNi0.5Mn0.5O2", "single").name == "LiNi0.5Mn0.5O2 single"
    assert "ni_to_tetrahedral" not in path_names("LiCoO2")
    with pytest.raises(UnknownNameError, match="host of a hop 'tio2'"):
        migration_path("tio2")
    with pytest.raises(UnknownNameError, match="did you mean in_plane_"):
        migration_path("li2tio3", "in_plane")
    with pytest.raises(InputError, match="layered oxides only"):
        migration_path("ltp", lithium=0.5)
    with pytest.raises(InputError, match="cannot be had"):
        migration_path("LiNiO2", "tetrahedral", lithium=1.0)
    with pytest.raises(InputError, match="unknown stage"):
        nickel_hop("LiNiO2", stage="sideways")
    with pytest.raises(InputError, match="0 nickel ions"):
        nickel_hop("LiCoO2")
    with pytest.raises(CompositionError, match="fully lithiated"):
        migration_path("Li0.5NiO2")
