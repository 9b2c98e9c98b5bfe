import numpy as np
import pytest

from cosinter.structures.crystals import crystal
from cosinter.structures.geometry import angle, planar, plane_normal, translation_residual, von_mises


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
