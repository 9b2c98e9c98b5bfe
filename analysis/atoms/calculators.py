"""One way to an energy: calculators by name, and what each of them may be asked for.

``pmmcs`` is the embedded rigid-ion potential and ``latp-shell`` the shell model of LATP (LAMMPS library), ``chgnet``
the machine-learned potential of the optional extra ``ml``; ``cp2k``, ``espresso`` and ``vasp`` are the DFT codes of
:mod:`cosinter.analysis.atoms.dft`; any other ASE calculator is named by an entry string ``package.module:Class``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cosinter.data.exceptions import (
    CosinterError,
    EngineError,
    InputError,
    MissingEngineError,
    StructureError,
    UnknownNameError,
)
from cosinter.data.tables import load_table
from cosinter.structures.fingerprint import structure_sha256

if TYPE_CHECKING:
    from pymatgen.core import Structure

AseAtoms = Any  # ase.Atoms, whose own types are incomplete
Quantity = Literal["lattice", "barrier", "entropy", "reaction_energy"]

OXIDATION_STATE = "oxidation_state"
DFT_CODES = ("cp2k", "espresso", "vasp")


@dataclass(frozen=True)
class Uncertainty:
    """How far a calculator's answer may be off: one standard deviation in ``unit``, ``None`` if never measured."""

    calculator: str
    quantity: str
    value: float | None
    unit: str
    kind: str
    source: str
    note: str


def make_calculator(name_or_entry: str, structure: Structure | None = None, **options: Any) -> Any:
    """Make an ASE calculator from a name or an entry string.

    Parameters
    ----------
    name_or_entry
        ``pmmcs``, ``latp-shell``, ``chgnet``, ``cp2k``, ``espresso``, ``vasp``, or ``package.module:Class`` of any
        ASE calculator.
    structure
        If given to a potential, it is tried at once: an ion without parameters is reported here and not in the
        middle of a run. The DFT codes take k-points, spins and Hubbard terms from it and do not calculate yet;
        ``espresso`` and ``vasp`` cannot do without.
    options
        Handed to the calculator's class; those of the DFT codes stand in :mod:`cosinter.analysis.atoms.dft`.

    Raises
    ------
    UnknownNameError
        A name that is neither known nor an entry string, or (with ``structure``) an ion without parameters.
    MissingEngineError
        The library behind the calculator is not installed.
    InputError
        Options the calculator does not take, an entry that is not an ASE calculator, or no structure where the
        calculator needs one.

    Example
    -------
    >>> make_calculator("pmmcs").cosinter_name
    'pmmcs'
    """
    maker = _MAKERS.get(name_or_entry.lower())
    if maker is None and ":" not in name_or_entry:
        raise UnknownNameError("calculator", name_or_entry, (*_MAKERS, "package.module:Class"))
    try:
        calculator = maker(structure, options) if maker else _from_entry(name_or_entry, options)
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, CosinterError):
            raise
        given = f"with the options {', '.join(sorted(options))}" if options else "without arguments"
        raise InputError(f"calculator '{name_or_entry}' cannot be made {given} ({error})") from error
    if not hasattr(calculator, "get_property") and not hasattr(calculator, "get_potential_energy"):
        raise InputError(f"'{name_or_entry}' is not an ASE calculator; name a class that is one")
    if structure is not None and calculator_name(calculator) not in DFT_CODES:
        single_point(to_atoms(structure), calculator)
    return calculator


def _make_pmmcs(structure: Structure | None, options: Mapping[str, Any]) -> Any:
    from cosinter.analysis.atoms.lammps_engine import RigidIonLammps

    return RigidIonLammps(**options)


def _make_shell(structure: Structure | None, options: Mapping[str, Any]) -> Any:
    from cosinter.analysis.atoms.core_shell import ShellModelLammps

    return ShellModelLammps(**options)


def _make_cp2k(structure: Structure | None, options: Mapping[str, Any]) -> Any:
    from cosinter.analysis.atoms.dft import cp2k_calculator

    return cp2k_calculator(structure, **options)


