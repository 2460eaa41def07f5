import numpy as np
import pytest

from latentrank.data import load, views
from latentrank.data.registry import load_samples
from latentrank.errors import InputError
from latentrank.preprocessing import Preprocessing

GENERATOR = np.random.default_rng(0)


@pytest.fixture
def saved(tmp_path):
    def save(x, labels=None):
        np.save(tmp_path / "a.npy", x)
        if labels is not None:
            np.save(tmp_path / "a.labels.npy", labels)
        return tmp_path / "a.npy"

    return save


def test_labels_follow_their_samples(saved):
    x = np.arange(40, dtype=np.uint8)[:, None]
    data = load(saved(x, labels=np.arange(40, dtype=np.int32)))
    for split in (data.train, data.test):
        assert split.labels.dtype == np.int64
        assert np.array_equal(split.labels, split.x[:, 0])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(9, int), r"labels of shape \(9,\) for 10 samples"),
        (np.zeros((10, 2), int), r"labels of shape \(10, 2\) for 10 samples"),
        (np.full(10, 0.5), "labels of dtype float64; expected integers"),
    ],
)
def test_labels_that_do_not_fit_are_refused(saved, labels, message):
    with pytest.raises(InputError, match=message):
        load(saved(np.zeros((10, 3)), labels))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((5, 2), complex), "has dtype complex128; expected real numbers"),
        (np.array([["a"], ["b"]]), "has dtype <U1; expected real numbers"),
        (np.zeros((5, 2), "datetime64[s]"), r"has dtype datetime64\[s\]"),
        (np.zeros(5), r"has shape \(5,\); expected \(N, F\)"),
        (np.float32(3), r"has shape \(\); expected"),
        (np.zeros((2, 1, 1, 1, 1, 1)), "has shape .*; expected"),
        (np.zeros((5, 20, 30)), r"has shape \(5, 20, 30\), which can be NCT or NHW or NTC"),
        (np.zeros((0, 3)), r"has shape \(0, 3\); expected .* at least one sample"),
        (np.zeros((5, 0)), r"has shape \(5, 0\)"),
        (np.zeros((1, 3)), "holds 1 sample; at least 2"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(saved, x, message):
    with pytest.raises(InputError, match=message):
        load(saved(x))


def test_python_objects_are_refused_unread(tmp_path):
    for name, save in (("a.npy", np.save), ("a.npz", lambda path, x: np.savez(path, x=x))):
        save(tmp_path / name, np.array([{}, 1], dtype=object))
        with pytest.raises(InputError, match="holds Python objects; expected numbers"):
            load(tmp_path / name)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize("keep", [0, 5, 100, -20])
def test_a_cut_file_is_refused(tmp_path, name, keep):
    (np.save if name == "a.npy" else np.savez)(tmp_path / "whole", np.zeros((50, 3)))
    whole = next(tmp_path.glob("whole.*"))
    (tmp_path / name).write_bytes(whole.read_bytes()[:keep])
    with pytest.raises(InputError, match=rf"{name} is not a complete NumPy file"):
        load(tmp_path / name)


def test_npz_with_both_parts_keeps_them(tmp_path):
    train, test = GENERATOR.normal(size=(9, 3)), GENERATOR.normal(size=(4, 3))
    np.savez(
        tmp_path / "a.npz", x_train=train, x_test=test, y_train=np.arange(9), y_test=np.arange(4)
    )
    data = load(tmp_path / "a.npz")
    np.testing.assert_array_equal(data.train.x, train)
    np.testing.assert_array_equal(data.test.x, test)
    np.testing.assert_allclose(data.preprocessing.offset, train.mean(axis=0))
    assert data.test.labels.tolist() == [0, 1, 2, 3]


def test_npz_with_one_part_is_split(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(10, dtype=np.uint8)[:, None], y=np.arange(10))
    data = load(tmp_path / "a.npz")
    assert (len(data.train), len(data.test)) == (8, 2)
    assert np.array_equal(data.test.x[:, 0], data.test.labels)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"a": np.zeros((4, 2)), "b": np.ones((4, 2))}, "holds a, b and lacks x_train and x_test"),
        ({"x_train": np.zeros((4, 2))}, "holds x_train and lacks x_test"),
        (
            {"x_train": np.zeros((4, 2)), "x_test": np.zeros((4, 3))},
            r"training samples of .* shape \(2,\), and the test samples .* shape \(3,\)",
        ),
        (
            {"x_train": np.zeros((4, 2)), "x_test": np.zeros((4, 2), np.uint8)},
            "training samples of .* dtype float64 .*, and the test samples dtype uint8",
        ),
    ],
)
def test_npz_that_lacks_what_is_needed_is_refused(tmp_path, held, message):
    np.savez(tmp_path / "a.npz", **held)
    with pytest.raises(InputError, match=message):
        load(tmp_path / "a.npz")


