/* cancel.c - cancellation: in every call that waits, held back and let in, and what the clean-up handlers find */
#include "t.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int place, cleaned, on_stack, pipes[2], full[2], pair[2], listening, ep, ev;
static sem_t sem;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_t sleeper;
static pid_t child;
static char buf[200000];

static void clean(void *arg)
{
	char here;

	cleaned++;
	on_stack = (uintptr_t)&here - ((uintptr_t)arg - 100000) < 200000;
}

static void *sleep_long(void *arg)
{
	(void)arg;
	msleep(30000);
	return NULL;
}

static struct timespec far(clockid_t clock)
{
	return in(clock, 50000);
}

static void c_read(void) { (void)!read(pipes[0], buf, 1); }
static void c_readv(void) { (void)!readv(pipes[0], &(struct iovec){ buf, 1 }, 1); }
static void c_write(void) { (void)!write(full[1], buf, 1); }
static void c_recv(void) { recv(pair[0], buf, 1, 0); }
static void c_recvmsg(void) { recvmsg(pair[0], &(struct msghdr){ .msg_iov = &(struct iovec){ buf, 1 }, .msg_iovlen = 1 }, 0); }
static void c_accept(void) { accept(listening, NULL, NULL); }
static void c_poll(void) { poll(&(struct pollfd){ pipes[0], POLLIN, 0 }, 1, -1); }
static void c_ppoll(void) { ppoll(&(struct pollfd){ pipes[0], POLLIN, 0 }, 1, NULL, NULL); }
static void c_select(void) { select(0, NULL, NULL, NULL, NULL); }
static void c_epoll(void) { struct epoll_event e; epoll_wait(ep, &e, 1, -1); }
static void c_sleep(void) { sleep(50); }
static void c_usleep(void) { usleep(50000000); }
static void c_nanosleep(void) { nanosleep(&(struct timespec){ 50, 0 }, NULL); }
static void c_clock_nanosleep(void) { struct timespec t = far(CLOCK_REALTIME); clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL); }
static void c_pause(void) { pause(); }
static void c_sem(void) { sem_wait(&sem); }
static void c_sem_timed(void) { struct timespec t = far(CLOCK_REALTIME); sem_timedwait(&sem, &t); }
static void c_join(void) { pthread_join(sleeper, NULL); }
static void c_timedjoin(void) { struct timespec t = far(CLOCK_REALTIME); pthread_timedjoin_np(sleeper, NULL, &t); }
static void c_waitpid(void) { waitpid(child, NULL, 0); }
static void c_waitid(void) { siginfo_t si; waitid(P_PID, child, &si, WEXITED); }
static void c_sigwait(void) { sigset_t s; int n; sigemptyset(&s); sigaddset(&s, SIGUSR2); sigwait(&s, &n); }
static void c_sigsuspend(void) { sigset_t s; sigemptyset(&s); sigsuspend(&s); }
static void c_eventfd(void) { uint64_t v; (void)!read(ev, &v, 8); }
static void c_testcancel(void) { for (;;) { msleep(1); pthread_testcancel(); } }
static void c_stdio(void) { FILE *f = fdopen(dup(pipes[0]), "r"); (void)!fgets(buf, 10, f); }

static const struct row {
	const char *what;
	void (*call)(void);
} rows[] = {
	{ "read", c_read }, { "readv", c_readv }, { "write", c_write }, { "recv", c_recv }, { "recvmsg", c_recvmsg },
	{ "accept", c_accept }, { "poll", c_poll }, { "ppoll", c_ppoll }, { "select", c_select }, { "epoll_wait", c_epoll },
	{ "sleep", c_sleep }, { "usleep", c_usleep }, { "nanosleep", c_nanosleep }, { "clock_nanosleep", c_clock_nanosleep },
	{ "pause", c_pause }, { "sem_wait", c_sem }, { "sem_timedwait", c_sem_timed }, { "pthread_join", c_join },
	{ "pthread_timedjoin_np", c_timedjoin }, { "waitpid", c_waitpid }, { "waitid", c_waitid }, { "sigwait", c_sigwait },
	{ "sigsuspend", c_sigsuspend }, { "eventfd", c_eventfd }, { "pthread_testcancel", c_testcancel }, { "fgets", c_stdio },
};

static void *run_row(void *arg)
{
	const struct row *r = arg;
	char here;

	pthread_cleanup_push(clean, &here);
	t_here(&place);
	r->call();
	pthread_cleanup_pop(0);
	return NULL;
}

