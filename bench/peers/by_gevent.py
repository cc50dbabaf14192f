#!/usr/bin/python3 -B
"""by_gevent.py - gevent, in CPython
Needs: python3-gevent
"""
import os
import sys
import time

try:
    import gevent
    import gevent.event
    import gevent.lock
    import gevent.os
    import gevent.queue
except ImportError:
    print("needs the package python3-gevent", file=sys.stderr)
    sys.exit(77)

WORK, REST = 20e-6, 1e-3        # seconds, of the others
ARGS = [int(arg) for arg in sys.argv[3:]]


def two(mine, others):
    """Runs one in a greenlet of its own and the other here; CPU seconds."""
    begun = time.process_time()
    other = gevent.spawn(others)
    mine()
    other.get()
    return time.process_time() - begun


def yields(n):
    def turns():
        for _ in range(n // 2):
            gevent.sleep(0)
    return two(turns, turns)


def semaphore(n):
    turn = [gevent.lock.Semaphore(1), gevent.lock.Semaphore(0)]

    def passes(me):
        for _ in range(n // 2):
            turn[me].acquire()
            turn[1 - me].release()
    return two(lambda: passes(0), lambda: passes(1))


def through(items, n):
    def puts():
        for i in range(n):
            items.put(i)

    def gets():
        for i in range(n):
            assert items.get() == i
    return two(gets, puts)


def create(n):
    begun = time.process_time()
    for i in range(n):
        assert gevent.spawn(lambda value: value, i).get() == i
    return time.process_time() - begun


def park(n, wait):
    """Says how many there are, and waits for a line."""
    there = 0

    def waits():
        nonlocal there
        there += 1
        wait()

    for _ in range(n):
        gevent.spawn(waits)
    while there < n:
        gevent.sleep(0.01)
    print("parked", n, flush=True)
    sys.stdin.readline()
    os._exit(0)


def read(n):
    into, _ = os.pipe()
    gevent.os.make_nonblocking(into)
    park(n, lambda: gevent.os.nb_read(into, 1))


def length(i, n):
    """How long sleeper i of n sleeps, as in sides.h."""
    return n * (0.5e-5 + 1e-5 * (i * 2654435761 % 1000000007) / 1000000007)


def print_late(late):
    late.sort()
    for name, i in (("late_us", len(late) // 2), ("p99_us", -1 - len(late) // 100), ("worst_us", -1)):
        print(f"{name} {late[i] * 1e6:.1f}")


def sleepers(n):
    late = []

    def sleeps(i):
        begun = time.monotonic()
        gevent.sleep(length(i, n))
        late.append(time.monotonic() - begun - length(i, n))

    used = time.process_time()
    gevent.joinall([gevent.spawn(sleeps, i) for i in range(n)])
    used = time.process_time() - used
    print_late(late)
    return used


def works():
    while True:
        until = time.perf_counter() + WORK
        while time.perf_counter() < until:
            pass
        gevent.sleep(REST)


def late(n):
    us, others = ARGS
    lates, begun = [], time.monotonic()
    for _ in range(others):
        gevent.spawn(works)
    for _ in range(n):
        begin = time.monotonic()
        gevent.sleep(us / 1e6)
        lates.append(time.monotonic() - begin - us / 1e6)
    print_late(lates)
    return time.monotonic() - begun


SIDES = {"yield": yields, "semaphore": semaphore, "create": create, "channel": lambda n: through(gevent.queue.Channel(), n),
         "queue": lambda n: through(gevent.queue.Queue(64), n), "read": read, "sleepers": sleepers, "late": late,
         "sleep": lambda n: park(n, lambda: gevent.sleep(1000))}
print(f"ns {SIDES[sys.argv[1]](int(sys.argv[2])) / int(sys.argv[2]) * 1e9:.2f}")
