"""Draws the panels of the dashboard from a Prometheus, by the queries in dashboard.json.

    draw.py PROMETHEUS BEGIN END PICTURE

BEGIN and END are seconds since 1970. It is no Grafana: it shows the same queries at the same places, so that a query
which is wrong, or a panel that says nothing, is seen. Needs matplotlib.
"""

import datetime
import json
import math
import pathlib
import sys
import urllib.parse
import urllib.request

import matplotlib

matplotlib.use("Agg")
import matplotlib.dates
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter

DASHBOARD = pathlib.Path(__file__).parents[2] / "charts/keywright/files/dashboard.json"
BACKGROUND, PANEL, TEXT, FAINT = "#111217", "#181b1f", "#d8d9da", "#8e8e8e"
NAMED = {"green": "#56a64b", "red": "#e02f44", "orange": "#ff780a", "transparent": TEXT, None: TEXT}
LINES = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#b877d9", "#5794f2", "#ffa6b0", "#96d98d", "#fade2a"]
# Rows of the grid of 24 columns, in inches.
UNIT = 0.34


class Source:
    def __init__(self, address, begin, end):
        self.address, self.begin, self.end = address, begin, end

    def ask(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.address}/api/v1/{path}?{query}") as answer:
            found = json.load(answer)
        assert found["status"] == "success", found
        return found["data"]["result"]

    def resolve(self, expression):
        """Puts in what Grafana would for its variables."""
        for variable, value in (("$__rate_interval", "30s"), ("$namespace", ".*")):
            expression = expression.replace(variable, value)
        return expression

    def now(self, expression):
        return self.ask("query", query=self.resolve(expression), time=self.end)

    def over_time(self, expression):
        return self.ask("query_range", query=self.resolve(expression), start=self.begin, end=self.end, step=2)


def legend(target, labels):
    text = target["legendFormat"]
    for name in ("kind", "namespace", "name", "controller", "outcome", "operation", "provider_type"):
        text = text.replace("{{%s}}" % name, labels.get(name, ""))
    return text or "value"


def shown(value, unit):
    if math.isnan(value):
        return ""
    if unit == "s" and 0 < abs(value) < 1:
        return f"{value * 1000:.3g} ms"
    if unit == "s":
        return f"{value / 60:.3g} min" if abs(value) >= 120 else f"{value:.3g} s"
    return f"{value:.3g}" + {"reqps": "/s", "ops": "/s", "wps": "/s"}.get(unit, "")


def threshold(panel, value):
    colour = None
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    return NAMED[colour]


def stat(axes, panel, source):
    result = source.now(panel["targets"][0]["expr"])
    value = float(result[0]["value"][1]) if result else math.nan
    axes.set_facecolor(threshold(panel, value) if result else PANEL)
    text = shown(value, panel["fieldConfig"]["defaults"]["unit"]) if result else "no data"
    axes.text(0.5, 0.45, text, color="white", fontsize=22, ha="center", va="center", transform=axes.transAxes)
    axes.set(xticks=[], yticks=[])


def timeseries(axes, panel, source):
    unit = panel["fieldConfig"]["defaults"]["unit"]
    count = 0
    for target in panel["targets"]:
        for series in source.over_time(target["expr"]):
            times = [datetime.datetime.fromtimestamp(time, datetime.UTC) for time, _ in series["values"]]
            values = [float(value) for _, value in series["values"]]
            # A gap is a gap: Grafana does not span it either.
            gap = [index for index, (a, b) in enumerate(zip(times, times[1:])) if (b - a).seconds > 2]
            for index in reversed(gap):
                times.insert(index + 1, times[index])
                values.insert(index + 1, math.nan)
            axes.plot(times, values, color=LINES[count % len(LINES)], linewidth=1.3, label=legend(target, series["metric"]))
            count += 1
    style(axes, source)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value, unit)))
    if panel["fieldConfig"]["defaults"].get("min") == 0:
        axes.set_ylim(bottom=0)
    else:
        axes.axhline(0, color=NAMED["red"], linewidth=0.8)
    if count:
        longest = max(len(label) for label in axes.get_legend_handles_labels()[1])
        columns = max(1, panel["gridPos"]["w"] * 8 // (longest + 4))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncol=min(columns, 4), fontsize=6.5,
                    frameon=False, labelcolor=TEXT, handlelength=1.2)
    else:
        axes.text(0.5, 0.5, "no data", color=FAINT, ha="center", transform=axes.transAxes)


