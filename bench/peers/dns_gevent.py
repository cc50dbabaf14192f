#!/usr/bin/python3 -B
"""Asks for many names at once in gevent: a greenlet for each, and its usual resolver, a pool of 10 threads.

dns_gevent.py [NAMES]; see ../dns.h.

Needs: python3-gevent
"""
import sys
import time

import gevent
from gevent import socket


def look_up(n):
    got = socket.getaddrinfo(f"host{n}.bench", 80, type=socket.SOCK_STREAM)
    assert [at[4] for at in got] == [(f"10.53.{n >> 8}.{n & 255}", 80)], got


def main():
    names = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    begin, cpu_begin = time.perf_counter(), time.process_time()
    for job in gevent.joinall([gevent.spawn(look_up, n) for n in range(names)]):
        job.get()
    print(f"ms {(time.perf_counter() - begin) * 1e3:.2f}\ncpu_ms {(time.process_time() - cpu_begin) * 1e3:.2f}")


main()
