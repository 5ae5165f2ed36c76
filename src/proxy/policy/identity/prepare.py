"""A configuration of identities, looked at whole before anything is changed by it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from penstock.settings import Problem, SettingsError
from proxy.config.identity import IdentityConfig

from .causes import RefusedError

if TYPE_CHECKING:
    from penstock.settings.identity import ApiKey, Issuer

    from .api_keys import ApiKeys
    from .keys import KeySet
    from .source import FileSource


class SourceId(NamedTuple):
    """What makes two sources of keys the same."""

    path: Path | None
    url: str
    authorities: Path | None


def source_of(issuer: "Issuer") -> SourceId:
    """Return where the keys of an issuer are."""
    return SourceId(issuer.jwks.path, issuer.jwks.url, issuer.jwks_ca)


class PreparedIdentities(msgspec.Struct, frozen=True, eq=False):
    """A configuration that was found good, and what was read for it. Nothing has been changed by it yet."""

    config: IdentityConfig
    api_keys: "ApiKeys | None"
    """None where there are neither issuers nor keys."""
    files: Mapping[SourceId, "tuple[FileSource, KeySet]"]
    """Sources that are files, with the keys that are in them."""


def prepare_identities(config: IdentityConfig) -> PreparedIdentities:
    """Read all that a configuration names but URLs. It waits for files, and may be called in any thread.

    Raises:
        SettingsError: everything that is wrong.
    """
    if not (config.issuers or config.api_keys or config.api_keys_file):
        return PreparedIdentities(config, None, {})
    from .problems import missing_library, read_api_keys, same_twice

    problems = missing_library(config)
    files = {} if problems else _read_files(config, problems)
    keys = config.api_keys
    if config.api_keys_file is not None:
        keys += read_api_keys(config.api_keys_file, problems)
    problems += same_twice(config.issuers, keys)
    api_keys = _api_keys(keys, problems)
    if problems:
        raise SettingsError(problems)
    return PreparedIdentities(config, api_keys, files)


def check_identities(config: IdentityConfig) -> list[Problem]:
    """Return what is wrong: for `penstock check`."""
    try:
        prepare_identities(config)
    except SettingsError as error:
        return list(error.problems)
    return []


def _read_files(config: IdentityConfig, problems: list[Problem]) -> dict[SourceId, "tuple[FileSource, KeySet]"]:
    files = {}
    for issuer in config.issuers:
        if issuer.jwks.path is not None:
            try:
                files[source_of(issuer)] = _read_file(issuer, issuer.jwks.path)
            except SettingsError as error:
                problems += error.problems
        elif issuer.jwks_ca is not None:
            problems += _check_authorities(issuer, issuer.jwks_ca)
    return files


def _read_file(issuer: "Issuer", path: Path) -> "tuple[FileSource, KeySet]":
    from .document import KeysError, parse_keys
    from .problems import problem_of_source, read_file_source
    from .source import FileSource

    source = FileSource(path)
    document = read_file_source(issuer, source, path)
    try:
        keys = parse_keys(document, is_ours=True)
    except KeysError as error:
        raise SettingsError([problem_of_source(issuer, "bad_keys", path, error.line, error.why)]) from None
    if not keys.for_algorithms(issuer.algorithms):
        why = f"it has no key for {' or '.join(issuer.algorithms)}"
        raise SettingsError([problem_of_source(issuer, "bad_keys", path, 0, why)])
    return source, keys


def _check_authorities(issuer: "Issuer", path: Path) -> list[Problem]:
    import ssl

    try:
        ssl.create_default_context(cafile=str(path))
    except (OSError, ValueError) as error:  # SSLError is an OSError
        why = f"it holds no certificates that can be read: {error.strerror if isinstance(error, OSError) else error}"
        what = f"identity.issuers, {issuer.name}: jwks_ca"
        return [
            Problem("file_unreadable", what, f"{path}, named at {issuer.where.of('jwks_ca')}", why, "name a PEM file")
        ]
    return []


def _api_keys(keys: "tuple[ApiKey, ...]", problems: list[Problem]) -> "ApiKeys":
    from .api_keys import ApiKeys

    good = []
    for key in keys:
        try:
            ApiKeys([key])
        except RefusedError:
            what, why = (
                f"identity.api_keys, {key.principal}: claims",
                "they are longer than services are told: 4 KiB of JSON",
            )
            problems.append(Problem("bad_value", what, key.where.of("claims"), why, "leave some out"))
        else:
            good.append(key)
    return ApiKeys(good)
