/*
 * Generators: values there and back, errors, ends, delegation, what a body takes along when it stops, and unwinding
 */
#include "api.h"
#include <pthread.h>
#include <signal.h>

/* --- bodies --------------------------------------------------------------------------------------------------------------------------- */

static void *three(void *arg)
{
	for (long i = 1; i <= 3; i++)
		grove_gen_yield((void *)i);
	return arg;
}

/* Tells what comes in, until it is told to end. */
static void *listener(void *arg)
{
	long n = 0;

	for (;;) {
		errno = 77;
		void *got = grove_gen_yield((void *)++n);

		if (got)
			note("got:%s", (char *)got);
		else if (errno == 0)
			note("next");
		else if (errno == ECANCELED)
			break;
		else
			note("thrown:%s", strerrorname_np(errno));
	}
	note("closing");
	return arg;
}

static void *fails(void *arg)
{
	grove_gen_yield(arg);
	return grove_gen_fail(EIO);
}

static void *fails_not(void *arg)
{
	grove_gen_fail(EIO);
	grove_gen_yield(arg);
	grove_gen_fail(0);
	return "well";
}

static void *stubborn(void *arg)
{
	for (;;)
		grove_gen_yield(arg);
	return NULL;
}

/* --- values and ends -------------------------------------------------------------------------------------------------------------------- */

static void values_come_one_by_one_and_the_result_is_kept(void **state)
{
	grove_generator *gen = grove_generator_new(three, "result");
	void *v = NULL;

	(void)state;
	assert_non_null(gen);
	assert_int_equal(grove_gen_state(gen), GROVE_GEN_CREATED);
	for (long i = 1; i <= 3; i++) {
		assert_int_equal(grove_gen_next(gen, &v), 1);
		assert_int_equal((long)v, i);
		assert_int_equal(grove_gen_state(gen), GROVE_GEN_SUSPENDED);
		assert_null(grove_gen_result(gen));
	}
	v = &v;
	for (int i = 0; i < 3; i++)
		assert_int_equal(grove_gen_next(gen, &v), 0);
	assert_ptr_equal(v, &v);
	assert_int_equal(grove_gen_state(gen), GROVE_GEN_CLOSED);
	assert_string_equal(grove_gen_result(gen), "result");
	assert_int_equal(grove_gen_error(gen), 0);
	assert_int_equal(grove_generator_free(gen), 0);
}

static void the_loop_takes_all_values(void **state)
{
	grove_generator *gen = grove_generator_new(three, NULL), *second = grove_generator_new(three, NULL);
	long i, j;

	(void)state;
	GROVE_FOR_EACH(i, gen) {
		GROVE_ASYNC_FOR(j, second)
			note("%ld", 10 * i + j);
		if (i == 2)
			break;
	}
	assert_string_equal(api_log, "11 12 13");
	assert_int_equal(grove_gen_state(gen), GROVE_GEN_SUSPENDED);
	GROVE_FOR_EACH(i, gen)
		note("rest %ld", i);
	assert_string_equal(api_log, "11 12 13 rest 3");
	assert_int_equal(grove_generator_free(gen), 0);
	assert_int_equal(grove_generator_free(second), 0);
}

static void what_is_sent_is_what_the_yield_returns(void **state)
{
	grove_generator *gen = grove_generator_new(listener, "bye");
	void *v;

	(void)state;
	assert_int_equal(grove_gen_send(gen, "early", &v), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_gen_send(gen, NULL, &v), 1);
	assert_int_equal(grove_gen_send(gen, "a", &v), 1);
	assert_int_equal(grove_gen_next(gen, &v), 1);
	assert_int_equal(grove_gen_send(gen, NULL, NULL), 1);
	assert_int_equal(grove_gen_throw(gen, EPIPE, &v), 1);
	assert_int_equal((long)v, 5);
	errno = 5;
	assert_int_equal(grove_gen_close(gen), 0);
	assert_int_equal(errno, 5);
	assert_string_equal(api_log, "got:a next next thrown:EPIPE closing");
	assert_string_equal(grove_gen_result(gen), "bye");
	assert_int_equal(grove_gen_send(gen, "late", &v), 0);
	assert_int_equal(grove_generator_free(gen), 0);
}

