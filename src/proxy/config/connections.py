"""Settings of the edge, first part: connections, TLS, and whom to believe about who is behind them."""

from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec

from penstock.settings import Address, Setting
from penstock.settings.address import ListenAddress, MaybeListenAddress
from penstock.settings.files import CertificateFiles, CertificateList, FilePath
from penstock.settings.lists import IPNetwork, Names, Networks
from penstock.settings.types import Choice, Count, Duration, Fraction, Size

_MS = Duration("ms")
timeout = partial(Setting, _MS, at_least="10ms", at_most="1h")


class EdgeConnections(msgspec.Struct, frozen=True):
    """Where clients come in, and what a connection may do."""

    listen: Annotated[
        Address,
        Setting(
            ListenAddress(),
            "127.0.0.1:8080",
            "where clients come in",
            "only this machine, until somebody decides otherwise",
            restart=True,
        ),
    ]
    max_connections: Annotated[
        int,
        Setting(
            Count(),
            "16384",
            "connections from clients at once",
            "an idle connection costs little, but descriptors are limited; at the bound, accepting pauses",
            at_least="1",
            at_most="1048576",
            restart=True,
        ),
    ]
    connections_per_address: Annotated[
        int,
        Setting(
            Count(),
            "1024",
            "connections at once from one IPv4 address, or from one IPv6 /64; 0: no bound",
            "many people share one address, but one address must not have all connections",
            at_most="1048576",
            restart=True,
        ),
    ]
    connection_requests: Annotated[
        int,
        Setting(
            Count(),
            "10000",
            "requests on one connection before it is closed after an answer; 0: no bound",
            "clients come back, and spread anew over the gateways that there are by then",
            at_most="1000000000",
            restart=True,
        ),
    ]
    connection_bytes: Annotated[
        int,
        Setting(
            Size(),
            "16GiB",
            "bytes taken from one connection before it is closed after an answer; 0: no bound",
            "far above what a browser or a healthy upload sends, and yet an end",
            at_most="1024GiB",
            restart=True,
        ),
    ]
    connection_age_ms: Annotated[
        int,
        Setting(
            _MS,
            "1h",
            "the age at which a connection is closed after an answer; 0: no bound",
            "clients find new addresses and new certificates within the hour",
            at_most="168h",
            restart=True,
        ),
    ]
    idle_timeout_ms: Annotated[
        int,
        Setting(
            _MS,
            "75s",
            "how long a connection may stay without a request",
            "above the 60 s after which common clients give up a connection",
            at_least="10ms",
            at_most="24h",
            restart=True,
        ),
    ]
    idle_jitter: Annotated[
        float,
        Setting(
            Fraction(),
            "10%",
            "how far each connection's idle timeout, age and requests are drawn above or below",
            "connections that came together do not close and come back together",
            at_most="50%",
            restart=True,
        ),
    ]
    write_timeout_ms: Annotated[
        int,
        timeout(
            "30s",
            "an answer must make progress within this time",
            "a client that reads nothing for so long is gone",
            restart=True,
        ),
    ]
    linger_ms: Annotated[
        int,
        Setting(
            _MS,
            "2s",
            "how long to read on after an answer that closes",
            "reading on after a last answer lets it arrive before the connection is reset",
            at_most="60s",
            restart=True,
        ),
    ]
    trusted_proxies: Annotated[
        tuple[IPNetwork, ...],
        Setting(
            Networks(),
            "",
            "addresses and networks of proxies that are believed about the client's address and scheme",
            "anybody can write a header field, so nobody is believed",
            restart=True,
        ),
    ]
    tls_listen: Annotated[
        Address | None,
        Setting(
            MaybeListenAddress(),
            "",
            "where clients come in by TLS; needs edge.tls_certificates",
            "there is no certificate that we could have by default",
            restart=True,
        ),
    ]
    tls_certificates: Annotated[
        tuple[CertificateFiles, ...],
        Setting(
            CertificateList(),
            "",
            "certificates with their keys, `cert.pem:key.pem` or one file with both; the first where no name fits",
            "only the operator has them",
            restart=True,
        ),
    ]
    tls_min_version: Annotated[
        str,
        Setting(
            Choice("1.2", "1.3"),
            "1.2",
            "the least version of TLS",
            "every client of the last ten years has it, and it has no known break (RFC 9325)",
            restart=True,
        ),
    ]
    tls_client_ca: Annotated[
        Path | None,
        Setting(
            FilePath(),
            "",
            "certificates of the authorities that sign clients; given, every client must show a certificate",
            "the public has none",
            restart=True,
        ),
    ]
    tls_client_names: Annotated[
        tuple[str, ...],
        Setting(
            Names(),
            "",
            "the DNS names, URIs, email addresses or common names that a client's certificate may have",
            "with none given, whoever edge.tls_client_ca signed is let in",
            restart=True,
        ),
    ]
    tls_handshake_timeout_ms: Annotated[
        int,
        timeout(
            "10s",
            "from connection to the end of the TLS handshake",
            "as long as a head may take; ends clients that hold connections without a word",
            restart=True,
        ),
    ]
    tls_reload_interval_ms: Annotated[
        int,
        Setting(
            _MS,
            "5s",
            "how often the files of certificates are looked at",
            "a renewed certificate is used within seconds, and looking costs nothing",
            at_least="100ms",
            at_most="24h",
            restart=True,
        ),
    ]
