"""A full report made of invented numbers, marked as such (``synthetic=True``)."""

from __future__ import annotations

import math

from cosinter.workflows.report.content import (
    BalanceRow,
    BarrierRow,
    Case,
    Chart,
    Curve,
    FileRow,
    Headline,
    InterfaceRow,
    Kink,
    LadderRow,
    LatticeValue,
    Number,
    ParameterRow,
    PatternRow,
    PhononRow,
    Product,
    PublishedRow,
    ReactionTable,
    ReportContent,
    SinterSeries,
    StageRow,
    StructureRow,
    TornadoBar,
    TornadoTable,
    Verdict,
)

SOURCE = "Invented for a test, J. Tests 1 (2026) 1, doi:10.1000/test.123."
CASES = (
    Case(name="bare", label="no compensator", role="bare"),
    Case(name="lioh", label="+ 3 wt% LiOH", role="compensated"),
    Case(name="li2co3", label="+ 3 wt% Li2CO3", role="compensated"),
)
_LOSS = {"bare": 0.55, "lioh": 0.12, "li2co3": 0.28}


def _sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))


def _series(case: str) -> SinterSeries:
    time = tuple(8.0 * place / 240 for place in range(241))
    temperature = tuple(
        min(25.0 + 300.0 * t, 700.0) if t < 4.25 else max(25.0, 700.0 - 180.0 * (t - 4.25)) for t in time
    )
    loss = tuple(_LOSS[case] * _sigmoid(4.0 * (t - 2.4)) for t in time)
    start = 0.0 if case == "bare" else 0.2
    dose = tuple(start * (1.0 - _sigmoid(5.0 * (t - 2.0))) for t in time)
    lithium = tuple(1.0 - 0.6 * x for x in loss)
    return SinterSeries(
        case=case,
        time_h=time,
        temperature_C=temperature,
        layered_fraction=tuple(1.0 - x for x in loss),
        spinel_fraction=tuple(0.35 * x for x in loss),
        rock_salt_fraction=tuple(0.65 * x for x in loss),
        lithium_per_metal=lithium,
        interphase_nm=tuple(1.0 + 90.0 * x for x in loss),
        inventories={
            "cathode": lithium,
            "compensator": dose,
            "interphase": tuple(1.0 + start - u - n for u, n in zip(lithium, dose, strict=True)),
        },
        gas={"O2": tuple(0.2 * x for x in loss), "H2O": tuple(start - n for n in dose)},
    )


def _pattern(case: str, temperature: float) -> PatternRow:
    angles = tuple(10.0 + 0.02 * place for place in range(3501))
    loss = _LOSS[case] * _sigmoid((temperature - 600.0) / 40.0)
    peaks = (
        (18.7, 100.0 * (1 - loss)),
        (36.6, 40.0 * (1 - loss)),
        (44.4, 75.0 * (1 - loss)),
        (43.6, 90.0 * loss),
        (24.5, 30.0),
    )
    intensity = tuple(round(sum(h * math.exp(-(((a - c) / 0.09) ** 2)) for c, h in peaks), 4) for a in angles)
    return PatternRow(
        case=case,
        temperature_C=temperature,
        two_theta_deg=angles,
        intensity=intensity,
        radiation="Cu Kα",
        ratio_003_104=1.33 * (1.0 - 0.6 * loss),
        weight_percent={"layered": 70.0 * (1 - loss), "rock salt": 70.0 * loss, "LATP": 26.0, "Li3PO4": 4.0},
    )


def _kinks(scale: float) -> tuple[Kink, ...]:
    def kink(x: float, depth: float, products: tuple[Product, ...]) -> Kink:
        return Kink(
            mole_fraction=x,
            mass_fraction=0.4 * x + 0.6 * x * x,
            volume_fraction=0.3 * x + 0.7 * x * x,
            dG_kJ_per_mol=scale * depth,
            dG_meV_per_atom=scale * depth * 1.3,
            products=products,
        )

    reacted = (
        Product(phase="Li3PO4", mol=0.42),
        Product(phase="TiO2", mol=0.2),
        Product(phase="NiO", mol=0.61),
    )
    return (
        kink(0.0, 0.0, (Product(phase="LATP", formula="Li1.3Al0.3Ti1.7(PO4)3", mol=1.0),)),
        kink(0.45, -60.0, reacted),
        kink(0.8, -88.0, (*reacted, Product(phase="Li2TiO3", mol=0.08))),
        kink(1.0, 0.0, (Product(phase="NCM811", formula="LiNi0.8Co0.1Mn0.1O2", mol=1.0),)),
    )


