"""report.html: the same bytes for the same report, every figure in a table, charts where they can be drawn."""

from __future__ import annotations

import base64
import json
import re
import sys
from html.parser import HTMLParser
from typing import Any

import jinja2
import pytest
from ansible.module_utils.hello_ebpf.bench import charts, units
from ansible.module_utils.hello_ebpf.bench.headlines import headlines
from ansible.module_utils.hello_ebpf.bench.summary import summary
from jinja2 import nodes

from report_page import TEMPLATE, action, html
from report_sample import LABEL, measurement, report
from report_schema import problems


class Tables(HTMLParser):
    """The values behind the cells of each table's rows, and what the page would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[Any]] = []
        self.fetched: list[str] = []
        self.scripts = 0
        self.identities: list[str] = []
        self.labels: list[str] = []
        self.charts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "tr":
            self.rows.append([])
        elif tag == "td":
            value = found.get("data-value")
            self.rows[-1].append(None if value is None else json.loads(value))
        elif tag == "script":
            self.scripts += 1
        elif tag == "img":
            self.labels.append(found.get("alt") or "")
            self.charts.append(base64.b64decode((found.get("src") or "").partition("base64,")[2]).decode())
        self.identities += [value for name, value in attrs if name == "id" and value]
        self.fetched += [
            value
            for name, value in attrs
            if name in {"src", "href", "xlink:href"} and value and not value.startswith(("#", "data:"))
        ]


@pytest.fixture(scope="module")
def text() -> str:
    """Of the whole sample; drawing takes a second."""
    return html(report())


def parsed(text: str) -> Tables:
    tables = Tables()
    tables.feed(text)
    return tables


def test_the_sample_is_a_report() -> None:
    assert problems(report()) == []


def test_the_same_report_gives_the_same_bytes(text: str) -> None:
    assert text == html(json.loads(json.dumps(report())))


def test_it_stands_alone(text: str) -> None:
    found = parsed(text)
    assert found.scripts == 0
    assert found.fetched == []
    assert len(found.identities) == len(set(found.identities))
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_every_run_is_in_a_table(text: str) -> None:
    made = report()
    rows = parsed(text).rows
    for run in made["runs"]:
        assert any(
            run["name"] in row and run["scanned_bytes_per_s"] in row and run["matches_sha256"] in row for row in rows
        )
        assert any(run["name"] in row and run["wire_bytes_to_host"] in row for row in rows)
    for entry in made["engine"]:
        found = [row for row in rows if entry["program"] in row and entry["ns_per_record"] in row]
        assert any(entry["speed_of_native"] in row for row in found)
    workers = made["workers"][LABEL]
    assert workers["executes"]
    assert workers["scans"]
    for one in workers["executes"]:
        assert any(one["worker"] in row and one["seconds"] in row and one["p99_seconds"] in row for row in rows)
    for one in workers["scans"]:
        assert any(one["workers"] in row and one["bytes_per_s"] in row for row in rows)
    assert "this target runs programs on one CPU, 1: more workers would share it" in text
    for entry in made["compile"]:
        assert any(entry["program"] in row and entry["wall_seconds"] in row for row in rows)
    for one in made["headlines"]:
        assert any(one["figure"] in row and one["found"] in row and one["meaning"] in row for row in rows)
    for spread in made["phases"][LABEL]["seconds"].values():
        assert any(spread in row for row in rows)


def test_the_headlines_say_what_they_mean(text: str) -> None:
    made = report()
    figures_of = [one["figure"] for one in made["headlines"]]
    assert figures_of[0] == "scan at 1 % against the baseline's best"
    assert figures_of[3:] == [
        "programs against native C, geometric mean",
        "the slowest program against native C (threshold of threshold)",
    ]
    assert "memory speed over loopback speed" in made["headlines"][0]["meaning"]
    for one in made["headlines"]:
        line = f"{one['figure'][0].upper()}{one['figure'][1:]}: {one['found']['median']:.2f} x ["
        assert any(said.startswith(line) and said.endswith(one["meaning"]) for said in summary(made))
    assert text.count('<div class="card">') == len(figures_of)


def test_a_link_that_is_none_of_the_loopbacks_has_a_meaning_of_its_own() -> None:
    remote = [one | {"target": "nqn.a namespace 1 at 198.18.44.11 port 4420"} for one in report()["runs"]]
    assert "the link" in headlines(remote, [], {}, {})[0]["meaning"]


def test_charts_tell_in_words_what_they_show(text: str) -> None:
    labels = parsed(text).labels
    assert len(labels) == 7
    assert all(label.startswith("Bar chart of ") and len(label) > 60 for label in labels)
    assert "baseline: 0.1 % 3.10, 1 % 3.10" in labels[0]


def test_each_set_of_parameters_of_a_program_has_bars_of_its_own() -> None:
    made = report()
    search = next(entry for entry in made["engine"] if entry["program"] == "search")
    made["engine"] += [search | {"parameters": "another pattern"}]
    [words] = [label for label in parsed(html(made)).labels if "nanoseconds" in label]
    assert words.count("search, of search ") == words.count("search, another pattern ") == 2


def test_a_figure_of_zero_has_no_bar_on_a_logarithmic_axis() -> None:
    """A clock was too coarse for one short step: the others are drawn all the same."""
    none, some = dict.fromkeys(("min", "median", "max"), 0.0), dict.fromkeys(("min", "median", "max"), 2e-5)
    for spreads in ([none, some], [none, none]):
        bars = charts.Bars("median", "tab:blue", spreads)
        chart = charts.Chart("steps", ["one", "two"], [bars], "seconds", logarithmic=True, sideways=True)
        assert "</svg>" in charts.draw(chart)


def test_charts_are_matplotlibs_and_load_nothing(text: str) -> None:
    for chart in parsed(text).charts:
        assert chart.count("<text") > 8
        found = parsed(chart)
        assert (found.scripts, found.fetched) == (0, [])


def test_the_template_shows_nothing_unescaped() -> None:
    """The plugin's environment escapes; the filter `safe` and the tag `autoescape` would turn that off."""
    parsed_template = jinja2.Environment().parse(TEMPLATE.read_text())
    assert len(list(parsed_template.find_all(nodes.Output))) > 20
    assert list(parsed_template.find_all((nodes.Filter, nodes.ScopedEvalContextModifier))) == []
    assert action.html({"host": {}, "spdk": "<b>"}).count("&lt;b&gt;") == 1


