"""Render the report: one self-contained HTML file, verdict first.

All text of :class:`~cosinter.workflows.report.content.ReportContent` is data and escaped; the file loads nothing from
anywhere (its content security policy forbids it), the only outgoing links are citations.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from cosinter.data.exceptions import DataError
from cosinter.workflows.report import text as report_text
from cosinter.workflows.report.content import ReportContent
from cosinter.workflows.report.drawing import plotly_spec
from cosinter.workflows.report.figures import case_colours, figures
from cosinter.workflows.report.thermodynamics import SceneFigure

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Section:
    """A part of the report: anchor and heading."""

    anchor: str
    title: str


_SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("published", "Beside the published figures", ("published",)),
    ("structures", "Structures", ("structures",)),
    ("interfaces", "Interfaces", ("interfaces",)),
    ("barriers", "Barriers", ("barriers",)),
    ("phonons", "Vibrations", ("phonons",)),
    ("reactions", "Reactions", ("reactions", "scenes")),
    ("ladder", "The lithium ladder", ("ladder",)),
    ("sintering", "Through the furnace", ("sinter",)),
    ("lithium", "Where the lithium goes", ("sinter",)),
    ("tornado", "What to measure next", ("tornado",)),
    ("charts", "Windows and sweeps", ("charts",)),
    ("cell", "Against lithium", ("cells",)),
    ("diffraction", "X-ray diffraction", ("diffraction",)),
    ("balance", "Balance", ("balances",)),
    ("limits", "Warnings and limits", ("warnings", "limitations")),
    ("parameters", "Parameters", ("parameters",)),
    ("study", "The study", ("study",)),
    ("run", "The run", ("manifest", "versions", "files")),
)


def render_report(content: ReportContent) -> str:
    """Render ``content`` as one HTML document that needs no other file and no network.

    Raises
    ------
    DataError
        The templates of the package are missing or damaged.
    """
    from jinja2 import TemplateError
    from plotly.offline import get_plotlyjs

    drawn = figures(content) if _has_figures(content) else ()
    specs = {
        figure.name: figure.plotly() if isinstance(figure, SceneFigure) else plotly_spec(figure)
        for figure in drawn
    }
    try:
        return (
            environment()
            .get_template("report.html.j2")
            .render(
                content=content,
                sections=report_sections(content),
                figures=drawn,
                colours=case_colours(content.cases),
                specs=_script_json(specs),
                plotly=Markup(get_plotlyjs()) if specs else "",
                style=Markup(template_text("report.css")),
                script=Markup(template_text("report.js")),
                parameter_names=frozenset(row.name for row in content.parameters),
            )
        )
    except TemplateError as error:
        raise DataError(f"the report template is damaged ({error}); reinstall cosinter to mend it") from error


def report_sections(content: ReportContent) -> tuple[Section, ...]:
    """List the sections that have something to show, in order."""
    return tuple(
        Section(anchor, title)
        for anchor, title, fields in _SECTIONS
        if any(getattr(content, field) for field in fields) and _shown(anchor, content)
    )


def _shown(anchor: str, content: ReportContent) -> bool:
    return anchor != "lithium" or any(run.inventories or run.gas for run in content.sinter)


def _has_figures(content: ReportContent) -> bool:
    drawn = (
        "barriers",
        "phonons",
        "reactions",
        "ladder",
        "scenes",
        "sinter",
        "charts",
        "cells",
        "diffraction",
    )
    return any(getattr(content, field) for field in drawn)


@cache
def template_text(name: str) -> str:
    """Text of a template of the package."""
    try:
        return files("cosinter.workflows.report").joinpath("templates", name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"template {name} cannot be read ({error}); reinstall cosinter to mend it") from error


@cache
def environment() -> Environment:
    """Jinja2 with the templates and filters of the report; everything is escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(template_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": report_text.format_number,
        "interval": report_text.interval_text,
        "cite": report_text.linked_citation,
        "formula": report_text.formula_markup,
        "flat": report_text.flattened,
        "anchor": report_text.parameter_anchor,
        "phase_rows": report_text.phase_rows,
        "products": report_text.products_markup,
        "share": report_text.bar_percent,
        "signed": report_text.signed_number,
        "duration": report_text.duration_text,
        "plain": report_text.plain_number,
        "percent": report_text.weight_percent,
        "common": report_text.common_temperatures,
    }
    return environment


def _script_json(value: Any) -> Markup:
    """JSON that is safe inside a script element."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
