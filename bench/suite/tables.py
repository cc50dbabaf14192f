"""tables.py - results for people: on the terminal, and in docs/PERFORMANCE.md"""
import re
import statistics

from suite.programs import TOP

DOCUMENT, README = TOP / "docs/PERFORMANCE.md", TOP / "README.md"


def number(value):
    """Three digits that count; thousands apart."""
    if value is None:
        return "-"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.3g}"


def ratio(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value >= 100 else f"{value:.2f}"


def wanted(goal):
    return f"{'at least' if goal['least'] else 'at most'} {goal['limit']:,g}{' ' + goal['unit'] if goal['unit'] else ''}"


def verdict(goal):
    return {None: "not measured", True: "met", False: "missed"}[goal["met"]]


def shown(goal):
    """The median, and the least and greatest; the median in full where it misses the limit by less than is seen otherwise."""
    if goal["median"] is None:
        return "-"
    unit = f" {goal['unit']}" if goal["unit"] else ""
    median = number(goal["median"])
    if goal["met"] is False and median == number(goal["limit"]):
        median = f"{goal['median']:.5g}"
    return f"{median}{unit} ({number(goal['from'])} to {number(goal['to'])})"


def rows(result):
    """One for each side that was measured: side, ratio, its least, its greatest, the figure, the other figures."""
    for side, ratios in result["ratios"].items():
        others = [statistics.median(more["sides"][side]) if side in more["sides"] else None for more in result["more"]]
        yield side, statistics.median(ratios), min(ratios), max(ratios), statistics.median(result["sides"][side]), others


def more_head(more):
    """A figure's name and unit; the name ends with the unit if none is given."""
    return f"{more['figure']} {more['unit']}".strip().rjust(9)


def side_name(result, side):
    return f"{side} (limit)" if side == result["limit"] else side


def rounds(result):
    count = f"{result['rounds']} round{'s' if result['rounds'] != 1 else ''}"
    return f"{count} only, as there was no time for more" if result.get("short") else count


def print_result(result):
    """The table of one bench: the ratio first."""
    heads = [more_head(more) for more in result["more"]]
    print(f"{result['name']}: {result['what']}{' (more is better)' if result['most'] else ''}")
    line = f"  {'ratio':>8} {'least':>8} {'most':>8} {result['unit']:>22}  {'':15}"
    print(line + "".join(f"{head:>{len(head) + 3}}" for head in heads))
    for side, middle, least, most, figure, others in rows(result):
        line = f"  {ratio(middle):>8} {ratio(least):>8} {ratio(most):>8} {number(figure):>22}  {side_name(result, side):15}"
        print(line + "".join(f"{number(other):>{len(head) + 3}}" for head, other in zip(heads, others)))
    for side, why in result["missing"].items():
        print(f"  {side}: skipped, {why}")
    for side, why in result["failed"].items():
        print(f"  {side}: FAILED, {why}")
    for goal in result["goals"]:
        print(f"  {goal['what']}: {shown(goal)}; wanted {wanted(goal)}: {verdict(goal)}")
    print(f"  {rounds(result)}, {result['seconds']:.0f} s\n", flush=True)


def minutes(results):
    return sum(result["seconds"] for result in results["benches"]) / 60


def print_summary(results):
    print("summary, medians:")
    for result in results["benches"]:
        for goal in result["goals"]:
            print(f"  {goal['what']:64} {shown(goal):32} {wanted(goal):16} {verdict(goal)}")
    print(f"{len(results['benches'])} benches, {minutes(results):.1f} minutes")


# --- docs/PERFORMANCE.md -----------------------------------------------------------------------------------------------------

def machine_lines(results):
    machine = results["machine"]
    peers = ", ".join(f"{name} {version}" for name, version in machine["peers"].items())
    kind = "virtual machine" if machine["virtual"] else "machine"
    run, fsgsbase = "quick" if results["quick"] else "full", "on" if machine["FSGSBASE"] else "off"
    return [f"{machine['cores']}-core {kind}, {machine['processor']}, {machine['memory GB']:g} GB; {machine['system']}, "
            f"Linux {machine['kernel']}, {machine['libc']}; FSGSBASE {fsgsbase}. grove {machine['grove']}.", "",
            f"A {run} run, {minutes(results):.0f} minutes; load average when it began: {machine['load']:.1f}.", "",
            f"Peers: {peers or 'none installed'}."]


GOALS_HEAD = ["| measure | wanted | median (least to greatest) | |", "| --- | --- | --- | --- |"]


def known_as(measure):
    """By which a quick run's measure, which tells that it took fewer, is that of a full run."""
    return re.sub(r", here [\d,]+( [KMG]B)?", "", measure)


def goal_rows(results):
    """{measure: row}"""
    goals = [goal for result in results["benches"] for goal in result["goals"]] + results.get("left_out", [])
    return {known_as(goal["what"]): f"| {goal['what']} | {wanted(goal)} | {shown(goal)} | {verdict(goal)} |" for goal in goals}


def bench_lines(result):
    more = "".join(f" {more_head(m).strip()} |" for m in result["more"])
    better = " More is better." if result["most"] else ""
    lines = [f"### {result['name']}", f"{result['what']}.{better} {rounds(result)[0].upper() + rounds(result)[1:]}.", "",
             f"| ratio | (least to greatest) | {result['unit']} | |{more}",
             "| ---: | --- | ---: | --- |" + " ---: |" * len(result["more"])]
    for side, middle, least, most, figure, others in rows(result):
        about = f": {result['about'][side]}" if result["about"].get(side) else ""
        line = f"| {ratio(middle)} | {ratio(least)} to {ratio(most)} | {number(figure)} | {side_name(result, side)}{about} |"
        lines.append(line + "".join(f" {number(other)} |" for other in others))
    lines += [""] + [f"{side}: not measured, {why}." for side, why in {**result["missing"], **result["failed"]}.items()]
    return lines if lines[-1] == "" else lines + [""]


def replace_part(text, part, lines):
    """What stands between the marks of that part."""
    begin, end = f"<!-- {part}: made by bench/run --document -->\n", f"<!-- end of {part} -->"
    head, rest = text.split(begin)
    return head + begin + "\n".join(lines).rstrip() + "\n" + end + rest.split(end, 1)[1]


def quoted(text, rows):
    """README's rows, of the measures that it quotes now."""
    begin, end = "<!-- figures: made by bench/run --document -->\n", "<!-- end of figures -->"
    now = text.split(begin)[1].split(end)[0].splitlines()
    measures = [line.split("|")[1].strip() for line in now if line.startswith("|")]
    return GOALS_HEAD + [rows[known_as(measure)] for measure in measures if measure not in ("measure", "---")]


def document(results):
    """Writes docs/PERFORMANCE.md and the rows that README quotes; returns their paths."""
    rows = goal_rows(results)
    text = DOCUMENT.read_text(encoding="utf-8")
    for part, lines in (("machine", machine_lines(results)), ("goals", GOALS_HEAD + list(rows.values())),
                        ("tables", [line for result in results["benches"] for line in bench_lines(result)])):
        text = replace_part(text, part, lines)
    DOCUMENT.write_text(text, encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    README.write_text(replace_part(text, "figures", quoted(text, rows)), encoding="utf-8")
    return f"{DOCUMENT.relative_to(TOP)}, {README.relative_to(TOP)}"
