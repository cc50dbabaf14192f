/*
 * hub_io.c - libev's loop in the hub, and its watchers for the descriptors of libraries that live there
 *
 * It never waits: the hub does, in loop.c, where libev's epoll descriptor is one among others.
 */
#include "hub_io.h"
#include "fd.h"
#include "hub.h"
#include "list.h"
#include "mem.h"
#include "sched.h"
#include <errno.h>
#include <ev.h>

static struct ev_loop *loop;
static unsigned watched;		/* active watchers */
static bool changed;

bool gr_hub_io_watches(void)
{
	return watched > 0;
}

bool gr_hub_io_changed(void)
{
	return changed;
}

static void start(struct ev_io *io)
{
	ev_io_start(loop, io);
	watched++;
	changed = true;
}

static void stop(struct ev_io *io)
{
	if (ev_is_active(io)) {
		watched--;
		changed = true;
	}
	ev_io_stop(loop, io);		/* also where it is not active: it may be pending */
}

static void on_io(struct ev_loop *l, struct ev_io *w, int events)
{
	struct gr_hub_io *io = w->data;

	(void)l;
	if (events & EV_ERROR) {	/* the kernel refuses to watch it, and libev has stopped it */
		watched--;
		events = EV_READ | EV_WRITE;
	}
	io->ready(io, (events & EV_READ ? GR_BIT(GR_READ) : 0) | (events & EV_WRITE ? GR_BIT(GR_WRITE) : 0));
}

int gr_hub_io_watch(struct gr_hub_io *io, unsigned dirs)
{
	int events = (dirs & GR_BIT(GR_READ) ? EV_READ : 0) | (dirs & GR_BIT(GR_WRITE) ? EV_WRITE : 0);
	struct ev_io *w = io->watch;

	if (!w) {
		w = io->watch = gr_mem_alloc(sizeof(*w));
		if (!w)
			return -ENOMEM;
		ev_io_init(w, on_io, io->fd, events);
		w->data = io;
	}
	stop(w);
	if (!events)
		return 0;
	ev_io_modify(w, events);
	start(w);
	return 0;
}

void gr_hub_io_stop(struct gr_hub_io *io)
{
	if (!io->watch)
		return;
	stop(io->watch);
	gr_mem_free(io->watch);
	io->watch = NULL;
}

/* --- the loop --------------------------------------------------------------------------------------------------------------- */

void gr_hub_io_run(void)
{
	changed = false;
	ev_run(loop, EVRUN_NOWAIT);
}

/* Memory that libev has for the hub's loop, so that a forked child can give back what the loop of its parent had. */
struct block {
	struct gr_list link;		/* in blocks; of other loops: in no list */
};

static struct gr_list blocks = { &blocks, &blocks };

static void now_at(struct block *b, bool hub)
{
	if (hub)
		gr_list_push(&blocks, &b->link);
	else
		gr_list_init(&b->link);
}

/* A greenlet may be switched out within malloc(), so the hub does not use it.  The program's own loops are run by greenlets. */
static void *loop_alloc(void *p, long size) EV_NOEXCEPT
{
	struct block *b = p ? (struct block *)p - 1 : NULL, *new = NULL;
	bool hub = b ? !gr_list_empty(&b->link) : gr_carrier()->current == gr_carrier()->hub;

	if (b)
		gr_list_del(&b->link);
	if (size > 0)
		new = gr_mem_realloc(b, (size_t)size + sizeof(*b));
	else
		gr_mem_free(b);
	if (new)
		now_at(new, hub);
	else if (b && size > 0)
		now_at(b, hub);
	return new ? new + 1 : NULL;
}

/* What is left of the loop of the process that we were forked from: its descriptors were closed long ago, and have other owners now. */
static void bury_loop(void)
{
	gr_list_each_safe(it, &blocks)
		gr_mem_free(gr_container(it, struct block, link));
	gr_list_init(&blocks);
}

int gr_hub_io_start(void)
{
	ev_set_allocator(loop_alloc);
	bury_loop();
	loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV | EVFLAG_NOSIGMASK);
	return loop ? gr_hub_hidden_epoll() : -EMFILE;
}

/* Nothing is given back yet, as the child may only exec: its own loop begins with that. */
void gr_hub_io_fork_child(void)
{
	loop = NULL;
	watched = 0;
	changed = false;
}
