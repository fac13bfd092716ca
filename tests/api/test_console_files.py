"""The console's files, as a browser or a stranger asks for them."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "static" / "console"
TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}


@pytest.mark.parametrize("name", sorted(file.name for file in FOLDER.iterdir()))
def test_each_file_has_its_type_and_is_sent_again_only_when_it_has_changed(
    client, name: str
) -> None:
    answer = client.get(f"/console/{name}")
    assert answer.data == (FOLDER / name).read_bytes()
    assert answer.headers["Content-Type"].partition(";")[0] == TYPES[Path(name).suffix]
    assert answer.headers["Cache-Control"] == "no-cache"
    second = client.get(f"/console/{name}", headers={"If-None-Match": answer.headers["ETag"]})
    assert (second.status_code, second.data) == (304, b"")


def test_a_compressed_file_is_not_sent_again_either(client) -> None:
    packed = client.get("/console/app.js", headers={"Accept-Encoding": "br"})
    assert packed.headers["Content-Encoding"] == "br"
    headers = {"Accept-Encoding": "br", "If-None-Match": packed.headers["ETag"]}
    assert client.get("/console/app.js", headers=headers).status_code == 304


def test_the_page_needs_no_token_and_names_only_files_that_are_there(client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    named = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert named
    for path in named:
        assert client.get(path).status_code == 200, path


@pytest.mark.parametrize(
    "path",
    ["/console/../app.py", "/console/..%2fapp.py", "/console/%2e%2e/app.py", "/console//etc/passwd", "/console/",
     "/console/..", "/console/none.js", "/console/app.js/", "/console/..\\app.py", "/console/%00"],
)  # fmt: skip
def test_nothing_else_can_be_reached_through_the_folder(client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json["error"]["type"] == "not_found"


PAGES = sorted(
    set(
        re.findall(
            r"^  (\w+): \{ title: ", (FOLDER / "app.js").read_text(encoding="utf-8"), re.MULTILINE
        )
    )
)


def module_of(page: str) -> str:
    """Return the module that app.js loads when the page is opened."""
    line = re.search(
        rf"^  {page}: .*", (FOLDER / "app.js").read_text(encoding="utf-8"), re.MULTILINE
    )
    named = re.search(r'module: "(\w+)"', line[0] if line else "")
    return f"{named[1] if named else page}.js"


def loaded(name: str) -> set[str]:
    """The file, and all that it imports at once."""
    found = {name}
    wanted = [name]
    while wanted:
        text = (FOLDER / wanted.pop()).read_text(encoding="utf-8")
        imports = set(re.findall(r'^import .* from "./([\w.]+)";$', text, re.MULTILINE)) - found
        found |= imports
        wanted += imports
    return found


def sent(client, files: set[str]) -> int:
    """Return how many bytes a browser gets for these files."""
    headers = {"Accept-Encoding": "br"}
    return sum(len(client.get(f"/console/{name}", headers=headers).data) for name in files)


def stored(files: set[str]) -> int:
    return sum((FOLDER / name).stat().st_size for name in files)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_loads_is_small(client, page: str) -> None:
    """In Chinese it is one file more."""
    files = {"index.html", "console.css", "icon.svg", "theme.js"}
    files |= loaded("app.js") | loaded(module_of(page))
    assert stored(files) < 71_000
    assert sent(client, files) < 28_500
    assert stored(files | {"zh.js"}) < 81_000
    assert sent(client, files | {"zh.js"}) < 33_000


def test_all_of_it_is_small(client) -> None:
    """On the disk, and as a browser gets it that opens every page in Chinese."""
    files = {file.name for file in FOLDER.iterdir()}
    assert stored(files) < 100_000
    assert sent(client, files) < 41_000
    assert max(stored({name}) for name in files) < 11_000


class Words(HTMLParser):
    """What a page says to people."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {value or "" for name, value in attrs if name in ("aria-label", "title")}

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.found.add(data.strip())


TEXT = r'"(?:[^"\\]|\\.)*"'
UNTRANSLATED = {"Postern", "This page needs JavaScript.", "本页面需要 JavaScript。"}


def texts() -> set[str]:
    """What the scripts say, in English."""
    scripts = [file for file in FOLDER.glob("*.js") if file.name != "zh.js"]
    calls = [re.findall(rf"\bt\(({TEXT})", file.read_text(encoding="utf-8")) for file in scripts]
    return {json.loads(text) for found in calls for text in found}


def chinese() -> list[tuple[str, str]]:
    """The table: each English text with its Chinese."""
    table = (FOLDER / "zh.js").read_text(encoding="utf-8")
    entries = re.findall(rf"^  ({TEXT}): ({TEXT}),$", table, re.MULTILINE)
    return [(json.loads(english), json.loads(words)) for english, words in entries]


def test_every_text_has_its_chinese_and_no_other_has() -> None:
    assert sorted(english for english, _ in chinese()) == sorted(texts())
    for english, words in chinese():
        assert re.search("[\u3400-\u9fff\uff00-\uffef]", words), english


def test_no_text_is_put_together_before_it_is_translated() -> None:
    """A text that a variable holds could not be found here."""
    for file in FOLDER.glob("*.js"):
        code = re.sub(r"//.*|/\*\*[\s\S]*?\*/", "", file.read_text(encoding="utf-8"))
        assert re.findall(rf"(?<!function )\bt\((?!{TEXT}[,)])[^)]*", code) == [], file


def test_the_page_itself_says_nothing_that_would_need_its_chinese() -> None:
    page = Words()
    page.feed((FOLDER / "index.html").read_text(encoding="utf-8").partition("<body>")[2])
    assert page.found <= UNTRANSLATED


def test_the_chinese_texts_have_the_places_of_the_english_ones() -> None:
    for english, words in chinese():
        assert words.count("{}") == english.count("{}"), english


def test_no_file_names_another_host() -> None:
    for file in FOLDER.iterdir():
        hosts = set(re.findall(r"(?:https?:)?//([\w.-]+\.\w+)", file.read_text(encoding="utf-8")))
        assert hosts <= {"www.w3.org"}, file  # the name of SVG, which nobody fetches


def test_every_picture_that_the_docs_show_is_there_and_small() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for name in re.findall(
            r"(?:\]\(|src=\")([^\s)\"]+\.png)", page.read_text(encoding="utf-8")
        ):
            assert (page.parent / name).stat().st_size < 150_000, name
