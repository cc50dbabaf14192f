# dns_server.py - a name server on 127.0.0.1 port 53 that answers oddly, slowly, or not at all
#
#	odd		by the first label of the name; see ODD
#	hold N		answers nobody before N different questions have come, then all; says whether that many came
#	dead		never answers
import ipaddress
import socket
import struct
import sys
import threading
import time

A, CNAME, SOA, PTR, AAAA = 1, 5, 6, 12, 28
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)


def name(text):
    out = b""
    for label in text.rstrip(".").split("."):
        if label:
            out += bytes([len(label)]) + label.encode("latin-1")
    return out + b"\0"


def question(msg):
    labels, at = [], 12
    while msg[at]:
        labels.append(msg[at + 1:at + 1 + msg[at]].decode("latin-1"))
        at += 1 + msg[at]
    return ".".join(labels), struct.unpack(">H", msg[at + 1:at + 3])[0], msg[12:at + 5]


def record(owner, kind, data, ttl=60):
    if kind in (CNAME, PTR):
        data = name(data)
    elif kind in (A, AAAA):
        data = ipaddress.ip_address(data).packed
    return name(owner) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def reply(msg, records=(), rcode=NOERROR, truncated=False, ask=None, qdcount=1, ancount=None):
    flags = 0x8180 | rcode | (0x200 if truncated else 0)
    head = msg[:2] + struct.pack(">HHHHH", flags, qdcount, len(records) if ancount is None else ancount, 0, 0)
    return head + (question(msg)[2] if ask is None else ask) + b"".join(records)


def address(q, kind, v4="192.0.2.1", v6="2001:db8::1"):
    return record(q, kind, v4 if kind == A else v6)


def odd(msg, tcp):
    """The replies to a question, to be sent one after the other."""
    q, kind, asked = question(msg)
    what = q.split(".")[0].lower()
    ok = reply(msg, [address(q, kind)]) if kind in (A, AAAA) else reply(msg)
    if q.lower().endswith(".arpa"):
        return [reverse(msg, q)]
    table = {
        "plain": lambda: [ok],
        "servfail": lambda: [reply(msg, rcode=SERVFAIL)],
        "refused": lambda: [reply(msg, rcode=REFUSED)],
        "notimp": lambda: [reply(msg, rcode=NOTIMP)],
        "formerr": lambda: [reply(msg, rcode=FORMERR)],
        "rcode9": lambda: [reply(msg, rcode=9)],
        "nodata": lambda: [reply(msg)],
        "silent": lambda: [],
        "v4servfail": lambda: [reply(msg, rcode=SERVFAIL) if kind == A else ok],
        "v6servfail": lambda: [reply(msg, rcode=SERVFAIL) if kind == AAAA else ok],
        "v6refused": lambda: [reply(msg, rcode=REFUSED) if kind == AAAA else ok],
        "v6notimp": lambda: [reply(msg, rcode=NOTIMP) if kind == AAAA else ok],
        "v6formerr": lambda: [reply(msg, rcode=FORMERR) if kind == AAAA else ok],
        "v6nxdomain": lambda: [reply(msg, rcode=NXDOMAIN) if kind == AAAA else ok],
        "v4nxdomain": lambda: [reply(msg, rcode=NXDOMAIN) if kind == A else ok],
        "v6silent": lambda: [] if kind == AAAA else [ok],
        "v4silent": lambda: [] if kind == A else [ok],
        "v4nodata6servfail": lambda: [reply(msg, rcode=SERVFAIL) if kind == AAAA else reply(msg)],
        "nxdomain6servfail": lambda: [reply(msg, rcode=SERVFAIL if kind == AAAA else NXDOMAIN)],
        "big": lambda: [reply(msg, truncated=True)] if not tcp else [reply(msg, [
            record(q, kind, "192.0.2.%d" % i if kind == A else "2001:db8::%x" % i) for i in range(1, 61)])],
        "truncated": lambda: [reply(msg, [address(q, kind)], truncated=True)],
        "bigtcpdown": lambda: [reply(msg, truncated=True)] if not tcp else [],
        "dangling": lambda: [reply(msg, [record(q, CNAME, "nowhere.test")])],
        "dangling6": lambda: [reply(msg, [record(q, CNAME, "else.test")] + ([address("else.test", A)] if kind == A else []))],
        "chain": lambda: [reply(msg, [record(q, CNAME, "b.test"), record("b.test", CNAME, "c.test"), address("c.test", kind)])],
        "badtarget": lambda: [reply(msg, [record(q, CNAME, "bad!name.test"), address("bad!name.test", kind)])],
        "badtail": lambda: [reply(msg, [address(q, kind)])[:-1]],
        "badcount": lambda: [reply(msg, [address(q, kind)], ancount=3)],
        "wrongsize": lambda: [reply(msg, [name(q) + struct.pack(">HHIH", kind, 1, 60, 3) + b"abc"])],
        "loop": lambda: [reply(msg, [b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, 4) + b"abcd",
                                     b"\xc0" + bytes([12 + len(asked)]) + b"\0"])],
        "othertype": lambda: [reply(msg, [record(q, 16, b"\3abc"), address(q, kind)])],
        "otherid": lambda: [b"\0\0" + ok[2:], ok],
        "otherask": lambda: [reply(msg, [address("x.test", kind)], ask=name("x.test") + asked[-4:]), ok],
        "noask": lambda: [reply(msg, [], ask=b"", qdcount=0)],
        "garbage": lambda: [msg[:2] + b"\xff" * 20, ok],
        "mixed": lambda: [reply(msg, [record(q, A, "192.0.2.1"), record(q, AAAA, "2001:db8::1")])],
        "uppercase": lambda: [reply(msg, [address(q.upper(), kind)])],
        "twice": lambda: [ok, ok],
        "many": lambda: [reply(msg, [record(q, kind, "192.0.2.%d" % i if kind == A else "2001:db8::%x" % i)
                                     for i in (5, 3, 9, 1)])],
        "zero": lambda: [reply(msg, [record(q, kind, "0.0.0.0" if kind == A else "::")])],
    }
    if what in table:
        return table[what]()
    return [reply(msg, rcode=NXDOMAIN)]


