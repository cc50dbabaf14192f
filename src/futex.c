/*
 * futex.c - wait, wake, requeue
 *
 * The order in which arguments are checked is the kernel's: timeout, operation, bitset, addresses, value.
 */
#include "futex_queue.h"
#include "clock.h"
#include "offload.h"
#include "raw.h"
#include "signal.h"
#include "uring.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define USER_TOP	0x7ffffffff000ul	/* the kernel refuses addresses beyond */

/* next is NULL before the first use */
static struct gr_list buckets[1u << GR_FUTEX_BUCKET_BITS] __attribute__((aligned(GR_PAGE)));
struct gr_list gr_futex_pi_waiters = { &gr_futex_pi_waiters, &gr_futex_pi_waiters };

/* --- the queues --------------------------------------------------------------------------------------------------------------- */

static struct gr_list *bucket_of(uintptr_t key)
{
	return &buckets[gr_futex_bucket(key)];
}

static bool bucket_empty(const struct gr_list *b)
{
	return !b->next || gr_list_empty(b);
}

void gr_futex_enqueue(struct gr_futex_waiter *w)
{
	struct gr_list *b = bucket_of(w->key);

	if (GR_UNLIKELY(!b->next))
		gr_list_init(b);
	gr_list_push(b, &w->link);
	if (GR_UNLIKELY(gr_carrier()->natives)) {
		uint32_t *n = &gr_futex_count_of(w->key)->greenlets;

		__atomic_store_n(n, *n + 1, __ATOMIC_RELAXED);
		w->counted = true;
	}
}

void gr_futex_dequeue(struct gr_futex_waiter *w)
{
	gr_list_del(&w->link);
	if (GR_UNLIKELY(w->counted)) {
		uint32_t *n = &gr_futex_count_of(w->key)->greenlets;

		__atomic_store_n(n, *n - 1, __ATOMIC_RELAXED);
		w->counted = false;
	}
}

struct gr_futex_waiter *gr_futex_first(uintptr_t key)
{
	struct gr_list *b = bucket_of(key);

	if (bucket_empty(b))
		return NULL;
	gr_list_each(it, b) {
		struct gr_futex_waiter *w = gr_container(it, struct gr_futex_waiter, link);

		if (w->key == key)
			return w;
	}
	return NULL;
}

void gr_futex_wake_waiter(struct gr_futex_waiter *w)
{
	gr_futex_dequeue(w);
	gr_wake(w->g, w->result);
}

long gr_futex_wake_here(uintptr_t key, int n, uint32_t bitset)
{
	struct gr_list *b = bucket_of(key);
	long woken = 0;

	if (bucket_empty(b))
		return 0;
	gr_list_each_safe(it, b) {
		struct gr_futex_waiter *w = gr_container(it, struct gr_futex_waiter, link);

		if (w->key != key)
			continue;
		if (w->kind == GR_FUTEX_PI)
			return -EINVAL;
		if (!(w->bitset & bitset))
			continue;
		gr_futex_wake_waiter(w);
		if (++woken >= n)
			break;
	}
	return woken;
}

/* The first @wake waiters on @from are woken, up to @move more wait on @to from now on.  Returns how many of both. */
static long requeue_here(uintptr_t from, long wake, long move, uintptr_t to)
{
	struct gr_list *b = bucket_of(from), *b2 = bucket_of(to);
	long done = 0;

	if (bucket_empty(b))
		return 0;
	gr_list_each_safe(it, b) {
		struct gr_futex_waiter *w = gr_container(it, struct gr_futex_waiter, link);

		if (done - wake >= move)
			break;
		if (w->key != from)
			continue;
		if (w->kind == GR_FUTEX_PI)
			return -EINVAL;
		if (++done <= wake) {
			gr_futex_wake_waiter(w);
			continue;
		}
		if (b == b2) {
			w->key = to;
			continue;
		}
		gr_futex_dequeue(w);
		w->key = to;
		gr_futex_enqueue(w);
	}
	return done;
}

/* --- arguments ---------------------------------------------------------------------------------------------------------------- */

/*
 * For a word without FUTEX_PRIVATE_FLAG the kernel wants the page.  One that is anonymous and read-only is none: it never changes.  Where it
 * cannot be written the kernel tells; it is asked to move nobody.
 */
static long check_page(const uint32_t *uaddr)
{
	long r;

	if (GR_LIKELY(gr_user_writable((uint32_t *)uaddr) == 0))
		return 0;
	r = raw(SYS_futex, uaddr, FUTEX_REQUEUE, 0, 0, uaddr, 0);
	return r < 0 ? r : 0;
}

long gr_futex_check_word(const uint32_t *uaddr, int op)
{

	if ((uintptr_t)uaddr % sizeof(*uaddr))
		return -EINVAL;
	if ((uintptr_t)uaddr >= USER_TOP)
		return -EFAULT;
	return op & FUTEX_PRIVATE_FLAG ? 0 : check_page(uaddr);
}

