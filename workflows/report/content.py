"""What the report shows, as plain data: the one input of :mod:`cosinter.workflows.report.page`.

Everything is frozen and JSON-able, so a report can be stored, compared and drawn again without computing.
Empty tuples leave their section out. Sequences of one figure have equal lengths; the unit stands in the field
name. Cases are tied together by ``Case.name``; a ``role`` gives each its colour (bare: warm, compensated: cool).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from cosinter.analysis.parameters import Kind
from cosinter.workflows.diagrams.scene import Scene
from cosinter.workflows.report.rows import (
    BarrierRow,
    Content,
    InterfaceRow,
    Kink,
    LadderRow,
    LatticeValue,
    PhaseRow,
    PhononRow,
    Product,
    ReactionTable,
    Role,
    Sampled,
    Series,
    StructureRow,
    TornadoBar,
    TornadoTable,
    equal_lengths,
)

__all__ = [
    "SINTER_COLUMNS",
    "BalanceRow",
    "BarrierRow",
    "Case",
    "Chart",
    "Content",
    "Curve",
    "FileRow",
    "Headline",
    "InterfaceRow",
    "Kink",
    "LadderRow",
    "LatticeValue",
    "Number",
    "ParameterRow",
    "PatternRow",
    "PhaseRow",
    "PhononRow",
    "Product",
    "PublishedRow",
    "ReactionTable",
    "ReportContent",
    "Role",
    "Sampled",
    "Scene",
    "Series",
    "SinterSeries",
    "StageRow",
    "StructureRow",
    "TornadoBar",
    "TornadoTable",
    "Verdict",
]


class Number(Content):
    """A value, its interval if one was computed, and the parameter it comes from (a link into the table)."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    digits: int = Field(default=3, ge=1, le=15, description="significant digits shown")
    parameter: str | None = None


class Case(Content):
    """One sintering case; ``label`` is what the reader sees, e.g. '+ 3 wt% LiOH'."""

    name: str = Field(min_length=1)
    label: str = ""
    role: Role = "other"

    @property
    def title(self) -> str:
        """The label, or the name where there is none."""
        return self.label or self.name


class Verdict(Content):
    """The answer: one short headline and one or two sentences that say why."""

    status: Literal["survives", "damaged", "fails", "undecided"]
    headline: str
    detail: str = ""


class Headline(Content):
    """One of the (three) numbers on top, for each case by name; ``aim`` says which way is better."""

    label: str
    unit: str = ""
    values: dict[str, Number]
    aim: Literal["high", "low", "none"] = "none"
    note: str = ""


class PublishedRow(Content):
    """A published figure beside ours.

    ``use``: ``input`` went into the computation, ``compared`` was kept unseen.
    ``outcome`` is judged by whoever fills it in against ``tolerance`` (text); misses are shown.
    """

    quantity: str
    unit: str = ""
    published: Number
    ours: Number | None = None
    use: Literal["input", "compared"]
    outcome: Literal["input", "agrees", "misses", "not computed"]
    tolerance: str = ""
    source: str
    note: str = ""

    @model_validator(mode="after")
    def _check_use(self) -> PublishedRow:
        if (self.use == "input") != (self.outcome == "input"):
            raise ValueError("use and outcome must both be 'input', or neither")
        return self

    @property
    def deviation_percent(self) -> float | None:
        """100 (ours - published) / |published|; None where either is missing, or zero, or it was an input."""
        ours = self.ours.value if self.ours else None
        if self.use == "input" or ours is None or not self.published.value:
            return None
        return 100.0 * (ours - self.published.value) / abs(self.published.value)


class SinterSeries(Content):
    """How one case goes through the furnace.

    Fractions are shares of the transition metals; ``inventories`` and ``gas`` are mol Li (or mol gas) per mol
    transition metal by reservoir name.
    """

    case: str
    time_h: Series
    temperature_C: Series
    layered_fraction: Series
    spinel_fraction: Series
    rock_salt_fraction: Series
    lithium_per_metal: Series
    interphase_nm: Series
    inventories: dict[str, Series] = Field(default_factory=dict)
    gas: dict[str, Series] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> SinterSeries:
        columns = {n: getattr(self, n) for n in SINTER_COLUMNS} | dict(self.inventories) | dict(self.gas)
        equal_lengths(f"case {self.case}", columns)
        return self


SINTER_COLUMNS = (
    "time_h",
    "temperature_C",
    "layered_fraction",
    "spinel_fraction",
    "rock_salt_fraction",
    "lithium_per_metal",
    "interphase_nm",
)


class Curve(Content):
    """One line of a chart, with an optional band between ``low`` and ``high``."""

    label: str
    role: Role = "other"
    x: Series
    y: Series
    low: Series | None = None
    high: Series | None = None

    @model_validator(mode="after")
    def _check(self) -> Curve:
        equal_lengths(self.label, {"x": self.x, "y": self.y, "low": self.low, "high": self.high})
        return self


