"""``flask catalog presets|add``: the catalogs that come with Postern."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

import cli.catalog.presets
from app import create_app
from cli.catalog.presets import FOLDER
from config import Settings
from gateway.masking import Secret

Run = Callable[..., Result]


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / ".env"
    monkeypatch.setattr(cli.catalog.presets, "ENV_FILE", file)
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "catalog"
    folder.mkdir()
    return folder


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Run:
    """Runs ``flask catalog ...`` where CATALOG is the folder, unless ``catalog`` is another."""
    settings = Settings(
        port=0,
        jwt_secret=Secret("s" * 32),
        database_url=f"sqlite:///{tmp_path}/postern.db",
        files_dir=str(tmp_path / "files"),
        log_level="error",
    )

    def invoke(*words: str, catalog: str = str(folder), **environ: str) -> Result:
        app = create_app(replace(settings, catalog=catalog, environ=environ), serves=False)
        return app.test_cli_runner().invoke(args=["catalog", *words])

    return invoke


def test_presets_lists_each_with_its_title_and_what_it_needs(run: Run) -> None:
    lines = run("presets").output.splitlines()
    assert lines[0].split() == ["NAME", "TITLE", "NEEDS"]
    assert len(lines) == 1 + len(list(FOLDER.glob("*.yaml")))
    [amap] = [line for line in lines if line.startswith("amap ")]
    assert "Amap (Gaode): " in amap and amap.endswith(" AMAP_KEY")
    presets = {preset["name"]: preset for preset in json.loads(run("presets", "--json").output)}
    assert presets["wechat"]["variables"].keys() == {"WECHAT_APP_ID", "WECHAT_APP_SECRET"}
    assert presets["wechat"]["variables"]["WECHAT_APP_SECRET"].endswith("is refused with 40164")
    assert presets["wechat"]["manual"].startswith("https://developers.weixin.qq.com/")


def test_add_writes_a_catalog_and_check_then_tells_what_to_set(run: Run, folder: Path) -> None:
    done = run("add", "amap")
    assert done.exit_code == 0
    assert (folder / "amap.yaml").read_bytes() == (FOLDER / "amap.yaml").read_bytes()
    assert f"{folder}/amap.yaml: Amap" in done.output
    assert "  AMAP_KEY\n    console.amap.com" in done.output
    assert "Until all are set, the whole catalog is refused" in done.output
    assert "Until all are set" not in run("add", "amap", "--force", AMAP_KEY="a-key").output
    check = run("check")
    assert (check.exit_code, "${AMAP_KEY} is not set" in check.output) == (1, True)
    assert run("check", AMAP_KEY="a-key").exit_code == 0


def test_several_make_one_catalog(run: Run) -> None:
    assert [run("add", name).exit_code for name in ("amap", "stripe")] == [0, 0]
    check = run("check", AMAP_KEY="a-key", STRIPE_SECRET_KEY="sk_test_1")
    assert "ok, 2 services" in check.output


def test_a_file_that_is_there_is_written_over_by_force_only(run: Run, folder: Path) -> None:
    (folder / "amap.yaml").write_text("# mine\n")
    refused = run("add", "amap")
    assert (refused.exit_code, "--force writes over it" in refused.output) == (1, True)
    assert (folder / "amap.yaml").read_text() == "# mine\n"
    assert run("add", "amap", "--force").exit_code == 0
    assert (folder / "amap.yaml").read_bytes() == (FOLDER / "amap.yaml").read_bytes()


def test_a_service_of_that_name_in_another_file_is_not_doubled(run: Run, folder: Path) -> None:
    (folder / "broken.yaml").write_text("[")
    (folder / "ours.yaml").write_text("version: 1\nservices: {amap: {base_url: 'http://a.b'}}\n")
    refused = run("add", "amap")
    assert (refused.exit_code, "ours.yaml has a service amap already" in refused.output) == (
        1,
        True,
    )
    assert not (folder / "amap.yaml").exists()


def test_a_name_that_is_none_brings_the_nearest(run: Run) -> None:
    done = run("add", "wechta")
    assert (done.exit_code, "did you mean wechat?" in done.output) == (2, True)
    assert "there are: alibaba_cloud, alipay, amap" in run("add", "../../etc/passwd").output


@pytest.mark.parametrize(
    ("catalog", "says"),
    [
        ("services.yaml", "mkdir catalog && mv services.yaml catalog/"),
        ("consul://host:8500/postern", "CATALOG is in consul, where this command does not write"),
    ],
)
def test_a_catalog_that_is_no_folder_is_not_touched(run: Run, catalog: str, says: str) -> None:
    done = run("add", "amap", catalog=catalog)
    assert (done.exit_code, says in done.output) == (1, True)


def test_output_names_a_file_of_its_own(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "maps.yaml"
    assert run("add", "amap", "-o", str(file), catalog="services.yaml").exit_code == 0
    assert file.read_bytes() == (FOLDER / "amap.yaml").read_bytes()
    nowhere = run("add", "amap", "-o", str(tmp_path / "no" / "maps.yaml"))
    assert (nowhere.exit_code, "cannot be written: No such file" in nowhere.output) == (1, True)


def test_env_gets_a_line_for_each_variable_that_is_not_set(run: Run, env_file: Path) -> None:
    env_file.write_text("WECHATPAY_MCH_ID=1900000001\n# a comment")
    done = run("add", "wechatpay_v2", "--env", WECHAT_APP_ID="wx1", WECHATPAY_MCH_ID="1900000001")
    assert "  WECHAT_APP_ID (it is set)\n" in done.output
    assert ".env: WECHATPAY_API_KEY added" in done.output
    expected = "WECHATPAY_MCH_ID=1900000001\n# a comment\nWECHATPAY_API_KEY=\n"
    assert env_file.read_text() == expected
    assert (
        ".env: nothing added"
        in run("add", "wechatpay_v2", "--env", "--force", WECHAT_APP_ID="x").output
    )
    assert env_file.read_text() == expected


def test_without_env_no_line_is_written(run: Run, env_file: Path) -> None:
    run("add", "amap")
    assert not env_file.exists()


def test_a_new_env_is_for_its_owner_only(run: Run, env_file: Path) -> None:
    run("add", "amap", "--env")
    assert (env_file.read_text(), env_file.stat().st_mode & 0o777) == ("AMAP_KEY=\n", 0o600)


def test_a_line_that_is_not_filled_in_is_told(run: Run) -> None:
    run("add", "amap")
    check = run("check", AMAP_KEY="")
    assert (check.exit_code, "${AMAP_KEY} is set, but to nothing" in check.output) == (1, True)
