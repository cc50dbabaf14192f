"""500 threads at once: locks, a queue, thread-local data, sockets, subprocesses.  Prints sums that do not depend on the order."""
import queue
import socket
import subprocess
import threading
import time

THREADS = 500


def run(targets):
    threads = [threading.Thread(target=t, args=a) for t, *a in targets]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def locks():
    lock, total, gate = threading.Lock(), [0], threading.Barrier(THREADS)

    def add():
        gate.wait()             # nobody passes before all 500 are there
        for _ in range(20):
            with lock:
                seen = total[0]
                if seen % 7 == 0:
                    time.sleep(0)
                total[0] = seen + 1

    run([(add,)] * THREADS)
    print("locks", total[0])


def queues():
    todo, done = queue.Queue(maxsize=10), queue.Queue()

    def work():
        while (item := todo.get()) is not None:
            done.put(item * item)

    def feed():
        for i in range(5000):
            todo.put(i)
        for _ in range(THREADS - 1):
            todo.put(None)

    run([(feed,)] + [(work,)] * (THREADS - 1))
    print("queues", done.qsize(), sum(done.get() for _ in range(done.qsize())))


def local_data():
    local, right, lock = threading.local(), [0], threading.Lock()

    def keep(i):
        local.value = i
        time.sleep(0.001 * (i % 5))
        with lock:
            right[0] += local.value == i

    run([(keep, i) for i in range(THREADS)])
    print("locals", right[0])


def sockets():
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    got, lock = [0], threading.Lock()

    def serve(conn):
        with conn:
            while data := conn.recv(100):
                conn.sendall(data[::-1])

    def accept():
        for _ in range(THREADS // 2):
            threading.Thread(target=serve, args=(listener.accept()[0],)).start()

    def talk(i):
        with socket.create_connection(listener.getsockname()) as s:
            for n in range(10):
                text = b"%06d-%03d" % (i, n)
                s.sendall(text)
                back = b""
                while len(back) < len(text):
                    back += s.recv(100)
                with lock:
                    got[0] += back == text[::-1]

    run([(accept,)] + [(talk, i) for i in range(THREADS // 2)])
    listener.close()
    print("sockets", got[0])


def subprocesses():
    out, lock = [], threading.Lock()

    def child(i):
        done = subprocess.run(["/bin/sh", "-c", "read x; echo $((x * 2)); exit 3"], input=f"{i}\n", capture_output=True, text=True,
                              check=False)
        with lock:
            out.append((done.returncode, int(done.stdout)))

    run([(child, i) for i in range(20)])
    print("subprocess", sorted(out))


def waiting():
    event, woken, timed_out = threading.Event(), [0], threading.Event()
    condition = threading.Condition()

    def wait():
        event.wait()
        with condition:
            woken[0] += 1
            condition.notify_all()

    def watch():
        with condition:
            condition.wait_for(lambda: woken[0] == THREADS - 2)

    timer = threading.Timer(0.05, event.set)
    timer.start()
    run([(wait,)] * (THREADS - 2) + [(watch,)])
    print("waiting", woken[0], timed_out.wait(0.01))


def main():
    for part in (locks, queues, local_data, sockets, subprocesses, waiting):
        part()
    for _ in range(1000):       # the servers of sockets() end when they have seen the end of file
        if threading.active_count() == 1:
            break
        time.sleep(0.01)
    print("left", threading.active_count())


main()
