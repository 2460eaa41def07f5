from latentrank import metrics
from latentrank.metrics import Value
from latentrank.report.card import _numbers
from latentrank.report.errors import percent
from tests.report.fake import fake_run


def test_a_card_writes_numbers_as_the_report_does(tmp_path):
    run = fake_run(tmp_path / "a")
    identity = {"probe": "mlp", "labels": 10}
    metrics.add(run.folder, [Value("accuracy:10", "accuracy", 50.0, 2.0, identity=identity)])
    numbers = _numbers(run)
    share = run.metrics["validation_error"] / run.metrics["error_of_the_mean"]
    assert numbers["mlp, 10 labels: accuracy"] == "50.0 ± 2.0 %"
    assert percent(share) in numbers.values()
