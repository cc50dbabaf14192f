/*
 * epoll.c - waiting on the program's own epoll descriptors
 *
 * An epoll descriptor is itself pollable: we park on it, then ask the kernel without waiting.  So edge-triggered, one-shot and
 * exclusive interest mean what they mean, without any of it being known here.
 */
#include "../fd.h"
#include "../raw.h"
#include "../signal.h"
#include "green.h"
#include "poller.h"
#include <errno.h>
#include <sys/epoll.h>

static long epoll_until(int epfd, struct epoll_event *events, int max, gr_time deadline, const struct gr_poller_mask *mask)
{
	struct gr_fd_wait w = { .fd = epfd };
	struct gr_fd *f = gr_fd_get(epfd);
	bool masked = false;
	long n;
	int r = 0;

	if (f && f->kind == GR_KIND_NOWAIT)
		f->kind = GR_KIND_POLL;		/* inherited: it did not look like one */

	for (;;) {
		n = gr_poller_raw(SYS_epoll_wait, w.fd, events, max, 0);
		if (n != 0 || r == -ETIMEDOUT)
			break;		/* what is ready comes before signals and deadlines */
		if (!masked)
			gr_poller_mask_begin(mask);
		masked = true;
		if (deadline == GR_AT_ONCE)
			break;
		if (r < 0) {
			n = r;
			break;
		}
		r = gr_poller_interrupted() ? -EINTR : gr_fd_wait(&w, GR_READ, deadline);
	}
	gr_fd_wait_end(&w);
	return n;
}

long green_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	return epoll_until(epfd, events, max, gr_poller_deadline_ms(timeout), &(struct gr_poller_mask){ 0 });
}

static long with_mask(int epfd, struct epoll_event *events, int max, gr_time deadline, const uint64_t *sigmask, size_t masksize)
{
	struct gr_poller_mask mask;
	long r = gr_poller_mask_read(&mask, sigmask, masksize);

	if (r < 0)
		return r;
	r = epoll_until(epfd, events, max, deadline, &mask);
	gr_poller_mask_end(r);
	return r;
}

long green_epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout, const uint64_t *sigmask, size_t masksize)
{
	return with_mask(epfd, events, max, gr_poller_deadline_ms(timeout), sigmask, masksize);
}

long green_epoll_pwait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout, const uint64_t *sigmask,
			size_t masksize)
{
	gr_time deadline;
	long r = gr_poller_deadline(timeout, &deadline);

	return r < 0 ? r : with_mask(epfd, events, max, deadline, sigmask, masksize);
}
