"""The tour: sections kept and resumed, the page, the notebook, and a real browser."""

import html.parser
import json
import math
import pathlib
import re
import struct
import wave
import xml.etree.ElementTree
from io import BytesIO

import chromium
import pytest

from experiments import tour as program
from rnn_research import errors, plotting, runtime
from rnn_research.checks import notebooks
from rnn_research.tour import base, blocks, carrying_out, notebook, page, svg
from rnn_research.tour.sections import reach, sections, vanishing

ROOT = pathlib.Path(__file__).parent.parent


def sound() -> bytes:
    made = BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(struct.pack("<800h", *range(800)))
    return made.getvalue()


def compute(work: base.Work) -> dict:
    made = work.folder / "calls"
    count = 1 + int(made.read_text(encoding="utf-8")) if made.exists() else 1
    made.write_text(str(count), encoding="utf-8")
    work.say("measuring")
    return {"y": [1.0, 0.1, float("-inf")], "calls": count}


def tell(numbers) -> list:
    steps = [
        {"name": f"t = {at}", "told": f"value {y}", "bars": [["<a>", 0.5]]}
        for at, y in enumerate("abc")
    ]
    drawn = svg.heat(
        [[1, -2, 3]], rows=["<r>"], columns=list("abc"), say='a "map" & more'
    )
    curves = [svg.Curve("gru", [1, 2, 3], [0.1, 0.01, None], step=0)]
    moved = {"label": "time", "steps": steps}
    chart = svg.lines(curves, x="x", y="y", say="a line", log_y=True)
    return [
        base.Prose(f"Measured **{numbers['calls']}** <times>, `a < b`."),
        base.Code("x = 1 < 2"),
        base.Command("python -m experiments.tour"),
        base.Figure("map", drawn, "A [map](#claims).", moved, "steps"),
        base.Figure("line", chart, "A line.", moved | {"start": 0}, "slider"),
        base.Audio(sound(), "A ramp."),
        base.Table(("a", "b"), [("1", "2")], "A table."),
        base.Note("It was <not> so."),
        base.Seen(3, False, "It was 0.1."),
    ]


TOY = base.Section("toy", 1, "A toy & its page", (1, 3), 0.1, compute, tell)
LACKING = TOY._replace(name="lacking", title="Lacks", needs=lambda: "pip install <x>")


def carried(folder, *own, **options):
    said = []
    told = carrying_out.carry_out(own, folder, say=said.append, **options)
    return told, said


def test_a_section_is_computed_once_and_again_when_it_changes(tmp_path):
    (first,), said = carried(tmp_path, TOY)
    assert first.numbers["y"][-1] == float("-inf") and "measuring" in said[1]
    (second,), said = carried(tmp_path, TOY)
    assert second.numbers == first.numbers and said == [
        "1/1  A toy & its page (computed before)"
    ]
    (small,), _ = carried(tmp_path, TOY, small=True)
    assert small.numbers["calls"] == 2  # of another size, nothing is taken over


def test_what_is_missing_is_left_out_with_a_line(tmp_path):
    def refuse(work):
        raise errors.UsageError("no data set; fetch it")

    no_data = TOY._replace(name="no_data", compute=refuse)
    told, said = carried(tmp_path, LACKING, no_data, TOY)
    assert [own.missing for own in told] == [
        "pip install <x>",
        "no data set; fetch it",
        None,
    ]
    assert [own.blocks == [] for own in told] == [True, True, False]
    assert sum("left out" in line for line in said) == 2
    page.render(told, tmp_path / "a.html", where="here")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "Left out: pip install &lt;x&gt;" in text


class Outline(html.parser.HTMLParser):
    """Tags that are open, addresses and ids of a page."""

    VOID = {"meta", "link", "img", "br", "input"}

    def __init__(self, text: str):
        super().__init__()
        self.open, self.ids, self.links = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.open += [tag] if tag not in self.VOID else []
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found[key] for key in ("href", "src") if key in found]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def rendered(folder) -> pathlib.Path:
    told, _ = carried(folder, TOY, LACKING)
    page.render(told, folder / "tour.html", where="a machine <here>")
    return folder / "tour.html"