static bool takes_timeout(int cmd)
{
	return cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_LOCK_PI || cmd == FUTEX_LOCK_PI2 ||
	       cmd == FUTEX_WAIT_REQUEUE_PI;
}

static long read_deadline(const struct timespec *timeout, int op, gr_time *ret_deadline)
{
	int cmd = op & FUTEX_CMD_MASK;
	struct timespec ts;

	*ret_deadline = GR_NEVER;
	if (!timeout)
		return 0;
	if (gr_user_read(&ts, timeout, sizeof(ts)) < 0)
		return -EFAULT;
	if (!gr_timespec_ok(&ts))
		return -EINVAL;
	if (cmd == FUTEX_WAIT)
		*ret_deadline = gr_deadline(gr_from_timespec(&ts));
	else if (cmd == FUTEX_LOCK_PI || (op & FUTEX_CLOCK_REALTIME))
		*ret_deadline = gr_deadline_on(CLOCK_REALTIME, gr_from_timespec(&ts));
	else
		*ret_deadline = gr_from_timespec(&ts);
	return 0;
}

/* --- wait --------------------------------------------------------------------------------------------------------------------- */

long gr_futex_not_woken(int parked, long interrupted)
{
	if (parked == -ETIMEDOUT)
		return -ETIMEDOUT;
	if (parked == -EINTR)
		return interrupted;
	if (parked == -GR_EBROKEN) {
		gr_carrier()->current->futex_told = 1;
		return -ETIMEDOUT;
	}
	if (parked < 0)
		gr_yield();
	return 0;
}

/* Somebody whose wakes do not come to us may be the one to wake us: wait where they look. */
static long wait_in_kernel(uint32_t *uaddr, int op, uint32_t val, const void *timeout, gr_time deadline, uint32_t bitset)
{
	long r = gr_uring_futex_wait(uaddr, (unsigned)op & FUTEX_PRIVATE_FLAG, val, bitset, deadline);

	if (r == -EINTR)
		r = -GR_ERESTART;
	if (r == -EOPNOTSUPP)
		r = gr_offload(SYS_futex, (long)uaddr, op, val, (long)timeout, 0, bitset);
	if (r == -GR_EBROKEN)
		r = gr_futex_not_woken(-GR_EBROKEN, 0);
	return r == -GR_ERESTART && timeout ? -EINTR : r;
}

/* 0, -EAGAIN or -EFAULT */
static long has_value(const uint32_t *uaddr, uint32_t val)
{
	uint32_t now;

	if (gr_user_read(&now, uaddr, sizeof(now)) < 0)
		return -EFAULT;
	return now == val ? 0 : -EAGAIN;
}

static long wait_here(uint32_t *uaddr, int op, uint32_t val, gr_time deadline, bool timed, uint32_t bitset)
{
	struct gr_futex_waiter w = { .key = gr_futex_key(uaddr, op), .g = gr_carrier()->current, .bitset = bitset };
	long r = has_value(uaddr, val);

	if (r < 0)
		return r;
	gr_futex_enqueue(&w);
	if (gr_futex_look_again())
		r = has_value(uaddr, val);
	if (r < 0) {
		gr_futex_dequeue(&w);
		return r;
	}
	r = gr_park("futex", deadline, GR_PARK_INTR);
	if (GR_LIKELY(gr_futex_was_woken(&w)))
		return 0;
	gr_futex_dequeue(&w);
	return gr_futex_not_woken((int)r, timed ? -EINTR : -GR_ERESTART);
}

static long wait_either(uint32_t *uaddr, int op, uint32_t val, const void *timeout, gr_time deadline, uint32_t bitset)
{
	return gr_futex_waits_in_kernel(uaddr, op, val) ? wait_in_kernel(uaddr, op, val, timeout, deadline, bitset) :
							  wait_here(uaddr, op, val, deadline, timeout != NULL, bitset);
}

/*
 * Of libc's own waits, those that can report a timeout use FUTEX_WAIT_BITSET, with or without one (condition variables, semaphores, join);
 * the others take no notice of an error and wait again (mutexes, barriers).  So what limits the greenlet (scope.h) ends the former,
 * once, as a timeout, and not the latter.
 */
static long wait(uint32_t *uaddr, int op, uint32_t val, const void *timeout, gr_time deadline, uint32_t bitset)
{
	struct gr_greenlet *g = gr_carrier()->current;
	long r;

	if (!bitset)
		return -EINVAL;
	r = gr_futex_check_word(uaddr, op);
	if (r < 0)
		return r;
	g->hold = g->futex_told || ((op & FUTEX_CMD_MASK) == FUTEX_WAIT && !timeout) ? GR_PARK_HOLD : 0;
	r = wait_either(uaddr, op, val, timeout, deadline, bitset);
	g->hold = 0;
	return r;
}

