/* fair.c - a thread whose calls never have to wait does not keep the others from running */
#include "t.h"
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static int stop, pipes[2], pair[2], event, ep;
static sem_t sem;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char c;

static void use_pipe(void) { MUST(write(pipes[1], "x", 1)); MUST(read(pipes[0], &c, 1)); }
static void use_socket(void) { MUST(send(pair[0], "x", 1, 0)); MUST(recv(pair[1], &c, 1, 0)); }
static void use_yield(void) { sched_yield(); }
static void use_sem(void) { sem_post(&sem); sem_wait(&sem); sched_yield(); }
static void use_event(void) { uint64_t v = 1; MUST(write(event, &v, 8)); MUST(read(event, &v, 8)); }
static void use_poll(void) { MUST(poll(&(struct pollfd){ pipes[1], POLLOUT, 0 }, 1, -1)); }
static void use_poll_0(void) { MUST(poll(NULL, 0, 0)); }
static void use_epoll(void) { struct epoll_event e; MUST(epoll_wait(ep, &e, 1, -1)); }
static void use_epoll_0(void) { struct epoll_event e; MUST(epoll_wait(ep, &e, 1, 0)); }
static void use_sleep_0(void) { nanosleep(&(struct timespec){ 0, 0 }, NULL); }
static void use_nonblocking(void) { (void)!recv(pair[1], &c, 1, MSG_DONTWAIT); }
static void use_spin(void) { if (pthread_mutex_trylock(&mutex) == 0) pthread_mutex_unlock(&mutex); sched_yield(); }
static void use_null(void) { static int fd = -1; if (fd == -1) fd = MUST(open("/dev/null", O_WRONLY)); MUST(write(fd, "x", 1)); }
static void *nothing(void *arg) { return arg; }
static void use_threads(void) { join(start(nothing, NULL)); }

static void (*use)(void);
static int turns;

static void *hog(void *arg)
{
	(void)arg;
	while (!t_get(&stop)) {
		use();
		__atomic_add_fetch(&turns, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void *set_flag(void *arg)
{
	(void)arg;
	t_set(&stop, 1);
	return NULL;
}

static void *sleep_and_set(void *arg)
{
	(void)arg;
	msleep(5);
	t_set(&stop, 1);
	return NULL;
}

static void *read_and_set(void *fd)
{
	char b;

	(void)!read(*(int *)fd, &b, 1);
	t_set(&stop, 1);
	return NULL;
}

static const struct row {
	const char *what;
	void (*use)(void);
} rows[] = {
	{ "a pipe", use_pipe }, { "a socket", use_socket }, { "sched_yield", use_yield }, { "a semaphore", use_sem },
	{ "an eventfd", use_event }, { "poll, ready", use_poll }, { "poll 0", use_poll_0 }, { "epoll_wait, ready", use_epoll },
	{ "epoll_wait 0", use_epoll_0 }, { "nanosleep 0", use_sleep_0 }, { "recv, nothing there", use_nonblocking },
	{ "trylock and yield", use_spin }, { "/dev/null", use_null }, { "create and join", use_threads },
};

static void run(const struct row *r, const char *who, void *(*stopper)(void *))
{
	int wake[2];

	must_pipe(wake);
	stop = 0;
	use = r->use;
	pthread_t a = start(hog, NULL), b = start(stopper, &wake[0]);
	if (stopper == read_and_set) {
		msleep(2);
		MUST(write(wake[1], "x", 1));
	}
	join(a);
	join(b);
	say("%s: %s stopped it", r->what, who);
	close2(wake);
}

/* two of them share, roughly */
static int shares[2];

static void *share(void *arg)
{
	int me = (int)(intptr_t)arg;

	while (!t_get(&stop)) {
		sched_yield();
		__atomic_add_fetch(&shares[me], 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

int main(void)
{
	uint64_t one = 1;

	t_begin();
	must_pipe(pipes);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	event = MUST(eventfd(0, EFD_CLOEXEC));
	ep = MUST(epoll_create1(EPOLL_CLOEXEC));
	int ready = MUST(eventfd(0, EFD_CLOEXEC));
	MUST(write(ready, &one, 8));
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, ready, &(struct epoll_event){ .events = EPOLLIN }));
	sem_init(&sem, 0, 0);
	for (unsigned i = 0; i < T_LENGTH(rows); i++) {
		run(&rows[i], "another thread", set_flag);
		run(&rows[i], "one that slept", sleep_and_set);
		run(&rows[i], "one that read", read_and_set);
	}
	stop = 0;
	pthread_t a = start(share, (void *)0), b = start(share, (void *)1);
	while (t_get(&shares[0]) < 1000 || t_get(&shares[1]) < 1000)
		msleep(1);
	t_set(&stop, 1);
	join(a);
	join(b);
	say("two that yield both get on");
	return 0;
}
