/*
 * test_futex.c - results against the kernel's own, then order, hand-over and time among greenlets on a fake clock
 *
 * Links: futex.c futex_pi.c futex_waitv.c map.c clock.c
 */
#include "fake_sched.h"
#include "futex.h"
#include "futex_queue.h"
#include "hub.h"
#include "map.h"
#include "offload.h"
#include "standin.h"
#include "uring.h"
#include "tools.h"
#include <setjmp.h>
#include <sys/mman.h>

#include <cmocka.h>

#define PRIVATE	FUTEX_PRIVATE_FLAG
#define NO_TID	0x3ffffff1u		/* nobody has it */

/* what the code under test offloads: noted, and answered with this */
static long offload_answer;
static bool offload_parks;

long gr_offload_until(gr_time deadline, long nr, long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	fake_note(nr == SYS_futex ? "offload-futex" : nr == SYS_futex_waitv ? "offload-waitv" : "offload-other");
	if (!offload_parks)
		return offload_answer;
	return gr_park("offload", deadline, GR_PARK_INTR) == -EINTR ? -GR_ERESTART : offload_answer;
}

long gr_offload(long nr, long a, long b, long c, long d, long e, long f)
{
	return gr_offload_until(GR_NEVER, nr, a, b, c, d, e, f);
}

/* there is no ring */
long gr_uring_futex_wait(const uint32_t *uaddr, unsigned flags, uint32_t val, uint32_t bitset, gr_time deadline)
{
	(void)uaddr, (void)flags, (void)val, (void)bitset, (void)deadline;
	return -EOPNOTSUPP;
}

/* what a kernel thread in the place of a greenlet does */
long gr_standin_futex(struct gr_standin *s, uint32_t *uaddr, int op, const void *timeout)
{
	(void)s, (void)uaddr, (void)op, (void)timeout;
	fake_note("standin");
	return offload_answer;
}

long gr_standin_wait_for(uint32_t *uaddr, int op, const void *timeout)
{
	return gr_standin_futex(NULL, uaddr, op, timeout);
}

/* notes for the hub: delivered when the test says so */
static struct gr_note *posted;

void gr_post(struct gr_note *note)
{
	note->next = posted;
	posted = note;
}

static void deliver(void)
{
	struct gr_note *n = posted;

	posted = NULL;
	for (; n; n = n->next)
		n->fn(n);
}

static uint32_t word, word2;

/* --- one thread: every result and error as the kernel's ------------------------------------------------------------------------ */

static void *addresses[6];
static struct timespec times[4] = { { 0, 0 }, { 1, 1000000000 }, { -1, 0 }, { 5, 0 } };
static unsigned compared;

static long kernel_futex(uint32_t *a, int op, uint32_t val, uintptr_t t, uint32_t *a2, uint32_t v3)
{
	long r = syscall(SYS_futex, a, op, val, t, a2, v3);

	return r < 0 ? -errno : r;
}

static bool would_wait(int cmd, uintptr_t timeout)
{
	bool waits = cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_LOCK_PI || cmd == FUTEX_LOCK_PI2;

	/* 5 s after boot and in 1970 is long past, as a relative time it is not */
	return waits && (!timeout || (cmd == FUTEX_WAIT && timeout == (uintptr_t)&times[3]));
}

static bool not_ours(int cmd)
{
	return cmd == FUTEX_FD || cmd == FUTEX_WAIT_REQUEUE_PI || cmd == FUTEX_CMP_REQUEUE_PI;
}

static void compare_one(uint32_t *a, int op, uint32_t val, uintptr_t t, uint32_t *a2, uint32_t v3, uint32_t init)
{
	uint32_t after, after2;
	long want, got;

	word = word2 = init;
	want = kernel_futex(a, op, val, t, a2, v3);
	after = word, after2 = word2;
	word = word2 = init;
	got = green_futex(a, op, val, t, a2, v3);
	if (got != want || word != after || word2 != after2)
		fail_msg("futex(%p, %#x, %u, %#lx, %p, %#x) on %#x: got %ld and %#x %#x, the kernel %ld and %#x %#x", (void *)a, op, val, t,
			 (void *)a2, v3, init, got, word, word2, want, after, after2);
	compared++;
}

