/* sync.c - read-write locks, barriers, semaphores, spin locks */
#include "t.h"
#include <semaphore.h>

static int place, places[8];

/* --- read-write locks --- */

static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static long value, seen_odd;
static int reading;

static void *rw_other(void *arg)
{
	struct timespec t;

	(void)arg;
	int r = pthread_rwlock_tryrdlock(&rw);
	say("  other: tryrdlock: %s", t_errname(r));
	if (r == 0)
		pthread_rwlock_unlock(&rw);
	P("  other: trywrlock", pthread_rwlock_trywrlock(&rw));
	t = in(CLOCK_REALTIME, 10);
	P("  other: timedwrlock", pthread_rwlock_timedwrlock(&rw, &t));
	t = in(CLOCK_MONOTONIC, 10);
	P("  other: clockwrlock", pthread_rwlock_clockwrlock(&rw, CLOCK_MONOTONIC, &t));
	t = in(CLOCK_REALTIME, 10);
	r = pthread_rwlock_timedrdlock(&rw, &t);
	say("  other: timedrdlock: %s", t_errname(r));
	if (r == 0)
		pthread_rwlock_unlock(&rw);
	t.tv_nsec = -1;
	P("  other: timedwrlock bad time", pthread_rwlock_timedwrlock(&rw, &t));
	return NULL;
}

static void *rw_reader(void *arg)
{
	(void)arg;
	for (int i = 0; i < 300; i++) {
		pthread_rwlock_rdlock(&rw);
		__atomic_add_fetch(&reading, 1, __ATOMIC_SEQ_CST);
		long v = value;
		if (i % 10 == 0)
			sched_yield();
		if (v % 2 || v != value)
			__atomic_add_fetch(&seen_odd, 1, __ATOMIC_SEQ_CST);
		__atomic_sub_fetch(&reading, 1, __ATOMIC_SEQ_CST);
		pthread_rwlock_unlock(&rw);
	}
	return NULL;
}

static void *rw_writer(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++) {
		pthread_rwlock_wrlock(&rw);
		if (t_get(&reading))
			seen_odd++;
		value++;
		sched_yield();
		value++;
		pthread_rwlock_unlock(&rw);
	}
	return NULL;
}

static void *rw_wait_write(void *arg)
{
	t_here(&place);
	pthread_rwlock_wrlock(&rw);
	*(int *)arg = 1;
	pthread_rwlock_unlock(&rw);
	return NULL;
}

static void *rw_wait_read(void *arg)
{
	t_here(arg);
	pthread_rwlock_rdlock(&rw);
	pthread_rwlock_unlock(&rw);
	return NULL;
}

static void rwlocks(void)
{
	pthread_t t[8];
	int written = 0;

	say("-- rwlock");
	P("rdlock", pthread_rwlock_rdlock(&rw));
	P("rdlock", pthread_rwlock_rdlock(&rw));
	join(start(rw_other, NULL));
	P("unlock", pthread_rwlock_unlock(&rw));
	place = 0;
	t[0] = start(rw_wait_write, &written);
	wait_parked(&place);
	say("written %d", written);
	P("unlock", pthread_rwlock_unlock(&rw));
	join(t[0]);
	say("written %d", written);
	P("wrlock", pthread_rwlock_wrlock(&rw));
	P("wrlock again", pthread_rwlock_wrlock(&rw));
	P("rdlock too", pthread_rwlock_rdlock(&rw));
	join(start(rw_other, NULL));
	for (int i = 0; i < 8; i++) {
		places[i] = 0;
		t[i] = start(rw_wait_read, &places[i]);
	}
	for (int i = 0; i < 8; i++)
		wait_parked(&places[i]);
	P("unlock", pthread_rwlock_unlock(&rw));
	for (int i = 0; i < 8; i++)
		join(t[i]);
	for (int kind = 0; kind < 2; kind++) {
		pthread_rwlockattr_t a;

		pthread_rwlockattr_init(&a);
		pthread_rwlockattr_setkind_np(&a, kind ? PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP : PTHREAD_RWLOCK_PREFER_READER_NP);
		P("init", pthread_rwlock_init(&rw, &a));
		value = 0;
		for (int i = 0; i < 8; i++)
			t[i] = start(i % 2 ? rw_reader : rw_writer, NULL);
		for (int i = 0; i < 8; i++)
			join(t[i]);
		say("value %ld, seen odd %ld", value, seen_odd);
		P("destroy", pthread_rwlock_destroy(&rw));
	}
}

/* --- barriers --- */

static pthread_barrier_t bar;
static int arrived, serials, early;

