"""The Postman collection: made of the OpenAPI file, and every request of it passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from examples.postman.make import collection, environment
from tests.e2e.live import PASSWORD, ROOT, Live
from tests.e2e.npm import NEEDS_NPM, run

FOLDER = ROOT / "examples" / "postman"


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_collection_is_the_openapi_files() -> None:
    postman = collection(read(ROOT / "tests" / "openapi-v1.json"))

    assert read(FOLDER / "postern.postman_collection.json") == postman, "run: make postman"
    assert read(FOLDER / "postern.postman_environment.json") == environment(), "run: make postman"


@NEEDS_NPM
def test_every_request_of_the_collection_passes_twice(live: Live, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    variables = {"base": live.url, "username": "ann", "password": PASSWORD}
    files = [str(FOLDER / f"postern.postman_{name}.json") for name in ("collection", "environment")]
    words = [word for name, value in variables.items() for word in ("--env-var", f"{name}={value}")]
    done = run(
        "newman", "run", files[0], "-e", files[1], "--working-dir", str(FOLDER), "-n", "2", "--color", "off", *words,
        "--reporters", "cli,json", "--reporter-json-export", str(report),
    )  # fmt: skip
    run_report = read(report)["run"]

    assert done.returncode == 0, done.stdout
    assert run_report["failures"] == []
    count = sum(
        len(folder["item"]) for folder in read(FOLDER / "postern.postman_collection.json")["item"]
    )
    assert run_report["stats"]["requests"] == {"total": 2 * count, "pending": 0, "failed": 0}


@NEEDS_NPM
def test_its_requests_are_signed_where_the_environment_has_an_app(
    live: Live, tmp_path: Path
) -> None:
    printed = live.flask("app", "create", "shop", "--allow", "wechat", "--allow", "maps").stdout
    report = tmp_path / "report.json"
    variables = {
        "base": live.url,
        "app_id": "shop",
        "app_secret": printed.partition("secret: ")[2].split()[0],
        "token": "",
    }
    words = [word for name, value in variables.items() for word in ("--env-var", f"{name}={value}")]
    done = run(
        "newman", "run", str(FOLDER / "postern.postman_collection.json"), "--folder", "wechat", "--folder", "maps",
        "--folder", "data", "--folder", "products", "--color", "off", *words, "--reporters", "cli,json", "--reporter-json-export", str(report),
    )  # fmt: skip
    run_report = read(report)["run"]

    assert done.returncode == 0, done.stdout
    assert run_report["stats"]["requests"]["total"] > 10
    sent = run_report["executions"][0]["request"]["header"]
    assert {"X-App-Id", "X-Signature"} <= {header["key"] for header in sent}