static void set_up(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	must_pipe(pipes);
	must_pipe(full);
	fcntl(full[1], F_SETPIPE_SZ, 4096);
	MUST(write(full[1], buf, 4096));
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	listening = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(bind(listening, (struct sockaddr *)&a, sizeof(a)));
	MUST(listen(listening, 1));
	ep = MUST(epoll_create1(EPOLL_CLOEXEC));
	ev = MUST(eventfd(0, EFD_CLOEXEC));
	sem_init(&sem, 0, 0);
	child = MUST(fork());
	if (child == 0) {
		close(pipes[1]);
		close(pair[1]);
		pause();
		_exit(0);
	}
	sleeper = start(sleep_long, NULL);
}

static void deferred(void)
{
	say("-- deferred");
	for (unsigned i = 0; i < T_LENGTH(rows); i++) {
		place = cleaned = on_stack = 0;
		pthread_t t = start(run_row, (void *)&rows[i]);
		wait_parked(&place);
		pthread_cancel(t);
		void *ret = join(t);
		say("%s: cancelled %d, cleaned %d, on its stack %d", rows[i].what, ret == PTHREAD_CANCELED, cleaned, on_stack);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	MUST(write(pipes[1], "k", 1));
	R("what was not read", read(pipes[0], buf, 10));
	pthread_cancel(sleeper);
	say("sleeper: %d", join(sleeper) == PTHREAD_CANCELED);
	R("sem value", sem_trywait(&sem));
}

/* --- condition variables: the mutex is held again in the handler --- */

static void unlock(void *arg)
{
	cleaned = pthread_mutex_trylock(arg) == EBUSY;
	pthread_mutex_unlock(arg);
}

static void *cond_waiter(void *timed)
{
	struct timespec t = far(CLOCK_REALTIME);

	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlock, &mutex);
	t_here(&place);
	for (;;)
		if (timed)
			pthread_cond_timedwait(&cond, &mutex, &t);
		else
			pthread_cond_wait(&cond, &mutex);
	pthread_cleanup_pop(0);
	return NULL;
}

static void conds(void)
{
	say("-- cond");
	for (intptr_t timed = 0; timed < 2; timed++) {
		place = cleaned = 0;
		pthread_t t = start(cond_waiter, (void *)timed);
		wait_parked(&place);
		pthread_cancel(t);
		say("cancelled %d", join(t) == PTHREAD_CANCELED);
		say("mutex held in the handler %d", cleaned);
		P("trylock", pthread_mutex_trylock(&mutex));
		pthread_mutex_unlock(&mutex);
	}
}

/* --- held back --- */

static int go, state;

static void *held_back(void *arg)
{
	int old;

	(void)arg;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	say("was enabled %d", old == PTHREAD_CANCEL_ENABLE);
	t_here(&place);
	R("read, disabled", read(pipes[0], buf, 1));
	msleep(5);
	pthread_testcancel();
	say("still here");
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
	t_set(&state, 1);	/* and no cancellation point yet */
	(void)!read(pipes[0], buf, 1);
	say("not here");
	return NULL;
}

static void *busy(void *arg)
{
	(void)arg;
	t_here(&place);
	t_until(&go, 1);		/* sleeps: cancelled here unless disabled */
	return NULL;
}

static void *pending_then_read(void *arg)
{
	(void)arg;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	t_here(&place);
	t_until(&go, 1);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	long r = read(pipes[0], buf, 1);	/* data is there, yet it is cancelled first */
	say("not here %ld", r);
	return NULL;
}

static void *mutex_is_no_point(void *arg)
{
	(void)arg;
	t_here(&place);
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	say("locked and unlocked, cancellation pending");
	pthread_testcancel();
	say("not here");
	return NULL;
}

static void holding(void)
{
	pthread_t t;

	say("-- held back");
	place = state = 0;
	t = start(held_back, NULL);
	wait_parked(&place);
	pthread_cancel(t);
	msleep(10);
	MUST(write(pipes[1], "x", 1));
	t_until(&state, 1);
	say("held back while disabled, then cancelled %d", join(t) == PTHREAD_CANCELED);
	place = go = 0;
	t = start(busy, NULL);
	wait_parked(&place);
	pthread_cancel(t);
	say("cancelled %d", join(t) == PTHREAD_CANCELED);
	place = go = 0;
	t = start(pending_then_read, NULL);
	wait_parked(&place);
	pthread_cancel(t);
	MUST(write(pipes[1], "y", 1));
	t_set(&go, 1);
	say("cancelled %d", join(t) == PTHREAD_CANCELED);
	R("the byte is still there", read(pipes[0], buf, 10));
	pthread_mutex_lock(&mutex);
	place = 0;
	t = start(mutex_is_no_point, NULL);
	wait_parked(&place);
	pthread_cancel(t);
	msleep(5);
	pthread_mutex_unlock(&mutex);
	say("cancelled %d", join(t) == PTHREAD_CANCELED);
	P("setcancelstate 9", pthread_setcancelstate(9, NULL));
	P("setcanceltype 9", pthread_setcanceltype(9, NULL));
}