static void *marcher(void *arg)
{
	(void)arg;
	for (int i = 1; i <= 100; i++) {
		__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
		if (pthread_barrier_wait(&bar) == PTHREAD_BARRIER_SERIAL_THREAD)
			__atomic_add_fetch(&serials, 1, __ATOMIC_SEQ_CST);
		if (t_get(&arrived) < 10 * i)
			__atomic_add_fetch(&early, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void barriers(void)
{
	pthread_t t[10];

	say("-- barrier");
	P("init 0", pthread_barrier_init(&bar, NULL, 0));
	P("init 1", pthread_barrier_init(&bar, NULL, 1));
	say("alone: serial %d", pthread_barrier_wait(&bar) == PTHREAD_BARRIER_SERIAL_THREAD);
	P("destroy", pthread_barrier_destroy(&bar));
	P("init 10", pthread_barrier_init(&bar, NULL, 10));
	for (int i = 0; i < 10; i++)
		t[i] = start(marcher, NULL);
	for (int i = 0; i < 10; i++)
		join(t[i]);
	say("arrived %d, serial threads %d, too early %d", arrived, serials, early);
	P("destroy", pthread_barrier_destroy(&bar));
}

/* --- semaphores --- */

static sem_t sem;
static int inside, most;

static void *sem_waiter(void *arg)
{
	t_here(arg);
	sem_wait(&sem);
	return NULL;
}

static void *limited(void *arg)
{
	(void)arg;
	for (int i = 0; i < 50; i++) {
		sem_wait(&sem);
		int n = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		if (n > 3)
			t_set(&most, n);
		sched_yield();
		__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		sem_post(&sem);
	}
	return NULL;
}

static void semaphores(void)
{
	struct timespec t;
	pthread_t th[8];
	int v;

	say("-- sem");
	R("init", sem_init(&sem, 0, 2));
	R("init too much", sem_init(&sem, 0, 0x80000000u));
	R("wait", sem_wait(&sem));
	R("trywait", sem_trywait(&sem));
	R("trywait", sem_trywait(&sem));
	t = in(CLOCK_REALTIME, 20);
	R("timedwait", sem_timedwait(&sem, &t));
	t = in(CLOCK_MONOTONIC, 20);
	R("clockwait", sem_clockwait(&sem, CLOCK_MONOTONIC, &t));
	t = in(CLOCK_REALTIME, -20);
	R("timedwait in the past", sem_timedwait(&sem, &t));
	t.tv_nsec = 1000000000;
	R("timedwait bad time", sem_timedwait(&sem, &t));
	R("clockwait bad clock", sem_clockwait(&sem, 77, &t));
	R("post", sem_post(&sem));
	R("timedwait bad time, not needed", sem_timedwait(&sem, &t));
	for (int i = 0; i < 8; i++) {
		places[i] = 0;
		th[i] = start(sem_waiter, &places[i]);
	}
	for (int i = 0; i < 8; i++)
		wait_parked(&places[i]);
	for (int i = 0; i < 9; i++)
		sem_post(&sem);
	for (int i = 0; i < 8; i++)
		join(th[i]);
	R("getvalue", sem_getvalue(&sem, &v));
	say("left %d", v);
	R("destroy", sem_destroy(&sem));
	sem_init(&sem, 0, 3);
	for (int i = 0; i < 8; i++)
		th[i] = start(limited, NULL);
	for (int i = 0; i < 8; i++)
		join(th[i]);
	sem_getvalue(&sem, &v);
	say("left %d, more than 3 at once: %d", v, most);
	sem_destroy(&sem);
	sem_init(&sem, 0, 0x7fffffff);
	R("post beyond the maximum", sem_post(&sem));
	char name[64];
	snprintf(name, sizeof(name), "/grove-test-%d", getpid());
	sem_t *n = sem_open(name, O_CREAT | O_EXCL, 0600, 1);
	YES("sem_open", n != SEM_FAILED);
	R("wait", sem_wait(n));
	t = in(CLOCK_REALTIME, 20);
	R("timedwait", sem_timedwait(n, &t));
	R("post", sem_post(n));
	R("unlink", sem_unlink(name));
	R("close", sem_close(n));
	YES("sem_open, gone", sem_open(name, 0) == SEM_FAILED && errno == ENOENT);
}

/* --- spin locks whose owner lets others run while it holds them --- */

static pthread_spinlock_t spin;
static long spun;

static void *spinner(void *arg)
{
	(void)arg;
	for (int i = 0; i < 500; i++) {
		while (pthread_spin_trylock(&spin) == EBUSY)
			sched_yield();
		long v = spun;
		if (i % 50 == 0)
			sched_yield();
		spun = v + 1;
		pthread_spin_unlock(&spin);
	}
	return NULL;
}

static void *blocking_spinner(void *arg)
{
	(void)arg;
	for (int i = 0; i < 500; i++) {
		pthread_spin_lock(&spin);
		spun++;
		if (i % 100 == 0)
			msleep(1);
		pthread_spin_unlock(&spin);
	}
	return NULL;
}

static void spins(void)
{
	pthread_t t[6];

	say("-- spin");
	P("init", pthread_spin_init(&spin, 0));
	P("lock", pthread_spin_lock(&spin));
	P("trylock", pthread_spin_trylock(&spin));
	P("unlock", pthread_spin_unlock(&spin));
	for (int i = 0; i < 6; i++)
		t[i] = start(spinner, NULL);
	for (int i = 0; i < 6; i++)
		join(t[i]);
	say("trylock and yield: %ld", spun);
	spun = 0;
	for (int i = 0; i < 6; i++)
		t[i] = start(blocking_spinner, NULL);
	for (int i = 0; i < 6; i++)
		join(t[i]);
	say("lock, the owner sleeps: %ld", spun);
	P("destroy", pthread_spin_destroy(&spin));
}

int main(void)
{
	t_begin();
	rwlocks();
	barriers();
	semaphores();
	spins();
	return 0;
}
