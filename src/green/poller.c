/*
 * poller.c - parking on many descriptors at once
 *
 * Three ways, from cheap to sure.  (1) A waiter on each descriptor, which the hub watches anyway: for interest in reading and writing.
 * (2) A temporary epoll descriptor with the exact events of each, parked on as one: for POLLPRI and the like.  (3) The call on a kernel
 * thread: for what epoll cannot tell either (select() does not count a hang-up as writable, epoll always reports it).
 */
#include "poller.h"
#include "../clock.h"
#include "../fd.h"
#include "../hub.h"
#include "../raw.h"
#include "../sched.h"
#include "../signal.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#define MISLED_MAX	3		/* wake-ups for nothing before the exact events are asked for */
#define KERNEL_SIGSET	8		/* bytes of the kernel's sigset_t */

bool gr_poller_interrupted(void)
{
	gr_signal_collect();
	return gr_signal_pending();
}

int gr_poller_deadline(const struct timespec *timeout, gr_time *ret_deadline)
{
	struct timespec ts;

	*ret_deadline = GR_NEVER;
	if (!timeout)
		return 0;
	if (gr_user_read(&ts, timeout, sizeof(ts)) < 0)
		return -EFAULT;
	if (!gr_timespec_ok(&ts))
		return -EINVAL;
	*ret_deadline = ts.tv_sec || ts.tv_nsec ? gr_deadline(gr_from_timespec(&ts)) : GR_AT_ONCE;
	return 0;
}

gr_time gr_poller_deadline_ms(int timeout)
{
	return timeout < 0 ? GR_NEVER : timeout == 0 ? GR_AT_ONCE : gr_deadline(GR_MS(timeout));
}

gr_time gr_poller_left(gr_time deadline)
{
	gr_time now = gr_now();

	return deadline > now ? deadline - now : 0;
}

/* As in the kernel: told even after an error, except to those who did not want to wait; that it cannot be told is no error. */
void gr_poller_tell_left(struct timespec *timeout, gr_time deadline)
{
	struct timespec left;

	if (!timeout || deadline == GR_AT_ONCE)
		return;
	gr_to_timespec(gr_poller_left(deadline), &left);
	gr_user_write(timeout, &left, sizeof(left));
}

int gr_poller_mask_read(struct gr_poller_mask *m, const uint64_t *mask, size_t size)
{
	m->given = mask;
	if (!mask)
		return 0;
	if (size != KERNEL_SIGSET)
		return -EINVAL;
	return gr_user_read(&m->set, mask, sizeof(m->set)) < 0 ? -EFAULT : 0;
}

void gr_poller_mask_begin(const struct gr_poller_mask *m)
{
	if (m->given)
		gr_signal_set_mask_until_return(m->set);
}

void gr_poller_mask_end(long r)
{
	if (r != -EINTR)
		gr_signal_restore_mask();
}

void *gr_poller_scratch(size_t size)
{
	long p = raw(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return raw_failed(p) ? NULL : (void *)p;
}

void gr_poller_scratch_free(void *p, size_t size)
{
	raw(SYS_munmap, p, size);
}

/* --- (1) a waiter on each ------------------------------------------------------------------------------------------------- */

/* The hub knows readable and writable; errors and hang-ups it takes for both.  RDHUP comes with IN, RDNORM and WRNORM with IN and OUT,
 * but not the other way round: an eventfd knows no RDNORM. */
static bool hub_can(const struct pollfd *pfd)
{
	unsigned more = pfd->events & ~(POLLIN | POLLOUT | POLLERR | POLLHUP | POLLNVAL);

	if (pfd->fd < 0)
		return true;
	if (pfd->events & POLLIN)
		more &= ~(unsigned)(POLLRDNORM | POLLRDHUP);
	if (pfd->events & POLLOUT)
		more &= ~(unsigned)POLLWRNORM;
	return !more && (pfd->events & (POLLIN | POLLOUT));
}

static bool hub_can_all(const struct gr_poller *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (!hub_can(&p->fds[i]))
			return false;
	return true;
}

static size_t fill_wants(const struct gr_poller *p, struct gr_fd_want *wants)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct pollfd *pfd = &p->fds[i];

		if (pfd->fd < 0)
			continue;
		wants[n].fd = pfd->fd;
		wants[n++].dirs = (uint8_t)((pfd->events & POLLIN ? GR_BIT(GR_READ) : 0) |
					    (pfd->events & POLLOUT ? GR_BIT(GR_WRITE) : 0));
	}
	return n;
}

