/* children.c - many threads wait for many children, in every way; no status is lost or told twice */
#include "t.h"
#include <sys/resource.h>

#define N 24

static int gates[N][2], sum, reaped, wrong;
static unsigned char seen[256];

static pid_t child(int i, int status)
{
	char c;

	must_pipe(gates[i]);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		close(gates[i][1]);
		(void)!read(gates[i][0], &c, 1);
		_exit(status);
	}
	close(gates[i][0]);
	return pid;
}

static void note(int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 255;

	if (__atomic_add_fetch(&seen[code], 1, __ATOMIC_SEQ_CST) != 1)
		t_set(&wrong, 1);
	__atomic_add_fetch(&sum, code, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&reaped, 1, __ATOMIC_SEQ_CST);
}

/* Each in its own way, for any child, until there is none */
static void *waits_for_any(void *arg)
{
	int how = (int)(intptr_t)arg % 4, status;
	struct rusage ru;
	siginfo_t si;

	for (;;) {
		pid_t pid;

		status = 0;
		if (how == 0) {
			pid = waitpid(-1, &status, 0);
		} else if (how == 1) {
			pid = wait3(&status, 0, &ru);
		} else if (how == 2) {
			pid = wait4(0, &status, 0, &ru);
		} else {
			si.si_pid = 0;
			pid = waitid(P_ALL, 0, &si, WEXITED) == 0 ? si.si_pid : -1;
			status = W_EXITCODE(si.si_status, 0);
		}
		if (pid == -1)
			return (void *)(intptr_t)errno;
		note(status);
	}
}

static void any(void)
{
	pthread_t t[8];
	int none = 0;

	say("-- any child, eight threads");
	for (int i = 0; i < N; i++)
		child(i, i + 1);
	for (intptr_t i = 0; i < 8; i++)
		t[i] = start(waits_for_any, (void *)i);
	for (int i = N - 1; i >= 0; i--) {
		close(gates[i][1]);
		if (i % 5 == 0)
			msleep(1);
	}
	for (int i = 0; i < 8; i++)
		none += (intptr_t)join(t[i]) == ECHILD;
	say("reaped %d, sum %d, told twice %d, ended with ECHILD %d", reaped, sum, wrong, none);
}

/* --- some for one given child, one for any --- */

static pid_t pids[N];

static void *waits_for_its_own(void *arg)
{
	int i = (int)(intptr_t)arg, status;
	pid_t r = waitpid(pids[i], &status, 0);

	return (void *)(intptr_t)(r == pids[i] ? WEXITSTATUS(status) == i : errno == ECHILD ? 2 : 3);
}

static void own(void)
{
	pthread_t t[N];
	int good = 0;

	say("-- each its own");
	for (int i = 0; i < N; i++)
		pids[i] = child(i, i);
	for (intptr_t i = 0; i < N; i++)
		t[i] = start(waits_for_its_own, (void *)i);
	for (int i = 0; i < N; i++)
		close(gates[i][1]);
	for (int i = 0; i < N; i++)
		good += (intptr_t)join(t[i]) == 1;
	say("good %d", good);
	/* by group, while another group's child lives on */
	for (int i = 0; i < 4; i++) {
		pids[i] = child(i, i);
		setpgid(pids[i], pids[i / 2 * 2]);
	}
	close(gates[2][1]);
	close(gates[3][1]);
	int status, n = 0;
	for (int i = 0; i < 2; i++)
		n += waitpid(-pids[2], &status, 0) > 0 && WEXITSTATUS(status) >= 2;
	say("of the group: %d", n);
	R("no more of it", waitpid(-pids[2], &status, 0));
	R("the other group is there", waitpid(-pids[0], &status, WNOHANG));
	close(gates[0][1]);
	close(gates[1][1]);
	while (wait(NULL) > 0)
		n++;
	say("all: %d", n);
}

/* --- a handler that reaps, while threads do other things --- */

static volatile int by_handler;

static void on_chld(int sig)
{
	int saved = errno;

	(void)sig;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		by_handler = by_handler + 1;
	errno = saved;
}

static int stop;

static void *works(void *arg)
{
	while (!t_get(&stop)) {
		free(malloc(100));
		msleep(1);
	}
	return arg;
}

static void handlers(void)
{
	struct sigaction sa = { .sa_handler = on_chld, .sa_flags = SA_RESTART | SA_NOCLDSTOP };
	pthread_t t[4];
	sigset_t s;
	char c;
	int p[2];

	say("-- SIGCHLD");
	sigaction(SIGCHLD, &sa, NULL);
	for (int i = 0; i < 4; i++)
		t[i] = start(works, NULL);
	for (int i = 0; i < N; i++)
		child(i, i);
	for (int i = 0; i < N; i++)
		close(gates[i][1]);
	while (by_handler < N)
		msleep(1);
	say("the handler reaped %d", by_handler);
	/* a read that is restarted over it */
	must_pipe(p);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		pid = fork();
		if (pid == 0) {
			msleep(30);
			_exit(write(p[1], "r", 1) != 1);
		}
		_exit(0);
	}
	R("read", read(p[0], &c, 1));
	close2(p);
	t_set(&stop, 1);
	for (int i = 0; i < 4; i++)
		join(t[i]);
	signal(SIGCHLD, SIG_DFL);
	/* told by sigwait */
	sigemptyset(&s);
	sigaddset(&s, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	pids[0] = child(0, 5);
	close(gates[0][1]);
	siginfo_t si;
	R("sigwaitinfo", sigwaitinfo(&s, &si));
	say("of that child %d, left with %d", si.si_pid == pids[0], si.si_status);
	say("reaped: %d", t_reap(pids[0]));
	signal(SIGCHLD, SIG_IGN);
	child(0, 6);
	close(gates[0][1]);
	R("nobody to be waited for", wait(NULL));
}

int main(void)
{
	t_begin();
	any();
	own();
	handlers();
	return 0;
}
