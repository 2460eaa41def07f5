"""Factorisations that do not converge are repeated in another way, with a warning."""

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.linalg import lapack

from latentrank.linalg import eigen, leading_basis, nuclear_norm, spectrum, truncate_rank


def fails(error):
    def fail(*args, **kwargs):
        raise error("did not converge")

    return fail


@pytest.fixture
def no_divide_and_conquer(monkeypatch):
    for name in ("eigh", "eigvalsh"):
        monkeypatch.setattr(torch.linalg, name, fails(torch.linalg.LinAlgError))


def test_truncation_and_its_gradient_are_those_of_the_singular_vectors(no_divide_and_conquer):
    y = torch.randn(9, 7, dtype=torch.float64, requires_grad=True)
    with pytest.warns(UserWarning, match="eigenvalues failed .did not converge.; a slower one"):
        low = truncate_rank(y, 3)
    u, s, v = np.linalg.svd(y.detach().numpy(), full_matrices=False)
    np.testing.assert_allclose(low.detach().numpy(), (u[:, :3] * s[:3]) @ v[:3], atol=1e-12)
    low.square().sum().backward()  # d/dy of the sum of the largest squares is 2 y_k
    np.testing.assert_allclose(y.grad.numpy(), 2 * low.detach().numpy(), atol=1e-12)


def test_basis_and_spectrum_are_found_another_way(no_divide_and_conquer):
    x = torch.randn(50, 4, dtype=torch.float64)
    with pytest.warns(UserWarning, match="a slower one is used"):
        basis, values = leading_basis(x, 2), spectrum(x)
    v = np.linalg.svd(x.numpy())[2][:2]
    np.testing.assert_allclose((basis @ basis.T).numpy(), v.T @ v, atol=1e-12)
    expected = np.linalg.svd(np.cov(x.numpy().T), compute_uv=False)
    np.testing.assert_allclose(values.numpy(), expected / expected[0], atol=1e-12)


@pytest.mark.parametrize("routine", ["dstebz", "dstein"])
def test_a_few_eigenvalues_that_are_not_found_become_all(routine, monkeypatch):
    y = torch.randn(100, 120, dtype=torch.float64)
    expected = truncate_rank(y, 5)
    works = getattr(lapack, routine)
    monkeypatch.setattr(eigen.lapack, routine, lambda *given: (*works(*given)[:-1], 1))
    with pytest.warns(UserWarning, match="a few eigenvalues failed"):
        found = truncate_rank(y, 5)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_the_nuclear_norm_is_found_by_qr_iteration(monkeypatch):
    m = torch.randn(6, 5, dtype=torch.float64)
    works = scipy.linalg.svd

    def svd(*given, lapack_driver="gesdd", **how):
        if lapack_driver == "gesdd":
            raise np.linalg.LinAlgError("SVD did not converge")
        return works(*given, lapack_driver=lapack_driver, **how)

    monkeypatch.setattr(scipy.linalg, "svd", svd)
    with pytest.warns(UserWarning, match="singular values failed"):
        norm = nuclear_norm(m, solver="svd")
    assert float(norm) == pytest.approx(np.linalg.svd(m.numpy(), compute_uv=False).sum())
