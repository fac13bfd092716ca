"""Old clients, which name no version."""

from __future__ import annotations

import pytest


def test_a_path_without_a_version_answers_as_v1_and_says_that_it_will_go(client, login) -> None:
    headers = {"Authorization": f"Bearer {login()['access_token']}"}

    old, new = (
        client.get("/api/services", headers=headers),
        client.get("/api/v1/services", headers=headers),
    )

    assert old.json["data"] == new.json["data"]
    assert old.headers["Deprecation"].startswith("@")
    assert old.headers["Sunset"].endswith("GMT")
    assert old.headers["Link"] == '</api/v1/services>; rel="successor-version"'
    assert not {"Deprecation", "Sunset", "Link"} & set(new.headers.keys())


def test_an_old_clients_failure_is_told_the_same_way(client) -> None:
    answer = client.post("/api/call/wechat/send_msg", json={})

    assert (answer.status_code, answer.json["code"]) == (401, -2001)
    assert answer.headers["Link"] == '</api/v1/call/wechat/send_msg>; rel="successor-version"'


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v2/services", "/api/v1", "/api/v1/api/services", "/services"]
)
def test_no_other_path_is_taken_for_an_old_one(client, path: str) -> None:
    assert client.get(path).status_code == 404
