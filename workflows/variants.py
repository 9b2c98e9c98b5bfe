"""One case of a study, changed in many ways and taken through the furnace in one go."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.workflows.study import Study
from cosinter.workflows.variation import Changes, vary

if TYPE_CHECKING:
    from cosinter.analysis.continuum.batch import Outcomes
    from cosinter.analysis.continuum.ensemble import Draws
    from cosinter.analysis.continuum.inputs import SinterCase
    from cosinter.analysis.parameters import ParameterSet

#: What two parameter sets may differ in and still give the same run.
_PROVENANCE = {
    "source",
    "kind",
    "note",
    "uncertainty",
    "log10_uncertainty",
    "activation_energy_uncertainty",
}


def one_case(study: Study, name: str | None) -> Study:
    """The study with the named case alone; without a name the first case with a compensator, else the first.

    Raises
    ------
    UnknownNameError
        The study has no such case.
    """
    if name is None:
        chosen = next((case for case in study.cases if case.compensator is not None), study.cases[0])
        return study.model_copy(update={"cases": (chosen,)})
    for case in study.cases:
        if case.name == name:
            return study.model_copy(update={"cases": (case,)})
    raise UnknownNameError("case", name, [case.name for case in study.cases])


def read_parameters(path: Path) -> ParameterSet:
    """Read a parameter set from a file the user named.

    Raises
    ------
    InputError
        The file cannot be read or is not a valid parameter set.
    """
    from cosinter.analysis.parameters import ParameterSet

    try:
        return ParameterSet.from_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error


@dataclass(frozen=True)
class Variant:
    """A changed study and the run it asks for."""

    study: Study
    parameters: ParameterSet
    case: SinterCase


@dataclass(eq=False)
class Variants:
    """Runs of a study of one case under changes (see :func:`cosinter.workflows.variation.vary`).

    Parameters
    ----------
    study : with one case
    parameters : used for every variant; where None, each gets those that follow from its cathode, electrolyte,
        oxygen pressure and highest temperature
    workers : processes or threads that run
    cells, tolerance : grid and step control; those of the uncertainty samples where None
    """

    study: Study
    parameters: ParameterSet | None = None
    workers: int = 1
    cells: int | None = None
    tolerance: float | None = None
    _sets: dict[str, ParameterSet] = field(default_factory=dict)
    _prints: dict[str, str] = field(default_factory=dict)

    def of(self, changes: Changes) -> Variant:
        """The study under ``changes``, its parameters and its run.

        Raises
        ------
        UnknownNameError, StudyError
            See :func:`cosinter.workflows.variation.vary`.
        """
        from cosinter.workflows.steps.furnace import SAMPLE_CELLS, sinter_case

        study = vary(self.study, changes)
        data = study.model_dump(mode="json")
        whole = {**data, "case": data["cases"][0]}
        found = self.parameters or self._assembled(study, whole)
        case = sinter_case(whole, found)
        case = replace(case, cells=self.cells or SAMPLE_CELLS, tolerance=self.tolerance or case.tolerance)
        return Variant(study, found, case)

    def _assembled(self, study: Study, whole: dict[str, Any]) -> ParameterSet:
        from cosinter.workflows.sources.libraries import library_inputs
        from cosinter.workflows.steps.furnace import parameter_set

        case = {name: value for name, value in whole["case"].items() if name != "compensator"}
        hottest = max(temperature for _, temperature in study.furnace.knots())
        key = json.dumps(
            [whole["cathode"], whole["electrolyte"], whole["atmosphere"]["O2"], hottest, case], sort_keys=True
        )
        if key not in self._sets:
            library = library_inputs(study.thermodynamics.energies)
            self._sets[key] = parameter_set({**whole, "library": library}, None)
        return self._sets[key]

    def run(
        self, variants: Sequence[Variant], *, progress: Callable[[int, int], None] | None = None
    ) -> Outcomes:
        """Run every variant once; those whose parameters are the same numbers go together."""
        import numpy as np

        from cosinter.analysis.continuum.batch import OUTCOMES, Outcomes, run_cases

        groups: dict[str, list[int]] = {}
        for row, variant in enumerate(variants):
            groups.setdefault(self._numbers(variant.parameters), []).append(row)
        values, done = np.full((len(variants), len(OUTCOMES)), np.nan), 0
        failures: dict[int, str] = {}
        for rows in groups.values():

            def tell(here: int, _: int, before: int = done) -> None:
                if progress is not None:
                    progress(before + here, len(variants))

            found = run_cases(
                variants[rows[0]].parameters,
                [variants[row].case for row in rows],
                workers=self.workers,
                progress=tell,
            )
            values[rows] = found.values
            failures |= {rows[place]: why for place, why in found.failures.items()}
            done += len(rows)
        return Outcomes(OUTCOMES, values, failures)

    def draws(self, variant: Variant, n: int, *, seed: int) -> Draws:
        """``n`` samples of the errors of a variant's parameters: the same for every variant of one seed."""
        from cosinter.analysis.continuum.ensemble import draw

        return draw(variant.parameters, n, seed=seed)

    def samples(self, variant: Variant, draws: Draws) -> Outcomes:
        """Run a variant with every sample of its parameters."""
        from cosinter.analysis.continuum.batch import run_samples

        return run_samples(variant.parameters, variant.case, draws, workers=self.workers)

    def _numbers(self, parameters: ParameterSet) -> str:
        """A digest of what the model sees of a set."""
        key = str(id(parameters))
        if key not in self._prints:
            records = {
                name: record.model_dump(mode="json", exclude=_PROVENANCE)
                for name, record in sorted(parameters.parameters.items())
            }
            text = json.dumps([records, dict(parameters.labels)], sort_keys=True)
            self._prints[key] = hashlib.sha256(text.encode()).hexdigest()
        return self._prints[key]
