/*
 * context.cc - Boost.Context: a switch of stacks, without a scheduler, TLS or FS base
 * Needs: libboost-context-dev
 * Build: -lboost_context
 */
#include "../sides.h"
#include <boost/context/detail/fcontext.hpp>

using namespace boost::context::detail;

static const size_t size = 65536;
static char stack[size] __attribute__((aligned(64)));

static void turns(transfer_t to)
{
	for (;;)
		to = jump_fcontext(to.fctx, nullptr);
}

static double run_switch(long n)
{
	transfer_t other = { make_fcontext(stack + size, size, turns), nullptr };
	double from = bench_now(CLOCK_PROCESS_CPUTIME_ID);

	for (long i = 0; i < n; i += 2)
		other = jump_fcontext(other.fctx, nullptr);
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

static long ended;

static void ends(transfer_t to)
{
	ended++;
	jump_fcontext(to.fctx, nullptr);
}

/* On the same stack each time, which is the least that a pool of them can cost */
static double run_create(long n)
{
	double from = bench_now(CLOCK_PROCESS_CPUTIME_ID);

	for (long i = 0; i < n; i++)
		jump_fcontext(make_fcontext(stack + size, size, ends), nullptr);
	BENCH_CHECK(ended == n);
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

BENCH_MAIN(1000000, { "switch", run_switch }, { "create", run_create })
