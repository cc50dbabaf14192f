/*
 * futex_native.c - native threads wake greenlets, and are woken by them
 *
 * A native thread's calls come through the gate as a greenlet's do.  It waits in the kernel.  Its wake goes to the kernel first; what is left of it
 * is passed on to the carrier if greenlets wait in the bucket of the word, of which there is a count for each.  A greenlet counts
 * itself and then looks at its word; a native thread changes the word and then looks at the count; with a full barrier between the two, on both
 * sides, at least one of them sees what the other did.  The same the other way round: greenlets need not go to the kernel where no native
 * thread is counted.  Who is moved by a requeue, or waits for many words at once, cannot be counted: from then on they always go.
 *
 * Wakes on their way to the carrier lie in a ring.  A native thread that finds it full asks for a wake of everybody instead: spurious
 * wake-ups, which users of futexes must expect.  So a wake never fails, never waits and never allocates.
 */
#include "futex_queue.h"
#include "hub.h"
#include "raw.h"
#include <string.h>
#include <sys/mman.h>

#define RING		1024u		/* a power of two */

/* Position p of the ring is in slot p % RING; .lap says what is there, so that zeros are an empty ring. */
struct slot {
	uint64_t lap;			/* 2 * (p / RING): free for p; one more: p is written, and the carrier's */
	uintptr_t key;
	int32_t n;
	uint32_t bitset;
};

static void wakes_arrive(struct gr_note *note);

static struct native {
	struct slot ring[RING];
	uint64_t tail __attribute__((aligned(64)));	/* atomic: the next position to be taken by a native thread */
	uint64_t head __attribute__((aligned(64)));	/* the carrier's: the next to be read */
	uint32_t told;			/* atomic: the note is on its way */
	uint32_t overflow;		/* atomic: somebody found the ring full */
	struct gr_note note;
} native = { .note.fn = wakes_arrive };

struct gr_futex_count gr_futex_counts[1u << GR_FUTEX_BUCKET_BITS] __attribute__((aligned(GR_PAGE)));
uint32_t gr_futex_natives_moved;

static uint64_t lap_of(uint64_t position)
{
	return position / RING * 2;
}

/* --- on native threads ------------------------------------------------------------------------------------------------------- */

/* A slot of our own, at *ret_position; NULL: the ring is full. */
static struct slot *take_slot(uint64_t *ret_position)
{
	uint64_t p = __atomic_load_n(&native.tail, __ATOMIC_RELAXED);

	for (;;) {
		struct slot *s = &native.ring[p % RING];
		uint64_t lap = __atomic_load_n(&s->lap, __ATOMIC_ACQUIRE);

		if (lap < lap_of(p))
			return NULL;
		if (lap > lap_of(p)) {
			p = __atomic_load_n(&native.tail, __ATOMIC_RELAXED);
		} else if (__atomic_compare_exchange_n(&native.tail, &p, p + 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			*ret_position = p;
			return s;
		}
	}
}

static void put(uintptr_t key, int32_t n, uint32_t bitset)
{
	uint64_t p;
	struct slot *s = take_slot(&p);

	if (s) {
		s->key = key;
		s->n = n;
		s->bitset = bitset;
		__atomic_store_n(&s->lap, lap_of(p) + 1, __ATOMIC_RELEASE);
	} else {
		__atomic_store_n(&native.overflow, 1, __ATOMIC_RELEASE);
	}
	if (__atomic_exchange_n(&native.told, 1, __ATOMIC_ACQ_REL) == 0)
		gr_post(&native.note);
}

/* A process that the native thread has forked finds our memory, but no carrier. */
static void wake_greenlets(uintptr_t key, long n, uint32_t bitset)
{
	if (n <= 0)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&gr_futex_count_of(key)->greenlets, __ATOMIC_RELAXED) == 0)
		return;
	if ((int)raw(SYS_getpid) == gr_carrier()->pid)
		put(key, n > INT32_MAX ? INT32_MAX : (int32_t)n, bitset);
}

/* The kernel wakes one even when it is asked for none. */
static long at_least_one(uint32_t n)
{
	return (int)n > 0 ? (int)n : 1;
}

/* One that is unwound out of its wait (pthread_cancel) stays counted, which only costs. */
static long wait_counted(long nr, uintptr_t key, long a, long b, long c, long d, long e, long f)
{
	uint32_t *count = &gr_futex_count_of(key)->natives;
	long r;

	__atomic_fetch_add(count, 1, __ATOMIC_SEQ_CST);
	r = raw(nr, a, b, c, d, e, f);
	__atomic_fetch_sub(count, 1, __ATOMIC_RELAXED);
	return r;
}

/* Before it is made */
static void not_countable(int cmd)
{
	if (cmd == FUTEX_REQUEUE || cmd == FUTEX_CMP_REQUEUE || cmd == FUTEX_CMP_REQUEUE_PI || cmd == FUTEX_WAIT_REQUEUE_PI)
		__atomic_store_n(&gr_futex_natives_moved, 1, __ATOMIC_SEQ_CST);
}

