"""The command line of grove compare, its progress line, and the order of things."""
import argparse
import functools
import json
import os
import re
import signal
import subprocess
import sys
import time

import calls
import kept
import report
import run
import sweep
import table
import tree
from progress import Progress
from runner import Runner

LINGER = 70             # seconds that a port may stay in TIME_WAIT
DIFFERENT, USAGE, NOTHING, CANNOT, MISSING = 1, 2, 3, 126, 127

USAGE_LINE = """grove compare [--load COMMAND] [--ready HOST:PORT|PATTERN] [--runs N] [--sweep N,N,...] [--syscalls]
                     [--limit SECONDS] [--html FILE] [--json FILE] [--] program [arguments]"""

DESCRIPTION = "Run a program bare and under grove in turn, and tell what differs."

EPILOG = """Exit status: 0; 1 if the program's answers differ; 2 for wrong usage; 3 if there is nothing to compare, as the bare
program or the load command fails; 126 or 127 for a program that grove cannot run, or that is not found.
A program that is called compare is run by `grove -- compare'."""


class Trouble(Exception):
    """Ends the command with a line and a status."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Trouble(USAGE, f"{message}; see `grove compare --help'")


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def duration(text):
    seconds = float(text)
    if not 0 < seconds < 1e6:
        raise ValueError
    return seconds


def ascending(text):
    numbers = [positive(part) for part in text.split(",")]
    if sorted(set(numbers)) != numbers:
        raise ValueError
    return numbers


def parser():
    p = Parser(prog="grove compare", usage=USAGE_LINE, description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False,
               formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--load", metavar="COMMAND", help="a shell command that puts load on the program; {PORT} and {PID} are its")
    p.add_argument("--ready", metavar="WHEN",
                   help="HOST:PORT: the program is ready when it listens there; anything else: when its output matches this "
                   "regular expression, whose first group is {PORT} (without: when it listens anywhere)")
    p.add_argument("--runs", metavar="N", type=positive, default=5, help="pairs of runs that count (5); one more is thrown away")
    p.add_argument("--sweep", metavar="N,N,...", type=ascending, help="compare for each of these numbers; {N} in the load command")
    p.add_argument("--syscalls", action="store_true", help="also count system calls by name, in extra runs under strace")
    p.add_argument("--limit", metavar="SECONDS", type=duration,
                   help="how long a run may last (600; under grove 60, and 20 times a bare run)")
    p.add_argument("--html", metavar="FILE", help="write the report as a page with charts")
    p.add_argument("--json", metavar="FILE", help="write the report as JSON; -: to standard output, the table to standard error")
    return p


def split(arguments, options):
    """(options, program with its arguments): the program begins after --, or with the first word that is no option."""
    takes_value = {name for action in options._actions if action.nargs != 0 for name in action.option_strings}
    i = 0
    while i < len(arguments):
        word = arguments[i]
        if word == "--":
            return arguments[:i], arguments[i + 1:]
        if not word.startswith("-") or word == "-":
            break
        i += 2 if word in takes_value else 1
    return arguments[:i], arguments[i:]


def understand(arguments):
    options = parser()
    ours, program = split(arguments, options)
    args = options.parse_args(ours)
    if not program:
        options.error("name a program to compare")
    if args.sweep and not (args.load and run.fill(args.load, N="") != args.load):
        options.error("--sweep needs --load with {N} in it")
    if args.ready and not args.load:
        options.error("--ready is for programs under --load; without it they run to their end")
    if args.syscalls and not calls.available():
        options.error("--syscalls needs strace, which is not installed (Debian: apt-get install strace)")
    try:
        re.compile(args.ready or "")
    except re.error as e:
        options.error(f"--ready {args.ready}: no regular expression: {e}")
    args.program = program
    return args


def check(launcher, program):
    """Says what the launcher would say of a program that it cannot run."""
    command = [launcher, "--explain", "--", program[0]]
    seen = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if seen.returncode:
        kept.signals.check()
        raise Trouble(seen.returncode, seen.stderr.strip().removeprefix("grove: ") or f"{program[0]}: cannot be run under grove")


def may_write(path):
    """Better now than after minutes of measuring."""
    if path and path != "-":
        try:
            open(path, "a", encoding="utf-8").close()
        except OSError as e:
            raise Trouble(USAGE, f"{path}: {e.strerror}") from e


def hopeless(bare):
    """Nothing can be compared if bare it cannot be run."""
    if bare.failed and bare.hopeless:
        said = f"\n{bare.output}" if bare.output else ""
        raise Trouble(NOTHING, f"nothing to compare: the bare run failed: {bare.failed}{said}")


def make_run(runner, progress, side, n=None):
    progress.run(side, n)
    made = retry(runner, progress, side, n)
    progress.ended(made.took)
    return made


def retry(runner, progress, side, n):
    """A server without SO_REUSEADDR cannot bind while connections of the run before are in TIME_WAIT."""
    made = runner.run(side, n)
    until = time.monotonic() + LINGER
    if made.failed and runner.ports and tree.lingering(runner.ports) and "before it was ready" in made.failed:
        runner.lingered += 1
        while tree.lingering(runner.ports) and time.monotonic() < until:
            progress.say("waiting until its port is free (TIME_WAIT)")
            kept.wait([], lambda: False, kept.milliseconds() + 500)
        made = runner.run(side, n)
    return made


def pairs_of(runner, progress, runs):
    """The first is thrown away; no more are made when the program cannot do it under grove."""
    pairs = []
    for _ in range(runs + 1):
        bare = make_run(runner, progress, "bare")
        hopeless(bare)
        pairs.append((bare, make_run(runner, progress, "grove")))
        if pairs[-1][1].failed and pairs[-1][1].hopeless:
            break
    return pairs


def count_calls(result, runner, progress, n):
    found, requests = {}, {}
    for side in ("bare", "grove"):
        progress.run(side, n)
        found[side], requests[side], failed = calls.count(runner, side, n)
        progress.ended(0)
        if failed:
            result["reading"].append(f"Under strace, {side}: {failed}.")
    result.update(syscalls=found, syscall_requests=requests if all(requests.values()) and result["load"] else None)


def compare(args, launcher, version):
    plan = run.Plan(args.program, launcher, args.load, args.ready, args.limit)
    progress = Progress(2 * (1 + args.runs * len(args.sweep or [0]) + args.syscalls))
    runner = Runner(plan, progress.say)
    try:
        if args.sweep:
            make = functools.partial(make_run, runner, progress)
            result = sweep.build(plan, version, make, hopeless, args.sweep, args.runs)
        else:
            pairs = pairs_of(runner, progress, args.runs)
            result = report.build(plan, version, pairs)
            if not result["measures"] and not result["differences"]:
                why = next(made.failed for pair in pairs[1:] for made in pair if made.failed)
                raise Trouble(NOTHING, f"nothing to compare: {why}")
        if runner.lingered:
            result["reading"].append(f"{runner.lingered} times its port had to become free first: connections of the run before were "
                                     "in TIME_WAIT, and it binds without SO_REUSEADDR.")
        if args.syscalls:
            count_calls(result, runner, progress, args.sweep[0] if args.sweep else None)
        return result
    finally:
        progress.clear()
        if kept.alive:
            progress.say("stopping what runs")
            kept.stop_all()
            progress.clear()
        runner.close()


def write(result, args):
    text = table.text(result)
    if args.json == "-":
        print(json.dumps(result, indent=1, ensure_ascii=False))
        sys.stderr.write(text)
    else:
        sys.stdout.write(text)
    if args.json and args.json != "-":
        with open(args.json, "w", encoding="utf-8", errors="replace") as f:
            json.dump(result, f, indent=1, ensure_ascii=False)
            f.write("\n")
    if args.html:
        import page
        with open(args.html, "w", encoding="utf-8", errors="replace") as f:
            f.write(page.page(result))
    sys.stdout.flush()


def try_to_write(result, args):
    try:
        write(result, args)
    except BrokenPipeError:
        raise
    except OSError as e:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)    # what is still to be written there when we end
        raise Trouble(USAGE, f"the report cannot be written: {e.strerror}") from e


def die_by(number):
    """As if the signal had ended us, so that a script that called us ends too."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


def main(launcher, arguments):
    kept.signals = kept.Signals()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")
    try:
        args = understand(arguments)
        check(launcher, args.program)
        may_write(args.html)
        may_write(args.json)
        version = subprocess.run([launcher, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1]
        result = compare(args, launcher, version)
        try_to_write(result, args)
    except Trouble as trouble:
        print(f"grove: compare: {trouble}", file=sys.stderr)
        return trouble.status
    except kept.Interrupted as interrupted:
        return die_by(interrupted.number)
    except BrokenPipeError:             # who read the table has had enough
        return die_by(signal.SIGPIPE)
    return DIFFERENT if result["differences"] else 0
