/*
 * rings.c - the program's own io_uring: who waits for completions is parked
 *
 * Submitting does not wait, and neither does asking for completions with min_complete 0; both are done on the carrier, which is one kernel
 * thread to the ring, as IORING_SETUP_SINGLE_ISSUER and DEFER_TASKRUN want it.  Then a greenlet is parked until the ring's descriptor is
 * readable, and looks again.  With DEFER_TASKRUN there are completions only once the carrier has asked for them; what tells that it should is
 * the ring's eventfd, the program's or one of ours.  SQPOLL needs nothing.
 *
 * For more than one completion another kernel thread waits, as what the kernel counts are not only completions.  Only for DEFER_TASKRUN,
 * where it may not, they are counted here, in the mapping that the program made of the ring.  Another thread waits, too, for rings that were
 * not made before our eyes (inherited, sent by another process), and where the kernel polls devices (IOPOLL).
 */
#include "../clock.h"
#include "../fd.h"
#include "../hub.h"
#include "../offload.h"
#include "../raw.h"
#include "../signal.h"
#include "green.h"
#include "poller.h"
#include "rings.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>

/* What older headers lack */
#ifndef IORING_ENTER_ABS_TIMER
#define IORING_ENTER_ABS_TIMER		(1u << 5)
#endif
#define ENTER_KNOWN	(IORING_ENTER_GETEVENTS | IORING_ENTER_SQ_WAKEUP | IORING_ENTER_SQ_WAIT | IORING_ENTER_EXT_ARG | \
			 IORING_ENTER_REGISTERED_RING | IORING_ENTER_ABS_TIMER | 1u << 7 /* NO_IOWAIT */)
#define SETUP_NO_MMAP		(1u << 14)
#define SETUP_REGISTERED_ONLY	(1u << 15)
#define SETUP_CQE_MIXED		(1u << 18)
#define REGISTER_SYNC_CANCEL	24
#define REGISTER_CLOCK		29
#define REGISTER_BY_INDEX	(1u << 31)

#define NO_RING		(-1)

/* Of an open ring; struct gr_fd.ring.  It goes with the descriptor, or with the last who waits. */
struct ring {
	uint32_t flags;			/* IORING_SETUP_* */
	uint32_t head, tail, cqes, mask, entries;	/* offsets in the completion ring, but for .entries; .mask of its indexes */
	uintptr_t at;			/* where the program has the completion ring, or 0 */
	bool odd_clock;			/* its waits are measured by another clock than CLOCK_MONOTONIC */
	bool closed;
	bool ours;			/* .event was registered by us, for DEFER_TASKRUN; else by the program, and is a duplicate */
	int event;			/* an eventfd that the kernel writes to when there is work or a completion, or -1 */
	unsigned users;			/* waits */
	struct gr_list link;		/* in rings.all or rings.free */
};

/* One table per process; memory by mmap, a page at a time. */
static struct rings {
	struct gr_list all, free;
	int registered[16];		/* descriptors by index (IORING_REGISTER_RING_FDS), plus one; the kernel has as many */
} rings = { .all = { &rings.all, &rings.all }, .free = { &rings.free, &rings.free } };

/* --- records ------------------------------------------------------------------------------------------------------------------------- */

static struct ring *find(int fd)
{
	const struct gr_fd *f = gr_fd_peek(fd);

	return f ? f->ring : NULL;
}

/* The descriptor that a program names by itself or by its index */
static int ring_fd(int fd, bool by_index)
{
	if (!by_index)
		return fd;
	return (unsigned)fd < GR_LENGTH(rings.registered) ? rings.registered[fd] - 1 : NO_RING;
}

static void more_records(void)
{
	struct ring *v = gr_poller_scratch(GR_PAGE);

	for (size_t i = 0; v && i < GR_PAGE / sizeof(*v); i++)
		gr_list_push(&rings.free, &v[i].link);
}

/* NULL: no memory, and the ring goes without a record. */
static struct ring *new_record(int fd)
{
	struct gr_fd *f = gr_fd_peek(fd);
	struct ring *r;

	if (gr_list_empty(&rings.free))
		more_records();
	if (!f || gr_list_empty(&rings.free))
		return NULL;
	r = gr_list_first(&rings.free, struct ring, link);
	gr_list_del(&r->link);
	*r = (struct ring){ .event = -1 };
	gr_list_push(&rings.all, &r->link);
	f->ring = r;
	return r;
}

