/*
 * futex_sized.c - futex_wait(2), futex_wake(2) and futex_requeue(2): the calls of Linux 6.7 whose flags tell the size of the word
 *
 * The only size that kernels know is 32 bits; then these are operations of futex(2) with other checks.  Flags that we do not know
 * are the kernel's, which refuses them, or knows better.
 */
#include "futex_queue.h"
#include "offload.h"
#include "raw.h"
#include "signal.h"
#include <errno.h>

#ifndef FUTEX2_SIZE_U32
#define FUTEX2_SIZE_U32	2u
#endif

static bool is_known(uint64_t flags)
{
	return (flags & ~(uint64_t)FUTEX_PRIVATE_FLAG) == FUTEX2_SIZE_U32;
}

/* Kernels without these calls answer ENOSYS, whatever the arguments. */
static bool has_calls(void)
{
	static int8_t known;

	if (GR_UNLIKELY(!known))
		known = raw(SYS_futex_wake, 0, 0, 0, ~0u) == -ENOSYS ? -1 : 1;
	return known > 0;
}

static long check_wait(uint64_t val, uint64_t mask, const struct timespec *timeout, clockid_t clock)
{
	if (val >> 32 || mask >> 32)
		return -EINVAL;
	return timeout && clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC ? -EINVAL : 0;
}

/* Its timeout is a point in time, so unlike futex(2) it goes on after a handler with SA_RESTART also with one. */
long green_futex_wait(uint32_t *uaddr, uint64_t val, uint64_t mask, unsigned flags, struct timespec *timeout, clockid_t clock)
{
	int op = FUTEX_WAIT_BITSET | (int)(flags & FUTEX_PRIVATE_FLAG) | (timeout && clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0);
	long r;

	if (!has_calls())
		return -ENOSYS;
	if (!is_known(flags))
		return gr_offload(SYS_futex_wait, (long)uaddr, (long)val, (long)mask, flags, (long)timeout, clock);
	r = check_wait(val, mask, timeout, clock);
	if (r == 0)
		r = green_futex(uaddr, op, (uint32_t)val, (uintptr_t)timeout, NULL, (uint32_t)mask);
	return r == -EINTR ? -GR_ERESTART : r;
}

long green_futex_wake(uint32_t *uaddr, uint64_t mask, int n, unsigned flags)
{
	int op = FUTEX_WAKE_BITSET | (int)(flags & FUTEX_PRIVATE_FLAG);

	if (!has_calls())
		return -ENOSYS;
	if (!is_known(flags))
		return raw(SYS_futex_wake, uaddr, mask, n, flags);
	if (!mask || mask >> 32)
		return -EINVAL;
	return n ? gr_futex_wake_word(uaddr, op, n, (uint32_t)mask) : gr_futex_check_word(uaddr, op);
}

static int requeue_op(uint32_t flags)
{
	return FUTEX_CMP_REQUEUE | (int)(flags & FUTEX_PRIVATE_FLAG);
}

long green_futex_requeue(const struct futex_waitv *words, unsigned flags, int n, int move)
{
	struct futex_waitv w[2];
	uint32_t cmp;
	long r;

	if (!has_calls())
		return -ENOSYS;
	if (flags || !words)
		return -EINVAL;
	if (gr_user_read(w, words, sizeof(w)) < 0)
		return -EFAULT;
	if (!is_known(w[0].flags) || !is_known(w[1].flags))
		return raw(SYS_futex_requeue, words, flags, n, move);
	if (w[0].__reserved || w[1].__reserved || w[0].val >> 32 || w[1].val >> 32)
		return -EINVAL;
	cmp = (uint32_t)w[0].val;
	r = w[0].flags == w[1].flags ? 0 : raw(SYS_futex_requeue, words, 0, 0, 0);	/* from one kind to the other: not in every kernel */
	if (r < 0)
		return r;
	return gr_futex_requeue((uint32_t *)(uintptr_t)w[0].uaddr, requeue_op(w[0].flags), n, move,
				(uint32_t *)(uintptr_t)w[1].uaddr, requeue_op(w[1].flags), &cmp);
}