def _parameters() -> tuple[ParameterRow, ...]:
    kinds = ("computed", "measured", "assumed", "fitted")
    first = ParameterRow(
        name="cathode.capacity_reference",
        type="scalar",
        value="201.5",
        unit="mAh/g",
        uncertainty="4.0",
        kind="measured",
        source=SOURCE,
    )
    return (
        first,
        *(
            ParameterRow(
                name=f"group.parameter_{place}",
                type="arrhenius" if place % 3 else "scalar",
                value=f"{1.5 + place}e-12",
                unit="m2/s",
                uncertainty="0.4 decades",
                kind=kinds[place % 4],
                source=SOURCE,
                note="an invented note" if place % 5 == 0 else "",
            )
            for place in range(14)
        ),
    )


def synthetic_content(study_name: str = "NCM811 + LATP, invented data") -> ReportContent:
    temperatures = (450.0, 600.0, 700.0, 800.0)
    distance = tuple(0.48 * place for place in range(7))
    return ReportContent(
        study_name=study_name,
        synthetic=True,
        cases=CASES,
        verdict=Verdict(
            status="damaged",
            headline="Without lithium hydroxide LATP costs the cathode half its capacity; 3 wt% save nine tenths of it",
            detail="LATP pulls lithium out of the grain from 480 °C on. The hydroxide melt refills the contact first, so the "
            "layered phase stays above 88 % at 700 °C; the carbonate arrives too late.",
        ),
        headlines=(
            Headline(
                label="Capacity after sintering",
                unit="mAh/g",
                aim="high",
                values={
                    "bare": Number(value=96.31, low=71.2, high=118.9, parameter="cathode.capacity_reference"),
                    "lioh": Number(value=187.4, low=170.1, high=196.2),
                    "li2co3": Number(value=141.7),
                },
            ),
            Headline(
                label="Layered phase that is left",
                unit="%",
                aim="high",
                values={"bare": Number(value=45.0), "lioh": Number(value=88.0), "li2co3": Number(value=72.0)},
            ),
            Headline(
                label="Interface resistance",
                unit="Ω cm²",
                aim="low",
                note="At 25 °C.",
                values={
                    "bare": Number(value=612.0),
                    "lioh": Number(value=64.3),
                    "li2co3": Number(value=240.0),
                },
            ),
        ),
        summary="Three cases, one furnace programme: 5 K/min to 700 °C, 2 h, in oxygen.",
        study={
            "cathode": {"formula": "LiNi0.8Co0.1Mn0.1O2", "grain_size": "4 um"},
            "furnace": {"segments": [{"ramp": "5 K/min", "to": "700 degC"}, {"hold": "2 h"}]},
        },
        published=(
            PublishedRow(
                quantity="Capacity of undamaged cathode",
                unit="mAh/g",
                published=Number(value=201.5, digits=4),
                ours=Number(value=201.5, digits=4, parameter="cathode.capacity_reference"),
                use="input",
                outcome="input",
                source=SOURCE,
            ),
            PublishedRow(
                quantity="Capacity without compensator",
                unit="mAh/g",
                published=Number(value=99.9),
                ours=Number(value=96.31, low=71.2, high=118.9),
                use="compared",
                outcome="agrees",
                tolerance="within 25 %",
                source=SOURCE,
            ),
            PublishedRow(
                quantity="Highest temperature that keeps the layers",
                unit="°C",
                published=Number(value=700.0),
                ours=Number(value=612.0),
                use="compared",
                outcome="misses",
                tolerance="within 50 °C",
                source=SOURCE,
                note="Ours is lower.",
            ),
            PublishedRow(
                quantity="Retention over 100 cycles",
                unit="%",
                published=Number(value=65.0),
                use="compared",
                outcome="not computed",
                source=SOURCE,
            ),
        ),
        tornado=(
            TornadoTable(
                case="bare",
                outcome="Layered fraction",
                nominal=0.6,
                bars=(
                    TornadoBar(
                        name="cathode.capacity_reference",
                        meaning="capacity of the undamaged cathode",
                        kind="assumed",
                        low=0.4,
                        high=0.9,
                    ),
                    TornadoBar(name="enthalpy of <b>Li2O</b>", kind="measured", low=0.65, high=0.55),
                ),
            ),
        ),
        structures=tuple(
            StructureRow(
                name=name,
                formula=formula,
                space_group=group,
                calculator="pmmcs",
                lattice=(
                    LatticeValue(symbol="a", ours=a * 1.004, cited=a),
                    LatticeValue(symbol="c", ours=c * 0.993, cited=c),
                ),
                citation=SOURCE,
                kind="measured",
            )
            for name, formula, group, a, c in (
                ("NCM811", "LiNi0.8Co0.1Mn0.1O2", "R-3m", 2.872, 14.2),
                ("LATP", "Li1.3Al0.3Ti1.7(PO4)3", "R-3c", 8.5, 20.84),
            )
        ),
        interfaces=(
            InterfaceRow(
                name="NCM811 (104) | LATP (001)",
                film="LiNiO2",
                substrate="LiTi2(PO4)3",
                orientation="(104) ∥ (001)",
                strain_percent=2.31,
                area_A2=63.2,
                atoms=312,
                min_distance_A=1.83,
                checks={"composition": True, "contacts": True, "strain": False},
            ),
        ),
        barriers=tuple(
            BarrierRow(
                name=f"{host} hop",
                host=host,
                mechanism=mechanism,
                distance_A=distance,
                energy_eV=tuple(height * math.sin(math.pi * place / 6.0) ** 2 for place in range(7)),
                barrier_eV=height,
                uncertainty_eV=0.1,
                converged=True,
                calculator="pmmcs",
                cited_eV=height * 1.1,
                citation=SOURCE,
            )
            for host, mechanism, height in (
                ("LiNiO2", "divacancy", 0.31),
                ("LiNiO2", "single vacancy", 0.72),
                ("LATP", "M1 to M2", 0.38),
            )
        ),
        phonons=(
            PhononRow(
                name="lithium oxide",
                formula="Li2O",
                temperature_K=(0.0, 300.0, 600.0, 900.0),
                free_energy_kJ_per_mol=(20.0, 16.0, 2.0, -21.0),
                entropy_J_per_mol_K=(0.0, 37.0, 80.0, 110.0),
                heat_capacity_J_per_mol_K=(0.0, 54.0, 68.0, 72.0),
                measured_entropy=37.9,
                computed_entropy=36.8,
                citation=SOURCE,
            ),
        ),
        reactions=tuple(
            ReactionTable(
                first="LiNi0.8Co0.1Mn0.1O2",
                second="Li1.3Al0.3Ti1.7(PO4)3",
                temperature_C=t,
                atmosphere="air",
                kinks=_kinks(s),
            )
            for t, s in ((500.0, 0.9), (700.0, 1.0))
        ),
        ladder=tuple(
            LadderRow(
                reservoir=name,
                temperature_C=temperatures,
                mu_kJ_per_mol=mu,
                uncertainty_kJ_per_mol=8.0,
                kind="measured",
                source=SOURCE,
            )
            for name, mu in (
                ("LiOH, 10 mbar H2O", (-4.0, 12.0, 22.0, 30.0)),
                ("Li2CO3, 0.4 mbar CO2", (-62.0, -31.0, -10.0, 10.0)),
                ("LiNiO2 to rock salt", (-46.0, -29.0, -17.0, -6.0)),
                ("TiO2 to Li2TiO3", (-130.0, -130.0, -130.0, -131.0)),
                ("LiTi2(PO4)3 to Li3PO4 + TiO2", (-198.0, -195.0, -193.0, -191.0)),
            )
        ),
        sinter=tuple(_series(case.name) for case in CASES),
        charts=(
            Chart(
                name="dose",
                title="How much compensator",
                x_label="LiOH / wt%",
                y_label="capacity / mAh/g",
                caption="Past the knee more compensator only feeds the interphase.",
                curves=tuple(
                    Curve(
                        label=f"{t} °C",
                        role=role,
                        x=(0.0, 1.0, 2.0, 3.0, 5.0),
                        y=y,
                        low=tuple(0.92 * v for v in y),
                        high=tuple(1.05 * v for v in y),
                    )
                    for t, role, y in (
                        (650, "compensated", (140.0, 172.0, 188.0, 193.0, 195.0)),
                        (700, "bare", (96.0, 140.0, 171.0, 187.0, 190.0)),
                    )
                ),
            ),
        ),
        diffraction=tuple(_pattern(case, t) for case in ("bare", "lioh") for t in (25.0, 600.0, 700.0)),
        balances=tuple(
            BalanceRow(case=case.name, element=element, relative_error=error, limit=1e-9)
            for case in CASES
            for element, error in (("Li", 3.1e-15), ("O", 2.2e-8 if case.name == "li2co3" else 4e-16))
        ),
        parameters=_parameters(),
        warnings=("Case li2co3: the oxygen balance is open.",),
        limitations=(f"Cycling is not modelled. {SOURCE}", "Grains are spheres of one size."),
        manifest=(
            StageRow(stage="structures", hash="1f3a9c", seconds=2.41, executions=1),
            StageRow(stage="sinter", hash="9be201", seconds=0.0512, executions=2),
            StageRow(stage="barriers", hash="77aa01", seconds=311.0, executions=1),
        ),
        versions={"cosinter": "0.0-test", "python": "3.11"},
        files=(FileRow(path="parameters.json", purpose="all parameters"),),
        generated="2026-01-01",
    )