def test_the_page_is_whole_and_needs_nothing_else(tmp_path):
    text = rendered(tmp_path).read_text(encoding="utf-8")
    outline = Outline(text)
    assert outline.open == [] and len(outline.ids) == len(set(outline.ids))
    for link in outline.links:
        assert link.startswith(("data:", "#")), link
        assert link.startswith("data:") or link[1:] in outline.ids
    assert "Measured <b>1</b> &lt;times&gt;, <code>a &lt; b</code>" in text
    assert text.count("experiments.tour --sections=toy") == 3
    assert text.count("<svg ") == 2  # drawn without a script
    rows = re.search(r'<table class="claims">.*</table>', text, re.DOTALL)[0]
    assert rows.count('scope="row"') == len(base.CLAIMS) == 22
    assert "Not seen.</b> It was 0.1." in rows and "nowhere on this page" in rows
    used = set(re.findall(r"var\((--s-[0-9a-f]{6})\)", text))
    assert used and all(f"{name}:#" in text for name in used)


def test_figures_are_drawings_that_a_reader_of_xml_understands():
    for block in tell({"calls": 1}):
        if isinstance(block, base.Figure):
            root = xml.etree.ElementTree.fromstring(block.svg)
            assert root.attrib["aria-label"] and root.findall(".//*[@data-step]")
    drawn = svg.bars(["gru", "lstm"], [1.0, 0.5], say="two")
    lengths = [float(own) for own in re.findall(r'<rect .*?width="([\d.]+)"', drawn)]
    assert lengths[0] == pytest.approx(2 * lengths[1], rel=1e-2)
    color = plotting.colors.color_of("gru").lower().lstrip("#")
    assert f"var(--s-{color})" in drawn
    assert svg.ticks(0, 1, 5) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert svg.ticks(1e-6, 1, 4, log=True) == pytest.approx([1e-6, 1e-4, 1e-2, 1])


def test_sections_are_found_in_their_order_and_show_all_claims_of_theirs():
    found = sections()
    assert [own.name for own in found][:5] == [
        "memory",
        "equations",
        "vanishing",
        "reach",
        "gates",
    ]
    assert len({own.place for own in found}) == len(found)
    for own in found:
        assert set(own.claims) <= set(base.CLAIMS)
    with pytest.raises(errors.UsageError, match="reach"):
        program.main(program.TourConfig(sections=("reech",)), runtime.RunConfig())


def test_a_sound_is_of_a_known_kind():
    with pytest.raises(errors.UsageError, match="WAV"):
        blocks.of(base.Audio(b"MP3?", "a"), "toy")


