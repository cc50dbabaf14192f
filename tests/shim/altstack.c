/* altstack.c - a handler that waits on its alternate stack finds there what it has left, whatever signals came meanwhile */
#include "t.h"
#include <sys/mman.h>

static int ends[2], waits, handled, all_sent;

static void on_usr1(int sig)
{
	volatile unsigned char mine[4096];
	char c;
	int bad = 0;

	(void)sig;
	for (size_t i = 0; i < sizeof(mine); i++)
		mine[i] = (unsigned char)i;
	t_here(&waits);
	while (!t_get(&all_sent))		/* whoever waits in the kernel, it was we who ran last */
		msleep(1);
	R("read in the handler", read(ends[0], &c, 1));
	for (size_t i = 0; i < sizeof(mine); i++)
		bad += mine[i] != (unsigned char)i;
	say("%d bytes have changed", bad);
}

static void on_usr2(int sig)
{
	volatile char mine[2048];

	(void)sig;
	memset((void *)mine, 0x77, sizeof(mine));
	__atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

static void *has_one(void *arg)
{
	size_t size = 64 * 1024;
	stack_t ss = { .ss_size = size, .ss_sp = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) }, now;

	MUST(sigaltstack(&ss, NULL));
	pthread_kill(pthread_self(), SIGUSR1);
	MUST(sigaltstack(NULL, &now));
	YES("it is still set", now.ss_sp == ss.ss_sp && now.ss_flags == 0);
	return arg;
}

int main(void)
{
	struct sigaction one = { .sa_handler = on_usr1, .sa_flags = SA_ONSTACK | SA_RESTART };
	struct sigaction two = { .sa_handler = on_usr2, .sa_flags = SA_ONSTACK | SA_RESTART };
	pthread_t t;
	pid_t pid;

	t_begin();
	must_pipe(ends);
	sigaction(SIGUSR1, &one, NULL);
	sigaction(SIGUSR2, &two, NULL);
	t = start(has_one, NULL);
	wait_parked(&waits);
	pid = MUST(fork());
	if (pid == 0) {
		for (int i = 0; i < 30; i++) {
			msleep(2);
			kill(getppid(), SIGUSR2);
		}
		_exit(0);
	}
	say("child: %d", t_reap(pid));
	while (!t_get(&handled))
		msleep(1);
	t_set(&all_sent, 1);
	MUST(write(ends[1], "x", 1));
	join(t);
	return 0;
}
