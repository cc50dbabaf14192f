/*
 * pipeline.c - stages, each with an inbox in front of it
 *
 *	NEW --start--> RUNS --the last stage has ended--> OVER
 *
 * A stage has one inbox, which all in front of it share; .sources counts those that may still put.  Values wait in the ring, and those for which
 * there is no room with their putters, in .putters.  Nobody waits in .getters unless the ring is empty, nor in .putters unless it is full.
 */
#include "api.h"
#include <grove/pipeline.h>
#include <grove/timeout.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STAGE_MAGIC	0x67724201u
#define NAME		32
#define CAPACITY_MAX	((size_t)1 << 40)

struct worker {
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
	char name[NAME];
	unsigned n_workers, running;
	struct worker *workers;
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
	enum { NEW, RUNS, OVER } state;
	bool broken;			/* stages are not to go on */
	bool in_open;
	int error;
	size_t capacity;
	void (*drop)(void *);
	grove_stage *first, *last, *out;
	unsigned alive;			/* stages that have not ended */
	struct gr_list waiters;
};

static bool is_stage(const grove_stage *s)
{
	return s && s->magic == STAGE_MAGIC;
}

/* --- inboxes; all inside ----------------------------------------------------------------------------------------------------------- */

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

static void one_source_less(grove_stage *s)
{
	if (--s->sources == 0)
		gr_give_all(&s->getters, 0);
}

/* --- ends ------------------------------------------------------------------------------------------------------------------------------ */

/* What nobody is going to get.  Outside. */
static void drop_values(grove_stage *s)
{
	while (s->count) {
		void *value = ring_pop(s);

		if (s->p->drop)
			s->p->drop(value);
	}
}

/* Inside */
static void stage_ended(grove_stage *s)
{
	grove_pipeline *p = s->p;

	s->gone = true;
	gr_give_all(&s->putters, -EPIPE);
	for (size_t i = 0; i < s->n_to; i++)
		one_source_less(s->to[i]);
	if (--p->alive)
		return;
	p->state = OVER;
	gr_object_set_ready(&p->object, true);
	gr_give_all(&p->waiters, 0);
}

static void break_off(grove_stage *s)
{
	gr_give_all(&s->getters, -ECANCELED);
	gr_give_all(&s->putters, -ECANCELED);
}

/* All stages are to end; those that wait elsewhere are killed, those that have not begun will not.  Outside. */
static void break_all(grove_pipeline *p, int err)
{
	gr_enter();
	if (!p->error)
		p->error = err;
	p->broken = true;
	for (grove_stage *s = p->first; s; s = s->next)
		break_off(s);
	if (p->out)
		break_off(p->out);
	gr_leave_quietly();
	for (grove_stage *s = p->first; s; s = s->next)
		for (unsigned i = 0; s->workers && i < s->n_workers; i++) {
			struct worker *w = &s->workers[i];

			if (w->started && !w->ended && w->g != grove_current())
				grove_kill(w->g, 0);
		}
}

/* In the worker, whichever way its function was left */
struct outcome {
	struct worker *w;
	int err;
};

static void worker_ended(struct outcome *o)
{
	grove_stage *s = o->w->stage;
	grove_pipeline *p = s->p;
	bool last;

	if (o->err && !p->broken && !(o->err == EPIPE && s->n_to))
		break_all(p, o->err);
	gr_enter();
	o->w->ended = true;
	last = --s->running == 0;
	s->gone |= last;
	gr_leave_quietly();
	if (!last)
		return;
	drop_values(s);
	gr_enter();
	stage_ended(s);
	gr_leave_quietly();
}

/* Somebody has killed it before it began: grove_shutdown(), perhaps. */
static void never_began(grove_greenlet *g, void *arg)
{
	worker_ended(&(struct outcome){ arg, grove_error(g) });
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct outcome o __attribute__((cleanup(worker_ended))) = { w, ECANCELED };

	w->started = true;
	grove_unlink(grove_current(), never_began, w);
	if (w->stage->p->broken || w->stage->fn(w->stage, w->stage->arg) == 0)
		o.err = 0;
	else
		o.err = errno ? errno : ECANCELED;
	return o.err ? grove_fail(o.err) : NULL;
}

