/* libc_exit.c - a process ends while its threads wait, and handlers wait at its end; each in a child of its own */
#include "inside.h"
#include <sys/prctl.h>

static int held[2], opened[2], places[4], main_place;	/* for those who wait all along; for handlers */

static void hold(void)
{
	char c;

	MUST(read(held[0], &c, 1));
}

static void *parked(void *arg)
{
	t_here(arg);
	hold();
	return NULL;
}

static void *parked_in_lock(void *arg)
{
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&m);
	t_here(arg);
	pthread_mutex_lock(&m);
	return NULL;
}

static void *asleep(void *arg)
{
	t_here(arg);
	msleep(60000);
	return NULL;
}

static void others_wait(void)
{
	start(parked, &places[0]);
	start(parked_in_lock, &places[1]);
	start(asleep, &places[2]);
	for (int i = 0; i < 3; i++)
		wait_parked(&places[i]);
}

/* Runs @fn in a child, with three threads that wait, and says how it ended. */
static void in_child(const char *what, void (*fn)(void))
{
	must_pipe(held);
	must_pipe(opened);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		prctl(PR_SET_DUMPABLE, 0);
		memset(places, 0, sizeof(places));
		others_wait();
		fn();
		_exit(99);
	}
	say("%s: %d", what, t_reap(pid));
	close2(held);
	close2(opened);
}

/* --- others wait, and the process ends --- */

static void by_exit(void) { exit(3); }
static void by__exit(void) { _exit(4); }
static void by_quick_exit(void) { quick_exit(5); }
static void by_abort(void) { abort(); }
static void by_signal(void) { raise(SIGTERM); }
static void by_kill(void) { kill(getpid(), SIGKILL); }
static void by_fault(void) { *(volatile int *)8 = 1; }
static void by_exit_group(void) { syscall(SYS_exit_group, 6); }

static void *exit_here(void *arg)
{
	wait_parked(&main_place);
	((void (*)(void))arg)();
	return NULL;
}

/* The same by a thread, while main waits in join for one that never ends */
static void (*by)(void);

static void main_waits(void)
{
	pthread_t t = start(parked, &places[3]);

	main_place = 0;
	start(exit_here, (void *)by);
	t_here(&main_place);
	join(t);
}

static void ends(void)
{
	static const struct {
		const char *what;
		void (*fn)(void);
	} ways[] = {
		{ "exit", by_exit }, { "_exit", by__exit }, { "quick_exit", by_quick_exit }, { "abort", by_abort },
		{ "raise", by_signal }, { "kill", by_kill }, { "fault", by_fault }, { "exit_group", by_exit_group },
	};
	char name[64];

	say("-- main ends the process");
	for (size_t i = 0; i < T_LENGTH(ways); i++)
		in_child(ways[i].what, ways[i].fn);
	say("-- another thread does");
	for (size_t i = 0; i < T_LENGTH(ways); i++) {
		by = ways[i].fn;
		snprintf(name, sizeof(name), "%s by a thread", ways[i].what);
		in_child(name, main_waits);
	}
}

/* --- main leaves, the others go on --- */

static void *says(void *arg)
{
	msleep(10);
	say("%s goes on", (char *)arg);
	return NULL;
}

static void *ends_it(void *arg)
{
	msleep(30);
	say("the last one ends it");
	exit((int)(intptr_t)arg);
}

static void main_leaves(void)
{
	start(says, "a thread");
	start(ends_it, (void *)7);
	pthread_exit(NULL);
}

static void all_leave(void)
{
	for (int i = 0; i < 3; i++)
		MUST(write(held[1], "x", 1));
	_exit(8);
}

static void last_thread(void)
{
	pid_t pid = MUST(fork());

	if (pid == 0) {			/* only us here: the end of the last thread is the end of the process, with 0 */
		start(says, "one");
		start(says, "one");
		pthread_exit((void *)5);
	}
	say("ended with its last thread: %d", t_reap(pid));
	_exit(0);
}

/* --- handlers that wait --- */

static int phase;

static void *opens(void *arg)
{
	char name[32];

	(void)arg;
	for (int i = 0; i < 3; i++) {
		t_until(&phase, i + 1);
		msleep(5);
		snprintf(name, sizeof(name), "opened %d", i + 1);
		say("%s", name);
		MUST(write(opened[1], "o", 1));
	}
	return NULL;
}

static void waits(const char *what)
{
	char c;

	say("%s begins", what);
	t_set(&phase, phase + 1);
	MUST(read(opened[0], &c, 1));
	say("%s ends", what);
}

static void first_handler(void) { waits("atexit, registered first"); }
static void last_handler(void) { waits("atexit, registered last"); }
static void status_handler(int status, void *arg) { waits("on_exit"); say("status %d, %s", status, (char *)arg); }
static void quick_first(void) { waits("at_quick_exit, first"); }
static void quick_last(void) { waits("at_quick_exit, last"); }
__attribute__((destructor)) static void at_the_end(void) { say("destructor"); }

static void handlers(void)
{
	memset(places, 0, sizeof(places));
	atexit(first_handler);
	on_exit(status_handler, "argument");
	atexit(last_handler);
	start(opens, NULL);
	exit(9);
}

static void quick_handlers(void)
{
	atexit(first_handler);			/* not run */
	at_quick_exit(quick_first);
	at_quick_exit(quick_last);
	start(opens, NULL);
	quick_exit(10);
}

static void *exits_too(void *arg)
{
	(void)arg;
	exit(12);
}

/* While exit() waits in a handler, another handler is added, which runs next. */
static void added(void) { say("added while exiting"); }
static void adds(void) { waits("adds"); atexit(added); }

static void adding(void)
{
	atexit(adds);
	start(opens, NULL);
	exit(11);
}

static void *returns(void *arg)
{
	start(exits_too, NULL);
	return arg;
}

static void exit_from_thread(void)
{
	atexit(first_handler);
	start(opens, NULL);
	start(returns, NULL);
	for (;;)
		pause();
}

/* A stream that is locked by a thread that waits: exit does not wait for it for ever, it does what it does bare. */
static void *lock_a_stream(void *arg)
{
	flockfile(arg);
	t_here(&places[3]);
	hold();
	return NULL;
}

static void locked_stream(void)
{
	FILE *f = fopen("locked", "w");

	fputs("text", f);
	start(lock_a_stream, f);
	wait_parked(&places[3]);
	_exit(13);
}

static void abort_handler(int sig)
{
	(void)sig;
	say("SIGABRT is told");
}

static void handled_abort(void)
{
	signal(SIGABRT, abort_handler);
	abort();
}

int main(int argc, char **argv)
{
	t_begin();
	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc > 1 && !strcmp(argv[1], "return")) {
		must_pipe(held);
		others_wait();
		return 14;
	}
	ends();
	say("-- main leaves");
	in_child("pthread_exit of main", main_leaves);
	in_child("all are let go", all_leave);
	in_child("the last thread", last_thread);
	pid_t pid = MUST(fork());
	if (pid == 0)
		execl("/proc/self/exe", "libc_exit", "return", NULL);
	say("main returns: %d", t_reap(pid));
	say("-- handlers");
	in_child("exit", handlers);
	in_child("quick_exit", quick_handlers);
	in_child("adding", adding);
	in_child("exit from a thread", exit_from_thread);
	in_child("a locked stream", locked_stream);
	in_child("abort, handled", handled_abort);
	return 0;
}
