/*
 * test_channel.c - grove/channel.h: channels and select
 */
#include "api.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static grove_channel *channel, *other;

#define ITEM(n) ((void *)(intptr_t)(n))

static void note_item(const char *name, int r, void *item)
{
	if (r == 0)
		note("%s %d", name, (int)(intptr_t)item);
	else
		note("%s %s", name, strerrorname_np(errno));
}

static void *sends(void *arg)
{
	int r = grove_channel_send(channel, arg, GROVE_MS(10));

	note("send %d %s", (int)(intptr_t)arg, r == 0 ? "ok" : strerrorname_np(errno));
	return NULL;
}

static void *receives(void *arg)
{
	void *item = NULL;
	int r = grove_channel_recv(channel, &item, GROVE_MS(10));

	note_item(arg, r, item);
	return NULL;
}

static int setup(void **state)
{
	channel = grove_channel_new(0);
	other = grove_channel_new(0);
	return channel && other ? api_clear(state) : -1;
}

static int teardown(void **state)
{
	if (grove_channel_free(channel) < 0 || grove_channel_free(other) < 0)
		return -1;
	return api_nobody_left(state);
}

#define channel_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static void capacity(size_t n)
{
	grove_channel_free(channel);
	channel = grove_channel_new(n);
}

/* --- rendezvous ------------------------------------------------------------------------------------------------------------------------ */

static void test_rendezvous(void **state)
{
	void *item = NULL;

	(void)state;
	assert_int_equal(grove_channel_capacity(channel), 0);
	assert_int_equal(grove_channel_send(channel, ITEM(1), 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_channel_recv(channel, &item, 0), -1);
	assert_int_equal(errno, EAGAIN);
	grove_spawn_raw(sends, ITEM(2));
	grove_yield();
	assert_string_equal(api_log, "");		/* waits for us */
	assert_int_equal(grove_channel_recv(channel, &item, 0), 0);
	assert_ptr_equal(item, ITEM(2));
	grove_yield();
	assert_string_equal(api_log, "send 2 ok");
	grove_spawn_raw(receives, "a");
	grove_yield();
	assert_int_equal(grove_channel_send(channel, ITEM(3), 0), 0);
	assert_int_equal(grove_channel_send(channel, ITEM(4), 0), -1);
	grove_yield();
	assert_string_equal(api_log, "send 2 ok a 3");
	assert_int_equal(grove_channel_size(channel), 0);
}

static void test_in_the_order_of_coming(void **state)
{
	void *item;

	(void)state;
	for (int i = 1; i <= 3; i++)
		grove_spawn_raw(sends, ITEM(i));
	grove_yield();
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(grove_channel_recv(channel, &item, 0), 0);
		assert_ptr_equal(item, ITEM(i));
	}
	grove_yield();
	grove_spawn_raw(receives, "a");
	grove_spawn_raw(receives, "b");
	grove_yield();
	grove_channel_send(channel, ITEM(4), 0);
	grove_channel_send(channel, ITEM(5), 0);
	grove_yield();
	assert_string_equal(api_log, "send 1 ok send 2 ok send 3 ok a 4 b 5");
}

static void test_times(void **state)
{
	(void)state;
	grove_spawn_raw(sends, ITEM(1));
	grove_sleep(GROVE_MS(11));
	grove_spawn_raw(receives, "recv");
	grove_sleep(GROVE_MS(11));
	assert_string_equal(api_log, "send 1 ETIMEDOUT recv ETIMEDOUT");
}

static void test_killed_sender(void **state)
{
	grove_greenlet *g = grove_spawn(sends, ITEM(1));
	void *item;

	(void)state;
	grove_spawn_raw(sends, ITEM(2));
	grove_yield();
	assert_int_equal(grove_channel_free(channel), -1);
	assert_int_equal(errno, EBUSY);
	grove_kill(g, GROVE_FOREVER);
	assert_int_equal(grove_channel_recv(channel, &item, 0), 0);
	assert_ptr_equal(item, ITEM(2));
	grove_yield();
	assert_string_equal(api_log, "send 1 ECANCELED send 2 ok");
	grove_release(g);
}

static void test_killed_receiver(void **state)
{
	grove_greenlet *g = grove_spawn(receives, "a");

	(void)state;
	grove_spawn_raw(receives, "b");
	grove_yield();
	grove_kill(g, GROVE_FOREVER);
	assert_int_equal(grove_channel_send(channel, ITEM(1), 0), 0);
	grove_yield();
	assert_string_equal(api_log, "a ECANCELED b 1");
	grove_release(g);
}

