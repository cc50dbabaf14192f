/*
 * test_server.c - grove/server.h: serving, bounds, running out of descriptors, stopping, forking
 */
#include "api.h"
#include <fcntl.h>
#include <grove/server.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static char dir[64];

static const char *at(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "unix:%s/%s", dir, name);
	return path;
}

static int begin(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/grove-server.XXXXXX");
	return mkdtemp(dir) ? api_begin(state) : -1;
}

static int end(void **state)
{
	(void)state;
	return rmdir(dir);		/* no socket file is left */
}

#define fails_with(call, err)												\
	do {														\
		errno = 0;												\
		assert_int_equal(call, -1);										\
		assert_string_equal(strerrorname_np(errno), #err);							\
	} while (0)
#define null_with(call, err)												\
	do {														\
		errno = 0;												\
		assert_null(call);											\
		assert_string_equal(strerrorname_np(errno), #err);							\
	} while (0)

static int last_fd;

/* Answers each line with the same; "quit" ends it. */
static void echo(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
	char buf[64];
	ssize_t n;

	(void)peer;
	(void)len;
	(void)arg;
	last_fd = fd;
	note("in");
	while ((n = grove_recv(fd, buf, sizeof(buf), GROVE_FOREVER)) > 0)
		if (grove_sendall(fd, buf, (size_t)n, GROVE_FOREVER) < 0)
			break;
	note("%s", n < 0 ? strerrorname_np(errno) : "out");
}

static void said(int fd, const char *line)
{
	char buf[64] = "";

	assert_int_equal(grove_sendall(fd, line, strlen(line), GROVE_FOREVER), 0);
	assert_int_equal(grove_recv(fd, buf, sizeof(buf) - 1, GROVE_SEC(9)), strlen(line));
	assert_string_equal(buf, line);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

static int dial(const grove_server *server)
{
	int fd = grove_dial(grove_server_address(server), GROVE_SEC(9));

	assert_true(fd >= 0);
	return fd;
}

/* --- serving ---------------------------------------------------------------------------------------------------------------- */

static void serves(const char *address, const char *shown)
{
	grove_server *server = grove_server_new(address, echo, NULL, NULL);
	int a, b, listener;

	assert_non_null(server);
	assert_false(grove_server_started(server));
	assert_int_equal(strncmp(grove_server_address(server), shown, strlen(shown)), 0);
	a = dial(server);			/* it is bound: who comes early waits */
	assert_int_equal(grove_server_start(server), 0);
	fails_with(grove_server_start(server), EALREADY);
	fails_with(grove_server_start_accepting(server), EALREADY);
	assert_true(grove_server_started(server));
	said(a, "hello");
	b = dial(server);
	said(b, "there");
	said(a, "again");
	assert_int_equal(grove_server_handlers(server), 2);
	assert_false(grove_server_full(server));
	close(a);
	grove_sleep(GROVE_MS(1));
	assert_int_equal(grove_server_handlers(server), 1);
	assert_true(is_open(last_fd));
	fails_with(grove_server_free(server), EBUSY);
	close(b);
	listener = grove_server_fd(server);
	assert_true(is_open(listener));
	assert_int_equal(grove_server_stop(server, GROVE_FOREVER), 0);
	assert_int_equal(grove_server_stop(server, 0), 0);
	assert_false(is_open(last_fd));
	assert_false(is_open(listener));
	fails_with(grove_server_fd(server), ENOTCONN);
	assert_string_equal(grove_server_address(server), "");
	assert_int_equal(grove_server_free(server), 0);
	assert_string_equal(api_log, "in in out out");
}

static void test_unix(void **state)
{
	struct stat st;

	(void)state;
	serves(at("a"), at("a"));
	assert_int_equal(stat(at("a") + 5, &st), -1);
}

static void test_abstract(void **state)
{
	(void)state;
	serves("unix:@grove-test-server", "unix:@grove-test-server");
}

static void test_inet(void **state)
{
	(void)state;
	serves("127.0.0.1:0", "127.0.0.1:");
}

static void test_inet6(void **state)
{
	int fd = grove_listen("[::1]:0", 0, 0);

	(void)state;
	if (fd < 0)
		skip();
	close(fd);
	serves("[::1]:0", "[::1]:");
}

static void test_misuse(void **state)
{
	struct grove_server_attr attr = { .size = sizeof(attr) };
	grove_server *server = grove_server_new(at("m"), echo, NULL, &attr);
	int fds[2], not_bound = socket(AF_INET, SOCK_STREAM, 0), datagram = socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	assert_non_null(server);
	null_with(grove_server_new(NULL, echo, NULL, NULL), EINVAL);
	null_with(grove_server_new(at("m"), NULL, NULL, NULL), EINVAL);
	null_with(grove_server_new("nonsense", echo, NULL, NULL), EINVAL);
	null_with(grove_server_new(at("m"), echo, NULL, NULL), EADDRINUSE);
	attr.size = 3;
	null_with(grove_server_new(at("x"), echo, NULL, &attr), EINVAL);
	attr.size = sizeof(attr);
	attr.flags = 0x8000;
	null_with(grove_server_new(at("x"), echo, NULL, &attr), EINVAL);
	attr.flags = 0;
	attr.grace = -1;
	null_with(grove_server_new(at("x"), echo, NULL, &attr), EINVAL);
	assert_int_equal(pipe(fds), 0);
	null_with(grove_server_new_fd(fds[0], echo, NULL, NULL), ENOTSOCK);
	null_with(grove_server_new_fd(-1, echo, NULL, NULL), EBADF);
	null_with(grove_server_new_fd(not_bound, echo, NULL, NULL), EINVAL);
	null_with(grove_server_new_fd(datagram, echo, NULL, NULL), EINVAL);
	null_with(grove_datagram_server_new_fd(not_bound, NULL, NULL, NULL), EINVAL);
	null_with(grove_datagram_server_new("127.0.0.1:0", NULL, NULL, NULL), EINVAL);
	fails_with(grove_server_start(NULL), EINVAL);
	fails_with(grove_server_start((grove_server *)grove_current()), EINVAL);
	fails_with(grove_server_stop(NULL, 0), EINVAL);
	fails_with(grove_server_stop(server, -1), EINVAL);
	fails_with(grove_server_serve_forever(NULL), EINVAL);
	fails_with(grove_server_stop_accepting(NULL), EINVAL);
	fails_with(grove_server_start_accepting(NULL), EINVAL);
	fails_with(grove_server_port(NULL), EINVAL);
	fails_with(grove_server_fd(NULL), EINVAL);
	fails_with(grove_server_free((grove_server *)grove_current()), EINVAL);
	fails_with(grove_server_sendto(server, "x", 1, NULL, 0, 0), EINVAL);
	null_with(grove_server_address(NULL), EINVAL);
	assert_int_equal(grove_server_port(server), 0);
	assert_int_equal(grove_server_free(NULL), 0);
	assert_int_equal(grove_server_free(server), 0);
	close(fds[0]);
	close(fds[1]);
	close(not_bound);
	close(datagram);
}

static void given(int flags)
{
	int listener = grove_listen(at("g"), 0, (unsigned)flags), fd;
	grove_server *server = grove_server_new_fd(listener, echo, NULL, NULL);

	assert_non_null(server);
	assert_string_equal(grove_server_address(server), at("g"));
	assert_int_equal(grove_server_start(server), 0);
	fd = dial(server);
	said(fd, "hello");
	close(fd);
	assert_int_equal(grove_server_stop(server, GROVE_FOREVER), 0);
	assert_true(is_open(listener));
	assert_int_equal(!!(fcntl(listener, F_GETFL) & O_NONBLOCK), !!flags);
	fd = dial(server);				/* it still listens, so it may start again */
	assert_int_equal(grove_server_start(server), 0);
	said(fd, "hello");
	close(fd);
	assert_int_equal(grove_server_stop(server, GROVE_FOREVER), 0);
	assert_int_equal(grove_server_free(server), 0);
	assert_true(is_open(listener));
	close(listener);
	assert_int_equal(unlink(at("g") + 5), 0);
}

static void test_given_socket(void **state)
{
	(void)state;
	given(0);
}

static void test_given_nonblocking_socket(void **state)
{
	(void)state;
	given(GROVE_NONBLOCK);
}

static void test_start_again(void **state)
{
	grove_server *server = grove_server_new("127.0.0.1:0", echo, NULL, NULL);
	int port = grove_server_port(server), fd;

	(void)state;
	assert_true(port > 0);
	assert_int_equal(grove_server_start(server), 0);
	assert_int_equal(grove_server_stop(server, 0), 0);
	assert_int_equal(grove_server_start(server), 0);
	assert_int_equal(grove_server_port(server), port);
	fd = dial(server);
	said(fd, "hello");
	close(fd);
	assert_int_equal(grove_server_stop(server, GROVE_FOREVER), 0);
	assert_int_equal(grove_server_free(server), 0);
}

static void test_socket_file_of_somebody_else(void **state)
{
	grove_server *server = grove_server_new(at("o"), echo, NULL, NULL);
	int other;

	(void)state;
	assert_int_equal(unlink(at("o") + 5), 0);
	other = grove_listen(at("o"), 0, 0);
	assert_true(other >= 0);
	assert_int_equal(grove_server_free(server), 0);
	assert_int_equal(unlink(at("o") + 5), 0);	/* was left alone */
	close(other);
}

static void test_handler_closes(void **state)
{
	struct grove_server_attr attr = { .size = sizeof(attr), .flags = GROVE_HANDLER_CLOSES };
	grove_server *server = grove_server_new(at("h"), echo, NULL, &attr);
	int fd;

	(void)state;
	assert_int_equal(grove_server_start(server), 0);
	fd = dial(server);
	said(fd, "hello");
	close(fd);
	assert_int_equal(grove_server_stop(server, GROVE_FOREVER), 0);
	assert_true(is_open(last_fd));
	close(last_fd);
	assert_int_equal(grove_server_free(server), 0);
}

static void leaves_early(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
	(void)peer;
	(void)len;
	(void)arg;
	last_fd = fd;
	pthread_exit(NULL);
}

static void test_handler_is_unwound(void **state)
{
	grove_server *server = grove_server_new(at("u"), leaves_early, NULL, NULL);
	char c;
	int fd;

	(void)state;
	assert_int_equal(grove_server_start(server), 0);
	fd = dial(server);
	assert_int_equal(grove_recv(fd, &c, 1, GROVE_SEC(1)), 0);
	assert_false(is_open(last_fd));
	close(fd);
	assert_int_equal(grove_server_stop(server, GROVE_FOREVER), 0);
	assert_int_equal(grove_server_free(server), 0);
}

/* --- bounds ----------------------------------------------------------------------------------------------------------------- */

static void test_bound(void **state)
{
	struct grove_server_attr attr = { .size = sizeof(attr), .max = 2 };
	grove_server *server = grove_server_new(at("b"), echo, NULL, &attr);
	int fd[3];
	char c;

	(void)state;
	assert_int_equal(grove_server_start(server), 0);
	for (int i = 0; i < 3; i++)
		fd[i] = dial(server);
	said(fd[0], "a");
	said(fd[1], "b");
	assert_true(grove_server_full(server));
	grove_sendall(fd[2], "c", 1, GROVE_FOREVER);
	fails_with(grove_recv(fd[2], &c, 1, GROVE_SEC(10)), ETIMEDOUT);
	assert_int_equal(grove_server_handlers(server), 2);
	close(fd[0]);					/* a place is free now */
	assert_int_equal(grove_recv(fd[2], &c, 1, GROVE_SEC(10)), 1);
	close(fd[1]);
	close(fd[2]);
	assert_int_equal(grove_server_stop(server, GROVE_FOREVER), 0);
	assert_int_equal(grove_server_free(server), 0);
	assert_string_equal(api_log, "in in out in out out");
}

static void test_stop_while_full(void **state)
{
	struct grove_server_attr attr = { .size = sizeof(attr), .max = 1 };
	grove_server *server = grove_server_new(at("b"), echo, NULL, &attr);
	int fd;

	(void)state;
	assert_int_equal(grove_server_start(server), 0);
	fd = dial(server);
	said(fd, "a");
	grove_yield();
	assert_int_equal(grove_server_stop(server, GROVE_SEC(5)), 0);
	assert_int_equal(took(), GR_SEC(5));
	assert_string_equal(api_log, "in ECANCELED");
	close(fd);
	assert_int_equal(grove_server_free(server), 0);
}

static grove_greenlet *spawn_in_pool(grove_fn *fn, void *arg, void *pool)
{
	note("spawn");
	return grove_pool_spawn(pool, fn, arg, GROVE_FOREVER);
}

static void test_spawn_function(void **state)
{
	grove_pool *pool = grove_pool_new(1);
	struct grove_server_attr attr = { .size = sizeof(attr), .spawn = spawn_in_pool, .spawn_arg = pool };
	grove_server *server = grove_server_new(at("p"), echo, NULL, &attr);
	int fd[3];

	(void)state;
	assert_int_equal(grove_server_start(server), 0);
	for (int i = 0; i < 3; i++)
		fd[i] = dial(server);
	said(fd[0], "a");
	grove_sleep(GROVE_SEC(1));
	assert_int_equal(grove_group_size(pool), 1);
	close(fd[0]);
	said(fd[1], "b");
	assert_int_equal(grove_server_stop(server, GROVE_MS(5)), 0);	/* the third is in hand, waiting for its place */
	close(fd[1]);
	close(fd[2]);
	assert_int_equal(grove_pool_free(pool), 0);
	assert_int_equal(grove_server_free(server), 0);
	assert_string_equal(api_log, "spawn spawn in out spawn in ECANCELED");
}

static grove_greenlet *spawn_killed(grove_fn *fn, void *arg, void *unused)
{
	grove_greenlet *g = grove_spawn(fn, arg);

	(void)unused;
	grove_kill(g, 0);
	return g;
}

static grove_greenlet *spawn_ended(grove_fn *fn, void *arg, void *unused)
{
	grove_greenlet *g = grove_spawn(fn, arg);

	(void)unused;
	grove_join(g, GROVE_FOREVER);
	return g;
}

static grove_greenlet *spawn_fails(grove_fn *fn, void *arg, void *tries)
{
	if (++*(int *)tries < 3) {
		errno = EAGAIN;
		return NULL;
	}
	return grove_spawn(fn, arg);
}

static void test_killed_before_it_begins(void **state)
{
	struct grove_server_attr attr = { .size = sizeof(attr), .spawn = spawn_killed };
	grove_server *server = grove_server_new(at("k"), echo, NULL, &attr);
	int fd = dial(server);
	char c;

	(void)state;
	assert_int_equal(grove_server_start(server), 0);
	assert_int_equal(grove_recv(fd, &c, 1, GROVE_SEC(1)), 0);	/* closed all the same */
	close(fd);
	fd = dial(server);
	grove_yield();
	assert_int_equal(grove_server_stop(server, GROVE_SEC(1)), 0);
	assert_int_equal(took(), 0);
	close(fd);
	assert_int_equal(grove_server_free(server), 0);
	assert_string_equal(api_log, "");
}

static void test_over_before_spawn_returns(void **state)
{
	struct grove_server_attr attr = { .size = sizeof(attr), .spawn = spawn_ended };
	grove_server *server = grove_server_new(at("k"), echo, NULL, &attr);
	int fd = dial(server);

	(void)state;
	assert_int_equal(grove_server_start(server), 0);
	said(fd, "hello");
	close(fd);
	grove_sleep(GROVE_MS(1));
	assert_int_equal(grove_server_handlers(server), 0);
	assert_int_equal(grove_server_stop(server, 0), 0);
	assert_int_equal(grove_server_free(server), 0);
}

static void test_spawn_fails(void **state)
{
	int tries = 0, fd[3];
	struct grove_server_attr attr = { .size = sizeof(attr), .spawn = spawn_fails, .spawn_arg = &tries };
	grove_server *server = grove_server_new(at("f"), echo, NULL, &attr);
	char c;

	(void)state;
	for (int i = 0; i < 3; i++)
		fd[i] = dial(server);
	assert_int_equal(grove_server_start(server), 0);
	assert_int_equal(grove_recv(fd[0], &c, 1, GROVE_SEC(1)), 0);
	assert_int_equal(grove_recv(fd[1], &c, 1, GROVE_SEC(1)), 0);
	assert_int_equal(took(), GR_MS(10));
	said(fd[2], "hello");
	assert_int_equal(took(), GR_MS(30));
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	assert_int_equal(grove_server_stop(server, GROVE_FOREVER), 0);
	assert_int_equal(grove_server_free(server), 0);
}

/* 10, 20, 40, ... 640 ms, 1 s, 1 s: until there is a descriptor again */
static void test_out_of_descriptors(void **state)
{
	grove_server *server = grove_server_new(at("e"), echo, NULL, NULL);
	struct rlimit was, none;
	int fd = dial(server), again;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = was.rlim_max };
	assert_int_equal(grove_server_start(server), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	grove_sleep(GROVE_MS(1272));			/* tried at 0, 10, 30, 70, 150, 310, 630, 1270 */
	setrlimit(RLIMIT_NOFILE, &was);
	said(fd, "hello");
	assert_int_equal(took(), GR_MS(2270));
	again = dial(server);
	said(again, "hello");
	assert_int_equal(took(), GR_MS(2270));
	close(fd);
	close(again);
	assert_int_equal(grove_server_stop(server, GROVE_FOREVER), 0);
	assert_int_equal(grove_server_free(server), 0);
}

static void test_stop_while_out_of_descriptors(void **state)
{
	grove_server *server = grove_server_new(at("e"), echo, NULL, NULL);
	struct rlimit was, none;
	int fd = dial(server);

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = was.rlim_max };
	assert_int_equal(grove_server_start(server), 0);
	setrlimit(RLIMIT_NOFILE, &none);
	grove_sleep(GROVE_MS(5));
	assert_int_equal(grove_server_stop(server, GROVE_FOREVER), 0);
	assert_int_equal(took(), GR_MS(5));
	setrlimit(RLIMIT_NOFILE, &was);
	close(fd);
	assert_int_equal(grove_server_free(server), 0);
}

/* --- stopping --------------------------------------------------------------------------------------------------------------- */

static void works(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
	struct grove_timeout t = { { 0 } };
	char c;

	(void)peer;
	(void)len;
	(void)arg;
	if (grove_recv(fd, &c, 1, GROVE_FOREVER) != 1)
		return;
	if (c == 'l')				/* lingers whatever happens */
		grove_shield_start(&t);
	note("%s", grove_sleep(c == 'q' ? GROVE_MS(10) : GROVE_SEC(30)) < 0 ? strerrorname_np(errno) : "worked");
	if (c == 'l')
		grove_timeout_stop(&t);
}

static int worker(grove_server *server, const char *how)
{
	int fd = dial(server);

	grove_sendall(fd, how, 1, GROVE_FOREVER);
	return fd;
}

static const struct row {
	const char *handlers;		/* q: 10 ms, s: 30 s, l: 30 s, even if killed */
	int64_t grace;
	int want;
	int64_t took;
	const char *log;
} rows[] = {
	{ "", 0, 0, 0, "" },
	{ "q", GROVE_FOREVER, 0, GR_MS(10), "worked" },
	{ "qs", GROVE_SEC(1), 0, GR_SEC(1), "worked ECANCELED" },
	{ "qs", 0, 0, 0, "ECANCELED ECANCELED" },
	{ "qsq", GROVE_FOREVER, 0, GR_SEC(30), "worked worked worked" },
	{ "ls", GROVE_SEC(2), ETIMEDOUT, GR_SEC(3), "ECANCELED" },
	{ "l", 0, ETIMEDOUT, GR_SEC(1), "" },
};

static void test_stop(void **state)
{
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		grove_server *server = grove_server_new(at("s"), works, NULL, NULL);
		int fd[3], n = 0;

		api_clear(state);
		assert_int_equal(grove_server_start(server), 0);
		for (const char *h = rows[i].handlers; *h; h++)
			fd[n++] = worker(server, h);
		grove_idle();
		assert_int_equal(grove_server_handlers(server), n);
		assert_int_equal(grove_server_stop(server, rows[i].grace) < 0 ? errno : 0, rows[i].want);
		assert_int_equal(took(), rows[i].took);
		assert_string_equal(api_log, rows[i].log);
		assert_int_equal(grove_server_stop(server, GROVE_FOREVER), 0);
		assert_int_equal(grove_server_free(server), 0);
		while (n)
			close(fd[--n]);
	}
}

static void *stops(void *server)
{
	int r = grove_server_stop(server, GROVE_FOREVER);

	note("%s", r < 0 ? strerrorname_np(errno) : "stopped");
	return NULL;
}

static void test_stop_broken_off(void **state)
{
	grove_server *server = grove_server_new(at("s"), works, NULL, NULL);
	struct grove_timeout t;
	grove_greenlet *g;
	int fd;

	(void)state;
	assert_int_equal(grove_server_start(server), 0);
	fd = worker(server, "s");
	grove_idle();
	g = grove_spawn(stops, server);
	grove_sleep(GROVE_MS(1));
	grove_kill(g, GROVE_FOREVER);
	grove_release(g);
	grove_idle();
	assert_string_equal(api_log, "ECANCELED ECANCELED");
	assert_int_equal(grove_server_handlers(server), 0);
	assert_int_equal(grove_server_start(server), 0);
	close(fd);
	fd = worker(server, "s");
	grove_idle();
	grove_timeout_start(&t, GROVE_MS(9));
	fails_with(grove_server_stop(server, GROVE_FOREVER), ETIMEDOUT);
	assert_int_equal(grove_timeout_stop(&t), 1);
	grove_idle();
	assert_int_equal(took(), GR_MS(10));
	assert_int_equal(grove_server_handlers(server), 0);
	assert_int_equal(grove_server_free(server), 0);
	close(fd);
}

static grove_server *own;

static void stops_itself(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
	char c;

	(void)peer;
	(void)len;
	(void)arg;
	if (grove_recv(fd, &c, 1, GROVE_FOREVER) == 1)
		stops(own);
	else
		note("out");
}

static void test_stop_from_handlers(void **state)
{
	int a, b, c;

	(void)state;
	own = grove_server_new(at("s"), stops_itself, NULL, NULL);
	a = worker(own, "x");
	b = worker(own, "x");
	c = dial(own);
	assert_int_equal(grove_server_start(own), 0);
	grove_idle();
	assert_int_equal(grove_server_handlers(own), 3);
	close(c);				/* the one that the other two wait for */
	assert_int_equal(grove_server_stop(own, GROVE_SEC(1)), 0);
	assert_int_equal(took(), 0);
	assert_string_equal(api_log, "out stopped stopped");
	assert_int_equal(grove_server_free(own), 0);
	close(a);
	close(b);
}

static void *serves_forever(void *server)
{
	int r = grove_server_serve_forever(server);

	note("%s", r < 0 ? strerrorname_np(errno) : "served");
	return NULL;
}

static void test_serve_forever(void **state)
{
	grove_server *server = grove_server_new(at("s"), echo, NULL, NULL);
	grove_greenlet *g = grove_spawn(serves_forever, server);
	int fd = dial(server);

	(void)state;
	said(fd, "a");
	fails_with(grove_server_free(server), EBUSY);
	assert_int_equal(grove_server_stop(server, GROVE_SEC(1)), 0);
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	close(fd);
	assert_string_equal(api_log, "in ECANCELED served");
	assert_int_equal(grove_server_free(server), 0);
}

static void test_serve_forever_is_killed(void **state)
{
	struct grove_server_attr attr = { .size = sizeof(attr), .grace = GROVE_SEC(2) };
	grove_server *server = grove_server_new(at("s"), works, NULL, &attr);
	grove_greenlet *g = grove_spawn(serves_forever, server);
	int a = worker(server, "q"), b = worker(server, "s");

	(void)state;
	grove_idle();
	grove_kill(g, GROVE_FOREVER);
	grove_release(g);
	assert_int_equal(took(), GR_SEC(2));
	assert_string_equal(api_log, "worked ECANCELED ECANCELED");
	close(a);
	close(b);
	assert_int_equal(grove_server_free(server), 0);
}

static void test_accepting_fails_for_good(void **state)
{
	int listener = grove_listen("127.0.0.1:0", 0, GROVE_NONBLOCK);
	grove_server *server = grove_server_new_fd(listener, echo, NULL, NULL);
	grove_greenlet *g = grove_spawn(serves_forever, server);

	(void)state;
	grove_idle();
	shutdown(listener, SHUT_RDWR);		/* accept: EINVAL */
	grove_join(g, GROVE_SEC(1));
	grove_release(g);
	assert_string_equal(api_log, "EINVAL");
	assert_false(grove_server_started(server));
	assert_int_equal(grove_server_free(server), 0);
	close(listener);
}

static void test_shutdown_ends_accepting(void **state)
{
	grove_server *server = grove_server_new(at("s"), echo, NULL, NULL);
	int fd;

	(void)state;
	assert_int_equal(grove_server_start(server), 0);
	grove_idle();
	assert_int_equal(grove_shutdown(GROVE_SEC(1)), 1);	/* and says on standard error whom it ended */
	assert_false(grove_server_started(server));
	fd = dial(server);					/* it listens on */
	assert_int_equal(grove_server_start(server), 0);
	said(fd, "hello");
	close(fd);
	assert_int_equal(grove_server_stop(server, GROVE_FOREVER), 0);
	assert_int_equal(grove_server_free(server), 0);
}

static void test_pause(void **state)
{
	grove_server *server = grove_server_new(at("s"), echo, NULL, NULL);
	grove_greenlet *g = grove_spawn(serves_forever, server);
	char c;
	int fd;

	(void)state;
	grove_idle();
	assert_int_equal(grove_server_stop_accepting(server), 0);
	assert_int_equal(grove_server_stop_accepting(server), 0);
	assert_false(grove_server_started(server));
	fd = dial(server);
	grove_sendall(fd, "x", 1, GROVE_FOREVER);
	fails_with(grove_recv(fd, &c, 1, GROVE_SEC(1)), ETIMEDOUT);
	assert_false(grove_ready(g));
	assert_int_equal(grove_server_start_accepting(server), 0);
	assert_int_equal(grove_recv(fd, &c, 1, GROVE_SEC(1)), 1);
	close(fd);
	assert_int_equal(grove_server_stop(server, GROVE_FOREVER), 0);
	fails_with(grove_server_start_accepting(server), ENOTCONN);
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	assert_string_equal(api_log, "in out served");
	assert_int_equal(grove_server_free(server), 0);
}

static void test_wait_for_a_server(void **state)
{
	grove_server *server = grove_server_new(at("s"), works, NULL, NULL);
	grove_object *object = server;
	int fd;

	(void)state;
	assert_int_equal(grove_wait(&object, 1, 0, 0, NULL), 1);
	assert_int_equal(grove_server_start(server), 0);
	assert_int_equal(grove_wait(&object, 1, 0, 0, NULL), 0);
	fd = worker(server, "q");
	grove_idle();
	assert_int_equal(grove_server_stop_accepting(server), 0);
	assert_int_equal(grove_wait(&object, 1, 0, GROVE_FOREVER, NULL), 1);
	assert_int_equal(took(), GR_MS(10));
	close(fd);
	assert_int_equal(grove_server_free(server), 0);
}

/* --- datagrams -------------------------------------------------------------------------------------------------------------- */

static void answers(grove_server *server, const void *data, size_t len, const struct sockaddr *peer, socklen_t peer_len,
		    void *arg)
{
	char text[GROVE_ADDRESS_MAX];

	assert_int_equal(grove_address_print(peer, peer_len, text, sizeof(text)), 0);
	note("%.*s %.*s", (int)len, (const char *)data, (int)strlen(arg), text);
	assert_int_equal(grove_server_sendto(server, data, len, peer, peer_len, GROVE_FOREVER), 0);
}

static void test_datagrams(void **state)
{
	grove_server *server = grove_datagram_server_new("127.0.0.1:0", answers, "127.0.0.1", NULL);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = grove_bind("127.0.0.1:0", 0);
	char buf[8] = "";

	(void)state;
	assert_non_null(server);
	to.sin_port = htons((uint16_t)grove_server_port(server));
	assert_int_equal(grove_server_start(server), 0);
	assert_int_equal(sendto(fd, "one", 3, 0, (struct sockaddr *)&to, sizeof(to)), 3);
	assert_int_equal(sendto(fd, "two", 3, 0, (struct sockaddr *)&to, sizeof(to)), 3);
	assert_int_equal(grove_recv(fd, buf, sizeof(buf), GROVE_SEC(1)), 3);
	assert_string_equal(buf, "one");
	assert_int_equal(grove_recv(fd, buf, sizeof(buf), GROVE_SEC(1)), 3);
	assert_string_equal(buf, "two");
	fails_with(grove_server_sendto(server, "x", 1, (struct sockaddr *)&to, sizeof(to), -1), EINVAL);
	assert_int_equal(grove_server_stop(server, 0), 0);
	fails_with(grove_server_sendto(server, "x", 1, (struct sockaddr *)&to, sizeof(to), 0), ENOTCONN);
	assert_int_equal(grove_server_free(server), 0);
	assert_string_equal(api_log, "one 127.0.0.1 two 127.0.0.1");
	close(fd);
}

static void dawdles(grove_server *server, const void *data, size_t len, const struct sockaddr *peer, socklen_t peer_len,
		    void *arg)
{
	(void)server;
	(void)peer;
	(void)arg;
	note("%.*s%d", (int)len, (const char *)data, (int)peer_len);
	grove_sleep(GROVE_SEC(1));
}

static void test_unix_datagrams_with_a_bound(void **state)
{
	struct grove_server_attr attr = { .size = sizeof(attr), .max = 1 };
	int bound = grove_bind(at("d"), 0), fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	grove_server *server = grove_datagram_server_new_fd(bound, dawdles, NULL, &attr);
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	(void)state;
	assert_non_null(server);
	strcpy(to.sun_path, at("d") + 5);
	assert_int_equal(grove_server_start(server), 0);
	assert_int_equal(sendto(fd, "a", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	assert_int_equal(sendto(fd, "", 0, 0, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(sendto(fd, "c", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	grove_sleep(GROVE_MS(2500));
	assert_int_equal(grove_server_stop(server, GROVE_FOREVER), 0);
	assert_int_equal(took(), GR_SEC(3));
	assert_string_equal(api_log, "a0 0 c0");
	assert_int_equal(grove_server_free(server), 0);
	close(fd);
	close(bound);
	unlink(at("d") + 5);
}

/* --- forking ---------------------------------------------------------------------------------------------------------------- */

static void forks(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
	char c;
	int pid;

	(void)peer;
	(void)len;
	(void)arg;
	if (grove_recv(fd, &c, 1, GROVE_FOREVER) != 1 || c != 'f')
		return;
	note("forks");
	pid = fork();
	if (pid == 0) {			/* a server per connection, as inetd has it: the other connection is not ours */
		bool right = !grove_server_started(own) && grove_server_handlers(own) == 1 && is_open(fd) && !is_open(last_fd);

		right &= grove_sendall(fd, right ? "right" : "wrong", 5, GROVE_SEC(5)) == 0;
		right &= grove_server_stop(own, 0) == 0;
		_exit(!right);
	}
	last_fd = pid;
}

static void keeps(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
	if (!grove_server_started(own) || grove_server_handlers(own) == 1)
		last_fd = fd;
	forks(fd, peer, len, arg);
}

static void test_fork_in_a_handler(void **state)
{
	char buf[6] = "";
	int a, b, status = -1;

	(void)state;
	own = grove_server_new(at("s"), keeps, NULL, NULL);
	assert_int_equal(grove_server_start(own), 0);
	a = dial(own);
	grove_idle();
	b = worker(own, "f");
	api_natives++;			/* the child is real: time does not jump */
	assert_int_equal(grove_recv(b, buf, 5, GROVE_FOREVER), 5);
	assert_string_equal(buf, "right");
	assert_int_equal(waitpid(last_fd, &status, 0), last_fd);
	api_natives--;
	assert_int_equal(status, 0);
	close(a);
	close(b);
	assert_int_equal(grove_server_stop(own, GROVE_FOREVER), 0);
	assert_int_equal(grove_server_free(own), 0);
}

static void test_a_child_serves(void **state)
{
	grove_server *server = grove_server_new(at("s"), echo, NULL, NULL);
	int fd, status = -1, pid;

	(void)state;
	pid = fork();
	if (pid == 0)
		_exit(grove_server_serve_forever(server) < 0);		/* until it is killed */
	fd = dial(server);
	api_natives++;
	said(fd, "hello");
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	api_natives--;
	close(fd);
	assert_int_equal(grove_server_free(server), 0);
}

/* --- native threads --------------------------------------------------------------------------------------------------------- */

static void *native(void *arg)
{
	const grove_server *server = arg;
	int fd = grove_dial(grove_server_address(server), GROVE_SEC(60));
	char buf[8] = "";
	bool right;

	right = fd >= 0 && grove_sendall(fd, "ping", 4, GROVE_SEC(60)) == 0 &&
		grove_recv(fd, buf, sizeof(buf), GROVE_SEC(60)) == 4;
	right &= grove_server_started(server) && grove_server_handlers(server) == 1 && !grove_server_full(server);
	close(fd);
	right &= grove_server_stop(arg, GROVE_SEC(60)) == 0;
	return right ? arg : NULL;
}

static void test_native_thread(void **state)
{
	grove_server *server = grove_server_new("127.0.0.1:0", echo, NULL, NULL);
	pthread_t thread;
	void *ret;

	(void)state;
	api_natives++;
	assert_int_equal(pthread_create(&thread, NULL, native, server), 0);
	assert_int_equal(grove_server_serve_forever(server), 0);
	pthread_join(thread, &ret);
	assert_ptr_equal(ret, server);
	api_natives--;
	assert_string_equal(api_log, "in out");
	assert_int_equal(grove_server_free(server), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		api_test(test_unix),
		api_test(test_abstract),
		api_test(test_inet),
		api_test(test_inet6),
		api_test(test_misuse),
		api_test(test_given_socket),
		api_test(test_given_nonblocking_socket),
		api_test(test_start_again),
		api_test(test_socket_file_of_somebody_else),
		api_test(test_handler_closes),
		api_test(test_handler_is_unwound),
		api_test(test_bound),
		api_test(test_stop_while_full),
		api_test(test_spawn_function),
		api_test(test_killed_before_it_begins),
		api_test(test_over_before_spawn_returns),
		api_test(test_spawn_fails),
		api_test(test_out_of_descriptors),
		api_test(test_stop_while_out_of_descriptors),
		api_test(test_stop),
		api_test(test_stop_broken_off),
		api_test(test_stop_from_handlers),
		api_test(test_serve_forever),
		api_test(test_serve_forever_is_killed),
		api_test(test_accepting_fails_for_good),
		api_test(test_shutdown_ends_accepting),
		api_test(test_pause),
		api_test(test_wait_for_a_server),
		api_test(test_datagrams),
		api_test(test_unix_datagrams_with_a_bound),
		api_test(test_fork_in_a_handler),
		api_test(test_a_child_serves),
		api_test(test_native_thread),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
