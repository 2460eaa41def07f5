from html.parser import HTMLParser

import pytest

from latentrank.report import html
from tests.report import browser

NASTY = "<script>alert(\"a\" & 'b')</script>"
VOID = {"meta", "img", "br", "link", "input"}


class Checker(HTMLParser):
    """Refuses tags that do not close, and remembers what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def checked(document: str) -> Checker:
    checker = Checker()
    checker.feed(document)
    assert checker.open == []
    return checker


@pytest.fixture
def document():
    return html.page(
        NASTY,
        NASTY,
        html.facts({NASTY: (NASTY, NASTY)}),
        [
            html.section(
                NASTY,
                html.note(NASTY),
                html.picture("<svg/>", NASTY, NASTY, 10, NASTY),
                html.side_by_side([html.picture("<svg/>", NASTY, "", 10)], NASTY),
                html.table([NASTY, NASTY], [[NASTY, NASTY]], best={0: 1}),
            )
        ],
        NASTY,
    )


def test_everything_given_as_text_is_escaped(document):
    checker = checked(document)
    assert "script" not in {tag for tag, _ in checker.seen}
    assert checker.text.count(NASTY) == 16


def test_page_asks_for_nothing_outside_itself(document):
    for tag, attributes in checked(document).seen:
        assert tag not in ("link", "script", "iframe")
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert "url(" not in document
    assert "@import" not in document
    assert "default-src 'none'" in document


def test_every_picture_has_alternative_text(document):
    pictures = [attributes for tag, attributes in checked(document).seen if tag == "img"]
    assert len(pictures) == 2
    assert all(attributes["alt"] == NASTY for attributes in pictures)


def test_picture_without_alternative_text_is_refused():
    with pytest.raises(ValueError, match="alternative text"):
        html.picture("<svg/>", " ", "caption", 10)


def test_page_knows_dark_mode_and_paper(document):
    assert "prefers-color-scheme: dark" in document
    assert "@media print" in document
    assert '<meta name="viewport"' in document


def test_no_facts_leave_no_list():
    assert html.facts({}) == ""


def test_header_of_empty_names_is_not_shown():
    assert "thead" not in html.table(["", ""], [["a", "b"]])


def test_only_the_best_cell_is_marked():
    text = html.table(["", "a", "b"], [["x", "1", "2"], ["y", "1", "2"]], best={1: 2})
    assert text.count("<strong>") == 1
    assert '<th scope="row">y</th><td>1</td><td><strong>2</strong></td>' in text


@pytest.mark.parametrize(("blocks", "across"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 3), (7, 3)])
def test_rows_of_columns_are_balanced(blocks, across):
    assert f"--columns:{across}" in html.side_by_side([html.note("x")] * blocks)


def test_on_a_phone_a_wide_figure_scrolls_and_its_caption_does_not(tmp_path):
    if browser.EXECUTABLE is None:
        pytest.skip(f"needs a browser: none of {', '.join(browser.NAMES)} is on the PATH")
    pytest.importorskip("websockets")
    wide = html.picture('<svg xmlns="http://www.w3.org/2000/svg"/>', "a", "What it is.", 900)
    blocks = [html.section("One", wide), html.section("Alone", html.side_by_side([wide]))]
    (tmp_path / "page.html").write_text(html.page("", "", html.facts({}), blocks, ""))
    with browser.Browser(tmp_path / "profile") as page:
        page.send("Emulation.setDeviceMetricsOverride", width=390, height=800,
                  deviceScaleFactor=1, mobile=True)  # fmt: skip
        page.open(f"file://{tmp_path / 'page.html'}")
        page.run("document.querySelectorAll('*').forEach(own => { own.scrollLeft = 100; })")
        images, captions = (
            page.run(f"[...document.querySelectorAll('{name}')]"
                     ".map(own => own.getBoundingClientRect().left)")
            for name in ("img", "figcaption")
        )  # fmt: skip
    assert len(images) == len(captions) == 2
    assert max(images) < 0 < min(captions)
