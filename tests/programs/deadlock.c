/*
 * deadlock - threads that wait for each other for ever, and innocent ones that only look like it; the argument says how
 *
 * The innocent go on in the end and say so; the others would hang, and are ended by a SIGALRM without a handler, which no lock waits for.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t m1 = PTHREAD_MUTEX_INITIALIZER, m2 = PTHREAD_MUTEX_INITIALIZER, m3 = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t robust, inherits;
static pthread_rwlock_t rw1 = PTHREAD_RWLOCK_INITIALIZER, rw2 = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier, all_have_one;
static sem_t sem, *shared_sem;
static pthread_t threads[3];
static int pipe_fds[2];

typedef void *fn(void *);

static void go(int n, const char *name, fn *f, void *arg)
{
	char short_name[16];

	pthread_create(&threads[n], NULL, f, arg);
	snprintf(short_name, sizeof(short_name), "%s", name);
	pthread_setname_np(threads[n], short_name);
}

static void join_all(int n)
{
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

/* --- that hang ------------------------------------------------------------------------------------------------------------------ */

static void *takes(void *locks)
{
	pthread_mutex_t **m = locks;

	pthread_mutex_lock(m[0]);
	pthread_barrier_wait(&all_have_one);
	pthread_mutex_lock(m[1]);
	return NULL;
}

static void ring(int n)
{
	static pthread_mutex_t *pairs[3][2] = { { &m1, &m2 }, { &m2, &m3 }, { &m3, &m1 } };
	static const char *const names[] = { "one", "two", "three" };

	if (n == 2)
		pairs[1][1] = &m1;
	pthread_barrier_init(&all_have_one, NULL, (unsigned)n);
	for (int i = 0; i < n; i++)
		go(i, names[i], takes, pairs[i]);
	join_all(n);
}

static void *takes_twice(void *m)
{
	pthread_mutex_lock(m);
	pthread_mutex_lock(m);
	return NULL;
}

static void kinds(pthread_mutex_t *m, int protocol, int robustness)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, protocol);
	pthread_mutexattr_setrobust(&attr, robustness);
	pthread_mutex_init(m, &attr);
}

static void mixed(void)
{
	static pthread_mutex_t *pairs[2][2] = { { &robust, &inherits }, { &inherits, &robust } };

	kinds(&robust, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST);
	kinds(&inherits, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED);
	pthread_barrier_init(&all_have_one, NULL, 2);
	go(0, "one", takes, pairs[0]);
	go(1, "two", takes, pairs[1]);
	join_all(2);
}

static void *writes(void *locks)
{
	pthread_rwlock_t **l = locks;

	pthread_rwlock_wrlock(l[0]);
	pthread_barrier_wait(&all_have_one);
	if (l[0] == &rw1)
		pthread_rwlock_wrlock(l[1]);
	else
		pthread_rwlock_rdlock(l[1]);
	return NULL;
}

static void rwlocks(void)
{
	static pthread_rwlock_t *pairs[2][2] = { { &rw1, &rw2 }, { &rw2, &rw1 } };

	pthread_barrier_init(&all_have_one, NULL, 2);
	go(0, "one", writes, pairs[0]);
	go(1, "two", writes, pairs[1]);
	join_all(2);
}

static void *waits_cond(void *unused)
{
	pthread_mutex_lock(&m1);
	pthread_cond_wait(&cond, &m1);
	return unused;
}

static void *waits_sem(void *unused)
{
	sem_wait(&sem);
	return unused;
}

static void *waits_barrier(void *unused)
{
	pthread_barrier_wait(&barrier);
	return unused;
}

static void *joins(void *other)
{
	pthread_join(*(pthread_t *)other, NULL);
	return NULL;
}

static void lost_signal(void)
{
	pthread_cond_signal(&cond);		/* too early: nobody waits yet */
	go(0, "one", waits_cond, NULL);
	join_all(1);
}

static void semaphores(void)
{
	pthread_barrier_init(&barrier, NULL, 3);
	go(0, "one", waits_sem, NULL);
	go(1, "two", waits_barrier, NULL);
	join_all(2);
}

static void join_cycle(void)
{
	go(0, "one", joins, &threads[1]);
	go(1, "two", joins, &threads[0]);
	sem_wait(&sem);
}

static void *sleeps(void *unused)
{
	for (;;)
		usleep(20000);
	return unused;
}

static void partial(void)
{
	go(2, "sleeps", sleeps, NULL);
	ring(2);
}

/* --- innocent ones ---------------------------------------------------------------------------------------------------------------- */