static int park_on_few(struct gr_poller *p)
{
	struct gr_fd_want wants[p->n + 1];	/* not GR_FEW: stacks may be small, and parked ones are to touch few pages */

	return gr_fd_wait_many(wants, fill_wants(p, wants), p->deadline);
}

static int park_on_each(struct gr_poller *p)
{
	size_t size = p->n * sizeof(struct gr_fd_want);
	struct gr_fd_want *wants;
	int r;

	if (p->n <= GR_FEW)
		return park_on_few(p);
	wants = gr_poller_scratch(size);
	if (!wants)
		return -ENOMEM;
	r = gr_fd_wait_many(wants, fill_wants(p, wants), p->deadline);
	gr_poller_scratch_free(wants, size);
	return r;
}

/* --- (2) an epoll descriptor of our own ------------------------------------------------------------------------------------ */

/* The events of all entries with the same descriptor as entry @i */
static unsigned events_of_all(const struct gr_poller *p, size_t i)
{
	unsigned events = 0;

	for (size_t k = 0; k < p->n; k++)
		if (p->fds[k].fd == p->fds[i].fd)
			events |= (unsigned short)p->fds[k].events;
	return events;
}

/* 0, or -errno when epoll cannot help.  POLLx and EPOLLx have the same values. */
static long add_all(const struct gr_poller *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct epoll_event ev = { .events = (unsigned short)p->fds[i].events };
		long r;

		if (p->fds[i].fd < 0)
			continue;
		r = raw(SYS_epoll_ctl, p->ep, EPOLL_CTL_ADD, p->fds[i].fd, &ev);
		if (r == -EEXIST) {
			ev.events = events_of_all(p, i);
			r = raw(SYS_epoll_ctl, p->ep, EPOLL_CTL_MOD, p->fds[i].fd, &ev);
		}
		if (r < 0 && r != -EPERM)	/* EPERM: a regular file; never has what ask() did not find at once */
			return r;
	}
	return 0;
}

static void close_epoll(struct gr_poller *p)
{
	if (p->ep >= 0)
		gr_own_fd_close(p->ep);
	p->ep = -1;
}

static long open_epoll(struct gr_poller *p)
{
	long r = raw(SYS_epoll_create1, EPOLL_CLOEXEC);

	if (r < 0)
		return r;
	p->ep = gr_own_fd((int)r);
	if (gr_fd_get(p->ep))
		gr_fd_get(p->ep)->kind = GR_KIND_POLL;
	r = add_all(p);
	if (r < 0)
		close_epoll(p);
	return r;
}

static int park_on_epoll(struct gr_poller *p)
{
	struct gr_fd_wait w = { .fd = p->ep };
	int r = gr_fd_wait(&w, GR_READ, p->deadline);

	gr_fd_wait_end(&w);
	return r;
}

/* Does epoll say ready where the kernel's poll() or select() just did not? */
static bool epoll_misleads(const struct gr_poller *p)
{
	struct epoll_event ev;

	return p->ep >= 0 && raw(SYS_epoll_wait, p->ep, &ev, 1, 0) > 0;
}

/* --- all of it -------------------------------------------------------------------------------------------------------------- */

static long offload(struct gr_poller *p)
{
	long r = p->offload(p);

	return r == -GR_ERESTART ? -EINTR : r == -EAGAIN ? -ENOMEM : r;
}

static long park_until_ready(struct gr_poller *p)
{
	long n;
	int r;

	do {
		if (gr_poller_interrupted())
			return -EINTR;
		if (p->ep < 0 && (p->misled >= MISLED_MAX || !hub_can_all(p)) && open_epoll(p) < 0)
			return offload(p);
		r = p->ep >= 0 ? park_on_epoll(p) : park_on_each(p);
		if (r == -EBADF && p->ep >= 0)
			return offload(p);	/* the program has closed it */
		n = p->ask(p);		/* what is ready comes before signals and deadlines */
		if (n == 0 && r == 0) {
			p->misled++;
			if (epoll_misleads(p))
				return offload(p);
		}
	} while (n == 0 && (r == 0 || r == -EBADF));
	if (n != 0)
		return n;
	return r != -ETIMEDOUT ? r : gr_poller_interrupted() ? -EINTR : 0;
}

long gr_poller_wait(struct gr_poller *p)
{
	long r;

	p->ep = -1;
	p->misled = 0;
	r = park_until_ready(p);
	close_epoll(p);
	return r;
}
