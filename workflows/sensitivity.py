"""Which parameter of a case should be measured or computed next: runs of one method, described for people and machines.

The content that :func:`sensitivity` gives is plain data: ``cosinter sensitivity --json`` prints it, the table, the
picture and the files are made of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from cosinter.analysis.equilibrium.uncertainty import interval
from cosinter.analysis.exports.csv_table import csv_text
from cosinter.data.exceptions import InputError
from cosinter.workflows.design import OUTCOMES, outcome_name

if TYPE_CHECKING:
    from cosinter.analysis.continuum.batch import Outcomes
    from cosinter.analysis.continuum.ensemble import Draws
    from cosinter.analysis.continuum.inputs import SinterCase
    from cosinter.analysis.continuum.sensitivity import Ranks, SobolIndices, Tornado
    from cosinter.analysis.parameters import ParameterSet
    from cosinter.workflows.reactions import Tell
    from cosinter.workflows.variants import Variant

Method = Literal["ranks", "sobol", "tornado"]
#: Sources that get Sobol indices of their own, and the share of the runs that chooses them.
ALONE, SCREENING = 10, 0.25
NEXT = 3
#: Outcomes that span decades; Sobol indices are those of their logarithm.
LOGARITHMIC = ("interphase_nm", "asr_ohm_cm2")
UNITS = dict(OUTCOMES.values())
FEWEST_SAMPLES, LARGEST_SAMPLE = 50, 1_000_000


@dataclass(frozen=True)
class Request:
    """What is asked: outcomes by short or full name, and how many runs to spend (a tornado needs two per source)."""

    method: Method = "ranks"
    outcomes: tuple[str, ...] = ("layered_fraction",)
    samples: int = 1000
    seed: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        if not FEWEST_SAMPLES <= self.samples <= LARGEST_SAMPLE:
            raise InputError(
                f"samples are {self.samples}, allowed is {FEWEST_SAMPLES} to {LARGEST_SAMPLE}; change it"
            )
        if not self.outcomes:
            raise InputError(f"no outcome is named; choose among {', '.join(UNITS)}")
        names = tuple(dict.fromkeys(outcome_name(text) for text in self.outcomes))
        object.__setattr__(self, "outcomes", names)


def sensitivity(request: Request, variant: Variant, *, tell: Tell) -> dict[str, Any]:
    """Run one case as ``request`` asks and rank the sources of error of every outcome; JSON-able.

    Raises
    ------
    UnknownNameError
        No such outcome.
    InputError
        Nothing is uncertain, or the samples are too few for Sobol indices.
    ConvergenceError
        Too few runs ended.
    """
    began = time.monotonic()
    study = _Runs(request, variant, tell)
    found = {"ranks": study.ranks, "sobol": study.sobol, "tornado": study.tornado}[request.method]()
    return {
        "study": variant.study.name,
        "case": variant.case.name,
        "method": request.method,
        "runs": study.runs,
        "failed_runs": len(study.failures),
        "seconds": round(time.monotonic() - began, 3),
        "outcomes": found,
        "warnings": study.warnings(),
    }


def tornado_tables(
    parameters: ParameterSet, case: SinterCase, outcomes: Sequence[str], *, bars: int = 8
) -> list[dict[str, Any]]:
    """For the report: the widest ``bars`` of each outcome ({"outcome", "nominal", "bars": [...]}), low and high end."""
    from cosinter.analysis.continuum.batch import run_samples
    from cosinter.analysis.continuum.ensemble import uncertain
    from cosinter.analysis.continuum.origins import origin
    from cosinter.analysis.continuum.sensitivity import top, tornado, tornado_design

    design = tornado_design(uncertain(parameters))
    results = run_samples(parameters, case, design)
    tables = []
    for name in outcomes:
        found = tornado(design, results, name)
        names, rows = top(found, bars), []
        for bar in found.bars:
            if bar.name in names:
                about = origin(parameters, bar.name)
                rows.append({**asdict(bar), "meaning": about.meaning, "kind": about.kind})
        tables.append({"outcome": name, "nominal": found.nominal, "bars": rows})
    return tables


class _Runs:
    """The runs of one request, and what failed among them."""

    def __init__(self, request: Request, variant: Variant, tell: Tell) -> None:
        from cosinter.analysis.continuum.ensemble import uncertain

        self.request, self.variant, self.tell = request, variant, tell
        self.names = uncertain(variant.parameters)
        self.runs, self.failures = 0, list[str]()

    def _run(self, draws: Draws, what: str) -> Outcomes:
        from cosinter.analysis.continuum.batch import run_samples

        self.tell(what, 0, len(draws.z))
        outcomes = run_samples(
            self.variant.parameters,
            self.variant.case,
            draws,
            workers=self.request.workers,
            progress=lambda done, total: self.tell(what, done, total),
        )
        self.runs += len(draws.z)
        self.failures += outcomes.failures.values()
        return outcomes

    def warnings(self) -> list[str]:
        if not self.failures:
            return []
        return [
            f"{len(self.failures)} of {self.runs} runs did not end and are left out; the first: {self.failures[0]}"
        ]

    def _screen(self, count: int) -> tuple[dict[str, Ranks], Outcomes]:
        from cosinter.analysis.continuum.ensemble import draw
        from cosinter.analysis.continuum.sensitivity import ranks

        draws = draw(self.variant.parameters, count, seed=self.request.seed)
        outcomes = self._run(draws, "samples")
        return {name: ranks(draws, outcomes, name) for name in self.request.outcomes}, outcomes

    def ranks(self) -> list[dict[str, Any]]:
        found, outcomes = self._screen(self.request.samples)
        return [
            self._described(one, _rank_rows(one), interval(outcomes.column(name)[outcomes.good]), _rank_words)
            for name, one in found.items()
        ]

    def sobol(self) -> list[dict[str, Any]]:
        from cosinter.analysis.continuum.sensitivity import sobol_design, sobol_indices

        count = max(FEWEST_SAMPLES, int(SCREENING * self.request.samples))
        blocks = _blocks(self.request.samples - count, min(ALONE + 1, len(self.names)))
        screened, outcomes = self._screen(count)
        alone = _leading(list(screened.values()), ALONE)
        design = sobol_design(self.names, alone, blocks, seed=self.request.seed)
        results = self._run(design.draws, "Sobol runs")
        found = {
            name: sobol_indices(
                design, results, name, logarithmic=name in LOGARITHMIC, seed=self.request.seed
            )
            for name in self.request.outcomes
        }
        return [
            self._described(
                one, _sobol_rows(one), interval(outcomes.column(name)[outcomes.good]), _sobol_words
            )
            for name, one in found.items()
        ]

    def tornado(self) -> list[dict[str, Any]]:
        from cosinter.analysis.continuum.sensitivity import tornado, tornado_design

        if not self.names:
            raise InputError(
                "no parameter of the set has an uncertainty, so there is nothing to change; add some"
            )
        design = tornado_design(self.names)
        outcomes = self._run(design, "one source at a time")
        found = [tornado(design, outcomes, name) for name in self.request.outcomes]
        return [
            {"nominal": one.nominal} | self._described(one, _tornado_rows(one), None, _tornado_words)
            for one in found
        ]

    def _described(
        self,
        ranking: Ranks | SobolIndices | Tornado,
        rows: Sequence[dict[str, Any]],
        interval: Mapping[str, Any] | None,
        words: Any,
    ) -> dict[str, Any]:
        from cosinter.analysis.continuum.sensitivity import top

        leading, strengths = top(ranking, NEXT), ranking.strengths
        by_name = {
            row["name"]: {**self._about(row["name"]), **row, "certain": row["name"] in strengths}
            for row in rows
        }
        return {
            "outcome": ranking.outcome,
            "unit": UNITS[ranking.outcome],
            "interval": interval,
            "sources": list(by_name.values()),
            "top": list(leading),
            "next": [_advice(by_name[name], words(by_name[name])) for name in leading],
        }

    def _about(self, name: str) -> dict[str, Any]:
        from cosinter.analysis.continuum.origins import origin
        from cosinter.analysis.continuum.sensitivity import OTHERS

        if name == OTHERS:
            return {"meaning": "the sources not named", "size": "", "kind": "", "source": "", "advice": ""}
        about = origin(self.variant.parameters, name)
        return {**asdict(about), "advice": about.advice}


def _leading(rankings: Sequence[Ranks], count: int) -> list[str]:
    """The strongest sources of all outcomes in turn, whether certain or not."""
    columns = [[one.name for one in ranking.correlations] for ranking in rankings]
    in_turn = [name for names in zip(*columns, strict=True) for name in names]
    return list(dict.fromkeys(in_turn))[:count]


def _blocks(runs: int, groups: int) -> int:
    """Largest power of 2 of blocks of groups + 2 runs.

    Raises
    ------
    InputError
        The runs are too few.
    """
    from cosinter.analysis.continuum.sensitivity import FEWEST_BLOCKS

    found = runs // (groups + 2)
    if found < FEWEST_BLOCKS:
        least = int(FEWEST_BLOCKS * (groups + 2) / (1.0 - SCREENING)) + 1
        raise InputError(f"Sobol indices of {groups} groups of sources need {least} samples; raise --samples")
    return int(1 << (found.bit_length() - 1))


def _rank_rows(found: Ranks) -> list[dict[str, Any]]:
    return [asdict(one) for one in found.correlations]


def _sobol_rows(found: SobolIndices) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "S1": one.first,
            "S1_margin": one.first_margin,
            "ST": one.total,
            "ST_margin": one.total_margin,
        }
        for one in found.indices
    ]


def _tornado_rows(found: Tornado) -> list[dict[str, Any]]:
    return [asdict(bar) for bar in found.bars]


def _rank_words(row: Mapping[str, Any]) -> str:
    return f"explains about {row['rho'] ** 2:.0%} of the spread"


def _sobol_words(row: Mapping[str, Any]) -> str:
    return f"causes {row['ST']:.0%} ± {row['ST_margin']:.0%} of the variance, alone and together with others"


def _tornado_words(row: Mapping[str, Any]) -> str:
    return f"moves the outcome from {row['low']:.4g} to {row['high']:.4g} between its 5th and 95th percentile"


def _advice(row: Mapping[str, Any], words: str) -> str:
    return f"{row['name']} ({row['size']}) {words}; {row['advice']}"


def sensitivity_csv(content: Mapping[str, Any]) -> str:
    """One line per outcome and source, columns as in the JSON."""
    rows = [{"outcome": part["outcome"], **row} for part in content["outcomes"] for row in part["sources"]]
    return csv_text(list(rows[0]), rows)
