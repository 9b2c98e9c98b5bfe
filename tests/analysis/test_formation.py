"""Lithium vacancy energies: linear and bowed hosts with known voltages, peers, refusals, the measured curve."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Structure
from scipy.spatial import ConvexHull

from cosinter.analysis.atoms.calculators import make_calculator
from cosinter.analysis.atoms.formation import (
    RelaxSettings,
    delithiation,
    lower_hull,
    metal_count,
    molar_to_eV,
    relaxed_cell,
    vacancy_steps,
)
from cosinter.analysis.atoms.voltage_check import check_voltage, measured_voltage
from cosinter.analysis.thermochemistry.open_circuit import open_circuit_potential
from cosinter.data.exceptions import CompositionError, InputError
from cosinter.structures.layered import layered_oxide

LITHIUM_EV = -1.9


class Host(Calculator):
    """E = N_M f(Li/M), or -1.9 eV per atom for lithium metal; no forces: voltages are known beforehand."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012

    def __init__(self, energy: Callable[[float], float]) -> None:
        super().__init__()
        self.energy = energy

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        symbols = self.atoms.get_chemical_symbols()
        metals = sum(s not in ("Li", "O") for s in symbols)
        value = metals * self.energy(symbols.count("Li") / metals) if metals else LITHIUM_EV * len(symbols)
        self.results = {
            "energy": value,
            "free_energy": value,
            "forces": np.zeros((len(symbols), 3)),
            "stress": np.zeros(6),
        }


def cells(*contents: float) -> list[Structure]:
    return [
        layered_oxide(nickel=1.0, cobalt=0.0, manganese=0.0, lithium=x, supercell=(2, 1, 1)) for x in contents
    ]


def test_linear_host_has_one_voltage() -> None:
    """E = -20 - 5.6 x: every step at 5.6 - 1.9 = 3.7 eV per lithium, whatever the contents."""
    found = delithiation(cells(1.0, 0.5, 0.0), Host(lambda x: -20.0 - 5.6 * x))
    assert found.lithium_energy_eV == pytest.approx(LITHIUM_EV)
    assert [s.vacancy_energy_eV for s in found.vacancies] == pytest.approx([3.7, 3.7])
    assert found.mean_voltage_V(0.1, 0.9) == pytest.approx(3.7)
    assert [s.above_hull_eV_per_metal for s in found.states] == pytest.approx([0.0] * 3, abs=1e-12)
    assert [s.mixing_eV_per_metal for s in found.states] == pytest.approx([0.0] * 3, abs=1e-12)
    assert found.steps[0].uncertainty_eV is None  # nobody compared this calculator with anything


def test_bowed_hosts() -> None:
    """E = -20 - 5.6 x + w x (1 - x): the middle is a vertex for w < 0 and lies w/4 above the hull for w > 0."""
    convex = delithiation(cells(0.0, 0.5, 1.0), Host(lambda x: -20.0 - 5.6 * x - 0.8 * x * (1 - x)))
    # slopes of the two halves: -5.6 -/+ 0.4
    assert [s.vacancy_energy_eV for s in convex.steps] == pytest.approx([3.3, 4.1])
    assert [s.middle for s in convex.steps] == pytest.approx([0.75, 0.25])
    assert convex.states[1].mixing_eV_per_metal == pytest.approx(-0.2)
    concave = delithiation(cells(0.0, 0.5, 1.0), Host(lambda x: -20.0 - 5.6 * x + 0.8 * x * (1 - x)))
    assert [s.vacancy_energy_eV for s in concave.steps] == pytest.approx([3.7])
    assert concave.states[1].above_hull_eV_per_metal == pytest.approx(0.2)
    assert len(concave.vacancies) == 2


def test_the_lower_of_two_cells_with_one_content_counts() -> None:
    pair = cells(1.0, 0.0)
    other = layered_oxide(nickel=1.0, cobalt=0.0, manganese=0.0, supercell=(1, 1, 1))
    found = delithiation([*pair, other], Host(lambda x: -20.0 - 5.6 * x))
    assert [s.lithium_per_metal for s in found.states] == [0.0, 1.0]
    assert found.states[1].metals == 6  # equal energies: the first stays
    assert found.host == "Li1Ni1O2"


