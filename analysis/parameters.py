"""The one thing that crosses from atoms and thermodynamics to the continuum model and the exports.

Three kinds of record, each with unit, uncertainty, source and kind:

- :class:`Scalar`     one number
- :class:`Arrhenius`  k(T) = k_ref exp[-(E/R)(1/T - 1/T_ref)]
- :class:`Table`      values on a grid of named axes

and :class:`SharedError`, a source of error that moves several tables together.

SI units everywhere (J/mol, m, s, K, Pa); the user's units are made at the edges.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from scipy.constants import R

from cosinter.data.exceptions import InputError, UnknownNameError

SCHEMA_VERSION: Literal["1.0"] = "1.0"
TEMPERATURE_AXIS = "temperature_K"

Kind = Literal["computed", "measured", "assumed", "fitted"]
FloatArray = NDArray[np.float64]


class Record(BaseModel):
    """What every parameter carries besides its value."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    unit: str = Field(description="SI unit of the value, '1' if none")
    source: str = Field(min_length=3, description="citation with DOI, or the stage that computed it")
    kind: Kind
    note: str = ""


class Scalar(Record):
    """One number with a standard uncertainty in the same unit.

    ``log10_uncertainty`` replaces ``uncertainty`` where only the order of magnitude is known.
    """

    type: Literal["scalar"] = "scalar"
    value: float
    uncertainty: float | None = Field(default=None, ge=0.0)
    log10_uncertainty: float | None = Field(default=None, ge=0.0)


class Arrhenius(Record):
    """k(T) = reference_value · exp[-(activation_energy/R)(1/T - 1/reference_temperature)].

    ``activation_energy`` in J/mol, temperatures in K, ``log10_uncertainty`` of the reference value,
    ``activation_energy_uncertainty`` in J/mol (one standard deviation).
    """

    type: Literal["arrhenius"] = "arrhenius"
    reference_value: float = Field(gt=0.0)
    reference_temperature: float = Field(gt=0.0)
    activation_energy: float = Field(ge=0.0)
    activation_energy_uncertainty: float = Field(default=0.0, ge=0.0)
    log10_uncertainty: float = Field(default=0.0, ge=0.0)
    temperature_range: tuple[float, float] = (250.0, 1400.0)

    def __call__(self, temperature: float | FloatArray) -> Any:
        """Value at ``temperature`` (K), same shape."""
        inverse = 1.0 / np.asarray(temperature) - 1.0 / self.reference_temperature
        return self.reference_value * np.exp(-self.activation_energy / R * inverse)


class Table(Record):
    """Values on a rectangular grid; ``axes`` in the order of the dimensions of ``values``."""

    type: Literal["table"] = "table"
    axes: dict[str, tuple[float, ...]] = Field(description="axis name with unit, e.g. 'temperature_K'")
    values: list[Any] = Field(description="nested lists, first axis outermost")
    uncertainty: float | None = Field(default=None, ge=0.0)

    @model_validator(mode="after")
    def _check_shape(self) -> Table:
        try:
            shape = np.asarray(self.values, dtype=np.float64).shape
        except (TypeError, ValueError) as error:
            raise ValueError("values are not a rectangular table of numbers") from error
        expected = tuple(len(axis) for axis in self.axes.values())
        if shape != expected:
            raise ValueError(f"values have shape {shape}, the axes ask for {expected}")
        for name, axis in self.axes.items():
            if len(axis) < 2 or np.any(np.diff(axis) <= 0.0):
                raise ValueError(f"axis {name} must hold at least two ascending numbers")
        if not np.all(np.isfinite(self.array)):
            raise ValueError("values must be finite")
        return self

    @property
    def array(self) -> FloatArray:
        """The values as an array, axes in the order of ``axes``."""
        return np.asarray(self.values, dtype=np.float64)

    def axis(self, name: str) -> FloatArray:
        """The grid of one axis."""
        if name not in self.axes:
            raise UnknownNameError("table axis", name, self.axes)
        return np.asarray(self.axes[name], dtype=np.float64)

    @property
    def shift_axis(self) -> int | None:
        """Number of the first axis that is not temperature, along which errors may differ; None if there is none."""
        return next((i for i, name in enumerate(self.axes) if name != TEMPERATURE_AXIS), None)

    @property
    def shift_points(self) -> int:
        """Length of the axis along which errors may differ; 1 if there is none."""
        return 1 if self.shift_axis is None else len(list(self.axes.values())[self.shift_axis])

    def shifted(self, shift: FloatArray, *, logarithmic: bool = False) -> Table:
        """Add ``shift``, one number or one per point of :attr:`shift_axis`; ``logarithmic`` adds it to ln of the values."""
        spread = np.asarray(shift, dtype=np.float64)
        if spread.size > 1 and self.shift_axis is not None:
            shape = [1] * len(self.axes)
            shape[self.shift_axis] = -1
            spread = spread.reshape(shape)
        values = self.array * np.exp(spread) if logarithmic else self.array + spread
        return self.model_copy(update={"values": values.tolist()})


