import json
from dataclasses import replace
from itertools import combinations
from time import perf_counter

import numpy as np
import pytest
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from cosinter.data.exceptions import CompositionError, EngineError, InputError, UnknownNameError
from cosinter.structures.ewald import ewald_matrix
from cosinter.structures.layered import layered_ordering
from cosinter.structures.nasicon import latp_ordering
from cosinter.structures.ordering import Sublattice
from cosinter.structures.ordering_model import OrderingModel
from cosinter.structures.ordering_search import rank_orderings
from cosinter.structures.quasirandom import neighbour_shells, pair_correlations

NCM811 = {"nickel": 0.8, "cobalt": 0.1, "manganese": 0.1}
NCM111 = {"nickel": 1 / 3, "cobalt": 1 / 3, "manganese": 1 / 3}


def model_of(problem):
    cell = problem.cell
    return OrderingModel.of(problem, ewald_matrix(cell.lattice.matrix, cell.frac_coords), 3)


def test_a_hundred_candidates_of_240_atoms():
    start = perf_counter()
    found = rank_orderings(layered_ordering(**NCM811, supercell=(5, 4, 1)), count=100)
    assert perf_counter() - start < 60.0  # the bound, on the 2 cores that the tests may use
    assert [c.rank for c in found] == list(range(1, 101))
    assert len({c.fingerprint for c in found}) == 100
    energies = [c.electrostatic_energy_eV for c in found]
    assert energies == sorted(energies)
    for candidate in found:
        assert len(candidate.structure) == 240
        assert candidate.structure.charge == 0
    ions = found[0].structure.composition.as_dict()
    assert ions == {"Li+": 60, "Ni2+": 6, "Ni3+": 42, "Co3+": 6, "Mn4+": 6, "O2-": 120}


@pytest.mark.parametrize(
    "problem",
    [
        layered_ordering(**NCM811),
        layered_ordering(**NCM811, lithium=0.3),
        layered_ordering(**NCM811, antisite_pairs=2, excess_nickel=1),
        latp_ordering(0.5, m1_vacancies=1),
    ],
    ids=lambda p: p.family,
)
@pytest.mark.parametrize("method", ["annealed", "quasi-random"])
def test_every_energy_is_pymatgens_ewald_energy(problem, method):
    for candidate in rank_orderings(problem, count=6, method=method):
        reference = EwaldSummation(candidate.structure, acc_factor=12.0).total_energy
        assert candidate.electrostatic_energy_eV == pytest.approx(reference, abs=1e-6)
        assert candidate.structure.charge == pytest.approx(0.0, abs=1e-12)


def lowest_by_enumeration(problem):
    """Lowest energy of all fillings of two-ion sublattices, one Ewald matrix, no annealing."""
    cell = problem.cell
    potential = ewald_matrix(cell.lattice.matrix, cell.frac_coords)
    moving = {i for sub in problem.sublattices for i in sub.sites}
    base = np.array([0.0 if i in moving else s.specie.oxi_state for i, s in enumerate(cell)])
    rows = [base]
    charge = {"": 0.0, "Li+": 1.0, "Co3+": 3.0, "Co4+": 4.0, "Al3+": 3.0, "Ti4+": 4.0}
    for sub in problem.sublattices:
        (a, n), *rest = sub.counts.items()
        other = charge[rest[0][0]] if rest else 0.0
        grown = []
        for row in rows:
            for chosen in combinations(sub.sites, n):
                filled = row.copy()
                filled[list(sub.sites)] = other
                filled[list(chosen)] = charge[a]
                grown.append(filled)
        rows = grown
    q = np.array(rows)
    return float((0.5 * np.einsum("bi,bi->b", q @ potential, q)).min())


@pytest.mark.parametrize(
    "problem",
    [
        layered_ordering(nickel=0, cobalt=1, manganese=0, lithium=0.5, supercell=(2, 1, 1)),
        layered_ordering(nickel=0, cobalt=1, manganese=0, lithium=1 / 3, supercell=(2, 1, 1)),
        latp_ordering(1 / 6),
    ],
    ids=["Li0.5CoO2", "Li1/3CoO2", "LATP"],
)
def test_annealing_finds_the_lowest_of_all_arrangements(problem):
    best = rank_orderings(problem, count=8)[0]
    assert best.electrostatic_energy_eV == pytest.approx(lowest_by_enumeration(problem), abs=1e-6)


