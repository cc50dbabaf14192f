/*
 * st.c - State Threads
 * Needs: libst-dev
 * Build: -lst
 *
 * It has no semaphores and no channels; both are made of its condition variables, which need no lock among threads that are not
 * preempted.
 */
#include "../sides.h"
#include <poll.h>
#include <st.h>
#include <string.h>
#include <unistd.h>

#define STACK	65536

static long rounds;

static void begin(void)
{
	st_set_eventsys(ST_EVENTSYS_ALT);
	if (strcmp(st_get_eventsys_name(), "epoll") != 0)	/* not in every build of it; what it has then is select */
		st_set_eventsys(ST_EVENTSYS_POLL);
	BENCH_CHECK(st_init() == 0);
}

static double two(void *(*a)(void *), void *(*b)(void *))
{
	st_thread_t other = st_thread_create(b, (void *)1, 1, STACK);
	double from = bench_now(CLOCK_PROCESS_CPUTIME_ID);

	BENCH_CHECK(other);
	a((void *)0);
	BENCH_CHECK(st_thread_join(other, NULL) == 0);
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

/* --- a turn ---------------------------------------------------------------------------------------------------------------- */

static struct semaphore {
	st_cond_t changed;
	int count;
} turn[2];

static void *passes_on(void *arg)
{
	struct semaphore *mine = &turn[(long)arg], *other = &turn[!(long)arg];

	for (long i = 0; i < rounds; i++) {
		while (mine->count == 0)
			st_cond_wait(mine->changed);
		mine->count--;
		other->count++;
		st_cond_signal(other->changed);
	}
	return NULL;
}

static double run_semaphore(long n)
{
	begin();
	rounds = (n + 1) / 2;
	for (int i = 0; i < 2; i++)
		turn[i] = (struct semaphore){ st_cond_new(), i == 0 };
	return two(passes_on, passes_on);
}

static st_cond_t changed;
static st_mutex_t lock;
static int whose;

static void *plays(void *arg)
{
	int me = (int)(long)arg;

	for (long i = 0; i < rounds; i++) {
		st_mutex_lock(lock);
		while (whose != me) {
			st_mutex_unlock(lock);
			st_cond_wait(changed);
			st_mutex_lock(lock);
		}
		whose = !me;
		st_cond_signal(changed);
		st_mutex_unlock(lock);
	}
	return NULL;
}

static double run_condition(long n)
{
	begin();
	rounds = (n + 1) / 2;
	changed = st_cond_new();
	lock = st_mutex_new();
	return two(plays, plays);
}

/* --- a place for one item -------------------------------------------------------------------------------------------------- */

static st_cond_t brought, taken;
static long item;		/* 0: none */

static void *sends(void *arg)
{
	for (long i = 1; i <= rounds; i++) {
		item = i;
		st_cond_signal(brought);
		while (item)
			st_cond_wait(taken);
	}
	return arg;
}

static void *receives(void *arg)
{
	for (long i = 1; i <= rounds; i++) {
		while (!item)
			st_cond_wait(brought);
		BENCH_CHECK(item == i);
		item = 0;
		st_cond_signal(taken);
	}
	return arg;
}

static double run_channel(long n)
{
	begin();
	rounds = n;
	brought = st_cond_new();
	taken = st_cond_new();
	return two(receives, sends);
}

/* --- create and join ------------------------------------------------------------------------------------------------------- */

static void *same(void *arg)
{
	return arg;
}

static double run_create(long n)
{
	double from;

	begin();
	from = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	for (long i = 0; i < n; i++) {
		st_thread_t thread = st_thread_create(same, &from, 1, STACK);
		void *value;

		BENCH_CHECK(thread && st_thread_join(thread, &value) == 0 && value == &from);
	}
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

/* --- many ------------------------------------------------------------------------------------------------------------------ */

static long there;
static st_netfd_t in;

static void *reads(void *arg)
{
	char byte;

	there++;
	st_read(in, &byte, 1, ST_UTIME_NO_TIMEOUT);
	return arg;
}

static void *rests(void *arg)
{
	there++;
	st_sleep(1000);
	return arg;
}

/* As many as can be made: each stack is a mapping with guards, and there cannot be more than vm.max_map_count of these */
static double park(long n, void *(*fn)(void *))
{
	int ends[2];
	long made;

	begin();
	BENCH_CHECK(pipe(ends) == 0 && (in = st_netfd_open(ends[0])));
	for (made = 0; made < n; made++)
		if (!st_thread_create(fn, NULL, 0, STACK))
			break;
	while (there < made)
		st_usleep(1000);
	bench_parked(made);
	_exit(0);
}

static double run_read(long n)
{
	return park(n, reads);
}

static double run_sleep(long n)
{
	return park(n, rests);
}

static long sleepers;

static void *sleeps(void *arg)
{
	double from = bench_now(CLOCK_MONOTONIC);

	st_usleep((st_utime_t)bench_length((long)arg, sleepers) / 1000);
	bench_woke((long)arg, from, bench_length((long)arg, sleepers));
	there--;
	return NULL;
}

static double run_sleepers(long n)
{
	double from, took;
	long made;

	begin();
	sleepers = n;
	bench_late_new(n);
	from = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	for (made = 0; made < n; made++) {
		if (!st_thread_create(sleeps, (void *)made, 0, STACK))
			break;
		there++;
	}
	while (there > 0)
		st_usleep(100000);
	took = bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
	printf("made %ld\n", made);
	bench_print_late(made);
	return took * (double)n / (double)made;
}

/* --- late ------------------------------------------------------------------------------------------------------------------ */

static void *works(void *arg)
{
	while (!bench_stop) {
		bench_work();
		st_usleep(BENCH_REST / 1000);
	}
	return arg;
}

static double run_late(long n)
{
	double begun;

	begin();
	bench_late_new(n);
	bench_find_work();
	for (long i = 0; i < bench_args[1]; i++)
		BENCH_CHECK(st_thread_create(works, NULL, 0, STACK));
	begun = bench_now(CLOCK_MONOTONIC);
	for (long i = 0; i < n; i++) {
		double from = bench_now(CLOCK_MONOTONIC);

		st_usleep((st_utime_t)bench_args[0]);
		bench_woke(i, from, bench_args[0] * 1000);
	}
	bench_print_late(n);
	return bench_now(CLOCK_MONOTONIC) - begun;
}

BENCH_MAIN(10000, { "semaphore", run_semaphore }, { "condition", run_condition }, { "channel", run_channel },
	   { "create", run_create }, { "read", run_read }, { "sleep", run_sleep }, { "sleepers", run_sleepers },
	   { "late", run_late })
