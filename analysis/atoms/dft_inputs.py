"""Input files of VASP, Quantum ESPRESSO and CP2K for clusters that run them.

PBE with Hubbard terms on 3d metals, spin-polarised where an ion has unpaired electrons (parallel start). VASP comes from
pymatgen's Materials Project sets, Quantum ESPRESSO with SSSP potentials and cut-offs, CP2K with MOLOPT basis sets and GTH
potentials. Sources of all numbers: ``data/potentials.yaml``, section ``dft``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cosinter.analysis.atoms.dft_settings import (
    K_SPACING_PER_A,
    Kind,
    Mesh,
    kinds,
    kpoint_mesh,
    moments,
    multiplicity,
)
from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.data.tables import load_table
from cosinter.structures.fingerprint import structure_sha256
from cosinter.structures.geometry import without_spglib_notice

if TYPE_CHECKING:
    from pymatgen.core import Structure

Code = Literal["vasp", "espresso", "cp2k"]
Job = Literal["relax", "static"]

_SMEARING_RY = 0.005  # assumed; narrow against the gaps of the oxides
_CONVERGENCE_RY_PER_ATOM = 1.0e-9  # assumed


@dataclass(frozen=True)
class Cp2kSettings:
    """Settings of a CP2K calculation; cut-offs in Ry, None takes the tabulated ones.

    ``kpoints`` overrules ``k_spacing_per_A`` (1/Å, 2 pi included); one k-point means the Gamma point and orbital
    transformation, more mean diagonalisation. ``eps_default`` is CP2K's accuracy of integrals.
    """

    kpoints: Mesh | None = None
    k_spacing_per_A: float = K_SPACING_PER_A
    plus_u: bool = True
    cutoff_Ry: float | None = None
    relative_cutoff_Ry: float | None = None
    grids: int = 6
    eps_scf: float = 1.0e-6
    eps_default: float = 1.0e-12
    max_scf: int = 60

    def mesh(self, structure: Structure) -> Mesh:
        """k-point mesh of ``structure``; odd, since CP2K shifts even meshes off the Gamma point."""
        return self.kpoints or kpoint_mesh(structure, spacing_per_A=self.k_spacing_per_A, odd=True)


def write_inputs(
    structure: Structure,
    code: Code,
    folder: Path,
    *,
    kind: Job = "relax",
    k_spacing_per_A: float | None = None,
    plus_u: bool = True,
) -> tuple[Path, ...]:
    """Write the input files of ``code`` into ``folder`` and return their paths.

    ``relax`` relaxes atoms and cell, ``static`` gives energy, forces and stress. Beside the inputs stands
    ``provenance.json`` with the hash of the structure, spins, Hubbard terms and sources. For VASP the potentials are
    named in ``POTCAR.spec`` only: the files are licensed.

    Parameters
    ----------
    k_spacing_per_A
        Largest distance of k-points, 1/Å with 2 pi; if not given 0.25, for VASP the density of the set.
    plus_u
        Hubbard terms on 3d metals.

    Raises
    ------
    UnknownNameError
        No such code or kind, or an element or ion without tabulated settings.
    InputError
        Oxidation states missing or unbalanced; CP2K: Hubbard terms in a cell that needs k-points.
    """
    if code not in _WRITERS:
        raise UnknownNameError("DFT code", code, _WRITERS)
    if kind not in ("relax", "static"):
        raise UnknownNameError("kind of DFT calculation", kind, ("relax", "static"))
    sites = kinds(structure, plus_u=plus_u)
    texts = _WRITERS[code](structure, kind, k_spacing_per_A, plus_u)
    texts["provenance.json"] = json.dumps(_provenance(structure, code, kind, sites), indent=1) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return tuple(folder / name for name in texts)


def _provenance(structure: Structure, code: Code, kind: Job, sites: Sequence[Kind]) -> dict[str, Any]:
    table = load_table("potentials")["dft"]
    sources = {"hubbard_U": table["hubbard_U"]["source"], "spins": table["unpaired_electrons"]["source"]}
    if code != "vasp":
        sources["potentials"] = table[code].get("potential_source", table[code]["source"])
        sources["cutoffs"] = f"{table[code]['source']} ({table[code]['kind']})"
    return {
        "structure_sha256": structure_sha256(structure),
        "formula": structure.composition.reduced_formula,
        "code": code,
        "kind": kind,
        "functional": "PBE",
        "kinds": [asdict(one) for one in dict.fromkeys(sites)],
        "multiplicity": multiplicity(sites),
        "magnetic_order": "all moments parallel at the start (assumed)",
        "sources": sources,
    }


# -- VASP ---------------------------------------------------------------------------------------------------


def vasp_set(
    structure: Structure, kind: Job, *, k_spacing_per_A: float | None = None, plus_u: bool = True
) -> Any:
    """Make pymatgen's MPRelaxSet or MPStaticSet with the moments of the oxidation states (a VaspInputSet)."""
    from pymatgen.io.vasp.sets import MPRelaxSet, MPStaticSet

    own = structure.copy()
    own.add_site_property("magmom", moments(kinds(structure, plus_u=plus_u)))
    incar: dict[str, Any] = {"ISPIN": 2}
    if not plus_u:
        incar["LDAU"] = False
    options: dict[str, Any] = {"user_incar_settings": incar}
    if k_spacing_per_A is not None:
        from pymatgen.io.vasp.inputs import Kpoints

        options["user_kpoints_settings"] = Kpoints.gamma_automatic(
            kpoint_mesh(structure, spacing_per_A=k_spacing_per_A)
        )
    return (MPRelaxSet if kind == "relax" else MPStaticSet)(own, **options)


