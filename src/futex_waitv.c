/*
 * futex_waitv.c - futex_waitv(2): one greenlet in many queues
 */
#include "futex_queue.h"
#include "clock.h"
#include "offload.h"
#include "raw.h"
#include "signal.h"
#include <errno.h>
#include <sys/mman.h>

/* One word of the vector: what was asked, and our place in its queue. */
struct word {
	struct futex_waitv want;
	struct gr_futex_waiter w;
	bool kernel;			/* others than greenlets may wake it */
};

#define FEW	4			/* kept on the stack, which may be a small one; more go into memory of their own */

static long read_deadline(const struct timespec *timeout, clockid_t clock, gr_time *ret_deadline)
{
	struct timespec ts;

	*ret_deadline = GR_NEVER;
	if (!timeout)
		return 0;
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
		return -EINVAL;
	if (gr_user_read(&ts, timeout, sizeof(ts)) < 0)
		return -EFAULT;
	if (!gr_timespec_ok(&ts))
		return -EINVAL;
	*ret_deadline = gr_deadline_on(clock, gr_from_timespec(&ts));
	return 0;
}

/* 0 or -errno; *ret_odd: flags we do not know, perhaps of a later kernel */
static long read_words(struct word *v, unsigned nr, const struct futex_waitv *waiters, bool *ret_odd)
{
	long r = 0;

	for (unsigned i = 0; i < nr; i++) {
		if (gr_user_read(&v[i].want, &waiters[i], sizeof(v[i].want)) < 0)
			return -EFAULT;
		*ret_odd |= (v[i].want.flags & ~FUTEX_PRIVATE_FLAG) != FUTEX_32 || v[i].want.__reserved || v[i].want.val >> 32;
	}
	for (unsigned i = 0; i < nr && r == 0 && !*ret_odd; i++) {
		uint32_t *uaddr = (uint32_t *)(uintptr_t)v[i].want.uaddr;

		r = gr_futex_check_word(uaddr, (int)v[i].want.flags);
		v[i].kernel = gr_futex_waits_in_kernel(uaddr, (int)v[i].want.flags, (uint32_t)v[i].want.val);
	}
	return r;
}

static long values_as_wanted(const struct word *v, unsigned nr)
{
	uint32_t now;

	for (unsigned i = 0; i < nr; i++) {
		if (gr_user_read(&now, (void *)(uintptr_t)v[i].want.uaddr, sizeof(now)) < 0)
			return -EFAULT;
		if (now != v[i].want.val)
			return -EAGAIN;
	}
	return 0;
}

static void enter(struct word *v, unsigned nr, int result)
{
	for (unsigned i = 0; i < nr; i++) {
		v[i].w = (struct gr_futex_waiter){ .key = gr_futex_key((uint32_t *)(uintptr_t)v[i].want.uaddr, (int)v[i].want.flags),
						   .g = gr_carrier()->current, .bitset = FUTEX_BITSET_MATCH_ANY, .result = result };
		gr_futex_enqueue(&v[i].w);
	}
}

/* Out of all queues.  The last of the words that were woken, as the kernel has it, or -1. */
static long leave(struct word *v, unsigned nr)
{
	long woken = -1;

	for (unsigned i = 0; i < nr; i++) {
		if (gr_futex_was_woken(&v[i].w))
			woken = i;
		else
			gr_futex_dequeue(&v[i].w);
	}
	return woken;
}

/* When some of the words are the kernel's, an offload thread waits for all of them, and a wake by a greenlet breaks that off. */
static long wait_words(struct word *v, unsigned nr, gr_time deadline, const struct futex_waitv *waiters)
{
	bool kernel = false;
	long r = values_as_wanted(v, nr), woken;

	if (r < 0)
		return r;
	for (unsigned i = 0; i < nr; i++)
		kernel |= v[i].kernel;
	enter(v, nr, kernel ? -EINTR : 0);
	if (gr_futex_look_again())
		r = values_as_wanted(v, nr);
	if (r < 0)
		;
	else if (kernel)
		r = gr_offload_until(deadline, SYS_futex_waitv, (long)waiters, nr, 0, 0, 0, 0);		/* may be limited: scope.h */
	else
		r = gr_park("futex", deadline, GR_PARK_INTR);
	woken = leave(v, nr);
	if (woken >= 0)
		return woken;
	if (r == -EFAULT || r == -EAGAIN)
		return r;
	if (kernel)
		return r == -GR_EBROKEN ? gr_futex_not_woken((int)r, 0) : r;
	r = gr_futex_not_woken((int)r, -GR_ERESTART);
	return r ? r : -GR_ERESTART;		/* no word to name: have the call made again */
}

long green_futex_waitv(struct futex_waitv *waiters, unsigned nr, unsigned flags, struct timespec *timeout, clockid_t clock)
{
	struct word few[FEW], *v = few;
	size_t size = nr * sizeof(*v);
	bool odd = false;
	gr_time deadline;
	long r;

	if (flags || !nr || nr > FUTEX_WAITV_MAX || !waiters)
		return -EINVAL;
	r = read_deadline(timeout, clock, &deadline);
	if (r < 0)
		return r;
	if (nr > FEW) {
		r = raw(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (raw_failed(r))
			return -ENOMEM;
		v = (struct word *)r;
	}
	r = read_words(v, nr, waiters, &odd);
	if (odd)
		r = gr_offload(SYS_futex_waitv, (long)waiters, nr, 0, (long)timeout, clock, 0);
	else if (r == 0)
		r = wait_words(v, nr, deadline, waiters);
	if (v != few)
		raw(SYS_munmap, v, size);
	return r;
}
