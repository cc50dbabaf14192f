/* vfork_timer.c - a new program does not find a timer's signal blocked, however often that comes while its parent makes a child of it */
#include "t.h"
#include <sys/time.h>

#define CHILDREN	100

static volatile sig_atomic_t handled;

static void on_alarm(int sig)
{
	(void)sig;
	handled = 1;
}

static void *loiter(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

/* As the new program, which sees what the kernel has: calls of grove's own would open the mask. */
static int is_blocked(void)
{
	char line[256];
	unsigned long long mask = ~0ull;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SigBlk: %llx", &mask) == 1)
			break;
	return (mask >> (SIGALRM - 1) & 1) != 0;
}

static int run(char *self)
{
	char *const argv[] = { self, "blocked?", NULL };
	pid_t pid = MUST(vfork());

	if (pid == 0) {
		execv(self, argv);
		_exit(2);
	}
	return t_reap(pid);
}

int main(int argc, char **argv T_UNUSED)
{
	struct itimerval often = { { 0, 20 }, { 0, 20 } }, never = { { 0, 0 }, { 0, 0 } };
	static char self[4096];
	int bad = 0;

	if (argc > 1)
		return is_blocked();
	MUST(readlink("/proc/self/exe", self, sizeof(self) - 1));
	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_alarm, .sa_flags = SA_RESTART }, NULL);
	start(loiter, NULL);
	MUST(setitimer(ITIMER_REAL, &often, NULL));
	for (int i = 0; i < CHILDREN; i++)
		bad += run(self) != 0;
	MUST(setitimer(ITIMER_REAL, &never, NULL));
	say("handled %d, programs that found it blocked: %d", (int)handled, bad);
	return 0;
}
