/*
 * threads.c - plain POSIX threads: what a program does that knows nothing of grove; run bare and under grove
 *
 *	threads SIDE [n]	prints CPU nanoseconds for each of n
 *
 * yield: two call sched_yield(); `switched' tells how many of those calls led to another kernel thread, which is not each.
 * semaphore: a turn passed to and fro.  channel: items handed over one way, by a mutex, a place for one and two condition
 * variables. queue: through a ring of 64.  mutex: locked and unlocked by one thread while another is there.  getppid: a call that
 * never waits.
 */
#include "sides.h"
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <unistd.h>

static long rounds;

/* Runs one in a thread of its own and the other here, from the moment that both are there; returns nanoseconds. */
static pthread_barrier_t both_there;
static void *(*peer_does)(void *);

static void *peer_begins(void *arg)
{
	pthread_barrier_wait(&both_there);
	return peer_does(arg);
}

static double two(void *(*mine)(void *), void *(*peers)(void *))
{
	pthread_t peer;
	double from;

	peer_does = peers;
	pthread_barrier_init(&both_there, NULL, 2);
	BENCH_CHECK(pthread_create(&peer, NULL, peer_begins, (void *)1) == 0);
	pthread_barrier_wait(&both_there);
	from = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	mine((void *)0);
	pthread_join(peer, NULL);
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

/* --- yield ----------------------------------------------------------------------------------------------------------------- */

static void *yields(void *arg)
{
	for (long i = 0; i < rounds; i++)
		sched_yield();
	return arg;
}

static long switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw + usage.ru_nivcsw;
}

static double run_yield(long n)
{
	long before = switches();
	double took;

	rounds = (n + 1) / 2;
	took = two(yields, yields);
	printf("switched %.4f\n", (double)(switches() - before) / (double)n);
	return took;
}

/* --- semaphore ------------------------------------------------------------------------------------------------------------- */

static sem_t turn[2];

static void *passes_on(void *arg)
{
	int me = (int)(long)arg;

	for (long i = 0; i < rounds; i++) {
		sem_wait(&turn[me]);
		sem_post(&turn[!me]);
	}
	return arg;
}

static double run_semaphore(long n)
{
	rounds = (n + 1) / 2;
	for (unsigned i = 0; i < 2; i++)
		sem_init(&turn[i], 0, i == 0);
	return two(passes_on, passes_on);
}

/* --- channel and queue ----------------------------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t brought = PTHREAD_COND_INITIALIZER, taken = PTHREAD_COND_INITIALIZER;
static long item;		/* 0: none */

static void *sends(void *arg)
{
	for (long i = 1; i <= rounds; i++) {
		pthread_mutex_lock(&lock);
		item = i;
		pthread_cond_signal(&brought);
		while (item)
			pthread_cond_wait(&taken, &lock);
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

static void *receives(void *arg)
{
	for (long i = 1; i <= rounds; i++) {
		pthread_mutex_lock(&lock);
		while (!item)
			pthread_cond_wait(&brought, &lock);
		BENCH_CHECK(item == i);
		item = 0;
		pthread_cond_signal(&taken);
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

static double run_channel(long n)
{
	rounds = n;
	return two(receives, sends);
}

#define BOUND 64

static long ring[BOUND];
static unsigned put, got;

static void *puts_them(void *arg)
{
	for (long i = 1; i <= rounds; i++) {
		pthread_mutex_lock(&lock);
		while (put - got == BOUND)
			pthread_cond_wait(&taken, &lock);
		ring[put++ % BOUND] = i;
		pthread_cond_signal(&brought);
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

static void *gets_them(void *arg)
{
	for (long i = 1; i <= rounds; i++) {
		pthread_mutex_lock(&lock);
		while (put == got)
			pthread_cond_wait(&brought, &lock);
		BENCH_CHECK(ring[got++ % BOUND] == i);
		pthread_cond_signal(&taken);
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

static double run_queue(long n)
{
	rounds = n;
	return two(gets_them, puts_them);
}

/* --- what never waits ------------------------------------------------------------------------------------------------------ */

static sem_t end_of_peer;

static void *waits_for_the_end(void *arg)
{
	sem_wait(&end_of_peer);
	return arg;
}

static void *locks(void *arg)
{
	for (long i = 0; i < rounds; i++) {
		pthread_mutex_lock(&lock);
		pthread_mutex_unlock(&lock);
	}
	sem_post(&end_of_peer);
	return arg;
}

static double run_mutex(long n)
{
	rounds = n;
	sem_init(&end_of_peer, 0, 0);
	return two(locks, waits_for_the_end);
}

static void *asks_for_parent(void *arg)
{
	for (long i = 0; i < rounds; i++)
		getppid();
	sem_post(&end_of_peer);
	return arg;
}

static double run_getppid(long n)
{
	rounds = n;
	sem_init(&end_of_peer, 0, 0);
	return two(asks_for_parent, waits_for_the_end);
}

BENCH_MAIN(1000000, { "yield", run_yield }, { "semaphore", run_semaphore }, { "channel", run_channel }, { "queue", run_queue },
	   { "mutex", run_mutex }, { "getppid", run_getppid })
