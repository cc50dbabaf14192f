/*
 * test_net.c - grove/net.h: addresses, listening, dialling, and waiting on sockets
 */
#include "api.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <grove/net.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static char dir[64];

static const char *at(const char *name)
{
	static char path[2][128];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "unix:%s/%s", dir, name);
	return path[turn];
}

static int begin(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/grove-net.XXXXXX");
	return mkdtemp(dir) ? api_begin(state) : -1;
}

static int end(void **state)
{
	(void)state;
	return rmdir(dir);
}

#define fails_with(call, err)												\
	do {														\
		errno = 0;												\
		assert_int_equal(call, -1);										\
		assert_string_equal(strerrorname_np(errno), #err);							\
	} while (0)

/* --- addresses -------------------------------------------------------------------------------------------------------------- */

static void test_bad_addresses(void **state)
{
	static const char *const bad[] = {
		"", "127.0.0.1", "127.0.0.1:", "::1:80", "[::1]", "[::1]80", "[]:80", "[127.0.0.1", "[::1:80", "1.2.3.4:65536",
		"1.2.3.4:999999999", "[name]:80", "unix:", "unix:@",
	};
	char longer[300];

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(bad); i++) {
		fails_with(grove_listen(bad[i], 0, 0), EINVAL);
		fails_with(grove_dial(bad[i], GROVE_FOREVER), EINVAL);
		fails_with(grove_bind(bad[i], 0), EINVAL);
	}
	snprintf(longer, sizeof(longer), "unix:/%0250d", 7);
	fails_with(grove_listen(longer, 0, 0), ENAMETOOLONG);
	fails_with(grove_dial(longer, GROVE_FOREVER), ENAMETOOLONG);
	fails_with(grove_listen("127.0.0.1:no-such-service", 0, 0), ENOENT);
	fails_with(grove_listen(NULL, 0, 0), EINVAL);
	fails_with(grove_listen("127.0.0.1:0", -1, 0), EINVAL);
	fails_with(grove_listen("127.0.0.1:0", 0, 64), EINVAL);
	fails_with(grove_bind("127.0.0.1:0", 64), EINVAL);
	fails_with(grove_bind(NULL, 0), EINVAL);
	fails_with(grove_dial(NULL, 0), EINVAL);
	fails_with(grove_dial("127.0.0.1:1", -1), EINVAL);
	fails_with(grove_accept(0, NULL, NULL, -1), EINVAL);
	fails_with(grove_accept(-1, NULL, NULL, GROVE_FOREVER), EBADF);
	fails_with(grove_recv(0, NULL, 1, GROVE_FOREVER), EINVAL);
	fails_with(grove_recv(-1, longer, 1, GROVE_FOREVER), EBADF);
	fails_with(grove_sendall(0, NULL, 1, GROVE_FOREVER), EINVAL);
	fails_with(grove_sendall(-1, longer, 1, -1), EINVAL);
	fails_with(grove_sendall(-1, longer, 1, GROVE_FOREVER), EBADF);
}

static void test_print(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(0x01020304) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(443), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/x/y" };
	struct sockaddr other = { .sa_family = AF_NETLINK };
	char text[GROVE_ADDRESS_MAX];

	(void)state;
	assert_int_equal(grove_address_print((void *)&in, sizeof(in), text, sizeof(text)), 0);
	assert_string_equal(text, "1.2.3.4:80");
	fails_with(grove_address_print((void *)&in, sizeof(in), text, 10), ENOSPC);
	fails_with(grove_address_print((void *)&in, sizeof(in) - 1, text, sizeof(text)), EINVAL);
	assert_int_equal(grove_address_print((void *)&in6, sizeof(in6), text, sizeof(text)), 0);
	assert_string_equal(text, "[::1]:443");
	inet_pton(AF_INET6, "::ffff:9.8.7.6", &in6.sin6_addr);
	assert_int_equal(grove_address_print((void *)&in6, sizeof(in6), text, sizeof(text)), 0);
	assert_string_equal(text, "9.8.7.6:443");
	inet_pton(AF_INET6, "fe80::1", &in6.sin6_addr);
	in6.sin6_scope_id = 1;
	assert_int_equal(grove_address_print((void *)&in6, sizeof(in6), text, sizeof(text)), 0);
	assert_string_equal(text, "[fe80::1%lo]:443");
	assert_int_equal(grove_address_print((void *)&un, sizeof(un), text, sizeof(text)), 0);
	assert_string_equal(text, "unix:/x/y");
	memcpy(un.sun_path, "\0abc", 4);
	assert_int_equal(grove_address_print((void *)&un, sizeof(sa_family_t) + 4, text, sizeof(text)), 0);
	assert_string_equal(text, "unix:@abc");
	assert_int_equal(grove_address_print((void *)&un, sizeof(sa_family_t), text, sizeof(text)), 0);
	assert_string_equal(text, "unix:");
	fails_with(grove_address_print(&other, sizeof(other), text, sizeof(text)), EAFNOSUPPORT);
	fails_with(grove_address_print(NULL, sizeof(other), text, sizeof(text)), EINVAL);
	fails_with(grove_address_print(&other, sizeof(other), NULL, sizeof(text)), EINVAL);
	fails_with(grove_local_address(-1, text, sizeof(text)), EBADF);
}

