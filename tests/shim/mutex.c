/* mutex.c - every kind of mutex: who may lock, who waits, who is told no */
#include "t.h"

static int place, running;

static pthread_mutex_t make(int type, int protocol, int robust)
{
	pthread_mutexattr_t a;
	pthread_mutex_t m;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, type);
	pthread_mutexattr_setprotocol(&a, protocol);
	pthread_mutexattr_setrobust(&a, robust);
	int r = pthread_mutex_init(&m, &a);
	if (r) {
		errno = r;
		fail("pthread_mutex_init");
	}
	pthread_mutexattr_destroy(&a);
	return m;
}

static const struct kind {
	const char *name;
	int type, protocol, robust;
} kinds[] = {
	{ "normal", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED },
	{ "recursive", PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED },
	{ "errorcheck", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED },
	{ "adaptive", PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED },
	{ "robust normal", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST },
	{ "robust recursive", PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST },
	{ "robust errorcheck", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST },
	{ "PI normal", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED },
	{ "PI recursive", PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED },
	{ "PI errorcheck", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED },
	{ "PI robust", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_ROBUST },
};

/* --- held by another --- */

static void *other(void *arg)
{
	pthread_mutex_t *m = arg;
	struct timespec t;

	P("  other: trylock", pthread_mutex_trylock(m));
	t = in(CLOCK_REALTIME, 10);
	P("  other: timedlock", pthread_mutex_timedlock(m, &t));
	t = in(CLOCK_MONOTONIC, 10);
	P("  other: clocklock monotonic", pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &t));
	t = in(CLOCK_REALTIME, 10);
	P("  other: clocklock realtime", pthread_mutex_clocklock(m, CLOCK_REALTIME, &t));
	t = in(CLOCK_REALTIME, -1000);
	P("  other: timedlock in the past", pthread_mutex_timedlock(m, &t));
	t = (struct timespec){ -5, 0 };
	P("  other: timedlock before 1970", pthread_mutex_timedlock(m, &t));
	t.tv_nsec = -1;
	P("  other: timedlock bad time", pthread_mutex_timedlock(m, &t));
	return NULL;
}

static void *unlocker(void *arg)
{
	P("  other: unlock", pthread_mutex_unlock(arg));
	return NULL;
}

static void *locker(void *arg)
{
	t_here(&place);
	P("  other: lock", pthread_mutex_lock(arg));
	P("  other: unlock", pthread_mutex_unlock(arg));
	return NULL;
}

static void *timed_locker(void *arg)
{
	struct timespec t = in(CLOCK_REALTIME, 20000);

	t_here(&place);
	P("  other: timedlock", pthread_mutex_timedlock(arg, &t));
	P("  other: unlock", pthread_mutex_unlock(arg));
	return NULL;
}

static void contend(pthread_mutex_t *m)
{
	join(start(other, m));
	place = 0;
	pthread_t t = start(locker, m);
	wait_parked(&place);
	pthread_mutex_unlock(m);
	join(t);
	pthread_mutex_lock(m);
	place = 0;
	t = start(timed_locker, m);
	wait_parked(&place);
	pthread_mutex_unlock(m);
	join(t);
}

/* --- many at it --- */

static pthread_mutex_t *shared;
static long counter;
static int in_it, crowded;

static void *adder(void *arg)
{
	(void)arg;
	for (int i = 0; i < 400; i++) {
		pthread_mutex_lock(shared);
		crowded += in_it++ != 0;
		long c = counter;
		if (i % 16 == 0)
			sched_yield();
		if (i % 100 == 0)
			msleep(1);
		counter = c + 1;
		in_it--;
		pthread_mutex_unlock(shared);
	}
	return NULL;
}

static void crowd(pthread_mutex_t *m)
{
	pthread_t t[8];

	shared = m;
	counter = crowded = in_it = 0;
	for (int i = 0; i < 8; i++)
		t[i] = start(adder, NULL);
	for (int i = 0; i < 8; i++)
		join(t[i]);
	say("  8 threads counted %ld, two at once %d", counter, crowded);
}

static void kind(const struct kind *k)
{
	pthread_mutex_t m = make(k->type, k->protocol, k->robust);

	say("-- %s", k->name);
	P("lock", pthread_mutex_lock(&m));
	P("trylock", pthread_mutex_trylock(&m));
	if (k->type == PTHREAD_MUTEX_RECURSIVE) {
		P("lock a third time", pthread_mutex_lock(&m));
		P("unlock", pthread_mutex_unlock(&m));
		P("unlock", pthread_mutex_unlock(&m));
	}
	if (k->type == PTHREAD_MUTEX_ERRORCHECK) {
		struct timespec t = in(CLOCK_REALTIME, 10);

		P("lock again", pthread_mutex_lock(&m));
		P("timedlock again", pthread_mutex_timedlock(&m, &t));
	}
	if (k->type == PTHREAD_MUTEX_NORMAL && k->protocol == PTHREAD_PRIO_NONE) {
		struct timespec t = in(CLOCK_REALTIME, 10);

		P("timedlock again", pthread_mutex_timedlock(&m, &t));
	}
	if (k->type == PTHREAD_MUTEX_ERRORCHECK || k->type == PTHREAD_MUTEX_RECURSIVE)
		join(start(unlocker, &m));
	if (k->robust == PTHREAD_MUTEX_STALLED)
		P("destroy while locked", pthread_mutex_destroy(&m));
	contend(&m);
	P("lock again after all", pthread_mutex_lock(&m));
	P("unlock", pthread_mutex_unlock(&m));
	if (k->type == PTHREAD_MUTEX_ERRORCHECK || k->type == PTHREAD_MUTEX_RECURSIVE)
		P("unlock unlocked", pthread_mutex_unlock(&m));
	crowd(&m);
	P("destroy", pthread_mutex_destroy(&m));
}