def test_text_of_the_machine_is_escaped(text: str) -> None:
    assert "Debian &lt;12&gt;" in text
    assert "Debian <12>" not in text


def test_without_matplotlib_it_says_so_and_has_its_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert charts.available() != ""
    plain = html(report())
    assert "<img" not in plain
    assert "This page has its tables, but no charts: the Python that drew it has no matplotlib (" in plain
    assert any(report()["runs"][0]["matches_sha256"] in row for row in parsed(plain).rows)
    assert "<details" not in plain


def test_a_baseline_alone_makes_a_page_too() -> None:
    alone = measurement()
    alone["runs"] = [run for run in alone["runs"] if run["name"] == "baseline" and run["program"] == "threshold"]
    for run in alone["runs"]:
        run["wire_bytes_to_host"] = run["target_cpu_s"] = None
    alone |= {"engine": [], "compile": [], "memory": None, "workers": None, "phases": None, "links": [], "programs": []}
    made = report() | {"runs": alone["runs"], "engine": [], "compile": [], "memory": {}}
    made |= {"phases": {}, "workers": {}, "links": [], "headlines": []}
    labels = parsed(html(made)).labels
    assert len(labels) == 2


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999600, "1 MB"), (268435456, "268 MB"), (25e9, "25 GB")],
)
def test_sizes(count: float, shown: str) -> None:
    assert units.size(count) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(1.5, "1.5 s"), (0.0215, "21.5 ms"), (0.0000034, "3.4 µs")])
def test_durations(seconds: float, shown: str) -> None:
    assert units.duration(seconds) == shown
