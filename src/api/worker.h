/*
 * worker.h - the threads that run greenlets, one after another
 */
#ifndef GR_API_WORKER_H
#define GR_API_WORKER_H

#include "greenlet.h"

/* Lies in the frame of its own thread. */
struct gr_worker {
	struct gr_list idle;		/* in the list of those that wait for a greenlet */
	struct gr_greenlet *g;
	struct grove_greenlet *rec;	/* the one it runs */
	size_t stack_size;
	unsigned served;
	unsigned born;			/* gr_tls_learn() */
	bool surplus;			/* nobody has needed it: it is to end */
};

/* An idle worker takes @rec on; inside.  False: there is none. */
bool gr_worker_take(struct grove_greenlet *rec);

/* A new one for @rec; outside.  0, or an errno value. */
int gr_worker_new(struct grove_greenlet *rec);

/* A forked child has none. */
void gr_worker_fork_child(void);

/* Run @rec on the current thread, outside, up to its end as far as the program's code is concerned (greenlet.c). */
void gr_greenlet_run(struct grove_greenlet *rec);

/* The same is over, inside: tell everybody.  The scheduler's half is another's, or gone, afterwards. */
void gr_greenlet_ended(struct grove_greenlet *rec);

#endif
