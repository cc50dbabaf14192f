/*
 * uring.c - the ring: made by hand, filled and emptied on the carrier only
 *
 * Memory shared with the kernel: it moves sq->head and cq->tail, we move sq->tail and cq->head.  A read is submitted at once, so that the
 * submission queue is empty outside submit().  Completions are made by work that the kernel does for the carrier when that enters it
 * (IORING_SETUP_COOP_TASKRUN: it is not interrupted for it), so the hub asks the kernel as long as requests are under way.
 */
#include "uring.h"
#include "clock.h"
#include "hub.h"
#include "raw.h"
#include "sched.h"
#include <errno.h>
#include <linux/io_uring.h>
#include <sys/mman.h>

#define ENTRIES		256u
#define AGAIN		GR_MS(1)	/* when to cancel again where that could not be submitted */
#ifndef IORING_SETUP_COOP_TASKRUN
#define IORING_SETUP_COOP_TASKRUN (1u << 8)
#endif

/* What older headers lack */
#define OP_FUTEX_WAIT	51
#define FUTEX_32	2u
#define SQE_ADDR3	6	/* its place, in words of 64 bits */
#ifndef IORING_SQ_CQ_OVERFLOW
#define IORING_SQ_CQ_OVERFLOW (1u << 1)
#endif

/* On the stack of the greenlet that is parked for it. */
struct request {
	struct gr_greenlet *g;
	int ret;
	bool done;
	struct gr_list link;		/* in ring.futexes, if it is a wait for one */
};

enum { UNTRIED, USABLE, FORBIDDEN };

static struct uring {
	int state;
	int fd;
	unsigned *sq_tail, *sq_mask, *sq_array, *sq_flags, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	unsigned under_way;		/* of all kinds */
	unsigned reading;
	uint64_t reads;
	struct gr_list futexes;
	bool no_futex;			/* a kernel before 6.7 */
} ring = { .fd = -1, .futexes = { &ring.futexes, &ring.futexes } };

/* --- making it ------------------------------------------------------------------------------------------------------------------------ */

/* Not for forked children, which must not move the parent's heads and tails. */
static void *map(size_t size, off_t what)
{
	long p = raw(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, what);

	if (raw_failed(p))
		return NULL;
	raw(SYS_madvise, p, size, MADV_DONTFORK);
	return (void *)p;
}

static bool map_all(const struct io_uring_params *p)
{
	size_t sq = p->sq_off.array + p->sq_entries * sizeof(unsigned), cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	char *rings = map(sq > cq ? sq : cq, IORING_OFF_SQ_RING);

	ring.sqes = rings ? map(p->sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES) : NULL;
	if (!ring.sqes)
		return false;		/* what was mapped is gone with the process: this is tried once */
	ring.sq_tail = (unsigned *)(rings + p->sq_off.tail);
	ring.sq_flags = (unsigned *)(rings + p->sq_off.flags);
	ring.sq_mask = (unsigned *)(rings + p->sq_off.ring_mask);
	ring.sq_array = (unsigned *)(rings + p->sq_off.array);
	ring.cq_head = (unsigned *)(rings + p->cq_off.head);
	ring.cq_tail = (unsigned *)(rings + p->cq_off.tail);
	ring.cq_mask = (unsigned *)(rings + p->cq_off.ring_mask);
	ring.cqes = (struct io_uring_cqe *)(rings + p->cq_off.cqes);
	return true;
}

static long set_up(struct io_uring_params *p)
{
	long fd;

	*p = (struct io_uring_params){ .flags = IORING_SETUP_COOP_TASKRUN };
	fd = raw(SYS_io_uring_setup, ENTRIES, p);
	if (fd != -EINVAL)
		return fd;
	*p = (struct io_uring_params){ 0 };		/* a kernel before 5.19 */
	return raw(SYS_io_uring_setup, ENTRIES, p);
}

static int make(void)
{
	struct io_uring_params p;
	int kick = gr_hub_kick_fd();
	long fd = set_up(&p);

	if (raw_failed(fd))
		return fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM ? UNTRIED : FORBIDDEN;
	ring.fd = gr_own_fd((int)fd);
	if ((p.features & IORING_FEAT_SINGLE_MMAP) && (p.features & IORING_FEAT_NODROP) && map_all(&p) &&
	    raw(SYS_io_uring_register, ring.fd, IORING_REGISTER_EVENTFD, &kick, 1) == 0)
		return USABLE;
	gr_own_fd_close(ring.fd);
	ring.fd = -1;
	return FORBIDDEN;
}

static bool usable(void)
{
	if (ring.state == UNTRIED) {
		if (!gr_carrier()->hub && gr_hub_start() < 0)
			return false;
		ring.state = make();
	}
	return ring.state == USABLE;
}

/* --- requests ------------------------------------------------------------------------------------------------------------------------- */

static bool submit(const struct io_uring_sqe *sqe)
{
	unsigned tail = *ring.sq_tail, i = tail & *ring.sq_mask;

	ring.sqes[i] = *sqe;
	ring.sq_array[i] = i;
	__atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_RELEASE);
	if (raw(SYS_io_uring_enter, ring.fd, 1, 0, 0, 0, 0) == 1) {
		ring.under_way++;
		return true;
	}
	__atomic_store_n(ring.sq_tail, tail, __ATOMIC_RELEASE);		/* no memory: it was not taken */
	return false;
}

