"""The half-cells in the report: rates, discharge curves and impedance, bare beside compensated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cosinter.workflows.report.content import CellRow, Chart, Curve, Role, Series

_LEFT_OUT = "The counter electrode is ideal; the drop over LATP, percolation and cracks are left out, the same for all cases."


def cell_charts(rows: Sequence[CellRow], roles: Mapping[str, Role]) -> tuple[Chart, ...]:
    """Five charts: capacity over rate, discharge curves at the lowest rate, Nyquist, modulus and phase."""
    if not rows:
        return ()
    slowest = min(discharge.rate_C for discharge in rows[0].discharges)

    def curves(
        values: Callable[[CellRow], tuple[Series, Series]],
        band: Callable[[CellRow], tuple[Series, Series] | None] = lambda row: None,
    ) -> tuple[Curve, ...]:
        found = []
        banded: set[Role] = {
            "other"
        }  # one band for each of bare and compensated, or nothing can be told apart
        for row in rows:
            x, y = values(row)
            role = roles.get(row.case, "other")
            low, high = (None if role in banded else band(row)) or (None, None)
            banded.add(role)
            found.append(Curve(label=row.case, role=role, x=x, y=y, low=low, high=high))
        return tuple(found)

    return (
        Chart(
            name="rates",
            title="What the rate leaves",
            x_label="rate / C",
            y_label="capacity / mAh per g",
            log_x=True,
            section="cell",
            curves=curves(_rates, _band),
            caption="Discharge to the lower cut-off from equilibrium at the upper one, per gram of oxide before sintering. "
            "Bands (first bare and first compensated case): 5 to 95 % from the errors of diffusivity, rate constant and "
            "resistance of the interphase. " + _LEFT_OUT,
        ),
        Chart(
            name="discharge",
            title=f"Discharge at {slowest:g} C",
            x_label="capacity / mAh per g",
            y_label="voltage against lithium / V",
            section="cell",
            curves=curves(_slowest),
            caption="Shorter where metal is no longer layered, lower where the interphase resists.",
        ),
        Chart(
            name="nyquist",
            title="Impedance (Nyquist)",
            x_label="Re Z / Ω cm²",
            y_label="−Im Z / Ω cm²",
            section="cell",
            curves=curves(_nyquist),
            caption="Per area of electrode, half way between the cut-offs, 100 kHz to 1 mHz; cut where the diffusion tail "
            "leaves the picture. The left end is the interphase, the arc the charge transfer, the tail the diffusion in the "
            "grains.",
        ),
        Chart(
            name="bode-modulus",
            title="Impedance (Bode, modulus)",
            x_label="frequency / Hz",
            y_label="|Z| / Ω cm²",
            log_x=True,
            log_y=True,
            section="cell",
            curves=curves(lambda row: (row.spectrum.frequency_Hz, _modulus(row))),
        ),
        Chart(
            name="bode-phase",
            title="Impedance (Bode, phase)",
            x_label="frequency / Hz",
            y_label="phase / degrees",
            log_x=True,
            section="cell",
            curves=curves(lambda row: (row.spectrum.frequency_Hz, _phase(row))),
        ),
    )


def _rates(row: CellRow) -> tuple[Series, Series]:
    return (
        tuple(discharge.rate_C for discharge in row.discharges),
        tuple(discharge.capacity_mAh_per_g for discharge in row.discharges),
    )


def _band(row: CellRow) -> tuple[Series, Series] | None:
    intervals = [discharge.interval for discharge in row.discharges]
    if any(interval is None for interval in intervals):
        return None
    return (
        tuple(interval[0] for interval in intervals if interval),
        tuple(interval[1] for interval in intervals if interval),
    )


def _slowest(row: CellRow) -> tuple[Series, Series]:
    discharge = min(row.discharges, key=lambda found: found.rate_C)
    return discharge.charge_mAh_per_g, discharge.voltage_V


def _nyquist(row: CellRow) -> tuple[Series, Series]:
    """Down to where the capacitive tail leaves the picture: -Im Z no higher than twice the real part."""
    real, minus = np.asarray(row.spectrum.real_ohm_cm2), -np.asarray(row.spectrum.imaginary_ohm_cm2)
    slow = np.asarray(row.spectrum.frequency_Hz) < 1.0
    tail = np.flatnonzero(slow & (minus > real))
    end = int(tail[0]) + 1 if len(tail) else len(real)
    return tuple(real[:end].tolist()), tuple(minus[:end].tolist())


def _modulus(row: CellRow) -> Series:
    return tuple(np.hypot(row.spectrum.real_ohm_cm2, row.spectrum.imaginary_ohm_cm2).tolist())


def _phase(row: CellRow) -> Series:
    return tuple(np.degrees(np.arctan2(row.spectrum.imaginary_ohm_cm2, row.spectrum.real_ohm_cm2)).tolist())
