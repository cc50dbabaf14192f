/*
 * threadpool.h - what the rest of the API has to know of native threads with jobs
 */
#ifndef GR_API_THREADPOOL_H
#define GR_API_THREADPOOL_H

#include "../base.h"

/* How long a thread waits for a job before it ends; for tests. */
extern gr_time gr_threadpool_linger;

/* grove_fail() on a thread that is no greenlet: of the job it runs, if any. */
void gr_job_fail(int err);

/* In a forked child, inside: no thread of a pool is there. */
void gr_threadpool_fork_child(void);

#endif
