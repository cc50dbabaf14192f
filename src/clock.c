/*
 * clock.c - the kernel's clocks through the vdso, and the arithmetic of deadlines
 *
 * The vdso is built by the kernel without vector registers and touches neither TLS nor errno, so it may be called from anywhere;
 * libc's clock_gettime() may be a wrapper of somebody's (faketime), whose idea of time is for the program and not for the hub.
 */
#include "clock.h"
#include "raw.h"
#include <dlfcn.h>

#define NS_PER_SEC 1000000000

static int from_kernel(clockid_t clock, struct timespec *ret_ts)
{
	return (int)raw(SYS_clock_gettime, clock, ret_ts);
}

static int (*clock_gettime_)(clockid_t, struct timespec *) = from_kernel;

/* At load, when the registers are still all ours.  There is none under valgrind, nor with vdso=0 on the kernel's command line. */
__attribute__((constructor(101))) static void find_vdso(void)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
	void *fn = vdso ? dlvsym(vdso, "__vdso_clock_gettime", "LINUX_2.6") : NULL;

	if (fn)
		clock_gettime_ = (int (*)(clockid_t, struct timespec *))fn;
}

static gr_time read_clock(clockid_t clock)
{
	struct timespec ts = { 0 };

	clock_gettime_(clock, &ts);
	return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static gr_time monotonic(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

gr_time (*gr_clock_source)(void) = monotonic;

gr_time gr_now(void)
{
	return gr_clock_source();
}

static gr_time add(gr_time a, gr_time b)
{
	gr_time sum;

	return __builtin_add_overflow(a, b, &sum) ? (b < 0 ? INT64_MIN : GR_NEVER) : sum;
}

gr_time gr_deadline(gr_time timeout)
{
	return timeout == GR_NEVER ? GR_NEVER : add(gr_now(), timeout);
}

bool gr_timespec_ok(const struct timespec *ts)
{
	return ts->tv_sec >= 0 && (unsigned long)ts->tv_nsec < NS_PER_SEC;
}

gr_time gr_from_timespec(const struct timespec *ts)
{
	gr_time ns;

	if (__builtin_mul_overflow((gr_time)ts->tv_sec, (gr_time)NS_PER_SEC, &ns))
		return ts->tv_sec < 0 ? INT64_MIN : GR_NEVER;
	return add(ns, ts->tv_nsec);
}

void gr_to_timespec(gr_time t, struct timespec *ret_ts)
{
	gr_time sec = t / NS_PER_SEC, ns = t % NS_PER_SEC;

	if (ns < 0) {		/* rounds towards the past, as struct timespec wants it */
		sec--;
		ns += NS_PER_SEC;
	}
	ret_ts->tv_sec = sec;
	ret_ts->tv_nsec = ns;
}

gr_time gr_deadline_on(clockid_t clock, gr_time abs)
{
	if (clock == CLOCK_MONOTONIC || abs == GR_NEVER)
		return abs;
	return add(gr_now(), add(abs, -read_clock(clock)));
}
