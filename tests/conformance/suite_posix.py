"""The Open POSIX test suite: each case bare and under grove.  A case counts as different if it did anything under grove that it
never did bare; both are tried several times before that is said, since some cases depend on luck."""
import collections
import glob
import os
import re
import signal
import subprocess

from common import HUNG, Result, Skip, in_parallel, run, signal_of, table

PACKAGE = "posixtestsuite"
FOLDER = "conformance/interfaces"
AREAS = [
    ("threads, semaphores, sched_yield", r"pthread_|sem_|sched_yield"),
    ("signals", r"sig|raise/|kill"),
    ("timers", r"timer_"),
    ("nanosleep, clock_nanosleep", r"nanosleep|clock_nanosleep"),
    ("message queues", r"mq_"),
    ("asynchronous I/O", r"aio_|lio_listio"),
    ("fork", r"fork"),
]
# These use names of the whole machine, or measure time closely: one after another; as do those that ask for real-time priorities
ALONE = re.compile(r"sem_|mq_|pthread_spin|timer_getoverrun|fork/9")
PRIORITIES = re.compile(r"SCHED_(FIFO|RR)")
CFLAGS = ["-O1", "-g", "-w", "-std=gnu99", "-D_GNU_SOURCE", "-D_POSIX_C_SOURCE=200112L", "-Wno-error=implicit-function-declaration",
          "-Wno-error=int-conversion", "-Iinclude", "-ftrivial-auto-var-init=zero"]     # some look at what they never set
UNSTEADY = 60      # tries bare, of what passes at times under grove
WORDS = {HUNG: HUNG, 0: "pass", 1: "fail", 2: "unresolved", 4: "unsupported", 5: "untested"}


def area_of(name):
    return next((area for area, pattern in AREAS if re.match(pattern, name)), None)


def fetch(work):
    """The folder of the unpacked suite; it is kept between runs."""
    pattern = f"{work}/{PACKAGE}-*/conformance"
    if not glob.glob(pattern):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fetch")
        done = subprocess.run([script, PACKAGE, work], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode == 77:
            raise Skip(done.stdout.strip().splitlines()[-1])
        done.check_returncode()
        renew(os.path.dirname(glob.glob(pattern)[0]))
    return os.path.dirname(glob.glob(pattern)[0])


def renew(top):
    """The cases of aio_ want POSIX of 2001 and no newer one; what they test is the same in both."""
    for path in glob.glob(f"{top}/{FOLDER}/*/*.c"):
        with open(path, encoding="latin-1") as source:
            text = source.read()
        if "_POSIX_ASYNCHRONOUS_IO != 200112L" in text:
            with open(path, "w", encoding="latin-1") as source:
                source.write(text.replace("_POSIX_ASYNCHRONOUS_IO != 200112L", "_POSIX_ASYNCHRONOUS_IO < 200112L"))


def build(top, source, compiler):
    """Compiles a case, unless that was done; false where it does not compile here."""
    binary = source[:-2] + ".test"
    if os.path.exists(f"{top}/{binary}"):
        return True
    done = subprocess.run([compiler, *CFLAGS, "-o", binary, source, "-pthread", "-lrt", "-lm"], cwd=top, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def cases(top, options):
    """Name and command of each case of our areas that compiles here.  Some are scripts, which give a program an argument."""
    sources = sorted(s for s in glob.glob(f"{FOLDER}/*/[0-9]*.c", root_dir=top) if area_of(s[len(FOLDER) + 1:]))
    built = in_parallel(os.cpu_count() or 1, lambda s: build(top, s, options.cc), sources)
    for source, works in zip(sources, built):
        if works and "buildonly" not in source:
            yield source[len(FOLDER) + 1:-2], ["./" + source[:-2] + ".test"]
    for script in sorted(s for s in glob.glob(f"{FOLDER}/*/[0-9]*.sh", root_dir=top) if area_of(s[len(FOLDER) + 1:])):
        with open(f"{top}/{script}", encoding="latin-1") as text:
            command = re.search(r"^(conformance/\S+-core-buildonly\.test.*)$", text.read(), re.M)
        if command:
            yield script[len(FOLDER) + 1:-3], command.group(1).split()


def word(status):
    number = signal_of(status)
    if number:
        return signal.Signals(number).name if number in list(signal.Signals) else f"signal {number}"
    return WORDS.get(status, f"status {status}")


class Runner:
    def __init__(self, options):
        self.options = options
        self.top = fetch(f"{options.work}/posix")
        self.env = dict(os.environ, LC_ALL="C")
        # Queues of more than 10 messages are for the privileged only, and some cases want them
        self.prefix = []
        if subprocess.run(["unshare", "--ipc", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            self.prefix = ["unshare", "--ipc", "sh", "-c", "echo 100 >/proc/sys/fs/mqueue/msg_max; exec \"$@\"", "sh"]

    def once(self, command, under, limit):
        status, _ = run(self.prefix + under + command, limit, cwd=self.top, env=self.env)
        return word(status)

    def both(self, case):
        """The outcomes bare and under grove; one each if they are the same at once.  In a quick run what takes long is left out.

        Some cases are unsteady by themselves: what passes at times under grove is given more chances to show that bare.
        """
        name, command = case
        limit, under = self.options.limit, [self.options.grove]
        bare = [self.once(command, [], 3 if self.options.quick else limit)]
        if self.options.quick and bare == [HUNG]:
            return name, None, None
        green = [self.once(command, under, limit)]
        while not set(green) <= set(bare) and len(bare) < self.options.again:
            bare.append(self.once(command, [], limit))
            green.append(self.once(command, under, limit))
        while set(green) > set(bare) == {"pass"} and len(bare) < UNSTEADY:
            bare.append(self.once(command, [], limit))
        return name, bare, green

    def is_alone(self, case):
        source = f"{self.top}/{FOLDER}/{case[0]}.c"
        if ALONE.match(case[0]) or not os.path.exists(source):
            return True
        with open(source, encoding="latin-1") as text:
            return PRIORITIES.search(text.read()) is not None

    def all(self, chosen):
        alone = [case for case in chosen if self.is_alone(case)]
        beside = [case for case in chosen if case not in alone]
        return in_parallel(self.options.jobs, self.both, beside) + in_parallel(1, self.both, alone)


def count(outcomes):
    return ", ".join(f"{what} {n}x" if n > 1 else what for what, n in collections.Counter(outcomes).items())


def run_suite(options):
    runner, result = Runner(options), Result()
    outcomes = runner.all([case for case in cases(runner.top, options) if options.wanted(case[0])])
    areas = {area: [0, 0, 0, 0] for area, _ in AREAS}
    for name, bare, green in outcomes:
        if bare is None:
            continue
        different = not set(green) <= set(bare)
        result.add(name, f"bare: {count(bare)}; under grove: {count(green)}" if different else None)
        for i, is_so in enumerate([True, "pass" in bare, "pass" in green, different]):
            areas[area_of(name)][i] += is_so
    rows = [[area, *numbers] for area, numbers in areas.items() if numbers[0]]
    rows.append(["all", *(sum(row[i] for row in rows) for i in range(1, 5))])
    result.tables = list(table(["area", "cases", "pass bare", "pass under grove", "differ"], rows))
    return result
