"""No bottleneck: nothing is changed, learned or penalised."""

import pytest
import torch

from latentrank.bottlenecks import Identity


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_code_is_what_the_encoder_gives(training, dtype):
    bottleneck = Identity(4).train(training).to(dtype)
    h = torch.randn(3, 4, dtype=dtype)
    latent = bottleneck(h)
    assert torch.equal(latent.z, h)
    assert latent.terms == {}
    assert torch.equal(bottleneck.encode(h), h)
    assert torch.equal(h @ bottleneck.linear_map().T, h)
    assert list(bottleneck.parameters()) == []
    assert bottleneck.basis() is None
