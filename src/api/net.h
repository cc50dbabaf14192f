/*
 * net.h - what servers share with grove/net.h
 */
#ifndef GR_API_NET_H
#define GR_API_NET_H

#include "api.h"

/*
 * System call @nr on the socket @fd the green way, whether the program's calls are green or not, and a cancellation point; again until it is
 * done or the timeout is over.  @event: GROVE_READ or GROVE_WRITE, what to wait for where @fd is non-blocking.  On a greenlet, outside.
 * Returns >= 0 or -errno: -EAGAIN, -ETIMEDOUT as in the API.  Signal handlers run while it waits.
 */
long gr_net_call_within(int64_t timeout, unsigned event, long nr, int fd, long b, long c, long d, long e, long f);

/* A listening socket of @type at @address; -1 with errno. */
int gr_net_open(const char *address, int type, int backlog, unsigned flags);

#endif
