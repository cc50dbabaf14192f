/*
 * echo_load.c - puts load on an echo server: many connections, one message in flight on each, every byte that returns is compared
 *
 *	echo_load [-c connections] [-n requests | -t seconds] [-s size] [-w round-trips] [-r rate | -i] [-p server-pid] port
 *
 * Prints `name value` lines.  Counting starts after a warm-up of -w round trips on each connection (20 if not told), when every
 * connection is up and every thread of the server has run, and of one more for each on average.  With -p the CPU time the server
 * used meanwhile is read from its process clock, which counts nanoseconds and includes threads that have ended.
 *
 * While connections are made few of them wait for an answer at once: a listener whose queue is full drops what comes, and it is
 * seconds until TCP tries again.  In the warm-up nobody is ahead of another: the last of many kernel threads would wait for long.
 *
 * -r: messages are sent at fixed times, so many a second over all connections in turn, however late the answers are.  Latency
 * counts from the time at which a message was due.
 * -i: after the warm-up the connections stay idle; `idle N' says so, and they close at the end of standard input.
 *
 * Exit status 1: a connection failed, or an echo differed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_SIZE	65536
#define PATIENCE	10000000000LL	/* ns without any answer */
#define JOINING		64		/* connections that wait for their first answer while others are made */
#define SUB_BUCKETS	64		/* per power of two: a quantile is exact to 1.6 % */

struct conn {
	int fd;
	uint32_t id;
	uint32_t round;			/* of the message in flight */
	size_t have;			/* bytes of its echo that are here and were right */
	int64_t sent;			/* or when it was due */
	bool busy;			/* a message is in flight */
	uint32_t owed;			/* messages that were due while one was in flight */
	int64_t owed_since;		/* when the first of them was due */
};

static struct {
	int connections, port, warm_up;
	int64_t requests, duration;	/* to measure; whichever comes first ends the run */
	int64_t interval;		/* between messages that are due; 0: one follows the answer to another */
	bool idle;
	size_t size;
	pid_t server;
} opt = { .connections = 100, .warm_up = 20, .requests = INT64_MAX, .duration = INT64_MAX, .size = 64 };

static struct conn *conns;
static int joining;			/* connections without their first answer; */
static bool joined;			/* until all have had it, those that have one wait */
static int cold;			/* connections whose warm-up is not over */
static int64_t settling;		/* answers between that and the beginning of the count */
static int64_t total;			/* answers after that */
static int64_t started, cpu;		/* when that ended, and the server's CPU time then */
static int64_t last_answer;

static uint64_t histogram[64 * SUB_BUCKETS];

static int64_t now_on(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) == -1)
		return 0;
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int64_t server_cpu(void)
{
	clockid_t clock;

	return opt.server && clock_getcpuclockid(opt.server, &clock) == 0 ? now_on(clock) : 0;
}

static unsigned bucket_of(uint64_t ns)
{
	unsigned shift = ns < SUB_BUCKETS ? 0 : 63 - __builtin_clzll(ns) - 6;

	return shift * SUB_BUCKETS + (ns >> shift);
}

static double quantile_us(double q, uint64_t count)
{
	uint64_t seen = 0, want = q * count;

	for (unsigned i = 0; i < 64 * SUB_BUCKETS; i++) {
		seen += histogram[i];
		if (seen > want) {
			unsigned shift = i < 2 * SUB_BUCKETS ? 0 : i / SUB_BUCKETS - 1;

			return (double)((uint64_t)(i - shift * SUB_BUCKETS) << shift) / 1000;
		}
	}
	return 0;
}

_Noreturn static void fail(const struct conn *c, const char *what)
{
	fprintf(stderr, "echo_load: connection %u, round %u: %s\n", c->id, c->round, what);
	exit(1);
}

/* No two messages of a run are alike, so an echo that went to the wrong connection or came twice is seen. */
static void compose(const struct conn *c, unsigned char *buf)
{
	uint64_t x = ((uint64_t)c->id << 32 | c->round) * 0x9e3779b97f4a7c15u + 1;

	for (size_t i = 0; i < opt.size; i++) {
		buf[i] = x >> 56;
		x = x * 6364136223846793005u + 1442695040888963407u;
	}
}

static void send_next(struct conn *c, int64_t due)
{
	static unsigned char buf[MAX_SIZE];

	c->round++;
	c->have = 0;
	c->busy = true;
	compose(c, buf);
	c->sent = due;
	if (send(c->fd, buf, opt.size, MSG_NOSIGNAL) != (ssize_t)opt.size)
		fail(c, "send failed");
}

/* True when the whole echo is here. */
static bool receive(struct conn *c)
{
	static unsigned char got[MAX_SIZE], want[MAX_SIZE];
	ssize_t n = recv(c->fd, got, opt.size - c->have, MSG_DONTWAIT);

	if (n == -1 && errno == EAGAIN)
		return false;
	if (n <= 0)
		fail(c, n == 0 ? "closed by the server" : strerror(errno));
	compose(c, want);
	if (memcmp(got, want + c->have, n) != 0)
		fail(c, "the echo differs");
	c->have += n;
	return c->have == opt.size;
}

_Noreturn static void report(int64_t now)
{
	int64_t count = total, took = now - started;

	printf("connections %d\nrequests %lld\nseconds %.3f\nrequests_per_s %.0f\n", opt.connections, (long long)count, took / 1e9,
	       count / (took / 1e9));
	printf("p50_us %.1f\np99_us %.1f\np999_us %.1f\n", quantile_us(0.5, count), quantile_us(0.99, count),
	       quantile_us(0.999, count));
	if (opt.server)
		printf("server_cpu_ns_per_request %.0f\n", (double)(server_cpu() - cpu) / count);
	exit(0);
}

