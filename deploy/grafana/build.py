"""Makes the dashboards' JSON from :mod:`deploy.grafana.boards`."""

import json
from collections.abc import Mapping
from typing import Any

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, DataSourceRef, VariableRefresh

from deploy.grafana.boards import BOARDS, Board, Panel

SOURCE = DataSourceRef(type_val="prometheus", uid="$datasource")
MATCHERS = 'job=~"$job",instance=~"$instance"'
KINDS: Mapping[str, Any] = {"lines": timeseries.Panel, "number": stat.Panel, "table": table.Panel}
HEIGHT = 8


def expression(text: str) -> str:
    """An expression as it stands in the dashboard."""
    return text.replace("@", MATCHERS)


def files() -> Mapping[str, str]:
    """Path inside ``deploy``, text."""
    return {f"grafana/dashboards/{board.uid}.json": text(board) for board in BOARDS}


def text(board: Board) -> str:
    """One dashboard, ready to be provisioned."""
    document = json.loads(json.dumps(_board(board).build(), cls=JSONEncoder))
    document["schemaVersion"] = 41
    for number, panel in enumerate(document["panels"], 1):
        panel["id"] = number
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _board(board: Board) -> dashboard.Dashboard:
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.sentence)
        .tags(["takin"])
        .readonly()
        .timezone("utc")
        .refresh("30s")
        .time("now-6h", "now")
        .link(
            dashboard.DashboardLink("Takin")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["takin"])
            .as_dropdown(True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_variable("job", "Job", "label_values(up, job)"))
        .with_variable(_variable("instance", "Instance", 'label_values(up{job=~"$job"}, instance)'))
        .with_variable(
            dashboard.ConstantVariable("runbooks").label("Runbooks").value("https://takin.example/runbooks")
        )
    )
    if board.platforms:
        asked = 'label_values(takin_delivery_attempts_total{job=~"$job"}, platform)'
        made = made.with_variable(_variable("platform", "Platform", asked))
    for panel in board.panels:
        made = made.with_panel(_panel(panel))
    return made


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".+")
    )


def _panel(panel: Panel) -> Any:
    link = dashboard.DashboardLink(f"Runbook: {panel.runbook}").url(f"${{runbooks}}/{panel.runbook}.md")
    made = (
        KINDS[panel.kind]()
        .title(panel.title)
        .description(panel.sentence)
        .datasource(SOURCE)
        .unit(panel.unit)
        .height(HEIGHT)
        .span(panel.width)
        .links([link.target_blank(True)])
    )
    for number, (asked, legend) in enumerate(panel.queries):
        query = (
            prometheus.Dataquery()
            .datasource(SOURCE)
            .expr(expression(asked))
            .legend_format(legend)
            .ref_id(chr(ord("A") + number))
        )
        made = made.with_target(query.instant() if panel.kind == "table" else query.range())
    return made
