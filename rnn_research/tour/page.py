"""The page: one HTML file that needs nothing else, and is whole without a script."""

import html
import pathlib
import re
from collections.abc import Sequence

from rnn_research import files
from rnn_research.plotting import colors
from rnn_research.tour import base, blocks
from rnn_research.tour.carrying_out import Told
from rnn_research.web import frame

HERE = pathlib.Path(__file__).parent
TITLE = "How a network learns to remember"
LEAD = """A recurrent network reads one thing after the other, and keeps a summary of
what it has read. This page shows how it learns that, where it fails, what helped, and
what it is good for. Nothing here was drawn by hand: a computer measured what each
figure shows, and the command below the figure measures it again on yours."""
KEYS = """Where a figure moves, hover over it, tap it, or press the left and right arrow
keys."""

SECONDS = "Seconds on this page are rough: other programs may have run beside it."


def render(told: Sequence[Told], path: pathlib.Path, *, where: str):
    """Write the page, whole or not at all.

    Args:
      told: the sections, in their order.
      where: the machine and the day, for the foot of the page.
    """
    made = {own.section.name: own.blocks for own in told}
    contents = "".join(
        f'<li><a href="#{own.section.name}">{html.escape(own.section.title)}</a></li>'
        for own in told
    )
    sections = "\n".join(
        _section(place, own, made[own.section.name])
        for place, own in enumerate(told, 1)
    )
    script = (HERE / "page.js").read_text(encoding="utf-8")
    body = (
        f"<header><h1>{TITLE}</h1>{blocks.paragraphs(LEAD)}"
        f'<p class="small moving-only">{inline_text(KEYS)}</p></header>'
        f'<nav aria-label="Contents"><ol>{contents}'
        '<li><a href="#claims">What you have seen</a></li></ol></nav>\n'
        f"<main>{sections}\n{claims(told, made)}</main>\n"
        f'<footer><p class="small">{html.escape(where)} {SECONDS}</p></footer>\n'
        f"<script>{script}</script>"
    )
    style = colors_of(body)
    text = frame.page(TITLE, body, styles=(HERE / "page.css",), more=style)
    files.write_atomically(path, text)


def inline_text(text: str) -> str:
    """The words of a paragraph, on one line, as HTML."""
    return blocks.inline(" ".join(text.split()))


def _section(place: int, own: Told, made: list[base.Block]) -> str:
    section = own.section
    inner = "\n".join(blocks.of(block, section.name) for block in made)
    if own.missing:
        inner = f'<p class="note">Left out: {html.escape(own.missing)}</p>'
    return (
        f'<section id="{section.name}" aria-labelledby="{section.name}-title">'
        f'<h2 id="{section.name}-title"><span class="place">{place}</span> '
        f"{html.escape(section.title)}</h2>\n{inner}\n</section>"
    )


def claims(told: Sequence[Told], made: dict[str, list[base.Block]]) -> str:
    """The claims of the story, each with where it was seen."""
    rows = []
    for number, text in base.CLAIMS.items():
        own = [each.section for each in told if number in each.section.claims]
        links = [
            f'<a href="#{each.name}">{html.escape(each.title)}</a>' for each in own
        ]
        seen = [
            block
            for each in own
            for block in made[each.name]
            if isinstance(block, base.Seen) and block.claim == number
        ]
        rows.append(
            f'<tr><th scope="row">{number}</th><td>{html.escape(text)}</td>'
            f"<td>{'<br>'.join(links) or 'nowhere on this page'}</td>"
            f"<td>{''.join(map(_seen, seen))}</td></tr>"
        )
    return (
        '<section id="claims" aria-labelledby="claims-title"><h2 id="claims-title">'
        "What you have seen</h2><p>The story in single claims, and where each was "
        "seen to happen, or not.</p>"
        '<div class="scroll" tabindex="0"><table class="claims"><thead><tr><th></th>'
        "<th>claim</th><th>section</th><th>measured here</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _seen(block: base.Seen) -> str:
    kind, word = ("good", "Seen") if block.holds else ("bad", "Not seen")
    return f'<p><b class="{kind}">{word}.</b> {blocks.inline(block.text)}</p>'


def colors_of(body: str) -> str:
    """The colours that figures name as variables, lighter ones for a dark page."""
    used = sorted(set(re.findall(r"var\(--s-([0-9a-f]{6})\)", body)))
    light = "".join(f"--s-{own}:#{own};" for own in used)
    dark = "".join(f"--s-{own}:{colors.lighter('#' + own)};" for own in used)
    screen = "@media screen and (prefers-color-scheme: dark)"
    return f":root{{{light}}}\n{screen}{{:root{{{dark}}}}}\n"
