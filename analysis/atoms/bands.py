"""The band of images between two ends: laid, spread over processes, and relaxed with climbing images.

Import this module only when it is needed: it loads ASE.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Literal

import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator
from ase.geometry import find_mic
from ase.mep.neb import NEB, NEBState
from ase.optimize import FIRE
from numpy.typing import NDArray

from cosinter.analysis.atoms.calculators import AseAtoms, check_finite, single_point
from cosinter.data.exceptions import ConvergenceError, EngineError, InputError, StructureError

FloatArray = NDArray[np.float64]
Evaluate = Callable[[Sequence[AseAtoms]], list[tuple[float, FloatArray]]]
Stage = Literal["plain", "climbing"]

PROMINENCE_EV = 0.02
"""A hump that rises less than this over the valley beside it is taken for a ripple of the discrete band."""

_GRACE_STEPS = 20
_EXPLODED_EV_PER_A = 50.0
_SAME_PLACE_A = 0.3


@dataclass(frozen=True)
class BandStep:
    """What ``on_step`` is told: stage, step, highest energy over the start (eV), residual (eV/Å)."""

    stage: Stage
    number: int
    barrier_eV: float
    max_force_eV_per_A: float


@contextmanager
def spread_over(workers: int, calculator: Any) -> Iterator[Evaluate]:
    """Offer a function from configurations to energies (eV) and forces [n, 3] (eV/Å).

    With more than one worker each spawned process keeps its own copy of ``calculator``, and neighbouring
    configurations go to one process. A script that uses it needs ``if __name__ == "__main__":``.

    Raises
    ------
    InputError
        Fewer than one worker.
    EngineError
        The calculator cannot be sent to another process, or a process ended.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}, allowed is 1 or more")
    if workers == 1:
        yield lambda frames: [single_point(atoms, calculator) for atoms in frames]
        return
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_set_calculator, initargs=(calculator,)
    )

    def evaluate(frames: Sequence[AseAtoms]) -> list[tuple[float, FloatArray]]:
        bare = [atoms.copy() for atoms in frames]
        try:
            return list(pool.map(_evaluate, bare, chunksize=math.ceil(len(bare) / workers)))
        except (BrokenProcessPool, TypeError, AttributeError) as error:
            raise EngineError(
                f"the {workers} worker processes of the band cannot go on ({error}); run with workers=1, and "
                'guard a script with if __name__ == "__main__"'
            ) from error

    try:
        yield evaluate
    finally:
        pool.shutdown(cancel_futures=True)


_worker: dict[str, Any] = {}


def _set_calculator(calculator: Any) -> None:
    _worker["calculator"] = calculator


def _evaluate(atoms: AseAtoms) -> tuple[float, FloatArray]:
    return single_point(atoms, _worker["calculator"])


class ClimbingBand(NEB):
    """Nudged elastic band with improved tangents in which every maximum climbs, not only the highest.

    A path over an intermediate minimum has two saddles; both are found in one band. All images are evaluated
    together by ``evaluate``.
    """

    def __init__(self, chain: list[AseAtoms], evaluate: Evaluate, *, spring: float) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            chain, k=spring, method="improvedtangent", allow_shared_calculator=True
        )
        self.evaluate = evaluate
        self.residual = math.inf

    @property
    def image_energies(self) -> FloatArray:
        """Energies of all images at the last evaluation, eV, shape [images]."""
        return np.asarray(self.energies, dtype=np.float64)

    def get_forces(self) -> FloatArray:
        """Forces on the inner images, shape [images * atoms, 3] in eV/Å; evaluates what has moved."""
        inner = self.images[1:-1]
        if any(atoms.calc is None or atoms.calc.check_state(atoms) for atoms in inner):
            for atoms, (energy, forces) in zip(inner, self.evaluate(inner), strict=True):
                atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)  # type: ignore[no-untyped-call]
        climb, self.climb = (
            self.climb,
            False,
        )  # the base class also lifts an image of a band without a maximum
        pulled: FloatArray = super().get_forces()  # type: ignore[no-untyped-call]
        self.climb = climb
        band = pulled.reshape(len(inner), -1, 3)
        if climb:
            true_forces = np.asarray(self.real_forces)
            for image in self.climbers():
                real, tangent = true_forces[image], self.tangent(image)
                band[image - 1] = real - 2.0 * np.vdot(real, tangent) * tangent
        self.residuals = list(np.linalg.norm(band, axis=2).max(axis=1))
        self.residual = float(max(self.residuals))
        return band.reshape(-1, 3)

    def climbers(self) -> list[int]:
        """Images that climb: all humps, and the highest image unless it is an end."""
        top = int(np.argmax(self.image_energies))
        inner = {top} if 0 < top < len(self.images) - 1 else set()
        return sorted(inner.union(humps(self.image_energies)))

    def tangent(self, image: int) -> FloatArray:
        """Unit vector along the band at an inner image, shape [atoms, 3]."""
        state = NEBState(self, self.images, self.energies)  # type: ignore[no-untyped-call]
        before, after = state.spring(image - 1), state.spring(image)  # type: ignore[no-untyped-call]
        return np.asarray(self.neb_method.get_tangent(state, before, after, image))

    def curvature(self, image: int, *, step_A: float = 0.02) -> float:
        """Second derivative of the energy along the band at an inner image, eV/Å^2, by a central difference.

        The length is that of the whole configuration, sqrt(sum of squared displacements of all atoms).
        """
        tangent = self.tangent(image)
        pair = [self.images[image].copy(), self.images[image].copy()]
        for atoms, sign in zip(pair, (1.0, -1.0), strict=True):
            atoms.positions += sign * step_A * tangent
        (_, forward), (_, backward) = self.evaluate(pair)
        return float(-np.vdot(forward - backward, tangent) / (2.0 * step_A))


