"""G(T) of many computed compounds: the vectorised descriptor beside pymatgen's entries, equal answers.

python -m benchmarks.descriptor
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from cosinter.analysis.thermochemistry.descriptor import formation_gibbs

ELEMENTS = ("Li", "O", "P", "Ti", "Ni", "Mn", "Co", "Al", "C", "H")
COMPOUNDS, TEMPERATURES = 1000, 100
#: Temperatures that pymatgen gets: it needs seconds for each.
PEER_TEMPERATURES = (700.0, 973.15)


def _best(function: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        function()
        times.append(time.process_time() - begin)
    return min(times)


def descriptor_speed(compounds: int = COMPOUNDS) -> tuple[float, float, float]:
    """Seconds for 100 temperatures: ours, pymatgen's (2 measured, times 50), and the largest difference in eV/atom."""
    from pymatgen.core import Lattice, Structure
    from pymatgen.entries.computed_entries import GibbsComputedStructureEntry

    rng = np.random.default_rng(0)
    counts = rng.integers(1, 5, size=(compounds, len(ELEMENTS))) * (
        rng.random((compounds, len(ELEMENTS))) < 0.3
    )
    counts[:, :2] = rng.integers(1, 5, size=(compounds, 2))
    counts[:, 2] += 1  # no composition of a gas, which pymatgen would replace by its own table
    volumes, enthalpies = rng.uniform(7.0, 25.0, compounds), rng.uniform(-3.5, 0.0, compounds)
    structures = []
    for row, volume in zip(counts, volumes, strict=True):
        species = [e for e, n in zip(ELEMENTS, row, strict=True) for _ in range(n)]
        places = [[i / len(species)] * 3 for i in range(len(species))]
        structures.append(Structure(Lattice.cubic((volume * len(species)) ** (1 / 3)), species, places))

    def ours(temperatures: object) -> np.ndarray:
        return formation_gibbs(
            enthalpies,
            volumes_A3=volumes,
            fractions=counts.astype(np.float64),
            elements=ELEMENTS,
            temperature_K=temperatures,
        )

    def peer() -> np.ndarray:
        return np.asarray(
            [
                [
                    GibbsComputedStructureEntry(structure, enthalpy, temp=temperature).energy / len(structure)
                    for structure, enthalpy in zip(structures, enthalpies, strict=True)
                ]
                for temperature in PEER_TEMPERATURES
            ]
        )

    difference = float(np.max(np.abs(ours(PEER_TEMPERATURES) - peer())))
    grid = np.linspace(300.0, 1800.0, TEMPERATURES)
    return (
        _best(lambda: ours(grid), 20),
        _best(peer, 1) * TEMPERATURES / len(PEER_TEMPERATURES),
        difference,
    )


def main() -> None:
    own, peer, difference = descriptor_speed()
    if difference > 1e-9:
        raise SystemExit(f"the answers differ by {difference:.1e} eV/atom; the times would mean nothing")
    print(
        f"G(T) of {COMPOUNDS} compounds at {TEMPERATURES} temperatures: {own * 1e3:.2f} ms, "
        f"pymatgen {peer:.0f} s (2 temperatures measured, times 50): {peer / own:.0f} times; "
        f"largest difference {difference:.0e} eV/atom"
    )


if __name__ == "__main__":
    main()
