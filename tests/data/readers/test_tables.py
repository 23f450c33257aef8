"""Tables of paths and labels: separators, headers, encodings, missing and repeated files."""

import os
from pathlib import Path

import pytest

from tests.images import encode, picture
from vaecli.data.readers import tables
from vaecli.data.readers.item import BadImageError
from vaecli.data.readers.tables import list_table
from vaecli.system.errors import DataError

PNG = encode(picture("L"), "PNG")
FILES = ("1.png", "sub/2.png", "a,b.png", 'say "hi".png', "\u00e9.png", " ;.png")


@pytest.fixture
def write(tmp_path):
    """Writes a table beside the images of `FILES`; returns its path."""
    for name in FILES:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)

    def write(text: str | bytes, name: str = "table.csv") -> Path:
        path = tmp_path / "set" / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def rows(listing) -> list[tuple]:
    return [(item.name, item.label, item.split) for item in listing.items]


CAT = [("1.png", "cat", None), ("sub/2.png", "dog", None)]
TABLES = {
    "with a header": ("path,label\n1.png,cat\nsub/2.png,dog\n", CAT),
    "without": ("1.png,cat\nsub/2.png,dog\n", CAT),
    "without a last newline": ("1.png,cat\nsub/2.png,dog", CAT),
    "labels first": ("cat,1.png\ndog,sub/2.png\n", CAT),
    "named columns in any order and case": (
        "id,Class,note, FileName \n1,cat,x,1.png\n2,dog,y,sub/2.png\n",
        CAT,
    ),
    "semicolons": ("path;label\n1.png;cat\nsub/2.png;dog\n", CAT),
    "tabs": ("path\tlabel\n1.png\tcat\nsub/2.png\tdog\n", CAT),
    "bars": ("path|label\n1.png|cat\nsub/2.png|dog\n", CAT),
    "Windows": ("\ufeffpath,label\r\n1.png,cat\r\nsub\\2.png,dog\r\n", None),
    "old Macs": ("path,label\r1.png,cat\rsub/2.png,dog\r", CAT),
    "empty lines and spaces": ("\n\n path , label\n\n1.png, cat \n,\nsub/2.png,dog\n  \n", CAT),
    "quotes": (
        'path,label\n"a,b.png","x, y"\n"say ""hi"".png","two\nlines"\n',
        [("a,b.png", "x, y", None), ('say "hi".png', "two\\u000alines", None)],
    ),
    "UTF-8": ("path,label\n\u00e9.png,\u00fc\n", [("\u00e9.png", "\u00fc", None)]),
    "UTF-16 of Excel": (
        "path\tlabel\r\n\u00e9.png\t\u00fc\r\n".encode("utf-16"),
        [("\u00e9.png", "\u00fc", None)],
    ),
    "only paths": ("1.png\nsub/2.png\n", [("1.png", None, None), ("sub/2.png", None, None)]),
    "empty labels": ("path,label\n1.png,\nsub/2.png,dog\n", [("1.png", None, None), CAT[1]]),
    "splits": (
        "image,y,split\n1.png,3,Train\nsub/2.png,4,VAL\na,b.png,5,test\n".replace(
            "a,b.png", '"a,b.png"'
        ),
        [("1.png", "3", "train"), ("sub/2.png", "4", "validation"), ("a,b.png", "5", "test")],
    ),
    "more cells than columns": ("path,label\n1.png,cat,x,y\nsub/2.png,dog\n", CAT),
    "markup": ("path,label\n1.png,[red]\n", [("1.png", "[red]", None)]),
}


@pytest.mark.parametrize("case", TABLES)
def test_tables_that_are_read(write, case):
    text, expected = TABLES[case]
    listing = list_table(write(text))
    if case == "Windows":
        expected = [CAT[0], ("sub\\\\2.png", "dog", None)]
    assert rows(listing) == expected
    for item in listing.items:
        assert item.read().size == picture("L").size
        assert item.outline()[:2] == picture("L").size
    assert not listing.skipped
    assert not listing.notices


def test_a_tsv_file_has_tabs(write):
    listing = list_table(write("path\tlabel\n1.png\ta,b,c\n", "t.tsv"))
    assert rows(listing) == [("1.png", "a,b,c", None)]


