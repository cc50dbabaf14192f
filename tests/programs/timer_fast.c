/*
 * timer_fast.c - timers that expire faster than anybody could handle: of the process by timer_create() and setitimer()
 *
 * The main thread sleeps, so each signal has to break a wait off.  Where more than one of them came for each that is handled, what comes
 * next would always be the next signal.  Prints how many were handled.
 *
 *	timer_fast spin		it sleeps and then computes, without any call, until both timers, of 1 ms and less, have come twice again
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#define ENOUGH	200

static volatile sig_atomic_t handled;
static timer_t timer;

/* Set anew by the handler, so that bare programs get on as well. */
static void on_timer(int sig)
{
	struct itimerspec often = { { 0, 1000 }, { 0, 1000 } }, never = { { 0, 0 }, { 0, 0 } };

	(void)sig;
	timer_settime(timer, 0, ++handled < ENOUGH ? &often : &never, NULL);
}

static void on_itimer(int sig)
{
	struct itimerval often = { { 0, 1 }, { 0, 1 } }, never = { { 0, 0 }, { 0, 0 } };

	(void)sig;
	setitimer(ITIMER_REAL, ++handled < 2 * ENOUGH ? &often : &never, NULL);
}

static void sleep_until(int n)
{
	while (handled < n)
		if (nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL) == -1 && errno != EINTR)
			exit(1);
}

static void must(int r, const char *what)
{
	if (r == -1) {
		perror(what);
		exit(1);
	}
}

static volatile sig_atomic_t ticks[2];

static void on_tick(int sig)
{
	ticks[sig == SIGALRM]++;
}

static void spin(void)
{
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
	struct itimerspec oftener = { { 0, 700000 }, { 0, 700000 } };

	must(sigaction(SIGRTMIN + 1, &(struct sigaction){ .sa_handler = on_tick }, NULL), "sigaction");
	must(sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_tick }, NULL), "sigaction");
	must(setitimer(ITIMER_REAL, &often, NULL), "setitimer");
	must(timer_settime(timer, 0, &oftener, NULL), "timer_settime");
	for (int i = 0; i < ENOUGH; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
		for (sig_atomic_t a = ticks[0], b = ticks[1]; ticks[0] - a < 2 || ticks[1] - b < 2;)
			continue;
	}
}

int main(int argc, char **argv)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1 };

	must(sigaction(SIGRTMIN + 1, &(struct sigaction){ .sa_handler = on_timer }, NULL), "sigaction");
	must(sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_itimer }, NULL), "sigaction");
	must(timer_create(CLOCK_REALTIME, &event, &timer), "timer_create");
	if (argc > 1 && strcmp(argv[1], "spin") == 0) {
		spin();
		return 0;
	}
	on_timer(0);
	sleep_until(ENOUGH);
	on_itimer(0);
	sleep_until(2 * ENOUGH);
	printf("%d\n", handled);
	return 0;
}
