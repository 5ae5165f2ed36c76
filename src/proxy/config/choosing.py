"""Settings of what is chosen among: regions, versions, and placement of tenants."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from penstock.settings import Setting
from penstock.settings.http import FieldName
from penstock.settings.later import Later
from penstock.settings.types import Flag, Text

REGION_NAME = Text(r"[A-Za-z0-9._-]{1,64}", "1 to 64 of A-Z a-z 0-9 . _ -", "eu-1")

_KINDS = "proxy.config.structured"
_NEIGHBOURS: Later[Mapping[str, tuple[str, ...]]] = Later(_KINDS, "NEIGHBOURS", {}, "map")
_MAPS: Later[tuple[Path, ...]] = Later(_KINDS, "MAPS", (), "list of files")


class RegionsConfig(msgspec.Struct, frozen=True):
    """Where this gateway is, and which regions are near."""

    own: Annotated[
        str, Setting(REGION_NAME, "local", "the region that this gateway is in", "a single site needs no name")
    ]
    neighbours: Annotated[
        Mapping[str, tuple[str, ...]],
        Setting(
            _NEIGHBOURS,
            "",
            "by region: the regions that are asked next, where the own one has no instance",
            "with none given, all other regions are equally far",
        ),
    ]


class VersionsConfig(msgspec.Struct, frozen=True):
    """How a request says which version it wants."""

    header: Annotated[
        str,
        Setting(
            FieldName(),
            "x-service-version",
            "the field of a request that names a version; `none` for no field",
            "paths and bodies stay as they are",
        ),
    ]
    path_prefix: Annotated[
        bool,
        Setting(
            Flag(),
            "false",
            "whether a path may begin with a version, as in `/@1.4.0/invoices`",
            "one way to say it is enough",
        ),
    ]


class PlacementConfig(msgspec.Struct, frozen=True):
    """Which tenants are where."""

    maps: Annotated[
        tuple[Path, ...],
        Setting(
            _MAPS,
            "",
            "the files of placement maps, one for each kind",
            "without one, every instance serves every tenant",
        ),
    ]
