/* timer_gone.c - once a timer is disarmed or deleted no signal of it is handled, though one may have come during that very call */
#include "t.h"

#define ROUNDS	3000

static volatile sig_atomic_t handled, late;
static timer_t timer;

static void on_timer(int sig)
{
	struct itimerspec now;

	(void)sig;
	handled++;
	late += timer_gettime(timer, &now) < 0 || !now.it_interval.tv_sec;
}

/* Its interval says whether it is armed. */
static void arm(long ns)
{
	struct itimerspec at = { { ns ? 1000 : 0, 0 }, { 0, ns } };

	MUST(timer_settime(timer, 0, &at, NULL));
}

/* Linux drops what is pending of such a timer since 6.13; POSIX leaves it open. */
static bool kernel_drops(struct sigevent *event)
{
	struct timespec none = { 0, 0 };
	bool drops;
	sigset_t set, was;

	sigemptyset(&set);
	sigaddset(&set, event->sigev_signo);
	sigprocmask(SIG_BLOCK, &set, &was);
	MUST(timer_create(CLOCK_MONOTONIC, event, &timer));
	arm(1);
	usleep(5000);
	arm(0);
	drops = sigtimedwait(&set, NULL, &none) < 0;
	MUST(timer_delete(timer));
	sigprocmask(SIG_SETMASK, &was, NULL);
	return drops;
}

static void disarm(struct sigevent *event)
{
	MUST(timer_create(CLOCK_MONOTONIC, event, &timer));
	for (int i = 0; i < ROUNDS; i++) {
		arm(1 + 20 * (i % 1500));
		arm(0);
	}
	MUST(timer_delete(timer));
}

static void delete(struct sigevent *event)
{
	for (int i = 0; i < ROUNDS; i++) {
		MUST(timer_create(CLOCK_MONOTONIC, event, &timer));
		arm(1 + 20 * (i % 1500));
		MUST(timer_delete(timer));
	}
}

static void test(const char *what, struct sigevent *event)
{
	MUST(sigaction(event->sigev_signo, &(struct sigaction){ .sa_handler = on_timer }, NULL));
	handled = late = 0;
	disarm(event);
	say("%s, disarmed: %s handled, %d of them late", what, handled ? "some" : "none", (int)late);
	handled = late = 0;
	delete(event);
	say("%s, deleted: %s handled, %d of them late", what, handled ? "some" : "none", (int)late);
}

int main(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };

	if (!kernel_drops(&event)) {
		say("this kernel keeps the signal that is pending of a timer");
		return 77;
	}
	test("SIGUSR1", &event);
	event.sigev_signo = SIGRTMIN + 1;
	test("a real-time signal", &event);
	return 0;
}
