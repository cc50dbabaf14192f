/* libc_threads.c - threads that libc makes for itself: timers that call back, asynchronous I/O, look-ups in the background */
#include "t.h"
#include <aio.h>
#include <netdb.h>
#include <sys/socket.h>

static int ticks, value, other_thread, done;
static pthread_t main_thread;

static void on_tick(union sigval v)
{
	t_set(&value, v.sival_int);
	t_set(&other_thread, !pthread_equal(pthread_self(), main_thread));
	msleep(1);
	__atomic_add_fetch(&ticks, 1, __ATOMIC_SEQ_CST);
}

static void on_done(union sigval v)
{
	__atomic_add_fetch(&done, v.sival_int, __ATOMIC_SEQ_CST);
}

static volatile int signals;

static void on_signal(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	signals = signals + 1;
	value = si->si_value.sival_int;
}

/* Threads of ticks before the deletion may still be on their way. */
static int stop_in_time(void)
{
	for (int i = 0; i < 200; i++) {
		int n = t_get(&ticks);

		msleep(40);
		if (t_get(&ticks) == n)
			return 1;
	}
	return 0;
}

static void timers(void)
{
	struct sigevent se = { .sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 77, .sigev_notify_function = on_tick };
	struct itimerspec it = { .it_value = { 0, 2000000 }, .it_interval = { 0, 2000000 } };
	timer_t t, u;

	say("-- timers");
	main_thread = pthread_self();
	R("create", timer_create(CLOCK_MONOTONIC, &se, &t));
	R("settime", timer_settime(t, 0, &it, NULL));
	while (t_get(&ticks) < 5)
		msleep(1);
	say("it ticks, value %d, on another thread %d", t_get(&value), t_get(&other_thread));
	R("delete", timer_delete(t));
	YES("and no more", stop_in_time());
	t_set(&ticks, 0);
	it.it_interval.tv_nsec = 0;
	R("create", timer_create(CLOCK_REALTIME, &se, &t));
	R("create another", timer_create(CLOCK_REALTIME, &se, &u));
	timer_settime(t, 0, &it, NULL);
	timer_settime(u, 0, &it, NULL);
	t_until(&ticks, 2);
	timer_delete(t);
	timer_delete(u);
	R("bad clock", timer_create(77, &se, &t));
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	sigaction(SIGUSR1, &sa, NULL);
	se = (struct sigevent){ .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 5 };
	R("create, by signal", timer_create(CLOCK_MONOTONIC, &se, &t));
	it.it_value.tv_nsec = 200000000;	/* not before we sleep */
	timer_settime(t, 0, &it, NULL);
	R("nanosleep until it comes", nanosleep(&(struct timespec){ 30, 0 }, NULL));
	say("signals %d, value %d", signals, value);
	timer_delete(t);
}

