"""`make bench`: times of this installation beside its peers, measured in the same run, best of three."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import continuum, equilibrium

PAIR = ("LiCoO2", "LiTi2(PO4)3")
TEMPERATURE_K = 973.15


def best(function: Callable[[], object], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def mixing_line() -> tuple[float, float]:
    """Kinks of a closed mixing line: ours and pymatgen's, same phases, same energies; both must agree."""
    from pymatgen.analysis.interface_reactions import InterfacialReactivity
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition
    from scipy.constants import N_A, elementary_charge

    from cosinter.analysis.equilibrium.interface import interface_reaction
    from cosinter.analysis.thermochemistry.library import load_library

    elements = ("Li", "Co", "Ti", "P", "O")
    library = load_library().restricted(elements=elements)
    scale = N_A * elementary_charge
    entries = [
        PDEntry(Composition(phase.formula), float(phase.gibbs(TEMPERATURE_K)) / scale)
        for phase in library.phases
    ]

    def peer() -> int:
        diagram = PhaseDiagram(entries)
        line = InterfacialReactivity(
            Composition(PAIR[0]), Composition(PAIR[1]), diagram, use_hull_energy=False
        )
        return len(line.get_kinks())

    def ours() -> int:
        found = interface_reaction(*PAIR, library=library, temperature_K=TEMPERATURE_K, pressures_bar={})
        return len(found.kinks)

    if peer() != ours():
        raise SystemExit("the two mixing lines have different kinks; the times would mean nothing")
    return best(ours), best(peer)


def furnace() -> float:
    """One bare case of the main job through its furnace programme."""
    from cosinter.workflows.sources.libraries import library_inputs
    from cosinter.workflows.steps.furnace import parameter_set, simulate_case, sinter_case
    from cosinter.workflows.study import Study

    study = Study(name="benchmark")
    inputs = {**study.model_dump(mode="json"), "library": library_inputs(study.thermodynamics.energies)}
    parameters = parameter_set(inputs, None)
    case = sinter_case({**inputs, "case": inputs["cases"][0]}, parameters)
    return best(lambda: simulate_case(parameters, case))


def launches(count: int = 100) -> tuple[float, float]:
    """Empty Fireworks per second on the embedded store and on mongomock in memory (which survives nothing)."""
    import mongomock
    from fireworks import Firework, FWorker, PyTask, Workflow
    from fireworks.core import launchpad as core
    from fireworks.core.rocket_launcher import rapidfire

    from cosinter.workflows.launchpad import open_launchpad

    def run(launchpad: object, folder: str) -> float:
        tasks = [Firework(PyTask(func="time.time")) for _ in range(count)]
        launchpad.bulk_add_wfs([Workflow([task]) for task in tasks])  # type: ignore[attr-defined]
        begin = time.perf_counter()
        rapidfire(launchpad, FWorker(), m_dir=folder, nlaunches=count, sleep_time=0, strm_lvl="CRITICAL")
        return count / (time.perf_counter() - begin)

    with tempfile.TemporaryDirectory() as folder:
        embedded = run(open_launchpad(Path(folder) / "fw.db"), folder)
    dispatch = core.MongoClient
    try:
        core.MongoClient = mongomock.MongoClient
        with tempfile.TemporaryDirectory() as folder:
            volatile = core.LaunchPad(strm_lvl="CRITICAL")
            volatile.reset("", require_password=False)
            memory = run(volatile, folder)
    finally:
        core.MongoClient = dispatch
    return embedded, memory


def main() -> None:
    ours, peer = mixing_line()
    embedded, memory = launches()
    rows = [
        (
            "mixing line, 5 elements",
            f"{1e3 * ours:.1f} ms",
            f"{1e3 * peer:.1f} ms",
            "pymatgen, diagram included",
        ),
        ("furnace programme, bare", f"{furnace():.2f} s", "-", ""),
        ("Fireworks per second", f"{embedded:.0f}", f"{memory:.0f}", "mongomock, not durable"),
    ]
    print(f"{'what':28} {'cosinter':>12} {'peer':>12}  peer")
    for what, us, them, who in rows:
        print(f"{what:28} {us:>12} {them:>12}  {who}")
    print(
        "\nEquilibria and mixing lines (python -m benchmarks.equilibrium --full: pymatgen's slow cells too)"
    )
    equilibrium.report()
    print("\nFurnace model and its integrator (python -m benchmarks.continuum --full: the long rows too)")
    continuum.report()


if __name__ == "__main__":
    main()
