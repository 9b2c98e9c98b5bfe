"""Computed entries: read without trust, corrected once, on the scale of the library with measured errors."""

from __future__ import annotations

import gzip
import json
import warnings
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

from benchmarks import computed_energies
from cosinter.analysis.thermochemistry.computed_anchors import anchored_entries, assign_ions
from cosinter.analysis.thermochemistry.computed_errors import error_table, group_of, unmeasured_spread
from cosinter.analysis.thermochemistry.computed_phases import FARADAY, computed_phases
from cosinter.analysis.thermochemistry.corrections import (
    DoubleCorrectionError,
    apply_mp2020,
    check_one_functional,
    mark_included,
    settle_corrections,
)
from cosinter.analysis.thermochemistry.entries import (
    ComputedEntry,
    formation_energies,
    read_entries,
    read_entry,
)
from cosinter.analysis.thermochemistry.formulas import parse_formula, proportionality
from cosinter.analysis.thermochemistry.library import load_library, reaction_uncertainty
from cosinter.data.exceptions import InputError
from cosinter.structures.crystals import formula_volume


def shipped() -> dict[str, Any]:
    path = files("pymatgen.analysis.compatibility").joinpath("calc_compounds.json.gz")
    return dict(json.loads(gzip.decompress(path.read_bytes())))


def record(**changes: Any) -> dict[str, Any]:
    base = {
        "energy": -14.2636,
        "composition": {"Li": 2.0, "O": 1.0},
        "entry_id": "mp-1960",
        "correction": 0.0,
        "energy_adjustments": [],
        "parameters": {"run_type": "GGA", "hubbards": {}},
        "data": {"oxide_type": "oxide", "volume": 24.6},
    }
    return {**base, **changes}


@pytest.fixture(scope="module")
def real() -> tuple[ComputedEntry, ...]:
    """Real entries of our elements, corrected, with the volumes of our crystals."""
    elements = set(load_library().elements)
    records = []
    for item in shipped().values():
        if not set(item["composition"]) <= elements:
            continue
        entry = read_entry(item)
        volume = formula_volume(entry.formula)
        if volume is not None:
            item["data"]["volume"] = volume * entry.atoms / sum(parse_formula(entry.formula).values())
        records.append(item)
    return apply_mp2020(read_entries(records))[0]


def test_reads_what_pymatgen_writes() -> None:
    from pymatgen.core import Lattice, Structure
    from pymatgen.core.entries import (
        CompositionEnergyAdjustment,
        ComputedStructureEntry,
        TemperatureEnergyAdjustment,
    )

    structure = Structure(Lattice.cubic(3.0), ["Li+", "Li+", "O2-"], [[0, 0, 0], [0.5] * 3, [0.25] * 3])
    peer = ComputedStructureEntry(
        structure,
        -14.0,
        energy_adjustments=[
            CompositionEnergyAdjustment(-0.687, 1, name="MP2020 anion correction (oxide)"),
            TemperatureEnergyAdjustment(-1e-4, 300.0, 3, name="entropy"),
        ],
        parameters={"run_type": "GGA"},
        entry_id="x",
    )
    entry = read_entry(peer.as_dict())
    assert entry.corrected_energy == pytest.approx(peer.energy, abs=1e-12)
    assert dict(entry.composition) == {"Li": 2.0, "O": 1.0}
    assert entry.volume_A3 == pytest.approx(27.0)
    assert [item.scheme for item in entry.adjustments] == ["MP2020", "by hand"]