/* --- wake --------------------------------------------------------------------------------------------------------------------- */

/* The kernel's queue for what is left of @n; it wakes one even when @n is 0 or less. */
static long wake_both(uint32_t *uaddr, int op, int n, uint32_t bitset)
{
	long here = gr_futex_wake_here(gr_futex_key(uaddr, op), n, bitset), there;

	if (here < 0 || (here && here >= n))
		return here;
	if (op & FUTEX_PRIVATE_FLAG ? !gr_futex_natives_wait(uaddr) : !gr_futex_in_kernel(uaddr, op))
		return here;
	there = raw(SYS_futex, uaddr, FUTEX_WAKE_BITSET | (op & FUTEX_PRIVATE_FLAG), n - here, 0, 0, bitset);
	if (there < 0)
		return here ? here : there;
	return here + there;
}

long gr_futex_wake_word(uint32_t *uaddr, int op, int n, uint32_t bitset)
{
	long r;

	if (!bitset)
		return -EINVAL;
	r = gr_futex_check_word(uaddr, op);
	return r < 0 ? r : wake_both(uaddr, op, n, bitset);
}

int gr_futex_wake(uint32_t *uaddr, int n)
{
	return (uintptr_t)uaddr % sizeof(*uaddr) ? -EINVAL : (int)wake_both(uaddr, FUTEX_WAKE, n, FUTEX_BITSET_MATCH_ANY);
}

static long requeue_there(uint32_t *uaddr, int op, long n, long move, uint32_t *uaddr2, int op2, const uint32_t *cmp)
{
	struct futex_waitv words[2] = {
		{ .uaddr = (uintptr_t)uaddr, .flags = FUTEX_32 | (op & FUTEX_PRIVATE_FLAG), .val = cmp ? *cmp : 0 },
		{ .uaddr = (uintptr_t)uaddr2, .flags = FUTEX_32 | (op2 & FUTEX_PRIVATE_FLAG) },
	};

	return op == op2 ? raw(SYS_futex, uaddr, op, n, move, uaddr2, cmp ? *cmp : 0) : raw(SYS_futex_requeue, words, 0, n, move);
}

long gr_futex_requeue(uint32_t *uaddr, int op, int n, int move, uint32_t *uaddr2, int op2, const uint32_t *cmp)
{
	bool kernel = gr_futex_in_kernel(uaddr, op);
	long here, there, total = (long)n + move;

	if (n < 0 || move < 0)
		return -EINVAL;
	here = gr_futex_check_word(uaddr, op);
	if (here == 0)
		here = gr_futex_check_word(uaddr2, op2);
	if (here < 0)
		return here;
	if (cmp)
		here = has_value(uaddr, *cmp);
	if (here < 0)
		return here;
	if (kernel != gr_futex_in_kernel(uaddr2, op2))	/* from one kind of queue to the other nobody can be moved, but woken */
		return total ? wake_both(uaddr, op, total > INT32_MAX ? INT32_MAX : (int)total, FUTEX_BITSET_MATCH_ANY) : 0;
	here = requeue_here(gr_futex_key(uaddr, op), n, move, gr_futex_key(uaddr2, op2));
	if (here < 0 || !kernel || here == total)
		return here;
	__atomic_store_n(&gr_futex_natives_moved, 1, __ATOMIC_SEQ_CST);
	there = requeue_there(uaddr, op, here < n ? n - here : 0, here < n ? move : total - here, uaddr2, op2, cmp);
	return there < 0 ? (here ? here : there) : here + there;
}

/* --- wake and operate --------------------------------------------------------------------------------------------------------- */

static long operate(uint32_t *word, uint32_t code, int32_t *ret_old)
{
	uint32_t arg = (uint32_t)((int32_t)(code << 8) >> 20);

	if (code & ((uint32_t)FUTEX_OP_OPARG_SHIFT << 28))
		arg = 1u << (arg & 31);
	switch (code >> 28 & 7) {
	case FUTEX_OP_SET:
		*ret_old = (int32_t)__atomic_exchange_n(word, arg, __ATOMIC_SEQ_CST);
		return 0;
	case FUTEX_OP_ADD:
		*ret_old = (int32_t)__atomic_fetch_add(word, arg, __ATOMIC_SEQ_CST);
		return 0;
	case FUTEX_OP_OR:
		*ret_old = (int32_t)__atomic_fetch_or(word, arg, __ATOMIC_SEQ_CST);
		return 0;
	case FUTEX_OP_ANDN:
		*ret_old = (int32_t)__atomic_fetch_and(word, ~arg, __ATOMIC_SEQ_CST);
		return 0;
	case FUTEX_OP_XOR:
		*ret_old = (int32_t)__atomic_fetch_xor(word, arg, __ATOMIC_SEQ_CST);
		return 0;
	}
	return -ENOSYS;
}

