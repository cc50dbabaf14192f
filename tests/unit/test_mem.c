/*
 * test_mem.c - blocks do not overlap, keep what is in them when resized, and are reused
 *
 * Links: mem.c
 */
#include "mem.h"
#include "sched.h"
#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

struct gr_carrier gr_carrier0;

static void filled(char *p, size_t from, size_t to, char with)
{
	for (size_t i = from; i < to; i++)
		assert_int_equal(p[i], with);
}

static void sizes(void **state)
{
	enum { N = 600 };
	static char *p[N];
	(void)state;

	for (size_t i = 0; i < N; i++) {
		p[i] = gr_mem_alloc(i * 37);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		memset(p[i], (char)i, i * 37);
	}
	for (size_t i = 0; i < N; i++)
		filled(p[i], 0, i * 37, (char)i);
	for (size_t i = 0; i < N; i++)
		gr_mem_free(p[i]);
	gr_mem_free(NULL);
}

static void resizes(void **state)
{
	static const size_t sizes[] = { 1, 33, 40, 5000, 16384, 16385, 300000, 70000, 16384, 100, 0, 20000, 3 };
	char *p = NULL;
	size_t had = 0;
	(void)state;

	for (size_t i = 0; i < GR_LENGTH(sizes); i++) {
		p = gr_mem_realloc(p, sizes[i]);
		assert_non_null(p);
		filled(p, 0, had < sizes[i] ? had : sizes[i], 'x');
		memset(p, 'x', sizes[i]);
		had = sizes[i];
	}
	gr_mem_free(p);
}

static void reuses(void **state)
{
	void *p = gr_mem_alloc(100), *q;
	(void)state;

	gr_mem_free(p);
	q = gr_mem_alloc(120);
	assert_ptr_equal(p, q);
	gr_mem_free(q);
}

static void too_large(void **state)
{
	void *p = gr_mem_alloc(50000);
	(void)state;

	assert_null(gr_mem_alloc(SIZE_MAX - 5));
	assert_null(gr_mem_alloc(SIZE_MAX / 2));
	assert_null(gr_mem_realloc(p, SIZE_MAX - 5));
	memset(p, 1, 50000);
	gr_mem_free(p);
}

static void keeps_inside(void **state)
{
	struct gr_carrier *c = gr_carrier();
	(void)state;

	for (uint32_t inside = GR_OUTSIDE; inside <= GR_INSIDE_CLONE; inside++) {
		c->inside = inside;
		gr_mem_free(gr_mem_alloc(10));
		assert_int_equal(c->inside, inside);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes), cmocka_unit_test(resizes), cmocka_unit_test(reuses), cmocka_unit_test(too_large),
		cmocka_unit_test(keeps_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
