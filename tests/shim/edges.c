/*
 * edges.c - what a stream still has for its reader when nothing new comes any more
 *
 * After a receive that came short the next one has nothing to find, mostly, and a server that knows it waits at once.  Here are the cases in
 * which there is something all the same: the end that came with the last bytes, urgent data, memory that could not be written to or read,
 * somebody else who looked, or who reads too.  All with TCP, whose connections a thread reads with a buffer on its stack.
 */
#include "t.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

static void tcp_pair(int c[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int l = (int)MUST(socket(AF_INET, SOCK_STREAM, 0)), on = 1;

	MUST(bind(l, (struct sockaddr *)&at, len));
	MUST(listen(l, 1));
	MUST(getsockname(l, (struct sockaddr *)&at, &len));
	c[1] = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
	MUST(connect(c[1], (struct sockaddr *)&at, len));
	c[0] = (int)MUST(accept(l, NULL, NULL));
	MUST(setsockopt(c[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	close(l);
}

/* A thread that reads until there is no more, and keeps each answer */
struct reader {
	int fd, parked, n;
	ssize_t got[16];
	char first[16];
};

static void *reads(void *arg)
{
	struct reader *r = arg;
	char buf[4096];

	t_here(&r->parked);
	while (r->n < (int)T_LENGTH(r->got)) {
		ssize_t n = read(r->fd, buf, sizeof(buf));

		r->first[r->n] = n > 0 ? buf[0] : '-';
		r->got[r->n++] = n;
		if (n <= 0)
			break;
	}
	return NULL;
}

static void put(int fd, const void *what, size_t n)
{
	if (send(fd, what, n, 0) != (ssize_t)n)
		fail("send");
}

/* The reader has read what was there, and waits again. */
static void one_round(struct reader *r, int fd, int n)
{
	wait_parked(&r->parked);
	put(fd, "1", 1);
	while (__atomic_load_n(&r->n, __ATOMIC_ACQUIRE) < n)
		msleep(1);
	wait_parked(&r->parked);
}

static ssize_t bytes(const struct reader *r)
{
	ssize_t sum = 0;

	for (int i = 0; i < r->n; i++)
		sum += r->got[i] > 0 ? r->got[i] : 0;
	return sum;
}

static void the_end_with_the_last_bytes(void)
{
	struct reader r = { 0 };
	pthread_t t;
	int c[2];

	tcp_pair(c);
	r.fd = c[0];
	t = start(reads, &r);
	one_round(&r, c[1], 1);
	put(c[1], "abc", 3);
	close(c[1]);
	join(t);
	say("the end: %zd bytes, then %zd", bytes(&r), r.got[r.n - 1]);
	close(c[0]);
}

static void urgent(void)
{
	struct reader r = { 0 };
	pthread_t t;
	int c[2];

	tcp_pair(c);
	r.fd = c[0];
	t = start(reads, &r);
	one_round(&r, c[1], 1);
	put(c[1], "ab", 2);
	if (send(c[1], "X", 1, MSG_OOB) != 1)
		fail("MSG_OOB");
	put(c[1], "cd", 2);
	while (__atomic_load_n(&r.n, __ATOMIC_ACQUIRE) < 2 || bytes(&r) < 5)
		msleep(1);
	one_round(&r, c[1], r.n + 1);
	shutdown(c[1], SHUT_WR);
	join(t);
	say("around urgent data: %zd bytes, then %zd", bytes(&r), r.got[r.n - 1]);
	close(c[0]);
	close(c[1]);
}

/* --- urgent data that is read before anybody was told of it: what follows it is to be found all the same ------------------------ */

enum way { ITSELF, AT_ONCE, MESSAGE, MESSAGES, DUPLICATE, PASSED_ON, CHILD, HANDLER, HANDLER_TOO, WAYS };

static const char *const ways[WAYS] = { "itself", "at once", "as a message", "as messages", "by a duplicate", "where it was passed on", "by a child",
	"by a handler", "by a handler asked for by ioctl" };
static int urgent_fd;

static ssize_t take(int fd, enum way way)
{
	char x;
	struct iovec iov = { &x, 1 };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	switch (way) {
	case AT_ONCE:
		return recv(fd, &x, 1, MSG_OOB | MSG_DONTWAIT);
	case MESSAGE:
		return recvmsg(fd, &m.msg_hdr, MSG_OOB);
	case MESSAGES:
		return recvmmsg(fd, &m, 1, MSG_OOB, NULL);
	default:
		return recv(fd, &x, 1, MSG_OOB);
	}
}

static void on_urgent(int sig)
{
	int was = errno;

	(void)sig;
	take(urgent_fd, ITSELF);
	errno = was;
}

static int pass_on(int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	char x = 'x';
	struct iovec iov = { &x, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	int pair[2], got;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	MUST(sendmsg(pair[0], &m, 0));
	MUST(recvmsg(pair[1], &m, 0));
	memcpy(&got, CMSG_DATA(&control.head), sizeof(got));
	close(pair[0]);
	close(pair[1]);
	return got;
}

static int second_of(int fd, enum way way)
{
	return way == DUPLICATE ? (int)MUST(dup(fd)) : way == PASSED_ON ? pass_on(fd) : fd;
}

static void ask_for_signals(int fd, enum way way)
{
	struct sigaction sa = { .sa_handler = on_urgent, .sa_flags = SA_RESTART };
	int pid = getpid();

	urgent_fd = fd;
	sigaction(SIGURG, &sa, NULL);
	if (way == HANDLER)
		MUST(fcntl(fd, F_SETOWN, pid));
	else
		MUST(ioctl(fd, FIOSETOWN, &pid));
}

/* In a child, whose tries are over when somebody else has read past the urgent byte. */
static pid_t child_takes(int fd, int *took)
{
	pid_t child = fork();

	if (child == 0) {
		while (take(fd, CHILD) != 1 && !t_get(took))
			;
		__atomic_store_n(took, 1, __ATOMIC_RELEASE);
		_exit(0);
	}
	return child;
}

static void send_around_urgent(int fd)
{
	put(fd, "ab", 2);
	if (send(fd, "X", 1, MSG_OOB) != 1)
		fail("MSG_OOB");
	put(fd, "cd", 2);
}

static void urgent_taken(enum way way)
{
	int *took = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), c[2], second;
	struct reader r = { 0 };
	pid_t child = 0;
	pthread_t t;

	tcp_pair(c);
	if (way >= HANDLER)
		ask_for_signals(c[0], way);
	r.fd = c[0];
	t = start(reads, &r);
	one_round(&r, c[1], 1);
	second = second_of(c[0], way);
	if (way == CHILD)
		child = child_takes(c[0], took);
	send_around_urgent(c[1]);
	while (way < HANDLER && bytes(&r) < 5 && !(way == CHILD ? t_get(took) : take(second, way) == 1))
		;
	while (__atomic_load_n(&r.n, __ATOMIC_ACQUIRE) < 2 || bytes(&r) < 5)
		msleep(1);
	__atomic_store_n(took, 1, __ATOMIC_RELEASE);
	if (child)
		waitpid(child, NULL, 0);
	shutdown(c[1], SHUT_WR);
	join(t);
	say("urgent data taken %s: %zd bytes, then %zd", ways[way], bytes(&r), r.got[r.n - 1]);
	if (second != c[0])
		close(second);
	close(c[0]);
	close(c[1]);
	munmap(took, 4096);
}

/* Two segments, of which only the first has room: the rest is for the next receive.  What is acknowledged late the kernel keeps apart. */
static void *reads_badly(void *arg)
{
	struct reader *r = arg;
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), good[4096];
	ssize_t n;

	if (page == MAP_FAILED || mprotect(page + 4096, 4096, PROT_READ) == -1)
		fail("mprotect");
	t_here(&r->parked);
	n = recv(r->fd, good, sizeof(good), 0);
	while (bytes(r) < 64 + 4000) {
		n = recv(r->fd, page + 4096 - 64, 64 + 4096, 0);
		if (n > 0 && r->n < 15)
			r->got[r->n++] = n;
		n = recv(r->fd, good, sizeof(good), 0);
		if (n > 0 && r->n < 15)
			r->got[r->n++] = n;
		if (n <= 0)
			break;
	}
	munmap(page, 8192);
	return NULL;
}

static void bad_memory(void)
{
	static const char zeros[4096];
	struct reader r = { 0 };
	pthread_t t;
	int c[2], off = 0;

	tcp_pair(c);
	r.fd = c[0];
	t = start(reads_badly, &r);
	wait_parked(&r.parked);
	put(c[1], "1", 1);
	wait_parked(&r.parked);
	MUST(setsockopt(c[0], IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off)));
	put(c[1], zeros, 64);
	put(c[1], zeros, 4000);
	join(t);
	say("with memory that cannot be written to: %zd bytes", bytes(&r));
	close(c[0]);
	close(c[1]);
}

static void *reads_one(void *arg)
{
	struct reader *r = arg;
	char c;

	t_here(&r->parked);
	r->got[0] = recv(r->fd, &c, 1, 0);
	return NULL;
}

static void two_readers(void)
{
	struct reader r[2] = { { 0 }, { 0 } };
	pthread_t t[2];
	int c[2];

	tcp_pair(c);
	for (int i = 0; i < 2; i++) {
		r[i].fd = c[0];
		t[i] = start(reads_one, &r[i]);
		wait_parked(&r[i].parked);
	}
	put(c[1], "xy", 2);
	join(t[0]);
	join(t[1]);
	say("two readers: %zd and %zd", r[0].got[0], r[1].got[0]);
	close(c[0]);
	close(c[1]);
}

static void *polls(void *arg)
{
	struct reader *r = arg;
	struct pollfd p = { .fd = r->fd, .events = POLLIN };

	t_here(&r->parked);
	r->got[0] = poll(&p, 1, -1);
	return NULL;
}

/* Who polls is told; who reads afterwards must find it, too. */
static void *looks_then_reads(void *arg)
{
	struct reader *r = arg;
	struct reader look = { .fd = r->fd };
	char buf[4096];
	pthread_t t;

	t_here(&r->parked);
	for (int i = 0; i < 3; i++) {
		r->got[i] = read(r->fd, buf, sizeof(buf));
		look.parked = 0;
		t = start(polls, &look);
		wait_parked(&look.parked);
		put(*(int *)&r->first[8], "2", 1);
		join(t);
	}
	r->got[3] = read(r->fd, buf, sizeof(buf));
	return NULL;
}

static void another_looks(void)
{
	struct reader r = { 0 };
	pthread_t t;
	int c[2];

	tcp_pair(c);
	r.fd = c[0];
	memcpy(&r.first[8], &c[1], sizeof(int));
	t = start(looks_then_reads, &r);
	wait_parked(&r.parked);
	put(c[1], "1", 1);
	join(t);
	say("another looks: %zd %zd %zd %zd", r.got[0], r.got[1], r.got[2], r.got[3]);
	close(c[0]);
	close(c[1]);
}

#define MUCH	(4 << 20)

static void *sends_much(void *arg)
{
	char *much = calloc(1, MUCH);
	struct iovec iov = { much, MUCH };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fd = *(int *)arg;

	for (int i = 0; i < 2; i++) {
		if (send(fd, much, MUCH, 0) != MUCH || sendmsg(fd, &m, 0) != MUCH)
			fail("send");
	}
	shutdown(fd, SHUT_WR);
	free(much);
	return NULL;
}

/* How much comes until the end from a thread that writes to the other side */
static long all_from(void *(*writes)(void *))
{
	static char buf[65536];
	long sum = 0;
	ssize_t n;
	pthread_t t;
	int c[2];

	tcp_pair(c);
	t = start(writes, &c[1]);
	while ((n = recv(c[0], buf, sizeof(buf), 0)) > 0)
		sum += n;
	join(t);
	close(c[0]);
	close(c[1]);
	return n < 0 ? n : sum;
}

/* Room comes again and again while one send waits for it. */
static void room_again(void)
{
	say("sent at large: %ld of %d", all_from(sends_much), 4 * MUCH);
}

/* A write that is made in part because the rest of it cannot be read has no room to wait for. */
static void *writes_badly(void *arg)
{
	size_t size = 1 << 20;
	char *page = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *much = calloc(1, MUCH);
	struct iovec fill = { much, MUCH }, bad[2] = { { page, size }, { page + size, 4096 } };
	int fd = *(int *)arg;

	if (page == MAP_FAILED || mprotect(page + size, 4096, PROT_NONE) == -1)
		fail("mprotect");
	for (int i = 0; i < 10; i++) {
		struct msghdr m = { .msg_iov = bad, .msg_iovlen = 2 };
		ssize_t n = writev(fd, &fill, 1), k = i % 2 ? writev(fd, bad, 2) : sendmsg(fd, &m, 0);

		if (n != MUCH || k <= 0 || k > (ssize_t)size)
			say("%zd written, then %zd", n, k);
	}
	shutdown(fd, SHUT_WR);
	munmap(page, size + 4096);
	free(much);
	return NULL;
}

static void written_in_part(void)
{
	say("written in part: %s", all_from(writes_badly) > 0 ? "until the end" : "no end");
}

int main(void)
{
	alarm(T_MAX_SECONDS);
	the_end_with_the_last_bytes();
	urgent();
	for (int way = 0; way < WAYS; way++)
		urgent_taken((enum way)way);
	bad_memory();
	two_readers();
	another_looks();
	room_again();
	written_in_part();
	return 0;
}
