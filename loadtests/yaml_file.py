"""Reads what people write for load tests: plans, shapes, schedules, thresholds. What is wrong is said in one line."""

from pathlib import Path
from typing import Any

import yaml


def read_yaml(path: Path, complaint: type[Exception]) -> Any:
    """Return the plain values of a file. Raises `complaint`, whose text says what is wrong, where, and the fix."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise complaint(f"{path} cannot be read: {error.strerror}; name a file of {path.parent}") from error
    except UnicodeDecodeError as error:
        raise complaint(f"{path} is no text in UTF-8; write it anew") from error
    return parse_yaml(text, str(path), complaint)


def parse_yaml(text: str, source: str, complaint: type[Exception]) -> Any:
    """Return the plain values of a text. source: what it is called. Raises `complaint`."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise complaint(f"{source}{where} is no YAML: {getattr(error, 'problem', error)}; mend that line") from error
