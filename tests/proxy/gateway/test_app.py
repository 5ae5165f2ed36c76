"""The gateway as it is put together: what the settings allow, the parts can do."""

import pytest

from penstock.settings import SettingsError
from proxy.config import gateway_registry, load_gateway
from proxy.gateway.app import Gateway
from proxy.process.running import gateway_name

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


@pytest.mark.parametrize("host", ["gw-1", "gw_1.example.org", "", "a b", "gw(1)", "h" * 64, "gÄteway"])
def test_a_gateway_has_a_name_that_services_take_on_every_host(host: str) -> None:
    name = gateway_name(host, 65_535)
    assert name.endswith("-65535")
    Gateway(load_gateway({}).settings, name).wire.close_all()
