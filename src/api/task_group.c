/*
 * task_group.c - tasks that have ended when their group ends
 *
 *	open --error of a task, cancel()--> cancelled --all have ended--> freed by end()
 *	open --all have ended, at end()--> freed
 *	its greenlet ends without end() --> abandoned: cancelled, and freed when the last task has ended
 *
 * What the greenlet does in the group lies in a scope (scope.h), which is cancelled with the tasks.  Killing may have to cancel a
 * thread, which cannot be done inside, where a task's error is learnt; so the greenlet for callbacks does it.
 */
#include "crew.h"
#include "future.h"
#include "greenlet.h"
#include <grove/task.h>
#include <stdlib.h>

#define ERRNO_MAX	4095

struct grove_task_group {
	struct gr_object object;	/* GR_TASK_GROUP; ready: no task is alive */
	struct gr_crew crew;
	struct gr_scope scope;		/* of the owner, from start to end */
	struct grove_greenlet *owner;	/* NULL: abandoned */
	struct gr_link owner_ends;
	struct gr_turn turn;		/* the owner's, at the end */
	bool waiting;
	bool cancelled;			/* nothing is begun any more */
	bool by_call;			/* by grove_task_group_cancel() */
	bool killing;			/* the greenlet for callbacks is at it */
	struct gr_soon kills;
	int error;			/* the first */
	int pid;
};

/* Inside: nothing is left to wait for? */
static bool over(const struct grove_task_group *tg)
{
	return !tg->crew.n && !tg->killing;
}

static void look_if_over(struct grove_task_group *tg)
{
	gr_object_set_ready(&tg->object, !tg->crew.n);
	if (!tg->waiting || !over(tg))
		return;
	tg->waiting = false;
	gr_give_turn(&tg->turn, 0);
}

static void kill_soon(struct grove_task_group *tg)
{
	if (gr_list_empty(&tg->kills.link) && !tg->killing)
		gr_soon(&tg->kills);
}

static void cancel(struct grove_task_group *tg, int err)
{
	if (!tg->error)
		tg->error = err;
	if (tg->cancelled)
		return;
	tg->cancelled = true;
	if (tg->scope.g)
		gr_scope_cancel(&tg->scope, ECANCELED);
	if (tg->crew.n)
		kill_soon(tg);
}

static void free_group(struct grove_task_group *tg)
{
	tg->object.type = 0;
	gr_crew_free(&tg->crew);
	free(tg);
}

static void kill_tasks(struct gr_soon *job)
{
	struct grove_task_group *tg = gr_container(job, struct grove_task_group, kills);
	bool abandoned;

	tg->killing = true;
	gr_crew_kill(&tg->crew);
	gr_enter();
	tg->killing = false;
	look_if_over(tg);
	abandoned = !tg->owner && over(tg) && gr_list_empty(&tg->kills.link);
	gr_leave_quietly();
	if (abandoned)
		free_group(tg);
}

static void task_ended(struct gr_crew *crew, struct grove_greenlet *g)
{
	struct grove_task_group *tg = gr_container(crew, struct grove_task_group, crew);

	if (g->error && g->error != ECANCELED)
		cancel(tg, g->error);
	look_if_over(tg);
	if (!tg->owner && over(tg))
		kill_soon(tg);
}

static void owner_ended(struct gr_link *link, struct gr_object *object)
{
	struct grove_task_group *tg = gr_container(link, struct grove_task_group, owner_ends);

	(void)object;
	tg->owner = NULL;
	tg->scope.g = NULL;
	tg->cancelled = true;
	kill_soon(tg);
}

/* --- beginning -------------------------------------------------------------------------------------------------------------- */

grove_task_group *grove_task_group_start(void)
{
	struct grove_greenlet *me;
	struct grove_task_group *tg;

	if (!gr_here())
		return gr_fails_null(ENOTSUP);
	me = gr_self();
	tg = me ? malloc(sizeof(*tg)) : NULL;
	if (!tg)
		return NULL;
	*tg = (struct grove_task_group){ .scope.deadline = GR_NEVER, .owner = me, .owner_ends.fire = owner_ended,
					 .kills.fn = kill_tasks, .pid = gr_carrier()->pid };
	gr_object_init(&tg->object, GR_TASK_GROUP, true);
	gr_crew_init(&tg->crew, task_ended);
	gr_list_init(&tg->kills.link);
	gr_enter();
	gr_list_push(&me->object.links, &tg->owner_ends.link);
	gr_scope_enter(&tg->scope);
	gr_leave_quietly();
	return tg;
}

