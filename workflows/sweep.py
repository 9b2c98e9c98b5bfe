"""Sweeps: a study at many points, run in chunks that are found again by their content.

A point is a set of changes (:mod:`cosinter.workflows.variation`). Runs that share a parameter set make a chunk, and a
chunk is a stage like any other: named and keyed by what goes into it, written whole or not at all. A sweep that was
killed, or that is made wider, computes only the chunks that are not there yet; FireWorks jobs and this process run
the same step and give the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.workflows.flows import Outcome, Watch, run_plan
from cosinter.workflows.plan import Plan, Stage, keyed
from cosinter.workflows.results import Results, StageResult, digest
from cosinter.workflows.sources.libraries import library_inputs
from cosinter.workflows.study import Study
from cosinter.workflows.study_plan import continuum_stages
from cosinter.workflows.variation import LARGEST_DESIGN, Changes, vary

#: Runs, samples counted, in one chunk.
CHUNK = 64
QUANTILES = ("low", "median", "high")
_GIVEN = "parameters"


@dataclass(frozen=True)
class Row:
    """One line of the table: a point, a case, and where its result lies."""

    changes: Changes
    case: str
    stage: str
    place: int


@dataclass(frozen=True)
class Sweep:
    """The chunks of a sweep and the rows of its table."""

    plan: Plan
    rows: tuple[Row, ...]
    samples: int


def lay_out(
    study: Study,
    points: Sequence[Changes],
    *,
    cases: Sequence[str] = (),
    samples: int = 0,
    parameters: str | None = None,
) -> Sweep:
    """Check every point of a sweep and cut it into chunks.

    Parameters
    ----------
    points : changes of the study, each with the same keys
    cases : names of the cases to run; all if empty
    samples : samples of the parameters behind the intervals of each run; 0 for none
    parameters : text of a parameters.json for all points; where None, each point gets the set that follows from its
        cathode, electrolyte, atmosphere and highest temperature

    Raises
    ------
    UnknownNameError, StudyError
        A key, a value or a case that the study cannot have.
    InputError
        There is no point, or there are too many rows.
    """
    names = _chosen(study, cases)
    if not 1 <= len(points) * len(names) <= LARGEST_DESIGN:
        raise InputError(
            f"{len(points)} points of {len(names)} cases make {len(points) * len(names)} runs; "
            f"allowed are 1 to {LARGEST_DESIGN}"
        )
    library = library_inputs(study.thermodynamics.energies)
    groups: dict[str, _Group] = {}
    wanted: list[tuple[Changes, str, str, str]] = []
    for changes in points:
        first, *others = continuum_stages(vary(study, changes), library)
        found = None if parameters is not None else _isothermal(first.inputs)
        for stage in others:
            if stage.function == "sinter" and stage.inputs["case"]["name"] in names:
                run = _anonymous(stage.inputs)
                shared = digest([found, {**run["case"], "compensator": None}])
                key = groups.setdefault(shared, _Group(found, {})).add(run)
                wanted.append((changes, stage.inputs["case"]["name"], shared, key))
    template = continuum_stages(study, library)
    stages = [Stage(_GIVEN, "given_parameters", {"text": parameters})] if parameters is not None else []
    where: dict[tuple[str, str], tuple[str, int]] = {}
    for shared, group in groups.items():
        for stage, keys in group.chunks(template, samples):
            stages.append(stage)
            where |= {(shared, key): (stage.name, place) for place, key in enumerate(keys)}
    rows = tuple(Row(changes, case, *where[shared, key]) for changes, case, shared, key in wanted)
    return Sweep(keyed(study.name, stages), rows, samples)


def _chosen(study: Study, cases: Sequence[str]) -> list[str]:
    known = [case.name for case in study.cases]
    for case in cases:
        if case not in known:
            raise UnknownNameError("case", case, known)
    return [case for case in known if case in cases] if cases else known


def _anonymous(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs of one run without what changes no number, so that equal runs of different cases are one."""
    kept = {key: value for key, value in inputs.items() if key != "uncertainty_samples"}
    return {**kept, "case": {**inputs["case"], "name": "run"}}