def _vasp_texts(structure: Structure, kind: Job, spacing: float | None, plus_u: bool) -> dict[str, str]:
    chosen = vasp_set(structure, kind, k_spacing_per_A=spacing, plus_u=plus_u)
    with without_spglib_notice():
        return {
            "INCAR": str(chosen.incar),
            "KPOINTS": str(chosen.kpoints),
            "POSCAR": chosen.poscar.get_str(significant_figures=12),
            "POTCAR.spec": "\n".join(chosen.potcar_symbols) + "\n",
        }


# -- Quantum ESPRESSO ---------------------------------------------------------------------------------------


def pw_input(
    structure: Structure,
    kind: Job,
    *,
    kpoints: Mesh | None = None,
    k_spacing_per_A: float = K_SPACING_PER_A,
    plus_u: bool = True,
    pseudo_dir: str = "./pseudo",
) -> str:
    """Text of a pw.x input (7.1 or newer: HUBBARD card, ortho-atomic projectors)."""
    sites = kinds(structure, plus_u=plus_u)
    species = sorted(set(sites), key=lambda one: one.label)
    table = _sssp(species)
    mesh = kpoints or kpoint_mesh(structure, spacing_per_A=k_spacing_per_A)
    system: dict[str, Any] = {
        "ibrav": 0,
        "nat": len(structure),
        "ntyp": len(species),
        "ecutwfc": max(row[1] for row in table.values()),
        "ecutrho": max(row[2] for row in table.values()),
        "occupations": "smearing",
        "smearing": "gaussian",
        "degauss": _SMEARING_RY,
    }
    if any(one.unpaired for one in species):
        system["nspin"] = 2
        # a fraction of ten d electrons: only a start, which breaks the symmetry of the spins
        for number, one in enumerate(species, start=1):
            system[f"starting_magnetization({number})"] = one.unpaired / 10.0
    control = {
        "calculation": "vc-relax" if kind == "relax" else "scf",
        "prefix": "cosinter",
        "pseudo_dir": pseudo_dir,
        "outdir": "./out",
        "tprnfor": True,
        "tstress": True,
    }
    electrons = {"conv_thr": _CONVERGENCE_RY_PER_ATOM * len(structure), "electron_maxstep": 200}
    lines = [*_namelist("CONTROL", control), *_namelist("SYSTEM", system), *_namelist("ELECTRONS", electrons)]
    if kind == "relax":
        lines += [*_namelist("IONS", {"ion_dynamics": "bfgs"}), *_namelist("CELL", {"cell_dynamics": "bfgs"})]
    return "\n".join([*lines, *_pw_cards(structure, sites, species, table, mesh)]) + "\n"


