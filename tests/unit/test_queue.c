/*
 * test_queue.c - grove/queue.h
 */
#include "api.h"
#include <pthread.h>
#include <signal.h>

static grove_queue *queue;

#define ITEM(n) ((void *)(intptr_t)(n))

static void *puts_it(void *arg)
{
	int r = grove_queue_put(queue, arg, GROVE_FOREVER);

	note("put %d %s", (int)(intptr_t)arg, r == 0 ? "ok" : strerrorname_np(errno));
	return NULL;
}

static void *puts_for_10ms(void *arg)
{
	int r = grove_queue_put(queue, arg, GROVE_MS(10));

	note("put %d %s", (int)(intptr_t)arg, r == 0 ? "ok" : strerrorname_np(errno));
	return NULL;
}

static void note_item(const char *name, int r, void *item)
{
	if (r == 0)
		note("%s %d", name, (int)(intptr_t)item);
	else
		note("%s %s", name, strerrorname_np(errno));
}

static void *gets(void *arg)
{
	void *item = NULL;
	int r = grove_queue_get(queue, &item, GROVE_FOREVER);

	note_item(arg, r, item);
	return NULL;
}

static void *gets_for_10ms(void *arg)
{
	void *item = NULL;
	int r = grove_queue_get(queue, &item, GROVE_MS(10));

	note_item(arg, r, item);
	return NULL;
}

static void *peeks(void *arg)
{
	void *item = NULL;
	int r = grove_queue_peek(queue, &item, GROVE_FOREVER);

	note_item(arg, r, item);
	return NULL;
}

/* What get gives until there is nothing more */
static void note_all(void)
{
	void *item;

	while (grove_queue_get_nowait(queue, &item) == 0)
		note("%d", (int)(intptr_t)item);
}

/* --- order --------------------------------------------------------------------------------------------------------------------------- */

static int last_digit(const void *a, const void *b)
{
	return (int)((intptr_t)a % 10 - (intptr_t)b % 10);
}

static int last_digit_and_waits(const void *a, const void *b)
{
	grove_yield();
	return last_digit(a, b);
}

static void test_orders(void **state)
{
	grove_queue *const queues[] = {
		grove_queue_new(0),
		grove_queue_new_lifo(0),
		grove_queue_new_priority(0, NULL),
		grove_queue_new_priority(0, last_digit),
		grove_queue_new_priority(0, last_digit_and_waits),
	};
	static const char *const logs[] = {
		"23 11 42 31 12 3 1",
		"1 3 12 31 42 11 23",
		"23 11 42 31 12 3 1",
		"11 31 1 42 12 23 3",
		"11 31 1 42 12 23 3",
	};
	static const int items[] = { 23, 11, 42, 31, 12, 3, 1 };

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(queues); i++) {
		void *item;

		queue = queues[i];
		api_log[0] = '\0';
		assert_true(grove_queue_empty(queue));
		for (size_t n = 0; n < GR_LENGTH(items); n++)
			assert_int_equal(grove_queue_put(queue, ITEM(items[n]), 0), 0);
		assert_int_equal(grove_queue_size(queue), GR_LENGTH(items));
		assert_int_equal(grove_queue_peek_nowait(queue, &item), 0);
		assert_int_equal((intptr_t)item, strtol(logs[i], NULL, 10));
		note_all();
		assert_string_equal(api_log, logs[i]);
		assert_int_equal(grove_queue_free(queue), 0);
	}
}

static void test_priorities(void **state)
{
	static const int64_t priorities[] = { 5, INT64_MAX, -1, 5, INT64_MIN, 0, 5 };

	(void)state;
	queue = grove_queue_new_priority(0, NULL);
	for (size_t i = 0; i < GR_LENGTH(priorities); i++)
		assert_int_equal(grove_queue_put_priority(queue, ITEM(i), priorities[i], 0), 0);
	note_all();
	assert_string_equal(api_log, "4 2 5 0 3 6 1");
	grove_queue_free(queue);
}

static uint32_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(random_state >> 8) * n >> 24);
}

