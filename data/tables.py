"""Read the tables that ship with the package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from cosinter.data.exceptions import DataError


@cache
def load_table(name: str) -> dict[str, Any]:
    """Read the YAML table ``data/<name>.yaml`` once per process.

    The result is shared: treat it as read-only.

    Raises
    ------
    DataError
        The file is missing, is not valid YAML, or does not hold a mapping.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = files("cosinter.data").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
        table = yaml.load(text, Loader=loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(
            f"data table {name}.yaml cannot be read ({error}); reinstall cosinter to mend it"
        ) from error
    if not isinstance(table, dict):
        raise DataError(f"data table {name}.yaml is damaged (no mapping); reinstall cosinter to mend it")
    return table
