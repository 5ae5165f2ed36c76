"""What Penstock is compared with, each in its best case: no logs, connections kept, one process or thread."""

from contextlib import ExitStack
from pathlib import Path

from benchmarks.certificate import Certificate
from benchmarks.servers import Server, free_port, wait_listening
from benchmarks.tools import compiled, program, rival_python
from benchmarks.work import INVOICE_BODY

_NGINX = """\
worker_processes 1;
daemon off;
pid {folder}/{name}.pid;
error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_timeout 3600s;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/{name}.body;
    proxy_temp_path {folder}/{name}.proxy;
    fastcgi_temp_path {folder}/{name}.fastcgi;
    uwsgi_temp_path {folder}/{name}.uwsgi;
    scgi_temp_path {folder}/{name}.scgi;
{inside}
}}
"""

_RETURN = """\
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 '{body}'; }}
    }}"""

# HTTP/1.1 and an empty Connection make nginx keep connections to its upstream (ngx_http_upstream_module, keepalive).
_PROXY = """\
    upstream invoices {{
        server 127.0.0.1:{upstream_port};
        keepalive 512;
        keepalive_requests 1000000000;
        keepalive_timeout 3600s;
    }}
    server {{
        listen 127.0.0.1:{port}{options};
        location / {{
            proxy_pass http://invoices;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}"""

# With a certificate of its own the handshake is cheap, and wrk makes one for each connection only.
_TLS = """ ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3"""

# Nothing is kept of a body but what one read takes. The size of that is 4 KiB by default: 64 KiB is what it gains from.
_UNBUFFERED = """;
        client_max_body_size 0;
        proxy_buffering off;
        proxy_request_buffering off"""
_LARGE_BUFFERS = """;
        proxy_buffer_size 64k;
        proxy_buffers 8 64k;
        proxy_busy_buffers_size 128k;
        client_body_buffer_size 64k"""

_HAPROXY = """\
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    http-reuse always
    timeout connect 5s
    timeout client 3600s
    timeout server 3600s
    timeout http-keep-alive 3600s
frontend edge
    bind 127.0.0.1:{port}
    default_backend invoices
backend invoices
    server upstream 127.0.0.1:{upstream_port}
"""


def _nginx(name: str, inside: str, core: int, folder: Path) -> Server:
    configuration = folder / f"{name}.conf"
    configuration.write_text(_NGINX.format(folder=folder, name=name, inside=inside))
    return Server(name, [program("nginx"), "-p", str(folder), "-c", str(configuration)], core, folder)


def nginx_upstream(stack: ExitStack, core: int, folder: Path) -> int:
    """Start an nginx that answers everything with the invoice, and return its port."""
    port = free_port()
    inside = _RETURN.format(port=port, body=INVOICE_BODY.decode())
    server = stack.enter_context(_nginx(f"nginx-upstream-{port}", inside, core, folder))
    wait_listening(server, port)
    return port


def nginx_proxy(stack: ExitStack, upstream_port: int, core: int, folder: Path) -> tuple[Server, int]:
    """Start an nginx with one worker that passes everything on, and return it with its port."""
    return _nginx_proxy(stack, upstream_port, core, folder, "")


def nginx_tls_proxy(
    stack: ExitStack, upstream_port: int, core: int, folder: Path, certificate: Certificate
) -> tuple[Server, int]:
    """Start such an nginx behind TLS 1.3, and return it with its port."""
    options = _TLS.format(certificate=certificate.certificate, key=certificate.key)
    return _nginx_proxy(stack, upstream_port, core, folder, options)


def nginx_unbuffered_proxy(
    stack: ExitStack, upstream_port: int, core: int, folder: Path, *, large_buffers: bool
) -> tuple[Server, int]:
    """Start such an nginx that passes bodies on as they come, and return it with its port."""
    return _nginx_proxy(stack, upstream_port, core, folder, _UNBUFFERED + _LARGE_BUFFERS * large_buffers)


def _nginx_proxy(stack: ExitStack, upstream_port: int, core: int, folder: Path, options: str) -> tuple[Server, int]:
    port = free_port()
    inside = _PROXY.format(port=port, upstream_port=upstream_port, options=options)
    server = stack.enter_context(_nginx(f"nginx-proxy-{port}", inside, core, folder))
    wait_listening(server, port)
    return server, port


def body_upstream(stack: ExitStack, core: int, folder: Path) -> int:
    """Start the HTTP server in C for large bodies, and return its port."""
    port = free_port()
    command = [str(compiled("body_upstream")), str(port)]
    server = stack.enter_context(Server(f"body-upstream-{port}", command, core, folder))
    wait_listening(server, port)
    return port


def haproxy(stack: ExitStack, upstream_port: int, core: int, folder: Path) -> tuple[Server, int]:
    """Start an HAProxy with one thread that passes everything on, and return it with its port."""
    port = free_port()
    configuration = folder / f"haproxy-{port}.cfg"
    configuration.write_text(_HAPROXY.format(port=port, upstream_port=upstream_port))
    command = [program("haproxy"), "-db", "-f", str(configuration)]
    server = stack.enter_context(Server(f"haproxy-{port}", command, core, folder))
    wait_listening(server, port)
    return server, port


def uvicorn(
    stack: ExitStack, core: int, folder: Path, application: str = "benchmarks.asgi_app:invoices"
) -> tuple[Server, int]:
    """Start uvicorn with uvloop and httptools, no access log, and an ASGI application; return it with its port."""
    port = free_port()
    command = [
        *(rival_python(), "-m", "uvicorn", application, "--port", str(port)),
        *("--loop", "uvloop", "--http", "httptools", "--ws", "none", "--lifespan", "off"),
        *("--no-access-log", "--log-level", "warning", "--timeout-keep-alive", "3600"),
    ]
    server = stack.enter_context(Server(f"uvicorn-{port}", command, core, folder))
    wait_listening(server, port)
    return server, port


def hypercorn(stack: ExitStack, core: int, folder: Path) -> tuple[Server, int]:
    """Start Hypercorn on Trio in one process, no access log, connections kept; return it with its port."""
    port = free_port()
    configuration = folder / f"hypercorn-{port}.toml"
    configuration.write_text("keep_alive_timeout = 3600\nkeep_alive_max_requests = 1000000000\n")
    command = [
        *(rival_python(), "-m", "hypercorn", "benchmarks.asgi_app:invoices", "--bind", f"127.0.0.1:{port}"),
        *("--worker-class", "trio", "--workers", "0", "--log-level", "warning", "--config", str(configuration)),
    ]
    server = stack.enter_context(Server(f"hypercorn-{port}", command, core, folder))
    wait_listening(server, port)
    return server, port
