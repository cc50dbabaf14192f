/*
 * loop.h - the hub's epoll set: what it watches for the program, for itself and for libraries, and where it waits
 *
 * Only for the hub: these functions run on the hub's stack.  gr_loop_fork_child() only forgets.
 */
#ifndef GR_LOOP_H
#define GR_LOOP_H

#include "base.h"

struct gr_fd;

/* 0, or -EMFILE when there is no descriptor left. */
int gr_loop_make(int kick_fd, int timer_fd);

/* Watch for what @f's waiters want, and no longer for what nobody waited for when it came. */
void gr_loop_look(struct gr_fd *f);

/* One turn of the loop: wakes the greenlets whose descriptors are ready.  @wait: until something happens. */
void gr_loop_run(bool wait);

/* @fn is called when @fd, grove's signalfd, is readable; NULL: no longer. */
void gr_loop_signals(int fd, void (*fn)(void));

void gr_loop_fork_child(void);

#endif
