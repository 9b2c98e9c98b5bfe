"""The stages among atoms: relaxation, barriers, phonons, interfaces with one calculator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cosinter.workflows.plan import Stage

ATOMS = ("data/exceptions.py", "data/tables.py", "data/crystals.yaml", "structures")
FORCES = (
    *ATOMS,
    "data/potentials.yaml",
    "analysis/atoms/calculators.py",
    "analysis/atoms/lammps_engine.py",
    "analysis/atoms/lammps_library.py",
    "workflows/steps/atoms.py",
)
RELAXATION = ("relaxation", "abort_rules", "checkpoint")
ENGINES: Mapping[str, tuple[str, ...]] = {"pmmcs": ("lammps",), "chgnet": ("chgnet",)}


@dataclass(frozen=True)
class AtomStages:
    """Makes stages that share a calculator and a seed; ``suffix`` ends their names."""

    calculator: str
    seed: int
    suffix: str = ""

    def _stage(
        self, name: str, function: str, inputs: Mapping[str, Any], sources: tuple[str, ...], *engines: str
    ) -> Stage:
        return Stage(
            name=f"{function}-{name}{self.suffix}",
            function=function,
            inputs={**inputs, "calculator": self.calculator, "seed": self.seed},
            code=(*FORCES, *(f"analysis/atoms/{source}.py" for source in (*RELAXATION, *sources))),
            engines=("ase", "pymatgen", *ENGINES.get(self.calculator, ()), *engines),
        )

    def relax(self, name: str) -> Stage:
        """Relaxation of a named crystal."""
        return self._stage(name, "relax", {"name": name}, ())

    def barrier(self, host: str, mechanism: str) -> Stage:
        """Barrier of a hop in a host."""
        inputs = {"host": host.lower(), "mechanism": mechanism}
        return self._stage(
            f"{host.lower()}-{mechanism}", "barrier", inputs, ("barriers", "bands", "hop_results")
        )

    def phonon(self, name: str) -> Stage:
        """Phonons of a named crystal."""
        return self._stage(name, "phonon", {"name": name}, ("phonons",), "phonopy")

    def vibrations(self, name: str) -> Stage:
        """Quasi-harmonic entropy and heat capacity of a named crystal beside measured ones."""
        sources = ("phonons", "quasiharmonic")
        stage = self._stage(name, "vibrations", {"name": name}, sources, "phonopy", "cantera")
        return replace(stage, code=(*stage.code, "analysis/thermochemistry", "data/thermochemistry.yaml"))

    def interface(self, pair: Mapping[str, Any]) -> Stage:
        """Interface of two crystals; ``pair`` holds film, substrate and their planes."""
        name = f"{pair['film'].lower()}-{pair['substrate'].lower()}"
        return self._stage(name, "interface", pair, ())
