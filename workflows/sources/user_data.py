"""Where a user's own data lie: phases added by hand, snapshots of databases, energies computed with a potential.

``$COSINTER_HOME`` if it is set, else the folder that the operating system keeps for the data of programs.
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_VARIABLE = "COSINTER_HOME"


def user_folder() -> Path:
    """Folder of the user's own data; it need not exist yet."""
    from platformdirs import user_data_path

    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named).expanduser() if named else user_data_path("cosinter", appauthor=False)


def phases_folder() -> Path:
    """Folder of phases added with ``cosinter phases add``, one YAML file each."""
    return user_folder() / "phases"


def snapshots_folder() -> Path:
    """Folder of Materials Project snapshots and imported entries, one folder each."""
    return user_folder() / "snapshots"


def energies_folder() -> Path:
    """Folder of energies computed with ``cosinter energies``, one folder per calculator."""
    return user_folder() / "energies"
