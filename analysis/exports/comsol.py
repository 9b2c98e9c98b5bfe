"""Write parameters for COMSOL Multiphysics: a parameter file, a variable file and one spreadsheet per table.

Parameter and variable files hold ``name expression "description"`` per line (``model.param().loadFile``,
``model.variable().loadFile``), spreadsheets the axes and then the value with ``%`` before comments. Temperatures are K. In the
variables, ``T`` is the temperature of the model and ``R_const`` COMSOL's gas constant.

No COMSOL was at hand: the files are checked by a reader of our own (names, quotes, units) only.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from cosinter.analysis.parameters import AnyRecord, Arrhenius, ParameterSet, Scalar, Table
from cosinter.data.exceptions import InputError

PARAMETERS, VARIABLES = "parameters.txt", "variables.txt"
_AXIS_UNITS = {"temperature_K": "K"}


def to_comsol(parameters: ParameterSet) -> dict[str, str]:
    """Give the text of every file by its name: ``parameters.txt``, ``variables.txt``, ``<table>.txt``.

    Scalars and the three numbers of each Arrhenius record (``_ref``, ``_Ea``, ``_Tref``) are parameters, the Arrhenius
    functions k_ref exp[-(E/R)(1/T - 1/T_ref)] variables. Descriptions tell kind and source.

    Raises
    ------
    InputError
        Two parameters would get the same name.
    """
    constants: list[str] = []
    variables: list[str] = []
    files: dict[str, str] = {}
    for name, record in parameters.parameters.items():
        word = comsol_name(name)
        if isinstance(record, Scalar):
            constants.append(_line(word, f"{record.value!r}{_unit(record.unit)}", _about(record)))
        elif isinstance(record, Arrhenius):
            constants += _arrhenius(word, record)
            function = f"{word}_ref*exp(-{word}_Ea/R_const*(1/T-1/{word}_Tref))"
            variables.append(_line(word, function, _about(record)))
        else:
            files[f"{word}.txt"] = _spreadsheet(name, record)
    _check_once(constants + variables)
    return {PARAMETERS: _joined(constants), VARIABLES: _joined(variables), **files}


def comsol_name(name: str) -> str:
    """Letters, digits and underscores, a letter first.

    >>> comsol_name("cathode.layered.lithium_diffusivity")
    'cathode_layered_lithium_diffusivity'
    """
    word = re.sub(r"\W", "_", name, flags=re.ASCII)
    return word if word[:1].isalpha() else f"p_{word}"


def _arrhenius(word: str, record: Arrhenius) -> Iterable[str]:
    spread = f"{record.log10_uncertainty:g} decades" if record.log10_uncertainty else "none given"
    yield _line(
        f"{word}_ref", f"{record.reference_value!r}{_unit(record.unit)}", f"at {word}_Tref; spread {spread}"
    )
    energy = f"+-{record.activation_energy_uncertainty:g} J/mol"
    yield _line(f"{word}_Ea", f"{record.activation_energy!r}[J/mol]", f"activation energy, {energy}")
    yield _line(f"{word}_Tref", f"{record.reference_temperature!r}[K]", "reference temperature")


def _about(record: AnyRecord) -> str:
    spread = ""
    if isinstance(record, Scalar) and record.uncertainty is not None:
        spread = f" +-{record.uncertainty:g}"
    return f"{record.kind}{spread}; {record.source}"


def _unit(unit: str) -> str:
    """Unit in square brackets with ``^`` and ``*``; none for pure numbers.

    >>> _unit("m2/s"), _unit("ohm m2"), _unit("1"), _unit("mol/mol")
    ('[m^2/s]', '[ohm*m^2]', '', '')
    """
    if unit in {"1", "mol/mol"}:
        return ""
    powers = re.sub(r"([A-Za-z])(-?\d+)", r"\1^\2", unit.strip())
    return f"[{re.sub(r'[ .]+', '*', powers)}]"


def _line(name: str, expression: str, description: str) -> str:
    plain = " ".join(description.replace('"', "'").split())
    return f'{name} {expression} "{plain}"'


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _spreadsheet(name: str, table: Table) -> str:
    axes = [f"{axis} [{_AXIS_UNITS.get(axis, '1')}]" for axis in table.axes]
    lines = [f"% {name}: {_about(table)}", f"% {' '.join(axes)} value [{table.unit}]"]
    points = itertools.product(*table.axes.values())
    for point, value in zip(points, table.array.ravel(), strict=True):
        lines.append(" ".join(repr(float(number)) for number in (*point, value)))
    return _joined(" ".join(line.splitlines()) for line in lines)


def _check_once(lines: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in (line.split(" ", 1)[0] for line in lines):
        if name in seen:
            raise InputError(f"two parameters would be called {name} in COMSOL; rename one of them")
        seen.add(name)
