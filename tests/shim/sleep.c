/* sleep.c - sleeping: how long at least, what is left when a handler interrupts, which times are no times */
#include "t.h"
#include <sys/time.h>

static int parked, handled, stop;

static void on_usr1(int sig)
{
	(void)sig;
	t_set(&handled, 1);
}

static void *interrupt(void *main_thread)
{
	wait_parked(&parked);
	while (!t_get(&stop)) {
		pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
		msleep(10);
	}
	return NULL;
}

#define INTERRUPTED(call) do {			\
	pthread_t me_ = pthread_self();			\
	parked = handled = stop = 0;			\
	pthread_t i_ = start(interrupt, &me_);		\
	t_here(&parked);				\
	(void)(call);					\
	t_set(&stop, 1);				\
	join(i_);					\
	say("    handled %d", t_get(&handled)); } while (0)

static void arguments(void)
{
	struct timespec t;
	struct { long s, ns; } bad[] = { { -1, 0 }, { 0, -1 }, { 0, 1000000000 }, { 0, 5000000000 } };

	for (unsigned i = 0; i < T_LENGTH(bad); i++) {
		t = (struct timespec){ bad[i].s, bad[i].ns };
		R("nanosleep, no time", nanosleep(&t, NULL));
		P("clock_nanosleep, no time", clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL));
		P("clock_nanosleep absolute, no time", clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL));
	}
	t = (struct timespec){ 0, 0 };
	R("nanosleep 0", nanosleep(&t, NULL));
	R("nanosleep bad pointer", nanosleep(T_BAD, NULL));
	R("nanosleep bad remainder, not needed", nanosleep(&t, T_BAD));
	P("clock_nanosleep bad pointer", clock_nanosleep(CLOCK_MONOTONIC, 0, T_BAD, NULL));
	P("clock_nanosleep unknown clock", clock_nanosleep(77, 0, &t, NULL));
	P("clock_nanosleep CLOCK_THREAD_CPUTIME_ID", clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL));
	P("clock_nanosleep CLOCK_MONOTONIC_RAW", clock_nanosleep(CLOCK_MONOTONIC_RAW, 0, &t, NULL));
	P("clock_nanosleep CLOCK_MONOTONIC_COARSE", clock_nanosleep(CLOCK_MONOTONIC_COARSE, 0, &t, NULL));
	R("raw nanosleep bad pointer", syscall(SYS_nanosleep, T_BAD, NULL));
	R("raw clock_nanosleep bad clock", syscall(SYS_clock_nanosleep, 77, 0, &t, NULL));
	R("usleep 0", usleep(0));
	R("usleep 1500", usleep(1500));
	R("sleep 0", sleep(0));
}

static void lengths(void)
{
	static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI };
	struct timespec t = { 0, 20000000 };
	long long before = now_ns();

	R("nanosleep 20 ms", nanosleep(&t, NULL));
	YES("at least", now_ns() - before >= 20000000);
	for (unsigned i = 0; i < T_LENGTH(clocks); i++) {
		struct timespec abs, after;

		before = now_ns();
		t = (struct timespec){ 0, 3000000 };
		P("relative 3 ms", clock_nanosleep(clocks[i], 0, &t, NULL));
		YES("at least", now_ns() - before >= 3000000);
		clock_gettime(clocks[i], &abs);
		abs.tv_nsec += 10000000;
		if (abs.tv_nsec >= 1000000000) {
			abs.tv_sec++;
			abs.tv_nsec -= 1000000000;
		}
		P("absolute 10 ms on", clock_nanosleep(clocks[i], TIMER_ABSTIME, &abs, NULL));
		clock_gettime(clocks[i], &after);
		YES("not before", after.tv_sec > abs.tv_sec || (after.tv_sec == abs.tv_sec && after.tv_nsec >= abs.tv_nsec));
		abs.tv_sec -= 100;
		P("absolute, past", clock_nanosleep(clocks[i], TIMER_ABSTIME, &abs, NULL));
		abs.tv_sec = 0;
		P("absolute, 0", clock_nanosleep(clocks[i], TIMER_ABSTIME, &abs, NULL));
	}
	t = (struct timespec){ 0, 50000 };
	before = now_ns();
	for (int i = 0; i < 20; i++)
		nanosleep(&t, NULL);
	YES("20 sleeps of 50 us: at least 1 ms", now_ns() - before >= 1000000);
	before = now_ns();
	R("usleep 5000", usleep(5000));
	YES("at least", now_ns() - before >= 5000000);
}

