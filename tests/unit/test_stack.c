/*
 * Stacks: where they lie, what guards them, what they keep, and what happens when there is no memory
 */
#include "stack.h"
#include "tools.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define MIB ((size_t)1 << 20)

static sigjmp_buf escape;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(escape, 1);
}

static bool writable(volatile char *p)
{
	struct sigaction sa = { .sa_handler = on_fault }, old[2];
	bool ok = false;

	sigaction(SIGSEGV, &sa, &old[0]);
	sigaction(SIGBUS, &sa, &old[1]);
	if (sigsetjmp(escape, 1) == 0) {
		*p = 1;
		ok = true;
	}
	sigaction(SIGSEGV, &old[0], NULL);
	sigaction(SIGBUS, &old[1], NULL);
	return ok;
}

static bool resident(char *page)
{
	unsigned char there = 0;

	assert_int_equal(mincore(page, GR_PAGE, &there), 0);
	return there & 1;
}

static void guarded_from_its_first_byte_to_its_last(void **state)
{
	static const struct { size_t size, guard; } rows[] = {
		{ 8 * MIB, GR_PAGE }, { 64 << 10, GR_PAGE }, { 16 << 10, 0 }, { 100000, 3 * GR_PAGE }, { 3 * MIB, 64 << 10 }, { 1, 1 },
	};

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		struct gr_stack s[5];

		for (size_t k = 0; k < GR_LENGTH(s); k++) {
			assert_int_equal(gr_stack_new(rows[i].size, rows[i].guard, &s[k]), 0);
			assert_true(s[k].size >= rows[i].size);
			assert_int_equal((uintptr_t)s[k].lo % GR_PAGE, 0);
			assert_true(writable(s[k].lo));
			assert_true(writable(s[k].lo + s[k].size - 1));
			assert_false(gr_stack_is_guard(s[k].lo));
		}
		for (size_t k = 0; k < GR_LENGTH(s); k++) {
			char *guard = s[k].lo;
			size_t want = rows[i].guard ? (rows[i].guard + GR_PAGE - 1) / GR_PAGE * GR_PAGE : GR_PAGE;

			while (!gr_stack_is_guard(guard - 1))	/* slack */
				guard -= GR_PAGE;
			assert_true(gr_stack_is_guard(guard - want));
			assert_false(writable(guard - 1));
			assert_false(writable(guard - want));
			gr_stack_free(&s[k]);
		}
	}
}

static void last_in_first_out(void **state)
{
	struct gr_stack a, b, c, d;

	(void)state;
	assert_int_equal(gr_stack_new(MIB, GR_PAGE, &a), 0);
	assert_int_equal(gr_stack_new(MIB, GR_PAGE, &b), 0);
	c = a;
	d = b;
	gr_stack_free(&c);
	gr_stack_free(&d);
	assert_null(d.slot);
	assert_int_equal(gr_stack_new(MIB, GR_PAGE, &d), 0);
	assert_int_equal(gr_stack_new(MIB, GR_PAGE, &c), 0);
	assert_ptr_equal(d.lo, b.lo);
	assert_ptr_equal(c.lo, a.lo);
	gr_stack_free(&c);
	gr_stack_free(&d);
}

static void classes_do_not_mix(void **state)
{
	struct gr_stack a, b;

	(void)state;
	assert_int_equal(gr_stack_new(128 << 10, GR_PAGE, &a), 0);
	gr_stack_free(&a);
	assert_int_equal(gr_stack_new(128 << 10, 2 * GR_PAGE, &b), 0);
	assert_true(b.size == 128 << 10);
	assert_true(gr_stack_is_guard(b.lo - 2 * GR_PAGE));
	gr_stack_free(&b);
}

static void found_by_address(void **state)
{
	struct gr_stack s, found;
	int local;

	(void)state;
	assert_int_equal(gr_stack_new(8 * MIB, GR_PAGE, &s), 0);
	assert_true(gr_stack_at(s.lo + s.size - 1, &found));
	assert_ptr_equal(found.lo, s.lo);
	assert_true(gr_stack_at(s.lo, &found));
	assert_ptr_equal(found.slot, s.slot);
	assert_false(gr_stack_at(&local, &found));
	assert_false(gr_stack_at(NULL, &found));
	assert_false(gr_stack_is_guard(&local));
	found = s;
	gr_stack_free(&s);
	assert_false(gr_stack_at(found.lo, &s));
}