static void compare_op(int op)
{
	static const uint32_t values[] = { 0, 1, NO_TID, (uint32_t)-1 };
	uint32_t inits[] = { 0, NO_TID, (uint32_t)gr_carrier0.tid, FUTEX_OWNER_DIED | FUTEX_WAITERS };
	uintptr_t timeouts[] = { 0, 8, (uintptr_t)&times[0], (uintptr_t)&times[1], (uintptr_t)&times[2], (uintptr_t)&times[3] };
	int cmd = op & FUTEX_CMD_MASK;

	for (size_t i = 0; i < GR_LENGTH(addresses); i++)
		for (size_t v = 0; v < GR_LENGTH(values); v++)
			for (size_t t = 0; t < GR_LENGTH(timeouts); t++)
				for (size_t n = 0; n < GR_LENGTH(inits); n++) {
					if (would_wait(cmd, timeouts[t]))
						continue;
					compare_one(addresses[i], op, values[v], timeouts[t], &word2, values[(v + n) % 4], inits[n]);
					compare_one(&word, op, values[v], timeouts[t], addresses[i], inits[n], inits[n]);
				}
}

/* FUTEX_OP() without its shifts of signed numbers */
static uint32_t wake_op_code(int op, int arg, int cmp, int cmp_arg)
{
	return (uint32_t)op << 28 | (uint32_t)cmp << 24 | ((uint32_t)arg & 0xfff) << 12 | ((uint32_t)cmp_arg & 0xfff);
}

static void compare_wake_op(void)
{
	static const int args[] = { 0, 1, 7, 31, 2047, -1, -2048 };

	for (int op = 0; op < 16; op++)
		for (int cmp = 0; cmp < 8; cmp++)
			for (size_t i = 0; i < GR_LENGTH(args) * GR_LENGTH(args); i++)
				compare_one(&word, FUTEX_WAKE_OP | PRIVATE, 1, 1, &word2,
					    wake_op_code(op, args[i % 7], cmp, args[i / 7]), 0x80000007u * (uint32_t)(i % 3));
}

static void results_main(void *unused)
{
	static const int flags[] = { 0, PRIVATE, FUTEX_CLOCK_REALTIME, PRIVATE | FUTEX_CLOCK_REALTIME };
	char *unmapped = mmap(NULL, GR_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)unused;
	addresses[0] = &word;
	addresses[1] = (char *)&word + 2;
	addresses[3] = unmapped;
	addresses[4] = (void *)0xffff800000000000;
	addresses[5] = &word2;
	for (int cmd = 0; cmd < 16; cmd++)
		for (size_t f = 0; f < GR_LENGTH(flags); f++)
			if (!not_ours(cmd))
				compare_op(cmd | flags[f]);
	compare_wake_op();
	munmap(unmapped, GR_PAGE);
}

static void test_results(void **state)
{
	(void)state;
	fake_start();
	fake_go("a", results_main, NULL);
	assert_int_equal(fake_run(), 0);
	assert_true(compared > 10000);
}

/* --- several greenlets: what each call returned, in which order ------------------------------------------------------------------- */

static void note_result(long r)
{
	char s[40];

	if (r >= 0)
		snprintf(s, sizeof(s), "%s=%ld", fake_name(), r);
	else
		snprintf(s, sizeof(s), "%s=%s", fake_name(), r == -EAGAIN ? "AGAIN" : r == -ETIMEDOUT ? "TIMEDOUT" : r == -EINTR ? "INTR" :
			 r == -GR_ERESTART ? "RESTART" : r == -EINVAL ? "INVAL" : r == -EDEADLK ? "DEADLK" : r == -ESRCH ? "SRCH" :
			 r == -EPERM ? "PERM" : "other");
	fake_note(s);
}

struct call {
	int op;
	uint32_t val, val3;
	long ms;			/* timeout, relative or absolute from now; or val2 */
	bool on2, sleep;		/* on word2; first park for a millisecond */
	uint32_t set;			/* store into the word before */
};

static void do_call(void *arg)
{
	const struct call *c = arg;
	uint32_t *a = c->on2 ? &word2 : &word, *a2 = c->on2 ? &word : &word2;
	int cmd = c->op & FUTEX_CMD_MASK;
	gr_time at = GR_MS(c->ms) + (cmd == FUTEX_WAIT ? 0 : fake_clock);
	struct timespec ts;
	bool waits = cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_LOCK_PI2;

	gr_to_timespec(at, &ts);
	if (c->sleep)
		gr_park("sleep", fake_clock + GR_MS(1), 0);
	if (c->set)
		*a = c->set;
	note_result(green_futex(a, c->op | PRIVATE, c->val, waits ? (c->ms ? (uintptr_t)&ts : 0) : (uintptr_t)c->ms, a2, c->val3));
	gr_park("linger", fake_clock + GR_MS(100), 0);		/* a lock's owner must be alive */
}

