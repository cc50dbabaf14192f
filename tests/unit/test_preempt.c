/*
 * test_preempt.c - grove_preempt(): every object of the API holds when greenlets are interrupted at any instruction of their own
 *
 * Each case has greenlets that do a thing over and over, with some computing in between, and counts what must come out whatever the
 * order was.  The time is the real one.
 */
#include "sched.h"
#include <errno.h>
#include <grove.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#define GREENLETS	8
#define ROUNDS		10000

static struct shared {
	grove_lock *lock;
	grove_semaphore *semaphore;
	grove_queue *queue, *priorities;
	grove_channel *channel;
	grove_pool *pool;
	grove_event *event;
	atomic_long sum, turns;
	long plain;			/* guarded by .lock */
} s;

static void compute(unsigned n)
{
	for (volatile unsigned i = 0; i < n % 3000; i++)
		continue;
}

static void *locks(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		assert_int_equal(grove_lock_acquire(s.lock, GROVE_FOREVER), 0);
		long was = s.plain;
		compute(i);
		s.plain = was + 1;
		assert_int_equal(grove_lock_release(s.lock), 0);
	}
	return arg;
}

static void *semaphores(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		assert_int_equal(grove_semaphore_acquire(s.semaphore, GROVE_FOREVER), 0);
		assert_in_range(++s.turns, 1, 3);
		compute(i);
		s.turns--;
		assert_int_equal(grove_semaphore_release(s.semaphore), 0);
		s.sum++;
	}
	return arg;
}

static void *puts_items(void *arg)
{
	for (uintptr_t i = 1; i <= ROUNDS; i++) {
		assert_int_equal(grove_queue_put(s.queue, (void *)i, GROVE_FOREVER), 0);
		assert_int_equal(grove_queue_put_priority(s.priorities, (void *)i, (int64_t)(i * 7919 % 100), GROVE_FOREVER), 0);
		compute((unsigned)i);
	}
	return arg;
}

static void *gets_items(void *arg)
{
	void *item;

	for (unsigned i = 0; i < ROUNDS; i++) {
		assert_int_equal(grove_queue_get(s.queue, &item, GROVE_FOREVER), 0);
		s.sum += (long)(uintptr_t)item;
		assert_int_equal(grove_queue_get(s.priorities, &item, GROVE_FOREVER), 0);
		s.sum += (long)(uintptr_t)item;
	}
	return arg;
}

static void *sends(void *arg)
{
	for (uintptr_t i = 1; i <= ROUNDS; i++)
		assert_int_equal(grove_channel_send(s.channel, (void *)i, GROVE_FOREVER), 0);
	return arg;
}

static void *receives(void *arg)
{
	void *item;

	for (unsigned i = 0; i < ROUNDS; i++) {
		assert_int_equal(grove_channel_recv(s.channel, &item, GROVE_FOREVER), 0);
		s.sum += (long)(uintptr_t)item;
		compute(i);
	}
	return arg;
}

static void *one_more(void *arg)
{
	compute((unsigned)(uintptr_t)arg);
	s.sum++;
	return arg;
}

static void *spawns(void *arg)
{
	for (uintptr_t i = 0; i < ROUNDS; i++) {
		grove_greenlet *g = grove_spawn(one_more, (void *)i);

		assert_non_null(g);
		compute((unsigned)i);
		assert_int_equal(grove_join(g, GROVE_FOREVER), 0);
		assert_ptr_equal(grove_value(g), (void *)i);
		grove_release(g);
	}
	return arg;
}

static void *counts(void *arg)
{
	for (uintptr_t i = 1; i <= (uintptr_t)arg; i++) {
		compute((unsigned)i);
		grove_gen_yield((void *)i);
	}
	return NULL;
}

static void *generates(void *arg)
{
	for (unsigned i = 0; i < ROUNDS / 20; i++) {
		grove_generator *gen = grove_generator_new(counts, (void *)20);
		void *v;

		while (grove_gen_next(gen, &v) == 1)
			s.sum += (long)(uintptr_t)v;
		assert_int_equal(grove_generator_free(gen), 0);
	}
	return arg;
}

