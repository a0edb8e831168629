"""Bach's chorales in four parts, from MusicXML."""

import functools
import io
import zipfile
from xml.etree import ElementTree

from rnn_research.data import archives, music
from rnn_research.data.music import Music, Note, Piece

BACH = archives.Archive(
    package="music21",
    version="10.5.1",
    sha256="dc3309498c4c95cebdf8d4f20c868deb6b63bce1d929cad4f51a7ccc982987b1",
    members={
        "bach.zip": archives.Member(
            "music21/corpus/bach/*.mxl",
            "62700b2eb3155ffd3947217ff06750baabf4c101759644734e80860c7e268800",
        ),
    },
    licence="public domain; encodings by permission of their makers",
    source="Bach's chorales of the corpus of music21, BWV number by BWV number",
)
PARTS = 4
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


@functools.cache
def bach_chorales() -> Music:
    """The 364 of 408 files that are of four parts: soprano, alto, tenor and bass.

    All of one BWV number are in one split, as are those that begin alike under several.
    Repeats are written once.
    """
    content, record = archives.read("bach_chorales", BACH)
    works = {}
    for name, file in archives.of_zip(content["bach.zip"]).items():
        parts = _score(file).findall("part")
        if len(parts) == PARTS:
            name = name.removesuffix(".mxl")
            notes = [
                note for at, part in enumerate(parts) for note in read_part(part, at)
            ]
            works[Piece(name, tuple(sorted(notes)))] = name.partition(".")[0]
    return Music(music.split(works, "bach_chorales"), record)


def _score(content: bytes) -> ElementTree.Element:
    """The score of a compressed MusicXML file, whose container says where it is."""
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        about = ElementTree.fromstring(opened.read("META-INF/container.xml"))
        first = about.find(".//{*}rootfile")
        return ElementTree.fromstring(opened.read(first.get("full-path")))


def read_part(part: ElementTree.Element, number: int) -> list[Note]:
    """The notes of a <part>; grace notes, which take no time, are left out."""
    notes, beginning, divisions = [], 0.0, 1
    for measure in part.iter("measure"):
        now = end = beginning
        for each in measure:
            if each.tag == "attributes":
                divisions = int(each.findtext("divisions", divisions))
            length = float(each.findtext("duration", 0)) / divisions
            if each.tag == "backup":
                now -= length
            elif each.tag == "forward" or (
                each.tag == "note" and each.find("grace") is None
            ):
                if each.find("pitch") is not None:
                    notes.append(Note(now, now + length, _pitch(each), number))
                now += length
            end = max(end, now)
        beginning = end
    return notes


def _pitch(note: ElementTree.Element) -> int:
    """The number of MIDI."""
    step, octave = note.findtext("pitch/step"), int(note.findtext("pitch/octave"))
    alter = int(note.findtext("pitch/alter", 0))
    return 12 * (octave + 1) + SEMITONES[step] + alter
