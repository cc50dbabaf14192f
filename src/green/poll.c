/*
 * poll.c - poll and ppoll
 *
 * The first look is the kernel's, at the program's own array: it finds bad pointers and too long lists, and most often something
 * ready.  Waiting goes by a copy, as in the kernel, whatever the program does to its array meanwhile.
 */
#include "../clock.h"
#include "../offload.h"
#include "../raw.h"
#include "../signal.h"
#include "green.h"
#include "poller.h"
#include <errno.h>

static long ask(struct gr_poller *p)
{
	return gr_poller_raw(SYS_poll, p->fds, p->n, 0);
}

static long offload(struct gr_poller *p)
{
	struct timespec left;

	gr_to_timespec(gr_poller_left(p->deadline), &left);
	return gr_offload(SYS_ppoll, (long)p->fds, (long)p->n, p->deadline == GR_NEVER ? 0 : (long)&left, 0, 0, 0);
}

static long wait_with_copy(struct pollfd *user, struct pollfd *copy, unsigned n, gr_time deadline)
{
	struct gr_poller p = { .fds = copy, .n = n, .deadline = deadline, .ask = ask, .offload = offload };
	long r;

	if (gr_user_read(copy, user, n * sizeof(*copy)) < 0)
		return -EFAULT;
	r = gr_poller_wait(&p);
	for (unsigned i = 0; i < n; i++)
		if (gr_user_write(&user[i].revents, &copy[i].revents, sizeof(copy[i].revents)) < 0)
			return -EFAULT;
	return r;
}

static long wait_few(struct pollfd *user, unsigned n, gr_time deadline)
{
	struct pollfd copy[n + 1];

	return wait_with_copy(user, copy, n, deadline);
}

static long wait_many(struct pollfd *user, unsigned n, gr_time deadline)
{
	size_t size = n * sizeof(struct pollfd);
	struct pollfd *copy = gr_poller_scratch(size);
	long r;

	if (!copy)
		return -ENOMEM;
	r = wait_with_copy(user, copy, n, deadline);
	gr_poller_scratch_free(copy, size);
	return r;
}

static long poll_until(struct pollfd *fds, unsigned n, gr_time deadline, const struct gr_poller_mask *mask)
{
	long r = gr_poller_raw(SYS_poll, fds, n, 0);

	if (r != 0)
		return r;
	gr_poller_mask_begin(mask);
	if (deadline == GR_AT_ONCE)
		return gr_poller_interrupted() ? -EINTR : 0;
	return n <= GR_FEW ? wait_few(fds, n, deadline) : wait_many(fds, n, deadline);
}

long green_poll(struct pollfd *fds, unsigned n, int timeout)
{
	return poll_until(fds, n, gr_poller_deadline_ms(timeout), &(struct gr_poller_mask){ 0 });
}

long green_ppoll(struct pollfd *fds, unsigned n, struct timespec *timeout, const uint64_t *sigmask, size_t masksize)
{
	struct gr_poller_mask mask;
	gr_time deadline;
	long r = gr_poller_deadline(timeout, &deadline);

	if (r == 0)
		r = gr_poller_mask_read(&mask, sigmask, masksize);
	if (r < 0)
		return r;
	r = poll_until(fds, n, deadline, &mask);
	gr_poller_mask_end(r);
	gr_poller_tell_left(timeout, deadline);
	return r;
}
