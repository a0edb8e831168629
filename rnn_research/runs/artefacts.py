"""What a program leaves in a run's folder to be read, looked at or heard."""

import pathlib

from rnn_research import errors, files

FILE = "artefacts.json"  # {name of a file: {"kind": ..., "caption": ...}}
TEXT, TABLE, SOUND, PICTURE, LINK = KINDS = "text", "table", "sound", "picture", "link"


def declared(folder: pathlib.Path, name: str, kind: str, caption: str) -> pathlib.Path:
    """The path of a file that the program is about to write, declared to readers.

    Each file that is written for people is declared by whoever writes it, so that the
    report shows it with its caption: no reader knows a file by its name.

    Args:
      folder: of the run.
      name: the file, relative to the folder, as 'plots/attention.png'.
      kind: 'text', in UTF-8; 'table', such a text of cells between tabs, the first line
        their heads; 'sound', a WAV; 'picture', a PNG; 'link', anything else, or what
        the report draws itself: it is linked and not shown.
      caption: what is seen or heard, a sentence or two.

    Raises:
      errors.RunError: artefacts.json is damaged or cannot be written.
    """
    errors.check_option("kind", kind, KINDS)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = {"kind": kind, "caption": caption}
    with files.alone(folder):
        try:
            known = files.read_json(folder / FILE) or {}
        except errors.RunError as error:
            raise errors.RunError(f"{error}; remove it and rerun the command") from None
        if known.get(name) != entry:
            files.write_json(folder / FILE, known | {name: entry})
    return path
