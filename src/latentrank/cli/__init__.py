"""The command line: `latentrank COMMAND`."""

from latentrank.cli import inspect, measure, train, use  # each adds its commands to the app
from latentrank.cli.app import Stopped, app

__all__ = ["Stopped", "app", "inspect", "measure", "train", "use"]
