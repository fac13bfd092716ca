"""A catalog in a folder: every ``*.yaml`` in it, one catalog; what is wrong is told with its file."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gateway.catalog.loader import CatalogError, load_catalog
from gateway.catalog.model import Catalog
from gateway.clock import SystemClock
from gateway.masking import Masker
from gateway.sources import Source, SourceError, open_source

MAPS = """\
version: 1
services:
  maps: {base_url: https://maps.example, methods: {geocode: {http: GET /geo}}}
"""
MAIL = """\
version: 1
defaults: {deadline: 3}
services:
  mail:
    base_url: https://mail.example
    methods: {send: {http: POST /send}}
aggregates:
  page: {where: {call: maps.geocode}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / "10-maps.yaml").write_text(MAPS)
    (folder / "20-mail.yaml").write_text(MAIL)
    return folder


def open_folder(folder: Path) -> Source:
    return open_source(str(folder), {}, SystemClock(), Masker())


def load(folder: Path) -> Catalog:
    source = open_folder(folder)
    return load_catalog(source.read(), source.name, {})


def problems(folder: Path) -> list[str]:
    with pytest.raises(CatalogError) as refused:
        load(folder)
    return [line.removeprefix(f"{folder}/") for line in str(refused.value).splitlines()]


def test_all_its_files_are_one_catalog(folder: Path) -> None:
    catalog = load(folder)
    assert set(catalog.services) == {"maps", "mail"}
    assert catalog.services["maps"].methods["geocode"].deadline == 3
    assert set(catalog.aggregates) == {"page"}


def test_hidden_files_and_others_are_left_out(folder: Path) -> None:
    for name in (".#10-maps.yaml", "README.md", "old.yaml~", "notes.txt"):
        (folder / name).write_text("version: 7")
    (folder / "30-empty.yaml").write_text("# nothing yet\n")
    assert len(load(folder).services) == 2


def test_what_is_wrong_is_told_with_its_file_and_line(folder: Path) -> None:
    (folder / "20-mail.yaml").write_text(MAIL.replace("http: POST", "htp: POST"))
    (folder / "30-bad.yaml").write_text("services:\n  x: {base_url: ftp://x}\n")
    assert [line.split(": ")[0] for line in problems(folder)] == [
        "20-mail.yaml:6", "20-mail.yaml:6", "30-bad.yaml:2",
    ]  # fmt: skip


def test_what_is_no_yaml_is_told_with_its_file_and_line(folder: Path) -> None:
    (folder / "20-mail.yaml").write_text("version: 1\nservices: {\n")
    assert problems(folder)[0].startswith("20-mail.yaml:3: not YAML")


def test_no_name_may_be_given_by_two_files(folder: Path) -> None:
    (folder / "30-more.yaml").write_text(MAPS + "defaults: {deadline: 4}\n")
    assert problems(folder) == [
        "30-more.yaml:3: services.maps: given by 10-maps.yaml, too; keep one of them",
        "30-more.yaml:4: defaults: given otherwise by 20-mail.yaml; keep it in one of them",
    ]


@pytest.mark.parametrize("name", ["05-first.yaml", "30-more.yaml"])
@pytest.mark.parametrize("services", ["", " [maps]"])
def test_services_that_are_no_mapping_are_told_with_their_file(
    folder: Path, name: str, services: str
) -> None:
    (folder / name).write_text(f"version: 1\nservices:{services}\n")
    assert problems(folder) == [f"{name}:2: services: must be a mapping of names to settings"]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "there is no *.yaml in it"),
        ({"a.yaml": b"\xff"}, "a.yaml: it is not UTF-8"),
        ({"a.yaml": b"# --- file of this catalog: b.yaml"}, "a.yaml has a line that begins with"),
    ],
)
def test_a_folder_that_is_no_catalog_cannot_be_read(
    tmp_path: Path, files: dict[str, bytes], why: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match="cannot be read") as refused:
        open_folder(tmp_path).read()
    assert why in str(refused.value)


def test_a_file_that_cannot_be_read_is_told_by_its_name(folder: Path) -> None:
    (folder / "30-gone.yaml").symlink_to(folder / "nowhere")
    with pytest.raises(SourceError, match=r"cannot be read: 30-gone\.yaml: No such file"):
        open_folder(folder).read()
    (folder / "30-gone.yaml").unlink()
    (folder / "25-sub.yaml").mkdir()
    with pytest.raises(SourceError, match=r"25-sub\.yaml: it is not a regular file"):
        open_folder(folder).read()


def test_a_file_that_comes_changes_or_goes_is_a_new_text(folder: Path) -> None:
    source = open_folder(folder)
    never = threading.Event()
    texts = [source.wait_for_text(never)]
    (folder / "30-more.yaml").write_text("services: {}\n")
    texts.append(source.wait_for_text(never))
    (folder / "10-maps.yaml").write_text(MAPS.replace("geocode", "reverse"))
    texts.append(source.wait_for_text(never))
    (folder / "30-more.yaml").unlink()
    texts.append(source.wait_for_text(never))
    assert ["30-more" in text for text in texts] == [False, True, True, False]
    assert ["reverse" in text for text in texts] == [False, False, True, True]