def test_paths_are_relative_to_the_table_or_absolute(write, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    (tmp_path / "other.png").write_bytes(PNG)
    table = write(f"{tmp_path}/other.png,a\n../set/1.png,b\n")
    listing = list_table(table)
    assert [item.label for item in listing.items] == ["a", "b"]
    assert [item.read().mode for item in listing.items] == ["L", "L"]
    monkeypatch.chdir(table.parent)
    assert list_table(Path("table.csv")).items[1].read().mode == "L"


def test_bytes_that_are_no_text_name_the_right_file(write, tmp_path):
    with open(os.fsencode(tmp_path) + b"/set/\xe9.png", "wb") as file:
        file.write(PNG)
    (item,) = list_table(write(b"path,label\n\xe9.png,caf\xe9\n")).items
    assert item.name == "\\xe9.png"
    assert item.label == "caf\\xe9"
    assert item.read().mode == "L"


def test_a_missing_file_is_bad_by_name(write, tmp_path):
    os.mkfifo(tmp_path / "set/pipe.png")
    long = "x" * 300
    text = f"path,label\nno.png,a\n1.png,b\nsub,c\npipe.png,d\n{long}.png,e\na\0b.png,f\n"
    items = list_table(write(text)).items
    assert [item.label for item in items] == list("abcdef")
    for item, words in {
        items[0]: r"^no\.png, line 2, cannot be read: No such file",
        items[2]: r"^sub, line 4, is not a file\.$",
        items[3]: r"^pipe\.png, line 5, is not a file\.$",
        items[4]: "line 6, cannot be read: File name too long",
        items[5]: "line 7, cannot be read: no such name is possible",
    }.items():
        assert item.outline is None
        with pytest.raises(BadImageError, match=words):
            item.read()
    assert items[1].read().mode == "L"


def test_repeated_images_count_once(write, tmp_path):
    (tmp_path / "set/link.png").symlink_to("1.png")
    text = "path,label\n1.png,a\n./1.png,a\nlink.png,b\nno.png,a\nsub/../no.png,a\n"
    listing = list_table(write(text))
    assert rows(listing) == [("1.png", "a", None), ("no.png", "a", None)]
    assert listing.skipped == {tables.DUPLICATE: 3}
    (notice,) = listing.notices
    assert notice.startswith("Some rows of ")
    assert notice.endswith("another label than an earlier row does (1): the first label counts.")


WRONG = {
    "no paths": ("a,b\n1,2\n", r"has no column of image paths: .* Found: a, b\.$"),
    "numbers": ("0,0,255\n0,0,255\n", "has no column of image paths"),
    "a missing cell": (
        "label,path\ncat,1.png\ndog\n",
        "line 3: has too few columns, 1 in",
    ),
    "an empty path": ("path,label\n,cat\n", "line 2: the path is empty"),
    "an unknown split": ("path,split\n1.png,\x1b[31m\n", r"line 2: the split \\u001b\[31m is unkn"),
    "an open quote": ('path,label\n"1.png,cat\n', "is no table of text, or damaged"),
    "a long line": ("path,label\n" + "x" * 200_000, "a line has more than 100,000 characters"),
    "bytes": (bytes(range(256)) * 50, "has no column of image paths|is no table of text"),
    "half of UTF-16": (b"\xff\xfep\0a", "is no table of text|has no column"),
}


@pytest.mark.parametrize("case", WRONG)
def test_tables_that_are_refused(write, case):
    text, words = WRONG[case]
    with pytest.raises(DataError, match=words) as caught:
        list_table(write(text))
    assert "table.csv" in str(caught.value)
    assert str(caught.value).isprintable()


def test_an_empty_table_has_no_images(write):
    for text in ("", "\n\n", "path,label\n", "\ufeff"):
        assert not list_table(write(text)).items


def test_a_changed_image_ends_training(write, tmp_path):
    (item,) = list_table(write("1.png\n")).items
    (tmp_path / "set/1.png").write_bytes(PNG + b"x")
    with pytest.raises(DataError, match=r"1\.png changed after it was listed"):
        item.read()
