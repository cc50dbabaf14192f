"""concurrent.futures: map, as_completed, exceptions, waiting, a pool inside a pool's task, and a process pool under the threads."""
import concurrent.futures as cf
import hashlib
import time


def digest(n):
    return hashlib.sha256(b"x" * n).hexdigest()[:8]


def fail(n):
    time.sleep(0.001)
    raise ValueError(n)


def nested(n):
    with cf.ThreadPoolExecutor(4) as pool:
        return sum(pool.map(abs, range(-n, n)))


def main():
    with cf.ThreadPoolExecutor(100) as pool:
        print("map", hashlib.sha256("".join(pool.map(digest, range(0, 300000, 1000))).encode()).hexdigest())
        print("as_completed", sorted(f.result() for f in cf.as_completed([pool.submit(pow, i, 2) for i in range(50)])))
        print("errors", sorted(f.exception().args[0] for f in [pool.submit(fail, i) for i in range(20)]))
        print("nested", list(pool.map(nested, range(10))))
        slow = [pool.submit(time.sleep, 0.01 * (i + 1)) for i in range(5)]
        print("wait", len(cf.wait(slow, return_when=cf.ALL_COMPLETED).done))
        try:
            pool.submit(time.sleep, 0.3).result(timeout=0.01)
        except cf.TimeoutError:
            print("timeout")
    with cf.ProcessPoolExecutor(2) as pool:
        print("processes", list(pool.map(digest, range(10))))


if __name__ == "__main__":
    main()
