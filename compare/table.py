"""The report as text, for people."""
import shlex
import textwrap

WIDTH = 110
SWEPT = ("throughput", "time it tells", "wall time", "p50", "p99", "CPU per request", "proportional memory")
NO_ROW = {"bare": [], "grove": [], "ratio": [], "median": dict.fromkeys(("bare", "grove", "ratio")), "reading": "-"}
MOST_CALLS = 20


def number(value):
    """Four digits of it, all of those before the point."""
    if value is None:
        return "-"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    for least, digits in ((100, 1), (10, 2), (1, 3), (0.1, 4)):
        if abs(value) >= least:
            return f"{value:.{digits}f}"
    return f"{value:.3g}"


def ratio(value):
    if value is None:
        return "-"
    digits = next((digits for least, digits in ((100, 0), (0.1, 2), (0.001, 3)) if value >= least), None)
    return f"{value:,.{digits}f}" if digits is not None else "< 0.001" if value else "0"


def spread(numbers, middle, form=number):
    """median (least to greatest)"""
    if not numbers or any(n is None for n in numbers):
        return "-"
    if min(numbers) == max(numbers):
        return form(middle)
    return f"{form(middle)} ({form(min(numbers))} to {form(max(numbers))})"


def columns(rows, right=()):
    """Lines of cells; of the columns @right the cells stand at the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [cell.rjust(width) if i in right else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        yield "  ".join(cells).rstrip()


def wrap(line, indent=""):
    return textwrap.wrap(line, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False) or [""]


def named(row):
    return f"{row['name']}, {row['unit']}" if row["unit"] else row["name"]


def of_measures(rows):
    cells = [("", "bare", "grove", "grove/bare, by pairs", "under grove")]
    for row in rows:
        cells.append((named(row), spread(row["bare"], row["median"]["bare"]), spread(row["grove"], row["median"]["grove"]),
                      spread(row["ratio"], row["median"]["ratio"], ratio), row["reading"]))
    return columns(cells)


def of_differences(differences):
    yield "The answers differ:"
    for found in differences:
        yield f"  {found['what']}"
        for side in ("bare", "grove"):
            first, *rest = found[side].splitlines() or [""]
            yield f"    {side:5} {first}"
            yield from (f"          {line}" for line in rest)


def of_sweep(points):
    names = [name for name in SWEPT if any(row["name"] == name for point in points for row in point["measures"])]
    for name in names:
        found = [(point, next((row for row in point["measures"] if row["name"] == name), None)) for point in points]
        unit = next(row["unit"] for _, row in found if row)
        cells = [("N", "bare", "grove", "grove/bare, by pairs", "under grove")]
        for point, row in found:
            row, failed = row or NO_ROW, point["failed"]
            sides = ["fell over" if failed[side] else spread(row[side], row["median"][side]) for side in ("bare", "grove")]
            cells.append((str(point["n"]), *sides, spread(row["ratio"], row["median"]["ratio"], ratio), row["reading"]))
        yield ""
        yield f"{name}, {unit}" if unit else name
        yield from ("  " + line for line in columns(cells, right=(0,)))


def of_calls(calls, requests):
    """By name, the most frequent first; with their share in a request where that is known."""
    rows = sorted(set(calls["bare"]) | set(calls["grove"]), key=lambda name: -max(calls[side].get(name, 0) for side in calls))

    def line(what, names):
        sums = {side: sum(calls[side].get(name, 0) for name in names) for side in ("bare", "grove")}
        each = [ratio(sums[side] / requests[side]) for side in sums] if requests else []
        return what, *(f"{n:,}" for n in sums.values()), *each

    head = ("system calls", "bare", "grove", *(("bare, per request", "grove") if requests else ()))
    cells = [head, *(line(name, [name]) for name in rows[:MOST_CALLS])]
    if len(rows) > MOST_CALLS:
        cells.append(line(f"{len(rows) - MOST_CALLS} others", rows[MOST_CALLS:]))
    return columns([*cells, line("all", rows)], right=(1, 2, 3, 4))


def lines(report):
    """Differences first; then the figures, then what they say."""
    if report["differences"]:
        yield from of_differences(report["differences"])
        yield ""
    yield f"{shlex.join(report['command'])}"
    if report["load"]:
        yield f"load: {report['load']}"
    pairs = f"{report['runs']} pair{'s' if report['runs'] != 1 else ''} of runs{' for each N' if report['sweep'] else ''}"
    machine = "{cores} processors ({processor}), Linux {kernel}".format(**report["machine"])
    yield f"{pairs}, bare and under grove {report['grove']} in turn; {machine}"
    if report["measures"]:
        yield ""
        yield from of_measures(report["measures"])
    if report["sweep"]:
        yield from of_sweep(report["sweep"])
    if report["syscalls"]:
        yield ""
        yield from of_calls(report["syscalls"], report["syscall_requests"])
    if report["reading"]:
        yield ""
    for line in report["reading"]:
        yield from wrap(line)


def text(report):
    return "\n".join(lines(report)) + "\n"
