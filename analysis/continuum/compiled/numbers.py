"""A batch in the form that compiled code takes: one record per lane, arrays that all lanes share, and room to work in."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.lanes import Lanes

FloatArray = NDArray[np.float64]
Function = TypeVar("Function", bound=Callable[..., Any])

compiled = cast(Callable[[Function], Function], numba.njit(error_model="numpy", nogil=True))
inlined = cast(
    Callable[[Function], Function], numba.njit(error_model="numpy", nogil=True, forceinline=True)
)  # for what every shell calls: handing over the arrays would take longer than the work

FIELDS = Lanes._fields
COMMON = FIELDS[: FIELDS.index("plateaus") + 1]  # what all lanes share
OWN = tuple(name for name in FIELDS if name not in COMMON and name != "plateau_shifts")

MOMENT = np.dtype(
    [("gas", np.int64), ("row", np.int64)]
    + [
        (name, np.float64)
        for name in (
            "weight",
            "own",
            "exchange_solid",
            "exchange_liquid",
            "interface",
            "layer",
            "coating",
            "breakdown",
            "melted",
        )
    ]
    + [
        (name, np.float64, (width,))
        for name, width in {
            "middle": 3,
            "grand": 3,
            "slowness": 3,
            "ln_conversion": 2,
            "conversion_fall": 2,
            "salts": 3,
            "pressure_ratios": 2,
            "salt_rates": 3,
            "liquidus": 2,
            "vapour": 3,
        }.items()
    ]
)
"""As :class:`~cosinter.analysis.continuum.conditions.Conditions`; ``gas`` and ``row`` of the tables, ``weight`` of the
row above, ``slowness`` R^2/D_p in s."""


if TYPE_CHECKING:
    Shared = Lanes
else:
    Shared = namedtuple("Shared", COMMON)
    Shared.__doc__ = "Arrays of Lanes that all lanes share; ``pieces`` (G, T, 3, n, 5)."


class Shells(NamedTuple):
    """Functions of the potential of every shell (3, N); see :class:`~cosinter.analysis.continuum.cells.CellFunctions`.

    ``constants`` hold the factor 1 - e^-A of the conversions (e^A - 1 where A < 0).
    """

    content: FloatArray
    slope: FloatArray
    factor: FloatArray
    constants: FloatArray
    affinities: FloatArray


class Work(NamedTuple):
    """Room for one lane: the conditions and what the shells and the linear systems need; N shells, m unknowns."""

    now: Any  # record of MOMENT
    sink: FloatArray  # (M)
    share: FloatArray  # (3, N)
    potential: FloatArray  # (N), also the guess for the next time
    here: Shells
    ahead: Shells
    each: FloatArray  # (4, N): resistivities of the phases between a shell and the next, and their mean
    flow: FloatArray  # (N): Li to the next shell
    mu: FloatArray  # (3, N): d(mu/RT) after lithium, spinel, rock salt
    left: FloatArray  # (3, N)
    right: FloatArray  # (3, N)
    local: FloatArray  # (4, N)
    coupled: FloatArray  # (2, N)
    band: FloatArray  # (3, N): lower, diagonal, upper; after elimination lower/pivot, 1/pivot, upper
    border: FloatArray  # (N)
    extents: FloatArray  # (3, 14)
    reservoirs: FloatArray  # (5, 14)
    inner: FloatArray  # (5, 5)
    own: FloatArray  # (2, N): answers of spinel and rock salt


def shared(lanes: Lanes) -> Shared:
    """Take the shared arrays over."""
    values = {name: getattr(lanes, name) for name in COMMON}
    values["pieces"] = np.ascontiguousarray(np.moveaxis(lanes.pieces, 2, -1))
    return Shared(**values)


def records(lanes: Lanes) -> Any:
    """Numbers of every lane (L), a structured array with a field per name: one number, or as many as stand in a row."""
    columns = {name: getattr(lanes, name) for name in OWN}
    widths = {name: values.shape[1] for name, values in columns.items()}
    table = np.zeros(
        len(lanes.radius),
        dtype=[
            (name, np.float64) if width == 1 else (name, np.float64, (width,))
            for name, width in widths.items()
        ],
    )
    for name, values in columns.items():
        table[name] = values[:, 0] if widths[name] == 1 else values
    return table


def _shells(n: int) -> Shells:
    return Shells(*(np.zeros((3, n)) for _ in Shells._fields))


def workspace(common: Shared) -> Work:
    """Room for one lane."""
    n = len(common.volumes)
    return Work(
        now=np.zeros(1, dtype=MOMENT)[0],
        sink=np.zeros(len(common.nodes)),
        share=np.zeros((3, n)),
        potential=np.zeros(n),
        here=_shells(n),
        ahead=_shells(n),
        each=np.zeros((4, n)),
        flow=np.zeros(n),
        mu=np.zeros((3, n)),
        left=np.zeros((3, n)),
        right=np.zeros((3, n)),
        local=np.zeros((4, n)),
        coupled=np.zeros((2, n)),
        band=np.zeros((3, n)),
        border=np.zeros(n),
        extents=np.zeros((3, 14)),
        reservoirs=np.zeros((5, 14)),
        inner=np.zeros((5, 5)),
        own=np.zeros((2, n)),
    )
