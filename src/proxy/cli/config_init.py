"""`penstock config init`: a settings file to begin with."""

import sys
from pathlib import Path

import click

from .failures import EXIT_RUNTIME, tell
from .output import echo_json, output_option

START = """\
# Settings of a Penstock gateway. All of them: docs/settings.md, or `penstock config show --config penstock.yaml`.
# Check this file with `penstock check --config penstock.yaml`; a running gateway reads it again when it changes.
# What stands in a comment is the default, or an example where that is said.

edge:
  listen: 127.0.0.1:8080        # where clients come in; 0.0.0.0:8080 for every IPv4 address of this machine
  # deadline: 10s               # the time for a request, unless its endpoint says otherwise
  # buffered_bytes: 960KiB      # the longest body for an endpoint that does not stream
  # trusted_proxies: ""         # example: [10.0.0.0/8], the proxies in front of this gateway
  # tls_listen: ""              # example: 0.0.0.0:8443, which needs tls_certificates
  # tls_certificates: ""        # example: [/etc/penstock/cert.pem:/etc/penstock/key.pem]

services:
  listen: 127.0.0.1:7420        # where services dial in; any other address needs a token
  # token_file: ""              # example: /etc/penstock/services-token
  # dial: ""                    # example: ["127.0.0.1:7501"], services that listen and are dialled
  # required: ""                # example: [billing], without which the gateway is not ready
  # allow: ""                   # example: {billing: [/invoices]}, who may register what; everybody everything otherwise
  # calls: ""                   # example: [{from: billing, to: inventory}], which service may call which

admin:
  listen: 127.0.0.1:9901        # /health, /ready, /metrics and more; any other address needs a token
  # token_file: ""              # example: /etc/penstock/admin-token

identity:
  # An endpoint whose service does not say who may ask is closed to strangers. `public` opens it.
  undeclared: authenticated
  # issuers:                    # example: whose tokens are taken
  #   - name: login
  #     issuer: https://login.example.com/
  #     audience: [platform]
  #     algorithms: [RS256]
  #     jwks: https://login.example.com/.well-known/jwks.json
  #     tenant_claim: tenant

# regions:
#   own: local
#   neighbours: {}              # example: {local: [eu-2]}

# rates:
#   admit: ""                   # example: [1000/s by address], before it is looked at who asks

# rules:                        # example: what holds for routes, in this order
#   - name: billing
#     service: billing
#     path: /invoices
#     tenant: required
#     rate_limits: [100/s by tenant]
#     deadline: 5s
#   - name: canary
#     service: billing
#     split: {weights: {1.x: 90, 2.x: 10}, by: tenant}

# log:
#   level: info
"""


@click.command(short_help="Write a settings file to begin with.")
@click.argument("path", type=Path, default=Path("penstock.yaml"), metavar="[FILE]")
@output_option()
def command(path: Path, output: str) -> None:
    """Write a settings file to begin with, with the most used settings and what they mean. FILE is penstock.yaml unless
    it is given; a file that is there is left as it is.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(START)
    except FileExistsError:
        _fail(f"{path} is there already, and is left as it is: name another file")
    except OSError as error:
        _fail(f"{path} cannot be written: {error.strerror}")
    if output == "json":
        echo_json({"path": str(path)})
        return
    click.echo(f"wrote {path}; check it with: penstock check --config {path}")


def _fail(text: str) -> None:
    tell("error", text)
    sys.exit(EXIT_RUNTIME)
