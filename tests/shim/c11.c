/* c11.c - the threads of <threads.h> */
#include "t.h"
#include <threads.h>

static mtx_t m;
static cnd_t c;
static tss_t key;
static once_flag once = ONCE_FLAG_INIT;
static int turn, rounds, once_runs, destroyed;
static thread_local int mine = 3;

static const char *name(int r)
{
	switch (r) {
	case thrd_success: return "success";
	case thrd_busy: return "busy";
	case thrd_timedout: return "timedout";
	case thrd_nomem: return "nomem";
	case thrd_error: return "error";
	default: return "?";
	}
}

static struct timespec soon(int ms)
{
	return in(CLOCK_REALTIME, ms);
}

static int add_up(void *arg)
{
	mine += *(int *)arg;
	thrd_yield();
	return mine;
}

static int leave(void *arg)
{
	(void)arg;
	thrd_exit(-12);
}

static int player(void *arg)
{
	int me = *(int *)arg;

	for (int i = 0; i < 1000; i++) {
		mtx_lock(&m);
		while (turn != me)
			cnd_wait(&c, &m);
		rounds++;
		turn = !me;
		cnd_broadcast(&c);
		mtx_unlock(&m);
	}
	return me;
}

static void run_once(void)
{
	struct timespec t = { 0, 2000000 };

	thrd_sleep(&t, NULL);
	once_runs++;
}

static int call(void *arg)
{
	(void)arg;
	call_once(&once, run_once);
	return once_runs;
}

static void on_end(void *value)
{
	__atomic_add_fetch(&destroyed, *(int *)value, __ATOMIC_SEQ_CST);
}

static int use_key(void *arg)
{
	tss_set(key, arg);
	thrd_yield();
	return tss_get(key) == arg;
}

static int try_it(void *arg)
{
	struct timespec t = soon(10);

	(void)arg;
	say("  other: trylock %s", name(mtx_trylock(&m)));
	say("  other: timedlock %s", name(mtx_timedlock(&m, &t)));
	return 0;
}

static int detached(void *arg)
{
	__atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static int ids[2] = { 0, 1 };

static void threads(void)
{
	thrd_t t, u;
	int r = 0, sum = 0, n = 0;

	for (int i = 1; i <= 10; i++) {
		say("create %s", name(thrd_create(&t, add_up, &i)));
		thrd_join(t, &r);
		sum += r;
	}
	say("sum %d, ours %d", sum, mine);
	thrd_create(&t, leave, NULL);
	say("join %s", name(thrd_join(t, &r)));
	say("thrd_exit %d", r);
	say("equal %d %d", !!thrd_equal(thrd_current(), thrd_current()), !!thrd_equal(t, thrd_current()));
	thrd_create(&t, detached, &n);
	say("detach %s", name(thrd_detach(t)));
	t_until(&n, 1);
	struct timespec s = { 0, 5000000 }, bad = { 0, -1 };
	say("sleep %d", thrd_sleep(&s, NULL));
	say("sleep, no time: %d", thrd_sleep(&bad, NULL) < 0);
	mtx_init(&m, mtx_plain);
	cnd_init(&c);
	thrd_create(&t, player, &ids[0]);
	thrd_create(&u, player, &ids[1]);
	thrd_join(t, NULL);
	thrd_join(u, NULL);
	say("hand-offs %d", rounds);
	struct timespec limit = soon(10);
	mtx_lock(&m);
	say("cnd_timedwait %s", name(cnd_timedwait(&c, &m, &limit)));
	mtx_unlock(&m);
	cnd_destroy(&c);
	mtx_destroy(&m);
}

static void mutexes(void)
{
	static const int kinds[] = { mtx_plain, mtx_timed, mtx_recursive, mtx_timed | mtx_recursive };
	thrd_t t;

	for (unsigned i = 0; i < T_LENGTH(kinds); i++) {
		say("init %s", name(mtx_init(&m, kinds[i])));
		say("lock %s", name(mtx_lock(&m)));
		say("trylock %s", name(mtx_trylock(&m)));
		if (kinds[i] & mtx_recursive)
			say("unlock %s", name(mtx_unlock(&m)));
		thrd_create(&t, try_it, NULL);
		thrd_join(t, NULL);
		say("unlock %s", name(mtx_unlock(&m)));
		mtx_destroy(&m);
	}
	say("init of no kind: %s", name(mtx_init(&m, 99)));
}

static void keys(void)
{
	thrd_t t[10];
	int values[10], good = 0, r;

	say("create %s", name(tss_create(&key, on_end)));
	for (int i = 0; i < 10; i++) {
		values[i] = i + 1;
		thrd_create(&t[i], use_key, &values[i]);
	}
	for (int i = 0; i < 10; i++) {
		thrd_join(t[i], &r);
		good += r;
	}
	say("good %d, destroyed %d", good, destroyed);
	tss_delete(key);
	good = 0;
	for (int i = 0; i < 10; i++)
		thrd_create(&t[i], call, NULL);
	for (int i = 0; i < 10; i++) {
		thrd_join(t[i], &r);
		good += r;
	}
	say("once: ran %d, seen by %d", once_runs, good);
}

int main(void)
{
	t_begin();
	threads();
	mutexes();
	keys();
	return 0;
}
