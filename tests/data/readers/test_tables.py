import numpy as np
import pandas as pd
import pytest

from latentrank.data import load
from latentrank.errors import InputError

GENERATOR = np.random.default_rng(0)
N = 20
FRAME = pd.DataFrame(
    {
        "id": [f"s{i}" for i in range(N)],
        "a": GENERATOR.normal(size=N),
        "b": GENERATOR.integers(0, 9, N),
        "c": GENERATOR.random(N) > 0.5,
        "class": GENERATOR.choice(["cat", "dog"], N),
    }
)


def saved(folder, frame=FRAME, **options):
    frame.to_csv(folder / "t.csv", **{"index": False, **options})
    return folder / "t.csv"


def test_columns_of_numbers_are_samples_and_a_class_column_labels(tmp_path):
    data = load(saved(tmp_path))
    assert data.shape == (3,)
    assert data.class_names == ("cat", "dog")
    rows = data.train.rows
    np.testing.assert_array_equal(data.train.x[:, 1], FRAME["b"].to_numpy()[rows])
    names = np.array(data.class_names)[data.train.labels]
    assert names.tolist() == FRAME["class"].to_numpy()[rows].tolist()
    assert data.notes == (
        "Labels are read from the column class.",
        "Unused columns: id.",
    )


def test_columns_are_chosen_by_name(tmp_path):
    data = load(saved(tmp_path), columns="b,a", labels="c", parameters=["a"])
    np.testing.assert_array_equal(data.train.x[:, 1:], data.train.parameters)
    np.testing.assert_array_equal(data.train.labels, FRAME["c"].to_numpy()[data.train.rows])
    assert data.parameter_names == ("a",)


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    with pytest.raises(InputError, match=r"no column in .*t\.csv called 'bb'; did you mean 'b'"):
        load(saved(tmp_path), columns="bb")


def test_numbers_without_a_line_of_names(tmp_path):
    data = load(saved(tmp_path, FRAME[["a", "b"]], header=False))
    assert len(data.train) + len(data.test) == N


def test_a_split_column_is_obeyed(tmp_path):
    split = ["Train"] * 12 + ["val"] * 3 + ["TEST"] * 5
    data = load(saved(tmp_path, FRAME[["a", "b"]].assign(split=split)))
    assert (len(data.train), len(data.test)) == (15, 5)
    np.testing.assert_array_equal(data.test.x[:, 0], FRAME["a"].to_numpy()[-5:])


def test_nothing_but_text_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no columns of numbers for the samples; it has id"):
        load(saved(tmp_path, FRAME[["id"]]))


@pytest.mark.parametrize(
    "text",
    [
        "a;b\n1,5;2,25\n" + "3,5;4\n" * 9,
        "# of the new machine\na,b\n1.5,2.25\n" + "3.5,4\n" * 9,
        "1.5\t2.25\n" + "3.5\t4\n" * 9,
    ],
)
def test_tables_of_other_habits(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    data = load(tmp_path / "t.csv")
    x = np.concatenate([data.train.x, data.test.x])
    assert sorted(map(tuple, x.tolist())) == [(1.5, 2.25)] + [(3.5, 4)] * 9
