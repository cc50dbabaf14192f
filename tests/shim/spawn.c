/* spawn.c - posix_spawn: what the child is made to do, what it gets, how errors are told; vfork; from many threads at once */
#include "t.h"
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char *const none[] = { "true", NULL };

static const char *shell = "/bin/sh";

/* Runs a shell script; prints what it said and how it ended.  Descriptor 1 is a pipe, dup'ed last. */
static void script(const char *what, const char *text, posix_spawn_file_actions_t *fa, posix_spawnattr_t *at)
{
	char *argv[] = { "sh", "-c", (char *)text, NULL }, said[256] = "";
	posix_spawn_file_actions_t own;
	int p[2], r, len = 0;
	pid_t pid;

	must_pipe(p);
	if (!fa) {
		fa = &own;
		posix_spawn_file_actions_init(fa);
	}
	posix_spawn_file_actions_adddup2(fa, p[1], 1);
	r = posix_spawn(&pid, shell, fa, at, argv, environ);
	close(p[1]);
	if (r == 0) {
		for (ssize_t n; len < 255 && (n = read(p[0], said + len, 255 - len)) > 0;)
			len += (int)n;
		for (int i = 0; i < len; i++)
			if (said[i] == '\n')
				said[i] = i == len - 1 ? 0 : ' ';
		say("%s: left with %d, said: %s", what, t_reap(pid), said);
	} else {
		say("%s: %s", what, t_errname(r));
	}
	close(p[0]);
	posix_spawn_file_actions_destroy(fa);
}

static void actions(void)
{
	posix_spawn_file_actions_t fa;
	int fd, extra;

	say("-- file actions");
	MUST(mkdir("dir", 0700));
	fd = MUST(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	MUST(write(fd, "from the file\n", 14));
	extra = MUST(fcntl(fd, F_DUPFD, 50));		/* inherited, unless it is closed */

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 0, "file", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&fa, 7, "made", O_WRONLY | O_CREAT | O_TRUNC, 0640);
	script("open", "cat; echo text >&7; cat made", &fa, NULL);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addclose(&fa, 50);
	script("close", "test -e /proc/self/fd/50 || echo closed", &fa, NULL);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addclose(&fa, 49);
	script("close what is not open", "echo no harm", &fa, NULL);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fd, fd);	/* to itself: no longer close-on-exec */
	posix_spawn_file_actions_adddup2(&fa, fd, 9);
	char text[64];
	snprintf(text, sizeof(text), "echo both >&%d; echo two >&9 && echo dup2", fd);
	script("dup2", text, &fa, NULL);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, 48, 9);
	script("dup2 of none", "echo no", &fa, NULL);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addchdir_np(&fa, "dir");
	script("chdir", "basename $(pwd)", &fa, NULL);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addchdir_np(&fa, "no-such-dir");
	script("chdir to none", "pwd", &fa, NULL);
	int dir = MUST(open("dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addfchdir_np(&fa, dir);
	script("fchdir", "basename $(pwd)", &fa, NULL);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addfchdir_np(&fa, 47);
	script("fchdir to none", "pwd", &fa, NULL);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addclosefrom_np(&fa, 40);
	script("closefrom", "test -e /proc/self/fd/50 || echo closed", &fa, NULL);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 7, "no-such-dir/file", O_RDONLY, 0);
	script("open none", "echo no", &fa, NULL);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addtcsetpgrp_np(&fa, fd);
	script("tcsetpgrp, no tty", "echo no", &fa, NULL);
	posix_spawn_file_actions_init(&fa);
	P("adddup2, bad", posix_spawn_file_actions_adddup2(&fa, -1, 3));
	P("addclose, bad", posix_spawn_file_actions_addclose(&fa, -1));
	P("addopen, bad", posix_spawn_file_actions_addopen(&fa, -1, "x", 0, 0));
	posix_spawn_file_actions_destroy(&fa);
	close(dir);
	close(extra);
	close(fd);
}

static void attributes(void)
{
	posix_spawnattr_t at;
	sigset_t s;

	say("-- attributes");
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	posix_spawnattr_init(&at);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	posix_spawnattr_setsigdefault(&at, &s);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGDEF);
	script("USR1 back to default", "kill -USR2 $$; echo alive; kill -USR1 $$; echo still", NULL, &at);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
	shell = access("/bin/bash", X_OK) == 0 ? "/bin/bash" : shell;	/* others unblock all signals first */
	posix_spawnattr_setsigmask(&at, &s);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK);
	script("USR1 blocked", "grep -c 'SigBlk:.*200$' /proc/self/status; kill -USR1 $$; echo alive", NULL, &at);
	posix_spawnattr_setpgroup(&at, 0);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETPGROUP);
	script("a group of its own", "test $(cut -d' ' -f5 /proc/$$/stat) = $$ && echo leader", NULL, &at);
	posix_spawnattr_setpgroup(&at, 1);
	script("no such group", "echo no", NULL, &at);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSID);
	script("a session of its own", "test $(cut -d' ' -f6 /proc/$$/stat) = $$ && echo leader", NULL, &at);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_RESETIDS);
	script("ids", "id -u >/dev/null && echo ids", NULL, &at);
	struct sched_param sp = { 0 };
	posix_spawnattr_setschedparam(&at, &sp);
	posix_spawnattr_setschedpolicy(&at, SCHED_BATCH);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSCHEDULER);
	script("batch", "cut -d' ' -f41 /proc/$$/stat", NULL, &at);
	posix_spawnattr_setschedpolicy(&at, 77);
	script("bad policy", "echo no", NULL, &at);
	posix_spawnattr_destroy(&at);
	/* what the thread blocks, the child blocks; what it ignores, too; handlers are not */
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	signal(SIGHUP, SIG_IGN);
	script("inherited", "grep -c 'SigBlk:.*200$' /proc/self/status; kill -HUP $$; echo alive", NULL, NULL);
	signal(SIGHUP, SIG_DFL);
	pthread_sigmask(SIG_UNBLOCK, &s, NULL);
	shell = "/bin/sh";
	/* what belongs to the thread that asks */
	int nice_now = getpriority(PRIO_PROCESS, 0); /* only root may take less */
	MUST(setpriority(PRIO_PROCESS, 0, nice_now < 19 ? nice_now + 1 : 19));
	script("nice", "nice", NULL, NULL);
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	MUST(sched_setaffinity(0, sizeof(one), &one));
	script("one processor", "nproc", NULL, NULL);
}

