"""Read chemical formulas with decimals and brackets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from cosinter.data.exceptions import CompositionError

_TOKEN = re.compile(r"([A-Z][a-z]?)|(\()|(\))|(\d+\.?\d*|\.\d+)")


def _number(tokens: list[str], position: int) -> tuple[float, int]:
    if position < len(tokens) and (tokens[position][0].isdigit() or tokens[position][0] == "."):
        return float(tokens[position]), position + 1
    return 1.0, position


def _tokens(formula: str) -> list[str]:
    tokens = [match.group(0) for match in _TOKEN.finditer(formula)]
    if not tokens or "".join(tokens) != formula:
        raise CompositionError(
            f"formula '{formula}' cannot be read; write element symbols, numbers and round brackets, "
            "for example Li1.3Al0.3Ti1.7(PO4)3"
        )
    return tokens


@cache
def parse_formula(formula: str) -> Mapping[str, float]:
    """Count the atoms in ``formula``, for example ``Li1.3Al0.3Ti1.7(PO4)3``.

    Returns
    -------
    Read-only mapping of element symbol to number of atoms; elements counted zero times are left out.

    Raises
    ------
    CompositionError
        The text is not a formula, or its brackets do not match.
    """
    tokens = _tokens(formula.replace(" ", ""))
    stack: list[dict[str, float]] = [{}]
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token == "(":
            stack.append({})
            position += 1
            continue
        if token == ")":
            if len(stack) == 1:
                raise CompositionError(f"formula '{formula}' closes a bracket that was never opened")
            group = stack.pop()
        elif token[0].isalpha():
            group = {token: 1.0}
        else:
            raise CompositionError(f"formula '{formula}' has a number '{token}' that follows no element")
        count, position = _number(tokens, position + 1)
        for element, amount in group.items():
            stack[-1][element] = stack[-1].get(element, 0.0) + count * amount
    if len(stack) != 1:
        raise CompositionError(f"formula '{formula}' has a bracket that is never closed")
    atoms = {element: amount for element, amount in stack[0].items() if amount > 0.0}
    if not atoms:
        raise CompositionError(f"formula '{formula}' holds no atoms")
    return MappingProxyType(atoms)


def proportionality(
    first: Mapping[str, float], second: Mapping[str, float], *, tolerance: float = 1e-9
) -> float | None:
    """Return f with ``first = f * second``, or None where the compositions are not proportional.

    ``tolerance`` bounds the largest difference of the atom fractions.
    """
    if set(first) != set(second):
        return None
    total_first, total_second = sum(first.values()), sum(second.values())
    for element, amount in first.items():
        if abs(amount / total_first - second[element] / total_second) > tolerance:
            return None
    return total_first / total_second


@cache
def _atomic_weight(element: str) -> float:
    import cantera

    try:
        return float(cantera.Element(element).weight) * 1e-3
    except cantera.CanteraError as error:
        raise CompositionError(f"'{element}' is not a chemical element") from error


def molar_mass(composition: Mapping[str, float]) -> float:
    """Sum the atomic weights (Cantera's table, IUPAC) of ``composition``; kg/mol."""
    return sum(amount * _atomic_weight(element) for element, amount in composition.items())
