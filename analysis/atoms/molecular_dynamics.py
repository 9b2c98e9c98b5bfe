"""Molecular dynamics with the rigid-ion potential: trajectories of the mobile ions in the frame of their host."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.atoms.calculators import (
    calculator_name,
    calculator_record,
    to_atoms,
)
from cosinter.data.exceptions import CompositionError, InputError, StructureError, UnknownNameError

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from cosinter.analysis.atoms.lammps_engine import LoadedLammps

FloatArray = NDArray[np.float64]
Ensemble = Literal["nvt", "nve"]

_THERMOSTAT_PS = 0.2  # 100 steps of 2 fs, as the LAMMPS documentation of fix nvt advises
_BAROSTAT_PS = 2.0  # 1000 steps, same source
_NEIGHBOUR_SKIN_A = 1.0


@dataclass(frozen=True)
class Trajectory:
    """Positions of the mobile ions at equal intervals, unwrapped, drift of the host taken out.

    ``positions_A`` has the shape [n_frames, n_mobile, 3]; ``times_ps``, ``energies_eV`` (kinetic + potential) and
    ``temperatures_K`` have [n_frames]. ``cell_A`` [3, 3] is the cell of the production run (rows a, b, c);
    ``host_rms_A`` [n_frames] the root mean square displacement of the other atoms since the first frame.
    """

    formula: str
    mobile: str
    mobile_charge: float
    atoms: int
    temperature_K: float
    times_ps: FloatArray
    positions_A: FloatArray
    energies_eV: FloatArray
    temperatures_K: FloatArray
    host_rms_A: FloatArray
    cell_A: FloatArray
    ensemble: Ensemble
    timestep_fs: float
    equilibration_ps: float
    seed: int
    calculator: dict[str, Any]

    @property
    def volume_A3(self) -> float:  # noqa: N802
        """Volume of the cell, Å^3."""
        return float(abs(np.linalg.det(self.cell_A)))


def run_md(
    structure: Structure,
    calculator: Any,
    *,
    temperature_K: float,
    production_ps: float,
    equilibration_ps: float = 10.0,
    timestep_fs: float = 2.0,
    sample_fs: float = 100.0,
    ensemble: Ensemble = "nvt",
    mobile: str = "Li",
    seed: int = 0,
    on_progress: Callable[[float, float], None] | None = None,
) -> Trajectory:
    """Run molecular dynamics and keep where the ions of one element went.

    Half of the equilibration is at zero pressure (Nosé-Hoover, the three box lengths free, angles fixed); its
    second half gives the mean box, in which the rest of the equilibration and the production run. Forces are those
    of the calculator, Ewald sum included. With the same seed, on one thread, the run repeats itself exactly.

    Parameters
    ----------
    structure
        Ordered crystal with oxidation states, large enough for the diffusion looked for; left untouched.
    calculator
        The ``pmmcs`` calculator. Its ``compensation`` says what becomes of the charge of a vacancy.
    temperature_K
        Temperature of the thermostat, K.
    production_ps, equilibration_ps
        Lengths of the two parts, ps.
    timestep_fs, sample_fs
        Time step (at most 3: the P-O bond swings in 30 fs) and interval of the frames kept, fs.
    ensemble
        Of the production run: ``nvt`` with a thermostat, ``nve`` without.
    mobile
        Element whose ions are followed; all other atoms are the host.
    on_progress
        Called with the time done and the whole time, ps.

    Raises
    ------
    InputError
        Another calculator, options out of range.
    CompositionError
        No atom of the mobile element, or nothing else.
    StructureError
        Atoms flew apart.
    EngineError
        LAMMPS failed.
    """
    _check(calculator, temperature_K, production_ps, equilibration_ps, timestep_fs, sample_fs, ensemble)
    atoms = to_atoms(structure)
    followed = np.array([symbol == mobile for symbol in atoms.get_chemical_symbols()])
    if not followed.any() or followed.all():
        raise CompositionError(
            f"{structure.composition.reduced_formula} has {int(followed.sum())} {mobile} of {len(atoms)} atoms; "
            "diffusion needs mobile ions and a host"
        )
    stride = round(sample_fs / timestep_fs)
    frames, quiet = round(1.0e3 * production_ps / sample_fs), round(1.0e3 * equilibration_ps / sample_fs)
    clock = _Clock(sample_fs * 1.0e-3, frames + quiet, on_progress)
    from cosinter.analysis.atoms.lammps_engine import loaded_lammps

    with loaded_lammps(atoms, calculator) as engine:
        _prepare(engine, temperature_K, timestep_fs, seed)
        _equilibrate(engine, temperature_K, quiet, stride, clock)
        _thermostat(engine, temperature_K, ensemble)
        positions, records = _produce(engine, frames, stride, clock)
        cell = engine.cell()
    mobile_positions, host = _in_frame_of_host(positions, followed, atoms.get_masses())
    return Trajectory(
        formula=structure.composition.reduced_formula,
        mobile=mobile,
        mobile_charge=float(atoms.arrays["oxidation_state"][followed].mean()),
        atoms=len(atoms),
        temperature_K=temperature_K,
        times_ps=np.arange(frames + 1, dtype=np.float64) * (sample_fs * 1.0e-3),
        positions_A=mobile_positions,
        energies_eV=records[:, 0],
        temperatures_K=records[:, 1],
        host_rms_A=host,
        cell_A=cell,
        ensemble=ensemble,
        timestep_fs=timestep_fs,
        equilibration_ps=equilibration_ps,
        seed=seed,
        calculator=calculator_record(calculator),
    )


def _check(
    calculator: Any,
    temperature_K: float,
    production_ps: float,
    equilibration_ps: float,
    timestep_fs: float,
    sample_fs: float,
    ensemble: str,
) -> None:
    if calculator_name(calculator) != "pmmcs":
        raise InputError(
            f"molecular dynamics runs with the calculator pmmcs only, not with {calculator_name(calculator)}"
        )
    for name, value in (("temperature_K", temperature_K), ("production_ps", production_ps)):
        if not (math.isfinite(value) and value > 0.0):
            raise InputError(f"{name} is {value!r}, allowed is a positive number")
    if not 0.0 < timestep_fs <= 3.0:
        raise InputError(f"timestep_fs is {timestep_fs!r}, allowed is above 0 and at most 3 fs")
    steps = sample_fs / timestep_fs
    if not (math.isfinite(steps) and steps >= 1.0 and abs(steps - round(steps)) < 1.0e-6):
        raise InputError(
            f"sample_fs is {sample_fs!r}, allowed is a whole number of steps of {timestep_fs:g} fs"
        )
    least = 10.0 * sample_fs * 1.0e-3
    if production_ps < least:
        raise InputError(f"production_ps is {production_ps:g}, allowed is {least:g} (ten frames) or more")
    if not (equilibration_ps == 0.0 or (math.isfinite(equilibration_ps) and equilibration_ps >= least)):
        raise InputError(f"equilibration_ps is {equilibration_ps!r}, allowed is 0, or {least:g} or more")
    if ensemble not in ("nvt", "nve"):
        raise UnknownNameError("ensemble", ensemble, ("nvt", "nve"))


class _Clock:
    """Counts frames and tells the caller."""

    def __init__(
        self, frame_ps: float, frames: int, on_progress: Callable[[float, float], None] | None
    ) -> None:
        self.frame_ps, self.frames, self.on_progress, self.done = frame_ps, frames, on_progress, 0

    def tick(self) -> None:
        self.done += 1
        if self.on_progress is not None:
            self.on_progress(self.done * self.frame_ps, self.frames * self.frame_ps)


def _prepare(engine: LoadedLammps, temperature_K: float, timestep_fs: float, seed: int) -> None:
    from ase.data import atomic_masses, atomic_numbers

    masses = (float(atomic_masses[atomic_numbers[element]]) for element in engine.elements)
    engine.commands(
        *(f"mass {number} {mass:.6f}" for number, mass in enumerate(masses, start=1)),
        f"neighbor {_NEIGHBOUR_SKIN_A} bin",
        f"timestep {timestep_fs * 1.0e-3:.6g}",
        # a crystal at rest takes half of the kinetic energy as potential energy
        f"velocity all create {2.0 * temperature_K:.6g} {seed + 1} mom yes rot no dist gaussian",
        "thermo_style custom step temp pe etotal press vol",
        "thermo_modify norm no lost error",
        "thermo 1000000000",
    )


def _thermostat(engine: LoadedLammps, temperature_K: float, ensemble: Ensemble) -> None:
    fix = f"temp {temperature_K:.6g} {temperature_K:.6g} {_THERMOSTAT_PS}" if ensemble == "nvt" else ""
    engine.commands(f"fix motion all {ensemble} {fix}", "run 0 post no")


def _advance(engine: LoadedLammps, stride: int, clock: _Clock) -> None:
    engine.commands(f"run {stride} pre no post no")
    if not math.isfinite(engine.thermo("etotal")):
        raise StructureError("the atoms flew apart in the dynamics; relax the start or take a shorter step")
    clock.tick()


def _equilibrate(engine: LoadedLammps, temperature_K: float, frames: int, stride: int, clock: _Clock) -> None:
    """Find the mean box at zero pressure in the first half, settle in it in the second."""
    if frames == 0:
        return
    free = frames // 2
    temperature = f"temp {temperature_K:.6g} {temperature_K:.6g} {_THERMOSTAT_PS}"
    engine.commands(f"fix motion all npt {temperature} aniso 0 0 {_BAROSTAT_PS}", "run 0 post no")
    boxes = []
    for frame in range(free):
        _advance(engine, stride, clock)
        if frame >= free // 2:
            boxes.append(engine.box()[1])
    mean, origin = np.mean(boxes, axis=0), engine.box()[0]
    edges = " ".join(
        f"{axis} final {origin[i]:.12g} {origin[i] + mean[i, i]:.12g}" for i, axis in enumerate("xyz")
    )
    tilts = f"xy final {mean[1, 0]:.12g} xz final {mean[2, 0]:.12g} yz final {mean[2, 1]:.12g}"
    engine.commands("unfix motion", f"change_box all {edges} {tilts} remap units box")
    _thermostat(engine, temperature_K, "nvt")
    for _ in range(frames - free):
        _advance(engine, stride, clock)
    engine.commands("unfix motion")


def _produce(engine: LoadedLammps, frames: int, stride: int, clock: _Clock) -> tuple[FloatArray, FloatArray]:
    """Positions [n_frames + 1, n, 3] (Å) and total energy, temperature [n_frames + 1, 2] (eV, K)."""
    positions = [engine.positions()]
    records = [(engine.thermo("etotal"), engine.thermo("temp"))]
    for _ in range(frames):
        _advance(engine, stride, clock)
        positions.append(engine.positions())
        records.append((engine.thermo("etotal"), engine.thermo("temp")))
    return np.array(positions), np.array(records)


def _in_frame_of_host(
    positions: FloatArray, followed: NDArray[np.bool_], masses: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Take the drift of the host's centre of mass out; positions of the followed ions and rms of the others."""
    moved = positions - positions[0]
    weights = masses[~followed] / masses[~followed].sum()
    drift = np.einsum("a,tax->tx", weights, moved[:, ~followed])
    host = np.sqrt(np.mean(np.sum((moved[:, ~followed] - drift[:, None]) ** 2, axis=2), axis=1))
    return positions[:, followed] - drift[:, None], host
