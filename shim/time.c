/*
 * time.c - sleeping, and giving up the processor
 */
#include "door.h"
#include <limits.h>
#include <sched.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

DOOR int nanosleep(const struct timespec *req, struct timespec *rem)
{
	return (int)DOOR_CANCEL(SYS_nanosleep, req, rem);
}

/* Returns the error; the thread's CPU clock is refused as libc does. */
DOOR int clock_nanosleep(clockid_t clock, int flags, const struct timespec *req, struct timespec *rem)
{
	if (clock == CLOCK_THREAD_CPUTIME_ID)
		return EINVAL;
	return (int)-gr_call_cancel(SYS_clock_nanosleep, clock, flags, (long)req, (long)rem, 0, 0);
}

DOOR unsigned sleep(unsigned seconds)
{
	struct timespec left = { seconds, 0 };
	int saved = errno;

	if (nanosleep(&left, &left) < 0)
		return (unsigned)left.tv_sec;
	errno = saved;
	return 0;
}

DOOR int usleep(useconds_t us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000l };

	return nanosleep(&ts, NULL);
}

DOOR int sched_yield(void) { return (int)DOOR_CALL(SYS_sched_yield); }

DOOR void thrd_yield(void) { gr_call(SYS_sched_yield, 0, 0, 0, 0, 0, 0); }

/* 0, -1 for a signal, -2 for anything else (C11 7.26.5.7) */
DOOR int thrd_sleep(const struct timespec *req, struct timespec *rem)
{
	long r = gr_call_cancel(SYS_clock_nanosleep, CLOCK_REALTIME, 0, (long)req, (long)rem, 0, 0);

	return r == 0 ? 0 : r == -EINTR ? -1 : -2;
}
