"""A model as after training, for the tests of every kind of export."""

import torch

import latentrank


def trained(method, shape=(6,), bounded=False, preprocessing=None, **options):
    """A model with a basis and statistics, as after training."""
    torch.manual_seed(1)
    model = latentrank.build(method, shape, latent_dim=5, bounded=bounded, **options)
    x = torch.rand(64, *shape)
    model.finalize(lambda: [x])
    model.spec = model.spec.model_copy(update={"preprocessing": preprocessing})
    return model.eval(), x[:7]
