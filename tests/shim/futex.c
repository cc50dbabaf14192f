/* futex.c - futex(2) itself: every operation's result and errors, as programs with locks of their own use it */
#include "t.h"
#include <linux/futex.h>
#include <sys/mman.h>

static uint32_t word, other, *shared_word;
static int places[32];

static long futex(uint32_t *a, int op, uint32_t val, const void *time_or_val2, uint32_t *b, uint32_t val3)
{
	return syscall(SYS_futex, a, op, val, time_or_val2, b, val3);
}

struct wait {
	uint32_t *word, bits;
	int op, place, err;
	uint32_t *to;
	const struct timespec *time;
	long ret;
};

static void *do_wait(void *arg)
{
	struct wait *w = arg;

	t_here(&w->place);
	w->ret = futex(w->word, w->op, *w->word, w->time, w->to, w->bits);
	w->err = errno;
	return NULL;
}

static void start_waits(pthread_t *t, struct wait *w, int n)
{
	for (int i = 0; i < n; i++) {
		w[i].place = 0;
		t[i] = start(do_wait, &w[i]);
	}
	for (int i = 0; i < n; i++)
		wait_parked(&w[i].place);
}

static void told(const char *what, struct wait *w, pthread_t *t, int n)
{
	int good = 0, timed = 0, others = 0;

	for (int i = 0; i < n; i++) {
		join(t[i]);
		good += w[i].ret == 0;
		timed += w[i].ret == -1 && w[i].err == ETIMEDOUT;
		others += w[i].ret > 0 || (w[i].ret == -1 && w[i].err != ETIMEDOUT);
	}
	say("%s: woken %d, timed out %d, other %d", what, good, timed, others);
}

static void simple(int flag)
{
	struct timespec t = { 0, 20000000 };
	struct wait w[5];
	pthread_t th[5];

	say("-- %s", flag ? "private" : "shared key, private memory");
	R("WAIT, value differs", futex(&word, FUTEX_WAIT | flag, word + 1, NULL, NULL, 0));
	long long before = now_ns();
	R("WAIT 20 ms", futex(&word, FUTEX_WAIT | flag, word, &t, NULL, 0));
	YES("at least", now_ns() - before >= 20000000);
	t = (struct timespec){ 0, 0 };
	R("WAIT 0", futex(&word, FUTEX_WAIT | flag, word, &t, NULL, 0));
	t = (struct timespec){ 0, -1 };
	R("WAIT bad time", futex(&word, FUTEX_WAIT | flag, word, &t, NULL, 0));
	t = (struct timespec){ -1, 0 };
	R("WAIT negative time", futex(&word, FUTEX_WAIT | flag, word, &t, NULL, 0));
	R("WAIT bad time pointer", futex(&word, FUTEX_WAIT | flag, word, T_BAD, NULL, 0));
	R("WAIT differs, bad time", futex(&word, FUTEX_WAIT | flag, word + 1, &t, NULL, 0));
	R("WAKE nobody", futex(&word, FUTEX_WAKE | flag, 1, NULL, NULL, 0));
	for (int i = 0; i < 5; i++)
		w[i] = (struct wait){ .word = &word, .op = FUTEX_WAIT | flag };
	start_waits(th, w, 5);
	R("WAKE at another word", futex(&other, FUTEX_WAKE | flag, 10, NULL, NULL, 0));
	R("WAKE 2 of 5", futex(&word, FUTEX_WAKE | flag, 2, NULL, NULL, 0));
	R("WAKE the rest", futex(&word, FUTEX_WAKE | flag, 100, NULL, NULL, 0));
	told("five", w, th, 5);
	start_waits(th, w, 2);
	R("WAKE 0", futex(&word, FUTEX_WAKE | flag, 0, NULL, NULL, 0));
	R("WAKE INT_MAX", futex(&word, FUTEX_WAKE | flag, 0x7fffffff, NULL, NULL, 0));
	told("two", w, th, 2);
}

