"""The live page: what the server answers, and what a browser makes of it."""

import html
import re
import socket
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
import torch

from latentrank import runs
from latentrank.config import RunConfig
from latentrank.data.axes import Axes, Axis
from latentrank.data.base import Dataset
from latentrank.errors import InputError
from latentrank.report import frames, server
from latentrank.report.live import Explorer
from latentrank.report.view import View
from tests.report import browser
from tests.report.fake import fake_run

pytest.importorskip("starlette")
uvicorn = pytest.importorskip("uvicorn")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    rng = np.random.default_rng(0)
    p = rng.uniform(size=(60, 2))
    np.savez(folder / "images.npz", x=rng.integers(0, 255, (40, 3, 8, 8), dtype=np.uint8))
    np.savez(folder / "fields.npz", x=5 + rng.normal(size=(60, 1, 6, 9)) + p[:, :1, None, None] * 9,
             parameters=p)  # fmt: skip
    np.savez(folder / "curves.npz", x=rng.normal(size=(40, 2, 50)))
    np.savetxt(folder / "table.csv", rng.normal(size=(40, 4)) * [1, 10, 100, 1000],
               delimiter=",", header="a,b,c,d", comments="")  # fmt: skip
    return folder


def trained(folder, data, method="rrae"):
    where = folder / f"{method}-{data}"
    if not where.exists():
        options = {"rank": 3} if method == "rrae" else {}
        settings = RunConfig(method=method, data=str(folder / data), latent_dim=6, epochs=1,
                             options=options)  # fmt: skip
        runs.train(settings, where, progress=False)
    return runs.Run(where)


@pytest.mark.parametrize("data", ["images.npz", "fields.npz", "curves.npz", "table.csv"])
def test_what_is_drawn_is_what_the_decoder_gives(folder, data):
    run = trained(folder, data)
    explorer = Explorer(run)
    row = explorer.view.kept.rows[2]
    code = run.codes("test")[row : row + 1]
    coordinates = explorer.coordinates(code)[0]
    shown = explorer.decoded(coordinates)
    with torch.no_grad():
        plain = run.model().decode(torch.from_numpy(code))
    if data == "images.npz":
        pixels = np.frombuffer(shown, np.uint8).reshape(8, 8, 3)
        wanted = plain[0].clamp(0, 1).numpy().transpose(1, 2, 0) * 255
        assert np.abs(pixels - wanted).max() <= 1
    elif data == "fields.npz":
        assert len(shown) == 6 * 9 * 3
    else:
        values = np.frombuffer(shown, np.float32)
        in_units = run.model().preprocessing.denormalise(plain)
        wanted = plain.numpy() if data == "table.csv" else in_units
        # codes of rank 3, in float32: what coordinates leave out is rounding
        np.testing.assert_allclose(values, wanted.ravel(), atol=1e-4)


def test_coordinates_are_standard_deviations_along_principal_directions(folder):
    run = trained(folder, "curves.npz")
    found = Explorer(run).coordinates(run.codes("train"))
    np.testing.assert_allclose(np.cov(found.T), np.eye(3), atol=1e-4)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)


def test_parameters_give_the_code_of_the_map(folder):
    run = trained(folder, "fields.npz")
    explorer = Explorer(run)
    known = run.encoded("train")
    found = explorer.at(known["parameters"][4])
    wanted = explorer.coordinates(known["codes"][4:5])[0]
    # the map passes through the training codes
    np.testing.assert_allclose(found["coordinates"], wanted, atol=1e-3)
    assert not found["outside"]
    assert explorer.at(np.array([9.0, 9.0]))["outside"]
    with pytest.raises(InputError, match="no parameters; move the code"):
        Explorer(trained(folder, "curves.npz")).at(np.zeros(2))


def test_parameters_have_their_units(folder, monkeypatch):
    monkeypatch.setattr(View, "parameter_labels", ["angle (deg)", "mach"])
    page = Explorer(trained(folder, "fields.npz")).page()
    assert re.findall(r'<label for="p\d">(.*?)</label>', page) == ["angle (deg)", "mach"]
    assert "<option>angle (deg)</option><option>mach</option>" in page.replace("\n", "")


