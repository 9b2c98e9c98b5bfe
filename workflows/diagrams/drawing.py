"""Draw any diagram into a file: PNG, SVG or PDF on paper, HTML to turn and point at, CSV and JSON of its data.

The ending of the file's name decides. The HTML needs no other file and no network.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosinter.data.exceptions import InputError
from cosinter.workflows.diagrams.scene import Scene

if TYPE_CHECKING:
    from cosinter.analysis.equilibrium.diagrams import PhaseDiagram
    from cosinter.analysis.equilibrium.potential_diagrams import PotentialDiagram
    from cosinter.workflows.report.figures import Figure

IMAGES = ("png", "svg", "pdf")
SUFFIXES = (*IMAGES, "html", "csv", "json")


@dataclass(frozen=True)
class Drawing:
    """A diagram that can be written in every form.

    Attributes
    ----------
    name, title, caption : for files and pages
    image : "png", "svg" or "pdf" -> bytes
    plotly : -> {"data", "layout"}
    csv : -> text
    data : the numbers behind it, JSON-able
    """

    name: str
    title: str
    caption: str
    image: Callable[[str], bytes]
    plotly: Callable[[], dict[str, Any]]
    csv: Callable[[], str]
    data: Mapping[str, Any]

    def content(self, suffix: str) -> bytes:
        """The drawing as a file with that ending (without the dot).

        Raises
        ------
        InputError
            No such form.
        """
        if suffix in IMAGES:
            return self.image(suffix)
        forms: dict[str, Callable[[], str]] = {
            "html": self.page,
            "csv": self.csv,
            "json": lambda: json.dumps(self.data, indent=1, allow_nan=False) + "\n",
        }
        if suffix not in forms:
            known = ", ".join(f".{known}" for known in SUFFIXES)
            raise InputError(f"the ending '.{suffix}' is no form of a drawing; choose one of {known}")
        return forms[suffix]().encode()

    def page(self) -> str:
        """A page of its own."""
        from markupsafe import escape
        from plotly.offline import get_plotlyjs

        spec = json.dumps(self.plotly(), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        safe = spec.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        parts = {
            "title": escape(self.title),
            "caption": escape(self.caption),
            "script": get_plotlyjs(),
            "spec": safe,
        }
        return _PAGE.format(**parts)

    def save(self, path: Path) -> None:
        """Write the drawing in the form that the ending of ``path`` names.

        Raises
        ------
        InputError
            No such form, or the file cannot be written.
        """
        from cosinter.workflows.results import write_atomically

        content = self.content(check_suffix(path))
        try:
            write_atomically(path, content)
        except OSError as error:
            raise InputError(f"cannot write {path} ({error.strerror or error})") from error


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{margin:0 auto;max-width:1180px;padding:12px;font-family:system-ui,sans-serif;color:#23272e}}
p{{max-width:70ch;color:#55585f}}</style></head>
<body><div id="diagram"></div><p>{caption}</p>
<script>{script}</script>
<script type="application/json" id="spec">{spec}</script>
<script>const spec = JSON.parse(document.getElementById("spec").textContent);
Plotly.newPlot("diagram", spec.data, spec.layout, {{responsive: true, displaylogo: false}});</script>
</body></html>
"""


def check_suffix(path: Path) -> str:
    """The form that a file's name asks for.

    Raises
    ------
    InputError
        No such form.
    """
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in SUFFIXES:
        known = ", ".join(f".{known}" for known in SUFFIXES)
        raise InputError(f"{path}: the ending says what is drawn; choose one of {known}")
    return suffix


def check_target(path: Path) -> None:
    """Refuse a file that cannot be written, before anything is computed.

    Raises
    ------
    InputError
        Its ending is no form of a drawing, its folder is missing or closed to writing, or it is a folder.
    """
    check_suffix(path)
    check_writable(path)


def check_writable(path: Path) -> None:
    """Refuse a file whose folder is missing or closed to writing, or that is a folder.

    Raises
    ------
    InputError
        It is one of these.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise InputError(f"cannot write {path} (no such folder)")
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise InputError(f"cannot write {path} ({'it is a folder' if path.is_dir() else 'no write access'})")


def scene_drawing(scene: Scene, data: Mapping[str, Any]) -> Drawing:
    """A scene in every form."""
    from cosinter.workflows.diagrams.render import scene_bytes, scene_csv, scene_plotly

    return Drawing(
        name=scene.name,
        title=scene.title,
        caption=scene.caption,
        image=partial(scene_bytes, scene),
        plotly=partial(scene_plotly, scene),
        csv=partial(scene_csv, scene),
        data=data,
    )


def figure_drawing(figure: Figure, data: Mapping[str, Any]) -> Drawing:
    """A figure of lines in every form."""
    from cosinter.workflows.diagrams.line import page_spec
    from cosinter.workflows.report.drawing import figure_csv, figure_image

    return Drawing(
        name=figure.name,
        title=figure.title,
        caption=figure.caption,
        image=partial(figure_image, figure),
        plotly=partial(page_spec, figure),
        csv=partial(figure_csv, figure),
        data=data,
    )


def section_drawing(diagram: PhaseDiagram, *, basis: str = "mole") -> Drawing:
    """A ternary or quaternary phase diagram.

    Raises
    ------
    InputError
        It has two components: that is a mixing line.
    """
    from dataclasses import replace

    from cosinter.workflows.diagrams.sections import ternary_scene
    from cosinter.workflows.diagrams.solid import quaternary_plotly, quaternary_scene

    count = len(diagram.components)
    if count == 3:
        return scene_drawing(ternary_scene(diagram, basis=basis), diagram.to_dict())
    if count == 4:
        drawn = scene_drawing(quaternary_scene(diagram, basis=basis), diagram.to_dict())
        return replace(drawn, plotly=partial(quaternary_plotly, diagram, basis=basis))
    raise InputError(f"a drawing needs three or four components; got {count}")


def potential_drawing(diagram: PotentialDiagram) -> Drawing:
    """A potential diagram."""
    from cosinter.workflows.diagrams.fields import potential_scene

    return scene_drawing(potential_scene(diagram), diagram.to_dict())


def line_drawing(content: Mapping[str, Any], *, basis: str = "mass") -> Drawing:
    """A mixing line from the data of ``cosinter react --json``."""
    from cosinter.workflows.diagrams.line import line_figure

    return figure_drawing(line_figure(content, basis=basis), content)


def map_drawing(
    content: Mapping[str, Any], *, basis: str = "mass", minor: float | None = None, note: str = ""
) -> Drawing:
    """A product map from ``{"temperatures": [mixing lines]}``."""
    from cosinter.workflows.diagrams.maps import map_scene
    from cosinter.workflows.diagrams.products import MINOR

    scene = map_scene(content, basis=basis, minor=MINOR if minor is None else minor, note=note)
    return scene_drawing(scene, content)


def reaction_line(content: Mapping[str, Any], path: Path) -> None:
    """Draw one mixing line (``cosinter react --json``) into ``path``.

    Raises
    ------
    InputError
        The ending of the name is no form of a drawing, or the file cannot be written.
    """
    check_suffix(path)
    line_drawing(content).save(path)


def reaction_map(content: Mapping[str, Any], path: Path) -> None:
    """Draw the map of a temperature range (``cosinter react --json``) into ``path``.

    Raises
    ------
    InputError
        See :func:`reaction_line`; or there are fewer than two temperatures.
    """
    check_suffix(path)
    map_drawing(content).save(path)
