/* handler_spins.c - a handler that waits for another signal's, and makes no call meanwhile, is interrupted by that at any time */
#include "t.h"
#include <sys/time.h>

#define ROUNDS	6000
#define LONG	1000000000l	/* turns of a loop; a tick comes every 20 us */

static volatile sig_atomic_t ticks, missed;

static void on_tick(int sig)
{
	(void)sig;
	ticks++;
}

static void on_usr1(int sig)
{
	sig_atomic_t was = ticks;

	(void)sig;
	for (long i = 0; i < LONG && ticks == was; i++)
		;
	missed += ticks == was;
}

int main(void)
{
	struct itimerval often = { { 0, 20 }, { 0, 20 } }, never = { { 0, 0 }, { 0, 0 } };

	MUST(sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_tick }, NULL));
	MUST(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_usr1 }, NULL));
	MUST(setitimer(ITIMER_REAL, &often, NULL));
	for (int i = 0; i < ROUNDS && !missed; i++)
		MUST(kill(getpid(), SIGUSR1));
	MUST(setitimer(ITIMER_REAL, &never, NULL));
	say("%s", missed ? "a handler waited in vain" : "each handler has seen a tick");
	return 0;
}
