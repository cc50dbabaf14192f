/* cond.c - condition variables: hand-offs by the thousand, time limits on both clocks, nobody lost */
#include "t.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;

static void limits(void)
{
	pthread_condattr_t a;
	pthread_cond_t mono;
	struct timespec t;

	P("attr init", pthread_condattr_init(&a));
	P("attr setclock", pthread_condattr_setclock(&a, CLOCK_MONOTONIC));
	P("attr setclock bad", pthread_condattr_setclock(&a, CLOCK_THREAD_CPUTIME_ID));
	P("init", pthread_cond_init(&mono, &a));
	pthread_mutex_lock(&m);
	t = in(CLOCK_REALTIME, 20);
	P("timedwait", pthread_cond_timedwait(&c, &m, &t));
	t = in(CLOCK_MONOTONIC, 20);
	long long before = now_ns();
	P("timedwait, monotonic", pthread_cond_timedwait(&mono, &m, &t));
	YES("at least", now_ns() - before >= 19000000);
	t = in(CLOCK_MONOTONIC, 10);
	P("clockwait monotonic", pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &t));
	t = in(CLOCK_REALTIME, 10);
	P("clockwait realtime", pthread_cond_clockwait(&mono, &m, CLOCK_REALTIME, &t));
	P("clockwait bad clock", pthread_cond_clockwait(&c, &m, 77, &t));
	t = in(CLOCK_REALTIME, -1000);
	P("timedwait in the past", pthread_cond_timedwait(&c, &m, &t));
	t.tv_nsec = 1000000000;
	P("timedwait bad time", pthread_cond_timedwait(&c, &m, &t));
	t = (struct timespec){ -1, 0 };
	P("timedwait before 1970", pthread_cond_timedwait(&c, &m, &t));
	P("signal, nobody", pthread_cond_signal(&c));
	P("broadcast, nobody", pthread_cond_broadcast(&c));
	t = in(CLOCK_REALTIME, 10);
	P("a signal is not kept", pthread_cond_timedwait(&c, &m, &t));
	P("we still hold the mutex", pthread_mutex_trylock(&m));
	pthread_mutex_unlock(&m);
	P("destroy", pthread_cond_destroy(&mono));
}

/* --- ping-pong --- */

static int turn;
static long rounds;

static void *player(void *arg)
{
	int me = (int)(intptr_t)arg;

	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&m);
		while (turn != me)
			pthread_cond_wait(&c, &m);
		rounds++;
		turn = !me;
		pthread_cond_signal(&c);
		pthread_mutex_unlock(&m);
	}
	return NULL;
}

static void ping_pong(void)
{
	pthread_t a = start(player, (void *)0), b = start(player, (void *)1);

	join(a);
	join(b);
	say("hand-offs: %ld", rounds);
}

/* --- ring: each of twenty wakes the next --- */

#define RING 20

static pthread_cond_t ring[RING];
static int token = -1;

static void *ringer(void *arg)
{
	int me = (int)(intptr_t)arg;

	for (int i = 0; i < 200; i++) {
		pthread_mutex_lock(&m);
		while (token != me)
			pthread_cond_wait(&ring[me], &m);
		token = (me + 1) % RING;
		rounds++;
		pthread_mutex_unlock(&m);
		pthread_cond_signal(&ring[(me + 1) % RING]);
	}
	return NULL;
}

static void round_trip(void)
{
	pthread_t t[RING];

	rounds = 0;
	for (int i = 0; i < RING; i++)
		pthread_cond_init(&ring[i], NULL);
	for (int i = 0; i < RING; i++)
		t[i] = start(ringer, (void *)(intptr_t)i);
	pthread_mutex_lock(&m);
	token = 0;
	pthread_mutex_unlock(&m);
	pthread_cond_signal(&ring[0]);
	for (int i = 0; i < RING; i++)
		join(t[i]);
	say("ring: %ld", rounds);
}

/* --- broadcast --- */

static int waiting, gate, passed;

static void *passer(void *arg)
{
	struct timespec t = in(CLOCK_REALTIME, 30000);
	int r = 0;

	pthread_mutex_lock(&m);
	waiting++;
	while (!gate && r == 0)
		r = arg ? pthread_cond_timedwait(&c, &m, &t) : pthread_cond_wait(&c, &m);
	passed += r == 0;
	pthread_mutex_unlock(&m);
	return NULL;
}

