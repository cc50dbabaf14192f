/*
 * hub_io.c - libev watchers for the descriptors of libraries that live in the hub
 */
#include "hub_io.h"
#include "fd.h"
#include "hub.h"
#include "loop.h"
#include "mem.h"
#include <errno.h>
#include <ev.h>

static void on_io(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct gr_hub_io *io = w->data;

	(void)loop;
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
	gr_loop_stop_io(w);
	if (!events)
		return 0;
	ev_io_modify(w, events);
	gr_loop_start_io(w);
	return 0;
}

void gr_hub_io_stop(struct gr_hub_io *io)
{
	if (!io->watch)
		return;
	gr_loop_stop_io(io->watch);
	gr_mem_free(io->watch);
	io->watch = NULL;
}
