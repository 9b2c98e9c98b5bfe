"""The last step: report, figures, parameter table and exports of everything that was computed."""

from __future__ import annotations

from typing import Any

from cosinter.workflows.execution import Task
from cosinter.workflows.results import storage_errors


def report(task: Task) -> dict[str, Any]:
    """Write report.html, summary.json, parameters.json, parameters.csv, bpx/, pybamm/ and figures/."""
    from cosinter.workflows.exporting import ALWAYS, export_files
    from cosinter.workflows.report.collect import Collected, make_content
    from cosinter.workflows.report.figures import write_figures
    from cosinter.workflows.report.page import render_report
    from cosinter.workflows.study import Study

    found = Collected(Study.model_validate(task.inputs["study"]), task.upstream)
    content = make_content(found)
    files = export_files(found, ALWAYS)
    with storage_errors(task.folder):
        for name, text in {
            "report.html": render_report(content),
            "summary.json": summary_json(content),
            **files,
        }.items():
            path = task.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        write_figures(content, task.folder / "figures")
    return {"verdict": content.verdict.model_dump(), "files": sorted(files)}


def summary_json(content: Any) -> str:
    """Verdict, headline numbers and published comparison as JSON."""
    return str(
        content.model_dump_json(
            include={"study_name", "verdict", "headlines", "published", "balances"}, indent=1
        )
    )
