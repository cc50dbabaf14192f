/* shared_locks.c - locks in memory that processes share, bare ones and such under grove, with threads at both ends; owners that die */
#include "mixed.h"
#include <linux/futex.h>
#include <semaphore.h>
#include <sys/syscall.h>

#define THREADS	3
#define ROUNDS	100

enum { PLAIN, ROBUST, PI, PI_ROBUST, KINDS };
static const char *const kinds[] = { "plain", "robust", "PI", "PI robust" };

static struct region {
	pthread_mutex_t lock[KINDS];
	pthread_cond_t cond;
	pthread_barrier_t barrier;
	pthread_rwlock_t rw;
	sem_t ping, pong, held, waits;
	int turn, place, said;
	long counter[KINDS], written, met, turns, played;
	uint32_t word;
	int passed;
} *r;

static void set_up(void)
{
	pthread_mutexattr_t m;
	pthread_condattr_t c;
	pthread_barrierattr_t b;
	pthread_rwlockattr_t w;

	memset(r, 0, sizeof(*r));
	for (int kind = 0; kind < KINDS; kind++) {
		pthread_mutexattr_init(&m);
		pthread_mutexattr_setpshared(&m, PTHREAD_PROCESS_SHARED);
		if (kind == ROBUST || kind == PI_ROBUST)
			pthread_mutexattr_setrobust(&m, PTHREAD_MUTEX_ROBUST);
		if (kind == PI || kind == PI_ROBUST)
			pthread_mutexattr_setprotocol(&m, PTHREAD_PRIO_INHERIT);
		pthread_mutex_init(&r->lock[kind], &m);
	}
	pthread_condattr_init(&c);
	pthread_condattr_setpshared(&c, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&r->cond, &c);
	pthread_barrierattr_init(&b);
	pthread_barrierattr_setpshared(&b, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&r->barrier, &b, 2 * THREADS);
	pthread_rwlockattr_init(&w);
	pthread_rwlockattr_setpshared(&w, PTHREAD_PROCESS_SHARED);
	pthread_rwlock_init(&r->rw, &w);
	sem_init(&r->ping, 1, 0);
	sem_init(&r->pong, 1, 0);
	sem_init(&r->held, 1, 0);
	sem_init(&r->waits, 1, 0);
}

/* --- work by all ------------------------------------------------------------------------------------------------------------ */