def _isothermal(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs of a parameter set; of the programme it needs the highest temperature only."""
    from cosinter.workflows.study import Furnace, Segment

    hottest = max(temperature for _, temperature in Furnace.model_validate(inputs["furnace"]).knots())
    furnace = Furnace(start_C=hottest, segments=(Segment(hold_h=1.0),))
    return {**inputs, "furnace": furnace.model_dump(mode="json")}


@dataclass(frozen=True)
class _Group:
    """Runs (digest -> inputs) that share a parameter set: they differ in programme, gas and salt at most."""

    parameters: Mapping[str, Any] | None
    runs: dict[str, Mapping[str, Any]]

    def add(self, run: Mapping[str, Any]) -> str:
        """Add a run, unless it is there already; its digest."""
        key = digest(run)
        self.runs.setdefault(key, run)
        return key

    def chunks(self, template: Sequence[Stage], samples: int) -> Iterator[tuple[Stage, list[str]]]:
        """Stages and the digests of their runs; code and engines are those of the stages of a single study."""
        size = max(1, CHUNK // (1 + samples))
        keys = list(self.runs)
        used = [stage for stage in template if stage.function in ("parameters", "sinter")]
        for start in range(0, len(keys), size):
            part = keys[start : start + size]
            inputs = {
                "parameters": self.parameters,
                "runs": [self.runs[key] for key in part],
                "samples": samples,
            }
            yield (
                Stage(
                    name=f"sweep-{digest(inputs)}",
                    function="sweep",
                    inputs=inputs,
                    after=(_GIVEN,) if self.parameters is None else (),
                    code=(
                        *dict.fromkeys(path for stage in used for path in stage.code),
                        "workflows/steps/sweep.py",
                    ),
                    engines=tuple(dict.fromkeys(name for stage in used for name in stage.engines)),
                ),
                part,
            )


def run_sweep(
    sweep: Sweep, root: Path, *, workers: int = 2, watch: Watch | None = None, here: bool = True
) -> tuple[list[dict[str, Any]], Outcome]:
    """Run what is missing of a sweep in the results folder ``root`` and read its table.

    Returns
    -------
    list of dict
        One row per point and case: the changed keys, ``case``, the outcomes, and ``error``: why a run has none, else
        None. With samples also the 5, 50 and 95 % quantiles of each outcome (``layered_fraction_low`` ...), the
        errors that decide it (``layered_fraction_dominant``), and how many samples were run and failed.
    Outcome
        What was run, kept or failed.

    Raises
    ------
    InputError, EngineError
        See :func:`cosinter.workflows.flows.run_plan`.
    """
    outcome = run_plan(sweep.plan, root, workers=workers, watch=watch, here=here)
    return table(sweep, root), outcome


def table(sweep: Sweep, root: Path) -> list[dict[str, Any]]:
    """The rows of a sweep as far as they are computed; see :func:`run_sweep`."""
    from cosinter.analysis.continuum.batch import OUTCOMES

    results = Results(root)
    chunks = {
        name: _read(sweep.plan, results, name) for name in dict.fromkeys(row.stage for row in sweep.rows)
    }
    blank = dict.fromkeys(columns(OUTCOMES, sweep.samples))
    return [
        {**row.changes, "case": row.case, **blank, **_cells(chunks[row.stage], row.place)}
        for row in sweep.rows
    ]


def columns(outcomes: Sequence[str], samples: int) -> list[str]:
    """Names of the columns behind the changed keys and the case."""
    if not samples:
        return [*outcomes, "error"]
    bands = [f"{name}_{quantile}" for name in outcomes for quantile in QUANTILES]
    deciding = [f"{name}_dominant" for name in outcomes]
    return [*outcomes, *bands, *deciding, "samples", "failed_samples", "error"]


def _read(plan: Plan, results: Results, name: str) -> StageResult | str:
    """The result of a chunk, or why there is none."""
    key = plan.keys[name]
    if results.is_complete(name, key):
        return results.read(name, key)
    events = results.events(name, key)
    return str((events[-1] if events else {}).get("message") or "was not run")


def _cells(chunk: StageResult | str, place: int) -> dict[str, Any]:
    if isinstance(chunk, str):
        return {"error": chunk}
    names, row = chunk.data["outcomes"], chunk.data["rows"][place]
    cells = dict(zip(names, row["values"] or (), strict=False)) | {"error": row["error"]}
    for name, band in zip(names, row.get("intervals") or (), strict=False):
        cells |= {f"{name}_{quantile}": value for quantile, value in zip(QUANTILES, band, strict=True)}
    for name, deciding in zip(names, row.get("dominant") or (), strict=False):
        cells[f"{name}_dominant"] = "; ".join(deciding)
    return cells | {key: row[key] for key in ("samples", "failed_samples") if key in row}


def all_samples(sweep: Sweep, root: Path) -> list[Any]:
    """Outcomes of every sample of each row, (samples, outcomes) with NaN where one failed; None where none was run."""
    import numpy as np

    from cosinter.workflows.steps.sweep import SAMPLES_FILE

    results = Results(root)
    held: dict[str, Any] = {}
    for name in dict.fromkeys(row.stage for row in sweep.rows):
        chunk = _read(sweep.plan, results, name)
        if not isinstance(chunk, str) and sweep.samples:
            held[name] = np.load(chunk.folder / SAMPLES_FILE, allow_pickle=False)
    return [held[row.stage][row.place] if row.stage in held else None for row in sweep.rows]
