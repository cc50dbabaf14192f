/*
 * share.c - the processor's time between hogs and who is woken for a descriptor
 */
#include "share.h"
#include "clock.h"
#include "preempt.h"

#define LONGEST		(10 * GR_SLICE)		/* a slice in which the whole process was stopped says nothing */

/* Those in .soon come before all others, for this once: from now on there is one queue. */
static void end_sharing(struct gr_carrier *c)
{
	gr_list_splice(c->ready.next, &c->share.soon);
	c->sharing = false;
}

static struct gr_greenlet *look_now(struct gr_carrier *c)
{
	if (!c->hub_passed)
		gr_list_del(&c->hub->run);
	c->hub_passed = false;
	c->since_hub = 0;
	return c->hub;
}

static struct gr_greenlet *pop_soon(struct gr_share *s)
{
	struct gr_greenlet *g = gr_list_first(&s->soon, struct gr_greenlet, run);

	gr_list_del(&g->run);
	s->runs = GR_RUNS_SOON;
	return g;
}

struct gr_greenlet *gr_share_next(struct gr_carrier *c)
{
	struct gr_share *s = &c->share;
	gr_time now = gr_now(), took = now - s->began;
	enum gr_runs ran = s->runs;

	s->began = now;
	s->runs = GR_RUNS_ANY;
	if (ran == GR_RUNS_HOG)
		s->until = now + (took < LONGEST ? took : LONGEST);
	if (s->hogs == 0) {
		end_sharing(c);
		return NULL;
	}
	if (!gr_list_empty(&s->soon))
		return now < s->until ? pop_soon(s) : NULL;
	return ran == GR_RUNS_ANY ? NULL : look_now(c);
}

void gr_share_begins(struct gr_carrier *c, struct gr_greenlet *g)
{
	if (!g->hog)
		return;
	g->hog = false;
	c->share.hogs--;
	c->share.runs = GR_RUNS_HOG;
	if (c->share.began >= c->share.until)		/* after those in .soon, who ended at any time: hogs get equal slices */
		gr_preempt_anew(c);
}

void gr_give_way(void)
{
	struct gr_carrier *c = gr_carrier();

	if (!c->sharing) {
		c->sharing = true;
		c->share.began = gr_now();
	}
	c->current->hog = true;
	c->share.hogs++;
	c->share.runs = GR_RUNS_HOG;
	gr_yield();
}

bool gr_share_spares(const struct gr_carrier *c, gr_time slice)
{
	return c->sharing && c->share.runs == GR_RUNS_SOON && gr_now() - c->share.began < slice / 2;
}

void gr_share_start(struct gr_carrier *c)
{
	c->share = (struct gr_share){ .began = gr_now() };
	gr_list_init(&c->share.soon);
	c->sharing = true;
}
