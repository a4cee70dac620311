"""report.html in a real browser: charts are drawn in both themes, nothing fails, the tables are report.json's."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import csd_report
import pytest
from PIL import Image

from browser import Seen, look
from module_run import run_module
from report_page import html
from report_sample import LABEL, measurement

# Whatever a chart shows, it has at least: text, grid, a bar, its whiskers; and smoothed edges between them.
COLOURS_MIN = 12


class Values(HTMLParser):
    """The report's values behind the cells, a row a list."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[Any]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag == "td":
            value = dict(attrs).get("data-value")
            self.rows[-1].append(None if value is None else json.loads(value))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report as csd_report writes it, with its page."""
    reports = tmp_path_factory.mktemp("reports")
    result = {"label": LABEL, "changed": True, "measurement": measurement()}
    assert run_module(csd_report.main, {"folder": str(reports), "results": [result]})["changed"]
    latest = reports / "latest"
    (latest / "report.html").write_text(html(json.loads((latest / "report.json").read_text())))
    return latest


@pytest.mark.parametrize("dark", [False, True])
def test_charts_are_drawn(folder: Path, tmp_path: Path, dark: bool) -> None:
    seen = look(folder / "report.html", tmp_path, dark=dark)
    assert seen.console == []
    assert len(seen.layout["charts"]) == 7
    picture = Image.open(seen.picture).convert("RGB")
    for chart in seen.layout["charts"]:
        assert chart["width"] > 600
        assert chart["height"] > 150
        assert chart["loaded"]
        box = (chart["x"], chart["y"], chart["x"] + chart["width"], chart["y"] + chart["height"])
        colours = picture.crop(tuple(round(edge) for edge in box)).getcolors(1 << 20)
        assert colours is not None
        assert len(colours) >= COLOURS_MIN
        # Mostly background, and not only that.
        assert 0.3 < max(count for count, _ in colours) / sum(count for count, _ in colours) < 0.99
    assert brightness(seen, "page") < 64 if dark else brightness(seen, "page") > 192
    assert brightness(seen, "text") > 192 if dark else brightness(seen, "text") < 64
    # Nothing sticks out to the side.
    assert seen.layout["width"] <= 1100


def brightness(seen: Seen, what: str) -> float:
    """0 to 255, from 'rgb(1, 2, 3)'."""
    parts = seen.layout[what].partition("(")[2].rstrip(")").split(",")
    return sum(float(part) for part in parts[:3]) / 3


def test_the_tables_are_the_reports(folder: Path, tmp_path: Path) -> None:
    report = json.loads((folder / "report.json").read_text())
    values = Values()
    values.feed(look(folder / "report.html", tmp_path).dom)
    for run in report["runs"]:
        found = [row for row in values.rows if run["matches_sha256"] in row and run["name"] in row]
        assert len(found) == 1
        for wanted in (run["scanned_bytes_per_s"], run["seconds"], run["matches"]):
            assert wanted in found[0]
    for run in report["runs"]:
        assert any(run["name"] in row and run["wire_bytes_to_host"] in row for row in values.rows)
    for entry in report["engine"]:
        found = [row for row in values.rows if entry["program"] in row and entry["ns_per_record"] in row]
        assert found
        assert entry["native_ns_per_record"] in found[0]
    for one in report["headlines"]:
        assert [row for row in values.rows if row[:3] == [one["figure"], one["found"], one["meaning"]]]
