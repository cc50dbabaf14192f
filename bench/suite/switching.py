"""switching.py - group 1: a switch, a turn passed on, create and join, a million alive"""
from suite.core import HERE, Bench, Goal, Missing, Side
from suite.memory import field
from suite.programs import peer, program, under_grove

SHARE = (4, 36)
UNIT = ("ns", "ns of CPU each")
PEERS = ("st", "pth", "fiber", "go", "gevent")
PROGRAMS = {"go": "goroutines", "gevent": "by_gevent"}          # of peers that are not called as they are


def hand(side="switch", about="a switch of stacks with FS base and control words, by hand"):
    return program("bench/hand", side, trial=100000, about=about)


def api(side, about="the C API"):
    """Of the programs that measure the C API: program/side."""
    path, _, its_side = side.partition("/")
    return program(f"bench/{path}", its_side, trial=10000, about=about)


def threads(path, side=(), **how):
    """The same program of POSIX threads bare, and under grove."""
    return {"grove": under_grove(f"bench/{path}", *side, trial=2000, about="the program of `threads' under grove", **how),
            "threads": program(f"bench/{path}", *side, trial=2000, about="kernel threads", **how)}


def peers(side, *names):
    """What the peers have of it."""
    return {name: peer(PROGRAMS.get(name, name), side, trial=1000) for name in names}


def each_switch(got, _n):
    """sched_yield() does not lead to another thread each time; under grove it does, where the kernel sees none of it."""
    return got | {"ns": got["ns"] / got["switched"]} if got["switched"] > 0.01 else got


# --- a million alive ---------------------------------------------------------------------------------------------------------

ALIVE = {"n": 1000000, "quick_n": 20000}
ALIVE_GB = {"hand": 9, "api": 12, "grove": 14, "go": 4, "threads": 1}


def when_there_is_memory(side, gigabytes):
    """The side, if so much is available for the full number."""
    measure, prepare = side.measure, side.prepare

    def measured(quick):
        if not quick and field("/proc/meminfo", "MemAvailable") < gigabytes * 2**20:
            raise Missing(f"a million of them take {gigabytes} GB, which are not available")
        return measure(quick)
    return Side(measured, side.about, prepare)


def alive():
    sides = {"hand": program("bench/hand", "alive", about="stacks 64 KiB apart, with TLS blocks, by hand", **ALIVE),
             "api": program("bench/crowd", "alive", about="the C API, stacks of 256 KiB", **ALIVE),
             "grove": under_grove("bench/thread_timers", "alive", about="the program of `threads' under grove", **ALIVE),
             "threads": program("bench/thread_timers", "alive", about="kernel threads, as many as can be made", **ALIVE),
             "go": peer("goroutines", "alive", **ALIVE)}
    return Bench("alive", f"a million that wait at once{HERE}: to make one, have it wait, wake it, end it", *UNIT,
                 "hand", share=(6, 200), rounds=5, quick_size="20,000", more={"made": "", "kb": "each"}, sides={
                     side: when_there_is_memory(it, ALIVE_GB[side]) for side, it in sides.items()},
                 goals=[Goal(f"a million alive{HERE}: memory each, API", "api", 12, figure="kb", unit="KB")])


BENCHES = [
    Bench("switch", "a switch of stacks, without a scheduler", *UNIT, "hand", share=(3, 20), sides={
        "hand": hand(about="with FS base and control words, leaving by a jump"), "arch": program(
            "bench/switch", "grove", trial=100000, about="grove's own, with the same"),
        "plain": hand("plain", "registers alone, so both share TLS and modes"),
        "fcontext": peer("context", "switch", trial=100000, about="Boost.Context: with the control words, without FS base"),
        "ucontext": hand("ucontext", "libc's swapcontext(), with the signal mask")}, goals=[
        Goal("switch: grove's against one by hand", "arch/hand", 1.3)]),
    Bench("yield", "two take turns, and each turn is nothing but giving it up", *UNIT, "hand", share=SHARE, sides={
        "hand": hand(), "api": api("yield/grove"), **threads("threads", ["yield"], scale=each_switch),
        **peers("yield", *PEERS[1:])}, goals=[
        Goal("yield through the API", "api", 38, unit="ns"),
        Goal("yield: api/hand", "api/hand", 2.5),
        Goal("yield: threads/api", "threads/api", 20, least=True)]),
    Bench("semaphore", "a turn passed to and fro by two semaphores", *UNIT, "hand", share=SHARE, sides={
        "hand": hand(), "api": api("semaphore/grove"), **threads("threads", ["semaphore"]), **peers("semaphore", *PEERS)}, goals=[
        Goal("hand-off by semaphores: api/hand", "api/hand", 4),
        Goal("hand-off by semaphores: threads/api", "threads/api", 10, least=True)]),
    Bench("condition", "a turn passed to and fro by a mutex and a condition variable", *UNIT, "hand", share=SHARE, sides={
        "hand": hand(), **threads("handoff"), **peers("condition", *PEERS[:4])}, goals=[
        Goal("hand-off by condition variable: threads/grove", "threads/grove", 5, least=True)]),
    Bench("channel", "an item handed over without a buffer between: a rendezvous", *UNIT, "hand", share=SHARE, sides={
        "hand": hand(), "api": api("channel/grove"),
        "one_way": api("channel/one_way", "the C API, one sends and the other receives"),
        **threads("threads", ["channel"]), **peers("channel", *PEERS)}, goals=[
        Goal("rendezvous in a channel: api/hand", "api/hand", 4),
        Goal("rendezvous in a channel: threads/one_way", "threads/one_way", 10, least=True)]),
    Bench("queue", "an item through a queue of 64", *UNIT, "hand", share=(3, 30), sides={
        "hand": hand(), "api": api("queue/grove"), **threads("threads", ["queue"]),
        **peers("queue", "fiber", "go", "gevent")}, goals=[
        Goal("through a queue of 64: threads/api", "threads/api", 2, least=True)]),
    Bench("generator", "the next value of a generator", *UNIT, "hand", share=(2, 15), sides={
        "hand": hand(), "api": api("generator/grove")}, goals=[
        Goal("next value of a generator: api/hand", "api/hand", 3)]),
    Bench("create", "one is made, runs, ends and is waited for; then the next", *UNIT, "hand", share=(5, 40), sides={
        "hand": hand("create", "stack and TLS block from a list of free ones, by hand"), "api": api("spawn_join/grove"),
        "crowd": api("spawn_join/crowd", "the C API, a thousand alive at a time"), **threads("create_join"),
        "fcontext": peer("context", "create", trial=10000, about="Boost.Context: always on one stack, no TLS, no scheduler"),
        **peers("create", *PEERS)}, goals=[
        Goal("create and join through the API", "api", 150, unit="ns"),
        Goal("create and join: threads/api", "threads/api", 60, least=True),
        Goal("create and join: threads/grove", "threads/grove", 40, least=True)]),
    alive(),
]
