/* altstack_storm.c - threads with alternate stacks compute and wait in handlers there, while a timer's signals come all the time */
#include "t.h"
#include <sys/mman.h>

#define WORKERS	3
#define ROUNDS	60
#define STEPS	400000

static volatile unsigned long handled;

static void on_usr2(int sig)
{
	volatile unsigned char mine[1024];

	(void)sig;
	memset((void *)mine, 0x77, sizeof(mine));
	handled++;
}

/* In the handler, too: what is there must not be another handler's. */
static unsigned long computes(unsigned long x)
{
	volatile unsigned long mine[64];

	for (int i = 0; i < 64; i++)
		mine[i] = x + i;
	for (int i = 0; i < STEPS; i++)
		mine[i % 64] = mine[i % 64] * 6364136223846793005ul + 1442695040888963407ul;
	for (int i = 0; i < 64; i++)
		x = x * 31 + mine[i];
	return x;
}

static unsigned long expected;
static int wrong;

static void on_usr1(int sig)
{
	volatile unsigned char mine[2048];

	(void)sig;
	for (size_t i = 0; i < sizeof(mine); i++)
		mine[i] = (unsigned char)i;
	usleep(1);
	if (computes(1) != expected)
		wrong++;
	for (size_t i = 0; i < sizeof(mine); i++)
		wrong += mine[i] != (unsigned char)i;
}

static void *works(void *arg)
{
	size_t size = 64 * 1024;
	stack_t ss = { .ss_size = size, .ss_sp = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) };
	stack_t none = { .ss_flags = SS_DISABLE };

	MUST(sigaltstack(&ss, NULL));
	for (int i = 0; i < ROUNDS; i++) {
		if (computes(1) != expected)
			wrong++;
		pthread_kill(pthread_self(), SIGUSR1);
	}
	MUST(sigaltstack(&none, NULL));
	munmap(ss.ss_sp, size);
	return arg;
}

int main(void)
{
	struct sigaction usr2 = { .sa_handler = on_usr2, .sa_flags = SA_ONSTACK | SA_RESTART };
	struct sigaction usr1 = { .sa_handler = on_usr1, .sa_flags = SA_ONSTACK | SA_RESTART };
	struct sigevent tells = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
	struct itimerspec often = { { 0, 50000 }, { 0, 50000 } };
	timer_t timer;
	pthread_t t[WORKERS];

	t_begin();
	expected = computes(1);
	sigaction(SIGUSR2, &usr2, NULL);
	sigaction(SIGUSR1, &usr1, NULL);
	MUST(timer_create(CLOCK_MONOTONIC, &tells, &timer));
	MUST(timer_settime(timer, 0, &often, NULL));
	for (int i = 0; i < WORKERS; i++)
		t[i] = start(works, NULL);
	for (int i = 0; i < WORKERS; i++)
		join(t[i]);
	MUST(timer_delete(timer));
	YES("signals came", handled > 0);
	say("%d times something else was found", wrong);
	return 0;
}