static void test_handed_over_and_killed(void **state)
{
	grove_greenlet *g = grove_spawn(receives, "a");

	(void)state;
	grove_yield();
	grove_channel_send(channel, ITEM(1), 0);
	grove_kill(g, GROVE_FOREVER);
	assert_string_equal(api_log, "a 1");
	grove_release(g);
	g = grove_spawn(sends, ITEM(2));
	grove_yield();
	grove_channel_recv(channel, NULL, 0);
	grove_kill(g, GROVE_FOREVER);
	assert_string_equal(api_log, "a 1 send 2 ok");
	grove_release(g);
}

/* --- with a capacity ------------------------------------------------------------------------------------------------------------------- */

static void test_capacity(void **state)
{
	void *item;

	(void)state;
	capacity(2);
	assert_int_equal(grove_channel_capacity(channel), 2);
	assert_int_equal(grove_channel_send(channel, ITEM(1), 0), 0);
	assert_int_equal(grove_channel_send(channel, ITEM(2), 0), 0);
	assert_int_equal(grove_channel_size(channel), 2);
	assert_int_equal(grove_channel_send(channel, ITEM(3), 0), -1);
	assert_int_equal(errno, EAGAIN);
	grove_spawn_raw(sends, ITEM(3));
	grove_spawn_raw(sends, ITEM(4));
	grove_yield();
	for (int i = 1; i <= 4; i++) {
		assert_int_equal(grove_channel_recv(channel, &item, 0), 0);
		assert_ptr_equal(item, ITEM(i));
	}
	grove_yield();
	assert_string_equal(api_log, "send 3 ok send 4 ok");
	assert_int_equal(grove_channel_recv(channel, &item, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void test_large_capacity(void **state)
{
	void *item;

	(void)state;
	capacity(1000);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 1000; i++)
			assert_int_equal(grove_channel_send(channel, ITEM(i), 0), 0);
		assert_int_equal(grove_channel_send(channel, ITEM(0), 0), -1);
		for (int i = 0; i < 1000; i++) {
			assert_int_equal(grove_channel_recv(channel, &item, 0), 0);
			assert_ptr_equal(item, ITEM(i));
		}
	}
}

/* --- closing --------------------------------------------------------------------------------------------------------------------------- */

static void test_close(void **state)
{
	void *item;

	(void)state;
	capacity(1);
	grove_channel_send(channel, ITEM(1), 0);
	grove_spawn_raw(sends, ITEM(2));
	grove_yield();
	assert_false(grove_channel_closed(channel));
	assert_int_equal(grove_channel_close(channel), 0);
	assert_true(grove_channel_closed(channel));
	assert_int_equal(grove_channel_close(channel), -1);
	assert_int_equal(errno, EALREADY);
	grove_yield();
	assert_string_equal(api_log, "send 2 EPIPE");
	assert_int_equal(grove_channel_send(channel, ITEM(3), GROVE_FOREVER), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(grove_channel_recv(channel, &item, 0), 0);
	assert_ptr_equal(item, ITEM(1));
	assert_int_equal(grove_channel_recv(channel, &item, GROVE_FOREVER), -1);
	assert_int_equal(errno, EPIPE);
	assert_ptr_equal(item, ITEM(1));
}

static void test_close_wakes_receivers(void **state)
{
	(void)state;
	grove_spawn_raw(receives, "a");
	grove_spawn_raw(receives, "b");
	grove_yield();
	grove_channel_close(channel);
	grove_yield();
	assert_string_equal(api_log, "a EPIPE b EPIPE");
}

static void test_channel_as_object(void **state)
{
	grove_object *objects[] = { channel };
	grove_greenlet *g;

	(void)state;
	assert_int_equal(grove_wait(objects, 1, 1, 0, NULL), 0);
	g = grove_spawn(sends, ITEM(1));
	assert_int_equal(grove_wait(objects, 1, 1, GROVE_FOREVER, NULL), 1);
	grove_kill(g, GROVE_FOREVER);			/* the only sender is gone */
	grove_release(g);
	assert_int_equal(grove_wait(objects, 1, 1, 0, NULL), 0);
	grove_channel_close(channel);
	assert_int_equal(grove_wait(objects, 1, 1, 0, NULL), 1);
}

/* --- select ---------------------------------------------------------------------------------------------------------------------------- */

/* What select says, of @channel and @other */
static void *selects(void *arg)
{
	struct grove_case cases[] = {
		{ .channel = channel, .op = GROVE_RECV },
		{ .channel = other, .op = GROVE_SEND, .item = ITEM(77) },
		{ .op = GROVE_RECV },
	};
	int r = grove_select(cases, 3, GROVE_MS(10));

	if (r < 0)
		note("%s %s", (const char *)arg, strerrorname_np(errno));
	else if (cases[r].error)
		note("%s %d %s", (const char *)arg, r, strerrorname_np(cases[r].error));
	else
		note("%s %d item %d", (const char *)arg, r, (int)(intptr_t)cases[r].item);
	return NULL;
}

static void test_select_at_once(void **state)
{
	struct grove_case cases[] = { { .channel = channel, .op = GROVE_RECV }, { .channel = other, .op = GROVE_RECV } };

	(void)state;
	assert_int_equal(grove_select(cases, 2, 0), -1);
	assert_int_equal(errno, EAGAIN);
	grove_spawn_raw(sends, ITEM(5));
	grove_yield();
	assert_int_equal(grove_select(cases, 2, 0), 0);
	assert_ptr_equal(cases[0].item, ITEM(5));
	assert_int_equal(cases[0].error, 0);
	grove_yield();
}

static void test_select_waits(void **state)
{
	void *item;

	(void)state;
	grove_spawn_raw(selects, "a");
	grove_spawn_raw(selects, "b");
	grove_spawn_raw(selects, "c");
	grove_yield();
	assert_int_equal(grove_channel_send(channel, ITEM(1), 0), 0);		/* a, which does not send any more */
	assert_int_equal(grove_channel_recv(other, &item, 0), 0);		/* b */
	assert_ptr_equal(item, ITEM(77));
	grove_sleep(GROVE_MS(20));
	assert_string_equal(api_log, "a 0 item 1 b 1 item 77 c ETIMEDOUT");
	assert_int_equal(grove_channel_send(channel, ITEM(1), 0), -1);		/* nobody is left in any line */
	assert_int_equal(grove_channel_recv(other, &item, 0), -1);
}

static void test_select_meets_select(void **state)
{
	struct grove_case cases[] = {
		{ .channel = channel, .op = GROVE_SEND, .item = ITEM(3) },
		{ .channel = other, .op = GROVE_SEND, .item = ITEM(4) },
	};

	(void)state;
	grove_spawn_raw(selects, "a");
	grove_yield();
	assert_int_equal(grove_select(cases, 2, GROVE_FOREVER), 0);
	grove_yield();
	assert_string_equal(api_log, "a 0 item 3");
}

static void *sends_to_other(void *arg)
{
	grove_channel_send(other, arg, GROVE_FOREVER);
	return NULL;
}

/* The same channel in both directions and twice: one does not meet oneself. */
static void test_select_on_the_same_channel(void **state)
{
	struct grove_case cases[] = {
		{ .channel = channel, .op = GROVE_RECV },
		{ .channel = channel, .op = GROVE_SEND, .item = ITEM(1) },
		{ .channel = channel, .op = GROVE_RECV },
	};
	int r;

	(void)state;
	assert_int_equal(grove_select(cases, 3, GROVE_MS(1)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	grove_spawn_raw(sends, ITEM(9));
	r = grove_select(cases, 3, GROVE_FOREVER);
	assert_true(r == 0 || r == 2);
	assert_ptr_equal(cases[r].item, ITEM(9));
	grove_spawn_raw(receives, "a");
	assert_int_equal(grove_select(cases, 3, GROVE_FOREVER), 1);
	grove_yield();
	assert_string_equal(api_log, "send 9 ok a 1");
}

static void test_select_of_nothing(void **state)
{
	struct grove_case cases[] = { { .op = GROVE_RECV }, { .op = GROVE_SEND } };

	(void)state;
	assert_int_equal(grove_select(cases, 2, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_select(cases, 2, GROVE_MS(3)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_select(NULL, 0, GROVE_MS(3)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(took(), GR_MS(6));
}

static void test_select_and_close(void **state)
{
	struct grove_case cases[] = {
		{ .channel = channel, .op = GROVE_RECV, .item = ITEM(1), .error = -1 },
		{ .channel = channel, .op = GROVE_SEND, .item = ITEM(1), .error = -1 },
	};

	(void)state;
	grove_spawn_raw(selects, "a");
	grove_yield();
	grove_channel_close(channel);
	grove_yield();
	assert_string_equal(api_log, "a 0 EPIPE");
	assert_int_equal(grove_select(&cases[0], 1, GROVE_FOREVER), 0);
	assert_int_equal(cases[0].error, EPIPE);
	assert_null(cases[0].item);
	assert_int_equal(grove_select(&cases[1], 1, GROVE_FOREVER), 0);
	assert_int_equal(cases[1].error, EPIPE);
	assert_ptr_equal(cases[1].item, ITEM(1));
}

static void test_select_is_killed(void **state)
{
	grove_greenlet *g = grove_spawn(selects, "a");

	(void)state;
	grove_yield();
	assert_int_equal(grove_channel_free(channel), -1);
	assert_int_equal(errno, EBUSY);
	grove_kill(g, GROVE_FOREVER);
	assert_string_equal(api_log, "a ECANCELED");
	assert_int_equal(grove_channel_send(channel, ITEM(1), 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_channel_recv(other, NULL, 0), -1);
	assert_int_equal(errno, EAGAIN);
	grove_release(g);

	g = grove_spawn(selects, "b");
	grove_yield();
	assert_int_equal(grove_channel_send(channel, ITEM(1), 0), 0);
	grove_kill(g, GROVE_FOREVER);
	assert_string_equal(api_log, "a ECANCELED b 0 item 1");
	grove_release(g);
}

static void test_select_with_capacity(void **state)
{
	struct grove_case cases[] = { { .channel = channel, .op = GROVE_SEND, .item = ITEM(1) } };

	(void)state;
	capacity(40);
	cases[0].channel = channel;
	for (int i = 0; i < 40; i++)
		assert_int_equal(grove_select(cases, 1, 0), 0);
	assert_int_equal(grove_select(cases, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_channel_size(channel), 40);
}

static void test_select_is_fair(void **state)
{
	grove_channel *c[3];
	struct grove_case cases[4] = { { .op = GROVE_RECV } };
	int chosen[4] = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		c[i] = grove_channel_new(3000);
		for (int n = 0; n < 3000; n++)
			grove_channel_send(c[i], NULL, 0);
		cases[i + 1] = (struct grove_case){ .channel = c[i], .op = GROVE_RECV };
	}
	for (int n = 0; n < 3000; n++)
		chosen[grove_select(cases, 4, 0)]++;
	assert_int_equal(chosen[0], 0);
	for (int i = 0; i < 3; i++) {
		assert_in_range(chosen[i + 1], 900, 1100);
		grove_channel_free(c[i]);
	}
}

#define MANY 40

static void *sends_one_of_many(void *arg)
{
	grove_channel_send(arg, ITEM(6), GROVE_FOREVER);
	return NULL;
}

static void test_select_of_many(void **state)
{
	grove_channel *c[MANY];
	struct grove_case cases[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		c[i] = grove_channel_new(0);
		cases[i] = (struct grove_case){ .channel = c[i], .op = GROVE_RECV };
	}
	assert_int_equal(grove_select(cases, MANY, GROVE_MS(1)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	for (int i = 0; i < MANY; i += 13) {
		grove_spawn_raw(sends_one_of_many, c[i]);
		assert_int_equal(grove_select(cases, MANY, GROVE_FOREVER), i);
		assert_ptr_equal(cases[i].item, ITEM(6));
	}
	grove_yield();
	for (int i = 0; i < MANY; i++)
		assert_int_equal(grove_channel_free(c[i]), 0);
}

/* In a forked child nobody stands in line any more. */
static void test_forked_child(void **state)
{
	int status, pid;

	(void)state;
	grove_spawn_raw(selects, "a");
	grove_spawn_raw(receives, "b");
	grove_yield();
	pid = fork();
	if (pid == 0)
		_exit(grove_channel_send(channel, ITEM(1), 0) == -1 && errno == EAGAIN &&
		      grove_channel_recv(other, NULL, 0) == -1 && errno == EAGAIN && grove_channel_free(channel) == 0 ? 0 : 1);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	grove_sleep(GROVE_MS(20));
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
	return selects(arg);
}

static void test_unwound_select(void **state)
{
	struct sigaction sa = { .sa_handler = leaves }, old;
	sigset_t usr1;
	void *item;

	(void)state;
	sigaction(SIGUSR1, &sa, &old);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	for (int given = 0; given < 2; given++) {
		grove_greenlet *g = grove_spawn(is_unwound, "a");

		api_log[0] = '\0';
		grove_yield();
		kill(getpid(), SIGUSR1);
		while (!api_log[0])
			grove_yield();
		if (given)
			assert_int_equal(grove_channel_send(channel, ITEM(1), 0), 0);
		grove_join(g, GROVE_FOREVER);
		grove_release(g);
		assert_int_equal(grove_channel_recv(other, &item, 0), -1);
		assert_int_equal(grove_channel_recv(channel, &item, 0), given ? 0 : -1);	/* it was not lost */
		if (given)
			assert_ptr_equal(item, ITEM(1));
		assert_string_equal(api_log, "handler");
	}
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	sigaction(SIGUSR1, &old, NULL);
}

/* --- nothing is lost, nothing comes twice ------------------------------------------------------------------------------------------------ */

#define ACTORS		24
#define ROUNDS		300
#define CHANNELS	4

static struct {
	grove_channel *channels[CHANNELS];
	intptr_t next;
	uint8_t seen[ACTORS * ROUNDS * 2 + 1];
	int sent, received, kills;
} tally;

static uint32_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(random_state >> 8) * n >> 24);
}

static int64_t some_time(void)
{
	switch (random_below(4)) {
	case 0: return 0;
	case 1: return GROVE_FOREVER;
	default: return GROVE_US(random_below(50));
	}
}

static void *new_item(void)
{
	tally.seen[++tally.next] = 1;
	return ITEM(tally.next);
}

static void count_received(void *item)
{
	assert_true((intptr_t)item > 0 && (intptr_t)item <= tally.next);
	assert_int_equal(tally.seen[(intptr_t)item], 1);
	tally.seen[(intptr_t)item] = 2;
	tally.received++;
}

static void count_unsent(void *item)
{
	assert_int_equal(tally.seen[(intptr_t)item], 1);
	tally.seen[(intptr_t)item] = 0;
}

static grove_channel *some_channel(void)
{
	return tally.channels[random_below(CHANNELS)];
}

static int one_send(void)
{
	void *item = new_item();
	int r = grove_channel_send(some_channel(), item, some_time());

	if (r == 0)
		tally.sent++;
	else
		count_unsent(item);
	return r;
}

static int one_receive(void)
{
	void *item;
	int r = grove_channel_recv(some_channel(), &item, some_time());

	if (r == 0)
		count_received(item);
	return r;
}

static int one_select(void)
{
	struct grove_case cases[12];
	size_t n = 1 + random_below(12);
	int r;

	for (size_t i = 0; i < n; i++) {
		cases[i] = (struct grove_case){ .op = random_below(2) ? GROVE_SEND : GROVE_RECV,
						.channel = random_below(6) ? some_channel() : NULL };
		cases[i].item = cases[i].op == GROVE_SEND ? new_item() : NULL;
	}
	r = grove_select(cases, n, some_time());
	for (size_t i = 0; i < n; i++)
		if (cases[i].op == GROVE_SEND && (int)i != r)
			count_unsent(cases[i].item);
	if (r >= 0 && cases[r].op == GROVE_SEND)
		tally.sent++;
	else if (r >= 0)
		count_received(cases[r].item);
	return r;
}

static void *actor(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS / 6; i++) {
		uint32_t what = random_below(5);
		int r = what < 2 ? one_send() : what < 4 ? one_receive() : one_select();

		if (r < 0 && errno == ECANCELED)
			break;
		if (random_below(3) == 0)
			grove_sleep(GROVE_US(random_below(30)));
	}
	return NULL;
}

static void throw_dice(uint32_t seed)
{
	grove_greenlet *g[ACTORS];
	void *item;

	memset(&tally, 0, sizeof(tally));
	random_state = seed;
	for (int i = 0; i < CHANNELS; i++)
		tally.channels[i] = grove_channel_new(i < 2 ? 0 : (size_t)i - 1);
	for (int i = 0; i < ACTORS; i++)
		g[i] = grove_spawn(actor, NULL);
	for (int i = 0; i < ACTORS / 2; i++) {
		grove_sleep(GROVE_US(random_below(100)));
		if (grove_kill(g[random_below(ACTORS)], 0) == 0)
			tally.kills++;
	}
	grove_sleep(GROVE_SEC(1));
	grove_killall(g, ACTORS, GROVE_FOREVER);
	for (int i = 0; i < CHANNELS; i++) {
		while (grove_channel_recv(tally.channels[i], &item, 0) == 0)
			count_received(item);
		assert_int_equal(grove_channel_free(tally.channels[i]), 0);
	}
	assert_int_equal(tally.received, tally.sent);
	for (intptr_t n = 1; n <= tally.next; n++)
		assert_int_not_equal(tally.seen[n], 1);
	assert_true(tally.sent > 50 && tally.kills > 0);
	for (int i = 0; i < ACTORS; i++)
		grove_release(g[i]);
}

static void test_nothing_is_lost(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 50; seed++)
		throw_dice(seed);
}

/* --- others ---------------------------------------------------------------------------------------------------------------------------- */

static void *native_peer(void *arg)
{
	struct grove_case cases[] = { { .channel = channel, .op = GROVE_RECV }, { .channel = NULL, .op = GROVE_SEND } };

	(void)arg;
	for (;;) {
		int r = grove_select(cases, 2, GROVE_FOREVER);

		if (r != 0)
			return "wrong case";
		if (cases[0].error)
			return cases[0].error == EPIPE ? NULL : "wrong error";
		if (grove_channel_send(other, ITEM((intptr_t)cases[0].item + 1), GROVE_FOREVER) < 0)
			return "cannot send";
	}
}

static void test_native_thread(void **state)
{
	pthread_t thread;
	void *item, *result;

	(void)state;
	api_natives++;
	assert_int_equal(pthread_create(&thread, NULL, native_peer, NULL), 0);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(grove_channel_send(channel, ITEM(i), GROVE_FOREVER), 0);
		assert_int_equal(grove_channel_recv(other, &item, GROVE_FOREVER), 0);
		assert_ptr_equal(item, ITEM(i + 1));
	}
	grove_channel_close(channel);
	while (pthread_tryjoin_np(thread, &result) == EBUSY)
		grove_yield();
	assert_null(result);
	api_natives--;
}

static void test_misuse(void **state)
{
	grove_event *event = grove_event_new();
	grove_channel *wrong = (grove_channel *)event;
	struct grove_case bad[] = { { .channel = wrong, .op = GROVE_RECV }, { .channel = channel, .op = 7 } };
	void *item;

	(void)state;
	assert_int_equal(grove_channel_send(NULL, NULL, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_channel_send(channel, NULL, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_channel_recv(wrong, &item, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_channel_recv(channel, &item, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_channel_close(wrong), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_channel_free(wrong), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_channel_free(NULL), 0);
	assert_false(grove_channel_closed(NULL));
	assert_int_equal(grove_channel_size(NULL), 0);
	assert_int_equal(grove_channel_capacity(wrong), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(grove_select(&bad[i], 1, 0), -1);
		assert_int_equal(errno, EINVAL);
	}
	assert_int_equal(grove_select(NULL, 1, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_select(NULL, 0, -1), -1);
	assert_int_equal(errno, EINVAL);
	grove_spawn_raw(sends_to_other, ITEM(1));
	grove_yield();
	errno = ENOTTY;
	assert_int_equal(grove_channel_recv(other, NULL, 0), 0);
	assert_int_equal(errno, ENOTTY);
	grove_yield();
	grove_event_free(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		channel_test(test_rendezvous),
		channel_test(test_in_the_order_of_coming),
		channel_test(test_times),
		channel_test(test_killed_sender),
		channel_test(test_killed_receiver),
		channel_test(test_handed_over_and_killed),
		channel_test(test_capacity),
		channel_test(test_large_capacity),
		channel_test(test_close),
		channel_test(test_close_wakes_receivers),
		channel_test(test_channel_as_object),
		channel_test(test_select_at_once),
		channel_test(test_select_waits),
		channel_test(test_select_meets_select),
		channel_test(test_select_on_the_same_channel),
		channel_test(test_select_of_nothing),
		channel_test(test_select_and_close),
		channel_test(test_select_is_killed),
		channel_test(test_select_with_capacity),
		channel_test(test_select_is_fair),
		channel_test(test_select_of_many),
		channel_test(test_forked_child),
		channel_test(test_unwound_select),
		channel_test(test_nothing_is_lost),
		channel_test(test_native_thread),
		channel_test(test_misuse),
	};

	return cmocka_run_group_tests(tests, api_begin, NULL);
}
