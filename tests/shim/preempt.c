/* preempt.c - threads that compute without a call do not keep the others from running, and never notice that they were interrupted */
#include "t.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>

static atomic_int flag, stop;
static atomic_long turns[4];

static void *set_flag(void *arg)
{
	(void)arg;
	flag = 1;
	return NULL;
}

static void atomic(void)
{
	pthread_t t = start(set_flag, NULL);

	while (!flag)
		continue;
	join(t);
	say("a flag set by another thread was seen");
}

/* A new program that cannot be run changes nothing. */
static void failed_exec(void)
{
	char *args[] = { "none", NULL };
	pthread_t t;

	flag = 0;
	t = start(set_flag, NULL);
	R("execv", execv("/nonexistent/program", args));
	while (!flag)
		continue;
	join(t);
}

/* --- the others run ------------------------------------------------------------------------------------------------------------ */

static pthread_spinlock_t spin;

static void *holder(void *arg)
{
	(void)arg;
	pthread_spin_lock(&spin);
	flag = 1;
	while (!stop)
		continue;
	pthread_spin_unlock(&spin);
	return NULL;
}

static void *wants(void *arg)
{
	(void)arg;
	while (pthread_spin_trylock(&spin) != 0)
		continue;
	pthread_spin_unlock(&spin);
	return NULL;
}

static void spinning(void)
{
	pthread_t t, u, v;

	pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
	flag = stop = 0;
	t = start(holder, NULL);
	while (!flag)
		continue;
	u = start(wants, NULL);
	v = start(wants, NULL);
	msleep(5);
	stop = 1;
	pthread_spin_lock(&spin);
	pthread_spin_unlock(&spin);
	join(t);
	join(u);
	join(v);
	say("a spin lock went from one to the other");
}

static void *getpids(void *arg)
{
	(void)arg;
	while (!stop) {
		syscall(SYS_getpid);
		turns[0]++;
	}
	return NULL;
}

static void *computes(void *arg)
{
	while (!stop)
		turns[(long)arg]++;
	return NULL;
}

/* A loop of calls that nobody makes green, and one without any */
static void loops(void)
{
	pthread_t t = start(getpids, NULL), u, v;

	stop = 0;
	u = start(computes, (void *)1);
	v = start(computes, (void *)2);
	for (int i = 0; i < 3; i++)
		msleep(10);
	while (!turns[0] || !turns[1] || !turns[2])
		continue;
	stop = 1;
	join(t);
	join(u);
	join(v);
	say("sleeps ended, and all loops had their turn");
}

/* Descriptors become ready while others compute */
static int talk[2];

static void *answers(void *arg)
{
	char c;

	(void)arg;
	while (read(talk[0], &c, 1) == 1 && write(talk[0], &c, 1) == 1)
		continue;
	return NULL;
}

static void *asks(void *arg)
{
	char c = 'x';

	(void)arg;
	for (int i = 0; i < 10; i++) {
		MUST(write(talk[1], &c, 1));
		MUST(read(talk[1], &c, 1));
	}
	flag = 1;
	return NULL;
}

static void descriptors(void)
{
	pthread_t t, u, v;

	flag = stop = 0;
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, talk));
	v = start(computes, (void *)3);
	t = start(answers, NULL);
	u = start(asks, NULL);
	while (!flag)
		turns[0]++;
	stop = 1;
	join(u);
	join(v);
	shutdown(talk[0], SHUT_RDWR);
	close(talk[1]);
	join(t);
	close(talk[0]);
	say("ten questions were answered meanwhile");
}

/* --- nobody notices ------------------------------------------------------------------------------------------------------------ */

static void *calculates(void *arg)
{
	double want = 0, x;
	long rounds = 0;
	bool same = true;

	while (!stop || rounds < 3) {
		x = (double)(long)arg;
		for (int i = 0; i < 20000; i++)
			x = sqrt(x * 1.5 + i) + (double)((long double)x / 3.0L);
		if (rounds++ == 0)
			want = x;
		same = same && x == want;
	}
	return same ? "right" : "WRONG";
}

