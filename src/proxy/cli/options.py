"""Settings as flags: each setting of the gateway's registry is one, with what it is as help."""

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.settings import Loaded, Setting

from ..config import GatewayConfig, gateway_registry, load_gateway

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_PARAMETER = "setting_"


class SettingsCommand(click.Command):
    """A command that takes ``--config`` and every setting; `load_settings` puts them together."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters, ``--config``, and a flag for each setting."""
        own = super().get_params(ctx)
        settings: list[click.Parameter] = [_option(setting, self.shows(setting)) for setting in gateway_registry()]
        return [_config_option(), *own[:-1], *settings, *own[-1:]]

    def shows(self, setting: Setting) -> bool:
        """Whether the help tells of a setting's flag."""
        return True


class AdminCommand(SettingsCommand):
    """A command that asks a running gateway. It takes every flag that `penstock serve` takes, so that the two can be
    given the same ones; its help tells of those by which the gateway is found.
    """

    def shows(self, setting: Setting) -> bool:
        """Whether the setting says where the gateway is found, and what it wants to see."""
        return setting.name.startswith("admin.")


def _config_option() -> click.Option:
    return click.Option(
        ["--config", "config_path"],
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Read settings from a YAML or TOML file.",
    )


def _option(setting: Setting, is_shown: bool) -> click.Option:
    default = f"default {setting.default}" if setting.default else "default: none"
    words = f"{setting.what} [{default}; {setting.variable}]"
    metavar = "FILE" if setting.is_secret else setting.kind.label.upper()
    return click.Option(
        [setting.flag, _parameter(setting)],
        metavar=metavar,
        help=words,
        hidden=not is_shown,
        shell_complete=partial(_complete, setting),
    )


def _complete(
    setting: Setting, _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> "list[CompletionItem]":
    from .completing import complete_setting

    return complete_setting(setting, incomplete)


def _parameter(setting: Setting) -> str:
    return _PARAMETER + re.sub(r"\W", "__", setting.name)


def load_settings(ctx: click.Context) -> Loaded[GatewayConfig]:
    """Return the settings of a `SettingsCommand`, or raise `SettingsError`."""
    return settings_loader(ctx)()


def settings_loader(ctx: click.Context, path: Path | None = None) -> Callable[[], Loaded[GatewayConfig]]:
    """Return what reads the settings of a `SettingsCommand`, now and again: flags and variables as they are now, the
    file as it is then. path: of another file than ``--config`` names. What is returned may raise `SettingsError`.
    """
    return partial(load_gateway, dict(os.environ), flags=given_flags(ctx), path=path or config_path(ctx))


def given_flags(ctx: click.Context) -> dict[str, str]:
    """Return the values of the settings that were given as flags, by the settings' names."""
    given = {setting.name: ctx.params.get(_parameter(setting)) for setting in gateway_registry()}
    return {name: text for name, text in given.items() if text is not None}


def config_path(ctx: click.Context) -> Path | None:
    """Return the file that ``--config`` names."""
    path: Path | None = ctx.params.get("config_path")
    return path
