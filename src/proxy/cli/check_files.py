"""What is wrong with the files that settings name: certificates, keys of issuers, placement maps, kept answers."""

import os
from collections.abc import Callable, Iterator

from penstock.settings import Loaded, Problem, SettingsError

from ..config import GatewayConfig
from ..config.rules import NONE


def check_files(loaded: Loaded[GatewayConfig]) -> list[Problem]:
    """Open every file that the settings name, and return what is wrong with them. Nothing is fetched from elsewhere."""
    checks: tuple[Callable[[Loaded[GatewayConfig]], Iterator[Problem]], ...] = (
        _certificates,
        _identities,
        _placements,
        _dialled,
        _answers,
    )
    return [problem for check in checks for problem in check(loaded)]


def _certificates(loaded: Loaded[GatewayConfig]) -> Iterator[Problem]:
    edge = loaded.settings.edge
    if edge.tls_listen is None:
        return
    from ..edge.secured import open_certificates

    try:
        open_certificates(edge)
    except SettingsError as error:
        yield from error.problems


def _dialled(loaded: Loaded[GatewayConfig]) -> Iterator[Problem]:
    if loaded.settings.dial_tls.ca is None:
        return
    from ..transport.identity import read_identity

    try:
        read_identity(loaded.settings.dial_tls)
    except SettingsError as error:
        yield from error.problems


def _answers(loaded: Loaded[GatewayConfig]) -> Iterator[Problem]:
    """The file itself is left alone: a gateway may be at work on it."""
    file = loaded.settings.idempotency.file
    if file is None:
        return
    why = fix = ""
    if not file.parent.is_dir():
        why, fix = f"there is no folder {file.parent}", "make it, or name a file in a folder that is there"
    elif file.is_dir():
        why, fix = f"{file} is a folder", "name a file in it"
    elif not os.access(file if file.exists() else file.parent, os.W_OK):
        why, fix = f"{file} cannot be written", "give it a file that it may write"
    if why:
        yield Problem("unusable_file", "idempotency.file", loaded.origins["idempotency.file"], why, fix)


def _identities(loaded: Loaded[GatewayConfig]) -> Iterator[Problem]:
    from ..policy.identity.prepare import check_identities

    yield from check_identities(loaded.settings.identity)


def _placements(loaded: Loaded[GatewayConfig]) -> Iterator[Problem]:
    """Maps must be right, and there must be one for each kind that a rule names."""
    if not loaded.settings.placement.maps:
        return
    from ..route.placement_reader import read_placement

    try:
        kinds = [placement.kind for placement in read_placement(loaded.settings.placement.maps)]
    except SettingsError as error:
        yield from error.problems
        return
    for index, rule in enumerate(loaded.settings.rules):
        if rule.placement not in (None, NONE, *kinds):
            where = loaded.origins.place("rules", index, "placement")
            why = f"there is no map of the kind {rule.placement!r} among those of placement.maps: {', '.join(kinds)}"
            fix = "correct the name, or name the map's file in placement.maps"
            yield Problem("unknown_placement", f"rules[{index}].placement", where, why, fix)
