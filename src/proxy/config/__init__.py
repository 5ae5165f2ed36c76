"""The configuration of the gateway: what can be set, what is wrong with it, and what happens when it changes.

gateway       all settings, put together; the sections are in the files that have their names:
edge (with connections), services, routes, choosing, identity, rates, rules (with splits), process,
retries (with retry_profiles), pool, breakers, balancing (with balances), admission, fanouts, answers, faults, workers
    structured    the kinds of settings that are lists, tables and maps: imported where one of them has a value
checks        what is wrong with settings that are right one by one (with listeners, references)
files         the files that settings name
changes       what differs between two configurations
reload        reading the settings again while the gateway runs
watching      files that somebody may change
"""

from proxy.config.gateway import SERVICE_VARIABLES as SERVICE_VARIABLES
from proxy.config.gateway import DrainConfig as DrainConfig
from proxy.config.gateway import GatewayConfig as GatewayConfig
from proxy.config.gateway import gateway_registry as gateway_registry
from proxy.config.gateway import load_gateway as load_gateway
