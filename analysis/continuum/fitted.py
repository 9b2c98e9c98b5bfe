"""The parameter set after a calibration: fitted records instead of assumed ones, everything else as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.constants import R

from cosinter.analysis.continuum.calibration import Posterior
from cosinter.analysis.continuum.ensemble import LN10, Draws, moved
from cosinter.analysis.parameters import AnyRecord, Arrhenius, ParameterSet, SharedError

FloatArray = NDArray[np.float64]

#: Information (nats) below which the data count as blind to a parameter: as little as a shift of the mean by 0.2 prior
#: standard deviations, or a width smaller by 14 %.
LEAST_LEARNED = 0.02
CALIBRATION_LABEL = "calibration"
ENERGY = ":energy"
#: Range (K) in which the reference temperature of a fitted rate may lie: beyond, it says nothing about a furnace.
PIVOT_RANGE = (500.0, 1500.0)


@dataclass(frozen=True)
class DataSource:
    """The file of measurements by name and SHA-256 of its bytes."""

    name: str
    sha256: str

    def __str__(self) -> str:
        return f"fitted to {self.name} (sha256 {self.sha256[:16]})"


def learned(posterior: Posterior) -> tuple[str, ...]:
    """Sources of error that the data say something about."""
    return tuple(
        name
        for name, gain in zip(posterior.names, posterior.learned_nats, strict=True)
        if gain >= LEAST_LEARNED
    )


def fitted_set(parameters: ParameterSet, posterior: Posterior, source: DataSource) -> ParameterSet:
    """Replace what the data have taught by the posterior mean and standard deviation, kind ``fitted``.

    Parameters that the data are blind to keep their record. Where value and activation energy of a rate are both
    fitted, the reference temperature becomes the one at which they are uncorrelated,

        1/T* = 1/T_ref + R cov(ln k_ref, E)/var(E),

    so that two independent errors describe their posterior. Other correlations stay in the label ``calibration``
    only: samples of the set vary the fitted parameters independently.
    """
    names = learned(posterior)
    if not names:
        return parameters
    columns = [posterior.names.index(name) for name in names]
    centre = moved(parameters, Draws(names, posterior.mean[None, columns]), 0)
    width = {name: float(posterior.deviation[column]) for name, column in zip(names, columns, strict=True)}
    records: dict[str, AnyRecord] = dict(parameters.parameters)
    touched = {name.removesuffix(ENERGY) for name in names} & set(records)
    for name in touched:
        records[name] = _fitted(name, centre.parameters[name], posterior, width, source)
    shared = tuple(_shared(error, width.get(error.name), source) for error in parameters.shared_errors)
    for error in parameters.shared_errors:
        for name in error.shifts if error.name in width else ():
            if name not in touched:
                records[name] = _signed(centre.parameters[name], source)
    return parameters.model_copy(
        update={
            "parameters": records,
            "shared_errors": shared,
            "labels": {**parameters.labels, CALIBRATION_LABEL: _label(posterior, columns, source)},
        }
    )


def _fitted(
    name: str, record: AnyRecord, posterior: Posterior, width: Mapping[str, float], source: DataSource
) -> AnyRecord:
    """A record at its posterior mean with its uncertainties narrowed."""
    if isinstance(record, Arrhenius):
        return _signed(_fitted_rate(name, record, posterior, width), source)
    update: dict[str, Any] = {
        key: value * width[name]
        for key in ("uncertainty", "log10_uncertainty")
        if (value := getattr(record, key, None)) is not None
    }
    return _signed(record.model_copy(update=update), source)


def _fitted_rate(name: str, record: Arrhenius, posterior: Posterior, width: Mapping[str, float]) -> Arrhenius:
    narrowed = record.model_copy(
        update={
            "log10_uncertainty": record.log10_uncertainty * width.get(name, 1.0),
            "activation_energy_uncertainty": record.activation_energy_uncertainty
            * width.get(f"{name}{ENERGY}", 1.0),
        }
    )
    if name not in width or f"{name}{ENERGY}" not in width:
        return narrowed
    pair = [posterior.names.index(name), posterior.names.index(f"{name}{ENERGY}")]
    scale = np.array([record.log10_uncertainty * LN10, record.activation_energy_uncertainty])
    covariance = np.cov(posterior.z[:, pair], rowvar=False) * np.outer(scale, scale)
    return pivoted(narrowed, covariance)


def pivoted(record: Arrhenius, covariance: FloatArray) -> Arrhenius:
    """Move the reference temperature to where ln k and E (``covariance`` (2, 2), J/mol) are uncorrelated.

    ln k(T*) = ln k_ref - (E/R)(1/T* - 1/T_ref) has the variance var(ln k_ref) - cov^2/var(E). T* stays within
    500-1500 K; at an end of that range some correlation is left.
    """
    shift = R * covariance[0, 1] / covariance[1, 1]
    inverse = float(
        np.clip(1.0 / record.reference_temperature + shift, 1.0 / PIVOT_RANGE[1], 1.0 / PIVOT_RANGE[0])
    )
    lever = (inverse - 1.0 / record.reference_temperature) / R
    variance = covariance[0, 0] - 2.0 * lever * covariance[0, 1] + lever**2 * covariance[1, 1]
    return record.model_copy(
        update={
            "reference_temperature": 1.0 / inverse,
            "reference_value": record.reference_value * float(np.exp(-lever * record.activation_energy)),
            "log10_uncertainty": float(np.sqrt(variance)) / LN10,
        }
    )


def _shared(error: SharedError, width: float | None, source: DataSource) -> SharedError:
    if width is None:
        return error
    shifts = {name: tuple(width * shift for shift in amount) for name, amount in error.shifts.items()}
    return error.model_copy(update={"shifts": shifts, "source": f"{source}; before: {error.source}"})


def _signed(record: AnyRecord, source: DataSource) -> AnyRecord:
    """The record as fitted to the data, with what it was before in its note."""
    before = f"before: {record.kind}, {record.source}"
    note = f"{record.note}; {before}" if record.note else before
    return record.model_copy(update={"kind": "fitted", "source": str(source), "note": note})


def _label(posterior: Posterior, columns: list[int], source: DataSource) -> dict[str, Any]:
    return {
        "data": source.name,
        "sha256": source.sha256,
        "parameters": [posterior.names[column] for column in columns],
        "correlation": posterior.correlation[np.ix_(columns, columns)].tolist(),
    }
