"""Interrupts `grove compare' in many ways, and looks whether anything is left of it.

What it starts is known by a variable in its environment.  The server makes a daemon that ignores SIGTERM, and a child in a
session of its own; the load never ends.  Most of the time nothing runs, so all ways are tried at once, each in a folder of
its own.
"""
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

GROVE = sys.argv[1]
NAME, VALUE = "GROVE_COMPARE_TEST", ""
SERVER = """
import os, signal, socket, time
s = socket.create_server(("127.0.0.1", 0))
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
    os._exit(0)
if os.fork() == 0:
    os.setsid()
    time.sleep(1000)
time.sleep(1000)
"""
LOADED = ["compare", "--load", "echo > loading; sleep 1000", "--", "/usr/bin/python3", "-c", SERVER]


def left():
    """Processes that have the mark: {pid: command}"""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"{NAME}={VALUE}".encode() in (path / "environ").read_bytes().split(b"\0"):
                found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:60]
        except OSError:
            pass
    return found


def wait(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def start(arguments, **how):
    signal.signal(signal.SIGINT, signal.SIG_DFL)        # it may be ignored by who runs us in the background
    return subprocess.Popen([GROVE, *arguments], env=dict(os.environ, **{NAME: VALUE}), start_new_session=True, **how)


def check(what, process, status):
    """It ends so, and nothing is left; after SIGKILL, nothing a little later."""
    try:
        got = process.wait(60)
    except subprocess.TimeoutExpired:
        sys.exit(f"{what}: it did not end")
    if got != status:
        sys.exit(f"{what}: exit status {got}, not {status}")
    killed = status == -signal.SIGKILL
    if not wait(lambda: not left(), 60 if killed else 0):
        sys.exit(f"{what}: left behind: {left()}")
    folders = list(Path(os.environ["TMPDIR"]).glob("grove-compare.*"))
    if folders and not killed:
        sys.exit(f"{what}: left behind: {folders}")
    for folder in folders:
        subprocess.run(["rm", "-r", folder], check=True)
    print(what)


def interrupted(what, arguments, when, number, again=False):
    Path("loading").unlink(missing_ok=True)
    process = start(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not wait(when):
        sys.exit(f"{what}: it did not get so far")
    process.send_signal(number)
    if again:
        time.sleep(0.2)
        process.send_signal(number)
    check(what, process, -number)


def loading():
    return Path("loading").exists()


def sleeping():
    return any(command.startswith("sleep") for command in left().values())


def on_terminal():
    """Ctrl-C typed at a terminal, after the progress line has been seen there."""
    Path("loading").unlink(missing_ok=True)
    ours, theirs = pty.openpty()
    process = start(LOADED, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(theirs)
    seen = b""

    def shown():
        nonlocal seen
        while select.select([ours], [], [], 0)[0]:
            seen += os.read(ours, 4096)
        return loading() and re.search(rb"run 1 of 12, bare: under load", seen)

    if not wait(shown):
        sys.exit(f"no progress line: {seen}")
    os.write(ours, b"\x03")
    check("Ctrl-C at a terminal, with its progress line", process, -signal.SIGINT)
    os.close(ours)


def no_progress_elsewhere():
    process = start(["compare", "--runs", "1", "sleep", "0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read()
    check("a run to its end", process, 0)
    if said:
        sys.exit(f"on standard error: {said}")


def apart(what, *arguments):
    """In a process of its own; its pid."""
    global VALUE
    pid = os.fork()
    if pid:
        return pid
    VALUE = str(os.getpid())
    os.mkdir(VALUE)
    os.chdir(VALUE)
    os.environ["TMPDIR"] = os.getcwd()
    what(*arguments)
    sys.exit()


ways = [apart(interrupted, "SIGINT under load", LOADED, loading, signal.SIGINT)]
for stop in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    ways.append(apart(interrupted, f"{stop.name} twice", LOADED, loading, stop, True))
ways += [apart(interrupted, "SIGKILL under load", LOADED, loading, signal.SIGKILL),
         apart(interrupted, "SIGINT before it is ready", ["compare", "--load", "true", "--", "sleep", "1000"], sleeping,
               signal.SIGINT),
         apart(interrupted, "SIGINT in a run without load", ["compare", "sleep", "1000"], sleeping, signal.SIGINT),
         apart(on_terminal), apart(no_progress_elsewhere)]
sys.exit(any([os.waitpid(pid, 0)[1] for pid in ways]))