def test_many_rows_of_a_large_file_stay_on_disk(saved, monkeypatch):
    path = saved(GENERATOR.normal(size=(40, 5)))
    small = load(path)
    monkeypatch.setattr(views, "LARGE", 10)
    monkeypatch.setattr(views, "BLOCK_VALUES", 12)
    large = load(path)
    assert isinstance(large.train.x, views.RowView)
    assert isinstance(large.train.x.x, np.memmap)
    np.testing.assert_array_equal(np.asarray(large.train.x), small.train.x)
    np.testing.assert_allclose(large.preprocessing.scale, small.preprocessing.scale, rtol=1e-12)
    assert large.fingerprint == small.fingerprint


def test_latent_width_never_exceeds_the_data(saved):
    assert load(saved(np.eye(6))).latent_dim == 6
    assert load(saved(np.eye(60))).latent_dim == 32


@pytest.mark.parametrize("name", ["label_of", "y_true", "classes"])
def test_labels_by_another_name_are_not_passed_over(tmp_path, name):
    np.savez(tmp_path / "a.npz", x=np.zeros((10, 3)), **{name: np.arange(10)})
    with pytest.raises(InputError, match=f"a.npz holds no y but {name}, which looks like labels"):
        load(tmp_path / "a.npz")


@pytest.mark.parametrize(("samples", "labels"), [("images", "labels"), ("data", "Target")])
def test_usual_names_are_read_as_samples_and_labels(tmp_path, samples, labels):
    x = GENERATOR.integers(0, 256, (12, 8, 8), dtype=np.uint8)
    parts = {"train": slice(0, 6), "val": slice(6, 8), "test": slice(8, 12)}
    held = {f"{part}_{samples}": x[rows] for part, rows in parts.items()}
    held |= {f"{part}_{labels}": np.arange(12)[rows, None] for part, rows in parts.items()}
    np.savez(tmp_path / "a.npz", **held)
    data = load(tmp_path / "a.npz")
    assert data.test.labels.tolist() == [8, 9, 10, 11]
    np.testing.assert_array_equal(data.train.x[:, 0], x[data.train.labels])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_large_arrays_of_an_archive_are_copied_to_the_cache_and_mapped(
    tmp_path, monkeypatch, save, order
):
    x = np.asarray(GENERATOR.normal(size=(40, 5)), order=order)
    described = np.array({"made": "by hand"})  # a Python object, which is not needed
    save(tmp_path / "a.npz", x=x, metadata=described)
    monkeypatch.setattr(views, "LARGE", 100)
    monkeypatch.setattr(views, "BLOCK_VALUES", 12)
    data = load(tmp_path / "a.npz")
    assert isinstance(data.train.x.x, np.memmap)
    np.testing.assert_array_equal(np.asarray(data.train.x), x[data.train.rows])


def test_other_arrays_beside_the_samples_are_left_alone(tmp_path):
    x = np.random.default_rng(0).normal(size=(10, 3))
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(10) % 2, labels=np.arange(3), time=np.arange(3))
    data = load(tmp_path / "a.npz")
    assert data.train.labels is not None
    assert data.notes[0].endswith("a.npz also holds unused arrays: labels, time.")


