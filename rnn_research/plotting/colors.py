"""Colours: the same for the same cell, in every figure and on every page.

But for figures of claims, whose labels say what is compared, in colours in turn.
A cell is known by its name: options, a wrapper and the file it is from change nothing.
Lines of one colour in a figure differ by their dashes.
"""

import hashlib
import re

# Okabe & Ito's colours, which colour-blind readers can tell apart.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK, GREY = COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#999999",
)
NAMED = {
    "elman": BLUE,
    "irnn": VERMILION,
    "lstm": GREEN,
    "gru": PURPLE,
    "lru": ORANGE,
    "mamba": SKY,
    "transformer": BLACK,
    "before": GREY,  # training
    "after": BLUE,
}
# Of other cells, by their names: the muted ones of Paul Tol, for the same readers.
OTHERS = (
    "#332288",
    "#117733",
    "#882255",
    "#999933",
    "#44AA99",
    "#CC6677",
    "#AA4499",
    "#6699CC",
    "#661100",
    "#AA7744",
)
LONGEST = 300  # letters of a label that are looked at
DASHES = "-", (0, (4, 2)), (0, (1, 1.3)), (0, (6, 1.5, 1, 1.5)), (0, (2, 2))


def cell_of(label: str) -> str:
    """The name of the cell that a label begins with, of a wrapper that inside.

    `gru` of 'gru(reset=before)', 'zoneout(gru, rate=0.1)', 'gru-h128-T200 (after)';
    `mine` of 'path/my_cells.py:mine(alpha=0.1)'.
    """
    before, bracket, options = label.strip()[:LONGEST].partition("(")
    is_call = bracket and not before.endswith(" ")  # and no '(after)' of training
    if is_call and re.match(r"\s*[A-Za-z_./][\w./:]*\s*[,()]", options):
        return cell_of(options)
    own = before.rpartition(":")[2]
    found = re.match(r"\w+", own)
    return found[0] if found else own


def color_of(label: str) -> str:
    """The colour of the cell that a label names, #rrggbb."""
    name = cell_of(label)
    place = hashlib.sha256(name.encode()).digest()[0] % len(OTHERS)
    return NAMED.get(name, OTHERS[place])


def looks(labels) -> dict[str, dict]:
    """Of each label the colour and the dashes of its line.

    Args:
      labels: which each begin with a cell; or a dict that says of which cell each is.
    """
    seen: dict[str, int] = {}
    found = {}
    for label in dict.fromkeys(labels):
        color = color_of(labels[label] if isinstance(labels, dict) else label)
        number = seen.get(color, 0)
        seen[color] = number + 1
        found[label] = {"color": color, "linestyle": DASHES[number % len(DASHES)]}
    return found


def lighter(color: str) -> str:
    """The colour for a dark page."""
    parts = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{(255 + part) // 2:02x}" for part in parts)


def in_turn(labels) -> dict[str, dict]:
    """Looks of labels that say more than a cell, such as remedies: colours in order."""
    return {
        label: {
            "color": COLORS[index % len(COLORS)],
            "linestyle": DASHES[index // len(COLORS) % len(DASHES)],
        }
        for index, label in enumerate(dict.fromkeys(labels))
    }
