/*
 * pipeline.c - pipelines as they are built: their stages, which is behind which, the open ends
 */
#include "pipeline.h"
#include <stdio.h>
#include <stdlib.h>

#define CAPACITY_MAX	((size_t)1 << 40)

grove_pipeline *grove_pipeline_new(size_t capacity, void (*drop)(void *))
{
	grove_pipeline *p;

	GR_ANYWHERE((grove_pipeline *)NULL, grove_pipeline_new, capacity, drop);
	if (!capacity || capacity > CAPACITY_MAX)
		return gr_fails_null(EINVAL);
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	gr_object_init(&p->object, GR_PIPELINE, false);
	gr_list_init(&p->waiters);
	p->capacity = capacity;
	p->drop = drop;
	return p;
}

static grove_stage *stage_new(grove_pipeline *p, grove_stage_fn *fn, void *arg)
{
	grove_stage *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	*s = (grove_stage){ .magic = GR_STAGE_MAGIC, .p = p, .fn = fn, .arg = arg, .n_workers = 1 };
	gr_list_init(&s->getters);
	gr_list_init(&s->putters);
	s->ring = malloc(p->capacity * sizeof(*s->ring));
	if (s->ring)
		return s;
	free(s);
	return NULL;
}

static void stage_free(grove_stage *s)
{
	for (unsigned i = 0; s->workers && i < s->n_workers; i++)
		grove_release(s->workers[i].g);
	s->magic = 0;
	free(s->workers);
	free(s->ring);
	free(s->to);
	free(s);
}

static int link_stages(grove_stage *from, grove_stage *to)
{
	grove_stage **more = realloc(from->to, (from->n_to + 1) * sizeof(*more));

	if (!more)
		return -1;
	from->to = more;
	more[from->n_to++] = to;
	to->sources++;
	return 0;
}

static grove_stage *add(grove_pipeline *p, grove_stage_fn *fn, void *arg, bool behind)
{
	grove_stage *s;

	if (!gr_is(p, GR_PIPELINE) || !fn)
		return gr_fails_null(EINVAL);
	if (p->state != GR_PIPELINE_NEW || p->out)
		return gr_fails_null(EBUSY);
	s = stage_new(p, fn, arg);
	if (!s)
		return NULL;
	if (behind && p->last && link_stages(p->last, s) < 0) {
		stage_free(s);
		return NULL;
	}
	if (p->last)
		p->last->next = s;
	else
		p->first = s;
	p->last = s;
	p->alive++;
	return s;
}

grove_stage *grove_pipeline_stage(grove_pipeline *p, grove_stage_fn *fn, void *arg)
{
	GR_ANYWHERE((grove_stage *)NULL, grove_pipeline_stage, p, fn, arg);
	return add(p, fn, arg, false);
}

grove_stage *grove_pipeline_add(grove_pipeline *p, grove_stage_fn *fn, void *arg)
{
	GR_ANYWHERE((grove_stage *)NULL, grove_pipeline_add, p, fn, arg);
	return add(p, fn, arg, true);
}

int grove_pipeline_link(grove_stage *from, grove_stage *to)
{
	GR_ANYWHERE(-1, grove_pipeline_link, from, to);
	if (!gr_stage_is(from) || !gr_stage_is(to) || from == to || from->p != to->p)
		return gr_fails(EINVAL);
	if (from->p->state != GR_PIPELINE_NEW)
		return gr_fails(EBUSY);
	for (size_t i = 0; i < from->n_to; i++)
		if (from->to[i] == to)
			return gr_fails(EEXIST);
	return link_stages(from, to);
}

int grove_stage_workers(grove_stage *s, unsigned n)
{
	if (!gr_stage_is(s) || !n)
		return gr_fails(EINVAL);
	if (s->p->state != GR_PIPELINE_NEW)
		return gr_fails(EBUSY);
	s->n_workers = n;
	return 0;
}

int grove_stage_name(grove_stage *s, const char *name)
{
	if (!gr_stage_is(s) || !name)
		return gr_fails(EINVAL);
	if (s->p->state != GR_PIPELINE_NEW)
		return gr_fails(EBUSY);
	snprintf(s->name, sizeof(s->name), "%s", name);
	return 0;
}

grove_pipeline *grove_stage_pipeline(const grove_stage *s)
{
	return gr_stage_is(s) ? s->p : gr_fails_null(EINVAL);
}

int grove_pipeline_open(grove_pipeline *p, unsigned ends)
{
	GR_ANYWHERE(-1, grove_pipeline_open, p, ends);
	if (!gr_is(p, GR_PIPELINE) || !p->first || !ends || (ends & ~(GROVE_PIPELINE_IN | GROVE_PIPELINE_OUT)))
		return gr_fails(EINVAL);
	if (p->state != GR_PIPELINE_NEW || ((ends & GROVE_PIPELINE_IN) && p->in_open) || ((ends & GROVE_PIPELINE_OUT) && p->out))
		return gr_fails(EBUSY);
	if (ends & GROVE_PIPELINE_OUT) {
		p->out = stage_new(p, NULL, NULL);
		if (!p->out)
			return -1;
		if (link_stages(p->last, p->out) < 0) {
			stage_free(p->out);
			p->out = NULL;
			return -1;
		}
	}
	if (ends & GROVE_PIPELINE_IN) {
		p->in_open = true;
		p->first->sources++;
	}
	return 0;
}

int grove_pipeline_free(grove_pipeline *p)
{
	grove_stage *next;

	if (!p)
		return 0;
	GR_ANYWHERE(-1, grove_pipeline_free, p);
	if (!gr_is(p, GR_PIPELINE))
		return gr_fails(EINVAL);
	if (p->state == GR_PIPELINE_RUNS)
		return gr_fails(EBUSY);
	if (p->out) {
		gr_stage_drop_values(p->out);
		stage_free(p->out);
	}
	for (grove_stage *s = p->first; s; s = next) {
		next = s->next;
		stage_free(s);
	}
	p->object.type = 0;
	free(p);
	return 0;
}