static bool has_ipv6(void)
{
	int fd = grove_listen("[::1]:0", 0, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* --- listening and dialling ------------------------------------------------------------------------------------------------- */

static void *dials(void *arg)
{
	int fd = grove_dial(arg, GROVE_FOREVER);

	note("%s", fd < 0 ? strerrorname_np(errno) : "dialled");
	if (fd >= 0)
		close(fd);
	return NULL;
}

static void meets(const char *listen_at, const char *dial_at)
{
	int listener = grove_listen(listen_at, 0, 0), fd;
	char text[GROVE_ADDRESS_MAX], to[GROVE_ADDRESS_MAX + 16];
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	grove_greenlet *g;

	assert_true(listener >= 0);
	assert_int_equal(fcntl(listener, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(listener, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(grove_local_address(listener, text, sizeof(text)), 0);
	snprintf(to, sizeof(to), "%s%s", dial_at ? dial_at : text, dial_at ? strrchr(text, ':') + 1 : "");
	fails_with(grove_accept(listener, NULL, NULL, 0), EAGAIN);
	g = grove_spawn(dials, to);
	fd = grove_accept(listener, (struct sockaddr *)&peer, &len, GROVE_SEC(60));
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(grove_address_print((struct sockaddr *)&peer, len, text, sizeof(text)), 0);
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	close(fd);
	close(listener);
	note("%.*s", (int)(strrchr(text, ':') - text), text);
}

static void test_meeting(void **state)
{
	(void)state;
	meets("127.0.0.1:0", NULL);
	meets("unix:@grove-test-net", NULL);
	assert_string_equal(api_log, "dialled 127.0.0.1 dialled unix");
}

static void test_meeting_in_the_file_system(void **state)
{
	(void)state;
	meets(at("a"), NULL);
	assert_string_equal(api_log, "dialled unix");
	meets(at("a"), NULL);				/* the file is still there, but nobody listens: it is replaced */
	assert_int_equal(unlink(at("a") + 5), 0);
}

static void test_somebody_listens_already(void **state)
{
	int fd = grove_listen(at("b"), 0, 0), inet = grove_listen("127.0.0.1:0", 0, 0);
	char text[GROVE_ADDRESS_MAX];
	FILE *file;

	(void)state;
	assert_true(fd >= 0 && inet >= 0);
	fails_with(grove_listen(at("b"), 0, 0), EADDRINUSE);
	close(fd);
	unlink(at("b") + 5);
	file = fopen(at("b") + 5, "w");			/* what is no socket is not removed */
	fclose(file);
	fails_with(grove_listen(at("b"), 0, 0), EADDRINUSE);
	assert_int_equal(unlink(at("b") + 5), 0);
	grove_local_address(inet, text, sizeof(text));
	fails_with(grove_listen(text, 0, 0), EADDRINUSE);
	fails_with(grove_listen(text, 0, GROVE_REUSE_PORT), EADDRINUSE);
	close(inet);
	fails_with(grove_dial(text, GROVE_FOREVER), ECONNREFUSED);
	fails_with(grove_dial(at("b"), GROVE_FOREVER), ENOENT);
}

static void test_reuse_port(void **state)
{
	int a = grove_listen("127.0.0.1:0", 5, GROVE_REUSE_PORT | GROVE_NONBLOCK | GROVE_EXCLUSIVE), b, on = 1;
	socklen_t len = sizeof(on);
	char text[GROVE_ADDRESS_MAX];

	(void)state;
	assert_true(a >= 0);
	assert_int_equal(getsockopt(a, SOL_SOCKET, SO_REUSEADDR, &on, &len), 0);
	assert_int_equal(on, 0);
	assert_true(fcntl(a, F_GETFL) & O_NONBLOCK);
	grove_local_address(a, text, sizeof(text));
	b = grove_listen(text, 5, GROVE_REUSE_PORT);
	assert_true(b >= 0);
	close(a);
	close(b);
}

/* ":port" is [::1] first, where nobody listens, or where there is no IPv6. */
static void test_the_next_address(void **state)
{
	(void)state;
	meets("127.0.0.1:0", ":");
	assert_string_equal(api_log, "dialled 127.0.0.1");
}

static void test_both_families(void **state)
{
	int all, four = -1;
	char text[GROVE_ADDRESS_MAX];

	(void)state;
	if (!has_ipv6())
		skip();
	meets("[::1]:0", NULL);
	meets(":0", "127.0.0.1:");
	meets(":0", "[::1]:");
	assert_string_equal(api_log, "dialled [::1] dialled 127.0.0.1 dialled [::1]");
	for (int tries = 0; four < 0 && tries < 20; tries++) {	/* of the ports, some are another program's */
		all = grove_listen("[::]:0", 0, 0);		/* IPv6 only: the same port is free for IPv4 */
		assert_true(all >= 0);
		grove_local_address(all, text, sizeof(text));
		memmove(text + 7, strrchr(text, ':'), strlen(strrchr(text, ':')) + 1);
		memcpy(text, "0.0.0.0", 7);
		four = grove_listen(text, 0, 0);
		assert_true(four >= 0 || errno == EADDRINUSE);
		close(all);
	}
	assert_true(four >= 0);
	close(four);
}

/* --- waiting ---------------------------------------------------------------------------------------------------------------- */

static void *accepts(void *arg)
{
	int fd = grove_accept(*(int *)arg, NULL, NULL, GROVE_FOREVER);

	note("%s", fd < 0 ? strerrorname_np(errno) : "accepted");
	if (fd >= 0)
		close(fd);
	return NULL;
}

static void accept_is_left(int flags)
{
	int fd = grove_listen(at("c"), 0, (unsigned)flags);
	grove_greenlet *g = grove_spawn(accepts, &fd);
	struct grove_timeout t;

	assert_true(fd >= 0);
	fails_with(grove_accept(fd, NULL, NULL, GROVE_MS(5)), ETIMEDOUT);
	assert_int_equal(took(), GR_MS(5));
	grove_timeout_start(&t, GROVE_MS(2));
	fails_with(grove_accept(fd, NULL, NULL, GROVE_MS(5)), ETIMEDOUT);
	assert_int_equal(grove_timeout_stop(&t), 1);
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	grove_release(g);
	assert_string_equal(api_log, "ECANCELED");
	close(fd);
	unlink(at("c") + 5);
}

static void test_accept_is_left(void **state)
{
	(void)state;
	accept_is_left(0);
}

static void test_accept_is_left_nonblocking(void **state)
{
	(void)state;
	accept_is_left(GROVE_NONBLOCK);
}

static void pair(int fd[2], int flags)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | flags, 0, fd), 0);
}

static void *receives(void *arg)
{
	char buf[16];
	ssize_t n = grove_recv(*(int *)arg, buf, sizeof(buf), GROVE_FOREVER);

	note("%s", n < 0 ? strerrorname_np(errno) : n == 0 ? "end" : "data");
	return NULL;
}

static void recv_row(int flags)
{
	int fd[2], one;
	grove_greenlet *g;
	char c;

	pair(fd, flags);
	fails_with(grove_recv(fd[0], &c, 1, 0), EAGAIN);
	fails_with(grove_recv(fd[0], &c, 1, GROVE_MS(3)), ETIMEDOUT);
	assert_int_equal(took(), GR_MS(3));
	g = grove_spawn(receives, &fd[0]);
	grove_yield();
	assert_int_equal(grove_sendall(fd[1], "x", 1, 0), 0);
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	g = grove_spawn(receives, &fd[0]);
	grove_yield();
	grove_kill(g, GROVE_FOREVER);
	grove_release(g);
	g = grove_spawn(receives, &fd[0]);
	grove_yield();
	grove_throw(g, EPROTO);
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	one = fd[1];
	g = grove_spawn(receives, &fd[0]);
	grove_yield();
	close(one);
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	fails_with(grove_sendall(fd[0], "x", 1, GROVE_FOREVER), EPIPE);		/* and no SIGPIPE */
	close(fd[0]);
	assert_string_equal(api_log, "data ECANCELED EPROTO end");
}

static void test_recv(void **state)
{
	(void)state;
	recv_row(0);
}

static void test_recv_nonblocking(void **state)
{
	(void)state;
	recv_row(SOCK_NONBLOCK);
}

#define MUCH	(4u * 1024 * 1024)
static char much[MUCH];

static void *sends_much(void *arg)
{
	note("%s", grove_sendall(*(int *)arg, much, MUCH, GROVE_FOREVER) == 0 ? "sent" : strerrorname_np(errno));
	return NULL;
}

static void test_sendall(void **state)
{
	static char buf[65536];
	size_t got = 0;
	grove_greenlet *g;
	ssize_t n;
	int fd[2];

	(void)state;
	pair(fd, 0);
	g = grove_spawn(sends_much, &fd[1]);
	while (got < MUCH && (n = grove_recv(fd[0], buf, sizeof(buf), GROVE_FOREVER)) > 0)
		got += (size_t)n;
	assert_int_equal(got, MUCH);
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	fails_with(grove_sendall(fd[1], much, MUCH, 0), EAGAIN);
	fails_with(grove_sendall(fd[1], much, MUCH, GROVE_MS(7)), ETIMEDOUT);
	assert_int_equal(took(), GR_MS(7));
	g = grove_spawn(sends_much, &fd[1]);
	grove_yield();
	grove_kill(g, GROVE_FOREVER);
	grove_release(g);
	assert_string_equal(api_log, "sent ECANCELED");
	close(fd[0]);
	close(fd[1]);
}

/* A Unix socket whose backlog is full is the one case on loopback in which a connection has to wait. */
static void test_dial_waits(void **state)
{
	int listener = grove_listen(at("d"), 1, 0), fds[8], n = 0, fd;
	grove_greenlet *g;

	(void)state;
	while (n < 8 && (fds[n] = grove_dial(at("d"), 0)) >= 0)
		n++;
	assert_int_equal(errno, EAGAIN);
	assert_in_range(n, 1, 4);
	fails_with(grove_dial(at("d"), GROVE_MS(4)), ETIMEDOUT);
	g = grove_spawn(dials, (void *)(uintptr_t)at("d"));
	grove_yield();
	grove_kill(g, GROVE_FOREVER);
	grove_release(g);
	assert_string_equal(api_log, "ECANCELED");
	g = grove_spawn(dials, (void *)(uintptr_t)at("d"));
	grove_yield();
	fd = grove_accept(listener, NULL, NULL, GROVE_FOREVER);
	assert_true(fd >= 0);
	close(fd);
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	assert_string_equal(api_log, "ECANCELED dialled");
	while (n)
		close(fds[--n]);
	close(listener);
	unlink(at("d") + 5);
}

static void test_datagrams(void **state)
{
	int a = grove_bind("127.0.0.1:0", 0), b = grove_bind("127.0.0.1:0", 0);
	struct sockaddr_in to;
	socklen_t len = sizeof(to);
	char buf[8];

	(void)state;
	assert_true(a >= 0 && b >= 0);
	getsockname(b, (struct sockaddr *)&to, &len);
	assert_int_equal(sendto(a, "hello", 5, 0, (struct sockaddr *)&to, len), 5);
	assert_int_equal(grove_recv(b, buf, sizeof(buf), GROVE_FOREVER), 5);
	close(a);
	close(b);
}

/* --- native threads --------------------------------------------------------------------------------------------------------- */

static void *native(void *arg)
{
	int fd = grove_dial(arg, GROVE_SEC(60));
	char buf[8] = "";

	if (fd < 0 || grove_sendall(fd, "ping", 4, GROVE_SEC(60)) < 0 || grove_recv(fd, buf, sizeof(buf), GROVE_SEC(60)) != 4)
		return strerrorname_np(errno) ? (void *)(uintptr_t)strerrorname_np(errno) : "?";
	close(fd);
	return strcmp(buf, "pong") ? "wrong" : "right";
}

static void test_native_thread(void **state)
{
	int listener = grove_listen("127.0.0.1:0", 0, 0), fd;
	char text[GROVE_ADDRESS_MAX], buf[8];
	pthread_t thread;
	void *said;

	(void)state;
	api_natives++;
	grove_local_address(listener, text, sizeof(text));
	assert_int_equal(pthread_create(&thread, NULL, native, text), 0);
	fd = grove_accept(listener, NULL, NULL, GROVE_FOREVER);
	assert_true(fd >= 0);
	assert_int_equal(grove_recv(fd, buf, sizeof(buf), GROVE_FOREVER), 4);
	assert_int_equal(grove_sendall(fd, "pong", 4, GROVE_FOREVER), 0);
	assert_int_equal(grove_recv(fd, buf, sizeof(buf), GROVE_FOREVER), 0);
	pthread_join(thread, &said);
	assert_string_equal(said, "right");
	api_natives--;
	close(fd);
	close(listener);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		api_test(test_bad_addresses),
		api_test(test_print),
		api_test(test_meeting),
		api_test(test_meeting_in_the_file_system),
		api_test(test_somebody_listens_already),
		api_test(test_reuse_port),
		api_test(test_the_next_address),
		api_test(test_both_families),
		api_test(test_accept_is_left),
		api_test(test_accept_is_left_nonblocking),
		api_test(test_recv),
		api_test(test_recv_nonblocking),
		api_test(test_sendall),
		api_test(test_dial_waits),
		api_test(test_datagrams),
		api_test(test_native_thread),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
