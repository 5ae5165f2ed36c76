"""TLS at the edge, if it is wanted: what speaks it is imported only then, since `ssl` costs megabytes."""

from typing import TYPE_CHECKING, NamedTuple

from frames.wire import Wire
from proxy.config import GatewayConfig
from proxy.config.edge import EdgeConfig

if TYPE_CHECKING:
    from proxy.edge.tls.batch import TlsEdge
    from proxy.edge.tls.certificates import ServerCertificates


class Secured(NamedTuple):
    """What TLS at the edge needs."""

    certificates: "ServerCertificates"
    batch: "TlsEdge"
    """What speaks it for the wire."""


def open_tls(config: GatewayConfig, wire: Wire) -> Secured | None:
    """Return what speaks TLS for the wire; None where no address is set for it.

    Raises:
        CertificateError: the certificates cannot be used.
    """
    if config.edge.tls_listen is None:
        return None
    from proxy.edge.tls.batch import TlsEdge

    certificates = open_certificates(config.edge)
    batch = TlsEdge(wire.tls, wire.arena, certificates)
    wire.flush = batch.flushing(wire.flush)
    return Secured(certificates, batch)


def open_certificates(edge: EdgeConfig) -> "ServerCertificates":
    """Return the certificates that are to be served.

    Raises:
        CertificateError: they cannot be used.
    """
    from proxy.edge.tls.certificates import ServerCertificates, TlsSettings

    return ServerCertificates(
        TlsSettings(
            certificates=edge.tls_certificates,
            minimum_version=edge.tls_min_version,
            client_authorities=edge.tls_client_ca,
            client_names=edge.tls_client_names,
            reload_interval_s=edge.tls_reload_interval_ms / 1000,
        )
    )
