"""The same phases in pymatgen's diagrams, drawn by pymatgen's plotters: closed systems of elements or compounds.

pymatgen's hulls know no gas mixture and no section through a larger system, so these drawings serve where both can
draw: to compare, and for readers who know its style.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scipy.constants import Avogadro, e

from cosinter.data.exceptions import InputError
from cosinter.workflows.diagrams.drawing import Drawing, section_drawing

if TYPE_CHECKING:
    from pymatgen.analysis.phase_diagram import PDEntry
    from pymatgen.analysis.phase_diagram import PhaseDiagram as Hull

    from cosinter.analysis.equilibrium.diagrams import PhaseDiagram
    from cosinter.analysis.thermochemistry.library import PhaseLibrary


def pymatgen_entries(library: PhaseLibrary, elements: Sequence[str], temperature_K: float) -> list[PDEntry]:
    """All phases made of ``elements`` as pymatgen entries at G(T), eV per formula."""
    from pymatgen.analysis.phase_diagram import PDEntry
    from pymatgen.core import Composition

    electronvolt = e * Avogadro
    return [
        PDEntry(
            Composition(dict(phase.composition)),
            float(phase.gibbs(temperature_K)) / electronvolt,
            name=phase.name,
        )
        for phase in library.restricted(elements=elements).phases
    ]


def pymatgen_hull(diagram: PhaseDiagram) -> Hull:
    """pymatgen's phase diagram of the same components and phases.

    Raises
    ------
    InputError
        A gas is open, or the components are no closed system of their own.
    """
    from pymatgen.analysis.phase_diagram import CompoundPhaseDiagram
    from pymatgen.analysis.phase_diagram import PhaseDiagram as ElementDiagram
    from pymatgen.core import Composition

    if diagram.pressures_bar or not diagram.complete or not diagram.whole:
        raise InputError(
            "pymatgen draws only closed systems whose phases all lie on the diagram; use --atmosphere closed or leave "
            "--pymatgen out"
        )
    elements = sorted({element for component in diagram.components for element in component.composition})
    entries = pymatgen_entries(diagram.library, elements, diagram.temperature_K)
    if all(len(component.composition) == 1 for component in diagram.components):
        return ElementDiagram(entries)
    terminals = [Composition(dict(component.composition)) for component in diagram.components]
    return CompoundPhaseDiagram(entries, terminals, normalize_terminal_compositions=True)


def pymatgen_drawing(diagram: PhaseDiagram) -> Drawing:
    """The diagram drawn by pymatgen's PDPlotter; numbers are ours.

    Raises
    ------
    InputError
        See :func:`pymatgen_hull`.
    """
    hull = pymatgen_hull(diagram)

    def image(suffix: str) -> bytes:
        import matplotlib as mpl
        from matplotlib.pyplot import close
        from pymatgen.analysis.phase_diagram import PDPlotter

        buffer = io.BytesIO()
        with mpl.rc_context({"backend": "Agg", "svg.hashsalt": "cosinter"}):
            plotter: Any = PDPlotter(hull, backend="matplotlib", show_unstable=False)
            axes = plotter.get_plot()
            axes.figure.savefig(buffer, format=suffix, dpi=180, bbox_inches="tight")
            close(axes.figure)
        return buffer.getvalue()

    def plotly() -> dict[str, Any]:
        from pymatgen.analysis.phase_diagram import PDPlotter

        plotter: Any = PDPlotter(hull, backend="plotly", show_unstable=0.05)
        spec = json.loads(plotter.get_plot().to_json())
        return {"data": spec["data"], "layout": spec["layout"]}

    ours = section_drawing(diagram)
    return replace(ours, name=f"{ours.name}-pymatgen", image=image, plotly=plotly)
