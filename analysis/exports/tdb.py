"""Write phases as a Thermo-Calc database (TDB), read by pycalphad, OpenCalphad and Thermo-Calc.

Every solid and melt is a stoichiometric phase, all gases are one ideal gas. Per mole of formula, relative to the elements
at 298.15 K (SER)::

    G(T) = a + b T + c T ln T + d ln T + sum_n e_n T^n,     n = -1, 1/2, 2, 3, 4, 5

which follows exactly from Cp = sum_k c_k T^p_k. Half powers are written EXP(0.5*LN(T)), because the format knows whole
exponents only. Solutions are left out: a TDB of their end members alone would say something else than our models.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from scipy.constants import R, bar

from cosinter.analysis.thermochemistry.functions import POWERS, PiecewiseCp
from cosinter.analysis.thermochemistry.library import Phase
from cosinter.analysis.thermochemistry.segments import as_segments
from cosinter.data.exceptions import InputError

LOWEST_K, HIGHEST_K = 298.15, 2000.0
_WIDTH = 78
_NAME_LENGTH = 24
_POWER_TERMS = {
    -1.0: "T**(-1)",
    0.5: "EXP(0.5*LN(T))",
    2.0: "T**2",
    3.0: "T**3",
    4.0: "T**4",
    5.0: "T**5",
}


def to_tdb(phases: Iterable[Phase], *, title: str = "", include_assumed: bool = True) -> str:
    """Write ``phases`` as the text of a TDB file; G(T) is ours from 298.15 to 2000 K.

    Outside the range of its data a phase has the constant heat capacity that it has in this package; a comment tells the
    range, kind, uncertainty and source of each phase.

    Parameters
    ----------
    title
        First line of the file.
    include_assumed
        Without it phases of kind ``assumed`` are left out.

    Raises
    ------
    InputError
        No phase is left.

    >>> from cosinter.analysis.thermochemistry.library import load_library
    >>> library = load_library()
    >>> print(to_tdb([library.phase("NiO")]).splitlines()[-1])
     2000 N REF:1 !
    """
    chosen = [phase for phase in phases if include_assumed or phase.kind != "assumed"]
    if not chosen:
        raise InputError("no phase is left to write as TDB; allow assumed values or choose others")
    gases = [phase for phase in chosen if phase.state == "g"]
    solids = [phase for phase in chosen if phase.state != "g"]
    names = dict(zip((phase.name for phase in solids), tdb_names(solids), strict=True))
    lines = [f"$ {title or 'stoichiometric phases'}", *_elements(chosen), ""]
    lines += [
        "TYPE_DEFINITION % SEQ *!",
        "DEFINE_SYSTEM_DEFAULT ELEMENT 2 !",
        "DEFAULT_COMMAND DEF_SYS_ELEMENT VA !",
    ]
    for place, phase in enumerate(solids, start=1):
        lines += ["", *_about(phase, place), *_solid(phase, names[phase.name], place)]
    if gases:
        lines += ["", *_gas(gases, first_reference=len(solids) + 1)]
    return "\n".join(lines) + "\n"


def tdb_names(phases: Sequence[Phase]) -> tuple[str, ...]:
    """Names that the format allows: capitals, digits and underscores, at most 24, each once, in the order of ``phases``."""
    names: list[str] = []
    for phase in phases:
        word = re.sub(r"[^A-Z0-9]+", "_", phase.name.upper()).strip("_")
        word = (word if word[:1].isalpha() else f"P_{word}")[:_NAME_LENGTH]
        name, number = word, 1
        while name in names:
            number += 1
            name = f"{word[: _NAME_LENGTH - 4]}_{number}"
        names.append(name)
    return tuple(names)


def gas_species(phase: Phase) -> str:
    """Name of a gas as a species of the format, its formula in capitals.

    >>> from cosinter.analysis.thermochemistry.library import load_library
    >>> gas_species(load_library().gas("CO2"))
    'C1O2'
    """
    return "".join(
        f"{element.upper()}{amount:g}" if len(phase.composition) > 1 or amount != 1.0 else element.upper()
        for element, amount in sorted(phase.composition.items())
    )


def gibbs_terms(segments: PiecewiseCp, place: int) -> list[tuple[float, str]]:
    """Coefficients and factors of G(T) in J/mol of one segment; factor "" is the constant.

    Cp = c T^p gives G = -c T^(p+1) / (p (p+1)), but c T (1 - ln T) for p = 0 and c (1 + ln T) for p = -1.
    """
    constant = float(segments.enthalpy_constants[place])
    linear = -float(segments.entropy_constants[place])
    others: list[tuple[float, str]] = []
    for power, raw in zip(POWERS, segments.coefficients[place], strict=True):
        value = float(raw)
        if power == 0.0:
            linear += value
            others.append((-value, "T*LN(T)"))
        elif power == -1.0:
            constant += value
            others.append((value, "LN(T)"))
        else:
            others.append((-value / (power * (power + 1.0)), _POWER_TERMS[power + 1.0]))
    return [(constant, ""), (linear, "T"), *(term for term in others if term[0] != 0.0)]


def _elements(phases: Sequence[Phase]) -> Iterator[str]:
    from pymatgen.core import Element

    yield "$ reference of all energies: the elements at 298.15 K and 1 bar"
    yield "ELEMENT /-   ELECTRON_GAS  0.0  0.0  0.0 !"
    yield "ELEMENT VA   VACUUM        0.0  0.0  0.0 !"
    for symbol in sorted({element for phase in phases for element in phase.composition}):
        yield f"ELEMENT {symbol.upper():4} SER  {float(Element(symbol).atomic_mass):.5f}  0.0  0.0 !"


def _about(phase: Phase, reference: int) -> Iterator[str]:
    low, high = phase.range_K
    about = (
        f"{reference}: {phase.name}, {phase.formula} ({phase.state}), {phase.kind}, data {low:g} to {high:g} K, "
        f"+-{phase.uncertainty_J_per_mol:.0f} J/mol; {phase.source}"
    )
    plain = about.encode("ascii", "replace").decode()
    yield from textwrap.wrap(
        plain, _WIDTH, initial_indent="$ ", subsequent_indent="$   ", break_on_hyphens=False
    )


def _solid(phase: Phase, name: str, reference: int) -> Iterator[str]:
    composition = sorted(phase.composition.items())
    sites = " ".join(f"{amount:.12g}" for _, amount in composition)
    constituents = ":".join(element.upper() for element, _ in composition)
    yield f"PHASE {name} % {len(composition)} {sites} !"
    yield f"CONSTITUENT {name} :{constituents}: !"
    yield from _parameter(f"G({name},{constituents};0)", phase, reference)


def _gas(gases: Sequence[Phase], *, first_reference: int) -> Iterator[str]:
    species = [gas_species(gas) for gas in gases]
    for gas, name in zip(gases, species, strict=True):
        if len(gas.composition) > 1 or gas.atoms > 1.0:
            yield f"SPECIES {name} {name} !"
    yield "PHASE GAS:G % 1 1.0 !"
    yield from textwrap.wrap(f"CONSTITUENT GAS:G :{','.join(species)}: !", _WIDTH, subsequent_indent=" ")
    for place, (gas, name) in enumerate(zip(gases, species, strict=True), start=first_reference):
        yield from _about(gas, place)
        yield from _parameter(f"G(GAS,{name};0)", gas, place, pressure=True)


def _parameter(name: str, phase: Phase, reference: int, *, pressure: bool = False) -> Iterator[str]:
    segments = as_segments(phase.function, LOWEST_K, HIGHEST_K)
    yield f"PARAMETER {name} {LOWEST_K:g}"
    last = len(segments.coefficients) - 1
    for place, (_, high) in enumerate(pairwise(segments.bounds)):
        terms = [_term(value, factor) for value, factor in gibbs_terms(segments, place)]
        if pressure:
            terms.append(_term(R, f"T*LN({1.0 / bar:.0E}*P)"))
        yield from _wrapped(terms)
        end = f"N REF:{reference} !" if place == last else "Y"
        yield f" {float(high):.10g} {end}"


def _term(value: float, factor: str) -> str:
    if not math.isfinite(value):
        raise InputError(
            f"a coefficient of {factor or 'the constant'} is {value}; it cannot be written as TDB"
        )
    return f"{value:+.15G}*{factor}" if factor else f"{value:+.15G}"


def _wrapped(terms: Sequence[str]) -> Iterator[str]:
    """Lines of at most 78 characters, broken between terms; the last one ends with the semicolon."""
    line = " "
    for term in terms:
        if len(line) + len(term) > _WIDTH - 1:
            yield line
            line = " "
        line += term
    yield f"{line};"
