"""Blocks of a section as HTML."""

import base64
import functools
import html
import json
import re

from rnn_research import errors
from rnn_research.spelling import spelled
from rnn_research.tour import base
from rnn_research.web import markup

WIDE = 600  # units of a drawing beyond which a phone scrolls it sideways
SOUNDS = {b"RIFF": "audio/wav", b"OggS": "audio/ogg"}
INLINE = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\[([^]]+)\]\(([^)]+)\)")


def inline(text: str) -> str:
    """A line of Markdown with `code`, **bold** and [links](address)."""
    parts, end = [], 0
    for found in INLINE.finditer(text):
        parts.append(html.escape(text[end : found.start()]))
        code, bold, words, address = map(
            html.escape, (own or "" for own in found.groups())
        )
        link = f'<a href="{address}">{words}</a>'
        made = f"<code>{code}</code>" if code else f"<b>{bold}</b>" if bold else link
        parts.append(made)
        end = found.end()
    return "".join(parts) + html.escape(text[end:])


def paragraphs(text: str) -> str:
    """Markdown in paragraphs, a blank line between two."""
    every = re.split(r"\n\s*\n", text.strip())
    return "".join(f"<p>{inline(' '.join(own.split()))}</p>" for own in every)


@functools.singledispatch
def of(block, section: str) -> str:
    """The HTML of a block in a section of that name."""
    raise errors.UsageError(f"no block of a page: {errors.shown(block)}")


@of.register
def _(block: base.Prose, section: str) -> str:
    return paragraphs(block.text)


@of.register
def _(block: base.Note, section: str) -> str:
    return (
        f'<aside class="note"><b>Measured otherwise.</b> {inline(block.text)}</aside>'
    )


@of.register
def _(block: base.Code, section: str) -> str:
    text = html.escape(block.text.strip("\n"))
    return f'<pre class="code" tabindex="0"><code>{text}</code></pre>'


@of.register
def _(block: base.Command, section: str) -> str:
    words = (f"<span>{html.escape(word)}</span>" for word in block.text.split(" "))
    text = " ".join(words)  # a line ends between two of them
    return f'<pre class="command" tabindex="0"><code>{text}</code></pre>'


@of.register
def _(block: base.Figure, section: str) -> str:
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', block.svg)[1])
    kind = "drawing wide" if width > WIDE else "drawing"
    data, moves = "", ""
    if block.moves:
        text = json.dumps(spelled(block.data), allow_nan=False, ensure_ascii=False)
        text = text.replace("<", "\\u003c")
        data = f'<script type="application/json">{text}</script>'
        moves = f' data-moves="{block.moves}"'
    return (
        f'<figure id="{section}-{block.name}"{moves}>'
        f'<div class="{kind}">{block.svg}</div>{_caption(block.caption, section)}'
        f"{data}</figure>"
    )


@of.register
def _(block: base.Picture, section: str) -> str:
    content = base64.b64encode(block.png).decode()
    return (
        f'<figure class="made"><img src="data:image/png;base64,{content}" '
        f'alt="{html.escape(block.alt)}">{_caption(block.caption, section)}</figure>'
    )


@of.register
def _(block: base.Audio, section: str) -> str:
    kind = SOUNDS.get(bytes(block.content[:4]))
    if kind is None:
        raise errors.UsageError("a sound of the tour is a WAV or an Ogg file")
    content = base64.b64encode(block.content).decode()
    return (
        f'<figure class="made"><audio controls src="data:{kind};base64,{content}">'
        f"</audio>{_caption(block.caption, section)}</figure>"
    )


@of.register
def _(block: base.Table, section: str) -> str:
    table = markup.table(list(block.head), [list(row) for row in block.rows])
    return f'{table}<p class="small">{inline(block.caption)}</p>'


@of.register
def _(block: base.Seen, section: str) -> str:
    return ""  # of the table at the end


def _caption(text: str, section: str) -> str:
    command = f"python -m experiments.tour --sections={section}"
    return (
        f"<figcaption>{inline(text)} "
        f'<span class="by">Made by <code>{command}</code></span></figcaption>'
    )
