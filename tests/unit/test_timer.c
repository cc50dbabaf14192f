/*
 * The heap against a list searched from end to end: same order of firing, whatever is added and removed in between
 */
#include "timer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MANY 3000

struct probe {
	struct gr_timer t;
	bool in;		/* the model's idea of being in the heap */
	uint64_t order;		/* of adding */
};

static struct gr_timers heap;
static struct probe probes[MANY];
static uint64_t order;
static struct probe *fired[MANY];
static unsigned n_fired;

static void on_fire(struct gr_timer *t)
{
	struct probe *p = gr_container(t, struct probe, t);

	assert_int_equal(t->pos, 0);
	p->in = false;
	fired[n_fired++] = p;
}

static void add(struct probe *p, gr_time at)
{
	p->t.at = at;
	p->t.fire = on_fire;
	p->in = true;
	p->order = order++;
	assert_int_equal(gr_timer_add(&heap, &p->t), 0);
}

static struct probe *earliest(void)
{
	struct probe *best = NULL;

	for (size_t i = 0; i < MANY; i++) {
		struct probe *p = &probes[i];

		if (p->in && (!best || p->t.at < best->t.at || (p->t.at == best->t.at && p->order < best->order)))
			best = p;
	}
	return best;
}

static int setup(void **state)
{
	(void)state;
	memset(probes, 0, sizeof(probes));
	n_fired = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gr_timers_reset(&heap);
	return 0;
}

static void empty_never_fires(void **state)
{
	(void)state;
	assert_true(gr_timers_next(&heap) == GR_NEVER);
	assert_int_equal(gr_timers_run(&heap, GR_NEVER), 0);
	gr_timer_del(&heap, &probes[0].t);
}

static void equals_fire_in_the_order_of_adding(void **state)
{
	(void)state;
	for (size_t i = 0; i < 100; i++)
		add(&probes[i], 7);
	gr_timer_del(&heap, &probes[50].t);
	add(&probes[50], 7);
	assert_int_equal(gr_timers_run(&heap, 6), 0);
	assert_int_equal(gr_timers_run(&heap, 7), 100);
	for (size_t i = 1; i < 100; i++)
		assert_true(fired[i]->order > fired[i - 1]->order);
	assert_ptr_equal(fired[99], &probes[50]);
}

static void same_as_a_sorted_list(void **state)
{
	gr_time now = 0;

	(void)state;
	srand(1);
	for (int step = 0; step < 60000; step++) {
		struct probe *p = &probes[rand() % MANY];

		if (!p->in) {
			add(p, now + rand() % 500);
		} else if (rand() % 3 == 0) {
			gr_timer_del(&heap, &p->t);
			assert_int_equal(p->t.pos, 0);
			p->in = false;
		}
		if (step % 40 == 0) {
			struct probe *want = earliest();

			assert_true(gr_timers_next(&heap) == (want ? want->t.at : GR_NEVER));
			now += rand() % 3;
			while ((want = earliest()) && want->t.at <= now) {
				struct gr_timer *t = &want->t;
				gr_time at = t->at;

				n_fired = 0;
				assert_true(gr_timers_run(&heap, at) >= 1);
				assert_ptr_equal(fired[0], want);
				for (unsigned i = 1; i < n_fired; i++)
					assert_true(fired[i]->t.at == at && fired[i]->order > fired[i - 1]->order);
			}
		}
	}
}

static void grows_past_a_page(void **state)
{
	(void)state;
	for (size_t i = 0; i < MANY; i++)
		add(&probes[i], (gr_time)(MANY - i));
	assert_true(gr_timers_next(&heap) == 1);
	assert_int_equal(gr_timers_run(&heap, MANY), MANY);
	for (size_t i = 0; i < MANY; i++)
		assert_ptr_equal(fired[i], &probes[MANY - 1 - i]);
}

static void set_again(struct gr_timer *t)
{
	n_fired++;
	assert_int_equal(gr_timer_add(&heap, t), 0);
}

static void one_that_sets_itself_anew_waits_for_the_next_run(void **state)
{
	(void)state;
	probes[0].t = (struct gr_timer){ .at = 1, .fire = set_again };
	assert_int_equal(gr_timer_add(&heap, &probes[0].t), 0);
	assert_int_equal(gr_timers_run(&heap, 5), 1);
	assert_int_equal(gr_timers_run(&heap, 5), 1);
	assert_int_equal(n_fired, 2);
}

static void kill_neighbour(struct gr_timer *t)
{
	(void)t;
	n_fired++;
	gr_timer_del(&heap, &probes[1].t);
}

static void one_may_remove_another_that_is_due(void **state)
{
	(void)state;
	probes[0].t = (struct gr_timer){ .at = 1, .fire = kill_neighbour };
	assert_int_equal(gr_timer_add(&heap, &probes[0].t), 0);
	add(&probes[1], 2);
	assert_int_equal(gr_timers_run(&heap, 5), 1);
	assert_true(gr_timers_next(&heap) == GR_NEVER);
}

static gr_time latest_until(gr_time until)
{
	gr_time found = GR_NEVER;

	for (size_t i = 0; i < MANY; i++)
		if (probes[i].in && probes[i].t.at <= until && (found == GR_NEVER || probes[i].t.at > found))
			found = probes[i].t.at;
	return found == GR_NEVER ? gr_timers_next(&heap) : found;
}

static void the_latest_of_few_that_are_due(void **state)
{
	(void)state;
	srand(2);
	for (int step = 0; step < 20000; step++) {
		struct probe *p = &probes[rand() % 40];
		gr_time until = rand() % 100;

		if (!p->in) {
			add(p, rand() % 100);
		} else {
			gr_timer_del(&heap, &p->t);
			p->in = false;
		}
		if (heap.used > 0)
			assert_true(gr_timers_latest(&heap, until) == latest_until(until));
	}
}

static void one_of_many_that_are_due(void **state)
{
	gr_time found;

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		add(&probes[i], (gr_time)(i * 7919 % MANY + 10));
	found = gr_timers_latest(&heap, MANY / 2);
	assert_true(found > 10 && found <= MANY / 2);
	assert_true(gr_timers_latest(&heap, 9) == 10);
	assert_true(gr_timers_latest(&heap, 10) == 10);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(empty_never_fires, setup, teardown),
		cmocka_unit_test_setup_teardown(equals_fire_in_the_order_of_adding, setup, teardown),
		cmocka_unit_test_setup_teardown(same_as_a_sorted_list, setup, teardown),
		cmocka_unit_test_setup_teardown(grows_past_a_page, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_sets_itself_anew_waits_for_the_next_run, setup, teardown),
		cmocka_unit_test_setup_teardown(the_latest_of_few_that_are_due, setup, teardown),
		cmocka_unit_test_setup_teardown(one_of_many_that_are_due, setup, teardown),
		cmocka_unit_test_setup_teardown(one_may_remove_another_that_is_due, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
