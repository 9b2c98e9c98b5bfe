"""Corrections of calculated energies: one functional, one scheme, applied once.

PBE with and without a Hubbard U, and oxides beside elements, share a scale only after the Materials Project's 2020
corrections (MP2020: Wang et al., Scientific Reports 11, 15496 (2021), doi 10.1038/s41598-021-94550-5). Energies that
already hold them (the thermo data of the Materials Project, potentials such as CHGNet that were trained on corrected
labels) must not get them again: that would shift every oxide by 0.69 eV per O.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from cosinter.analysis.thermochemistry.entries import Adjustment, ComputedEntry
from cosinter.data.exceptions import InputError

SCHEME = "MP2020"
#: What is known about the energies of a file: their MP2020 corrections are ``listed`` beside them, are ``included`` in
#: them, or have yet to be applied (``apply``).
CorrectionState = Literal["listed", "included", "apply"]
#: Oxygen of these types is not corrected by MP2020.
_UNCORRECTED_OXYGEN = ("ozonide", "none")


class DoubleCorrectionError(InputError):
    """A correction would be counted twice."""


def check_one_functional(entries: Sequence[ComputedEntry], *, functional: str | None = None) -> str:
    """Return the functional that all entries share.

    Raises
    ------
    InputError
        The entries mix functionals, or have another one than ``functional``.
    """
    examples: dict[str, ComputedEntry] = {}
    for entry in entries:
        examples.setdefault(entry.functional, entry)
    if len(examples) > 1:
        named = ", ".join(f"{name} ({entry.entry_id})" for name, entry in sorted(examples.items()))
        raise InputError(f"the computed entries mix functionals, which share no scale: {named}")
    found = next(iter(examples), "not stated")
    if functional is not None and found != functional:
        raise InputError(f"the computed entries are {found}, not {functional}")
    return found


def _described(entry: ComputedEntry) -> str:
    return f"{entry.entry_id} ({entry.formula})"


def lacks_correction(entry: ComputedEntry) -> bool:
    """Tell whether ``entry`` is a compound of oxygen that neither lists nor includes a correction."""
    return (
        len(entry.composition) > 1
        and "O" in entry.composition
        and entry.oxide_type.lower() not in _UNCORRECTED_OXYGEN
        and not entry.adjustments
        and SCHEME not in entry.included
    )


def _check_listed(entries: Sequence[ComputedEntry]) -> None:
    for entry in entries:
        other = sorted({item.scheme for item in entry.adjustments} - {SCHEME, "by hand"})
        if other:
            raise InputError(
                f"{_described(entry)} carries corrections of {', '.join(other)}; only {SCHEME} is understood"
            )
        if SCHEME in entry.included and entry.adjustments:
            raise DoubleCorrectionError(
                f"{_described(entry)}: its energy already holds {SCHEME}, and lists it again"
            )
        if lacks_correction(entry):
            raise InputError(
                f"{_described(entry)} is an oxide without {SCHEME} correction; "
                "say whether its energy includes it or whether to apply it (--corrections included|apply)"
            )


def mark_included(entries: Sequence[ComputedEntry]) -> tuple[ComputedEntry, ...]:
    """State that the energies already hold MP2020 (for example labels that CHGNet was trained on).

    Raises
    ------
    DoubleCorrectionError
        An entry lists corrections too.
    """
    for entry in entries:
        if entry.adjustments:
            raise DoubleCorrectionError(
                f"{_described(entry)} lists the correction '{entry.adjustments[0].name}'; "
                f"its energy cannot also include {SCHEME}"
            )
    return tuple(replace(entry, included=(SCHEME,)) for entry in entries)


def apply_mp2020(
    entries: Sequence[ComputedEntry],
) -> tuple[tuple[ComputedEntry, ...], tuple[tuple[str, str], ...]]:
    """Apply the MP2020 corrections, through pymatgen, to energies that have none.

    Returns
    -------
    The corrected entries, and (id, reason) of those that the scheme cannot correct.

    Raises
    ------
    DoubleCorrectionError
        An entry already lists or includes a correction.
    """
    for entry in entries:
        if entry.adjustments or entry.included:
            raise DoubleCorrectionError(
                f"{_described(entry)} already has {SCHEME if entry.included else entry.adjustments[0].name}; "
                f"{SCHEME} is never applied twice"
            )
    scheme = _mp2020()
    corrected, refused = [], []
    for entry in entries:
        found = _adjustments_of(scheme, entry)
        if isinstance(found, str):
            refused.append((entry.entry_id, found))
        else:
            corrected.append(replace(entry, adjustments=found))
    return tuple(corrected), tuple(refused)


def _mp2020() -> Any:
    from pymatgen.entries.compatibility import MaterialsProject2020Compatibility

    return MaterialsProject2020Compatibility(check_potcar=False)


def _adjustments_of(scheme: Any, entry: ComputedEntry) -> tuple[Adjustment, ...] | str:
    from pymatgen.entries.compatibility import CompatibilityError
    from pymatgen.entries.computed_entries import ComputedEntry as PymatgenEntry

    if not entry.run_type:
        return "its run type (GGA or GGA+U) is not stated"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # guesses of oxidation states are announced one by one
        peer = PymatgenEntry(
            dict(entry.composition),
            entry.energy_eV,
            parameters={"run_type": entry.run_type, "hubbards": dict(entry.hubbards or {})},
            data={"oxide_type": entry.oxide_type} if entry.oxide_type else {},
            entry_id=entry.entry_id,
        )
        try:
            adjustments = scheme.get_adjustments(peer)
        except CompatibilityError as error:
            return f"{SCHEME} does not cover it: {error}"
    return tuple(Adjustment(str(item.name), SCHEME, float(item.value)) for item in adjustments)


def settle_corrections(
    entries: Sequence[ComputedEntry], state: CorrectionState
) -> tuple[tuple[ComputedEntry, ...], tuple[tuple[str, str], ...]]:
    """Bring entries of one file onto the MP2020 scale; see :data:`CorrectionState`.

    Returns
    -------
    The entries, and (id, reason) of those left out.

    Raises
    ------
    DoubleCorrectionError
        A correction would be counted twice.
    InputError
        Corrections are missing, or are of another scheme.
    """
    if state == "apply":
        return apply_mp2020(entries)
    settled = mark_included(entries) if state == "included" else tuple(entries)
    _check_listed(settled)
    return settled, ()
