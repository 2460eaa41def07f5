import gzip
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch

from latentrank.data import load, load_samples
from latentrank.data.arrays import Meaning
from latentrank.data.readers.tables import from_frame, has_names
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
        "Columns of a sample (3): a, b, c.",
        "Names of samples are read from the column id.",
        "4 of 20 samples, drawn at random, are held out for testing.",
    )
    assert data.axes.channel_names == ("a", "b", "c")
    assert data.train.names.tolist() == FRAME["id"].to_numpy()[rows].tolist()


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
    assert not data.axes.channels
    assert data.notes[0] == "Columns of a sample (2): 0, 1."


@pytest.mark.parametrize("name", ["t.csv", "t.CSV.GZ"])
@pytest.mark.parametrize("header", [True, False])
def test_whether_columns_have_names_is_known_before_a_table_is_read(tmp_path, name, header):
    compression = "gzip" if name.endswith("GZ") else None
    frame = FRAME[["a", "b"]]
    frame.to_csv(tmp_path / name, index=False, header=header, compression=compression)
    assert has_names(tmp_path / name) == header
    assert has_names(tmp_path / "t.parquet")


def test_new_samples_are_taken_by_name_where_their_columns_have_names(tmp_path):
    trained = load(saved(tmp_path, FRAME[["a", "b"]]))
    expected = FRAME[["a", "b"]].to_numpy(np.float32)
    for frame, header in ((FRAME[["b", "c", "a"]], True), (FRAME[["a", "b"]], False)):
        path = saved(tmp_path, frame, header=header)
        found, _ = load_samples(path, trained.preprocessing, trained.shape, **trained.reading)
        np.testing.assert_allclose(found.x, expected, rtol=1e-6)


def test_of_several_columns_of_lists_the_first_is_the_sample():
    lists = pd.Series([[1.0, 2.0], [3.0, 4.0]])
    found = from_frame("x", pd.DataFrame({"a": [1, 2], "u": lists, "v": lists}), Meaning())
    np.testing.assert_array_equal(found.parts[0].x, [[1, 2], [3, 4]])
    assert found.notes == ("Columns of a sample (1): u.", "Unused columns: a, v.")
    assert not found.axes.channels


@pytest.mark.parametrize("dtype", ["uint8", "float32", "bool"])
def test_columns_of_one_type_keep_it(dtype):
    frame = pd.DataFrame({"a": [0, 1, 1], "b": [1, 0, 1]}).astype(dtype)
    assert from_frame("x", frame, Meaning()).parts[0].x.dtype == dtype


def test_columns_of_the_same_name_are_refused():
    with pytest.raises(InputError, match="x has several columns called b; rename"):
        from_frame("x", pd.DataFrame(np.eye(3), columns=["a", "b", "b"]), Meaning())


@pytest.mark.parametrize("header", ["a,b,b", 'a, "b",b', "b;a;b"])
def test_columns_of_the_same_name_are_refused_in_text_too(tmp_path, header):
    row = ";1;2;3"[1:] if ";" in header else "1,2,3"
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["# made by hand", header, *[row] * 9]))
    with pytest.raises(InputError, match="several columns called b; rename"):
        load(path)


@pytest.mark.parametrize("delimiter", [",", ";", " ", "\t"])
def test_names_in_the_comment_of_savetxt_are_those_of_the_columns(tmp_path, delimiter):
    path, x = tmp_path / "t.csv", FRAME[["a", "b", "c"]].to_numpy(float)
    np.savetxt(path, x, delimiter=delimiter, header=delimiter.join(["a", "b", "label"]))
    assert has_names(path)
    data = load(path)
    np.testing.assert_allclose(data.train.x, x[data.train.rows, :2], rtol=1e-6)
    np.testing.assert_array_equal(data.train.labels, x[data.train.rows, 2])
    assert data.axes.channel_names == ("a", "b")
    assert "Column names are read from the comment # a" in data.notes[0]


@pytest.mark.parametrize("comment", ["made by hand", "1,2,3", "a,b", "a,a,b", "a,,b"])
def test_other_comments_name_no_columns(tmp_path, comment):
    path = tmp_path / "t.csv"
    np.savetxt(path, FRAME[["a", "b", "c"]].to_numpy(float), delimiter=",", header=comment)
    assert not has_names(path)
    assert not load(path).axes.channels


