/*
 * threads_made.c - threads are made and joined, one after another, while signals come from another process
 *
 * While libc clones a thread it blocks all signals.  One that comes just then is not lost, is handled once, and in its turn; and its
 * default action is taken.
 */
#include "t.h"

enum { SIGNALS = 3000 };

static volatile int got, out_of_order, in_thread;
static pthread_t main_thread;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	if (info->si_value.sival_int != got)
		out_of_order++;
	if (!pthread_equal(pthread_self(), main_thread))
		in_thread++;
	got++;
}

/* @n signals to our parent, as fast as there is room for them */
static _Noreturn void send(int sig, int n)
{
	pid_t to = getppid();

	for (int i = 0; i < n; i++)
		while (sigqueue(to, sig, (union sigval){ .sival_int = i }) < 0 && errno == EAGAIN)
			usleep(100);
	_exit(0);
}

static void *same(void *arg)
{
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	return sigismember(&mask, SIGRTMIN) == 1 && sigismember(&mask, SIGRTMIN + 1) == 0 ? arg : NULL;
}

/* false: it is not as it should be, or its creator is not any more */
static bool make_one(const pthread_attr_t *attr)
{
	sigset_t mask;
	pthread_t thread;
	void *result = NULL;

	if (pthread_create(&thread, attr, same, &mask) != 0 || pthread_join(thread, &result) != 0)
		return false;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	return result == &mask && sigismember(&mask, SIGRTMIN) == 0 && sigismember(&mask, SIGUSR1) == 0;
}

static void handled(const pthread_attr_t *attr)
{
	int wrong = 0;
	pid_t child;

	main_thread = pthread_self();
	sigaction(SIGRTMIN, &(struct sigaction){ .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART }, NULL);
	child = fork();
	if (child == 0)
		send(SIGRTMIN, SIGNALS);
	while (got < SIGNALS)
		wrong += !make_one(attr);
	waitpid(child, NULL, 0);
	say("handled %d, out of order %d, in other threads %d, threads that were not right %d", got, out_of_order, in_thread, wrong);
}

static void default_action(const pthread_attr_t *attr)
{
	int status;
	pid_t victim = fork();

	if (victim == 0) {
		if (fork() == 0)
			send(SIGUSR1, 1);
		for (;;)
			make_one(attr);
	}
	waitpid(victim, &status, 0);
	say("default action: %s", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "none");
}

/* Blocked by everybody, it stays pending through all of that. */
static void blocked(const pthread_attr_t *attr)
{
	sigset_t usr2, pending;
	pthread_t thread;

	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &usr2, NULL);
	kill(getpid(), SIGUSR2);
	for (int i = 0; i < 3; i++) {
		pthread_create(&thread, attr, same, NULL);
		pthread_join(thread, NULL);
	}
	sigpending(&pending);
	say("blocked: pending %d", sigismember(&pending, SIGUSR2));
	say("taken: %d", sigtimedwait(&usr2, NULL, &(struct timespec){ 0 }) == SIGUSR2);
}

int main(void)
{
	pthread_attr_t attr;
	sigset_t mask;

	alarm(T_MAX_SECONDS);
	sigemptyset(&mask);
	sigaddset(&mask, SIGRTMIN);
	sigaddset(&mask, SIGUSR2);
	pthread_attr_init(&attr);
	pthread_attr_setsigmask_np(&attr, &mask);	/* the signals are for the main thread */
	handled(&attr);
	default_action(&attr);
	blocked(&attr);
	return 0;
}
