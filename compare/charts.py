"""
charts.py - the charts of the page of `grove compare --html`, as inline SVG

Positions along x are percentages, so a chart is as wide as its column, and what is written in it is never scaled.  Bare is a
hollow circle, grove a filled square, so nothing depends on colours alone.  A chart says in its <title> and <desc> what it shows.
"""
import math
import statistics

from draw import LinearAxis, LogAxis, at, axis_for, figure, figures, middle, plain, ratio, short, tag, text

SIDES = ("bare", "grove")
LEFT = 46           # pixels for what is written beside the axis
WIDE = 0.8          # what the data take of the width; with LEFT that fits from 240 pixels on
TOP, BOTTOM, HIGH = 10, 22, 150
CROSSES = 16        # pixels above a chart, for those


class Numbers:
    """Of the elements that others refer to: unique in one page."""
    def __init__(self):
        self.last = 0

    def next(self):
        self.last += 1
        return self.last


def svg(numbers, kind, title, description, *content, height=None):
    n = numbers.next()
    return tag("svg", tag("title", text(title), id=f"t{n}"), tag("desc", text(description), id=f"d{n}"), *content,
               class_=kind, role="img", aria_labelledby=f"t{n} d{n}", height=height, width="100%")


def line(x1, y1, x2, y2, kind):
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def mark(side, x, y, kind=""):
    """One figure: the circle of bare, the square of grove."""
    if side == "bare":
        return tag("circle", cx=x, cy=y, r=4.0, class_=f"bare {kind}".strip())
    return tag("rect", x=x, y=y, width=8, height=8, transform="translate(-4 -4)", class_=f"grove {kind}".strip())


def swatch(side):
    """The mark of a side beside its name, in headings and legends."""
    return tag("svg", mark(side, 6, 6), class_="swatch", width=12, height=12, aria_hidden="true")


# --- ratios, a strip beside each row of the table ------------------------------------------------------------------------------

def ratio_head(axis, better):
    """The marks of the axis over the strips of one group."""
    words = [tag("text", ratio_mark(m), x=at(axis.place(m)), y=32, class_="mid") for m in axis.marks]
    if better:
        left, right = ("better", "worse") if better == "less" else ("worse", "better")
        words += [tag("text", f"◂ {left}", x=at(0.5), dx=-8, y=13, class_=f"end {left}"),
                  tag("text", f"{right} ▸", x=at(0.5), dx=8, y=13, class_=right)]
    return tag("svg", *words, class_="head", height=38, width="100%", aria_hidden="true")


def ratio_mark(value):
    return f"{value:.2f}".rstrip("0").rstrip(".")


def ratio_strip(numbers, axis, measure, verdict):
    """The ratios: a dot for each pair, the first on top, a bar at their median, a band where their mean lies."""
    ratios = [value for value in figures(measure["ratio"]) if value > 0]
    said = ", ".join(map(ratio, ratios)) or "no pair has a ratio"
    content = []
    if measure["better"]:
        half = "50%" if measure["better"] == "more" else "0"
        content.append(tag("rect", x=half, y=0, width="50%", height="100%", class_="good"))
    content += [line(at(axis.place(m)), 0, at(axis.place(m)), "100%", "one" if m == 1 else "grid") for m in axis.marks]
    if ratios:
        content += band(axis, ratios, measure.get("noise"), verdict)
        rows = [0.2 + 0.6 * (i + 0.5) / len(ratios) for i in range(len(ratios))]
        content += [tag("circle", cx=at(axis.place(value)), cy=at(y), r=3.0, class_=f"pair {verdict}")
                    for y, value in zip(rows, ratios) if not axis.beyond(value)]
        content += [arrow(axis, side, verdict) for side in sorted({axis.beyond(value) for value in ratios} - {0})]
        median = measure["median"]["ratio"]
        if axis.place(median) and not axis.beyond(median):
            content.append(line(at(axis.place(median)), "14%", at(axis.place(median)), "86%", f"median {verdict}"))
    return svg(numbers, "strip", f"{measure['name']}: grove over bare", f"pair by pair: {said}", *content)


def band(axis, ratios, noise, verdict):
    """@noise is half the interval's width, as a share (figures.py)."""
    if not figures([noise]) or not 0 < noise < 1e6:
        return []
    mean = statistics.mean(map(math.log, ratios))
    low, high = (max(0.0, min(1.0, axis.part(mean + way * math.log1p(noise)))) for way in (-1, 1))
    if high - low < 0.001:
        return []
    return [tag("rect", x=at(low), width=at(high - low), y="20%", height="60%", class_=f"band {verdict}")]


def arrow(axis, side, verdict):
    """On the edge that pairs lie beyond."""
    return tag("svg", tag("path", d=f"M{side} -6L{8 * side} 0L{side} 6z", class_=f"beyond {verdict}"),
               x=at(axis.place(axis.limit ** side)), y="50%", overflow="visible", width=1, height=1)


