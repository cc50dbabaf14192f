/* signal_timer.c - alarm, setitimer, timer_create: whose signal it is, what it misses, what is no longer pending */
#include "t.h"
#include <sys/time.h>

#define RT(n)	(SIGRTMIN + (n))
#define MANY	600

static int place, stop;
static volatile int handled, last_overrun, last_code, last_value;
static volatile pthread_t by;

static void on_signal(int sig, siginfo_t *si, void *context)
{
	(void)sig, (void)context;
	by = pthread_self();
	last_code = si->si_code;
	last_value = si->si_value.sival_int;
	last_overrun = si->si_overrun;
	__atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

static void install(int sig, int flags)
{
	MUST(sigaction(sig, &(struct sigaction){ .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags }, NULL));
}

static void until_handled(int n)
{
	for (int i = 0; i < 5000 && handled < n; i++)
		msleep(1);
}

static struct itimerspec after_ms(int ms, int every)
{
	return (struct itimerspec){ .it_value = { ms / 1000, ms % 1000 * 1000000l }, .it_interval = { every / 1000, every % 1000 * 1000000l } };
}

static timer_t make(clockid_t clock, int how, int sig, int value, pid_t tid)
{
	struct sigevent ev = { .sigev_notify = how, .sigev_signo = sig, .sigev_value.sival_int = value };
	timer_t t;

	ev._sigev_un._tid = tid;
	MUST(timer_create(clock, &ev, &t));
	return t;
}

static void set(timer_t t, int ms, int every)
{
	struct itimerspec at = after_ms(ms, every);

	MUST(timer_settime(t, 0, &at, NULL));
}

/* --- interval timers --- */

static void spin_until_handled(int n)
{
	while (handled < n)
		continue;
}

static void intervals(void)
{
	struct itimerval soon = { .it_value.tv_usec = 20000, .it_interval.tv_usec = 10000 }, off = { 0 }, now;

	say("-- alarm, setitimer");
	install(SIGALRM, 0);
	handled = 0;
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
	R("pause", pause());
	say("handled %d, code %d", handled, last_code);
	until_handled(4);
	MUST(setitimer(ITIMER_REAL, &off, &now));
	say("interval %d", (int)now.it_interval.tv_usec);
	handled = 0;
	R("alarm", alarm(1));
	R("what was left", alarm(1));
	R("pause", pause());
	say("handled %d", handled);
	alarm(T_MAX_SECONDS);
	install(SIGVTALRM, 0);
	handled = 0;
	MUST(setitimer(ITIMER_VIRTUAL, &soon, NULL));
	spin_until_handled(3);
	MUST(setitimer(ITIMER_VIRTUAL, &off, NULL));
	say("virtual: code %d", last_code);
	install(SIGPROF, SA_RESTART);
	handled = 0;
	MUST(setitimer(ITIMER_PROF, &soon, NULL));
	spin_until_handled(3);
	MUST(setitimer(ITIMER_PROF, &off, NULL));
	say("prof: code %d", last_code);
}

/* --- timers of a process --- */

static volatile int ran_value, ran;
static volatile pthread_t ran_by;

static void in_thread(union sigval v)
{
	ran_value = v.sival_int;
	ran_by = pthread_self();
	__atomic_add_fetch(&ran, 1, __ATOMIC_SEQ_CST);
}

static void process_timers(void)
{
	timer_t t;
	sigset_t s, p;

	say("-- SIGEV_SIGNAL");
	install(SIGUSR1, 0);
	handled = 0;
	t = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 17, 0);
	set(t, 10, 0);
	until_handled(1);
	say("code %d value %d", last_code, last_value);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigprocmask(SIG_BLOCK, &s, NULL);
	set(t, 5, 5);
	msleep(60);
	set(t, 0, 0);
	sigpending(&p);
	say("pending after it was stopped: %d", sigismember(&p, SIGUSR1));
	set(t, 5, 5);
	msleep(60);
	handled = 0;
	sigprocmask(SIG_UNBLOCK, &s, NULL);
	int overrun = timer_getoverrun(t);
	say("handled %d, missed some %d, as timer_getoverrun says %d", handled >= 1, last_overrun >= 5 || handled > 1, overrun >= last_overrun || handled > 1);
	R("timer_delete", timer_delete(t));
	R("again", timer_delete(t));
	R("timer_settime", timer_settime(t, 0, &(struct itimerspec){ 0 }, NULL));
	R("timer_getoverrun", timer_getoverrun(t));
	struct sigevent bad = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 99 };
	R("bad signal", timer_create(CLOCK_MONOTONIC, &bad, &t));
	R("bad clock", timer_create(77, NULL, &t));
	bad = (struct sigevent){ .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	bad._sigev_un._tid = 1 << 22;
	R("no such thread", timer_create(CLOCK_MONOTONIC, &bad, &t));
	say("-- SIGEV_NONE");
	t = make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);
	set(t, 10, 0);
	msleep(30);
	struct itimerspec left;
	R("timer_gettime", timer_gettime(t, &left));
	say("run out %d", left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0);
	timer_delete(t);
	for (long id = 0; id < 64; id++)	/* none is left, so no number is anybody's */
		if (syscall(SYS_timer_gettime, id, &left) == 0 || errno != EINVAL)
			say("timer %ld has a time", id);
	say("-- SIGEV_THREAD");
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = in_thread, .sigev_value.sival_int = 23 };
	MUST(timer_create(CLOCK_MONOTONIC, &ev, &t));
	set(t, 5, 5);
	while (ran < 3)
		msleep(1);
	say("value %d, in a thread of its own %d", ran_value, !pthread_equal(ran_by, pthread_self()));
	R("timer_delete", timer_delete(t));
}

