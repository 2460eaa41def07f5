"""Mutated files; see `python -m tests.fuzz`."""