#define WAIT(...)	{ .op = FUTEX_WAIT, __VA_ARGS__ }
#define WAIT_BITS(b)	{ .op = FUTEX_WAIT_BITSET, .val3 = b }
#define WAKE(n, ...)	{ .op = FUTEX_WAKE, .val = n, .sleep = true, __VA_ARGS__ }

static const struct row {
	const char *when;
	struct call calls[6];		/* by greenlets a, b, c, ... */
	int n, parked;
	const char *log;
} rows[] = {
	{ "woken in order", { WAIT(), WAIT(), WAIT(), WAKE(2) }, 4, 1, "d=2 a=0 b=0" },
	{ "wake takes one at least", { WAIT(), WAIT(), WAKE(0) }, 3, 1, "c=1 a=0" },
	{ "a negative number too", { WAIT(), WAIT(), WAKE(-5) }, 3, 1, "c=1 a=0" },
	{ "all", { WAIT(), WAIT(), WAKE(INT32_MAX) }, 3, 0, "c=2 a=0 b=0" },
	{ "nobody", { WAKE(1) }, 1, 0, "a=0" },
	{ "other word", { WAIT(), WAKE(1, .on2 = true) }, 2, 1, "b=0" },
	{ "value differs", { WAIT(.val = 1) }, 1, 0, "a=AGAIN" },
	{ "time passes", { WAIT(.ms = 5) }, 1, 0, "a=TIMEDOUT" },
	{ "absolute time passes", { { .op = FUTEX_WAIT_BITSET, .val3 = 1, .ms = 5 } }, 1, 0, "a=TIMEDOUT" },
	{ "in time", { WAIT(.ms = 5), WAKE(1) }, 2, 0, "b=1 a=0" },
	{ "bitset", { WAIT_BITS(1), WAIT_BITS(2), { .op = FUTEX_WAKE_BITSET, .val = 9, .val3 = 2, .sleep = true } }, 3, 1, "c=1 b=0" },
	{ "plain wake has all bits", { WAIT_BITS(4), WAKE(1) }, 2, 0, "b=1 a=0" },
	{ "requeue", { WAIT(), WAIT(), WAIT(), { .op = FUTEX_REQUEUE, .val = 1, .ms = 1, .sleep = true }, WAKE(9, .on2 = true) }, 5, 1,
	  "d=2 a=0 e=1 b=0" },
	{ "requeue checks the value", { WAIT(), { .op = FUTEX_CMP_REQUEUE, .val = 1, .ms = 1, .val3 = 3, .sleep = true } }, 2, 1, "b=AGAIN" },
	{ "requeue behind others", { WAIT(), WAIT(.on2 = true), { .op = FUTEX_CMP_REQUEUE, .val = 0, .ms = 9, .sleep = true },
	  WAKE(1, .on2 = true) }, 4, 1, "c=1 d=1 b=0" },
	{ "requeued, then time passes", { WAIT(.ms = 5), { .op = FUTEX_REQUEUE, .val = 0, .ms = 9, .sleep = true } }, 2, 0, "b=1 a=TIMEDOUT" },
	{ "wake both if so", { WAIT(), WAIT(.on2 = true), { .op = FUTEX_WAKE_OP, .val = 1, .ms = 1, .sleep = true,
	  .val3 = FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0) } }, 3, 0, "c=2 a=0 b=0" },
	{ "wake one if not", { WAIT(), WAIT(.on2 = true), { .op = FUTEX_WAKE_OP, .val = 1, .ms = 1, .sleep = true,
	  .val3 = FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_NE, 0) } }, 3, 1, "c=1 a=0" },
	{ "lock, wait, hand over", { { .op = FUTEX_LOCK_PI2 }, { .op = FUTEX_LOCK_PI2 }, { .op = FUTEX_UNLOCK_PI } }, 3, 1, "a=0 c=PERM" },
	{ "lock in time", { { .op = FUTEX_TRYLOCK_PI }, { .op = FUTEX_LOCK_PI2, .ms = 3 } }, 2, 0, "a=0 b=TIMEDOUT" },
	{ "trylock", { { .op = FUTEX_TRYLOCK_PI }, { .op = FUTEX_TRYLOCK_PI } }, 2, 0, "a=0 b=AGAIN" },
	{ "owner unknown", { { .op = FUTEX_LOCK_PI2, .set = 0x3ffffff0 } }, 1, 0, "a=SRCH" },
	{ "owner died", { { .op = FUTEX_LOCK_PI2, .set = FUTEX_OWNER_DIED } }, 1, 0, "a=0" },
	{ "PI lock on a plain waiter", { WAIT(), { .op = FUTEX_LOCK_PI2 } }, 2, 1, "b=INVAL" },
	{ "wake of a PI waiter", { { .op = FUTEX_LOCK_PI2 }, { .op = FUTEX_LOCK_PI2 }, WAKE(1) }, 3, 1, "a=0 c=INVAL" },
};