_Noreturn static void stay_idle(void)
{
	printf("idle %d\n", opt.connections);
	fflush(stdout);
	while (getchar() != EOF)
		;
	exit(0);
}

static void begin_counting(int64_t now)
{
	started = now;
	cpu = server_cpu();
}

static void end_warm_up(int64_t now)
{
	if (opt.idle)
		stay_idle();
	if (opt.interval) {
		begin_counting(now);
		return;
	}
	settling = opt.connections;
	for (int i = 0; i < opt.connections; i++)
		send_next(&conns[i], now_on(CLOCK_MONOTONIC));
}

static void count(const struct conn *c, int64_t now)
{
	histogram[bucket_of(now - c->sent)]++;
	if (++total >= opt.requests || now - started >= opt.duration)
		report(now);
}

/* What follows the answer */
static void next_of(struct conn *c, int64_t now)
{
	if (!opt.interval) {
		send_next(c, now);
	} else if (c->owed) {
		c->owed--;
		send_next(c, c->owed_since);
		c->owed_since += opt.interval * opt.connections;
	}
}

static void answered_cold(struct conn *c, int64_t now)
{
	joining -= c->round == 1;
	if (c->round < (uint32_t)opt.warm_up) {
		if (joined)
			send_next(c, now);
	} else if (--cold == 0) {
		end_warm_up(now);
	}
}

static void answered(struct conn *c)
{
	int64_t now = now_on(CLOCK_MONOTONIC);

	last_answer = now;
	c->busy = false;
	if (cold) {
		answered_cold(c, now);
		return;
	}
	if (!settling)
		count(c, now);
	else if (--settling == 0)
		begin_counting(now);
	next_of(c, now);
}

/* Sends what has become due by now; returns how long until the next is. */
static int64_t send_due(void)
{
	static int64_t slots;
	int64_t now = now_on(CLOCK_MONOTONIC), due;

	for (; (due = started + slots * opt.interval) <= now; slots++) {
		struct conn *c = &conns[slots % opt.connections];

		if (!c->busy)
			send_next(c, due);
		else if (c->owed++ == 0)
			c->owed_since = due;
	}
	return due - now;
}

static int wait_for_answers(int epoll, struct epoll_event *got, int most)
{
	int64_t left = opt.interval && !cold ? send_due() : PATIENCE;
	struct timespec t = { .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };
	int n = epoll_pwait2(epoll, got, most, &t, NULL);

	if (n == 0 && now_on(CLOCK_MONOTONIC) - last_answer >= PATIENCE) {
		fprintf(stderr, "echo_load: no answer for %lld seconds, %lld answered\n", PATIENCE / 1000000000,
			(long long)total);
		exit(1);
	}
	return n;
}

static void take_answers(int epoll)
{
	struct epoll_event got[512];
	int n = wait_for_answers(epoll, got, 512);

	for (int i = 0; i < n; i++)
		if (receive(got[i].data.ptr))
			answered(got[i].data.ptr);
}

static void join(int epoll, struct conn *c)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(opt.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd == -1 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) == -1 ||
	    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev) == -1)
		fail(c, strerror(errno));
	joining++;
	send_next(c, now_on(CLOCK_MONOTONIC));
}

/* When it returns, each connection has had one answer. */
static void join_all(int epoll)
{
	last_answer = now_on(CLOCK_MONOTONIC);
	for (int i = 0; i < opt.connections; i++) {
		conns[i].id = i;
		join(epoll, &conns[i]);
		while (joining > (i + 1 < opt.connections ? JOINING : 0))
			take_answers(epoll);
	}
	joined = true;
}

/* The second round trip of each */
static void warm_up(void)
{
	for (int i = 0; cold && i < opt.connections; i++)
		send_next(&conns[i], now_on(CLOCK_MONOTONIC));
}

static bool parse(int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "c:n:t:s:w:r:ip:")) != -1) {
		switch (o) {
		case 'c': opt.connections = atoi(optarg); break;
		case 'n': opt.requests = atoll(optarg); break;
		case 't': opt.duration = atof(optarg) * 1e9; break;
		case 's': opt.size = atoi(optarg); break;
		case 'w': opt.warm_up = atoi(optarg); break;
		case 'r': opt.interval = 1e9 / atof(optarg); break;
		case 'i': opt.idle = true; break;
		case 'p': opt.server = atoi(optarg); break;
		default: return false;
		}
	}
	if (opt.requests == INT64_MAX && opt.duration == INT64_MAX)
		opt.requests = 100000;
	opt.port = optind < argc ? atoi(argv[optind]) : 0;
	return opt.port > 0 && opt.connections > 0 && opt.requests > 0 && opt.size > 0 && opt.size <= MAX_SIZE && opt.warm_up > 0 &&
	       opt.interval >= 0;
}

int main(int argc, char **argv)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct rlimit files;

	if (!parse(argc, argv)) {
		fprintf(stderr, "usage: echo_load [-c connections] [-n requests | -t seconds] [-s size] [-w round-trips] "
				"[-r rate | -i] [-p server-pid] port\n");
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	cold = opt.connections;
	conns = calloc(opt.connections, sizeof(*conns));
	if (!conns)
		return 1;
	join_all(epoll);
	warm_up();
	for (;;)
		take_answers(epoll);
}
