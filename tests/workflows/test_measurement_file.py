"""Tables of measurements: units, errors, and one sentence for every mistake."""

from __future__ import annotations

import math
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosinter.data.exceptions import InputError
from cosinter.workflows.measurement_file import read_measurements
from cosinter.workflows.study import Study

STUDY = Study.model_validate({"name": "s", "cases": [{"name": "bare"}]})


def file_of(folder: Path, text: str) -> Path:
    path = folder / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_units_are_converted_and_empty_cells_left_out(tmp_path: Path) -> None:
    path = file_of(
        tmp_path,
        "\ufeff# comment\n"
        "sample,case,hold_C [K],hold_h [min],dose [wt%],atmosphere.CO2 [mbar],layered [%],layered_error [%],"
        "interphase [µm],interphase_factor,asr [ohm m2],asr_error [ohm cm2],capacity [Ah/kg],capacity_error\n"
        "a,bare,973.15,90,,0.4,93,2,0.085,1.3,,,180,4\n"
        "\n"
        ",,,,,,,,,,0.01,15,,\n",
    )
    found = read_measurements(path, STUDY)
    assert found.source.sha256 == sha256(path.read_bytes()).hexdigest()
    first, second = found.experiments
    assert (first.sample, first.case, first.line) == ("a", "bare", 3)
    assert first.changes == {
        "furnace.hold_C": "973.15 K",
        "furnace.hold_h": "90.0 min",
        "atmosphere.CO2": "0.4 mbar",
    }
    assert (second.sample, second.case, dict(second.changes)) == ("line 5", None, {})
    layered, layer, capacity, asr = found.measurements
    assert (layered.value, layered.error, layered.logarithmic) == pytest.approx((0.93, 0.02, False))
    assert (layer.outcome, layer.value, layer.error) == ("interphase_nm", pytest.approx(85.0), math.log(1.3))
    assert layer.logarithmic
    assert (capacity.value, capacity.error) == pytest.approx((180.0, 4.0))
    assert (asr.experiment, asr.value, asr.error) == (1, pytest.approx(100.0), pytest.approx(15.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no measurement"),
        ("layered,layered_error\n", "holds no measurement"),
        ("hold_C\n600\n", "holds conditions only"),
        ("layered;layered_error\n0,9;0,1\n", "line 1: cells are separated by semicolons"),
        (
            "layered\n0.9\n",
            "line 1: column layered needs its standard error in layered_error or layered_factor",
        ),
        ("layered,layered_error,layered_factor\n", "holds no measurement"),
        (
            "layered,layered_error,layered_factor\n1,1,2\n",
            "column layered needs its standard error .* one of them",
        ),
        ("layered_error\n0.1\n", "column layered_error has no layered"),
        ("hold_T,layered,layered_error\n6,1,1\n", "line 1: unknown column 'hold_T'; did you mean"),
        ("layered [,layered_error\n1,1\n", r"column 'layered \[' is not a name"),
        ("layered,layered,layered_error\n1,1,1\n", "column layered is there twice"),
        ("layered,layered_error\n0.9\n", "line 2: has 1 cells, the header has 2"),
        ("layered,layered_error\n0.9,\n", "line 2, column layered_error: is empty"),
        ("layered,layered_error\nhigh,0.1\n", "line 2, column layered: 'high' is not a finite number"),
        ("layered,layered_error\nnan,0.1\n", "column layered: 'nan' is not a finite number"),
        ("layered,layered_error\n0.9,0\n", "line 2, column layered: standard error of layered_fraction is 0"),
        (
            "interphase [kg],interphase_error\n9,1\n",
            "line 2, column interphase: cannot be converted from 'kg' to nm",
        ),
        (
            "interphase [nm],interphase_factor\n9,0.9\n",
            "column interphase_factor: a factor of 0.9 must be above 1",
        ),
        ("dose [mol],layered,layered_error\n9,1,1\n", "column dose: unit mol is not wt%"),
    ],
)
def test_a_mistake_names_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_measurements(file_of(tmp_path, text), STUDY)


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_measurements(tmp_path / "none.csv", STUDY)
    path = tmp_path / "binary.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not a text file"):
        read_measurements(path, STUDY)


WORDS = '|0.9|1e400|-3|bare|case|layered|layered_error|layered_factor|interphase [nm]|hold_C [K]|asr [|[]|hold_C [x]|µ|\x00|"|#'
CELLS = st.sampled_from(WORDS.split("|"))


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.lists(CELLS | st.text(max_size=6), min_size=1, max_size=4), max_size=4))
def test_any_table_is_read_or_refused_in_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8", errors="replace")
    try:
        found = read_measurements(path, STUDY)
    except InputError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error).replace(str(rows), "")
    else:
        assert all(math.isfinite(m.target) and m.error > 0.0 for m in found.measurements)


def test_a_cell_too_long_for_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a CSV file"):
        read_measurements(file_of(tmp_path, f"layered,layered_error\n{'9' * 200_000},1\n"), STUDY)
