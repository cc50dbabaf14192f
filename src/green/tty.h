/*
 * tty.h - a terminal and a process that is not in its foreground
 */
#ifndef GR_TTY_H
#define GR_TTY_H

#include "../base.h"
#include <sys/uio.h>

/* Is @fd our controlling terminal, and another process group in its foreground? */
bool gr_tty_background(int fd);

/* A read then: what the kernel says, -GR_ERESTART where a signal was sent instead; -EAGAIN: in the foreground by now, with nothing to read. */
long gr_tty_read(int fd, const struct iovec *iov, int n);

/* Around other raw calls on a terminal; the end turns the result into the green call's. */
void gr_tty_begin(void);
long gr_tty_end(int fd, long r);

/* Is @fd a pseudo-terminal whose master is closed? */
bool gr_tty_orphaned(int fd);

#endif
