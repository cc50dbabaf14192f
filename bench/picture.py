#!/usr/bin/python3 -B
"""
picture.py - one SVG picture of the results of bench/run

	bench/picture.py RESULTS.json [NAME ...] >picture.svg

RESULTS is what bench/run --json wrote; NAMEs are benches of it, all without.  Each bench is a block with a row for each side: a
dot for each round's ratio to the limit, a bar at their median, on a logarithmic axis; then its goals, met or missed.  The picture
needs nothing but itself and is light or dark as its reader is.
"""
import json
import re
import sys
import textwrap
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "compare"))
from draw import FONT, PALETTE, LogAxis, figure, figures, middle, ratio, short, tag, text      # noqa: E402

WIDE = 960
LEFT, RIGHT = 176, 640          # of the axis
RATIO, FIGURE = 730, WIDE - 24  # right edges of what is written beside a row
ROW, LINE = 22, 17
LETTERS = 116                   # that fit in one line of small print
STYLE = f"text {{ font: 13px {FONT}; }}" + """
text { fill: var(--ink); }
.dim { fill: var(--dim); font-size: 12px; }
.name { font-weight: 650; font-size: 15px; }
.head { font-size: 20px; font-weight: 650; }
.end { text-anchor: end; }
.mid { text-anchor: middle; }
.ours { font-weight: 650; }
.missed { fill: var(--worse); }
.paper { fill: var(--paper); }
.grid, .rule { stroke: var(--rule); }
.row { stroke: var(--faint); }
.one { stroke: var(--dim); stroke-width: 1.5; }
circle { fill: var(--bare); fill-opacity: .5; }
circle.ours { fill: var(--grove); }
.median { stroke: var(--bare); stroke-width: 3; }
.median.ours { stroke: var(--grove); }
"""
ABOUT = "A dot is a round's ratio to the limit (the side at 1), a bar the median, on logarithmic axes; all sides took turns."
OURS = ("grove", "api")


def style():
    """The colours written out, since not everything that shows SVG knows variables."""
    light, dark = (re.sub(r"var\(--(\w+)\)", lambda found: PALETTE[found[1]][i], STYLE) for i in (0, 1))
    return tag("style", f"{light}@media (prefers-color-scheme: dark) {{{dark}}}")


def picture(results, names=()):
    """@results: as bench/run has them.  The picture as text."""
    benches = [bench for bench in results["benches"] if not names or bench["name"] in names]
    page = Page()
    page.words("grove beside its peers, and beside the least that the machine must do", "head", step=28)
    for words in machine_lines(results["machine"]):
        page.words(words, "dim")
    page.words(ABOUT, "dim")
    for bench in benches:
        block(page, bench)
    reasons(page, benches)
    return page.whole(f"Results of {len(benches)} benches", "; ".join(map(in_words, benches)))


class Page:
    """Grows downwards."""
    def __init__(self):
        self.y, self.content = 34, []

    def words(self, words, kind=None, step=LINE):
        """@words in lines as long as fit."""
        for one in textwrap.wrap(words, LETTERS) or [""]:
            self.put("text", text(one), x=24, y=self.y, class_=kind)
            self.y += step

    def put(self, *content, **attributes):
        self.content.append(tag(*content, **attributes))

    def whole(self, title, description):
        high = self.y + 8
        return tag("svg", tag("title", text(title), id="t"), tag("desc", text(description), id="d"), style(),
                   tag("rect", width=WIDE, height=high, class_="paper"), *self.content, xmlns="http://www.w3.org/2000/svg",
                   viewBox=f"0 0 {WIDE} {high}", width=WIDE, height=high, role="img", aria_labelledby="t d") + "\n"


def machine_lines(machine):
    """All that is said of the machine, in lines; a dictionary in it is a line of its own."""
    flat = ", ".join(f"{key} {yes(value)}" for key, value in machine.items() if not isinstance(value, dict))
    return [flat] + [f"{key}: " + ", ".join(f"{name} {version}" for name, version in value.items())
                     for key, value in machine.items() if isinstance(value, dict) and value]


def yes(value):
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else value