grove_task *grove_task_group_create(grove_task_group *tg, grove_fn *fn, void *arg)
{
	struct gr_member *m;
	grove_task *t;

	GR_ANYWHERE((grove_task *)NULL, grove_task_group_create, tg, fn, arg);
	if (!gr_is(tg, GR_TASK_GROUP) || !fn)
		return gr_fails_null(EINVAL);
	if (tg->cancelled)
		return gr_fails_null(ECANCELED);
	m = gr_member_new(&tg->crew);
	if (!m)
		return NULL;
	t = grove_spawn(fn, arg);
	gr_enter();
	if (t)
		gr_crew_add(&tg->crew, m, t);
	else
		gr_member_drop(&tg->crew, m);
	look_if_over(tg);
	gr_leave_quietly();
	return t;
}

int grove_task_group_spawn(grove_task_group *tg, grove_fn *fn, void *arg)
{
	grove_task *t = grove_task_group_create(tg, fn, arg);

	grove_release(t);
	return t ? 0 : -1;
}

int grove_task_group_cancel(grove_task_group *tg, int err)
{
	GR_ANYWHERE(-1, grove_task_group_cancel, tg, err);
	if (!gr_is(tg, GR_TASK_GROUP) || err < 0 || err > ERRNO_MAX)
		return gr_fails(EINVAL);
	if (tg->cancelled)
		return gr_fails(EALREADY);
	gr_enter();
	tg->by_call = true;
	cancel(tg, err);
	gr_list_del(&tg->kills.link);		/* no need to leave it to others */
	gr_leave_quietly();
	gr_crew_kill(&tg->crew);
	return 0;
}

size_t grove_task_group_size(const grove_task_group *tg)
{
	return gr_is(tg, GR_TASK_GROUP) ? tg->crew.n : 0;
}

/* --- the end ---------------------------------------------------------------------------------------------------------------- */

/* Inside */
static int wait_until_over(struct grove_task_group *tg)
{
	int r;

	if (over(tg))
		return 0;
	tg->waiting = true;
	r = gr_wait_alone("task group", tg, GR_NEVER, &tg->turn);
	tg->waiting = false;
	return r;
}

static void wait_shielded(struct grove_task_group *tg)
{
	gr_enter();
	while (!over(tg)) {
		tg->waiting = true;
		gr_wait_shielded("task group", tg, &tg->turn);
	}
	gr_leave_quietly();
}

/* Cancel what is left, wait for it, and free the group. */
static void end_group(struct grove_task_group **tgp)
{
	struct grove_task_group *tg = *tgp;

	if (!tg)
		return;
	*tgp = NULL;
	tg->waiting = false;
	tg->cancelled = true;
	gr_crew_kill(&tg->crew);
	wait_shielded(tg);
	gr_enter();
	if (tg->scope.g)
		gr_scope_leave(&tg->scope);
	gr_list_del(&tg->kills.link);
	gr_list_del(&tg->owner_ends.link);
	gr_leave_quietly();
	free_group(tg);
}

/* What end() returns: @r: how its wait ended */
static int verdict(const struct grove_task_group *tg, int r)
{
	if (tg->error)
		return -tg->error;
	return tg->by_call && r == -ECANCELED ? 0 : r;
}

int grove_task_group_end(grove_task_group *tg)
{
	struct grove_task_group *doomed __attribute__((cleanup(end_group))) = NULL;
	int r;

	if (!gr_is(tg, GR_TASK_GROUP))
		return gr_fails(EINVAL);
	if (!gr_here() || tg->owner != gr_carrier()->current->api)
		return gr_fails(EPERM);
	if (GR_UNLIKELY(tg->pid != gr_carrier()->pid))
		gr_crew_fork_child(&tg->crew);
	doomed = tg;
	gr_enter();
	r = wait_until_over(tg);
	gr_leave_quietly();
	if (r < 0 && !over(tg)) {
		tg->cancelled = true;
		gr_crew_kill(&tg->crew);
		wait_shielded(tg);
	}
	r = verdict(tg, r);
	end_group(&doomed);
	return gr_result(r);
}