/* --- timers of a thread --- */

static void *loiter(void *arg)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, RT(1));
	if (arg)
		pthread_sigmask(SIG_BLOCK, &s, NULL);
	t_here(&place);
	while (!t_get(&stop))
		msleep(1);
	if (!arg)
		return NULL;
	handled = 0;
	pthread_sigmask(SIG_UNBLOCK, &s, NULL);
	say("it lets the signal in: handled %d, missed some %d", handled, last_overrun > 3);
	return NULL;
}

static void *spins(void *arg)
{
	(void)arg;
	t_here(&place);
	while (handled < 3)
		continue;
	return NULL;
}

static void thread_timers(void)
{
	static timer_t timers[MANY];
	pthread_t t;

	say("-- SIGEV_THREAD_ID");
	install(RT(1), SA_RESTART);
	handled = place = stop = 0;
	t = start(loiter, NULL);
	wait_parked(&place);
	timers[0] = make(CLOCK_MONOTONIC, SIGEV_THREAD_ID, RT(1), 5, place);
	set(timers[0], 5, 5);
	until_handled(3);
	say("by it %d, code %d, value %d", pthread_equal(by, t), last_code, last_value);
	timer_delete(timers[0]);
	for (int i = 0; i < MANY; i++)
		timers[i] = make(CLOCK_MONOTONIC, SIGEV_THREAD_ID, RT(1), i, place);
	handled = 0;
	for (int i = 0; i < MANY; i++)
		set(timers[i], 1 + i / 100, 0);
	until_handled(MANY);
	say("%d timers: all %d", MANY, handled == MANY);
	for (int i = 0; i < MANY; i += 2)
		MUST(timer_delete(timers[i]));
	handled = 0;
	for (int i = 1; i < MANY; i += 2)
		set(timers[i], 1 + i / 100, 0);
	until_handled(MANY / 2);
	say("half of them: all %d", handled == MANY / 2);
	for (int i = 1; i < MANY; i += 2)
		MUST(timer_delete(timers[i]));
	t_set(&stop, 1);
	join(t);

	place = stop = 0;
	t = start(loiter, &stop);
	wait_parked(&place);
	timers[0] = make(CLOCK_MONOTONIC, SIGEV_THREAD_ID, RT(1), 5, place);
	set(timers[0], 5, 5);
	msleep(60);
	t_set(&stop, 1);
	join(t);
	R("its thread has ended: timer_settime", timer_settime(timers[0], 0, &(struct itimerspec){ .it_value.tv_nsec = 1 }, NULL));
	msleep(10);
	R("timer_delete", timer_delete(timers[0]));

	place = handled = 0;
	t = start(spins, NULL);
	while (!t_get(&place))
		msleep(1);
	timers[0] = make(CLOCK_MONOTONIC, SIGEV_THREAD_ID, RT(1), 5, place);
	set(timers[0], 5, 5);
	join(t);
	timer_delete(timers[0]);
	say("one that computes: by it %d", pthread_equal(by, t));
}

/* --- CPU time --- */

static void *cpu(void *arg)
{
	struct timespec a, b;
	clockid_t id;

	(void)arg;
	P("pthread_getcpuclockid", pthread_getcpuclockid(pthread_self(), &id));
	R("clock_gettime", clock_gettime(id, &a));
	for (volatile int i = 0; i < 3000000; i++)
		continue;
	R("clock_gettime", clock_gettime(id, &b));
	say("it runs %d", b.tv_sec > a.tv_sec || b.tv_nsec > a.tv_nsec);
	R("CLOCK_THREAD_CPUTIME_ID", clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b));
	handled = 0;
	timer_t t = make(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, SIGUSR1, 3, 0);
	set(t, 20, 0);
	while (handled < 1)
		continue;
	say("a timer on it: code %d value %d", last_code, last_value);
	timer_delete(t);
	t = make(id, SIGEV_SIGNAL, SIGUSR1, 4, 0);
	set(t, 20, 0);
	while (handled < 2)
		continue;
	say("and by the thread's clock: value %d", last_value);
	timer_delete(t);
	return NULL;
}

static void cpu_clocks(void)
{
	clockid_t id;
	struct timespec ts;

	say("-- CPU time");
	cpu(NULL);
	join(start(cpu, NULL));
	place = stop = 0;
	pthread_t t = start(loiter, NULL);
	wait_parked(&place);
	P("another thread's", pthread_getcpuclockid(t, &id));
	R("clock_gettime", clock_gettime(id, &ts));
	say("not much %d", ts.tv_sec < 30);
	t_set(&stop, 1);
	join(t);
	P("the process's", clock_getcpuclockid(0, &id));
	R("clock_gettime", clock_gettime(id, &ts));
}

int main(void)
{
	t_begin();
	intervals();
	process_timers();
	thread_timers();
	cpu_clocks();
	return 0;
}