/* --- the owner ends --- */

static void *die_with_it(void *arg)
{
	pthread_mutex_lock(arg);
	return NULL;
}

static void *die_with_two(void *arg)
{
	pthread_mutex_t *m = arg;

	pthread_mutex_lock(&m[0]);
	pthread_mutex_lock(&m[1]);
	t_here(&place);
	msleep(50);
	return NULL;
}

static void *heir(void *arg)
{
	int r = pthread_mutex_lock(arg);

	if (r == EOWNERDEAD)
		pthread_mutex_consistent(arg);
	pthread_mutex_unlock(arg);
	return (void *)(intptr_t)r;
}

static void robust(int protocol)
{
	pthread_mutex_t m = make(PTHREAD_MUTEX_NORMAL, protocol, PTHREAD_MUTEX_ROBUST), two[2];
	pthread_t t[4];

	say("-- robust, owner dies%s", protocol == PTHREAD_PRIO_INHERIT ? ", PI" : "");
	join(start(die_with_it, &m));
	P("trylock", pthread_mutex_trylock(&m));
	P("consistent", pthread_mutex_consistent(&m));
	P("consistent again", pthread_mutex_consistent(&m));
	P("unlock", pthread_mutex_unlock(&m));
	P("lock", pthread_mutex_lock(&m));
	P("unlock", pthread_mutex_unlock(&m));
	join(start(die_with_it, &m));
	P("lock", pthread_mutex_lock(&m));
	P("unlock, not made consistent", pthread_mutex_unlock(&m));
	P("lock", pthread_mutex_lock(&m));
	P("trylock", pthread_mutex_trylock(&m));
	P("destroy", pthread_mutex_destroy(&m));

	two[0] = make(PTHREAD_MUTEX_NORMAL, protocol, PTHREAD_MUTEX_ROBUST);
	two[1] = make(PTHREAD_MUTEX_NORMAL, protocol, PTHREAD_MUTEX_ROBUST);
	place = 0;
	t[0] = start(die_with_two, two);
	wait_parked(&place);
	for (int i = 1; i < 4; i++)
		t[i] = start(heir, &two[0]);
	P("waiting for a thread that ends", pthread_mutex_lock(&two[1]));
	pthread_mutex_consistent(&two[1]);
	pthread_mutex_unlock(&two[1]);
	int dead = 0, fine = 0;
	for (int i = 0; i < 4; i++) {
		intptr_t r = (intptr_t)join(t[i]);

		dead += i && r == EOWNERDEAD;
		fine += i && r == 0;
	}
	say("three more wait: %d are told, %d not", dead, fine);
}

static void protect(void)
{
	pthread_mutexattr_t a;
	pthread_mutex_t m;
	int c = -1;

	say("-- PRIO_PROTECT");
	pthread_mutexattr_init(&a);
	P("setprotocol", pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_PROTECT));
	P("setprioceiling", pthread_mutexattr_setprioceiling(&a, 1));
	P("setprioceiling too high", pthread_mutexattr_setprioceiling(&a, 1000));
	P("init", pthread_mutex_init(&m, &a));
	P("getprioceiling", pthread_mutex_getprioceiling(&m, &c));
	say("it is %d", c);
	int r = pthread_mutex_lock(&m);
	say("lock: %s", t_errname(r));
	if (r == 0)
		P("unlock", pthread_mutex_unlock(&m));
}

static void *count_up(void *arg)
{
	pthread_mutex_t *m = arg;

	__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(m);
	counter++;
	pthread_mutex_unlock(m);
	return NULL;
}

static void convoy(void)
{
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	pthread_t t[200];

	say("-- 200 wait");
	counter = 0;
	pthread_mutex_lock(&m);
	for (int i = 0; i < 200; i++)
		t[i] = start(count_up, &m);
	t_until(&running, 200);
	msleep(5);
	say("counted %ld", counter);
	pthread_mutex_unlock(&m);
	for (int i = 0; i < 200; i++)
		join(t[i]);
	say("counted %ld", counter);
}

int main(void)
{
	pthread_mutexattr_t a;

	t_begin();
	for (unsigned i = 0; i < T_LENGTH(kinds); i++)
		kind(&kinds[i]);
	robust(PTHREAD_PRIO_NONE);
	robust(PTHREAD_PRIO_INHERIT);
	protect();
	convoy();
	pthread_mutexattr_init(&a);
	P("settype 99", pthread_mutexattr_settype(&a, 99));
	P("setprotocol 99", pthread_mutexattr_setprotocol(&a, 99));
	P("setrobust 99", pthread_mutexattr_setrobust(&a, 99));
	P("setpshared 99", pthread_mutexattr_setpshared(&a, 99));
	return 0;
}
