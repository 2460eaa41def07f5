"""Run folders: configure, train, resume, read, cache, and train many in parallel."""

from latentrank.runs.configure import configure, default_folder
from latentrank.runs.folder import MissingDataError, Run, finished_run, load_data
from latentrank.runs.saved import SavedModel, opened
from latentrank.runs.train import resume, train

__all__ = [
    "MissingDataError",
    "Run",
    "SavedModel",
    "configure",
    "default_folder",
    "finished_run",
    "load_data",
    "opened",
    "resume",
    "train",
]
