"""Render the report: one self-contained HTML file, verdict first.

All text of :class:`~cosinter.workflows.report_content.ReportContent` is data and escaped; the file loads nothing from
anywhere (its content security policy forbids it), the only outgoing links are citations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from cosinter.data.exceptions import DataError
from cosinter.workflows.report_content import Headline, Kink, Number, ReportContent, format_number
from cosinter.workflows.report_drawing import plotly_spec
from cosinter.workflows.report_figures import case_colours, figures

if TYPE_CHECKING:
    from jinja2 import Environment

_DOI = re.compile(
    r"(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?\b(10\.\d{4,9}/[^\s\"<>,;|]*[^\s\"<>,;|.)\]}'’:])",
    re.IGNORECASE,
)
_SUBSCRIPT = re.compile(r"(?<=[A-Za-z)\]])(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Section:
    """A part of the report: anchor and heading."""

    anchor: str
    title: str


_SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("published", "Beside the published figures", ("published",)),
    ("sintering", "Through the furnace", ("sinter",)),
    ("lithium", "Where the lithium goes", ("sinter",)),
    ("charts", "Windows and sweeps", ("charts",)),
    ("diffraction", "X-ray diffraction", ("diffraction",)),
    ("reactions", "Reactions", ("reactions",)),
    ("ladder", "The lithium ladder", ("ladder",)),
    ("structures", "Structures", ("structures",)),
    ("interfaces", "Interfaces", ("interfaces",)),
    ("barriers", "Barriers", ("barriers",)),
    ("phonons", "Vibrations", ("phonons",)),
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
    specs = {figure.name: plotly_spec(figure) for figure in drawn}
    try:
        return (
            _environment()
            .get_template("report.html.j2")
            .render(
                content=content,
                sections=report_sections(content),
                figures=drawn,
                colours=case_colours(content.cases),
                specs=_script_json(specs),
                plotly=Markup(get_plotlyjs()) if specs else "",
                style=Markup(_template_text("report.css")),
                script=Markup(_template_text("report.js")),
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
    drawn = ("barriers", "phonons", "reactions", "ladder", "sinter", "charts", "diffraction")
    return any(getattr(content, field) for field in drawn)


@cache
def _template_text(name: str) -> str:
    try:
        return files("cosinter.workflows").joinpath("templates", name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"template {name} cannot be read ({error}); reinstall cosinter to mend it") from error


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_template_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": format_number,
        "interval": interval_text,
        "cite": linked_citation,
        "formula": formula_markup,
        "flat": flattened,
        "anchor": parameter_anchor,
        "products": products_markup,
        "share": bar_percent,
        "signed": signed_number,
        "duration": duration_text,
    }
    return environment


def _script_json(value: Any) -> Markup:
    """JSON that is safe inside a script element."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def interval_text(number: Number) -> str:
    """'low – high' of a number, empty if it has no interval."""
    if number.low is None or number.high is None:
        return ""
    return f"{format_number(number.low, number.digits)} – {format_number(number.high, number.digits)}"


def signed_number(value: float | None, digits: int = 2) -> str:
    """A number with its sign, as '+1.2' or '−0.35'."""
    text = format_number(value, digits)
    return f"+{text}" if value is not None and value > 0.0 else text


def duration_text(seconds: float) -> str:
    """'12 ms', '3.4 s', '5 min 12 s' or '2 h 5 min'."""
    if seconds < 0.9995:
        return f"{1e3 * seconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def linked_citation(text: str) -> Markup:
    """Escape a citation and turn each DOI in it into a link."""
    parts, end = [], 0
    for match in _DOI.finditer(text):
        doi = match[1]
        target = re.sub(r"[^A-Za-z0-9./()_:;-]", lambda letter: f"%{ord(letter[0]) & 0xFF:02X}", doi)
        parts.append(escape(text[end : match.start()]))
        parts.append(
            Markup('<a href="https://doi.org/{}" rel="external noopener">{}</a>').format(target, doi)
        )
        end = match.end()
    parts.append(escape(text[end:]))
    return Markup("").join(parts)


def formula_markup(text: str) -> Markup:
    """Escape a chemical formula and lower its numbers: Li2TiO3 with small 2 and 3."""
    return Markup(_SUBSCRIPT.sub(r"<sub>\1</sub>", str(escape(text))))


def products_markup(kink: Kink) -> Markup:
    """'0.50 Li3PO4 + 0.25 TiO2' with lowered numbers."""
    terms = [
        Markup("{} {}").format(
            format_number(product.mol, 3), formula_markup(product.formula or product.phase)
        )
        for product in kink.products
    ]
    return Markup(" + ").join(terms) if terms else Markup("unchanged")


def flattened(tree: Mapping[str, Any] | Sequence[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Walk nested data as ('furnace.segments[0].hold', '2 h') pairs."""
    items: Iterator[tuple[str, Any]]
    if isinstance(tree, Mapping):
        items = ((f"{prefix}.{key}" if prefix else str(key), value) for key, value in tree.items())
    else:
        items = ((f"{prefix}[{place}]", value) for place, value in enumerate(tree))
    for path, value in items:
        if isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str)):
            yield from flattened(value, path)
        else:
            yield path, "–" if value is None else str(value)


def parameter_anchor(name: str) -> str:
    """Anchor of a parameter: its name, with anything unusual spelled as hex, so that names never collide."""
    spelled = re.sub(r"[^A-Za-z0-9._-]", lambda letter: f"~{ord(letter[0]):x}~", name)
    return f"parameter-{spelled}"


def bar_percent(number: Number, headline: Headline) -> float:
    """Length of the bar of a headline number, percent of the longest one (0 to 100)."""
    values = [abs(other.value) for other in headline.values.values() if other.value is not None]
    longest = max(values, default=0.0)
    if number.value is None or longest == 0.0:
        return 0.0
    return round(100.0 * abs(number.value) / longest, 1)
