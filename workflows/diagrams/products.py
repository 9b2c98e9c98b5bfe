"""Products of a mixing line and of a map over temperature and ratio, from the data of ``cosinter react --json``.

Two rules make a map of a ten-element system readable, both stated on it: products below a share of the atoms do not
define a region, and where the reactants hold several of Ni, Co and Mn, phases that differ only in these count as one
(written with M). Nothing is left out of the data or of what the pointer shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.data.exceptions import InputError
from cosinter.workflows.diagrams.scene import pretty, subscripted

Content = Mapping[str, Any]
#: Products below this share of the atoms do not define a region.
MINOR = 0.05
#: Less than this gained, in meV/atom, is no reaction.
_LEAST = 0.05
_METALS = ("Ni", "Co", "Mn")
_ANIONS = ("O", "P", "C", "H")
_METAL_GROUP = re.compile(r"(?:(?:Ni|Co|Mn)(?:\d+\.?\d*|\.\d+)?)+")
_METAL = re.compile(r"(Ni|Co|Mn)(\d+\.?\d*|\.\d+)?")


@dataclass(frozen=True)
class Stretch:
    """A part of a mixing line: mole fractions of the first reactant, and what defines it."""

    start: float
    end: float
    products: tuple[str, ...]


def is_grouped(content: Content) -> bool:
    """Whether the reactants hold more than one of Ni, Co and Mn."""
    held = {element for formula in content["reactants"] for element in parse_formula(formula)}
    return len(held & set(_METALS)) > 1


@cache
def family(phase: str, formula: str, *, grouped: bool) -> str:
    """Name of a product for a reader; with ``grouped`` Ni, Co and Mn are one M: LiNiPO4 and LiCoPO4 are 'LiMPO₄'.

    A solution ('olivine') keeps its name, whatever its composition.
    """
    is_solution = phase.partition("_")[0].removesuffix("(g)") != formula
    if is_solution or not grouped or not _METAL_GROUP.search(formula):
        return pretty(phase)

    def metal(match: re.Match[str]) -> str:
        amount = sum(float(number or 1.0) for _, number in _METAL.findall(match[0]))
        return "M" if abs(amount - 1.0) < 1e-6 else f"M{amount:g}"

    return subscripted(_METAL_GROUP.sub(metal, formula))


def kindred(content: Content, *, grouped: bool) -> dict[str, str]:
    """Compounds that are one composition of a solution on this line: 'Li₁.₃Al₀.₃Ti₁.₇(PO₄)₃' -> 'LATP'.

    They hold the same anions per formula, as many cations within 5 %, and no element that the solution has not.
    """
    solutions: dict[str, list[Mapping[str, float]]] = {}
    compounds: dict[str, Mapping[str, float]] = {}
    for product in (product for kink in content["kinks"] for product in kink["products"]):
        phase, formula = product["phase"], product["formula"]
        if phase.partition("_")[0] == formula:
            compounds.setdefault(family(phase, formula, grouped=grouped), parse_formula(formula))
        elif not phase.endswith("(g)"):
            solutions.setdefault(phase, []).append(parse_formula(formula))
    found: dict[str, str] = {}
    for name, counts in compounds.items():
        for solution, compositions in solutions.items():
            elements = {element for held in compositions for element in held}
            if elements >= set(counts) and _same_lattice(counts, compositions[0]):
                found[name] = pretty(solution)
    return found


def _same_lattice(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    anions = all(abs(one.get(element, 0.0) - other.get(element, 0.0)) < 1e-3 for element in _ANIONS)
    cations, others = (
        sum(n for element, n in held.items() if element not in _ANIONS) for held in (one, other)
    )
    return anions and abs(cations - others) < 0.05 * others


def strongest(content: Content) -> Mapping[str, Any] | None:
    """The kink where most energy per atom is gained (between kinks it is never more); None where nothing reacts."""
    kink = min(content["kinks"], key=lambda kink: float(kink["dG"]["meV_per_atom"]))
    return kink if kink["dG"]["meV_per_atom"] < -_LEAST else None


def atom_shares(kink: Mapping[str, Any], *, grouped: bool) -> dict[str, float]:
    """Atoms (mol per mol of mixture) in each condensed product at a kink, by family."""
    shares: dict[str, float] = {}
    for product in kink["products"]:
        if not product["phase"].endswith("(g)"):
            name = family(product["phase"], product["formula"], grouped=grouped)
            atoms = sum(parse_formula(product["formula"]).values())
            shares[name] = shares.get(name, 0.0) + product["mol"] * atoms
    return shares


def stretches(content: Content, *, minor: float = MINOR, grouped: bool | None = None) -> tuple[Stretch, ...]:
    """Parts of one mixing line by their main products; borders are exact, also where a product passes ``minor``.

    Raises
    ------
    InputError
        ``minor`` is not from 0 to 0.5.
    """
    if not 0.0 <= minor <= 0.5:
        raise InputError(
            f"the share of atoms below which a product is minor must be from 0 to 0.5; got {minor:g}"
        )
    one = is_grouped(content) if grouped is None else grouped
    found: list[Stretch] = []
    for low, high in pairwise(content["kinks"]):
        first, second = atom_shares(low, grouped=one), atom_shares(high, grouped=one)
        names = list(dict.fromkeys([*first, *second]))
        ends = [(first.get(name, 0.0), second.get(name, 0.0)) for name in names]
        total = sum(end[0] for end in ends), sum(end[1] for end in ends)
        excess = [tuple(end[k] - minor * total[k] for k in (0, 1)) for end in ends]
        cuts = [e[0] / (e[0] - e[1]) for e in excess if (e[0] > 0.0) != (e[1] > 0.0)]
        start, span = low["fraction"]["mole"], high["fraction"]["mole"] - low["fraction"]["mole"]
        for a, b in pairwise(sorted({0.0, 1.0, *cuts})):
            middle = 0.5 * (a + b)
            kept = tuple(
                n for n, e in zip(names, excess, strict=True) if (1.0 - middle) * e[0] + middle * e[1] > 0.0
            )
            found.append(Stretch(start + a * span, start + b * span, tuple(sorted(kept))))
    return _merged(found)


def _merged(parts: Sequence[Stretch]) -> tuple[Stretch, ...]:
    merged: list[Stretch] = []
    for part in parts:
        if part.end - part.start < 1e-9:
            continue
        if merged and merged[-1].products == part.products:
            merged[-1] = Stretch(merged[-1].start, part.end, part.products)
        else:
            merged.append(part)
    return tuple(merged)


def ratio(content: Content, basis: str) -> float:
    """How much one mole of the first reactant counts against one mole of the second on ``basis``.

    Raises
    ------
    InputError
        The line has no such fraction (a cell volume is not known), or the basis is another one.
    """
    for kink in content["kinks"]:
        mole = kink["fraction"]["mole"]
        other = kink["fraction"].get(basis)
        if other is None:
            raise InputError(
                f"the ratio by {basis} is not known for {' and '.join(content['reactants'])}; use mass"
            )
        if 1e-6 < mole < 1.0 - 1e-6:
            return float(other * (1.0 - mole) / (mole * (1.0 - other)))
    return 1.0


def rescaled(mole: float, weight: float) -> float:
    """Mole fraction as a fraction on the basis with :func:`ratio` ``weight``."""
    return mole * weight / (mole * weight + 1.0 - mole)
