from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosinter.data.exceptions import CompositionError, InputError, StructureError
from cosinter.structures.crystals import crystal
from cosinter.structures.defects import antisite_pair, distinct_lithium_sites, lithium_vacancy
from cosinter.structures.layered import layered_oxide

NCM811 = layered_oxide(nickel=0.8, cobalt=0.1, manganese=0.1)
LNO = layered_oxide(nickel=1, cobalt=0, manganese=0, supercell=(3, 3, 1))


def ions(structure):
    return Counter(str(site.specie) for site in structure)


def test_distinct_sites_of_known_crystals():
    assert [len(sites) for sites in distinct_lithium_sites(LNO)] == [27]
    # Li2TiO3, C2/c: Li on 8f, 4d and 4e
    groups = distinct_lithium_sites(crystal("Li2TiO3").structure)
    assert sorted(len(sites) for sites in groups) == [4, 4, 8]
    with pytest.raises(StructureError, match="no lithium"):
        distinct_lithium_sites(crystal("TiO2").structure)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 30), st.integers(0, 100))
def test_vacancies_stay_neutral(number, seed):
    result = lithium_vacancy(NCM811, number=number, seed=seed)
    assert result.charge == 0
    assert ions(result)["Li+"] == 30 - number
    assert len(NCM811) == 120
    assert "defect" not in NCM811.properties
    again = lithium_vacancy(NCM811, number=number, seed=seed)
    assert again.species == result.species
    assert again.properties["defect"] == result.properties["defect"]


def test_the_nearest_divalent_nickel_gives_the_electron():
    result = lithium_vacancy(NCM811, index=4)
    assert ions(result) - ions(NCM811) == {"Ni3+": 1}
    assert ions(NCM811) - ions(result) == {"Li+": 1, "Ni2+": 1}
    (oxidised,) = result.properties["defect"]["oxidised"]
    divalent = [i for i, s in enumerate(NCM811) if str(s.specie) == "Ni2+"]
    nearest = min(NCM811.get_distance(4, i) for i in divalent)
    assert NCM811.get_distance(4, oxidised + 1) == pytest.approx(nearest)  # one site is gone before it
    assert str(result[oxidised].specie) == "Ni3+"


def test_trivalent_nickel_and_cobalt_follow():
    assert ions(lithium_vacancy(LNO, index=0))["Ni4+"] == 1
    cobalt = layered_oxide(nickel=0, cobalt=1, manganese=0, supercell=(2, 2, 1))
    assert ions(lithium_vacancy(cobalt, index=[0, 5]))["Co4+"] == 2


def test_charged_vacancy():
    result = lithium_vacancy(NCM811, index=[0, 3], compensate=False)
    assert result.charge == -2
    assert result.properties["defect"]["charge_e"] == -2
    assert len(result) == 118


@pytest.mark.parametrize("change", [{"index": 100}, {"index": []}, {"number": 31}, {"number": 0}])
def test_wrong_sites(change):
    with pytest.raises(InputError):
        lithium_vacancy(NCM811, **change)


def test_nothing_to_oxidise():
    with pytest.raises(CompositionError, match="compensate=False"):
        lithium_vacancy(crystal("Li2TiO3").structure)
    bare = NCM811.copy()
    bare.remove_oxidation_states()
    with pytest.raises(InputError, match="oxidation states"):
        lithium_vacancy(bare)
    with pytest.raises(InputError, match="oxidation states"):
        antisite_pair(bare)


def test_antisite_pair_takes_divalent_nickel_first():
    result = antisite_pair(NCM811)
    defect = result.properties["defect"]
    assert ions(result) == ions(NCM811)  # Li+ and Ni2+ have changed places
    assert str(NCM811[defect["lithium_on_nickel"]].specie) == "Ni2+"
    assert not defect["oxidised"]
    assert str(result[defect["nickel_on_lithium"]].specie) == "Ni2+"
    assert str(result[defect["lithium_on_nickel"]].specie) == "Li+"


# Li-Ni shells of the R-3m cell: (a²/3 + (c/6)²)^½ and so on, a = 2.878, c = 14.19 Å: 2.89, 4.08, 4.99
@pytest.mark.parametrize(("wanted", "found"), [(None, 2.89), (4.0, 4.08), (5.0, 4.99)])
def test_antisite_separation_and_charge(wanted, found):
    result = antisite_pair(LNO, separation_A=wanted, seed=2)
    defect = result.properties["defect"]
    assert defect["separation_A"] == pytest.approx(found, abs=0.01)
    here = result.get_distance(defect["nickel_on_lithium"], defect["lithium_on_nickel"])
    assert here == pytest.approx(defect["separation_A"])
    assert result.charge == 0
    assert ions(result) == {"Li+": 27, "Ni2+": 1, "Ni3+": 25, "Ni4+": 1, "O2-": 54}
    assert str(result[defect["oxidised"][0]].specie) == "Ni4+"


def test_antisite_refusals():
    with pytest.raises(StructureError, match=r"no Li-Ni pair is 1 Å"):
        antisite_pair(LNO, separation_A=1.0)
    with pytest.raises(StructureError, match="no Li-Ni pair"):
        antisite_pair(LNO, separation_A=float("nan"))
    with pytest.raises(StructureError, match="no nickel"):
        antisite_pair(crystal("Li2TiO3").structure)
    full = layered_oxide(nickel=1, cobalt=0, manganese=0, lithium=1 / 3, supercell=(1, 1, 1))
    with pytest.raises(CompositionError, match="left to oxidise"):
        antisite_pair(full)