def test_lithium_of_ltp_stands_on_m1():
    # Li on M1 only: the refined structure of LiTi2(PO4)3 (data/crystals.yaml, record LTP)
    filled = rank_orderings(latp_ordering(0.0), count=3)
    assert len(filled) == 1  # one arrangement, met by every seed
    families = [latp_ordering(0.0), latp_ordering(0.0, m1_vacancies=1)]
    both = rank_orderings(families, count=3)
    assert both[0].family.startswith("0 M1 vacancies")
    assert both[0].electrostatic_energy_eV == filled[0].electrostatic_energy_eV


def test_m2_pairs_are_never_both_filled():
    for vacancies in (0, 2, 6):
        for candidate in rank_orderings(latp_ordering(0.5, m1_vacancies=vacancies), count=5):
            structure = candidate.structure
            assert structure.composition["Li+"] == 9
            lithium = Structure.from_sites([s for s in structure if s.specie.symbol == "Li"])
            # the shortest M1-M2 distance of the record is 3.04 Å; the half sites are 0.16 Å apart
            assert (lithium.distance_matrix + 10 * np.eye(9)).min() > 3.0


def test_same_seed_same_candidates_whatever_the_count():
    problem = layered_ordering(**NCM811)
    few = {c.seed: c for c in rank_orderings(problem, count=4, seed=7)}
    many = {c.seed: c for c in rank_orderings(problem, count=9, seed=7)}
    assert few.keys() == {7, 8, 9, 10}
    assert few.keys() < many.keys()
    for seed, candidate in few.items():
        assert candidate.structure == many[seed].structure
        assert candidate.fingerprint == many[seed].fingerprint


def test_quasi_random_candidates_have_the_correlations_of_the_random_alloy():
    problem = layered_ordering(**NCM111, supercell=(3, 3, 1))
    random = rank_orderings(problem, count=6, method="quasi-random")
    ordered = rank_orderings(problem, count=6)
    assert max(c.correlations.error for c in random) < 0.25 * min(c.correlations.error for c in ordered)
    # electrostatics favours order, so the random alloy lies higher
    assert random[0].electrostatic_energy_eV > ordered[0].electrostatic_energy_eV
    structure = random[0].structure
    metals = [i for i, s in enumerate(structure) if s.specie.symbol in ("Ni", "Co", "Mn")]
    again = pair_correlations(
        neighbour_shells(structure, metals), [structure[i].specie.symbol for i in metals]
    )
    assert again.error == pytest.approx(random[0].correlations.error, abs=1e-12)