/* --- building ---------------------------------------------------------------------------------------------------------------------------- */

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
	*s = (grove_stage){ .magic = STAGE_MAGIC, .p = p, .fn = fn, .arg = arg, .n_workers = 1 };
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
	if (p->state != NEW || p->out)
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
	if (!is_stage(from) || !is_stage(to) || from == to || from->p != to->p)
		return gr_fails(EINVAL);
	if (from->p->state != NEW)
		return gr_fails(EBUSY);
	for (size_t i = 0; i < from->n_to; i++)
		if (from->to[i] == to)
			return gr_fails(EEXIST);
	return link_stages(from, to);
}

int grove_stage_workers(grove_stage *s, unsigned n)
{
	if (!is_stage(s) || !n)
		return gr_fails(EINVAL);
	if (s->p->state != NEW)
		return gr_fails(EBUSY);
	s->n_workers = n;
	return 0;
}

int grove_stage_name(grove_stage *s, const char *name)
{
	if (!is_stage(s) || !name)
		return gr_fails(EINVAL);
	if (s->p->state != NEW)
		return gr_fails(EBUSY);
	snprintf(s->name, sizeof(s->name), "%s", name);
	return 0;
}

grove_pipeline *grove_stage_pipeline(const grove_stage *s)
{
	return is_stage(s) ? s->p : gr_fails_null(EINVAL);
}

