/*
 * Contexts: what exit is told, that it always runs and is shielded; contexts out of generators; exit stacks
 */
#include "api.h"
#include <grove/context.h>
#include <grove/generator.h>
#include <pthread.h>

static int enter(grove_context *ctx)
{
	grove_sleep(GROVE_MS(1));
	note("+%s", (char *)ctx->arg);
	ctx->value = "value";
	return 0;
}

static int leave(grove_context *ctx, int err)
{
	int r = grove_sleep(GROVE_MS(1));

	note("-%s:%s%s", (char *)ctx->arg, err ? strerrorname_np(err) : "0", r < 0 ? "!" : "");
	return 0;
}

static int refuse(grove_context *ctx)
{
	note("no%s", (char *)ctx->arg);
	errno = EACCES;
	return -1;
}

static int leave_badly(grove_context *ctx, int err)
{
	leave(ctx, err);
	errno = EIO;
	return -1;
}

/* --- ways out of a block -------------------------------------------------------------------------------------------------------------- */

static void at_its_end(grove_context *c)
{
	GROVE_WITH(c)
		note("in");
}

static void by_continue(grove_context *c)
{
	GROVE_WITH(c) {
		note("in");
		continue;
	}
}

static void by_break(grove_context *c)
{
	GROVE_WITH(c) {
		note("in");
		break;
	}
}

static void by_return(grove_context *c)
{
	GROVE_WITH(c) {
		note("in");
		return;
	}
	note("not reached");
}

static void by_goto(grove_context *c)
{
	GROVE_WITH(c) {
		note("in");
		goto out;
	}
	note("not reached");
out:
	return;
}

static void with_an_error(grove_context *c)
{
	GROVE_WITH(c) {
		note("in");
		GROVE_WITH_ERROR(EPIPE);
		break;
	}
}

static void with_an_error_that_was_mended(grove_context *c)
{
	GROVE_WITH(c) {
		GROVE_WITH_ERROR(EPIPE);
		note("in");
	}
}

static const struct ways_row {
	const char *what;
	void (*fn)(grove_context *c);
	int (*enter)(grove_context *c);
	int (*exit)(grove_context *c, int err);
	const char *log;
	int error;
} ways_rows[] = {
	{ "its end", at_its_end, enter, leave, "+c in -c:0", 0 },
	{ "continue", by_continue, enter, leave, "+c in -c:0", 0 },
	{ "break", by_break, enter, leave, "+c in -c:ECANCELED", 0 },
	{ "return", by_return, enter, leave, "+c in -c:ECANCELED", 0 },
	{ "goto", by_goto, enter, leave, "+c in -c:ECANCELED", 0 },
	{ "an error", with_an_error, enter, leave, "+c in -c:EPIPE", 0 },
	{ "no error after all", with_an_error_that_was_mended, enter, leave, "+c in -c:0", 0 },
	{ "not entered", at_its_end, refuse, leave, "noc", EACCES },
	{ "exit fails", at_its_end, enter, leave_badly, "+c in -c:0", EIO },
	{ "no functions", at_its_end, NULL, NULL, "in", 0 },
};

static void what_exit_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < GR_LENGTH(ways_rows); i++) {
		const struct ways_row *r = &ways_rows[i];
		grove_context c = GROVE_CONTEXT(r->enter, r->exit, "c");

		api_log[0] = '\0';
		for (int twice = 0; twice < 2; twice++) {	/* a context may be entered again */
			api_log[0] = '\0';
			r->fn(&c);
		}
		if (strcmp(api_log, r->log) || c.error != r->error || c.entered)
			fail_msg("%s: %s, error %d", r->what, api_log, c.error);
	}
}

static void blocks_nest(void **state)
{
	grove_context a = GROVE_CONTEXT(enter, leave, "a"), b = GROVE_CONTEXT(enter, leave, "b");

	(void)state;
	GROVE_WITH(&a)
		GROVE_WITH(&b) {
			assert_string_equal(b.value, "value");
			note("in");
			break;
		}
	assert_string_equal(api_log, "+a +b in -b:ECANCELED -a:0");
}

static void errno_is_what_the_block_left(void **state)
{
	grove_context c = GROVE_CONTEXT(enter, leave_badly, "c");

	(void)state;
	GROVE_WITH(&c) {
		errno = ENOTTY;
		break;
	}
	assert_int_equal(errno, ENOTTY);
}

