"""Did the program give the same answers under grove?

An exit status is a difference when no bare run ended so.  Errors that a load tool counts are one when runs under grove had some
and no bare run, or all bare runs and none under grove.  What bare runs answer always alike (the program's output, how many
requests were answered) must be the same under grove; where bare runs differ among themselves, nothing is said.  Nor is anything
said of another number of requests in as long a time: such a load runs for a time that it was told, and bare runs may have got to
the same number by chance, or because the server answers at a fixed rhythm.  The pair that is thrown away for the figures counts
here too.
"""
import collections
import statistics

TIMED = ("wrk",)        # load tools that cannot be told a number of requests
AS_LONG = 0.1           # of its time by which another tool that was told a time may miss that
STATUS = ("exit status", "how it ends when it is stopped", "exit status of the load command")


def told(values):
    """One text for what several runs said."""
    counts = collections.Counter(map(str, values))
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{value} ({n} of {len(values)} runs)" for value, n in counts.most_common(4))


def difference(what, bare, grove):
    return {"what": what, "bare": bare, "grove": grove}


def of_runs(bare, grove):
    fell = [run.failed for run in grove if run.failed]
    if fell:
        yield difference("the run", told([run.failed or "well" for run in bare]), told([run.failed or "well" for run in grove]))


def of_status(what, bare, grove):
    if set(grove) - set(bare):
        yield difference(what, told(bare), told(grove))


def first_line(bare, grove):
    """What the first line says in which they differ."""
    for number, (b, g) in enumerate(zip(bare, grove), 1):
        if b != g:
            return tuple(f"line {number}: {line.rstrip()[:120]!r}" for line in (b, g))
    return f"{len(bare)} lines", f"{len(grove)} lines"


def of_output(bare, grove, notes):
    if len(bare) < 2 or len(set(bare)) > 1 or set(grove) <= set(bare):
        return
    expected = bare[0].splitlines(keepends=True)
    for other in (output.splitlines(keepends=True) for output in grove if output != bare[0]):
        if sorted(expected) != sorted(other):
            yield difference("output", *first_line(expected, other))
            return
    notes.append("The output under grove has the same lines as bare, in another order.")


def of_counts(bare, grove):
    """How many requests were answered"""
    def counts(runs):
        return [run.requests for run in runs]

    if len(bare) < 2 or len(set(counts(bare))) > 1 or set(counts(grove)) <= set(counts(bare)):
        return
    time = statistics.median(run.lasted for run in bare)
    others = [run for run in grove if run.requests != bare[0].requests]
    if any(abs(run.lasted - time) > AS_LONG * time for run in [*bare, *others]):
        yield difference("requests answered", told(counts(bare)), told(counts(grove)))


def of_errors(what, bare, grove, notes):
    b, g = sum(map(bool, bare)), sum(map(bool, grove))
    if (b == 0) != (g == 0) and (b == 0 or b == len(bare)):
        yield difference(what, told(bare), told(grove))
    elif b or g:
        notes.append(f"{what}: bare {told(bare)}; under grove {told(grove)}.")


def compare(bare, grove):
    """(differences, notes) of the runs of both sides."""
    found, notes = list(of_runs(bare, grove)), []

    def values(runs, name):
        return [run.answers[name] for run in runs if name in run.answers]

    for name in dict.fromkeys(name for run in [*bare, *grove] for name in run.answers):
        b, g = values(bare, name), values(grove, name)
        if not b or not g:
            continue
        if name in STATUS:
            found += of_status(name, b, g)
        elif name == "output":
            found += of_output(b, g, notes)
    counted = ([run for run in runs if run.requests is not None and run.tool not in TIMED] for runs in (bare, grove))
    found += of_counts(*counted)
    for name in dict.fromkeys(name for run in [*bare, *grove] for name in run.errors):
        b, g = ([run.errors.get(name, 0) for run in runs if run.tool] for runs in (bare, grove))
        if b and g:
            found += of_errors(name, b, g, notes)
    return found, notes
