"""Rows of the report about crystals, interfaces, barriers, vibrations, reactions and the lithium ladder.

Part of the content of a report; import them from :mod:`cosinter.workflows.report.content`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cosinter.analysis.parameters import Kind

Role = Literal["bare", "compensated", "other"]
Series = tuple[float, ...]
Share = Annotated[float, Field(ge=-1e-9, le=1.0 + 1e-9)]


class Content(BaseModel):
    """Base of all parts: frozen, no unknown keys, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def equal_lengths(owner: str, columns: Mapping[str, Series | None]) -> None:
    """Raise ValueError unless all columns that are there have the same length."""
    lengths = {name: len(column) for name, column in columns.items() if column is not None}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns of {owner} must have equal lengths, found {lengths}")


class LatticeValue(Content):
    """One lattice constant: ours beside the cited one."""

    symbol: str
    unit: str = "Å"
    ours: float | None = None
    cited: float | None = None

    @property
    def error_percent(self) -> float | None:
        """100 (ours - cited) / cited."""
        if self.ours is None or not self.cited:
            return None
        return 100.0 * (self.ours - self.cited) / self.cited


class StructureRow(Content):
    """A crystal: where it comes from and how well the calculator keeps its cell."""

    name: str
    formula: str
    space_group: str = ""
    calculator: str = ""
    lattice: tuple[LatticeValue, ...] = ()
    citation: str
    kind: Kind = "measured"
    note: str = ""


class InterfaceRow(Content):
    """A coherent interface model and the guards it passed."""

    name: str
    film: str
    substrate: str
    orientation: str = ""
    strain_percent: float | None = None
    area_A2: float | None = None
    atoms: int | None = None
    min_distance_A: float | None = None
    checks: dict[str, bool] = Field(default_factory=dict)
    note: str = ""


class BarrierRow(Content):
    """A migration path: energies (eV, relative to the first image) along the distance (Å)."""

    name: str
    host: str
    mechanism: str = ""
    distance_A: Series
    energy_eV: Series
    barrier_eV: float
    uncertainty_eV: float | None = None
    converged: bool
    calculator: str
    cited_eV: float | None = None
    citation: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _check(self) -> BarrierRow:
        equal_lengths(self.name, {"distance_A": self.distance_A, "energy_eV": self.energy_eV})
        return self


class PhononRow(Content):
    """Vibrational functions of one crystal per formula unit; ``measured_entropy`` in J/mol/K at 298.15 K."""

    name: str
    formula: str
    temperature_K: Series
    free_energy_kJ_per_mol: Series
    entropy_J_per_mol_K: Series
    heat_capacity_J_per_mol_K: Series
    imaginary_share: float = 0.0
    measured_entropy: float | None = None
    computed_entropy: float | None = None
    citation: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _check(self) -> PhononRow:
        names = (
            "temperature_K", "free_energy_kJ_per_mol", "entropy_J_per_mol_K", "heat_capacity_J_per_mol_K"
        )  # fmt: skip
        equal_lengths(self.name, {name: getattr(self, name) for name in names})
        return self


class Product(Content):
    """An amount of a phase, in mol."""

    phase: str
    formula: str = ""
    mol: float


class Kink(Content):
    """One kink of a mixing line; fractions are those of the first reactant."""

    mole_fraction: Share
    mass_fraction: Share | None = None
    volume_fraction: Share | None = None
    dG_kJ_per_mol: float
    dG_meV_per_atom: float
    products: tuple[Product, ...]


class PhaseRow(Content):
    """Who gave the free energy of a phase of a reaction, and how sure it is."""

    phase: str
    formula: str
    energy_source: str
    thermal_source: str
    uncertainty_kJ_per_mol: float
    qualitative: bool = False
    source: str


class Sampled(Content):
    """What Monte Carlo over the errors of the phases says at the worst ratio."""

    samples: int
    dG_low_meV_per_atom: float
    dG_high_meV_per_atom: float
    probabilities: tuple[tuple[str, Share], ...]


class ReactionTable(Content):
    """Kinks between two reactants at one temperature; ``marked`` is the ratio of the study."""

    first: str
    second: str
    temperature_C: float
    atmosphere: str
    kinks: tuple[Kink, ...]
    marked: Kink | None = None
    sampled: Sampled | None = None
    phases: tuple[PhaseRow, ...] = ()
    note: str = ""


class LadderRow(Content):
    """A reservoir of Li2O: its chemical potential in kJ/mol Li2O relative to Li2O(s) at each temperature."""

    reservoir: str
    temperature_C: Series
    mu_kJ_per_mol: Series
    uncertainty_kJ_per_mol: float | None = None
    kind: Kind
    source: str

    @model_validator(mode="after")
    def _check(self) -> LadderRow:
        equal_lengths(self.reservoir, {"temperature_C": self.temperature_C, "mu": self.mu_kJ_per_mol})
        return self


class TornadoBar(Content):
    """An outcome with one source of error at its 5th (``low``) and 95th (``high``) percentile, all others as they are."""

    name: str
    meaning: str = ""
    kind: Kind
    low: float
    high: float


class TornadoTable(Content):
    """The bars of one outcome of one case, widest first, around its ``nominal`` value."""

    case: str
    outcome: str
    unit: str = ""
    nominal: float
    bars: tuple[TornadoBar, ...] = Field(min_length=1)

    def left_percent(self, bar: TornadoBar) -> float:
        """Where a bar begins, percent of the range of all bars."""
        return self._percent(min(bar.low, bar.high) - self._range()[0])

    def width_percent(self, bar: TornadoBar) -> float:
        """Width of a bar, percent of the range of all bars, at least a visible sliver."""
        return max(self._percent(abs(bar.high - bar.low)), 0.5)

    def _range(self) -> tuple[float, float]:
        ends = [self.nominal, *(bar.low for bar in self.bars), *(bar.high for bar in self.bars)]
        return min(ends), max(ends)

    def _percent(self, length: float) -> float:
        low, high = self._range()
        return round(100.0 * length / (high - low), 1) if high > low else 0.0
