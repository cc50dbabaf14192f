/*
 * api.h - the whole runtime, as a program that links with -lgrove has it, for unit tests of the API: on a clock of their own
 *
 * Include once per test program.  api_begin() in the group's setup; per test api_clear() as setup and api_nobody_left() as teardown:
 *	cmocka_unit_test_setup_teardown(test_x, api_clear, api_nobody_left)		or api_test(test_x)
 * The test is the main greenlet; it calls the public functions.  note("...") appends to api_log, which rows compare.
 * The clock stands still while anybody can run or any descriptor is ready: when the hub would have to wait, it jumps to the next
 * deadline, so time and order are exact.  It does not jump while a native thread is at work: say api_natives++ around such tests.
 */
#ifndef TEST_API_H
#define TEST_API_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/api.h"
#include "api/greenlet.h"
#include "clock.h"
#include "gate.h"
#include "hub.h"
#include "mem.h"
#include "raw.h"
#include "sched.h"
#include <errno.h>
#include <grove.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* for loop.c, which the linker meets after the archive that has it */
static void *(*const api_needs)(void *, size_t) __attribute__((used)) = gr_mem_realloc;

static gr_time api_clock, api_began;
static volatile int api_natives;
static char api_log[16384];

__attribute__((format(printf, 1, 2), unused)) static void note(const char *fmt, ...)
{
	size_t n = strlen(api_log);
	va_list ap;

	va_start(ap, fmt);
	if (n && n < sizeof(api_log) - 1)
		api_log[n++] = ' ';
	vsnprintf(api_log + n, sizeof(api_log) - n, fmt, ap);
	va_end(ap);
}

static gr_time api_now(void)
{
	return api_clock;
}

/* Time since the test began */
__attribute__((unused)) static gr_time took(void)
{
	return api_clock - api_began;
}

/* libev, in the hub, is about to wait; or somebody else calls */
int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	struct gr_carrier *c = gr_carrier();
	gr_time next = gr_timers_next(&c->timers);
	bool hub = c->inside && c->current == c->hub;
	bool jump = hub && gr_clock_source == api_now && timeout != 0 && next != GR_NEVER && !c->outside && !api_natives;
	long n = hub ? raw(SYS_epoll_wait, fd, events, max, jump ? 0 : timeout) : gr_call(SYS_epoll_wait, fd, (long)events, max, timeout, 0, 0);

	if (jump && n == 0 && next > api_clock)
		api_clock = next;
	return n < 0 ? (errno = (int)-n, -1) : (int)n;
}

/* per test: the log is empty, and time counts from here */
__attribute__((unused)) static int api_clear(void **state)
{
	(void)state;
	api_log[0] = '\0';
	api_began = api_clock;
	errno = 0;
	return 0;
}

/* No test leaves a greenlet behind; those that have just ended may still have to leave their stacks. */
__attribute__((unused)) static int api_nobody_left(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		grove_yield();
	gr_list_each(it, &gr_greenlets) {
		struct grove_greenlet *g = gr_container(it, struct grove_greenlet, all);

		if (!g->service && g->g != gr_carrier()->main && g->fn) {
			fprintf(stderr, "left over: %s\n", grove_name(g));
			return -1;
		}
	}
	return 0;
}

#define api_test(fn) cmocka_unit_test_setup_teardown(fn, api_clear, api_nobody_left)

__attribute__((unused)) static int api_begin(void **state)
{
	(void)state;
	if (!gr_here())
		return -1;
	api_clock = gr_now() + 1000 * GR_SEC(1000000);
	gr_clock_source = api_now;
	return 0;
}

#endif
