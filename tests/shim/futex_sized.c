/*
 * futex_sized.c - futex_wait(2), futex_wake(2), futex_requeue(2), which tell the size of the word; libc does not use them yet
 */
#include "t.h"
#include <linux/futex.h>
#include <sys/mman.h>

#ifndef SYS_futex_wake
#define SYS_futex_wake		454
#define SYS_futex_wait		455
#define SYS_futex_requeue	456
#endif
#define SIZE_U32	2u
#define PRIVATE		(SIZE_U32 | FUTEX_PRIVATE_FLAG)
#define ANY		0xffffffffu

static uint32_t word, other;
static int place[4], woken;
static volatile sig_atomic_t handled;

static long fwait(uint32_t *w, uint64_t val, uint64_t mask, unsigned flags, struct timespec *until, clockid_t clock)
{
	return syscall(SYS_futex_wait, w, val, mask, flags, until, clock);
}

static long fwake(uint32_t *w, uint64_t mask, int n, unsigned flags)
{
	return syscall(SYS_futex_wake, w, mask, n, flags);
}

static void *waiter(void *arg)
{
	int i = (int)(intptr_t)arg;
	long r;

	t_here(&place[i]);
	r = fwait(&word, 0, 1u << i, PRIVATE, NULL, 0);
	__atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
	return (void *)r;
}

/* in the order of their numbers */
static void wait_all(pthread_t *t, int n)
{
	woken = 0;
	for (int i = 0; i < n; i++) {
		t_set(&place[i], 0);
		t[i] = start(waiter, (void *)(intptr_t)i);
		wait_parked(&place[i]);
	}
}

static void wakes(void)
{
	pthread_t t[3];

	say("--- wakes");
	wait_all(t, 3);
	R("nobody has that bit", fwake(&word, 8, 9, PRIVATE));
	R("the second", fwake(&word, 2, 9, PRIVATE));
	say("it returned %ld", (long)join(t[1]));
	R("none of them", fwake(&word, ANY, 0, PRIVATE));
	R("both others", fwake(&word, ANY, 9, PRIVATE));
	say("they returned %ld %ld", (long)join(t[0]), (long)join(t[2]));
	R("nobody left", fwake(&word, ANY, 1, PRIVATE));
	wait_all(t, 1);
	R("one by futex(2)", syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0));
	join(t[0]);
}

static void requeues(void)
{
	struct futex_waitv w[2] = { { 0, (uintptr_t)&word, PRIVATE, 0 }, { 0, (uintptr_t)&other, PRIVATE, 0 } };
	pthread_t t[3];

	say("--- requeues");
	wait_all(t, 3);
	w[0].val = 1;
	R("another value", syscall(SYS_futex_requeue, w, 0, 1, 9));
	w[0].val = 0;
	R("one woken, two moved", syscall(SYS_futex_requeue, w, 0, 1, 9));
	t_until(&woken, 1);
	R("none at the first", fwake(&word, ANY, 9, PRIVATE));
	R("two at the other", fwake(&other, ANY, 9, PRIVATE));
	for (int i = 0; i < 3; i++)
		join(t[i]);
	R("flags", syscall(SYS_futex_requeue, w, 1, 1, 1));
	R("no words", syscall(SYS_futex_requeue, NULL, 0, 1, 1));
	R("bad pointer", syscall(SYS_futex_requeue, T_BAD, 0, 1, 1));
	R("negative", syscall(SYS_futex_requeue, w, 0, -1, 1));
	R("negative", syscall(SYS_futex_requeue, w, 0, 1, -1));
	w[1].flags = 0;
	R("a byte", syscall(SYS_futex_requeue, w, 0, 1, 1));
	w[1].flags = PRIVATE;
	w[1].__reserved = 1;
	R("reserved", syscall(SYS_futex_requeue, w, 0, 1, 1));
	w[1].__reserved = 0;
	w[0].val = 1ull << 32;
	R("a large value", syscall(SYS_futex_requeue, w, 0, 1, 1));
}

/* From a word that is waited for with FUTEX_PRIVATE_FLAG to one that is not, and the other way round */
static void kinds(void)
{
	struct futex_waitv w[2] = { { 0, (uintptr_t)&word, PRIVATE, 0 }, { 0, (uintptr_t)&other, SIZE_U32, 0 } };
	struct futex_waitv back[2] = { w[1], w[0] };
	pthread_t t[2];

	say("--- private and not");
	wait_all(t, 2);
	R("not private", fwake(&word, ANY, 9, SIZE_U32));
	R("two moved", syscall(SYS_futex_requeue, w, 0, 0, 9));
	R("none is private there", fwake(&other, ANY, 9, PRIVATE));
	R("one is not", fwake(&other, ANY, 1, SIZE_U32));
	R("one moved back", syscall(SYS_futex_requeue, back, 0, 0, 9));
	R("none is not private here", fwake(&word, ANY, 9, SIZE_U32));
	R("one is", fwake(&word, ANY, 9, PRIVATE));
	join(t[0]);
	join(t[1]);
}