/* Many items, so that rings and heaps grow, wrap around and shrink. */
static void test_many(void **state)
{
	static const struct {
		grove_queue *(*make)(size_t);
		bool lifo;
	} rows[] = { { grove_queue_new, false }, { grove_queue_new_lifo, true } };

	(void)state;
	random_state = 1;
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		intptr_t in = 0, out = 0;

		queue = rows[i].make(0);
		for (int round = 0; round < 200; round++) {
			uint32_t n = random_below(round < 100 ? 1000 : 100);
			void *item;

			for (uint32_t k = 0; k < n; k++)
				assert_int_equal(grove_queue_put(queue, ITEM(++in), 0), 0);
			n = random_below(round < 100 ? 900 : 1000);
			while (n-- && grove_queue_get(queue, &item, 0) == 0) {
				if (!rows[i].lifo)
					assert_int_equal((intptr_t)item, ++out);
				else
					assert_int_equal((intptr_t)item, in--);
			}
		}
		assert_int_equal(grove_queue_size(queue), in - out);
		grove_queue_free(queue);
	}
}

static void test_many_priorities(void **state)
{
	int64_t last;
	void *item;

	(void)state;
	random_state = 2;
	queue = grove_queue_new_priority(0, NULL);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 3000; i++) {
			int64_t p = random_below(1000);

			assert_int_equal(grove_queue_put_priority(queue, ITEM(p), p, 0), 0);
		}
		last = -1;
		for (int i = 0; i < 2900 && grove_queue_get(queue, &item, 0) == 0; i++) {
			assert_true((intptr_t)item >= last);
			last = (intptr_t)item;
		}
	}
	for (last = -1; grove_queue_get(queue, &item, 0) == 0; last = (intptr_t)item)
		assert_true((intptr_t)item >= last);
	assert_true(grove_queue_empty(queue));
	grove_queue_free(queue);
}

/* --- waiting --------------------------------------------------------------------------------------------------------------------------- */

static void test_nowait(void **state)
{
	void *item = ITEM(7);

	(void)state;
	queue = grove_queue_new(1);
	assert_int_equal(grove_queue_bound(queue), 1);
	assert_int_equal(grove_queue_get_nowait(queue, &item), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_queue_peek_nowait(queue, &item), -1);
	assert_int_equal(errno, EAGAIN);
	assert_ptr_equal(item, ITEM(7));
	assert_false(grove_queue_full(queue));
	assert_int_equal(grove_queue_put_nowait(queue, ITEM(1)), 0);
	assert_true(grove_queue_full(queue));
	assert_int_equal(grove_queue_put_nowait(queue, ITEM(2)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_queue_peek_nowait(queue, &item), 0);
	assert_ptr_equal(item, ITEM(1));
	assert_int_equal(grove_queue_get_nowait(queue, NULL), 0);
	assert_true(grove_queue_empty(queue));
	grove_queue_free(queue);
}

static void test_getters_in_order(void **state)
{
	(void)state;
	queue = grove_queue_new(0);
	grove_spawn_raw(gets, "a");
	grove_spawn_raw(gets, "b");
	grove_yield();
	grove_queue_put(queue, ITEM(1), 0);
	assert_int_equal(grove_queue_get_nowait(queue, NULL), -1);		/* it is a's */
	grove_queue_put(queue, ITEM(2), 0);
	grove_queue_put(queue, ITEM(3), 0);
	grove_yield();
	assert_string_equal(api_log, "a 1 b 2");
	assert_int_equal(grove_queue_size(queue), 1);
	grove_queue_free(queue);
}

static void test_putters_in_order(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		void *item;

		api_log[0] = '\0';
		queue = kind == 0 ? grove_queue_new(1) : kind == 1 ? grove_queue_new_lifo(1) :
			grove_queue_new_priority(1, kind == 2 ? NULL : last_digit);
		grove_queue_put(queue, ITEM(1), 0);
		grove_spawn_raw(puts_it, ITEM(2));
		grove_spawn_raw(puts_it, ITEM(3));
		grove_yield();
		assert_int_equal(grove_queue_get(queue, &item, 0), 0);		/* makes room for 2, which is in at once */
		assert_true(grove_queue_full(queue));
		grove_yield();
		note("%d", (int)(intptr_t)item);
		assert_int_equal(grove_queue_get(queue, &item, 0), 0);
		note("%d", (int)(intptr_t)item);
		grove_yield();
		note_all();
		assert_string_equal(api_log, "put 2 ok 1 2 put 3 ok 3");
		grove_queue_free(queue);
	}
}