/* Who waits for the event looks again: it is no longer what tells of completions. */
static void drop_event(struct ring *r)
{
	struct gr_fd *f = r->event < 0 ? NULL : gr_fd_peek(r->event);

	if (f)
		gr_fd_ready_all(f);
	if (r->event >= 0)
		gr_own_fd_close(r->event);
	r->event = -1;
	r->ours = false;
}

static bool is_registered(int fd)
{
	for (size_t i = 0; i < GR_LENGTH(rings.registered); i++)
		if (rings.registered[i] == fd + 1)
			return true;
	return false;
}

/* The kernel knows the ring by an index, and goes on when its descriptor is closed: then a duplicate of ours stands for that. */
static bool keep_registered(struct ring *r, int fd)
{
	int kept = is_registered(fd) ? gr_own_fd_dup(fd) : NO_RING;
	struct gr_fd *f = kept < 0 ? NULL : gr_fd_peek(kept);

	for (size_t i = 0; i < GR_LENGTH(rings.registered); i++)
		if (rings.registered[i] == fd + 1)
			rings.registered[i] = f ? kept + 1 : 0;
	if (f)
		f->ring = r;
	return f != NULL;
}

static void release(struct ring *r)
{
	if (!r->closed || r->users)
		return;
	drop_event(r);
	gr_list_del(&r->link);
	gr_list_push(&rings.free, &r->link);
}

void gr_ring_closed(struct ring *r, int fd)
{
	if (keep_registered(r, fd))
		return;
	r->closed = true;
	release(r);
}

long green_io_uring_setup(unsigned entries, struct io_uring_params *params)
{
	long fd = raw(SYS_io_uring_setup, entries, params);
	struct io_uring_params p;
	struct ring *r;

	if (raw_failed(fd) || gr_user_read(&p, params, sizeof(p)) < 0 || (p.flags & SETUP_REGISTERED_ONLY))
		return fd;
	gr_fd_born((int)fd, GR_KIND_POLL, false);
	r = new_record((int)fd);
	if (!r)
		return fd;
	r->flags = p.flags;
	r->head = p.cq_off.head;
	r->tail = p.cq_off.tail;
	r->cqes = p.cq_off.cqes;
	r->mask = p.cq_entries - 1;
	r->entries = p.cq_entries;
	r->at = p.flags & SETUP_NO_MMAP ? p.cq_off.resv2 : 0;
	return fd;
}

void gr_ring_mapped(int fd, uint64_t what, uintptr_t at)
{
	struct ring *r = gr_list_empty(&rings.all) ? NULL : find(fd);

	if (r && (what == IORING_OFF_SQ_RING || what == IORING_OFF_CQ_RING) && !(r->flags & SETUP_NO_MMAP))
		r->at = at;
}

/* Which descriptors the kernel knows by an index from now on */
static void note_registered(const struct io_uring_rsrc_update *updates, unsigned n, bool in)
{
	struct io_uring_rsrc_update u;

	for (unsigned i = 0; i < n && gr_user_read(&u, &updates[i], sizeof(u)) == 0; i++) {
		int was = u.offset < GR_LENGTH(rings.registered) ? rings.registered[u.offset] - 1 : NO_RING;

		if (u.offset < GR_LENGTH(rings.registered))
			rings.registered[u.offset] = in ? (int)u.data + 1 : 0;
		if (was >= 0 && gr_is_own_fd(was) && !is_registered(was))
			gr_own_fd_close(was);		/* kept by keep_registered() */
	}
}

/* A ring has one eventfd, and ours must not be seen. */
static long register_event(struct ring *r, int fd, unsigned op, const int *arg, unsigned n)
{
	int event = -1;
	unsigned by_index = op & REGISTER_BY_INDEX, what = op & ~REGISTER_BY_INDEX;
	long ret;

	if (what == IORING_UNREGISTER_EVENTFD && r->ours)
		return -ENXIO;
	if (r->ours)
		raw(SYS_io_uring_register, fd, IORING_UNREGISTER_EVENTFD | by_index, 0, 0);
	ret = raw(SYS_io_uring_register, fd, op, arg, n);
	if (ret == 0 || r->ours)
		drop_event(r);
	if (ret == 0 && what != IORING_UNREGISTER_EVENTFD && gr_user_read(&event, arg, sizeof(event)) == 0)
		r->event = gr_own_fd_dup(event);
	return ret;
}

/* These wait for requests under way.  Rings of one issuer are the carrier's: there it must wait itself. */
static bool may_wait(unsigned op)
{
	return op == IORING_UNREGISTER_BUFFERS || op == IORING_UNREGISTER_FILES || op == REGISTER_SYNC_CANCEL;
}

