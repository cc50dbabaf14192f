"""System calls by name, from an extra run of each side under strace; these two are not timed."""
import re
import shutil


def available():
    return shutil.which("strace") is not None


def parse(summary):
    """{name: count} of what strace -c wrote: a column of calls, one of errors that may be blank, and the name at the end."""
    found = {}
    for line in summary.splitlines():
        row = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?([a-z_]\w*)$", line)
        if row and row[2] != "total":
            found[row[2]] = found.get(row[2], 0) + int(row[1])
    return found


def count(runner, side, n=None):
    """(calls, requests answered meanwhile, why it failed).  The tracer has a process group of its own, so that the
    signal that ends the program leaves it alone."""
    path = runner.folder / "calls"
    path.write_text("")
    run = runner.run(side, n, before=["strace", "-f", "-c", "-DD", "-o", str(path)])
    return parse(path.read_text()), run.requests, run.failed
