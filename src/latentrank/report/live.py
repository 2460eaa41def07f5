"""Exploring a code live: a page whose picture is decoded while its controls move."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from latentrank import __version__
from latentrank.density.base import Subspace
from latentrank.errors import InputError
from latentrank.formatting import as_text
from latentrank.inference import parameter_map
from latentrank.parametric import ParameterMap
from latentrank.report import figures, frames, html, lines
from latentrank.report.cells import displayable, rgb
from latentrank.report.explore import explorable, thumbnails
from latentrank.report.panels import scattered
from latentrank.report.style import page_of
from latentrank.runs import Run

_WIDTH: Final = 4.4  # inches of a drawing; it has half a page, or a phone
_SLIDERS: Final = 12
_REACH: Final = 3.0  # standard deviations each way, at least
_HULL: Final = 3  # maximum number of parameters for which extrapolation is detected

Coordinates = NDArray[np.float64]


class Explorer:
    """Codes of a run in principal coordinates, and what the page shows of them.

    A code is `z = m + V (s c)`, with the mean `m`, the principal directions `V` and the standard
    deviations `s` of the training codes. The coordinates `c` are those of the directions that the
    rank counts; others stay at the mean.

    Args:
        run: a finished run of an autoencoder; its data are not needed.

    Raises:
        InputError: a GAN, or a constant code.
    """

    def __init__(self, run: Run) -> None:
        self.view = explorable(run)
        plane, count = self.view.plane, self.view.directions
        self._space = Subspace(plane.mean, plane.basis[:, :count], plane.scales[:count])
        self._map = _known_map(run)
        self.decoded(np.zeros(count))  # a warm-up, since the first call is the slowest

    @property
    def directions(self) -> int:
        """Number of coordinates, `d`."""
        return self._space.rank

    def coordinates(self, codes: NDArray[Any]) -> Coordinates:
        """Coordinates `(N, d)` of codes `(N, L)`."""
        return self._space.coordinates(codes)

    def decoded(self, coordinates: NDArray[Any]) -> bytes:
        """What the page draws for one code.

        Args:
            coordinates: `(d,)`.

        Returns:
            The colours of a picture, `(H, W, 3)` uint8; or the heights of the lines of a curve, or
            the values of a row of a table, float32.
        """
        sample = self.view.decode(self._space.points(coordinates[None]))
        if not self.view.as_lines:
            shown = rgb(displayable(sample), self.view.limits)[0]
        elif lines.named_rows(sample[0], self.view.axes):
            shown = sample[0].astype(np.float32)
        else:
            shown = lines.points(sample[0], self.view.axes)[1].astype(np.float32)
        return bytes(shown.tobytes())

    def at(self, parameters: NDArray[Any]) -> dict[str, Any]:
        """The code at parameters of the data.

        Args:
            parameters: `(P,)`.

        Returns:
            Its `coordinates`, and whether the parameters lie `outside` the known ones.

        Raises:
            InputError: the data have no parameters, or not as many.
        """
        if self._map is None:
            raise InputError("The data of this run have no parameters; move the code instead.")
        code = self._map(parameters[None])
        outside = self._map.width <= _HULL and bool(self._map.outside(parameters[None])[0])
        return {"coordinates": self.coordinates(code)[0].tolist(), "outside": outside}

    def page(self) -> str:
        """The page."""
        view, parts = self.view, html.macros("live")
        with page_of(_WIDTH):
            frame, sample = frames.of_samples(view)
            maps = self._maps()
        ranges = self._ranges()
        controls = parts.controls(
            ranges, view.noun, view.start_noun, view.titles, self._labels(), thumbnails(view),
            self._parameters(), self.directions,
        )  # fmt: skip
        values = {
            "frame": _without_svg(frame), "sample": sample,
            "maps": [_without_svg(found) for _, found in maps],
            "scales": self._space.scales.tolist(),
            "shown": self.coordinates(view.starts).tolist(),
            "parameters": self._shown_parameters(),
        }  # fmt: skip
        drawings = parts.stage(
            html.data_url(frame.svg),
            frame.size,
            [(name, html.data_url(found.svg), found.size) for name, found in maps],
            view.start_noun,
        )
        return html.page(
            view.title,
            f"Drag the point, move a slider or pick two samples: the {view.noun} is decoded as you "
            "go.",
            html.facts({"rank": (as_text(self.directions), f"of {view.metrics['latent_dim']}")}),
            [drawings, controls],
            f"Served by latentrank {__version__} from the folder {view.run.folder.name}.",
            interactive="live",
            values=values,
            live=True,
        )

    def _ranges(self) -> list[float]:
        """How far each slider goes: as far as the codes on the map."""
        largest = np.abs(self.coordinates(self.view.cloud)).max(axis=0)
        return [float(reach) for reach in np.ceil(np.maximum(largest, _REACH))[:_SLIDERS]]

    def _maps(self) -> list[tuple[str, frames.Frame]]:
        """Maps of codes, one for each way of colouring them."""
        test = self.view.test
        every = self.view.in_plane(self.view.cloud)
        rows = scattered(len(every))
        found: list[tuple[str, Any, Any]] = []
        if "labels" in test:
            found.append(("class", test["labels"][rows], self.view.kept.class_names))
        for index, name in enumerate(self.view.parameter_labels):
            found.append((name, test["parameters"][rows, index], [name]))
        return [
            (name, frames.Frame.of(figures.latent_scatter(every[rows], values, names)))
            for name, values, names in found or [("", None, None)]
        ]

    def _parameters(self) -> list[tuple[str, float, float]]:
        """Name with unit, lowest and highest value of each parameter that has a slider."""
        if self._map is None:
            return []
        nodes = self._map.nodes
        return list(
            zip(self.view.parameter_labels, nodes.min(axis=0), nodes.max(axis=0), strict=True)
        )

    def _labels(self) -> list[str]:
        """Captions of the starting samples: a class, parameters, or a number."""
        rows = self._shown_parameters()
        if rows and not self.view.kept.class_names:
            return [", ".join(f"{value:.2g}" for value in row) for row in rows]
        return [title or str(number) for number, title in enumerate(self.view.titles, start=1)]

    def _shown_parameters(self) -> list[list[float]]:
        """Parameters of the starting samples."""
        known = self.view.test.get("parameters")
        return [] if known is None else known[self.view.kept.rows].tolist()


def _known_map(run: Run) -> ParameterMap | None:
    """The map from the parameters of the data to codes, if there are parameters."""
    try:
        return parameter_map(run)
    except InputError:
        return None


def _without_svg(frame: frames.Frame) -> dict[str, Any]:
    return {"box": frame.box, "limits": frame.limits}