def humps(energies: Sequence[float] | FloatArray, *, prominence_eV: float = PROMINENCE_EV) -> list[int]:
    """Indices of the inner maxima of a path that rise by ``prominence_eV`` over the valleys on both sides.

    >>> humps([0.0, 0.5, 0.2, 0.6, 0.1])
    [1, 3]
    """
    values = np.asarray(energies, dtype=np.float64)
    found = []
    for top in range(1, len(values) - 1):
        if not (values[top] > values[top - 1] and values[top] >= values[top + 1]):
            continue
        higher = np.flatnonzero(values > values[top])
        left = max((int(i) for i in higher if i < top), default=0)
        right = min((int(i) for i in higher if i > top), default=len(values) - 1)
        valley = max(values[left : top + 1].min(), values[top : right + 1].min())
        if values[top] - valley > prominence_eV:
            found.append(top)
    return found


def lay_band(
    first: AseAtoms, last: AseAtoms, images: int, *, mobile: int, bend_A: FloatArray | None, name: str
) -> list[AseAtoms]:
    """Place ``images`` between the ends; all ``images + 2`` configurations come back, the ends as copies.

    Without ``bend_A`` they follow the image-dependent pair potential (doi:10.1063/1.4878664); with it (Å, shape (3,))
    the mobile ion goes in two straight legs over the middle of the ends shifted by it.

    Raises
    ------
    ConvergenceError
        Both ends are the same place.
    """
    start, end = first.copy(), last.copy()
    end.positions = start.positions + _displacements(start, end)
    way = float(np.linalg.norm((end.positions - start.positions)[mobile]))
    if way < _SAME_PLACE_A:
        raise ConvergenceError(
            f"start and end of {name} relaxed into one place ({way:.2f} Å apart); the site at one end is "
            "not a minimum of this calculator"
        )
    chain = [start, *(start.copy() for _ in range(images)), end]
    band: Any = NEB(chain, method="improvedtangent")  # type: ignore[no-untyped-call]
    if bend_A is None:
        band.interpolate(method="idpp", mic=False)
    else:
        band.interpolate(mic=False)
        _lead_over(chain, mobile, bend_A)
    return chain


def _lead_over(chain: list[AseAtoms], mobile: int, bend_A: FloatArray) -> None:
    """Bend the way of the mobile ion: two straight legs, images evenly spaced on them."""
    ends = [atoms.positions[mobile].copy() for atoms in (chain[0], chain[-1])]
    track = np.array([ends[0], (ends[0] + ends[1]) / 2.0 + bend_A, ends[1]])
    marks = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(track, axis=0), axis=1))])
    for atoms, way in zip(chain, np.linspace(0.0, marks[-1], len(chain)), strict=True):
        atoms.positions[mobile] = [np.interp(way, marks, track[:, axis]) for axis in range(3)]


def _displacements(first: AseAtoms, last: AseAtoms) -> Any:
    """Way of every atom from start to end, shape [n, 3] in Å: as given, unless the path crosses the cell."""
    given = last.positions - first.positions
    nearest, lengths = find_mic(given, first.cell, pbc=True)  # type: ignore[no-untyped-call]
    short = np.linalg.norm(given, axis=1) <= lengths + _SAME_PLACE_A
    return np.where(short[:, None], given, nearest)


class BandWatch:
    """Runs the two stages, looks at every step, and remembers how far the band is."""

    def __init__(
        self, band: ClimbingBand, calculator: Any, name: str, on_step: Callable[[BandStep], None] | None
    ) -> None:
        self.band, self.calculator, self.name, self.on_step = band, calculator, name, on_step
        self.count = -1
        self.residual = math.inf
        self.stage: Stage = "plain"

    def run(self, stage: Stage, tolerance: float, steps: int) -> bool:
        """Relax the band in one stage; True if its residual fell below ``tolerance`` (eV/Å)."""
        self.stage = stage
        self.band.climb = stage == "climbing"
        driver = FIRE(self.band, logfile=None)
        driver.attach(self, interval=1)
        return bool(driver.run(fmax=tolerance, steps=steps))

    def __call__(self) -> None:
        """Look at one step."""
        self.count += 1
        energies = self.band.image_energies
        check_finite(self.calculator, float(energies.sum()), np.asarray(self.band.real_forces))
        self.residual = self.band.residual
        if self.count > _GRACE_STEPS and self.residual > _EXPLODED_EV_PER_A:
            raise StructureError(
                f"the band of {self.name} has a residual of {self.residual:.3g} eV/Å after {self.count} steps: "
                "images overlap; take more images or another path"
            )
        if self.on_step is not None:
            height = float(energies.max() - energies[0])
            self.on_step(BandStep(self.stage, self.count, height, self.residual))
