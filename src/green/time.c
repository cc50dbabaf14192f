/*
 * time.c - nanosleep and clock_nanosleep
 *
 * Sleeps on clocks that run with the wall are deadlines of the hub; those on CPU clocks and alarm clocks are the kernel's, on a
 * thread of their own.
 */
#include "../clock.h"
#include "../offload.h"
#include "../raw.h"
#include "../sched.h"
#include "../signal.h"
#include "green.h"
#include <errno.h>
#include <time.h>

#define PER_THREAD	4		/* in a negative clock id: of a thread, not of a process; the pid above bit 3 is inverted */

/* Sleep until an absolute time on @clock, which may be set meanwhile. */
static int sleep_until(clockid_t clock, gr_time at)
{
	for (;;) {
		gr_time deadline = clock == CLOCK_MONOTONIC ? at : gr_deadline_on(clock, at);
		int r;

		if (deadline <= gr_now())
			return 0;
		r = gr_park("sleep", deadline, GR_PARK_INTR);
		if (r < 0 && r != -ETIMEDOUT)
			return r;
	}
}

/* Interrupted: say how much is left, unless that turns out to be nothing. */
static long tell_left(gr_time deadline, struct timespec *rem, int r)
{
	gr_time left = deadline - gr_now();
	struct timespec ts;

	if (r != -EINTR)
		return r;
	if (left <= 0)
		return 0;
	gr_to_timespec(left, &ts);
	return rem && gr_user_write(rem, &ts, sizeof(ts)) < 0 ? -EFAULT : r;
}

/* Even one of no time lets others run: programs wait for each other that way. */
static long sleep_for(gr_time timeout, struct timespec *rem)
{
	gr_time deadline = gr_deadline(timeout);
	int r;

	do
		r = gr_park("sleep", deadline, GR_PARK_INTR);
	while (r == 0 && gr_now() < deadline);
	return r == -ETIMEDOUT ? 0 : tell_left(deadline, rem, r);
}

static long read_time(const struct timespec *from, gr_time *ret_time)
{
	struct timespec ts;

	if (gr_user_read(&ts, from, sizeof(ts)) < 0)
		return -EFAULT;
	if (!gr_timespec_ok(&ts))
		return -EINVAL;
	*ret_time = gr_from_timespec(&ts);
	return 0;
}

long green_nanosleep(const struct timespec *req, struct timespec *rem)
{
	gr_time timeout;
	long r = read_time(req, &timeout);

	return r < 0 ? r : sleep_for(timeout, rem);
}

/* Clocks on which the kernel refuses to sleep: asking it does not block. */
static bool refused(clockid_t clock)
{
	int pid = ~(clock >> 3);

	if (clock < 0)
		return (clock & 7) == 3 || ((clock & PER_THREAD) && (pid == 0 || pid == gr_carrier()->tid));
	return clock != CLOCK_PROCESS_CPUTIME_ID && clock != CLOCK_REALTIME_ALARM && clock != CLOCK_BOOTTIME_ALARM;
}

long green_clock_nanosleep(clockid_t clock, int flags, const struct timespec *req, struct timespec *rem)
{
	gr_time t;
	long r;

	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME && clock != CLOCK_TAI) {
		if (refused(clock))
			return raw(SYS_clock_nanosleep, clock, flags, req, rem);
		r = gr_offload(SYS_clock_nanosleep, clock, flags, (long)req, (long)rem, 0, 0);
		return r == -GR_ERESTART ? -EINTR : r;
	}
	r = read_time(req, &t);
	if (r < 0)
		return r;
	return flags & TIMER_ABSTIME ? sleep_until(clock, t) : sleep_for(t, rem);
}