static void errors(void)
{
	pid_t pid = 77;

	say("-- errors");
	P("no such file", posix_spawn(&pid, "/nonexistent", NULL, NULL, none, environ));
	P("a directory", posix_spawn(&pid, "/", NULL, NULL, none, environ));
	close(MUST(open("plain", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)));
	P("not executable", posix_spawn(&pid, "plain", NULL, NULL, none, environ));
	int fd = MUST(open("text", O_CREAT | O_WRONLY | O_CLOEXEC, 0700));
	MUST(write(fd, "exit 9\n", 7));
	close(fd);
	P("no format", posix_spawn(&pid, "./text", NULL, NULL, none, environ));
	P("bad path", posix_spawn(&pid, T_BAD, NULL, NULL, none, environ));
	P("not in PATH", posix_spawnp(&pid, "no-such-program-at-all", NULL, NULL, none, environ));
	P("empty name", posix_spawnp(&pid, "", NULL, NULL, none, environ));
	YES("no child is left", waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	P("in PATH", posix_spawnp(&pid, "true", NULL, NULL, none, environ));
	say("left with %d", t_reap(pid));
}

/* --- from many threads --- */

static void *spawns(void *arg)
{
	long i = (intptr_t)arg, good = 0;
	char text[64], got[16];

	for (int k = 0; k < 6; k++) {
		char *argv[] = { "sh", "-c", text, NULL };
		posix_spawn_file_actions_t fa;
		int p[2], r;
		pid_t pid;

		switch ((i + k) % 4) {
		case 0:
			good += posix_spawn(&pid, "/nonexistent", NULL, NULL, none, environ) == ENOENT;
			break;
		case 1:
			good += posix_spawn(&pid, "/", NULL, NULL, none, environ) == EACCES;
			break;
		case 2:
			posix_spawn_file_actions_init(&fa);
			posix_spawn_file_actions_adddup2(&fa, 1000, 1);
			good += posix_spawn(&pid, "/bin/true", &fa, NULL, none, environ) == EBADF;
			posix_spawn_file_actions_destroy(&fa);
			break;
		case 3:
			snprintf(text, sizeof(text), "echo %ld; exit %ld", 100 + i, i);
			must_pipe(p);
			posix_spawn_file_actions_init(&fa);
			posix_spawn_file_actions_adddup2(&fa, p[1], 1);
			r = posix_spawn(&pid, "/bin/sh", &fa, NULL, argv, environ);
			close(p[1]);
			memset(got, 0, sizeof(got));
			good += r == 0 && read(p[0], got, 4) == 4 && atoi(got) == 100 + i && t_reap(pid) == i;
			close(p[0]);
			posix_spawn_file_actions_destroy(&fa);
		}
	}
	return (void *)good;
}

/* --- vfork --- */

static void *vforks(void *arg)
{
	volatile long i = (intptr_t)arg, good = 0;

	for (volatile int k = 0; k < 4; k++) {
		volatile int err = 0;
		pid_t pid = vfork();

		if (pid == 0) {
			execl(k % 2 ? "/nonexistent" : "/bin/sh", "sh", "-c", "exit $0", i % 2 ? "7" : "8", NULL);
			err = errno;
			_exit(99);
		}
		good += k % 2 ? err == ENOENT && t_reap(pid) == 99 : err == 0 && t_reap(pid) == (i % 2 ? 7 : 8);
	}
	return (void *)good;
}

static int stop, turns;

static void *works(void *arg)
{
	while (!t_get(&stop)) {
		turns++;
		sched_yield();
	}
	return arg;
}

static void many(void)
{
	pthread_t t[20], w = start(works, NULL);
	long good = 0;

	say("-- many at once");
	for (intptr_t i = 0; i < 20; i++)
		t[i] = start(spawns, (void *)i);
	for (int i = 0; i < 20; i++)
		good += (long)join(t[i]);
	say("posix_spawn: %ld", good);
	good = 0;
	for (intptr_t i = 0; i < 20; i++)
		t[i] = start(vforks, (void *)i);
	for (int i = 0; i < 20; i++)
		good += (long)join(t[i]);
	say("vfork: %ld", good);
	t_set(&stop, 1);
	join(w);
	YES("no child is left", waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

int main(void)
{
	t_begin();
	actions();
	attributes();
	errors();
	many();
	return 0;
}