static void interruptions(void)
{
	struct timespec t = { 100, 0 }, left = { -1, -1 }, abs;
	struct sigaction sa = { .sa_handler = on_usr1, .sa_flags = SA_RESTART };

	sigaction(SIGUSR1, &sa, NULL);
	INTERRUPTED(R("nanosleep", nanosleep(&t, &left)));
	say("    left: %d", left.tv_sec >= 98 && left.tv_sec <= 100);
	INTERRUPTED(R("nanosleep into itself", nanosleep(&t, &t)));
	say("    left: %d", t.tv_sec >= 98 && t.tv_sec <= 100);
	t = (struct timespec){ 100, 0 };
	INTERRUPTED(R("nanosleep, no remainder asked", nanosleep(&t, NULL)));
	INTERRUPTED(R("nanosleep, bad remainder", nanosleep(&t, T_BAD)));
	left = (struct timespec){ -1, -1 };
	INTERRUPTED(P("clock_nanosleep", clock_nanosleep(CLOCK_REALTIME, 0, &t, &left)));
	say("    left: %d", left.tv_sec >= 98 && left.tv_sec <= 100);
	left = (struct timespec){ -1, -1 };
	clock_gettime(CLOCK_MONOTONIC, &abs);
	abs.tv_sec += 100;
	INTERRUPTED(P("clock_nanosleep absolute", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &abs, &left)));
	say("    left untouched: %d", left.tv_sec == -1 && left.tv_nsec == -1);
	unsigned rest = 0;
	INTERRUPTED(rest = sleep(100));
	say("    sleep: rest %d", rest == 100 || rest == 99 || rest == 98);
	INTERRUPTED(R("usleep", usleep(900000000)));
	INTERRUPTED(R("pause", pause()));
	INTERRUPTED(R("sleep for ever", nanosleep(&(struct timespec){ INT64_MAX, 0 }, NULL)));
}

static pthread_mutex_t order_lock = PTHREAD_MUTEX_INITIALIZER;
static char order[16];
static int used;

static void *sleeper(void *arg)
{
	int i = (int)(intptr_t)arg;

	msleep(40 + 80 * i);
	pthread_mutex_lock(&order_lock);
	order[used++] = '0' + i;
	pthread_mutex_unlock(&order_lock);
	return NULL;
}

static void *long_sleep(void *arg)
{
	(void)arg;
	msleep(200);
	return NULL;
}

static void together(void)
{
	static const int ids[] = { 3, 0, 4, 1, 2 };
	pthread_t t[100];

	for (int i = 0; i < 5; i++)
		t[i] = start(sleeper, (void *)(intptr_t)ids[i]);
	for (int i = 0; i < 5; i++)
		join(t[i]);
	say("they woke in the order %s", order);
	long long before = now_ns();
	for (int i = 0; i < 100; i++)
		t[i] = start(long_sleep, NULL);
	for (int i = 0; i < 100; i++)
		join(t[i]);
	YES("100 sleeps of 200 ms overlap", now_ns() - before < 10000000000);
}

static void alarms(void)
{
	struct itimerval it = { .it_value = { 0, 30000 } };
	struct sigaction sa = { .sa_handler = on_usr1 };
	struct timespec t = { 100, 0 };

	sigaction(SIGALRM, &sa, NULL);
	unsigned guard = alarm(0);
	t_set(&handled, 0);
	MUST(setitimer(ITIMER_REAL, &it, NULL));
	R("nanosleep ended by setitimer", nanosleep(&t, NULL));
	say("    handled %d", t_get(&handled));
	t_set(&handled, 0);
	alarm(1);
	YES("sleep ended by alarm: rest", sleep(100) >= 90);
	say("    handled %d", t_get(&handled));
	signal(SIGALRM, SIG_DFL);
	alarm(guard);
}

int main(void)
{
	t_begin();
	arguments();
	lengths();
	interruptions();
	together();
	alarms();
	return 0;
}