static void deep_use_is_forgotten(void **state)
{
	struct gr_stack s;
	char *deep;

	(void)state;
	assert_int_equal(gr_stack_new(2 * MIB, GR_PAGE, &s), 0);
	deep = s.lo + MIB;
	for (int i = 0; i < GR_STACK_TRIM_EVERY; i++) {
		*deep = 1;
		s.lo[s.size - 1] = 1;
		gr_stack_free(&s);
		assert_int_equal(gr_stack_new(2 * MIB, GR_PAGE, &s), 0);
		assert_ptr_equal(s.lo + MIB, deep);
	}
	assert_false(resident(deep));
	assert_true(resident(s.lo + s.size - GR_PAGE));
	gr_stack_free(&s);
}

static void only_so_many_stay_warm(void **state)
{
	enum { N = GR_STACK_WARM + 50 };
	static struct gr_stack s[N];
	static char *top[N];
	int cold = 0;

	(void)state;
	for (int i = 0; i < N; i++) {
		assert_int_equal(gr_stack_new(256 << 10, GR_PAGE, &s[i]), 0);
		top[i] = s[i].lo + s[i].size - GR_PAGE;
		*top[i] = 1;
	}
	for (int i = 0; i < N; i++)
		gr_stack_free(&s[i]);
	for (int i = 0; i < N; i++)
		cold += !resident(top[i]);
	assert_int_equal(cold, 50);
	for (int i = 0; i < N; i++)
		assert_int_equal(gr_stack_new(256 << 10, GR_PAGE, &s[i]), 0);
	for (int i = 0; i < N; i++) {
		assert_true(writable(s[i].lo));
		assert_false(writable(s[i].lo - 1));	/* the guard outlives MADV_DONTNEED */
		gr_stack_free(&s[i]);
	}
}

static bool may_rest(void)
{
	return true;
}

static int cold_of(char **top, int n)
{
	int cold = 0;

	for (int i = 0; i < n; i++)
		cold += !resident(top[i]);
	return cold;
}

static void the_others_rest_before_they_are_forgotten(void **state)
{
	enum { OVER = 50, N = GR_STACK_WARM + OVER };
	static struct gr_stack s[N];
	static char *top[N];
	struct gr_stack again;

	(void)state;
	gr_stack_rests = may_rest;
	for (int i = 0; i < N; i++) {
		assert_int_equal(gr_stack_new(96 << 10, GR_PAGE, &s[i]), 0);
		top[i] = s[i].lo + s[i].size - GR_PAGE;
		*top[i] = 1;
	}
	for (int i = 0; i < N; i++)
		gr_stack_free(&s[i]);
	assert_int_equal(gr_stacks_forget(N), GR_REST_LATER);	/* none has rested long enough */
	assert_int_equal(cold_of(top, N), 0);
	for (int i = 0; i < GR_STACK_WARM + 10; i++)
		assert_int_equal(gr_stack_new(96 << 10, GR_PAGE, &s[i]), 0);
	assert_int_equal(gr_stacks_forget(15), GR_REST_MORE);
	assert_int_equal(cold_of(top, N), 15);
	for (int i = 0; i < GR_STACK_WARM + 10; i++)
		gr_stack_free(&s[i]);
	assert_int_equal(gr_stacks_forget(N), GR_REST_LATER);	/* ten have come back meanwhile */
	assert_int_equal(cold_of(top, N), OVER - 10);
	assert_int_equal(gr_stacks_forget(N), GR_REST_NONE);
	assert_int_equal(cold_of(top, N), OVER);
	gr_stack_rests = NULL;
	assert_int_equal(gr_stack_new(96 << 10, GR_PAGE, &again), 0);
	gr_stack_free(&again);
}