static void test_rows(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f" };

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		int parked;

		fake_start();
		gr_futex_reset();
		word = word2 = 0;
		for (int n = 0; n < rows[i].n; n++)
			fake_go(names[n], do_call, (void *)&rows[i].calls[n]);
		parked = fake_run();
		if (parked != rows[i].parked || strcmp(fake_log, rows[i].log))
			fail_msg("%s: got \"%s\", %d parked; want \"%s\", %d", rows[i].when, fake_log, parked, rows[i].log, rows[i].parked);
	}
}

/* --- stories ---------------------------------------------------------------------------------------------------------------------- */

static void wait_forever(void *unused)
{
	(void)unused;
	note_result(green_futex(&word, FUTEX_WAIT | PRIVATE, 0, 0, NULL, 0));
}

static void wait_a_while(void *unused)
{
	struct timespec ts = { 0, 5000000 };

	(void)unused;
	note_result(green_futex(&word, FUTEX_WAIT | PRIVATE, 0, (uintptr_t)&ts, NULL, 0));
}

static void interrupt_both(void *unused)
{
	(void)unused;
	fake_signal(&fakes[0].g);
	fake_signal(&fakes[1].g);
}

static void test_signals(void **state)
{
	(void)state;
	fake_start();
	gr_futex_reset();
	word = 0;
	fake_go("a", wait_forever, NULL);
	fake_go("b", wait_a_while, NULL);
	fake_go("c", interrupt_both, NULL);
	assert_int_equal(fake_run(), 0);
	assert_string_equal(fake_log, "a=RESTART b=INTR");
}

/* time is up, and before the waiter runs it is woken as well: the waker counted it, so it was woken */
static void wake_after_expiry(void *unused)
{
	(void)unused;
	gr_wake(&fakes[0].g, -ETIMEDOUT);
	note_result(green_futex(&word, FUTEX_WAKE | PRIVATE, 1, 0, NULL, 0));
}

static void test_wake_beats_timeout(void **state)
{
	(void)state;
	fake_start();
	gr_futex_reset();
	word = 0;
	fake_go("a", wait_a_while, NULL);
	fake_go("b", wake_after_expiry, NULL);
	assert_int_equal(fake_run(), 0);
	assert_string_equal(fake_log, "b=1 a=0");
}

static long pi(int op)
{
	return green_futex(&word, op | PRIVATE, 0, 0, NULL, 0);
}

static void hold_and_hand_over(void *unused)
{
	(void)unused;
	note_result(pi(FUTEX_LOCK_PI));
	assert_int_equal(pi(FUTEX_LOCK_PI), -EDEADLK);
	gr_yield();
	fake_signal(&fakes[1].g);		/* its handler runs, and it goes on waiting, now behind c */
	gr_yield();
	assert_int_equal(fake_handlers, 1);
	note_result(pi(FUTEX_UNLOCK_PI));
	assert_int_equal(word, (uint32_t)fakes[2].g.tid | FUTEX_WAITERS);
}

static void lock_and_unlock(void *unused)
{
	(void)unused;
	note_result(pi(FUTEX_LOCK_PI));
	assert_int_equal(word & FUTEX_TID_MASK, gr_carrier0.current->tid);
	note_result(pi(FUTEX_UNLOCK_PI));
}

