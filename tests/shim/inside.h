/*
 * inside.h - one thread waits in the middle of a libc function, and the others must go on meanwhile
 *
 * What is proved is an order: the call has begun, another thread has been made, has done its work and has ended, and the call
 * has not; only then is it let go, by the same process.  A function that holds the kernel thread would never be let go.
 */
#ifndef INSIDE_H
#define INSIDE_H

#include "t.h"
#include <dirent.h>

#define GREEN_TID	0x20000000	/* no kernel has such a thread */

static struct {
	int place, done, steps;
	long (*call)(void);
	long ret;
	int err;
} inside_;

/* Under grove one kernel thread runs them all, besides those that make calls for it: nobody else may have been made. */
T_UNUSED static void one_kernel_thread(const char *what)
{
	DIR *d = t_get(&inside_.place) >= GREEN_TID ? opendir("/proc/self/task") : NULL;
	char path[320], name[32];
	struct dirent *e;
	int n = 0;

	if (!d)
		return;
	while ((e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		int fd = e->d_name[0] == '.' ? -1 : open(path, O_RDONLY | O_CLOEXEC);
		ssize_t len = fd == -1 ? 0 : read(fd, name, sizeof(name));
		if (fd != -1)
			close(fd);
		n += len > 0 && strncmp(name, "grove-", 6) != 0 && strncmp(name, "iou-", 4) != 0;
	}
	closedir(d);
	if (n != 1)
		say("%s: %d kernel threads", what, n);
}

T_UNUSED static void *inside_call(void *arg)
{
	(void)arg;
	t_here(&inside_.place);
	errno = T_ERRNO;
	inside_.ret = inside_.call();
	inside_.err = errno;
	t_set(&inside_.done, 1);
	return NULL;
}

T_UNUSED static void *inside_other(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++) {
		sched_yield();
		__atomic_add_fetch(&inside_.steps, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* @call runs in a thread and must wait until @let_go is called by this one.  Says so, and returns what it returned; errno too. */
T_UNUSED static long inside(const char *what, long (*call)(void), void (*let_go)(void))
{
	inside_.place = inside_.done = inside_.steps = 0;
	inside_.call = call;
	pthread_t t = start(inside_call, NULL);
	wait_parked(&inside_.place);
	join(start(inside_other, NULL));
	one_kernel_thread(what);
	say("%s: waits %d, another made %d steps", what, !t_get(&inside_.done), t_get(&inside_.steps));
	let_go();
	join(t);
	errno = inside_.err;
	return inside_.ret;
}

/* A pipe, socket or FIFO that takes no more; one with little room.  @fd is its writing end. */
T_UNUSED static void fill(int fd)
{
	char some[512];
	int flags = fcntl(fd, F_GETFL);

	memset(some, '.', sizeof(some));
	MUST(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
	for (size_t n = sizeof(some); n > 0; n /= 2)
		while (write(fd, some, n) > 0)
			continue;
	MUST(fcntl(fd, F_SETFL, flags));
}

T_UNUSED static void full_pipe(int p[2])
{
	must_pipe(p);
	MUST(fcntl(p[1], F_SETPIPE_SZ, 4096));
	fill(p[1]);
}

#endif