def timeline(axes, panel, source):
    options = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    results = source.over_time(panel["targets"][0]["expr"])
    names = []
    for row, series in enumerate(results):
        names.append(legend(panel["targets"][0], series["metric"]))
        for (begin, value), (end, _) in zip(series["values"], series["values"][1:] + [[source.end, ""]]):
            first, last = (datetime.datetime.fromtimestamp(time, datetime.UTC) for time in (begin, end))
            axes.barh(row, last - first, left=first, height=0.7, color=NAMED[options[value]["color"]], linewidth=0)
        texts = {value: options[value]["text"] for _, value in series["values"]}
        axes.text(0.01, row, ", ".join(texts.values()), transform=axes.get_yaxis_transform(), color="white", fontsize=7,
                  va="center")
    style(axes, source)
    axes.set_yticks(range(len(names)), [name.replace(" ", "\n") for name in names], fontsize=6)


def table(axes, panel, source):
    rows = sorted(source.now(panel["targets"][0]["expr"]), key=lambda row: float(row["value"][1]))
    axes.set(xticks=[], yticks=[])
    columns = ("kind", "namespace", "name")
    for index, heading in enumerate(("Kind", "Namespace", "Name", "Left")):
        axes.text(0.02 + index * 0.27, 0.93, heading, color=LINES[2], fontsize=8, transform=axes.transAxes)
    for line, row in enumerate(rows[:9]):
        value = float(row["value"][1])
        y = 0.82 - line * 0.095
        for index, name in enumerate(columns):
            axes.text(0.02 + index * 0.27, y, row["metric"].get(name, ""), color=TEXT, fontsize=8, transform=axes.transAxes)
        axes.text(0.83, y, shown(value, "s"), color=threshold(panel, value), fontsize=8, transform=axes.transAxes)


def style(axes, source):
    first, last = (datetime.datetime.fromtimestamp(time, datetime.UTC) for time in (source.begin, source.end))
    axes.set_xlim(first, last)
    axes.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%H:%M"))
    axes.xaxis.set_major_locator(matplotlib.dates.MinuteLocator(interval=2))
    axes.grid(color="#2c2f34", linewidth=0.6)
    axes.tick_params(colors=FAINT, labelsize=7, length=0)


DRAW = {"stat": stat, "timeseries": timeseries, "state-timeline": timeline, "table": table}


def main():
    address, begin, end, picture = sys.argv[1:]
    source = Source(address, float(begin), float(end))
    panels = json.loads(DASHBOARD.read_text())["panels"]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = plt.figure(figsize=(15, height * UNIT), facecolor=BACKGROUND)
    for panel in panels:
        place = panel["gridPos"]
        top = 1 - place["y"] / height
        left, width = place["x"] / 24, place["w"] / 24
        if panel["type"] == "row":
            figure.text(left + 0.005, top - 0.8 / height, panel["title"], color=TEXT, fontsize=11, weight="bold")
            continue
        margin = {"timeseries": (0.042, 2.2), "state-timeline": (0.075, 1.2)}.get(panel["type"], (0.008, 0.3))
        axes = figure.add_axes((
            left + margin[0],
            top - (place["h"] - margin[1]) / height,
            width - margin[0] - 0.008,
            (place["h"] - margin[1] - 1.1) / height,
        ))
        axes.set_facecolor(PANEL)
        for spine in axes.spines.values():
            spine.set_color("#2c2f34")
        DRAW[panel["type"]](axes, panel, source)
        axes.set_title(panel["title"], color=TEXT, fontsize=9, loc="left", pad=4)
    figure.savefig(picture, dpi=80, facecolor=BACKGROUND)


main()
