/*
 * What a parked greenlet keeps in memory
 */
#include "api.h"
#include "tools.h"
#include "stack.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define CROWD		50
#define PAGES_AT_MOST	3		/* of its stack; two, where libc's block of a thread is as small as usual */
#define LESS_ROOM	"glibc.rtld.nns=1:glibc.rtld.optional_static_tls=0"
#define DIFFERENCE	256u		/* for libc's functions may use more registers at some time */

static int pipe_ends[2];

static void *reads(void *arg)
{
	char byte;

	assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
	return arg;
}

static void *sleeps(void *arg)
{
	grove_sleep(GROVE_SEC(1));
	return arg;
}

static void *sleeps_by_libc(void *arg)
{
	sleep(1);
	return arg;
}

/* Which runs until it is parked */
static grove_greenlet *parked(grove_fn *fn)
{
	grove_greenlet *g = grove_spawn(fn, NULL);

	assert_non_null(g);
	grove_yield();
	assert_true(g->g && g->g->state == GR_PARKED);
	return g;
}

static void end_all(grove_greenlet **g, size_t n)
{
	assert_int_equal(grove_joinall(g, n, 0, GROVE_SEC(50), 0), n);
	for (size_t i = 0; i < n; i++)
		grove_release(g[i]);
}

static struct gr_stack stack_of(const grove_greenlet *g)
{
	struct gr_stack s;

	assert_true(gr_stack_at(g->g->sp, &s) && s.size == GROVE_STACK_SIZE);
	return s;
}

static size_t pages(const grove_greenlet *g)
{
	unsigned char there[GROVE_STACK_SIZE / GR_PAGE];
	struct gr_stack s = stack_of(g);
	size_t n = 0;

	assert_int_equal(mincore(s.lo, s.size, there), 0);
	for (size_t i = 0; i < GR_LENGTH(there); i++)
		n += there[i] & 1;
	return n;
}

static void test_pages_of_a_stack(void **state)
{
	static grove_fn *const how[] = { sleeps, sleeps_by_libc, reads };
	grove_greenlet *g[GR_LENGTH(how) * CROWD];
	char bytes[CROWD] = "";

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(g); i++) {
		g[i] = parked(how[i % GR_LENGTH(how)]);
		if (i > CROWD)
			assert_in_range(pages(g[i]), 1, PAGES_AT_MOST);		/* the first one found out about libc's block */
	}
	assert_int_equal(write(pipe_ends[1], bytes, sizeof(bytes)), sizeof(bytes));
	end_all(g, GR_LENGTH(g));
}

/* Libraries that come later may be given less room in each thread: then the frames may begin in the first page, and no other is taken. */
static void test_no_page_that_is_not_used(void **state)
{
	size_t needed, least = GROVE_STACK_SIZE;
	grove_greenlet *g[CROWD];

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(g); i++) {
		g[i] = parked(sleeps);
		least = pages(g[i]) < least ? pages(g[i]) : least;
	}
	needed = (size_t)(stack_of(g[0]).lo + GROVE_STACK_SIZE - (char *)g[0]->g->sp);
	assert_true(least <= (needed + GR_PAGE - 1) / GR_PAGE);
	end_all(g, GR_LENGTH(g));
}

static void test_again_with_less_room(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		setenv("GLIBC_TUNABLES", LESS_ROOM, 1);
		execl("/proc/self/exe", "test_parked", "with less room", NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void ignore(int sig)
{
	(void)sig;
}

static size_t depth(const grove_greenlet *g)
{
	return g->g->fs - (uintptr_t)g->g->sp;
}

/* The kernel's signal return marks the x87 registers as in use, with nothing in them: no reason to keep all vector registers on the stack. */
static void test_a_signal_makes_no_frame_larger(void **state)
{
	grove_greenlet *g[CROWD];
	char bytes[CROWD] = "";

	(void)state;
	signal(SIGUSR1, ignore);
	for (size_t i = 0; i < GR_LENGTH(g); i++) {
		if (i == GR_LENGTH(g) / 2)
			raise(SIGUSR1);
		g[i] = parked(reads);
		assert_true(depth(g[i]) <= depth(g[0]) + DIFFERENCE);
	}
	assert_int_equal(write(pipe_ends[1], bytes, sizeof(bytes)), sizeof(bytes));
	end_all(g, GR_LENGTH(g));
}

/* libc's string functions have used what they use by then. */
static int patched_begin(void **state)
{
	static char a[4096], b[4096];

	memset(a, 'a', sizeof(a) - 1);
	memcpy(b, a, strlen(a));
	return api_begin(state) || grove_patch() || pipe(pipe_ends);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest again[] = { cmocka_unit_test(test_again_with_less_room) };
	const struct CMUnitTest no_page[] = { api_test(test_no_page_that_is_not_used) };	/* ASan's own frames go deeper when a thread begins */
	const struct CMUnitTest tests[] = {
		api_test(test_a_signal_makes_no_frame_larger),
		api_test(test_pages_of_a_stack),
	};

	(void)argv;
	if (argc == 1 && cmocka_run_group_tests_name("again", again, NULL, NULL))
		return 1;
	if (!UNDER_ASAN && cmocka_run_group_tests(no_page, patched_begin, NULL))
		return 1;
	return cmocka_run_group_tests(tests, UNDER_ASAN ? patched_begin : NULL, NULL);
}
