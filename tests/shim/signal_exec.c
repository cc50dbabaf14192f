/* signal_exec.c - what a new program finds: blocked, ignored, pending signals; after exec, fork and exec, posix_spawn, vfork, and exec that fails */
#include "t.h"
#include <spawn.h>

extern char **environ;

static char self[4096];
static sigset_t blocked;

static void on_signal(int sig)
{
	(void)sig;
}

static void list(char *text, const char *what, const sigset_t *s)
{
	size_t n = strlen(text);

	n += (size_t)sprintf(text + n, " %s", what);
	for (int sig = 1; sig <= 64; sig++)
		if (sig != 32 && sig != 33 && sigismember(s, sig) == 1)
			n += (size_t)sprintf(text + n, " %d", sig);
}

/* as the new program */
static int report(void)
{
	char text[2048] = " ";
	sigset_t s;

	sigprocmask(SIG_BLOCK, NULL, &s);
	list(text, "blocked", &s);
	sigpending(&s);
	list(text, "pending", &s);
	sigemptyset(&s);
	for (int sig = 1; sig <= 64; sig++) {
		struct sigaction sa;

		if (sig != 32 && sig != 33 && sigaction(sig, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			sigaddset(&s, sig);
	}
	list(text, "ignored", &s);
	sigemptyset(&s);
	for (int sig = 1; sig <= 64; sig++) {
		struct sigaction sa;

		if (sig != 32 && sig != 33 && sigaction(sig, NULL, &sa) == 0 && sa.sa_handler != SIG_IGN && sa.sa_handler != SIG_DFL)
			sigaddset(&s, sig);
	}
	list(text, "handled", &s);
	say("%s", text);
	return 0;
}

/* What /proc says of ourselves after exec is what the kernel has, whatever grove tells; so a bare program looks. */
static void bare_look(void)
{
	unsetenv("LD_PRELOAD");
	execl("/bin/grep", "grep", "-E", "^Sig(Blk|Ign)|^ShdPnd|^SigPnd", "/proc/self/status", NULL);
}

static void prepare(void)
{
	static const int ign[] = { SIGUSR2, SIGSEGV, SIGPIPE, 63 }, dfl_blocked[] = { SIGUSR1, SIGBUS, SIGXFSZ, 63, SIGTERM, 40 };

	for (unsigned i = 0; i < T_LENGTH(ign); i++)
		signal(ign[i], SIG_IGN);
	sigemptyset(&blocked);
	for (unsigned i = 0; i < T_LENGTH(dfl_blocked); i++)
		sigaddset(&blocked, dfl_blocked[i]);
	signal(SIGTERM, on_signal);
	signal(SIGALRM, on_signal);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}

static void make_pending(void)
{
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGBUS);
	kill(getpid(), SIGTERM);
	raise(SIGTERM);
	sigqueue(getpid(), 40, (union sigval){ .sival_int = 1 });
	pthread_sigqueue(pthread_self(), 40, (union sigval){ .sival_int = 1 });
}

static void *execs(void *bare)
{
	make_pending();
	if (bare)
		bare_look();
	else
		execl(self, self, "report", NULL);
	return NULL;
}

static void *loiter(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static void in_child(const char *what, void *(*fn)(void *), void *arg, bool thread)
{
	pid_t pid;

	say("-- %s", what);
	pid = MUST(fork());
	if (pid == 0) {
		prepare();
		if (thread) {
			pthread_t t = start(loiter, NULL);
			(void)t;
			join(start(fn, arg));
		} else {
			fn(arg);
		}
		_exit(1);
	}
	say("status %d", t_reap(pid));
}

static void *spawns(void *bare)
{
	char *const grep[] = { "grep", "-E", "^Sig(Blk|Ign)|^ShdPnd|^SigPnd", "/proc/self/status", NULL };
	char *const again[] = { self, "report", NULL };
	posix_spawnattr_t attr;
	sigset_t s;
	pid_t pid;

	make_pending();
	if (bare)
		unsetenv("LD_PRELOAD");
	int r = posix_spawn(&pid, bare ? "/bin/grep" : self, NULL, NULL, bare ? grep : again, environ), status = t_reap(pid);
	say("posix_spawn: %s, status %d", t_errname(r), status);
	posix_spawnattr_init(&attr);
	sigemptyset(&s);
	sigaddset(&s, SIGSEGV);
	sigaddset(&s, SIGUSR2);
	posix_spawnattr_setsigdefault(&attr, &s);
	posix_spawnattr_setsigmask(&attr, &s);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	r = posix_spawn(&pid, bare ? "/bin/grep" : self, NULL, &attr, bare ? grep : again, environ);
	status = t_reap(pid);
	say("with a mask and defaults: %s, status %d", t_errname(r), status);
	pid = vfork();
	if (pid == 0) {
		execv(bare ? "/bin/grep" : self, bare ? grep : again);
		_exit(9);
	}
	say("vfork: status %d", t_reap(pid));
	_exit(0);
}

/* --- an exec that fails changes nothing --- */

static volatile int handled;

static void count(int sig)
{
	(void)sig;
	handled++;
}

static void *fails(void *arg)
{
	struct sigaction sa;
	sigset_t s;

	(void)arg;
	make_pending();
	R("execl", execl("/nowhere", "nowhere", NULL));
	char text[2048] = " ";
	sigprocmask(SIG_BLOCK, NULL, &s);
	list(text, "blocked", &s);
	sigpending(&s);
	list(text, "pending", &s);
	say("%s", text);
	sigaction(SIGSEGV, NULL, &sa);
	say("SIGSEGV still ignored %d, bad pointers still told: %d", sa.sa_handler == SIG_IGN,
	    syscall(SYS_rt_sigprocmask, SIG_SETMASK, T_BAD, NULL, 8) == -1 && errno == EFAULT);
	signal(SIGTERM, count);
	signal(40, count);
	signal(SIGBUS, count);
	signal(SIGUSR1, count);
	sigemptyset(&s);
	sigprocmask(SIG_SETMASK, &s, NULL);
	say("handled %d", handled);
	signal(SIGSEGV, count);
	raise(SIGSEGV);
	say("handled %d", handled);
	_exit(0);
}

int main(int argc, char **argv)
{
	t_begin();
	if (argc > 1 && strcmp(argv[1], "report") == 0)
		return report();
	MUST(readlink("/proc/self/exe", self, sizeof(self) - 1));
	alarm(0);
	in_child("exec", execs, NULL, false);
	in_child("exec of a bare program", execs, self, false);
	in_child("exec in a thread", execs, NULL, true);
	in_child("exec of a bare program in a thread", execs, self, true);
	in_child("spawn", spawns, NULL, false);
	in_child("spawn of a bare program", spawns, self, false);
	in_child("spawn in a thread", spawns, self, true);
	in_child("exec fails", fails, NULL, false);
	in_child("exec fails in a thread", fails, NULL, true);
	return 0;
}