# --- values against pairs or connections ---------------------------------------------------------------------------------------

def across(x):
    """A place along x, right of what is written beside the axis."""
    return at(WIDE * x)


def down(axis, value):
    """How far down a value lies, in pixels."""
    return round(TOP + (HIGH - TOP - BOTTOM) * (1 - axis.place(value)), 1)


def y_axis(axis):
    """Lines across, and what they stand for; outside of the group that is moved to the right."""
    lines = [line(LEFT - 4, down(axis, m), "100%", down(axis, m), "grid") for m in axis.marks]
    return lines + [tag("text", short(m), x=LEFT - 8, y=down(axis, m) + 4, class_="end") for m in axis.marks]


def x_words(places):
    """@places: of (x, words); those that would not have room are left out."""
    content, free = [], -1.0
    for x, words in places:
        half = 0.018 * len(words) + 0.012
        if x * WIDE - half >= free or x == places[-1][0] and not content:
            content.append(tag("text", words, x=across(x), y=HIGH - 5, class_="mid"))
            free = x * WIDE + half
    return content


def moved(*content):
    return tag("g", *content, transform=f"translate({LEFT} 0)")


def pairs_chart(numbers, measure):
    """Each pair's two values, and what the axis is like; None where there is nothing to draw."""
    both = figures(measure["bare"]) + figures(measure["grove"])
    if not both:
        return None, ""
    axis = axis_for(both)
    n = max(len(measure["bare"]), len(measure["grove"]))
    content = []
    for i in range(n):
        x = across((i + 0.5) / n)
        values = {side: measure[side][i] for side in SIDES if i < len(measure[side]) and figures([measure[side][i]])}
        if len(values) == 2 and n <= 60:
            content.append(line(x, down(axis, values["bare"]), x, down(axis, values["grove"]), "between"))
        content += [mark(side, x, down(axis, value)) for side, value in values.items()]
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, n) if n <= 12 * step)
    words = x_words([((i + 0.5) / n, str(i + 1)) for i in range(n) if (i + 1) % step == 0 or i == 0])
    said = "; ".join(f"{side} {', '.join(map(figure, measure[side]))}" for side in SIDES)
    chart = svg(numbers, "chart", f"{measure['name']}{in_unit(measure)}, pair by pair", f"{said}. The axis is {axis.scale}.",
                *y_axis(axis), moved(*words, *content), height=HIGH)
    return chart, axis.scale


def in_unit(measure):
    return f" ({plain(measure['unit'])})" if measure.get("unit") else ""


def sweep_chart(numbers, name, unit, points):
    """One measure against connections.  @points: of {"n", "bare": [...], "grove": [...], "failed": {side: why}}."""
    values = [value for point in points for side in SIDES for value in figures(point[side])]
    if not values:
        return None, ""
    axis = LogAxis(values) if min(values) > 0 else LinearAxis(values)
    x_axis = LogAxis([point["n"] for point in points], most_marks=9)
    content, said = [], []
    for side in SIDES:
        content += series(side, points, x_axis, axis)
        said.append(f"{side} " + ", ".join(f"{figure(middle(point[side]))} at {figure(point['n'])}" for point in points))
    words = x_words([(x_axis.place(point["n"]), short(point["n"])) for point in points])
    grid = [line(x, TOP, x, HIGH - BOTTOM, "grid") for x in (across(x_axis.place(point["n"])) for point in points)]
    crosses = [cross(across(x_axis.place(point["n"])), side) for point in points for side in SIDES if point["failed"].get(side)]
    room = CROSSES if crosses else 0
    chart = svg(numbers, "chart", f"{name}{in_unit({'unit': unit})} against connections",
                f"Medians: {'; '.join(said)}. The axis is {axis.scale}.", moved(*crosses),
                tag("g", *y_axis(axis), moved(*grid, *words, *content), transform=f"translate(0 {room})"), height=HIGH + room)
    return chart, axis.scale


def series(side, points, x_axis, axis):
    """A line through the medians, and a stroke from least to greatest."""
    lines, marks, before = [], [], None
    for point in points:
        x, known = across(x_axis.place(point["n"])), figures(point[side])
        y = down(axis, middle(known)) if known else None
        if known:
            lines.append(line(x, down(axis, min(known)), x, down(axis, max(known)), f"range {side}"))
            if before:
                lines.append(line(*before, x, y, f"line {side}"))
            marks.append(mark(side, x, y))
        before = (x, y) if known else None
    return lines + marks


def cross(x, side):
    """Above the number of connections at which a side fell over: bare's stands upright on the left, grove's lies on the right."""
    d = "M8 5L8 17M2 11L14 11" if side == "grove" else "M-8 5L-8 17M-14 11L-2 11"
    turned = "rotate(45 8 11)" if side == "grove" else None
    return tag("svg", tag("path", d=d, class_=f"cross {side}", transform=turned), x=x, y=0, overflow="visible", width=1, height=1)
