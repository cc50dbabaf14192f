/* shared.c - locks in memory that a forked child shares, with threads at both ends */
#include "t.h"
#include <semaphore.h>
#include <sys/mman.h>

static struct region {
	pthread_mutex_t lock, robust, pi;
	pthread_cond_t cond;
	pthread_barrier_t barrier;
	pthread_rwlock_t rw;
	sem_t ping, pong, done;
	int turn, place;
	long counter, value;
} *r;

static void set_up(void)
{
	pthread_mutexattr_t m;
	pthread_condattr_t c;
	pthread_barrierattr_t b;
	pthread_rwlockattr_t w;

	r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&m);
	P("mutex pshared", pthread_mutexattr_setpshared(&m, PTHREAD_PROCESS_SHARED));
	P("mutex", pthread_mutex_init(&r->lock, &m));
	pthread_mutexattr_setrobust(&m, PTHREAD_MUTEX_ROBUST);
	P("robust mutex", pthread_mutex_init(&r->robust, &m));
	pthread_mutexattr_setrobust(&m, PTHREAD_MUTEX_STALLED);
	pthread_mutexattr_setprotocol(&m, PTHREAD_PRIO_INHERIT);
	P("PI mutex", pthread_mutex_init(&r->pi, &m));
	pthread_condattr_init(&c);
	pthread_condattr_setpshared(&c, PTHREAD_PROCESS_SHARED);
	P("cond", pthread_cond_init(&r->cond, &c));
	pthread_barrierattr_init(&b);
	pthread_barrierattr_setpshared(&b, PTHREAD_PROCESS_SHARED);
	P("barrier", pthread_barrier_init(&r->barrier, &b, 6));
	pthread_rwlockattr_init(&w);
	pthread_rwlockattr_setpshared(&w, PTHREAD_PROCESS_SHARED);
	P("rwlock", pthread_rwlock_init(&r->rw, &w));
	R("sem", sem_init(&r->ping, 1, 0));
	sem_init(&r->pong, 1, 0);
	sem_init(&r->done, 1, 0);
}

/* the same work by threads of the parent and of the child */
static void both(const char *what, void *(*fn)(void *), int threads)
{
	pthread_t t[8];
	pid_t pid = MUST(fork());

	for (intptr_t i = 0; i < threads; i++)
		t[i] = start(fn, (void *)(intptr_t)(pid == 0));
	for (int i = 0; i < threads; i++)
		join(t[i]);
	if (pid == 0)
		_exit(0);
	int status = t_reap(pid);
	say("%s: child %d, counter %ld", what, status, r->counter);
	r->counter = 0;
}

static void *add_mutex(void *arg)
{
	(void)arg;
	for (int i = 0; i < 300; i++) {
		pthread_mutex_lock(&r->lock);
		long c = r->counter;
		if (i % 30 == 0)
			sched_yield();
		r->counter = c + 1;
		pthread_mutex_unlock(&r->lock);
	}
	return NULL;
}

static void *add_pi(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&r->pi);
		long c = r->counter;
		if (i % 30 == 0)
			sched_yield();
		r->counter = c + 1;
		pthread_mutex_unlock(&r->pi);
	}
	return NULL;
}

static void *add_rw(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++) {
		pthread_rwlock_wrlock(&r->rw);
		r->counter++;
		pthread_rwlock_unlock(&r->rw);
		pthread_rwlock_rdlock(&r->rw);
		pthread_rwlock_unlock(&r->rw);
	}
	return NULL;
}

static void *meet(void *arg)
{
	(void)arg;
	for (int i = 0; i < 50; i++)
		if (pthread_barrier_wait(&r->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
			__atomic_add_fetch(&r->counter, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *take_turns(void *child)
{
	int me = child != NULL;

	for (int i = 0; i < 300; i++) {
		pthread_mutex_lock(&r->lock);
		while (r->turn != me)
			pthread_cond_wait(&r->cond, &r->lock);
		r->counter++;
		r->turn = !me;
		pthread_cond_broadcast(&r->cond);
		pthread_mutex_unlock(&r->lock);
	}
	return NULL;
}

static void *ping_pong(void *child)
{
	for (int i = 0; i < 500; i++) {
		if (child) {
			sem_wait(&r->ping);
			r->counter++;
			sem_post(&r->pong);
		} else {
			sem_post(&r->ping);
			sem_wait(&r->pong);
		}
	}
	return NULL;
}

/* --- who does not share goes on while another waits for the child --- */

static int beats;

static void *beat(void *stop)
{
	while (!t_get(stop)) {
		msleep(1);
		__atomic_add_fetch(&beats, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void others_go_on(void)
{
	int stop = 0;
	pthread_t t;
	struct timespec limit;
	pid_t pid = MUST(fork());

	if (pid == 0) {
		msleep(100);
		sem_post(&r->done);
		_exit(0);
	}
	t = start(beat, &stop);
	R("wait for the child", sem_wait(&r->done));
	YES("another thread ran meanwhile", t_get(&beats) > 3);
	t_set(&stop, 1);
	join(t);
	t_reap(pid);
	limit = in(CLOCK_REALTIME, 20);
	R("timedwait", sem_timedwait(&r->done, &limit));
	pthread_mutex_lock(&r->lock);
	limit = in(CLOCK_REALTIME, 20);
	P("cond timedwait", pthread_cond_timedwait(&r->cond, &r->lock, &limit));
	pthread_mutex_unlock(&r->lock);
}

static void *lock_and_end(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&r->robust);
	return NULL;
}

static void robust(void)
{
	pid_t pid = MUST(fork());

	if (pid == 0) {
		pthread_mutex_lock(&r->robust);
		_exit(0);
	}
	t_reap(pid);
	P("the child died with it", pthread_mutex_lock(&r->robust));
	pthread_mutex_consistent(&r->robust);
	pthread_mutex_unlock(&r->robust);
	pid = MUST(fork());
	if (pid == 0) {
		pthread_mutex_lock(&r->robust);
		sem_post(&r->done);
		msleep(50000);
	}
	sem_wait(&r->done);
	P("trylock, the child has it", pthread_mutex_trylock(&r->robust));
	kill(pid, SIGKILL);
	P("the child is killed", pthread_mutex_lock(&r->robust));
	pthread_mutex_consistent(&r->robust);
	pthread_mutex_unlock(&r->robust);
	t_reap(pid);
	pid = MUST(fork());
	if (pid == 0) {
		join(start(lock_and_end, NULL));
		sem_post(&r->done);
		msleep(50000);
	}
	sem_wait(&r->done);
	P("a thread of the child ended with it", pthread_mutex_lock(&r->robust));
	pthread_mutex_consistent(&r->robust);
	pthread_mutex_unlock(&r->robust);
	kill(pid, SIGKILL);
	t_reap(pid);
}

int main(void)
{
	t_begin();
	set_up();
	both("mutex", add_mutex, 4);
	both("PI mutex", add_pi, 3);
	both("rwlock", add_rw, 3);
	both("barrier", meet, 3);
	both("cond", take_turns, 1);
	both("sem", ping_pong, 1);
	others_go_on();
	robust();
	return 0;
}