static void test_pi_hand_over(void **state)
{
	(void)state;
	fake_start();
	gr_futex_reset();
	word = 0;
	fake_go("a", hold_and_hand_over, NULL);
	fake_go("b", lock_and_unlock, NULL);
	fake_go("c", lock_and_unlock, NULL);
	assert_int_equal(fake_run(), 0);
	assert_string_equal(fake_log, "a=0 a=0 c=0 c=0 b=0 b=0");
	assert_int_equal(word, 0);
}

/* --- threads that end ------------------------------------------------------------------------------------------------------------- */

struct mutex {
	uint32_t word;
	struct robust_list link;
};

static struct mutex plain, prio, other, pending;
static struct robust_list_head robust;

static void die_with_locks(void *unused)
{
	struct gr_greenlet *me = gr_carrier0.current;
	uint32_t tid = (uint32_t)me->tid;

	(void)unused;
	plain.word = tid;
	prio.word = tid;
	other.word = 1234;
	pending.word = 0;
	robust.futex_offset = (long)offsetof(struct mutex, word) - (long)offsetof(struct mutex, link);
	robust.list.next = &plain.link;
	plain.link.next = (struct robust_list *)((uintptr_t)&prio.link | 1);
	prio.link.next = &other.link;
	other.link.next = &robust.list;
	robust.list_op_pending = &pending.link;
	word = tid;				/* a PI lock on no list */
	gr_yield();
	plain.word |= FUTEX_WAITERS;
	gr_futex_exit_robust(&robust, me->tid);
	assert_int_equal(plain.word, FUTEX_WAITERS | FUTEX_OWNER_DIED);
	assert_int_equal(prio.word, (uint32_t)fakes[2].g.tid | FUTEX_WAITERS | FUTEX_OWNER_DIED);
	assert_int_equal(word, (uint32_t)fakes[3].g.tid | FUTEX_WAITERS | FUTEX_OWNER_DIED);
	assert_int_equal(other.word, 1234);
}

static void wait_plain(void *arg)
{
	struct mutex *m = arg;

	note_result(green_futex(&m->word, FUTEX_WAIT, m->word, 0, NULL, 0));
}

static void lock_prio(void *arg)
{
	note_result(green_futex(arg, FUTEX_LOCK_PI | PRIVATE, 0, 0, NULL, 0));
}

static void test_robust(void **state)
{
	(void)state;
	fake_start();
	gr_futex_reset();
	fake_go("a", die_with_locks, NULL);
	fake_go("b", wait_plain, &plain);
	fake_go("c", lock_prio, &prio.word);
	fake_go("d", lock_prio, &word);
	fake_go("e", wait_plain, &pending);
	assert_int_equal(fake_run(), 0);
	assert_string_equal(fake_log, "b=0 c=0 e=0 d=0");
}

static void die_in_circles(void *unused)
{
	(void)unused;
	plain.word = prio.word = 1;
	plain.link.next = &prio.link;
	prio.link.next = &plain.link;
	robust.list.next = &plain.link;
	robust.list_op_pending = NULL;
	gr_futex_exit_robust(&robust, gr_carrier0.current->tid);
	robust.list.next = (void *)16;
	gr_futex_exit_robust(&robust, gr_carrier0.current->tid);
	gr_futex_exit_robust((void *)8, gr_carrier0.current->tid);
	gr_futex_exit_robust(NULL, gr_carrier0.current->tid);
	fake_note("alive");
}

static void test_robust_bad(void **state)
{
	(void)state;
	fake_start();
	fake_go("a", die_in_circles, NULL);
	assert_int_equal(fake_run(), 0);
	assert_string_equal(fake_log, "alive");
}

/* --- futex_waitv ------------------------------------------------------------------------------------------------------------------ */

static struct futex_waitv vec[FUTEX_WAITV_MAX];
static uint32_t words[FUTEX_WAITV_MAX];

static long kernel_waitv(struct futex_waitv *v, unsigned n, unsigned flags, struct timespec *t, clockid_t clock)
{
	long r = syscall(SYS_futex_waitv, v, n, flags, t, clock);

	return r < 0 ? -errno : r;
}