/* --- exit always runs, and is not disturbed ---------------------------------------------------------------------------------------------- */

static void *sleeps_within(void *arg)
{
	grove_context c = GROVE_CONTEXT(enter, leave, "c");

	GROVE_WITH(&c)
		if (grove_sleep((int64_t)arg) < 0) {
			GROVE_WITH_ERROR(errno);
			break;
		}
	note("after:%d", grove_sleep(0));
	return NULL;
}

static void when_the_greenlet_is_killed(void **state)
{
	grove_greenlet *g = grove_spawn(sleeps_within, (void *)GROVE_SEC(10));

	(void)state;
	grove_sleep(GROVE_MS(5));
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	grove_release(g);
	assert_string_equal(api_log, "+c -c:ECANCELED after:-1");
	assert_int_equal(took(), GROVE_MS(6));
}

static void killed_while_it_exits(void **state)
{
	grove_greenlet *g = grove_spawn(sleeps_within, (void *)GROVE_MS(1));

	(void)state;
	grove_sleep(GROVE_US(2500));		/* in the middle of exit */
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	grove_release(g);
	assert_string_equal(api_log, "+c -c:0 after:-1");
	assert_int_equal(took(), GROVE_MS(3));
}

static void when_a_deadline_is_over(void **state)
{
	struct grove_timeout t;

	(void)state;
	grove_timeout_start(&t, GROVE_MS(5));
	sleeps_within((void *)GROVE_SEC(10));
	assert_int_equal(grove_timeout_stop(&t), 1);
	assert_string_equal(api_log, "+c -c:ETIMEDOUT after:-1");
}

static void *exits_within(void *arg)
{
	grove_context c = GROVE_CONTEXT(enter, leave, "c");

	GROVE_WITH(&c)
		pthread_exit(arg);
	note("not reached");
	return NULL;
}

static void *waits_within(void *arg)
{
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
	grove_context c = GROVE_CONTEXT(enter, leave, "c");

	GROVE_WITH(&c) {
		pthread_mutex_lock(&m);
		for (;;)
			pthread_cond_wait(&cond, &m);
	}
	return arg;
}

static void when_the_thread_is_unwound(void **state)
{
	grove_greenlet *g = grove_spawn(exits_within, NULL);

	(void)state;
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	assert_string_equal(api_log, "+c -c:ECANCELED");
	api_clear(NULL);
	g = grove_spawn(waits_within, NULL);
	grove_sleep(GROVE_MS(5));
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	grove_release(g);
	assert_string_equal(api_log, "+c -c:ECANCELED");
}

/* --- out of a generator ------------------------------------------------------------------------------------------------------------------ */

static void *body(void *arg)
{
	note("+%s", (char *)arg);
	grove_gen_yield("value");
	note("-%s:%s", (char *)arg, errno ? strerrorname_np(errno) : "0");
	return NULL;
}

static void *rethrows(void *arg)
{
	if (!grove_gen_yield(arg) && errno)
		return grove_gen_fail(errno);
	return NULL;
}

static void *fails_later(void *arg)
{
	grove_gen_yield(arg);
	return grove_gen_fail(EIO);
}

static void *fails_at_once(void *arg)
{
	return arg ? grove_gen_fail(ENOENT) : NULL;
}

static void *yields_twice(void *arg)
{
	grove_gen_yield(arg);
	grove_gen_yield(arg);
	return NULL;
}

static const struct body_row {
	const char *what;
	grove_fn *body;
	void (*way)(grove_context *c);
	const char *log;
	int error;
} body_rows[] = {
	{ "to its end", body, at_its_end, "+b in -b:0", 0 },
	{ "broken out of", body, by_break, "+b in -b:ECANCELED", 0 },
	{ "an error", body, with_an_error, "+b in -b:EPIPE", 0 },
	{ "the same error again", rethrows, with_an_error, "in", 0 },
	{ "another error", fails_later, with_an_error, "in", EIO },
	{ "an error in the end", fails_later, at_its_end, "in", EIO },
	{ "enter fails", fails_at_once, at_its_end, "", ENOENT },
	{ "it does not stop", yields_twice, at_its_end, "in", EPROTO },
	{ "nor when told", yields_twice, by_break, "in", EPROTO },
};