static void *count(void *arg)
{
	(void)arg;
	for (int kind = 0; kind < KINDS; kind++) {
		pthread_barrier_wait(&r->barrier);
		for (int i = 0; i < ROUNDS; i++) {
			if (pthread_mutex_lock(&r->lock[kind]))
				say("no lock");
			long n = r->counter[kind];
			if (i % 10 == 0)
				sched_yield();
			r->counter[kind] = n + 1;
			if (pthread_mutex_unlock(&r->lock[kind]))
				say("no unlock");
		}
	}
	for (int i = 0; i < ROUNDS; i++) {
		pthread_rwlock_wrlock(&r->rw);
		r->written++;
		pthread_rwlock_unlock(&r->rw);
		pthread_rwlock_rdlock(&r->rw);
		pthread_rwlock_unlock(&r->rw);
	}
	for (int i = 0; i < 20; i++)
		if (pthread_barrier_wait(&r->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
			__atomic_add_fetch(&r->met, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void take_turns(int me)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&r->lock[PLAIN]);
		while (r->turn != me)
			pthread_cond_wait(&r->cond, &r->lock[PLAIN]);
		r->turns++;
		r->turn = !me;
		pthread_cond_broadcast(&r->cond);
		pthread_mutex_unlock(&r->lock[PLAIN]);
	}
	for (int i = 0; i < ROUNDS; i++) {
		sem_post(me ? &r->ping : &r->pong);
		sem_wait(me ? &r->pong : &r->ping);
	}
}

/* The main thread works as one of them. */
static void work(int me)
{
	pthread_t t[THREADS];

	for (int i = 1; i < THREADS; i++)
		t[i] = start(count, NULL);
	count(NULL);
	for (int i = 1; i < THREADS; i++)
		join(t[i]);
	take_turns(me);
}

static void all(const char *one, const char *two, int fd)
{
	set_up();
	pid_t a = other("first", one, fd), b = other("second", two, fd);
	int status = t_reap(a);

	status |= t_reap(b);
	say("-- %s and %s: %d", one, two, status);
	for (int kind = 0; kind < KINDS; kind++)
		say("%s %ld", kinds[kind], r->counter[kind]);
	say("rwlock %ld, barrier %ld, cond %ld", r->written, r->met, r->turns);
}

/* --- owners that die ---------------------------------------------------------------------------------------------------------- */

static void *hold(void *kind)
{
	pthread_mutex_lock(&r->lock[(intptr_t)kind]);
	return NULL;
}

static void *hold_on(void *kind)
{
	hold(kind);
	sem_post(&r->held);
	msleep(100000);
	return NULL;
}

static void *hold_until_waits(void *kind)
{
	hold(kind);
	sem_post(&r->held);
	sem_wait(&r->waits);
	msleep(20);
	return NULL;
}

static void holder(const char *how)
{
	void *kind = (void *)(intptr_t)(strncmp(how, "pi ", 3) == 0 ? PI_ROBUST : ROBUST);

	how += kind == (void *)PI_ROBUST ? 3 : 0;
	if (strcmp(how, "main is killed") == 0)
		hold_on(kind);
	else if (strcmp(how, "a thread is killed") == 0)
		join(start(hold_on, kind));
	else if (strcmp(how, "a thread ends") == 0)
		join(start(hold_until_waits, kind));
	else
		hold_until_waits(kind);		/* and main ends */
}

static void *lock_dead(void *kind)
{
	pthread_mutex_t *m = &r->lock[(intptr_t)kind];
	int e;

	sem_post(&r->waits);
	e = pthread_mutex_lock(m);
	say("the next owner: %s", t_errname(e));
	if (e == EOWNERDEAD)
		say("made good: %s", t_errname(pthread_mutex_consistent(m)));
	say("unlock: %s", t_errname(pthread_mutex_unlock(m)));
	return NULL;
}

static void waiter(const char *who)
{
	void *kind = (void *)(intptr_t)(strncmp(who, "pi ", 3) == 0 ? PI_ROBUST : ROBUST);

	if (strstr(who, "main"))
		lock_dead(kind);
	else
		join(start(lock_dead, kind));
}

/* --- owners that live on ------------------------------------------------------------------------------------------------------ */

static void *try_all(void *arg)
{
	(void)arg;
	for (int kind = 0; kind < KINDS; kind++) {
		struct timespec soon = in(CLOCK_REALTIME, 10), past = in(CLOCK_REALTIME, -10);

		say("%s: try %s, 10 ms %s, past %s", kinds[kind], t_errname(pthread_mutex_trylock(&r->lock[kind])),
		    t_errname(pthread_mutex_timedlock(&r->lock[kind], &soon)), t_errname(pthread_mutex_timedlock(&r->lock[kind], &past)));
	}
	return NULL;
}

static void *hold_all(void *arg)
{
	for (int kind = 0; kind < KINDS; kind++)
		pthread_mutex_lock(&r->lock[kind]);
	sem_post(&r->held);
	while (sem_wait(&r->waits) == -1)
		continue;
	for (int kind = 0; kind < KINDS; kind++)
		pthread_mutex_unlock(&r->lock[kind]);
	return arg;
}

static void lives(const char *one, const char *two, int fd)
{
	for (int main_holds = 0; main_holds < 2; main_holds++) {
		set_up();
		say("-- held by %s, tried by %s", one, two);
		pid_t a = other(main_holds ? "keeps" : "a thread keeps", one, fd);
		sem_wait(&r->held);
		pid_t b = other("tries", two, fd);
		int tries = t_reap(b);
		sem_post(&r->waits);
		say("holder %d, the other %d", t_reap(a), tries);
	}
}

static void deaths(const char *one, const char *two, int fd)
{
	static const char *const ways[] = { "main ends", "main is killed", "a thread ends", "a thread is killed", "pi main ends",
					    "pi main is killed", "pi a thread ends", "pi a thread is killed" };

	for (size_t i = 0; i < T_LENGTH(ways); i++) {
		char role[64], role2[64];

		say("-- %s, %s waits: %s", one, two, ways[i]);
		set_up();
		snprintf(role, sizeof(role), "holder %s", ways[i]);
		snprintf(role2, sizeof(role2), "waiter %s%s", strncmp(ways[i], "pi ", 3) == 0 ? "pi " : "", i % 2 ? "main" : "thread");
		pid_t a = other(role, one, fd);
		sem_wait(&r->held);
		pid_t b = other(role2, two, fd);
		if (strstr(ways[i], "killed")) {
			sem_wait(&r->waits);
			msleep(20);
			kill(a, SIGKILL);
		}
		int holder = t_reap(a), waiter = t_reap(b);

		say("holder %d, waiter %d", holder, waiter);
	}
}

/* --- a PI lock that is marked as wanted while one lets go of it --------------------------------------------------------------- */

#define MARKS	3000

static bool change(uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(&r->word, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static long futex(int op)
{
	return syscall(SYS_futex, &r->word, op, 0, NULL, NULL, 0);
}

/* What a waiter or a FUTEX_TRYLOCK_PI does, a little later each time: whoever lets go may have read the word before, and must try again. */
static void mark(int i)
{
	while (__atomic_load_n(&r->passed, __ATOMIC_SEQ_CST) == i) {
		uint32_t v = __atomic_load_n(&r->word, __ATOMIC_SEQ_CST);

		if (!v || v & FUTEX_WAITERS) {
			sched_yield();
			continue;
		}
		for (volatile int n = i % 100 * 5; n > 0; n--)
			continue;
		change(v, v | FUTEX_WAITERS);
	}
}

static void marker(void)
{
	uint32_t me = (uint32_t)getpid();

	for (int i = 0; i < MARKS; i++) {
		if (!change(0, me))
			fail("not free");
		sem_post(&r->held);
		while (__atomic_load_n(&r->word, __ATOMIC_SEQ_CST) == me)
			sched_yield();
		if (futex(FUTEX_UNLOCK_PI))
			fail("FUTEX_UNLOCK_PI");
		mark(i);
	}
}

static void marked(int fd)
{
	uint32_t me = (uint32_t)getpid();

	set_up();
	pid_t pid = other("marker", "bare", fd);
	for (int i = 0; i < MARKS; i++) {
		while (sem_wait(&r->held) == -1)
			continue;
		if (futex(FUTEX_LOCK_PI)) {
			say("lock: %s", t_errname(errno));
			MUST(kill(pid, SIGKILL));
			break;
		}
		if (!change(me, 0) && futex(FUTEX_UNLOCK_PI))
			fail("FUTEX_UNLOCK_PI");
		__atomic_add_fetch(&r->passed, 1, __ATOMIC_SEQ_CST);
	}
	say("-- marked: %d, marker %d", r->passed, t_reap(pid));
}

/* --- more waiters than grove has threads for calls that wait ------------------------------------------------------------------ */

#define CROWD	1500

static int here;

static void *one_of_many(void *arg)
{
	(void)arg;
	if (__atomic_add_fetch(&here, 1, __ATOMIC_SEQ_CST) == CROWD)
		sem_post(&r->held);
	while (sem_wait(&r->ping) == -1)
		continue;
	__atomic_add_fetch(&r->met, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void crowd(int fd)
{
	static pthread_t t[CROWD];
	pthread_attr_t a;

	set_up();
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 64 * 1024);
	pid_t pid = other("poster", "bare", fd);
	for (int i = 0; i < CROWD; i++)
		if (pthread_create(&t[i], &a, one_of_many, NULL))
			fail("pthread_create");
	for (int i = 0; i < CROWD; i++)
		join(t[i]);
	say("-- a crowd: %ld, poster %d", r->met, t_reap(pid));
}

static void post(void)
{
	sem_wait(&r->held);
	for (int i = 0; i < CROWD; i++)
		sem_post(&r->ping);
}

int main(int argc, char **argv)
{
	int fd;

	t_begin();
	if (argc == 3) {
		r = shared_by(argv[2], sizeof(*r));
		if (strncmp(argv[1], "holder ", 7) == 0)
			holder(argv[1] + 7);
		else if (strncmp(argv[1], "waiter ", 7) == 0)
			waiter(argv[1] + 7);
		else if (strcmp(argv[1], "poster") == 0)
			post();
		else if (strcmp(argv[1], "marker") == 0)
			marker();
		else if (strcmp(argv[1], "keeps") == 0)
			hold_all(NULL);
		else if (strcmp(argv[1], "a thread keeps") == 0)
			join(start(hold_all, NULL));
		else if (strcmp(argv[1], "tries") == 0)
			join(start(try_all, try_all(NULL)));
		else
			work(strcmp(argv[1], "first") == 0);
		return 0;
	}
	r = shared_memory(sizeof(*r), &fd);
	for (size_t i = 0; i < T_LENGTH(mixtures); i++)
		all(mixtures[i][0], mixtures[i][1], fd);
	for (size_t i = 0; i < T_LENGTH(mixtures); i++)
		lives(mixtures[i][0], mixtures[i][1], fd);
	for (size_t i = 0; i < T_LENGTH(mixtures); i++)
		deaths(mixtures[i][0], mixtures[i][1], fd);
	marked(fd);
	crowd(fd);
	return 0;
}