static void test_times(void **state)
{
	(void)state;
	queue = grove_queue_new(1);
	grove_spawn_raw(gets_for_10ms, "get");
	grove_sleep(GROVE_MS(20));
	grove_queue_put(queue, ITEM(1), 0);
	grove_spawn_raw(puts_for_10ms, ITEM(2));
	grove_sleep(GROVE_MS(20));
	note_all();
	assert_string_equal(api_log, "get ETIMEDOUT put 2 ETIMEDOUT 1");
	assert_int_equal(grove_queue_unfinished(queue), 1);
	grove_queue_free(queue);
}

static void test_killed_getter(void **state)
{
	grove_greenlet *g;

	(void)state;
	queue = grove_queue_new(0);
	g = grove_spawn(gets, "a");
	grove_spawn_raw(gets, "b");
	grove_yield();
	assert_int_equal(grove_queue_free(queue), -1);
	assert_int_equal(errno, EBUSY);
	grove_kill(g, GROVE_FOREVER);
	grove_queue_put(queue, ITEM(1), 0);
	grove_yield();
	assert_string_equal(api_log, "a ECANCELED b 1");
	grove_release(g);
	grove_queue_free(queue);
}

static void test_given_and_killed(void **state)
{
	grove_greenlet *g;

	(void)state;
	queue = grove_queue_new(0);
	g = grove_spawn(gets, "a");
	grove_yield();
	grove_queue_put(queue, ITEM(1), 0);
	grove_kill(g, GROVE_FOREVER);
	assert_string_equal(api_log, "a 1");
	grove_release(g);
	grove_queue_free(queue);
}

static void test_killed_putter(void **state)
{
	grove_greenlet *g;

	(void)state;
	queue = grove_queue_new(1);
	grove_queue_put(queue, ITEM(1), 0);
	g = grove_spawn(puts_it, ITEM(2));
	grove_spawn_raw(puts_it, ITEM(3));
	grove_yield();
	assert_int_equal(grove_queue_free(queue), -1);
	assert_int_equal(errno, EBUSY);
	grove_kill(g, GROVE_FOREVER);
	note_all();
	grove_yield();
	assert_string_equal(api_log, "put 2 ECANCELED 1 3 put 3 ok");
	assert_int_equal(grove_queue_unfinished(queue), 2);
	grove_release(g);
	grove_queue_free(queue);
}

static void test_putter_has_room_and_is_killed(void **state)
{
	grove_greenlet *g;

	(void)state;
	queue = grove_queue_new(1);
	grove_queue_put(queue, ITEM(1), 0);
	g = grove_spawn(puts_it, ITEM(2));
	grove_yield();
	grove_queue_get(queue, NULL, 0);
	grove_kill(g, GROVE_FOREVER);
	note_all();
	assert_string_equal(api_log, "put 2 ok 2");
	grove_release(g);
	grove_queue_free(queue);
}

static void test_peek_waits(void **state)
{
	(void)state;
	queue = grove_queue_new(0);
	grove_spawn_raw(peeks, "p1");
	grove_spawn_raw(gets, "g");
	grove_spawn_raw(peeks, "p2");
	grove_yield();
	grove_queue_put(queue, ITEM(1), 0);
	grove_yield();
	assert_string_equal(api_log, "p1 1 g 1");
	grove_queue_put(queue, ITEM(2), 0);
	grove_yield();
	assert_string_equal(api_log, "p1 1 g 1 p2 2");
	assert_int_equal(grove_queue_size(queue), 1);
	grove_queue_free(queue);
}

