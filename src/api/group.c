/*
 * group.c - groups of greenlets, and the places of pools
 */
#include "group.h"
#include "greenlet.h"
#include <stdlib.h>

/* --- places ----------------------------------------------------------------------------------------------------------------- */

/* Fewer are there or on the way than before: who waits for that? */
static void fewer(grove_group *group)
{
	bool empty;

	while (group->crew.n + group->coming < group->bound && !gr_list_empty(&group->entrants)) {
		group->coming++;
		gr_give_turn(gr_first_turn(&group->entrants), 0);
	}
	if (gr_group_has_place(group))
		gr_give_all(&group->lookers, 0);
	empty = !group->crew.n && !group->coming && !group->announced;
	gr_object_set_ready(&group->object, empty);
	if (empty)
		gr_give_all(&group->joiners, 0);
}

static void fail_joiners(grove_group *group, int error)
{
	gr_list_each_safe(it, &group->joiners) {
		struct gr_turn *t = gr_container(it, struct gr_turn, link);

		if (t->value)
			gr_give_turn(t, -error);
	}
}

static void member_ended(struct gr_crew *crew, struct grove_greenlet *g)
{
	grove_group *group = gr_container(crew, grove_group, crew);

	if (g->error)
		fail_joiners(group, g->error);
	fewer(group);
}

static void occupy(grove_group *group)
{
	group->coming++;
	gr_object_set_ready(&group->object, false);
}

/* The greenlet may be unwound out of its wait just when it was given a place. */
struct claim {
	grove_group *group;
	struct gr_turn turn;
	bool settled;
};

static void settle(struct claim *c)
{
	if (c->settled || !c->turn.given)
		return;
	gr_enter();
	gr_group_give_place(c->group);
	gr_leave_quietly();
}

int gr_group_take_place(grove_group *group, gr_time deadline)
{
	struct claim c __attribute__((cleanup(settle))) = { .group = group, .settled = true };
	int r;

	if (gr_group_has_place(group)) {
		occupy(group);
		return 0;
	}
	c.settled = false;
	r = gr_wait_turn(&group->entrants, "pool", group, deadline, &c.turn);
	c.settled = true;
	return r;
}

void gr_group_give_place(grove_group *group)
{
	group->coming--;
	fewer(group);
}

void gr_group_announce(grove_group *group)
{
	group->announced++;
	gr_object_set_ready(&group->object, false);
}

void gr_group_arrived(grove_group *group)
{
	group->announced--;
	fewer(group);
}

/* --- coming and going ------------------------------------------------------------------------------------------------------- */

int gr_group_enter(grove_group *group, struct grove_greenlet *g)
{
	struct gr_member *m = gr_member_new(&group->crew);
	bool killing = group->killing;

	gr_enter();
	if (m) {
		group->coming--;
		gr_crew_add(&group->crew, m, g);
	} else {
		gr_group_give_place(group);
	}
	gr_leave_quietly();
	if (m && killing)
		grove_kill(g, 0);
	return m ? 0 : gr_fails(ENOMEM);
}

struct grove_greenlet *gr_group_spawn(grove_group *group, grove_fn *fn, void *arg, gr_time deadline)
{
	struct gr_member *m = NULL;
	struct grove_greenlet *g = NULL;
	int r;

	gr_enter();
	r = gr_group_take_place(group, deadline);
	if (gr_leave(r) < 0)
		return NULL;
	m = gr_member_new(&group->crew);
	if (m)
		g = grove_spawn(fn, arg);
	gr_enter();
	group->coming--;
	if (g)
		gr_crew_add(&group->crew, m, g);
	else if (m)
		gr_member_drop(&group->crew, m);
	if (!g)
		fewer(group);
	gr_leave_quietly();
	if (g && group->killing)
		grove_kill(g, 0);
	return g;
}

int gr_group_add(grove_group *group, struct grove_greenlet *g, gr_time deadline)
{
	int r;

	if (g->object.ready || gr_crew_find(&group->crew, g))
		return 0;
	gr_enter();
	r = gr_group_take_place(group, deadline);
	if (r == 0 && gr_crew_find(&group->crew, g)) {		/* somebody else has added it while we waited */
		gr_group_give_place(group);
		return gr_leave(0);
	}
	return gr_leave(r) < 0 ? -1 : gr_group_enter(group, g);
}

/* --- the group -------------------------------------------------------------------------------------------------------------- */

grove_group *gr_group_new(size_t bound)
{
	grove_group *group = malloc(sizeof(*group));

	if (!group)
		return NULL;
	*group = (grove_group){ .bound = bound, .pid = gr_carrier()->pid };
	gr_object_init(&group->object, GR_GROUP, true);
	gr_crew_init(&group->crew, member_ended);
	gr_list_init(&group->joiners);
	gr_list_init(&group->entrants);
	gr_list_init(&group->lookers);
	return group;
}

/* Nobody who waited at it is there any more; the lines are empty already. */
static void forked(grove_group *group)
{
	group->pid = gr_carrier()->pid;
	gr_crew_fork_child(&group->crew);
	group->coming = group->announced = group->killing = 0;
	gr_list_init(&group->object.links);
	fewer(group);
}