def test_same_corrections_as_pymatgen_without_its_objects(real: tuple[ComputedEntry, ...]) -> None:
    from pymatgen.core.entries import ComputedEntry as Peer
    from pymatgen.entries.compatibility import MaterialsProject2020Compatibility

    scheme = MaterialsProject2020Compatibility(check_potcar=False)
    by_id = {item["entry_id"]: item for item in shipped().values()}
    for entry in real:
        raw = by_id[entry.entry_id]
        peer = Peer(raw["composition"], raw["energy"], parameters=raw["parameters"], data=raw["data"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Li2O2 has no usual oxidation states
            scheme.process_entry(peer, inplace=True)
        assert entry.corrected_energy == pytest.approx(peer.energy, abs=1e-9)


WRONG: dict[str, tuple[Any, str]] = {
    "no list": ("text", "must be a JSON list"),
    "empty": ([], "is empty"),
    "number": ([3], "must be a mapping"),
    "no composition": ([{"energy": 1.0}], "composition must be"),
    "strange element": ([record(composition={"<script>": 1.0})], "is not an element"),
    "negative": ([record(composition={"Li": -1.0})], "must not be negative"),
    "nothing": ([record(composition={"Li": 0.0})], "is empty"),
    "nan": ([record(energy=float("nan"))], "finite number"),
    "text energy": ([record(energy="-1")], "finite number"),
    "true energy": ([record(energy=True)], "finite number"),
    "lattice": ([record(structure={"lattice": {"matrix": [[1, 2]]}, "sites": [1]})], "3 x 3"),
    "sites": ([record(structure={"lattice": {"matrix": np.eye(3).tolist()}, "sites": []})], "no sites"),
    "flat": (
        [record(structure={"lattice": {"matrix": np.zeros((3, 3)).tolist()}, "sites": [1]})],
        "between 1 and 1000",
    ),
    "volume": ([record(data={"volume": -2.0})], "between 1 and 1000"),
    "adjustment": ([record(energy_adjustments=[{"value": None}])], "finite number"),
    "twice": ([record(), record()], "two computed entries have the id 'mp-1960'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_entries_are_refused_with_one_sentence(name: str) -> None:
    content, words = WRONG[name]
    with pytest.raises(InputError, match=words) as caught:
        read_entries(content)
    assert "\n" not in str(caught.value)


def test_an_energy_beyond_any_compound_is_refused() -> None:
    elements = [
        record(entry_id="li", composition={"Li": 1.0}, energy=-1.9),
        record(entry_id="o", composition={"O": 2.0}, energy=-9.9),
    ]
    with pytest.raises(InputError, match=r"mp-1960 \(Li2O\): formation energy .* within 10 eV/atom"):
        formation_energies(read_entries([*elements, record(energy=-1e300)]))


def test_foreign_classes_are_never_built() -> None:
    entry = read_entry({**record(), "@module": "os", "@class": "system"})
    assert entry.entry_id == "mp-1960"


def test_one_functional() -> None:
    mixed = read_entries([record(), record(entry_id="b", parameters={"run_type": "r2SCAN"})])
    with pytest.raises(InputError, match="mix functionals"):
        check_one_functional(mixed)
    assert check_one_functional(mixed[:1]) == "GGA_GGA+U"
    with pytest.raises(InputError, match="are R2SCAN, not GGA_GGA"):
        check_one_functional(mixed[1:], functional="GGA_GGA+U")


def test_corrections_are_applied_once() -> None:
    raw = read_entries([record()])
    once, refused = apply_mp2020(raw)
    assert not refused
    assert once[0].corrected_energy - raw[0].energy_eV == pytest.approx(-0.687)
    with pytest.raises(DoubleCorrectionError, match="never applied twice"):
        apply_mp2020(once)
    included = mark_included(raw)
    assert included[0].corrected_energy == raw[0].energy_eV
    with pytest.raises(DoubleCorrectionError, match="never applied twice"):
        apply_mp2020(included)
    with pytest.raises(DoubleCorrectionError, match="cannot also include"):
        mark_included(once)
    with pytest.raises(DoubleCorrectionError):
        settle_corrections(once, "apply")
    assert settle_corrections(once, "listed") == (once, ())
    with pytest.raises(InputError, match="without MP2020 correction"):
        settle_corrections(raw, "listed")


def test_other_schemes_are_refused() -> None:
    mixing = {"value": -1.0, "name": "MP GGA(+U)/R2SCAN mixing adjustment"}
    with pytest.raises(InputError, match="r2SCAN mixing"):
        settle_corrections(read_entries([record(energy_adjustments=[mixing])]), "listed")


def test_what_mp2020_cannot_correct_is_left_out() -> None:
    bare = read_entries([record(parameters={}), record(entry_id="b")])
    kept, refused = apply_mp2020(bare)
    assert [entry.entry_id for entry in kept] == ["b"]
    assert refused == (("mp-1960", "its run type (GGA or GGA+U) is not stated"),)


def test_every_element_needs_an_entry() -> None:
    with pytest.raises(InputError, match="no pure Li, O"):
        formation_energies(read_entries([record()]))


def test_elements_gases_and_what_lacks_a_volume_make_no_phase(real: tuple[ComputedEntry, ...]) -> None:
    made = computed_phases(real, load_library(), source="test")
    reasons = dict(made.left_out)
    ids = {entry.formula: entry.entry_id for entry in real}
    assert "element" in reasons[ids["Li"]]
    assert "element" in reasons[ids["O2"]]
    assert "volume" in reasons[ids["LiH"]]
    assert all(len(phase.composition) > 1 for phase in made.phases)
    water = read_entries([record(entry_id="ice", composition={"H": 2.0, "O": 1.0})])
    assert (
        "gases come from the tables"
        in dict(computed_phases([*real, *water], load_library(), source="test").left_out)["ice"]
    )


def test_on_the_scale_of_the_library(real: tuple[ComputedEntry, ...]) -> None:
    """Real Materials Project energies against the measured phases: deviations are as large as the uncertainties say."""
    library = load_library()
    deviations = []
    for phase in computed_phases(real, library, source="test").phases:
        measured = library.phase(phase.formula)
        for temperature in (300.0, 900.0):
            difference = float(phase.gibbs(temperature) - measured.gibbs(temperature))
            deviations.append(difference / float(phase.gibbs_uncertainty(temperature)))
    assert len(deviations) >= 40
    assert 0.5 < np.sqrt(np.mean(np.square(deviations))) < 1.3
    assert abs(np.mean(deviations)) < 0.5


def test_lithium_carbonate_decomposes_where_it_should(real: tuple[ComputedEntry, ...]) -> None:
    """Without the shift of carbonates Li2CO3 would be too stable by 0.9 eV."""
    library = load_library()
    alone = [entry for entry in real if set(entry.composition) <= {"Li", "C", "O"}]
    made = {p.formula: p for p in computed_phases(alone, library, source="test").phases}
    raw = float(formation_energies(real)[[e.formula for e in real].index("Li2CO3")]) * 6.0 * FARADAY
    measured = float(library.phase("Li2CO3").enthalpy(298.15))
    shifted = raw - error_table().groups["carbonates"].mean * FARADAY
    assert raw - measured == pytest.approx(-0.89 * FARADAY, abs=0.05 * FARADAY)
    assert abs(shifted - measured) < 0.1 * FARADAY
    assert "mean error of carbonates" in made["Li2CO3"].note
    reaction = made["Li2O"].gibbs(1000.0) + library.gas("CO2").gibbs(1000.0) - made["Li2CO3"].gibbs(1000.0)
    truth = (
        library.phase("Li2O").gibbs(1000.0)
        + library.gas("CO2").gibbs(1000.0)
        - library.phase("Li2CO3").gibbs(1000.0)
    )
    assert abs(float(reaction - truth)) < 0.3 * FARADAY


def test_reactions_with_measured_phases_beat_the_elements(real: tuple[ComputedEntry, ...]) -> None:
    library = load_library()
    lowest = {entry.formula: entry for entry in real if len(entry.composition) > 1}
    anchored = anchored_entries(lowest, library, joule_per_mol=FARADAY)
    energies = dict(zip((e.formula for e in real), formation_energies(real), strict=True))
    by_reaction, by_elements = [], []
    for formula, result in anchored.items():
        measured = library.phase(formula)
        atoms = sum(parse_formula(formula).values())
        truth = float(measured.enthalpy(298.15)) * (atoms / measured.atoms)
        by_reaction.append((result.enthalpy - truth) / atoms / FARADAY)
        by_elements.append(float(energies[formula]) - truth / atoms / FARADAY)
    assert len(by_reaction) >= 12
    assert np.sqrt(np.mean(np.square(by_reaction))) < 0.035
    assert np.sqrt(np.mean(np.square(by_elements))) > 0.08


def test_an_anchored_phase_hands_on_the_errors_of_its_anchors(real: tuple[ComputedEntry, ...]) -> None:
    library = load_library()
    made = {p.formula: p for p in computed_phases(real, library, source="test").phases}
    spinel = made["Al2NiO4"]
    assert spinel.note == "enthalpy from measured phases: Al2NiO4 = 1 Al2O3 + 1 NiO"
    assert set(spinel.errors) == {spinel.name, "Al2O3", "NiO"}
    parts = [(1.0, spinel), (-1.0, library.phase("Al2O3")), (-1.0, library.phase("NiO"))]
    own = spinel.errors[spinel.name][0]
    assert reaction_uncertainty(parts, 298.15) == pytest.approx(own)


def test_no_phase_is_its_own_anchor(real: tuple[ComputedEntry, ...]) -> None:
    lowest = {entry.formula: entry for entry in real if len(entry.composition) > 1}
    library = load_library()
    for formula, result in anchored_entries(lowest, library, joule_per_mol=FARADAY).items():
        assert result.reaction.oxygen == 0.0
        for name in result.reaction.phases:
            assert proportionality(library.phase(name).composition, parse_formula(formula)) is None


def test_too_few_measured_phases_anchor_nothing(real: tuple[ComputedEntry, ...]) -> None:
    few = {e.formula: e for e in real if e.formula in ("Li2O", "Al2O3", "LiAlO2")}
    assert anchored_entries(few, load_library(), joule_per_mol=FARADAY) == {}


@pytest.mark.parametrize(
    ("formula", "ions"),
    [
        ("Co3O4", {"Co2+": 1, "Co3+": 2, "O2-": 4}),
        ("LiNi0.5Mn1.5O4", {"Li1+": 1, "Ni2+": 0.5, "Mn4+": 1.5, "O2-": 4}),
        ("LiTi2(PO4)3", {"Li1+": 1, "Ti4+": 2, "P5+": 3, "O2-": 12}),
        ("NiTiO3", {"Ni2+": 1, "Ti4+": 1, "O2-": 3}),
        ("Ti2O3", {"Ti3+": 2, "O2-": 3}),
        ("Li2O2", None),
        ("LiNi", None),
        ("Ni3O", None),
        ("CO", None),
    ],
)
def test_ions(formula: str, ions: dict[str, float] | None) -> None:
    found = assign_ions(parse_formula(formula))
    assert (found is None) == (ions is None)
    if found is not None and ions is not None:
        assert found == pytest.approx(ions)


def test_errors_shared_by_a_class_cancel(real: tuple[ComputedEntry, ...]) -> None:
    elements = [entry for entry in real if len(entry.composition) == 1]
    pair = [entry for entry in real if entry.formula in ("NiCO3", "CoCO3")]
    made = {p.formula: p for p in computed_phases([*elements, *pair], load_library(), source="test").phases}
    nickel, cobalt = made["NiCO3"], made["CoCO3"]
    apart = np.hypot(float(nickel.gibbs_uncertainty(900.0)), float(cobalt.gibbs_uncertainty(900.0)))
    assert reaction_uncertainty([(1.0, nickel), (-1.0, cobalt)], 900.0) < apart
    assert set(nickel.errors) == {nickel.name, "computed carbonates"}


def test_only_the_lowest_of_a_composition_becomes_a_phase(real: tuple[ComputedEntry, ...]) -> None:
    higher = read_entries(
        [
            record(
                entry_id="mp-9",
                energy=-14.0,
                energy_adjustments=[{"value": -0.687, "name": "MP2020 anion correction (oxide)"}],
            )
        ]
    )
    made = computed_phases([*higher, *real], load_library(), source="test")
    assert [p.name for p in made.phases if p.formula == "Li2O"] == ["Li2O (mp-1960)"]
    assert dict(made.left_out)["mp-9"] == "mp-1960 of Li2O lies lower"


@pytest.mark.parametrize(
    ("formula", "group"),
    [
        ("Li2CO3", "carbonates"),
        ("LiHCO3", "carbonates"),
        ("LiTi2(PO4)3", "phosphates"),
        ("LiH2PO4", "phosphates"),
        ("NiOOH", "hydroxides"),
        ("CoTiO3", "titanates"),
        ("Li2TiO3", None),
        ("LiNiO2", None),
        ("Ni3P", None),
        ("LiH", None),
    ],
)
def test_classes(formula: str, group: str | None) -> None:
    assert group_of(parse_formula(formula)) == group


def test_unmeasured_classes_widen_the_uncertainty() -> None:
    titanium = error_table().groups["titanates"].mean
    assert unmeasured_spread(parse_formula("Li2TiO3")) == pytest.approx(abs(titanium))
    assert unmeasured_spread(parse_formula("CoTiO3")) == 0.0
    assert unmeasured_spread(parse_formula("LiNiO2")) == 0.0


def test_table_of_errors_is_what_the_benchmark_measures() -> None:
    errors, table = computed_energies.formation_errors(), error_table()
    assert np.sqrt(np.mean(np.square(errors["oxides"]))) == pytest.approx(table.oxide_eV, abs=2e-3)
    for name, group in table.groups.items():
        assert len(errors[name]) == group.count
        assert np.mean(errors[name]) == pytest.approx(group.mean, abs=5e-3)
        assert np.std(errors[name], ddof=1) == pytest.approx(group.spread, abs=5e-3)


def test_descriptor_errs_as_much_as_stated() -> None:
    names, errors = computed_energies.descriptor_errors()
    start, growth = computed_energies.thermal_summary(errors)
    assert len(names) >= 30
    assert start == pytest.approx(error_table().thermal_eV, rel=0.25)
    assert growth == pytest.approx(error_table().thermal_eV_per_K, rel=0.25)
