/* signal_order.c - several signals at once: in which order handlers run, with which mask and flags, and who gets what others block */
#include "t.h"
#include <sys/mman.h>
#include <sys/resource.h>

#define RT(n)	(SIGRTMIN + (n))

static int place, stop;
static volatile int handled;
static volatile pthread_t by;
static char trace[4096];

static void add(const char *fmt, int a, int b)
{
	size_t n = strlen(trace);

	snprintf(trace + n, sizeof(trace) - n, fmt, a, b);
}

static void tell(const char *what)
{
	say("%s:%s", what, trace);
	trace[0] = 0;
}

static int number(int sig)
{
	return sig >= SIGRTMIN ? 100 + sig - SIGRTMIN : sig;
}

static void on_signal(int sig, siginfo_t *si, void *context)
{
	(void)context;
	add(" <%d:%d", number(sig), si->si_code == SI_QUEUE ? si->si_value.sival_int : 0);
	by = pthread_self();
	__atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
	add(" %d>", number(sig), 0);
}

static void install(int sig, int flags, int also)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags };

	if (also)
		sigaddset(&sa.sa_mask, also);
	MUST(sigaction(sig, &sa, NULL));
}

static void until_handled(int n)
{
	for (int i = 0; i < 5000 && handled < n; i++)
		msleep(1);
}

static void several(void)
{
	sigset_t s = set_of(4, SIGUSR1, SIGUSR2, RT(1), RT(2));

	say("-- several at once");
	for (int also = 0; also < 2; also++) {
		install(SIGUSR1, 0, also ? SIGUSR2 : 0);
		install(SIGUSR2, 0, also ? RT(1) : 0);
		install(RT(1), 0, 0);
		install(RT(2), 0, also ? RT(1) : 0);
		sigprocmask(SIG_BLOCK, &s, NULL);
		sigqueue(getpid(), RT(2), (union sigval){ .sival_int = 1 });
		sigqueue(getpid(), RT(1), (union sigval){ .sival_int = 2 });
		kill(getpid(), SIGUSR2);
		sigqueue(getpid(), RT(1), (union sigval){ .sival_int = 3 });
		kill(getpid(), SIGUSR1);
		kill(getpid(), SIGUSR1);
		sigprocmask(SIG_UNBLOCK, &s, NULL);
		tell("to the process");
		sigprocmask(SIG_BLOCK, &s, NULL);
		pthread_sigqueue(pthread_self(), RT(2), (union sigval){ .sival_int = 1 });
		pthread_sigqueue(pthread_self(), RT(1), (union sigval){ .sival_int = 2 });
		raise(SIGUSR2);
		pthread_sigqueue(pthread_self(), RT(1), (union sigval){ .sival_int = 3 });
		raise(SIGUSR1);
		raise(SIGUSR1);
		sigprocmask(SIG_UNBLOCK, &s, NULL);
		tell("to the thread");
		sigprocmask(SIG_BLOCK, &s, NULL);
		kill(getpid(), SIGUSR1);
		raise(SIGUSR2);
		sigqueue(getpid(), RT(1), (union sigval){ .sival_int = 1 });
		pthread_sigqueue(pthread_self(), RT(1), (union sigval){ .sival_int = 2 });
		kill(getpid(), SIGUSR2);
		raise(SIGUSR1);
		sigprocmask(SIG_UNBLOCK, &s, NULL);
		tell("to both");
	}
}

static volatile int again;

static void on_again(int sig, siginfo_t *si, void *context)
{
	(void)context;
	add(" <%d:%d", number(sig), si->si_value.sival_int);
	if (again-- > 0) {
		sigqueue(getpid(), sig, (union sigval){ .sival_int = si->si_value.sival_int + 10 });
		pthread_sigqueue(pthread_self(), sig, (union sigval){ .sival_int = si->si_value.sival_int + 20 });
	}
	add(" %d>", number(sig), 0);
}

static void nested(void)
{
	struct sigaction sa = { .sa_sigaction = on_again, .sa_flags = SA_SIGINFO };

	say("-- sent by its own handler");
	for (int nodefer = 0; nodefer < 2; nodefer++) {
		sa.sa_flags = SA_SIGINFO | (nodefer ? SA_NODEFER : 0);
		MUST(sigaction(RT(3), &sa, NULL));
		again = 2;
		sigqueue(getpid(), RT(3), (union sigval){ .sival_int = 1 });
		tell(nodefer ? "SA_NODEFER" : "deferred");
	}
}

static void flags(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL, .sa_flags = SA_RESTART | 0x400 }, old;

	say("-- flags");
	install(SIGUSR1, SA_RESETHAND | SA_NODEFER | SA_RESTART, SIGUSR2);
	raise(SIGUSR1);
	MUST(sigaction(SIGUSR1, NULL, &old));
	say("after SA_RESETHAND: default %d, flags %x, mask has USR2 %d", old.sa_handler == SIG_DFL, old.sa_flags & ~0x04000000,
	    sigismember(&old.sa_mask, SIGUSR2));
	MUST(sigaction(SIGUSR1, &sa, NULL));
	MUST(sigaction(SIGUSR1, NULL, &old));
	say("an unknown flag reads back: %x", old.sa_flags & ~0x04000000);
	tell("ran");
}

