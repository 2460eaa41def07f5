import pytest
import torch

from latentrank.linalg.first_order import first_order_only


def test_gradient_passes_through_unchanged():
    x, gradient = torch.randn(3, requires_grad=True), torch.randn(3)
    assert torch.equal(first_order_only(gradient, "f", x), gradient)


def test_differentiating_it_names_the_owner():
    x = torch.randn(3, requires_grad=True)
    marked = first_order_only(torch.randn(3), "truncate_rank", x)
    with pytest.raises(RuntimeError, match="truncate_rank has only a first derivative"):
        marked.sum().backward()


def test_no_graph_is_built_without_grad_mode():
    with torch.no_grad():
        marked = first_order_only(torch.randn(3), "f", torch.randn(3, requires_grad=True))
    assert not marked.requires_grad
