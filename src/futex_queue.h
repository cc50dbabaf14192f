/*
 * futex_queue.h - what futex.c and futex_pi.c share: the queues of parked greenlets
 *
 * One table per process, not per carrier: a word has one queue, whoever waits on it.  With more carriers each bucket gets a lock, held from
 * reading the word until the waiter is linked; today the one kernel thread is that lock.
 */
#ifndef GR_FUTEX_QUEUE_H
#define GR_FUTEX_QUEUE_H

#include "futex.h"
#include "list.h"
#include "map.h"
#include "sched.h"

enum gr_futex_kind { GR_FUTEX_PLAIN, GR_FUTEX_PI };

/* On the parked greenlet's stack.  Who wakes it unlinks it first: an unlinked waiter was woken, even if its time is up as well. */
struct gr_futex_waiter {
	struct gr_list link;		/* in its bucket, among the waiters of other words; first come, first served */
	struct gr_list pi;		/* in gr_futex_pi_waiters */
	uintptr_t key;			/* the word's address */
	struct gr_greenlet *g;
	uint32_t bitset;
	uint8_t kind;			/* enum gr_futex_kind */
	int result;			/* what its gr_park() is to return: 0, or -EINTR to break off an offloaded wait */
};

/* All waiters for PI locks: a thread that ends looks for its locks here, because no list of its own names those that are not robust. */
extern struct gr_list gr_futex_pi_waiters;

void gr_futex_enqueue(struct gr_futex_waiter *w);
struct gr_futex_waiter *gr_futex_first(uintptr_t key);
void gr_futex_wake_waiter(struct gr_futex_waiter *w);

static inline bool gr_futex_was_woken(const struct gr_futex_waiter *w)
{
	return gr_list_empty(&w->link);
}

/* What a wait that was not woken returns, @parked being the result of its gr_park().  libc aborts on errors that futex(2) does not have,
 * so what else can end a park counts as a signal, and no memory to note the deadline as a spurious wake-up. */
long gr_futex_not_woken(int parked, long interrupted);

/* 0, -EINVAL misaligned, -EFAULT not in our half of the address space or (needed only without FUTEX_PRIVATE_FLAG) not mapped. */
long gr_futex_check_word(const uint32_t *uaddr, int op);

/* 0 or -EFAULT: the word can be written, so that the atomic operations that follow do not fault. */
long gr_futex_check_writable(uint32_t *uaddr);

/* May anyone but greenlets of this process wait on this word? */
static inline bool gr_futex_in_kernel(const uint32_t *uaddr, int op)
{
	return GR_UNLIKELY(gr_carrier()->natives) || (!(op & FUTEX_PRIVATE_FLAG) && gr_map_is_shared((uintptr_t)uaddr));
}

/* FUTEX_WAKE_BITSET, here and in the kernel */
long gr_futex_wake_word(uint32_t *uaddr, int op, int n, uint32_t bitset);

/* FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI (@try) and FUTEX_UNLOCK_PI */
long gr_futex_lock_pi(uint32_t *uaddr, int op, gr_time deadline, bool try);
long gr_futex_unlock_pi(uint32_t *uaddr, int op);

#endif
