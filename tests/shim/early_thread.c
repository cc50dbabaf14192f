/*
 * early_thread.c - a thread made before the constructors of libraries have run, which stays a kernel thread under grove
 *
 * It sends signals to threads made later, before and after there are locks that other processes share, and owners with a tid of the kernel's.
 */
#include "t.h"
#include <sys/mman.h>

static pthread_t early, target;
static int order, done, place, stop, times;
static volatile int handled_by;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info, (void)context;
	handled_by = (int)syscall(SYS_gettid);
	__atomic_add_fetch(&times, 1, __ATOMIC_SEQ_CST);
}

static void *sends(void *arg)
{
	int n = 0;

	while (!t_get(&stop)) {
		if (t_get(&order) == n) {
			msleep(1);
			continue;
		}
		n++;
		if (pthread_kill(target, 0) || pthread_kill(target, SIGUSR1))
			say("pthread_kill failed");
		t_set(&done, n);
	}
	return arg;
}

static void begins_early(int argc, char **argv, char **env)
{
	(void)argc, (void)argv, (void)env;
	pthread_create(&early, NULL, sends, NULL);
}

__attribute__((used, section(".preinit_array"))) static void (*first)(int, char **, char **) = begins_early;

static void *is_told(void *arg)
{
	int before = t_get(&times);

	t_here(&place);
	while (t_get(&times) == before)
		msleep(1);
	say("handled by the one it was sent to: %d", handled_by == (int)syscall(SYS_gettid));
	return arg;
}

static void one(const char *what)
{
	say("-- %s", what);
	t_set(&place, 0);
	target = start(is_told, NULL);
	wait_parked(&place);
	__atomic_add_fetch(&order, 1, __ATOMIC_SEQ_CST);
	join(target);
	t_until(&done, order);
}

static void *ends_at_once(void *arg)
{
	return arg;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	pthread_mutexattr_t attr;
	pthread_mutex_t *lock;

	t_begin();
	sigaction(SIGUSR1, &sa, NULL);
	one("nothing is shared");
	lock = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	P("mutex", pthread_mutex_init(lock, &attr));
	one("a robust lock is shared");
	for (int i = 0; i < 50; i++)
		join(start(ends_at_once, NULL));
	one("others had such a tid");
	t_set(&stop, 1);
	join(early);
	return 0;
}