bool gr_is_group(grove_group *group)
{
	if (!gr_is(group, GR_GROUP))
		return false;
	if (GR_UNLIKELY(group->pid != gr_carrier()->pid))
		forked(group);
	return true;
}

grove_group *grove_group_new(void)
{
	GR_ANYWHERE((grove_group *)NULL, grove_group_new);
	return gr_group_new(GR_UNBOUNDED);
}

int grove_group_free(grove_group *group)
{
	GR_ANYWHERE(-1, grove_group_free, group);
	if (!group)
		return 0;
	if (!gr_is_group(group))
		return gr_fails(EINVAL);
	if (!group->object.ready || group->killing || !gr_list_empty(&group->lookers) || !gr_list_empty(&group->object.links))
		return gr_fails(EBUSY);
	group->object.type = 0;
	gr_crew_free(&group->crew);
	free(group);
	return 0;
}

int grove_group_add(grove_group *group, grove_greenlet *g)
{
	GR_ANYWHERE(-1, grove_group_add, group, g);
	if (!gr_is_group(group) || !gr_is(g, GR_GREENLET))
		return gr_fails(EINVAL);
	return gr_group_add(group, g, GR_NEVER);
}

int grove_group_discard(grove_group *group, grove_greenlet *g)
{
	struct gr_member *m;

	GR_ANYWHERE(-1, grove_group_discard, group, g);
	if (!gr_is_group(group) || !gr_is(g, GR_GREENLET))
		return gr_fails(EINVAL);
	gr_enter();
	m = gr_crew_find(&group->crew, g);
	if (m) {
		gr_crew_remove(m);
		fewer(group);
	}
	return gr_leave(m ? 0 : -ESRCH);
}

grove_greenlet *grove_group_spawn(grove_group *group, grove_fn *fn, void *arg)
{
	GR_ANYWHERE((grove_greenlet *)NULL, grove_group_spawn, group, fn, arg);
	if (!gr_is_group(group) || !fn)
		return gr_fails_null(EINVAL);
	return gr_group_spawn(group, fn, arg, GR_NEVER);
}

int grove_group_spawn_raw(grove_group *group, grove_fn *fn, void *arg)
{
	grove_greenlet *g = grove_group_spawn(group, fn, arg);

	grove_release(g);
	return g ? 0 : -1;
}

/* Inside */
static int join(grove_group *group, gr_time deadline, bool raises)
{
	struct gr_turn turn = { .value = raises ? group : NULL };
	struct grove_greenlet *me = gr_carrier()->current->api;

	if (group->object.ready)
		return 0;
	if (me && gr_crew_find(&group->crew, me))
		return -EDEADLK;
	return gr_wait_turn(&group->joiners, "group", group, deadline, &turn);
}

int grove_group_join(grove_group *group, int64_t timeout, unsigned flags)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_group_join, group, timeout, flags);
	if (!gr_is_group(group) || !gr_until(timeout, &deadline) || (flags & ~GROVE_RAISE_ERROR))
		return gr_fails(EINVAL);
	gr_enter();
	return gr_leave(join(group, deadline, flags & GROVE_RAISE_ERROR));
}

static void killed(grove_group **group)
{
	if (*group)
		(*group)->killing--;
}

int grove_group_kill(grove_group *group, int64_t timeout)
{
	grove_group *kills __attribute__((cleanup(killed))) = NULL;
	gr_time deadline;

	GR_ANYWHERE(-1, grove_group_kill, group, timeout);
	if (!gr_is_group(group) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	kills = group;
	group->killing++;
	gr_crew_kill(&group->crew);
	if (timeout == 0)
		return 0;
	gr_enter();
	return gr_leave(join(group, deadline, false));
}

int grove_group_killone(grove_group *group, grove_greenlet *g, int64_t timeout)
{
	GR_ANYWHERE(-1, grove_group_killone, group, g, timeout);
	if (!gr_is_group(group) || !gr_is(g, GR_GREENLET))
		return gr_fails(EINVAL);
	return gr_crew_find(&group->crew, g) ? grove_kill(g, timeout) : gr_fails(ESRCH);
}

static grove_group *looked_at(const grove_group *group)
{
	return (grove_group *)(uintptr_t)group;
}

size_t grove_group_size(const grove_group *group)
{
	GR_ANYWHERE((size_t)0, grove_group_size, group);
	return gr_is_group(looked_at(group)) ? group->crew.n : 0;
}

static long contains(const grove_group *group, const grove_greenlet *g)
{
	GR_ANYWHERE(0l, contains, group, g);
	return gr_is_group(looked_at(group)) && gr_is(g, GR_GREENLET) && gr_crew_find(&group->crew, g);
}

bool grove_group_contains(const grove_group *group, const grove_greenlet *g)
{
	return contains(group, g);
}

size_t grove_group_members(grove_group *group, grove_greenlet **ret_members, size_t n)
{
	size_t i = 0;

	GR_ANYWHERE((size_t)0, grove_group_members, group, ret_members, n);
	if (!gr_is_group(group) || (n && !ret_members)) {
		errno = EINVAL;
		return 0;
	}
	gr_list_each(it, &group->crew.members) {
		if (i == n)
			break;
		ret_members[i] = gr_container(it, struct gr_member, in)->g;
		ret_members[i++]->refs++;
	}
	return group->crew.n;
}