static void errors_of_the_body_are_told_once(void **state)
{
	grove_generator *gen = grove_generator_new(fails, "x");

	(void)state;
	assert_int_equal(grove_gen_next(gen, NULL), 1);
	assert_int_equal(grove_gen_next(gen, NULL), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(grove_gen_error(gen), EIO);
	assert_null(grove_gen_result(gen));
	assert_int_equal(grove_gen_next(gen, NULL), 0);
	assert_int_equal(grove_generator_free(gen), 0);

	gen = grove_generator_new(fails_not, "x");
	assert_int_equal(grove_gen_next(gen, NULL), 1);
	assert_int_equal(grove_gen_next(gen, NULL), 0);
	assert_string_equal(grove_gen_result(gen), "well");
	assert_int_equal(grove_generator_free(gen), 0);
}

/* --- throw and close, state by state --------------------------------------------------------------------------------------------------- */

static const struct ends_row {
	const char *what;
	grove_fn *body;
	int nexts;			/* before it */
	int thrown;			/* 0: close */
	int want, err;
	enum grove_gen_state after;
} ends_rows[] = {
	{ "close before the start",	three,		0, 0,		0, 0,		GROVE_GEN_CLOSED },
	{ "close in the middle",	listener,	2, 0,		0, 0,		GROVE_GEN_CLOSED },
	{ "close after the end",	three,		4, 0,		0, 0,		GROVE_GEN_CLOSED },
	{ "it fails while it closes",	fails,		1, 0,		-1, EIO,	GROVE_GEN_CLOSED },
	{ "it yields instead",		stubborn,	1, 0,		-1, EBUSY,	GROVE_GEN_SUSPENDED },
	{ "throw before the start",	three,		0, EPIPE,	-1, EPIPE,	GROVE_GEN_CLOSED },
	{ "throw in the middle",	three,		1, EPIPE,	1, 0,		GROVE_GEN_SUSPENDED },
	{ "throw at the last yield",	three,		3, EPIPE,	0, 0,		GROVE_GEN_CLOSED },
	{ "throw after the end",	three,		4, EPIPE,	-1, EPIPE,	GROVE_GEN_CLOSED },
	{ "what is thrown turns into another error",	fails,	1, EPIPE,	-1, EIO,	GROVE_GEN_CLOSED },
	{ "no errno value",		three,		1, 5000,	-1, EINVAL,	GROVE_GEN_SUSPENDED },
	{ "a negative one",		three,		1, -1,		-1, EINVAL,	GROVE_GEN_SUSPENDED },
};

static void throw_and_close(void **state)
{
	(void)state;
	for (size_t i = 0; i < GR_LENGTH(ends_rows); i++) {
		const struct ends_row *r = &ends_rows[i];
		grove_generator *gen = grove_generator_new(r->body, NULL);
		int got;

		for (int n = 0; n < r->nexts; n++)
			grove_gen_next(gen, NULL);
		errno = 0;
		got = r->thrown ? grove_gen_throw(gen, r->thrown, NULL) : grove_gen_close(gen);
		if (got != r->want || errno != r->err || grove_gen_state(gen) != r->after)
			fail_msg("%s: %d, errno %d, state %d", r->what, got, errno, grove_gen_state(gen));
		assert_int_equal(grove_generator_free(gen), 0);
	}
}

static void tell(void *arg)
{
	note("%s", *(char **)arg);
}

static void *holds_something(void *arg)
{
	const char *held __attribute__((cleanup(tell), unused)) = "cleaned";

	for (;;)
		grove_gen_yield(arg);
	return NULL;
}

static void free_ends_a_body_that_will_not(void **state)
{
	grove_generator *gen = grove_generator_new(holds_something, NULL);

	(void)state;
	assert_int_equal(grove_gen_next(gen, NULL), 1);
	errno = 5;
	assert_int_equal(grove_generator_free(gen), 0);
	assert_int_equal(errno, 5);
	assert_string_equal(api_log, "cleaned");
}

static void *frees_itself(void *arg)
{
	grove_generator *me = grove_gen_current();

	assert_ptr_equal(me, *(grove_generator **)arg);
	assert_int_equal(grove_gen_state(me), GROVE_GEN_RUNNING);
	assert_int_equal(grove_gen_next(me, NULL), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(grove_gen_send(me, arg, NULL), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(grove_gen_throw(me, EIO, NULL), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(grove_gen_close(me), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(grove_generator_free(me), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(grove_gen_yield_from(me, NULL), -1);
	assert_int_equal(errno, EBUSY);
	return NULL;
}

static void a_running_generator_is_busy(void **state)
{
	grove_generator *gen;

	(void)state;
	gen = grove_generator_new(frees_itself, &gen);
	assert_int_equal(grove_gen_next(gen, NULL), 0);
	assert_int_equal(grove_generator_free(gen), 0);
}

static void misuse(void **state)
{
	struct grove_generator_attr small = { .size = sizeof(small), .stack_size = GROVE_STACK_MIN - 1 }, wrong = { .size = 1 },
				    reserved = { .size = sizeof(reserved), .reserved = { 0, 1 } };
	grove_greenlet *other = grove_current();

	(void)state;
	assert_null(grove_generator_new(NULL, NULL));
	assert_int_equal(errno, EINVAL);
	assert_null(grove_generator_new_with(NULL, three, NULL));
	assert_null(grove_generator_new_with(&small, three, NULL));
	assert_null(grove_generator_new_with(&wrong, three, NULL));
	assert_null(grove_generator_new_with(&reserved, three, NULL));
	assert_int_equal(errno, EINVAL);
	for (int i = 0; i < 2; i++) {
		grove_generator *no = i ? (grove_generator *)other : NULL;

		errno = 0;
		assert_int_equal(grove_gen_next(no, NULL), -1);
		assert_int_equal(grove_gen_send(no, NULL, NULL), -1);
		assert_int_equal(grove_gen_throw(no, EIO, NULL), -1);
		assert_int_equal(grove_gen_close(no), -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(grove_gen_state(no), GROVE_GEN_CLOSED);
		assert_null(grove_gen_result(no));
		assert_int_equal(grove_gen_error(no), 0);
	}
	assert_int_equal(grove_generator_free(NULL), 0);
	assert_int_equal(grove_generator_free((grove_generator *)other), -1);
	errno = 0;
	assert_null(grove_gen_yield("nobody"));
	assert_int_equal(errno, EPERM);
	assert_int_equal(grove_gen_yield_from(NULL, NULL), -1);
	assert_int_equal(errno, EPERM);
	assert_null(grove_gen_current());
	assert_null(grove_gen_fail(EIO));
}

static void *deep(void *arg)
{
	volatile char room[600 * 1024];

	room[0] = room[sizeof(room) - 1] = 1;
	grove_gen_yield((void *)(long)(room[0] + room[sizeof(room) - 1]));
	return arg;
}

static void a_stack_as_large_as_asked_for(void **state)
{
	struct grove_generator_attr attr = { .size = sizeof(attr), .stack_size = 1 << 20 };
	grove_generator *gen = grove_generator_new_with(&attr, deep, NULL);
	void *v;

	(void)state;
	assert_int_equal(grove_gen_next(gen, &v), 1);
	assert_int_equal((long)v, 2);
	assert_int_equal(grove_generator_free(gen), 0);
}

static void stacks_are_used_again(void **state)
{
	struct gr_stack_stats before, after;

	(void)state;
	gr_stack_get_stats(&before);
	for (int i = 0; i < 1000; i++) {
		grove_generator *gen = grove_generator_new(three, NULL);

		for (int n = 0; n < i % 6; n++)
			grove_gen_next(gen, NULL);
		assert_int_equal(grove_generator_free(gen), 0);
	}
	gr_stack_get_stats(&after);
	assert_int_equal(after.in_use, before.in_use);
	assert_true(after.slots <= before.slots + 2);
}

/* --- yield from ------------------------------------------------------------------------------------------------------------------------ */

/* A sub-generator of its own for the outer one; its end and its error are told. */
static void *outer(void *arg)
{
	grove_generator *inner = grove_generator_new((grove_fn *)arg, "inner's");
	void *result = "none";
	int r = grove_gen_yield_from(inner, &result);

	note("r:%d", r);
	if (r < 0) {
		note("%s", strerrorname_np(errno));
		grove_gen_fail(errno);
	} else {
		note("%s", (char *)result);
	}
	grove_generator_free(inner);
	return result;
}

static const struct from_row {
	const char *what;
	grove_fn *inner;
	const char *does;		/* n: next, s: send, t: throw EPIPE, c: close */
	const char *log, *returns;	/* the last letter of returns is what the last call gave */
} from_rows[] = {
	{ "all values, and the result",		three,		"nnnn",	"r:0 inner's",	"1110" },
	{ "what is sent goes in",		listener,	"nsnc", "got:s next closing r:-1 ECANCELED",	"1110" },
	{ "what is thrown goes in",		listener,	"ntc",	"thrown:EPIPE closing r:-1 ECANCELED",	"110" },
	{ "an error comes out",			fails,		"nn",	"r:-1 EIO",	"1-" },
	{ "a close that fails comes out",	fails,		"nc",	"r:-1 EIO",	"1-" },
	{ "one that will not close",		stubborn,	"nc",	"r:-1 EBUSY",	"1-" },
};

static char step(grove_generator *gen, char what)
{
	int r;

	switch (what) {
	case 'n':
		r = grove_gen_next(gen, NULL);
		break;
	case 's':
		r = grove_gen_send(gen, "s", NULL);
		break;
	case 't':
		r = grove_gen_throw(gen, EPIPE, NULL);
		break;
	default:
		r = grove_gen_close(gen);
	}
	return r < 0 ? '-' : (char)('0' + r);
}

static void yield_from_passes_everything_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < GR_LENGTH(from_rows); i++) {
		const struct from_row *r = &from_rows[i];
		grove_generator *gen = grove_generator_new(outer, (void *)r->inner);
		char returns[8] = "";

		api_log[0] = '\0';
		for (const char *p = r->does; *p; p++)
			returns[p - r->does] = step(gen, *p);
		if (strcmp(returns, r->returns) || strcmp(api_log, r->log))
			fail_msg("%s: %s %s", r->what, returns, api_log);
		assert_int_equal(grove_generator_free(gen), 0);
	}
}

static void *tree(void *arg)
{
	long depth = (long)arg;

	if (depth > 0) {
		grove_generator *left = grove_generator_new(tree, (void *)(depth - 1)), *right = grove_generator_new(tree, (void *)(depth - 1));

		grove_gen_yield_from(left, NULL);
		grove_gen_yield((void *)depth);
		grove_gen_yield_from(right, NULL);
		grove_generator_free(left);
		grove_generator_free(right);
	}
	return NULL;
}

static void generators_within_generators(void **state)
{
	grove_generator *gen = grove_generator_new(tree, (void *)3);
	long v;

	(void)state;
	GROVE_FOR_EACH(v, gen)
		note("%ld", v);
	assert_string_equal(api_log, "1 2 1 3 1 2 1");
	assert_int_equal(grove_generator_free(gen), 0);
}

/* --- bodies that wait ------------------------------------------------------------------------------------------------------------------ */

static void *ticker(void *arg)
{
	for (long i = 1; i <= (long)arg; i++) {
		if (grove_sleep(GR_MS(10)) < 0)
			return grove_gen_fail(errno);
		grove_gen_yield((void *)i);
	}
	return NULL;
}

static void *counts_time(void *arg)
{
	for (int i = 0; i < 5; i++) {
		grove_sleep(GR_MS(7));
		note("%s", (char *)arg);
	}
	return NULL;
}

static void others_run_while_a_body_waits(void **state)
{
	grove_greenlet *g = grove_spawn(counts_time, "o");
	grove_generator *gen = grove_generator_new(ticker, (void *)3);
	long v;

	(void)state;
	GROVE_ASYNC_FOR(v, gen)
		note("%ld", v);
	assert_int_equal(took(), GR_MS(30));
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	assert_string_equal(api_log, "o 1 o 2 o o 3 o");
	assert_int_equal(grove_generator_free(gen), 0);
}

static void *asks(void *arg)
{
	void *v;
	int r = grove_gen_next(arg, &v);

	note("%d:%s", r, r < 0 ? strerrorname_np(errno) : "");
	return NULL;
}

static void a_second_greenlet_finds_it_busy(void **state)
{
	grove_generator *gen = grove_generator_new(ticker, (void *)3);
	grove_greenlet *list[2] = { grove_spawn(asks, gen), grove_spawn(asks, gen) };

	(void)state;
	assert_int_equal(grove_joinall(list, 2, 0, GROVE_FOREVER, 0), 2);
	assert_string_equal(api_log, "-1:EBUSY 1:");
	grove_release(list[0]);
	grove_release(list[1]);
	assert_int_equal(grove_gen_next(gen, NULL), 1);		/* from one greenlet to the next */
	assert_int_equal(grove_generator_free(gen), 0);
}

static void a_kill_reaches_a_body_that_waits(void **state)
{
	grove_generator *gen = grove_generator_new(ticker, (void *)3);
	grove_greenlet *g = grove_spawn(asks, gen);

	(void)state;
	grove_sleep(GR_MS(1));
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "-1:ECANCELED");
	assert_int_equal(took(), GR_MS(1));
	assert_int_equal(grove_gen_state(gen), GROVE_GEN_CLOSED);
	grove_release(g);
	assert_int_equal(grove_generator_free(gen), 0);
}

static void the_consumers_deadline_holds_in_the_body(void **state)
{
	grove_generator *gen = grove_generator_new(ticker, (void *)3);
	struct grove_timeout t;

	(void)state;
	assert_int_equal(grove_timeout_start(&t, GR_MS(15)), 0);
	assert_int_equal(grove_gen_next(gen, NULL), 1);
	assert_int_equal(grove_gen_next(gen, NULL), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_timeout_stop(&t), 1);
	assert_int_equal(took(), GR_MS(15));
	assert_int_equal(grove_generator_free(gen), 0);
}

/* --- what a body takes along ------------------------------------------------------------------------------------------------------------ */

static void *has_a_deadline(void *arg)
{
	struct grove_timeout t;

	(void)arg;
	assert_int_equal(grove_timeout_start(&t, GR_MS(10)), 0);
	grove_gen_yield("first");
	note("pending:%d", grove_timeout_pending(&t));
	note("slept:%d", grove_sleep(GR_MS(1)));
	grove_gen_yield("second");
	note("stopped:%d", grove_timeout_stop(&t));
	grove_gen_yield("third");
	note("slept:%d", grove_sleep(GR_MS(1)));
	return NULL;
}

static void a_deadline_of_the_body_is_not_the_consumers(void **state)
{
	grove_generator *gen = grove_generator_new(has_a_deadline, NULL);
	struct grove_timeout mine;

	(void)state;
	assert_int_equal(grove_gen_next(gen, NULL), 1);
	assert_int_equal(grove_sleep(GR_MS(50)), 0);
	assert_int_equal(grove_timeout_start(&mine, GR_MS(500)), 0);
	assert_int_equal(grove_gen_next(gen, NULL), 1);
	assert_int_equal(grove_timeout_stop(&mine), 0);		/* not in the order in which they were started */
	assert_int_equal(grove_gen_next(gen, NULL), 1);
	assert_int_equal(grove_gen_next(gen, NULL), 0);
	assert_string_equal(api_log, "pending:0 slept:-1 stopped:1 slept:0");
	assert_int_equal(grove_generator_free(gen), 0);
}

static void *leaves_a_deadline(void *arg)
{
	struct grove_timeout t;

	grove_timeout_start(&t, 0);
	return arg;
}

static void a_deadline_that_the_body_forgot_ends_with_it(void **state)
{
	grove_generator *gen = grove_generator_new(leaves_a_deadline, NULL);

	(void)state;
	assert_int_equal(grove_gen_next(gen, NULL), 0);
	assert_int_equal(grove_sleep(1), 0);
	assert_int_equal(grove_generator_free(gen), 0);
}

/* What pthread_cleanup_push() is where there is no -fexceptions. */
extern void __pthread_register_cancel(__pthread_unwind_buf_t *buf);
extern void __pthread_unregister_cancel(__pthread_unwind_buf_t *buf);

static void *pushes_a_handler(void *arg)
{
	__pthread_unwind_buf_t buf;

	__pthread_register_cancel(&buf);
	grove_gen_yield(arg);
	__pthread_unregister_cancel(&buf);
	return buf.__pad[0];		/* what was the innermost outside */
}

static void handlers_of_the_body_are_not_the_consumers(void **state)
{
	grove_generator *gen = grove_generator_new(pushes_a_handler, NULL);
	__pthread_unwind_buf_t first, second, probe;

	(void)state;
	__pthread_register_cancel(&first);
	assert_int_equal(grove_gen_next(gen, NULL), 1);
	__pthread_unregister_cancel(&first);
	__pthread_register_cancel(&second);
	assert_int_equal(grove_gen_next(gen, NULL), 0);
	assert_ptr_equal(grove_gen_result(gen), &second);	/* and not the first, which has gone */
	__pthread_register_cancel(&probe);
	assert_ptr_equal(probe.__pad[0], &second);
	__pthread_unregister_cancel(&probe);
	__pthread_unregister_cancel(&second);
	assert_int_equal(grove_generator_free(gen), 0);
}

static void *who(void *arg)
{
	note("%s%s", (char *)arg, grove_name(grove_current()));
	grove_gen_yield(NULL);
	note("%s", grove_name(grove_current()));
	return NULL;
}

static void it_is_part_of_whoever_asks(void **state)
{
	struct grove_spawn_attr attr = { .size = sizeof(attr), .name = "asker" };
	grove_generator *gen = grove_generator_new(who, "");
	grove_greenlet *g = grove_spawn_with(&attr, asks, gen);

	(void)state;
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	grove_set_name(grove_current(), "me");
	assert_int_equal(grove_gen_next(gen, NULL), 0);
	assert_string_equal(api_log, "asker 1: me");
	assert_int_equal(grove_generator_free(gen), 0);
}

static void on_signal(int sig)
{
	note("signal:%d", sig == SIGUSR1);
}

/* A signal for us arrives while the other side gets ready to leave: it is what gr_generator_switch() sees to. */
static void *raises(void *arg)
{
	struct gr_carrier *c = gr_carrier();

	for (;;) {
		c->todo |= GR_TODO_SIGNAL;	/* as signal.c notes it, while carrier->inside is set */
		grove_gen_yield(arg);
		note("body");
	}
	return NULL;
}

static void signals_that_waited_are_delivered_on_arrival(void **state)
{
	struct sigaction sa = { .sa_handler = on_signal }, old;
	grove_generator *gen = grove_generator_new(raises, "value");
	void *v;

	(void)state;
	sigaction(SIGUSR1, &sa, &old);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(grove_gen_next(gen, &v), 1);
		assert_string_equal(v, "value");
		assert_int_equal(gr_carrier()->todo & GR_TODO_SIGNAL, 0);
		gr_enter();
		raise(SIGUSR1);
		assert_string_equal(api_log, i ? "signal:1 body body" : "");
		assert_int_not_equal(gr_carrier()->todo & GR_TODO_SIGNAL, 0);
		gr_carrier()->inside = GR_OUTSIDE;
		assert_int_equal(grove_gen_next(gen, &v), 1);
		assert_string_equal(api_log, i ? "signal:1 body body signal:1 body" : "signal:1 body");
	}
	sigaction(SIGUSR1, &old, NULL);
	assert_int_equal(grove_generator_free(gen), 0);
}

/* --- unwinding ------------------------------------------------------------------------------------------------------------------------- */

static void *exits(void *arg)
{
	const char *held __attribute__((cleanup(tell), unused)) = "body";

	grove_gen_yield(arg);
	pthread_exit("value");
}

static void *wraps(void *arg)
{
	const char *held __attribute__((cleanup(tell), unused)) = "wrapper";

	grove_gen_yield_from(arg, NULL);
	return NULL;
}

static void *consumes(void *arg)
{
	const char *held __attribute__((cleanup(tell), unused)) = "consumer";

	while (grove_gen_next(arg, NULL) == 1)
		note("value");
	note("not reached");
	return NULL;
}

static void pthread_exit_in_a_body_ends_the_greenlet(void **state)
{
	grove_generator *inner = grove_generator_new(exits, NULL), *gen = grove_generator_new(wraps, inner);
	grove_greenlet *g = grove_spawn(consumes, gen);

	(void)state;
	assert_int_equal(grove_get(g, NULL, GROVE_FOREVER), -1);
	assert_int_equal(errno, ECANCELED);
	assert_string_equal(api_log, "value body wrapper consumer");
	assert_int_equal(grove_gen_state(inner), GROVE_GEN_CLOSED);
	assert_int_equal(grove_gen_state(gen), GROVE_GEN_CLOSED);
	assert_int_equal(grove_gen_error(gen), ECANCELED);
	grove_release(g);
	assert_int_equal(grove_generator_free(gen), 0);
	assert_int_equal(grove_generator_free(inner), 0);
}

static void *waits_on_a_condition(void *arg)
{
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
	const char *held __attribute__((cleanup(tell), unused)) = "body";

	pthread_mutex_lock(&m);
	for (;;)
		pthread_cond_wait(&c, &m);
	return arg;
}

static void a_cancelled_body_is_unwound_and_its_consumer_too(void **state)
{
	grove_generator *gen = grove_generator_new(waits_on_a_condition, NULL);
	grove_greenlet *g = grove_spawn(consumes, gen);

	(void)state;
	grove_sleep(GR_MS(1));
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "body consumer");
	assert_int_equal(grove_gen_state(gen), GROVE_GEN_CLOSED);
	grove_release(g);
	assert_int_equal(grove_generator_free(gen), 0);
}

/* --- coroutines, native threads, waiting --------------------------------------------------------------------------------------------------- */

static void *ends_at_once(void *arg)
{
	return arg ? grove_gen_fail(ENOENT) : NULL;
}

static void a_coroutine_waits_at_its_first_yield(void **state)
{
	grove_generator *gen = grove_coroutine_new(listener, NULL);

	(void)state;
	assert_non_null(gen);
	assert_int_equal(grove_gen_send(gen, "at once", NULL), 1);
	assert_string_equal(api_log, "got:at once");
	assert_int_equal(grove_generator_free(gen), 0);
	assert_null(grove_coroutine_new(ends_at_once, NULL));
	assert_int_equal(errno, ECANCELED);
	assert_null(grove_coroutine_new(ends_at_once, "x"));
	assert_int_equal(errno, ENOENT);
	assert_null(grove_coroutine_new(NULL, NULL));
	assert_int_equal(errno, EINVAL);
}

static void *native(void *arg)
{
	long sum = 0, v;

	GROVE_FOR_EACH(v, (grove_generator *)arg)
		sum += v;
	errno = 0;
	if (grove_gen_yield("from here") || errno != EPERM)
		sum = -1;
	grove_stop();
	return (void *)sum;
}

static void a_native_thread_may_ask(void **state)
{
	grove_generator *gen = grove_generator_new(three, NULL);
	pthread_t thread;
	void *sum;

	(void)state;
	api_natives++;
	assert_int_equal(pthread_create(&thread, NULL, native, gen), 0);
	assert_int_equal(grove_run_forever(), 0);
	pthread_join(thread, &sum);
	api_natives--;
	assert_int_equal((long)sum, 6);
	assert_int_equal(grove_generator_free(gen), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(values_come_one_by_one_and_the_result_is_kept),
		api_test(the_loop_takes_all_values),
		api_test(what_is_sent_is_what_the_yield_returns),
		api_test(errors_of_the_body_are_told_once),
		api_test(throw_and_close),
		api_test(free_ends_a_body_that_will_not),
		api_test(a_running_generator_is_busy),
		api_test(misuse),
		api_test(a_stack_as_large_as_asked_for),
		api_test(stacks_are_used_again),
		api_test(yield_from_passes_everything_both_ways),
		api_test(generators_within_generators),
		api_test(others_run_while_a_body_waits),
		api_test(a_second_greenlet_finds_it_busy),
		api_test(a_kill_reaches_a_body_that_waits),
		api_test(the_consumers_deadline_holds_in_the_body),
		api_test(a_deadline_of_the_body_is_not_the_consumers),
		api_test(a_deadline_that_the_body_forgot_ends_with_it),
		api_test(handlers_of_the_body_are_not_the_consumers),
		api_test(it_is_part_of_whoever_asks),
		api_test(signals_that_waited_are_delivered_on_arrival),
		api_test(pthread_exit_in_a_body_ends_the_greenlet),
		api_test(a_cancelled_body_is_unwound_and_its_consumer_too),
		api_test(a_coroutine_waits_at_its_first_yield),
		api_test(a_native_thread_may_ask),
	};

	return cmocka_run_group_tests_name("generator", tests, api_begin, NULL);
}
