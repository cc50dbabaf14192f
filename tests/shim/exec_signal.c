/* exec_signal.c - a signal that comes while a program makes way for another is handled by the old one or ends the new one: none is lost */
#include "t.h"
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ROUNDS	400

static volatile struct { int begun, handled; } *seen;	/* by the child that is about to exec */

static void on_signal(int sig)
{
	(void)sig;
	seen->handled = 1;
}

/* It waits until the other end of @fd is closed. */
static int new_program(const char *fd)
{
	char c;

	return (int)read(atoi(fd), &c, 1);
}

static void exec_soon(int fd)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", fd);
	MUST(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal }, NULL));
	seen->begun = 1;
	execl("/proc/self/exe", "exec_signal", number, (char *)NULL);
	_exit(1);
}

/* A signal at moment number @i; 1: nobody has seen it */
static int round_of(int i, bool to_thread)
{
	int ends[2], status;
	pid_t child;

	MUST(pipe(ends));
	seen->begun = seen->handled = 0;
	child = MUST(fork());
	if (child == 0) {
		close(ends[1]);
		exec_soon(ends[0]);
	}
	close(ends[0]);
	while (!seen->begun)
		sched_yield();
	for (volatile int k = i * 37 % 4000; k > 0; k--)
		;
	MUST(to_thread ? syscall(SYS_tgkill, child, child, SIGUSR1) : kill(child, SIGUSR1));
	close(ends[1]);
	MUST(waitpid(child, &status, 0));
	return !seen->handled && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
}

int main(int argc, char **argv)
{
	int lost[2] = { 0, 0 };

	if (argc > 1)
		return new_program(argv[1]);
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(seen == MAP_FAILED ? -1 : 0);
	for (int i = 0; i < 2 * ROUNDS; i++)
		lost[i % 2] += round_of(i / 2, i % 2);
	say("to the process: %d lost; to the thread: %d lost", lost[0], lost[1]);
	return 0;
}
