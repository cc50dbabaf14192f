/*
 * waits.c - every call that can wait does: one thread is in the call, another sees that it waits, and ends the wait
 */
#include "t.h"
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int a[2], b[2];			/* two pipes, or a pair of sockets */
static int listener, epfd, id;
static struct sockaddr_in address;
static int parked;
static char buf[1 << 16];

static struct iovec one(size_t n)
{
	return (struct iovec){ buf, n };
}

/* --- before: what makes the call wait ------------------------------------------------------------------------------------ */

static void pipes(void)
{
	must_pipe(a);
	must_pipe(b);
}

static void fill(int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (write(fd, buf, sizeof(buf)) > 0)
		continue;
	while (write(fd, buf, 1) > 0)
		continue;
	fcntl(fd, F_SETFL, 0);
}

static void full_pipe(void)
{
	pipes();
	fill(a[1]);
}

static void sockets(void)
{
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a));
}

static void full_socket(void)
{
	sockets();
	fill(a[1]);
}

static void listens(void)
{
	socklen_t len = sizeof(address);

	address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	listener = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(bind(listener, (struct sockaddr *)&address, len));
	MUST(listen(listener, 5));
	MUST(getsockname(listener, (struct sockaddr *)&address, &len));
}

static void an_epoll(void)
{
	struct epoll_event e = { .events = EPOLLIN };

	pipes();
	epfd = (int)MUST(epoll_create1(EPOLL_CLOEXEC));
	MUST(epoll_ctl(epfd, EPOLL_CTL_ADD, a[0], &e));
}

static void a_queue(void)
{
	id = (int)MUST(msgget(IPC_PRIVATE, 0600));
}

static void a_semaphore(void)
{
	id = (int)MUST(semget(IPC_PRIVATE, 1, 0600));
}

/* --- the calls ----------------------------------------------------------------------------------------------------------- */

static long c_read(void) { return read(a[0], buf, 9); }
static long c_readv(void) { struct iovec v = one(9); return readv(a[0], &v, 1); }
static long c_preadv2(void) { struct iovec v = one(9); return preadv2(a[0], &v, 1, -1, 0); }
static long c_write(void) { return write(a[1], buf, 9); }
static long c_writev(void) { struct iovec v = one(9); return writev(a[1], &v, 1); }
static long c_pwritev2(void) { struct iovec v = one(9); return pwritev2(a[1], &v, 1, -1, 0); }
static long c_recvfrom(void) { return recv(a[0], buf, 9, 0); }
static long c_sendto(void) { return send(a[1], buf, 9, 0); }
static long c_accept(void) { return accept(listener, NULL, NULL) >= 0 ? 0 : -1; }
static long c_accept4(void) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC) >= 0 ? 0 : -1; }
static long c_tee(void) { return tee(a[0], b[1], 9, 0); }
static long c_splice(void) { return splice(a[0], NULL, b[1], NULL, 9, 0); }
static long c_vmsplice(void) { struct iovec v = one(9); return vmsplice(a[1], &v, 1, 0); }

static long c_recvmsg(void)
{
	struct iovec v = one(9);
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	return recvmsg(a[0], &m, 0);
}

static long c_sendmsg(void)
{
	struct iovec v = one(9);
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	return sendmsg(a[1], &m, 0);
}

static long c_recvmmsg(void)
{
	struct iovec v = one(9);
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &v, .msg_iovlen = 1 } };

	return recvmmsg(a[0], &m, 1, 0, NULL);
}

static long c_sendmmsg(void)
{
	struct iovec v = one(9);
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &v, .msg_iovlen = 1 } };

	return sendmmsg(a[1], &m, 1, 0);
}

static long c_poll(void)
{
	struct pollfd p = { a[0], POLLIN, 0 };

	return poll(&p, 1, -1);
}

static long c_ppoll(void)
{
	struct pollfd p = { a[0], POLLIN, 0 };
	sigset_t none;

	sigemptyset(&none);
	return ppoll(&p, 1, NULL, &none);
}

static long c_select(void)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(a[0], &in);
	return syscall(SYS_select, a[0] + 1, &in, NULL, NULL, NULL);
}

static long c_pselect6(void)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(a[0], &in);
	return pselect(a[0] + 1, &in, NULL, NULL, NULL, NULL);
}

static long c_epoll_wait(void) { struct epoll_event e; return epoll_wait(epfd, &e, 1, -1); }
static long c_epoll_pwait(void)
{
	struct epoll_event e;
	sigset_t s;

	sigemptyset(&s);
	return epoll_pwait(epfd, &e, 1, -1, &s);
}

