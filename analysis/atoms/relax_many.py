"""Many relaxations on several processes, each with a calculator of its own."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosinter.analysis.atoms.calculators import DFT_CODES, make_calculator
from cosinter.analysis.atoms.relaxation import Relaxation, relax
from cosinter.data.exceptions import CosinterError, InputError

if TYPE_CHECKING:
    from pymatgen.core import Structure

Make = str | Callable[["Structure"], Any]


@dataclass(frozen=True)
class RelaxationFailure:
    """A structure that could not be relaxed: its place in the list, the kind of error, and one sentence."""

    index: int
    kind: str
    message: str


def relax_many(
    structures: Sequence[Structure],
    make: Make,
    *,
    workers: int = 2,
    checkpoint_folder: Path | None = None,
    **options: Any,
) -> tuple[Relaxation | RelaxationFailure, ...]:
    """Relax ``structures`` on ``workers`` fresh processes; results in their order, failures among them.

    Every process keeps one calculator (one LAMMPS) and one thread. As with all processes that are spawned, a script
    that calls this needs ``if __name__ == "__main__":``.

    Parameters
    ----------
    make
        Name or entry string for :func:`cosinter.analysis.atoms.calculators.make_calculator`, or an importable
        function that makes a calculator for a structure.
    checkpoint_folder
        If given, structure number i keeps its state in ``relaxation-<i>.json`` there and goes on from it.
    options
        Those of :func:`cosinter.analysis.atoms.relaxation.relax`, except ``on_step`` and ``checkpoint``.

    Raises
    ------
    InputError
        Fewer than one worker, or an option that cannot go to other processes.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}, allowed is 1 or more")
    refused = sorted({"on_step", "checkpoint"} & set(options))
    if refused:
        raise InputError(f"relax_many takes no {refused[0]}; use relax, or checkpoint_folder")
    tasks = [
        (index, structure, make, _with_checkpoint(options, checkpoint_folder, index))
        for index, structure in enumerate(structures)
    ]
    with _one_thread():
        found = _run(tasks, workers)
        for index, result in enumerate(found):
            if result is None:  # its process, or that of a neighbour, died: once more, alone
                found[index] = _run([tasks[index]], 1)[0]
    lost = "the process died; the calculator ended it or memory ran out"
    return tuple(
        RelaxationFailure(index, "EngineError", lost) if result is None else result
        for index, result in enumerate(found)
    )


def _with_checkpoint(options: dict[str, Any], folder: Path | None, index: int) -> dict[str, Any]:
    return options if folder is None else {**options, "checkpoint": folder / f"relaxation-{index:04d}.json"}


def _run(tasks: Sequence[tuple[Any, ...]], workers: int) -> list[Relaxation | RelaxationFailure | None]:
    """Results of ``tasks`` in order, None for those whose pool of processes broke."""
    if not tasks:
        return []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context) as pool:
        return [_outcome(future) for future in [_submit(pool, task) for task in tasks]]


def _submit(
    pool: ProcessPoolExecutor, task: tuple[Any, ...]
) -> Future[Relaxation | RelaxationFailure] | None:
    try:
        return pool.submit(_relax_one, *task)
    except BrokenProcessPool:
        return None


def _outcome(future: Future[Relaxation | RelaxationFailure] | None) -> Relaxation | RelaxationFailure | None:
    try:
        return None if future is None else future.result()
    except BrokenProcessPool:
        return None


def _relax_one(
    index: int, structure: Structure, make: Make, options: dict[str, Any]
) -> Relaxation | RelaxationFailure:
    try:
        return relax(structure, _calculator(make, structure), **options)
    except CosinterError as error:
        return RelaxationFailure(index, type(error).__name__, str(error))


def _calculator(make: Make, structure: Structure) -> Any:
    if not isinstance(make, str):
        return make(structure)
    return make_calculator(make, structure) if make in DFT_CODES else _kept(make)


@cache
def _kept(name: str) -> Any:
    """The calculator of this process."""
    return make_calculator(name)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes started here use one thread: small matrices on many threads are tens of times slower."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
