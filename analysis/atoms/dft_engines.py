"""The ASE calculators behind :mod:`cosinter.analysis.atoms.dft`. Import this module only when needed: it loads ASE."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from ase.calculators.calculator import all_changes
from ase.calculators.cp2k import CP2K
from ase.calculators.espresso import EspressoProfile, EspressoTemplate
from ase.calculators.genericfileio import GenericFileIOCalculator
from ase.calculators.vasp import Vasp

from cosinter.analysis.atoms.calculators import OXIDATION_STATE, to_structure
from cosinter.analysis.atoms.dft_inputs import Cp2kSettings, cp2k_input, pw_input
from cosinter.data.exceptions import ConvergenceError, CosinterError, EngineError, MissingEngineError
from cosinter.data.tables import load_table

Atoms = Any  # ase.Atoms, whose own types are incomplete


class Cp2kEngine(CP2K):
    """CP2K kept alive between calculations, in a folder of its own that goes with it.

    ASE speaks to the CP2K shell; the input is that of :func:`cosinter.analysis.atoms.dft_inputs.cp2k_input`, with
    one kind per ion. The k-point mesh is that of the first cell after the atoms change, and stays in a relaxation.
    """

    cosinter_name = "cp2k"

    def __init__(self, command: str, settings: Cp2kSettings) -> None:
        self.settings = settings
        self._read_to = 0
        folder = tempfile.mkdtemp(prefix="cosinter-cp2k-")
        self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        try:
            super().__init__(label=f"{folder}/cp2k", command=command)  # type: ignore[no-untyped-call]
        except Exception as error:
            raise MissingEngineError(
                f"CP2K does not start with '{command}' ({type(error).__name__}); name its shell in ASE_CP2K_COMMAND"
            ) from error

    def check_state(self, atoms: Atoms, tol: float = 1.0e-15) -> list[str]:
        """List what changed since the last call; other oxidation states mean another input, as other atoms do."""
        changes: list[str] = super().check_state(atoms, tol=tol)  # type: ignore[no-untyped-call]
        if self.atoms is not None and not np.array_equal(
            self.atoms.arrays.get(OXIDATION_STATE), atoms.arrays.get(OXIDATION_STATE)
        ):
            changes.append("numbers")
        return changes

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = None, system_changes: Any = all_changes
    ) -> None:
        """Fill ``results``: energy (eV), forces [n, 3] (eV/Å), stress [6] (eV/Å^3, xx yy zz yz xz xy).

        Raises
        ------
        ConvergenceError
            The self-consistent field did not settle.
        EngineError
            CP2K stopped; the message quotes its last words.
        """
        try:
            super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        except CosinterError:
            raise
        except Exception as error:
            said = _last_words(self._new_output()) or str(error) or "it ended without a message"
            self.close()
            raise EngineError(f"CP2K stopped: {said}; check the structure and the settings") from error
        if "SCF run NOT converged" in self._new_output():
            self.results = {}
            raise ConvergenceError(
                f"CP2K found no self-consistent field in {self.settings.max_scf} steps; raise max_scf or eps_scf"
            )

    def _generate_input(self) -> str:
        """Input text for ASE, which sends it to the shell."""
        return cp2k_input(to_structure(self.atoms), "shell", self.settings, project=str(self.label))

    def _new_output(self) -> str:
        """What CP2K wrote since this was asked last."""
        output = Path(f"{self.label}.out")
        text = output.read_bytes() if output.is_file() else b""
        start, self._read_to = min(self._read_to, len(text)), len(text)
        return text[start:].decode("utf-8", errors="replace")

    def close(self) -> None:
        """End the shell; the next call starts a new one."""
        shell = self._shell
        if shell is not None and not shell.isready and shell._child is not None:
            shell._child.kill()  # it has stopped, or is in the middle of something
            shell._child.communicate()
            shell._child = None  # type: ignore[assignment]
        super().close()  # type: ignore[no-untyped-call]

    def record(self, atoms: Atoms | None = None) -> dict[str, Any]:
        """Describe engine, version and settings (JSON types)."""
        table = load_table("potentials")["dft"]
        parameters = {
            "functional": "PBE",
            "basis": table["cp2k"]["basis"],
            "potential": table["cp2k"]["potential"],
            **asdict(self.settings),
            "cutoff_Ry": self.settings.cutoff_Ry or table["cp2k"]["cutoff"],
            "relative_cutoff_Ry": self.settings.relative_cutoff_Ry or table["cp2k"]["relative_cutoff"],
            "hubbard_U": table["hubbard_U"]["source"] if self.settings.plus_u else "none",
        }
        if atoms is not None:
            parameters["kpoints"] = list(self.settings.mesh(to_structure(atoms)))
        return {"engine": "cp2k", "version": cp2k_version(str(self.command)), "parameters": parameters}


def _last_words(output: str) -> str:
    """What CP2K wrote into the frame around its ABORT mark, in one line; empty if there is none."""
    frame = output.rpartition("[ABORT]")
    if not frame[1]:
        return ""
    lines = [line.strip().strip("*") for line in frame[2].splitlines() if line.startswith(" *")]
    words = [re.sub(r"^\s*(?:\\___/|O/\||/\| \||/ \\|\|)", "", line).strip() for line in lines]
    return " ".join(word for word in words if word)


@cache
def cp2k_version(command: str) -> str:
    """Version that CP2K says of itself, ``unknown`` if it says none."""
    try:
        said = subprocess.run([command.split()[0], "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    found = re.search(r"CP2K version (\S+)", said.stdout)
    return found.group(1) if found else "unknown"


class _PwTemplate(EspressoTemplate):
    """ASE's reading of pw.x output with our writing of its input."""

    def write_input(
        self, profile: Any, directory: Path, atoms: Atoms, parameters: Mapping[str, Any], properties: Any
    ) -> None:
        """Write the pw.x input of ``atoms``."""
        text = pw_input(to_structure(atoms), "static", pseudo_dir=profile.pseudo_dir, **parameters)
        (Path(directory) / self.inputname).write_text(text, encoding="utf-8")