AnyRecord = Annotated[Scalar | Arrhenius | Table, Field(discriminator="type")]


class SharedError(BaseModel):
    """One independent standard normal number z that moves several tables together.

    ``shifts`` gives for every table it moves the shift of one standard deviation, to be multiplied by z: one number
    for the whole table, or one for each point of its first axis that is not temperature. In the unit of the table;
    the logarithmic tables of the continuum model (pressures, conductivities) are shifted in ln.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1, description="what is uncertain, e.g. 'enthalpy of Li2O'")
    source: str = Field(min_length=3, description="where the size of the error is from")
    kind: Kind = Field(default="computed", description="what stands behind the value that may be wrong")
    shifts: Mapping[str, tuple[float, ...]]


def errors_of(errors: Iterable[SharedError], names: Container[str]) -> tuple[SharedError, ...]:
    """The part of the shared errors that moves the tables ``names``."""
    kept = []
    for error in errors:
        shifts = {name: shift for name, shift in error.shifts.items() if name in names}
        if shifts:
            kept.append(error.model_copy(update={"shifts": shifts}))
    return tuple(kept)


class ParameterSet(BaseModel):
    """All inputs of the continuum model and the exports, by dotted name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    study: str
    cosinter_version: str
    parameters: Mapping[str, AnyRecord]
    labels: Mapping[str, Any] = Field(
        default_factory=dict, description="names that are not numbers, e.g. the products of each step"
    )
    shared_errors: tuple[SharedError, ...] = Field(
        default=(), description="sources of error that move several tables together"
    )

    @model_validator(mode="after")
    def _check_shared_errors(self) -> ParameterSet:
        names = [error.name for error in self.shared_errors]
        if len({*names, *self.parameters}) < len(names) + len(self.parameters):
            raise ValueError("names of shared errors and parameters must all differ")
        for error in self.shared_errors:
            for name, shift in error.shifts.items():
                record = self.parameters.get(name)
                if not isinstance(record, Table):
                    raise ValueError(
                        f"shared error '{error.name}' moves {name}, which is no table of the set"
                    )
                if len(shift) not in (1, record.shift_points):
                    raise ValueError(
                        f"shared error '{error.name}' has {len(shift)} shifts of {name}, "
                        f"allowed are 1 or {record.shift_points}"
                    )
        return self

    def __getitem__(self, name: str) -> Scalar | Arrhenius | Table:
        if name not in self.parameters:
            raise UnknownNameError("parameter", name, self.parameters)
        return self.parameters[name]

    def scalar(self, name: str) -> float:
        """Value of a scalar parameter."""
        record = self[name]
        if not isinstance(record, Scalar):
            raise InputError(f"parameter {name} is a {record.type}, expected a scalar")
        return record.value

    def arrhenius(self, name: str) -> Arrhenius:
        """An Arrhenius parameter."""
        record = self[name]
        if not isinstance(record, Arrhenius):
            raise InputError(f"parameter {name} is a {record.type}, expected an Arrhenius record")
        return record

    def table(self, name: str) -> Table:
        """A tabulated parameter."""
        record = self[name]
        if not isinstance(record, Table):
            raise InputError(f"parameter {name} is a {record.type}, expected a table")
        return record

    def shared_spread(self, name: str) -> FloatArray:
        """Standard deviation of a table from its shared errors together: one number, or one per point (0 if none)."""
        found = np.zeros(1)
        for error in self.shared_errors:
            if name in error.shifts:
                found = found + np.square(error.shifts[name])
        return np.asarray(np.sqrt(found), dtype=np.float64)

    def keeping(self, names: Iterable[str]) -> ParameterSet:
        """The set with only the records ``names``, and with the shared errors of these."""
        kept = {name: self[name] for name in names}
        errors = errors_of(self.shared_errors, kept)
        return self.model_copy(update={"parameters": kept, "shared_errors": errors})

    def to_json(self) -> str:
        """Serialise; :meth:`from_json` gives back an equal set."""
        return self.model_dump_json(indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> ParameterSet:
        """Read a set written by :meth:`to_json`.

        Raises
        ------
        InputError
            The text is not JSON, has another schema version, or breaks a rule of a record.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "document"
            raise InputError(f"parameter set is not valid at {where}: {first['msg']}") from error