def test_voltages_agree_with_pymatgen() -> None:
    """Peer: pymatgen's insertion electrode on the same energies."""
    battery = pytest.importorskip("pymatgen.apps.battery.insertion_battery")
    from pymatgen.entries.computed_entries import ComputedStructureEntry

    def energy(x: float) -> float:
        return -20.0 - 5.6 * x - 0.9 * x * (1 - x) + 0.3 * np.sin(6.0 * x)

    structures = cells(1.0, 2 / 3, 0.5, 1 / 3, 0.0)
    found = delithiation(structures, Host(energy))
    entries = []
    for structure in structures:
        plain = structure.copy()
        plain.remove_oxidation_states()
        x = plain.composition["Li"] / plain.composition["Ni"]
        entries.append(
            ComputedStructureEntry(plain, float(plain.composition["Ni"] * energy(x)), entry_id=f"{x:.3f}")
        )
    metal = Structure([[3.0, 0, 0], [0, 3.0, 0], [0, 0, 3.0]], ["Li"], [[0, 0, 0]])
    electrode = battery.InsertionElectrode.from_entries(entries, ComputedStructureEntry(metal, LITHIUM_EV))
    theirs = sorted(pair.voltage for pair in electrode.voltage_pairs)
    assert [s.vacancy_energy_eV for s in found.steps] == pytest.approx(theirs, abs=1e-9)


@given(st.lists(st.floats(-5.0, 5.0), min_size=2, max_size=9))
def test_hull_never_above_and_voltages_rise(energies: list[float]) -> None:
    x = np.linspace(0.0, 1.0, len(energies))
    e = np.array(energies)
    hull = lower_hull(x, e)
    assert hull[0] == 0
    assert hull[-1] == len(e) - 1
    assert np.all(np.interp(x, x[hull], e[hull]) <= e + 1e-9)
    steps = [s.vacancy_energy_eV for s in vacancy_steps(x[hull], e[hull], lithium_energy_eV=LITHIUM_EV)]
    assert all(a <= b + 1e-9 for a, b in pairwise(steps))
    # the whole charge costs the same along the hull as along every cell
    every = vacancy_steps(x, e, lithium_energy_eV=LITHIUM_EV)
    total = sum(s.vacancy_energy_eV * (s.lithium_from - s.lithium_to) for s in every)
    assert total == pytest.approx(e[0] - e[-1] + LITHIUM_EV, abs=1e-9)


def test_hull_agrees_with_scipy() -> None:
    rng = np.random.default_rng(2)
    x, e = np.sort(rng.random(40)), rng.random(40)
    whole = ConvexHull(np.column_stack([x, e]))
    below = {
        int(i)
        for face, normal in zip(whole.simplices, whole.equations, strict=True)
        if normal[1] < 0
        for i in face
    }
    assert set(lower_hull(x, e)) == below


def test_pmmcs_is_refused() -> None:
    with pytest.raises(InputError, match="must not be asked for a reaction energy"):
        delithiation(cells(1.0, 0.5), make_calculator("pmmcs"))


def test_mistakes() -> None:
    host = Host(lambda x: -20.0 - 5.6 * x)
    with pytest.raises(InputError, match="at least two"):
        delithiation(cells(1.0), host)
    cobalt = layered_oxide(nickel=0.0, cobalt=1.0, manganese=0.0)
    with pytest.raises(CompositionError, match="more than lithium"):
        delithiation([*cells(0.5), cobalt], host)
    with pytest.raises(InputError, match="rattle"):
        relaxed_cell(cobalt, host, RelaxSettings(rattle_A=1.0))
    found = delithiation(cells(1.0, 0.5), host)
    with pytest.raises(InputError, match="within the range"):
        check_voltage(found)
    with pytest.raises(InputError):
        measured_voltage(0.9, 0.3)
    with pytest.raises(CompositionError, match="no metal"):
        metal_count(Structure(np.eye(3) * 3.0, ["Li"], [[0, 0, 0]]).composition)


def test_measured_mean_is_the_integral() -> None:
    u = np.linspace(0.3, 0.9, 20001)
    assert measured_voltage(0.3, 0.9) == pytest.approx(
        float(np.trapezoid(open_circuit_potential(u), u)) / 0.6
    )


def test_kilojoules_per_mole() -> None:
    """1 eV = 96.485 kJ/mol (CODATA Faraday constant)."""
    assert molar_to_eV(96.48533212) == pytest.approx(1.0)


def test_record_is_plain() -> None:
    import json

    found = delithiation(cells(1.0, 0.0), Host(lambda x: -20.0 - 5.6 * x))
    again = json.loads(json.dumps(found.to_dict()))
    assert again["steps"][0]["vacancy_energy_eV"] == pytest.approx(3.7)
    assert again["settings"]["rattle_A"] == 0.02


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # torch, about a conversion inside chgnet
def test_lithium_nickel_oxide_with_chgnet() -> None:
    """Mean voltage over the measured range within one standard deviation: 20 kJ/mol Li of CHGNet and 0.1 V for LiNiO2
    beside the measured NMC811."""
    pytest.importorskip("chgnet")
    found = delithiation(cells(1.0, 0.5, 0.0), make_calculator("chgnet"))
    check = check_voltage(found)
    assert check.uncertainty_V is not None
    assert abs(check.difference_V) < check.uncertainty_V
