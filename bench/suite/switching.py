"""switching.py - group 1: a switch, a turn passed on, create and join, a million alive"""
from suite.core import Bench, Goal
from suite.programs import program, under_grove

HAND = program("bench/yield", "hand", trial=100000, about="a switch of stacks with FS base and control words, by hand")


def api(side, about=""):
    """Of the programs that measure the C API: program/side."""
    path, _, its_side = side.partition("/")
    return program(f"bench/{path}", its_side, trial=10000, about=about)


def of(path, make=program, **how):
    """A program of POSIX threads."""
    return make(f"bench/{path}", trial=2000, **how)


BENCHES = [
    Bench("yield", "two take turns, and each turn is nothing but giving it up", "ns", "ns each", "hand", share=(10, 60), sides={
        "hand": HAND, "api": api("yield/grove"), "threads": api("yield/threads")}, goals=[
        Goal("yield through the API: ns", "api", 38, unit="ns"),
        Goal("yield: api/hand", "api/hand", 2.5),
        Goal("yield: threads/api", "threads/api", 20, least=True)]),
    Bench("semaphore", "a turn passed to and fro by two semaphores", "ns", "ns each", "hand", share=(10, 60), sides={
        "hand": HAND, "api": api("semaphore/grove"), "threads": api("semaphore/threads")}, goals=[
        Goal("hand-off by semaphores: api/hand", "api/hand", 4),
        Goal("hand-off by semaphores: threads/api", "threads/api", 10, least=True)]),
    Bench("condition", "a turn passed to and fro by a mutex and a condition variable", "ns", "ns each", "hand", share=(10, 60), sides={
        "hand": HAND, "grove": of("handoff", under_grove), "threads": of("handoff")}, goals=[
        Goal("hand-off by condition variable: threads/grove", "threads/grove", 5, least=True)]),
    Bench("channel", "an item handed over in a channel without a buffer", "ns", "ns each", "hand", share=(10, 60), sides={
        "hand": HAND, "api": api("channel/grove"), "one_way": api("channel/one_way", about="the C API, one sends and the other receives"),
        "threads": api("channel/threads")}, goals=[
        Goal("rendezvous in a channel: api/hand", "api/hand", 4),
        Goal("rendezvous in a channel: threads/one_way", "threads/one_way", 10, least=True)]),
    Bench("queue", "an item through a queue of 64", "ns", "ns each", "hand", share=(10, 60), sides={
        "hand": HAND, "api": api("queue/grove"), "threads": api("queue/threads")}, goals=[
        Goal("through a queue of 64: threads/api", "threads/api", 2, least=True)]),
    Bench("generator", "the next value of a generator", "ns", "ns each", "hand", share=(5, 30), sides={
        "hand": HAND, "api": api("generator/grove")}, goals=[
        Goal("next value of a generator: api/hand", "api/hand", 3)]),
    Bench("create", "one is made and waited for, then the next", "ns", "ns each", "hand", share=(10, 60), sides={
        "hand": HAND, "api": api("spawn_join/grove"), "crowd": api("spawn_join/crowd", about="the C API, a thousand alive at a time"),
        "grove": of("create_join", under_grove), "threads": of("create_join")}, goals=[
        Goal("create and join through the API: ns", "api", 150, unit="ns"),
        Goal("create and join: threads/api", "threads/api", 60, least=True),
        Goal("create and join: threads/grove", "threads/grove", 40, least=True)]),
]