class EspressoEngine(GenericFileIOCalculator):
    """pw.x, started anew for every calculation in ``directory``."""

    cosinter_name = "espresso"

    def __init__(self, command: str, pseudo_dir: str, directory: Path, options: Mapping[str, Any]) -> None:
        profile = EspressoProfile(command=command, pseudo_dir=pseudo_dir)  # type: ignore[no-untyped-call]
        template = _PwTemplate()  # type: ignore[no-untyped-call]
        super().__init__(template=template, profile=profile, directory=directory, parameters=dict(options))  # type: ignore[no-untyped-call]

    def record(self, atoms: Atoms | None = None) -> dict[str, Any]:
        """Describe engine, version and settings (JSON types)."""
        try:
            version = str(self.profile.version())
        except Exception:  # ASE raises many kinds for a pw.x that does not answer
            version = "unknown"
        source = load_table("potentials")["dft"]["espresso"]["source"]
        options = {
            key: list(value) if isinstance(value, tuple) else value for key, value in self.parameters.items()
        }
        parameters = {"functional": "PBE", "potentials": source, **options}
        return {"engine": "espresso", "version": version, "parameters": parameters}


class VaspEngine(Vasp):
    """ASE's VASP calculator under the name that results carry."""

    cosinter_name = "vasp"

    def record(self, atoms: Atoms | None = None) -> dict[str, Any]:
        """Describe engine, version and settings (JSON types)."""
        try:
            version = str(self.get_version())  # type: ignore[no-untyped-call]
        except Exception:  # no output yet
            version = "unknown"
        parameters = {key: str(value) for key, value in self.asdict()["inputs"].items()}  # type: ignore[no-untyped-call]
        return {"engine": "vasp", "version": version, "parameters": parameters}
