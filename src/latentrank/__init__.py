"""Autoencoders whose latent space has low rank."""
