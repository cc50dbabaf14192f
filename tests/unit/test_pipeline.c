/*
 * Pipelines: shapes, back-pressure, how the end and an error travel, values that nobody got; coroutines that are pushed into
 */
#include "api.h"
#include <grove/pipeline.h>
#include <pthread.h>

static long dropped;

static void drop(void *value)
{
	dropped += (long)value;
}

/* --- stages ---------------------------------------------------------------------------------------------------------------------------- */

/* Puts 1, 2, 3 ... @arg */
static int counts(grove_stage *s, void *arg)
{
	for (long i = 1; i <= (long)arg; i++)
		if (grove_stage_put(s, (void *)i, GROVE_FOREVER) < 0) {
			note("put:%ld:%s", i, strerrorname_np(errno));
			return -1;
		}
	return 0;
}

static int slowly(grove_stage *s, void *arg)
{
	for (long i = 1; i <= (long)arg; i++) {
		if (grove_sleep(GROVE_MS(10)) < 0) {
			note("slept:%s", strerrorname_np(errno));
			return -1;
		}
		if (grove_stage_put(s, (void *)i, GROVE_FOREVER) < 0)
			return -1;
	}
	return 0;
}

static int odd(grove_stage *s, void *arg)
{
	void *v;

	(void)arg;
	while (grove_stage_get(s, &v, GROVE_FOREVER) == 1)
		if ((long)v % 2 && grove_stage_put(s, v, GROVE_FOREVER) < 0)
			return -1;
	return 0;
}

static int times_ten(grove_stage *s, void *arg)
{
	void *v;

	(void)arg;
	while (grove_stage_get(s, &v, GROVE_FOREVER) == 1)
		if (grove_stage_put(s, (void *)((long)v * 10), GROVE_FOREVER) < 0)
			return -1;
	return 0;
}

static int prints(grove_stage *s, void *arg)
{
	void *v;
	int r;

	while ((r = grove_stage_get(s, &v, GROVE_FOREVER)) == 1)
		note("%s%ld", (char *)arg, (long)v);
	note("%send:%d", (char *)arg, r);
	return 0;
}

static int takes_two(grove_stage *s, void *arg)
{
	void *v;

	(void)arg;
	for (int i = 0; i < 2 && grove_stage_get(s, &v, GROVE_FOREVER) == 1; i++)
		note("%ld", (long)v);
	return 0;
}

static int fails_at_two(grove_stage *s, void *arg)
{
	void *v;

	(void)arg;
	while (grove_stage_get(s, &v, GROVE_FOREVER) == 1)
		if ((long)v == 2) {
			errno = EIO;
			return -1;
		}
	note("get:%s", strerrorname_np(errno));
	return 0;
}

static int exits(grove_stage *s, void *arg)
{
	(void)s;
	pthread_exit(arg);
}

static int sleeps(grove_stage *s, void *arg)
{
	(void)s;
	note("sleep:%d", grove_sleep((int64_t)arg));
	return 0;
}

/* --- lines of stages, and how they end ----------------------------------------------------------------------------------------------------- */

static const struct line_row {
	const char *what;
	size_t capacity;
	struct { grove_stage_fn *fn; void *arg; } stages[4];
	int error;
	const char *log;
	long dropped;
} line_rows[] = {
	{ "source, filter, sink", 2, { { counts, (void *)6 }, { odd, NULL }, { prints, "" } }, 0, "1 3 5 end:0", 0 },
	{ "two filters", 1, { { counts, (void *)5 }, { odd, NULL }, { times_ten, NULL }, { prints, "" } }, 0, "10 30 50 end:0", 0 },
	{ "nothing at all", 1, { { counts, (void *)0 }, { prints, "" } }, 0, "end:0", 0 },
	{ "the sink has had enough", 1, { { counts, (void *)9 }, { times_ten, NULL }, { takes_two, NULL } }, 0, "10 20 put:5:EPIPE", 4 },
	{ "a filter fails", 1, { { slowly, (void *)9 }, { fails_at_two, NULL }, { prints, "" } }, EIO, "end:-1 slept:ECANCELED", 0 },
	{ "the source fails before the sink begins", 1, { { exits, NULL }, { prints, "" } }, ECANCELED, "", 0 },
	{ "a source alone", 1, { { counts, (void *)1 } }, EPIPE, "put:1:EPIPE", 0 },
};