/* 1, 0 or -ENOSYS */
static long compare(int32_t old, uint32_t code)
{
	int32_t arg = (int32_t)(code << 20) >> 20;

	switch (code >> 24 & 15) {
	case FUTEX_OP_CMP_EQ:
		return old == arg;
	case FUTEX_OP_CMP_NE:
		return old != arg;
	case FUTEX_OP_CMP_LT:
		return old < arg;
	case FUTEX_OP_CMP_LE:
		return old <= arg;
	case FUTEX_OP_CMP_GT:
		return old > arg;
	case FUTEX_OP_CMP_GE:
		return old >= arg;
	}
	return -ENOSYS;
}

static long wake_op(uint32_t *uaddr, int op, int n, int n2, uint32_t *uaddr2, uint32_t code)
{
	long r = gr_futex_check_word(uaddr, op), more = 0;
	int32_t old = 0;

	if (r == 0)
		r = gr_futex_check_word(uaddr2, op);
	if (r == 0)
		r = gr_user_writable(uaddr2);
	if (r == 0)
		r = operate(uaddr2, code, &old);
	if (r == 0)
		r = more = compare(old, code);
	if (r < 0)
		return r;
	r = wake_both(uaddr, op, n, FUTEX_BITSET_MATCH_ANY);
	if (r < 0 || !more)
		return r;
	more = wake_both(uaddr2, op, n2, FUTEX_BITSET_MATCH_ANY);
	return more < 0 ? more : r + more;
}

/* --- the calls ---------------------------------------------------------------------------------------------------------------- */

static bool may_choose_clock(int cmd)
{
	return cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_WAIT_REQUEUE_PI || cmd == FUTEX_LOCK_PI2;
}

long green_futex(uint32_t *uaddr, int op, uint32_t val, uintptr_t timeout_or_val2, uint32_t *uaddr2, uint32_t val3)
{
	int cmd = op & FUTEX_CMD_MASK, n = (int)val, val2 = (int)timeout_or_val2;
	const void *timeout = NULL;
	gr_time deadline = GR_NEVER;
	long r;

	if (timeout_or_val2 && takes_timeout(cmd)) {
		timeout = (const void *)timeout_or_val2;
		r = read_deadline(timeout, op, &deadline);
		if (r < 0)
			return r;
	}
	if ((op & FUTEX_CLOCK_REALTIME) && !may_choose_clock(cmd))
		return -ENOSYS;
	switch (cmd) {
	case FUTEX_WAIT:
		return wait(uaddr, op, val, timeout, deadline, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAIT_BITSET:
		return wait(uaddr, op, val, timeout, deadline, val3);
	case FUTEX_WAKE:
		return gr_futex_wake_word(uaddr, op, n, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return gr_futex_wake_word(uaddr, op, n, val3);
	case FUTEX_REQUEUE:
		return gr_futex_requeue(uaddr, op, n, val2, uaddr2, op, NULL);
	case FUTEX_CMP_REQUEUE:
		return gr_futex_requeue(uaddr, op, n, val2, uaddr2, op, &val3);
	case FUTEX_WAKE_OP:
		return wake_op(uaddr, op, n, val2, uaddr2, val3);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return gr_futex_lock_pi(uaddr, op, timeout, deadline, false);
	case FUTEX_TRYLOCK_PI:
		return gr_futex_lock_pi(uaddr, op, NULL, GR_NEVER, true);
	case FUTEX_UNLOCK_PI:
		return gr_futex_unlock_pi(uaddr, op);
	}
	return -ENOSYS;
}

void gr_futex_each(void (*fn)(struct gr_futex_waiter *w))
{
	for (size_t i = 0; i < GR_LENGTH(buckets); i++) {
		if (bucket_empty(&buckets[i]))
			continue;
		gr_list_each(it, &buckets[i])
			fn(gr_container(it, struct gr_futex_waiter, link));
	}
}

void gr_futex_wake_all(void)
{
	for (size_t i = 0; i < GR_LENGTH(buckets); i++) {
		if (bucket_empty(&buckets[i]))
			continue;
		gr_list_each_safe(it, &buckets[i]) {
			struct gr_futex_waiter *w = gr_container(it, struct gr_futex_waiter, link);

			if (w->kind != GR_FUTEX_PI)
				gr_futex_wake_waiter(w);
		}
	}
}

/* Whole pages of zeros again, without touching those that were never used. */
void gr_futex_reset(void)
{
	if (raw(SYS_madvise, buckets, sizeof(buckets), MADV_DONTNEED) < 0)
		memset(buckets, 0, sizeof(buckets));
	gr_futex_native_reset();
	gr_list_init(&gr_futex_pi_waiters);
}
