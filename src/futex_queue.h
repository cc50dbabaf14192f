/*
 * futex_queue.h - what futex.c, futex_pi.c, futex_waitv.c and futex_native.c share: the queues of parked greenlets
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
	uintptr_t key;			/* gr_futex_key() */
	struct gr_greenlet *g;
	uint32_t bitset;
	uint8_t kind;			/* enum gr_futex_kind */
	bool counted;			/* in gr_futex_counts */
	int result;			/* what its gr_park() is to return: 0, or -EINTR to break off an offloaded wait */
};

/* Who waits with FUTEX_PRIVATE_FLAG and who wakes without do not meet, nor the other way round.  Words are aligned: a bit is free to tell. */
static inline uintptr_t gr_futex_key(const uint32_t *uaddr, int op)
{
	return (uintptr_t)uaddr | !(op & FUTEX_PRIVATE_FLAG);
}

static inline uint32_t *gr_futex_word(uintptr_t key)
{
	return (uint32_t *)(key & ~1ul);
}

/* All waiters for PI locks: a thread that ends looks for its locks here, because no list of its own names those that are not robust. */
extern struct gr_list gr_futex_pi_waiters;

/* Buckets are made on first use, so a program with few waiters touches few pages.  With 100,000 words waited on at once a bucket
 * holds six. */
#define GR_FUTEX_BUCKET_BITS	14

static inline size_t gr_futex_bucket(uintptr_t key)
{
	return key * 0x9e3779b97f4a7c15ul >> (64 - GR_FUTEX_BUCKET_BITS);
}

/* Who waits for words of each bucket, for the other side to look at before it wakes.  Only kept while there are native threads. */
struct gr_futex_count {
	uint32_t greenlets;		/* here; written by the carrier alone */
	uint32_t natives;		/* in the kernel; atomic */
};
extern struct gr_futex_count gr_futex_counts[1u << GR_FUTEX_BUCKET_BITS];
extern uint32_t gr_futex_natives_moved;		/* atomic: .natives cannot be relied upon, as some wait where they were not counted */

static inline struct gr_futex_count *gr_futex_count_of(uintptr_t key)
{
	return &gr_futex_counts[gr_futex_bucket(key)];
}

void gr_futex_enqueue(struct gr_futex_waiter *w);
void gr_futex_dequeue(struct gr_futex_waiter *w);

/* After the enqueueing, before a last look at the word: is that look needed, since native threads may have changed it meanwhile? */
static inline bool gr_futex_look_again(void)
{
	if (GR_LIKELY(!gr_carrier()->natives))
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return true;
}

/* All that wait here, in no order */
void gr_futex_each(void (*fn)(struct gr_futex_waiter *w));

/* Wake up to @n of those who wait here.  How many, or -EINVAL: they wait for a PI lock. */
long gr_futex_wake_here(uintptr_t key, int n, uint32_t bitset);

/* fork child */
void gr_futex_native_reset(void);

struct gr_futex_waiter *gr_futex_first(uintptr_t key);
void gr_futex_wake_waiter(struct gr_futex_waiter *w);

static inline bool gr_futex_was_woken(const struct gr_futex_waiter *w)
{
	return gr_list_empty(&w->link);
}

/* What a wait that was not woken returns, @parked being the result of its gr_park().  libc aborts on errors that futex(2) does not have,
 * so what else can end a park counts as a signal, and no memory to note the deadline as a spurious wake-up. */
long gr_futex_not_woken(int parked, long interrupted);

/* 0, -EINVAL misaligned, -EFAULT not in our half of the address space or (only without FUTEX_PRIVATE_FLAG) not mapped, or read-only and
 * nobody's but ours. */
long gr_futex_check_word(const uint32_t *uaddr, int op);

/* May there be wakes that go to the kernel alone?  By code that was not rewritten, and by a process in our memory that has no way to tell us. */
static inline bool gr_futex_unheard(const struct gr_carrier *c)
{
	return c->ungated || c->vm_child;
}

/* May native threads wait on this word, with FUTEX_PRIVATE_FLAG?  To be asked after the word was changed. */
static inline bool gr_futex_natives_wait(const uint32_t *uaddr)
{
	if (GR_LIKELY(!gr_carrier()->natives))
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return gr_futex_unheard(gr_carrier()) || __atomic_load_n(&gr_futex_natives_moved, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&gr_futex_count_of(gr_futex_key(uaddr, FUTEX_PRIVATE_FLAG))->natives, __ATOMIC_RELAXED);
}

/* May anyone but greenlets of this process wait on this word? */
static inline bool gr_futex_in_kernel(const uint32_t *uaddr, int op)
{
	return GR_UNLIKELY(gr_carrier()->natives) || (!(op & FUTEX_PRIVATE_FLAG) && gr_map_is_shared((uintptr_t)uaddr));
}

/*
 * Are there wakes of this word that we do not hear of, so that greenlets must wait in the kernel?  Those by other processes; and those by the
 * kernel itself, when a native thread ends: of its tid, for which pthread_join() waits, and of its robust mutexes.  Both are waited
 * for without FUTEX_PRIVATE_FLAG.  For the end of a greenlet, too, but its tid tells.
 */
static inline bool gr_futex_waits_in_kernel(const uint32_t *uaddr, int op, uint32_t val)
{
	const struct gr_carrier *c = gr_carrier();

	if (GR_LIKELY(op & FUTEX_PRIVATE_FLAG))
		return GR_UNLIKELY(c->natives) && gr_futex_unheard(c);
	return gr_map_is_shared((uintptr_t)uaddr) || (GR_UNLIKELY(c->natives) && (gr_futex_unheard(c) || !gr_find_tid((int)val)));
}

/* FUTEX_WAKE_BITSET, here and in the kernel */
long gr_futex_wake_word(uint32_t *uaddr, int op, int n, uint32_t bitset);

/* FUTEX_CMP_REQUEUE, of words that may be of different kinds; @cmp NULL: FUTEX_REQUEUE */
long gr_futex_requeue(uint32_t *uaddr, int op, int n, int move, uint32_t *uaddr2, int op2, const uint32_t *cmp);

/* FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI (@try) and FUTEX_UNLOCK_PI */
long gr_futex_lock_pi(uint32_t *uaddr, int op, const void *timeout, gr_time deadline, bool try);
long gr_futex_unlock_pi(uint32_t *uaddr, int op);

#endif
