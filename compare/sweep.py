"""--sweep: the comparison for each number of connections, until both sides have fallen over."""
import answers
import report

FAILURES = 0.01         # the share of requests that may fail before a side has fallen over


def too_many_errors(run):
    errors = sum(run.errors.values())
    if run.failed or not errors:
        return
    if run.requests is None or errors > FAILURES * (run.requests + errors):
        answered = "" if run.requests is None else f"; {run.requests:,} requests were answered"
        run.fail(", ".join(f"{n:,} {what}" for what, n in run.errors.items() if n) + answered, hopeless=False)


def load_failed(run):
    status = run.answers.get("exit status of the load command", "0")
    if not run.failed and status != "0":
        run.fail(f"the load command ended with {status}", hopeless=False)


def one_run(make, side, n):
    run = make(side, n)
    too_many_errors(run)
    load_failed(run)
    return run


def point(make, n, pairs, fallen):
    """Runs of both sides in turn, but those of a side that has fallen over: @fallen, {side: N}."""
    runs = {"bare": [], "grove": []}
    failed = {side: f"fell over at {fallen[side]}" if side in fallen else None for side in runs}
    for _ in range(pairs):
        for side in [side for side in runs if not failed[side]]:
            run = one_run(make, side, n)
            if run.failed:
                failed[side] = run.failed + (f": {run.output.splitlines()[-1]}" if run.output else "")
                fallen[side] = n
                runs[side] = []
            else:
                runs[side].append(run)
    differences, notes = answers.compare(runs["bare"], runs["grove"]) if runs["bare"] and runs["grove"] else ([], [])
    if fallen.get("grove") == n and not failed["bare"]:
        differences.insert(0, answers.difference("the run", "well", failed["grove"]))
    paired = len(runs["bare"]) == len(runs["grove"]) or not runs["bare"] or not runs["grove"]
    rows = report.measures(runs["bare"], runs["grove"]) if paired else []
    return {"n": n, "measures": rows, "differences": differences, "failed": failed}, runs, notes


def fell(points):
    for side, name in (("bare", "Bare"), ("grove", "Under grove")):
        where = next((p for p in points if p["failed"][side]), None)
        if where:
            yield f"{name} it falls over at {where['n']:,}: {where['failed'][side]}."
        else:
            yield f"{name} it did not fall over up to {points[-1]['n']:,}."


def build(plan, version, make, hopeless, counts, pairs):
    """The report; @make(side, n) makes a run; @hopeless(run) raises if a bare run shows that there is nothing to compare."""
    hopeless(make("bare", counts[0]))       # this pair is thrown away: the machine warms up
    make("grove", counts[0])
    points, fallen, lines, everything = [], {}, [], {"bare": [], "grove": []}
    for n in counts:
        found, runs, notes = point(make, n, pairs, fallen)
        points.append(found)
        first = report.first_of(found["measures"])
        lines += [f"N = {n:,}: {line}" for line in ([report.verdict(first)] if first else []) + notes]
        for side in runs:
            everything[side] += runs[side]
        if len(fallen) == 2:
            break
    lines = [*fell(points), *lines, *report.few(pairs), *report.about_grove(everything["bare"], everything["grove"])]
    if everything["bare"] and everything["grove"]:
        lines += report.limits(everything["bare"], everything["grove"], plan)
    result = report.build(plan, version, [])
    result.update(runs=pairs, reading=lines, sweep=points, measures=[],
                  differences=[dict(d, what=f"{d['what']} (N = {p['n']})") for p in points for d in p["differences"]])
    return result
