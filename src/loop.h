/*
 * loop.h - the hub's libev loop; loop.c is where ev.h ends
 *
 * Only for the hub: these functions run on the hub's stack.  gr_loop_fork_child() only forgets.
 */
#ifndef GR_LOOP_H
#define GR_LOOP_H

#include "base.h"

struct gr_fd;

/* 0, or -EMFILE when libev cannot make its descriptor. */
int gr_loop_make(int kick_fd, int timer_fd);

/* Start watching for what @f's waiters want; after a close and reuse of the number, anew. */
void gr_loop_look(struct gr_fd *f);

/* One turn of the loop: wakes the greenlets whose descriptors are ready.  @wait: until something happens. */
void gr_loop_run(bool wait);

/* Is anything watched but the hub's own descriptors?  If not, only a look that waits can find anything. */
bool gr_loop_watches(void);

/* ev_io_start() and ev_io_stop(), counted for gr_loop_watches() */
struct ev_io;
void gr_loop_start_io(struct ev_io *io);
void gr_loop_stop_io(struct ev_io *io);

/* @fn is called when @fd, grove's signalfd, is readable; NULL: no longer. */
void gr_loop_signals(int fd, void (*fn)(void));

void gr_loop_fork_child(void);

#endif