def reverse(msg, q):
    last = q.split(".")[0]
    table = {
        "1": lambda: reply(msg, [record(q, PTR, "one.test"), record(q, PTR, "two.test")]),
        "2": lambda: reply(msg, [record(q, CNAME, "2.0-63." + q.partition(".")[2]),
                                 record("2.0-63." + q.partition(".")[2], PTR, "classless.test")]),
        "3": lambda: reply(msg, [record(q, PTR, "bad!name.test")]),
        "4": lambda: reply(msg, rcode=SERVFAIL),
        "5": lambda: reply(msg, rcode=REFUSED),
        "6": lambda: reply(msg, [record(q, PTR, "")]),
        "7": lambda: reply(msg),
        "8": lambda: reply(msg, [record(q, PTR, "x" * 63 + "." + "y" * 63 + ".test")]),
    }
    return table[last]() if last in table else reply(msg, rcode=NXDOMAIN)


def tcp_client(conn):
    def exactly(n):
        out = b""
        while len(out) < n:
            got = conn.recv(n - len(out))
            if not got:
                raise EOFError
            out += got
        return out

    with conn:
        try:
            while True:
                msg = exactly(struct.unpack(">H", exactly(2))[0])
                for answer in odd(msg, True):
                    conn.sendall(struct.pack(">H", len(answer)) + answer)
        except (EOFError, OSError):
            pass


def tcp_serve(listener):
    while True:
        threading.Thread(target=tcp_client, args=(listener.accept()[0],), daemon=True).start()


def hold(udp, n):
    seen, waiting = set(), []
    udp.settimeout(10)
    try:
        while len(seen) < n:
            msg, client = udp.recvfrom(4096)
            waiting.append((msg, client))
            seen.add((client, question(msg)[:2]))
        print("all asked before anybody was answered", flush=True)
    except TimeoutError:
        print("only %d of %d asked within 10 s" % (len(seen), n), flush=True)
    for msg, client in waiting:
        q, kind, _ = question(msg)
        udp.sendto(reply(msg, [address(q, kind)]), client)


def main():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    if sys.argv[1] == "odd":
        listener = socket.create_server(("127.0.0.1", 53))
        threading.Thread(target=tcp_serve, args=(listener,), daemon=True).start()
    udp.bind(("127.0.0.1", 53))
    if sys.argv[1] == "hold":
        hold(udp, int(sys.argv[2]))
        return
    while sys.argv[1] == "dead":
        time.sleep(1000)
    while True:
        msg, client = udp.recvfrom(4096)
        for answer in odd(msg, False):
            udp.sendto(answer, client)


main()
