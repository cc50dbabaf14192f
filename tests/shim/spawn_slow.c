/* spawn_slow.c - children that take long to exec, since they open a slow file: their creator waits, and the others go on */
#include "inside.h"
#include <spawn.h>
#include <sys/stat.h>

static const char *fifo = "slow";

static void open_fifo(void)
{
	int fd = MUST(open(fifo, O_WRONLY | O_CLOEXEC));

	(void)!write(fd, "line\n", 5);		/* the child may be gone already */
	close(fd);
}

/* --- posix_spawn whose file action opens a FIFO --- */

static char *const sh[] = { "sh", "-c", "read x; test $x = line && exit 5", NULL };

static long spawn_(const char *file, const char *second)
{
	posix_spawn_file_actions_t fa;
	pid_t pid;
	int r;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 0, fifo, O_RDONLY, 0);
	if (second)
		posix_spawn_file_actions_addopen(&fa, 7, second, O_RDONLY, 0);
	r = posix_spawn(&pid, file, &fa, NULL, sh, environ);
	posix_spawn_file_actions_destroy(&fa);
	return r ? -r : t_reap(pid);
}

static long good(void) { return spawn_("/bin/sh", NULL); }
static long no_program(void) { return spawn_("/nonexistent", NULL); }
static long bad_action(void) { return spawn_("/bin/sh", "/nonexistent/file"); }

/* Finds the child, which is in the middle of its file actions, and kills it. */
static void kill_it(void)
{
	char path[320], line[64] = "";
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *d;

	while ((d = readdir(tasks))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/children", d->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd != -1 && read(fd, line, sizeof(line) - 1) > 0)
			kill(atoi(line), SIGKILL);
		if (fd != -1)
			close(fd);
	}
	closedir(tasks);
}

static void by_a_thread(void)
{
	say("-- by a thread");
	say("left with %ld", inside("posix_spawn", good, open_fifo));
	say("%s", t_errname((int)-inside("no such program", no_program, open_fifo)));
	say("%s", t_errname((int)-inside("bad file action", bad_action, open_fifo)));
	say("killed: left with %ld", inside("killed", good, kill_it));
	YES("no child is left", waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

/* --- the same by main, while a thread lets it go --- */

static int started, steps;

static void *opens_late(void *arg)
{
	t_until(&started, 1);
	for (int i = 0; i < 20; i++) {
		msleep(1);
		steps++;
	}
	open_fifo();
	return arg;
}

static long by_main(long (*fn)(void))
{
	started = steps = 0;
	pthread_t t = start(opens_late, NULL);
	t_set(&started, 1);
	long r = fn();
	join(t);
	say("the other made %d steps", steps);
	return r;
}

static void *many_of(void *arg)
{
	pid_t pid;
	char *argv[] = { "sh", "-c", arg, NULL };

	return (void *)(intptr_t)(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) == 0 ? t_reap(pid) : -1);
}

/* One is slow, and those that come after it are not held up by it. */
static pthread_t others[10];

static void others_spawn(void)
{
	long sum = 0;

	for (int i = 0; i < 10; i++)
		others[i] = start(many_of, "exit 3");
	for (int i = 0; i < 10; i++)
		sum += (long)join(others[i]);
	say("ten others: %ld", sum);
	pid_t pid = MUST(fork());
	if (pid == 0)
		_exit(join(start(many_of, "exit 4")) == (void *)4 ? 9 : 10);
	say("and a fork: %d", t_reap(pid));
	open_fifo();
}

/* --- what the child inherits of the thread that asks --- */

static long inherits(void)
{
	char *argv[] = { "grep", "-c", "^SigBlk:.*200$", "/proc/self/status", NULL };
	posix_spawn_file_actions_t fa;
	sigset_t s;
	pid_t pid;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &s, NULL);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 0, fifo, O_RDONLY, 0);
	int r = posix_spawn(&pid, "/bin/grep", &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	long left = r ? -r : t_reap(pid);
	sigset_t now;
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	say("our mask is as it was: %d", sigismember(&now, SIGUSR1) == 1 && sigismember(&now, SIGTERM) == 0);
	return left;
}

static int terms;
static void on_term(int sig) { (void)sig; __atomic_add_fetch(&terms, 1, __ATOMIC_SEQ_CST); }

/* A signal to the process while a child is being made goes to a thread of ours, and not to the child. */
static void send_term(void)
{
	MUST(kill(getpid(), SIGTERM));
	open_fifo();
}

int main(void)
{
	t_begin();
	signal(SIGPIPE, SIG_IGN);
	MUST(mkfifo(fifo, 0600));
	by_a_thread();
	say("-- others meanwhile");
	say("left with %ld", inside("posix_spawn", good, others_spawn));
	say("the mask: %ld", inside("posix_spawn", inherits, open_fifo));
	signal(SIGTERM, on_term);
	say("left with %ld", inside("posix_spawn", good, send_term));
	say("SIGTERM came: %d", t_get(&terms));
	say("-- by main");
	say("left with %ld", by_main(good));
	say("%s", t_errname((int)-by_main(no_program)));
	say("%s", t_errname((int)-by_main(bad_action)));
	return 0;
}
