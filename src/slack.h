/*
 * slack.h - how late a deadline may be met, so that one wake-up serves several
 *
 * The kernel lets a thread's sleeps and timeouts be late by its timer slack: 50 us, or what prctl(PR_SET_TIMERSLACK) or its parent said;
 * real-time threads have none.  The hub's timerfd knows no slack, so the hub itself decides (hub.c).
 */
#ifndef GR_SLACK_H
#define GR_SLACK_H

#include "base.h"

/* At @now, in nanoseconds: what the kernel has for the carrier, but no more than any greenlet ever asked for. */
gr_time gr_slack(gr_time now);

/* The current greenlet has set it by prctl(). */
void gr_slack_set(void);

/* It may be another: somebody has set how the carrier is scheduled. */
void gr_slack_look(void);

/* A filter of system calls comes: the program does without the calls by which to ask, and may have them end it. */
void gr_slack_forbid(void);

#endif
