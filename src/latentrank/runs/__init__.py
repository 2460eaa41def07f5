"""Run folders: configure, train, resume, read, cache, and train many in parallel."""

from latentrank.runs.configure import configure, default_folder
from latentrank.runs.folder import Run, finished_run, load_data
from latentrank.runs.train import resume, train

__all__ = ["Run", "configure", "default_folder", "finished_run", "load_data", "resume", "train"]
