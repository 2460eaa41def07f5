"""From the movement of a slider to the next picture: the live page of a run in headless Chromium.

    python -m benchmarks.live RUN [--moves 60]

Given are milliseconds from the input event until the picture is drawn, and until the browser's next
frame, as median and 95th percentile.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.report.browser import Browser

_MOVE = """
var times = [], old = draw;
async function moveOften(count) {
  for (let move = 0; move < count; move++) {
    const slider = sliders[move % sliders.length];
    slider.value = 2 * Math.random() - 1;
    const begun = performance.now();
    const drawn = new Promise(done => {
      window.draw = () => { old(); done(performance.now() - begun); };
    });
    slider.dispatchEvent(new Event('input'));
    const picture = await drawn;
    await new Promise(requestAnimationFrame);
    times.push([picture, performance.now() - begun]);
  }
}
moveOften(COUNT);
"""


def main() -> None:
    """Serve the page, move its sliders in turn, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("--moves", type=int, default=60)
    given = parser.parse_args()
    command = [sys.executable, "-m", "latentrank", "explore", str(given.run), "--live"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
            Browser(Path(profile)) as browser,
        ):
            browser.open(address)
            browser.run(_MOVE.replace("COUNT", str(given.moves)))
            browser.wait(lambda: browser.run("times.length") == given.moves)
            times = json.loads(browser.run("JSON.stringify(times)"))
    finally:
        server.terminate()
    for name, values in zip(("picture", "frame"), zip(*times, strict=True), strict=True):
        late = statistics.quantiles(values, n=20)[-1]
        print(f"{name:8} median {statistics.median(values):.1f} ms, 95th percentile {late:.1f} ms")


if __name__ == "__main__":
    main()