static void test_queue_as_object(void **state)
{
	void *item;

	(void)state;
	queue = grove_queue_new(0);
	grove_spawn_raw(puts_it, ITEM(1));
	assert_int_equal(grove_wait((grove_object *[]){ queue }, 1, 1, GROVE_FOREVER, NULL), 1);
	assert_int_equal(grove_queue_get(queue, &item, 0), 0);
	assert_int_equal(grove_wait((grove_object *[]){ queue }, 1, 1, 0, NULL), 0);
	grove_queue_shutdown(queue, false);
	assert_int_equal(grove_wait((grove_object *[]){ queue }, 1, 1, 0, NULL), 1);
	grove_queue_free(queue);
}

/* The order asks others to run, who put and get meanwhile. */
static void *puts_five(void *arg)
{
	for (int i = 0; i < 5; i++)
		grove_queue_put(queue, ITEM((intptr_t)arg + i), GROVE_FOREVER);
	return NULL;
}

static void test_an_order_that_waits(void **state)
{
	bool seen[50] = { false };
	void *item;

	(void)state;
	queue = grove_queue_new_priority(3, last_digit_and_waits);
	for (int i = 0; i < 50; i += 5)
		grove_spawn_raw(puts_five, ITEM(i));
	for (int i = 0; i < 50; i++) {
		assert_int_equal(grove_queue_get(queue, &item, GROVE_FOREVER), 0);
		assert_true((intptr_t)item >= 0 && (intptr_t)item < 50);
		assert_false(seen[(intptr_t)item]);
		seen[(intptr_t)item] = true;
	}
	assert_int_equal(grove_queue_size(queue), 0);
	grove_yield();
	grove_queue_free(queue);
}

/* --- the end --------------------------------------------------------------------------------------------------------------------------- */

static void test_shutdown(void **state)
{
	void *item;

	(void)state;
	queue = grove_queue_new(2);
	grove_queue_put(queue, ITEM(1), 0);
	grove_queue_put(queue, ITEM(2), 0);
	grove_spawn_raw(puts_it, ITEM(3));
	grove_yield();
	assert_false(grove_queue_is_shutdown(queue));
	assert_int_equal(grove_queue_shutdown(queue, false), 0);
	assert_int_equal(grove_queue_shutdown(queue, false), 0);
	assert_true(grove_queue_is_shutdown(queue));
	grove_yield();
	assert_int_equal(grove_queue_put(queue, ITEM(4), GROVE_FOREVER), -1);
	assert_int_equal(errno, EPIPE);
	note_all();
	assert_string_equal(api_log, "put 3 EPIPE 1 2");
	assert_int_equal(grove_queue_get(queue, &item, GROVE_FOREVER), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(grove_queue_peek(queue, &item, GROVE_FOREVER), -1);
	assert_int_equal(errno, EPIPE);
	grove_queue_free(queue);
}

static void test_shutdown_wakes_getters(void **state)
{
	(void)state;
	queue = grove_queue_new(0);
	grove_spawn_raw(gets, "g");
	grove_spawn_raw(peeks, "p");
	grove_yield();
	grove_queue_shutdown(queue, false);
	grove_yield();
	assert_string_equal(api_log, "g EPIPE p EPIPE");
	grove_queue_free(queue);
}

static void *joins(void *arg)
{
	int r = grove_queue_join(queue, (int64_t)(intptr_t)arg);

	note("join %s", r == 0 ? "ok" : strerrorname_np(errno));
	return NULL;
}

static void test_immediate_shutdown(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		queue = kind ? grove_queue_new_priority(0, NULL) : grove_queue_new(0);
		api_log[0] = '\0';
		grove_queue_put(queue, ITEM(1), 0);
		grove_queue_put(queue, ITEM(2), 0);
		grove_queue_get(queue, NULL, 0);
		grove_spawn_raw(joins, (void *)GROVE_FOREVER);
		grove_yield();
		grove_queue_shutdown(queue, false);
		assert_int_equal(grove_queue_size(queue), 1);
		grove_queue_shutdown(queue, true);
		assert_int_equal(grove_queue_size(queue), 0);
		assert_int_equal(grove_queue_unfinished(queue), 1);
		grove_queue_task_done(queue);
		grove_yield();
		assert_string_equal(api_log, "join ok");
		grove_queue_free(queue);
	}
}

