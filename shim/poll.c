/*
 * poll.c - <poll.h>, <sys/select.h>, <sys/epoll.h>: libc's signatures differ from the kernel's in how time and masks are passed
 */
#include "door.h"
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>

#define MASK_SIZE 8

DOOR int poll(struct pollfd *fds, nfds_t n, int timeout) { return (int)DOOR_CANCEL(SYS_poll, fds, n, timeout); }

/* The kernel writes back what is left of the time; POSIX says that the caller's stays as it was. */
DOOR int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	struct timespec ts;

	if (timeout)
		ts = *timeout;
	return (int)DOOR_CANCEL(SYS_ppoll, fds, n, timeout ? &ts : NULL, mask, MASK_SIZE);
}

DOOR int select(int n, fd_set *restrict in, fd_set *restrict out, fd_set *restrict ex, struct timeval *restrict timeout)
{
	return (int)DOOR_CANCEL(SYS_select, n, in, out, ex, timeout);
}

DOOR int pselect(int n, fd_set *restrict in, fd_set *restrict out, fd_set *restrict ex, const struct timespec *restrict timeout,
		 const sigset_t *restrict mask)
{
	struct { const sigset_t *mask; size_t size; } packed = { mask, MASK_SIZE };
	struct timespec ts;

	if (timeout)
		ts = *timeout;
	return (int)DOOR_CANCEL(SYS_pselect6, n, in, out, ex, timeout ? &ts : NULL, &packed);
}

DOOR int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	return (int)DOOR_CANCEL(SYS_epoll_wait, epfd, events, max, timeout);
}

DOOR int epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout, const sigset_t *mask)
{
	return (int)DOOR_CANCEL(SYS_epoll_pwait, epfd, events, max, timeout, mask, MASK_SIZE);
}

DOOR int epoll_pwait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout, const sigset_t *mask)
{
	return (int)DOOR_CANCEL(SYS_epoll_pwait2, epfd, events, max, timeout, mask, MASK_SIZE);
}
