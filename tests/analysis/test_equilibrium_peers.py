"""Arrays of entries against pymatgen: hull energies, kinks closed and open, conventions, and the pitfalls of peers."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.analysis.interface_reactions import GrandPotentialInterfacialReactivity, InterfacialReactivity
from pymatgen.analysis.phase_diagram import (
    GrandPotentialPhaseDiagram,
    GrandPotPDEntry,
    PDEntry,
    PhaseDiagram,
)
from pymatgen.core import Composition, Element

from cosinter.analysis.equilibrium.entry_table import EntryTable
from cosinter.analysis.equilibrium.peers import from_pymatgen, pymatgen_kinks
from cosinter.data.exceptions import CompositionError, InputError, UnknownNameError

ELEMENTS = ("Li", "O", "P", "Ti", "Ni", "Mn", "Co", "Al")


def random_entries(seed: int, rows: int, size: int) -> list[PDEntry]:
    """Elements at zero and random compounds of -0.2 to -2 eV per atom."""
    random = np.random.default_rng(seed)
    elements = ELEMENTS[:rows]
    entries = [PDEntry(Composition(element), 0.0) for element in elements]
    seen = {Composition(element).reduced_formula for element in elements}
    while len(entries) < rows + size:
        counts = random.integers(0, 5, rows) * (random.random(rows) < 0.6)
        atoms = Composition(dict(zip(elements, counts.tolist(), strict=True)))
        if (counts > 0).sum() < 2 or atoms.reduced_formula in seen:
            continue
        seen.add(atoms.reduced_formula)
        entries.append(PDEntry(atoms, -float(random.uniform(0.2, 2.0)) * atoms.num_atoms))
    return entries


def pick(entries: list[PDEntry], seed: int) -> tuple[Composition, Composition]:
    random = np.random.default_rng(seed)
    first, second = random.choice(len(entries), 2, replace=False)
    return entries[first].composition, entries[second].composition


def as_atoms(composition: Composition) -> dict[str, float]:
    return {str(k): float(v) for k, v in composition.get_el_amt_dict().items()}


def same(ours: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> None:
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(ours, sorted(theirs), atol=1e-8)


@pytest.mark.parametrize("seed", range(12))
def test_closed_kinks_and_hull_equal_pymatgen(seed: int) -> None:
    rows = 3 + seed % 4
    entries = random_entries(seed, rows, 14 + 2 * rows)
    table, diagram = from_pymatgen(entries), PhaseDiagram(entries)
    first, second = pick(entries, seed)
    peer = InterfacialReactivity(first, second, diagram, norm=True, use_hull_energy=False)
    profile = table.interface(as_atoms(first), as_atoms(second))[0]
    same(pymatgen_kinks(profile), [(k[1], k[2]) for k in peer.get_kinks()])
    molar = InterfacialReactivity(first, second, diagram, norm=False, use_hull_energy=True)
    same(
        pymatgen_kinks(profile, norm=False, mutual=True),
        [(k[1], k[2]) for k in molar.get_kinks()],
    )
    above = table.above_hull()[0]
    expected = [diagram.get_e_above_hull(entry) for entry in entries]
    np.testing.assert_allclose(above, expected, atol=1e-8)


def with_ties(entries: list[PDEntry], seed: int) -> list[PDEntry]:
    """Energies of whole tenths of eV per atom, duplicates, and phases exactly on tie lines."""
    random = np.random.default_rng(seed)
    tied = [PDEntry(e.composition, round(e.energy_per_atom, 1) * e.composition.num_atoms) for e in entries]
    for i, j in random.integers(0, len(tied), (4, 2)):
        tied.append(PDEntry(tied[i].composition, tied[i].energy))
        joint = tied[i].composition + tied[j].composition
        tied.append(PDEntry(joint, tied[i].energy + tied[j].energy))
    return tied


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_two_hundred_systems_of_three_to_eight_elements_equal_pymatgen(block: int) -> None:
    for seed in range(1000 + 11 * block, 1011 + 11 * block):
        rows = 3 + seed % 6
        entries = random_entries(seed, rows, 10 + 4 * rows)
        ties = seed % 3 == 0
        if ties:
            entries = with_ties(entries, seed)
        table, diagram = from_pymatgen(entries), PhaseDiagram(entries)
        first, second = pick(entries, seed)
        peer = InterfacialReactivity(first, second, diagram, use_hull_energy=True)
        theirs = np.asarray(sorted({(k[1], k[2]) for k in peer.get_kinks()}))
        profile = table.interface(as_atoms(first), as_atoms(second))[0]
        ours = np.asarray(pymatgen_kinks(profile, mutual=True))
        if ties:  # facets in one plane give the peer's list points that do not bend the line
            np.testing.assert_allclose(np.interp(theirs[:, 0], *ours.T), theirs[:, 1], atol=1e-8)
            distance = np.abs(ours[:, :1] - theirs[:, 0]).min(axis=1)
            assert distance.max() < 1e-6
        else:
            assert len(ours) == len(theirs)
            np.testing.assert_allclose(ours, theirs, atol=1e-8)
        random = np.random.default_rng(seed)
        mixture = dict(zip(ELEMENTS[:rows], random.uniform(0.02, 1.0, rows).tolist(), strict=True))
        energy = table.solve([mixture])[0].value[0]
        expected = diagram.get_hull_energy(Composition(mixture))
        assert energy / sum(mixture.values()) == pytest.approx(expected / sum(mixture.values()), abs=1e-8)


@pytest.mark.parametrize("seed", range(6))
def test_open_oxygen_equals_the_grand_potential_diagram(seed: int) -> None:
    rows, mu = 4 + seed % 3, -0.6 - 0.1 * seed
    entries = random_entries(20 + seed, rows, 16 + 2 * rows)
    table = from_pymatgen(entries)
    closed = [entry for entry in entries if entry.composition.num_atoms > entry.composition["O"]]
    first, second = pick(closed, seed)
    grand = GrandPotentialPhaseDiagram(entries, {Element("O"): mu})
    diagram = PhaseDiagram(entries)
    for total in (True, False):
        peer = GrandPotentialInterfacialReactivity(
            first, second, grand, diagram, include_no_mixing_energy=total, use_hull_energy=False
        )
        profile = table.interface(as_atoms(first), as_atoms(second), reservoirs={"O": mu})[0]
        kinks = [(k[1], k[2]) for k in peer.get_kinks()]
        same(pymatgen_kinks(profile, mutual=not total), kinks)


def test_open_oxygen_above_hull_equals_the_grand_potential_diagram() -> None:
    entries = random_entries(40, 4, 24)
    table = from_pymatgen(entries)
    grand = GrandPotentialPhaseDiagram(entries, {Element("O"): -1.1})
    above = table.above_hull(reservoirs={"O": -1.1})[0]
    for entry, ours in zip(entries, above, strict=True):
        shut = entry.composition.num_atoms - entry.composition["O"]
        if shut > 0.0:
            wrapped = GrandPotPDEntry(entry, {Element("O"): -1.1})
            theirs = grand.get_e_above_hull(wrapped, allow_negative=True)
            assert ours * entry.composition.num_atoms / shut == pytest.approx(theirs, abs=1e-8)


LITHIA = EntryTable(
    ("Li", "O2", "Li2O", "Li2O2", "odd name"),
    ("Li", "O"),
    np.asarray([[1, 0, 2, 2, 4], [0, 2, 1, 2, 2]], dtype=float),
    np.asarray([[0.0, 0.0, -6.0, -6.5, -11.9]]),
)


def test_names_need_not_be_formulas_and_polymorphs_stay() -> None:
    # pymatgen rebuilds products from entry.name; ours come from the columns
    only = LITHIA.without(["Li2O"])
    assert only.decompose("Li2O")[0] == pytest.approx({"odd name": 0.5})
    assert LITHIA.above_hull()[0][4] == pytest.approx(0.1 / 6.0)
    with pytest.raises(UnknownNameError, match="odd nam"):
        LITHIA.without(["odd nam"])


def test_a_reactant_is_never_replaced_silently() -> None:
    with pytest.raises(CompositionError, match="no entry has the composition"):
        LITHIA.interface("LiO2", "Li")
    given = LITHIA.interface("LiO2", "Li", references=(-2.0, "entry"))[0]
    mutual = LITHIA.interface("LiO2", "Li", references=("hull", "hull"))[0]
    assert given.totals[-1] == pytest.approx(-6.5 / 2 + 2.0)
    assert mutual.totals[-1] == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(given.mutual, mutual.totals, atol=1e-12)


def test_fractions_of_the_same_composition_are_one_reactant() -> None:
    # pymatgen compares floats exactly here and then returns one kink
    profile = LITHIA.interface("Li2O", {"Li": 0.66666666667, "O": 0.33333333333})[0]
    assert profile.mole.tolist() == [0.0, 1.0]
    np.testing.assert_allclose(profile.totals, 0.0, atol=1e-8)


def test_a_reservoir_above_the_pure_gas_is_refused() -> None:
    with pytest.raises(InputError, match="O2 would form without end"):
        LITHIA.interface("Li2O", "Li", reservoirs={"O": 0.1})
    with pytest.raises(InputError, match="reservoir"):
        LITHIA.decompose("Li2O", reservoirs={"O": -1.0, "O2": -1.5})


def test_any_species_is_a_reservoir_and_conditions_run_at_once() -> None:
    table = LITHIA.with_energies(np.asarray([[0.0, 0.0, -6.0, e, -11.9] for e in (-6.5, -7.5)]))
    first, second = table.interface("Li2O", "O2", reservoirs={"Li2O2": -7.6})
    for profile in (first, second):
        np.testing.assert_allclose(profile.mole, [0.0, 2.0 / 3.0, 1.0])
        assert profile.products[1] == pytest.approx({"reservoir Li2O2": 2.0 / 3.0})
        assert profile.totals[1] == pytest.approx((2.0 * -7.6 + 2.0 * 6.0) / 3.0)
    with pytest.raises(InputError, match="2 and 3"):
        table.decompose("LiO", reservoirs={"O": np.asarray([-0.1, -0.2, -0.3])})
    lanes = LITHIA.decompose("LiO", reservoirs={"O": np.asarray([-0.1, -3.0])})
    assert [set(one) for one in lanes] == [{"Li2O2"}, {"Li2O", "reservoir O"}]


def test_an_exact_tie_is_no_kink_and_a_bend_above_the_tolerance_is() -> None:
    entries = ("A", "B", "AB")
    for bend, kinks in ((0.0, 2), (1e-12, 2), (1e-8, 3)):
        table = EntryTable(
            entries, ("Li", "O"), np.asarray([[1.0, 0, 1], [0, 1, 1]]), np.asarray([[0.0, 0.0, -2 * bend]])
        )
        assert len(table.interface("Li", "O")[0].mole) == kinks


@pytest.mark.parametrize(
    ("counts", "energies", "message"),
    [
        ([[1.0, 2.0]], [[0.0]], "shape"),
        ([[1.0, np.nan]], [[0.0, 1.0]], "finite"),
        ([[1.0, 0.0]], [[0.0, 1.0]], "positive number of atoms"),
    ],
)
def test_bad_tables_are_refused(counts: list[list[float]], energies: list[list[float]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        EntryTable(("a", "b"), ("Li",), np.asarray(counts), np.asarray(energies))


def test_bad_requests_are_refused() -> None:
    with pytest.raises(InputError, match="at least one entry"):
        from_pymatgen([])
    with pytest.raises(CompositionError, match="element Fe is in no entry"):
        LITHIA.decompose("FeO")
    with pytest.raises(CompositionError, match="positive"):
        LITHIA.decompose({"Li": -1.0, "O": 2.0})
    with pytest.raises(CompositionError, match="no combination"):
        LITHIA.without(["Li", "O2"]).decompose("LiO3")
    with pytest.raises(InputError, match="potential of O must be a finite number"):
        LITHIA.decompose("LiO", reservoirs={"O": float("nan")})
    with pytest.raises(InputError, match="energy of Li2O must be a finite number"):
        LITHIA.interface("Li2O", "Li", references=(float("inf"), "entry"))
