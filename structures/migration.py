"""Hops by name: which hosts and paths there are, and the end points of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.structures.crystals import read_formula, resolve
from cosinter.structures.migration_layered import layered_hop, nickel_hop
from cosinter.structures.migration_nasicon import nasicon_hop
from cosinter.structures.migration_network import network_hop, network_hop_names
from cosinter.structures.migration_path import MigrationPath, vacancy_hop

__all__ = [
    "MigrationPath",
    "hop_names",
    "layered_hop",
    "migration_path",
    "nasicon_hop",
    "nickel_hop",
    "path_name",
    "path_names",
    "vacancy_hop",
]

Maker = Callable[..., MigrationPath]

LAYERED_PATHS: Mapping[str, Maker] = {
    "tetrahedral": partial(layered_hop, mechanism="divacancy"),
    "dumbbell": partial(layered_hop, mechanism="single"),
    "ni_to_tetrahedral": partial(nickel_hop, stage="to_tetrahedral"),
    "ni_to_lithium_layer": partial(nickel_hop, stage="to_lithium_layer"),
    "ni_over_tetrahedral": partial(nickel_hop, stage="over_tetrahedral"),
}
LAYERED_HOSTS = ("LiNiO2", "LiCoO2", "NCM111", "NCM622", "NCM811")
NASICON_HOSTS = ("LTP", "LATP")
NASICON_PATH = "m1-m2-m1"
ALIASES = {"divacancy": "tetrahedral", "single": "dumbbell", "vacancy": NASICON_PATH}
"""Other names of paths, those of the study file."""


def hop_names() -> dict[str, tuple[str, ...]]:
    """List the tabulated hosts and the names of their paths, the default first.

    Any other layered oxide is named by its formula, see :func:`path_names`.
    """
    return {
        **{host: path_names(host) for host in (*LAYERED_HOSTS, *NASICON_HOSTS)},
        **network_hop_names(),
    }


def path_names(host: str) -> tuple[str, ...]:
    """List the names of the paths of one host, the default first.

    Raises
    ------
    UnknownNameError
        A host for which no path is known.
    """
    key = _key(host)
    if key in NASICON_HOSTS:
        return (NASICON_PATH,)
    if key in network_hop_names():
        return network_hop_names()[key]
    with_nickel = "Ni" in host or (key in LAYERED_HOSTS and key != "LiCoO2")
    return tuple(name for name in LAYERED_PATHS if with_nickel or not name.startswith("ni_"))


def path_name(host: str, path: str | None = None) -> str:
    """Name a path of a host as :func:`path_names` does: aliases resolved, the first if none is given.

    >>> path_name("linio2", "single"), path_name("ltp")
    ('dumbbell', 'm1-m2-m1')

    Raises
    ------
    UnknownNameError
        A host or path that is not known.
    """
    known = path_names(host)
    name = known[0] if path is None else ALIASES.get(path.lower(), path.lower())
    if name not in known:
        raise UnknownNameError(f"path in {host}", name, known)
    return name


def migration_path(
    host: str, path: str | None = None, *, lithium: float | None = None, seed: int = 0
) -> MigrationPath:
    """Set up a hop by the names of its host and path.

    ``host`` is a name of :func:`hop_names` in any case, an alias of it (``ltp``, ``li3po4``, ``ncm811``) or the
    formula of a fully lithiated layered oxide; ``path`` one of :func:`path_names`, the first if not given.
    ``lithium`` is the content per metal that a layered oxide keeps; without it only the vacancies of the hop are
    made. ``seed`` orders disordered hosts.

    Raises
    ------
    UnknownNameError
        A host or path that is not known.
    InputError
        A lithium content for a host that is not a layered oxide, or one that cannot be had.
    CompositionError
        A formula that is not a fully lithiated layered oxide.

    Example
    -------
    >>> migration_path("li2tio3", "in_plane_1").vacancies
    1
    """
    name, key = path_name(host, path), _key(host)
    if name in LAYERED_PATHS:
        return LAYERED_PATHS[name](host, lithium=lithium, seed=seed)
    if lithium is not None:
        raise InputError(
            f"lithium content {lithium:g} was given for {host}; it is chosen for layered oxides only, leave it out"
        )
    return nasicon_hop(host, seed=seed) if key in NASICON_HOSTS else network_hop(host, name, seed=seed)


def _key(host: str) -> str:
    """Table name of a host, or the text itself if it is the formula of a layered oxide."""
    from cosinter.structures.layered import layered_contents

    known = (*LAYERED_HOSTS, *NASICON_HOSTS, *network_hop_names())
    try:
        key = resolve(host)
    except UnknownNameError:
        key = ""
    if key in known:
        return key
    try:
        layered = layered_contents(read_formula(host))
    except InputError:
        layered = None
    if layered is None:
        raise UnknownNameError("host of a hop", host, known)
    return host
