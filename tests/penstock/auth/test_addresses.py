from __future__ import annotations

import pytest

from penstock.auth.addresses import host_of, is_protected


@pytest.mark.parametrize(
    "url",
    [
        "https://iam.example.org",
        "https://iam.example.org:8443/realms/vo/",
        "http://localhost:9000",
        "http://127.0.0.1:9000/x",
        "http://127.8.9.1",
        "http://[::1]:9000",
    ],
)
def test_https_and_this_machine_are_protected(url: str) -> None:
    assert is_protected(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "iam.example.org",
        "http://iam.example.org",
        "http://127.0.0.1.example.org",
        "http://localhost.example.org",
        "http://10.0.0.1",
        "file:///etc/passwd",
        "ftp://localhost/x",
        "https://",
        "https://user:word@iam.example.org",
        "https://iam.example.org#here",
        "https://iam.example.org:port",
        "https://[::1",
        "https://iam.example.org/a b",
        "https://iam.example.org/\r\nHost: x",
        "https://iäm.example.org",
    ],
)
def test_what_others_could_change_is_not(url: str) -> None:
    assert not is_protected(url)


def test_the_host_has_no_port() -> None:
    assert host_of("https://IAM.example.org:8443/realms/vo") == "iam.example.org"
