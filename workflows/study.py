"""The study file: the only input of a run.

A :class:`Study` says what is mixed (cathode, electrolyte, compensators), how it is fired (furnace, atmosphere),
and what is computed about it. Unknown keys are errors that name the nearest key; every number has an allowed range.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cosinter.workflows.quantities import Unit
from cosinter.workflows.resources import Pattern, Resources

Name = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="1 to 64 letters, digits, dots, dashes or underscores, the first a letter or digit",
    ),
]
Formula = Annotated[str, Field(min_length=1, max_length=120, description="chemical formula or phase name")]
Celsius = Annotated[float, Unit("degC"), Field(ge=0.0, le=1200.0, description="°C, 0 to 1200")]
Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]
Pressure = Annotated[float, Unit("bar"), Field(ge=0.0, le=10.0, description="bar, 0 to 10")]

MAX_PROGRAMME_HOURS = 1000.0


class Section(BaseModel):
    """Base of every part of a study: frozen, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Cathode(Section):
    """The layered oxide LiNi_xCo_yMn_zO2 and its grains."""

    formula: Formula = Field(
        default="LiNi0.8Co0.1Mn0.1O2", description="LiNixCoyMnzO2, x + y + z = 1, z <= x"
    )
    grain_radius_um: Annotated[float, Unit("micrometer")] = Field(
        default=1.0,
        gt=0.005,
        le=100.0,
        description="radius of the grain that diffusion sees, 0.005 to 100 µm",
    )
    grain_size_spread: float = Field(
        default=0.0,
        ge=0.0,
        le=1.5,
        description="standard deviation of ln radius in the distribution of volume over size, 0 to 1.5; 0: all alike",
    )
    morphology: Literal["single-crystal", "polycrystalline"] = Field(
        default="single-crystal",
        description="polycrystalline grains let lithium in along their grain boundaries",
    )
    crystallite_um: Annotated[float, Unit("micrometer")] | None = Field(
        default=None,
        gt=0.001,
        le=100.0,
        description="size of the crystallites in polycrystalline grains, at most the diameter of the grain",
    )
    antisite_fraction: float | None = Field(
        default=None,
        ge=0.0,
        le=0.2,
        description="Ni on lithium sites, 0 to 0.2; left out: the value of the data table",
    )
    capacity_mAh_per_g: float = Field(
        default=222.2, gt=0.0, le=280.0, description="reference capacity of the undamaged cathode"
    )

    @field_validator("formula")
    @classmethod
    def _charge_balanced(cls, formula: str) -> str:
        from cosinter.workflows.chemistry import check_cathode

        return check_cathode(formula)

    @model_validator(mode="after")
    def _crystallites_fit(self) -> Self:
        size = self.crystallite_um
        if (self.morphology == "polycrystalline") != (size is not None):
            raise ValueError("crystallite_um belongs to morphology: polycrystalline, and only there")
        if size is not None and size > 2.0 * self.grain_radius_um:
            raise ValueError(
                f"crystallites of {size:g} µm do not fit into grains of radius {self.grain_radius_um:g} µm"
            )
        return self


class Electrolyte(Section):
    """The oxide electrolyte: LATP, or any lithium oxide whose phase is in the library or among the user's phases."""

    formula: Formula = Field(
        default="Li1.3Al0.3Ti1.7(PO4)3",
        description="Li1+xAlxTi2-x(PO4)3 with x from 0 to 0.6, or a solid of `cosinter phases list`",
    )

    @field_validator("formula")
    @classmethod
    def _charge_balanced(cls, formula: str) -> str:
        from cosinter.workflows.chemistry import check_electrolyte

        return check_electrolyte(formula)


