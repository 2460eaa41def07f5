import pytest
import torch

from latentrank.errors import InputError
from latentrank.linalg.precision import check_matrix, to_float64


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_conversion_is_exact(dtype):
    x = torch.randn(4, 3).to(dtype)
    assert to_float64(x).dtype == torch.float64
    assert torch.equal(to_float64(x).to(dtype), x)


def test_a_tensor_stays_on_its_device():
    assert to_float64(torch.ones(2, device="meta")).device.type == "meta"


def test_matrices_of_numbers_pass():
    check_matrix(torch.ones(2, 3), "y")


@pytest.mark.parametrize("bad", [torch.ones(3), torch.ones(1, 2, 3)])
def test_other_shapes_are_refused(bad):
    with pytest.raises(InputError, match=r"y has shape .* expected a matrix with one row per"):
        check_matrix(bad, "y")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.complex64])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(InputError, match=r"y has dtype .* convert it to float32"):
        check_matrix(torch.ones(2, 3).to(dtype), "y")
