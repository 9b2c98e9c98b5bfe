"""The main job's cathode as parameter sets of PyBaMM: ``pybamm.ParameterValues("NCM811_LATP_sintered_bare")``.

``data/half-cells/*.json`` are documents of :func:`cosinter.analysis.exports.pybamm.to_pybamm`, written by ``make run`` and
``cosinter export``; everything that they do not know comes from PyBaMM's Xu2019. Use them with the options of the document
(:func:`half_cell_options`), or the interphase is left out.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from cosinter.analysis.exports.pybamm import pybamm_options, pybamm_values
from cosinter.data.exceptions import MissingEngineError, UnknownNameError
from cosinter.data.tables import load_table

BASE_SET = "Xu2019"
CASES = ("bare", "compensated")


def ncm811_latp_bare() -> dict[str, Any]:
    """NCM811 fired with LATP by the programme of the main job, unprotected."""
    return _values("bare")


def ncm811_latp_compensated() -> dict[str, Any]:
    """NCM811 fired with LATP and LiOH / Li2CO3 by the programme of the main job."""
    return _values("compensated")


def half_cell_options(case: str) -> dict[str, Any]:
    """Model options that belong to the set of ``case`` (bare, compensated).

    Raises
    ------
    UnknownNameError
        There is no such case.
    """
    return pybamm_options(half_cell_document(case))


def half_cell_document(case: str) -> dict[str, Any]:
    """The document behind a set: values with kind and source, what is missing, what is assumed.

    Raises
    ------
    UnknownNameError
        There is no such case.
    """
    if case not in CASES:
        raise UnknownNameError("case", case, CASES)
    path = files("cosinter.data").joinpath("half-cells", f"ncm811-latp-{case}.json")
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def _values(case: str) -> dict[str, Any]:
    try:
        import pybamm
    except ImportError as error:
        raise MissingEngineError("PyBaMM is not installed; pip install 'cosinter[cell]' brings it") from error
    scalars = load_table("transport")["scalar"]
    window = {
        "Lower voltage cut-off [V]": scalars["capacity.lower_cutoff"]["value"],
        "Upper voltage cut-off [V]": scalars["capacity.upper_cutoff"]["value"],
    }
    return dict(pybamm.ParameterValues(BASE_SET)) | window | pybamm_values(half_cell_document(case))
