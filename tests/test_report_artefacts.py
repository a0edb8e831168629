"""What applications leave in a run's folder is on the page, whatever is in it."""

import base64
import concurrent.futures
import io
import json
import os
import re
import struct
import wave
import zlib

import chromium
import pytest
from test_report_damages import DAMAGES, damaged, paths_of, reported, two

from rnn_research import errors
from rnn_research.report import artefacts as shown
from rnn_research.runs import artefacts

__all__ = ["two"]  # a fixture
WILD = '<script>alert(1)</script> & "quoted" $x \u202e'


def png(width=2000, height=10) -> bytes:
    """Black."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    lines = zlib.compress(bytes((width + 1) * height))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", lines)
        + chunk(b"IEND", b"")
    )


def wav() -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600))
    return content.getvalue()


MADE = {
    "said.txt": (
        "text",
        "What is <said>." + " And so on." * 40,
        f"ba \u202eab\x00\n{WILD}\n".encode(),
    ),
    "all.txt": ("table", "All.", "a\tb\none\ttwo\tthree\nهر\n".encode()),
    "sample.wav": ("sound", "Heard.", wav()),
    "plots/seen.png": ("picture", "Seen.", png()),
    "notes.mid": ("link", "Notes.", b"MThd"),
}


def make(folder, made=MADE):
    for name, (kind, caption, content) in made.items():
        artefacts.declared(folder, name, kind, caption).write_bytes(content)


def test_what_several_programs_declare_at_once_is_kept(tmp_path):
    names = [f"{number}.txt" for number in range(24)]

    def declare(name):
        artefacts.declared(tmp_path, name, "text", "Said.")

    with concurrent.futures.ThreadPoolExecutor(8) as at_once:
        list(at_once.map(declare, names))
    assert set(json.loads((tmp_path / artefacts.FILE).read_text())) == set(names)
    assert [path.name for path in tmp_path.iterdir()] == [artefacts.FILE]


def test_each_kind_is_shown_with_its_caption(two):
    make(two / "hurt")
    make(two / "hurt")  # again: declared once
    (sound, hurt), left_out, text = reported(two)
    assert not left_out and not sound.artefacts and not hurt.notes
    assert text.count("<figure class=") == 4 and "ba \u202eab\ufffd\n" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quoted&quot; $x" in text
    assert '<th scope="col">b</th>' in text and ">two</td>" in text
    assert ">three</td>" not in text  # of a column without a head
    for _, caption, _ in MADE.values():
        assert caption.replace("<said>", "&lt;said&gt;") in text
    for kind in ("audio/wav", "image/png"):
        (coded,) = re.findall(f'src="data:{kind};base64,([^"]*)"', text)
        name = "sample.wav" if kind == "audio/wav" else "plots/seen.png"
        assert base64.b64decode(coded) == MADE[name][2]
    for name in MADE:
        assert f'href="./hurt/{name}"' in text
    assert not re.findall('src="(?!data:)', text) and 'width="1000"' in text


@pytest.mark.slow
def test_any_declaration_may_be_anything(two):
    make(two / "hurt")
    path = two / "hurt" / artefacts.FILE
    content = json.loads(path.read_text())
    for place in paths_of(content):
        for name, damage in DAMAGES.items():
            path.write_text(damaged(content, place, damage))
            (_, hurt), left_out, _ = reported(two)
            assert not left_out, (place, name)
            told = [note for note in hurt.notes if str(path) in note]
            lost = len(MADE) - len(hurt.artefacts)
            assert lost == len(told) or name == "gone" and len(place) == 1
            assert not lost or place[-1] != "caption"
    for content in (b"", b"[1]", bytes(range(256)), b"[" * 100_000, b'{"a": '):
        path.write_bytes(content)
        (_, hurt), left_out, _ = reported(two)
        assert not left_out and any(str(path) in note for note in hurt.notes)
        if content:
            with pytest.raises(errors.RunError, match="remove it and rerun"):
                artefacts.declared(two / "hurt", "a", "text", "")
    path.write_text(json.dumps({str(at): {} for at in range(900)}))
    (_, hurt), _, _ = reported(two)
    assert len(hurt.notes) <= shown.MOST + 1


def test_any_artefact_may_be_anything(two):
    """Nothing outside of the folder is read, nothing waited for, nothing swallowed."""
    own = two / "hurt"
    (two / "secret.txt").write_text("do not tell")
    (own / "folder").mkdir()
    (own / "away.txt").symlink_to(two / "secret.txt")
    (own / "loop").symlink_to("loop")
    os.mkfifo(own / "pipe")
    places = ["../secret.txt", str(two / "secret.txt"), "away.txt", "loop", "pipe"]
    for name in [*places, "folder", "", "\0", "\ud800", "x" * 999, "gone/" * 999]:
        for kind in artefacts.KINDS:
            entry = {name: {"kind": kind, "caption": WILD}}
            (own / artefacts.FILE).write_text(json.dumps(entry))
            (_, hurt), left_out, text = reported(two)
            assert not left_out and not hurt.artefacts and len(hurt.notes) == 1
            assert "do not tell" not in text
    for name in (f"{WILD.replace('/', '')}", "a\nb", "'#?%41", "é"):
        for kind in artefacts.KINDS:
            for content in (b"", b"\xff\x00<b>\r\r", b"\t" * 9999, b"\n" * 9999):
                make(own, {name: (kind, WILD, content)})
                reported(two)
            (own / artefacts.FILE).unlink()


def test_a_page_does_not_grow_beyond_measure(two, monkeypatch):
    """Of a text the beginning; what is large is shown from where it is."""
    monkeypatch.setattr(shown, "LARGEST", 40_000)
    monkeypatch.setattr(shown, "ALL", 100_000)
    own, lines = two / "hurt", "x" * 999 + "\n"
    made = {
        "long.txt": ("text", "", (lines * 500).encode()),
        "many.txt": ("table", "", ("a\tb\n" + "1\t2\n" * 50).encode()),
        "more.txt": ("table", "", ("a\n" + lines * 500).encode()),
    }
    sounds = {f"{at}.wav": ("sound", "", wav() + bytes(30_000)) for at in range(4)}
    make(own, made | sounds | {"5.wav": ("sound", "", wav() + bytes(40_000))})
    _, _, text = reported(two)
    assert len(text) < 200_000 + 4 / 3 * shown.ALL
    assert "The beginning of <a" in text
    assert "The first 30 of 50 lines of <a" in text
    assert "The first 30 lines of <a" in text
    assert text.count("data:audio") == 3
    assert re.findall('<audio[^>]*src="([^d"]*)"', text) == [
        "./hurt/3.wav",
        "./hurt/5.wav",
    ]


@pytest.mark.slow
@chromium.needed
def test_in_a_browser_a_picture_is_seen_and_nothing_runs_off_a_phone(two):
    make(two / "hurt")
    reported(two)
    with chromium.browser(two / "profile", width=390) as opened:
        opened.open(two / "report.html")
        assert opened.run("return document.querySelector('img').naturalWidth") == 2000
        off = "return document.documentElement.scrollWidth - innerWidth"
        assert opened.run(off) <= 0
        length = """const heard = document.querySelector('audio');
            const told = new Promise(
                end => heard.onloadedmetadata = () => end(heard.duration));
            heard.preload = 'auto'; heard.load(); return told"""
        assert opened.run(length) == pytest.approx(0.1)
        assert opened.logged() == []
