/*
 * clock.h - what time it is; one pointer to set and the unit tests have a clock of their own
 */
#ifndef GR_CLOCK_H
#define GR_CLOCK_H

#include "base.h"
#include <time.h>

/* CLOCK_MONOTONIC in nanoseconds.  Saves nothing and blocks nothing; may be called anywhere, signal handlers included. */
gr_time gr_now(void);

/* what gr_now() asks; unit tests set it, nobody else does */
extern gr_time (*gr_clock_source)(void);

/* now + timeout, or GR_NEVER where that would overflow or timeout is GR_NEVER */
gr_time gr_deadline(gr_time timeout);

/* false when *ts is not a time (negative, or nanoseconds out of range): the kernel says EINVAL */
bool gr_timespec_ok(const struct timespec *ts);

/* duration or absolute value in ns; saturates at GR_NEVER */
gr_time gr_from_timespec(const struct timespec *ts);
void gr_to_timespec(gr_time t, struct timespec *ret_ts);

/* The CLOCK_MONOTONIC deadline for an absolute time @abs on @clock (CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI). */
gr_time gr_deadline_on(clockid_t clock, gr_time abs);

#endif
