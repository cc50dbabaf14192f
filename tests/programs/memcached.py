"""Sets and gets over many connections at once: values of all sizes come back byte for byte; binary data, counters, CAS, deletion."""
import random
import socket
import sys
import threading

CONNECTIONS, ROUNDS = 60, 50
counts, lock = {"stored": 0, "equal": 0, "missing": 0}, threading.Lock()


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")

    def line(self, command, data=None):
        self.socket.sendall(command.encode() + b"\r\n" + (data + b"\r\n" if data is not None else b""))
        return self.file.readline().rstrip()

    def set(self, key, data):
        return self.line(f"set {key} 0 0 {len(data)}", data)

    def get(self, key):
        head = self.line(f"get {key}").split()
        if head[0] == b"END":
            return None
        data = self.file.read(int(head[3]))
        assert self.file.read(7) == b"\r\nEND\r\n"
        return data


def count(name, yes):
    with lock:
        counts[name] += yes


def work(port, i):
    rng, client = random.Random(i), Client(port)
    for n in range(ROUNDS):
        data = rng.randbytes(rng.choice([0, 1, 100, 1000, 10000, 200000]))
        count("stored", client.set(f"key-{i}-{n % 5}", data) == b"STORED")
        count("equal", client.get(f"key-{i}-{n % 5}") == data)
        count("missing", client.get(f"none-{i}-{n}") is None)
        client.line("incr counter 1")


def main():
    port = int(sys.argv[1])
    first = Client(port)
    first.set("counter", b"0")
    threads = [threading.Thread(target=work, args=(port, i)) for i in range(CONNECTIONS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(counts, first.get("counter"))
    print(first.line("delete counter"), first.get("counter"), first.line("nonsense"))


main()
