/*
 * aio.c - the kernel's asynchronous I/O by its own calls
 */
#include "t.h"
#include <linux/aio_abi.h>
#include <sys/eventfd.h>

static aio_context_t ctx;
static int parked;

static long submit(struct iocb *cb)
{
	return syscall(SYS_io_submit, ctx, 1, &cb);
}

static long get(long min, long max, struct io_event *ev, struct timespec *timeout)
{
	return syscall(SYS_io_getevents, ctx, min, max, ev, timeout);
}

static long pget(long min, struct io_event *ev, struct timespec *timeout, const void *mask)
{
	return syscall(SYS_io_pgetevents, ctx, min, 1L, ev, timeout, mask);
}

static void transfers(int fd)
{
	char buf[16] = "asynchronous";
	struct iocb cb = { .aio_fildes = (unsigned)fd, .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_buf = (uintptr_t)buf, .aio_nbytes = 12,
			   .aio_data = 7 };
	struct io_event ev[2];

	say("--- transfers");
	R("write", submit(&cb));
	R("its event", get(1, 2, ev, NULL));
	say("data %llu, result %lld", (unsigned long long)ev[0].data, (long long)ev[0].res);
	memset(buf, 0, sizeof(buf));
	cb.aio_lio_opcode = IOCB_CMD_PREAD;
	cb.aio_nbytes = sizeof(buf);
	R("read", submit(&cb));
	R("its event", pget(1, ev, NULL, NULL));
	say("result %lld, %s", (long long)ev[0].res, buf);
	cb.aio_fildes = 9999;
	R("not open", submit(&cb));
	R("no event", get(0, 2, ev, NULL));
}

static void *writes(void *arg)
{
	wait_parked(&parked);
	MUST(write(*(int *)arg, "xyz", 3));
	return NULL;
}

/* A request for a pipe's readiness is really asynchronous. */
static void waits(void)
{
	struct timespec moment = { 0, 20000000 };
	struct io_event ev;
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_POLL, .aio_buf = POLLIN };
	pthread_t t;
	int p[2];

	say("--- waits");
	must_pipe(p);
	cb.aio_fildes = (unsigned)p[0];
	if (submit(&cb) != 1)
		fail("IOCB_CMD_POLL");
	R("not yet", get(1, 1, &ev, &moment));
	R("not yet", pget(1, &ev, &moment, NULL));
	t = start(writes, &p[1]);
	t_here(&parked);
	R("another thread wrote", get(1, 1, &ev, NULL));
	say("events %lld", (long long)ev.res & POLLIN);
	join(t);
	close2(p);
}

static void on_alarm(int sig)
{
	say("signal %d", sig);
}

static void masks(void)
{
	struct timespec long_time = { 50, 0 };
	uint64_t none = 0;
	struct {
		const uint64_t *set;
		size_t size;
	} arg = { &none, sizeof(none) };
	struct sigaction sa = { .sa_handler = on_alarm };
	struct io_event ev;
	sigset_t usr;

	say("--- masks");
	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&usr);
	sigaddset(&usr, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr, NULL);
	pthread_kill(pthread_self(), SIGUSR1);
	R("pending, let through", pget(1, &ev, &long_time, &arg));
	arg.size = 3;
	R("a mask of 3 bytes", pget(1, &ev, &long_time, &arg));
	R("bad pointer", pget(1, &ev, &long_time, T_BAD));
	pthread_sigmask(SIG_UNBLOCK, &usr, NULL);
}

static void errors(void)
{
	aio_context_t bad = 0, old = ctx;
	struct io_event ev;

	say("--- errors");
	R("setup: bad pointer", syscall(SYS_io_setup, 1, NULL));
	R("setup: none", syscall(SYS_io_setup, 0, &bad));
	R("destroy", syscall(SYS_io_destroy, ctx));
	R("destroy again", syscall(SYS_io_destroy, ctx));
	R("submit", syscall(SYS_io_submit, old, 0L, NULL));
	R("getevents", get(1, 1, &ev, NULL));
	R("pgetevents", pget(1, &ev, NULL, NULL));
}

int main(void)
{
	int fd = open("aio.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	t_begin();
	if (syscall(SYS_io_setup, 8, &ctx) == -1) {
		printf("io_setup: %s\n", strerror(errno));
		return 77;
	}
	transfers(fd);
	waits();
	masks();
	errors();
	unlink("aio.tmp");
	return 0;
}
