/*
 * test_overflow.c - a full stack: the line that says whose it was, and the death by SIGSEGV; each in a child process
 */
#include "api.h"
#include "tools.h"
#include <grove/generator.h>
#include <sys/resource.h>
#include <sys/wait.h>

__attribute__((noinline)) static long down(volatile char *above, long n)
{
	volatile char here[256];

	memset((void *)(uintptr_t)here, (int)n, sizeof(here));
	here[0] = above[1];
	return n == 0 ? 0 : down(here, n + 1) + here[n % (long)sizeof(here)];
}

static void *deep(void *arg)
{
	char c[2] = { 0 };

	(void)arg;
	return (void *)down(c, 1);
}

static void spawn(size_t stack_size, const char *name)
{
	struct grove_spawn_attr attr = { .size = sizeof(attr), .stack_size = stack_size, .name = name };

	grove_join(grove_spawn_with(&attr, deep, NULL), GROVE_FOREVER);
}

static void usual_size(void)
{
	spawn(0, "usual");
}

static void small(void)
{
	spawn(64 << 10, "small");
}

static void nameless(void)
{
	grove_join(grove_spawn(deep, NULL), GROVE_FOREVER);
}

static void in_generator(void)
{
	grove_gen_next(grove_generator_new(deep, NULL), NULL);
}

static void *uses_generator(void *arg)
{
	in_generator();
	return arg;
}

static void in_generator_of_greenlet(void)
{
	struct grove_spawn_attr attr = { .size = sizeof(attr), .name = "user" };

	grove_join(grove_spawn_with(&attr, uses_generator, NULL), GROVE_FOREVER);
}

static void in_main(void)
{
	setrlimit(RLIMIT_STACK, &(struct rlimit){ 1 << 20, RLIM_INFINITY });
	deep(NULL);
}

static void *writes(void *arg)
{
	*(volatile char *)arg = 1;
	return NULL;
}

static void wild_pointer(void)
{
	grove_join(grove_spawn(writes, (void *)8), GROVE_FOREVER);
}

/* The page below the stack of a greenlet, while another one runs */
static void *parks(void *arg)
{
	*(char **)arg = __builtin_frame_address(0);
	grove_sleep(GROVE_SEC(100));
	return NULL;
}

static void into_anothers_guard(void)
{
	struct gr_stack stack;
	char *there;

	grove_spawn(parks, &there);
	grove_sleep(0);
	if (!gr_stack_at(there, &stack))
		_exit(3);
	writes(stack.lo - 8);
}

static void own_altstack(void)
{
	static char room[64 << 10];

	gr_call(SYS_sigaltstack, (long)&(stack_t){ .ss_sp = room, .ss_size = sizeof(room) }, 0, 0, 0, 0, 0);
	usual_size();
}

static const struct row {
	const char *name;
	void (*fn)(void);
	const char *line;
} rows[] = {
	{ "usual", usual_size, "grove: stack overflow in greenlet usual (id #): its stack of 256 KiB is full; "
			       "grove_spawn_with() gives it more: stack_size\n" },
	{ "small", small, "grove: stack overflow in greenlet small (id #): its stack of 64 KiB is full; "
			  "grove_spawn_with() gives it more: stack_size\n" },
	{ "nameless", nameless, "grove: stack overflow in greenlet (id #): its stack of 256 KiB is full; "
				"grove_spawn_with() gives it more: stack_size\n" },
	{ "generator", in_generator, "grove: stack overflow in a generator run by the main thread: its stack of 256 KiB is full; "
				     "grove_generator_new_with() makes larger ones\n" },
	{ "greenlet's generator", in_generator_of_greenlet, "grove: stack overflow in a generator run by greenlet user (id #): "
							    "its stack of 256 KiB is full; grove_generator_new_with() makes larger ones\n" },
	{ "main", in_main, "grove: stack overflow in the main thread: its stack of 1024 KiB is full; ulimit -s gives it more\n" },
	{ "wild pointer", wild_pointer, "" },
	{ "another's guard", into_anothers_guard, "" },
	{ "the program has an alternate stack", own_altstack, "" },
};

static void child(const struct row *row, int err)
{
	dup2(err, 2);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	for (int sig = 1; sig < 32; sig++)		/* cmocka has handlers for faults */
		signal(sig, SIG_DFL);
	row->fn();
	_exit(1);
}

/* What the child said, its numbers of greenlets replaced by # */
static void hear(int fd, char *text, size_t size)
{
	size_t n = 0;
	ssize_t r;
	char *at;

	while ((r = read(fd, text + n, size - 1 - n)) > 0)
		n += (size_t)r;
	text[n] = '\0';
	at = strstr(text, "(id ");
	if (at) {
		at += 4;
		memmove(at + 1, at + strspn(at, "0123456789"), strlen(at + strspn(at, "0123456789")) + 1);
		*at = '#';
	}
}

static void test_overflow(void **state)
{
	(void)state;
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		char said[1024];
		int fds[2], status;
		pid_t pid;

		assert_int_equal(pipe(fds), 0);
		pid = fork();
		if (pid == 0)
			child(&rows[i], fds[1]);
		close(fds[1]);
		hear(fds[0], said, sizeof(said));
		close(fds[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV || strcmp(said, rows[i].line) != 0)
			fail_msg("%s: status %x, \"%s\"", rows[i].name, status, said);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		api_test(test_overflow),
	};

	return UNDER_ASAN ? 0 : cmocka_run_group_tests(tests, api_begin, NULL);	/* it has handlers and stacks of its own for that */
}
