/*
 * signal_flood.c - signals by the thousand: for a hundred threads that read, for threads that come and go, and among threads that compute
 *
 * Nothing may be lost, and no read may end with EINTR, since all handlers are installed with SA_RESTART.
 */
#include "t.h"
#include <semaphore.h>

#define RT(n)	(SIGRTMIN + (n))
#define READERS	100
#define ROUNDS	100

static int p[READERS][2], places[READERS], stop, wrong_thread, errors;
static volatile int handled, to_process;
static __thread volatile int mine;
static pthread_t readers[READERS];

static void on_directed(int sig, siginfo_t *si, void *context)
{
	(void)sig, (void)context;
	if (!pthread_equal(pthread_self(), readers[si->si_value.sival_int]))
		__atomic_add_fetch(&wrong_thread, 1, __ATOMIC_SEQ_CST);
	mine++;
	__atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

static void on_process(int sig, siginfo_t *si, void *context)
{
	(void)sig, (void)context, (void)si;
	__atomic_add_fetch(&to_process, 1, __ATOMIC_SEQ_CST);
}

static void *reads(void *arg)
{
	long i = (long)arg;
	char c;

	t_here(&places[i]);
	while (read(p[i][0], &c, 1) == 1 && c != 'e')
		continue;
	if (c != 'e')
		__atomic_add_fetch(&errors, 1, __ATOMIC_SEQ_CST);
	return (void *)(intptr_t)mine;
}

static void until(volatile int *counter, int n)
{
	for (int i = 0; i < 20000 && *counter < n; i++)
		msleep(1);
}

static void directed(void)
{
	long sum = 0, uneven = 0;

	say("-- to a hundred readers");
	for (long i = 0; i < READERS; i++) {
		must_pipe(p[i]);
		readers[i] = start(reads, (void *)i);
	}
	for (int i = 0; i < READERS; i++)
		wait_parked(&places[i]);
	for (int r = 0; r < ROUNDS; r++)
		for (int i = 0; i < READERS; i++) {
			while (pthread_sigqueue(readers[i], RT(1), (union sigval){ .sival_int = i }) == EAGAIN)
				sched_yield();
			if (r % 10 == 0)
				MUST(write(p[i][1], "x", 1));
		}
	until(&handled, READERS * ROUNDS);
	/* and from another process, to whoever takes them */
	pid_t parent = getpid(), pid = MUST(fork());
	if (pid == 0) {
		for (int i = 0; i < 10000; i++) {
			while (sigqueue(parent, RT(2), (union sigval){ .sival_int = i }) == -1)
				sched_yield();
			if (i % 100 == 0)
				msleep(1);
		}
		_exit(0);
	}
	t_reap(pid);
	until(&to_process, 10000);
	for (int i = 0; i < READERS; i++)
		MUST(write(p[i][1], "e", 1));
	for (int i = 0; i < READERS; i++) {
		long n = (long)join(readers[i]);

		sum += n;
		uneven += n != ROUNDS;
		close2(p[i]);
	}
	say("handled %ld, by the wrong thread %d, uneven %ld, reads that failed %d", sum, wrong_thread, uneven, errors);
	say("to the process: %d", to_process);
}

/* --- threads that come and go, lock and compute meanwhile --- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static sem_t sem;
static long counter;

static void *locks(void *arg)
{
	(void)arg;
	for (int i = 0; i < 200; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		if (i % 64 == 0)
			sched_yield();
		counter--;
		pthread_mutex_unlock(&mutex);
		sem_post(&sem);
		while (sem_wait(&sem) == -1 && errno == EINTR)
			continue;
	}
	return NULL;
}

static void *computes(void *arg)
{
	volatile unsigned *n = arg;

	while (!t_get(&stop))
		(*n)++;
	return NULL;
}

static void among_others(void)
{
	static unsigned n[2];
	pthread_t l[4], c[2];
	pid_t parent = getpid(), pid;
	int status = 0;

	say("-- among threads that lock, compute, come and go");
	sem_init(&sem, 0, 1);
	to_process = 0;
	for (int i = 0; i < 2; i++)
		c[i] = start(computes, &n[i]);
	pid = MUST(fork());
	if (pid == 0) {
		for (int i = 0; i < 3000; i++) {
			while (sigqueue(parent, RT(2), (union sigval){ .sival_int = i }) == -1)
				sched_yield();
			if (i % 100 == 0)
				msleep(1);
		}
		_exit(0);
	}
	for (int r = 0; waitpid(pid, &status, WNOHANG) == 0 || r < 3; r++) {
		for (int i = 0; i < 4; i++)
			l[i] = start(locks, NULL);
		for (int i = 0; i < 4; i++)
			join(l[i]);
	}
	until(&to_process, 3000);
	t_set(&stop, 1);
	for (int i = 0; i < 2; i++)
		join(c[i]);
	say("handled %d, the counter %ld", to_process, counter);
}

int main(void)
{
	t_begin();
	MUST(sigaction(RT(1), &(struct sigaction){ .sa_sigaction = on_directed, .sa_flags = SA_SIGINFO | SA_RESTART }, NULL));
	MUST(sigaction(RT(2), &(struct sigaction){ .sa_sigaction = on_process, .sa_flags = SA_SIGINFO | SA_RESTART }, NULL));
	directed();
	among_others();
	return 0;
}