static long native_waitv(long a, long b, long c, long d, long e)
{
	__atomic_store_n(&gr_futex_natives_moved, 1, __ATOMIC_SEQ_CST);
	return raw(SYS_futex_waitv, a, b, c, d, e);
}

static long native_wake(uint32_t *uaddr, long mask, int n, long flags)
{
	long r = raw(SYS_futex_wake, uaddr, mask, n, flags);

	if (r >= 0 && n)
		wake_greenlets(gr_futex_key(uaddr, (int)flags), at_least_one((uint32_t)n) - r, (uint32_t)mask);
	return r;
}

static long native_requeue(const struct futex_waitv *words, long flags, int n, int move)
{
	long r;

	__atomic_store_n(&gr_futex_natives_moved, 1, __ATOMIC_SEQ_CST);
	r = raw(SYS_futex_requeue, words, flags, n, move);
	if (r >= 0)
		wake_greenlets(gr_futex_key((uint32_t *)(uintptr_t)words[0].uaddr, (int)words[0].flags), (long)n + move - r, FUTEX_BITSET_MATCH_ANY);
	return r;
}

static long native_futex(uint32_t *uaddr, int op, uint32_t n, uintptr_t n2, uint32_t *uaddr2, uint32_t val3)
{
	uintptr_t key = gr_futex_key(uaddr, op);
	int cmd = op & FUTEX_CMD_MASK;
	long r;

	if (cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET)
		return wait_counted(SYS_futex, key, (long)uaddr, op, n, (long)n2, (long)uaddr2, val3);
	not_countable(cmd);
	r = raw(SYS_futex, uaddr, op, n, n2, uaddr2, val3);
	if (r < 0)
		return r;
	switch (cmd) {
	case FUTEX_WAKE:
		wake_greenlets(key, at_least_one(n) - r, FUTEX_BITSET_MATCH_ANY);
		break;
	case FUTEX_WAKE_BITSET:
		wake_greenlets(key, at_least_one(n) - r, val3);
		break;
	case FUTEX_REQUEUE:		/* who would have been moved is woken, and finds out by himself where to wait */
	case FUTEX_CMP_REQUEUE:
		wake_greenlets(key, (long)(int)n + (int)n2 - r, FUTEX_BITSET_MATCH_ANY);
		break;
	case FUTEX_WAKE_OP:		/* how many of each word were woken, and whether the second was to be, we are not told */
		wake_greenlets(key, at_least_one(n), FUTEX_BITSET_MATCH_ANY);
		wake_greenlets(gr_futex_key(uaddr2, op), at_least_one((uint32_t)n2), FUTEX_BITSET_MATCH_ANY);
		break;
	}
	return r;
}

bool gr_futex_is_call(long nr)
{
	return nr == SYS_futex || nr == SYS_futex_waitv || nr == SYS_futex_wait || nr == SYS_futex_wake || nr == SYS_futex_requeue;
}

long gr_futex_native_call(long nr, long a, long b, long c, long d, long e, long f)
{
	switch (nr) {
	case SYS_futex:
		return native_futex((uint32_t *)a, (int)b, (uint32_t)c, (uintptr_t)d, (uint32_t *)e, (uint32_t)f);
	case SYS_futex_waitv:
		return native_waitv(a, b, c, d, e);
	case SYS_futex_wait:
		return wait_counted(nr, gr_futex_key((uint32_t *)a, (int)d), a, b, c, d, e, f);
	case SYS_futex_wake:
		return native_wake((uint32_t *)a, b, (int)c, d);
	}
	return native_requeue((const struct futex_waitv *)a, b, (int)c, (int)d);
}

/* --- on the carrier ------------------------------------------------------------------------------------------------------------ */

static bool take_wake(struct slot *ret)
{
	struct slot *s = &native.ring[native.head % RING];

	if (__atomic_load_n(&s->lap, __ATOMIC_ACQUIRE) != lap_of(native.head) + 1)
		return false;
	*ret = *s;
	__atomic_store_n(&s->lap, lap_of(native.head) + 2, __ATOMIC_RELEASE);
	native.head++;
	return true;
}

/*
 * Who has taken a slot and not yet written it tells us again.  Those behind him must not wait for that: he may be a thread that was
 * interrupted by a signal, whose handler waits for what it has just woken.
 */
static void wakes_arrive(struct gr_note *note)
{
	bool everybody;
	struct slot s;

	(void)note;
	__atomic_exchange_n(&native.told, 0, __ATOMIC_ACQ_REL);
	everybody = __atomic_exchange_n(&native.overflow, 0, __ATOMIC_ACQ_REL);
	while (take_wake(&s))
		gr_futex_wake_here(s.key, s.n, s.bitset);
	if (everybody || __atomic_load_n(&native.tail, __ATOMIC_RELAXED) > native.head + 1)
		gr_futex_wake_all();
}

void gr_futex_native_reset(void)
{
	if (raw(SYS_madvise, gr_futex_counts, sizeof(gr_futex_counts), MADV_DONTNEED) < 0)
		memset(gr_futex_counts, 0, sizeof(gr_futex_counts));
	gr_futex_natives_moved = 0;
	if (!native.tail && !native.told)
		return;
	memset(&native, 0, sizeof(native));
	native.note.fn = wakes_arrive;
}