static void generators_as_contexts(void **state)
{
	grove_context c;

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(body_rows); i++) {
		const struct body_row *r = &body_rows[i];

		api_log[0] = '\0';
		assert_int_equal(grove_context_from(&c, r->body, "b"), 0);
		r->way(&c);
		if (strcmp(api_log, r->log) || c.error != r->error)
			fail_msg("%s: %s, error %d", r->what, api_log, c.error);
	}
	assert_int_equal(grove_context_from(&c, fails_at_once, NULL), 0);
	assert_int_equal(grove_context_enter(&c), -1);
	assert_int_equal(errno, EPROTO);
}

/* --- exit stacks ------------------------------------------------------------------------------------------------------------------------- */

static void called(void *arg)
{
	grove_sleep(0);
	note("call:%s", (char *)arg);
}

static void a_stack_is_left_last_first(void **state)
{
	grove_context a = GROVE_CONTEXT(enter, leave, "a"), b = GROVE_CONTEXT(enter, leave_badly, "b"), no = GROVE_CONTEXT(refuse, leave, "x");
	grove_exit_stack *stack = grove_exit_stack_new(), *other;

	(void)state;
	GROVE_WITH(grove_exit_stack_context(stack)) {
		assert_int_equal(grove_exit_stack_enter(stack, &a), 0);
		assert_int_equal(grove_exit_stack_push(stack, called, "p"), 0);
		assert_int_equal(grove_exit_stack_enter(stack, &b), 0);
		assert_int_equal(grove_exit_stack_enter(stack, &no), -1);
		assert_int_equal(errno, EACCES);
		note("in");
	}
	assert_string_equal(api_log, "+a +b nox in -b:0 call:p -a:EIO");
	assert_int_equal(grove_exit_stack_context(stack)->error, EIO);

	api_log[0] = '\0';
	grove_exit_stack_enter(stack, &a);
	other = grove_exit_stack_pop_all(stack);
	assert_int_equal(grove_exit_stack_close(stack, 0), 0);
	assert_int_equal(grove_exit_stack_free(stack), 0);
	assert_string_equal(api_log, "+a");
	assert_int_equal(grove_exit_stack_close(other, EPIPE), 0);
	assert_string_equal(api_log, "+a -a:EPIPE");
	assert_int_equal(grove_exit_stack_free(other), 0);
}

/* --- misuse ------------------------------------------------------------------------------------------------------------------------------ */

static void misuse(void **state)
{
	grove_context c = GROVE_CONTEXT(enter, leave, "c");
	uint64_t other[16] = { 0 };

	(void)state;
	assert_int_equal(grove_context_enter(NULL), -1);
	assert_int_equal(grove_context_exit(NULL, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_context_exit(&c, 0), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(grove_context_enter(&c), 0);
	assert_int_equal(grove_context_enter(&c), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(grove_context_exit(&c, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_context_exit(&c, 0), 0);
	assert_int_equal(grove_context_from(NULL, body, NULL), -1);
	assert_int_equal(grove_context_from(&c, NULL, NULL), -1);
	for (int i = 0; i < 2; i++) {
		grove_exit_stack *no = i ? (grove_exit_stack *)other : NULL;

		errno = 0;
		assert_int_equal(grove_exit_stack_enter(no, &c), -1);
		assert_int_equal(grove_exit_stack_push(no, called, "x"), -1);
		assert_int_equal(grove_exit_stack_close(no, 0), -1);
		assert_null(grove_exit_stack_pop_all(no));
		assert_null(grove_exit_stack_context(no));
		assert_int_equal(grove_exit_stack_free(no), i ? -1 : 0);
		assert_int_equal(errno, EINVAL);
	}
	GROVE_WITH(NULL)
		note("not reached");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(what_exit_is_told),
		api_test(blocks_nest),
		api_test(errno_is_what_the_block_left),
		api_test(when_the_greenlet_is_killed),
		api_test(killed_while_it_exits),
		api_test(when_a_deadline_is_over),
		api_test(when_the_thread_is_unwound),
		api_test(generators_as_contexts),
		api_test(a_stack_is_left_last_first),
		api_test(misuse),
	};

	return cmocka_run_group_tests_name("context", tests, api_begin, NULL);
}
