"""Real servers and clients under load, traced: the only blocking call on a carrier is the hub's own wait.

The programs are those of tests/programs.  A call is judged by its kind and arguments, not by how long it took, so it does not matter
how busy the machine is: what can wait in the kernel and was not told not to is a finding, even if it did not wait this time.
"""
import glob
import os
import re
import shutil
import tempfile

from common import Result, Skip, in_parallel, run, table

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = ["ab", "dns", "glib", "hackbench", "iperf", "memcached", "microsocks", "perl", "python_futures",
            "python_http", "python_threads", "redis", "siege", "sysbench", "tinyproxy"]
QUICK = ["ab", "hackbench", "memcached", "microsocks", "python_threads", "tinyproxy"]
LIMIT = 240
OWN_FILES = {"/etc/nsswitch.conf"}      # which grove itself reads, where libc would

READS = {"read", "readv", "pread64", "preadv", "recvfrom", "recvmsg", "recvmmsg", "accept", "accept4"}
WRITES = {"write", "writev", "pwrite64", "pwritev", "sendto", "sendmsg", "sendmmsg", "connect"}
FLAGGED = {"preadv2", "pwritev2"}
SLEEPS = {"nanosleep", "clock_nanosleep", "pause", "rt_sigsuspend", "rt_sigtimedwait"}
SYNCS = {"fsync", "fdatasync", "sync_file_range", "syncfs", "sync", "msync"}
WAITS = {"wait4", "waitid"}
POLLS = {"poll", "ppoll", "select", "pselect6"}
EPOLLS = {"epoll_wait", "epoll_pwait", "epoll_pwait2"}
QUEUES = {"msgrcv", "msgsnd", "semop", "semtimedop", "mq_timedsend", "mq_timedreceive", "io_uring_enter", "io_getevents"}
NOTED = {"clone", "clone3", "fork", "vfork", "execve", "rt_sigaction", "fcntl", "socket", "accept4", "pipe2", "ioctl", "eventfd2",
         "timerfd_create", "signalfd4", "openat", "dup", "dup2", "dup3", "flock", "futex"}
CALLS = READS | WRITES | FLAGGED | SLEEPS | SYNCS | WAITS | POLLS | EPOLLS | QUEUES | NOTED

LINE = re.compile(r"(\w+)\((.*)\) += (.*)$")
DESCRIPTOR = re.compile(r"(\d+)<([^>]*)>")


def parse(path):
    with open(path, encoding="utf-8", errors="replace") as trace:
        return [found.groups() for found in map(LINE.match, trace) if found]


def what(args):
    """Number and identity of the descriptor a call is about."""
    found = DESCRIPTOR.match(args)
    return found.groups() if found else (None, "")


def key(args):
    number, name = what(args)
    return name if name.startswith(("socket:", "pipe:")) else number


def becomes_nonblocking(call, args, result):
    """The descriptors that this call makes, or tells of, as non-blocking."""
    if call == "fcntl" and ("F_SETFL" in args and "O_NONBLOCK" in args or "F_GETFL" in args and "O_NONBLOCK" in result):
        yield key(args)
    if call == "ioctl" and "FIONBIO, [1]" in args:
        yield key(args)
    if call == "pipe2" and "O_NONBLOCK" in args:
        yield from (name for _, name in DESCRIPTOR.findall(args))
    if call in ("socket", "accept4", "eventfd2", "timerfd_create", "signalfd4", "openat") and "NONBLOCK" in args:
        yield key(result)


def collect(traces):
    """The first threads of processes, and everything that was ever non-blocking."""
    later, children, nonblocking = set(), {}, set()
    for tid, lines in traces.items():
        for call, args, result in lines:
            if call in ("clone", "clone3", "fork", "vfork") and result.split()[0].isdigit():
                new = int(result.split()[0])
                (later.add(new) if "CLONE_THREAD" in args else children.setdefault(new, (tid, "VFORK" in args.upper() + call.upper())))
            if call == "fcntl" and "F_SETFL" in args and "O_NONBLOCK" not in args:
                nonblocking.discard(key(args))          # it was so for one call only
            nonblocking.update(becomes_nonblocking(call, args, result))
    return {tid for tid in traces if tid not in later}, children, nonblocking


def told_not_to(call, args, result):
    """Whether the arguments say that the call must not wait."""
    if call in EPOLLS:
        return re.search(r", 0(, NULL, 8)?$", args) or "tv_nsec=0}" in args and "tv_sec=0" in args
    if call == "poll":
        return args.endswith(", 0")
    if call in ("ppoll", "select", "pselect6"):
        return re.search(r"tv_sec=0, tv_u?n?sec=0", args)
    if call in WAITS:
        return "WNOHANG" in args
    if call == "rt_sigtimedwait":
        return "tv_sec=0, tv_nsec=0" in args
    if call in QUEUES:
        return "IPC_NOWAIT" in args or "tv_sec=0, tv_nsec=0" in args or call.startswith("io_") and ", 0, " in args
    if call in FLAGGED:
        return "RWF_NOWAIT" in args
    return "DONTWAIT" in args


