"""The kinds of structured settings: lists, tables, maps. What reads them is imported where one of them has a value."""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from penstock.settings import Setting
from penstock.settings.address import DialAddress
from penstock.settings.claims import ClaimValue, GivenClaim
from penstock.settings.files import FileName
from penstock.settings.http import HostPattern
from penstock.settings.rate import ADMIT_LIMIT
from penstock.settings.tables import NOWHERE, ListOf, Places, TableList, TextMap

from .choosing import REGION_NAME
from .services import SERVICE_NAME


class ServiceCall(msgspec.Struct, frozen=True, kw_only=True):
    """One service may call another. claims: what its identity says there."""

    caller: Annotated[
        str,
        Setting(SERVICE_NAME, "", "the service that calls", "there is no call without one", name="from", required=True),
    ]
    callee: Annotated[
        str,
        Setting(
            SERVICE_NAME, "", "the service that is called", "nobody may call all of them", name="to", required=True
        ),
    ]
    claims: Annotated[
        Mapping[str, ClaimValue],
        Setting(TextMap(GivenClaim()), "", "the claims that it is given for these calls", "none, unless it needs one"),
    ]
    where: Places = NOWHERE


ADMIT: Final = ListOf(ADMIT_LIMIT)
CALLS: Final = TableList(ServiceCall, "call")
DIAL: Final = ListOf(DialAddress())
HOSTS: Final = TextMap(ListOf(SERVICE_NAME, "service"), key=HostPattern())
MAPS: Final = ListOf(FileName(), "file")
NEIGHBOURS: Final = TextMap(ListOf(REGION_NAME, "region"), key=REGION_NAME)
REQUIRED: Final = ListOf(SERVICE_NAME, "service")
