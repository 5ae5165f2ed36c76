"""What only the gateway may say about a request, in every spelling; and the context that a client may bring."""

from corpus import ANY, Case, Seen, bad, get, ok

_TRUSTED_BY_NOBODY = (
    *(
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Server",
    ),
    *(
        "X-Forwarded-Prefix",
        "X-Forwarded-Anything",
        "X-Real-IP",
        "X-Client-IP",
        "True-Client-IP",
        "X-Cluster-Client-IP",
    ),
    *("X-Penstock-Reason", "X-Penstock-Principal", "X-Penstock-X"),
)

_UNDERSCORES = (
    *("X_Forwarded_For", "X-Forwarded_For", "X_Forwarded-For", "x_forwarded_proto", "X_FORWARDED_HOST", "X_Real_IP"),
    *("X-Real_IP", "x_client_ip", "True_Client_IP", "X_Cluster_Client_IP", "X_Penstock_Reason", "X-Penstock_Reason"),
    *("X_Tenant_Id", "X-Tenant_Id", "x_tenant-id", "X_Correlation_Id", "X_Request_Id", "X_Request_Timeout_Ms"),
)

_CONTEXT = {
    "X-Tenant-Id": "acme",
    "X-Correlation-Id": "c-1",
    "X-Request-Id": "r-1",
    "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "Tracestate": "a=1",
    "X-Request-Timeout-Ms": "5000",
}

_BAD_TENANTS = {"empty": "", "space": "a b", "slash": "a/b", "comma": "a,b", "long": "a" * 65, "high-byte": "\xe9"}

TRACE = _CONTEXT["Traceparent"]


def field(name: str, value: str | None) -> Seen:
    return Seen(fields={name.lower(): value})


CASES: list[Case] = [
    *(
        ok(
            f"9110-7.6.3-trust-{name.lower()}",
            "what says who is behind the peer is taken from trusted peers alone",
            get(f"{name}: 10.0.0.1"),
            field(name, None),
        )
        for name in _TRUSTED_BY_NOBODY
    ),
    *(
        ok(
            f"9110-7.6.3-spelling-{number}-{name.lower()}",
            "a service that takes _ for - must not be fooled",
            get(f"{name}: 10.0.0.1"),
            field(name, None),
        )
        for number, name in enumerate(_UNDERSCORES)
    ),
    ok("9110-7.6.3-trust-case", "in whatever case", get("x-FORWARDED-for: 10.0.0.1"), field("x-forwarded-for", None)),
    ok(
        "9110-7.6.3-trust-twice",
        "however often",
        get("X-Forwarded-For: 10.0.0.1", "X-A: 1", "x-forwarded-for: 10.0.0.2"),
        Seen(fields={"x-forwarded-for": None, "x-a": "1"}),
    ),
    ok("9110-7.6.3-trust-empty", "whatever it says", get("X-Forwarded-For:"), field("x-forwarded-for", None)),
    ok(
        "9110-7.6.3-near-trust",
        "only what it is",
        get("X-Forwardedfor: 1", "X-Real: 1", "Client-Ip: 1"),
        Seen(fields={"x-forwardedfor": "1", "x-real": "1"}),
    ),
    ok("9110-5.1-underscore", "other names with _ are left", get("X_Other_Name: 1"), field("x_other_name", "1")),
    *(
        ok(
            f"9110-7.6-context-{name.lower()}",
            "context goes on as typed fields, and not as text",
            get(f"{name}: {value}"),
            field(name, None),
        )
        for name, value in _CONTEXT.items()
    ),
    ok("9110-7.6-context-tenant-value", "and arrives", get("X-Tenant-Id: acme"), Seen(fields={"(tenant)": "acme"})),
    ok(
        "9110-7.6-context-request-id-value",
        "and arrives",
        get("X-Request-Id: r-1"),
        Seen(fields={"(request_id)": "r-1"}),
    ),
    ok(
        "9110-7.6-context-correlation-id-value",
        "and arrives",
        get("X-Correlation-Id: c-1"),
        Seen(fields={"(correlation_id)": "c-1"}),
    ),
    ok(
        "9110-7.6-context-made",
        "or is made",
        get(),
        Seen(fields={"(tenant)": None, "(request_id)": ANY, "(correlation_id)": ANY, "(trace)": ANY}),
    ),
    ok(
        "9110-7.6-context-id-invalid",
        "an id that is none is replaced",
        get("X-Request-Id: a b"),
        Seen(fields={"(request_id)": ANY, "x-request-id": None}),
    ),
    ok(
        "9110-7.6-context-trace-invalid",
        "so is a trace",
        get("Traceparent: 00-1-2-3", "Tracestate: a=1"),
        Seen(fields={"(trace)": ANY, "(tracestate)": None}),
    ),
    *(
        bad(
            f"9110-7.6-context-twice-{name.lower()}",
            "which of two would count?",
            get(f"{name}: {value}", f"{name}: {value}"),
        )
        for name, value in _CONTEXT.items()
        if not name.startswith("Trace")
    ),
    ok(
        "9110-7.6-context-twice-traceparent",
        "of two traces neither counts, and a new one begins",
        get(f"Traceparent: {TRACE}", f"Traceparent: {TRACE}", "Tracestate: a=1"),
        Seen(fields={"(trace)": ANY, "(tracestate)": None, "traceparent": None, "tracestate": None}),
    ),
    ok(
        "9110-7.6-context-tracestate-lines",
        "several fields are one list",
        get("Tracestate: a=1", f"Traceparent: {TRACE}", "tracestate: b=2"),
        Seen(fields={"(tracestate)": "a=1, b=2", "tracestate": None}),
    ),
    bad("9110-7.6-context-twice-case", "in whatever case", get("X-Tenant-Id: a", "x-TENANT-id: b")),
    *(
        ok(
            f"9110-7.6-tenant-{name}",
            "a tenant that is none is refused, and the connection stays",
            get(f"X-Tenant-Id: {value}"),
            400,
        )
        for name, value in _BAD_TENANTS.items()
    ),
    *(
        ok(
            f"9110-7.6-timeout-{name}",
            "a time limit that is none is refused, and the connection stays",
            get(f"X-Request-Timeout-Ms: {value}"),
            400,
        )
        for name, value in {"zero": "0", "negative": "-1", "word": "soon", "fraction": "1.5", "empty": ""}.items()
    ),
]
