"""
compare_page.py - reads pages of `grove compare --html' in a headless browser and complains of what a reader would

	compare_page.py BROWSER NAME ...

NAME.json and NAME.html are of one comparison; more pages are made from the reports of page_reports.py.  Each page is looked at
as it is, in frames of several widths (page_look.js), and the real ones alone, for pictures.  The same is asked first of broken
pages, which have to be found out.
"""
import json
import math
import re
import statistics
import sys
from pathlib import Path

sys.path += [str(Path(__file__).resolve().parents[2] / folder) for folder in ("compare", "bench")]
from draw import PALETTE, plain                             # noqa: E402
from page import page                                       # noqa: E402
from page_browser import blank, look, picture               # noqa: E402
from page_reports import bench_results, report, reports      # noqa: E402
from picture import picture as picture_of                  # noqa: E402

WIDTHS = (1180, 720, 340)
LIGHT, DARK = (tuple(bytes.fromhex(colour[1:])) for colour in PALETTE["paper"])
GROVE = {paper: tuple(bytes.fromhex(colour[1:])) for paper, colour in zip((LIGHT, DARK), PALETTE["grove"])}
LIGHT_SCHEME, DARK_SCHEME = (f"--blink-settings=preferredColorScheme={n}" for n in (1, 0))


def as_number(words):
    """What a reader takes a figure for; None where there is none."""
    words = words.split("\n")[0].strip()
    if words == "–":
        return None
    return float(words.replace("−", "-").replace("∞", "inf").replace(",", ""))


def same(said, value, near):
    if not isinstance(value, (int, float)) or value != value:
        return said is None
    if said is None or math.isinf(said):
        return said is not None and abs(value) > 1e279 and (said > 0) == (value > 0)
    return abs(said - value) <= near * abs(value) or abs(value) < 1e-279 and said == 0


def figures_missing(name, m, tables):
    """Are all pairs of a measure there, as numbers."""
    rows = [row for table in tables for row in table["rows"]]
    count = max(len(m[key]) for key in ("bare", "grove", "ratio"))
    if [row[0] for row in rows] != [str(i + 1) for i in range(count)]:
        yield f"{name}: pairs {[row[0] for row in rows]} of {count}"
        return
    for i, row in enumerate(rows):
        for words, key, near in zip(row[1:], ("bare", "grove", "ratio"), (6e-4, 6e-4, 6e-3)):
            value = m[key][i] if i < len(m[key]) else None
            if not same(as_number(words), value, near):
                yield f"{name}, pair {i + 1}: {key} says {words!r}, not {value!r}"


def drawable(values):
    return [v for v in values if isinstance(v, (int, float)) and v == v and (v == 0 or 1e-280 < abs(v) < 1e280)]


def chart_named(seen, title):
    return next((chart for chart in seen["charts"] if chart["title"] == title), None)


def drawn_wrong(m, seen):
    """Do the marks lie where the figures say."""
    name = plain(m["name"])
    strip = chart_named(seen, f"{name}: grove over bare")
    ratios = [value for value in drawable(m["ratio"]) if value > 0]
    if not strip or (len(of_class(strip, "pair")) < len(ratios)) != (strip["arrows"] > 0):
        yield f"{name}: {strip} for {len(ratios)} ratios"
    elif not strip["arrows"]:
        places = sorted(float(x.rstrip("%")) for _, x, _ in of_class(strip, "pair"))
        if [place > 50 for place in places] != [value > 1 for value in sorted(ratios)]:
            yield f"{name}: ratios {sorted(ratios)} at {places}"
    unit = f" ({plain(m['unit'])})" if m["unit"] else ""
    chart = chart_named(seen, f"{name}{unit}, pair by pair")
    known = [(side, value) for side in ("bare", "grove") for value in drawable(m[side])]
    if known and not chart:
        yield f"{name}: no chart"
    elif known:
        yield from heights_wrong(name, chart, {side: drawable(m[side]) for side in ("bare", "grove")})


def of_class(chart, kind):
    return [mark for mark in chart["marks"] if mark[0].split()[0] == kind]