/* --- asynchronous --- */

static void *async_parked(void *arg)
{
	char here;
	int old;

	(void)arg;
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	pthread_cleanup_push(clean, &here);
	t_here(&place);
	pthread_mutex_lock(&mutex);	/* no cancellation point: only asynchronously can it be left */
	pthread_cleanup_pop(0);
	return NULL;
}

static void *async_busy(void *arg)
{
	volatile unsigned long n = 0;
	char here;

	(void)arg;
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	pthread_cleanup_push(clean, &here);
	t_here(&place);
	for (;;)
		if (++n % 1000 == 0)
			sched_yield();
	pthread_cleanup_pop(0);
	return NULL;
}

static void *async_self(void *arg)
{
	(void)arg;
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	pthread_cancel(pthread_self());
	say("not here");
	return NULL;
}

static void *deferred_self(void *arg)
{
	(void)arg;
	pthread_cancel(pthread_self());
	say("here still");
	pthread_testcancel();
	say("not here");
	return NULL;
}

static void asynchronous(void)
{
	pthread_t t;

	say("-- asynchronous");
	pthread_mutex_lock(&mutex);
	place = cleaned = on_stack = 0;
	t = start(async_parked, NULL);
	wait_parked(&place);
	pthread_cancel(t);
	say("parked: cancelled %d", join(t) == PTHREAD_CANCELED);
	say("cleaned %d, on its stack %d", cleaned, on_stack);
	pthread_mutex_unlock(&mutex);
	place = cleaned = on_stack = 0;
	t = start(async_busy, NULL);
	while (!t_get(&place))
		msleep(1);
	pthread_cancel(t);
	say("busy, yielding: cancelled %d", join(t) == PTHREAD_CANCELED);
	say("cleaned %d, on its stack %d", cleaned, on_stack);
	say("itself: cancelled %d", join(start(async_self, NULL)) == PTHREAD_CANCELED);
	say("itself, deferred: cancelled %d", join(start(deferred_self, NULL)) == PTHREAD_CANCELED);
}

/* --- handlers --- */

static pthread_key_t key;

static void number(void *arg)
{
	say("handler %ld", (long)(intptr_t)arg);
}

static void key_ends(void *arg)
{
	say("key destructor %ld", (long)(intptr_t)arg);
}

static void waiting_handler(void *arg)
{
	(void)arg;
	msleep(5);
	(void)!write(full[0] == -1 ? 1 : pipes[1], "h", 1);
	say("a handler may wait");
}

static void deeper(int n)
{
	pthread_cleanup_push(number, (void *)(intptr_t)n);
	if (n < 5) {
		deeper(n + 1);
	} else {
		t_here(&place);
		pause();
	}
	pthread_cleanup_pop(0);
}

static void *nested(void *arg)
{
	(void)arg;
	pthread_setspecific(key, (void *)99);
	pthread_cleanup_push(waiting_handler, NULL);
	deeper(1);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *exits(void *arg)
{
	pthread_cleanup_push(number, (void *)1);
	pthread_cleanup_push(number, (void *)2);
	pthread_cleanup_push(number, (void *)3);
	pthread_cleanup_pop(1);
	pthread_exit(arg);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *never_started(void *arg)
{
	t_set(arg, 1);
	pthread_testcancel();
	return NULL;
}

static void *sleeps(void *arg)
{
	(void)arg;
	sleep(50);
	return NULL;
}

static void handlers(void)
{
	pthread_t t, many[100];
	int n = 0, ran = 0;

	say("-- handlers");
	pthread_key_create(&key, key_ends);
	place = 0;
	t = start(nested, NULL);
	wait_parked(&place);
	pthread_cancel(t);
	say("cancelled %d", join(t) == PTHREAD_CANCELED);
	say("pthread_exit: %ld", (long)join(start(exits, (void *)44)));
	t = start(never_started, &ran);
	pthread_cancel(t);
	join(t);
	for (int i = 0; i < 100; i++)
		many[i] = start(sleeps, NULL);
	for (int i = 0; i < 100; i++)
		pthread_cancel(many[i]);
	for (int i = 0; i < 100; i++)
		n += join(many[i]) == PTHREAD_CANCELED;
	say("100 at once: %d", n);
	t = start(never_started, &ran);
	t_until(&ran, 1);
	msleep(5);
	P("cancel one that has ended", pthread_cancel(t));
	join(t);
}

int main(void)
{
	sigset_t usr2;

	t_begin();
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &usr2, NULL);
	signal(SIGPIPE, SIG_IGN);
	set_up();
	deferred();
	conds();
	holding();
	asynchronous();
	handlers();
	return 0;
}