static void posts(int sig)
{
	(void)sig;
	sem_post(&sem);
}

static void *sleeps_then_kills(void *unused)
{
	static const struct timespec ts = { 0, 300000000 };

	nanosleep(&ts, NULL);
	return unused;
}

static pid_t later(int sig)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		sleeps_then_kills(NULL);
		if (sig)
			kill(parent, sig);
		_exit(0);
	}
	return pid;
}

static void handler(void)
{
	signal(SIGUSR1, posts);
	later(SIGUSR1);
	sem_wait(&sem);
}

static void *waits_signal(void *set)
{
	int sig;

	sigwait(set, &sig);
	sem_post(&sem);
	return NULL;
}

static void sigwaits(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	go(0, "one", waits_signal, &set);
	later(SIGUSR1);
	sem_wait(&sem);
	join_all(1);
}

static void *waits_child(void *unused)
{
	waitpid(later(0), NULL, 0);
	sem_post(&sem);
	return unused;
}

static void *reads(void *fd)
{
	char buf[8];

	if (read(*(int *)fd, buf, sizeof(buf)) > 0)
		sem_post(&sem);
	return NULL;
}

static void *writes_later(void *unused)
{
	sleeps_then_kills(NULL);
	if (write(pipe_fds[1], "x", 1) != 1)
		abort();
	return unused;
}

static void timer(void)
{
	struct itimerspec at = { .it_value = { 0, 300000000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);

	timerfd_settime(fd, 0, &at, NULL);
	go(0, "one", reads, &fd);
	sem_wait(&sem);
	join_all(1);
}

static void on_timer(union sigval unused)
{
	(void)unused;
	sem_post(&sem);
}

static void timer_thread(void)
{
	struct itimerspec at = { .it_value = { 0, 300000000 } };
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_timer };
	timer_t t;

	timer_create(CLOCK_MONOTONIC, &ev, &t);
	timer_settime(t, 0, &at, NULL);
	sem_wait(&sem);
}

static void timed(void)
{
	struct timespec ts;

	pthread_mutex_lock(&m1);
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 300000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_nsec -= 1000000000;
		ts.tv_sec++;
	}
	pthread_cond_timedwait(&cond, &m1, &ts);
}

static void shared(void)
{
	shared_sem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sem_init(shared_sem, 1, 0);
	if (fork() == 0) {
		sleeps_then_kills(NULL);
		sem_post(shared_sem);
		_exit(0);
	}
	sem_wait(shared_sem);
}

static void innocent_pipe(void)
{
	go(0, "one", reads, &pipe_fds[0]);
	go(1, "two", writes_later, NULL);
	sem_wait(&sem);
	join_all(2);
}

/* A lock that is held for long is no deadlock. */
static void *holds(void *unused)
{
	pthread_mutex_lock(&m1);
	sem_post(&sem);
	sleeps_then_kills(NULL);
	pthread_mutex_unlock(&m1);
	return unused;
}

static void held(void)
{
	go(0, "one", holds, NULL);
	sem_wait(&sem);
	pthread_mutex_lock(&m1);
	pthread_mutex_unlock(&m1);
	join_all(1);
}

int main(int argc, char **argv)
{
	const char *how = argc == 2 ? argv[1] : "";

	sem_init(&sem, 0, 0);
	if (pipe(pipe_fds))
		return 2;
	if (argc == 2)
		alarm(4);
	if (!strcmp(how, "two"))
		ring(2);
	else if (!strcmp(how, "three"))
		ring(3);
	else if (!strcmp(how, "self"))
		takes_twice(&m1);
	else if (!strcmp(how, "mixed"))
		mixed();
	else if (!strcmp(how, "rwlocks"))
		rwlocks();
	else if (!strcmp(how, "cond"))
		lost_signal();
	else if (!strcmp(how, "sem"))
		semaphores();
	else if (!strcmp(how, "join"))
		join_cycle();
	else if (!strcmp(how, "partial"))
		partial();
	else if (!strcmp(how, "handler"))
		handler();
	else if (!strcmp(how, "sigwait"))
		sigwaits();
	else if (!strcmp(how, "child"))
		waits_child(NULL);
	else if (!strcmp(how, "pipe"))
		innocent_pipe();
	else if (!strcmp(how, "timerfd"))
		timer();
	else if (!strcmp(how, "timer"))
		timer_thread();
	else if (!strcmp(how, "timed"))
		timed();
	else if (!strcmp(how, "shared"))
		shared();
	else if (!strcmp(how, "held"))
		held();
	else
		return 2;
	puts("went on");
	return 0;
}
