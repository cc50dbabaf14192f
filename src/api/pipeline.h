/*
 * pipeline.h - what a pipeline is made of: stages, each with an inbox in front of it
 *
 *	NEW --start--> RUNS --the last stage has ended--> OVER
 *
 * A stage has one inbox, which all in front of it share; .sources counts those that may still put.  Values wait in the ring, and
 * those for which there is no room with their putters, in .putters.  Nobody waits in .getters unless the ring is empty, nor in
 * .putters unless it is full.
 */
#ifndef GR_API_PIPELINE_H
#define GR_API_PIPELINE_H

#include "api.h"
#include <grove/pipeline.h>

#define GR_STAGE_MAGIC	0x67724201u

struct gr_stage_worker {
	grove_stage *stage;
	grove_greenlet *g;
	bool started, ended;
};

struct grove_stage {
	uint32_t magic;
	grove_pipeline *p;
	grove_stage *next;
	grove_stage_fn *fn;		/* NULL: the outside, behind the last */
	void *arg;
	char name[32];
	unsigned n_workers, running;
	struct gr_stage_worker *workers;
	bool closed;			/* the outside has closed it */
	bool gone;			/* nobody gets what is put for it any more */
	unsigned sources;
	size_t head, count;
	void **ring;
	struct gr_list getters, putters;
	size_t n_to;
	grove_stage **to;		/* those behind it */
};

struct grove_pipeline {
	struct gr_object object;	/* GR_PIPELINE; ready: all stages have ended */
	enum { GR_PIPELINE_NEW, GR_PIPELINE_RUNS, GR_PIPELINE_OVER } state;
	bool broken;			/* stages are not to go on */
	bool in_open;
	int error;
	size_t capacity;
	void (*drop)(void *);
	grove_stage *first, *last, *out;
	unsigned alive;			/* stages that have not ended */
	struct gr_list waiters;
};

static inline bool gr_stage_is(const grove_stage *s)
{
	return s && s->magic == GR_STAGE_MAGIC;
}

/* Of pipeline_values.c; inside, where it is not said otherwise */
void gr_stage_one_source_less(grove_stage *s);		/* of those that may put for it */
void gr_stage_break_off(grove_stage *s);		/* whoever waits at its inbox */
void gr_stage_drop_values(grove_stage *s);		/* what nobody is going to get; outside */

#endif