/* --- several threads --- */

static sigset_t blocks;

static void *loiter(void *arg)
{
	pthread_sigmask(SIG_SETMASK, &blocks, NULL);
	(void)arg;
	t_here(&place);
	while (!t_get(&stop))
		msleep(1);
	return NULL;
}

static void *compute(void *arg)
{
	(void)arg;
	pthread_sigmask(SIG_SETMASK, &blocks, NULL);
	t_set(&place, 1);
	while (handled < 1)
		continue;
	return NULL;
}

static void on_passing(int sig, siginfo_t *si, void *context)
{
	(void)sig, (void)si, (void)context;
	by = pthread_self();
	__atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 2000 && handled < 2; i++)	/* the other one has to take the second, as we block it here */
		msleep(1);
}

static void threads(void)
{
	sigset_t usr1 = set_of(1, SIGUSR1), rt = set_of(1, RT(1));
	pthread_t t;

	say("-- threads");
	install(SIGUSR1, 0, 0);
	sigemptyset(&blocks);
	place = stop = handled = 0;
	t = start(loiter, NULL);
	wait_parked(&place);
	kill(getpid(), SIGUSR1);
	say("kill, both let it in: handled before it returns %d, by us %d", handled, pthread_equal(by, pthread_self()));
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	kill(getpid(), SIGUSR1);
	until_handled(2);
	say("kill, we block it: by the other %d", pthread_equal(by, t));
	R("kill by a thread's tid", kill(place, SIGUSR1));
	until_handled(3);
	say("by the other %d", pthread_equal(by, t));
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	struct sigaction sa = { .sa_sigaction = on_passing, .sa_flags = SA_SIGINFO };
	MUST(sigaction(RT(1), &sa, NULL));
	handled = 0;
	sigprocmask(SIG_BLOCK, &rt, NULL);
	sigqueue(getpid(), RT(1), (union sigval){ .sival_int = 1 });
	until_handled(1);
	sigprocmask(SIG_UNBLOCK, &rt, NULL);
	sigqueue(getpid(), RT(1), (union sigval){ .sival_int = 2 });
	until_handled(2);
	say("the second while the first is being handled: by us %d", pthread_equal(by, pthread_self()));
	t_set(&stop, 1);
	join(t);
	trace[0] = 0;

	/* somebody computes, and blocks what another waits for */
	say("-- a thread that computes");
	place = handled = 0;
	blocks = usr1;
	t = start(compute, NULL);
	t_until(&place, 1);
	timer_t timer;
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	MUST(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	MUST(timer_settime(timer, 0, &(struct itimerspec){ .it_value.tv_nsec = 20000000 }, NULL));
	R("pause, and another thread spins", pause());
	say("handled by us %d", pthread_equal(by, pthread_self()));
	join(t);
	timer_delete(timer);
	trace[0] = 0;
}

static void *ends(void *arg)
{
	sigset_t rt = set_of(1, RT(1));

	(void)arg;
	pthread_sigmask(SIG_BLOCK, &rt, NULL);
	pthread_sigqueue(pthread_self(), RT(1), (union sigval){ .sival_int = 1 });
	sigqueue(getpid(), RT(1), (union sigval){ .sival_int = 2 });
	return NULL;
}

static void left_behind(void)
{
	sigset_t rt = set_of(1, RT(1)), p;

	say("-- left behind by a thread that has ended");
	install(RT(1), 0, 0);
	sigprocmask(SIG_BLOCK, &rt, NULL);
	join(start(ends, NULL));
	sigpending(&p);
	say("pending %d", sigismember(&p, RT(1)));
	sigprocmask(SIG_UNBLOCK, &rt, NULL);
	tell("handled");
}

/* --- many --- */

static volatile int next_value, in_order = 1;

static void on_many(int sig, siginfo_t *si, void *context)
{
	(void)sig, (void)context;
	in_order &= si->si_value.sival_int == next_value;
	next_value++;
}

static void many(void)
{
	struct sigaction sa = { .sa_sigaction = on_many, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigset_t rt = set_of(1, RT(4));
	struct rlimit was, few;
	int sent = 0, p[2];
	char c;

	say("-- many");
	MUST(sigaction(RT(4), &sa, NULL));
	MUST(getrlimit(RLIMIT_SIGPENDING, &was));
	int n = was.rlim_cur > 12000 ? 6000 : (int)was.rlim_cur / 2;
	sigprocmask(SIG_BLOCK, &rt, NULL);
	while (sent < n && pthread_sigqueue(pthread_self(), RT(4), (union sigval){ .sival_int = sent }) == 0)
		sent++;
	sigprocmask(SIG_UNBLOCK, &rt, NULL);
	say("to ourselves: all %d, in order %d", next_value == n, in_order);

	/* another process sends them, to one that reads: no read ends with EINTR, nothing is lost */
	must_pipe(p);
	next_value = 0;
	pid_t parent = getpid(), pid = MUST(fork());
	if (pid == 0) {
		for (int i = 0; i < 10000; i++)
			while (sigqueue(parent, RT(4), (union sigval){ .sival_int = i }) == -1)
				sched_yield();
		(void)!write(p[1], "x", 1);
		_exit(0);
	}
	R("read", read(p[0], &c, 1));
	t_reap(pid);
	while (next_value < 10000)
		msleep(1);
	say("from another process: all %d, in order %d", next_value == 10000, in_order);
	close2(p);

	few = (struct rlimit){ 5, was.rlim_max };
	MUST(setrlimit(RLIMIT_SIGPENDING, &few));
	sigprocmask(SIG_BLOCK, &rt, NULL);
	int ok = 0;
	while (ok < 100 && pthread_sigqueue(pthread_self(), RT(4), (union sigval){ .sival_int = 10000 + ok }) == 0)
		ok++;
	say("with a limit of 5: %s", ok <= 5 ? "some, then no more" : "too many");
	P("pthread_sigqueue", pthread_sigqueue(pthread_self(), RT(4), (union sigval){ .sival_int = 0 }));
	P("pthread_kill SIGUSR1", pthread_kill(pthread_self(), SIGUSR1));
	sigprocmask(SIG_UNBLOCK, &rt, NULL);
	say("handled %d", next_value == 10000 + ok);
	few.rlim_cur = 0;
	MUST(setrlimit(RLIMIT_SIGPENDING, &few));
	trace[0] = 0;
	P("limit 0: pthread_kill SIGUSR1", pthread_kill(pthread_self(), SIGUSR1));
	tell("handled");
	P("pthread_sigqueue", pthread_sigqueue(pthread_self(), RT(4), (union sigval){ .sival_int = 0 }));
	MUST(setrlimit(RLIMIT_SIGPENDING, &was));
}

/* --- alternate stacks --- */

static char *alt;
static volatile int on_alt, deep_on_alt, alt_flags;

static bool is_on_alt(const void *p)
{
	return (uintptr_t)p - (uintptr_t)alt < 65536;
}

static void on_deep(int sig)
{
	char here;

	(void)sig;
	deep_on_alt = is_on_alt(&here);
}

static void on_stack(int sig)
{
	char here, text[64];
	stack_t now;

	(void)sig;
	on_alt = is_on_alt(&here);
	sigaltstack(NULL, &now);
	alt_flags = now.ss_flags;
	snprintf(text, sizeof(text), "%s", "still here");
	msleep(2);			/* others run meanwhile, with stacks of their own */
	raise(SIGUSR2);
	msleep(2);
	if (strcmp(text, "still here") != 0)
		say("the stack was overwritten");
}

static void *altstacks(void *arg)
{
	static const int kinds[] = { 0, (int)(1u << 31) /* SS_AUTODISARM */ };
	stack_t ss = { .ss_size = 65536 }, now;

	(void)arg;
	alt = ss.ss_sp = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 2; i++) {
		ss.ss_flags = kinds[i];
		R("sigaltstack", sigaltstack(&ss, NULL));
		on_alt = deep_on_alt = alt_flags = -1;
		raise(SIGUSR1);
		sigaltstack(NULL, &now);
		say("on it %d, the nested one %d, flags within %x, after %x, the same %d", on_alt, deep_on_alt, alt_flags, now.ss_flags,
		    now.ss_sp == alt && now.ss_size == 65536);
	}
	R("SS_DISABLE", sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL));
	return NULL;
}

