"""What ``cosinter react`` prints for people: tables that fit 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.workflows.commands.react_options import LEAST_PROBABILITY, describe_atmosphere
from cosinter.workflows.reactions import strongest_kink, telling_kinks

MOST_TIES = 6
#: Products with a smaller share of the atoms are not shown to people.
LEAST_SHARE = 1e-4
_BASES = ("mole", "mass", "volume")
_NARROWEST = 20


class Listing:
    """A table whose last column is a list of items, broken between items and never inside one."""

    def __init__(self, title: str, headings: Sequence[str], items: str) -> None:
        self.title, self.headings, self.items = title, headings, items
        self.rows: list[tuple[Sequence[str], Sequence[str], str]] = []

    def add(self, cells: Sequence[str], items: Sequence[str], style: str = "") -> None:
        """Add a row; items already end with what separates them."""
        self.rows.append((cells, items, style))

    def print(self, console: Any) -> None:
        """Draw the table as wide as the console."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(
            title=self.title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
        )
        left = console.width
        for i, heading in enumerate(self.headings):
            table.add_column(heading, justify="right", no_wrap=True)
            lines = [line for cells, _, _ in self.rows for line in cells[i].splitlines()]
            left -= 2 + max(len(text) for text in (heading, *lines))
        table.add_column(self.items, overflow="fold")
        for cells, items, style in self.rows:
            table.add_row(*cells, _packed(items, max(left - 2, _NARROWEST)), style=style)
        console.print(table)


def _packed(items: Iterable[str], width: int) -> str:
    lines = [""]
    for item in items:
        if lines[-1] and len(lines[-1]) + len(item) + 1 > width:
            lines.append("")
        lines[-1] += f" {item}" if lines[-1] else item
    return "\n".join(lines)


def print_reaction(console: Any, content: Mapping[str, Any]) -> None:
    """Print the answer for one temperature or for a range."""
    lines = content.get("temperatures", [content])
    if "temperatures" in content:
        _print_range(console, content)
    else:
        _print_line(console, content)
        if "uncertainty" in content:
            _print_uncertainty(console, content["uncertainty"])
    for line in lines:
        for curve in line.get("titration", ()):
            _print_titration(console, curve, f"{line['temperature_C']:g} °C")
    if "onset" in content:
        console.print(_onset_sentence(content["onset"]), markup=False, highlight=False)
        for warning in _onset_warnings(content["onset"]):
            _note(console, f"onset: {warning}")
    for warning in content["warnings"]:
        _note(console, warning)


def _note(console: Any, text: str) -> None:
    console.print(f"note: {text}", markup=False, highlight=False, style="yellow")


def _legend(console: Any, text: str) -> None:
    console.print(text, markup=False, highlight=False, style="dim")


def _number(value: float, digits: int) -> str:
    """Format without the minus of a rounded zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _title(content: Mapping[str, Any], where: str) -> str:
    first, second = content["reactants"]
    return f"x {first} + (1-x) {second}\n{where}, {describe_atmosphere(content['atmosphere'])}"


def _told(products: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Products that hold at least ``LEAST_SHARE`` of all atoms."""
    listed = list(products)
    atoms = [abs(p["mol"]) * sum(parse_formula(p["formula"]).values()) for p in listed]
    return [p for p, count in zip(listed, atoms, strict=True) if count >= LEAST_SHARE * sum(atoms)]


def _products(products: Iterable[Mapping[str, Any]]) -> list[str]:
    """One item per product with its sign in front; gases taken up stand with a minus."""
    items = [f"{'-' if p['mol'] < 0.0 else '+'} {abs(p['mol']):.3g} {p['phase']}" for p in products]
    return [items[0].removeprefix("+ "), *items[1:]] if items else []


