/*
 * crew.h - sets of greenlets that are left by ending: what groups, pools and task groups are made of
 *
 * A member is a link on its greenlet, which takes it out when the greenlet ends.  That happens inside, where nothing can be
 * freed, so members are kept for the next greenlet; a crew's memory is what its largest number needed, until it is freed.
 */
#ifndef GR_API_CREW_H
#define GR_API_CREW_H

#include "api.h"

struct gr_crew;

struct gr_member {
	struct gr_link link;		/* on its greenlet */
	struct gr_list in;		/* in crew->members or crew->spare */
	struct gr_crew *crew;
	struct grove_greenlet *g;
};

struct gr_crew {
	struct gr_list members;		/* in the order in which they came */
	struct gr_list spare;
	size_t n;
	void (*left)(struct gr_crew *, struct grove_greenlet *g);	/* @g, which was a member, has ended; inside */
};

void gr_crew_init(struct gr_crew *crew, void (*left)(struct gr_crew *, struct grove_greenlet *));

/* Outside: memory for one more, or NULL; to be given to gr_crew_add() or gr_member_drop(). */
struct gr_member *gr_member_new(struct gr_crew *crew);
void gr_member_drop(struct gr_crew *crew, struct gr_member *m);		/* inside or outside */

/* Inside.  One that has ended leaves at once. */
void gr_crew_add(struct gr_crew *crew, struct gr_member *m, struct grove_greenlet *g);

/* NULL: it is no member.  Inside or outside, as is taking one out, which does not call left(). */
struct gr_member *gr_crew_find(const struct gr_crew *crew, const struct grove_greenlet *g);
void gr_crew_remove(struct gr_member *m);

/* Outside: kill all who are members now, without waiting. */
void gr_crew_kill(struct gr_crew *crew);

/* In a forked child, outside: forget who has not come along.  left() is not called. */
void gr_crew_fork_child(struct gr_crew *crew);

/* Outside: free the memory of a crew without members. */
void gr_crew_free(struct gr_crew *crew);

#endif