static void few_threads_reserve_little(void **state)
{
	struct gr_stack_stats before, after;
	struct gr_stack s[2];

	(void)state;
	gr_stack_get_stats(&before);
	for (int i = 0; i < 2; i++)
		assert_int_equal(gr_stack_new(7 * MIB, GR_PAGE, &s[i]), 0);
	gr_stack_get_stats(&after);
	assert_true(after.mapped_bytes - before.mapped_bytes <= 64 * MIB);
	assert_int_equal(after.in_use - before.in_use, 2);
	for (int i = 0; i < 2; i++)
		gr_stack_free(&s[i]);
}

/* Runs @fn in a child, whose limits and mappings are its own; it passes by returning. */
static void in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define CHECK(cond) do { if (!(cond)) _exit(__LINE__ % 200 + 1); } while (0)

static void limited_child(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	struct gr_stack s[100], again;
	struct rlimit limit;
	unsigned long pages;
	int n = 0, r;

	CHECK(statm && fscanf(statm, "%lu", &pages) == 1);
	limit.rlim_cur = limit.rlim_max = pages * GR_PAGE + 300 * MIB;
	CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
	while ((r = gr_stack_new(8 * MIB, GR_PAGE, &s[n])) == 0)
		CHECK(++n < 100);
	CHECK(r == -ENOMEM);
	CHECK(n >= 25);			/* smaller regions were tried: no great part of the limit is left unused */
	gr_stack_free(&s[n - 1]);
	CHECK(gr_stack_new(8 * MIB, GR_PAGE, &again) == 0);
	CHECK(gr_stack_new(SIZE_MAX, GR_PAGE, &again) == -ENOMEM);
	CHECK(gr_stack_new(GR_PAGE, SIZE_MAX, &again) == -ENOMEM);
}

/* Slots are made accessible a few at once, but never more than a sixteenth of those used so far, and one by one where a limit forbids more. */
static size_t data_kb(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	unsigned long kb = 0;
	char line[128];

	CHECK(status);
	while (fgets(line, sizeof(line), status))
		sscanf(line, "VmData: %lu", &kb);
	fclose(status);
	return kb;
}

static void many_at_once_child(void)
{
	enum { N = 1000, KB = 64 };
	static struct gr_stack s[N];
	size_t before = data_kb(), grown;
	struct rlimit limit;
	int n = N;

	for (int i = 0; i < N; i++)
		CHECK(gr_stack_new(KB << 10, GR_PAGE, &s[i]) == 0);
	for (int i = 0; i < N; i++) {
		CHECK(writable(s[i].lo) && writable(s[i].lo + s[i].size - 1));
		CHECK(gr_stack_is_guard(s[i].lo - 1) && !writable(s[i].lo - 1));
	}
	grown = data_kb() - before;
	CHECK(grown >= N * KB && grown <= (N + N / 16) * (KB + 4) + 1024);
	limit.rlim_cur = limit.rlim_max = (data_kb() + 8 * (KB + 4)) << 10;
	CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
	while (n < N + 100 && gr_stack_new(KB << 10, GR_PAGE, &s[0]) == 0) {
		CHECK(writable(s[0].lo) && !writable(s[0].lo - 1));
		n++;
	}
	CHECK(n >= N + 4 && n < N + 100);
	gr_stack_free(&s[1]);
	CHECK(gr_stack_new(KB << 10, GR_PAGE, &s[1]) == 0);
}

static void many_at_once(void **state)
{
	(void)state;
	in_child(many_at_once_child);
}

static void address_space_limit_is_enomem(void **state)
{
	(void)state;
	in_child(limited_child);
}

static void locked_child(void)
{
	struct gr_stack s;

	CHECK(mlockall(MCL_FUTURE) == 0 || (errno == EPERM || errno == ENOMEM));
	for (int i = 0; i < 3; i++) {
		CHECK(gr_stack_new(64 << 10, GR_PAGE, &s) == 0);
		CHECK(writable(s.lo));
		CHECK(!writable(s.lo - 1));
	}
}

static void locked_memory_is_guarded_too(void **state)
{
	(void)state;
	in_child(locked_child);
}

static struct gr_stack inherited;

static void forked_child(void)
{
	CHECK(writable(inherited.lo));
	CHECK(!writable(inherited.lo - 1));
}