def _print_line(console: Any, content: Mapping[str, Any]) -> None:
    listing = Listing(
        _title(content, f"{content['temperature_C']:g} °C"),
        ("x mole", "mass", "vol.", "dG kJ/mol", "meV/atom"),
        "products (mol)",
    )
    strongest = strongest_kink(content["kinks"])
    kinks = _apart(telling_kinks(content["kinks"]))
    rows = [(kink, "bold" if kink is strongest else "") for kink in kinks]
    rows += [(content["point"], "cyan")] if "point" in content else []
    for row, style in rows:
        shares = [row["fraction"][basis] for basis in _BASES]
        energy, spread = row["dG"], row["uncertainty"]["kJ_per_mol"]
        cells = [
            *("-" if share is None else _number(share, 3) for share in shares),
            f"{_number(energy['kJ_per_mol'], 1)}±{spread:.0f}",
            _number(energy["meV_per_atom"], 1),
        ]
        listing.add(cells, _products(_told(row["products"])), style)
    listing.print(console)
    if len(kinks) < len(content["kinks"]):
        _legend(
            console, f"{len(kinks)} of {len(content['kinks'])} ratios: where products change; all in --json"
        )
    asked = "; cyan: the ratio asked for" if "point" in content else ""
    _legend(
        console, f"bold: lowest dG per atom{asked}; ±: one standard uncertainty; gases with - are taken up"
    )
    shown = content.get("point", strongest)
    named = [f"{p['phase']} {p['formula']}" for p in shown["products"] if p["phase"] in content["solutions"]]
    if named:
        _legend(console, f"at x = {_number(shown['fraction']['mole'], 3)}: {', '.join(named)}")
    _print_ties(console, content["ties"], shown["fraction"]["mole"])


