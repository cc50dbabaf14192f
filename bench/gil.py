"""Two threads of CPython that hand each other a lock, and with it the interpreter (GIL).  gil.py SIDE [N] prints `ns', for each.

    threads     threading.Thread, threading.Lock; bare, and the same under grove
    gevent      the same, patched by gevent.monkey
    hand        greenlets that switch to each other: no lock, no scheduler
"""
import sys
import time

SIDE, N = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20000
try:
    if SIDE == "gevent":
        from gevent import monkey
        monkey.patch_all()
    elif SIDE == "hand":
        import greenlet
except ImportError as why:
    print(f"needs the package python3-gevent: {why}", file=sys.stderr)
    sys.exit(77)


def by_hand():
    main = greenlet.getcurrent()

    def answer():
        while True:
            main.switch()

    other = greenlet.greenlet(answer)
    for _ in range(N // 2):
        other.switch()


def by_threads():
    import threading

    mine, yours = threading.Lock(), threading.Lock()

    def rounds(n, wait, wake):
        for _ in range(n):
            wait.acquire()
            wake.release()

    mine.acquire()
    threads = [threading.Thread(target=rounds, args=(N // 2, *locks)) for locks in ((mine, yours), (yours, mine))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


begin = time.perf_counter()
by_hand() if SIDE == "hand" else by_threads()
print(f"ns {(time.perf_counter() - begin) * 1e9 / N:.1f}")
