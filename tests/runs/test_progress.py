import io
import json

from rich.console import Console

from latentrank.formatting import duration
from latentrank.runs.progress import Board, Clock

METRICS = {"method": "ae", "data": "x.npy", "rank": 1, "latent_dim": 1, "singular_values": [1.0]}
METRICS |= {"validation_error": 0.5, "epochs": 1}


def done(training, seconds):
    training.folder.mkdir()
    (training.folder / "config.yaml").touch()
    (training.folder / "metrics.json").write_text(json.dumps(METRICS | {"seconds": seconds}))
    return training


def begun(training, epoch, seconds=0):
    training.folder.mkdir()
    (training.folder / "config.yaml").touch()
    (training.folder / "history.csv").write_text(f"epoch,step,seconds\n{epoch},10,{seconds}\n")
    return training


def test_the_time_left_is_judged_by_the_same_group_first(wanted):
    clock = Clock()
    assert clock.left([wanted()], 1) == ""
    clock.learn(wanted(seed=1))  # not done
    assert clock.left([wanted()], 1) == ""
    clock.learn(done(wanted(seed=2), 100.0))
    clock.learn(done(wanted(seed=3)._replace(group="slow"), 300.0))
    slow, unknown = wanted()._replace(group="slow"), wanted()._replace(group="unknown")
    assert clock.left([wanted()], 1) == f", about {duration(100)} left"
    assert clock.left([slow, slow], 2) == f", about {duration(300)} left"
    assert clock.left([unknown], 2) == f", about {duration(100)} left"  # the mean of all
    assert clock.left([], 2) == ""
    # one of an unknown group has taken 50 seconds for a quarter of its epochs
    slower = begun(wanted(seed=4, epochs=8)._replace(group="slower"), 2, seconds=50)
    assert clock.left([slower, unknown._replace(group="slower")], 1) == (
        f", about {duration(150 + 200)} left"
    )


def test_there_is_a_line_for_each_training_that_runs_and_one_for_all(wanted):
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    board = Board(4, shown=True, console=console)
    one, other = begun(wanted(epochs=8), 2), wanted(seed=1)
    board.show([one, other], ended=1)
    tasks = {task.description: task for task in board._progress.tasks}
    assert [task.description for task in board._progress.tasks] == ["all runs", "ae", "ae"]
    assert tasks["all runs"].completed == 1.25
    assert tasks["all runs"].total == 4
    board.show([other], ended=2)
    assert [task.completed for task in board._progress.tasks] == [2.0, 0.0]
    board.clear()


def test_nothing_is_drawn_or_read_without_a_terminal(wanted):
    console = Console(file=io.StringIO(), force_terminal=False)
    board = Board(1, shown=True, console=console)
    board.show([wanted()], ended=0)
    board.clear()
    assert console.file.getvalue() == ""
