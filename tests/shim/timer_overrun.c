/* timer_overrun.c - in a handler timer_getoverrun() says what the signal itself says, though the timer goes on and its next signal may be there */
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
	sigset_t set, was;

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, &was);
	MUST(timer_delete(timer));
	signal(sig, SIG_IGN);
	sigprocmask(SIG_SETMASK, &was, NULL);
}

/* Some are handled after a sleep that they break off, and some when they have long been pending. */
static void take_some(int sig)
{
	sigset_t set, was;

	sigemptyset(&set);
	sigaddset(&set, sig);
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

int main(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };

	test("SIGUSR1", &event, SIGUSR1);
	event.sigev_signo = SIGRTMIN + 1;
	test("a real-time signal", &event, SIGRTMIN + 1);
	test("SIGALRM", NULL, SIGALRM);
	return 0;
}
