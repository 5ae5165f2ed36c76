from metrics_page import render

from proxy.admin.figures import (
    BalanceFigures,
    CallFigures,
    DialledFigures,
    FanOutFigures,
    Figures,
    HedgeFigures,
    IdentityFigures,
    InstanceFigures,
    IssuerFigures,
    RateFigures,
    RegistryFigures,
    ReloadFigures,
    RetryFigures,
    RouteFigures,
)
from proxy.admin.metric_names import OF_SERVICES
from proxy.admin.policy_metrics import SERIES_MAX, bounded_samples, families

FIGURES = Figures(
    "1.2.3",
    True,
    (RouteFigures("GET", "/invoices", (0,) * 6, None, {"1.4.0": 0.95, "2.0.0": 0.05}),),
    {},
    {},
    (
        InstanceFigures("billing", "healthy", 0, "1.4.0", "b-1"),
        InstanceFigures("billing", "healthy", 0, "1.4.0", "b-2"),
        InstanceFigures("billing", "healthy", 0, "2.0.0", "b-3"),
    ),
    balance=BalanceFigures(41, 42, 43),
    rates=RateFigures({("service billing", "10/s by tenant"): 3}, keys=7, crowded=2, failures=1),
    identity=IdentityFigures(5, {"expired": 4}, 6, (IssuerFigures("main", 2, 1.5, True, 9, 8),)),
    registry=RegistryFigures(11, 12, 13, 14, 15, {"forbidden": 16}, slim=25, lists_asked=26, silences=27),
    dialled=DialledFigures(27, 28, 29, 1, 70, 71, 72, 73, 74, {"idle": 75}, {"full": 76}),
    calls=CallFigures(17, 18, {"sent": 19, "dropped": 20, "failed": 21}),
    fanouts=FanOutFigures(31, 32, 33, {("dashboard", "partial"): 34}, {"fanout_leg_timeout": 35}),
    retries=RetryFigures(51, {"lost": 52}, {"budget": 53}, {"billing": 5.5}),
    hedges=HedgeFigures(36, {"won": 37}, {"rate": 38}),
    reloads=ReloadFigures(22, 23, 1_700_000_000.0, 24),
)
EXPECTED = """\
penstock_service_version_instances{service="billing",version="1.4.0"} 2
penstock_service_version_instances{service="billing",version="2.0.0"} 1
penstock_split_share_ratio{route="/invoices",method="GET",version="1.4.0"} 0.95
penstock_split_share_ratio{route="/invoices",method="GET",version="2.0.0"} 0.05
penstock_instances_starting 41
penstock_balance_moved_total 42
penstock_balance_keyless_total 43
penstock_rate_limit_refusals_total{scope="service billing",limit="10/s by tenant"} 3
penstock_rate_limit_keys 7
penstock_rate_limit_crowded_total 2
penstock_rate_limit_store_failures_total 1
penstock_callers 5
penstock_credentials_refused_total{cause="expired"} 4
penstock_issuer_keys_missing_total 6
penstock_issuer_keys{issuer="main"} 2
penstock_issuer_keys_age_seconds{issuer="main"} 1.5
penstock_issuer_keys_stale{issuer="main"} 1
penstock_issuer_key_fetches_total{issuer="main"} 9
penstock_issuer_key_fetch_failures_total{issuer="main"} 8
penstock_routes 11
penstock_service_hellos_total 12
penstock_service_slim_hellos_total{known="true"} 25
penstock_service_slim_hellos_total{known="false"} 26
penstock_dialled_services 27
penstock_dialled_service_connections_open 28
penstock_service_dials_total{reached="true"} 29
penstock_service_dials_total{reached="false"} 1
penstock_pool_dormant_instances 70
penstock_pool_requests_waiting 71
penstock_pool_checkouts_total{hit="true"} 72
penstock_pool_checkouts_total{hit="false"} 73
penstock_pool_waits_served_total 74
penstock_pool_waits_refused_total{why="full"} 76
penstock_pool_evictions_total{cause="idle"} 75
penstock_service_heartbeats_total 13
penstock_service_replacements_total 14
penstock_service_silences_total 27
penstock_service_removals_total 15
penstock_service_faults_total{cause="forbidden"} 16
penstock_service_calls_in_flight 17
penstock_service_calls_refused_total 18
penstock_mirror_copies_total{outcome="sent"} 19
penstock_mirror_copies_total{outcome="dropped"} 20
penstock_mirror_copies_total{outcome="failed"} 21
penstock_fanouts_in_flight 31
penstock_fanout_legs_in_flight 32
penstock_fanout_kept_bytes 33
penstock_fanout_requests_total{fanout="dashboard",outcome="partial"} 34
penstock_fanout_legs_total{result="fanout_leg_timeout"} 35
penstock_retries_total{after="lost"} 52
penstock_retries_limited_total{limit="budget"} 53
penstock_retries_waiting 51
penstock_retry_budget_left{service="billing"} 5.5
penstock_hedges_in_flight 36
penstock_hedges_total{outcome="won"} 37
penstock_hedges_limited_total{limit="rate"} 38
penstock_reloads_total{applied="true"} 22
penstock_reloads_total{applied="false"} 23
penstock_reload_last_success_timestamp_seconds 1700000000.0
penstock_settings_revision 24
"""


def test_each_figure_is_told() -> None:
    text = render(FIGURES, "")[1].decode()
    lines = [line for line in text.splitlines() if line in EXPECTED.splitlines()]
    assert sorted(lines) == sorted(EXPECTED.splitlines())


def test_every_name_is_yielded_once_in_order_also_with_nothing_to_tell() -> None:
    for figures in (FIGURES, Figures("1.2.3", True, (), {}, {}, ())):
        assert [name for name, _ in families(figures)] == list(OF_SERVICES)


def test_what_is_not_known_is_not_told() -> None:
    never = Figures(
        "1", True, (), {}, {}, (), identity=IdentityFigures(issuers=(IssuerFigures("a", 0, None, False, 0, 0),))
    )
    samples = {name.name: list(samples) for name, samples in families(never)}
    assert samples["penstock_issuer_keys_age_seconds"] == []
    assert samples["penstock_reload_last_success_timestamp_seconds"] == []


def test_series_are_bounded_and_their_sum_is_not() -> None:
    counts = {("scope", str(number)): 2 for number in range(SERIES_MAX + 3)}
    samples = list(bounded_samples(counts))
    assert len(samples) == SERIES_MAX + 1
    assert samples[-1] == (("other", "other"), 6)
    assert sum(value for _, value in samples) == sum(counts.values())
