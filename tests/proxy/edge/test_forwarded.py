"""Who is behind the peer: nobody is believed but trusted proxies, and those only about who connected to them."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.edge.forwarded import Client, Doubt, TrustedProxies, canonical_address, find_client

PROXIES = TrustedProxies(map(ip_network, ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "::1/128"]))
NOBODY = TrustedProxies([])


def ask(peer: str = "10.0.0.1", scheme: bytes = b"http", /, **fields: list[bytes]) -> Client:
    return find_client(peer, scheme, PROXIES, **fields)


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.0.0.0", True),
        ("10.255.255.255", True),
        ("11.0.0.0", False),
        ("9.255.255.255", False),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("2001:db8::", True),
        ("2001:DB8:ffff:ffff:ffff:ffff:ffff:ffff", True),
        ("2001:db9::", False),
        ("::1", True),
        ("::2", False),
        ("::ffff:10.1.2.3", True),
        ("::ffff:11.1.2.3", False),
        ("::a00:1", False),  # an IPv6 address with the bits of 10.0.0.1
        ("fe80::1%eth0", False),
        ("", False),
        ("proxy", False),
        ("010.0.0.1", False),
    ],
)
def test_trusted_addresses(address: str, trusted: bool) -> None:
    for _ in range(2):  # the second answer is remembered
        assert PROXIES.trusts(address) is trusted
    assert NOBODY.trusts(address) is False


def test_whether_anybody_is_trusted() -> None:
    assert PROXIES
    assert not NOBODY
    everybody = TrustedProxies([ip_network("0.0.0.0/0"), ip_network("::/0")])
    assert everybody.trusts("1.2.3.4")
    assert everybody.trusts("::2")


@given(st.ip_addresses(), st.integers(0, 128))
def test_a_network_trusts_what_is_in_it(address: Any, prefix: int) -> None:
    network = ip_network(f"{address}/{min(prefix, address.max_prefixlen)}", strict=False)
    proxies = TrustedProxies([network])
    for tried in (address, network[0], network[-1], ip_address(7), ip_address(1 << 127)):
        mapped = getattr(tried, "ipv4_mapped", None)
        assert proxies.trusts(str(tried)) is ((mapped or tried) in network)


FIELDS: list[dict[str, list[bytes]]] = [
    {"forwarded": [b"for=1.2.3.4;proto=https"]},
    {"forwarded_for": [b"1.2.3.4"], "forwarded_proto": [b"https"]},
    {"forwarded": [b"for=1.2.3.4;proto=https"], "forwarded_for": [b"1.2.3.4"], "forwarded_proto": [b"https"]},
]


@pytest.mark.parametrize("fields", FIELDS)
def test_a_trusted_peer_is_believed_and_no_other(fields: dict[str, list[bytes]]) -> None:
    assert ask("10.0.0.1", **fields) == Client("1.2.3.4", b"https")
    assert ask("11.0.0.1", **fields) == Client("11.0.0.1", b"http")
    assert ask("11.0.0.1", b"https", **fields) == Client("11.0.0.1", b"https")
    assert find_client("10.0.0.1", b"http", NOBODY, **fields) == Client("10.0.0.1", b"http")


def test_a_trusted_peer_that_says_nothing_is_the_client() -> None:
    assert ask() == Client("10.0.0.1", b"http")
    assert ask("::ffff:10.0.0.1", b"https") == Client("10.0.0.1", b"https")
    assert ask(forwarded=[b""], forwarded_for=[b" "], forwarded_proto=[b",\t,"]) == Client("10.0.0.1", b"http")


@pytest.mark.parametrize(
    ("value", "client"),
    [
        (b"for=1.2.3.4", Client("1.2.3.4", b"http")),
        (b"For=1.2.3.4;PROTO=HTTPS;by=10.0.0.1;host=a.example", Client("1.2.3.4", b"https")),
        (b'for="1.2.3.4:4711"', Client("1.2.3.4", b"http")),
        (b'for="[2001:DB9::0:1]"', Client("2001:db9::1", b"http")),
        (b'for="[2001:db9::1]:4711";proto=https', Client("2001:db9::1", b"https")),
        (b'for="[::ffff:1.2.3.4]:_port"', Client("1.2.3.4", b"http")),
        (b'for="1.2.3\\.4"', Client("1.2.3.4", b"http")),
        (b"for=6.6.6.6, for=1.2.3.4", Client("1.2.3.4", b"http")),
        (b"for=1.2.3.4;proto=https, for=10.9.9.9;proto=http", Client("1.2.3.4", b"https")),
        (b"for=10.8.8.8;proto=https, for=10.9.9.9", Client("10.8.8.8", b"https")),
        (b"for=1.2.3.4, for=10.9.9.9;proto=https", Client("1.2.3.4", b"https")),
        (b"for=unknown;proto=https, for=10.9.9.9", Client("10.9.9.9", b"https")),
        (b"for=_hidden", Client("10.0.0.1", b"http")),
        (b"for=UNKNOWN", Client("10.0.0.1", b"http")),
        (b'for="_SEVKISEK:80"', Client("10.0.0.1", b"http")),
        (b"proto=https", Client("10.0.0.1", b"https")),
        (b"for=1.2.3.4, by=10.0.0.9", Client("10.0.0.1", b"http")),
        (b"for=1.2.3.4 ; proto=https", Client("1.2.3.4", b"https")),
        (b",, for=1.2.3.4;;proto=wss; , ,", Client("1.2.3.4", b"https")),
        (b'secret="a, for=6.6.6.6;x=\\"";for=1.2.3.4', Client("1.2.3.4", b"http")),
        (b"for=6.6.6.6.6, for=1.2.3.4", Client("1.2.3.4", b"http")),  # the client's own word is not looked at
    ],
)
def test_forwarded(value: bytes, client: Client) -> None:
    assert ask(forwarded=[value]) == client


def test_several_fields_are_one_list() -> None:
    assert ask(forwarded=[b"for=6.6.6.6", b"for=1.2.3.4"]) == Client("1.2.3.4", b"http")
    assert ask(forwarded_for=[b"6.6.6.6", b"1.2.3.4, 10.0.0.3"]) == Client("1.2.3.4", b"http")


@pytest.mark.parametrize(
    "value",
    [
        *(b"for", b"for=", b"=1.2.3.4", b"for =1.2.3.4", b"for= 1.2.3.4", b"1.2.3.4", b"for=1.2.3.4 proto=https"),
        *(b"for=[::1]", b"for=::1", b"for=1.2.3.4:80", b'for="', b'for="1.2.3.4', b'for="1.2.3.4, for=5.6.7.8'),
        *(b"for=1.2.3.4;for=1.2.3.4", b"for=1.2.3.4;FOR=5.6.7.8", b"for=1.2.3", b"for=1.2.3.256", b"for=01.2.3.4"),
        *(
            b'for="[1.2.3.4]x"',
            b'for="[::g]"',
            b'for="1.2.3.4:123456"',
            b'for="1.2.3.4:"',
            b'for="[fe80::1%25a]"',
            b"for=_",
        ),
        *(
            b"for=client.example",
            b"proto=ftp",
            b'proto=""',
            b"for=1.2.3.4;proto=javascript",
            b'for="\x00"',
            b'for="a\\',
        ),
        *(b"f(r=1.2.3.4", b'"for"=1.2.3.4', b'x="a, for=1.2.3.4', b"for=1.2.3.4\r\n", b'for="1.2.3.4"x'),
    ],
)
def test_a_malformed_forwarded_is_not_believed(value: bytes) -> None:
    assert ask(forwarded=[value]) == Client("10.0.0.1", b"http", Doubt.MALFORMED)


@pytest.mark.parametrize(
    ("nodes", "schemes", "client"),
    [
        (b"1.2.3.4", b"", Client("1.2.3.4", b"http")),
        (b"1.2.3.4:4711", b"HTTPS", Client("1.2.3.4", b"https")),
        (b"2001:db9::1", b"", Client("2001:db9::1", b"http")),
        (b"[2001:db9::1]:4711", b"", Client("2001:db9::1", b"http")),
        (b"::ffff:1.2.3.4", b"", Client("1.2.3.4", b"http")),
        (b"6.6.6.6,1.2.3.4 ,\t10.1.1.1", b"", Client("1.2.3.4", b"http")),
        (b"rubbish, 1.2.3.4", b"", Client("1.2.3.4", b"http")),
        (b"10.2.2.2, 10.1.1.1", b"", Client("10.2.2.2", b"http")),
        (b"unknown, 10.1.1.1", b"https", Client("10.1.1.1", b"https")),
        (b"1.2.3.4, 10.1.1.1", b"https, http", Client("1.2.3.4", b"https")),
        (b"1.2.3.4, 10.1.1.1", b"https", Client("1.2.3.4", b"https")),
        (b"", b"https", Client("10.0.0.1", b"https")),
        (b"1.2.3.4, ", b"", Client("1.2.3.4", b"http")),
    ],
)
def test_the_common_fields(nodes: bytes, schemes: bytes, client: Client) -> None:
    assert ask(forwarded_for=[nodes] if nodes else [], forwarded_proto=[schemes] if schemes else []) == client


@pytest.mark.parametrize(
    ("nodes", "schemes"),
    [
        *((b"1.2.3", b""), (b"1.2.3.4.5", b""), (b"1.2.3.4:", b""), (b"client.example", b""), (b'"1.2.3.4"', b"")),
        *((b"for=1.2.3.4", b""), (b"2001:db9:::1", b""), (b"fe80::1%eth0", b""), (b"1.2.3.4 5.6.7.8", b"")),
        *((b"1.2.3.4", b"ftp"), (b"1.2.3.4", b"https, http"), (b"", b"https, http"), (b"1.2.3.4", b"http https")),
    ],
)
def test_malformed_common_fields_are_not_believed(nodes: bytes, schemes: bytes) -> None:
    client = ask(forwarded_for=[nodes] if nodes else [], forwarded_proto=[schemes] if schemes else [])
    assert client == Client("10.0.0.1", b"http", Doubt.MALFORMED)


@pytest.mark.parametrize(
    "fields",
    [
        {"forwarded": [b"for=6.6.6.6"], "forwarded_for": [b"1.2.3.4"]},
        {"forwarded": [b"for=6.6.6.6;proto=https"], "forwarded_proto": [b"https"]},
        {"forwarded": [b"for=1.2.3.4"], "forwarded_for": [b"1.2.3.4"], "forwarded_proto": [b"https"]},
        {"forwarded": [b"proto=https"], "forwarded_for": [b"1.2.3.4"]},
    ],
)
def test_two_kinds_of_fields_that_do_not_say_the_same(fields: dict[str, list[bytes]]) -> None:
    assert ask(**fields) == Client("10.0.0.1", b"http", Doubt.DISAGREEING)


def test_one_malformed_kind_is_enough_to_doubt() -> None:
    assert ask(forwarded=[b"for=1.2.3.4"], forwarded_for=[b"?"]).doubt is Doubt.MALFORMED


@pytest.mark.parametrize(
    ("text", "form"), [("2001:DB8:0:0::1", "2001:db8::1"), ("::FFFF:1.2.3.4", "1.2.3.4"), ("a", None)]
)
def test_the_form_of_an_address(text: str, form: str | None) -> None:
    assert canonical_address(text) == form


untrusted = st.ip_addresses().filter(lambda address: not PROXIES.trusts(str(address)))
trusted = st.integers(0, (1 << 24) - 1).map(lambda number: ip_address((10 << 24) + number))


def node_of(address: Any) -> bytes:
    return b'"[%s]:1"' % str(address).encode() if address.version == 6 else str(address).encode()


@given(st.lists(st.ip_addresses(), max_size=3), untrusted, st.lists(trusted, max_size=3))
def test_the_rightmost_address_that_is_not_trusted(left: list[Any], client: Any, right: list[Any]) -> None:
    chain = [*left, client, *right]
    expected = Client(canonical_address(str(client)) or "", b"http")
    assert ask(forwarded_for=[", ".join(map(str, chain)).encode()]) == expected
    assert ask(forwarded=[b", ".join(b"for=" + node_of(address) for address in chain)]) == expected


NEARLY = st.sampled_from([b"for=1.2.3.4;proto=https", b"1.2.3.4", b"https", b'for="[::2]"', b"unknown"])


@given(st.lists(st.binary(max_size=30) | NEARLY, max_size=3))
def test_any_values_give_a_client(values: list[bytes]) -> None:
    for fields in ({"forwarded": values}, {"forwarded_for": values}, {"forwarded_proto": values}):
        client = ask(**fields)
        assert client.scheme in (b"http", b"https")
        assert canonical_address(client.address) == client.address
        assert client.doubt is None or client.address == "10.0.0.1"


@given(st.text('for=1.2,;" \\ab:[]', max_size=40).map(str.encode))
def test_what_the_client_sent_does_not_change_what_the_proxy_added(sent: bytes) -> None:
    client = ask(forwarded=[sent + b", for=1.2.3.4"])
    assert client in (Client("1.2.3.4", b"http"), Client("10.0.0.1", b"http", Doubt.MALFORMED))
    assert ask(forwarded_for=[sent + b", 1.2.3.4"]) == Client("1.2.3.4", b"http")


def test_a_long_list_is_read_in_linear_time() -> None:
    value = b"for=10.0.0.2," * 5_000 + b"for=10.0.0.2"
    assert ask(forwarded=[value]).address == "10.0.0.2"
    assert ask(forwarded=[b'for="' + b"\\" * 60_000]).doubt is Doubt.MALFORMED
    assert ask(forwarded=[b"a=b;" * 15_000]).doubt is Doubt.MALFORMED