long green_io_uring_register(int fd, unsigned op, void *arg, unsigned n)
{
	unsigned what = op & ~REGISTER_BY_INDEX;
	struct ring *ring = find(ring_fd(fd, op & REGISTER_BY_INDEX));
	long r = -EEXIST;

	if (ring && (what == IORING_REGISTER_EVENTFD || what == IORING_REGISTER_EVENTFD_ASYNC || what == IORING_UNREGISTER_EVENTFD))
		return register_event(ring, fd, op, arg, n);
	if (may_wait(what))
		r = gr_offload(SYS_io_uring_register, fd, op, (long)arg, n, 0, 0);
	if (r == -EEXIST)
		r = raw(SYS_io_uring_register, fd, op, arg, n);
	if (r > 0 && (what == IORING_REGISTER_RING_FDS || what == IORING_UNREGISTER_RING_FDS))
		note_registered(arg, (unsigned)r, what == IORING_REGISTER_RING_FDS);
	if (r == 0 && ring && what == REGISTER_CLOCK)
		ring->odd_clock = true;
	return r;
}

/* --- what is waited for ---------------------------------------------------------------------------------------------------------------- */

struct wait {
	struct gr_fd_wait fd;
	int enter_fd;			/* as the program names it */
	unsigned enter_flags;		/* IORING_ENTER_REGISTERED_RING: that is an index */
	struct ring *ring;		/* NULL: nothing is known of it */
	uint32_t need;
	uint32_t since;			/* the ring's tail when the wait began */
	gr_time soon;			/* min_wait: until then we wait for all that is needed, and from then on for one; or GR_NEVER */
	gr_time deadline;
	int ep;				/* or -1 */
	struct gr_poller_mask mask;
};

/* The kernel has work for the carrier, and only an eventfd to tell that by: the descriptor is not readable yet. */
static bool is_deferred(const struct wait *w)
{
	return w->ring && (w->ring->flags & IORING_SETUP_DEFER_TASKRUN);
}

/* Completions that the program has not taken yet; -1: it is not known, as its mapping is gone. */
static long ready(const struct wait *w, uint32_t *ret_tail)
{
	uint32_t head;

	if (gr_user_read(&head, (void *)(w->ring->at + w->ring->head), sizeof(head)) < 0 ||
	    gr_user_read(ret_tail, (void *)(w->ring->at + w->ring->tail), sizeof(*ret_tail)) < 0)
		return -1;
	return *ret_tail - head;
}

/* A timeout request that has run out ends every wait, however few completions there are. */
static bool timeout_among(const struct wait *w, uint32_t tail)
{
	size_t size = sizeof(struct io_uring_cqe) << !!(w->ring->flags & IORING_SETUP_CQE32);
	struct io_uring_cqe cqe;

	for (uint32_t i = w->since; i != tail && i - w->since < w->ring->entries; i++)
		if (gr_user_read(&cqe, (void *)(w->ring->at + w->ring->cqes + (i & w->ring->mask) * size), sizeof(cqe)) == 0 &&
		    cqe.res == -ETIME)
			return true;
	return false;
}

/* Has the kernel work for the carrier, or completions that found no room? */
static long flush(const struct wait *w)
{
	int fd = w->enter_flags & IORING_ENTER_REGISTERED_RING ? w->enter_fd : w->fd.fd;

	return raw(SYS_io_uring_enter, fd, 0, 0, w->enter_flags | IORING_ENTER_GETEVENTS, 0, 0);
}

/* 1: enough has come.  0: not yet. */
static long enough(struct wait *w)
{
	struct pollfd p = { .fd = w->fd.fd, .events = POLLIN };
	uint32_t tail;
	long n = flush(w);

	if (n < 0)
		return n;
	if (w->need == 1)
		return raw(SYS_poll, &p, 1, 0) > 0;
	n = ready(w, &tail);
	if (n < 0 || n >= (long)w->need)
		return 1;
	if (!timeout_among(w, tail))
		return 0;
	flush(w);		/* what it was the limit of comes with it */
	return 1;
}

/* --- waiting ------------------------------------------------------------------------------------------------------------------------- */

