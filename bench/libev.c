/*
 * libev.c - timers by hand on libev, on which grove's hub stands: no stacks, nothing but callbacks
 *
 *	libev sleepers [n]		n timers of random length: CPU nanoseconds for each, lateness
 *	libev late [n [us others]]	one timer n times for @us, while @others work for 20 us and wait 1 ms in turns
 */
#include "sides.h"
#include <ev.h>

struct timer {
	ev_timer ev;			/* first */
	double from;
};

static struct ev_loop *loop;
static long sleepers, left;

static void woke(struct ev_loop *l, ev_timer *ev, int events)
{
	struct timer *timer = (struct timer *)ev;
	long i = (long)(intptr_t)ev->data;

	(void)events;
	bench_woke(i, timer->from, bench_length(i, sleepers));
	if (--left == 0)
		ev_break(l, EVBREAK_ALL);
}

static double run_sleepers(long n)
{
	struct timer *timers = calloc((size_t)n, sizeof(*timers));
	double from = bench_now(CLOCK_PROCESS_CPUTIME_ID), took;

	bench_late_new(n);
	loop = ev_default_loop(0);
	sleepers = left = n;
	for (long i = 0; i < n; i++) {
		ev_now_update(loop);		/* a timer counts from the last turn, and would end early */
		timers[i].from = bench_now(CLOCK_MONOTONIC);
		ev_timer_init(&timers[i].ev, woke, (double)bench_length(i, sleepers) / 1e9, 0);
		timers[i].ev.data = (void *)(intptr_t)i;
		ev_timer_start(loop, &timers[i].ev);
	}
	ev_run(loop, 0);
	took = bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
	bench_print_late(n);
	return took;
}

static void works(struct ev_loop *l, ev_timer *ev, int events)
{
	(void)events;
	bench_work();
	ev_now_update(l);
	ev_timer_set(ev, BENCH_REST / 1e9, 0);
	ev_timer_start(l, ev);
}

static long sleeps;			/* so many */

static void woke_again(struct ev_loop *l, ev_timer *ev, int events)
{
	struct timer *timer = (struct timer *)ev;

	(void)events;
	bench_woke(sleeps - left, timer->from, bench_args[0] * 1000);
	if (--left == 0) {
		ev_break(l, EVBREAK_ALL);
		return;
	}
	ev_now_update(l);
	timer->from = bench_now(CLOCK_MONOTONIC);
	ev_timer_set(ev, (double)bench_args[0] / 1e6, 0);
	ev_timer_start(l, ev);
}

static double run_late(long n)
{
	static ev_timer others[1000];
	struct timer one;
	double begin = bench_now(CLOCK_MONOTONIC);

	bench_late_new(n);
	bench_find_work();
	loop = ev_default_loop(0);
	sleeps = left = n;
	for (long i = 0; i < bench_args[1] && i < 1000; i++) {
		ev_timer_init(&others[i], works, BENCH_REST / 1e9, 0);
		ev_timer_start(loop, &others[i]);
	}
	ev_now_update(loop);
	one.from = bench_now(CLOCK_MONOTONIC);
	ev_timer_init(&one.ev, woke_again, (double)bench_args[0] / 1e6, 0);
	ev_timer_start(loop, &one.ev);
	ev_run(loop, 0);
	bench_print_late(n);
	return bench_now(CLOCK_MONOTONIC) - begin;
}

BENCH_MAIN(100000, { "sleepers", run_sleepers }, { "late", run_late })
