"""The gateway as it is put together: what the settings allow, the parts can do."""

import pytest

from penstock.settings import SettingsError
from proxy.app import Gateway
from proxy.config import gateway_registry, load_gateway

BOUNDS = [
    (setting.variable, bound)
    for setting in gateway_registry()
    if setting.at_most is not None
    for bound in (setting.at_least or setting.kind.render(0), setting.at_most)
]


@pytest.mark.parametrize(("variable", "bound"), BOUNDS)
def test_a_gateway_can_be_made_at_each_bound_of_each_setting(variable: str, bound: str) -> None:
    try:
        config = load_gateway({variable: bound}).settings
    except SettingsError as error:
        if any(problem.code != "conflict" for problem in error.problems):  # with the default of another
            raise
    else:
        Gateway(config, "gw-1").wire.close_all()
