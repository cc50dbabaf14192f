/* signal.c - signals and threads: masks, who handles what, on which stack, with which information */
#include "t.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/signalfd.h>

static int place, stop;

/* written by handlers; volatile, for the compiler knows that raise() calls nothing here */
static volatile int handled;
static volatile pthread_t by;
static volatile siginfo_t info;
static volatile uintptr_t stack_at;
static __thread volatile int mine;

static void on_signal(int sig, siginfo_t *si, void *context)
{
	char here;

	(void)context;
	(void)sig;
	info = *si;
	by = pthread_self();
	stack_at = (uintptr_t)&here;
	mine++;
	__atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

static void install(int sig, int flags)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags };

	MUST(sigaction(sig, &sa, NULL));
}

static void *loiter(void *arg)
{
	(void)arg;
	t_here(&place);
	while (!t_get(&stop))
		msleep(1);
	return (void *)(intptr_t)mine;
}

static void until_handled(int n)
{
	for (int i = 0; i < 3000 && handled < n; i++)
		msleep(1);
}

static void directed(void)
{
	pthread_t t;

	say("-- directed");
	install(SIGUSR1, 0);
	handled = place = stop = 0;
	t = start(loiter, NULL);
	wait_parked(&place);
	P("pthread_kill", pthread_kill(t, SIGUSR1));
	until_handled(1);
	say("by it %d, code %d, from us %d", pthread_equal(by, t), info.si_code, info.si_pid == getpid());
	P("pthread_kill 0", pthread_kill(t, 0));
	P("pthread_kill bad signal", pthread_kill(t, 99));
	union sigval v = { .sival_int = 42 };
	P("pthread_sigqueue", pthread_sigqueue(t, SIGUSR1, v));
	until_handled(2);
	say("by it %d, code %d, value %d", pthread_equal(by, t), info.si_code, info.si_value.sival_int);
	P("to ourselves", pthread_kill(pthread_self(), SIGUSR1));
	say("handled at once %d, by us %d", handled == 3, pthread_equal(by, pthread_self()));
	R("raise", raise(SIGUSR1));
	say("handled at once %d, by us %d", handled == 4, pthread_equal(by, pthread_self()));
	R("tgkill", syscall(SYS_tgkill, getpid(), place, SIGUSR1));
	until_handled(5);
	say("by it %d", pthread_equal(by, t));
	R("tgkill, no such thread", syscall(SYS_tgkill, getpid(), 0x3ffffff0, SIGUSR1));
	t_set(&stop, 1);
	say("it handled %ld, we %d", (long)join(t), mine);
}

static void process_wide(void)
{
	sigset_t s = set_of(1, SIGUSR1);
	pthread_t t;

	say("-- to the process");
	handled = place = stop = 0;
	t = start(loiter, NULL);
	wait_parked(&place);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	R("kill, we block it", kill(getpid(), SIGUSR1));
	until_handled(1);
	say("by the other %d, code %d", pthread_equal(by, t), info.si_code);
	t_set(&stop, 1);
	join(t);
	R("kill, everyone blocks it", kill(getpid(), SIGUSR1));
	sigset_t pending;
	R("sigpending", sigpending(&pending));
	say("pending %d, handled %d", sigismember(&pending, SIGUSR1), handled);
	pthread_sigmask(SIG_UNBLOCK, &s, NULL);
	say("handled %d, by us %d", handled, pthread_equal(by, pthread_self()));
	union sigval v = { .sival_int = 7 };
	R("sigqueue", sigqueue(getpid(), SIGUSR1, v));
	say("code %d value %d", info.si_code, info.si_value.sival_int);
}

static void *mask_in_thread(void *arg)
{
	sigset_t s, usr2 = set_of(1, SIGUSR2), p;

	(void)arg;
	pthread_sigmask(SIG_BLOCK, NULL, &s);
	say("inherited: USR1 %d USR2 %d", sigismember(&s, SIGUSR1), sigismember(&s, SIGUSR2));
	pthread_sigmask(SIG_BLOCK, &usr2, &s);
	pthread_kill(pthread_self(), SIGUSR2);
	sigpending(&p);
	say("its own pending: USR2 %d", sigismember(&p, SIGUSR2));
	return NULL;
}

