"""A real browser for what is to be looked at: Debian's chromium, without a window."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

# Written into a copy of the page: where each chart lies, and whether it was loaded.
PROBE = """<script>
addEventListener("load", () => {
  const charts = [...document.querySelectorAll("figure img")].map(chart => {
    const box = chart.getBoundingClientRect();
    return {x: box.x, y: box.y, width: box.width, height: box.height, loaded: chart.naturalWidth > 0};
  });
  const page = getComputedStyle(document.body);
  const seen = {charts, height: document.documentElement.scrollHeight, width: document.documentElement.scrollWidth,
                text: page.color, page: page.backgroundColor};
  document.documentElement.setAttribute("data-seen", JSON.stringify(seen));
});
</script>"""
WIDTH = 1100


@dataclass(frozen=True)
class Seen:
    """What the browser made of a page.

    Attributes:
        dom: the document as it stands, as HTML.
        layout: charts with their places, size and colours of the page.
        picture: the whole page, a PNG.
        console: what it complained about.
    """

    dom: str
    layout: dict[str, Any]
    picture: Path
    console: list[str]


def install() -> str:
    """The browser's path; installed where it is missing."""
    found = shutil.which("chromium")
    if found is None:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        words = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-qq", "-y"]
        subprocess.run([*words, "--no-install-recommends", "chromium"], check=True, stdout=subprocess.DEVNULL)
        found = shutil.which("chromium")
    if found is None:
        pytest.fail("chromium cannot be installed")
    return found


def look(page: Path, folder: Path, *, dark: bool = False) -> Seen:
    """Open the page from disk; ``folder`` takes what is made."""
    probed = folder / "probed.html"
    probed.write_text(page.read_text().replace("</body>", PROBE + "</body>"))
    dom, console = _run(["--dump-dom", f"--window-size={WIDTH},900", probed.as_uri()], folder, dark=dark)
    layout = json.loads(_Attribute.of(dom, "data-seen"))
    picture = folder / ("dark.png" if dark else "light.png")
    size = f"--window-size={WIDTH},{layout['height']}"
    _, more = _run([f"--screenshot={picture}", size, page.as_uri()], folder, dark=dark)
    return Seen(dom, layout, picture, console + more)


def _run(words: list[str], folder: Path, *, dark: bool) -> tuple[str, list[str]]:
    """Its output, and the console's lines."""
    theme = ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
    # No network: what the page would fetch fails, and is told on the console.
    apart = [f"--user-data-dir={folder / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND"]
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"]
    command = [install(), *quiet, *apart, *theme, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout, [line for line in done.stderr.splitlines() if re.search(r":CONSOLE[:(]", line)]


class _Attribute(HTMLParser):
    """One attribute of the document's first element."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.value = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "html":
            self.value = dict(attrs).get(self.name) or ""

    @classmethod
    def of(cls, text: str, name: str) -> str:
        parser = cls(name)
        parser.feed(text)
        return parser.value
