from dataclasses import asdict

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from latentrank.errors import InputError
from latentrank.preprocessing import LAYOUTS, Preprocessing

GENERATOR = np.random.default_rng(0)
PER_CHANNEL = Preprocessing((1e9, -3.0), (2.0, 0.5), dtype="float64")
DTYPES = ["bool", "uint8", "uint16", "int8", "int32", "float16", "float32", "float64", ">f4", ">i2"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_values_of_any_dtype_are_normalised_to_the_same(dtype):
    values = np.array([[0, 1, 1], [1, 0, 1]])
    made = Preprocessing((0.5, 0.0, 2.0), (3.0, 7.0, 0.1))
    assert torch.equal(made.normalise(values.astype(dtype)), made.normalise(values.astype("f8")))


def test_bytes_are_divided_as_in_float64():
    x = np.arange(256, dtype=np.uint8)[:, None]
    made = Preprocessing(0.0, 255.0, 0.0, 255.0, "uint8")
    np.testing.assert_array_equal(made.normalise(x), (x / 255).astype(np.float32))
    assert torch.equal(made.normalise(torch.from_numpy(x)), made.normalise(x))
    assert torch.equal(made.normalise(x.astype(np.int64)), made.normalise(x))


def test_bytes_do_not_depend_on_the_default_dtype():
    """Which training in bfloat16 changes inside a step."""
    made, x = Preprocessing(0.0, 1000.3), torch.arange(200, dtype=torch.uint8)[:, None]
    expected = made.normalise(x)
    torch.set_default_dtype(torch.bfloat16)
    try:
        assert torch.equal(made.normalise(x), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_large_offset_costs_no_digits():
    x = np.stack([1e9 + GENERATOR.normal(size=50), GENERATOR.normal(size=50)], axis=1)
    seen = PER_CHANNEL.normalise(x)
    # 1e9 is exact in float64 to 1.2e-7, half of which is the rounding of x itself
    exact = (x - [1e9, -3.0]) / [2.0, 0.5]
    np.testing.assert_allclose(seen, exact, rtol=2**-23)
    np.testing.assert_allclose(PER_CHANNEL.denormalise(seen), x, rtol=0, atol=1e-6)
    assert len(np.unique(PER_CHANNEL.denormalise(seen)[:, 0])) == 50


@pytest.mark.parametrize("shape", [(4, 2), (4, 2, 5), (4, 2, 5, 3), (4, 2, 3, 3, 3)])
def test_numbers_go_along_channels_and_back(shape):
    x = GENERATOR.normal(size=shape)
    seen = PER_CHANNEL.normalise(x)
    assert seen.shape == shape
    assert seen.dtype == torch.float32
    np.testing.assert_allclose(seen[:, 1], (x[:, 1] + 3) / 0.5, rtol=1e-6)
    np.testing.assert_allclose(PER_CHANNEL.denormalise(seen)[:, 1], x[:, 1], atol=1e-6)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int64", "uint64"])
def test_whole_numbers_come_back_rounded_and_inside_their_type(dtype):
    made = Preprocessing(dtype=dtype)
    back = made.denormalise(np.array([[-1e30, -0.4, 1.6, 1e30]]))
    limits = np.iinfo(dtype)
    assert back.dtype == dtype
    assert back[0, 1:3].tolist() == [0, 2]
    assert back[0, 0] == limits.min
    assert limits.max - int(back[0, 3]) <= limits.max * 2.0**-52


def test_bounds_hold_whatever_a_network_returns():
    made = Preprocessing(0.0, 4095.0, 0.0, 4095.0, "uint16")
    back = made.denormalise(torch.tensor([[-3.0, 0.5, 9.0]]))
    assert back.tolist() == [[0, 2048, 4095]]
    assert Preprocessing(dtype="bool").denormalise(np.array([0.4, 0.6])).tolist() == [False, True]


def test_flipped_and_read_only_arrays_are_taken(recwarn):
    x = GENERATOR.integers(0, 256, (3, 3, 4, 4), dtype=np.uint8)
    made = Preprocessing(0.0, 255.0)
    x.flags.writeable = False
    assert torch.equal(made.normalise(x[:, ::-1]), made.normalise(x[:, ::-1].copy()))
    made.normalise(x).zero_()
    assert x.any()
    assert not [w for w in recwarn.list if "writ" in str(w.message)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_go_there_and_back(layout):
    made = Preprocessing(layout=layout)
    x = GENERATOR.normal(size=range(2, 2 + len(layout)))
    moved = made.to_network_layout(x)
    assert np.shares_memory(moved, x)
    np.testing.assert_array_equal(made.to_own_layout(moved), x)
    sizes = dict(zip(layout, x.shape, strict=True)) | ({} if "C" in layout else {"C": 1})
    assert moved.shape == tuple(sizes[axis] for axis in LAYOUTS[layout])


def test_another_number_of_axes_is_refused():
    with pytest.raises(InputError, match=r"shape \(2, 3\), expected 4 axes \(NHWC\)"):
        Preprocessing(layout="NHWC").to_network_layout(np.zeros((2, 3)))


READ = TypeAdapter(Preprocessing)


@pytest.mark.parametrize(
    "made", [Preprocessing(), PER_CHANNEL, Preprocessing(0.0, 255.0, 0.0, 255.0, "uint8", "NHWC")]
)
def test_it_survives_json(made):
    assert READ.validate_json(READ.dump_json(made)) == made


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"scale": "a"}, ValueError),
        ({"offset": [float("nan")]}, ValueError),
        ({"layout": "NCWH"}, ValueError),
        ({"dtype": "float33"}, TypeError),
        ({"gain": 1}, ValueError),
    ],
)
def test_a_damaged_description_is_refused(changed, error):
    with pytest.raises(error):
        READ.validate_python({**asdict(PER_CHANNEL), **changed})