static void broadcasts(void)
{
	for (int timed = 0; timed < 2; timed++) {
		pthread_t t[100];

		waiting = gate = passed = 0;
		for (int i = 0; i < 100; i++)
			t[i] = start(passer, (void *)(intptr_t)timed);
		for (int n = 0; n < 100;) {
			msleep(1);
			pthread_mutex_lock(&m);
			n = waiting;
			pthread_mutex_unlock(&m);
		}
		pthread_mutex_lock(&m);
		gate = 1;
		pthread_cond_broadcast(&c);
		say("passed %d", passed);
		pthread_mutex_unlock(&m);
		for (int i = 0; i < 100; i++)
			join(t[i]);
		say("passed %d", passed);
	}
}

/* --- a bounded queue, several at each end --- */

static int queue[4], used, at;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static long put_sum, got_sum;

static void *producer(void *arg)
{
	int base = (int)(intptr_t)arg * 1000;

	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&m);
		while (used == 4)
			pthread_cond_wait(&not_full, &m);
		queue[(at + used++) % 4] = base + i;
		put_sum += base + i;
		pthread_cond_signal(&not_empty);
		pthread_mutex_unlock(&m);
	}
	return NULL;
}

static void *consumer(void *arg)
{
	(void)arg;
	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&m);
		while (used == 0)
			pthread_cond_wait(&not_empty, &m);
		got_sum += queue[at];
		at = (at + 1) % 4;
		used--;
		pthread_cond_signal(&not_full);
		pthread_mutex_unlock(&m);
		if (i % 100 == 0)
			msleep(1);
	}
	return NULL;
}

static void bounded(void)
{
	pthread_t p[4], q[4];

	for (intptr_t i = 0; i < 4; i++) {
		p[i] = start(producer, (void *)i);
		q[i] = start(consumer, NULL);
	}
	for (int i = 0; i < 4; i++) {
		join(p[i]);
		join(q[i]);
	}
	say("put %ld, got %ld, left %d", put_sum, got_sum, used);
}

/* --- destroy right after broadcast --- */

struct once {
	pthread_mutex_t m;
	pthread_cond_t c;
	int ready, left;
};

static void *once_waiter(void *arg)
{
	struct once *o = arg;

	pthread_mutex_lock(&o->m);
	while (!o->ready)
		pthread_cond_wait(&o->c, &o->m);
	o->left--;
	pthread_mutex_unlock(&o->m);
	return NULL;
}

static void destroys(void)
{
	for (int round = 0; round < 50; round++) {
		struct once *o = calloc(1, sizeof(*o));
		pthread_t t[4];

		pthread_mutex_init(&o->m, NULL);
		pthread_cond_init(&o->c, NULL);
		o->left = 4;
		for (int i = 0; i < 4; i++)
			t[i] = start(once_waiter, o);
		sched_yield();
		pthread_mutex_lock(&o->m);
		o->ready = 1;
		pthread_cond_broadcast(&o->c);
		pthread_mutex_unlock(&o->m);
		pthread_cond_destroy(&o->c);	/* waits until those woken have left */
		for (int i = 0; i < 4; i++)
			join(t[i]);
		if (o->left)
			say("left %d", o->left);
		free(o);
	}
	say("destroyed 50");
}

/* --- with other kinds of mutex --- */

static void *typed_waiter(void *arg)
{
	pthread_mutex_t *tm = arg;

	pthread_mutex_lock(tm);
	while (!gate)
		pthread_cond_wait(&c, tm);
	passed++;
	pthread_mutex_unlock(tm);
	return NULL;
}

static void typed(void)
{
	static const int types[] = { PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ADAPTIVE_NP };

	for (unsigned i = 0; i < 2 * T_LENGTH(types); i++) {
		pthread_mutexattr_t a;
		pthread_mutex_t tm;
		pthread_t t[5];

		pthread_mutexattr_init(&a);
		pthread_mutexattr_settype(&a, types[i % T_LENGTH(types)]);
		pthread_mutexattr_setprotocol(&a, i < T_LENGTH(types) ? PTHREAD_PRIO_NONE : PTHREAD_PRIO_INHERIT);
		pthread_mutex_init(&tm, &a);
		gate = passed = 0;
		for (int k = 0; k < 5; k++)
			t[k] = start(typed_waiter, &tm);
		msleep(5);
		pthread_mutex_lock(&tm);
		gate = 1;
		pthread_cond_broadcast(&c);
		pthread_mutex_unlock(&tm);
		for (int k = 0; k < 5; k++)
			join(t[k]);
		say("type %d: passed %d", i, passed);
	}
}

int main(void)
{
	t_begin();
	limits();
	ping_pong();
	round_trip();
	broadcasts();
	bounded();
	destroys();
	typed();
	return 0;
}
