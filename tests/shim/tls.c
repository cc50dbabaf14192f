/* tls.c - what belongs to one thread: keys and their destructors, thread-local variables, errno, once */
#include "t.h"
#include <ctype.h>
#include <limits.h>
#include <locale.h>

static pthread_key_t key, chained, limitless;
static int destroyed, chain_left, again;
static __thread int counter = 100;
static __thread char big[8192];
static pthread_once_t once = PTHREAD_ONCE_INIT, slow_once = PTHREAD_ONCE_INIT, retried = PTHREAD_ONCE_INIT;
static int once_runs, slow_runs, tries, place;

static void on_end(void *value)
{
	__atomic_add_fetch(&destroyed, (int)(intptr_t)value, __ATOMIC_SEQ_CST);
}

static void chain(void *value)
{
	chain_left++;
	if ((intptr_t)value > 1)
		pthread_setspecific(chained, (void *)((intptr_t)value - 1));
}

static void for_ever(void *value)
{
	again++;
	pthread_setspecific(limitless, value);
}

static void sleepy(void *value)
{
	int p[2];
	char c = 0;

	msleep(5);
	must_pipe(p);
	(void)!write(p[1], "k", 1);
	(void)!read(p[0], &c, 1);
	close2(p);
	say("a destructor may wait: %c, its value %ld", c, (long)(intptr_t)value);
}

static void *use_keys(void *arg)
{
	pthread_setspecific(key, arg);
	msleep(1);
	if (pthread_getspecific(key) != arg)
		say("wrong value");
	counter += (int)(intptr_t)arg;
	memset(big, (int)(intptr_t)arg, sizeof(big));
	sched_yield();
	msleep(1);
	for (unsigned i = 0; i < sizeof(big); i++)
		if (big[i] != (char)(intptr_t)arg)
			return NULL;
	return (void *)(intptr_t)counter;
}

static void *use_chain(void *arg)
{
	(void)arg;
	pthread_setspecific(chained, (void *)3);
	return NULL;
}

static void *use_limitless(void *arg)
{
	(void)arg;
	pthread_setspecific(limitless, (void *)1);
	return NULL;
}

static void *use_sleepy(void *arg)
{
	pthread_setspecific(*(pthread_key_t *)arg, (void *)77);
	return NULL;
}

static void keys(void)
{
	pthread_key_t all[PTHREAD_KEYS_MAX], slow;
	pthread_t t[50];
	long sum = 0;

	say("-- keys");
	P("create", pthread_key_create(&key, on_end));
	YES("starts as NULL", pthread_getspecific(key) == NULL);
	for (intptr_t i = 0; i < 50; i++)
		t[i] = start(use_keys, (void *)(i + 1));
	for (int i = 0; i < 50; i++)
		sum += (long)join(t[i]);
	say("thread-local sum %ld, destroyed %d, ours %d", sum, destroyed, counter);
	pthread_key_create(&chained, chain);
	join(start(use_chain, NULL));
	say("destructors that set again: %d", chain_left);
	pthread_key_create(&limitless, for_ever);
	join(start(use_limitless, NULL));
	say("without end: %d times", again);
	pthread_key_create(&slow, sleepy);
	join(start(use_sleepy, &slow));
	pthread_key_delete(limitless);
	pthread_key_delete(chained);
	pthread_key_delete(slow);
	P("delete", pthread_key_delete(key));
	P("delete again", pthread_key_delete(key));
	P("setspecific deleted", pthread_setspecific(key, NULL));
	int n = 0, r = 0;
	while (n < PTHREAD_KEYS_MAX && (r = pthread_key_create(&all[n], NULL)) == 0)
		n++;
	say("keys run out after some: %d, with %s", n > 500, t_errname(n < PTHREAD_KEYS_MAX ? r : pthread_key_create(&key, NULL)));
	while (n > 0)
		pthread_key_delete(all[--n]);
}

static void run_once(void)
{
	once_runs++;
}

static void run_slowly(void)
{
	msleep(30);
	slow_runs++;
}

static void run_cancelled(void)
{
	if (tries++ == 0) {
		t_here(&place);
		pause();
	}
}

static void *call_slow(void *arg)
{
	(void)arg;
	pthread_once(&slow_once, run_slowly);
	return (void *)(intptr_t)slow_runs;
}

static void *call_retried(void *arg)
{
	(void)arg;
	pthread_once(&retried, run_cancelled);
	return NULL;
}

static void onces(void)
{
	pthread_t t[20];
	long done = 0;

	say("-- once");
	P("once", pthread_once(&once, run_once));
	P("once again", pthread_once(&once, run_once));
	say("runs %d", once_runs);
	for (int i = 0; i < 20; i++)
		t[i] = start(call_slow, NULL);
	for (int i = 0; i < 20; i++)
		done += (long)join(t[i]);
	say("20 called, ran %d, all saw it done %ld", slow_runs, done);
	t[0] = start(call_retried, NULL);
	wait_parked(&place);
	t[1] = start(call_retried, NULL);
	pthread_cancel(t[0]);
	join(t[0]);
	join(t[1]);
	say("cancelled in the routine: tried %d times", tries);
}

static void *errnos(void *arg)
{
	int p[2], wrong = 0;

	must_pipe(p);
	for (int i = 0; i < 200; i++) {
		errno = 1000 + (int)(intptr_t)arg;
		sched_yield();
		wrong += errno != 1000 + (int)(intptr_t)arg;
		(void)!write(p[1], "x", 1);
		char c;
		(void)!read(p[0], &c, 1);
		wrong += errno != 1000 + (int)(intptr_t)arg;
		if (arg)
			(void)!close(-1);
		sched_yield();
		wrong += errno != (arg ? EBADF : 1000);
	}
	close2(p);
	return (void *)(intptr_t)wrong;
}

static void *locales(void *arg)
{
	locale_t l = newlocale(LC_ALL_MASK, "C", NULL);

	(void)arg;
	uselocale(l);
	msleep(1);
	int same = uselocale(NULL) == l;
	uselocale(LC_GLOBAL_LOCALE);
	freelocale(l);
	int ok = isalpha('x') && strtod("1.5", NULL) == 1.5 && strerror(ENOENT) != NULL;
	return (void *)(intptr_t)(same && ok);
}

static void rest(void)
{
	pthread_t t[10];
	long wrong = 0, good = 0;

	say("-- errno");
	for (intptr_t i = 0; i < 10; i++)
		t[i] = start(errnos, (void *)i);
	for (int i = 0; i < 10; i++)
		wrong += (long)join(t[i]);
	say("wrong %ld", wrong);
	for (int i = 0; i < 10; i++)
		t[i] = start(locales, NULL);
	for (int i = 0; i < 10; i++)
		good += (long)join(t[i]);
	say("own locale kept %ld", good);
}

int main(void)
{
	t_begin();
	keys();
	onces();
	rest();
	return 0;
}