def _make_espresso(structure: Structure | None, options: Mapping[str, Any]) -> Any:
    from cosinter.analysis.atoms.dft import espresso_calculator

    return espresso_calculator(_needed("espresso", structure), **options)


def _make_vasp(structure: Structure | None, options: Mapping[str, Any]) -> Any:
    from cosinter.analysis.atoms.dft import vasp_calculator

    return vasp_calculator(_needed("vasp", structure), **options)


def _needed(name: str, structure: Structure | None) -> Structure:
    if structure is None:
        raise InputError(f"calculator '{name}' takes k-points and spins from the structure; give it one")
    return structure


def _make_chgnet(structure: Structure | None, options: Mapping[str, Any]) -> Any:
    try:
        from chgnet.model.dynamics import CHGNetCalculator
    except ImportError as error:
        raise MissingEngineError(
            f"the calculator 'chgnet' needs the optional extra ({error}); "
            "install it with: pip install 'cosinter[ml]'"
        ) from error
    calculator = CHGNetCalculator(**{"use_device": "cpu", **options})
    calculator.cosinter_name = "chgnet"
    return calculator


_MAKERS: Mapping[str, Callable[[Structure | None, Mapping[str, Any]], Any]] = {
    "pmmcs": _make_pmmcs,
    "latp-shell": _make_shell,
    "chgnet": _make_chgnet,
    "cp2k": _make_cp2k,
    "espresso": _make_espresso,
    "vasp": _make_vasp,
}


def _from_entry(entry: str, options: Mapping[str, Any]) -> Any:
    module_name, _, attribute = entry.partition(":")
    try:
        factory = getattr(import_module(module_name), attribute)
    except (ImportError, ValueError) as error:
        raise MissingEngineError(
            f"calculator '{entry}' cannot be imported ({error}); install its package or check the spelling"
        ) from error
    except AttributeError as error:
        raise InputError(
            f"module '{module_name}' has no '{attribute}'; an entry reads module:Class"
        ) from error
    return factory(**options)


def calculator_name(calculator: Any) -> str:
    """Short name: ``pmmcs``, ``chgnet``, or the class path of any other calculator."""
    kind = type(calculator)
    return str(getattr(calculator, "cosinter_name", f"{kind.__module__}:{kind.__qualname__}"))


def calculator_record(calculator: Any, structure: Structure | None = None) -> dict[str, Any]:
    """Describe a calculator for provenance: model, version, parameters, kind of uncertainty (JSON types).

    With ``structure``, the one that the result belongs to: its hash (:mod:`cosinter.structures.fingerprint`), and
    what the calculator made of its oxidation states.
    """
    name = calculator_name(calculator)
    record: dict[str, Any] = {"model": name, **_engine_record(calculator, structure)}
    rows = load_table("potentials")["accuracy"].get(name)
    record["uncertainty"] = {"kind": "not assessed"}
    if rows is not None:
        record["uncertainty"] = {
            quantity: {"value": row["value"], "unit": row["unit"], "kind": row["kind"]}
            for quantity, row in rows.items()
        }
    if structure is not None:
        record["structure_sha256"] = structure_sha256(structure)
    return record


def _engine_record(calculator: Any, structure: Structure | None) -> dict[str, Any]:
    """Engine, version and parameters; our own calculators say them in ``record(atoms)``."""
    if hasattr(calculator, "cosinter_name") and hasattr(calculator, "record"):
        own: dict[str, Any] = calculator.record(None if structure is None else to_atoms(structure))
        return own
    package = type(calculator).__module__.partition(".")[0]
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        version = "unknown"
    parameters: dict[str, Any] = {}
    if calculator_name(calculator) == "chgnet":
        parameters = {
            "source": "CHGNet: Deng et al., Nat. Mach. Intell. 5 (2023) 1031, doi:10.1038/s42256-023-00716-3",
            "weights": str(calculator.model.version),
        }
    elif isinstance(getattr(calculator, "parameters", None), Mapping):
        parameters = {key: str(value) for key, value in calculator.parameters.items()}
    return {"engine": package, "version": version, "parameters": parameters}


