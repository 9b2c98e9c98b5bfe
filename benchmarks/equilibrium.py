"""Equilibria and mixing lines beside pymatgen, in the same run, on the same entries, with equal answers asserted.

    python -m benchmarks.equilibrium            under 3 minutes: pymatgen's cells above 30 s are left out
    python -m benchmarks.equilibrium --full     all cells, about 25 minutes

Entries are made up, with a fixed seed: the solids of the phase library at 298 K plus random compounds (87 % charge
balanced oxides, the rest of two to four elements) whose energy is that of the library's hull minus |N(0, 12 meV)| per
atom (one in four) or plus an exponential of 60 meV, kept where they are below the elements; volumes per atom are random.
NCM811 lies 10 and LATP 4 meV per atom above the library's hull. So the sizes and the degree of competition are those of
a database; the energies are not data. Times are CPU seconds, conversion of pymatgen's entries included: ours the least
in about a second of repeats, pymatgen's of one run. Memory is what a fresh child process adds at its peak. A temperature
sweep of pymatgen is one temperature, scaled.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from cosinter.analysis.equilibrium.entry_table import EntryTable
from cosinter.analysis.equilibrium.peers import from_pymatgen, pymatgen_kinks

ELEMENTS = ("Li", "O", "P", "Ti", "Ni", "Mn", "Co", "Al", "C", "H")
CHARGES = {"Li": 1, "P": 5, "Ti": 4, "Ni": 2, "Mn": 3, "Co": 3, "Al": 3, "C": 4, "H": 1}
NCM, LATP = "Li10Ni8CoMnO20", "Li13Al3Ti17P30O120"
SALTED = "Li10.2Ni8CoMnO20.25C0.05H0.1"  # with LiOH and Li2CO3: a line through all ten elements
TEMPERATURES = np.linspace(300.0, 1290.0, 100)


@dataclass(frozen=True)
class Row:
    what: str
    ours: float
    ours_mb: float
    theirs: float | None
    theirs_mb: float | None
    goal: float | None
    note: str = ""


def _random_compound(random: np.random.Generator) -> dict[str, float]:
    if random.random() < 0.87:
        cations = random.choice(list(CHARGES), int(random.integers(1, 5)), replace=False)
        counts = {str(c): int(random.integers(1, 6)) for c in cations}
        charge = sum(CHARGES[c] * n for c, n in counts.items())
        scale = 1 if charge % 2 == 0 else 2
        return {c: float(scale * n) for c, n in counts.items()} | {"O": scale * charge / 2.0}
    chosen = random.choice(ELEMENTS, int(random.integers(2, 5)), replace=False)
    return {str(e): float(random.integers(1, 5)) for e in chosen}


def _known() -> tuple[list[dict[str, float]], list[float]]:
    from scipy.constants import Avogadro, e

    from cosinter.analysis.thermochemistry.library import load_library

    atoms: list[dict[str, float]] = [{element: 1.0} for element in ELEMENTS]
    energies = [0.0] * len(ELEMENTS)
    for phase in load_library().phases:
        made = dict(phase.composition)
        energy = float(phase.enthalpy(298.15)) / (Avogadro * e)
        if phase.state == "s" and set(made) <= set(ELEMENTS) and len(made) > 1 and energy < 0.0:
            atoms.append(made)
            energies.append(energy)
    return atoms, energies


@cache
def entries(size: int, rows: int) -> list[Any]:
    """The first ``size`` entries over the first ``rows`` elements as pymatgen entries; sets are nested in size."""
    from pymatgen.core import Composition
    from pymatgen.entries.computed_entries import ComputedEntry

    random = np.random.default_rng(20261123)
    atoms, energies = _known()
    table = EntryTable(
        tuple(map(str, range(len(atoms)))),
        ELEMENTS,
        np.asarray([[one.get(element, 0.0) for one in atoms] for element in ELEMENTS]),
        np.asarray([energies]),
    )
    for formula, above in ((NCM, 0.010), (LATP, 0.004)):
        made = {str(k): float(v) for k, v in Composition(formula).get_el_amt_dict().items()}
        atoms.append(made)
        energies.append(float(table.solve([made])[0].value[0]) + above * sum(made.values()))
    seen = {Composition(one).reduced_formula for one in atoms}
    allowed = set(ELEMENTS[:rows])
    kept = [i for i, one in enumerate(atoms) if set(one) <= allowed]
    listed = [(atoms[i], energies[i]) for i in kept]
    while len(listed) < size:
        made = _random_compound(random)
        name = Composition(made).reduced_formula
        if name in seen or not set(made) <= allowed:
            continue
        seen.add(name)
        shift = -abs(random.normal(0.0, 0.012)) if random.random() < 0.25 else random.exponential(0.060)
        energy = float(table.solve([made])[0].value[0]) + shift * sum(made.values())
        if energy < 0.0:
            listed.append((made, energy))
    return [ComputedEntry(Composition(one), energy) for one, energy in listed[:size]]


def measured(work: Callable[[], Any], repeats: int = 1) -> tuple[float, float, Any]:
    """CPU seconds, MB added at the peak and the answer of ``work`` in a forked child.

    The least of up to ``repeats`` runs, at least three and about a second of them.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def child() -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        times: list[float] = []
        answer = None
        while len(times) < min(repeats, 3) or (len(times) < repeats and sum(times) < 1.0):
            begin = time.process_time()
            answer = work()
            times.append(time.process_time() - begin)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sender.send((min(times), (peak - before) / 1024.0, answer))

    process = context.Process(target=child)
    process.start()
    sender.close()
    try:
        result: tuple[float, float, Any] = receiver.recv()
    except EOFError as error:
        raise SystemExit("a benchmark cell failed; its traceback is above") from error
    process.join()
    return result