static void lines_of_stages(void **state)
{
	(void)state;
	for (size_t i = 0; i < GR_LENGTH(line_rows); i++) {
		const struct line_row *r = &line_rows[i];
		grove_pipeline *p = grove_pipeline_new(r->capacity, drop);
		int err;

		api_log[0] = '\0';
		dropped = 0;
		for (int n = 0; n < 4 && r->stages[n].fn; n++)
			assert_non_null(grove_pipeline_add(p, r->stages[n].fn, r->stages[n].arg));
		err = grove_pipeline_run(p, GROVE_FOREVER) < 0 ? errno : 0;
		if (err != r->error || grove_pipeline_error(p) != err || strcmp(api_log, r->log) || dropped != r->dropped)
			fail_msg("%s: error %d, dropped %ld, %s", r->what, err, dropped, api_log);
		assert_int_equal(grove_pipeline_free(p), 0);
	}
}

static int notes_puts(grove_stage *s, void *arg)
{
	for (long i = 1; i <= (long)arg; i++) {
		grove_stage_put(s, (void *)i, GROVE_FOREVER);
		note("put%ld", i);
	}
	return 0;
}

static int gets_slowly(grove_stage *s, void *arg)
{
	void *v;

	while (grove_sleep((int64_t)arg) == 0 && grove_stage_get(s, &v, GROVE_FOREVER) == 1)
		note("got%ld", (long)v);
	return 0;
}