def _sssp(species: Sequence[Kind]) -> dict[str, tuple[str, float, float]]:
    known = load_table("potentials")["dft"]["espresso"]["pseudopotentials"]
    for one in species:
        if one.element not in known:
            raise UnknownNameError("element with a tabulated SSSP potential", one.element, known)
    return {one.element: tuple(known[one.element]) for one in species}


def _namelist(name: str, values: Mapping[str, Any]) -> list[str]:
    return [f"&{name}", *(f"  {key} = {_fortran(value)}" for key, value in values.items()), "/"]


def _fortran(value: Any) -> str:
    if isinstance(value, bool):
        return ".true." if value else ".false."
    if isinstance(value, str):
        return f"'{value}'"
    return f"{value:.10g}".replace("e", "d") if isinstance(value, float) else str(value)


def _pw_cards(
    structure: Structure,
    sites: Sequence[Kind],
    species: Sequence[Kind],
    table: Mapping[str, tuple[str, float, float]],
    mesh: Mesh,
) -> list[str]:
    from pymatgen.core import Element

    lines = ["ATOMIC_SPECIES"]
    lines += [
        f"  {one.label} {float(Element(one.element).atomic_mass):.4f} {table[one.element][0]}"
        for one in species
    ]
    lines += ["CELL_PARAMETERS angstrom", *(_row(vector) for vector in structure.lattice.matrix)]
    lines += ["ATOMIC_POSITIONS crystal"]
    lines += [f"  {one.label} {_row(site.frac_coords)}" for one, site in zip(sites, structure, strict=True)]
    lines += ["K_POINTS automatic", "  {} {} {} 0 0 0".format(*mesh)]
    hubbard = [f"  U {one.label}-3d {one.hubbard_U_eV:g}" for one in species if one.hubbard_U_eV]
    return [*lines, "HUBBARD (ortho-atomic)", *hubbard] if hubbard else lines


def _row(vector: Any) -> str:
    return "  " + " ".join(f"{value:18.12f}" for value in vector)


def _pw_texts(structure: Structure, kind: Job, spacing: float | None, plus_u: bool) -> dict[str, str]:
    text = pw_input(structure, kind, k_spacing_per_A=spacing or K_SPACING_PER_A, plus_u=plus_u)
    return {"pw.in": text}


# -- CP2K ---------------------------------------------------------------------------------------------------


def cp2k_input(
    structure: Structure,
    kind: Job | Literal["shell"],
    settings: Cp2kSettings | None = None,
    *,
    project: str = "cosinter",
) -> str:
    """Text of a CP2K input; ``shell`` is the static one without files, for a CP2K that ASE talks to.

    Raises
    ------
    InputError
        Hubbard terms and more than one k-point: CP2K 2023 stops with "Method not implemented for k-points".
    """
    settings = settings or Cp2kSettings()
    sites = kinds(structure, plus_u=settings.plus_u)
    mesh = settings.mesh(structure)
    hubbard = any(one.hubbard_U_eV for one in sites)
    if hubbard and mesh != (1, 1, 1):
        raise InputError(
            f"{structure.composition.reduced_formula} needs {mesh[0]}x{mesh[1]}x{mesh[2]} k-points and Hubbard terms, "
            "which CP2K cannot have together; repeat the cell as often, or switch off plus_u"
        )
    run = {"relax": "CELL_OPT", "static": "ENERGY_FORCE", "shell": "ENERGY_FORCE"}[kind]
    head = [f"PROJECT {project}", f"RUN_TYPE {run}", f"PRINT_LEVEL {'LOW' if kind == 'shell' else 'MEDIUM'}"]
    blocks = [
        _section("GLOBAL", head),
        _section(
            "FORCE_EVAL",
            [
                "METHOD Quickstep",
                "STRESS_TENSOR ANALYTICAL",
                *_section("PRINT", ["&STRESS_TENSOR ON", "&END STRESS_TENSOR"]),
                *_section("DFT", _cp2k_dft(sites, mesh, settings)),
                *_section("SUBSYS", _cp2k_subsys(structure, sites)),
            ],
        ),
    ]
    if kind == "relax":
        limits = ["MAX_ITER 300", "EXTERNAL_PRESSURE [bar] 0.0", "PRESSURE_TOLERANCE [bar] 100.0"]
        blocks.append(_section("MOTION", _section("CELL_OPT", limits)))
    return "\n".join(line for block in blocks for line in block) + "\n"