class Compensator(Section):
    """Lithium salts mixed into the powder, in percent of the mass of the whole powder."""

    LiOH_wt_percent: float = Field(default=0.0, ge=0.0, le=50.0, description="LiOH, 0 to 50 wt%")
    Li2CO3_wt_percent: float = Field(default=0.0, ge=0.0, le=50.0, description="Li2CO3, 0 to 50 wt%")
    coverage: Fraction = Field(
        default=0.5, description="fraction of the cathode surface in contact with salt before it melts"
    )

    @model_validator(mode="after")
    def _some_salt(self) -> Self:
        if self.LiOH_wt_percent + self.Li2CO3_wt_percent <= 0.0:
            raise ValueError("a compensator needs LiOH_wt_percent or Li2CO3_wt_percent above 0")
        return self


class Law(Section):
    """k(T) = value exp[-(energy/R)(1/T - 1/T_at)], as the user knows it."""

    value: float = Field(gt=0.0, description="value at at_C, in the unit of the quantity")
    at_C: Celsius = 25.0
    energy_kJ_per_mol: Annotated[float, Unit("kilojoule/mole")] = Field(
        default=0.0, ge=0.0, le=1000.0, description="activation energy"
    )
    log10_uncertainty: float = Field(
        default=0.0, ge=0.0, le=10.0, description="one standard deviation, in decades"
    )
    source: str = Field(default="study file", min_length=3, max_length=500)


class Coating(Section):
    """A barrier film on the cathode grains, which breaks down on heating."""

    material: Formula = Field(
        default="LiNbO3", description="a material of data/coatings.yaml, or any name with both laws given"
    )
    thickness_nm: Annotated[float, Unit("nanometer")] = Field(
        default=10.0, ge=0.0, le=1000.0, description="0 to 1000 nm"
    )
    conductivity: Law | None = Field(
        default=None,
        description="ambipolar lithium conductivity of the film, S/m; replaces that of the table",
    )
    breakdown: Law | None = Field(
        default=None,
        description="first-order rate at which the film is lost, 1/s; replaces that of the table",
    )

    @model_validator(mode="after")
    def _material_is_known(self) -> Self:
        from cosinter.analysis.coatings import coating_materials

        if (self.conductivity is None or self.breakdown is None) and self.material not in coating_materials():
            raise ValueError(
                f"material {self.material} is none of {', '.join(coating_materials())}; "
                "give its conductivity and breakdown"
            )
        return self


class Crucible(Section):
    """An open crucible, which lets LiOH vapour out."""

    evaporation_mm_per_s: Annotated[float, Unit("millimeter/second")] = Field(
        default=0.01,
        ge=0.0,
        le=1000.0,
        description="mass-transfer coefficient from the grain surface into the gas, 0 to 1000 mm/s",
    )


class Case(Section):
    """One powder mixture taken through the furnace; without ``crucible`` in a closed one."""

    name: Name
    compensator: Compensator | None = None
    coating: Coating | None = None
    crucible: Crucible | None = None

    @property
    def protection(self) -> str:
        """What protects the cathode, in words: ``3 wt% LiOH + 10 nm LiNbO3``; empty if nothing does."""
        parts = []
        if self.compensator is not None:
            salts = {"LiOH": self.compensator.LiOH_wt_percent, "Li2CO3": self.compensator.Li2CO3_wt_percent}
            parts += [f"{dose:g} wt% {salt}" for salt, dose in salts.items() if dose]
        if self.coating is not None and self.coating.thickness_nm > 0.0:
            parts.append(f"{self.coating.thickness_nm:g} nm {self.coating.material}")
        return " + ".join(parts)


class Atmosphere(Section):
    """Partial pressures in bar of the gases that the furnace holds constant."""

    O2: Pressure = Field(default=0.21, gt=0.0, description="bar; must be above 0")
    CO2: Pressure = 4.0e-4
    H2O: Pressure = 0.01