static void waitv_results(void *unused)
{
	static const unsigned counts[] = { 0, 1, 3, 128, 129 };
	struct timespec past = { 1, 0 }, bad = { 1, -1 };
	struct timespec *timeouts[] = { &past, &bad, (void *)8 };

	(void)unused;
	for (unsigned n = 0; n < GR_LENGTH(counts); n++)
		for (unsigned t = 0; t < GR_LENGTH(timeouts); t++)
			for (int clock = 0; clock < 4; clock++)
				for (unsigned how = 0; how < 7; how++) {
					long want, got;
					struct futex_waitv *v = how == 6 ? NULL : vec;

					for (unsigned i = 0; i < FUTEX_WAITV_MAX; i++)
						vec[i] = (struct futex_waitv){ .uaddr = (uintptr_t)&words[i], .flags = FUTEX_32 | PRIVATE };
					if (how == 1)
						vec[1].val = 1;
					if (how == 2)
						vec[1].uaddr += 2;
					if (how == 3)
						vec[1].uaddr = 4;
					if (how == 4)
						vec[2].flags = 0x40;
					want = kernel_waitv(v, counts[n], how == 5, timeouts[t], clock);
					offload_answer = want;
					got = green_futex_waitv(v, counts[n], how == 5, timeouts[t], clock);
					if (got != want)
						fail_msg("waitv n=%u timeout %u clock %d how %u: got %ld, the kernel %ld", counts[n], t, clock, how,
							 got, want);
				}
}

static void waitv_some(void *arg)
{
	unsigned n = *(unsigned *)arg;

	for (unsigned i = 0; i < n; i++)
		vec[i] = (struct futex_waitv){ .uaddr = (uintptr_t)&words[i], .flags = FUTEX_32 };
	note_result(green_futex_waitv(vec, n, 0, NULL, 0));
}

static void wake_two_of_them(void *unused)
{
	(void)unused;
	note_result(green_futex(&words[1], FUTEX_WAKE, 1, 0, NULL, 0));
	note_result(green_futex(&words[2], FUTEX_WAKE, 1, 0, NULL, 0));
	note_result(green_futex(&words[3], FUTEX_WAKE, 1, 0, NULL, 0));
}

static void test_waitv_results(void **state)
{
	(void)state;
	fake_start();
	gr_futex_reset();
	fake_go("a", waitv_results, NULL);
	assert_int_equal(fake_run(), 0);
}

static void test_waitv(void **state)
{
	static unsigned three = 3, many = 128;

	(void)state;
	gr_futex_reset();
	for (int i = 0; i < 2; i++) {
		fake_start();
		fake_go("a", waitv_some, i ? &many : &three);
		fake_go("b", wake_two_of_them, NULL);
		assert_int_equal(fake_run(), 0);
		assert_string_equal(fake_log, i ? "b=1 b=1 b=1 a=3" : "b=1 b=1 b=0 a=2");
	}
}

/* --- memory other processes see ------------------------------------------------------------------------------------------------------ */

static uint32_t *shared;

static void wait_shared(void *unused)
{
	struct timespec ts = { 1, 0 };

	(void)unused;
	offload_answer = -ETIMEDOUT;
	note_result(green_futex(shared, FUTEX_WAIT, 0, (uintptr_t)&ts, NULL, 0));
	offload_answer = -GR_ERESTART;
	note_result(green_futex(shared, FUTEX_WAIT, 0, (uintptr_t)&ts, NULL, 0));
	note_result(green_futex(shared, FUTEX_WAIT, 0, 0, NULL, 0));
	note_result(green_futex(shared, FUTEX_WAIT | PRIVATE, 1, 0, NULL, 0));
	note_result(green_futex(shared, FUTEX_WAKE, 1, 0, NULL, 0));
}

static void waitv_mixed(void *unused)
{
	(void)unused;
	vec[0] = (struct futex_waitv){ .uaddr = (uintptr_t)shared, .flags = FUTEX_32 };
	vec[1] = (struct futex_waitv){ .uaddr = (uintptr_t)&words[1], .flags = FUTEX_32 };
	offload_parks = true;
	note_result(green_futex_waitv(vec, 2, 0, NULL, 0));
	offload_parks = false;
}

static void pi_shared(void *unused)
{
	(void)unused;
	*shared = 0;
	gr_carrier()->tid = 1;			/* we are not the thread that the kernel knows */
	assert_int_equal(green_futex(shared, FUTEX_LOCK_PI, 0, 0, NULL, 0), 0);
	assert_int_equal(green_futex(shared, FUTEX_LOCK_PI, 0, 0, NULL, 0), -EDEADLK);
	assert_int_equal(green_futex(shared, FUTEX_UNLOCK_PI, 0, 0, NULL, 0), 0);
	assert_int_equal(*shared, 0);
	assert_int_equal(green_futex(shared, FUTEX_UNLOCK_PI, 0, 0, NULL, 0), -EPERM);
	*shared = 77;				/* somebody of another process */
	assert_int_equal(green_futex(shared, FUTEX_TRYLOCK_PI, 0, 0, NULL, 0), -EAGAIN);
	offload_answer = -ETIMEDOUT;
	assert_int_equal(green_futex(shared, FUTEX_LOCK_PI, 0, (uintptr_t)&times[3], NULL, 0), -ETIMEDOUT);
	assert_int_equal(*shared, 77);		/* the kernel marks it, not we */
}

