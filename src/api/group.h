/*
 * group.h - groups, and pools, which are groups with a bound
 *
 * A place is taken by who is a member, and by who was given one and is about to become a member (coming).  Places that become
 * free go to those who wait for one, first come first served; nobody takes one from under them.
 */
#ifndef GR_API_GROUP_H
#define GR_API_GROUP_H

#include "crew.h"
#include <grove/group.h>

#define GR_UNBOUNDED	SIZE_MAX

struct grove_group {
	struct gr_object object;	/* GR_GROUP; ready: it is empty, and nobody is on the way */
	struct gr_crew crew;
	size_t bound;			/* or GR_UNBOUNDED */
	size_t coming;			/* places given to who is not yet a member */
	size_t announced;		/* greenlets that are going to ask for a place; it is not empty before they had it */
	int pid;			/* the process it was used in last: a forked child has none of the greenlets */
	unsigned killing;		/* grove_group_kill() in progress: who comes in is killed */
	struct gr_list joiners;		/* gr_turn: until it is empty; .value not NULL: or until a member fails */
	struct gr_list entrants;	/* gr_turn: for a place, which is theirs when they are given their turn */
	struct gr_list lookers;		/* gr_turn: until there is a place, without taking it */
};

grove_group *gr_group_new(size_t bound);

/* Is it a group?  In a forked child one of the parent's is made empty first. */
bool gr_is_group(grove_group *group);

/* Inside: take a place, or wait for one; 0 or negative.  And give it back unused. */
int gr_group_take_place(grove_group *group, gr_time deadline);
void gr_group_give_place(grove_group *group);

/* Somebody is going to ask for a place, or is not any more; inside. */
void gr_group_announce(grove_group *group);
void gr_group_arrived(grove_group *group);

/* Use a place that was taken for @g; outside.  0, or -1 with errno ENOMEM: the place is given back. */
int gr_group_enter(grove_group *group, struct grove_greenlet *g);

/* Take a place and spawn; outside. */
struct grove_greenlet *gr_group_spawn(grove_group *group, grove_fn *fn, void *arg, gr_time deadline);
int gr_group_add(grove_group *group, struct grove_greenlet *g, gr_time deadline);

static inline bool gr_group_has_place(const grove_group *group)
{
	return group->crew.n + group->coming < group->bound && gr_list_empty(&group->entrants);
}

#endif
