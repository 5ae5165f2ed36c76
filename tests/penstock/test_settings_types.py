"""Units: what is read, what is refused and with which fix, and that what is written is read back the same."""

from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.settings.address import Address, Gateway, Gateways, ListenAddress, MaybeListenAddress
from penstock.settings.allow import AllowMap
from penstock.settings.files import CertificateFiles, CertificateList, FilePath
from penstock.settings.lists import Names, Networks, Protocols
from penstock.settings.types import (
    BadValueError,
    Choice,
    Count,
    Duration,
    Flag,
    Fraction,
    Kind,
    Rate,
    Secret,
    SecretText,
    Size,
    Text,
)

MS = Duration("ms")
US = Duration("us")
NAME = Text(r"[a-z]+", "a lower-case word", "eu")
LEVEL = Choice("debug", "info")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (MS, "250ms", 250),
        (MS, "10s", 10_000),
        (MS, " 1.5s ", 1500),
        (MS, "2m", 120_000),
        (MS, "1h", 3_600_000),
        (MS, "0ms", 0),
        (MS, "5 s", 5000),
        (US, "200us", 200),
        (US, "0.5ms", 500),
        (Size(), "512B", 512),
        (Size(), "64KiB", 65_536),
        (Size(), "1.5MiB", 1_572_864),
        (Size(), "1GiB", 1 << 30),
        (Rate(), "1KiB", 1024),
        (Rate(), "1KiB/s", 1024),
        (Count(), "16384", 16_384),
        (Fraction(), "10%", 0.1),
        (Fraction(), "0.25", 0.25),
        (Fraction(), "100%", 1.0),
        (Flag(), "true", True),
        (Flag(), "false", False),
        (NAME, "eu", "eu"),
        (LEVEL, "INFO", "info"),
        (ListenAddress(), "127.0.0.1:8080", Address("127.0.0.1", 8080)),
        (ListenAddress(), "[::1]:0", Address("::1", 0)),
        (ListenAddress(), "gateway-1.example:65535", Address("gateway-1.example", 65_535)),
        (Gateways(), "tcp://127.0.0.1:7420", (Gateway("127.0.0.1", 7420),)),
        (Gateways(), "tcp://a:1, tcp://[::1]:2,", (Gateway("a", 1), Gateway("::1", 2))),
        (Gateways(), "tcp://a:1?priority=0,tcp://b:2?priority=9", (Gateway("a", 1), Gateway("b", 2, 9))),
        (Gateways(), "none", ()),
        (MaybeListenAddress(), "", None),
        (MaybeListenAddress(), "[::1]:8443", Address("::1", 8443)),
        (Networks(), "", ()),
        (Networks(), "10.0.0.0/8,192.0.2.1", (ip_network("10.0.0.0/8"), ip_network("192.0.2.1/32"))),
        (Networks(), "2001:db8::/32, ::1", (ip_network("2001:db8::/32"), ip_network("::1/128"))),
        (Networks(), "2001:DB8:0::/48", (ip_network("2001:db8::/48"),)),
        (Networks(), "0.0.0.0/0", (ip_network("0.0.0.0/0"),)),
        (Protocols(), "websocket", ("websocket",)),
        (Protocols(), "websocket, irc", ("websocket", "irc")),
        (Protocols(), "none", ()),
        (Names(), "a.example, spiffe://b/c,x@y,A B", ("a.example", "spiffe://b/c", "x@y", "A B")),
        (CertificateList(), "a.pem:k.pem", (CertificateFiles(Path("a.pem"), Path("k.pem")),)),
        (CertificateList(), "/b c.pem, /d", tuple(CertificateFiles(Path(p), Path(p)) for p in ("/b c.pem", "/d"))),
        (FilePath(), "", None),
        (FilePath(), "/etc/ca.pem", Path("/etc/ca.pem")),
        (AllowMap(), "", {}),
        (
            AllowMap(),
            "billing=/invoices,/bills; orders=/orders",
            {"billing": ("/invoices", "/bills"), "orders": ("/orders",)},
        ),
    ],
)
def test_reads(kind: Kind[Any], text: str, value: object) -> None:
    assert kind.parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "fix"),
    [
        (MS, "10", "write 10s or 10ms"),
        (MS, "0", "write 0s or 0ms"),
        (MS, "10sec", "write 10s"),
        (MS, "10S", "write 10s"),
        (MS, "-1s", "write a number and its unit, like 10s"),
        (MS, "1s500ms", "write a number and its unit, like 10s"),
        (MS, "1e3ms", "write a number and its unit, like 10s"),
        (MS, "soon", "write a number and its unit, like 10s"),
        (MS, "500us", "write a whole number of ms"),
        (MS, "64KiB", "write 64s or 64ms"),
        (US, "1.5us", "write a whole number of us"),
        (Size(), "64", "write 64KiB or 64B"),
        (Size(), "64KB", "write 64KiB"),
        (Size(), "64kib", "write 64KiB"),
        (Size(), "1.3B", "write 64KiB"),
        (Size(), "10s", "write 10KiB or 10B"),
        (Count(), "1k", "write digits only, like 256"),
        (Count(), "-1", "write digits only, like 256"),
        (Count(), "1.0", "write digits only, like 256"),
        (Count(), "٣", "write digits only, like 256"),
        (Fraction(), "10", "write a percentage up to 100%, or a number from 0 to 1"),
        (Fraction(), "101%", "write a percentage up to 100%, or a number from 0 to 1"),
        (Fraction(), "ten", "write a percentage like 10%, or a number from 0 to 1 like 0.1"),
        (Flag(), "yes", "write true or false"),
        (Flag(), "1", "write true or false"),
        (Flag(), "True", "write true or false"),
        (NAME, "EU", "write a lower-case word, like eu"),
        (LEVEL, "verbose", "write debug or info"),
        (ListenAddress(), "8080", "write host:port, like 127.0.0.1:8080"),
        (ListenAddress(), "127.0.0.1:65536", "write host:port, like 127.0.0.1:8080"),
        (ListenAddress(), "127.0.0.1:http", "write host:port, like 127.0.0.1:8080"),
        (ListenAddress(), ":8080", "write 127.0.0.1:8080 for this machine only, 0.0.0.0:8080 for every IPv4 address"),
        (ListenAddress(), "*:80", "write 127.0.0.1:80 for this machine only, 0.0.0.0:80 for every IPv4 address"),
        (ListenAddress(), "::1:8080", "put an IPv6 address in brackets: [::1]:8080"),
        (ListenAddress(), "[localhost]:80", "write [::1]:80"),
        (ListenAddress(), "http://a:80", "write host:port, like a:80"),
        (ListenAddress(), "a b:80", "write host:port, like 127.0.0.1:8080"),
        (Gateways(), "127.0.0.1:7420", "write tcp://127.0.0.1:7420"),
        (Gateways(), " , ", "write tcp://127.0.0.1:7420, or none to dial nobody"),
        (Gateways(), "none,tcp://a:1", "write tcp://127.0.0.1:7420"),
        (Gateways(), "tcp://a:1?priority=10", "write tcp://127.0.0.1:7420?priority=1"),
        (Gateways(), "tcp://a:1?priority=-1", "write tcp://127.0.0.1:7420?priority=1"),
        (Gateways(), "tcp://a:1?", "write tcp://127.0.0.1:7420?priority=1"),
        (Gateways(), "tcp://a:1?weight=1", "write tcp://127.0.0.1:7420?priority=1"),
        (Gateways(), "tcp://a:1,tcp://a:1?priority=1", "name each once"),
        (Gateways(), "tcp://a:0", "write tcp://127.0.0.1:7420"),
        (Gateways(), "tcp://a:1,tcp://a:1", "name each once"),
        (MaybeListenAddress(), "8443", "write host:port, like 127.0.0.1:8080"),
        (Networks(), "10.0.0.1/8", "write 10.0.0.0/8 for the network, 10.0.0.1 for the address"),
        (Networks(), "2001:db8::1/32", "write 2001:db8::/32 for the network, 2001:db8::1 for the address"),
        (Networks(), "10.0.0.0/255.0.0.0", "write 10.0.0.0/8"),
        (Networks(), "10.0.0.0/33", "write 10.0.0.0/8, 192.0.2.1, 2001:db8::/32"),
        (Networks(), "10.0.0", "write 10.0.0.0/8, 192.0.2.1, 2001:db8::/32"),
        (Networks(), "010.0.0.1", "write 10.0.0.0/8, 192.0.2.1, 2001:db8::/32"),
        (Networks(), "proxy.example", "write 10.0.0.0/8, 192.0.2.1, 2001:db8::/32"),
        (Networks(), "fe80::1%eth0", "write 10.0.0.0/8, 192.0.2.1, 2001:db8::/32"),
        (Networks(), "::ffff:10.0.0.0/104", "write 10.0.0.0/8"),
        (Networks(), "::ffff:192.0.2.1", "write 192.0.2.1/32"),
        (Networks(), "::1, 0::1", "name each once"),
        (Networks(), "::1, ,::2", "write 10.0.0.0/8, 192.0.2.1, 2001:db8::/32"),
        (Protocols(), "h2c", "leave it out"),
        (Protocols(), "websocket,h2", "leave it out"),
        (Protocols(), "WebSocket", "write 1 to 32 of a-z 0-9 . _ -, like websocket"),
        (Protocols(), "websocket/13", "write 1 to 32 of a-z 0-9 . _ -, like websocket"),
        (Protocols(), "websocket,none", "write none, or the protocols without it"),
        (Names(), "*.example", "write each name"),
        (Names(), "a\x01", "write 1 to 255 printable ASCII characters"),
        (Names(), "é", "write 1 to 255 printable ASCII characters"),
        (CertificateList(), "a:", "write /etc/penstock/cert.pem:/etc/penstock/key.pem"),
        (CertificateList(), ":b", "write /etc/penstock/cert.pem:/etc/penstock/key.pem"),
        (CertificateList(), "a:b:c", "write /etc/penstock/cert.pem:/etc/penstock/key.pem"),
        (CertificateList(), "a.pem, a.pem", "name each once"),
        (FilePath(), "a\0b", "write /etc/penstock/ca.pem"),
        (AllowMap(), "billing", "write billing=/invoices,/bills; orders=/orders"),
        (AllowMap(), "Billing=/a", "write 1 to 64 of a-z, 0-9 and '-', beginning with a letter"),
        (AllowMap(), "billing=invoices", "write a path that begins with '/', like /invoices"),
        (AllowMap(), "billing=", "write a path that begins with '/', like /invoices"),
        (AllowMap(), "a=/x;a=/y", "give all its path prefixes in one entry"),
    ],
)
def test_refuses_with_a_fix(kind: Kind[Any], text: str, fix: str) -> None:
    with pytest.raises(BadValueError) as caught:
        kind.parse(text)
    assert caught.value.fix == fix