static void timeouts(void)
{
	struct timespec t = in(CLOCK_MONOTONIC, 20), r = in(CLOCK_REALTIME, 20), past = in(CLOCK_MONOTONIC, -5), bad = { 0, 1000000000 };

	say("--- timeouts");
	R("monotonic", fwait(&word, 0, ANY, PRIVATE, &t, CLOCK_MONOTONIC));
	R("real time", fwait(&word, 0, ANY, PRIVATE, &r, CLOCK_REALTIME));
	R("past", fwait(&word, 0, ANY, PRIVATE, &past, CLOCK_MONOTONIC));
	R("not a time", fwait(&word, 0, ANY, PRIVATE, &bad, CLOCK_MONOTONIC));
	R("bad pointer", fwait(&word, 0, ANY, PRIVATE, T_BAD, CLOCK_MONOTONIC));
	R("another clock", fwait(&word, 0, ANY, PRIVATE, &t, CLOCK_BOOTTIME));
	R("another value", fwait(&word, 1, ANY, PRIVATE, NULL, CLOCK_BOOTTIME));
}

static void arguments(void)
{
	say("--- arguments");
	R("another value", fwait(&word, 1, ANY, PRIVATE, NULL, 0));
	R("a large value", fwait(&word, 1ull << 32, ANY, PRIVATE, NULL, 0));
	R("no bits", fwait(&word, 0, 0, PRIVATE, NULL, 0));
	R("too many bits", fwait(&word, 0, 1ull << 32, PRIVATE, NULL, 0));
	R("a byte", fwait(&word, 0, ANY, 0, NULL, 0));
	R("eight bytes", fwait(&word, 0, ANY, 3, NULL, 0));
	R("unknown flags", fwait(&word, 1, ANY, SIZE_U32 | 0x40, NULL, 0));
	R("not aligned", fwait((uint32_t *)((char *)&word + 1), 0, ANY, PRIVATE, NULL, 0));
	R("nothing there", fwait((uint32_t *)T_BAD, 0, ANY, PRIVATE, NULL, 0));
	R("wake: no bits", fwake(&word, 0, 1, PRIVATE));
	R("wake: too many bits", fwake(&word, 1ull << 32, 1, PRIVATE));
	R("wake: a byte", fwake(&word, ANY, 1, 0));
	R("wake: unknown flags", fwake(&word, ANY, 1, SIZE_U32 | 0x40));
	R("wake: not aligned", fwake((uint32_t *)((char *)&word + 1), ANY, 1, PRIVATE));
	R("wake: not aligned, nobody", fwake((uint32_t *)((char *)&word + 1), ANY, 0, PRIVATE));
}

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static void *interrupted(void *arg)
{
	struct timespec t = in(CLOCK_MONOTONIC, 50000);
	long r;

	t_here(&place[0]);
	errno = 0;
	r = fwait(&word, 0, ANY, PRIVATE, arg ? &t : NULL, CLOCK_MONOTONIC);
	say("wait: %ld %s", r, t_errname(r ? errno : 0));
	return NULL;
}

static void signals(int flags, bool timed)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };
	pthread_t t;

	say("--- a signal,%s restart, %s", flags & SA_RESTART ? "" : " no", timed ? "with a timeout" : "without");
	sigaction(SIGUSR1, &sa, NULL);
	handled = 0;
	t_set(&place[0], 0);
	t = start(interrupted, timed ? &word : NULL);
	wait_parked(&place[0]);
	pthread_kill(t, SIGUSR1);
	while (!handled)
		msleep(1);
	if (flags & SA_RESTART)
		while (fwake(&word, ANY, 1, PRIVATE) == 0)
			msleep(1);
	join(t);
}

/* One process waits, the other wakes. */
static void shared(void)
{
	uint32_t *w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	say("--- between processes");
	pid = fork();
	if (pid == 0)
		_exit(fwait(w, 0, ANY, SIZE_U32, NULL, 0) == 0 ? 5 : 6);
	while (fwake(w, ANY, 1, SIZE_U32) == 0)
		msleep(1);
	say("the child: %d", t_reap(pid));
	munmap(w, 4096);
}

int main(void)
{
	t_begin();
	if (fwake(&word, ANY, 0, PRIVATE) == -1 && errno == ENOSYS) {
		puts("the kernel has no futex_wake");
		return 77;
	}
	wakes();
	requeues();
	kinds();
	timeouts();
	arguments();
	signals(0, false);
	signals(SA_RESTART, false);
	signals(SA_RESTART, true);
	signals(0, true);
	shared();
	return 0;
}