/* Six threads, integers, vector registers and x87; rounding modes differ. */
static void *rounds_up(void *arg)
{
	unsigned mxcsr = __builtin_ia32_stmxcsr() | 0x4000;
	const char *r;

	__builtin_ia32_ldmxcsr(mxcsr);
	r = calculates(arg);
	return (__builtin_ia32_stmxcsr() & 0x6000) == 0x4000 ? (void *)r : "the rounding mode was lost";
}

static void registers(void)
{
	pthread_t t[6];

	stop = 0;
	for (long i = 0; i < 6; i++)
		t[i] = start(i % 2 ? rounds_up : calculates, (void *)(i + 1));
	msleep(200);
	stop = 1;
	for (int i = 0; i < 6; i++)
		say("thread %d: %s", i, (char *)join(t[i]));
}

static atomic_int handled;
static void handler(int sig) { handled = sig; }

/* What another thread sees of its own while one computes: masks, errors, timers, the alternate stack. */
static void *calm(void *arg)
{
	sigset_t set, now;
	struct timespec rest = { 0, 30000000 };
	char c;
	int p[2];
	stack_t ss;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMAX - 1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	R("nanosleep", nanosleep(&rest, &rest));
	must_pipe(p);
	struct pollfd f = { .fd = p[0], .events = POLLIN };
	R("poll", poll(&f, 1, 30));
	MUST(write(p[1], "x", 1));
	R("read", read(p[0], &c, 1));
	close2(p);
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	YES("the mask is still the same", sigismember(&now, SIGRTMAX - 1) && sigismember(&now, SIGUSR2) && !sigismember(&now, SIGUSR1));
	R("sigaltstack", sigaltstack(NULL, &ss));
	say("flags %d", ss.ss_flags);
	stop = 1;
	return NULL;
}

static void unnoticed(void)
{
	struct itimerval real;
	pthread_t t;
	sigset_t pending;

	stop = 0;
	t = start(calm, NULL);
	while (!stop)
		turns[0]++;
	join(t);
	for (int which = ITIMER_REAL; which <= ITIMER_PROF; which++) {
		if (which == ITIMER_REAL)
			continue;		/* the test's own alarm */
		MUST(getitimer(which, &real));
		YES("a timer of the program's is set", real.it_value.tv_sec || real.it_value.tv_usec);
	}
	sigpending(&pending);
	YES("something is pending", !sigisemptyset(&pending));
}

/* The number that grove uses: the program's like any other. */
static void same_number(void)
{
	int sig = SIGRTMAX - 1;
	struct sigaction sa = { .sa_handler = handler }, old;
	sigset_t set, was;
	siginfo_t info;
	pthread_t t;

	R("sigaction", sigaction(sig, NULL, &old));
	YES("default", old.sa_handler == SIG_DFL);
	R("sigaction", sigaction(sig, &sa, NULL));
	stop = 0;
	t = start(computes, (void *)1);
	R("raise", raise(sig));
	YES("handled", handled == sig);
	handled = 0;
	R("kill", kill(getpid(), sig));
	while (!handled)
		continue;
	sigemptyset(&set);
	sigaddset(&set, sig);
	stop = 1;
	join(t);
	pthread_sigmask(SIG_BLOCK, &set, &was);
	handled = 0;
	R("raise while blocked", raise(sig));
	YES("handled", handled == sig);
	R("sigqueue", sigqueue(getpid(), sig, (union sigval){ .sival_int = 7 }));
	R("sigwaitinfo", sigwaitinfo(&set, &info) - sig);
	R("again", sigwaitinfo(&set, &info) - sig);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	YES("handled", handled == sig);
	signal(sig, SIG_IGN);
	R("ignored", raise(sig));
	signal(sig, SIG_DFL);
	for (int blocked = 0; blocked < 2; blocked++) {
		pid_t pid = MUST(fork());

		if (pid == 0) {
			if (blocked)
				sigprocmask(SIG_BLOCK, &set, NULL);
			raise(sig);
			_exit(3);
		}
		int status;
		MUST(waitpid(pid, &status, 0));
		say("default action, %s: %s", blocked ? "blocked" : "open", WIFSIGNALED(status) ? "killed" : "lives");
	}
}