@pytest.mark.parametrize("kind", [MS, Size(), Count(), Flag(), NAME, SecretText(), ListenAddress()])
def test_refuses_a_list_where_one_value_belongs(kind: Kind[Any]) -> None:
    with pytest.raises(BadValueError, match="is one value"):
        kind.parse(["10s"])


@pytest.mark.parametrize("kind", [Networks(), Protocols(), Names(), CertificateList()])
@pytest.mark.parametrize("raw", [{"a": "b"}, [["a"]], [{"a": "b"}], [" "]])
def test_refuses_a_list_of_another_form(kind: Kind[Any], raw: Any) -> None:
    with pytest.raises(BadValueError):
        kind.parse(raw)


def test_reads_lists_from_a_file() -> None:
    assert Networks().parse(["10.0.0.0/8", "::1"]) == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert Protocols().parse([]) == ()


@given(st.lists(st.ip_addresses(), unique=True, max_size=4))
def test_addresses_are_written_as_addresses(addresses: list[Any]) -> None:
    text = ", ".join(str(address) for address in addresses if not getattr(address, "ipv4_mapped", None))
    assert Networks().render(Networks().parse(text)) == text


@pytest.mark.parametrize("raw", [["/a"], {"billing": [1]}, {"billing": {"a": "/b"}}, {"": "/a"}])
def test_refuses_an_allow_map_of_another_form(raw: Any) -> None:
    with pytest.raises(BadValueError):
        AllowMap().parse(raw)