static void asynchronous(void)
{
	char text[] = "written aside", back[32] = "", late[8] = "";
	int fd = MUST(open("aio.data", O_RDWR | O_CREAT | O_CLOEXEC, 0600)), p[2];
	struct aiocb w = { .aio_fildes = fd, .aio_buf = text, .aio_nbytes = sizeof(text) };
	struct aiocb r = { .aio_fildes = fd, .aio_buf = back, .aio_nbytes = sizeof(text) }, q, bad = { .aio_fildes = -1 };
	const struct aiocb *list[2] = { &w, NULL };

	say("-- aio");
	R("aio_write", aio_write(&w));
	while (aio_suspend(list, 1, NULL) == -1 && errno == EINTR)
		continue;
	say("error %d", aio_error(&w));
	R("return", aio_return(&w));
	R("aio_read", aio_read(&r));
	list[0] = &r;
	while (aio_suspend(list, 1, NULL) == -1 && errno == EINTR)
		continue;
	say("error %d, %s", aio_error(&r), back);
	R("return", aio_return(&r));
	R("aio_fsync", aio_fsync(O_SYNC, &w));
	while (aio_error(&w) == EINPROGRESS)
		msleep(1);
	say("error %d", aio_error(&w));

	must_pipe(p);
	q = (struct aiocb){ .aio_fildes = p[0], .aio_buf = late, .aio_nbytes = 7, .aio_sigevent = {
		.sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 100, .sigev_notify_function = on_done } };
	OK("read a pipe", aio_read(&q));
	list[0] = &q;
	R("suspend 20 ms", aio_suspend(list, 1, &(struct timespec){ 0, 20000000 }));
	say("in progress %d", aio_error(&q) == EINPROGRESS);
	MUST(write(p[1], "late", 4));
	t_until(&done, 100);
	say("told by a thread; error %d, returned %zd, %s", aio_error(&q), aio_return(&q), late);
	aio_read(&bad);
	while (aio_error(&bad) == EINPROGRESS)
		msleep(1);
	say("bad descriptor: %s", t_errname(aio_error(&bad)));
	R("return", aio_return(&bad));

	char parts[10][8];
	struct aiocb cb[10], *all[10];
	for (int i = 0; i < 10; i++) {
		snprintf(parts[i], 8, "part%d", i);
		cb[i] = (struct aiocb){ .aio_fildes = fd, .aio_buf = parts[i], .aio_nbytes = 8, .aio_offset = i * 8,
					.aio_lio_opcode = LIO_WRITE };
		all[i] = &cb[i];
	}
	R("lio_listio LIO_WAIT", lio_listio(LIO_WAIT, all, 10, NULL));
	int sum = 0;
	for (int i = 0; i < 10; i++)
		sum += aio_error(&cb[i]) == 0 ? aio_return(&cb[i]) : 0;
	say("written %d", sum);
	memset(parts, 0, sizeof(parts));
	struct sigevent se = { .sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 1000, .sigev_notify_function = on_done };
	for (int i = 0; i < 10; i++)
		cb[i].aio_lio_opcode = LIO_READ;
	R("lio_listio LIO_NOWAIT", lio_listio(LIO_NOWAIT, all, 10, &se));
	t_until(&done, 1100);
	say("read %s %s", parts[0], parts[9]);
	close(fd);
	close2(p);
	unlink("aio.data");
}

static const char *numeric(struct addrinfo *ai)
{
	static char host[64];

	if (!ai || getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof(host), NULL, 0, NI_NUMERICHOST))
		return "none";
	return host;
}

static void look_ups(void)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	struct gaicb g[3] = {
		{ .ar_name = "127.0.0.1", .ar_request = &hints },
		{ .ar_name = "::1", .ar_request = &hints },
		{ .ar_name = "not-numeric", .ar_request = &hints },
	};
	struct gaicb *list[3] = { &g[0], &g[1], &g[2] };

	say("-- getaddrinfo_a");
	say("GAI_WAIT: %d", getaddrinfo_a(GAI_WAIT, list, 3, NULL));
	for (int i = 0; i < 3; i++) {
		int e = gai_error(&g[i]);

		say("%s: %d %s", g[i].ar_name, e, e ? gai_strerror(e) : numeric(g[i].ar_result));
		if (e == 0)
			freeaddrinfo(g[i].ar_result);
	}
	struct sigevent se = { .sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 1, .sigev_notify_function = on_done };
	t_set(&done, 0);
	say("GAI_NOWAIT: %d", getaddrinfo_a(GAI_NOWAIT, list, 2, &se));
	t_until(&done, 1);
	say("%s", numeric(g[0].ar_result));
	const struct gaicb *first[1] = { &g[0] };
	int r = gai_suspend(first, 1, &(struct timespec){ 1, 0 });
	say("suspend, all done: %d", r == EAI_ALLDONE);
	for (int i = 0; i < 2; i++)
		if (gai_error(&g[i]) == 0)
			freeaddrinfo(g[i].ar_result);
}

int main(void)
{
	t_begin();
	timers();
	asynchronous();
	look_ups();
	return 0;
}
