/* timer_overrun.c - in a handler, and after sigwaitinfo(), timer_getoverrun() says what the signal itself says, though the timer goes on and its
 * next signal may be there */
#include "t.h"

#define ENOUGH	100

static volatile sig_atomic_t handled, other;
static timer_t timer;

static void on_timer(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	for (volatile int i = 0; i < 100000; i++)
		;
	other += timer_getoverrun(timer) != info->si_overrun;
	handled++;
}

/* What is pending then may be handled before Linux 6.13, and there is nobody to ask. */
static void delete(int sig)
{
	sigset_t set = set_of(1, sig), was;

	sigprocmask(SIG_BLOCK, &set, &was);
	MUST(timer_delete(timer));
	signal(sig, SIG_IGN);
	sigprocmask(SIG_SETMASK, &was, NULL);
}

/* Some are handled after a sleep that they break off, and some when they have long been pending. */
static void take_some(int sig)
{
	sigset_t set = set_of(1, sig), was;

	for (handled = other = 0; handled < ENOUGH;) {
		usleep(500);
		sigprocmask(SIG_BLOCK, &set, &was);
		usleep(2000);
		sigprocmask(SIG_SETMASK, &was, NULL);
	}
}

static void test(const char *what, struct sigevent *event, int sig)
{
	struct itimerspec often = { { 0, 200000 }, { 0, 200000 } };

	MUST(sigaction(sig, &(struct sigaction){ .sa_sigaction = on_timer, .sa_flags = SA_SIGINFO }, NULL));
	MUST(timer_create(CLOCK_MONOTONIC, event, &timer));
	say("%s: %d before", what, timer_getoverrun(timer));
	MUST(timer_settime(timer, 0, &often, NULL));
	take_some(sig);
	delete(sig);
	say("%s: enough handled, %d of them said something else", what, (int)other);
	say("%s: %s after", what, timer_getoverrun(timer) < 0 ? t_errname(errno) : "there still");
}

/* Some come while they are waited for, and some are pending by then. */
static void take_by_waiting(const sigset_t *set)
{
	siginfo_t info;

	for (int i = other = 0; i < ENOUGH; i++) {
		usleep(i % 2 ? 1000 : 1);
		MUST(sigwaitinfo(set, &info));
		other += timer_getoverrun(timer) != info.si_overrun;
	}
}

static void test_waiting(const char *what, int sig)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = sig };
	struct itimerspec often = { { 0, 200000 }, { 0, 200000 } };
	sigset_t set = set_of(1, sig), was;

	signal(sig, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, &was);
	MUST(timer_create(CLOCK_MONOTONIC, &event, &timer));
	MUST(timer_settime(timer, 0, &often, NULL));
	take_by_waiting(&set);
	delete(sig);
	sigprocmask(SIG_SETMASK, &was, NULL);
	say("%s: enough waited for, %d of them said something else", what, (int)other);
}

int main(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };

	test("SIGUSR1", &event, SIGUSR1);
	event.sigev_signo = SIGRTMIN + 1;
	test("a real-time signal", &event, SIGRTMIN + 1);
	test("SIGALRM", NULL, SIGALRM);
	test_waiting("SIGUSR1", SIGUSR1);
	test_waiting("a real-time signal", SIGRTMIN + 1);
	return 0;
}