static void test_shared(void **state)
{
	(void)state;
	shared = mmap(NULL, GR_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	gr_map_add_shared((uintptr_t)shared, GR_PAGE);
	fake_start();
	gr_futex_reset();
	fake_go("a", wait_shared, NULL);
	assert_int_equal(fake_run(), 0);
	assert_string_equal(fake_log, "offload-futex a=TIMEDOUT offload-futex a=INTR offload-futex a=RESTART a=AGAIN a=0");
	fake_start();
	fake_go("a", waitv_mixed, NULL);
	fake_go("b", wake_two_of_them, NULL);
	assert_int_equal(fake_run(), 0);
	assert_string_equal(fake_log, "offload-waitv b=1 b=0 b=0 a=1");
	fake_start();
	fake_go("a", pi_shared, NULL);
	assert_int_equal(fake_run(), 0);
	gr_map_reset();
	munmap(shared, GR_PAGE);
}

/* --- many words ------------------------------------------------------------------------------------------------------------------------ */

static uint32_t many[20000];

/* --- wakes by native threads ------------------------------------------------------------------------------------------------------ */

static void wait_bit_1(void *unused)
{
	(void)unused;
	note_result(green_futex(&word, FUTEX_WAIT_BITSET | PRIVATE, 0, 0, NULL, 1));
}

static void wait_bit_2(void *unused)
{
	(void)unused;
	note_result(green_futex(&word, FUTEX_WAIT_BITSET | PRIVATE, 0, 0, NULL, 2));
}

static void wait_2(void *unused)
{
	(void)unused;
	note_result(green_futex(&word2, FUTEX_WAIT | PRIVATE, 0, 0, NULL, 0));
}

static long by_native(uint32_t *uaddr, int op, uint32_t n, uintptr_t n2, uint32_t *uaddr2, uint32_t val3)
{
	return gr_futex_native_call(SYS_futex, (long)uaddr, op | PRIVATE, n, (long)n2, (long)uaddr2, val3);
}

static const struct native_row {
	const char *when;
	int op;
	uint32_t n, n2, val3;
	const char *log;
} native_rows[] = {
	{ "wakes one",			FUTEX_WAKE,		1, 0, 0, "1=0 |" },
	{ "wakes one for none",		FUTEX_WAKE,		0, 0, 0, "1=0 |" },
	{ "wakes two, not the other",	FUTEX_WAKE,		5, 0, 0, "1=0 2=0 |" },
	{ "wakes the second kind",	FUTEX_WAKE_BITSET,	5, 0, 2, "2=0 |" },
	{ "no bits",			FUTEX_WAKE_BITSET,	5, 0, 0, "|" },
	{ "moves one",			FUTEX_REQUEUE,		0, 1, 0, "1=0 |" },
	{ "moves the rest",		FUTEX_CMP_REQUEUE,	1, 9, 0, "1=0 2=0 |" },
	{ "moves none: value",		FUTEX_CMP_REQUEUE,	1, 9, 7, "|" },
	{ "moves none",			FUTEX_REQUEUE,		0, 0, 0, "|" },
	{ "wakes and operates",		FUTEX_WAKE_OP,		1, 1, FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0), "1=0 other=0 |" },
	{ "waits, for another value",	FUTEX_WAIT,		1, 0, 0, "|" },
};

static void wake_natively(void *arg)
{
	const struct native_row *row = arg;

	by_native(&word, row->op, row->n, row->n2, &word2, row->val3);
	deliver();
	gr_yield();
	gr_yield();
	fake_note("|");
	green_futex(&word, FUTEX_WAKE | PRIVATE, 9, 0, NULL, 0);
	green_futex(&word2, FUTEX_WAKE | PRIVATE, 9, 0, NULL, 0);
}

