"""Names at the end what these tests could not prove, and the scenario that does."""

from __future__ import annotations

from pathlib import Path

from _pytest.terminal import TerminalReporter

TABLE = Path(__file__).resolve().parents[3] / "shared/not_proved_in_containers.md"


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    for row in TABLE.read_text().splitlines()[2:]:
        _, claim, scenario, _ = (cell.strip() for cell in row.split("|"))
        terminalreporter.write_line(f"NOT PROVED HERE: {claim} (proven by {scenario.strip('`')})")