def _apart(kinks: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """One kink, that of lowest dG per atom, for every x that prints alike."""
    alike: dict[str, list[Mapping[str, Any]]] = {}
    for kink in kinks:
        alike.setdefault(_number(kink["fraction"]["mole"], 3), []).append(kink)
    return [strongest_kink(group) for group in alike.values()]


def _print_ties(console: Any, ties: Iterable[Mapping[str, Any]], mole: float) -> None:
    found = [other for tie in ties if tie["mole"] == mole for other in tie["alternatives"]]
    if not found:
        return
    listing = Listing(
        f"ties within 10 meV/atom at x = {mole:.3f}", ("meV/atom", "without"), "what forms instead (mol)"
    )
    for other in found[:MOST_TIES]:
        listing.add(
            (_number(other["meV_per_atom"], 2), other["without"]), _products(_told(other["products"]))
        )
    listing.print(console)
    if len(found) > MOST_TIES:
        _legend(console, f"and {len(found) - MOST_TIES} more, see --json")


def _print_range(console: Any, content: Mapping[str, Any]) -> None:
    lines = content["temperatures"]
    low, high = lines[0]["temperature_C"], lines[-1]["temperature_C"]
    sampled, asked = "uncertainty" in lines[0], "point" in lines[0]
    headings = ("°C", "x mole", "meV/atom", *(("5 to 95 %",) if sampled else ()))
    listing = Listing(_title(content, f"{low:g} to {high:g} °C"), headings, "products (mol)")
    for line in lines:
        kinks = [line["point"]] if asked else line["kinks"]
        row = min(kinks, key=lambda kink: float(kink["dG"]["meV_per_atom"]))
        cells = [
            f"{line['temperature_C']:g}",
            _number(row["fraction"]["mole"], 3),
            _number(row["dG"]["meV_per_atom"], 1),
        ]
        if sampled:
            cells.append(_sampled(line["uncertainty"], row["fraction"]["mole"]))
        listing.add(cells, _products(_told(row["products"])))
    listing.print(console)
    which = "at the ratio asked for" if asked else "at the ratio of lowest dG per atom"
    _legend(console, f"{which}; every kink is in --json")
    if sampled:
        _print_range_probabilities(console, lines, asked=asked)


def _print_range_probabilities(console: Any, lines: Sequence[Mapping[str, Any]], *, asked: bool) -> None:
    samples = lines[0]["uncertainty"]["samples"]
    listing = Listing(f"{samples} samples of the phases' errors", ("°C", "x mole"), "probability of products")
    for line in lines:
        found = line["uncertainty"]["strongest"]
        where = _between(found["mole"], 3)
        if asked:
            mole = line["point"]["fraction"]["mole"]
            found, where = _nearest(line["uncertainty"], mole), _number(mole, 3)
        listing.add((f"{line['temperature_C']:g}", where), _probabilities(found["products"]))
    listing.print(console)
    if not asked:
        _legend(console, "each sample at its own strongest ratio: 5 to 95 % of x")


def _nearest(uncertainty: Mapping[str, Any], mole: float) -> Mapping[str, Any]:
    """The sampled ratio next to ``mole``."""
    found: Mapping[str, Any] = min(uncertainty["ratios"], key=lambda ratio: abs(float(ratio["mole"]) - mole))
    return found


def _sampled(uncertainty: Mapping[str, Any], mole: float) -> str:
    return _between(_nearest(uncertainty, mole)["dG_meV_per_atom"], 0)


def _between(values: Mapping[str, float], digits: int) -> str:
    return f"{_number(values['p5'], digits)} to {_number(values['p95'], digits)}"


def _print_uncertainty(console: Any, uncertainty: Mapping[str, Any]) -> None:
    listing = Listing(
        f"{uncertainty['samples']} samples of the phases' errors, 5 to 95 %",
        ("x mole", "dG meV/atom", "mu_Li2O kJ/mol"),
        "probability of products",
    )
    strongest = uncertainty["strongest"]
    cells = [_between(strongest["mole"], 3), _between(strongest["dG_meV_per_atom"], 0), "-"]
    listing.add(cells, _probabilities(strongest["products"]), "bold")
    for ratio in uncertainty["ratios"]:
        mu = ratio["mu_Li2O_kJ_per_mol"]
        sides = [] if mu is None else [_between(mu[side], 0) for side in ("below", "above")]
        cells = [
            _number(ratio["mole"], 3),
            _between(ratio["dG_meV_per_atom"], 0),
            "\n".join(dict.fromkeys(sides)) or "-",
        ]
        listing.add(cells, _probabilities(ratio["products"]))
    listing.print(console)
    _legend(console, "bold: each sample at its own strongest ratio; two lines of mu: just below and above x")


def _probabilities(products: Mapping[str, float]) -> list[str]:
    shown = [(name, share) for name, share in products.items() if share >= LEAST_PROBABILITY]
    return [
        f"{name} {100.0 * share:.0f} %" + ("," if i + 1 < len(shown) else "")
        for i, (name, share) in enumerate(shown)
    ]


def _print_titration(console: Any, curve: Mapping[str, Any], where: str) -> None:
    listing = Listing(
        f"{curve['solid']} + n Li2O at {where}: mu_Li2O relative to Li2O(s)",
        ("n from", "to", "kJ/mol Li2O"),
        "products at the end of the step (mol)",
    )
    for step in curve["steps"]:
        products = [{"phase": name, "mol": mol} for name, mol in step["products_to"].items()]
        cells = [
            _number(step["li2o_from"], 3),
            _number(step["li2o_to"], 3),
            f"{_number(step['mu_kJ_per_mol'], 1)}±{step['uncertainty_kJ_per_mol']:.0f}",
        ]
        listing.add(cells, _products(products))
    listing.print(console)
    _legend(
        console,
        f"beyond the last step: {_number(curve['saturation_mu_kJ_per_mol'], 1)} kJ/mol, Li2O is left over",
    )


def _onset_sentence(onset: Mapping[str, Any]) -> str:
    low, high = onset["range_C"]
    threshold = f"{onset['threshold_meV_per_atom']:g} meV/atom"
    if onset["above_at_start"]:
        text = f"onset: the driving force exceeds {threshold} already at {low:g} °C"
    elif onset["temperature_C"] is None:
        text = f"onset: the driving force stays below {threshold} from {low:g} to {high:g} °C"
    else:
        text = f"onset: the driving force passes {threshold} at {onset['temperature_C']:.1f} °C"
    faded = [crossing["temperature_C"] for crossing in onset["crossings"] if not crossing["rises"]]
    text += "".join(f"; it falls below again at {temperature:.1f} °C" for temperature in faded)
    if "sampled" in onset:
        text += _sampled_onset(onset["sampled"])
    return text


def _onset_warnings(onset: Mapping[str, Any]) -> list[str]:
    """Warnings of the temperatures found; where there is none, of the whole search."""
    told = [warning for crossing in onset["crossings"] for warning in crossing["warnings"]]
    return list(dict.fromkeys(told if onset["crossings"] else onset["warnings"]))


def _sampled_onset(sampled: Mapping[str, Any]) -> str:
    never = f"{100.0 * sampled['probability_never']:.0f} % of {sampled['samples']} samples never"
    if sampled["temperature_C"] is None:
        return f" ({never})"
    return f" (5 to 95 %: {_between(sampled['temperature_C'], 0)} °C; {never})"