def test_reads_an_allow_map_from_a_file() -> None:
    assert AllowMap().parse({"billing": ["/invoices"], "orders": "/orders"}) == {
        "billing": ("/invoices",),
        "orders": ("/orders",),
    }


@given(st.integers(0, 10**12))
def test_what_is_written_is_read_back(count: int) -> None:
    for kind in (MS, US, Size(), Count()):
        assert kind.parse(kind.render(count)) == count


KINDS: list[Kind[Any]] = [
    *(MS, US, Size(), Rate(), Count(), Fraction(), Flag(), NAME, LEVEL),
    *(SecretText(), ListenAddress(), Gateways(), AllowMap()),
    *(MaybeListenAddress(), Networks(), Protocols(), Names(), CertificateList(), FilePath()),
]


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_and_never_more(text: str) -> None:
    for kind in KINDS:
        with suppress(BadValueError):
            assert isinstance(kind.render(kind.parse(text)), str)


def test_renders_in_the_largest_whole_unit() -> None:
    assert [MS.render(ms) for ms in (0, 250, 1500, 90_000, 120_000)] == ["0ms", "250ms", "1500ms", "90s", "2m"]
    assert [Size().render(count) for count in (0, 1023, 65_536, 1 << 30)] == ["0B", "1023B", "64KiB", "1GiB"]
    assert Fraction().render(0.105) == "10.5%"


def test_a_secret_does_not_show() -> None:
    secret = SecretText().parse("hunter2")
    assert secret.reveal() == "hunter2"
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert SecretText().render(secret) == "***"
    assert bool(secret)
    assert not Secret()


def test_a_refused_secret_is_not_repeated() -> None:
    with pytest.raises(BadValueError) as caught:
        SecretText().parse("hunter2\x00")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - nothing is bound
        ("::", False),
        ("db", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert Address(host, 1).is_loopback is loopback