# pymatgen calls spglib in the way that spglib 2.7 gives notice of
@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
def test_a_symmetry_of_the_parent_keeps_the_fingerprint():
    problem = layered_ordering(**NCM811, lithium=0.9)
    model = model_of(problem)
    points = problem.cell.frac_coords[list(model.sites)]
    rng = np.random.default_rng(0)
    metals = len(problem.sublattices[0].sites)
    labels = np.concatenate([rng.permutation(model.pool[:metals]), rng.permutation(model.pool[metals:])])
    operations = SpacegroupAnalyzer(problem.cell, symprec=1e-3).get_symmetry_operations()
    assert len(operations) > 30
    for operation in operations[:: len(operations) // 12]:
        moved = operation.operate_multi(points)
        delta = moved[:, None] - points[None]
        target = np.abs(delta - np.round(delta)).max(axis=-1).argmin(axis=1)
        image = np.empty_like(labels)
        image[target] = labels
        assert model.fingerprint(image) == model.fingerprint(labels)
    first, last = np.flatnonzero(labels[:metals] != labels[0])[0], 0
    labels[[first, last]] = labels[[last, first]]
    assert model.fingerprint(image) != model.fingerprint(labels)


def test_candidates_are_distinct_crystals():
    problem = layered_ordering(nickel=0.5, cobalt=0.25, manganese=0.25, supercell=(2, 2, 1))
    found = rank_orderings(problem, count=7, method="quasi-random")
    matcher = StructureMatcher(ltol=1e-3, stol=1e-3, angle_tol=0.1, scale=False, primitive_cell=False)
    assert len(found) >= 2
    assert not any(matcher.fit(a.structure, b.structure) for a, b in combinations(found, 2))


def test_emptied_layers_of_stage_two():
    problem = layered_ordering(**NCM811, lithium=0.3, stage=2, supercell=(5, 2, 2))
    for candidate in rank_orderings(problem, count=3):
        structure = candidate.structure
        layers = np.round(structure.frac_coords[:, 2] * 6).astype(int) % 6
        lithium = [int(z) for z, s in zip(layers, structure, strict=True) if s.specie.symbol == "Li"]
        assert len(lithium) == 18
        assert {*lithium} <= {0, 2, 4}
        assert candidate.family == "stage 2"


def test_families_are_ranked_together():
    cell = {**NCM811, "lithium": 0.5, "supercell": (5, 2, 2)}
    found = rank_orderings([layered_ordering(**cell), layered_ordering(**cell, stage=2)], count=3)
    assert sorted(c.family for c in found) == ["ideal layers"] * 3 + ["stage 2"] * 3
    assert [c.rank for c in found] == [1, 2, 3, 4, 5, 6]
    # unscreened repulsion within the layers: staging costs energy on the undistorted parent
    assert [c.family for c in found[:3]] == ["ideal layers"] * 3


def test_a_calculator_ranks_again():
    problem = layered_ordering(**NCM811)
    calls = []

    def energy(structure):
        calls.append(len(structure))
        structure.properties.clear()
        structure.remove_sites([0])  # a careless calculator must not reach the candidate
        return -float(len(calls))

    found = rank_orderings(problem, count=6, keep=3, energy=energy)
    assert calls == [120, 120, 120]
    assert [c.energy_eV for c in found] == [-3.0, -2.0, -1.0]
    assert [c.rank for c in found] == [1, 2, 3]
    electrostatic = [c.electrostatic_energy_eV for c in found]
    assert (np.diff(electrostatic) < 1e-6).all()  # ties within the 1e-6 eV that rank as equal
    assert all(len(c.structure) == 120 and c.structure.properties for c in found)
    with pytest.raises(EngineError, match="gave nan"):
        rank_orderings(problem, count=1, energy=lambda structure: float("nan"))


def test_to_dict_is_plain_json():
    found = rank_orderings(layered_ordering(**NCM811), count=2)
    entry = json.loads(json.dumps([c.to_dict() for c in found]))[0]
    assert entry["rank"] == 1
    assert entry["atoms"] == 120
    assert entry["energy_eV"] is None
    assert entry["formula"] == "Li30 Mn3 Co3 Ni24 O60"
    assert set(entry["warren_cowley"]) == {"Co-Co", "Co-Mn", "Co-Ni", "Mn-Mn", "Mn-Ni", "Ni-Ni"}
    assert rank_orderings(latp_ordering(0.0), count=1)[0].to_dict()["sqs_error"] is None


def test_refusals():
    problem = layered_ordering(**NCM811)
    with pytest.raises(UnknownNameError, match="annealed"):
        rank_orderings(problem, method="anealed")
    with pytest.raises(InputError, match="at least 1"):
        rank_orderings(problem, count=0)
    with pytest.raises(InputError, match="seed -1"):
        rank_orderings(problem, seed=-1)
    with pytest.raises(InputError, match="no ordering problem"):
        rank_orderings([])
    with pytest.raises(InputError, match="another parent cell or composition"):
        rank_orderings([problem, layered_ordering(**NCM811, excess_nickel=1)])
    metal, lithium = problem.sublattices
    charged = Sublattice(metal.sites, {"Ni3+": 30})
    with pytest.raises(CompositionError, match="it must be 0"):
        rank_orderings(replace(problem, sublattices=(replace(charged, counts={"Ni2+": 30}), lithium)))
    with pytest.raises(CompositionError, match="do not fill"):
        rank_orderings(replace(problem, sublattices=(metal, replace(lithium, counts={"Li+": 29}))))