class Segment(Section):
    """One step of the furnace programme: a ramp, a hold, or cooling; its own atmosphere if given."""

    ramp_K_per_min: Annotated[float, Unit("delta_degC/min")] | None = Field(default=None, gt=0.0, le=10000.0)
    cool_K_per_min: Annotated[float, Unit("delta_degC/min")] | None = Field(default=None, gt=0.0, le=10000.0)
    to_C: Celsius | None = None
    hold_h: Annotated[float, Unit("hour")] | None = Field(default=None, gt=0.0, le=MAX_PROGRAMME_HOURS)
    atmosphere: Atmosphere | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [self.ramp_K_per_min is not None, self.cool_K_per_min is not None, self.hold_h is not None]
        if sum(kinds) != 1:
            raise ValueError(
                "a segment is one of: ramp_K_per_min with to_C, cool_K_per_min with to_C, or hold_h"
            )
        if (self.hold_h is None) != (self.to_C is not None):
            raise ValueError("to_C belongs to ramp_K_per_min and cool_K_per_min, and only there")
        return self


class Furnace(Section):
    """The temperature programme."""

    start_C: Celsius = 25.0
    segments: tuple[Segment, ...] = Field(
        default=(
            Segment(ramp_K_per_min=5.0, to_C=700.0),
            Segment(hold_h=2.0),
            Segment(cool_K_per_min=5.0, to_C=25.0),
        ),
        min_length=1,
        max_length=100,
    )

    def knots(self) -> tuple[tuple[float, float], ...]:
        """(time in h, temperature in °C) at the start and after each segment."""
        knots = [(0.0, self.start_C)]
        for segment in self.segments:
            time, here = knots[-1]
            target = here if segment.to_C is None else segment.to_C
            rate = segment.ramp_K_per_min or segment.cool_K_per_min
            hours = segment.hold_h if rate is None else abs(target - here) / rate / 60.0
            knots.append((time + (hours or 0.0), target))
        return tuple(knots)

    @model_validator(mode="after")
    def _runs_and_ends(self) -> Self:
        knots = self.knots()
        for number, ((_, before), (_, after), segment) in enumerate(
            zip(knots[:-1], knots[1:], self.segments, strict=True), start=1
        ):
            if segment.ramp_K_per_min is not None and after <= before:
                raise ValueError(
                    f"segment {number} ramps from {before:g} to {after:g} °C; a ramp goes up, use cool_K_per_min"
                )
            if segment.cool_K_per_min is not None and after >= before:
                raise ValueError(
                    f"segment {number} cools from {before:g} to {after:g} °C; cooling goes down, use ramp_K_per_min"
                )
        if knots[-1][0] > MAX_PROGRAMME_HOURS:
            raise ValueError(
                f"the programme takes {knots[-1][0]:.4g} h; at most {MAX_PROGRAMME_HOURS:g} h are allowed"
            )
        return self


class Pair(Section):
    """Two solids whose interface reaction is computed at a temperature."""

    first: Formula
    second: Formula
    temperature_C: Celsius


class Interface(Section):
    """Two crystals joined coherently, film on substrate."""

    film: Name
    substrate: Name
    film_miller: tuple[int, int, int] = (0, 0, 1)
    substrate_miller: tuple[int, int, int] = (0, 0, 1)


class Hop(Section):
    """An ion's hop whose barrier is computed."""

    host: Name
    mechanism: Name = Field(
        description="path of the host as listed by cosinter barrier --list, e.g. dumbbell, m1-m2-m1"
    )


class Atomistic(Section):
    """What is relaxed, and with which calculator."""

    calculator: str = Field(
        default="pmmcs",
        pattern=r"^[A-Za-z_][A-Za-z0-9_.]*(:[A-Za-z_][A-Za-z0-9_]*)?$",
        max_length=200,
        description="'pmmcs', 'chgnet', or 'package.module:Class' of an ASE calculator that your config.yaml allows",
    )
    relax: tuple[Name, ...] = (
        "ncm811",
        "linio2",
        "licoo2",
        "ltp",
        "latp",
        "li2tio3",
        "li4ti5o12",
        "litiopo4",
        "li3po4",
        "tio2",
        "li2o",
        "nio",
        "alpo4",
    )
    barriers: tuple[Hop, ...] = (
        Hop(host="linio2", mechanism="tetrahedral"),
        Hop(host="linio2", mechanism="dumbbell"),
        Hop(host="ltp", mechanism="m1-m2-m1"),
    )
    phonons: tuple[Name, ...] = ("tio2", "li2tio3", "li3po4")
    interfaces: tuple[Interface, ...] = (
        Interface(film="ncm811", substrate="li2tio3"),
        Interface(film="ncm811", substrate="latp"),
    )

    @field_validator("calculator")
    @classmethod
    def _allowed(cls, calculator: str) -> str:
        from cosinter.workflows.user_config import check_calculator

        return check_calculator(calculator)


