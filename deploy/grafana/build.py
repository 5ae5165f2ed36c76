"""Writes the dashboards of this folder, dashboards/*.json, from what boards.py says of them.

python deploy/grafana/build.py            # after a change of boards.py
python deploy/grafana/build.py --check    # exits with 1 where a file is not up to date

A dashboard is rows of panels; where each lies, its id and all that Grafana wants besides are added here.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from boards import BOARDS, Board, Panel

FOLDER: Final = Path(__file__).parent / "dashboards"
SCHEMA_VERSION: Final = 39  # Grafana 10.4; newer ones bring it up to date when they load it
WIDTH: Final = 24
HEIGHTS: Final = {"stat": 4, "timeseries": 8, "heatmap": 8, "table": 8}
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
GOOD, WARN, BAD = "green", "orange", "red"


def dashboard(board: Board) -> dict[str, Any]:
    """Return a dashboard as Grafana reads it."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": ["penstock"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,  # the cross-hair is at the same moment in all panels
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "links": [
            {
                "type": "dashboards",
                "tags": ["penstock"],
                "title": "Penstock",
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "annotations": {"list": [_alerts()]},
        "templating": {"list": [_datasource(), *(_variable(*each) for each in board.variables)]},
        "panels": _laid_out(board),
    }


def _laid_out(board: Board) -> list[dict[str, Any]]:
    """Return the panels with their places: those of a row side by side, as wide as they share it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in board.rows:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": top},
            }
        )
        top += 1
        left, height = 0, 0
        for panel in row:
            width = panel.width or WIDTH // len(row)
            if left + width > WIDTH:
                left, top, height = 0, top + height, 0
            place = {"h": HEIGHTS[panel.kind], "w": width, "x": left, "y": top}
            panels.append({"id": len(panels) + 1, "gridPos": place, **_panel(panel)})
            left, height = left + width, max(height, place["h"])
        top += height
    return panels


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "targets": [_target(number, panel, *query) for number, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    }


def _target(number: int, panel: Panel, question: str, legend: str) -> dict[str, Any]:
    target: dict[str, Any] = {
        "refId": chr(ord("A") + number),
        "datasource": DATASOURCE,
        "expr": question,
        "legendFormat": legend,
    }
    if panel.kind in ("stat", "table"):
        target |= {"instant": True, "range": False}
    if panel.kind == "table":
        target["format"] = "table"
    if panel.kind == "heatmap":
        target["format"] = "heatmap"
    return target


def _defaults(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit}
    if panel.kind == "timeseries":
        stacking = {"mode": "normal" if panel.is_stacked else "none", "group": "A"}
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 30 if panel.is_stacked else 8,
            "showPoints": "never",
            "stacking": stacking,
        }
        defaults["min"] = 0
    if panel.limits is not None:
        warn, bad = panel.limits
        rising = warn < bad
        colours = (GOOD, WARN, BAD) if rising else (BAD, WARN, GOOD)
        first, second = (warn, bad) if rising else (bad, warn)
        steps = [{"color": colours[0], "value": None}]
        steps += [{"color": colours[1], "value": first}, {"color": colours[2], "value": second}]  # type: ignore[dict-item]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
        defaults["color"] = {"mode": "thresholds"}
    return defaults


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        calculated = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        return {"reduceOptions": calculated, "colorMode": "value", "graphMode": "none", "textMode": "auto"}
    if panel.kind == "timeseries":
        legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    if panel.kind == "heatmap":
        return {"calculate": False, "yAxis": {"unit": panel.unit}, "color": {"scheme": "Spectral", "mode": "scheme"}}
    return {"showHeader": True}


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}


def _variable(name: str, label: str, question: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": question, "refId": name},
        "refresh": 2,  # whenever the time range changes
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _alerts() -> dict[str, Any]:
    """Return what draws a line where an alert fires."""
    return {
        "name": "Alerts",
        "enable": True,
        "datasource": DATASOURCE,
        "expr": 'ALERTS{alertname=~"Penstock.*", alertstate="firing"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{service}} {{instance}}",
        "iconColor": BAD,
    }


def main() -> int:
    """Write the files, or say which are not up to date."""
    is_check = "--check" in sys.argv[1:]
    stale = []
    for board in BOARDS:
        path, text = FOLDER / f"{board.uid}.json", json.dumps(dashboard(board), indent=2) + "\n"
        if not path.exists() or path.read_text() != text:
            stale.append(path.name)
            if not is_check:
                path.write_text(text)
    if is_check and stale:
        print(f"not up to date: {', '.join(stale)}; run python deploy/grafana/build.py")
    return int(is_check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
