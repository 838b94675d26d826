"""Draws the dashboard: its grid, titles, units and legends, with what Prometheus answered."""

import datetime

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter  # noqa: E402

COLUMNS, UNIT = 24, 0.42
SCALES = {
    "bytes": [(2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB")],
    "s": [(86400, " d"), (3600, " h"), (60, " min"), (1, " s"), (1e-3, " ms"), (1e-6, " µs")],
}


def number(value, unit):
    """As the unit of a panel has it."""
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    for least, name in SCALES.get(unit, []):
        if abs(value) >= least:
            return f"{value / least:.3g}{name}"
    return f"{value:.3g}" + {"reqps": " /s", "s": " s", "bytes": " B"}.get(unit, "")


def stat(axes, lines, unit):
    axes.axis("off")
    text = number(lines[0][1][-1][1], unit) if lines and lines[0][1] else "No data"
    axes.text(0.5, 0.45, text, ha="center", va="center", fontsize=22, color="#1f60c4")


def timeseries(axes, lines, unit):
    for name, values in lines:
        if values:
            times = [datetime.datetime.fromtimestamp(at) for at, _ in values]
            axes.plot(times, [value for _, value in values], lw=1.2, label=name or None)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=6)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, unit)))
    axes.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%H:%M:%S"))
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4))
    if any(name for name, _ in lines):
        axes.legend(fontsize=5.5, loc="upper left", ncols=2, framealpha=0.6)


def draw(dashboard, lines, path):
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    height = max(place["y"] + place["h"] for place in places)
    figure = plt.figure(figsize=(COLUMNS * UNIT * 1.6, height * UNIT), dpi=90)
    for panel in dashboard["panels"]:
        x, y, w, h = (panel["gridPos"][side] for side in "xywh")
        if panel["type"] == "row":
            figure.text(0.008, 1 - (y + 0.7) / height, panel["title"], fontsize=11, weight="bold")
            continue
        box = [(x + 1.2) / COLUMNS, 1 - (y + h - 0.9) / height, (w - 1.7) / COLUMNS, (h - 2.0) / height]
        axes = figure.add_axes(box)
        axes.set_title(panel["title"], fontsize=8, loc="left")
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
        kind = stat if panel["type"] == "stat" else timeseries
        kind(axes, lines.get(panel["id"], []), unit)
    figure.savefig(path)