def heights_wrong(name, chart, values):
    """On an axis equal differences, or equal ratios, are equal distances; more is higher."""
    form = math.log10 if "logarithmic" in chart["words"] else float
    points = []
    for side, wanted in values.items():
        heights = [float(y) for _, _, y in of_class(chart, side)]
        if len(heights) != len(wanted):
            yield f"{name}: {len(heights)} marks for {len(wanted)} figures of {side}"
            return
        points += [(form(value), -height) for value, height in zip(wanted, heights)]
    low, high = min(points), max(points)
    for value, height in points:
        wanted = low[1] + (value - low[0]) / ((high[0] - low[0]) or 1) * (high[1] - low[1])
        if abs(wanted - height) > 0.3:
            yield f"{name}: {value} is drawn at {-height}, not at {-wanted}"


def sweep_wrong(data, seen):
    for name, unit in {m["name"]: m["unit"] for point in data["sweep"] for m in point["measures"]}.items():
        chart = chart_named(seen, f"{name}{f' ({unit})' if unit else ''} against connections")
        table = next((t for t in seen["tables"] if t["caption"] == f"{name} against connections"), None)
        if not chart or not table or [as_number(row[0]) for row in table["rows"]] != [point["n"] for point in data["sweep"]]:
            yield f"{name} against connections: not there, or not of all points"
            continue
        falls = sum(bool(point["failed"][side]) for point in data["sweep"] for side in ("bare", "grove"))
        if chart["crosses"] != falls:
            yield f"{name}: {chart['crosses']} crosses, not {falls}"
        for point, row in zip(data["sweep"], table["rows"]):
            m = next((m for m in point["measures"] if m["name"] == name), None)
            for key, words in zip(("bare", "grove"), row[1:]):
                value = statistics.median(m[key]) if m and m[key] else None
                if not same(as_number(words), value, 6e-4):
                    yield f"{name} at {point['n']}: {key} says {words!r}, not {value!r}"


def calls_missing(calls, tables):
    """Is every count there, the last figure of its cell."""
    rows = {row[0]: row[1:] for table in tables if table["caption"] == "System calls by name" for row in table["rows"]}
    for side, column in (("bare", 0), ("grove", 1)):
        for name, count in calls[side].items():
            cell = rows.get(plain(name).strip(), ["–", "–"])[column]
            if as_number(cell.split()[-1]) != count:
                yield f"system call {plain(name)}: {side} says {cell!r}, not {count}"


def asked(data, seen):
    """All that is wrong with what was seen of the page of a report."""
    yield from seen["bad"]
    different = data["differences"] + [d for point in data["sweep"] or [] for d in point["differences"]]
    first = [plain(d["what"]) for d in different]
    for point in data["sweep"] or []:
        if point["failed"]["grove"] and not point["failed"]["bare"]:
            first += [plain(point["failed"]["grove"])]
    first = first or ["alike"]
    if not all(words in seen["first"] for words in first):
        yield f"the answers do not come first: {seen['first'][:200]}"
    if not all(plain(part).split("'")[0] in seen["heading"] for part in data["command"]):
        yield f"the heading is {seen['heading'][:200]}"
    for m in data["measures"]:
        tables = [t for t in seen["tables"] if t["caption"].startswith(f"{plain(m['name'])}, pairs ")]
        yield from figures_missing(m["name"], m, tables)
        yield from drawn_wrong(m, seen)
    if data["syscalls"]:
        yield from calls_missing(data["syscalls"], seen["tables"])
    if data["sweep"]:
        yield from sweep_wrong(data, seen)


