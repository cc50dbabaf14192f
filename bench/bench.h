/*
 * bench.h - what the benches of the C API share
 */
#ifndef BENCH_H
#define BENCH_H

#include "sides.h"
#include <grove.h>

/* Two greenlets, from their start to the end of both.  Where they run the same function, their returns are predicted. */
static inline double bench_two(grove_fn *a, void *a_arg, grove_fn *b, void *b_arg)
{
	grove_greenlet *both[] = { grove_spawn(a, a_arg), grove_spawn(b, b_arg) };
	double from = bench_now(CLOCK_PROCESS_CPUTIME_ID);

	BENCH_CHECK(grove_joinall(both, 2, 0, GROVE_FOREVER, 0) == 2);
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

#endif