static long c_epoll_pwait2(void) { struct epoll_event e; return syscall(SYS_epoll_pwait2, epfd, &e, 1, NULL, NULL, 8L); }

struct message {
	long type;
	char text[9];
};

static long c_msgrcv(void) { struct message m; return msgrcv(id, &m, sizeof(m.text), 0, 0); }
static long c_semop(void) { struct sembuf s = { 0, -1, 0 }; return syscall(SYS_semop, id, &s, 1L); }
static long c_semtimedop(void) { struct sembuf s = { 0, -1, 0 }; struct timespec t = { 50, 0 }; return semtimedop(id, &s, 1, &t); }

/* --- what ends the wait -------------------------------------------------------------------------------------------------- */

static void feed(void)
{
	MUST(write(a[1], "123456789", 9));
}

/* Until it has been written: how much room there must be is the kernel's affair. */
static void drain(void)
{
	while (t_get(&parked) && recv(a[0], buf, sizeof(buf), MSG_DONTWAIT) != 0)
		msleep(1);
}

static void drain_pipe(void)
{
	for (int i = 0; i < 16; i++)
		MUST(read(a[0], buf, 4096));
}

static void connects(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	close(fd);
}

static void sends(void)
{
	struct message m = { 1, "12345678" };

	MUST(msgsnd(id, &m, sizeof(m.text), 0));
}

static void ups(void)
{
	struct sembuf s = { 0, 1, 0 };

	MUST(semop(id, &s, 1));
}

/* --- after --------------------------------------------------------------------------------------------------------------- */

static void closes(void)
{
	close2(a);
	if (b[0])
		close2(b);
	b[0] = b[1] = 0;
}

static void closes_listener(void) { close(listener); }
static void closes_epoll(void) { close(epfd); closes(); }
static void removes_queue(void) { msgctl(id, IPC_RMID, NULL); }
static void removes_semaphore(void) { semctl(id, 0, IPC_RMID); }

static const struct row {
	const char *name;
	void (*before)(void);
	long (*call)(void);
	void (*ends)(void), (*after)(void);
} rows[] = {
	{ "read", pipes, c_read, feed, closes },
	{ "readv", pipes, c_readv, feed, closes },
	{ "preadv2", pipes, c_preadv2, feed, closes },
	{ "write", full_pipe, c_write, drain_pipe, closes },
	{ "writev", full_pipe, c_writev, drain_pipe, closes },
	{ "pwritev2", full_pipe, c_pwritev2, drain_pipe, closes },
	{ "recvfrom", sockets, c_recvfrom, feed, closes },
	{ "recvmsg", sockets, c_recvmsg, feed, closes },
	{ "recvmmsg", sockets, c_recvmmsg, feed, closes },
	{ "sendto", full_socket, c_sendto, drain, closes },
	{ "sendmsg", full_socket, c_sendmsg, drain, closes },
	{ "sendmmsg", full_socket, c_sendmmsg, drain, closes },
	{ "accept", listens, c_accept, connects, closes_listener },
	{ "accept4", listens, c_accept4, connects, closes_listener },
	{ "tee", pipes, c_tee, feed, closes },
	{ "splice", pipes, c_splice, feed, closes },
	{ "vmsplice", full_pipe, c_vmsplice, drain_pipe, closes },
	{ "poll", pipes, c_poll, feed, closes },
	{ "ppoll", pipes, c_ppoll, feed, closes },
	{ "select", pipes, c_select, feed, closes },
	{ "pselect6", pipes, c_pselect6, feed, closes },
	{ "epoll_wait", an_epoll, c_epoll_wait, feed, closes_epoll },
	{ "epoll_pwait", an_epoll, c_epoll_pwait, feed, closes_epoll },
	{ "epoll_pwait2", an_epoll, c_epoll_pwait2, feed, closes_epoll },
	{ "msgrcv", a_queue, c_msgrcv, sends, removes_queue },
	{ "semop", a_semaphore, c_semop, ups, removes_semaphore },
	{ "semtimedop", a_semaphore, c_semtimedop, ups, removes_semaphore },
};

static void *calls(void *arg)
{
	const struct row *r = arg;
	long n;

	t_here(&parked);
	errno = T_ERRNO;
	n = r->call();
	t_set(&parked, 0);
	t_result(r->name, n, errno);
	return NULL;
}

int main(void)
{
	t_begin();
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < T_LENGTH(rows); i++) {
		pthread_t t;

		rows[i].before();
		t = start(calls, (void *)&rows[i]);
		wait_parked(&parked);
		say("%s waits: %s", rows[i].name, t_get(&parked) ? "yes" : "no");
		rows[i].ends();
		join(t);
		rows[i].after();
	}
	return 0;
}
