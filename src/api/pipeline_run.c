/*
 * pipeline_run.c - pipelines that run: the workers of the stages, how they end, and who waits for that
 */
#include "pipeline.h"
#include <grove/timeout.h>
#include <stdlib.h>

/* --- ends ------------------------------------------------------------------------------------------------------------------- */

/* Inside */
static void stage_ended(grove_stage *s)
{
	grove_pipeline *p = s->p;

	s->gone = true;
	gr_give_all(&s->putters, -EPIPE);
	for (size_t i = 0; i < s->n_to; i++)
		gr_stage_one_source_less(s->to[i]);
	if (--p->alive)
		return;
	p->state = GR_PIPELINE_OVER;
	gr_object_set_ready(&p->object, true);
	gr_give_all(&p->waiters, 0);
}

/* All stages are to end; those that wait elsewhere are killed, those that have not begun will not.  Outside. */
static void break_all(grove_pipeline *p, int err)
{
	gr_enter();
	if (!p->error)
		p->error = err;
	p->broken = true;
	for (grove_stage *s = p->first; s; s = s->next)
		gr_stage_break_off(s);
	if (p->out)
		gr_stage_break_off(p->out);
	gr_leave_quietly();
	for (grove_stage *s = p->first; s; s = s->next)
		for (unsigned i = 0; s->workers && i < s->n_workers; i++) {
			struct gr_stage_worker *w = &s->workers[i];

			if (w->started && !w->ended && w->g != grove_current())
				grove_kill(w->g, 0);
		}
}

/* In the worker, whichever way its function was left */
struct outcome {
	struct gr_stage_worker *w;
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
	gr_stage_drop_values(s);
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
	struct gr_stage_worker *w = arg;
	struct outcome o __attribute__((cleanup(worker_ended))) = { w, ECANCELED };

	w->started = true;
	grove_unlink(grove_current(), never_began, w);
	if (w->stage->p->broken || w->stage->fn(w->stage, w->stage->arg) == 0)
		o.err = 0;
	else
		o.err = errno ? errno : ECANCELED;
	return o.err ? grove_fail(o.err) : NULL;
}

/* --- running ---------------------------------------------------------------------------------------------------------------- */

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
static int spawn_worker(struct gr_stage_worker *w)
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
		struct gr_stage_worker *w = &s->workers[i];

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
	if (p->state != GR_PIPELINE_NEW)
		return gr_fails(EBUSY);
	if (make_workers(p) < 0)
		return -1;
	p->state = GR_PIPELINE_RUNS;
	for (grove_stage *s = p->first; s; s = s->next)
		err = spawn_stage(s, err);
	return err ? gr_fails(err) : 0;
}

/* Inside */
static int wait_until_over(grove_pipeline *p, gr_time deadline)
{
	if (p->state == GR_PIPELINE_NEW)
		return -ESRCH;
	return p->state == GR_PIPELINE_OVER ? 0 : gr_wait_turn(&p->waiters, "pipeline", p, deadline, NULL);
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
	if (p->state != GR_PIPELINE_RUNS)
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

	if ((*p)->state != GR_PIPELINE_RUNS || grove_shield_start(&shield) < 0)
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
	if (p->state != GR_PIPELINE_NEW)
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