/* Who waits with FUTEX_PRIVATE_FLAG is not woken without it, nor the other way round. */
static void kinds(void)
{
	struct futex_waitv v[2] = { { .uaddr = (uintptr_t)&word, .val = word, .flags = FUTEX_32 },
				    { .uaddr = (uintptr_t)&other, .val = other + 1, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG } };
	struct wait w[3] = { { .word = &word, .op = FUTEX_WAIT_PRIVATE }, { .word = &word, .op = FUTEX_WAIT },
			     { .word = &word, .op = FUTEX_WAIT_PRIVATE } };
	pthread_t th[3];

	say("-- private and not");
	start_waits(th, w, 3);
	R("WAKE 10", futex(&word, FUTEX_WAKE, 10, NULL, NULL, 0));
	told("one", w + 1, th + 1, 1);
	R("WAKE again", futex(&word, FUTEX_WAKE, 10, NULL, NULL, 0));
	R("WAKE_BITSET", futex(&word, FUTEX_WAKE_BITSET, 10, NULL, NULL, ~0u));
	R("REQUEUE", futex(&word, FUTEX_REQUEUE, 1, (void *)10, &other, 0));
	R("CMP_REQUEUE", futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)10, &other, word));
	R("WAKE_OP", futex(&other, FUTEX_WAKE_OP, 10, (void *)10, &word, FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_GE, 0)));
	R("private REQUEUE", futex(&word, FUTEX_REQUEUE_PRIVATE, 0, (void *)1, &other, 0));
	R("WAKE there", futex(&other, FUTEX_WAKE, 10, NULL, NULL, 0));
	R("private WAKE there", futex(&other, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	R("private WAKE here", futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	told("one", w, th, 1);
	told("one", w + 2, th + 2, 1);
	start_waits(th, w + 1, 1);
	R("private WAKE 10", futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	R("private REQUEUE", futex(&word, FUTEX_REQUEUE_PRIVATE, 1, (void *)10, &other, 0));
	R("WAKE 10", futex(&word, FUTEX_WAKE, 10, NULL, NULL, 0));
	told("one", w + 1, th, 1);
	R("of each kind, another value", syscall(SYS_futex_waitv, v, 2, 0, NULL, 0));
}

/* A page of our own that is never written is nobody's to wait on, but a page of a file may be written by somebody else. */
static void read_only(void)
{
	int fd = MUST(open("/proc/self/exe", O_RDONLY));
	uint32_t *anonymous = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t *of_file = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0), *shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	uint32_t *pages[] = { anonymous, of_file, shared };

	for (size_t i = 0; i < T_LENGTH(pages); i++) {
		uint32_t *p = pages[i];

		say("-- read-only, %s", i == 0 ? "anonymous" : i == 1 ? "private file" : "shared file");
		for (int flag = 0; flag <= FUTEX_PRIVATE_FLAG; flag += FUTEX_PRIVATE_FLAG) {
			R("WAKE", futex(p, FUTEX_WAKE | flag, 1, NULL, NULL, 0));
			R("WAIT, value differs", futex(p, FUTEX_WAIT | flag, *p + 1, NULL, NULL, 0));
			R("WAIT 0", futex(p, FUTEX_WAIT | flag, *p, &(struct timespec){ 0 }, NULL, 0));
			R("REQUEUE", futex(p, FUTEX_REQUEUE | flag, 1, (void *)1, &word, 0));
			R("REQUEUE to it", futex(&word, FUTEX_REQUEUE | flag, 1, (void *)1, p, 0));
			R("WAKE_OP", futex(&word, FUTEX_WAKE_OP | flag, 1, (void *)1, p, FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_GE, 0)));
			R("LOCK_PI", futex(p, FUTEX_TRYLOCK_PI | flag, 0, NULL, NULL, 0));
		}
	}
	munmap(anonymous, 4096);
	munmap(of_file, 4096);
	munmap(shared, 4096);
	close(fd);
}

static void bitsets(void)
{
	static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME };
	struct wait w[4];
	pthread_t th[4];

	say("-- bitset");
	R("WAIT_BITSET 0", futex(&word, FUTEX_WAIT_BITSET_PRIVATE, word, NULL, NULL, 0));
	R("WAKE_BITSET 0", futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 0));
	for (int i = 0; i < 2; i++) {
		int op = FUTEX_WAIT_BITSET_PRIVATE | (clocks[i] == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0);
		struct timespec t = in(clocks[i], 20), after;

		R("absolute 20 ms", futex(&word, op, word, &t, NULL, FUTEX_BITSET_MATCH_ANY));
		clock_gettime(clocks[i], &after);
		YES("not before", after.tv_sec > t.tv_sec || (after.tv_sec == t.tv_sec && after.tv_nsec >= t.tv_nsec));
		t = in(clocks[i], -20);
		R("absolute, past", futex(&word, op, word, &t, NULL, 1));
		t.tv_nsec = 1000000000;
		R("absolute, bad time", futex(&word, op, word, &t, NULL, 1));
	}
	struct timespec rel = { 0, 10000000 };
	R("WAIT with FUTEX_CLOCK_REALTIME", futex(&word, FUTEX_WAIT_PRIVATE | FUTEX_CLOCK_REALTIME, word, &rel, NULL, 0));
	R("WAKE with FUTEX_CLOCK_REALTIME", futex(&word, FUTEX_WAKE_PRIVATE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0));
	for (int i = 0; i < 4; i++)
		w[i] = (struct wait){ .word = &word, .op = FUTEX_WAIT_BITSET_PRIVATE, .bits = 1u << i };
	start_waits(th, w, 4);
	R("WAKE_BITSET of no one's bits", futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 0xf0));
	R("WAKE_BITSET 2 of 1|4|8", futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 2, NULL, NULL, 13));
	R("WAKE_BITSET of 2", futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 2));
	R("WAKE, the last", futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	told("four", w, th, 4);
}