def test_a_split_column_is_obeyed(tmp_path):
    split = ["Train"] * 12 + ["val"] * 3 + ["TEST"] * 5
    data = load(saved(tmp_path, FRAME[["a", "b"]].assign(split=split)))
    assert (len(data.train), len(data.test)) == (15, 5)
    np.testing.assert_array_equal(data.test.x[:, 0], FRAME["a"].to_numpy()[-5:])
    assert data.test.rows.tolist() == [15, 16, 17, 18, 19]
    assert data.train.rows.tolist() == list(range(15))


def test_a_table_of_text_alone_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"it has id.*: add some, or if these are labels, make"):
        load(saved(tmp_path, FRAME[["id"]]))


@pytest.mark.parametrize(
    "text",
    [
        "a;b\n1,5;2,25\n" + "3,5;4\n" * 9,
        "# of the new machine\na,b\n1.5,2.25\n" + "3.5,4\n" * 9,
        "1.5\t2.25\n" + "3.5\t4\n" * 9,
    ],
)
def test_tables_with_other_conventions_are_read(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    data = load(tmp_path / "t.csv")
    x = np.concatenate([data.train.x, data.test.x])
    assert sorted(map(tuple, x.tolist())) == [(1.5, 2.25)] + [(3.5, 4)] * 9


def written(folder, text):
    (folder / "t.csv").write_text(text)
    data = load(folder / "t.csv")
    x = np.concatenate([data.train.x, data.test.x])
    order = np.argsort(np.concatenate([data.train.rows, data.test.rows]))
    return x[order], data


@pytest.mark.parametrize("stored", [False, True])
def test_an_index_of_text_or_dates_names_the_samples(tmp_path, stored):
    def read(frame):
        frame.to_parquet(tmp_path / "t.parquet")
        return load(tmp_path / "t.parquet" if stored else frame)

    frame = FRAME[["a", "b"]]
    data = read(frame.set_axis([f"cell {row}" for row in range(N)]))
    assert data.train.names.tolist() == [f"cell {row}" for row in data.train.rows]
    assert read(frame.set_axis(pd.date_range("2020-01-01", periods=N))).train.names[0] >= "2020"
    for index in (["a", "b"] * (N // 2), range(N, 2 * N)):
        assert read(frame.set_axis(index)).train.names is None


@pytest.mark.parametrize("name", ["ID", "patient_id", "sampleId", "Unnamed: 0"])
def test_columns_that_number_the_rows_are_names_not_features(tmp_path, name):
    frame = FRAME[["a", "b"]].assign(**{name: np.arange(100, 100 + N)})
    data = load(saved(tmp_path, frame))
    assert data.shape == (2,)
    assert data.train.names.tolist() == [str(100 + row) for row in data.train.rows]
    assert f"Names of samples are read from the column {name}." in data.notes
    assert not any(note.startswith("Unused") for note in data.notes)
    assert load(tmp_path / "t.csv", columns=f"a,{name}").shape == (2,)
    repeated = load(saved(tmp_path, frame.assign(**{name: 1})))
    assert repeated.shape == (3,)


@pytest.mark.parametrize(
    ("header", "row", "named"),
    [
        ("0,1,2,3", "5,3,4,0", True),  # pandas names columns so
        ("0,1", "0.5,2", True),
        ("2001,2002,2003", "1.5,0.5,2.5", True),
        (",0,1,2,3", "0,5,3,4,1", True),
        (",".join(f"{400 + 1.7 * i:g}" for i in range(9)), ",".join("315264879"), True),
        ("0,1,2,3", "4,5,6,7", False),
        ("0,1", "1,0", False),
        ("1.5,2.5", "4,3", False),
        ("5,3,4", "0,1,2", False),
        ("5", "1.5", False),
        (",".join(f"{0.5 * i:g}" for i in range(9)), ",".join("315264879"), True),
        (",".join("112345678"), ",".join("315264879"), False),  # names differ
    ],
)
def test_a_first_line_of_numbers_is_names_where_it_counts_up_and_samples_do_not(
    tmp_path, header, row, named
):
    x, data = written(tmp_path, f"{header}\n" + f"{row}\n" * 9)
    assert len(x) == 10 - named
    assert any("numbers is read as column names" in note for note in data.notes) == named


@pytest.mark.parametrize(
    "text",
    [
        "a b\n" + "1.5  2\n" * 9,
        "1.5 2\n" * 9,
        "a, b\n" + "1.5, 2\n" * 9,
        "a#1,b\n" + "1.5,2\n" * 9,
        "1,5;2,0\n" * 9,
        "1,5\t2\n" * 9,
        "1,5 2,0\n" * 9,
        "1.5, 2\n" * 9,
        "at 1,a,b\n" + "2026-01-01 12:00,1.5,2\n" * 9,
        "kind;or class,a,b\n" + "low,1.5,2\n" * 9,
        "kind,a,b\n" + "low;mid;high;top,1.5,2\n" * 9,
        "kind 2,a,b\n" + "low;high,1.5,2\n" * 9,
        "a,b,\n" + "1.5,2,\n" * 9,
        "# by hand\n# again\na\tb\n" + "1.5\t2\n" * 9,
    ],
)
def test_no_column_or_row_is_lost(tmp_path, text):
    x, _ = written(tmp_path, text)
    np.testing.assert_array_equal(x, [[1.5, 2]] * 9)


def test_spaces_around_names_are_not_part_of_them(tmp_path):
    _, data = written(tmp_path, "a, b\n" + "1.5, 2\n" * 9)
    assert data.axes.channel_names == ("a", "b")


def test_a_table_without_rows_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"t\.csv has no rows, expected one for each sample; add"):
        load(saved(tmp_path, FRAME[:0]))


@pytest.mark.parametrize("rows", [1, 12])
def test_entries_may_be_arrays_of_any_shape(rows):
    x = np.random.default_rng(0).normal(size=(rows, 2, 40))
    (part,) = from_frame("x", pd.DataFrame({"u": list(x)}), Meaning()).parts
    np.testing.assert_array_equal(part.x, x)
    if rows > 1:
        assert load(pd.DataFrame({"u": list(x)})).shape == (2, 40)


def test_missing_values_are_named_by_column(tmp_path):
    text = "a,b,label\n1,NA,x\n2,3,x\n,,x\n"
    with pytest.raises(InputError, match=r"2 of its columns, a \(1\), b \(2\); fill them in"):
        written(tmp_path, text)
    with pytest.raises(InputError, match=r"1 of its columns, b \(1\); fill them in"):
        written(tmp_path, "a,b\n1,NA\n2,3\n")
    with pytest.raises(InputError, match=r"1 of 3 samples, the first in row 1, counted from 0"):
        written(tmp_path, "a,b,label\n1,2,x\n2,3,\n4,4,x\n")


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
@pytest.mark.parametrize(
    "text",
    ["Länge,Breite €\n" + "1.5,2\n" * 9, "a,class\n" + "1.5,x\n" * 9000 + "1.5,größer\n"],
    ids=["in the header", "far below"],
)
def test_text_that_is_not_utf_8_is_read_as_windows_1252_with_a_note(tmp_path, name, text):
    told = "The text is not UTF-8 and was read as Windows-1252"
    found = {}
    for encoding in ("utf-8", "utf-8-sig", "cp1252"):
        data = text.encode(encoding)
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
        found[encoding] = load(tmp_path / name)
        assert any(told in note for note in found[encoding].notes) == (encoding == "cp1252")
    assert len({(one.axes.channel_names, one.class_names) for one in found.values()}) == 1
    np.testing.assert_array_equal(found["cp1252"].train.x, found["utf-8"].train.x)


@pytest.mark.parametrize("data", ["température,b\n1,2\n".encode("utf-16"), b"\x81,b\n1,2\n"])
def test_other_encodings_are_refused_in_one_sentence(tmp_path, data):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(
        InputError, match=r"^[^;]*t\.csv cannot be read as a table in UTF-8; save it again"
    ):
        load(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("entries", "first"),
    [
        (["1.5", "Bad Input", "2.5", "3.5"], "'Bad Input' in row 1, counted from 0"),
        (["[m/s]", "1.5", "2.5", "3.5"], "'[m/s]' in row 0"),
        (['"1,204.5"', '"2,204.5"', '"998.1"', '"1,001.0"'], "'1,204.5' in row 0"),
    ],
    ids=["faults", "line of units", "thousands"],
)
def test_text_among_numbers_is_refused_rather_than_the_column_dropped(tmp_path, entries, first):
    rows = [f"{i}.5,{entry}" for i, entry in enumerate(entries)]
    (tmp_path / "t.csv").write_text("\n".join(["level,speed", *rows]))
    with pytest.raises(InputError, match=f"text in its column speed .{re.escape(first)}"):
        load(tmp_path / "t.csv")
    (tmp_path / "u.csv").write_text("level,speed,kind\n" + "1.5,2,low\n2.5,1,high\n" * 4)
    for chosen in ({"columns": "level,kind"}, {"parameters": "kind"}):
        with pytest.raises(InputError, match=r"text in its column kind .'low' in row 0"):
            load(tmp_path / "u.csv", **chosen)


@pytest.mark.parametrize("time", ["", " 12:00"])
@pytest.mark.parametrize("first", ["3.5,0.5", "3,3", "35.5,0.5,1201"])
def test_a_first_line_of_numbers_beside_text_is_a_sample_unless_they_increase(
    tmp_path, first, time
):
    x, data = written(tmp_path, "\n".join(f"2026-01-0{day}{time},{first}" for day in range(1, 8)))
    np.testing.assert_allclose(x, [[*map(float, first.split(","))]] * 7)
    assert "The first line of numbers is read as a sample." in data.notes


@pytest.mark.parametrize("years", [["2000", "2010", "2020"], ["2000", "2001", "2002"]])
def test_numbers_that_increase_beside_a_name_are_names(tmp_path, years):
    _, data = written(tmp_path, "\n".join([",".join(["day", *years]), *["2026-01-01,3,5,1"] * 7]))
    assert [axis.name for axis in data.axes.channels] == years


def test_a_column_of_which_no_more_than_half_are_numbers_is_text(tmp_path):
    rows = "".join(f"{i}.5,{entry}\n" for i, entry in enumerate(["1", "2", "low", "high"]))
    assert "Unused columns: kind." in written(tmp_path, "level,kind\n" + rows)[1].notes


@pytest.mark.parametrize("first", ["0.12,2", "7.5"])
def test_names_that_may_have_been_a_sample_are_reported(tmp_path, first):
    rows = "\n".join(f"s{i},{first}" for i in range(8))
    _, data = written(tmp_path, rows)
    assert "The first line of numbers is read as column names." in data.notes
    _, data = written(tmp_path, "country,2019,2020,2021\n" + "a,1.5,2.5,0.5\nb,1.5,3.5,0.5\n" * 4)
    assert not any("first line" in note for note in data.notes)


@pytest.mark.parametrize(
    "number",
    [float, lambda v: Decimal(str(v)), Fraction, lambda v: v > 0],
    ids=["float", "decimal", "fraction", "bool"],
)
def test_numbers_in_a_column_of_objects_are_numbers(number):
    """Databases return decimals, and a frame made row by row has objects only."""
    values = [number(value) for value in FRAME["a"]]
    data = load(FRAME.drop(columns="class").assign(a=pd.Series(values, dtype=object)))
    assert data.axes.channel_names == ("a", "b", "c")
    np.testing.assert_array_equal(data.train.x[:, 0], np.array(values, float)[data.train.rows])
    gap = FRAME.assign(a=pd.Series([None, *values[1:]], dtype=object))
    with pytest.raises(InputError, match=r"lacks values in 1 of its columns, a \(1\)"):
        load(gap)
    assert load(FRAME.assign(a=pd.Series([None] * N, dtype=object))).shape == (2,)


def test_dates_and_complex_numbers_are_no_parameters_and_no_samples():
    """As numbers, dates count in a unit that nobody chose, and half of a complex number is lost."""
    for column in (pd.date_range("2020", periods=N), FRAME["a"] + 1j):
        frame = FRAME.assign(when=column)
        for how in ({"parameters": "when"}, {"columns": "a,when"}):
            with pytest.raises(InputError, match="in its column when, expected real numbers"):
                load(frame, **how)
        assert "Unused columns: when." in load(frame).notes


@pytest.mark.parametrize("columns", ["u,v", "u,a", "a,u"])
def test_samples_are_in_one_column_of_lists_alone(columns):
    lists = list(GENERATOR.normal(size=(N, 5)))
    frame = pd.DataFrame({"a": FRAME["a"], "u": lists, "v": lists})
    with pytest.raises(InputError, match=f"names {columns[0]}, .*, expected one column of lists"):
        load(frame, columns=columns)


def test_samples_in_a_column_have_one_shape():
    x = GENERATOR.normal(size=(N, 5))
    data = load(pd.DataFrame({"x": list(torch.from_numpy(x))}))
    np.testing.assert_array_equal(data.train.x, x[data.train.rows])
    with pytest.raises(InputError, match=r"in its column x, have shapes \(4,\), \(5,\)"):
        load(pd.DataFrame({"x": [row[: 4 + i % 2] for i, row in enumerate(x)]}))
