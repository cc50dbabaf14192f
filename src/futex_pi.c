/*
 * futex_pi.c - locks whose word names the owner: priority inheritance and robust lists
 */
#include "futex_queue.h"
#include "offload.h"
#include "raw.h"
#include "signal.h"
#include "standin.h"
#include <errno.h>

static uint32_t get(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static bool change(uint32_t *word, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(word, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static uint32_t own_tid(void)
{
	return (uint32_t)gr_carrier()->current->tid;
}

static uint32_t owner_of(uint32_t v)
{
	return v & FUTEX_TID_MASK;
}

/* --- among greenlets ------------------------------------------------------------------------------------------------------------ */

/* 0 or -ETIMEDOUT, or -GR_ERESTART: look at the word again.  A lock wait is not ended by signals: their handlers run, and it goes on. */
static long wait_for_owner(uint32_t *word, int op, gr_time deadline)
{
	struct gr_futex_waiter w = { .key = gr_futex_key(word, op), .g = gr_carrier()->current, .bitset = FUTEX_BITSET_MATCH_ANY,
				     .kind = GR_FUTEX_PI };
	int r;

	gr_futex_enqueue(&w);
	gr_list_push(&gr_futex_pi_waiters, &w.pi);
	r = gr_park("futex", deadline, GR_PARK_INTR | GR_PARK_HOLD);
	gr_list_del(&w.pi);
	if (gr_futex_was_woken(&w))
		return 0;		/* and the word names us: hand_over() */
	gr_futex_dequeue(&w);
	if (r == -EINTR)
		gr_signal_handle();
	return r == -ETIMEDOUT ? r : -GR_ERESTART;
}

static long lock_here(uint32_t *word, int op, gr_time deadline, bool try)
{
	uint32_t me = own_tid(), v;
	long r;

	do {
		struct gr_futex_waiter *first = gr_futex_first(gr_futex_key(word, op));

		v = get(word);
		if (owner_of(v) == me)
			return -EDEADLK;
		if (first && (first->kind != GR_FUTEX_PI || !owner_of(v)))
			return -EINVAL;
		if (!owner_of(v)) {
			r = change(word, v, (v & FUTEX_OWNER_DIED) | me) ? 0 : -GR_ERESTART;
			continue;
		}
		if (!change(word, v, v | FUTEX_WAITERS)) {
			r = -GR_ERESTART;
			continue;
		}
		if (!gr_find_tid((int)owner_of(v)))
			return -ESRCH;
		if (try)
			return -EAGAIN;
		r = wait_for_owner(word, op, deadline);
	} while (r == -GR_ERESTART);
	return r;
}

/* The first waiter is the owner now.  WAITERS stays, as in the kernel, whether or not there are more. */
static void hand_over(uint32_t *word, struct gr_futex_waiter *to, uint32_t died)
{
	__atomic_store_n(word, (uint32_t)to->g->tid | FUTEX_WAITERS | died, __ATOMIC_SEQ_CST);
	gr_futex_wake_waiter(to);
}

static long unlock_here(uint32_t *word, int op, uint32_t v)
{
	struct gr_futex_waiter *first = gr_futex_first(gr_futex_key(word, op));

	if (!first)
		return change(word, v, 0) ? 0 : -EAGAIN;
	if (first->kind != GR_FUTEX_PI)
		return -EINVAL;
	hand_over(word, first, 0);
	return 0;
}

/* --- with native threads -------------------------------------------------------------------------------------------------------- */

/*
 * The kernel is asked only to wait for a change of the word and to wake.  Unlocking clears the word and wakes one, who takes the
 * lock with FUTEX_WAITERS set, because it cannot know whether others still wait.  Somebody else may be quicker; then the woken one
 * sets the bit again and goes on waiting.
 */
static long lock_with_natives(uint32_t *word, gr_time deadline, bool try)
{
	uint32_t me = own_tid(), waited = 0, v;
	long r;

	for (;;) {
		v = get(word);
		if (owner_of(v) == me)
			return -EDEADLK;
		if (!owner_of(v)) {
			if (change(word, v, v | me | waited))
				return 0;
			continue;
		}
		if (!change(word, v, v | FUTEX_WAITERS))
			continue;
		if (try)
			return -EAGAIN;
		r = gr_offload_until(deadline, SYS_futex, (long)word, FUTEX_WAIT, v | FUTEX_WAITERS, 0, 0, 0);
		if (r == -ETIMEDOUT)
			return r;
		if (r == -GR_ERESTART)
			gr_signal_handle();
		waited = FUTEX_WAITERS;
	}
}

static long unlock_with_natives(uint32_t *word)
{
	__atomic_store_n(word, 0, __ATOMIC_SEQ_CST);
	raw(SYS_futex, word, FUTEX_WAKE, 1);
	return 0;
}

/* --- with other processes -------------------------------------------------------------------------------------------------------- */

/*
 * Locks in shared memory are the kernel's.  A greenlet with a stand-in has it make the calls.  The main thread is known to the kernel, but must
 * not wait there: it tries, and another thread waits in its place, lets go at once, and it tries again.  So does a greenlet without a
 * stand-in, which takes the lock by itself: a waiter who is not under grove would be told that there is no such owner (ESRCH), and one
 * who is waits for a change of the word.
 */
static bool is_main(void)
{
	return gr_carrier()->current->tid == gr_carrier()->tid;
}

static long try_unknown(uint32_t *word)
{
	uint32_t v = get(word);

	if (owner_of(v) == own_tid())
		return -EDEADLK;
	if (owner_of(v))
		return -EAGAIN;
	return change(word, v, v | own_tid()) ? 0 : -EAGAIN;
}

static long try_shared(uint32_t *word)
{
	return is_main() ? raw(SYS_futex, word, FUTEX_TRYLOCK_PI, 0, 0, 0, 0) : try_unknown(word);
}

/* The kernel did not know the owner: @was, unless another has come meanwhile.  If it is one of ours that has no stand-in, its unlocking tells. */
static long wait_for_unknown(uint32_t *word, uint32_t was, gr_time deadline)
{
	uint32_t v = get(word);
	long r;

	if (!owner_of(v))
		return 0;
	if (owner_of(v) < GR_FIRST_TID)
		return owner_of(v) == was ? -ESRCH : 0;
	if (!change(word, v, v | FUTEX_WAITERS))
		return 0;
	r = gr_offload_until(deadline, SYS_futex, (long)word, FUTEX_WAIT, v | FUTEX_WAITERS, 0, 0, 0);
	if (r == -GR_ERESTART)
		gr_signal_handle();
	return r == -ETIMEDOUT ? r : 0;
}

static long lock_shared(uint32_t *word, int op, const void *timeout, gr_time deadline, bool try)
{
	struct gr_standin *s = gr_carrier()->current->standin;
	long r;

	for (;;) {
		uint32_t was = owner_of(get(word));

		r = s ? gr_standin_futex(s, word, op, timeout) : try_shared(word);
		if (r == -EAGAIN && !s && !try)
			r = gr_standin_wait_for(word, op, timeout);
		else if (r != -ESRCH || try)
			return r;
		if (r == -ESRCH)
			r = wait_for_unknown(word, was, deadline);
		if (r < 0 && r != -EAGAIN)
			return r;
	}
}

static long unlock_shared(uint32_t *word, int op, uint32_t v)
{
	struct gr_standin *s = gr_carrier()->current->standin;

	if (s)
		return gr_standin_futex(s, word, op, NULL);
	if (is_main())
		return raw(SYS_futex, word, op, 0, 0, 0, 0);
	while (!change(word, v, 0))
		v = get(word);
	raw(SYS_futex, word, FUTEX_WAKE, 1);
	return 0;
}

/* --- the calls ------------------------------------------------------------------------------------------------------------------ */

static bool is_shared(const uint32_t *uaddr, int op)
{
	return !(op & FUTEX_PRIVATE_FLAG) && gr_map_is_shared((uintptr_t)uaddr);
}

long gr_futex_lock_pi(uint32_t *uaddr, int op, const void *timeout, gr_time deadline, bool try)
{
	long r = gr_futex_check_word(uaddr, op);

	if (r == 0)
		r = gr_user_writable(uaddr);
	if (r < 0)
		return r;
	if (is_shared(uaddr, op))
		return lock_shared(uaddr, op, timeout, deadline, try);
	return gr_carrier()->natives ? lock_with_natives(uaddr, deadline, try) : lock_here(uaddr, op, deadline, try);
}

long gr_futex_unlock_pi(uint32_t *uaddr, int op)
{
	uint32_t v;
	long r;

	if (gr_user_read(&v, uaddr, sizeof(v)) < 0)
		return -EFAULT;
	if (owner_of(v) != own_tid())
		return -EPERM;
	r = gr_futex_check_word(uaddr, op);
	if (r == 0)
		r = gr_user_writable(uaddr);
	if (r < 0)
		return r;
	if (is_shared(uaddr, op))
		return unlock_shared(uaddr, op, v);
	return gr_carrier()->natives ? unlock_with_natives(uaddr) : unlock_here(uaddr, op, v);
}

/* --- a thread ends ---------------------------------------------------------------------------------------------------------------- */

#define ROBUST_LIMIT	2048		/* the kernel's: a list may be a ring */

static uint32_t *lock_word(uintptr_t entry, long offset)
{
	return (uint32_t *)(entry + (uintptr_t)offset);
}

static bool known_to_kernel(int tid)
{
	const struct gr_greenlet *g = gr_find_tid(tid);

	return g && (g->standin || tid == gr_carrier()->tid);
}

/* The list does not say how they wait. */
static struct gr_futex_waiter *first_for_lock(const uint32_t *word)
{
	static const int ops[] = { 0, FUTEX_PRIVATE_FLAG };

	for (size_t i = 0; i < GR_LENGTH(ops); i++) {
		struct gr_futex_waiter *w = gr_futex_first(gr_futex_key(word, ops[i]));

		if (w && w->kind == GR_FUTEX_PI)
			return w;
	}
	return NULL;
}

/* The owner of @word is dead: 0, or -1 when the list cannot be trusted any further.  @pending: it was about to lock or unlock it. */
static int owner_died(uint32_t *word, int tid, bool pi, bool pending)
{
	struct gr_futex_waiter *first;
	uint32_t v;

	if ((uintptr_t)word % sizeof(*word) || gr_user_read(&v, word, sizeof(v)) < 0)
		return -1;
	if (pending && !pi && !owner_of(v)) {	/* unlocked already, but perhaps the wake had not been made yet */
		gr_futex_wake(word, 1);
		return 0;
	}
	if (owner_of(v) != (uint32_t)tid)
		return 0;
	if (pi && known_to_kernel(tid) && is_shared(word, 0))
		return 0;		/* the kernel's, when the thread ends that it knows */
	first = pi ? first_for_lock(word) : NULL;
	if (first) {
		hand_over(word, first, FUTEX_OWNER_DIED);
		return 0;
	}
	if (gr_user_writable(word) < 0)
		return -1;
	while (!change(word, v, (v & FUTEX_WAITERS) | FUTEX_OWNER_DIED))
		v = get(word);
	if (v & FUTEX_WAITERS)
		gr_futex_wake(word, 1);
	return 0;
}

/* Entries are addresses whose lowest bit tells PI locks. */
static int fetch(uintptr_t *ret_entry, bool *ret_pi, const void *at)
{
	uintptr_t p;

	if (gr_user_read(&p, at, sizeof(p)) < 0)
		return -1;
	*ret_entry = p & ~1ul;
	*ret_pi = p & 1;
	return 0;
}

static void walk_robust(struct robust_list_head *head, int tid)
{
	uintptr_t entry, next = 0, pending;
	bool pi, next_pi = false, pending_pi;
	long offset;

	if (fetch(&entry, &pi, &head->list.next) < 0 || gr_user_read(&offset, &head->futex_offset, sizeof(offset)) < 0 ||
	    fetch(&pending, &pending_pi, &head->list_op_pending) < 0)
		return;
	for (int left = ROBUST_LIMIT; entry != (uintptr_t)&head->list && left; left--) {
		int last = fetch(&next, &next_pi, (void *)entry);	/* before the lock's new owner may free it */

		if (entry != pending && owner_died(lock_word(entry, offset), tid, pi, false) < 0)
			return;
		if (last < 0)
			return;
		entry = next;
		pi = next_pi;
	}
	if (pending)
		owner_died(lock_word(pending, offset), tid, pending_pi, true);
}

void gr_futex_exit_robust(void *robust_list_head, int tid)
{
	struct gr_list *it;

	if (robust_list_head)
		walk_robust(robust_list_head, tid);
again:
	for (it = gr_futex_pi_waiters.next; it != &gr_futex_pi_waiters; it = it->next) {
		struct gr_futex_waiter *w = gr_container(it, struct gr_futex_waiter, pi);
		uint32_t *word = gr_futex_word(w->key), v;

		if (gr_user_read(&v, word, sizeof(v)) < 0 || owner_of(v) != (uint32_t)tid || gr_futex_was_woken(w))
			continue;
		hand_over(word, gr_futex_first(w->key), FUTEX_OWNER_DIED);
		goto again;
	}
}
