/*
 * switch.c - grove's own switch of stacks (src/arch), without the scheduler above it; linked with grove's objects, as it is
 * internal
 *
 *	switch grove [switches]		prints CPU nanoseconds per switch: FS base, control words, registers
 */
#include "arch/x86_64/arch.h"
#include "sides.h"
#include <limits.h>

#define STACK	65536
#define HEAD	704		/* of a thread's TLS block: what the ABI and compilers know of */

static char stack[STACK] __attribute__((aligned(64))), other_fs[HEAD] __attribute__((aligned(64)));
static void *sp[2];
static uintptr_t fs[2];

/* Both sides run this, so the returns are predicted, as in the scheduler. */
static __attribute__((noinline)) void turns(int me, long n)
{
	while (n-- > 0)
		gr_switch(&sp[me], sp[!me], fs[!me]);
}

static void other(void *arg)
{
	turns((int)(intptr_t)arg, LONG_MAX);
}

static double run_grove(long n)
{
	double from;

	gr_arch_init();
	fs[0] = gr_arch_fs();
	fs[1] = (uintptr_t)memcpy(other_fs, (void *)fs[0], HEAD);
	sp[1] = gr_frame_init(stack + STACK, other, (void *)1);
	from = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	turns(0, n / 2);
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

BENCH_MAIN(10000000, { "grove", run_grove })
