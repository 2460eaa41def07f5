"""What mkdocs adds to the pages of this folder.

Generated pages: methods, API, tutorials from notebooks, and the documents of the repository's root.
Links that leave this folder, and equations, which become MathML.
"""

from __future__ import annotations

import ast
import html
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import method_pages
from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

from latentrank import methods

HERE = Path(__file__).parent
DOCS = HERE.parent
ROOT = DOCS.parent
PACKAGE = ROOT / "src" / "latentrank"

#: Documents of the repository's root that are pages here.
OF_THE_ROOT = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
INTERNAL = {"__init__", "__main__", "cli", "filenames", "formatting", "io", "distributed"}


def on_config(config: Any) -> None:
    """Add the generated pages to the navigation."""
    for section in config.nav:
        (pages,) = section.values()
        if pages[0] == "methods/index.md":
            pages += [{name: f"methods/{name}.md"} for name in methods.names()]
        for page in pages:
            if page == {"API": ["api/index.md"]}:
                page["API"] += [{f"latentrank.{part}": f"api/{part}.md"} for part in parts()]


def on_files(files: Files, config: Any) -> None:
    """Add the generated pages."""
    for path, content in generated():
        files.append(File.generated(config, path, content=content))


def on_page_markdown(text: str, page: Page, **_: Any) -> str:
    """Adjust links out of this folder; drop marks around tables, which would end a paragraph."""
    source = page.file.src_uri
    at_root = {new: old for old, new in OF_THE_ROOT.items()}
    original = ROOT / at_root[source] if source in at_root else DOCS / source
    text = re.sub(r"^<!-- .*? -->\n", "\n", text, flags=re.MULTILINE)
    return re.sub(r"\[([^\]]*)\]\(([^)\s:]+)\)", lambda m: link(m[1], m[2], original, source), text)


def on_page_content(text: str, **_: Any) -> str:
    """Equations as MathML, which browsers draw without a script."""
    pattern = r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>'
    return re.sub(pattern, _equation, text, flags=re.DOTALL)


def _equation(match: re.Match[str]) -> str:
    tag, latex = match[1], html.unescape(match[2])
    equation = convert(latex, display="inline" if tag == "span" else "block")
    return f"<{tag} class=equation>{equation}</{tag}>"


def link(label: str, target: str, original: Path, source: str) -> str:
    """A link of a page: names of files become titles, and pages stand for files of the repository.

    Args:
        label: its text.
        target: where it leads, from the file `original`.
        original: the file in the repository that the page was made from.
        source: the page's path here.
    """
    path, _, anchor = target.partition("#")
    place = Path(os.path.normpath(original.parent / path))
    if not path or not place.exists():
        return f"[{label}]({target})"
    if label.endswith(".md"):
        label = title(place)
    if place.is_relative_to(DOCS):
        page = place.relative_to(DOCS).as_posix()
    elif place.name in OF_THE_ROOT:
        page = OF_THE_ROOT[place.name]
    elif place.is_relative_to(PACKAGE) and place.suffix == ".py":
        part, *rest = place.relative_to(PACKAGE).with_suffix("").parts
        page, anchor = f"api/{part}.md", ".".join(["latentrank", part, *rest])
    else:
        return label
    relative = os.path.relpath(page, Path(source).parent)
    return f"[{label}]({relative}{'#' if anchor else ''}{anchor})"


def title(page: Path) -> str:
    """The first heading of a page."""
    found = re.search(r"^# (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{page} has no heading"
    return found[1]


def generated() -> Iterator[tuple[str, str | bytes]]:
    """The paths and contents of all generated pages."""
    yield "methods/index.md", method_pages.index()
    for name in methods.names():
        yield f"methods/{name}.md", method_pages.page(methods.get(name))
    yield "api/index.md", api_index()
    for part in parts():
        yield f"api/{part}.md", api_page(part)
    for document, page in OF_THE_ROOT.items():
        yield page, (ROOT / document).read_text(encoding="utf-8")
    for notebook in sorted((DOCS / "notebooks").glob("*.ipynb")):
        yield from tutorial(notebook)


def parts() -> list[str]:
    """The parts of the package, in alphabetical order."""
    names = {
        path.stem
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    return sorted(names - INTERNAL)


def modules(part: str) -> list[str]:
    """A part and the modules in it, as they are imported."""
    if (PACKAGE / f"{part}.py").exists():
        return [part]
    files = sorted((PACKAGE / part).rglob("*.py"))
    found = [".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in files]
    return sorted(name.removesuffix(".__init__") for name in found)


def api_page(part: str) -> str:
    """The reference of a part."""
    blocks = []
    for module in modules(part):
        package = PACKAGE.joinpath(*module.split("."), "__init__.py")
        # What a package exports is described where it is defined.
        own = f"    options: {{members: {defined(package)}}}\n" if package.exists() else ""
        blocks.append(f"::: latentrank.{module}\n{own}")
    return f"# latentrank.{part}\n\n" + "\n".join(blocks)


def defined(path: Path) -> list[str]:
    """Names that a module exports and also defines, in their order there."""
    found: list[str] = []
    exported: list[str] = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                exported = ast.literal_eval(node.value)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.append(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.append(name)
    return [name for name in found if name in exported]


def api_index() -> str:
    """The parts of the package, one sentence each."""
    rows = []
    for part in parts():
        path = PACKAGE / f"{part}.py"
        path = path if path.exists() else PACKAGE / part / "__init__.py"
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        first = " ".join(docstring.split("\n\n")[0].split())
        rows.append([f"[`latentrank.{part}`]({part}.md)", first])
    return method_pages.template("api.md.j2").render(
        table=method_pages.table(["part", "contents"], rows)
    )


def tutorial(notebook: Path) -> Iterator[tuple[str, str | bytes]]:
    """A notebook as a page, and its figures."""
    exporter = MarkdownExporter()
    exporter.config.NbConvertBase.display_data_priority = [
        "image/png",
        "text/markdown",
        "text/plain",
    ]
    name = notebook.stem
    body, found = exporter.from_filename(
        str(notebook), {"unique_key": name, "output_files_dir": name}
    )
    heading, rest = body.split("\n", 1)
    download = f"This page is a notebook: [{notebook.name}](../notebooks/{notebook.name})."
    yield f"tutorials/{name}.md", f"{heading}\n\n{download}\n{rest}"
    for path, content in found["outputs"].items():
        yield f"tutorials/{path}", content