def test_a_note_says_how_numbers_of_the_samples_become_parameters(tmp_path):
    path, mach, alpha = tmp_path / "a.npz", np.linspace(0, 1, 10), np.arange(10)
    np.savez(path, x=GENERATOR.normal(size=(10, 3)), mach=mach, alpha=alpha, grid=np.arange(3))
    note = load(path).notes[0]
    assert note.endswith(
        "unused arrays: mach, alpha, grid; to use parameters of the samples, set "
        "parameters=mach,alpha."
    )
    advised = note.split("parameters=")[1].rstrip(".")
    data = load(path, parameters=advised)
    np.testing.assert_array_equal(data.train.parameters[:, 0], mach[data.train.rows])
    assert data.notes[0].endswith("unused arrays: grid.")


def test_samples_beside_test_samples_are_for_training(tmp_path):
    x = GENERATOR.normal(size=(20, 5))
    np.savez(tmp_path / "a.npz", X=x, x_test=x[:7], y=np.arange(20), y_test=np.arange(7))
    data = load(tmp_path / "a.npz")
    assert (len(data.train), len(data.test)) == (20, 7)
    assert data.train.labels.tolist() == list(range(20))


@pytest.mark.parametrize(
    ("validation", "sizes"), [("train", (9, 4)), ("test", (6, 7)), ("none", (6, 4))]
)
def test_validation_samples_go_where_they_are_wanted(tmp_path, validation, sizes):
    x = GENERATOR.normal(size=(13, 5))
    np.savez(tmp_path / "a.npz", train_x=x[:6], x_val=x[6:9], x_test=x[9:])
    data = load(tmp_path / "a.npz", validation=validation)
    assert (len(data.train), len(data.test)) == sizes
    assert data.notes[0].startswith("3 validation samples are ")


def test_validation_samples_stand_in_for_test_samples(tmp_path):
    x = GENERATOR.normal(size=(13, 5))
    np.savez(tmp_path / "a.npz", x_train=x[:6], x_valid=x[6:])
    data = load(tmp_path / "a.npz")
    np.testing.assert_array_equal(data.test.x, x[6:])


def test_one_array_may_have_any_name(tmp_path):
    x = GENERATOR.normal(size=(13, 5))
    np.savez(tmp_path / "a.npz", snapshots=x, parameters=x[:, :2], time=np.arange(3))
    data = load(tmp_path / "a.npz")
    assert data.shape == (5,)
    assert data.true_dimension == 2
    np.testing.assert_array_equal(data.train.parameters, data.train.x[:, :2])


def test_arrays_are_named(tmp_path):
    x = GENERATOR.normal(size=(13, 5))
    np.savez(tmp_path / "a.npz", u=x, v=-x, label=np.arange(13), mach=x[:, 0], angle=x[:, 1])
    data = load(f"{tmp_path / 'a.npz'}:/v", labels="label", parameters="mach,angle")
    np.testing.assert_array_equal(data.train.parameters, -data.train.x[:, :2])
    np.testing.assert_array_equal(data.train.labels, data.train.rows)
    assert data.parameter_names == ("mach", "angle")
    with pytest.raises(InputError, match=r"a.npz holds no w; it holds u, v, label"):
        load(f"{tmp_path / 'a.npz'}:/w")


def test_samples_are_named_like_columns(tmp_path):
    x = GENERATOR.normal(size=(13, 5))
    np.savez(tmp_path / "a.npz", x=x, v_train=-x, v_test=-x[:4])
    data = load(tmp_path / "a.npz", columns="v")
    np.testing.assert_array_equal(data.train.x, -x)
    assert len(data.test) == 4
    with pytest.raises(InputError, match=r"a\.npz holds no w; it holds x, v_train, v_test"):
        load(tmp_path / "a.npz", columns="w")
    with pytest.raises(
        InputError, match=r"columns names 2 arrays of .*a\.npz \(x, v\), expected one"
    ):
        load(tmp_path / "a.npz", columns="x,v")
    with pytest.raises(InputError, match=r"columns does not apply to .*a\.npz:/x"):
        load(f"{tmp_path / 'a.npz'}:/x", columns="v_train")
    # new samples for a model may lack the name
    split, _ = load_samples(tmp_path / "a.npz", Preprocessing(), (5,), columns="w")
    np.testing.assert_array_equal(split.x, x)


def test_the_row_of_the_file_is_named(saved):
    x = GENERATOR.normal(size=(30, 3))
    x[17] = np.nan
    with pytest.raises(InputError, match="in row 17, counted from 0;"):
        load(saved(x))
