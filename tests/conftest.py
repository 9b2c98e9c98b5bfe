"""Shared settings of the tests: float errors are exceptions where NumPy is used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """A folder without neighbours: results folders side by side share their stages, those of two tests must not."""
    alone = tmp_path / "alone"
    alone.mkdir()
    return alone
