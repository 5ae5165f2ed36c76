import pytest

from proxy.admin.visitors import is_led_astray

BROWSER = "Mozilla/5.0 (X11; Linux x86_64)"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:9901",
        "127.0.0.1",
        "[::1]:9901",
        "[::1]",
        "localhost:9901",
        "LOCALHOST",
        "localhost.:1",
        "a.localhost",
    ],
)
def test_names_that_nobody_can_make(host: str) -> None:
    assert not is_led_astray(host, BROWSER)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example:9901", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost"),
        *("", ":", "[", "127.0.0.1.:1", "0x7f000001", "localhost:1:2", "127.1"),
    ],
)
def test_names_that_somebody_made_or_that_are_none(host: str) -> None:
    assert is_led_astray(host, BROWSER)
    assert not is_led_astray(host, "Prometheus/2.53.0")
    assert not is_led_astray(host, "")