/* 0 or -errno */
static int make_event(struct wait *w)
{
	long r = raw(SYS_eventfd2, 0, O_CLOEXEC | O_NONBLOCK);
	int event;

	if (raw_failed(r))
		return (int)r;
	event = gr_own_fd((int)r);
	r = raw(SYS_io_uring_register, w->fd.fd, IORING_REGISTER_EVENTFD, &event, 1);
	if (raw_failed(r)) {
		gr_own_fd_close(event);
		return (int)r;
	}
	gr_fd_born(event, GR_KIND_POLL, true);
	gr_fd_peek(event)->own = true;
	w->ring->event = event;
	w->ring->ours = true;
	return 0;
}

static int park_on_event(struct wait *w, gr_time deadline)
{
	struct gr_fd_wait event = { .fd = w->ring->event };
	uint64_t count;
	int r = gr_fd_wait(&event, GR_READ, deadline);

	gr_fd_wait_end(&event);
	if (w->ring->ours)
		raw(SYS_read, w->ring->event, &count, sizeof(count));
	return r;
}

/* The program reads its eventfd when it likes: each write to it counts. */
static int open_edge(struct wait *w)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	long r = raw(SYS_epoll_create1, EPOLL_CLOEXEC);

	if (raw_failed(r))
		return (int)r;
	w->ep = gr_own_fd((int)r);
	if (gr_fd_get(w->ep))
		gr_fd_get(w->ep)->kind = GR_KIND_POLL;
	return (int)raw(SYS_epoll_ctl, w->ep, EPOLL_CTL_ADD, w->ring->event, &ev);
}

static int park_on_edge(struct wait *w, gr_time deadline)
{
	struct gr_fd_wait ep = { .fd = w->ep };
	struct epoll_event ev;
	int r = gr_fd_wait(&ep, GR_READ, deadline);

	gr_fd_wait_end(&ep);
	raw(SYS_epoll_wait, w->ep, &ev, 1, 0);
	return r;
}

static int park(struct wait *w, gr_time deadline)
{
	int r = 0;

	if (!is_deferred(w))
		return gr_fd_wait(&w->fd, GR_READ, deadline);
	if (w->ring->event < 0)
		return make_event(w);		/* and look again, as it tells of what comes from now on */
	if (w->ring->ours)
		return park_on_event(w, deadline);
	if (w->ep < 0)
		r = open_edge(w);
	return r < 0 ? r : park_on_edge(w, deadline);
}

/* min_wait has passed: from now on one will do. */
static bool lower(struct wait *w)
{
	if (w->soon == GR_NEVER)
		return false;
	w->soon = GR_NEVER;
	w->need = 1;
	return true;
}

static long wait_here(struct wait *w)
{
	long n;
	int r = 0;

	for (;;) {
		n = enough(w);
		if (n)
			return n < 0 ? n : 0;
		if (r == -ETIMEDOUT && !lower(w))
			return -ETIME;
		if (r < 0 && r != -ETIMEDOUT)
			return r;
		gr_poller_mask_begin(&w->mask);		/* after the first look, as in the kernel, and once */
		w->mask.given = false;
		r = gr_poller_interrupted() ? -EINTR : park(w, w->soon < w->deadline ? w->soon : w->deadline);
	}
}

/* As it is, but nothing is submitted any more */
static long wait_elsewhere(int fd, unsigned min, unsigned flags, const void *arg, size_t size)
{
	long r = gr_offload(SYS_io_uring_enter, fd, 0, min, flags, (long)arg, (long)size);

	return r == -GR_ERESTART ? -EINTR : r;
}

/* --- arguments ------------------------------------------------------------------------------------------------------------------------- */

/* struct io_uring_getevents_arg, as it is now */
struct extra {
	uint64_t sigmask;
	uint32_t sigmask_size;
	uint32_t min_wait_usec;
	uint64_t timeout;
};

static int read_extra(unsigned flags, const void *arg, size_t size, struct extra *ret)
{
	*ret = (struct extra){ 0 };
	if (!(flags & IORING_ENTER_EXT_ARG)) {
		ret->sigmask = (uintptr_t)arg;
		ret->sigmask_size = (uint32_t)size;
		return 0;
	}
	if (size != sizeof(*ret))
		return -EINVAL;
	return gr_user_read(ret, arg, sizeof(*ret)) < 0 ? -EFAULT : 0;
}

static int read_timeout(const struct extra *x, unsigned flags, struct wait *w)
{
	struct timespec ts;
	gr_time at;

	w->soon = x->min_wait_usec ? gr_deadline((gr_time)x->min_wait_usec * 1000) : GR_NEVER;
	w->deadline = GR_NEVER;
	if (!x->timeout)
		return 0;
	if (gr_user_read(&ts, (void *)(uintptr_t)x->timeout, sizeof(ts)) < 0)
		return -EFAULT;
	at = gr_from_timespec(&ts);
	w->deadline = flags & IORING_ENTER_ABS_TIMER ? at : gr_deadline(at);
	return 0;
}

