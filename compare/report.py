"""All of a comparison as one dictionary, which --json writes and from which table and page are made; its form is in the man page.

Also the lines of reading: what the figures say, and how far they can be trusted.
"""
import os
import platform
import re
import statistics

import answers
import figures
import tree

VERSION = 1             # of the form
ORDER = ("throughput", "p50", "p90", "p95", "p99", "p99.9", "p99.99", "mean latency", "time it tells", "wall time", "",
         "CPU user", "CPU system", "CPU per request", "kernel threads", "voluntary switches", "involuntary switches",
         "minor faults", "resident memory", "proportional memory", "kernel stacks", "page tables")
FIRST = ("throughput", "time it tells", "wall time")    # the first of these that is there tells who is faster
TOLD = ("p50", "p99", "CPU per request", "proportional memory")
ENOUGH = 5              # pairs of runs
BUSY = 0.1              # a share of the machine that others may use


def machine():
    cpu = re.search(r"^model name\s*:\s*(.*)", tree.text("/proc/cpuinfo"), re.M)
    memory = re.search(r"^MemTotal:\s*(\d+)", tree.text("/proc/meminfo"), re.M)
    return {"processor": cpu[1] if cpu else platform.machine(), "cores": len(os.sched_getaffinity(0)),
            "memory_kb": int(memory[1]) if memory else None, "kernel": platform.release(), "libc": " ".join(platform.libc_ver())}


def rank(name):
    return ORDER.index(name) if name in ORDER else ORDER.index("")


def measures(bare, grove):
    """Rows of what all runs of both sides have, or all of the one side where the other has no runs."""
    found = {name: run.figures[name] for run in [*bare, *grove] for name in reversed(run.figures)}

    names = [name for name in sorted(reversed(found), key=rank) if all(name in run.figures for run in [*bare, *grove])]

    def values(runs, name):
        return [run.figures[name][0] for run in runs]

    return [figures.measure(name, *found[name][1:], values(bare, name), values(grove, name), len(names)) for name in names]


# --- the reading -------------------------------------------------------------------------------------------------------------

def times(row):
    """How many times what it is bare, with the least and the greatest pair."""
    if row["median"]["ratio"] is None:
        return f"{row['median']['bare']:g} bare, {row['median']['grove']:g} under grove"
    return f"{short(row['median']['ratio'])} times ({short(min(row['ratio']))} to {short(max(row['ratio']))})"


def short(ratio):
    """Three digits of it."""
    return next((f"{ratio:.{digits}f}" for least, digits in ((100, 0), (10, 1), (0.1, 2)) if ratio >= least), f"{ratio:.3f}")


def percent(noise):
    return f" (±{100 * noise:.{0 if noise >= 0.1 else 1}f} %)" if noise is not None and noise < 10 else ""


def first_of(rows):
    """The row that tells who is faster."""
    return next((row for name in FIRST for row in rows if row["name"] == name and row["bare"] and row["grove"]), None)


def verdict(row):
    what = row["name"]
    if row["reading"] == "better":
        return f"Under grove it is faster: {what} {times(row)} that of the bare program."
    if row["reading"] == "worse":
        return f"Grove slows this program down: {what} {times(row)} that of the bare program."
    if row["reading"] == "one pair only":
        return f"One pair of runs tells nothing about noise: {what} {times(row)}."
    return f"No difference larger than the noise{percent(row['noise'])} in {what}."


def the_others(rows, first):
    """One line for what is better, one for what is worse, one for what does not differ."""
    told = [row for row in rows if row is not first and row["name"] in TOLD]
    for reading in ("better", "worse"):
        found = [f"{row['name']} {times(row)}" for row in told if row["reading"] == reading]
        if found:
            yield f"{reading.capitalize()} under grove: {', '.join(found)}."
    found = [row["name"] + percent(row["noise"]) for row in rows if row is not first and row["reading"] == "noise"]
    if found:
        yield f"No difference larger than the noise: {', '.join(found)}."


def few(pairs):
    if 1 < pairs < ENOUGH:
        yield f"{pairs} pairs of runs tell only large differences from noise; --runs {ENOUGH} or more tells smaller ones."


def cores(runs):
    return statistics.median(run.cpu / run.lasted for run in runs) if all(run.lasted for run in runs) else 0


def why_slower(row, bare, grove):
    b, g = cores(bare), cores(grove)
    if row["reading"] == "worse" and b > 1.2 > g:
        yield (f"Bare, its threads kept {b:.1f} processors busy at once; under grove all share one kernel thread, which kept "
               f"{g:.1f} busy.")


def limits(bare, grove, plan):
    """What else may stand behind the figures."""
    available = len(os.sched_getaffinity(0))
    for side, runs in (("Bare", bare), ("Under grove", grove)):
        if not plan.load or not all(run.lasted for run in runs):
            continue
        tool = statistics.median(run.load_cpu / run.lasted for run in runs)
        if available > 1 and cores(runs) + tool > 0.95 * available:
            yield f"{side}, program and load command together used all {available} processors: each takes time from the other."
        elif 0.95 < tool < 1.05:
            yield (f"{side}, the load command kept one processor busy all the time, so it may be what limits throughput; "
                   "see CPU per request.")
    others = statistics.median(run.elsewhere for run in [*bare, *grove])
    if others > BUSY:
        yield (f"Other processes used {100 * others:.0f} % of the machine meanwhile; a program with many kernel threads gets more "
               "of a busy machine than one with a single thread.")


def about_grove(bare, grove):
    without = sorted({name for run in grove for name, has in run.grove_in.items() if not has})
    if without:
        yield (f"Ran without grove on the side of grove: {', '.join(without)} "
               "(statically linked, or LD_PRELOAD was taken from its environment).")
    having = sorted({name for run in bare for name, has in run.grove_in.items() if has})
    if having:
        yield f"Ran under grove on the bare side too: {', '.join(having)}."


def steady_failures(bare, grove):
    for name in answers.STATUS:
        seen = {run.answers.get(name) for run in [*bare, *grove]}
        if len(seen) == 1 and seen - {None, "0"} and (name != "how it ends when it is stopped"):
            yield f"On both sides, {name}: {seen.pop()}."


def reading(rows, bare, grove, plan, notes):
    """Lines, the most important first."""
    first = first_of(rows)
    lines = [verdict(first)] if first else []
    if first:
        lines += [*the_others(rows, first), *why_slower(first, bare, grove)]
    if any(row["reading"] == "noise" for row in rows):
        lines += few(len(bare))
    lines += [*steady_failures(bare, grove), *notes, *about_grove(bare, grove), *limits(bare, grove, plan)]
    lines += sorted({run.advice for run in [*bare, *grove] if run.advice})
    if any(run.short for run in [*bare, *grove]):
        lines.append("The runs are too short to look at threads and memory more than a few times, so their peaks are not told.")
    return lines


def build(plan, version, pairs):
    """@pairs: of runs; the first is thrown away, but for its answers."""
    sides = [[pair[i] for pair in pairs] for i in (0, 1)]
    differences, notes = answers.compare(*sides)
    good = [pair for pair in pairs[1:] if not any(run.failed for run in pair)]
    counted = [[pair[i] for pair in good] for i in (0, 1)]
    rows = measures(*counted) if good else []
    return {"grove": version, "version": VERSION, "machine": machine(), "command": plan.command, "load": plan.load,
            "runs": len(good), "sample_ms": tree.USUAL, "differences": differences, "measures": rows,
            "reading": reading(rows, *counted, plan, notes) if rows else notes, "syscalls": None,
            "syscall_requests": None, "sweep": None}