static void masks(void)
{
	sigset_t usr1 = set_of(1, SIGUSR1), s;
	int sig = 0;

	say("-- masks");
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	join(start(mask_in_thread, NULL));
	pthread_sigmask(SIG_BLOCK, NULL, &s);
	say("ours: USR1 %d USR2 %d", sigismember(&s, SIGUSR1), sigismember(&s, SIGUSR2));
	sigpending(&s);
	say("pending here: USR2 %d", sigismember(&s, SIGUSR2));
	P("pthread_sigmask bad how", pthread_sigmask(77, &usr1, NULL));
	R("rt_sigprocmask bad pointer", syscall(SYS_rt_sigprocmask, SIG_BLOCK, T_BAD, NULL, 8));
	R("rt_sigprocmask bad size", syscall(SYS_rt_sigprocmask, SIG_BLOCK, &usr1, NULL, 4));
	R("sigaction SIGKILL", sigaction(SIGKILL, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL));
	R("sigaction 65", sigaction(65, NULL, NULL));
	pthread_kill(pthread_self(), SIGUSR1);
	pthread_kill(pthread_self(), SIGUSR1);
	P("sigwait, one pending", sigwait(&usr1, &sig));
	say("got USR1 %d", sig == SIGUSR1);
	R("sigtimedwait, nothing", sigtimedwait(&usr1, NULL, &(struct timespec){ 0, 10000000 }));
	R("sigtimedwait 0", sigtimedwait(&usr1, NULL, &(struct timespec){ 0, 0 }));
	R("sigtimedwait bad time", sigtimedwait(&usr1, NULL, &(struct timespec){ 0, -1 }));
	sigset_t rt = set_of(1, SIGRTMIN + 3);
	pthread_sigmask(SIG_BLOCK, &rt, NULL);
	for (int i = 1; i <= 3; i++)
		pthread_sigqueue(pthread_self(), SIGRTMIN + 3, (union sigval){ .sival_int = i });
	siginfo_t si;
	for (int i = 1; i <= 3; i++) {
		sigwaitinfo(&rt, &si);
		say("real-time signal %d carries %d", i, si.si_value.sival_int);
	}
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	say("a thread's own unblocked signal: handled %d", handled);
}

static void *sigwaiter(void *arg)
{
	sigset_t s = set_of(2, SIGUSR2, SIGRTMIN + 1);
	siginfo_t si;

	(void)arg;
	t_here(&place);
	int r = sigwaitinfo(&s, &si);
	say("sigwaitinfo: USR2 %d, code %d", r == SIGUSR2, si.si_code);
	return NULL;
}

static void waiting(void)
{
	sigset_t s = set_of(2, SIGUSR2, SIGRTMIN + 1);

	say("-- waiting");
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	place = 0;
	pthread_t t = start(sigwaiter, NULL);
	wait_parked(&place);
	pthread_kill(t, SIGUSR2);
	join(t);
	place = 0;
	t = start(sigwaiter, NULL);
	wait_parked(&place);
	kill(getpid(), SIGUSR2);
	join(t);
	int fd = MUST(signalfd(-1, &s, SFD_CLOEXEC));
	struct signalfd_siginfo fsi = { 0 };
	kill(getpid(), SIGUSR2);
	R("signalfd", read(fd, &fsi, sizeof(fsi)));
	say("USR2 %d, code %d", fsi.ssi_signo == SIGUSR2, fsi.ssi_code);
	close(fd);
	pthread_sigmask(SIG_UNBLOCK, &s, NULL);
}

/* --- stacks, jumps, nesting --- */

static void *with_altstack(void *arg)
{
	stack_t ss = { .ss_size = 65536 }, now;

	(void)arg;
	ss.ss_sp = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaltstack(NULL, &now);
	say("thread starts without one: %d", now.ss_flags == SS_DISABLE);
	R("sigaltstack", sigaltstack(&ss, NULL));
	t_here(&place);
	while (!t_get(&stop))
		msleep(1);
	say("handler ran on it: %d", stack_at - (uintptr_t)ss.ss_sp < 65536);
	sigaltstack(NULL, &now);
	say("still the same: %d", now.ss_sp == ss.ss_sp && now.ss_size == 65536 && now.ss_flags == 0);
	ss.ss_size = 10;
	R("too small", sigaltstack(&ss, NULL));
	return NULL;
}

static sigjmp_buf jump;
static int pipe_fds[2];

static void on_jump(int sig)
{
	(void)sig;
	siglongjmp(jump, 1);
}

static void *jumper(void *arg)
{
	char c;

	(void)arg;
	if (sigsetjmp(jump, 1) == 0) {
		t_here(&place);
		(void)!read(pipe_fds[0], &c, 1);
		say("not here");
	}
	sigset_t s;
	pthread_sigmask(SIG_BLOCK, NULL, &s);
	say("jumped out of read, USR1 blocked: %d", sigismember(&s, SIGUSR1));
	R("read works again", read(pipe_fds[0], &c, 1));
	return NULL;
}

