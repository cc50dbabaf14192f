/*
 * loop.c - grove_loop(): a libev loop for the program's watchers, run by a greenlet
 *
 * Not the hub's own loop: callbacks run in a greenlet, where they may call anything, while the hub must never wait nor want a lock that a
 * greenlet holds.  libev does not hear of a watcher that is started while the loop's greenlet waits; so whenever everybody has had
 * his turn and the hub is about to wait, it first has that greenlet look again.
 */
#include "loop.h"
#include "greenlet.h"
#include <ev.h>
#include <grove/hub.h>

static struct {
	struct ev_loop *loop;
	uint64_t looked;		/* carrier->stats.switches when its greenlet last parked by itself */
	bool running;			/* there is a greenlet for it */
	bool active;
	bool polls;			/* its greenlet is in libev's wait, or has nothing to do: not in a callback */
} own;

static void polls(struct ev_loop *loop)
{
	(void)loop;
	own.polls = true;
}

static void polls_no_more(struct ev_loop *loop)
{
	(void)loop;
	own.polls = false;
}

static void *run_loop(void *arg)
{
	struct gr_carrier *c = gr_carrier();

	(void)arg;
	c->loop_greenlet = c->current;
	for (;;) {
		own.active = ev_run(own.loop, EVRUN_ONCE);	/* waits in epoll_wait(), which is green for us */
		if (own.active)
			continue;
		gr_enter();
		own.polls = true;
		gr_park("loop", GR_NEVER, GR_PARK_INTR);
		own.polls = false;
		gr_leave_quietly();
	}
	return NULL;
}

bool gr_loop_look_again(void)
{
	struct gr_carrier *c = gr_carrier();

	if (!c->loop_greenlet || !own.polls || c->stats.switches == own.looked)
		return false;
	own.looked = c->stats.switches + 2;	/* to its greenlet and back: nobody else runs in between */
	return gr_wake(c->loop_greenlet, -EINTR);
}

bool gr_loop_active(void)
{
	return own.active;
}

void gr_loop_forget(void)
{
	own.running = own.active = own.polls = false;
	if (own.loop)
		ev_loop_fork(own.loop);
}

struct ev_loop *grove_loop(void)
{
	int was = errno;

	if (!gr_here())
		return gr_fails_null(ENOTSUP);
	if (!own.loop)
		own.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOSIGMASK);
	if (!own.loop)
		return gr_fails_null(ENOMEM);
	ev_set_loop_release_cb(own.loop, polls, polls_no_more);
	if (!own.running && !gr_spawn_service("loop", run_loop, NULL))
		return NULL;
	own.running = true;
	errno = was;
	return own.loop;
}
