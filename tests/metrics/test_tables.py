from latentrank.metrics import Value, tables
from tests.report.fake import EVALUATION


def test_a_table_has_a_column_for_every_density_and_number_of_labels():
    distances, accuracies = tables(EVALUATION)
    assert distances.header == ["", "reconstruction", "gmm"]
    assert distances.rows == [
        ["FID", "5.500 ± 0.055", "9.250 ± 0.092"],
        ["generated / test samples", "30 / 30", "5\u202f000 / 30"],
    ]
    assert "2048 of Inception v3" in distances.note
    assert "The column reconstruction" in distances.note
    generated = [v for v in EVALUATION if v.identity.get("density") != "reconstruction"]
    assert "The column reconstruction" not in tables(generated)[0].note
    assert (accuracies.header, accuracies.rows) == (["", "10 labels"], [["mlp", "50.00 ± 0.50 %"]])


def test_what_is_not_known_stays_empty():
    all_labels = {"probe": "knn", "labels": 60000}
    values = [
        Value("accuracy:10", "accuracy", 50.0, identity={"probe": "mlp", "labels": 10}),
        Value("knn-accuracy:all", "accuracy", 90.0, 0.1, identity=all_labels),
        Value("own", "own", 0.25),
        Value("own[x]", "own x", 0.5, identity={"features": {"name": "x"}}),
    ]
    accuracies, others = tables(values)
    assert accuracies.rows == [["mlp", "50 %", ""], ["knn", "", "90.00 ± 0.10 %"]]
    assert others.rows == [["own", "0.25"], ["own x", "0.5"]]
    assert tables([]) == []


def test_a_metric_of_another_package_need_not_state_how_many_samples():
    """As one that draws from a density by a formula, or numbers its labels otherwise."""
    own = {"density": "gmm", "features": {"name": "x"}}
    values = [
        Value("own[x]:gmm", "own", 0.5, identity=own),
        Value("kappa", "kappa", 0.25, identity={"probe": "mlp"}),
    ]
    distances, accuracies = tables(values)
    assert distances.header == ["", "gmm"]
    assert distances.rows[0] == ["own", "0.5"]
    assert accuracies.rows == [["mlp, kappa", "0.25"]]
