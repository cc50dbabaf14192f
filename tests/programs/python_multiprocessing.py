"""multiprocessing with each start method: pools, queues, pipes, locks, shared memory, managers; subprocesses from threads."""
import concurrent.futures as cf
import multiprocessing as mp
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import shared_memory


def square(n):
    return n * n


def fail(n):
    raise ValueError(n)


def threaded(n):
    """A worker process has threads of its own."""
    out = []
    threads = [threading.Thread(target=lambda i=i: (time.sleep(0.001), out.append(i))) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return len(out)


def producer(q, n):
    for i in range(n):
        q.put((os.getpid() != 0, i, "x" * (i * 100)))
    q.put(None)


def echo(conn):
    while (got := conn.recv()) is not None:
        conn.send(got * 2)
    conn.close()


def count(lock, value, n):
    for _ in range(n):
        with lock:
            value.value += 1


def meet(barrier, event, semaphore, q):
    barrier.wait()
    event.wait()
    with semaphore:
        q.put(1)


def fill_shared(name, n):
    block = shared_memory.SharedMemory(name=name)
    block.buf[:n] = bytes(range(n))
    block.close()


def manage(d, l):
    d["from child"] = 1
    l.append(2)


def sleeps():
    time.sleep(60)


def leave(status):
    sys.exit(status)


def pools(method, ctx):
    with ctx.Pool(2) as pool:
        print(method, "map", sum(pool.map(square, range(200), chunksize=7)))
        print(method, "imap", sorted(pool.imap_unordered(square, range(20))) == [n * n for n in range(20)])
        late = [pool.apply_async(square, (n,)) for n in range(10)]
        print(method, "async", [r.get(30) for r in late])
        try:
            pool.apply(fail, (5,))
        except ValueError as error:
            print(method, "raised", error)
        print(method, "threads in workers", pool.map(threaded, [5, 6, 7]))


def talk(method, ctx):
    q = ctx.Queue(3)
    p = ctx.Process(target=producer, args=(q, 50))
    p.start()
    got = list(iter(q.get, None))
    p.join()
    print(method, "queue", len(got), sum(len(g[2]) for g in got), p.exitcode)
    try:
        q.get(timeout=0.01)
    except queue.Empty:
        print(method, "empty")
    ours, theirs = ctx.Pipe()
    p = ctx.Process(target=echo, args=(theirs,))
    p.start()
    for text in ("a", "b" * 100000):
        ours.send(text)
        print(method, "pipe", len(ours.recv()))
    ours.send(None)
    p.join()


def share(method, ctx):
    lock, value = ctx.Lock(), ctx.Value("i", 0, lock=False)
    ps = [ctx.Process(target=count, args=(lock, value, 200)) for _ in range(2)]
    for p in ps:
        p.start()
    for p in ps:
        p.join()
    print(method, "locked", value.value)
    barrier, event, semaphore, q = ctx.Barrier(3), ctx.Event(), ctx.Semaphore(1), ctx.Queue()
    ps = [ctx.Process(target=meet, args=(barrier, event, semaphore, q)) for _ in range(2)]
    for p in ps:
        p.start()
    barrier.wait()
    event.set()
    print(method, "met", sum(q.get() for _ in ps))
    for p in ps:
        p.join()
    block = shared_memory.SharedMemory(create=True, size=100)
    p = ctx.Process(target=fill_shared, args=(block.name, 100))
    p.start()
    p.join()
    print(method, "shared", sum(block.buf[:100]))
    block.close()
    block.unlink()
    with ctx.Manager() as manager:
        d, l = manager.dict(), manager.list([1])
        p = ctx.Process(target=manage, args=(d, l))
        p.start()
        p.join()
        print(method, "managed", dict(d), list(l))


def end(method, ctx):
    p = ctx.Process(target=sleeps)
    p.start()
    p.terminate()
    p.join()
    print(method, "terminated", p.exitcode == -signal.SIGTERM)
    p = ctx.Process(target=leave, args=(7,))
    p.start()
    p.join(30)
    print(method, "left with", p.exitcode)
    with cf.ProcessPoolExecutor(2, mp_context=ctx) as pool:
        print(method, "executor", list(pool.map(square, range(10))), sorted(f.result() for f in [pool.submit(square, 3)]))


def run(i):
    """Each thread's child answers with what it was told, by way of a shell."""
    command = ["sh", "-c", "read x; echo $x $0; exit $0", str(i)]
    p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    out, _ = p.communicate(f"word{i}\n")
    return out.strip() == f"word{i} {i}" and p.returncode == i


def missing(i):
    try:
        subprocess.run([f"/nonexistent/{i}"])
    except FileNotFoundError as error:
        return error.filename == f"/nonexistent/{i}"


def timed(i):
    try:
        subprocess.run(["sleep", "60"], timeout=0.02)
    except subprocess.TimeoutExpired:
        return True


def from_threads():
    with cf.ThreadPoolExecutor(20) as pool:
        print("subprocesses", sum(pool.map(run, range(60))), sum(pool.map(missing, range(40))), sum(pool.map(timed, range(10))))
        print("os.system", sum(s == 0 for s in pool.map(os.system, ["true"] * 20)))
    leader = ["sh", "-c", "test $(ps -o pgid= -p $$) = $$ && echo leader"]
    print("before exec", subprocess.run(leader, preexec_fn=os.setpgrp, stdout=subprocess.PIPE, text=True).stdout.strip())
    print("session", subprocess.run(["true"], start_new_session=True, close_fds=False).returncode)


if __name__ == "__main__":
    for method in ("fork", "forkserver", "spawn"):
        for part in (pools, talk, share, end) if method != "spawn" else (pools, talk):    # each process starts anew there
            part(method, mp.get_context(method))
    from_threads()