/* The kernel keeps what has found no room, until it is asked. */
static bool any_completed(void)
{
	if (!ring.cqes)
		return false;
	if (__atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE) == *ring.cq_head &&
	    (__atomic_load_n(ring.sq_flags, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW))
		raw(SYS_io_uring_enter, ring.fd, 0, 0, IORING_ENTER_GETEVENTS, 0, 0);
	return __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE) != *ring.cq_head;
}

void gr_uring_done(void)
{
	while (any_completed()) {
		const struct io_uring_cqe *cqe = &ring.cqes[*ring.cq_head & *ring.cq_mask];
		struct request *r = (struct request *)(uintptr_t)cqe->user_data;
		int ret = cqe->res;

		__atomic_store_n(ring.cq_head, *ring.cq_head + 1, __ATOMIC_RELEASE);
		ring.under_way--;
		if (!r)
			continue;
		r->ret = ret;
		r->done = true;
		gr_wake(r->g, 0);
	}
}

bool gr_uring_busy(void)
{
	return ring.under_way > 0;
}

/* --- reading -------------------------------------------------------------------------------------------------------------------------- */

long gr_uring_readv(int fd, const struct iovec *iov, int n, off_t at)
{
	struct request r = { .g = gr_carrier()->current };
	struct io_uring_sqe sqe = { .opcode = IORING_OP_READV, .fd = fd, .addr = (uintptr_t)iov, .len = (unsigned)n,
				    .off = (uint64_t)at, .user_data = (uintptr_t)&r };

	if (!usable() || ring.reading >= ENTRIES || !submit(&sqe))
		return -EOPNOTSUPP;
	ring.reading++;
	ring.reads++;
	gr_uring_done();		/* it may have been there after all */
	while (!r.done)
		gr_park("disk", GR_NEVER, 0);
	ring.reading--;
	return r.ret == -EAGAIN || r.ret == -EINTR || r.ret == -ECANCELED ? -EOPNOTSUPP : r.ret;
}

/* --- futexes -------------------------------------------------------------------------------------------------------------------------- */

/* Its completion comes all the same: that it was cancelled, or that it was woken just then.  False: the kernel had no room for this now. */
static bool cancel(struct request *r)
{
	struct io_uring_sqe sqe = { .opcode = IORING_OP_ASYNC_CANCEL, .fd = -1, .addr = (uintptr_t)r };
	bool taken = submit(&sqe);

	gr_uring_done();
	return taken;
}

/* What broke it off, or 0 */
static int wait_for(struct request *r, gr_time deadline)
{
	bool cancelled = false;
	int broken = 0;

	while (!r->done) {
		gr_time until = !broken ? deadline : cancelled ? GR_NEVER : gr_deadline(AGAIN);
		int parked = gr_park("futex", until, GR_PARK_OUTSIDE | (broken ? 0 : GR_PARK_INTR));

		if (!broken && !r->done)
			broken = parked < 0 ? parked : 0;
		if (broken && !cancelled && !r->done)
			cancelled = ring.state == FORBIDDEN || cancel(r);
	}
	return broken;
}

long gr_uring_futex_wait(const uint32_t *uaddr, unsigned flags, uint32_t val, uint32_t bitset, gr_time deadline)
{
	struct request r = { .g = gr_carrier()->current };
	struct io_uring_sqe sqe = { .opcode = OP_FUTEX_WAIT, .fd = (int)(FUTEX_32 | flags), .addr = (uintptr_t)uaddr, .off = val,
				    .user_data = (uintptr_t)&r };
	int broken;

	((uint64_t *)&sqe)[SQE_ADDR3] = bitset;
	if (ring.no_futex || !usable() || !submit(&sqe))
		return -EOPNOTSUPP;
	gr_list_push(&ring.futexes, &r.link);
	gr_uring_done();
	broken = wait_for(&r, deadline);
	gr_list_del(&r.link);
	if (r.ret == -EINVAL)
		ring.no_futex = true;
	if (r.ret == -EINVAL || r.ret == -ENOMEM)	/* libc ends the process at errors that a wait cannot have */
		return -EOPNOTSUPP;
	return r.ret == -ECANCELED ? broken : r.ret;
}

/* --- the process changes --------------------------------------------------------------------------------------------------------------- */

/* Reads under way need no call of ours to end.  Who waits for a futex wakes up, as he may at any time, and waits on a thread. */
void gr_uring_forbid(void)
{
	gr_list_each_safe(it, &ring.futexes)
		cancel(gr_container(it, struct request, link));
	ring.state = FORBIDDEN;
}

/* The rings are not mapped here, and the descriptor was closed with the others of ours. */
void gr_uring_fork_child(void)
{
	ring = (struct uring){ .fd = -1, .state = ring.state == FORBIDDEN ? FORBIDDEN : UNTRIED, .no_futex = ring.no_futex };
	gr_list_init(&ring.futexes);
}

uint64_t gr_uring_reads(void)
{
	return ring.reads;
}