BROKEN = {          # what is done to a good page, and words of the complaint that must follow
    "wider than the window": lambda p: p.replace("</header>", "</header><div style='width: 3000px'>wide</div>"),
    "two elements": lambda p: p.replace('id="t2"', 'id="t1"'),
    "without <title> and <desc>": lambda p: re.sub("<title id.*?</title>", "", p),
    "neither named nor hidden": lambda p: p.replace('aria-hidden="true"', "", 1),
    "without room": lambda p: p.replace("</style>", ".chart { height: 2px }</style>"),
    "clipped:": lambda p: p.replace("translate(46 0)", "translate(-60 0)"),
    "written over:": lambda p: p.replace("</style>", "svg text { font-size: 40px }</style>"),
    "wider than its place:": lambda p: p.replace("</style>", ".summary td b { width: 400px }</style>"),
    "hard to read": lambda p: p.replace("</style>", ".note { color: #bbb !important; background: #ccc }</style>"),
    "there is a script": lambda p: p.replace("</body>", "<script>1</script></body>"),
    "pair 1: bare says": lambda p: p.replace("41,001", "40,001"),
    "pair 2: ratio says": lambda p: p.replace("1.39", "1.49"),
    "is drawn at": lambda p: re.sub(r'cy="(\d+)\.\d"', r'cy="1\1"', p, count=1),
    "system call read": lambda p: p.replace("31,236", "31,235"),
    "answers do not come first": lambda p: p.replace("answered alike", ""),
}


def finds_broken(browser):
    """The questions themselves: each broken page is found out, for what was broken."""
    good = report()
    seen, console = look(browser, [(spoil(page(good)), WIDTHS[0]) for spoil in BROKEN.values()])
    for words, one in zip(BROKEN, seen):
        if not any(words in complaint for complaint in asked(good, one)):
            yield f"a page was broken and nobody said: {words}; only {list(asked(good, one))[:3]}"
    if not any("script" in line for line in console):
        yield f"the browser did not complain of a script: {console}"
    _, console = look(browser, [(page(good).replace("</body>", "<img src='http://127.0.0.1:9/x.png'></body>"), WIDTHS[0])])
    if not any("127.0.0.1:9" in line for line in console):
        yield f"the browser did not complain of an image from elsewhere: {console}"
    rows, _ = picture(browser, re.sub("(?s)<body>.*</body>", "<body></body>", page(good)), (700, 600), LIGHT_SCHEME)
    if "blank" not in blank(rows, LIGHT, GROVE[LIGHT]):
        yield f"a blank picture is not found out: {blank(rows, LIGHT, GROVE[LIGHT])}"


def main(browser, *real):
    bad, pages = list(finds_broken(browser)), {name: (data, page(data)) for name, data in reports().items()}
    for name in real:
        pages[name] = tuple(Path(name).with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".json", ".html"))
        pages[name] = json.loads(pages[name][0]), pages[name][1]
    for scheme, widths in ((LIGHT_SCHEME, WIDTHS), (DARK_SCHEME, WIDTHS[-1:])):
        frames = [(name, width) for name in pages for width in widths]
        seen, console = look(browser, [(pages[name][1], width) for name, width in frames], scheme)
        bad += [f"console: {line}" for line in console]
        for (name, width), one in zip(frames, seen):
            if one.get("dark") != (scheme == DARK_SCHEME) or one.get("width") != width:
                bad.append(f"{name}: looked at in the wrong way: {one.get('dark')}, {one.get('width')}")
            bad += [f"{name}, {width} wide: {complaint}" for complaint in asked(pages[name][0], one)]
    seen, console = look(browser, [(f"<!DOCTYPE html><body>{picture_of(bench_results())}", 1000)])
    bad += [f"the picture of benches: {complaint}" for complaint in [*seen[0]["bad"], *console]]
    for name in real:
        for scheme, paper, size in ((LIGHT_SCHEME, LIGHT, (1000, 800)), (DARK_SCHEME, DARK, (400, 800))):
            rows, console = picture(browser, pages[name][1], size, scheme)
            bad += [f"{name}: console: {line}" for line in console]
            bad += [f"{name}: {complaint}" for complaint in [blank(rows, paper, GROVE[paper])] if complaint]
    print("\n".join(bad[:60]), file=sys.stderr)
    print(f"{len(pages)} pages, {len(BROKEN) + 3} broken ones found out" if not bad else f"{len(bad)} complaints")
    return 1 if bad else 0


sys.exit(main(*sys.argv[1:]))
