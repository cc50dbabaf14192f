"""
page.py - the page of `grove compare --html`: the report as one HTML file

page(report) takes the report that --json writes.  The page needs nothing but itself: its style and its charts are in it, it has
no scripts, and its Content-Security-Policy forbids it to fetch anything.  What answered differently comes first; beside each
chart are its figures; a name may hold anything (draw.plain).
"""
import shlex
from pathlib import Path

from charts import SIDES, Numbers, pairs_chart, ratio_head, ratio_strip, swatch, sweep_chart
from draw import FONT, NONE, PALETTE, RatioAxis, at, figure, figures, middle, plain, ratio, tag, text

STYLE = Path(__file__).with_name("page.css")         # in the colours of draw.PALETTE
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
"""
END = "\n</main>\n</body>\n</html>\n"
GROUPS = (("more", "more is better"), ("less", "less is better"), (None, "neither is better"))
NAMED = [f"{swatch(side)} {side}" for side in SIDES]
LEGEND = ", ".join(NAMED) + "."
HOW = """The program ran bare and under grove in turn, so what slows the machine down slows both. A ratio is that of one pair;
the median of ratios is not the ratio of the medians. A difference is larger than the noise when 1 lies outside of the interval
in which the mean of the ratios lies (Student's t of their logarithms, 95 % for all measures together), and the median is at least
1 % away from 1. The same report as data: <code>grove compare --json</code>."""
STRIPS = """Medians, and least to greatest below them. Each dot is a pair of runs, the first on top, the bar their median, the
band the interval in which their mean lies, on a logarithmic axis around 1; the shaded side is the better one.
<span class="better">Blue</span>: grove is better, <span class="worse">red</span>: it is worse, by more than the noise; grey: no
difference larger than the noise, or one that is neither."""
ROWS = 10           # of a table of pairs, before the next one begins beside it


def page(report):
    """The whole page, without a character that UTF-8 could not hold."""
    numbers = Numbers()
    program = plain(shlex.join(map(str, report["command"])))
    parts = [header(report, program), answers(report), reading(report), summary(report, numbers), sweep(report, numbers),
             pairs(report, numbers), system_calls(report), how(report)]
    head = HEAD.format(policy=text(POLICY), title=text(f"{program}: bare and under grove"), style=style())
    return head + "\n".join(filter(None, parts)) + END


def style():
    light, dark = ("".join(f" --{name}: {both[i]};" for name, both in PALETTE.items()) for i in (0, 1))
    return (f":root {{ --font: {FONT};{light} color-scheme: light dark; }}\n"
            f"@media screen and (prefers-color-scheme: dark) {{ :root {{{dark} }} }}\n" + STYLE.read_text(encoding="utf-8"))


def section(title, *content, kind=None, note=None):
    return tag("section", tag("h2", text(title)), tag("p", note, class_="note") if note else "", *content, class_=kind)


def table(head, rows, kind, caption):
    """@head: words; @rows: of cells that are markup, the first one names the row."""
    first = tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head)))
    body = "".join(tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows)
    return tag("div", tag("table", tag("caption", text(caption)), first, tag("tbody", body), class_=kind), class_="scroll")


# --- what comes first ----------------------------------------------------------------------------------------------------------

def header(report, program):
    facts = [("load", tag("code", text(report["load"])))] if report.get("load") else []
    turns = "1 pair" if report["runs"] == 1 else f"{text(report['runs'])} pairs"
    facts += [("measured", f"{turns} of runs, bare and under grove in turn; a first pair was thrown away"),
              ("machine", text(machine_line(report["machine"]))), ("grove", text(report["grove"]))]
    return tag("header", tag("p", "grove compare", class_="kicker"), tag("h1", tag("code", text(program))),
               tag("dl", *(tag("dt", name) + tag("dd", said) for name, said in facts)))


def machine_line(machine):
    """What a reader looks for first; all of it stands at the end."""
    kb, cores = machine.get("memory_kb"), machine.get("cores")
    return ", ".join(filter(None, (
        machine.get("processor") and plain(machine["processor"]),
        f"{figure(cores)} core{'s' if cores != 1 else ''}" if is_number(cores) else "",
        f"{kb / 2 ** 20:.1f} GB of memory" if is_number(kb) else "",
        f"Linux {plain(machine['kernel'])}" if machine.get("kernel") else "",
        machine.get("libc") and plain(machine["libc"]))))


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def answers(report):
    """What answered differently; of a sweep with the number of connections."""
    different = [("", d) for d in report["differences"]]
    points = report.get("sweep") or []
    for point in points:
        at_n = f" ({figure(point['n'])} connections)"
        different += [(at_n, d) for d in [*(point.get("differences") or []), *fell_alone(point)]]
    if not different:
        failed = any((point.get("failed") or {}).get(side) for point in points for side in SIDES)
        if failed:
            words = "Not everything worked: see where each falls over. Where both worked they answered alike."
            return tag("p", words, class_="alike partly")
        return tag("p", "✓ Bare and under grove it answered alike.", class_="alike")
    rows = [[text(d["what"] + at_n), tag("code", text(d["bare"])), tag("code", text(d["grove"]))] for at_n, d in different]
    return section(f"The answers differ in {len(different)} way{'s' if len(different) != 1 else ''}",
                   table(["what", *NAMED], rows, "answers", "Answers that differ"), kind="different",
                   note="Figures of two programs that do not do the same say little. Look at this first.")


def fell_alone(point):
    """Grove where bare it worked, which is a difference; the other way round is none."""
    failed = point.get("failed") or {}
    if not failed.get("grove") or failed.get("bare"):
        return []
    return [{"what": "falls over", "bare": "no", "grove": failed["grove"]}]


def reading(report):
    if not report["reading"]:
        return ""
    return section("In words", tag("ul", *(tag("li", text(words)) for words in report["reading"])), kind="reading")


# --- the table with the ratios beside it ---------------------------------------------------------------------------------------

def verdict(measure):
    """How a row is coloured, by the one word of its reading."""
    reading = measure.get("reading")
    return reading if reading in ("better", "worse") else "other" if reading in ("more", "less") else "noise"


def summary(report, numbers):
    measures = report["measures"]
    if not measures:
        return ""
    axis = RatioAxis([value for measure in measures for value in near(measure["ratio"])])
    head = tag("tr", *(tag("th", name, scope="col", role="columnheader") for name in
                       ("measure", *NAMED, "grove / bare", "each pair")), role="row")
    body = []
    for better, words in GROUPS:
        rows = [measure for measure in measures if measure["better"] == better]
        if rows:
            body.append(tag("tr", tag("th", words, colspan=4, scope="colgroup", role="rowheader"),
                            tag("td", ratio_head(axis, better), class_="plot", role="cell"), class_="group", role="row"))
            body += [row(measure, numbers, axis) for measure in rows]
    legend = STRIPS
    if any(axis.beyond(value) for measure in measures for value in figures(measure["ratio"])):
        legend += " An arrow points to what lies beyond the axis."
    whole = tag("table", tag("caption", "All measures: medians, ranges and ratios"), tag("thead", head, role="rowgroup"),
                tag("tbody", *body, role="rowgroup"), class_="summary", role="table")
    return section("Bare against grove", whole, note=legend)


def near(ratios):
    """What an axis is made wide for: ratios beyond 10 are off its scale anyway."""
    return [value for value in figures(ratios) if 0.1 <= value <= 10]


def row(measure, numbers, axis):
    kind = verdict(measure)
    name = text(measure["name"]) + (" " + tag("span", text(measure["unit"]), class_="unit") if measure.get("unit") else "")
    medians = measure["median"]
    cells = [(with_range(medians.get(side), measure[side], figure), side) for side in SIDES]
    cells += [(with_range(medians.get("ratio"), measure["ratio"], ratio), f"ratio {kind}"),
              (ratio_strip(numbers, axis, measure, kind), "plot")]
    return tag("tr", tag("th", name, read(measure), scope="row", role="rowheader"),
               *(tag("td", content, class_=kind, role="cell") for content, kind in cells), role="row")


def read(measure):
    """The reading, and how wide the noise is."""
    words = plain(measure.get("reading") or "")
    noise = measure.get("noise")
    if words == "noise":
        known = figures([noise]) and noise < 10
        words = "within the noise" + (f", ±{100 * noise:.{0 if noise >= 0.1 else 1}f}\u00a0%" if known else "")
    return tag("span", text({"same": "the same"}.get(words, words)), class_="said") if words else ""


def with_range(median, values, form):
    known = figures(values)
    spread = f"{form(min(known))} to {form(max(known))}" if len(known) > 1 and min(known) != max(known) else ""
    lost = len(values) - len(known)
    if lost and known:
        spread += f"{'; ' if spread else ''}{lost} without"
    return tag("b", form(median)) + (tag("span", spread, class_="spread") if spread else "")


# --- pair by pair --------------------------------------------------------------------------------------------------------------

def pairs(report, numbers):
    cards = [pair_card(measure, numbers) for measure in report["measures"]]
    note = f"{LEGEND} Each stroke joins the two runs of a pair."
    return section("Pair by pair", tag("div", *cards, class_="cards"), note=note) if cards else ""


def pair_card(measure, numbers):
    chart, scale = pairs_chart(numbers, measure)
    count = max(len(measure["bare"]), len(measure["grove"]), len(measure["ratio"]))
    columns = ((measure["bare"], figure), (measure["grove"], figure), (measure["ratio"], ratio))
    rows = [[str(i + 1), *(form(values[i]) if i < len(values) else NONE for values, form in columns)] for i in range(count)]
    tables = [table(["pair", *SIDES, "ratio"], rows[i:i + ROWS], "values",
                    f"{plain(measure['name'])}, pairs {i + 1} to {min(i + ROWS, count)}") for i in range(0, count, ROWS)]
    return card(measure["name"], measure.get("unit"), scale, chart, tables, "wide" if count > ROWS else None)


def card(name, unit, scale, chart, tables, kind=None):
    about = ", ".join(filter(None, (plain(unit or ""), scale)))
    title = tag("h3", text(name)) + (tag("p", text(about), class_="about") if about else "")
    chart = chart or tag("p", "no figures", class_="nothing")
    return tag("figure", tag("figcaption", title), chart, tag("div", *tables, class_="tables"), class_=kind)


# --- against connections -------------------------------------------------------------------------------------------------------

def sweep(report, numbers):
    points = sorted(report.get("sweep") or [], key=lambda point: point["n"])
    if not points:
        return ""
    names = {}
    for point in points:
        for measure in point["measures"]:
            names.setdefault(measure["name"], measure)
    cards = [sweep_card(measure, points, numbers) for measure in names.values()]
    note = (f"{LEGEND} Medians joined by lines; strokes go from least to greatest. Connections lie on a logarithmic axis. "
            "A cross on top: that side fell over.")
    return section("Against connections", falls(points), tag("div", *cards, class_="cards"), note=note)


def falls(points):
    """Up to where each side worked, and what happened then."""
    lines = []
    for side in SIDES:
        failed = [point for point in points if (point.get("failed") or {}).get(side)]
        worked = [point["n"] for point in points if not (point.get("failed") or {}).get(side)]
        words = f"worked up to {figure(max(worked))}" if worked else "never worked"
        if not failed:
            words += ", the most that was tried"
        words += "".join(f"; fell over at {figure(point['n'])}: {plain(point['failed'][side])}" for point in failed)
        lines.append(tag("dt", swatch(side), " ", side) + tag("dd", text(words)))
    return tag("dl", *lines)


def sweep_card(measure, points, numbers):
    series = []
    for point in points:
        found = next((m for m in point["measures"] if m["name"] == measure["name"]), {})
        series.append({"n": point["n"], "failed": point.get("failed") or {}, "ratio": (found.get("median") or {}).get("ratio"),
                       **{side: found.get(side) or [] for side in SIDES}})
    chart, scale = sweep_chart(numbers, plain(measure["name"]), measure.get("unit"), series)
    rows = [[figure(point["n"]), *(at_point(point, side) for side in SIDES), ratio(point["ratio"])] for point in series]
    return card(measure["name"], measure.get("unit"), scale, chart,
                [table(["connections", *SIDES, "ratio"], rows, "values", f"{plain(measure['name'])} against connections")])


def at_point(point, side):
    fell = tag("span", "fell over", class_="spread worse") if point["failed"].get(side) else ""
    return with_range(middle(point[side]), point[side], figure) + fell


# --- system calls, and how it was done -----------------------------------------------------------------------------------------

def system_calls(report):
    """Counts, or how many for each request, where that is known: under strace the two sides do not answer as many."""
    found, requests = report.get("syscalls") or {}, report.get("syscall_requests") or {}
    calls = {side: {name: count for name, count in (found.get(side) or {}).items() if figures([count])} for side in SIDES}
    if not any(calls.values()):
        return ""
    requests = {side: requests.get(side) if all(requests.get(side) for side in SIDES) else None for side in SIDES}
    each = {side: {name: count / (requests[side] or 1) for name, count in calls[side].items()} for side in SIDES}
    most = max(figures([*each["bare"].values(), *each["grove"].values()]), default=0) or 1
    names = sorted({**each["bare"], **each["grove"]}, key=lambda name: (-max(each[side].get(name, 0) for side in SIDES), name))
    rows = [["all", *(counted(sum(calls[side].values()), requests[side]) for side in SIDES)]]
    for name in names:
        cells = [counted(calls[side].get(name, 0), requests[side]) + bar(side, each[side].get(name, 0) / most) for side in SIDES]
        rows.append([tag("code", text(name)), *cells])
    note = "Counted in one run of each side, apart from those above."
    if requests["bare"]:
        note += " How many for each request that was answered, and in all; bars on one scale from zero."
    return section("System calls", table(["system call", *NAMED], rows, "calls", "System calls by name"), note=note)


def counted(count, requests):
    if not requests:
        return figure(count)
    each = count / requests
    said = "&lt; 0.001" if 0 < each < 0.001 else f"{each:,.3f}" if each else "0"
    return f"{said} {tag('span', figure(count), class_='unit')}"


def bar(side, part):
    drawn = tag("rect", width=at(part), height="100%", class_=f"bar {side}")
    return tag("svg", drawn, class_="bar", width="100%", height=5, aria_hidden="true")


def how(report):
    rows = [("command", tag("code", text(shlex.join(map(str, report["command"])))))]
    rows += [("load", tag("code", text(report["load"])))] if report.get("load") else []
    rows += [("looked at", f"every {figure(report['sample_ms'])} ms: threads and memory")] if report.get("sample_ms") else []
    rows += [(text(str(key).replace("_", " ")), text(value_words(value))) for key, value in report["machine"].items()]
    return section("How it was measured", tag("dl", *(tag("dt", name) + tag("dd", said) for name, said in rows)), kind="how",
                   note=HOW)


def value_words(value):
    if isinstance(value, dict):
        return ", ".join(f"{key} {value_words(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(value_words, value))
    return figure(value) if is_number(value) else str(value)