static void guards_survive_a_fork(void **state)
{
	(void)state;
	assert_int_equal(gr_stack_new(64 << 10, GR_PAGE, &inherited), 0);
	in_child(forked_child);
	gr_stack_free(&inherited);
}

static void free_it(struct gr_stack *s, void *arg)
{
	size_t *n = arg;

	++*n;
	gr_stack_free(s);
}

static void each_in_use_is_visited(void **state)
{
	struct gr_stack_stats stats;
	struct gr_stack s;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(gr_stack_new((size_t)(i % 3 + 1) * MIB, GR_PAGE, &s), 0);
	gr_stack_get_stats(&stats);
	gr_stack_each(free_it, &n);
	assert_int_equal(n, stats.in_use);
	gr_stack_get_stats(&stats);
	assert_int_equal(stats.in_use, 0);
}

static long page_tables(void)
{
	char line[128];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && kb < 0 && fgets(line, sizeof(line), f))
		sscanf(line, "VmPTE: %ld", &kb);
	if (f)
		fclose(f);
	return kb;
}

/* With the top of each in use: what it takes of the kernel's page tables, of which a page is good for 2 MiB */
static void page_tables_child(void)
{
	static const struct { size_t size; long bytes; } rows[] = {
		{ 64 << 10, 200 }, { 256 << 10, 700 }, { MIB, 2400 }, { 2 * MIB, 4600 }, { 8 * MIB, 4600 },
	};
	enum { N = 1024 };
	struct gr_stack s;

	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		long before = page_tables();

		for (int k = 0; k < N; k++) {
			CHECK(gr_stack_new(rows[i].size, GR_PAGE, &s) == 0);
			memset(s.lo + s.size - 2 * GR_PAGE, 1, 2 * GR_PAGE);
		}
		CHECK((page_tables() - before) * 1024 <= N * rows[i].bytes);
	}
}

static void page_tables_are_shared(void **state)
{
	(void)state;
	in_child(page_tables_child);
}

static void many_child(void)
{
	enum { N = 100000 };
	struct gr_stack s, probe[3];
	struct gr_stack_stats stats;

	for (int i = 0; i < N; i++) {
		CHECK(gr_stack_new(8 * MIB, GR_PAGE, &s) == 0);
		if (i % 40000 == 0)
			probe[i / 40000] = s;
	}
	gr_stack_get_stats(&stats);
	CHECK(stats.in_use == N);
	for (int i = 0; i < 3; i++) {
		CHECK(writable(probe[i].lo));
		CHECK(!writable(probe[i].lo - 1));
	}
}

static void a_hundred_thousand_with_default_limits(void **state)
{
	struct gr_stack_stats stats;
	struct gr_stack s;

	(void)state;
	assert_int_equal(gr_stack_new(8 * MIB, GR_PAGE, &s), 0);
	gr_stack_free(&s);
	gr_stack_get_stats(&stats);
	if (!stats.guard_by_madvise)
		skip();			/* an older kernel: 32,000 is the end */
	in_child(many_child);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(guarded_from_its_first_byte_to_its_last),
		cmocka_unit_test(last_in_first_out),
		cmocka_unit_test(classes_do_not_mix),
		cmocka_unit_test(found_by_address),
		cmocka_unit_test(deep_use_is_forgotten),
		cmocka_unit_test(only_so_many_stay_warm),
		cmocka_unit_test(the_others_rest_before_they_are_forgotten),
		cmocka_unit_test(few_threads_reserve_little),
		cmocka_unit_test(address_space_limit_is_enomem),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(locked_memory_is_guarded_too),
		cmocka_unit_test(guards_survive_a_fork),
		cmocka_unit_test(each_in_use_is_visited),
		cmocka_unit_test(a_hundred_thousand_with_default_limits),
	};
	static const struct CMUnitTest tables[] = { cmocka_unit_test(page_tables_are_shared) };	/* ASan's shadow memory has page tables, too */
	int n_failed = cmocka_run_group_tests(tests, NULL, NULL);

	return n_failed + (UNDER_ASAN ? 0 : cmocka_run_group_tests(tables, NULL, NULL));
}