def test_the_data_are_not_needed(folder):
    run = trained(folder, "table.csv")
    run.dataset = None
    page = html.unescape(Explorer(run).page())
    assert "default-src 'none'" in page
    assert "connect-src 'self'" in page
    assert not re.search(r"(src|href)=[\"'](?!data:)", page)
    assert page.count('type="range"') == 1 + 1 + 3


def test_curves_are_drawn_at_their_coordinates(tmp_path):
    run = fake_run(tmp_path, (2, 40))
    times = np.linspace(0, 2, 40)
    axes = Axes((Axis("u", "m/s"), Axis("p", "Pa")), (Axis("t", "s", times),))
    run.the_dataset = replace_axes(run.the_dataset, axes)
    frame, sample = frames.of_samples(View(run))
    assert sample["x"] == times.tolist()
    assert frame.limits[:2] == (0, 2)


def replace_axes(data, axes):
    return Dataset(data.name, data.train, data.test, data.preprocessing, axes=axes)


def test_a_gan_and_a_constant_code_are_refused(folder):
    with pytest.raises(InputError, match=r"NSGAN generates from noise.* none to start from"):
        Explorer(trained(folder, "images.npz", "nsgan"))


# --- the server ----------------------------------------------------------------------------------


def test_the_second_part_of_a_response_does_not_wait_for_an_acknowledgement():
    with server.listening(0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.fixture(scope="module")
def serving(folder):
    """The page of the fields, at its address."""
    listener = server.listening(0)
    app = server.application(Explorer(trained(folder, "fields.npz")))
    running = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    yield server.address(listener)
    running.should_exit = True
    thread.join()
    listener.close()


def asked(url, body=None, **headers):
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_server_answers(serving, folder):
    status, page = asked(serving)
    assert (status, page.count(b"<canvas")) == (200, 1)
    coordinates = np.array([0.5, -1.0, 0.0], np.float32)
    status, shown = asked(f"{serving}decode", coordinates.tobytes())
    assert status == 200
    assert shown == Explorer(trained(folder, "fields.npz")).decoded(coordinates.astype(float))
    assert asked(f"{serving}code", np.array([0.5, 0.5]).tobytes())[0] == 200


@pytest.mark.parametrize(
    "body", [b"", b"abc", np.zeros(2, "f4").tobytes(), np.full(3, np.nan, "f4").tobytes()]
)
def test_what_is_not_coordinates_is_refused(serving, body):
    status, text = asked(f"{serving}decode", body)
    assert status == 400
    assert text == b"Expected 3 coordinates, finite float32."


def test_wrong_parameters_are_refused_in_a_sentence(serving):
    status, text = asked(f"{serving}code", np.zeros(5).tobytes())
    assert status == 400
    assert b"expected 2" in text


def test_only_this_machine_is_answered(serving):
    # as a page on the internet would ask whose name has been pointed here
    assert asked(serving, Host="example.com")[0] == 400
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert server.listening(0).getsockname()[0] == "127.0.0.1"
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"Port {port} cannot be used .*another --port"):
            server.listening(port)


# --- in a browser --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    if browser.EXECUTABLE is None:
        pytest.skip(f"needs a browser: none of {', '.join(browser.NAMES)} is on the PATH")
    pytest.importorskip("websockets")
    with browser.Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def page(opened, serving):
    """The page as it opens: no test finds what another did to it."""
    opened.open(serving)
    opened.wait(lambda: opened.run(DRAWN))
    return opened


PIXELS = "document.querySelector('#sample canvas').toDataURL()"
DRAWN = "document.querySelector('#sample canvas').width === 9"
SLIDERS = "[...document.querySelectorAll('input[id^=d]')].map(own => Number(own.value))"


READ = (
    "Array.from(document.querySelector('#sample canvas').getContext('2d')"
    ".getImageData(0, 0, 9, 6).data)"
)


def shown(page):
    """The colours of the picture, as the decoder gives them."""
    return np.reshape(page.run(READ), (-1, 4))[:, :3].ravel()


def set_slider(page, name, value):
    page.run(
        f"(own => {{ own.value = {value}; own.dispatchEvent(new Event('input')); }})"
        f"(document.getElementById('{name}'))"
    )