int grove_pipeline_open(grove_pipeline *p, unsigned ends)
{
	GR_ANYWHERE(-1, grove_pipeline_open, p, ends);
	if (!gr_is(p, GR_PIPELINE) || !p->first || !ends || (ends & ~(GROVE_PIPELINE_IN | GROVE_PIPELINE_OUT)))
		return gr_fails(EINVAL);
	if (p->state != NEW || ((ends & GROVE_PIPELINE_IN) && p->in_open) || ((ends & GROVE_PIPELINE_OUT) && p->out))
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
	if (p->state == RUNS)
		return gr_fails(EBUSY);
	if (p->out) {
		drop_values(p->out);
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

/* --- running ------------------------------------------------------------------------------------------------------------------------------ */

static int make_workers(grove_pipeline *p)
{
	for (grove_stage *s = p->first; s; s = s->next) {
		s->workers = calloc(s->n_workers, sizeof(*s->workers));
		if (s->workers)
			continue;
		for (s = p->first; s; s = s->next) {
			free(s->workers);
			s->workers = NULL;
		}
		return -1;
	}
	return 0;
}

/* An errno value, or 0; then the worker never runs, and it is the same as if it had ended. */
static int spawn_worker(struct worker *w)
{
	grove_stage *s = w->stage;
	struct grove_spawn_attr attr = { .size = sizeof(attr), .name = s->name[0] ? s->name : NULL };

	w->g = grove_spawn_with(&attr, work, w);
	if (!w->g)
		return errno;
	if (w->started || grove_link(w->g, never_began, w) == 0)
		return 0;
	grove_kill(w->g, 0);		/* before it begins */
	grove_release(w->g);
	w->g = NULL;
	return ENOMEM;
}

static int spawn_stage(grove_stage *s, int err)
{
	s->running = s->n_workers;
	for (unsigned i = 0; i < s->n_workers; i++) {
		struct worker *w = &s->workers[i];

		w->stage = s;
		if (!err)
			err = spawn_worker(w);
		if (w->g)
			continue;
		if (!s->p->broken)
			break_all(s->p, err);
		worker_ended(&(struct outcome){ w, err });
	}
	return err;
}

int grove_pipeline_start(grove_pipeline *p)
{
	int err = 0;

	GR_ANYWHERE(-1, grove_pipeline_start, p);
	if (!gr_is(p, GR_PIPELINE) || !p->first)
		return gr_fails(EINVAL);
	if (p->state != NEW)
		return gr_fails(EBUSY);
	if (make_workers(p) < 0)
		return -1;
	p->state = RUNS;
	for (grove_stage *s = p->first; s; s = s->next)
		err = spawn_stage(s, err);
	return err ? gr_fails(err) : 0;
}

/* Inside */
static int wait_until_over(grove_pipeline *p, gr_time deadline)
{
	if (p->state == NEW)
		return -ESRCH;
	return p->state == OVER ? 0 : gr_wait_turn(&p->waiters, "pipeline", p, deadline, NULL);
}

int grove_pipeline_wait(grove_pipeline *p, int64_t timeout)
{
	gr_time deadline;
	int r;

	GR_ANYWHERE(-1, grove_pipeline_wait, p, timeout);
	if (!gr_is(p, GR_PIPELINE) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	r = wait_until_over(p, deadline);
	return gr_leave(r < 0 ? r : -p->error);
}

int grove_pipeline_kill(grove_pipeline *p, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_pipeline_kill, p, timeout);
	if (!gr_is(p, GR_PIPELINE) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	if (p->state != RUNS)
		return gr_fails(ESRCH);
	break_all(p, ECANCELED);
	if (!timeout)
		return 0;
	gr_enter();
	return gr_leave(wait_until_over(p, deadline));
}

/* Whoever waits for it is killed, unwound, or has had enough: it is not to go on by itself. */
static void end_run(grove_pipeline **p)
{
	struct grove_timeout shield;
	int was = errno;

	if ((*p)->state != RUNS || grove_shield_start(&shield) < 0)
		return;
	grove_pipeline_kill(*p, GROVE_FOREVER);
	grove_timeout_stop(&shield);
	errno = was;
}

int grove_pipeline_run(grove_pipeline *p, int64_t timeout)
{
	GR_ANYWHERE(-1, grove_pipeline_run, p, timeout);
	if (!gr_is(p, GR_PIPELINE) || timeout < 0)
		return gr_fails(EINVAL);
	if (p->state != NEW)
		return gr_fails(EBUSY);
	{
		grove_pipeline *running __attribute__((cleanup(end_run))) = p;

		if (grove_pipeline_start(p) < 0)
			return -1;
		return grove_pipeline_wait(running, timeout);
	}
}

int grove_pipeline_error(const grove_pipeline *p)
{
	return gr_is(p, GR_PIPELINE) ? p->error : 0;
}

/* --- values --------------------------------------------------------------------------------------------------------------------------------- */

int grove_stage_get(grove_stage *s, void **ret_value, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_stage_get, s, ret_value, timeout);
	if (!is_stage(s) || !ret_value || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	return gr_leave(get_from(s, ret_value, deadline));
}

int grove_stage_put(grove_stage *s, void *value, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_stage_put, s, value, timeout);
	if (!is_stage(s) || !gr_until(timeout, &deadline))
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
	one_source_less(p->first);
	return gr_leave(0);
}

/* --- push pipelines --------------------------------------------------------------------------------------------------------------------------- */

struct broadcast {
	size_t n;
	grove_generator *target[];
};

/* To all that are left.  How many that is, or -1. */
static int send_to_all(const struct broadcast *b, void *value, int thrown)
{
	int left = 0;

	for (size_t i = 0; i < b->n; i++) {
		grove_generator *t = b->target[i];
		int r;

		if (grove_gen_state(t) == GROVE_GEN_CLOSED)
			continue;
		r = thrown ? grove_gen_throw(t, thrown, NULL) : grove_gen_send(t, value, NULL);
		if (r < 0)
			return -1;
		left += r;
	}
	return left;
}

static void *cobroadcast(void *arg)
{
	struct broadcast *b = arg;
	int left = 1;

	while (left > 0) {
		void *value = grove_gen_yield(NULL);
		int thrown = value ? 0 : errno;

		if (thrown == ECANCELED)
			break;
		left = send_to_all(b, value, thrown);
	}
	if (left < 0)
		grove_gen_fail(errno);
	free(b);
	return NULL;
}

grove_generator *grove_cobroadcast_new(grove_generator *const *targets, size_t n)
{
	struct broadcast *b;
	grove_generator *gen;

	GR_ANYWHERE((grove_generator *)NULL, grove_cobroadcast_new, targets, n);
	if (!targets || !n || n > CAPACITY_MAX)
		return gr_fails_null(EINVAL);
	for (size_t i = 0; i < n; i++)
		if (!gr_is(targets[i], GR_GENERATOR))
			return gr_fails_null(EINVAL);
	b = malloc(sizeof(*b) + n * sizeof(b->target[0]));
	if (!b)
		return NULL;
	b->n = n;
	memcpy(b->target, targets, n * sizeof(b->target[0]));
	gen = grove_coroutine_new(cobroadcast, b);
	if (!gen)
		free(b);
	return gen;
}
