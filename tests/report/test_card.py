import latentrank
from latentrank import metrics
from latentrank.metrics import Value
from latentrank.report.card import _numbers, card
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


def test_only_an_autoencoder_is_called_one(tmp_path):
    """Nor is every code of low rank."""
    texts = {
        name: card(latentrank.save(latentrank.build(name, (6,), latent_dim=2), tmp_path / name))
        for name in ("gan", "ae")
    }
    assert "autoencoder" not in texts["gan"].lower()
    assert "- autoencoder" in texts["ae"]
    assert "low-rank" not in texts["ae"]
