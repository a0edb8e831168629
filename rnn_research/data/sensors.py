"""Recordings of sensors, of the UCR and UEA archives of time series.

They lie in the file of the package aeon, which brings a stack of its own and is not
needed to read them.
"""

import functools

from rnn_research.data import archives, sequences

SHA256 = "d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409"
FOLDER = "aeon/datasets/data"


def archive(path: str, sums: dict[str, str], source: str) -> archives.Archive:
    """A set in the wheel of aeon 1.6.0.

    Args:
      path: the beginning of its members' paths, below the folder of data.
      sums: {the rest of a member's path: its sha256}; the rest is its name, too.
    """
    return archives.Archive(
        package="aeon",
        version="1.6.0",
        sha256=SHA256,
        members={
            end: archives.Member(f"{FOLDER}/{path}{end}", sha256)
            for end, sha256 in sums.items()
        },
        licence="free to use with citation; the package: BSD-3-Clause",
        source=source,
    )


def _official(name: str, train: str, test: str, source: str) -> archives.Archive:
    """A set with files for train and test."""
    sums = {"TRAIN.ts": train, "TEST.ts": test}
    return archive(f"{name}/{name}_", sums, source)


ARCHIVES = {
    "basic_motions": _official(
        "BasicMotions",
        "8dc43cc6306cb679c888c01e26f91772ac4441a916da43bac8b79734a538b9d6",
        "79213102bc6fca1a398ad98ce1185dff0208fa3d1465e687f48288946b0ff8dc",
        "a smart watch while people stand, run, walk or play badminton",
    ),
    "gun_point": _official(
        "GunPoint",
        "f842401779fd9800d247d8b33121a1a4643710a19b24917dbdd9a060ca8630d5",
        "79332750788a6227b325b96bd0d70130c8eb707b9731f8d7dec62b7a7d36017e",
        "where a hand is that draws a gun or points a finger",
    ),
    "italy_power_demand": _official(
        "ItalyPowerDemand",
        "341269cb7e6cef96846b30e774580beec79addb93848ba360145219115a74b7c",
        "26122451f87dd0387ef90b18bc8a86c041371b8a1c068004922b939971247144",
        "electrical power of a day of Italy, in summer or winter",
    ),
    "osu_leaf": _official(
        "OSULeaf",
        "86b9d6e860414ffd26cebc62fff84ffb37fa588ef3e5bf79e4094a437c36ddfc",
        "6c549dd354f9e42d5985fa5fab75321ca9acefc7873457e71467fc8a31f107ce",
        "outlines of leaves of six trees",
    ),
    "arrow_head": _official(
        "ArrowHead",
        "a83c470aaf611a5f5284377cce27a5fc9f6292bc3d110257b0fd4905ced5ee72",
        "5417dab42626d41df5e435bb22458c2df40dfad4bcd3b59559bbe72e20e84904",
        "outlines of arrowheads of three kinds",
    ),
    "acsf1": _official(
        "ACSF1",
        "0646b90dc4843e02baed6b2ba345c5601a4991b6796565489cef1b2d92a7537b",
        "93e8aaeb44a10af181d24a156e60da7021193cd990ca28f263fccf3b905bfebf",
        "electrical power of household appliances of ten kinds",
    ),
    "pickup_gesture_wiimote_z": _official(
        "PickupGestureWiimoteZ",
        "4d303d9990df621c066fc454d62626e3721aed008462103500b86b1ac1ca92c8",
        "a9109bce918e48ee0e924e9cf2fdfdc4de364a3d88ec5e8aa44399ff08b11361",
        "a remote control that ten people pick up",
    ),
    "japanese_vowels": _official(
        "JapaneseVowels",
        "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd",
        "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462",
        "two vowels that nine speakers say, as 12 coefficients a frame",
    ),
}


@functools.cache
def read(name: str) -> sequences.Sequences:
    """A set of ARCHIVES with its official test.

    Every fourth sequence of each class of its official train is the validation.
    """
    found, record = archives.read(name, ARCHIVES[name])
    train, test = (
        sequences.parsed(found[kept], f"{name}/{kept}")
        for kept in ("TRAIN.ts", "TEST.ts")
    )
    return sequences.official(train, test, record)
