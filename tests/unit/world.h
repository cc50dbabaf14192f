/*
 * world.h - the real scheduler and the real hub for unit tests: greenlets by name, a log, and a clock of their own
 *
 * Include once per test program.  world_begin() or world_begin_hub() in the group's setup; then, per test:
 *	world_go("name", fn, arg); ... world_run();	until all that were started have ended; false: some are parked for ever
 * note("...") appends to world_log, which rows compare.  Everything runs inside the runtime, as green calls do.
 * The clock stands still while anybody can run or any descriptor is ready: when the hub would have to wait, it jumps to the next
 * deadline.  It is years ahead of the kernel's, so the hub's timerfd never fires.
 */
#ifndef WORLD_H
#define WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "arch/x86_64/arch.h"
#include "clock.h"
#include "gate.h"
#include "hub.h"
#include "mem.h"
#include "offload.h"
#include "raw.h"
#include "sched.h"
#include "signal.h"
#include "tools.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define WORLD_STACK	(128 * 1024)
#define WORLD_HUB_STACK	(256 * 1024 - GR_PAGE)		/* HUB_STACK of hub.c, its guard left out */
#define WORLD_PATIENCE	500			/* ms for a call on an offload thread to end by itself, before the clock jumps */
#define WORLD_END	GR_SEC(100000)		/* who is parked longer is parked for ever */

struct world_greenlet {
	struct gr_greenlet *g;
	struct world_greenlet *next;
	const char *name;
	void (*fn)(void *);
	void *arg;
	char *stack;
	unsigned valgrind_id;
};

/* for loop.c, which the linker meets after the archive that has it */
static void *(*const world_needs)(void *, size_t) __attribute__((used)) = gr_mem_realloc;

static struct world_greenlet *world_all;
static int world_alive;
static gr_time world_clock, world_began;
static char world_log[8192];

__attribute__((format(printf, 1, 2), unused)) static void note(const char *fmt, ...)
{
	size_t n = strlen(world_log);
	va_list ap;

	va_start(ap, fmt);
	if (n && n < sizeof(world_log) - 1)
		world_log[n++] = ' ';
	vsnprintf(world_log + n, sizeof(world_log) - n, fmt, ap);
	va_end(ap);
}

static gr_time world_now(void)
{
	return world_clock;
}

/* Time since the test began */
__attribute__((unused)) static gr_time took(void)
{
	return world_clock - world_began;
}

/* libev's descriptors come through the name doors, which hide them; a unit test has no shim. */
int epoll_create1(int flags)
{
	return (int)gr_call(SYS_epoll_create1, flags, 0, 0, 0, 0, 0);
}

static unsigned world_looks;		/* how often libev has asked the kernel */

/* libev is about to wait */
int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	gr_time next = gr_timers_next(&gr_carrier()->timers);
	bool jump = gr_clock_source == world_now && timeout != 0 && next != GR_NEVER;
	long n = raw(SYS_epoll_wait, fd, events, max, !jump ? timeout : gr_offload_busy() ? WORLD_PATIENCE : 0);

	world_looks++;
	if (jump && n == 0 && next > world_clock)
		world_clock = next;
	return n < 0 ? (errno = (int)-n, -1) : (int)n;
}

int timerfd_create(int clock, int flags)
{
	return (int)gr_call(SYS_timerfd_create, clock, flags, 0, 0, 0, 0);
}

static struct world_greenlet *world_of(struct gr_greenlet *g)
{
	struct world_greenlet *w = world_all;

	while (w && w->g != g)
		w = w->next;
	return w;
}

/* name of the current greenlet */
__attribute__((unused)) static const char *me(void)
{
	struct world_greenlet *w = world_of(gr_carrier()->current);

	return w ? w->name : "main";
}

static void world_enter(void *arg)
{
	struct world_greenlet *w = arg;

	gr_greenlet_started();
	w->fn(w->arg);
	w->g = NULL;
	if (--world_alive == 0)
		gr_wake(gr_carrier()->main, 0);
	gr_exit();
}

static struct gr_greenlet *world_go_on(size_t size, const char *name, void (*fn)(void *), void *arg)
{
	struct world_greenlet *w = malloc(sizeof(*w));

	*w = (struct world_greenlet){ .name = name, .fn = fn, .arg = arg, .stack = malloc(size), .next = world_all };
	w->g = gr_greenlet_new(gr_carrier()->base_fs);
	assert_non_null(w->g);
	w->valgrind_id = VALGRIND_STACK_REGISTER(w->stack, w->stack + size);
	world_all = w;
	world_alive++;
	gr_greenlet_start(w->g, gr_frame_init(w->stack + size, world_enter, w));
	return w->g;
}

static struct gr_greenlet *world_go(const char *name, void (*fn)(void *), void *arg)
{
	return world_go_on(WORLD_STACK, name, fn, arg);
}

/* The test itself is the main greenlet: it waits for the end. */
__attribute__((unused)) static bool world_run(void)
{
	int r = world_alive ? gr_park("test", world_clock + WORLD_END, 0) : 0;

	while (r == 0 && gr_carrier()->corpse)		/* until nobody stands on the last stack */
		gr_yield();
	while (world_all && world_alive == 0) {
		struct world_greenlet *w = world_all;

		world_all = w->next;
		VALGRIND_STACK_DEREGISTER(w->valgrind_id);
		free(w->stack);
		free(w);
	}
	return r == 0;
}

/* Faults come to the runtime again, as cmocka takes them at the beginning of each test.  For tests with bad pointers. */
__attribute__((unused)) static void world_takes_faults(void)
{
	struct gr_action dfl = { .handler = (void *)SIG_DFL };

	assert_int_equal(gr_signal_action(SIGSEGV, &dfl, NULL), 0);
}

/* per test: the log is empty, and time counts from here */
__attribute__((unused)) static int world_clear(void **state)
{
	(void)state;
	world_log[0] = '\0';
	world_began = world_clock;
	return 0;
}

__attribute__((unused)) static int world_begin(void **state)
{
	struct gr_carrier *c = gr_carrier();

	(void)state;
	assert_int_equal(gr_start(), 0);
	assert_int_equal(gr_signal_start(), 0);
	c->on = true;
	world_clock = gr_now() + 1000 * GR_SEC(1000000);
	gr_clock_source = world_now;
	return 0;
}

/* The hub of hub.c, made now so that Valgrind can be told of its stack */
__attribute__((unused)) static int world_begin_hub(void **state)
{
	struct gr_carrier *c = gr_carrier();
	char *top;

	world_begin(state);
	assert_int_equal(gr_hub_start(), 0);
	gr_list_push(&c->ready, &c->hub->run);
	top = (char *)c->hub->sp + 64;
	(void)VALGRIND_STACK_REGISTER(top - WORLD_HUB_STACK, top);
	(void)top;
	return 0;
}

#endif
