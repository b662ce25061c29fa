"""Alert rules, scrape configuration and dashboard, as Prometheus' own tool reads them."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

_MONITORING = Path(__file__).parents[3] / "serving/monitoring"


@pytest.fixture(scope="module")
def promtool() -> str:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed; it is part of Debian's package prometheus")
    return tool


def _run(promtool: str, command: list[str]) -> None:
    done = subprocess.run([promtool, *command], cwd=_MONITORING, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", ["alerts_test.yml", "alerts_of_days_test.yml"])
def test_alerts_fire_when_they_should_and_only_then(promtool: str, file: str) -> None:
    _run(promtool, ["test", "rules", file])


def test_the_scrape_configuration_is_valid(promtool: str) -> None:
    _run(promtool, ["check", "config", "prometheus.yml"])


def test_the_expressions_of_the_dashboard_are_valid(promtool: str, tmp_path: Path) -> None:
    (dashboard,) = [json.loads(path.read_text()) for path in (_MONITORING / "grafana/dashboards").glob("*.json")]
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(expressions)
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert len(rules) > 15
    _run(promtool, ["check", "rules", str(tmp_path / "rules.yml")])


@pytest.fixture
def alerts() -> set[str]:
    """Names of all."""
    groups = yaml.safe_load((_MONITORING / "alerts.yml").read_text())["groups"]
    return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


def test_the_page_of_what_there_is_to_watch_names_each_alert(alerts: set[str]) -> None:
    page = (_MONITORING / "README.md").read_text()
    section = page.split("\n## Alerts\n")[1].split("\n## ")[0]
    assert set(re.findall(r"`([A-Z]\w*[a-z])`", section)) == alerts


def test_each_alert_is_seen_to_fire(alerts: set[str]) -> None:
    fired = (_MONITORING / "alerts_test.yml").read_text().partition("everything goes wrong")[2]
    fired += (_MONITORING / "alerts_of_days_test.yml").read_text()
    assert alerts == {name for name in alerts if name in fired}