def uncertainty_of(calculator: Any, quantity: Quantity) -> Uncertainty:
    """Look up how far ``calculator`` (a name or an object) may be off in ``quantity``.

    Raises
    ------
    UnknownNameError
        No such quantity.
    InputError
        The calculator must not be asked for it: a rigid-ion potential gets reaction energies with the wrong sign.
    """
    name = calculator if isinstance(calculator, str) else calculator_name(calculator)
    table = load_table("potentials")["accuracy"]
    if quantity not in table["pmmcs"]:
        raise UnknownNameError("quantity of a calculator", quantity, table["pmmcs"])
    if name not in table:
        unit = table["pmmcs"][quantity]["unit"]
        return Uncertainty(
            name, quantity, None, unit, "assumed", "not assessed", "no comparison for this calculator"
        )
    row = table[name][quantity]
    if row.get("forbidden", False):
        raise InputError(
            f"{name} must not be asked for a {quantity.replace('_', ' ')}: its sign can be wrong "
            f"({row['note']}); use tabulated enthalpies or Materials Project data"
        )
    return Uncertainty(name, quantity, row["value"], row["unit"], row["kind"], row["source"], row["note"])


def to_atoms(structure: Structure) -> AseAtoms:
    """Turn an ordered structure into ASE atoms; oxidation states go to ``arrays["oxidation_state"]`` (float).

    Raises
    ------
    InputError
        A site is shared by several species: order the structure first.
    """
    from ase import Atoms

    if not structure.is_ordered:
        raise InputError(
            f"{structure.composition.reduced_formula} has sites shared by several species; "
            "take an ordered representative first"
        )
    atoms: AseAtoms = Atoms(
        [site.specie.symbol for site in structure],
        positions=structure.cart_coords,
        cell=structure.lattice.matrix,
        pbc=True,
    )
    states = [getattr(site.specie, "oxi_state", None) for site in structure]
    if all(state is not None for state in states):
        atoms.set_array(OXIDATION_STATE, np.asarray(states, dtype=np.float64))
    return atoms


def to_structure(atoms: AseAtoms, *, site_properties: Mapping[str, Any] | None = None) -> Structure:
    """Turn ASE atoms into a structure with the oxidation states of ``arrays["oxidation_state"]``."""
    from pymatgen.core import Lattice, Species, Structure

    symbols = atoms.get_chemical_symbols()
    species: list[Any] = list(symbols)
    if OXIDATION_STATE in atoms.arrays:
        pairs = zip(symbols, atoms.arrays[OXIDATION_STATE], strict=True)
        species = [Species(symbol, float(state)) for symbol, state in pairs]
    return Structure(
        Lattice(atoms.cell.array),
        species,
        atoms.get_scaled_positions(wrap=False),
        site_properties=dict(site_properties) if site_properties else None,
    )


def single_point(atoms: AseAtoms, calculator: Any) -> tuple[float, Any]:
    """Energy (eV) and forces, shape [n, 3] (eV/Å), of one configuration; ``atoms`` stay untouched.

    Raises
    ------
    EngineError
        The calculator failed.
    StructureError
        It gave a number that is not finite.
    """
    copy = atoms.copy()
    copy.calc = calculator
    with calculator_errors(calculator):
        energy = float(copy.get_potential_energy())
        forces = np.array(copy.get_forces(), dtype=np.float64)
    check_finite(calculator, energy, forces)
    return energy, forces


def check_finite(calculator: Any, energy: float, forces: Any) -> None:
    """Raise StructureError if an energy or force is not a finite number."""
    if not (math.isfinite(energy) and np.isfinite(forces).all()):
        raise StructureError(
            f"calculator {calculator_name(calculator)} gave an energy or force that is not finite; "
            "check the distances in the starting structure"
        )


@contextmanager
def calculator_errors(calculator: Any) -> Iterator[None]:
    """Turn whatever a foreign calculator raises into one EngineError; our own errors pass."""
    try:
        yield
    except CosinterError:
        raise
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise EngineError(
            f"calculator {calculator_name(calculator)} failed: {text}; "
            "check that it knows these elements and is set up on this machine"
        ) from error