def is_file(name):
    return name.startswith("/") and not name.startswith(("/dev/pts", "/dev/tty", "/dev/console"))


def judge(call, args, result, before, hubs, nonblocking):
    """Whether a call on a carrier could have waited in the kernel."""
    number, name = what(args)
    if call in ("fcntl", "flock"):
        return "SETLKW" in args or call == "flock" and "LOCK_NB" not in args and "LOCK_UN" not in args
    if call == "futex":
        return re.search(r"FUTEX_(WAIT|LOCK_PI)", args) is not None
    if call == "vfork" or call.startswith("clone"):
        return False            # docs/ARCHITECTURE.md, Limits: the kernel suspends who makes a child by vfork
    if call in SLEEPS | SYNCS | WAITS | POLLS | EPOLLS | QUEUES:
        return not (told_not_to(call, args, result) or call in EPOLLS and number in hubs)
    if call not in READS | WRITES | FLAGGED or told_not_to(call, args, result):
        return False
    if name in OWN_FILES or is_file(name) and (call in WRITES or call in FLAGGED or name.startswith(("/proc/", "/sys/", "/dev/"))):
        return False            # what is left of them goes to memory, or was refused with RWF_NOWAIT before
    looked = before and before[0] == "poll" and f"fd={number}<" in before[1] and before[1].endswith(", 0") and before[2][0] in "12"
    set_for_it = before and before[0] == "fcntl" and key(before[1]) == key(args) and "O_NONBLOCK" in before[1]
    return not (looked or set_for_it or key(args) in nonblocking)


def findings(traces):
    """[(tid, line)] of calls that could have waited on a carrier; and how many processes grove ran in."""
    leaders, children, nonblocking = collect(traces)
    found, active, hubs = [], {}, {}
    for tid in sorted(leaders, key=lambda tid: depth(tid, children)):
        parent, vforked = children.get(tid, (None, False))
        active[tid] = bool(active.get(parent)) and not vforked
        hubs[tid] = set(hubs.get(parent, ()))
        ever, before = active[tid], None
        for call, args, result in traces[tid]:
            if call == "execve" and result.startswith("0"):
                active[tid], before = False, None
            elif call == "rt_sigaction" and args.startswith("SIGRT_31, {sa_handler=0x"):
                active[tid] = ever = True
            elif call == "fcntl" and "eventpoll" in args and "F_DUPFD_CLOEXEC" in args:
                hubs[tid].add(what(result)[0])
            elif active[tid] and judge(call, args, result, before, hubs[tid], nonblocking):
                found.append((tid, f"{call}({args}) = {result}"))
            before = call, args, result
        active[tid] = ever
    return found, sum(active.values())


def depth(tid, children):
    """Parents come first."""
    n = 0
    while tid in children and n < 1000:
        tid, n = children[tid][0], n + 1
    return n


def trace(name, options):
    """The calls of each thread while the test ran, by tid; its status and words."""
    with tempfile.TemporaryDirectory(prefix="grove-strace.") as folder:
        os.makedirs(f"{folder}/work")
        os.makedirs(f"{folder}/traces")
        env = dict(os.environ, MODE="grove", GROVE=f"{HERE}/under_strace", STRACE_GROVE=options.grove, STRACE_DIR=f"{folder}/traces",
                   STRACE_CALLS=",".join(sorted(f"?{call}" for call in CALLS)), HOME=f"{folder}/work", TMPDIR=f"{folder}/work",
                   LC_ALL="C", builddir=options.builddir)
        status, said = run([f"{HERE}/../programs/{name}.test"], LIMIT, cwd=f"{folder}/work", env=env)
        if options.keep:
            shutil.copytree(f"{folder}/traces", f"{options.keep}/{name}", dirs_exist_ok=True)
        return {int(path.rsplit(".", 1)[1]): parse(path) for path in glob.glob(f"{folder}/traces/*.*")}, status, said


def one(args):
    name, options = args
    traces, status, said = trace(name, options)
    if status == 77:
        return name, None, 0, 0, said.strip().splitlines()[-1]
    found, processes = findings(traces)
    calls = sum(map(len, traces.values()))
    problem = None
    if status != 0:
        problem = f"the test ended with {status} when traced: {said.strip()[-300:]}"
    elif not processes:
        problem = "grove ran nowhere"
    elif found:
        lines = sorted({line for _, line in found})
        problem = f"{len(found)} calls could have waited on a carrier: " + "; ".join(line[:150] for line in lines[:5])
    return name, len(found), processes, calls, problem


def run_suite(options):
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    result, rows = Result(), []
    names = [name for name in (QUICK if options.quick else PROGRAMS) if options.wanted(name)]
    for name, found, processes, calls, problem in in_parallel(2, one, [(name, options) for name in names]):
        if found is None:
            print(f"skip strace {name}: {problem}")
            result.skipped += 1
            continue
        result.add(name, problem)
        rows.append([name, processes, f"{calls:,}", found])
    result.tables = list(table(["program", "processes under grove", "calls looked at", "that could wait on a carrier"], rows))
    return result
