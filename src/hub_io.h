/*
 * hub_io.h - a library's own descriptor, watched by the hub with a callback; knows libev so that its users need not
 *
 * For code that runs in the hub (gr_hub_call) only.  The struct is the user's; a forked child forgets all of them.
 */
#ifndef GR_HUB_IO_H
#define GR_HUB_IO_H

#include "base.h"

struct gr_hub_io {
	void (*ready)(struct gr_hub_io *, unsigned dirs);	/* in the hub; GR_BIT(GR_READ) | GR_BIT(GR_WRITE); may call gr_hub_io_stop() */
	int fd;
	void *watch;			/* the libev watcher, from the first gr_hub_io_watch() to gr_hub_io_stop() */
};

/* The libev loop: its epoll descriptor, which is ready when there is something for gr_hub_io_run(), or -EMFILE. */
int gr_hub_io_start(void);
void gr_hub_io_run(void);		/* one turn, without waiting */
bool gr_hub_io_changed(void);		/* watchers were started or stopped since: only a turn tells the kernel */
bool gr_hub_io_watches(void);		/* are there any? */
void gr_hub_io_fork_child(void);	/* forgets them all */

/* Watch io->fd for @dirs and nothing else; 0 pauses.  0 or -ENOMEM. */
int gr_hub_io_watch(struct gr_hub_io *io, unsigned dirs);

/* To be called before io->fd is closed.  Harmless when nothing is watched. */
void gr_hub_io_stop(struct gr_hub_io *io);

#endif