static void test_drain(void **state)
{
	void *items[10];

	(void)state;
	queue = grove_queue_new_lifo(3);
	for (int i = 1; i <= 3; i++)
		grove_queue_put(queue, ITEM(i), 0);
	grove_spawn_raw(puts_it, ITEM(4));
	grove_yield();
	assert_int_equal(grove_queue_drain(queue, items, 2), 2);	/* 3; 4 comes in, and out */
	assert_ptr_equal(items[0], ITEM(3));
	assert_ptr_equal(items[1], ITEM(4));
	assert_int_equal(grove_queue_drain(queue, items, 10), 2);
	assert_ptr_equal(items[0], ITEM(2));
	assert_ptr_equal(items[1], ITEM(1));
	assert_int_equal(grove_queue_drain(queue, items, 10), 0);
	assert_int_equal(grove_queue_drain(queue, NULL, 0), 0);
	grove_yield();
	grove_queue_free(queue);
}

static void test_join(void **state)
{
	(void)state;
	queue = grove_queue_new(0);
	assert_int_equal(grove_queue_join(queue, 0), 0);
	assert_int_equal(grove_queue_task_done(queue), -1);
	assert_int_equal(errno, ERANGE);
	grove_queue_put(queue, ITEM(1), 0);
	grove_queue_put(queue, ITEM(2), 0);
	assert_int_equal(grove_queue_join(queue, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_queue_join(queue, GROVE_MS(5)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	grove_spawn_raw(joins, (void *)GROVE_FOREVER);
	grove_yield();
	assert_int_equal(grove_queue_free(queue), -1);
	assert_int_equal(errno, EBUSY);
	note_all();
	assert_int_equal(grove_queue_task_done(queue), 0);
	grove_yield();
	assert_int_equal(grove_queue_task_done(queue), 0);
	grove_yield();
	assert_string_equal(api_log, "1 2 join ok");
	assert_int_equal(grove_queue_task_done(queue), -1);
	assert_int_equal(errno, ERANGE);
	grove_queue_free(queue);
}

static void test_killed_join(void **state)
{
	grove_greenlet *g = grove_spawn(joins, (void *)GROVE_FOREVER);

	(void)state;
	queue = grove_queue_new(0);
	grove_queue_put(queue, ITEM(1), 0);
	grove_yield();
	grove_kill(g, GROVE_FOREVER);
	assert_string_equal(api_log, "join ECANCELED");
	grove_release(g);
	grove_queue_free(queue);
}

/* --- unwound out of the wait ----------------------------------------------------------------------------------------------------------- */

static void leaves(int sig)
{
	(void)sig;
	note("handler");
	grove_sleep(GROVE_MS(1));
	pthread_exit(NULL);
}

static void *is_unwound(void *arg)
{
	sigset_t usr1;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	return gets(arg);
}

/* It was given an item in the handler, and never comes to see it: the item is first in the queue again. */
static void test_unwound_getter_gives_back(void **state)
{
	struct sigaction sa = { .sa_handler = leaves }, old;
	sigset_t usr1;

	(void)state;
	sigaction(SIGUSR1, &sa, &old);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	for (int kind = 0; kind < 3; kind++) {
		grove_greenlet *g = grove_spawn(is_unwound, "a");

		api_log[0] = '\0';
		queue = kind == 0 ? grove_queue_new(1) : kind == 1 ? grove_queue_new_lifo(1) : grove_queue_new_priority(1, NULL);
		grove_yield();
		kill(getpid(), SIGUSR1);
		while (!api_log[0])
			grove_yield();
		grove_queue_put(queue, ITEM(1), 0);
		grove_queue_put(queue, ITEM(2), 0);
		grove_spawn_raw(puts_it, ITEM(3));
		grove_join(g, GROVE_FOREVER);
		assert_int_equal(grove_queue_size(queue), 2);		/* one more than its bound */
		note_all();
		grove_yield();
		note_all();
		assert_string_equal(api_log, "handler 1 2 3 put 3 ok");
		grove_release(g);
		grove_queue_free(queue);
	}
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	sigaction(SIGUSR1, &old, NULL);
}

/* --- nothing is lost, nothing comes twice ------------------------------------------------------------------------------------------------ */

#define ACTORS		24
#define ROUNDS		400

static struct {
	intptr_t next;			/* the next item to be put */
	uint8_t seen[ACTORS * ROUNDS + 1];
	int put, got, kills;
} tally;

static void count_got(void *item)
{
	assert_true((intptr_t)item > 0 && (intptr_t)item <= tally.next);
	assert_int_equal(tally.seen[(intptr_t)item], 1);
	tally.seen[(intptr_t)item] = 2;
	tally.got++;
}

static int64_t some_time(void)
{
	switch (random_below(4)) {
	case 0: return 0;
	case 1: return GROVE_FOREVER;
	default: return GROVE_US(random_below(50));
	}
}

static void *producer(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS && errno != ECANCELED; i++) {
		intptr_t n = ++tally.next;

		tally.seen[n] = 1;
		errno = 0;
		if (grove_queue_put(queue, ITEM(n), some_time()) == 0)
			tally.put++;
		else
			tally.seen[n] = 0;		/* nobody may get it */
		if (random_below(3) == 0)
			grove_sleep(GROVE_US(random_below(30)));
	}
	return NULL;
}

static void *consumer(void *arg)
{
	void *item;

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		if (random_below(8) == 0)
			grove_queue_peek(queue, &item, GROVE_US(random_below(20)));
		if (grove_queue_get(queue, &item, some_time()) == 0)
			count_got(item);
		else if (errno == ECANCELED)
			break;
		if (random_below(3) == 0)
			grove_sleep(GROVE_US(random_below(30)));
	}
	return NULL;
}

static void throw_dice(grove_queue *q, uint32_t seed)
{
	grove_greenlet *g[ACTORS];
	void *item;

	queue = q;
	memset(&tally, 0, sizeof(tally));
	random_state = seed;
	for (int i = 0; i < ACTORS; i++)
		g[i] = grove_spawn(i % 2 ? producer : consumer, NULL);
	for (int i = 0; i < ACTORS / 2; i++) {
		grove_sleep(GROVE_US(random_below(300)));
		if (grove_kill(g[random_below(ACTORS)], 0) == 0)
			tally.kills++;
	}
	grove_sleep(GROVE_SEC(1));
	grove_killall(g, ACTORS, GROVE_FOREVER);
	while (grove_queue_get(queue, &item, 0) == 0)
		count_got(item);
	assert_int_equal(tally.got, tally.put);
	for (intptr_t n = 1; n <= tally.next; n++)
		assert_int_not_equal(tally.seen[n], 1);
	assert_int_equal(grove_queue_unfinished(queue), tally.put);
	assert_true(tally.put > 100 && tally.kills > 0);
	for (int i = 0; i < ACTORS; i++)
		grove_release(g[i]);
	assert_int_equal(grove_queue_free(queue), 0);
}

static void test_nothing_is_lost(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 10; seed++) {
		throw_dice(grove_queue_new(1), seed);
		throw_dice(grove_queue_new(5), seed);
		throw_dice(grove_queue_new(0), seed);
		throw_dice(grove_queue_new_lifo(3), seed);
		throw_dice(grove_queue_new_priority(3, NULL), seed);
		throw_dice(grove_queue_new_priority(2, last_digit_and_waits), seed);
	}
}

