"""``examples/catalogs``: each is a catalog that passes the check once its variables are set."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flask import Flask

from app import create_app
from config import Settings
from gateway.catalog.loader import CatalogError, load_catalog

FOLDER = Path(__file__).parents[2] / "examples" / "catalogs"
NAMES = sorted(file.name for file in FOLDER.iterdir())
VENDORS = [
    "alipay",
    "amap",
    "aws_s3",
    "github",
    "openai_compatible",
    "stripe",
    "wechat",
    "wechatpay_v2",
    "wechatpay_v3",
]


@pytest.fixture(scope="session")
def key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


def values_for(text: str, key: RSAPrivateKey) -> dict[str, str]:
    """Something for every variable that the file's head says to set; keys for those of keys."""
    head = text.partition("\nversion: 1\n")[0]
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    made = {}
    for name in re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", head):
        made[name] = (
            private
            if name.endswith("PRIVATE_KEY")
            else public
            if name.endswith("PUBLIC_KEY")
            else "dummy-1234"
        )
    return made


def test_there_is_one_for_each_vendor() -> None:
    assert [f"{vendor}.yaml" for vendor in VENDORS] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_example_passes_the_check_with_the_variables_it_names(
    settings: Settings, key: RSAPrivateKey, name: str
) -> None:
    environ = values_for((FOLDER / name).read_text(encoding="utf-8"), key)
    app: Flask = create_app(replace(settings, environ=environ))
    done = app.test_cli_runner().invoke(args=["catalog", "check", str(FOLDER / name)])
    assert done.exit_code == 0, done.output
    assert re.search(r": ok, 1 services, \d+ methods\n$", done.output)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_holds_no_secret_and_names_the_pages_it_follows(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert "Manual: https://" in text
    with pytest.raises(CatalogError, match="is not set; set it in the environment"):
        load_catalog(text, name, {})
