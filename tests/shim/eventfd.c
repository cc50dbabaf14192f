/* eventfd.c - reading descriptors that count, tick, carry signals and watch files */
#include "t.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static int place, fd;
static uint64_t value;

static long get(int from)
{
	return read(from, &value, 8) == 8 ? (long)value : -1;
}

static long put(int to, uint64_t v)
{
	return write(to, &v, 8);
}

static void *getter(void *arg)
{
	(void)arg;
	t_here(&place);
	R("parked read", get(fd));
	return NULL;
}

static void *putter(void *arg)
{
	(void)arg;
	t_here(&place);
	R("parked write", put(fd, 10));
	return NULL;
}

static int semaphore, taken;

static void *taker(void *arg)
{
	(void)arg;
	uint64_t v;

	while (read(semaphore, &v, 8) == 8 && __atomic_add_fetch(&taken, (int)v, __ATOMIC_SEQ_CST) < 100)
		continue;
	put(semaphore, 1);	/* the others must leave, too */
	return NULL;
}

static void counters(void)
{
	char small[4];
	pthread_t t[5];

	say("-- eventfd");
	fd = MUST(eventfd(3, EFD_CLOEXEC));
	R("read", get(fd));
	R("write 5", put(fd, 5));
	R("write 6", put(fd, 6));
	R("read", get(fd));
	R("read 4 bytes", read(fd, small, 4));
	R("write 4 bytes", write(fd, small, 4));
	R("write the impossible", put(fd, UINT64_MAX));
	R("write 0", put(fd, 0));
	place = 0;
	pthread_t r = start(getter, NULL);
	wait_parked(&place);
	MUST(put(fd, 9));
	join(r);
	R("write the most", put(fd, UINT64_MAX - 1));
	place = 0;
	r = start(putter, NULL);
	wait_parked(&place);
	MUST(read(fd, &value, 8));
	join(r);
	R("read", get(fd));
	close(fd);
	fd = MUST(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	R("O_NONBLOCK read", get(fd));
	MUST(put(fd, UINT64_MAX - 1));
	R("O_NONBLOCK write", put(fd, 1));
	close(fd);
	semaphore = MUST(eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC));
	for (int i = 0; i < 5; i++)
		t[i] = start(taker, NULL);
	for (int i = 0; i < 20; i++) {
		MUST(put(semaphore, 5));
		if (i % 5 == 0)
			msleep(1);
	}
	for (int i = 0; i < 5; i++)
		join(t[i]);
	YES("five took all one by one", taken >= 100);
	close(semaphore);
}

static void timers(void)
{
	struct itimerspec it = { .it_value = { 0, 10000000 } };

	say("-- timerfd");
	fd = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
	R("set", timerfd_settime(fd, 0, &it, NULL));
	long long before = now_ns();
	R("read", get(fd));
	YES("at least", now_ns() - before >= 9000000);
	it.it_interval.tv_nsec = 5000000;
	R("set, periodic", timerfd_settime(fd, 0, &it, NULL));
	long n = 0;
	while (n < 5)
		n += get(fd);
	YES("ticks", n >= 5);
	R("gettime", timerfd_gettime(fd, &it));
	say("interval %ld", it.it_interval.tv_nsec);
	msleep(20);
	YES("ticks missed are counted", get(fd) >= 2);
	it = (struct itimerspec){ 0 };
	R("disarm", timerfd_settime(fd, 0, &it, NULL));
	R("poll", poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 20));
	it.it_value = in(CLOCK_MONOTONIC, 10);
	R("absolute", timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, NULL));
	R("read", get(fd));
	it.it_value = in(CLOCK_MONOTONIC, -10);
	R("absolute, past", timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, NULL));
	R("read", get(fd));
	char small[4];
	R("read 4 bytes", read(fd, small, 4));
	R("write", put(fd, 1));
	place = 0;
	pthread_t t = start(getter, NULL);
	wait_parked(&place);
	it = (struct itimerspec){ .it_value = { 0, 5000000 } };
	MUST(timerfd_settime(fd, 0, &it, NULL));	/* armed while another waits */
	join(t);
	close(fd);
	fd = MUST(timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
	R("O_NONBLOCK", get(fd));
	close(fd);
	R("bad clock", timerfd_create(77, 0));
}

static struct signalfd_siginfo info[2];

static void *signal_reader(void *arg)
{
	(void)arg;
	t_here(&place);
	R("parked signalfd", read(fd, &info[0], sizeof(info[0])));
	say("USR1 %d, from us %d", info[0].ssi_signo == SIGUSR1, info[0].ssi_pid == (uint32_t)getpid());
	return NULL;
}

static void signals(void)
{
	sigset_t s;

	say("-- signalfd");
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigaddset(&s, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	fd = MUST(signalfd(-1, &s, SFD_CLOEXEC));
	place = 0;
	pthread_t t = start(signal_reader, NULL);
	wait_parked(&place);
	kill(getpid(), SIGUSR1);
	join(t);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	R("two at once", read(fd, info, sizeof(info)));
	R("too small", read(fd, info, 10));
	R("poll", poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 5));
	close(fd);
	fd = MUST(signalfd(-1, &s, SFD_CLOEXEC | SFD_NONBLOCK));
	R("O_NONBLOCK", read(fd, info, sizeof(info)));
	close(fd);
}

static union {
	char bytes[4096];
	struct inotify_event first;
} events;

static void *file_watcher(void *arg)
{
	(void)arg;
	t_here(&place);
	YES("parked inotify", read(fd, &events, sizeof(events)) > 0);
	say("%s, created %d", events.first.name, !!(events.first.mask & IN_CREATE));
	return NULL;
}

static void watching(void)
{
	say("-- inotify");
	fd = MUST(inotify_init1(IN_CLOEXEC));
	MUST(inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE));
	place = 0;
	pthread_t t = start(file_watcher, NULL);
	wait_parked(&place);
	close(MUST(open("watched", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)));
	join(t);
	MUST(unlink("watched"));
	R("too small", read(fd, &events, 4));
	YES("deleted", read(fd, &events, sizeof(events)) > 0 && events.first.mask & IN_DELETE);
	close(fd);
	fd = MUST(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
	R("O_NONBLOCK", read(fd, &events, sizeof(events)));
	close(fd);
}

int main(void)
{
	t_begin();
	counters();
	timers();
	signals();
	watching();
	return 0;
}