static void stacks(void)
{
	say("-- stacks");
	install(SIGUSR1, SA_ONSTACK);
	handled = place = stop = 0;
	pthread_t t = start(with_altstack, NULL);
	wait_parked(&place);
	pthread_kill(t, SIGUSR1);
	until_handled(1);
	t_set(&stop, 1);
	join(t);
	signal(SIGUSR1, on_jump);
	must_pipe(pipe_fds);
	place = 0;
	t = start(jumper, NULL);
	wait_parked(&place);
	pthread_kill(t, SIGUSR1);
	msleep(20);
	MUST(write(pipe_fds[1], "x", 1));
	join(t);
	close2(pipe_fds);
}

static volatile int depth, deepest, nested;

static void on_nest(int sig)
{
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (nested++ == 0)
		raise(sig);
	depth--;
}

static void nesting(void)
{
	struct sigaction sa = { .sa_handler = on_nest }, old;

	say("-- nesting");
	MUST(sigaction(SIGUSR1, &sa, NULL));
	raise(SIGUSR1);
	say("deferred: depth %d, runs %d", deepest, nested);
	depth = deepest = nested = 0;
	sa.sa_flags = SA_NODEFER;
	MUST(sigaction(SIGUSR1, &sa, NULL));
	raise(SIGUSR1);
	say("SA_NODEFER: depth %d, runs %d", deepest, nested);
	nested = 1;
	sa.sa_flags = SA_RESETHAND;
	MUST(sigaction(SIGUSR1, &sa, NULL));
	raise(SIGUSR1);
	MUST(sigaction(SIGUSR1, NULL, &old));
	say("SA_RESETHAND: default again %d", old.sa_handler == SIG_DFL);
	MUST(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_nest, .sa_flags = SA_RESTART }, NULL));
	MUST(sigaction(SIGUSR1, NULL, &old));
	say("reads back: handler %d, SA_RESTART %d", old.sa_handler == on_nest, !!(old.sa_flags & SA_RESTART));
	signal(SIGUSR1, SIG_IGN);
	R("ignored", raise(SIGUSR1));
	MUST(sigaction(SIGUSR1, NULL, &old));
	say("reads back: ignored %d", old.sa_handler == SIG_IGN);
}

/* blocking calls within a handler */
static void on_busy(int sig)
{
	int p[2], saved = errno;
	char c;

	(void)sig;
	msleep(5);
	must_pipe(p);
	(void)!write(p[1], "x", 1);
	(void)!read(p[0], &c, 1);
	close2(p);
	errno = saved;
	__atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

static void *reader(void *arg)
{
	char c;

	(void)arg;
	t_here(&place);
	R("read, a handler slept meanwhile", read(pipe_fds[0], &c, 1));
	return NULL;
}

static void faults(void)
{
	say("-- in handlers");
	MUST(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_busy, .sa_flags = SA_RESTART }, NULL));
	handled = place = 0;
	must_pipe(pipe_fds);
	pthread_t t = start(reader, NULL);
	wait_parked(&place);
	for (int i = 1; i <= 5; i++) {
		pthread_kill(t, SIGUSR1);
		until_handled(i);
	}
	MUST(write(pipe_fds[1], "x", 1));
	join(t);
	close2(pipe_fds);
	handled = 0;
	signal(SIGSEGV, on_jump);
	if (sigsetjmp(jump, 1) == 0)
		*(volatile int *)T_BAD = 1;
	say("a fault of our own was handled");
	signal(SIGSEGV, SIG_DFL);
	pid_t pid = MUST(fork());
	if (pid == 0)
		*(volatile int *)T_BAD = 1;
	int status;
	MUST(waitpid(pid, &status, 0));
	say("a fault nobody handles: killed by SIGSEGV %d", WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	pid = MUST(fork());
	if (pid == 0) {
		signal(SIGUSR1, SIG_DFL);
		kill(getpid(), SIGUSR1);
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0));
	say("SIGUSR1 by default: killed %d", WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
	pid = MUST(fork());
	if (pid == 0)
		abort();
	MUST(waitpid(pid, &status, 0));
	say("abort: killed by SIGABRT %d", WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	t_begin();
	directed();
	process_wide();
	masks();
	waiting();
	stacks();
	nesting();
	faults();
	return 0;
}
