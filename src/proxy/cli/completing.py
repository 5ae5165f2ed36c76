"""What shells are told of values that settings and sub-commands may have. Loaded only where a shell asks."""

from collections.abc import Mapping

import click
from click.shell_completion import CompletionItem

from penstock.settings import Setting
from penstock.settings.files import FilePath
from penstock.settings.types import Choice, Flag


def complete_group(
    group: click.Group, table: Mapping[str, str], ctx: click.Context, typed: str
) -> list[CompletionItem]:
    """Return the sub-commands of a group that begin with what was typed, from its table, so that none is imported."""
    named = [CompletionItem(name, help=words) for name, words in table.items() if name.startswith(typed)]
    return named + click.Command.shell_complete(group, ctx, typed)


def complete_setting(setting: Setting, typed: str) -> list[CompletionItem]:
    """Return the values that a setting's flag may have; files where it names one."""
    kind = setting.kind
    if setting.is_secret or isinstance(kind, FilePath):
        return [CompletionItem(typed, type="file")]
    words = kind.words if isinstance(kind, Choice) else ("true", "false") if isinstance(kind, Flag) else ()
    return [CompletionItem(word) for word in words if word.startswith(typed)]
