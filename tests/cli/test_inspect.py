"""Commands that inspect a run: reports, interpolations, pages and comparisons."""

import re
import socket
from pathlib import Path

import pytest

from latentrank.__main__ import main
from tests.cli.commands import SMALL, refused, run_of

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_report(folder, capfd, monkeypatch):
    monkeypatch.setattr("latentrank.report.write_report", lambda run, *_: run.folder / "there.html")
    assert main(["report", run_of(folder)]) == 0
    assert capfd.readouterr().out.strip().endswith("there.html")


@pytest.mark.parametrize("kind", ["linear", "spherical", "pca"])
def test_interpolate(folder, kind):
    assert main(["interpolate", run_of(folder), "--kind", kind, "--out", "between.png"]) == 0
    assert Path("between.png").read_bytes()[1:4] == b"PNG"


def test_interpolate_over_parameters(capfd):
    data = ["--data", "curves:shifted-sine", "--test-size", "5"]
    assert main(["train", "rrae", *data, "--rank", "1", *SMALL, "--out", "sine"]) == 0
    assert main(["interpolate", "sine", "--kind", "parameters"]) == 0
    assert "relative error %" in capfd.readouterr().out


def test_explore(folder, capfd):
    assert main(["explore", run_of(folder)]) == 0
    where = Path(run_of(folder)) / "explore.html"
    assert str(where) in capfd.readouterr().out
    assert where.is_file()


def test_explore_live_prints_its_address_and_how_to_stop_it(folder, capfd, monkeypatch):
    pytest.importorskip("starlette")
    from latentrank.report import server

    def interrupted(app, listener):
        raise KeyboardInterrupt

    monkeypatch.setattr(server, "serve", interrupted)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert main(["explore", run_of(folder), "--live"]) == 130
    out, err = capfd.readouterr()
    port = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\n", out)[1]
    assert f"No browser could be opened here; open the address in one on this machine, or from " \
        f"another one after: ssh -L {port}:127.0.0.1:{port} HOST" in err  # fmt: skip
    assert err.endswith("latentrank: The page is no longer served.\n")


def test_a_port_in_use_is_refused(folder, capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = refused(["explore", run_of(folder), "--live", "--port", port], capfd)
    assert f"Port {port} cannot be used (Address already in use); give another --port" in told


def test_compare(folder, capfd):
    assert "is given twice" in refused(["compare", run_of(folder), run_of(folder)], capfd)
    assert main(["compare", run_of(folder), "--out", "page.html"]) == 0
    assert "<html" in Path("page.html").read_text(encoding="utf-8")
    assert "rank" in Path("page-files/table.tex").read_text(encoding="utf-8")


def test_a_comparison_is_overwritten_by_force_only(folder, capfd):
    assert main(["compare", run_of(folder)]) == 0
    capfd.readouterr()
    assert "--force" in refused(["compare", run_of(folder)], capfd)
    Path("compare.html").unlink()
    assert "compare-files already exists" in refused(["compare", run_of(folder)], capfd)
    assert main(["compare", run_of(folder), "--force", "--label", "mine"]) == 0
    assert "mine" in Path("compare.html").read_text(encoding="utf-8")


def test_figures_in_another_format_and_style(folder, capfd):
    Path("own.mplstyle").write_text("figure.figsize: 3.3, 2\nfont.size: 7\n", encoding="utf-8")
    command = ["compare", run_of(folder), "--force", "--figure-format", "svg"]
    assert main([*command, "--style", "own.mplstyle"]) == 0
    drawing = Path("compare-files/spectrum.svg").read_text(encoding="utf-8")
    assert "index of the singular value</text>" in drawing
    assert 'width="237.6pt"' in drawing
    capfd.readouterr()
    assert "no style file" in refused([*command, "--style", "none.mplstyle"], capfd)