static void test_native_wakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < GR_LENGTH(native_rows); i++) {
		size_t n = strlen(native_rows[i].log);

		fake_start();
		gr_futex_reset();
		gr_carrier()->natives = true;
		word = word2 = 0;
		fake_go("1", wait_bit_1, NULL);
		fake_go("2", wait_bit_2, NULL);
		fake_go("other", wait_2, NULL);
		fake_go("native", wake_natively, (void *)(uintptr_t)&native_rows[i]);
		assert_int_equal(fake_run(), 0);
		if (strncmp(fake_log, native_rows[i].log, n) != 0)
			fail_msg("%s: %s instead of %s", native_rows[i].when, fake_log, native_rows[i].log);
		assert_int_equal(gr_futex_count_of((uintptr_t)&word)->greenlets, 0);
		assert_int_equal(gr_futex_count_of((uintptr_t)&word)->natives, 0);
	}
	gr_carrier()->natives = false;
}

static void wake_more_than_fit(void *unused)
{
	(void)unused;
	for (int i = 0; i < 5000; i++)
		by_native(&word, FUTEX_WAKE_BITSET, 1, 0, NULL, 4);	/* nobody has that bit */
	deliver();							/* so some went missing, and everybody is woken instead */
	gr_yield();
	fake_note("|");
	for (int i = 0; i < 5000; i++)
		by_native(&word2, FUTEX_WAKE, 1, 0, NULL, 0);		/* nobody waits: nothing is put */
	assert_null(posted);
}

static void test_native_wakes_beyond_the_ring(void **state)
{
	(void)state;
	fake_start();
	gr_futex_reset();
	gr_carrier()->natives = true;
	word = 0;
	for (int i = 0; i < 3; i++) {
		fake_go("1", wait_bit_1, NULL);
		fake_go("native", wake_more_than_fit, NULL);
		assert_int_equal(fake_run(), 0);
	}
	assert_string_equal(fake_log, "1=0 | 1=0 | 1=0 |");
	gr_carrier()->natives = false;
}

/* From then on some may wait where they were not counted. */
static void test_native_requeue_is_remembered(void **state)
{
	(void)state;
	fake_start();
	gr_futex_reset();
	gr_carrier()->natives = true;
	word = 0;
	assert_false(gr_futex_natives_wait(&word));
	by_native(&word, FUTEX_REQUEUE, 0, 1, &word2, 0);
	assert_true(gr_futex_natives_wait(&word));
	gr_futex_reset();
	assert_false(gr_futex_natives_wait(&word));
	gr_carrier()->natives = false;
}

static void test_many_words(void **state)
{
	static struct gr_futex_waiter w[GR_LENGTH(many)];
	struct gr_greenlet nobody = { .state = GR_READY };
	size_t most = 0;

	(void)state;
	fake_start();
	gr_futex_reset();
	for (size_t i = 0; i < GR_LENGTH(many); i++) {
		w[i] = (struct gr_futex_waiter){ .key = gr_futex_key(&many[i], 0), .g = &nobody, .bitset = 1 };
		gr_futex_enqueue(&w[i]);
	}
	for (size_t i = 0; i < GR_LENGTH(many); i++) {
		size_t n = 1;

		for (struct gr_list *it = w[i].link.next; it != &w[i].link; it = it->next)
			n++;
		if (n > most)
			most = n;
	}
	assert_true(most < 16);			/* consecutive words spread over the buckets */
	for (size_t i = 0; i < GR_LENGTH(many); i++)
		assert_int_equal(gr_futex_wake(&many[i], 1), 1);
	assert_null(gr_futex_first(gr_futex_key(&many[7], 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_wake_beats_timeout),
		cmocka_unit_test(test_pi_hand_over),
		cmocka_unit_test(test_robust),
		cmocka_unit_test(test_robust_bad),
		cmocka_unit_test(test_waitv),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_native_wakes),
		cmocka_unit_test(test_native_wakes_beyond_the_ring),
		cmocka_unit_test(test_native_requeue_is_remembered),
		cmocka_unit_test(test_many_words),
	};
	/* Valgrind answers in the kernel's place where pointers are bad, and does not know futex_waitv(2). */
	const struct CMUnitTest results[] = {
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_waitv_results),
	};
	int n_failed = cmocka_run_group_tests(tests, NULL, NULL);

	return n_failed + (RUNNING_ON_VALGRIND ? 0 : cmocka_run_group_tests(results, NULL, NULL));
}