/* Can we see when there are enough? */
static bool is_known(const struct wait *w, unsigned flags)
{
	if (w->fd.fd == NO_RING || (flags & ~ENTER_KNOWN) || (w->ring && (w->ring->flags & IORING_SETUP_IOPOLL)))
		return false;
	if (w->ring && (w->ring->odd_clock || (w->ring->flags & SETUP_CQE_MIXED)))
		return false;
	return w->need == 1 || (is_deferred(w) && w->ring->at);
}

static long wait_known(struct wait *w, const struct extra *x, unsigned flags)
{
	long r = read_timeout(x, flags, w);

	if (r < 0)
		return r;
	if (w->need > 1)
		ready(w, &w->since);
	if (w->ring)
		w->ring->users++;
	r = wait_here(w);
	gr_fd_wait_end(&w->fd);
	if (w->ep >= 0)
		gr_own_fd_close(w->ep);
	if (w->ring) {
		w->ring->users--;
		release(w->ring);
	}
	return r;
}

/* The mask is the greenlet's, not that of the thread which waits in its place. */
static long wait_unknown(struct wait *w, unsigned min, unsigned flags, struct extra *x)
{
	bool extended = flags & IORING_ENTER_EXT_ARG;
	long r;

	x->sigmask = 0;
	gr_poller_mask_begin(&w->mask);
	w->mask.given = false;
	r = wait_elsewhere(w->enter_fd, min, flags, extended ? x : NULL, extended ? sizeof(*x) : 0);
	if (r != -EEXIST && !(r == -EINVAL && w->enter_flags))
		return r;
	if (w->fd.fd == NO_RING)	/* a ring without any descriptor: only the kernel can wait for it, and only here */
		return raw(SYS_io_uring_enter, w->enter_fd, 0, min, flags, extended ? x : NULL, extended ? sizeof(*x) : 0);
	w->need = 1;
	return wait_known(w, x, flags);
}

static long wait_for(int fd, unsigned min, unsigned flags, const void *arg, size_t size)
{
	struct wait w = { .fd.fd = ring_fd(fd, flags & IORING_ENTER_REGISTERED_RING), .enter_fd = fd, .enter_flags = flags & IORING_ENTER_REGISTERED_RING, .ep = -1 };
	struct extra x;
	long r = read_extra(flags, arg, size, &x);

	if (r == 0)
		r = gr_poller_mask_read(&w.mask, (const uint64_t *)(uintptr_t)x.sigmask, x.sigmask_size);
	if (r < 0)
		return r;
	w.ring = find(w.fd.fd);
	w.need = w.ring && min > w.ring->entries ? w.ring->entries : min;
	r = is_known(&w, flags) ? wait_known(&w, &x, flags) : wait_unknown(&w, min, flags, &x);
	gr_poller_mask_end(r);
	return r;
}

/* What was submitted counts, whatever becomes of the waiting. */
long green_io_uring_enter(int fd, unsigned submit, unsigned min, unsigned flags, const void *arg, size_t size)
{
	long n, r;

	if ((flags & IORING_ENTER_SQ_WAIT) && !(flags & IORING_ENTER_REGISTERED_RING)) {
		r = gr_offload(SYS_io_uring_enter, fd, 0, 0, flags & ~IORING_ENTER_GETEVENTS, 0, 0);
		if (r < 0 && r != -EEXIST)
			return r == -GR_ERESTART ? -EINTR : r;
		flags &= ~IORING_ENTER_SQ_WAIT;
	}
	if (!(flags & IORING_ENTER_GETEVENTS) || !min)
		return raw(SYS_io_uring_enter, fd, submit, min, flags, arg, size);
	n = raw(SYS_io_uring_enter, fd, submit, 0, flags & ~(IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG), 0, 0);
	if (n < 0 || (unsigned)n != submit)
		return n;
	r = wait_for(fd, min, flags, arg, size);
	return n ? n : r;
}

/* Our descriptors were closed there. */
void gr_ring_forked(void)
{
	memset(rings.registered, 0, sizeof(rings.registered));
	gr_list_each(it, &rings.all) {
		struct ring *r = gr_container(it, struct ring, link);

		r->event = -1;
		r->ours = false;
		r->users = 0;
	}
}
