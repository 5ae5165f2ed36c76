"""Settings of identities: whose tokens and keys are taken, and how long what they prove is kept."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from penstock.settings import Setting
from penstock.settings.files import FilePath
from penstock.settings.later import Later
from penstock.settings.types import Choice, Count, Duration, Flag

if TYPE_CHECKING:
    from penstock.settings.identity import ApiKey, Issuer
else:  # what a gateway that knows nobody does not load
    ApiKey = Issuer = Any

_MS = Duration("ms")
_KINDS = "penstock.settings.identity"
_ISSUERS: Later[tuple[Issuer, ...]] = Later(_KINDS, "ISSUERS", (), "list of issuers")
_API_KEYS: Later[tuple[ApiKey, ...]] = Later(_KINDS, "API_KEYS", (), "list of API keys")


class IdentityConfig(msgspec.Struct, frozen=True):
    """Who clients are."""

    undeclared: Annotated[
        str,
        Setting(
            Choice("authenticated", "public"),
            "authenticated",
            "who may ask an endpoint whose service does not say who may",
            "what somebody forgot to protect stays closed",
        ),
    ]
    issuers: Annotated[
        tuple[Issuer, ...],
        Setting(
            _ISSUERS,
            "",
            "whose tokens are taken: JWTs in `Authorization: Bearer`",
            "with none given, that field is the services' own, and goes on to them",
        ),
    ]
    api_keys: Annotated[
        tuple[ApiKey, ...],
        Setting(
            _API_KEYS,
            "",
            "keys of machines, shown in `X-Api-Key`, by their hashes",
            "with none given, that field is the services' own, and goes on to them",
        ),
    ]
    api_keys_file: Annotated[
        Path | None,
        Setting(
            FilePath(),
            "",
            "a file of more such keys: a list, in YAML",
            "for keys that are made and taken back by others than those who write the configuration",
        ),
    ]
    skew_ms: Annotated[
        int,
        Setting(
            _MS,
            "30s",
            "how far an issuer's clock may be from this one's",
            "clocks that are kept in step differ by less; a token lives longer by as much",
            at_most="5m",
        ),
    ]
    refresh_ms: Annotated[
        int,
        Setting(
            _MS,
            "30s",
            "after a fetch of keys, how long there is no other one, whatever tokens ask for",
            "anybody can send tokens with unknown keys, and the issuer is not to suffer from it",
            at_least="1s",
            at_most="1h",
        ),
    ]
    renew_ms: Annotated[
        int,
        Setting(
            _MS,
            "10m",
            "how often keys are fetched again, unasked",
            "a key that was taken back is not believed for longer than that",
            at_least="1s",
            at_most="24h",
        ),
    ]
    fetch_timeout_ms: Annotated[
        int,
        Setting(
            _MS,
            "5s",
            "how long a fetch of keys may take",
            "a request waits for it within its own deadline",
            at_least="10ms",
            at_most="60s",
        ),
    ]
    cache: Annotated[
        int,
        Setting(
            Count(),
            "10000",
            "callers that are remembered with what they proved",
            "verifying a token again costs as much as carrying several requests; one takes about 5KiB",
            at_least="2",
            at_most="1000000",
        ),
    ]
    forward_credentials: Annotated[
        bool,
        Setting(
            Flag(),
            "false",
            "let services see tokens and keys that the gateway looks at itself",
            "a service that has a client's token can act as that client elsewhere",
        ),
    ]
