import numpy as np
import pytest

from cosinter.data.exceptions import CompositionError, InputError, UnknownNameError
from cosinter.structures.layered import layered_oxide
from cosinter.structures.migration import layered_hop, nasicon_hop, vacancy_hop
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
