"""Text of the report: numbers, formulas, citations and anchors as safe markup."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from cosinter.workflows.report.content import Headline, Kink, LadderRow, Number, PhaseRow, ReactionTable

_DOI = re.compile(
    r"(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?\b(10\.\d{4,9}/[^\s\"<>,;|]*[^\s\"<>,;|.)\]}'’:])",
    re.IGNORECASE,
)
_ELEMENTS = (
    "Ac|Ag|Al|Ar|As|Au|Ba|Be|Bi|Br|Ca|Cd|Ce|Cl|Co|Cr|Cs|Cu|Dy|Er|Eu|Fe|Ga|Gd|Ge|He|Hf|Hg|Ho|In|Ir|Kr|La|Li|Lu|Mg|Mn|Mo|"
    "Na|Nb|Nd|Ne|Ni|Os|Pb|Pd|Pr|Pt|Rb|Re|Rh|Ru|Sb|Sc|Se|Si|Sm|Sn|Sr|Ta|Tb|Te|Th|Ti|Tl|Tm|Xe|Yb|Zn|Zr|"
    "B|C|F|H|I|K|N|O|P|S|U|V|W|Y"
)
# a whole word of element symbols, amounts and brackets: TiO2 and Li3PO4 are one, NCM811 and M1 are not
_FORMULA = re.compile(rf"(?<![A-Za-z0-9(])(?:(?:{_ELEMENTS}|\(|\)|\d+(?:\.\d+)?)+)(?![A-Za-z0-9])")
_AMOUNT = re.compile(r"(?<=[A-Za-z)])(\d+(?:\.\d+)?)")

#: Share of the larger end of an interval below which the other end is round-off.
NOTHING = 1e-9


def format_number(value: float | None, digits: int = 3) -> str:
    """Write ``value`` with ``digits`` significant digits, e.g. 1234.5 -> '1230', 2.1e-15 -> '2.1×10⁻¹⁵'.

    None becomes an en dash. Fixed notation between 1e-3 and 1e5, powers of ten outside.
    """
    if value is None:
        return "–"
    if value == 0.0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -3 <= exponent < 5:
        rounded = float(f"{value:.{digits - 1}e}")
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
        return f"{rounded:.{decimals}f}".replace("-", "−")
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}×10{raised}".replace("-", "−")


def interval_text(number: Number) -> str:
    """'low – high' of a number, empty if it has no interval; what is nothing beside the other end is written 0."""
    if number.low is None or number.high is None:
        return ""
    nothing = NOTHING * max(abs(number.low), abs(number.high))
    ends = (0.0 if abs(end) < nothing else end for end in (number.low, number.high))
    return " – ".join(format_number(end, number.digits) for end in ends)


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
    """Escape text and lower the amounts in its chemical formulas: Li2TiO3 with small 2 and 3, NCM811 as it is."""
    escaped = str(escape(text))
    return Markup(_FORMULA.sub(lambda word: _AMOUNT.sub(r"<sub>\1</sub>", word[0]), escaped))


def plain_number(value: float) -> str:
    """A number without needless zeros: 700, 2.5."""
    return f"{value:g}".replace("-", "−")


def weight_percent(value: float) -> str:
    """Percent to one decimal, '<0.1' below that."""
    return f"{value:.1f}" if value >= 0.05 else "<0.1"


def common_temperatures(rows: Sequence[LadderRow]) -> tuple[float, ...]:
    """The temperatures of all rows if they agree (columns of a table), else none."""
    first = rows[0].temperature_C if rows else ()
    return first if len(first) <= 6 and all(row.temperature_C == first for row in rows) else ()


def phase_rows(tables: Iterable[ReactionTable]) -> tuple[PhaseRow, ...]:
    """The phases of all reactions, each once, in the order of their names."""
    rows = {row.phase: row for table in tables for row in table.phases}
    return tuple(rows[name] for name in sorted(rows, key=str.lower))


def products_markup(kink: Kink) -> Markup:
    """'0.50 Li3PO4 + 0.25 rock salt Ni0.9Co0.1O − 0.14 CO2' with lowered numbers; what is taken up is subtracted.

    A solution has its name and its composition.
    """
    text = Markup("")
    for product in kink.products:
        formula = product.formula or product.phase
        solution = product.phase not in ("", formula) and not {"_", "("} & set(product.phase)
        name = f"{product.phase} {formula}" if solution else formula
        sign = "−" if product.mol < 0.0 else "+" if text else ""
        text += f" {sign} " if text else sign
        text += Markup("{} {}").format(f"{abs(product.mol):.3g}", formula_markup(name))
    return text or Markup("unchanged")


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
