/*
 * pipeline_values.c - values on their way: into inboxes, out of them, in at the front of a pipeline and out at its end
 */
#include "pipeline.h"

/* --- inboxes; all inside ---------------------------------------------------------------------------------------------------- */

static void ring_push(grove_stage *s, void *value)
{
	s->ring[(s->head + s->count++) % s->p->capacity] = value;
}

static void *ring_pop(grove_stage *s)
{
	void *value = s->ring[s->head];

	s->head = (s->head + 1) % s->p->capacity;
	s->count--;
	return value;
}

static int put_into(grove_stage *s, void *value, gr_time deadline)
{
	struct gr_turn *getter = gr_first_turn(&s->getters), turn = { .value = value };

	if (s->p->broken)
		return -ECANCELED;
	if (s->gone)
		return -EPIPE;
	if (getter) {
		getter->value = value;
		gr_give_turn(getter, 1);
		return 0;
	}
	if (s->count < s->p->capacity) {
		ring_push(s, value);
		return 0;
	}
	return gr_wait_turn(&s->putters, "pipeline", s->p, deadline, &turn);
}

static int get_from(grove_stage *s, void **ret_value, gr_time deadline)
{
	struct gr_turn turn = { .value = NULL }, *putter;
	int r;

	if (s->p->broken)
		return -ECANCELED;
	if (s->count) {
		*ret_value = ring_pop(s);
		putter = gr_first_turn(&s->putters);
		if (putter) {
			ring_push(s, putter->value);
			gr_give_turn(putter, 0);
		}
		return 1;
	}
	if (!s->sources)
		return 0;
	r = gr_wait_turn(&s->getters, "pipeline", s->p, deadline, &turn);
	if (r == 1)
		*ret_value = turn.value;
	return r;
}

static bool has_room(const grove_stage *s)
{
	return s->gone || s->count < s->p->capacity;
}

/* To each one behind; those that have ended are passed over. */
static int put_to_all(grove_stage *from, void *value, gr_time deadline)
{
	int r = -EPIPE;

	for (size_t i = 0; deadline == GR_AT_ONCE && !from->p->broken && i < from->n_to; i++)
		if (!has_room(from->to[i]))
			return -EAGAIN;
	for (size_t i = 0; i < from->n_to; i++) {
		int one = put_into(from->to[i], value, deadline);

		if (one < 0 && one != -EPIPE)
			return one;
		if (one == 0)
			r = 0;
	}
	return r;
}

void gr_stage_one_source_less(grove_stage *s)
{
	if (--s->sources == 0)
		gr_give_all(&s->getters, 0);
}

void gr_stage_break_off(grove_stage *s)
{
	gr_give_all(&s->getters, -ECANCELED);
	gr_give_all(&s->putters, -ECANCELED);
}

void gr_stage_drop_values(grove_stage *s)
{
	while (s->count) {
		void *value = ring_pop(s);

		if (s->p->drop)
			s->p->drop(value);
	}
}

/* --- calls ------------------------------------------------------------------------------------------------------------------ */

int grove_stage_get(grove_stage *s, void **ret_value, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_stage_get, s, ret_value, timeout);
	if (!gr_stage_is(s) || !ret_value || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	return gr_leave(get_from(s, ret_value, deadline));
}

int grove_stage_put(grove_stage *s, void *value, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_stage_put, s, value, timeout);
	if (!gr_stage_is(s) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	return gr_leave(put_to_all(s, value, deadline));
}

/* What a broken pipeline says to the outside */
static int outside(const grove_pipeline *p, int r)
{
	return r == -ECANCELED && p->broken && p->error ? -p->error : r;
}

int grove_pipeline_put(grove_pipeline *p, void *value, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_pipeline_put, p, value, timeout);
	if (!gr_is(p, GR_PIPELINE) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	if (!p->in_open)
		return gr_fails(p->first && p->first->closed ? EPIPE : ESRCH);
	gr_enter();
	return gr_leave(outside(p, put_into(p->first, value, deadline)));
}

int grove_pipeline_get(grove_pipeline *p, void **ret_value, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_pipeline_get, p, ret_value, timeout);
	if (!gr_is(p, GR_PIPELINE) || !ret_value || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	if (!p->out)
		return gr_fails(ESRCH);
	gr_enter();
	return gr_leave(outside(p, get_from(p->out, ret_value, deadline)));
}

int grove_pipeline_close(grove_pipeline *p)
{
	GR_ANYWHERE(-1, grove_pipeline_close, p);
	if (!gr_is(p, GR_PIPELINE))
		return gr_fails(EINVAL);
	if (!p->in_open)
		return gr_fails(ESRCH);
	gr_enter();
	p->in_open = false;
	p->first->closed = true;
	gr_stage_one_source_less(p->first);
	return gr_leave(0);
}