def _section(name: str, lines: Sequence[str], parameter: str = "") -> list[str]:
    return [f"&{name} {parameter}".rstrip(), *(f"  {line}" for line in lines), f"&END {name}"]


def _cp2k_dft(sites: Sequence[Kind], mesh: Mesh, settings: Cp2kSettings) -> list[str]:
    table = load_table("potentials")["dft"]["cp2k"]
    lines = ["BASIS_SET_FILE_NAME BASIS_MOLOPT", "POTENTIAL_FILE_NAME GTH_POTENTIALS"]
    if any(one.unpaired for one in sites):
        lines += ["UKS ON", f"MULTIPLICITY {multiplicity(sites)}"]
    if any(one.hubbard_U_eV for one in sites):
        lines.append("PLUS_U_METHOD MULLIKEN")
    if mesh != (1, 1, 1):
        grid = "SCHEME MONKHORST-PACK {} {} {}".format(*mesh)
        lines += _section("KPOINTS", [grid, "FULL_GRID ON", "SYMMETRY OFF"])
    lines += _section(
        "MGRID",
        [
            f"CUTOFF {settings.cutoff_Ry or table['cutoff']:g}",
            f"REL_CUTOFF {settings.relative_cutoff_Ry or table['relative_cutoff']:g}",
            f"NGRIDS {settings.grids}",
        ],
    )
    lines += _section("QS", [f"EPS_DEFAULT {settings.eps_default:g}"])
    lines += _section("SCF", _cp2k_scf(mesh, settings))
    return lines + _section("XC", ["&XC_FUNCTIONAL PBE", "&END XC_FUNCTIONAL"])


def _cp2k_scf(mesh: Mesh, settings: Cp2kSettings) -> list[str]:
    lines = [f"EPS_SCF {settings.eps_scf:g}", f"MAX_SCF {settings.max_scf}", "SCF_GUESS ATOMIC"]
    if mesh == (1, 1, 1):
        transformation = ["MINIMIZER DIIS", "PRECONDITIONER FULL_SINGLE_INVERSE"]
        outer = [f"EPS_SCF {settings.eps_scf:g}", "MAX_SCF 20"]
        return lines + _section("OT", transformation) + _section("OUTER_SCF", outer)
    mixing = ["METHOD BROYDEN_MIXING", "ALPHA 0.5", "NBROYDEN 8"]
    return lines + _section("DIAGONALIZATION", ["ALGORITHM STANDARD"], "ON") + _section("MIXING", mixing)


def _cp2k_subsys(structure: Structure, sites: Sequence[Kind]) -> list[str]:
    table = load_table("potentials")["dft"]["cp2k"]
    vectors = zip("ABC", structure.lattice.matrix, strict=True)
    lines = _section("CELL", [f"{name} {_row(vector)}" for name, vector in vectors])
    lines += _section(
        "COORD",
        [f"{one.label} {_row(site.coords)}" for one, site in zip(sites, structure, strict=True)],
    )
    for one in sorted(set(sites), key=lambda kind: kind.label):
        body = [
            f"ELEMENT {one.element}",
            f"BASIS_SET {table['basis']}",
            f"POTENTIAL {table['potential']}",
        ]
        if one.unpaired:
            body.append(f"MAGNETIZATION {one.unpaired}")
        if one.hubbard_U_eV:
            body += _section("DFT_PLUS_U", ["L 2", f"U_MINUS_J [eV] {one.hubbard_U_eV:g}"])
        lines += _section("KIND", body, one.label)
    return lines


def _cp2k_texts(structure: Structure, kind: Job, spacing: float | None, plus_u: bool) -> dict[str, str]:
    settings = Cp2kSettings(k_spacing_per_A=spacing or K_SPACING_PER_A, plus_u=plus_u)
    return {"cp2k.inp": cp2k_input(structure, kind, settings)}


_WRITERS: Mapping[str, Callable[[Structure, Job, float | None, bool], dict[str, str]]] = {
    "vasp": _vasp_texts,
    "espresso": _pw_texts,
    "cp2k": _cp2k_texts,
}
