import numpy as np
import pytest

from cosinter.data.exceptions import InputError
from cosinter.structures.crystals import crystal
from cosinter.structures.geometry import (
    angle,
    check_miller,
    oriented_cell,
    planar,
    plane_normal,
    primitive_vectors,
    translation_residual,
    von_mises,
)


def test_planar_keeps_lengths_and_angle():
    vectors = np.array([[1.0, 2.0, 2.0], [0.0, 3.0, 4.0]])
    flat = planar(vectors)
    assert flat @ flat.T == pytest.approx(vectors @ vectors.T)
    assert flat[0, 1] == 0.0


def test_von_mises_of_known_strains():
    square = np.eye(3)[:2]
    # equibiaxial Green-Lagrange strain e: deviator (e/3, e/3, -2e/3), sqrt(2/3 * 6/9) e = 2e/3
    stretched = square * np.sqrt(1.02)
    assert von_mises(square, stretched) == pytest.approx(2.0 / 3.0 * 0.01)
    # a rotation strains nothing
    turn = np.array([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    assert von_mises(square, square @ turn) == pytest.approx(0.0, abs=1e-12)


def test_von_mises_agrees_with_pymatgen():
    from pymatgen.analysis.elasticity.strain import Deformation

    start = np.array([[3.0, 0.1, 0.0], [-1.0, 4.0, 0.0]])
    end = np.array([[3.1, 0.0, 0.0], [-1.1, 4.1, 0.0]])
    full = [np.vstack([v, [0.0, 0.0, 1.0]]) for v in (start, end)]
    deformation = np.linalg.solve(*full).T
    expected = Deformation(deformation).green_lagrange_strain.von_mises_strain
    assert von_mises(start, end) == pytest.approx(float(expected), rel=1e-9)


def test_translation_residual():
    bulk = crystal("li2o").structure
    half = bulk.lattice.matrix[0] / 2 + bulk.lattice.matrix[1] / 2  # a face centre
    assert translation_residual(bulk, half) == pytest.approx(0.0, abs=1e-9)
    assert translation_residual(bulk, half + np.array([0.0, 0.0, 0.02])) == pytest.approx(0.02, abs=1e-9)


def test_normals_and_angles():
    bulk = crystal("linio2").structure
    assert angle(plane_normal(bulk, (0, 0, 1)), bulk.lattice.matrix[2]) == pytest.approx(0.0, abs=1e-9)
    assert angle(np.array([1.0, 0, 0]), np.array([-1.0, -1.0, 0.0])) == pytest.approx(45.0)


@pytest.mark.parametrize(
    ("name", "units"), [("linio2", 3), ("ltp", 3), ("li2tio3", 2), ("nio", 4), ("tio2", 1)]
)
def test_primitive_cells(name, units):
    cell = crystal(name).structure
    assert cell.volume / abs(np.linalg.det(primitive_vectors(cell))) == pytest.approx(units)


@pytest.mark.parametrize("miller", [(0, 0, 1), (1, 0, 4), (0, 1, 2), (1, 1, 0), (-1, 2, 3), (0, 0, 3)])
def test_oriented_cell_is_the_crystal_in_another_cell(miller):
    """Volume of a primitive cell, a and b in the plane, c one spacing high, the same neighbours."""
    cell = crystal("linio2").structure
    made = oriented_cell(cell, miller)
    assert made.cell.volume == pytest.approx(cell.volume / 3.0)
    normal = plane_normal(cell, miller)
    assert made.vectors[:2] @ normal == pytest.approx([0.0, 0.0], abs=1e-9)
    area = np.linalg.norm(np.cross(*made.vectors[:2]))
    assert made.cell.lattice.matrix[2, 2] == pytest.approx(cell.volume / 3.0 / area)
    assert all(translation_residual(cell, v) < 1e-6 for v in made.vectors)
    shells = [
        sorted(
            round(n.nn_distance, 4)
            for n in s.get_neighbors(next(x for x in s if x.specie.symbol == "Ni"), 3.5)
        )
        for s in (cell, made.cell)
    ]
    assert shells[0] == shells[1]


def test_miller_indices_are_checked():
    assert check_miller((0, 1, -2)) == (0, 1, -2)
    for wrong in ((0, 0, 0), (1, 0), (0.5, 0, 1)):
        with pytest.raises(InputError, match="name no plane"):
            check_miller(wrong)