static void stacks(void)
{
	pthread_t t;

	say("-- alternate stacks");
	MUST(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_stack, .sa_flags = SA_ONSTACK }, NULL));
	MUST(sigaction(SIGUSR2, &(struct sigaction){ .sa_handler = on_deep, .sa_flags = SA_ONSTACK }, NULL));
	stop = place = 0;
	sigemptyset(&blocks);
	t = start(loiter, NULL);
	join(start(altstacks, NULL));
	t_set(&stop, 1);
	join(t);
	altstacks(NULL);
}

/* What is sent to a thread comes before what is sent to the process, also where it ends it. */
static void *opens(void *arg)
{
	sigset_t set;

	(void)arg;
	sigfillset(&set);
	pthread_kill(pthread_self(), SIGRTMIN + 2);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGRTMIN + 1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	return NULL;
}

static void fatal(void)
{
	for (int in_thread = 0; in_thread < 2; in_thread++) {
		pid_t pid = MUST(fork());
		sigset_t set;

		if (pid == 0) {
			sigfillset(&set);
			pthread_sigmask(SIG_BLOCK, &set, NULL);
			if (in_thread)
				join(start(opens, NULL));
			else
				opens(NULL);
			_exit(0);
		}
		say("two that end the process: SIGRTMIN + %d", t_reap(pid) - 128 - SIGRTMIN);
	}
}

int main(void)
{
	t_begin();
	fatal();
	several();
	nested();
	flags();
	left_behind();
	threads();
	many();
	stacks();
	return 0;
}