static void requeues(void)
{
	struct wait w[6];
	pthread_t th[6];

	say("-- requeue");
	for (int i = 0; i < 6; i++)
		w[i] = (struct wait){ .word = &word, .op = FUTEX_WAIT_PRIVATE };
	start_waits(th, w, 6);
	R("CMP_REQUEUE, value differs", futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2, &other, word + 1));
	R("CMP_REQUEUE wake 1, move 2", futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2, &other, word));
	R("WAKE there", futex(&other, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	R("REQUEUE wake 1, move all", futex(&word, FUTEX_REQUEUE_PRIVATE, 1, (void *)100, &other, 0));
	R("WAKE here: nobody", futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	R("REQUEUE wake 0, move 1 back", futex(&other, FUTEX_REQUEUE_PRIVATE, 0, (void *)1, &word, 0));
	R("WAKE here", futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	R("WAKE there", futex(&other, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	told("six", w, th, 6);
	R("REQUEUE negative", futex(&word, FUTEX_REQUEUE_PRIVATE, 1, (void *)-1L, &other, 0));
	R("REQUEUE bad second", futex(&word, FUTEX_REQUEUE_PRIVATE, 1, (void *)1, T_BAD, 0));
	R("CMP_REQUEUE onto itself", futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &word, word));
	struct timespec t = { 0, 300000000 };
	w[0] = (struct wait){ .word = &word, .op = FUTEX_WAIT_PRIVATE, .time = &t };
	start_waits(th, w, 1);
	R("move one with a time limit", futex(&word, FUTEX_REQUEUE_PRIVATE, 0, (void *)1, &other, 0));
	told("it", w, th, 1);
	R("WAKE there: it left", futex(&other, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
}

static void wake_ops(void)
{
	static const struct {
		const char *name;
		int op, oparg, cmp, cmparg;
	} rows[] = {
		{ "SET 7, was == 5", FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 5 },
		{ "ADD 3, was == 5", FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5 },
		{ "OR 8, was != 5", FUTEX_OP_OR, 8, FUTEX_OP_CMP_NE, 5 },
		{ "ANDN 1, was > 4", FUTEX_OP_ANDN, 1, FUTEX_OP_CMP_GT, 4 },
		{ "XOR 15, was < 4", FUTEX_OP_XOR, 15, FUTEX_OP_CMP_LT, 4 },
		{ "SET 1 << 4, was >= 5", FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT, 4, FUTEX_OP_CMP_GE, 5 },
		{ "ADD -1, was <= 4", FUTEX_OP_ADD, 0xfff, FUTEX_OP_CMP_LE, 4 },
	};

	say("-- WAKE_OP");
	for (unsigned i = 0; i < T_LENGTH(rows); i++) {
		struct wait w[3] = { { .word = &word, .op = FUTEX_WAIT_PRIVATE }, { .word = &other, .op = FUTEX_WAIT_PRIVATE },
				     { .word = &other, .op = FUTEX_WAIT_PRIVATE } };
		pthread_t th[3];

		other = 5;
		start_waits(th, w, 3);
		R(rows[i].name, futex(&word, FUTEX_WAKE_OP_PRIVATE, 10, (void *)10, &other,
				      FUTEX_OP(rows[i].op, rows[i].oparg, rows[i].cmp, rows[i].cmparg)));
		say("    now %d", (int)other);
		futex(&other, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0);
		told("    three", w, th, 3);
	}
	R("bad operation", futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &other, 0x70000000));
	R("bad comparison", futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &other, 0x0f000000));
	R("bad second", futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, T_BAD, 0));
	other = 0;
}

/* --- priority inheritance --- */

static uint32_t pi;

static void *pi_holder(void *arg)
{
	long r = futex(&pi, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);

	t_here(&places[0]);
	t_until(arg, 1);
	long u = futex(&pi, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	return (void *)(r | u);
}

static void *pi_waiter(void *arg)
{
	t_here(arg);
	long r = futex(&pi, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	if ((pi & FUTEX_TID_MASK) != (uint32_t)gettid())
		r = -2;
	long u = futex(&pi, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	return (void *)(r | u);
}

static void *pi_abandon(void *arg)
{
	(void)arg;
	pi = gettid();
	return NULL;
}

static void pi_locks(void)
{
	struct timespec t;
	pthread_t h, w[4];
	int go = 0, good = 0;

	say("-- PI");
	R("LOCK_PI, free", futex(&pi, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	say("owner is us %d", (pi & FUTEX_TID_MASK) == (uint32_t)gettid());
	R("LOCK_PI again", futex(&pi, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	R("TRYLOCK_PI again", futex(&pi, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	R("UNLOCK_PI", futex(&pi, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	say("free %d", pi == 0);
	R("UNLOCK_PI, free", futex(&pi, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	R("TRYLOCK_PI, free", futex(&pi, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	R("UNLOCK_PI", futex(&pi, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	places[0] = 0;
	h = start(pi_holder, &go);
	wait_parked(&places[0]);
	t = in(CLOCK_REALTIME, 20);
	R("LOCK_PI 20 ms", futex(&pi, FUTEX_LOCK_PI_PRIVATE, 0, &t, NULL, 0));
	t = in(CLOCK_MONOTONIC, 20);
	R("LOCK_PI2 20 ms", futex(&pi, FUTEX_LOCK_PI2_PRIVATE, 0, &t, NULL, 0));
	R("TRYLOCK_PI", futex(&pi, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	R("UNLOCK_PI of another's", futex(&pi, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	t.tv_nsec = -1;
	R("LOCK_PI bad time", futex(&pi, FUTEX_LOCK_PI_PRIVATE, 0, &t, NULL, 0));
	for (int i = 0; i < 4; i++) {
		places[i + 1] = 0;
		w[i] = start(pi_waiter, &places[i + 1]);
	}
	for (int i = 0; i < 4; i++)
		wait_parked(&places[i + 1]);
	YES("waiters bit", pi & FUTEX_WAITERS);
	t_set(&go, 1);
	good += join(h) == NULL;
	for (int i = 0; i < 4; i++)
		good += join(w[i]) == NULL;
	say("all had it %d, free %d", good, pi == 0);
	join(start(pi_abandon, NULL));
	R("LOCK_PI, owner has ended", futex(&pi, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	pi = 0;
	R("LOCK_PI bad address", futex(T_BAD, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
}

/* --- waitv --- */

static void *wake_later(void *arg)
{
	msleep(20);
	futex(arg, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	return NULL;
}

static long waitv(struct futex_waitv *v, unsigned n, unsigned flags, struct timespec *t, clockid_t clock)
{
	return syscall(SYS_futex_waitv, v, n, flags, t, clock);
}

static void vectors(void)
{
	static uint32_t words[3];
	struct futex_waitv v[3];
	struct timespec t = in(CLOCK_MONOTONIC, 20);

	say("-- waitv");
	for (int i = 0; i < 3; i++)
		v[i] = (struct futex_waitv){ .uaddr = (uintptr_t)&words[i], .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG };
	R("timeout", waitv(v, 3, 0, &t, CLOCK_MONOTONIC));
	t = in(CLOCK_REALTIME, 20);
	R("timeout, realtime", waitv(v, 3, 0, &t, CLOCK_REALTIME));
	v[1].val = 9;
	R("the second differs", waitv(v, 3, 0, NULL, 0));
	v[1].val = 0;
	pthread_t th = start(wake_later, &words[2]);
	R("the third is woken", waitv(v, 3, 0, NULL, 0));
	join(th);
	R("nobody left there", futex(&words[0], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	R("flags", waitv(v, 3, 1, NULL, 0));
	R("none", waitv(v, 0, 0, NULL, 0));
	R("129", waitv(v, 129, 0, NULL, 0));
	R("bad array", waitv(T_BAD, 1, 0, NULL, 0));
	R("bad clock", waitv(v, 1, 0, &t, CLOCK_BOOTTIME));
	t.tv_nsec = -1;
	R("bad time", waitv(v, 1, 0, &t, CLOCK_MONOTONIC));
	v[0].flags = 0;
	R("bad size", waitv(v, 1, 0, NULL, 0));
	v[0].flags = FUTEX_32;
	v[0].__reserved = 1;
	R("reserved", waitv(v, 1, 0, NULL, 0));
	v[0].__reserved = 0;
	v[0].uaddr++;
	R("misaligned", waitv(v, 1, 0, NULL, 0));
	v[0].uaddr = 8;
	R("bad address", waitv(v, 1, 0, NULL, 0));
}

static void errors(void)
{
	struct timespec t = { 0, 10000000 };
	uint32_t *odd = (uint32_t *)((char *)&word + 1);
	const uint32_t *ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	say("-- errors");
	R("WAIT misaligned", futex(odd, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
	R("WAKE misaligned", futex(odd, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	R("WAIT bad address", futex(T_BAD, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
	R("WAIT bad address, shared", futex(T_BAD, FUTEX_WAIT, 0, NULL, NULL, 0));
	R("WAKE bad address", futex(T_BAD, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	R("WAKE kernel address", futex((uint32_t *)0xffff800000000000, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	R("WAIT read-only", futex((uint32_t *)ro, FUTEX_WAIT_PRIVATE, 0, &t, NULL, 0));
	R("WAKE read-only", futex((uint32_t *)ro, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	R("LOCK_PI misaligned", futex(odd, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	R("operation 99", futex(&word, 99, 0, NULL, NULL, 0));
	R("FUTEX_FD", futex(&word, FUTEX_FD, 0, NULL, NULL, 0));
	R("REQUEUE with FUTEX_CLOCK_REALTIME", futex(&word, FUTEX_REQUEUE_PRIVATE | FUTEX_CLOCK_REALTIME, 1, NULL, &other, 0));
	R("set_robust_list bad size", syscall(SYS_set_robust_list, &word, 3));
	R("get_robust_list, no such thread", syscall(SYS_get_robust_list, 0x3ffffff0, &odd, &ro));
}

/* memory that other processes might see: the same within one */
static void shared_memory(void)
{
	struct timespec t = { 0, 20000000 };
	struct wait w[4];
	pthread_t th[4];

	say("-- shared memory");
	shared_word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	R("WAIT, value differs", futex(shared_word, FUTEX_WAIT, 5, NULL, NULL, 0));
	R("WAIT 20 ms", futex(shared_word, FUTEX_WAIT, 0, &t, NULL, 0));
	for (int i = 0; i < 4; i++)
		w[i] = (struct wait){ .word = shared_word, .op = FUTEX_WAIT };
	start_waits(th, w, 4);
	R("WAKE 1", futex(shared_word, FUTEX_WAKE, 1, NULL, NULL, 0));
	R("WAKE 10", futex(shared_word, FUTEX_WAKE, 10, NULL, NULL, 0));
	told("four", w, th, 4);
	munmap(shared_word, 4096);
	R("WAIT unmapped", futex(shared_word, FUTEX_WAIT, 0, NULL, NULL, 0));
}

int main(void)
{
	t_begin();
	simple(FUTEX_PRIVATE_FLAG);
	simple(0);
	kinds();
	read_only();
	bitsets();
	requeues();
	wake_ops();
	pi_locks();
	vectors();
	errors();
	shared_memory();
	return 0;
}