def same_kinks(ours: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> None:
    theirs = sorted(theirs)
    if len(ours) != len(theirs) or not np.allclose(ours, theirs, rtol=0.0, atol=1e-6):
        raise SystemExit(f"kinks differ ({len(ours)} and {len(theirs)}); the times would mean nothing")
    if not np.allclose([e for _, e in ours], [e for _, e in theirs], rtol=0.0, atol=1e-8):
        raise SystemExit("energies at the kinks differ by more than 1e-8 eV/atom")


def pymatgen_line(chosen: list[Any], first: str, second: str) -> list[tuple[float, float]]:
    from pymatgen.analysis.interface_reactions import InterfacialReactivity
    from pymatgen.analysis.phase_diagram import PhaseDiagram
    from pymatgen.core import Composition

    line = InterfacialReactivity(
        Composition(first), Composition(second), PhaseDiagram(chosen), use_hull_energy=True
    )
    return [(kink[1], kink[2]) for kink in line.get_kinks()]


def our_line(chosen: list[Any], first: str, second: str) -> list[tuple[float, float]]:
    return pymatgen_kinks(from_pymatgen(chosen).interface(first, second, references=("hull", "hull"))[0])


def compare(
    what: str,
    ours: Callable[[], Any],
    theirs: Callable[[], Any] | None,
    *,
    goal: float,
    check: Callable[[Any, Any], None] | None = None,
    scale: float = 1.0,
    note: str = "",
) -> Row:
    seconds, megabytes, answer = measured(ours, 100)
    if theirs is None:
        return Row(what, seconds, megabytes, None, None, goal, note or "pymatgen: --full")
    peer_seconds, peer_megabytes, expected = measured(theirs)
    if check is not None:
        check(answer, expected)
    return Row(what, seconds, megabytes, scale * peer_seconds, peer_megabytes, goal, note)


def closed_rows(full: bool) -> Iterator[Row]:
    """A cold profile, conversion of the entries (its own row first) and, for pymatgen, the diagram included."""
    largest = entries(1000, 8)
    seconds, megabytes, _ = measured(lambda: from_pymatgen(largest).names, 100)
    yield Row("conversion of 1000 entries, part of every cold row", seconds, megabytes, None, None, None)
    goals = {(8, 60): 50.0, (8, 250): 200.0, (8, 1000): 1000.0, (10, 500): 5000.0, (10, 1000): 20000.0}
    for (rows, size), goal in goals.items():
        chosen = entries(size, rows)
        first = NCM if rows == 8 else SALTED
        fast = full or (rows, size) not in {(10, 500), (10, 1000)}
        yield compare(
            f"closed profile, {rows} elements, {size} entries, cold",
            lambda c=chosen, f=first: our_line(c, f, LATP),
            (lambda c=chosen, f=first: pymatgen_line(c, f, LATP)) if fast else None,
            goal=goal,
            check=same_kinks,
        )


def built_row() -> Row:
    """Kinks of random pairs with the diagram already built (pymatgen) or the table already made (ours)."""
    from pymatgen.analysis.interface_reactions import InterfacialReactivity
    from pymatgen.analysis.phase_diagram import PhaseDiagram

    chosen, pairs = entries(250, 8), 20
    diagram, table = PhaseDiagram(chosen), from_pymatgen(chosen)
    random = np.random.default_rng(5)
    picked = [random.choice(len(chosen), 2, replace=False) for _ in range(pairs)]
    couples = [(chosen[i].composition, chosen[j].composition) for i, j in picked]

    def ours() -> list[list[tuple[float, float]]]:
        hulls = ("hull", "hull")
        return [
            pymatgen_kinks(table.interface(a.get_el_amt_dict(), b.get_el_amt_dict(), references=hulls)[0])
            for a, b in couples
        ]

    def theirs() -> list[list[tuple[float, float]]]:
        return [
            [(k[1], k[2]) for k in InterfacialReactivity(a, b, diagram, use_hull_energy=True).get_kinks()]
            for a, b in couples
        ]

    def check(left: Any, right: Any) -> None:
        for one, other in zip(left, right, strict=True):
            same_kinks(one, other)

    return compare(
        f"kinks of {pairs} pairs, diagram built, 8 elements, 250", ours, theirs, goal=40, check=check
    )


def open_row() -> Row:
    """Open oxygen: grand potential diagram and kinks (pymatgen without its closed diagram, which it only asks for)."""
    from pymatgen.analysis.interface_reactions import GrandPotentialInterfacialReactivity
    from pymatgen.analysis.phase_diagram import GrandPotentialPhaseDiagram, PDEntry, PhaseDiagram
    from pymatgen.core import Composition, Element

    chosen = entries(1000, 8)
    pure = PhaseDiagram([PDEntry(Composition(element), 0.0) for element in ELEMENTS[:8]])

    def theirs() -> list[tuple[float, float]]:
        grand = GrandPotentialPhaseDiagram(chosen, {Element("O"): -0.6})
        line = GrandPotentialInterfacialReactivity(Composition(NCM), Composition(LATP), grand, pure)
        return [(kink[1], kink[2]) for kink in line.get_kinks()]

    def ours() -> list[tuple[float, float]]:
        profile = from_pymatgen(chosen).interface(
            NCM, LATP, reservoirs={"O": -0.6}, references=("hull", "hull")
        )[0]
        return pymatgen_kinks(profile, mutual=True)

    return compare("open O profile, 8 elements, 1000, cold", ours, theirs, goal=100, check=same_kinks)


def hull_row() -> Row:
    from pymatgen.analysis.phase_diagram import PhaseDiagram

    chosen = entries(1000, 8)

    def theirs() -> list[float]:
        diagram = PhaseDiagram(chosen)
        return [diagram.get_e_above_hull(entry) for entry in chosen]

    def check(left: Any, right: Any) -> None:
        if not np.allclose(left, right, rtol=0.0, atol=1e-8):
            raise SystemExit("energies above the hull differ")

    return compare(
        "energy above hull of all, 8 elements, 1000, cold",
        lambda: from_pymatgen(chosen).above_hull()[0],
        theirs,
        goal=100,
        check=check,
    )


@cache
def sweep_input(size: int) -> tuple[list[Any], np.ndarray, np.ndarray, np.ndarray]:
    """Entries with structures (made-up volumes), and the numbers that the descriptor needs."""
    from pymatgen.core import Lattice, Structure
    from pymatgen.entries.computed_entries import ComputedStructureEntry

    random = np.random.default_rng(9)
    structured, volumes = [], []
    for entry in entries(size, 8):
        atoms = {k: round(v) for k, v in entry.composition.get_el_amt_dict().items()}
        if any(abs(v - atoms[k]) > 1e-9 for k, v in entry.composition.get_el_amt_dict().items()):
            atoms = {k: round(100 * v) for k, v in entry.composition.get_el_amt_dict().items()}
        sites = [element for element, count in atoms.items() for _ in range(count)]
        volume = float(random.uniform(8.0, 18.0))
        lattice = Lattice.cubic((volume * len(sites)) ** (1.0 / 3.0))
        structure = Structure(lattice, sites, random.random((len(sites), 3)))
        structured.append(
            ComputedStructureEntry(structure, entry.energy_per_atom * len(sites), entry_id=str(len(sites)))
        )
        volumes.append(volume)
    table = from_pymatgen(structured)
    return structured, np.asarray(volumes), table.counts, table.energies[0]


def our_gibbs(size: int) -> EntryTable:
    """Formation Gibbs energies of all entries at 100 temperatures, as a table."""
    from cosinter.analysis.thermochemistry.descriptor import formation_gibbs

    structured, volumes, counts, energies = sweep_input(size)
    elements = tuple(sorted(ELEMENTS[:8]))
    atoms = counts.sum(axis=0)
    compound = (counts > 0.0).sum(axis=0) > 1
    gibbs = np.zeros((len(TEMPERATURES), len(structured)))
    gibbs[:, compound] = formation_gibbs(
        (energies / atoms)[compound],
        volumes_A3=volumes[compound],
        fractions=(counts / atoms).T[compound],
        elements=elements,
        temperature_K=TEMPERATURES,
    )
    return EntryTable(tuple(map(str, range(len(structured)))), elements, counts, gibbs * atoms)


def peer_gibbs(size: int, temperature: float) -> list[Any]:
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition
    from pymatgen.entries.computed_entries import GibbsComputedStructureEntry

    class Elements(
        PhaseDiagram
    ):  # from_pd only reads entries, elements and formation energies: no hull of them needed
        def __init__(self, listed: list[Any]) -> None:
            super().__init__([PDEntry(Composition(element), 0.0) for element in ELEMENTS[:8]])
            self.all_entries = listed
            self.el_refs = {entry.elements[0]: entry for entry in listed[:8]}

    return list(GibbsComputedStructureEntry.from_pd(Elements(sweep_input(size)[0]), temperature))


def sweep_rows(full: bool) -> Iterator[Row]:
    """Gibbs energies and profiles at 100 temperatures; pymatgen at one of them, times 100."""
    temperature = float(TEMPERATURES[60])
    note = "pymatgen: 1 of 100 temperatures, scaled"

    def check(ours: Any, theirs: Any) -> None:
        if not np.allclose(ours, theirs, rtol=0.0, atol=1e-8):
            raise SystemExit("Gibbs energies differ")

    sweep_input(1000)
    yield compare(
        "Gibbs energies, 100 temperatures, 1000 entries",
        lambda: (lambda t: (t.energies / t.atoms)[60])(our_gibbs(1000)),
        lambda: [entry.energy_per_atom for entry in peer_gibbs(1000, temperature)],
        goal=5e4,
        check=check,
        scale=100.0,
        note=note,
    )
    for size, goal in ((250, 2000.0), (1000, 5000.0)):
        sweep_input(size)

        def ours(size: int = size) -> list[tuple[float, float]]:
            profiles = our_gibbs(size).interface(NCM, LATP, references=("hull", "hull"))
            return pymatgen_kinks(profiles[60])

        yield compare(
            f"Gibbs energies and profiles, 100 temperatures, {size} entries",
            ours,
            lambda size=size: pymatgen_line(peer_gibbs(size, temperature), NCM, LATP),
            goal=goal,
            check=same_kinks,
            scale=100.0,
            note=note,
        )


def ten_element_rows() -> Iterator[Row]:
    """What one sitting needs, ten elements and 1000 entries; pymatgen has no counterpart in reasonable time."""
    table = from_pymatgen(entries(1000, 10))
    random = np.random.default_rng(3)
    ratios = np.linspace(0.005, 0.995, 100)
    noise = random.normal(0.0, 0.02, (1000, len(table.names))) * table.atoms
    drift = np.linspace(0.0, -1e-4, 100)[:, None] * random.random(len(table.names)) * table.atoms * 100.0
    warm, sampled = table.with_energies(table.energies + drift), table.with_energies(table.energies + noise)

    def mapped() -> int:
        profiles = warm.interface(SALTED, LATP, references=("hull", "hull"))
        return sum(profile.path.value(ratios).size for profile in profiles)

    cells: list[tuple[str, Callable[[], Any]]] = [
        ("one equilibrium", lambda: table.decompose(SALTED)),
        ("100 x 100 map (conditions x ratio), exact", mapped),
        (
            "1000 Monte-Carlo samples of a full line",
            lambda: len(sampled.interface(SALTED, LATP, references=("hull", "hull"))),
        ),
    ]
    for what, work in cells:
        seconds, megabytes, _ = measured(work, 100)
        yield Row(f"{what}, 10 elements, 1000", seconds, megabytes, None, None, None)


def rows(full: bool) -> Iterator[Row]:
    yield from closed_rows(full)
    yield built_row()
    yield open_row()
    yield hull_row()
    yield from sweep_rows(full)
    yield from ten_element_rows()


def show(row: Row) -> str:
    ratio = "" if row.theirs is None else f"{row.theirs / row.ours:,.0f}"
    peer = "-" if row.theirs is None else f"{row.theirs:.3g} s"
    memory = "-" if row.theirs_mb is None else f"{row.theirs_mb:.0f} MB"
    goal = "" if row.goal is None else f">= {row.goal:,.0f}"
    return (
        f"| {row.what} | {1e3 * row.ours:.3g} ms | {row.ours_mb:.0f} MB | {peer} | {memory} "
        f"| {ratio} | {goal} | {row.note} |"
    )


def report(*, full: bool = False) -> None:
    """Print the table, row by row."""
    print("| work | cosinter | + memory | pymatgen | + memory | ratio | goal | note |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for row in rows(full):
        print(show(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="pymatgen's slow cells too")
    report(full=parser.parse_args().full)


if __name__ == "__main__":
    main()
