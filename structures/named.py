"""Build any crystal of the package by name, and write structures as text."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.structures.crystals import crystal, crystal_names, read_formula, resolve
from cosinter.structures.layered import layered_contents, layered_ordering, layered_oxide
from cosinter.structures.nasicon import latp, latp_ordering, ltp
from cosinter.structures.ordering import ordered

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from cosinter.structures.ordering_model import OrderingProblem

Format = Literal["cif", "poscar", "xyz", "json", "lammps-data"]

_ALUMINIUM = {"LTP": 0.0, "LATP": 0.3, "LATP_x017": 0.17, "LATP_x04": 0.4}
_LAYERED = ("LiNiO2", "LiCoO2", "NCM111", "NCM622", "NCM811")


def build(name: str, *, seed: int = 0) -> Structure:
    """Build an ordered neutral structure with oxidation states, ready for a calculator.

    ``name`` is a tabulated crystal or alias (any case), or a layered oxide's formula such as
    LiNi0.5Co0.2Mn0.3O2 or Li0.9CoO2. Disordered crystals are ordered with ``seed``; LATP comes as its
    6-formula-unit approximant (x to the nearest sixth, see :func:`cosinter.structures.nasicon.latp`).
    ``structure.properties`` says source and kind.

    Raises
    ------
    UnknownNameError
        No crystal of that name, and not a layered oxide's formula.
    CompositionError
        A layered oxide's formula that cannot be built.
    """
    try:
        key = resolve(name)
    except UnknownNameError:
        if (layered := _layered(name, seed)) is None:
            raise
        return layered
    if key in _ALUMINIUM:
        return latp(_ALUMINIUM[key], seed=seed) if key != "LTP" else ltp()
    if key in _LAYERED:
        layered = _layered(crystal(key).formula, seed)
        if layered is not None:
            return layered
    return ordered(crystal(key), seed=seed)


def build_names() -> tuple[str, ...]:
    """List the tabulated names that :func:`build` knows."""
    return crystal_names()


def _layered(formula: str, seed: int) -> Structure | None:
    """Build the layered oxide of a formula Li_x M O2, else None."""
    try:
        composition = read_formula(formula)
    except InputError:
        return None
    contents = layered_contents(composition)
    if contents is None or contents[3] <= 0.0:
        return None
    nickel, cobalt, manganese, lithium = contents
    return layered_oxide(nickel=nickel, cobalt=cobalt, manganese=manganese, lithium=lithium, seed=seed)


def ordering_problem(
    name: str,
    *,
    supercell: tuple[int, int, int] | None = None,
    stage: int = 1,
    antisite_pairs: int = 0,
    m1_vacancies: int = 0,
) -> OrderingProblem:
    """Set up the orderings of a layered oxide or of LATP by name, for :func:`~.ordering_search.rank_orderings`.

    ``name`` is one of :func:`build`'s. ``supercell``, ``stage`` and ``antisite_pairs`` are those of
    :func:`cosinter.structures.layered.layered_ordering`, ``m1_vacancies`` of
    :func:`cosinter.structures.nasicon.latp_ordering`.

    Raises
    ------
    UnknownNameError
        Nothing of that name.
    InputError
        A crystal without mixed sites of these kinds, or an option that does not belong to it.
    CompositionError
        Contents that cannot be met.
    """
    try:
        key = resolve(name)
    except UnknownNameError:
        key = ""
    if key in _ALUMINIUM:
        if supercell or stage != 1 or antisite_pairs:
            raise InputError(
                f"{name} is ordered in its cell of 6 formula units; supercell, stage and antisite pairs are"
                " those of layered oxides"
            )
        return latp_ordering(_ALUMINIUM[key], m1_vacancies=m1_vacancies)
    contents = layered_contents(read_formula(crystal(key).formula if key else name))
    if contents is None:
        raise InputError(f"orderings are searched for layered oxides and LATP; {name} is neither")
    if m1_vacancies:
        raise InputError(f"{name} has no M1 sites; m1_vacancies belongs to LATP")
    nickel, cobalt, manganese, lithium = contents
    return layered_ordering(
        nickel=nickel,
        cobalt=cobalt,
        manganese=manganese,
        lithium=lithium,
        supercell=supercell,
        stage=stage,
        antisite_pairs=antisite_pairs,
    )


def write(structure: Structure, format: Format) -> str:
    """Write a structure as text.

    - ``json`` is lossless: pymatgen's dictionary with oxidation states, labels and properties.
    - ``cif`` keeps oxidation states as atom types and carries the source as a comment.
    - ``xyz`` is ASE's extended format with a column ``oxidation_state``.
    - ``poscar`` loses oxidation states and site properties.
    - ``lammps-data`` has one atom type per ion (element and charge), ``atom_style charge``, metal units, formal
      charges in e.

    Raises
    ------
    InputError
        Unknown format, or a disordered structure in a format that cannot say so.
    """
    if format not in _WRITERS:
        raise InputError(f"unknown structure format '{format}'; known: {', '.join(get_args(Format))}")
    if format in ("xyz", "poscar", "lammps-data") and not structure.is_ordered:
        raise InputError(
            f"a disordered structure cannot be written as {format}; order it first or write cif or json"
        )
    return _WRITERS[format](structure)


def _write_cif(structure: Structure) -> str:
    from pymatgen.io.cif import CifWriter

    plain = structure.copy()
    plain.properties = {}
    lines = [f"# {key}: {value}" for key, value in structure.properties.items()]
    return "\n".join([*lines, str(CifWriter(plain))])


def _write_poscar(structure: Structure) -> str:
    from pymatgen.io.vasp import Poscar

    ions = structure.get_sorted_structure(key=lambda site: site.specie.symbol)
    return str(
        Poscar(ions.remove_oxidation_states(), comment=structure.composition.reduced_formula).get_str()
    )


def _write_xyz(structure: Structure) -> str:
    from ase import Atoms
    from ase.io import write as ase_write

    atoms = Atoms(
        [site.specie.symbol for site in structure],
        positions=structure.cart_coords,
        cell=structure.lattice.matrix,
        pbc=True,
    )
    atoms.arrays["oxidation_state"] = _charges(structure)
    text = io.StringIO()
    ase_write(text, atoms, format="extxyz")
    return text.getvalue()


def _write_json(structure: Structure) -> str:
    return str(structure.to_json())


def _charges(structure: Structure) -> NDArray[np.float64]:
    return np.array([float(getattr(site.specie, "oxi_state", 0.0) or 0.0) for site in structure])


def _write_lammps(structure: Structure) -> str:
    from ase.calculators.lammps import Prism

    prism = Prism(structure.lattice.matrix)
    positions = prism.vector_to_lammps(structure.cart_coords, wrap=True)
    xhi, yhi, zhi, xy, xz, yz = prism.get_lammps_prism()
    ions = [str(site.specie) for site in structure]
    types = {ion: k for k, ion in enumerate(dict.fromkeys(ions), start=1)}
    masses = {str(s.specie): float(s.specie.atomic_mass) for s in structure}
    charges = {str(s.specie): float(getattr(s.specie, "oxi_state", 0.0) or 0.0) for s in structure}
    lines = [f"{structure.composition.element_composition.formula} (units metal, atom_style charge)", ""]
    lines += [f"{len(ions)} atoms", f"{len(types)} atom types", ""]
    lines += [f"0.0 {xhi:.10f} xlo xhi", f"0.0 {yhi:.10f} ylo yhi", f"0.0 {zhi:.10f} zlo zhi"]
    lines += [f"{xy:.10f} {xz:.10f} {yz:.10f} xy xz yz", "", "Masses", ""]
    lines += [f"{k} {masses[ion]:.6f}  # {ion}" for ion, k in types.items()]
    lines += ["", "Atoms  # charge", ""]
    lines += [
        f"{n} {types[ion]} {charges[ion]:.6f} {x:.10f} {y:.10f} {z:.10f}"
        for n, (ion, (x, y, z)) in enumerate(zip(ions, positions, strict=True), start=1)
    ]
    return "\n".join(lines) + "\n"


_WRITERS: dict[str, Callable[[Structure], str]] = {
    "cif": _write_cif,
    "poscar": _write_poscar,
    "xyz": _write_xyz,
    "json": _write_json,
    "lammps-data": _write_lammps,
}
