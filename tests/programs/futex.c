/*
 * futex.c - a program with locks of its own, made with syscall(SYS_futex, ...): a mutex, a semaphore, a requeueing broadcast,
 * timeouts relative and absolute, bit sets, and the errors
 *
 * Prints only what does not depend on the order in which threads run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS 100

typedef _Atomic uint32_t word;

static long futex(word *at, int op, uint32_t val, const void *timeout_or_val2, word *at2, uint32_t val3)
{
	long r = syscall(SYS_futex, at, op, val, timeout_or_val2, at2, val3);

	return r == -1 ? -errno : r;
}

/* --- a mutex: 0 free, 1 held, 2 held and somebody waits --------------------------------------------------------------------- */

static void lock(word *m)
{
	uint32_t was = 0;

	if (atomic_compare_exchange_strong(m, &was, 1))
		return;
	if (was != 2)
		was = atomic_exchange(m, 2);
	while (was) {
		futex(m, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
		was = atomic_exchange(m, 2);
	}
}

static void unlock(word *m)
{
	if (atomic_exchange(m, 0) == 2)
		futex(m, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static word mutex, gate, done, parked;
static long counter;

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < 200; i++) {
		lock(&mutex);
		long seen = counter;

		if (i % 20 == 0)
			sched_yield();
		counter = seen + 1;
		unlock(&mutex);
	}
	return NULL;
}

/* --- all wait at a gate; one is woken, the others are moved over to a second word and woken there ----------------------------- */

static word second;

static void *pass(void *arg)
{
	(void)arg;
	atomic_fetch_add(&parked, 1);
	while (atomic_load(&gate) == 0)
		futex(&gate, FUTEX_WAIT, 0, NULL, NULL, 0);
	atomic_fetch_add(&done, 1);
	return NULL;
}

static void in_threads(void *(*body)(void *), void (*meanwhile)(void))
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, body, NULL);
	if (meanwhile)
		meanwhile();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void open_gate(void)
{
	long moved = 0, woken = 0;

	while (atomic_load(&parked) < THREADS)
		usleep(1000);
	while (moved < THREADS - 10) {		/* the last ones may be on their way into the wait */
		long r = futex(&gate, FUTEX_CMP_REQUEUE, 0, (void *)(intptr_t)INT_MAX, &second, 0);

		moved += r > 0 ? r : 0;
		usleep(1000);
	}
	printf("stale %s\n", strerror(-futex(&gate, FUTEX_CMP_REQUEUE, 0, (void *)(intptr_t)INT_MAX, &second, 7)));
	printf("none at the gate %d, done %d\n", futex(&gate, FUTEX_WAKE, 0, NULL, NULL, 0) <= 1, (int)atomic_load(&done));
	atomic_store(&gate, 1);
	for (int n = 10; n > 0; n--) {
		woken += futex(&second, FUTEX_WAKE, n == 1 ? INT_MAX : 5, NULL, NULL, 0);
		futex(&gate, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	}
	printf("moved and woken the same %d\n", moved == woken);
}

/* --- bit sets: a waiter is woken only by a bit of its own ----------------------------------------------------------------------- */

static word bits;
static atomic_int woken_by[2];

static void *wait_bit(void *arg)
{
	int bit = (intptr_t)arg;

	atomic_fetch_add(&parked, 1);
	while (atomic_load(&woken_by[bit]) == 0 && futex(&bits, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 1u << bit) != 0)
		;
	atomic_store(&woken_by[bit], 2);
	return NULL;
}

static void bit_sets(void)
{
	pthread_t a, b;
	long first = 0;

	atomic_store(&parked, 0);
	pthread_create(&a, NULL, wait_bit, (void *)0);
	pthread_create(&b, NULL, wait_bit, (void *)1);
	while (atomic_load(&parked) < 2)
		usleep(1000);
	printf("no such bit %ld\n", futex(&bits, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, 4));
	while (first == 0) {
		first = futex(&bits, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, 2);
		usleep(1000);
	}
	pthread_join(b, NULL);
	printf("bit 1 woke %ld, bit 0 waits %d\n", first, atomic_load(&woken_by[0]) == 0);
	for (first = 0; first == 0; usleep(1000))
		first = futex(&bits, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, 1);
	pthread_join(a, NULL);
	printf("bit 0 woke %ld\n", first);
	printf("empty set %s\n", strerror(-futex(&bits, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0)));
}

static void timeouts(void)
{
	struct timespec from, to, rel = { 0, 20000000 }, abs, bad = { 0, 1000000000 };
	word w = 5;
	long r;

	clock_gettime(CLOCK_MONOTONIC, &from);
	r = futex(&w, FUTEX_WAIT_PRIVATE, 5, &rel, NULL, 0);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("relative %s, long enough %d\n", strerror(-r),
	       (to.tv_sec - from.tv_sec) * 1000000000L + to.tv_nsec - from.tv_nsec >= 20000000);
	clock_gettime(CLOCK_REALTIME, &abs);
	printf("absolute, past %s\n",
	       strerror(-futex(&w, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 5, &abs, NULL, FUTEX_BITSET_MATCH_ANY)));
	clock_gettime(CLOCK_MONOTONIC, &abs);
	abs.tv_nsec = (abs.tv_nsec + 10000000) % 1000000000;
	abs.tv_sec += abs.tv_nsec < 10000000;
	printf("absolute, soon %s\n", strerror(-futex(&w, FUTEX_WAIT_BITSET_PRIVATE, 5, &abs, NULL, FUTEX_BITSET_MATCH_ANY)));
	printf("changed %s\n", strerror(-futex(&w, FUTEX_WAIT, 4, NULL, NULL, 0)));
	printf("bad time %s\n", strerror(-futex(&w, FUTEX_WAIT, 5, &bad, NULL, 0)));
	printf("bad address %s\n", strerror(-futex((word *)8, FUTEX_WAIT, 5, NULL, NULL, 0)));
	printf("odd address %s\n", strerror(-futex((word *)((char *)&w + 1), FUTEX_WAIT, 5, NULL, NULL, 0)));
	printf("no such operation %s\n", strerror(-futex(&w, 99, 5, NULL, NULL, 0)));
	printf("nobody %ld\n", futex(&w, FUTEX_WAKE, 1, NULL, NULL, 0));
}

static void wake_op(void)
{
	word a = 1, b = 3;
	long r = futex(&a, FUTEX_WAKE_OP, 1, (void *)1, &b, FUTEX_OP(FUTEX_OP_ADD, 4, FUTEX_OP_CMP_EQ, 3));

	printf("wake_op %ld, second word %u\n", r, (unsigned)b);
}

int main(void)
{
	in_threads(count, NULL);
	printf("mutex %ld\n", counter);
	in_threads(pass, open_gate);
	printf("done %d\n", (int)atomic_load(&done));
	bit_sets();
	timeouts();
	wake_op();
	return 0;
}
