"""What a solution needs that a library lacks."""

from __future__ import annotations

import pytest

from cosinter.analysis.equilibrium.components import find_component
from cosinter.analysis.thermochemistry.library import load_library
from cosinter.analysis.thermochemistry.missing_members import check_members, missing_phases
from cosinter.analysis.thermochemistry.sources import make_library
from cosinter.data.exceptions import InputError, UnknownNameError


def test_a_whole_library_lacks_nothing() -> None:
    for name in ("ncm811", "latp", "LiNi0.5Co0.5O2", "TiO2", "Li2O"):
        assert missing_phases(name, load_library()) == ()


def test_only_what_the_composition_needs_counts() -> None:
    measured = make_library(["measured"])
    assert {phase.name for phase in missing_phases("ncm811", measured)} == {"LiNiO2", "LiCoO2", "Li2MnO3"}
    assert {phase.name for phase in missing_phases("LiNi0.5Co0.5O2", measured)} == {"LiNiO2", "LiCoO2"}
    assert missing_phases("TiO2", measured) == ()


def test_the_sentence_names_the_source() -> None:
    measured = make_library(["measured"])
    with pytest.raises(InputError, match=r"ncm811 is made of .*LiNiO2.*; add the source chgnet"):
        find_component("ncm811", measured, temperature_K=973.15)
    check_members("unobtainium", measured)  # what is wrong there is told elsewhere
    with pytest.raises(UnknownNameError):
        missing_phases("unobtainium", measured)
