/*
 * test_map.c - shared ranges: merging, splitting, looking up; the table after each row of calls
 *
 * Links: map.c
 */
#include "map.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define P(n) ((uintptr_t)(n) * GR_PAGE)

struct step {
	char what;			/* '+' add, '-' remove */
	unsigned lo, hi;		/* in pages */
};

static const struct row {
	const char *when;
	struct step steps[6];
	const char *want;
} rows[] = {
	{ "nothing",                 { { 0 } }, "" },
	{ "one",                     { { '+', 4, 6 } }, "4-6" },
	{ "apart, out of order",     { { '+', 8, 9 }, { '+', 4, 6 } }, "4-6 8-9" },
	{ "touching below",          { { '+', 4, 6 }, { '+', 2, 4 } }, "2-6" },
	{ "touching above",          { { '+', 4, 6 }, { '+', 6, 7 } }, "4-7" },
	{ "fills the gap",           { { '+', 2, 3 }, { '+', 5, 6 }, { '+', 3, 5 } }, "2-6" },
	{ "covers several",          { { '+', 2, 3 }, { '+', 5, 6 }, { '+', 8, 9 }, { '+', 1, 7 } }, "1-7 8-9" },
	{ "within",                  { { '+', 2, 9 }, { '+', 4, 5 } }, "2-9" },
	{ "remove whole",            { { '+', 4, 6 }, { '-', 4, 6 } }, "" },
	{ "remove the middle",       { { '+', 2, 9 }, { '-', 4, 5 } }, "2-4 5-9" },
	{ "remove the head",         { { '+', 2, 9 }, { '-', 1, 5 } }, "5-9" },
	{ "remove the tail",         { { '+', 2, 9 }, { '-', 5, 12 } }, "2-5" },
	{ "remove over several",     { { '+', 1, 3 }, { '+', 5, 6 }, { '+', 8, 10 }, { '-', 2, 9 } }, "1-2 9-10" },
	{ "remove beside",           { { '+', 4, 6 }, { '-', 6, 8 }, { '-', 2, 4 } }, "4-6" },
	{ "remove from nothing",     { { '-', 4, 6 } }, "" },
};

static void show(char *out, size_t size)
{
	size_t n = 0;

	*out = '\0';
	for (size_t i = 0; i < gr_map_table.used; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%lu-%lu", i ? " " : "", gr_map_table.ranges[i].lo / GR_PAGE,
				      gr_map_table.ranges[i].hi / GR_PAGE);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		char got[200];

		gr_map_reset();
		for (const struct step *s = rows[i].steps; s->what; s++)
			if (s->what == '+')
				gr_map_add_shared(P(s->lo), P(s->hi - s->lo));
			else
				gr_map_remove(P(s->lo), P(s->hi - s->lo));
		show(got, sizeof(got));
		if (strcmp(got, rows[i].want))
			fail_msg("%s: got \"%s\", want \"%s\"", rows[i].when, got, rows[i].want);
	}
	gr_map_reset();
}

static void test_look_up(void **state)
{
	(void)state;
	assert_false(gr_map_is_shared(P(4)));
	gr_map_add_shared(P(4) + 100, GR_PAGE);		/* parts of two pages */
	assert_false(gr_map_is_shared(P(4) - 1));
	assert_true(gr_map_is_shared(P(4)));
	assert_true(gr_map_is_shared(P(6) - 1));
	assert_false(gr_map_is_shared(P(6)));
	assert_int_equal(gr_map_size_at(P(5)), GR_PAGE);
	assert_int_equal(gr_map_size_at(P(6)), 0);
	gr_map_add_shared(P(9), 0);
	assert_false(gr_map_is_shared(P(9)));
	gr_map_reset();
}

/* against a plain array of pages, with more ranges than the first table holds */
static void test_many(void **state)
{
	enum { PAGES = 4096 };
	static bool shared[PAGES];
	unsigned seed = 1;

	(void)state;
	for (int i = 0; i < PAGES; i += 2) {
		gr_map_add_shared(P(i), GR_PAGE);
		shared[i] = true;
	}
	assert_int_equal(gr_map_table.used, PAGES / 2);
	for (int i = 0; i < 2000; i++) {
		unsigned lo = (seed = seed * 1103515245 + 12345) / 65536 % PAGES, n = seed / 7 % 9;
		bool add = seed & 0x8000;

		if (lo + n > PAGES)
			n = PAGES - lo;
		if (add)
			gr_map_add_shared(P(lo), P(n));
		else
			gr_map_remove(P(lo), P(n));
		memset(shared + lo, add, n);
	}
	for (int i = 0; i < PAGES; i++)
		assert_int_equal(gr_map_is_shared(P(i)), shared[i]);
	for (size_t i = 1; i < gr_map_table.used; i++)
		assert_true(gr_map_table.ranges[i - 1].hi < gr_map_table.ranges[i].lo);
	gr_map_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_look_up),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
