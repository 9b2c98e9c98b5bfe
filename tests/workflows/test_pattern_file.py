"""Measured patterns in the forms that diffractometers export, and files that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cosinter.data.exceptions import InputError
from cosinter.workflows.pattern_file import pattern_text, read_pattern

ANGLES = np.round(np.arange(10.0, 20.0, 0.25), 4)
COUNTS = np.arange(len(ANGLES), dtype=float) * 3.0 + 7.0
XRDML = """<?xml version="1.0" encoding="UTF-8"?>
<xrdMeasurements xmlns="http://www.xrdml.com/XRDMeasurement/2.1"><xrdMeasurement><scan><dataPoints>
<positions axis="2Theta" unit="deg">{angles}</positions>
<positions axis="Omega" unit="deg"><startPosition>5</startPosition><endPosition>10</endPosition></positions>
{factors}<counts unit="counts">{counts}</counts></dataPoints></scan></xrdMeasurement></xrdMeasurements>
"""
ENDS = f"<startPosition>{ANGLES[0]}</startPosition><endPosition>{ANGLES[-1]}</endPosition>"


def words(values: np.ndarray) -> str:
    return " ".join(f"{value:g}" for value in values)


def columns(separator: str) -> str:
    return "\n".join(f"{a:g}{separator}{c:g}" for a, c in zip(ANGLES, COUNTS, strict=True)) + "\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.xy", columns(" ")),
        ("a.xy", pattern_text(ANGLES, COUNTS, ["from here\nand there"])),
        ("a.csv", "angle,counts\n" + columns(",")),
        ("a.csv", "\ufeff2theta;I\r\n" + columns(";").replace("\n", "\r\n")),
        ("a.dat", "! comment\n' more\n" + columns("\t")),
        ("a.xye", columns(" ").replace("\n", " 1.5\n")),
        ("a.ras", "*RAS_DATA_START\n*RAS_INT_START\n" + columns(" ").replace("\n", " 1.0\n") + "*RAS_INT_END\n"),
        ("a.uxd", "; UXD\n_DRIVE='COUPLED'\n" + columns("     ")),
        ("a.xrdml", XRDML.format(angles=ENDS, counts=words(COUNTS), factors="")),
        ("a.XRDML", XRDML.format(
            angles=f"<listPositions>{words(ANGLES)}</listPositions>", counts=words(COUNTS / 2.0),
            factors=f"<beamAttenuationFactors>{words(np.full_like(COUNTS, 2.0))}</beamAttenuationFactors>",
        )),
    ],
)  # fmt: skip
def test_every_form_gives_the_same_pattern(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    angles, counts = read_pattern(path)
    np.testing.assert_allclose(angles, ANGLES, atol=1e-6)
    np.testing.assert_allclose(counts, COUNTS, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.raw", b"RAW4.00\x00\x00\x01" * 20, "binary"),
        ("a.xy", b"", "no lines"),
        ("a.xy", b"only words\nhere\n", "no lines"),
        ("a.xy", b"10 1\n11 2\n", "at least 20"),
        ("a.xy", columns(" ").encode() + b"25 lost\n", "line 41"),
        ("a.xy", columns(" ").encode() + b"9 1\n", "must ascend"),
        ("a.xy", columns(" ").encode() + b"30 nan\n", "not finite"),
        ("a.xrdml", b"<a>", "no XRDML"),
        ("a.xrdml", b"<a/>", "no scan"),
        ("a.xrdml", b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "entities"),
        ("a.xrdml", XRDML.format(angles=ENDS, counts="1 2 x", factors="").encode(), "no numbers"),
        ("a.xrdml", XRDML.format(angles="", counts="1 2 3", factors="").encode(), "no start and end"),
        (
            "a.xrdml",
            XRDML.format(angles="<listPositions>1 2</listPositions>", counts="1 2 3", factors="").encode(),
            "3 counts for 2 angles",
        ),
    ],
)
def test_what_is_no_pattern_is_told(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_pattern(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_pattern(tmp_path / "none.xy")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400), ending=st.sampled_from(["xy", "xrdml", "ras"]))
def test_any_bytes_are_a_pattern_or_one_sentence(tmp_path: Path, content: bytes, ending: str) -> None:
    path = tmp_path / f"any.{ending}"
    path.write_bytes(content)
    try:
        angles, counts = read_pattern(path)
    except InputError as error:
        assert "\n" not in str(error).strip()
    else:
        assert len(angles) == len(counts) >= 20
