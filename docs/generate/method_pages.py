"""The pages of the methods, from their rows, `methods.yaml` and a template."""

from __future__ import annotations

import textwrap
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import yaml

from latentrank import methods
from latentrank.cli.method_help import loss, networks, training
from latentrank.methods import Method
from latentrank.methods.option_types import expected

HERE = Path(__file__).parent


@cache
def texts() -> dict[str, dict[str, Any]]:
    """The texts on each method that its row does not contain."""
    return dict(yaml.safe_load((HERE / "methods.yaml").read_text(encoding="utf-8")))


def template(name: str) -> jinja2.Template:
    """A template in this folder."""
    return jinja2.Template((HERE / name).read_text(encoding="utf-8"))


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    cells = ([cell.replace("|", r"\|") for cell in row] for row in rows)
    lines = (header, ["---"] * len(header), *cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(row: Method) -> str:
    """The page of a method."""
    return template("method.md.j2").render(
        row=row,
        text=texts()[row.name],
        paper=f"{row.paper[:1].upper()}{row.paper[1:]}.",
        loss=loss(row),
        training=training(row),
        networks=networks(row),
        options=options_table(row),
        command=command(row),
    )


def index() -> str:
    """The table of methods, and how to choose one."""
    rows = [methods.get(name) for name in methods.names()]
    cells = [[f"[`{row.name}`]({row.name}.md)", row.summary, row.paper] for row in rows]
    return template("methods.md.j2").render(
        table=table(["method", "summary", "paper"], cells), names=methods.names()
    )


def options_table(row: Method) -> str:
    """The options of a method: type and range, default, description."""
    cells = [
        [
            f"`--{name.replace('_', '-')}`",
            expected(row.options, name),
            "" if field.default is None else f"`{field.default}`",
            field.description or "",
        ]
        for name, field in row.options.model_fields.items()
    ]
    return table(["option", "value", "default", "description"], cells) if cells else ""


def figure_settings(row: Method) -> dict[str, Any]:
    """Settings and options of the run that the figure of a method shows."""
    settings = {"data": "blobs", "train_size": 4000, "test_size": 500}
    if not row.closed_form:
        settings |= {"epochs": 20, "validate_every": 10, "net": "conv", "schedule": "cosine"}
    if not row.closed_form and row.game is None:
        settings["learning_rate"] = 1e-3
    return settings | texts()[row.name].get("options", {})


def command(row: Method) -> str:
    """The command that trains this run, in lines that fit a page."""
    settings = figure_settings(row).items()
    words = [f"--{name.replace('_', '-')}\N{NO-BREAK SPACE}{value}" for name, value in settings]
    text = textwrap.fill(
        " ".join(["latentrank train", row.name, *words]),
        width=76,
        subsequent_indent="    ",
        break_on_hyphens=False,
    )
    return text.replace("\n", " \\\n").replace("\N{NO-BREAK SPACE}", " ")
