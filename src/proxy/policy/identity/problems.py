"""What is wrong with what the configuration of identities names: files of keys, and what reads them."""

from pathlib import Path

from penstock.settings import Problem
from penstock.settings.errors import BadValueError, path_text
from penstock.settings.identity import ApiKey, Issuer, api_keys_kind
from penstock.settings.nodes import Duplicate, UnreadableError
from proxy.config.identity import IdentityConfig

from .source import FileSource, SourceError

API_KEYS_BYTES_MAX = 4 << 20


def missing_library(config: IdentityConfig) -> list[Problem]:
    """Return the problem that tokens cannot be verified by what is installed."""
    if not config.issuers:
        return []
    try:
        import joserfc.jwk  # noqa: F401 - only whether it is there
    except ModuleNotFoundError as error:
        why = (
            f"verifying tokens needs the package {(error.name or 'joserfc').partition('.')[0]}, which is not installed"
        )
        return [
            Problem(
                "missing_package",
                "identity.issuers",
                config.issuers[0].where.table,
                why,
                "pip install 'penstock[identity]'",
            )
        ]
    return []


def problem_of_source(issuer: Issuer, code: str, path: Path, line: int, why: str) -> Problem:
    """Return the problem with a file of an issuer's keys."""
    place = f"{path}:{line}" if line else str(path)
    where = f"{place}, named at {issuer.where.of('jwks')}" if issuer.where.table else place
    return Problem(code, f"identity.issuers, {issuer.name}: jwks", where, why, "write a JWK set (RFC 7517) into it")


def read_file_source(issuer: Issuer, source: FileSource, path: Path) -> bytes:
    """Return a file of keys.

    Raises:
        SettingsError: it cannot be read.
    """
    from penstock.settings import SettingsError

    try:
        return source.read_now() or b""
    except SourceError as error:
        raise SettingsError([problem_of_source(issuer, "file_unreadable", path, 0, str(error))]) from None


def read_api_keys(path: Path, problems: list[Problem]) -> tuple[ApiKey, ...]:
    """Return the keys that a file lists; what is wrong with it is added to the problems."""
    from penstock.settings.yaml_nodes import read_yaml

    duplicates: list[Duplicate] = []
    try:
        node = read_yaml(_read_text(path), duplicates)
    except OSError as error:
        why = f"it cannot be read: {error.strerror}"
        problems.append(_of_file("file_unreadable", path, 0, why, "name a file that this user may read"))
        return ()
    except UnicodeDecodeError:
        problems.append(_of_file("bad_file", path, 0, "is not UTF-8 text", "save it as UTF-8"))
        return ()
    except UnreadableError as error:
        problems.append(_of_file("bad_file", path, error.line, error.why, error.fix))
        return ()
    problems += [
        _of_file("duplicate_key", path, one.line, f"{one.key} is there twice", "keep one of the two")
        for one in duplicates
    ]
    kind = api_keys_kind()
    try:
        return kind.located(kind.parse(node.plain()), lambda steps: f"{path}:{node.line_of(steps)}")
    except BadValueError as bad:
        for fault in bad.faults:
            what = f"identity.api_keys_file{path_text(fault.path)}" + (f" = {fault.shown}" if fault.shown else "")
            problems.append(Problem(fault.code, what, f"{path}:{node.line_of(fault.path)}", fault.why, fault.fix))
        return ()


def _read_text(path: Path) -> str:
    with path.open("rb") as stream:
        text = stream.read(API_KEYS_BYTES_MAX + 1)
    if len(text) > API_KEYS_BYTES_MAX:
        raise UnreadableError(0, f"is longer than {API_KEYS_BYTES_MAX >> 20} MiB", "name a file of API keys")
    return text.decode("utf-8-sig")


def _of_file(code: str, path: Path, line: int, why: str, fix: str) -> Problem:
    return Problem(code, "identity.api_keys_file", f"{path}:{line}" if line else str(path), why, fix)


def same_twice(issuers: tuple[Issuer, ...], keys: tuple[ApiKey, ...]) -> list[Problem]:
    """Return the problems of names and hashes that are there twice."""
    problems = []
    names: dict[str, Issuer] = {}
    for issuer in issuers:
        if names.setdefault(issuer.name, issuer) is not issuer:
            why = f"another issuer has that name, at {names[issuer.name].where.table}"
            problems.append(
                Problem("conflict", f"identity.issuers, {issuer.name}", issuer.where.of("name"), why, "name each once")
            )
    hashes: dict[str, ApiKey] = {}
    for key in keys:
        other = hashes.setdefault(key.hash, key)
        if other is not key:
            why = f"{other.principal} has the same key, at {other.where.table}"
            problems.append(
                Problem(
                    "conflict",
                    f"identity.api_keys, {key.principal}",
                    key.where.of("hash"),
                    why,
                    "make a key for each, by `penstock key`",
                )
            )
    return problems
