/*
 * hook.h - who wants to know of every greenlet that is spawned or has ended
 */
#ifndef GR_API_HOOK_H
#define GR_API_HOOK_H

#include "greenlet.h"

struct gr_hooks {
	struct gr_hook *first;		/* NULL: nobody, which spawning looks at */
	unsigned running;		/* who removes one meanwhile only marks it: it may be the next */
};
extern struct gr_hooks gr_spawn_hooks, gr_end_hooks;

/* Call them all for @rec; outside. */
void gr_hooks_run(struct gr_hooks *hooks, struct grove_greenlet *rec);

#endif