/* --- others ---------------------------------------------------------------------------------------------------------------------------- */

#define NATIVE_ITEMS 200

static void *native_producer(void *arg)
{
	(void)arg;
	for (intptr_t i = 1; i <= NATIVE_ITEMS; i++)
		if (grove_queue_put(queue, ITEM(i), GROVE_FOREVER) < 0)
			return "cannot put";
	return NULL;
}

static intptr_t native_sum;

static void *native_consumer(void *arg)
{
	void *item;

	(void)arg;
	while (grove_queue_get(queue, &item, GROVE_FOREVER) == 0) {
		native_sum += (intptr_t)item;
		grove_queue_task_done(queue);
	}
	return errno == EPIPE ? NULL : "wrong error";
}

static const char *native_result(pthread_t thread)
{
	void *result;

	while (pthread_tryjoin_np(thread, &result) == EBUSY)
		grove_yield();
	return result;
}

static void test_to_and_from_native_threads(void **state)
{
	pthread_t thread;
	void *item;

	(void)state;
	queue = grove_queue_new(4);
	api_natives++;
	assert_int_equal(pthread_create(&thread, NULL, native_producer, NULL), 0);
	for (intptr_t i = 1; i <= NATIVE_ITEMS; i++) {
		assert_int_equal(grove_queue_get(queue, &item, GROVE_FOREVER), 0);
		assert_int_equal((intptr_t)item, i);
		grove_queue_task_done(queue);
	}
	assert_null(native_result(thread));

	assert_int_equal(pthread_create(&thread, NULL, native_consumer, NULL), 0);
	for (intptr_t i = 1; i <= NATIVE_ITEMS; i++)
		assert_int_equal(grove_queue_put(queue, ITEM(i), GROVE_FOREVER), 0);
	assert_int_equal(grove_queue_join(queue, GROVE_FOREVER), 0);
	assert_int_equal(native_sum, NATIVE_ITEMS * (NATIVE_ITEMS + 1) / 2);
	grove_queue_shutdown(queue, false);
	assert_null(native_result(thread));
	api_natives--;
	grove_queue_free(queue);
}

