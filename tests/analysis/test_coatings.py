"""Barrier films: laws of the table, and what a film outlives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.constants import hour, zero_Celsius

from cosinter.analysis.assembly import transport_records
from cosinter.analysis.coatings import coating_materials, coating_records
from cosinter.data.exceptions import UnknownNameError


@pytest.mark.parametrize("material", coating_materials())
def test_every_film_has_both_laws_with_a_source_and_a_width(material):
    records = coating_records(material)
    assert {name: record.unit for name, record in records.items()} == {
        "coating.conductivity": "S/m",
        "coating.breakdown": "1/s",
    }
    for record in records.values():
        assert record.kind == "assumed"
        assert len(record.source) > 50
        assert material in record.note
        assert record.log10_uncertainty >= 1.0
        assert record.activation_energy_uncertainty > 0.0


def test_the_default_comes_first_and_is_what_no_name_gives():
    assert coating_records() == coating_records(coating_materials()[0])


def test_niobate_keeps_through_an_hour_at_400_degrees_and_not_at_450():
    """Annealed films were amorphous at 400 and crystalline at 450 C (Niinomi 2016)."""
    rate = coating_records("LiNbO3")["coating.breakdown"]
    left = np.exp(-hour * rate(np.array([400.0, 425.0, 450.0]) + zero_Celsius))
    assert left[0] > 0.85
    assert left[1] == pytest.approx(0.5, abs=0.01)
    assert left[2] < 0.1


def test_an_unknown_material_names_those_there_are():
    with pytest.raises(UnknownNameError, match="LiNbO3"):
        coating_records("unobtainium")


def test_lithium_along_grain_boundaries_is_faster_and_less_activated_than_through_the_grain():
    records = transport_records()
    boundary = records["cathode.grain_boundary.lithium_diffusivity"]
    lattice = records["cathode.layered.lithium_diffusivity"]
    assert boundary.activation_energy / lattice.activation_energy == pytest.approx(180.0 / 227.0, rel=0.01)
    assert boundary(973.15) > lattice(973.15)