def changes(page, act):
    """Whether the picture becomes another one."""
    before = page.run(PIXELS)
    act()
    return page.wait(lambda: page.run(PIXELS) != before)


def test_a_slider_changes_the_picture(page):
    assert changes(page, lambda: set_slider(page, "d0", 2.5))
    assert page.run(SLIDERS)[0] == 2.5


def test_the_picture_is_that_of_the_sliders(page, folder):
    explorer = Explorer(trained(folder, "fields.npz"))
    for index, value in enumerate((1.5, -2.0, 0.5)):
        set_slider(page, f"d{index}", value)
    wanted = np.frombuffer(explorer.decoded(np.array([1.5, -2.0, 0.5])), np.uint8)
    assert page.wait(lambda: np.array_equal(shown(page), wanted))


def test_the_point_moves_the_sliders(page):
    box = page.run("(({x, y, width, height}) => [x, y, width, height])"
                   "(document.querySelector('.plane').getBoundingClientRect())")  # fmt: skip
    point = page.run("(({x, y, width, height}) => [x + width / 2, y + height / 2])"
                     "(document.querySelector('.plane b').getBoundingClientRect())")  # fmt: skip
    end = (box[0] + 0.25 * box[2], box[1] + 0.75 * box[3])
    assert changes(page, lambda: page.drag(point, end))
    left, right, bottom, top = page.run("page.maps[0].limits")
    scales = page.run("page.scales")
    wanted = [(left + 0.25 * (right - left)) / scales[0], (top + 0.75 * (bottom - top)) / scales[1]]
    # a slider has steps of 0.01, and a mouse of a pixel
    pixel = max(abs(right - left) / scales[0] / box[2], abs(top - bottom) / scales[1] / box[3])
    np.testing.assert_allclose(page.run(SLIDERS)[:2], wanted, atol=0.01 + pixel)


def test_parameters_move_the_sliders_and_the_picture(page):
    before = page.run(SLIDERS)
    assert changes(page, lambda: set_slider(page, "p0", 0.9))
    assert page.run(SLIDERS) != before


def test_between_two_samples_both_ends_are_the_samples(page):
    page.run("document.querySelectorAll('#from button')[1].click()")
    page.run("document.querySelectorAll('#to button')[4].click()")
    ends = page.run("page.shown")
    for t, code in ((0, ends[1]), (1, ends[4]), (0.5, np.mean([ends[1], ends[4]], axis=0))):
        set_slider(page, "between", t)
        np.testing.assert_allclose(page.run("code"), code, atol=1e-12)


def test_fewer_coefficients_leave_the_others_at_the_mean(page, folder):
    set_slider(page, "d2", 2.0)
    assert changes(page, lambda: set_slider(page, "rank", 0))
    mean = np.frombuffer(Explorer(trained(folder, "fields.npz")).decoded(np.zeros(3)), np.uint8)
    assert page.wait(lambda: np.array_equal(shown(page), mean))


@pytest.fixture
def fetching(page):
    """Keeps the page's own function, which a test replaces."""
    page.run("window.real = window.fetch; 0")
    return page


def test_parameters_that_get_no_answer_mark_the_page_until_they_do(fetching):
    stale = "document.body.classList.contains('stale')"
    fetching.run("window.fetch = () => Promise.reject(new TypeError('no server')); 0")
    set_slider(fetching, "p0", 0.2)
    assert fetching.wait(lambda: fetching.run(stale))
    fetching.run("window.fetch = window.real; 0")
    set_slider(fetching, "p0", 0.8)
    assert fetching.wait(lambda: not fetching.run(stale))


def test_a_late_answer_about_parameters_moves_nothing(fetching):
    fetching.run(
        "window.fetch = (url, given) => url !== '/code' ? window.real(url, given) : new Promise("
        "give => { window.answer = async () => { give(await window.real(url, given)); }; }); 0"
    )
    set_slider(fetching, "p0", 0.3)
    set_slider(fetching, "d0", 1.25)
    fetching.run("window.answer().then(() => setTimeout(() => { window.given = true; }, 200)); 0")
    assert fetching.wait(lambda: fetching.run("window.given === true"))
    assert fetching.run(SLIDERS)[0] == 1.25