/* --- within handlers ------------------------------------------------------------------------------------------------------------ */

static sigjmp_buf out;
static int handlers_stack;

static void computing_handler(int sig)
{
	char here;

	(void)sig;
	handlers_stack = (uintptr_t)&here;
	flag = 0;
	pthread_t t = start(set_flag, NULL);
	while (!flag)
		continue;
	join(t);
}

static void leaving_handler(int sig)
{
	computing_handler(sig);
	siglongjmp(out, 1);
}

static void *in_handlers(void *arg)
{
	size_t size = 256 * 1024;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t ss = { .ss_sp = stack, .ss_size = size }, now;
	struct sigaction sa = { .sa_handler = computing_handler, .sa_flags = arg ? SA_ONSTACK : 0 };
	sigset_t mask;

	if (arg)
		MUST(sigaltstack(&ss, NULL));
	sigaction(SIGUSR1, &sa, NULL);
	pthread_kill(pthread_self(), SIGUSR1);
	sa.sa_handler = leaving_handler;
	sigaction(SIGUSR1, &sa, NULL);
	if (sigsetjmp(out, 1) == 0)
		pthread_kill(pthread_self(), SIGUSR1);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	YES("blocked afterwards", sigismember(&mask, SIGUSR1));
	MUST(sigaltstack(NULL, &now));
	YES("the alternate stack is ours", arg ? now.ss_sp == stack : (now.ss_flags & SS_DISABLE) != 0);
	return NULL;
}

static void handlers(void)
{
	pthread_t t, u;

	stop = 0;
	t = start(computes, (void *)1);
	join(start(in_handlers, NULL));
	join(start(in_handlers, (void *)1));
	u = start(in_handlers, (void *)1);
	join(u);
	stop = 1;
	join(t);
}

/* --- and children ---------------------------------------------------------------------------------------------------------------- */

static void children(void)
{
	pthread_t t;
	int status;

	stop = 0;
	t = start(computes, (void *)1);
	for (int i = 0; i < 20; i++) {
		pid_t pid = MUST(fork());

		if (pid == 0) {
			flag = 0;
			pthread_t u = start(set_flag, NULL);
			while (!flag)
				continue;
			join(u);
			_exit(5);
		}
		MUST(waitpid(pid, &status, 0));
		if (WEXITSTATUS(status) != 5)
			say("child %d: %x", i, status);
	}
	for (int i = 0; i < 20; i++) {
		pid_t pid = MUST(fork());

		if (pid == 0) {
			start(computes, (void *)1);
			for (volatile long n = 0; n < 2000000L * (i % 4 + 1); n++)
				continue;
			execl("/bin/true", "true", NULL);
			_exit(6);
		}
		MUST(waitpid(pid, &status, 0));
		if (status != 0)
			say("program %d: %x", i, status);
	}
	stop = 1;
	join(t);
	say("children computed, too");
}

static void *cancelled(void *arg)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	flag = 1;
	for (;;)
		++*(volatile int *)arg;
	return NULL;
}

static void asynchronous_cancel(void)
{
	int n = 0;
	pthread_t t;

	flag = 0;
	t = start(cancelled, &n);
	while (!flag)
		continue;
	P("pthread_cancel", pthread_cancel(t));
	YES("cancelled", join(t) == PTHREAD_CANCELED);
}

int main(void)
{
	t_begin();
	atomic();
	failed_exec();
	spinning();
	loops();
	descriptors();
	registers();
	unnoticed();
	same_number();
	handlers();
	children();
	asynchronous_cancel();
	return 0;
}
