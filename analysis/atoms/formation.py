"""Energy to take lithium out of Li_x M O_n: vacancy formation energies, hull and open-circuit steps.

Per mole of metal M, with cells of the same host at several lithium contents x,

    Li_x2 M O_n -> Li_x1 M O_n + (x2 - x1) Li(bcc),    E_v = [E(x1) + (x2 - x1) E_Li - E(x2)] / (x2 - x1),

E_v in eV per lithium is the mean vacancy formation energy between x1 and x2, and E_v/e the mean voltage against lithium
metal (Aydinol et al., Phys. Rev. B 56 (1997) 1354, doi:10.1103/PhysRevB.56.1354). E_Li is that of body-centred lithium
with the same calculator. Energies at 0 K stand for free energies: mixing and vibrations are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.atoms.calculators import calculator_record, uncertainty_of
from cosinter.analysis.atoms.crystal_energies import crystal_energy
from cosinter.analysis.atoms.relaxation import Relaxation, relax
from cosinter.data.exceptions import CompositionError, InputError
from cosinter.structures.fingerprint import structure_sha256

if TYPE_CHECKING:
    from pymatgen.core import Composition, Structure

FloatArray = NDArray[np.float64]

SAME_CONTENT = 1e-6
LARGEST_RATTLE_A = 0.2


@dataclass(frozen=True)
class RelaxSettings:
    """How every cell is relaxed: seeded rattle (Å), limits of force (eV/Å) and stress (eV/Å^3), steps.

    The rattle lets a perfect crystal find a distortion it feels no force towards (Jahn-Teller in LiNiO2).
    """

    force_tolerance: float = 0.05
    stress_tolerance: float = 2.0e-3
    max_steps: int = 200
    rattle_A: float = 0.02
    seed: int = 0

    def to_dict(self) -> dict[str, float]:
        """Give all fields with their units in the names."""
        return {
            "force_tolerance_eV_per_A": self.force_tolerance,
            "stress_tolerance_eV_per_A3": self.stress_tolerance,
            "max_steps": self.max_steps,
            "rattle_A": self.rattle_A,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class LithiumState:
    """One relaxed cell. ``above_hull_eV_per_metal`` is the height over the lower convex hull in x,
    ``mixing_eV_per_metal`` over the straight line between the least and the fullest cell."""

    lithium_per_metal: float
    energy_eV_per_metal: float
    mixing_eV_per_metal: float
    above_hull_eV_per_metal: float
    volume_A3_per_metal: float
    atoms: int
    metals: int
    max_force_eV_per_A: float
    converged: bool
    structure_sha256: str


@dataclass(frozen=True)
class LithiumStep:
    """Lithium taken out between two contents: mean E_v, eV per lithium, which is the mean voltage in V."""

    lithium_from: float
    lithium_to: float
    vacancy_energy_eV: float
    uncertainty_eV: float | None

    @property
    def middle(self) -> float:
        """Lithium per metal in the middle of the step."""
        return 0.5 * (self.lithium_from + self.lithium_to)


@dataclass(frozen=True)
class Delithiation:
    """Vacancy formation energies of one host.

    Attributes
    ----------
    host, reaction
        Formula of the fullest cell; the reaction with its reference.
    lithium_energy_eV
        Energy of bcc lithium, eV per atom, same calculator.
    states
        The relaxed cells, least lithium first; the lowest in energy where a content was given twice.
    vacancies
        E_v between neighbouring contents, fullest first.
    steps
        E_v between neighbouring vertices of the hull: the open-circuit steps at 0 K, rising as lithium goes.
    uncertainty_source
        Where the uncertainty of E_v is from; one standard deviation, the same error for all steps.
    """

    host: str
    reaction: str
    lithium_energy_eV: float
    states: tuple[LithiumState, ...]
    vacancies: tuple[LithiumStep, ...]
    steps: tuple[LithiumStep, ...]
    uncertainty_source: str
    settings: dict[str, float]
    calculator: dict[str, Any]

    def mean_voltage_V(self, low: float, high: float) -> float:  # noqa: N802
        """Mean voltage of the hull between lithium contents ``low`` and ``high`` per metal, V.

        Raises
        ------
        InputError
            Not ``low`` < ``high`` within the contents computed.
        """
        least, most = self.states[0].lithium_per_metal, self.states[-1].lithium_per_metal
        if not least - SAME_CONTENT <= low < high <= most + SAME_CONTENT:
            raise InputError(
                f"lithium contents {low:g} to {high:g} are not within the range {least:g} to {most:g} computed"
            )
        parts = [
            (min(high, s.lithium_from) - max(low, s.lithium_to), s.vacancy_energy_eV) for s in self.steps
        ]
        return sum(width * energy for width, energy in parts if width > 0.0) / (high - low)

    def to_dict(self) -> dict[str, Any]:
        """Give all fields as plain JSON types."""
        record = asdict(self)
        return record | {name: list(record[name]) for name in ("states", "vacancies", "steps")}


def delithiation(
    structures: Sequence[Structure],
    calculator: Any,
    *,
    lithium_energy_eV: float | None = None,
    settings: RelaxSettings | None = None,
    on_state: Callable[[float, Relaxation], None] | None = None,
) -> Delithiation:
    """Relax cells of one host with different lithium contents and give vacancy energies, hull and voltage steps.

    The reaction changes the composition, so a calculator that may not be asked for reaction energies is refused. The
    uncertainty of E_v is its error of a reaction energy, taken per mole of lithium, eV.

    Parameters
    ----------
    structures
        Ordered cells, e.g. of :func:`cosinter.structures.layered.layered_oxide`; at least two lithium contents.
    lithium_energy_eV
        Energy of bcc lithium per atom from the same calculator, eV; computed if left out.
    settings
        How the cells are relaxed.
    on_state
        Called with x and the relaxation after each cell.

    Raises
    ------
    InputError
        The calculator must not be asked for reaction energies, or fewer than two lithium contents are given.
    CompositionError
        The cells are not one host with different amounts of lithium.
    StructureError, EngineError
        A cell fell apart, or the calculator failed.
    """
    error = uncertainty_of(calculator, "reaction_energy")
    chosen = settings or RelaxSettings()
    contents = _contents(structures)
    lithium = lithium_energy_eV
    if lithium is None:
        lithium = crystal_energy("Li", calculator, seed=chosen.seed).energy_eV_per_atom
    cells: dict[float, tuple[Relaxation, str]] = {}
    for structure, content in zip(structures, contents, strict=True):
        relaxed = relaxed_cell(structure, calculator, chosen)
        if on_state is not None:
            on_state(content, relaxed)
        if content not in cells or relaxed.energy_eV_per_atom < cells[content][0].energy_eV_per_atom:
            cells[content] = (relaxed, structure_sha256(structure))
    order = sorted(cells)
    x = np.array(order)
    energy = np.array([cells[c][0].energy_eV / metal_count(cells[c][0].structure.composition) for c in order])
    spread = None if error.value is None else molar_to_eV(error.value)
    hull = lower_hull(x, energy)
    return Delithiation(
        host=_host_formula(structures[int(np.argmax(contents))]),
        reaction="Li_x2 M O_n -> Li_x1 M O_n + (x2 - x1) Li(bcc), all with one calculator, 0 K",
        lithium_energy_eV=float(lithium),
        states=_states(order, cells, energy, hull),
        vacancies=vacancy_steps(x, energy, lithium_energy_eV=lithium, uncertainty_eV=spread),
        steps=vacancy_steps(x[hull], energy[hull], lithium_energy_eV=lithium, uncertainty_eV=spread),
        uncertainty_source=f"{error.source}; taken per mole of lithium" if spread is not None else error.note,
        settings=chosen.to_dict(),
        calculator=calculator_record(calculator),
    )


def vacancy_steps(
    lithium_per_metal: FloatArray,
    energy_eV_per_metal: FloatArray,
    *,
    lithium_energy_eV: float,
    uncertainty_eV: float | None = None,
) -> tuple[LithiumStep, ...]:
    """E_v between neighbouring contents (module's equation), fullest first.

    Parameters
    ----------
    lithium_per_metal, energy_eV_per_metal
        Rising contents and energies (eV), shape [n].

    Example
    -------
    >>> steps = vacancy_steps(np.array([0.0, 1.0]), np.array([-20.0, -26.0]), lithium_energy_eV=-2.0)
    >>> steps[0].vacancy_energy_eV
    4.0
    """
    slopes = np.diff(energy_eV_per_metal) / np.diff(lithium_per_metal)
    pairs = zip(lithium_per_metal[1:], lithium_per_metal[:-1], slopes, strict=True)
    steps = [
        LithiumStep(float(a), float(b), float(lithium_energy_eV - s), uncertainty_eV) for a, b, s in pairs
    ]
    return tuple(reversed(steps))


def lower_hull(x: FloatArray, energy: FloatArray) -> list[int]:
    """Indices of the vertices of the lower convex hull of points with rising ``x``, both shape [n]."""
    kept: list[int] = []
    for i in range(len(x)):
        while len(kept) > 1:
            a, b = kept[-2], kept[-1]
            chord = energy[a] + (energy[i] - energy[a]) * (x[b] - x[a]) / (x[i] - x[a])
            if energy[b] < chord:
                break
            kept.pop()
        kept.append(i)
    return kept


def relaxed_cell(structure: Structure, calculator: Any, settings: RelaxSettings) -> Relaxation:
    """Rattle and relax one cell, atoms and lattice; what the step limit leaves is in ``converged``.

    Raises
    ------
    InputError
        A setting out of range.
    StructureError, EngineError
        See :func:`cosinter.analysis.atoms.relaxation.relax`.
    """
    if not 0.0 <= settings.rattle_A <= LARGEST_RATTLE_A:
        raise InputError(f"rattle_A is {settings.rattle_A!r}, allowed is 0 to {LARGEST_RATTLE_A} Å")
    start = structure.copy()
    shifts = np.random.default_rng(settings.seed).normal(scale=settings.rattle_A, size=(len(start), 3))
    for index, shift in enumerate(shifts):
        start.translate_sites([index], shift, frac_coords=False, to_unit_cell=False)
    return relax(
        start,
        calculator,
        force_tolerance=settings.force_tolerance,
        stress_tolerance=settings.stress_tolerance,
        max_steps=settings.max_steps,
    )


def metal_count(composition: Composition) -> int:
    """Number of atoms that are neither lithium nor oxygen.

    Raises
    ------
    CompositionError
        There is none.
    """
    elements = composition.element_composition
    metals = round(sum(n for element, n in elements.items() if element.symbol not in ("Li", "O")))
    if metals < 1:
        raise CompositionError(
            f"{elements.reduced_formula} holds no metal besides lithium; give an oxide Li_x M O_n"
        )
    return metals


def molar_to_eV(energy_kJ_per_mol: float) -> float:  # noqa: N802
    """Turn kJ/mol into eV per particle.

    >>> round(molar_to_eV(96.485), 4)
    1.0
    """
    from scipy.constants import N_A, electron_volt, kilo

    return float(energy_kJ_per_mol * kilo / (N_A * electron_volt))


def _contents(structures: Sequence[Structure]) -> list[float]:
    """Lithium per metal of each cell, after checking that all are one host."""
    contents: list[float] = []
    hosts: list[dict[str, float]] = []
    for structure in structures:
        elements = structure.composition.element_composition
        metals = metal_count(elements)
        contents.append(round(float(elements["Li"]) / metals, 12))
        hosts.append({e.symbol: float(n) / metals for e, n in elements.items() if e.symbol != "Li"})
    for structure, host in zip(structures, hosts, strict=True):
        if host.keys() != hosts[0].keys() or any(abs(n - hosts[0][e]) > 1e-6 for e, n in host.items()):
            raise CompositionError(
                f"{structure.composition.element_composition.reduced_formula} and "
                f"{structures[0].composition.element_composition.reduced_formula} differ in more than lithium; "
                "give cells of one host"
            )
    if len(set(contents)) < 2:
        raise InputError(
            f"{len(set(contents))} lithium content is given, at least two different ones are needed"
        )
    return contents


def _states(
    order: Sequence[float], cells: dict[float, tuple[Relaxation, str]], energy: FloatArray, hull: list[int]
) -> tuple[LithiumState, ...]:
    x = np.array(order)
    line = np.interp(x, x[[0, -1]], energy[[0, -1]])
    lowest = np.interp(x, x[hull], energy[hull])
    states = []
    for i, content in enumerate(order):
        relaxed, digest = cells[content]
        metals = metal_count(relaxed.structure.composition)
        states.append(
            LithiumState(
                lithium_per_metal=content,
                energy_eV_per_metal=float(energy[i]),
                mixing_eV_per_metal=float(energy[i] - line[i]),
                above_hull_eV_per_metal=float(energy[i] - lowest[i]),
                volume_A3_per_metal=float(relaxed.structure.volume) / metals,
                atoms=len(relaxed.structure),
                metals=metals,
                max_force_eV_per_A=relaxed.max_force_eV_per_A,
                converged=relaxed.converged,
                structure_sha256=digest,
            )
        )
    return tuple(states)


def _host_formula(structure: Structure) -> str:
    elements = structure.composition.element_composition
    return str((elements / metal_count(elements)).formula).replace(" ", "")