static void a_put_waits_for_room(void **state)
{
	grove_pipeline *p = grove_pipeline_new(2, NULL);

	(void)state;
	grove_pipeline_add(p, notes_puts, (void *)5);
	grove_pipeline_add(p, gets_slowly, (void *)GROVE_MS(1));
	assert_int_equal(grove_pipeline_run(p, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "put1 put2 got1 put3 got2 put4 got3 put5 got4 got5");
	assert_int_equal(grove_pipeline_free(p), 0);
}

/* --- other shapes ---------------------------------------------------------------------------------------------------------------------------- */

static void broadcast_and_fan_in(void **state)
{
	grove_pipeline *p = grove_pipeline_new(1, NULL);
	grove_stage *source = grove_pipeline_stage(p, slowly, (void *)3), *a = grove_pipeline_stage(p, odd, NULL),
		    *b = grove_pipeline_stage(p, times_ten, NULL), *sink = grove_pipeline_stage(p, prints, "");

	(void)state;
	assert_int_equal(grove_pipeline_link(source, a), 0);
	assert_int_equal(grove_pipeline_link(source, b), 0);
	assert_int_equal(grove_pipeline_link(a, sink), 0);
	assert_int_equal(grove_pipeline_link(b, sink), 0);
	assert_int_equal(grove_pipeline_run(p, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "1 10 20 3 30 end:0");
	assert_int_equal(grove_pipeline_free(p), 0);
}

static void a_broadcast_goes_on_with_those_that_are_left(void **state)
{
	grove_pipeline *p = grove_pipeline_new(1, NULL);
	grove_stage *source = grove_pipeline_stage(p, slowly, (void *)4);

	(void)state;
	grove_pipeline_link(source, grove_pipeline_stage(p, takes_two, NULL));
	grove_pipeline_link(source, grove_pipeline_stage(p, prints, "b"));
	assert_int_equal(grove_pipeline_run(p, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "1 b1 2 b2 b3 b4 bend:0");
	assert_int_equal(grove_pipeline_free(p), 0);
}

static int works(grove_stage *s, void *arg)
{
	void *v;

	while (grove_stage_get(s, &v, GROVE_FOREVER) == 1) {
		grove_sleep((int64_t)arg);
		if (grove_stage_put(s, v, GROVE_FOREVER) < 0)
			return -1;
	}
	return 0;
}

static void several_work_as_one_stage(void **state)
{
	grove_pipeline *p = grove_pipeline_new(8, NULL);

	(void)state;
	grove_pipeline_add(p, counts, (void *)6);
	assert_int_equal(grove_stage_workers(grove_pipeline_add(p, works, (void *)GROVE_MS(10)), 3), 0);
	grove_pipeline_add(p, prints, "");
	assert_int_equal(grove_pipeline_run(p, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "1 2 3 4 5 6 end:0");
	assert_int_equal(took(), GROVE_MS(20));
	assert_int_equal(grove_pipeline_free(p), 0);
}

/* --- from outside ---------------------------------------------------------------------------------------------------------------------------- */

static void fed_and_emptied_from_outside(void **state)
{
	grove_pipeline *p = grove_pipeline_new(2, NULL);
	void *v;

	(void)state;
	grove_pipeline_add(p, times_ten, NULL);
	assert_int_equal(grove_pipeline_open(p, GROVE_PIPELINE_IN | GROVE_PIPELINE_OUT), 0);
	assert_int_equal(grove_pipeline_start(p), 0);
	assert_int_equal(grove_pipeline_get(p, &v, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_pipeline_get(p, &v, GROVE_MS(5)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_pipeline_put(p, (void *)1, GROVE_FOREVER), 0);
	assert_int_equal(grove_pipeline_put(p, (void *)2, GROVE_FOREVER), 0);
	assert_int_equal(grove_pipeline_get(p, &v, GROVE_FOREVER), 1);
	assert_int_equal((long)v, 10);
	assert_int_equal(grove_pipeline_close(p), 0);
	assert_int_equal(grove_pipeline_put(p, (void *)3, 0), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(grove_pipeline_get(p, &v, GROVE_FOREVER), 1);
	assert_int_equal((long)v, 20);
	assert_int_equal(grove_pipeline_get(p, &v, GROVE_FOREVER), 0);
	assert_int_equal(grove_pipeline_wait(p, GROVE_FOREVER), 0);
	assert_int_equal(grove_pipeline_free(p), 0);
}

static void no_room_and_no_time(void **state)
{
	grove_pipeline *p = grove_pipeline_new(1, drop);

	(void)state;
	dropped = 0;
	grove_pipeline_add(p, sleeps, (void *)GROVE_SEC(1));
	grove_pipeline_open(p, GROVE_PIPELINE_IN);
	grove_pipeline_start(p);
	assert_int_equal(grove_pipeline_put(p, (void *)1, 0), 0);
	assert_int_equal(grove_pipeline_put(p, (void *)2, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_pipeline_put(p, (void *)2, GROVE_MS(5)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(took(), GROVE_MS(5));
	assert_int_equal(grove_pipeline_put(p, (void *)2, GROVE_FOREVER), -1);	/* until the stage ends without looking */
	assert_int_equal(errno, EPIPE);
	assert_int_equal(took(), GROVE_SEC(1));
	assert_int_equal(dropped, 1);
	assert_int_equal(grove_pipeline_wait(p, GROVE_FOREVER), 0);
	assert_int_equal(grove_pipeline_free(p), 0);
}

static void an_error_is_told_outside(void **state)
{
	grove_pipeline *p = grove_pipeline_new(1, NULL);
	void *v;

	(void)state;
	grove_pipeline_add(p, fails_at_two, NULL);
	grove_pipeline_open(p, GROVE_PIPELINE_IN | GROVE_PIPELINE_OUT);
	grove_pipeline_start(p);
	assert_int_equal(grove_pipeline_put(p, (void *)2, 0), 0);
	assert_int_equal(grove_pipeline_get(p, &v, GROVE_FOREVER), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(grove_pipeline_put(p, (void *)2, GROVE_FOREVER), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(grove_pipeline_wait(p, GROVE_FOREVER), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(grove_pipeline_free(p), 0);
}

/* --- kills and deadlines ----------------------------------------------------------------------------------------------------------------------- */

static grove_pipeline *sleepy(void)
{
	grove_pipeline *p = grove_pipeline_new(1, drop);

	dropped = 0;
	grove_pipeline_add(p, counts, (void *)9);
	grove_pipeline_add(p, sleeps, (void *)GROVE_SEC(1));
	return p;
}

static void killed(void **state)
{
	grove_pipeline *p = sleepy();

	(void)state;
	assert_int_equal(grove_pipeline_kill(p, 0), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(grove_pipeline_start(p), 0);
	grove_sleep(GROVE_MS(1));
	assert_int_equal(grove_pipeline_wait(p, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_pipeline_wait(p, GROVE_MS(1)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_pipeline_free(p), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(grove_pipeline_kill(p, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "put:2:ECANCELED sleep:-1");
	assert_int_equal(dropped, 1);
	assert_int_equal(grove_pipeline_kill(p, 0), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(grove_pipeline_wait(p, 0), -1);
	assert_int_equal(errno, ECANCELED);
	assert_int_equal(grove_pipeline_free(p), 0);
}

static void killed_before_it_began(void **state)
{
	grove_pipeline *p = sleepy();

	(void)state;
	assert_int_equal(grove_pipeline_start(p), 0);
	assert_int_equal(grove_pipeline_kill(p, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "");
	assert_int_equal(grove_pipeline_free(p), 0);
}

static void run_in_too_little_time(void **state)
{
	grove_pipeline *p = sleepy();

	(void)state;
	assert_int_equal(grove_pipeline_run(p, GROVE_MS(5)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(took(), GROVE_MS(5));
	assert_int_equal(grove_pipeline_free(p), 0);
}

static void *runs(void *p)
{
	int r = grove_pipeline_run(p, GROVE_FOREVER);

	note("run:%d:%s", r, strerrorname_np(errno));
	return NULL;
}

static void whoever_runs_it_is_killed(void **state)
{
	grove_pipeline *p = sleepy();
	grove_greenlet *g = grove_spawn(runs, p);

	(void)state;
	grove_sleep(GROVE_MS(5));
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "put:2:ECANCELED sleep:-1 run:-1:ECANCELED");
	assert_int_equal(took(), GROVE_MS(5));
	grove_release(g);
	assert_int_equal(grove_pipeline_free(p), 0);
}

static void an_object_to_wait_for(void **state)
{
	grove_pipeline *p = grove_pipeline_new(1, NULL);
	grove_object *list[1] = { (grove_object *)p };

	(void)state;
	grove_pipeline_add(p, slowly, (void *)1);
	grove_pipeline_add(p, prints, "");
	grove_pipeline_start(p);
	assert_int_equal(grove_wait(list, 1, 0, GROVE_MS(1), NULL), 0);
	assert_int_equal(grove_wait(list, 1, 0, GROVE_FOREVER, NULL), 1);
	assert_int_equal(took(), GROVE_MS(10));
	assert_int_equal(grove_pipeline_free(p), 0);
}

/* --- coroutines ---------------------------------------------------------------------------------------------------------------------------------- */

static void *receives(void *arg)
{
	void *v;

	while ((v = grove_gen_yield(NULL)))
		note("%s%s", (char *)arg, (char *)v);
	note("%s:%s", (char *)arg, strerrorname_np(errno));
	return errno == EIO ? grove_gen_fail(EIO) : NULL;
}

static void coroutines_get_what_is_broadcast(void **state)
{
	grove_generator *t[2] = { grove_coroutine_new(receives, "a"), grove_coroutine_new(receives, "b") }, *all = grove_cobroadcast_new(t, 2);

	(void)state;
	assert_int_equal(grove_gen_send(all, "1", NULL), 1);
	assert_int_equal(grove_gen_close(t[0]), 0);
	assert_int_equal(grove_gen_send(all, "2", NULL), 1);
	assert_int_equal(grove_gen_close(all), 0);
	assert_int_equal(grove_gen_state(t[1]), GROVE_GEN_SUSPENDED);
	assert_string_equal(api_log, "a1 b1 a:ECANCELED b2");
	assert_int_equal(grove_generator_free(all), 0);

	all = grove_cobroadcast_new(t + 1, 1);
	assert_int_equal(grove_gen_throw(all, EIO, NULL), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(grove_generator_free(all), 0);
	all = grove_cobroadcast_new(t, 2);
	assert_int_equal(grove_gen_send(all, "nobody", NULL), 0);
	assert_int_equal(grove_generator_free(all), 0);
	assert_int_equal(grove_generator_free(t[0]), 0);
	assert_int_equal(grove_generator_free(t[1]), 0);
}

/* --- misuse --------------------------------------------------------------------------------------------------------------------------------------- */

#define FAILS(call, err) do { errno = 0; assert_true((call) == -1); assert_int_equal(errno, err); } while (0)
#define NONE(call, err) do { errno = 0; assert_null(call); assert_int_equal(errno, err); } while (0)

static void misuse(void **state)
{
	grove_pipeline *p = grove_pipeline_new(1, NULL), *q = grove_pipeline_new(1, NULL);
	grove_stage *a = grove_pipeline_stage(p, counts, (void *)1), *b = grove_pipeline_stage(p, prints, ""), *c = grove_pipeline_stage(q, prints, "");
	uint64_t zeros[8] = { 0 };
	grove_stage *no_stage = (grove_stage *)zeros;
	grove_pipeline *no = (grove_pipeline *)grove_current();
	grove_generator *no_gen = NULL;
	void *v;

	(void)state;
	NONE(grove_pipeline_new(0, NULL), EINVAL);
	NONE(grove_pipeline_stage(no, counts, NULL), EINVAL);
	NONE(grove_pipeline_add(p, NULL, NULL), EINVAL);
	FAILS(grove_pipeline_link(a, a), EINVAL);
	FAILS(grove_pipeline_link(a, c), EINVAL);
	FAILS(grove_pipeline_link(a, no_stage), EINVAL);
	assert_int_equal(grove_pipeline_link(a, b), 0);
	FAILS(grove_pipeline_link(a, b), EEXIST);
	FAILS(grove_stage_workers(a, 0), EINVAL);
	FAILS(grove_stage_workers(no_stage, 1), EINVAL);
	FAILS(grove_stage_name(a, NULL), EINVAL);
	assert_int_equal(grove_stage_name(a, "source"), 0);
	assert_ptr_equal(grove_stage_pipeline(a), p);
	NONE(grove_stage_pipeline(NULL), EINVAL);
	FAILS(grove_stage_get(no_stage, &v, 0), EINVAL);
	FAILS(grove_stage_get(b, NULL, 0), EINVAL);
	FAILS(grove_stage_get(b, &v, -1), EINVAL);
	FAILS(grove_stage_put(NULL, NULL, 0), EINVAL);
	FAILS(grove_stage_put(a, NULL, -1), EINVAL);
	FAILS(grove_pipeline_open(p, 0), EINVAL);
	FAILS(grove_pipeline_open(p, 8), EINVAL);
	FAILS(grove_pipeline_open(no, 1), EINVAL);
	FAILS(grove_pipeline_put(p, NULL, 0), ESRCH);
	FAILS(grove_pipeline_get(p, &v, 0), ESRCH);
	FAILS(grove_pipeline_close(p), ESRCH);
	FAILS(grove_pipeline_put(no, NULL, 0), EINVAL);
	FAILS(grove_pipeline_get(p, NULL, 0), EINVAL);
	FAILS(grove_pipeline_close(no), EINVAL);
	FAILS(grove_pipeline_start(no), EINVAL);
	FAILS(grove_pipeline_run(p, -1), EINVAL);
	FAILS(grove_pipeline_run(NULL, 0), EINVAL);
	FAILS(grove_pipeline_wait(p, 0), ESRCH);
	FAILS(grove_pipeline_wait(p, -1), EINVAL);
	FAILS(grove_pipeline_kill(no, 0), EINVAL);
	assert_int_equal(grove_pipeline_error(no), 0);
	assert_int_equal(grove_pipeline_run(p, GROVE_FOREVER), 0);
	FAILS(grove_pipeline_run(p, GROVE_FOREVER), EBUSY);
	FAILS(grove_pipeline_start(p), EBUSY);
	NONE(grove_pipeline_add(p, counts, NULL), EBUSY);
	FAILS(grove_pipeline_link(b, a), EBUSY);
	FAILS(grove_stage_workers(a, 2), EBUSY);
	FAILS(grove_stage_name(a, "late"), EBUSY);
	FAILS(grove_pipeline_open(p, GROVE_PIPELINE_OUT), EBUSY);
	assert_int_equal(grove_pipeline_free(p), 0);
	assert_int_equal(grove_pipeline_free(q), 0);
	assert_int_equal(grove_pipeline_free(NULL), 0);
	FAILS(grove_pipeline_free(no), EINVAL);
	q = grove_pipeline_new(1, NULL);
	FAILS(grove_pipeline_start(q), EINVAL);
	assert_int_equal(grove_pipeline_free(q), 0);
	NONE(grove_cobroadcast_new(NULL, 1), EINVAL);
	NONE(grove_cobroadcast_new(&no_gen, 1), EINVAL);
	NONE(grove_cobroadcast_new(&no_gen, 0), EINVAL);
}

static int never_runs(grove_stage *stage, void *arg)
{
	(void)stage, (void)arg;
	note("ran");
	return 0;
}

static void kill_it(grove_greenlet *g, void *arg)
{
	(void)arg;
	grove_kill(g, 0);
}

/* By somebody who knows nothing of pipelines, such as grove_shutdown(). */
static void a_stage_killed_before_it_began_has_ended(void **state)
{
	grove_pipeline *p = grove_pipeline_new(1, NULL);

	(void)state;
	assert_non_null(grove_pipeline_add(p, never_runs, NULL));
	assert_int_equal(grove_add_spawn_callback(kill_it, NULL), 0);
	assert_int_equal(grove_pipeline_start(p), 0);
	assert_int_equal(grove_remove_spawn_callback(kill_it, NULL), 0);
	assert_int_equal(grove_pipeline_wait(p, GROVE_FOREVER), -1);
	assert_int_equal(errno, ECANCELED);
	assert_string_equal(api_log, "");
	assert_int_equal(grove_pipeline_free(p), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(lines_of_stages),
		api_test(a_put_waits_for_room),
		api_test(broadcast_and_fan_in),
		api_test(a_broadcast_goes_on_with_those_that_are_left),
		api_test(several_work_as_one_stage),
		api_test(fed_and_emptied_from_outside),
		api_test(no_room_and_no_time),
		api_test(an_error_is_told_outside),
		api_test(killed),
		api_test(killed_before_it_began),
		api_test(a_stage_killed_before_it_began_has_ended),
		api_test(run_in_too_little_time),
		api_test(whoever_runs_it_is_killed),
		api_test(an_object_to_wait_for),
		api_test(coroutines_get_what_is_broadcast),
		api_test(misuse),
	};

	return cmocka_run_group_tests_name("pipeline", tests, api_begin, NULL);
}
