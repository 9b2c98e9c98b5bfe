"""Equilibria and mixing lines of bare numbers: any entries, any energy unit, no phases, no files.

A table holds N entries over m elements and their energies under k conditions (temperatures, samples, pressures):

    counts   atoms per entry               shape [elements, entries]
    energies energy per entry as counted   shape [conditions, entries]

Reservoirs hold any species, not only elements, at a potential per formula of it: {"O": -5.2}, {"CO2": -23.1}, {"Li": -3.7}.
They are free columns of the linear program. A reservoir above its own condensed form has no equilibrium and is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from cosinter.analysis.equilibrium.simplex import (
    InfeasibleError,
    Path,
    Solution,
    UnboundedError,
    minimise,
    walk,
)
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.data.exceptions import CompositionError, InputError, UnknownNameError

Composition = Mapping[str, float] | str
#: What the energy of a reactant counts from: its own entry (the lowest of its composition), its decomposition, or a
#: number per formula as given.
Reference = Literal["entry", "hull"] | float
#: Two compositions of fractions closer than this are the same.
SAME = 1e-9
#: Default tolerance of kinks, in the unit of the energies per atom (1e-9 eV per atom for eV).
TOLERANCE = 1e-9


def _atoms(composition: Composition) -> Mapping[str, float]:
    return parse_formula(composition) if isinstance(composition, str) else composition


@dataclass(frozen=True, eq=False)
class InterfaceProfile:
    """Energy of reaction along x first + (1 - x) second under one condition.

    Attributes
    ----------
    path : least energy over x, kinks included
    totals : reaction energy at the kinks per x first + (1 - x) second as typed, counted from the references of the
        reactants, shape [kinks]
    mutual : the same, counted from the reactants' own equilibria, shape [kinks]
    atoms : atoms of first and second, all elements
    closed_atoms : those that no reservoir of a single element supplies
    names : entries and then reservoirs, in the order of the amounts
    """

    path: Path
    totals: FloatArray
    mutual: FloatArray
    atoms: tuple[float, float]
    closed_atoms: tuple[float, float]
    names: tuple[str, ...]

    @property
    def mole(self) -> FloatArray:
        """Mole fractions of the first reactant at the kinks, shape [kinks]."""
        return self.path.positions

    @property
    def atomic(self) -> FloatArray:
        """Fractions of all atoms that come from the first reactant, shape [kinks]."""
        return self.mole * self.atoms[0] / self._mixed(self.atoms)

    def _mixed(self, sizes: tuple[float, float]) -> FloatArray:
        return self.mole * sizes[0] + (1.0 - self.mole) * sizes[1]

    def per_atom(self, *, mutual: bool = False) -> FloatArray:
        """Reaction energy per atom of the mixture, open elements counted too, shape [kinks]."""
        return (self.mutual if mutual else self.totals) / self._mixed(self.atoms)

    def per_closed_atom(self, *, mutual: bool = False) -> FloatArray:
        """Reaction energy per atom of the elements without reservoir, shape [kinks]."""
        return (self.mutual if mutual else self.totals) / self._mixed(self.closed_atoms)

    @property
    def products(self) -> tuple[dict[str, float], ...]:
        """Amounts at each kink; what a reservoir takes up is positive, what it gives negative."""
        dense = self.path.dense(len(self.names))
        least = TOLERANCE * np.abs(dense).max(axis=1, keepdims=True)
        return tuple(
            {self.names[j]: float(row[j]) for j in np.flatnonzero(np.abs(row) > floor)}
            for row, floor in zip(dense, least, strict=True)
        )


@dataclass(frozen=True, eq=False)
class _Program:
    """Columns of one request: the face of the elements that take part, and the reservoirs."""

    rows: tuple[str, ...]
    matrix: FloatArray
    costs: FloatArray
    free: np.ndarray
    names: tuple[str, ...]
    columns: np.ndarray

    def vector(self, composition: Mapping[str, float]) -> FloatArray:
        return np.asarray([composition.get(element, 0.0) for element in self.rows], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class EntryTable:
    """Entries of a phase diagram as arrays; immutable.

    Attributes
    ----------
    names : one per entry, need not be formulas
    elements : rows of ``counts``
    counts : atoms per entry, shape [elements, entries]
    energies : energy per entry as counted in ``counts``, shape [conditions, entries]

    >>> table = EntryTable(("Li", "O2", "Li2O"), ("Li", "O"), [[1, 0, 2], [0, 2, 1]], [[0.0, 0.0, -6.0]])
    >>> table.decompose({"Li": 2, "O": 2})[0]
    {'O2': 0.5, 'Li2O': 1.0}
    """

    names: tuple[str, ...]
    elements: tuple[str, ...]
    counts: FloatArray
    energies: FloatArray

    def __post_init__(self) -> None:
        counts = np.array(self.counts, dtype=np.float64)
        energies = np.atleast_2d(np.array(self.energies, dtype=np.float64))
        if counts.shape != (len(self.elements), len(self.names)) or energies.shape[1] != len(self.names):
            raise InputError(
                f"{len(self.names)} entries over {len(self.elements)} elements need counts of shape [elements, entries] "
                f"and energies of shape [conditions, entries]; got {counts.shape} and {energies.shape}"
            )
        if not (np.isfinite(counts).all() and np.isfinite(energies).all()):
            raise InputError("counts and energies of entries must be finite numbers")
        if np.any(counts < 0.0) or np.any(counts.sum(axis=0) <= 0.0):
            raise InputError("every entry must hold a positive number of atoms and none a negative one")
        for name, value in (("counts", counts), ("energies", energies)):
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    @property
    def atoms(self) -> FloatArray:
        """Atoms per entry, shape [entries]."""
        return np.asarray(self.counts.sum(axis=0))

    def with_energies(self, energies: FloatArray) -> EntryTable:
        """Return the same entries under other conditions, energies of shape [conditions, entries]."""
        return replace(self, energies=energies)

    def without(self, names: Iterable[str]) -> EntryTable:
        """Return the table without the entries ``names``.

        Raises
        ------
        UnknownNameError
            No entry of that name.
        """
        dropped = set(names)
        for name in sorted(dropped - set(self.names)):
            raise UnknownNameError("entry", name, self.names)
        kept = [j for j, name in enumerate(self.names) if name not in dropped]
        return EntryTable(
            tuple(self.names[j] for j in kept), self.elements, self.counts[:, kept], self.energies[:, kept]
        )

    def _program(self, elements: set[str], reservoirs: Mapping[str, ArrayLike]) -> _Program:
        species = {name: parse_formula(name) for name in reservoirs}
        for name, mu in reservoirs.items():
            if not np.isfinite(mu).all():
                raise InputError(f"potential of {name} must be a finite number; got {np.asarray(mu)}")
        wanted = elements.union(*species.values())
        for element in sorted(wanted - set(self.elements)):
            raise CompositionError(f"element {element} is in no entry")
        inside = np.asarray([element in wanted for element in self.elements])
        columns = np.flatnonzero(~self.counts[~inside].any(axis=0))
        rows = tuple(element for element in self.elements if element in wanted)
        counts = {len(self.energies), *(np.size(mu) for mu in reservoirs.values())}
        lanes = max(counts)
        if counts - {1, lanes}:
            raise InputError(
                "potentials and energies must be given once or for every condition; got "
                + " and ".join(map(str, sorted(counts)))
            )
        table = np.broadcast_to(self.energies, (lanes, len(self.names)))[:, columns]
        open_costs = [
            np.broadcast_to(np.asarray(mu, dtype=np.float64), (lanes,)) for mu in reservoirs.values()
        ]
        open_counts = [[atoms.get(row, 0.0) for row in rows] for atoms in species.values()]
        matrix = np.column_stack([self.counts[inside][:, columns], *open_counts])
        names = tuple(self.names[j] for j in columns)
        return _Program(
            rows=rows,
            matrix=matrix,
            costs=np.column_stack([table, *open_costs]),
            free=np.arange(matrix.shape[1]) >= len(columns),
            names=(*names, *(f"reservoir {name}" for name in reservoirs)),
            columns=columns,
        )

    def _vectors(self, program: _Program, compositions: list[Mapping[str, float]]) -> FloatArray:
        vectors = np.asarray([program.vector(one) for one in compositions])
        if not np.isfinite(vectors).all() or np.any(vectors < 0.0) or np.any(vectors.sum(axis=1) <= 0.0):
            raise CompositionError("amounts of elements must be positive or zero, and not all zero")
        return vectors

    def _refused(self, error: InfeasibleError | UnboundedError, program: _Program) -> InputError:
        if isinstance(error, InfeasibleError):
            return CompositionError(
                f"no combination of the entries has the composition asked for (elements {', '.join(program.rows)})"
            )
        reservoirs = ", ".join(name for name, free in zip(program.names, program.free, strict=True) if free)
        return InputError(
            f"{reservoirs}: at these potentials {program.names[error.ray]} would form without end; lower a potential"
        )

    def solve(
        self, compositions: Iterable[Composition], *, reservoirs: Mapping[str, ArrayLike] | None = None
    ) -> tuple[Solution, tuple[str, ...]]:
        """Minimise the energy of one composition for all conditions, or of as many as there are conditions.

        Returns
        -------
        Solution with one lane per composition or condition, and the names of its columns.

        Raises
        ------
        InputError, CompositionError
            A composition that cannot be reached, or a reservoir above its own condensed form.
        """
        atoms = [_atoms(one) for one in compositions]
        program = self._program({el for one in atoms for el, n in one.items() if n != 0.0}, reservoirs or {})
        vectors = self._vectors(program, atoms)
        try:
            return minimise(program.matrix, program.costs, vectors, free=program.free), program.names
        except (InfeasibleError, UnboundedError) as error:
            raise self._refused(error, program) from None

    def decompose(
        self, composition: Composition, *, reservoirs: Mapping[str, ArrayLike] | None = None
    ) -> list[dict[str, float]]:
        """Find the stable entries and their amounts, one dictionary per condition.

        Raises
        ------
        InputError, CompositionError
            See :meth:`solve`.
        """
        found, names = self.solve([composition], reservoirs=reservoirs)
        rows = found.dense(len(names))
        least = TOLERANCE * np.abs(rows).max(axis=1, keepdims=True)
        return [
            {names[j]: float(row[j]) for j in np.flatnonzero(np.abs(row) > floor)}
            for row, floor in zip(rows, least, strict=True)
        ]

    def above_hull(self, *, reservoirs: Mapping[str, ArrayLike] | None = None) -> FloatArray:
        """Energy of every entry above what its composition would turn into, per atom, [conditions, entries].

        Raises
        ------
        InputError
            See :meth:`solve`.
        """
        program = self._program(set(self.elements), reservoirs or {})
        fractions = self.counts / self.atoms
        _, first, where = np.unique(np.round(fractions, 12), axis=1, return_index=True, return_inverse=True)
        targets = fractions[:, first].T
        hulls = []
        for costs in program.costs:
            try:
                hulls.append(minimise(program.matrix, costs, targets, free=program.free).value)
            except (InfeasibleError, UnboundedError) as error:
                raise self._refused(error, program) from None
        lowest = np.asarray(hulls)[:, np.ravel(where)]
        above = program.costs[:, : len(self.names)] / self.atoms - lowest
        return np.asarray(np.where(np.abs(above) < 1e-12 * np.abs(lowest).max(initial=1.0), 0.0, above))

    def _reference(self, atoms: Mapping[str, float], reference: Reference, name: str) -> FloatArray | None:
        """Energy of one reactant as typed under every condition; None stands for its own equilibrium."""
        if reference == "hull":
            return None
        if reference != "entry":
            if not np.isfinite(reference):
                raise InputError(f"energy of {name} must be a finite number; got {reference}")
            return np.full(len(self.energies), float(reference))
        wanted = np.asarray([atoms.get(element, 0.0) for element in self.elements])
        size = wanted.sum()
        same = np.abs(self.counts / self.atoms - (wanted / size)[:, None]).max(axis=0) < SAME
        if not same.any():
            raise CompositionError(
                f"no entry has the composition of {name}; give its energy, or ask for 'hull' to count from what it "
                "turns into by itself"
            )
        return np.asarray((self.energies[:, same] / self.atoms[same]).min(axis=1) * size)

    def interface(
        self,
        first: Composition,
        second: Composition,
        *,
        reservoirs: Mapping[str, ArrayLike] | None = None,
        references: tuple[Reference, Reference] = ("entry", "entry"),
        tolerance: float = TOLERANCE,
    ) -> list[InterfaceProfile]:
        """Find every kink of x first + (1 - x) second, one profile per condition.

        Parameters
        ----------
        reservoirs : {species: potential per formula, one or one per condition}
        references : what the totals count from, see :data:`Reference`; never replaced silently
        tolerance : smallest bend of a kink, energy per atom

        Raises
        ------
        InputError, CompositionError
            See :meth:`solve`; a reactant without an entry of its own.
        """
        pair = [_atoms(first), _atoms(second)]
        program = self._program({el for one in pair for el, n in one.items() if n != 0.0}, reservoirs or {})
        end, start = self._vectors(program, pair)
        given = [
            self._reference(atoms, reference, str(name))
            for atoms, reference, name in zip(pair, references, (first, second), strict=True)
        ]
        try:
            paths = walk(program.matrix, program.costs, start, end, free=program.free, tolerance=tolerance)
        except (InfeasibleError, UnboundedError) as error:
            raise self._refused(error, program) from None
        single = {next(iter(atoms)) for atoms in map(parse_formula, reservoirs or {}) if len(atoms) == 1}
        shut = np.asarray([row not in single for row in program.rows])
        profiles = []
        for k, path in enumerate(paths):
            own = float(path.values[-1]), float(path.values[0])
            from_ = [
                o if g is None else float(g[min(k, len(g) - 1)]) for o, g in zip(own, given, strict=True)
            ]
            x = path.positions
            profiles.append(
                InterfaceProfile(
                    path=path,
                    totals=path.values - x * from_[0] - (1.0 - x) * from_[1],
                    mutual=path.values - x * own[0] - (1.0 - x) * own[1],
                    atoms=(float(end.sum()), float(start.sum())),
                    closed_atoms=(float(end[shut].sum()), float(start[shut].sum())),
                    names=program.names,
                )
            )
        return profiles
