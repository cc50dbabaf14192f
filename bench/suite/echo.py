"""echo.py - group 4: TCP echo of 64 bytes, the server on one core and the load on another"""
from suite.core import Bench, Goal, Side
from suite.programs import GROVE, LOAD_CORE, SERVER_CORE, Server, built, values


def side(find, connections, under=(), about=""):
    """@find: () -> the server's command, to which port 0 is added."""
    def measure(quick):
        with Server([*SERVER_CORE, *under, *find(), "0"]) as server:
            return values([*LOAD_CORE, *built("bench/echo_load"), "-c", str(connections), "-n", "20000" if quick else "150000",
                           "-p", str(server.pid), server.port])
    return Side(measure, about)


def threads():
    return built("demos/serve/echo")


def echo(connections):
    return Bench(f"echo{connections}", f"64-byte echo over {connections} connections", "server_cpu_ns_per_request", "ns of server CPU each",
                 "epoll", share=(10, 60), sides={
                     "epoll": side(lambda: built("bench/echo_epoll"), connections), "grove": side(threads, connections, [GROVE]),
                     "threads": side(threads, connections)},
                 more={"requests_per_s": "", "p50_us": "us", "p99_us": "us", "p999_us": "us"},
                 goals=[Goal(f"echo {connections}: CPU, grove/threads", "grove/threads", 0.75),
                        Goal(f"echo {connections}: CPU, grove/epoll", "grove/epoll", 1.05)])


BENCHES = [
    echo(100),
    echo(1000),
    Bench("echo_preempt", "echo over 100 connections, with the timer for threads that compute and without", "server_cpu_ns_per_request",
          "ns of server CPU each", "off", share=(10, 60), sides={"off": side(threads, 100, [GROVE, "--preempt=0"]), "on": side(threads, 100, [GROVE])},
          goals=[Goal("preemption: echo 100, on/off", "on/off", 1.02)]),
]