static void *sleeps(void *arg)
{
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(grove_sleep((int64_t)(i % 10) * 10000), 0);
		s.sum++;
	}
	return arg;
}

static void *uses_pool(void *arg)
{
	void *value;

	for (uintptr_t i = 0; i < ROUNDS / 10; i++) {
		assert_int_equal(grove_pool_apply(s.pool, one_more, (void *)i, &value, GROVE_FOREVER), 0);
		assert_ptr_equal(value, (void *)i);
	}
	return arg;
}

static void *uses_threads(void *arg)
{
	void *value;

	for (uintptr_t i = 0; i < 50; i++) {
		assert_int_equal(grove_to_thread(one_more, (void *)i, &value, GROVE_FOREVER), 0);
		assert_ptr_equal(value, (void *)i);
	}
	return arg;
}

static void *is_killed(void *arg)
{
	for (;;)
		if (grove_event_wait(s.event, GROVE_US(50)) == -1 && errno == ECANCELED)
			return arg;
}

static void *kills(void *arg)
{
	for (unsigned i = 0; i < 100; i++) {
		grove_greenlet *g = grove_spawn(is_killed, NULL);

		compute(i);
		if (i % 2)
			grove_yield();
		assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
		grove_release(g);
		s.sum++;
	}
	return arg;
}

/* @fn in some greenlets, @other in as many */
static void all_of(grove_fn *fn, grove_fn *other)
{
	grove_greenlet *g[2 * GREENLETS];
	size_t n = 0;

	s.sum = 0;
	for (size_t i = 0; i < GREENLETS; i++) {
		g[n++] = grove_spawn(fn, NULL);
		if (other)
			g[n++] = grove_spawn(other, NULL);
	}
	assert_int_equal(grove_joinall(g, n, 0, GROVE_FOREVER, 0), n);
	while (n > 0)
		grove_release(g[--n]);
}

#define SUM_TO(n) ((long)(n) * ((n) + 1) / 2)

static void test_locks(void **state)
{
	(void)state;
	s.plain = 0;
	all_of(locks, semaphores);
	assert_int_equal(s.plain, GREENLETS * ROUNDS);
	assert_int_equal(s.sum, GREENLETS * ROUNDS);
}

static void test_queues(void **state)
{
	(void)state;
	all_of(puts_items, gets_items);
	assert_int_equal(s.sum, 2 * GREENLETS * SUM_TO(ROUNDS));
	all_of(sends, receives);
	assert_int_equal(s.sum, GREENLETS * SUM_TO(ROUNDS));
}

static void test_greenlets(void **state)
{
	(void)state;
	all_of(spawns, sleeps);
	assert_int_equal(s.sum, GREENLETS * (ROUNDS + 100));
	all_of(kills, uses_pool);
	assert_int_equal(s.sum, GREENLETS * (100 + ROUNDS / 10));
}

static void test_generators(void **state)
{
	(void)state;
	all_of(generates, NULL);
	assert_int_equal(s.sum, GREENLETS * (ROUNDS / 20) * SUM_TO(20));
}

static void test_threads(void **state)
{
	(void)state;
	all_of(uses_threads, spawns);
	assert_int_equal(s.sum, GREENLETS * (50 + ROUNDS));
}

/* Was it about anything? */
static void test_were_interrupted(void **state)
{
	(void)state;
	assert_true(gr_carrier()->stats.preempted > 0);
}

static int make(void **state)
{
	(void)state;
	s.lock = grove_lock_new();
	s.semaphore = grove_semaphore_new(3);
	s.queue = grove_queue_new(5);
	s.priorities = grove_queue_new_priority(0, NULL);
	s.channel = grove_channel_new(0);
	s.pool = grove_pool_new(4);
	s.event = grove_event_new();
	return grove_preempt(GROVE_MS(1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_locks), cmocka_unit_test(test_queues), cmocka_unit_test(test_greenlets),
		cmocka_unit_test(test_generators), cmocka_unit_test(test_threads),
		cmocka_unit_test(test_were_interrupted),
	};

	return cmocka_run_group_tests(tests, make, NULL);
}
