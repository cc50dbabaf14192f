/*
 * fiber.cc - Boost.Fiber, with its own scheduler, round robin; stacks from its pool
 * Needs: libboost-fiber-dev
 * Build: -lboost_fiber -lboost_context
 *
 * It has no semaphores; they are made of its mutex and condition variable.
 */
#include "../sides.h"
#include <boost/fiber/all.hpp>
#include <chrono>
#include <memory>
#include <unistd.h>

namespace fibers = boost::fibers;
using fibers::fiber;

static fibers::pooled_fixedsize_stack stacks(65536, 64);
static long rounds;

static double two(void (*a)(int), void (*b)(int))
{
	fiber other(std::allocator_arg, stacks, b, 1);
	double from = bench_now(CLOCK_PROCESS_CPUTIME_ID);

	a(0);
	other.join();
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

static void yields(int)
{
	for (long i = 0; i < rounds; i++)
		boost::this_fiber::yield();
}

static double run_yield(long n)
{
	rounds = (n + 1) / 2;
	return two(yields, yields);
}

/* --- a turn ---------------------------------------------------------------------------------------------------------------- */

static fibers::mutex lock;
static fibers::condition_variable changed[2];
static int count[2] = { 1, 0 }, whose;

static void passes_on(int me)
{
	for (long i = 0; i < rounds; i++) {
		std::unique_lock<fibers::mutex> hold(lock);

		changed[me].wait(hold, [me] { return count[me] > 0; });
		count[me]--;
		count[!me]++;
		changed[!me].notify_one();
	}
}

static double run_semaphore(long n)
{
	rounds = (n + 1) / 2;
	return two(passes_on, passes_on);
}

static void plays(int me)
{
	for (long i = 0; i < rounds; i++) {
		std::unique_lock<fibers::mutex> hold(lock);

		changed[0].wait(hold, [me] { return whose == me; });
		whose = !me;
		changed[0].notify_one();
	}
}

static double run_condition(long n)
{
	rounds = (n + 1) / 2;
	return two(plays, plays);
}

/* --- channels -------------------------------------------------------------------------------------------------------------- */

template <class C> struct through {
	static C *channel;

	static void sends(int)
	{
		for (long i = 1; i <= rounds; i++)
			channel->push(i);
	}

	static void receives(int)
	{
		for (long i = 1; i <= rounds; i++)
			BENCH_CHECK(channel->value_pop() == i);
	}

	static double run(C *c, long n)
	{
		channel = c;
		rounds = n;
		return two(receives, sends);
	}
};
template <class C> C *through<C>::channel;

static double run_channel(long n)
{
	return through<fibers::unbuffered_channel<long>>::run(new fibers::unbuffered_channel<long>, n);
}

static double run_queue(long n)
{
	return through<fibers::buffered_channel<long>>::run(new fibers::buffered_channel<long>(64), n);
}

/* --- create and join ------------------------------------------------------------------------------------------------------- */

static double run_create(long n)
{
	double from = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	long ended = 0;

	for (long i = 0; i < n; i++)
		fiber(std::allocator_arg, stacks, [&ended] { ended++; }).join();
	BENCH_CHECK(ended == n);
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

/* --- sleep ----------------------------------------------------------------------------------------------------------------- */

static void nap(int64_t ns)
{
	boost::this_fiber::sleep_for(std::chrono::nanoseconds(ns));
}

static double run_sleep(long n)
{
	fibers::pooled_fixedsize_stack small(16384, 64);
	long there = 0;

	for (long i = 0; i < n; i++)
		fiber(std::allocator_arg, small, [&there] { there++; nap(1000000000000); }).detach();
	while (there < n)
		boost::this_fiber::yield();
	bench_parked(n);
	_exit(0);
}

static double run_sleepers(long n)
{
	double from = bench_now(CLOCK_PROCESS_CPUTIME_ID), took;
	long running = n;

	bench_late_new(n);
	for (long i = 0; i < n; i++)
		fiber(std::allocator_arg, stacks, [&running, i, n] {
			double begun = bench_now(CLOCK_MONOTONIC);

			nap(bench_length(i, n));
			bench_woke(i, begun, bench_length(i, n));
			running--;
		}).detach();
	while (running > 0)
		nap(100000000);
	took = bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
	bench_print_late(n);
	return took;
}

static double run_late(long n)
{
	double begun;

	bench_late_new(n);
	bench_find_work();
	for (long i = 0; i < bench_args[1]; i++)
		fiber(std::allocator_arg, stacks, [] {
			while (!bench_stop) {
				bench_work();
				nap(BENCH_REST);
			}
		}).detach();
	begun = bench_now(CLOCK_MONOTONIC);
	for (long i = 0; i < n; i++) {
		double from = bench_now(CLOCK_MONOTONIC);

		nap(bench_args[0] * 1000);
		bench_woke(i, from, bench_args[0] * 1000);
	}
	begun = bench_now(CLOCK_MONOTONIC) - begun;
	bench_stop = 1;
	bench_print_late(n);
	nap(10 * BENCH_REST);
	return begun;
}

BENCH_MAIN(10000, { "yield", run_yield }, { "semaphore", run_semaphore }, { "condition", run_condition },
	   { "channel", run_channel }, { "queue", run_queue }, { "create", run_create }, { "sleep", run_sleep },
	   { "sleepers", run_sleepers }, { "late", run_late })
