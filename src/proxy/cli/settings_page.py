"""The reference page of all settings, docs/settings.md, written from the registry."""

from penstock.settings import service_registry
from penstock.settings.explain import reference

from ..config import gateway_registry

_PAGE = """\
# Settings

This page is written from the registry by `penstock config --output markdown`; a test keeps it up to date.

A setting is given by a flag, an environment variable or a file, and counts in that order; then comes the default. The flag of
`edge.listen` is `--edge-listen`, its variable is `PENSTOCK_EDGE_LISTEN`, and in a file (`penstock serve --config penstock.yaml`;
TOML works too) it is nested:

    edge:
      listen: 127.0.0.1:8080
    services:
      allow:
        billing: [/invoices]
    rules:
      - service: billing
        path: /invoices
        access: authenticated
        deadline: 5s

- Values have units: durations `us`, `ms`, `s`, `m`, `h`; sizes `B`, `KiB`, `MiB`, `GiB`. A bare number is an error where a unit is needed.
- Switches are `true` or `false`. An empty value is the same as none. A fraction is `10%` or `0.1`.
- A list is separated by commas in a variable: `10.0.0.0/8, 192.0.2.1`. In a file it may be a list.
- A table, a list of tables or a map is YAML on one line in a variable or a flag: `PENSTOCK_RULES='[{{service: billing, deadline: 5s}}]'`; JSON does, too.
  Of a list of plain texts, commas between them are enough.
- An allow map in a variable: `billing=/invoices,/bills; orders=/orders`.
- A secret can be read from a file, named by its variable with `_FILE` at the end, by `token_file:` in a settings file, or by its flag.
- `penstock reload`, SIGHUP, and a change of the file (`reload.watch`) make the gateway read its settings again. What takes effect on restart keeps its value
  until then, and the log says so. When anything is wrong, everything stays as it is.
- An unknown key in a file is an error; an unknown variable that begins with `PENSTOCK_` is a warning.
- `penstock config` shows each value and where it comes from, `penstock config show --origin` down to the keys of tables. `penstock check` says what is wrong,
  all of it, opens the files that are named, and exits with 2. `penstock config diff NEW --config OLD` shows what a file would change, `penstock config init`
  writes one to begin with, `penstock config env` a file of variables, and `penstock config schema` the JSON Schema for editors.
- `NO_COLOR` is honoured.

## Gateway

{gateway}
## Services

What a service built with this package reads from its environment. It has no file and no flags.

{service}"""  # noqa: E501 - prose, which Markdown wraps


def settings_page() -> str:
    """Return the reference page of all settings, docs/settings.md."""
    return _PAGE.format(gateway=reference(gateway_registry()), service=reference(service_registry(), is_reloaded=False))