# ------------------------------------------------------------------- the whole, small


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A tour of the sections that need nothing that is not here."""
    folder = tmp_path_factory.mktemp("tour")
    names = "memory", "equations", "vanishing", "gates"
    own = [each for each in sections() if each.name in names]
    return carrying_out.carry_out(own, folder, small=True, say=lambda line: None)


@pytest.mark.parametrize("gru, said", [([3, 3, 3, 0], True), ([3, 0], False)])
def test_what_is_told_of_lengths_follows_the_numbers(gru, said):
    learned = {name: [3, 3, 0] for name in reach.LOOPS}
    learned |= {"lstm": [3, 1], "gru": gru}
    numbers = {"lengths": [10, 20, 40, 80], "learned": learned, "seeds": 3}
    own = [each for each in reach.tell(numbers) if isinstance(each, base.Seen)]
    assert {each.claim: each.holds for each in own} == {8: True, 11: said, 21: True}


def words_before_a_figure(own) -> int:
    count = 0
    for block in own.blocks:
        if isinstance(block, base.Figure | base.Picture):
            break
        count += len(block.text.split()) if isinstance(block, base.Prose) else 0
    return count


@pytest.mark.slow
def test_a_small_tour(small, tmp_path):
    assert [own.missing for own in small] == [None] * len(small)
    for own in small:
        json.dumps(own.numbers)
        assert words_before_a_figure(own) <= 120, own.section.name
        told = {block.claim for block in own.blocks if isinstance(block, base.Seen)}
        assert told == set(own.section.claims)
    page.render(small, tmp_path / "a.html", where="here")
    assert Outline((tmp_path / "a.html").read_text(encoding="utf-8")).open == []
    notebook.write(small, tmp_path / "a.ipynb")
    assert "<svg " in notebooks.markdown(tmp_path / "a.ipynb")


@pytest.mark.slow
def test_the_notebook_is_a_program(small, tmp_path, monkeypatch):
    """Its cells, run one after the other, with numbers that are there."""
    notebook.write(small, tmp_path / "a.ipynb")
    folder = tmp_path / "runs" / "tour"
    folder.mkdir(parents=True)
    for own in small:
        content = {
            "made_by": carrying_out.made_by(own.section, False),
            "numbers": own.numbers,
        }
        (folder / f"{own.section.name}.json").write_text(
            json.dumps(content), encoding="utf-8"
        )
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    programs = notebooks.code(tmp_path / "a.ipynb")
    for text in programs:
        exec(text, names)  # noqa: S102
    assert len(programs) == 1 + len(small)
    assert '<div class="tour">' in names["tour"].show("gates")._repr_html_()


def test_the_notebook_in_docs_shows_every_section():
    programs = notebooks.code(ROOT / "docs" / "tour.ipynb")
    assert programs[0] == notebook.START
    assert programs[1:] == [f'tour.show("{own.name}")' for own in sections()]


@chromium.needed
@pytest.mark.slow
@pytest.mark.parametrize("width, dark", [(390, True), (1200, False)])
def test_in_a_browser_figures_move_sound_loads_and_nothing_is_logged(
    tmp_path, width, dark
):
    made = rendered(tmp_path)
    with chromium.browser(tmp_path / "profile", dark=dark, width=width) as opened:
        opened.open(made)
        told = "return document.querySelector('#toy-map output').textContent"
        assert opened.run(told) == "t = 2"
        opened.press("#toy-map input", chromium.ARROW_LEFT)
        assert opened.run(told) == "t = 1"
        marked = "return document.querySelectorAll('#toy-map .future').length"
        assert opened.run(marked) == 2  # a letter and a box
        opened.run(
            "document.getElementById('toy-map').dispatchEvent(new"
            " Event('pointerenter'));"
            "document.body.dispatchEvent(new KeyboardEvent('keydown',"
            " {key: 'ArrowLeft', bubbles: true}))"
        )
        assert opened.run(told) == "t = 0"
        opened.run(
            "document.querySelectorAll('#toy-map [data-step=\"2\"]')[0]"
            ".dispatchEvent(new Event('pointerenter'))"
        )
        assert opened.run(told) == "t = 2"
        share = "return document.querySelector('#toy-map .share span').textContent"
        assert opened.run(share) == "<a>"
        length = "return document.querySelector('audio').duration"
        assert opened.run(length) == pytest.approx(0.1, abs=0.01)
        wide = "return document.documentElement.scrollWidth - innerWidth"
        assert opened.run(wide) <= 0
        assert opened.logged() == []


@chromium.needed
@pytest.mark.slow
def test_the_page_in_docs_fits_a_phone(tmp_path):
    made = ROOT / "docs" / "tour.html"
    assert made.stat().st_size < 3_000_000
    assert "Left out" not in made.read_text(encoding="utf-8")
    with chromium.browser(tmp_path / "profile", width=390) as opened:
        opened.open(made)
        assert opened.run("return innerWidth") == 390
        wide = "return document.documentElement.scrollWidth - innerWidth"
        assert opened.run(wide) <= 0
        shown = "return [...document.querySelectorAll('{}')].map(own => {})"
        steps = opened.run(shown.format(".moves output", "own.textContent"))
        assert len(steps) > 8 and all(steps)
        lengths = opened.run(shown.format("audio", "own.duration"))
        assert lengths and all(length > 1 for length in lengths)
        rows = opened.run(shown.format(".claims tbody tr", "own.textContent"))
        assert len(rows) == 22 and not any(
            "nowhere on this page" in row for row in rows
        )
        assert opened.logged() == []


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ((0.2, 3e33, math.inf), "the loss is about 10³³ after 20 updates"),
        ((0.2, 0.0, math.nan), "the loss is 0 after 20 updates"),
        ((math.inf,), ""),
        ((), ""),
    ],
)
def test_what_is_told_of_a_training_that_left_the_numbers(losses, said):
    own = {"steps": [10, 20, 30][: len(losses)], "loss": losses, "diverged": True}
    told = vanishing._told(own)
    assert said in told and bool(said) == bool(told)
