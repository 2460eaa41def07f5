"""Mutated files of strangers; see `python -m tests.fuzz`."""
