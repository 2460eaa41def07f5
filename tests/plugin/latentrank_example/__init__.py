"""One of everything that can be added to latentrank from another package."""