static void test_misuse(void **state)
{
	grove_event *event = grove_event_new();
	grove_queue *other = (grove_queue *)event;
	void *item;

	(void)state;
	queue = grove_queue_new(0);
	assert_int_equal(grove_queue_put(NULL, NULL, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_queue_put(queue, NULL, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_queue_put_priority(queue, NULL, 1, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_queue_get(other, &item, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_queue_get(queue, &item, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_queue_peek(other, &item, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_queue_drain(queue, NULL, 1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_queue_drain(NULL, &item, 1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_queue_shutdown(other, false), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_queue_task_done(NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_queue_join(queue, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_queue_free(other), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_queue_free(NULL), 0);
	assert_int_equal(grove_queue_size(NULL), 0);
	assert_int_equal(grove_queue_bound(queue), 0);
	assert_true(grove_queue_empty(NULL));
	assert_false(grove_queue_full(NULL));
	assert_false(grove_queue_is_shutdown(NULL));
	errno = ENOTTY;
	grove_queue_put(queue, NULL, 0);
	grove_queue_get(queue, NULL, 0);
	assert_int_equal(errno, ENOTTY);
	grove_queue_free(queue);
	queue = grove_queue_new_priority(0, last_digit);
	assert_int_equal(grove_queue_put_priority(queue, NULL, 1, 0), -1);
	assert_int_equal(errno, EINVAL);
	grove_queue_free(queue);
	grove_event_free(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(test_orders),
		api_test(test_priorities),
		api_test(test_many),
		api_test(test_many_priorities),
		api_test(test_nowait),
		api_test(test_getters_in_order),
		api_test(test_putters_in_order),
		api_test(test_times),
		api_test(test_killed_getter),
		api_test(test_given_and_killed),
		api_test(test_killed_putter),
		api_test(test_putter_has_room_and_is_killed),
		api_test(test_peek_waits),
		api_test(test_queue_as_object),
		api_test(test_an_order_that_waits),
		api_test(test_shutdown),
		api_test(test_shutdown_wakes_getters),
		api_test(test_immediate_shutdown),
		api_test(test_drain),
		api_test(test_join),
		api_test(test_killed_join),
		api_test(test_unwound_getter_gives_back),
		api_test(test_nothing_is_lost),
		api_test(test_to_and_from_native_threads),
		api_test(test_misuse),
	};

	return cmocka_run_group_tests(tests, api_begin, NULL);
}