class Diffraction(Section):
    """Simulated powder patterns of the product mixture."""

    temperatures_C: tuple[Celsius, ...] = Field(
        default=(25.0, 500.0, 600.0, 700.0), min_length=1, max_length=20
    )
    wavelength: Literal["CuKa", "CuKa1", "MoKa", "CoKa"] = "CuKa"


class Thermodynamics(Section):
    """Whose free energies are used, and how the interface reactions are computed."""

    energies: tuple[str, ...] = Field(
        default=("measured", "chgnet", "assumed"),
        min_length=1,
        description="sources of formation enthalpies, the preferred first: measured, user, chgnet, pmmcs, "
        "mp or mp:SNAPSHOT, assumed; phases that none of them knows are left out",
    )
    solutions: bool = Field(
        default=True, description="let solid solutions and the salt melt form in the interface reactions"
    )
    samples: int = Field(
        default=200, ge=0, le=10000, description="Monte-Carlo samples per interface reaction; 0: none"
    )

    @field_validator("energies")
    @classmethod
    def _known(cls, energies: tuple[str, ...]) -> tuple[str, ...]:
        from cosinter.workflows.sources.libraries import check_energies

        return check_energies(energies)


class Criterion(Section):
    """When the cathode counts as having survived."""

    layered_fraction: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9


def affordable_samples() -> int:
    """Samples that take seconds: 256 with the compiled furnace model (about 0.01 s each), 16 without (2 to 4 s)."""
    from cosinter.analysis.continuum.run import compiled_model

    return 256 if compiled_model() else 16


class Study(Section):
    """One question to cosinter: does this composite survive this firing, and how much does a compensator help?"""

    name: Name
    title: str = Field(default="", max_length=200)
    cathode: Cathode = Cathode()
    electrolyte: Electrolyte = Electrolyte()
    cathode_volume_fraction: Fraction = Field(
        default=0.5, description="volume of cathode over volume of cathode plus electrolyte"
    )
    cases: tuple[Case, ...] = Field(default=(Case(name="bare"),), min_length=1, max_length=50)
    furnace: Furnace = Furnace()
    atmosphere: Atmosphere = Atmosphere()
    reactions: tuple[Pair, ...] = Field(default=(), max_length=50)
    atomistic: Atomistic = Atomistic()
    thermodynamics: Thermodynamics = Thermodynamics()
    diffraction: Diffraction = Diffraction()
    criterion: Criterion = Criterion()
    uncertainty_samples: int = Field(
        default_factory=affordable_samples,
        ge=0,
        le=10000,
        description="Latin-hypercube samples behind each interval; 0 switches them off; 256 with the extra fast, else 16",
    )
    published: Literal["ncm811-latp-compensator"] | None = Field(
        default=None, description="a published case to print beside the results"
    )
    seed: int = Field(default=1, ge=0, le=2**31 - 1)
    resources: dict[Pattern, Resources] = Field(
        default={}, max_length=100, description="what stages get in a queue, by patterns of their names"
    )

    @model_validator(mode="after")
    def _distinct_cases(self) -> Self:
        names = [case.name.lower() for case in self.cases]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"case name {twice[0]} is used twice; every case needs its own name")
        return self

    def inputs(self, *sections: str) -> dict[str, Any]:
        """The named sections as plain JSON data, for hashing and for stages."""
        whole = self.model_dump(mode="json")
        return {key: whole[key] for key in sections}
