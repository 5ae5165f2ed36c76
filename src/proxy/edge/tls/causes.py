"""Why TLS with a client has failed, as a few stable names for counting, and as a sentence for the log."""

import ssl
from enum import StrEnum


class Cause(StrEnum):
    """Why a connection ended before, or because of, TLS. The names are those of the metric."""

    PLAIN_HTTP = "plain_http"
    NOT_TLS = "not_tls"
    VERSION = "version"
    CIPHER = "cipher"
    NO_CLIENT_CERTIFICATE = "no_client_certificate"
    CLIENT_CERTIFICATE = "client_certificate"
    CLIENT_NAME = "client_name"
    REFUSED_BY_CLIENT = "refused_by_client"
    TIMEOUT = "timeout"
    ENDED = "ended"
    BROKEN = "broken"


WORDS = {
    Cause.PLAIN_HTTP: "a client spoke plain HTTP to the TLS port; it was told to use https",
    Cause.NOT_TLS: "what came to the TLS port was not TLS",
    Cause.VERSION: "a client offered no version of TLS that is taken here",
    Cause.CIPHER: "a client offered no cipher or group that is taken here",
    Cause.NO_CLIENT_CERTIFICATE: "a client showed no certificate",
    Cause.CLIENT_CERTIFICATE: "a client's certificate is not to be trusted",
    Cause.CLIENT_NAME: "a client's certificate has no name that is let in",
    Cause.REFUSED_BY_CLIENT: "a client refused our certificate, or ended TLS with an alert",
    Cause.TIMEOUT: "a client did not finish its handshake in time",
    Cause.ENDED: "a client went away in the midst of its handshake",
    Cause.BROKEN: "what a client sent broke its TLS session",
}

_BY_REASON = {
    "UNSUPPORTED_PROTOCOL": Cause.VERSION,
    "VERSION_TOO_LOW": Cause.VERSION,
    "INAPPROPRIATE_FALLBACK": Cause.VERSION,
    "WRONG_VERSION_NUMBER": Cause.NOT_TLS,
    "HTTP_REQUEST": Cause.PLAIN_HTTP,
    "NO_SHARED_CIPHER": Cause.CIPHER,
    "NO_SHARED_GROUPS": Cause.CIPHER,
    "NO_SUITABLE_KEY_SHARE": Cause.CIPHER,
    "NO_SUITABLE_SIGNATURE_ALGORITHM": Cause.CIPHER,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": Cause.NO_CLIENT_CERTIFICATE,
    "CERTIFICATE_VERIFY_FAILED": Cause.CLIENT_CERTIFICATE,
}


def cause_of(error: ssl.SSLError) -> Cause:
    """Return the cause of an error of the library, by its reason. An alert is the client's own word."""
    reason = error.reason or ""
    if "_ALERT_" in reason:
        return Cause.REFUSED_BY_CLIENT
    return _BY_REASON.get(reason, Cause.BROKEN)


def detail_of(error: ssl.SSLError) -> str:
    """Return what the library says about it."""
    return str(getattr(error, "verify_message", None) or error.reason or "no reason")
