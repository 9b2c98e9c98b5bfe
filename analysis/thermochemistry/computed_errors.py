"""Known errors of calculated energies and of the Gibbs descriptor, by class of compound.

The errors are measured: ``data/computed_energies.yaml`` holds the mean and the spread of calculated minus measured
formation enthalpies, for the classes in which the Materials Project's energies are known to be wrong by more than the
noise (carbonates by 0.9 eV per CO3: Li2CO3 would decompose more than 500 K too high). ``benchmarks/computed_energies.py``
measures them again from data that ship with pymatgen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from cosinter.data.exceptions import DataError
from cosinter.data.tables import load_table

#: Metals whose oxides carry a Hubbard U in the Materials Project and occur here.
HUBBARD_METALS = frozenset({"Ni", "Co", "Mn", "Fe"})


@dataclass(frozen=True)
class GroupError:
    """Error of one class of compounds: calculated minus measured enthalpy per ``element`` atom, eV.

    Attributes
    ----------
    name : carbonates, phosphates, ...
    element : what is counted
    mean, spread, count : mean and standard deviation over ``count`` compounds
    """

    name: str
    element: str
    mean: float
    spread: float
    count: int

    @property
    def mean_uncertainty(self) -> float:
        """Standard uncertainty of ``mean``, which all compounds of the class share; eV per ``element`` atom."""
        return self.spread / math.sqrt(self.count)


@dataclass(frozen=True)
class ErrorTable:
    """Errors of computed phases.

    Attributes
    ----------
    oxide_eV : rms error of formation enthalpies outside all groups, eV/atom
    groups : errors of the classes, by name
    thermal_eV, thermal_eV_per_K : rms error of G(T) - dH_f by the descriptor at 298.15 K (eV/atom) and its growth
    source : where the figures are from
    """

    oxide_eV: float
    groups: Mapping[str, GroupError]
    thermal_eV: float
    thermal_eV_per_K: float
    source: str


@cache
def error_table() -> ErrorTable:
    """Load ``data/computed_energies.yaml``.

    Raises
    ------
    DataError
        The table is missing or damaged.
    """
    table = load_table("computed_energies")
    try:
        formation, thermal = table["formation_enthalpy"], table["descriptor"]
        groups = {
            name: GroupError(
                name=name,
                element=str(row["per"]),
                mean=float(row["mean_eV"]),
                spread=float(row["spread_eV"]),
                count=int(row["count"]),
            )
            for name, row in formation["groups"].items()
        }
        oxides = formation["oxides"]
        return ErrorTable(
            oxide_eV=math.hypot(oxides["mean_eV_per_atom"], oxides["spread_eV_per_atom"]),
            groups=MappingProxyType(groups),
            thermal_eV=float(thermal["rms_298_eV_per_atom"]),
            thermal_eV_per_K=float(thermal["rms_growth_eV_per_atom_K"]),
            source=str(formation["source"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"data table computed_energies.yaml is damaged ({error!r}); reinstall cosinter"
        ) from error


def group_of(composition: Mapping[str, float]) -> str | None:
    """Name the class of an oxygen compound whose error was measured, by composition; None outside all classes.

    Carbonates hold three O per C or more; phosphates P and O; hydroxides H and O besides metals; titanates Ti, O and a
    metal with a Hubbard U. Compounds of two of C, P, H with O, for example LiHCO3, count as carbonate, then phosphate.
    """
    oxygen = composition.get("O", 0.0)
    if not oxygen:
        return None
    if "C" in composition:
        return "carbonates" if oxygen >= 3.0 * composition["C"] - 1e-9 else None
    if "P" in composition:
        return "phosphates"
    if "H" in composition:
        return "hydroxides"
    if "Ti" in composition and HUBBARD_METALS & set(composition):
        return "titanates"
    return None


def unmeasured_spread(composition: Mapping[str, float]) -> float:
    """Uncertainty in eV per formula from elements of the groups outside their class, where nothing was measured.

    For example Ti in Li2TiO3, P in a phosphide or H in a phosphate: the mean error of the class is taken as standard
    uncertainty, without correcting for it.
    """
    own = group_of(composition)
    squares = [
        (group.mean * composition.get(group.element, 0.0)) ** 2
        for name, group in error_table().groups.items()
        if name != own
    ]
    return math.sqrt(math.fsum(squares))