def in_words(bench):
    """One bench for who cannot see the picture."""
    sides = ", ".join(f"{side} {ratio(middle(ratios))}" for side, ratios in bench["ratios"].items())
    return f"{bench['name']}, median ratios: {sides}"


def block(page, bench):
    page.put("line", x1=24, x2=WIDE - 24, y1=page.y, y2=page.y, class_="rule")
    page.y += 24
    page.put("text", tag("tspan", text(bench["name"])), x=24, y=page.y, class_="name")
    page.y += LINE + 2
    page.words(f"{bench['what']}; {'more' if bench.get('most') else 'less'} is better", "dim")
    page.y += 2
    rows(page, bench)
    if bench.get("missing"):
        page.words(f"not measured: {', '.join(bench['missing'])}", "dim")
    for side, why in bench.get("failed", {}).items():
        page.words(f"✗ {side} went wrong: {why}", "dim missed")
    for goal in bench.get("goals", ()):
        page.words(*in_goal(goal))
    page.y += 8


def reasons(page, benches):
    """Why sides were not measured, each reason once."""
    found = {f"{side}: {why}": None for bench in benches for side, why in bench.get("missing", {}).items()}
    if found:
        page.put("line", x1=24, x2=WIDE - 24, y1=page.y, y2=page.y, class_="rule")
        page.y += 24
        page.words("Not measured", "name")
    for words in found:
        page.words(words, "dim")


def rows(page, bench):
    ratios = {side: [value for value in figures(values) if value > 0] for side, values in bench["ratios"].items()}
    drawn = [value for values in ratios.values() for value in values]
    if not drawn:
        page.words("nothing was measured", "dim")
        return
    axis = LogAxis([*drawn, 0.8, 1.25], most_marks=7)
    top, bottom = page.y, page.y + ROW * len(ratios)
    page.put("text", "ratio", x=RATIO, y=top, class_="dim end")
    page.put("text", text(bench["unit"]), x=FIGURE, y=top, class_="dim end")
    for mark in sorted({*axis.marks, 1.0}):
        x = along(axis, mark)
        page.put("line", x1=x, x2=x, y1=top + 6, y2=bottom + 8, class_="one" if mark == 1 else "grid")
        page.put("text", short(mark), x=x, y=bottom + 21, class_="dim mid")
    for side, values in ratios.items():
        page.y += ROW
        page.put("line", x1=LEFT, x2=RIGHT, y1=page.y - 4, y2=page.y - 4, class_="row")
        row(page, bench, side, values, axis)
    page.y = bottom + 21 + LINE + 4


def row(page, bench, side, values, axis):
    ours, y = "ours" if side in OURS else None, page.y
    name = f"{side} (limit)" if side == bench["limit"] else side
    page.put("text", text(name), x=24, y=y, class_=ours)
    for value in values:
        page.put("circle", cx=along(axis, value), cy=y - 4, r=3.5, class_=ours)
    if values:
        x = along(axis, middle(values))
        page.put("line", x1=x, x2=x, y1=y - 12, y2=y + 4, class_=f"median {ours or ''}".strip())
    page.put("text", ratio(middle(values)), x=RATIO, y=y, class_=f"end {ours or ''}".strip())
    page.put("text", figure(middle(bench["sides"].get(side, ()))), x=FIGURE, y=y, class_="end")


def along(axis, value):
    return LEFT + (RIGHT - LEFT) * axis.place(value)


def in_goal(goal):
    """A goal in words, and how they look."""
    unit = f" {goal['unit']}" if goal.get("unit") else ""
    wanted = f"wanted at {'least' if goal['least'] else 'most'} {figure(goal['limit'])}{unit}"
    if goal["median"] is None:
        return f"– {goal['what']}: not measured; {wanted}", "dim"
    met = goal["met"]
    return f"{'✓' if met else '✗'} {goal['what']}: {figure(goal['median'])}{unit}, {wanted}", "dim" if met else "dim missed"


def main(path, *names):
    results = json.loads(Path(path).read_text(encoding="utf-8"))
    unknown = set(names) - {bench["name"] for bench in results["benches"]}
    if unknown:
        sys.exit(f"picture.py: no such bench in {path}: {', '.join(sorted(unknown))}")
    sys.stdout.write(picture(results, names))
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
