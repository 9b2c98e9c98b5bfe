"""DFT codes as ASE calculators: CP2K, Quantum ESPRESSO and VASP with the settings of the input files.

The codes are not part of the package: CP2K is found as ``cp2k_shell.psmp`` or ``cp2k_shell`` (Debian: ``cp2k``
and ``cp2k-data``) or in ``$ASE_CP2K_COMMAND``, pw.x on the path or in ``$ASE_ESPRESSO_COMMAND`` with its potentials in
``$ESPRESSO_PSEUDO``, VASP through ``$ASE_VASP_COMMAND`` and ``$VASP_PP_PATH`` as ASE documents it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosinter.analysis.atoms.dft_inputs import Cp2kSettings, cp2k_input, pw_input, vasp_set
from cosinter.analysis.atoms.dft_settings import Mesh, kinds, moments
from cosinter.data.exceptions import InputError, MissingEngineError

if TYPE_CHECKING:
    from pymatgen.core import Structure

_CP2K_NAMES = ("cp2k_shell.psmp", "cp2k_shell.ssmp", "cp2k_shell", "cp2k_shell.popt")


def cp2k_command() -> str | None:
    """Command that starts the CP2K shell: ``$ASE_CP2K_COMMAND``, or what is on the path; None if nothing is."""
    given = os.environ.get("ASE_CP2K_COMMAND")
    return given or next((name for name in _CP2K_NAMES if shutil.which(name)), None)


def cp2k_calculator(
    structure: Structure | None = None, *, command: str | None = None, **settings: Any
) -> Any:
    """Make a CP2K calculator (PBE, GTH potentials, MOLOPT basis, Hubbard terms); it runs when first asked.

    Parameters
    ----------
    structure
        If given, checked for what an input needs. Each calculation takes spins and k-points from its own atoms.
    command
        How the CP2K shell is started; see :func:`cp2k_command`.
    settings
        Fields of :class:`cosinter.analysis.atoms.dft_inputs.Cp2kSettings`.

    Raises
    ------
    MissingEngineError
        CP2K is not installed.
    InputError, UnknownNameError
        The structure lacks what an input needs.
    """
    chosen = Cp2kSettings(**settings)
    if structure is not None:
        cp2k_input(structure, "shell", chosen)
    found = command or cp2k_command()
    if found is None or shutil.which(found.split()[0]) is None:
        raise MissingEngineError(
            "CP2K is not installed here; install it (Debian: apt-get install cp2k cp2k-data), or name its shell in "
            "ASE_CP2K_COMMAND"
        )
    from cosinter.analysis.atoms.dft_engines import Cp2kEngine

    return Cp2kEngine(found, chosen)


def espresso_calculator(
    structure: Structure,
    *,
    command: str | None = None,
    pseudo_dir: str | None = None,
    directory: str = "espresso",
    kpoints: Mesh | None = None,
    k_spacing_per_A: float | None = None,
    plus_u: bool = True,
) -> Any:
    """Make a Quantum ESPRESSO calculator (PBE, SSSP efficiency potentials, Hubbard terms) that runs in ``directory``.

    Raises
    ------
    MissingEngineError
        pw.x is not installed, or the folder of its potentials is unknown.
    InputError, UnknownNameError
        The structure lacks what an input needs.
    """
    options: dict[str, Any] = {"kpoints": kpoints, "plus_u": plus_u}
    if k_spacing_per_A is not None:
        options["k_spacing_per_A"] = k_spacing_per_A
    pw_input(structure, "static", **options)
    found = command or os.environ.get("ASE_ESPRESSO_COMMAND") or shutil.which("pw.x")
    potentials = pseudo_dir or os.environ.get("ESPRESSO_PSEUDO")
    if found is None or potentials is None:
        missing = "pw.x is not on the path" if found is None else "the folder of its potentials is not known"
        raise MissingEngineError(
            f"Quantum ESPRESSO cannot run: {missing}; set ASE_ESPRESSO_COMMAND and ESPRESSO_PSEUDO (SSSP efficiency)"
        )
    from cosinter.analysis.atoms.dft_engines import EspressoEngine

    return EspressoEngine(found, potentials, Path(directory), options)


def vasp_calculator(
    structure: Structure,
    *,
    directory: str = "vasp",
    k_spacing_per_A: float | None = None,
    plus_u: bool = True,
    **options: Any,
) -> Any:
    """Make ASE's VASP calculator with the INCAR, k-points and potentials of pymatgen's MPStaticSet.

    It is for this structure only: moments go by site, Hubbard terms by element. ``options`` are those of ASE's
    ``Vasp``, in its names, and win.

    Raises
    ------
    MissingEngineError
        ASE does not know how to start VASP here.
    InputError, UnknownNameError
        The structure lacks what an input needs.
    """
    parameters = vasp_parameters(structure, k_spacing_per_A=k_spacing_per_A, plus_u=plus_u)
    commands = ("ASE_VASP_COMMAND", "VASP_COMMAND", "VASP_SCRIPT")
    if "command" not in options and not any(os.environ.get(name) for name in commands):
        raise MissingEngineError(
            "VASP cannot run: none of ASE_VASP_COMMAND, VASP_COMMAND and VASP_SCRIPT is set; set one, and "
            "VASP_PP_PATH for the potentials"
        )
    from cosinter.analysis.atoms.dft_engines import VaspEngine

    return VaspEngine(directory=directory, **{**parameters, **options})


def vasp_parameters(
    structure: Structure, *, k_spacing_per_A: float | None = None, plus_u: bool = True
) -> dict[str, Any]:
    """Translate the MPStaticSet of ``structure`` into the arguments of ASE's ``Vasp`` (a single point)."""
    from cosinter.structures.geometry import without_spglib_notice

    chosen = vasp_set(structure, "static", k_spacing_per_A=k_spacing_per_A, plus_u=plus_u)
    with without_spglib_notice():
        incar = {key.lower(): value for key, value in chosen.incar.items()}
        mesh = tuple(int(number) for number in chosen.kpoints.kpts[0])
        symbols = dict(zip(chosen.poscar.site_symbols, chosen.potcar_symbols, strict=True))
    luj = [incar.pop(key, None) for key in ("ldaul", "ldauu", "ldauj")]
    if incar.get("ldau"):
        incar["ldau_luj"] = {
            element: {"L": int(angular), "U": float(strength), "J": float(exchange)}
            for element, angular, strength, exchange in zip(symbols, *luj, strict=True)
        }
    incar.update(nsw=0, ibrion=-1, magmom=moments(kinds(structure, plus_u=plus_u)))
    if not any(incar["magmom"]):
        incar.pop("magmom")
    setups = {element: symbol.removeprefix(element) for element, symbol in symbols.items()}
    if not mesh:
        raise InputError(f"{structure.composition.reduced_formula} got no k-point mesh; give k_spacing_per_A")
    return {"xc": "pbe", "kpts": mesh, "gamma": True, "setups": setups, **incar}
