"""Cost of an interlayer: sums, order of the parts, refusals."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from cosinter.analysis.atoms.interlayer import interlayer_cost
from cosinter.data.exceptions import InputError


def interface(film: str, substrate: str, energy: float, model: str = "pmmcs") -> Any:
    return SimpleNamespace(
        film=film, substrate=substrate, interface_energy_J_per_m2=energy, calculator={"model": model}
    )


def test_interlayer_cost() -> None:
    """0.5 + 0.7 - 0.9 J/m2, whichever part was the film; a layer equal to the sum of its ends costs nothing."""
    ncm, latp, titanate = "LiNi0.8Co0.1Mn0.1O2", "Li1.3Al0.3Ti1.7(PO4)3", "Li2TiO3"
    found = interlayer_cost(
        interface("LiNi0.75Co0.125Mn0.125O2", titanate, 0.5),
        interface(latp, titanate, 0.7),
        interface(ncm, latp, 0.9),
        uncertainties_J_per_m2=(0.3, 0.4, 1.2),
    )
    assert found.cost_J_per_m2 == pytest.approx(0.3)
    assert found.uncertainty_J_per_m2 == pytest.approx(1.3)
    assert (found.layer, found.substrate) == (titanate, latp)
    json.dumps(found.to_dict())
    none = interlayer_cost(
        interface(ncm, titanate, 0.5), interface(titanate, latp, 0.7), interface(ncm, latp, 1.2)
    )
    assert none.cost_J_per_m2 == pytest.approx(0.0)
    assert none.uncertainty_J_per_m2 is None


def test_interlayer_mistakes() -> None:
    a, b, c = (
        interface("LiNiO2", "Li2TiO3", 0.5),
        interface("Li2TiO3", "LiTi2(PO4)3", 0.5),
        interface("LiNiO2", "LiTi2(PO4)3", 0.5),
    )
    with pytest.raises(InputError, match="are not film"):
        interlayer_cost(a, b, a)
    with pytest.raises(InputError, match="one calculator"):
        interlayer_cost(a, b, interface("LiNiO2", "LiTi2(PO4)3", 0.5, "chgnet"))
    with pytest.raises(InputError, match="zero or positive"):
        interlayer_cost(a, b, c, uncertainties_J_per_m2=(0.1, -0.1, 0.1))
