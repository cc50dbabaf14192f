/*
 * ops_signal.c - signals
 *
 * USR1 and USR2 have handlers, the second with SA_RESTART; RTMIN+1 and +2 are blocked everywhere, for those who wait for them.
 */
#include "fuzz.h"
#include <sys/signalfd.h>

static int signal_of(uint8_t b)
{
	const int signals[] = { SIGUSR1, SIGUSR2, SIGRTMIN + 1, SIGRTMIN + 2, SIGUSR1, SIGUSR2 };

	return signals[b % LENGTH(signals)];
}

static void op_thread_kill(const struct step *s, struct result *r)
{
	DONE_P(r, pthread_kill(thread_of(s->a % THREADS), s->b == 0xff ? 99 : s->b == 0xfe ? 0 : signal_of(s->b)));
}

static void op_thread_queue(const struct step *s, struct result *r)
{
	union sigval v = { .sival_int = s->c };

	DONE_P(r, pthread_sigqueue(thread_of(s->a % THREADS), s->b == 0xff ? 99 : signal_of(s->b), v));
}

/* to the process: those only that nobody lets in */
static void op_kill(const struct step *s, struct result *r)
{
	union sigval v = { .sival_int = s->c };
	int sig = SIGRTMIN + 1 + (s->a & 1);

	if (s->b & 1)
		DONE(r, kill(s->c == 0xff ? -99999999 : getpid(), s->c == 0xfe ? 99 : sig));
	else
		DONE(r, sigqueue(getpid(), s->c == 0xfe ? 99 : sig, v));
}

static void op_mask(const struct step *s, struct result *r)
{
	static const int hows[] = { SIG_BLOCK, SIG_UNBLOCK, SIG_BLOCK, SIG_UNBLOCK, 77 };
	sigset_t set, old;

	sigemptyset(&old);
	sigemptyset(&set);
	if (s->b & 1)
		sigaddset(&set, SIGUSR1);
	if (s->b & 2)
		sigaddset(&set, SIGUSR2);
	DONE(r, syscall(SYS_rt_sigprocmask, hows[s->a % LENGTH(hows)], s->c == 0xff ? NULL : s->c == 0xfe ? (void *)8 : &set, &old, s->c == 0xfd ? 4 : 8));
	more(r, "%d%d", sigismember(&old, SIGUSR1), sigismember(&old, SIGUSR2));
}

static void op_pending(const struct step *s, struct result *r)
{
	sigset_t set;

	(void)s;
	sigemptyset(&set);
	DONE(r, sigpending(&set));
	more(r, "%d%d%d%d", sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2), sigismember(&set, SIGRTMIN + 1),
	     sigismember(&set, SIGRTMIN + 2));
}

static void op_sigwait(const struct step *s, struct result *r)
{
	struct timespec ts, *t = timeout_ts(s->f, &ts);
	siginfo_t info = { 0 };
	uint64_t set = 0;

	if (s->b & 1)
		set |= 1ull << (SIGRTMIN + 0);		/* RTMIN + 1 is bit RTMIN */
	if (s->b & 2)
		set |= 1ull << (SIGRTMIN + 1);
	if (s->b & 4)
		set |= 1ull << (SIGUSR1 - 1);
	DONE(r, syscall(SYS_rt_sigtimedwait, s->c == 0xff ? (void *)8 : &set, s->c == 0xfe ? (void *)8 : &info, t, s->c == 0xfd ? 4 : 8));
	if (r->ret > 0)
		more(r, "code %d value %d", info.si_code, info.si_code == SI_QUEUE ? info.si_int : 0);
}

static void op_pause(const struct step *s, struct result *r)
{
	uint64_t mask = s->b & 1 ? 1ull << (SIGUSR1 - 1) : 0;

	mask |= 3ull << SIGRTMIN | 1ull << (SIGCHLD - 1);
	if (s->a & 1)
		DONE(r, pause());
	else
		DONE(r, syscall(SYS_rt_sigsuspend, s->c == 0xff ? (void *)8 : &mask, s->c == 0xfe ? 4 : 8));
}

static void op_signalfd(const struct step *s, struct result *r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1 + (s->b & 1));
	DONE(r, signalfd(s->a & 1 ? -1 : fd_of(s->a), &set, s->c & 1 ? SFD_NONBLOCK : s->c == 0xfe ? 77 : 0));
	if (s->a & 1)
		put_result(r, r->ret, SIGNALFD);
	else
		r->number = true;
}

static void op_sigaltstack(const struct step *s, struct result *r)
{
	stack_t st = { .ss_flags = s->b == 0xff ? 77 : SS_DISABLE }, old;

	DONE(r, sigaltstack(s->c == 0xff ? (void *)8 : s->c & 1 ? &st : NULL, s->c == 0xfe ? (void *)8 : &old));
}

const struct op signal_ops[] = {
	{ "pthread_kill", op_thread_kill, TOUCHES, 0 },
	{ "pthread_kill", op_thread_kill, TOUCHES, 0 },
	{ "pthread_sigqueue", op_thread_queue, TOUCHES, 0 },
	{ "kill", op_kill, TOUCHES, 0 },
	{ "sigmask", op_mask, TOUCHES, 0 },
	{ "sigpending", op_pending, 0, 0 },
	{ "sigtimedwait", op_sigwait, NAMED | TIMED, SIGNALS },
	{ "pause", op_pause, 0, 0 },
	{ "signalfd", op_signalfd, 0, 0 },
	{ "sigaltstack", op_sigaltstack, 0, 0 },
	{ NULL, NULL, 0, 0 },
};