class Chart(Content):
    """Any further figure: dose or temperature sweeps, impedance, sensitivities over one axis."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$", description="file name stem and anchor")
    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    caption: str = ""
    log_x: bool = False
    log_y: bool = False
    section: Literal["charts", "reactions", "cell"] = "charts"


class DischargeRow(Content):
    """One discharge: capacity per gram of oxide before sintering, its 5 to 95 % interval, and the curve."""

    rate_C: float = Field(gt=0.0)
    capacity_mAh_per_g: float
    mean_voltage_V: float
    interval: tuple[float, float] | None = None
    charge_mAh_per_g: Series
    voltage_V: Series


class SpectrumRow(Content):
    """Impedance per electrode area."""

    frequency_Hz: Series
    real_ohm_cm2: Series
    imaginary_ohm_cm2: Series


class CellRow(Content):
    """The half-cell of one case; ``stage_key`` is that of the sintering it was made from."""

    case: str
    stage_key: str
    first_charge_mAh_per_g: float
    discharges: tuple[DischargeRow, ...] = Field(min_length=1)
    spectrum: SpectrumRow
    asr_ohm_cm2: float
    interphase_ohm_cm2: float
    growth_nm: float
    samples: int
    assumed: tuple[str, ...]
    missing: dict[str, str]
    seconds: dict[str, float]


class PatternRow(Content):
    """A simulated diffraction pattern; ``weight_percent`` by phase, I(003)/I(104) where it is layered."""

    case: str
    temperature_C: float
    two_theta_deg: Series
    intensity: Series
    ratio_003_104: float | None = None
    weight_percent: dict[str, float] = Field(default_factory=dict)
    radiation: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _check(self) -> PatternRow:
        equal_lengths(self.case, {"two_theta_deg": self.two_theta_deg, "intensity": self.intensity})
        return self


class BalanceRow(Content):
    """Largest imbalance of one element over the run, relative to its inventory, and the allowed limit."""

    case: str
    element: str
    relative_error: float
    limit: float = Field(gt=0.0)

    @property
    def passed(self) -> bool:
        """Whether the element is conserved within the limit."""
        return abs(self.relative_error) <= self.limit


class ParameterRow(Content):
    """A line of the parameter table."""

    name: str
    type: Literal["scalar", "arrhenius", "table"]
    value: str
    unit: str
    uncertainty: str = ""
    kind: Kind
    source: str
    note: str = ""


class StageRow(Content):
    """A stage of the run: the first digits of its content address, its time, how often it really ran."""

    stage: str
    hash: str
    seconds: float = Field(ge=0.0)
    executions: int = Field(ge=0)


class FileRow(Content):
    """A file beside the report (relative path) and what it is for."""

    path: str
    purpose: str


class ReportContent(Content):
    """The whole report."""

    study_name: str
    verdict: Verdict
    cases: tuple[Case, ...] = Field(min_length=1)
    headlines: tuple[Headline, ...] = ()
    summary: str = ""
    study: dict[str, Any] = Field(default_factory=dict, description="the study as plain nested data")
    published: tuple[PublishedRow, ...] = ()
    structures: tuple[StructureRow, ...] = ()
    interfaces: tuple[InterfaceRow, ...] = ()
    barriers: tuple[BarrierRow, ...] = ()
    phonons: tuple[PhononRow, ...] = ()
    reactions: tuple[ReactionTable, ...] = ()
    ladder: tuple[LadderRow, ...] = ()
    scenes: tuple[Scene, ...] = Field(default=(), description="phase diagrams and product maps")
    sinter: tuple[SinterSeries, ...] = ()
    tornado: tuple[TornadoTable, ...] = Field(default=(), description="which error decides an outcome")
    charts: tuple[Chart, ...] = ()
    cells: tuple[CellRow, ...] = Field(default=(), description="half-cells, where they were solved")
    diffraction: tuple[PatternRow, ...] = ()
    balances: tuple[BalanceRow, ...] = ()
    parameters: tuple[ParameterRow, ...] = ()
    warnings: tuple[str, ...] = ()
    limitations: tuple[str, ...] = ()
    manifest: tuple[StageRow, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)
    files: tuple[FileRow, ...] = ()
    generated: str = ""
    synthetic: bool = Field(default=False, description="made-up data: the report says so in a banner")

    @model_validator(mode="after")
    def _check_cases(self) -> ReportContent:
        names = [case.name for case in self.cases]
        if len(set(names)) != len(names):
            raise ValueError(f"case names must differ, found {names}")
        used = {series.case for series in self.sinter}
        used |= {pattern.case for pattern in self.diffraction} | {row.case for row in self.balances}
        used |= {table.case for table in self.tornado} | {row.case for row in self.cells}
        used |= {name for headline in self.headlines for name in headline.values}
        if unknown := sorted(used - set(names)):
            raise ValueError(f"unknown case {unknown[0]!r}; cases are {names}")
        return self

    def case(self, name: str) -> Case:
        """The case of that name."""
        return next(case for case in self.cases if case.name == name)
