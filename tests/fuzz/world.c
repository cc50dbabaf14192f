/*
 * world.c - the descriptors a script begins with, and what its bytes mean
 */
#include "fuzz.h"
#include <limits.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <termios.h>

struct slot slots[SLOTS];
struct object objects[MAX_OBJECTS];
static int last_object;
int sysv_sems, sysv_queue;

static struct sockaddr_in tcp_address, udp_address[2], nobody;
static struct sockaddr_un unix_address, missing_address;

static char *areas[THREADS];		/* BUFFER bytes, then a page that must not be touched */
static char *read_only;

static int must(long r, const char *what)
{
	if (r < 0) {
		fprintf(stderr, "fuzz_calls: %s: %s\n", what, strerror(errno));
		_exit(90);
	}
	return (int)r;
}
#define MUST(call) must(call, #call)

int put(int fd, enum kind kind, int peer)
{
	for (int i = 0; i < SLOTS; i++) {
		if (slots[i].fd != -1)
			continue;
		if (last_object < MAX_OBJECTS - 1)
			last_object++;
		slots[i] = (struct slot){ fd, kind, last_object };
		objects[last_object] = (struct object){ .peer = peer };
		if (peer)
			objects[peer].peer = last_object;
		return i;
	}
	close(fd);
	return -1;
}

void put_same(struct result *r, int from)
{
	int fd = (int)r->ret;
	int object = from < 0 ? 0 : slots[from].object;
	int i = put(fd, from < 0 ? OTHER : slots[from].kind, 0);

	r->number = true;
	if (i >= 0 && object)
		slots[i].object = object;
}

/* A new descriptor is the lowest free one, on both sides. */
void put_result(struct result *r, long fd, enum kind kind)
{
	r->number = fd >= 0 && fd == r->ret;
	if (fd >= 0)
		more(r, "slot %d", put((int)fd, kind, 0));
}

void forget(int slot)
{
	if (slot >= 0)
		slots[slot] = (struct slot){ .fd = -1 };
}

static void put_pair(int fds[2], enum kind a, enum kind b, bool streams)
{
	int i = put(fds[0], a, 0);

	put(fds[1], b, streams ? slots[i].object : 0);
}

static void socket_pair(int type, enum kind kind)
{
	int fds[2];

	MUST(socketpair(AF_UNIX, type, 0, fds));
	put_pair(fds, kind, kind, type == SOCK_STREAM);
}

static int bound(int type, struct sockaddr_in *address)
{
	int fd = MUST(socket(AF_INET, type, 0));
	socklen_t len = sizeof(*address);

	*address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	MUST(bind(fd, (struct sockaddr *)address, len));
	MUST(getsockname(fd, (struct sockaddr *)address, &len));
	return fd;
}

static void tcp(void)
{
	int listener = bound(SOCK_STREAM, &tcp_address), pair[2];

	MUST(listen(listener, 128));
	pair[0] = MUST(socket(AF_INET, SOCK_STREAM, 0));
	MUST(connect(pair[0], (struct sockaddr *)&tcp_address, sizeof(tcp_address)));
	pair[1] = MUST(accept(listener, NULL, NULL));
	put_pair(pair, TCP, TCP, true);
	put(listener, TCP_LISTENER, 0);
}

static void others(void)
{
	struct mq_attr attr = { .mq_maxmsg = 2, .mq_msgsize = 64 };
	struct termios raw;
	char name[40];
	sigset_t set;
	int fd, master;

	unlink("u");
	unix_address = (struct sockaddr_un){ .sun_family = AF_UNIX, .sun_path = "u" };
	missing_address = (struct sockaddr_un){ .sun_family = AF_UNIX, .sun_path = "missing" };
	fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	MUST(bind(fd, (struct sockaddr *)&unix_address, sizeof(unix_address)));
	MUST(listen(fd, 1));
	put(fd, UNIX_LISTENER, 0);
	for (int i = 0; i < 2; i++)
		put(bound(SOCK_DGRAM, &udp_address[i]), UDP, 0);
	put(MUST(eventfd(0, 0)), EVENTFD, 0);
	put(MUST(timerfd_create(CLOCK_MONOTONIC, 0)), TIMERFD, 0);
	put(MUST(epoll_create1(0)), EPOLL, 0);
	fd = MUST(open("f", O_RDWR | O_CREAT | O_TRUNC, 0600));
	for (int i = 0; i < 10; i++)
		MUST(pwrite(fd, areas[0], 1000, i * 1000));
	put(fd, FILE_RW, 0);
	fd = MUST(inotify_init1(0));
	MUST(inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE | IN_MOVED_FROM));
	put(fd, INOTIFY, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigaddset(&set, SIGRTMIN + 2);
	put(MUST(signalfd(-1, &set, 0)), SIGNALFD, 0);
	put(MUST(open("fifo", O_RDWR)), FIFO, 0);
	snprintf(name, sizeof(name), "/grove-fuzz-%d", getpid());
	fd = MUST(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
	mq_unlink(name);
	put(fd, MQ, 0);
	put(MUST(open("/dev/null", O_RDWR)), DEVICE, 0);
	master = MUST(posix_openpt(O_RDWR | O_NOCTTY));
	MUST(grantpt(master));
	MUST(unlockpt(master));
	MUST(ptsname_r(master, name, sizeof(name)) ? -1 : 0);
	fd = MUST(open(name, O_RDWR | O_NOCTTY));
	MUST(tcgetattr(fd, &raw));
	cfmakeraw(&raw);
	MUST(tcsetattr(fd, TCSANOW, &raw));
	put(master, PTY_MASTER, 0);
	put(fd, PTY_SLAVE, 0);
}

/* Names that a script may have left, and what the next one needs. */
static void clean_folder(void)
{
	static const char *const names[] = { "n0", "n1", "n2", "n3", "u0", "u1" };

	for (size_t i = 0; i < LENGTH(names); i++)
		unlink(names[i]);
	if (mkfifo("fifo", 0600) == -1 && errno != EEXIST)
		MUST(-1);
}

static void clean_sysv(void)
{
	struct { long type; char text[256]; } m;
	unsigned short zeros[4] = { 0 };

	MUST(semctl(sysv_sems, 0, SETALL, zeros));
	while (msgrcv(sysv_queue, &m, sizeof(m.text), 0, IPC_NOWAIT | MSG_NOERROR) >= 0)
		continue;
}

void world_begin(void)
{
	struct sockaddr_in closed;
	int fds[2];

	for (int i = 0; i < SLOTS; i++)
		slots[i].fd = -1;
	last_object = 0;
	for (int i = 0; i < THREADS; i++) {
		areas[i] = mmap(NULL, BUFFER + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		MUST(mprotect(areas[i] + BUFFER, 4096, PROT_NONE));
	}
	read_only = mmap(NULL, BUFFER, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	clean_folder();
	clean_sysv();
	MUST(pipe(fds));
	put_pair(fds, PIPE_R, PIPE_W, false);
	MUST(pipe2(fds, O_NONBLOCK));
	put_pair(fds, PIPE_R, PIPE_W, false);
	socket_pair(SOCK_STREAM, UNIX_STREAM);
	socket_pair(SOCK_DGRAM, UNIX_DGRAM);
	socket_pair(SOCK_SEQPACKET, UNIX_SEQ);
	tcp();
	others();
	close(bound(SOCK_STREAM, &closed));
	nobody = closed;
}

void world_end(void)
{
	clean_sysv();
}

/* --- what bytes mean ---------------------------------------------------------------------------------------------------------- */

int slot_number(uint8_t b)
{
	return b < 0xf0 ? b % SLOTS : -1;
}

int fd_of(uint8_t b)
{
	static const int bad[] = { -1, INT_MAX, 190, 1000000, INT_MIN, AT_FDCWD };
	int slot = slot_number(b);

	return slot >= 0 ? slots[slot].fd : bad[b % LENGTH(bad)];
}

enum kind kind_of(uint8_t b)
{
	int slot = slot_number(b);

	return slot >= 0 ? slots[slot].kind : NOTHING;
}

int object_of(uint8_t b)
{
	int slot = slot_number(b);

	return slot >= 0 ? slots[slot].object : 0;
}

bool good_buffer(uint8_t b)
{
	return b < 0xe0;
}

/* Odd values stand so that only some bytes are there before the page that is not. */
void *buffer(uint8_t b, size_t n, bool out)
{
	char *area = areas[me];

	if (good_buffer(b))
		return area;
	switch (b % 5) {
	case 0: return NULL;
	case 1: return (void *)8;
	case 2: return read_only;
	case 3: return area + BUFFER - (n > BUFFER ? BUFFER : n / 2);
	default: return out ? (void *)-4096l : area + BUFFER - 1;
	}
}

size_t size_of(uint8_t b)
{
	static const size_t sizes[] = { 0, 1, 2, 7, 8, 10, 64, 100, 100, 1000, 1000, 4096, 5000, 16384, 65536, 70000, 200000 };
	static const size_t huge[] = { SIZE_MAX, SSIZE_MAX, (size_t)SSIZE_MAX + 1, 0x7ffff000, 0x80000000 };

	return b < 0xf8 ? sizes[b % LENGTH(sizes)] : huge[b % LENGTH(huge)];
}

size_t write_size(uint8_t size, uint8_t fd)
{
	size_t n = size_of(size);
	enum kind kind = kind_of(fd);

	if (kind == PIPE_W || kind == FIFO || kind == FILE_RW || kind == DEVICE || kind == EVENTFD || kind == NOTHING)
		return n;
	if (kind == UNIX_STREAM)
		return n > BUFFER ? BUFFER : n;
	return n > 1000 ? 1000 : n;
}

/* Those that are over by themselves are short: the conductor waits for them. */
int timeout_ms(uint8_t b)
{
	return b % 4 == 0 ? 0 : b % 4 == 1 ? 2 : b == 254 ? -7 : -1;
}

struct timespec *timeout_ts(uint8_t b, struct timespec *ts)
{
	*ts = (struct timespec){ 0, 0 };
	switch (b % 4) {
	case 0: return ts;
	case 1: ts->tv_nsec = 2000000; return ts;
	case 2: break;
	default: return NULL;
	}
	switch (b >> 4) {
	case 0: ts->tv_nsec = 1000000000; return ts;
	case 1: ts->tv_nsec = -1; return ts;
	case 2: ts->tv_sec = -1; return ts;
	case 3: return (struct timespec *)8;
	default: return NULL;
	}
}

bool endless(uint8_t b)
{
	return b % 4 >= 2;
}

uint32_t hash_of(const void *p, size_t n)
{
	const uint8_t *c = p;
	uint32_t h = 2166136261u;

	while (n--)
		h = (h ^ *c++) * 16777619u;
	return h;
}

void took(struct result *r, const void *p, long n)
{
	if (n > 0 && n <= BUFFER)
		r->hash = hash_of(p, (size_t)n);
}

void more(struct result *r, const char *fmt, ...)
{
	size_t at = strlen(r->more);
	va_list ap;

	va_start(ap, fmt);
	if (at)
		r->more[at++] = ' ';
	if (at < sizeof(r->more) - 1)
		vsnprintf(r->more + at, sizeof(r->more) - at, fmt, ap);
	va_end(ap);
}

const struct sockaddr *address(uint8_t b, socklen_t *ret_len)
{
	static struct sockaddr_un abstract = { .sun_family = AF_UNIX, .sun_path = "\0fuzz" };
	static struct sockaddr odd = { .sa_family = 77 };

	*ret_len = sizeof(struct sockaddr_in);
	switch (b % 12) {
	case 0: case 1: return (struct sockaddr *)&tcp_address;
	case 2: case 3: *ret_len = sizeof(unix_address); return (struct sockaddr *)&unix_address;
	case 4: return (struct sockaddr *)&udp_address[0];
	case 5: return (struct sockaddr *)&udp_address[1];
	case 6: return (struct sockaddr *)&nobody;
	case 7: *ret_len = sizeof(missing_address); return (struct sockaddr *)&missing_address;
	case 8: *ret_len = sizeof(sa_family_t) + 5; return (struct sockaddr *)&abstract;
	case 9: return (struct sockaddr *)8;
	case 10: *ret_len = (socklen_t)(b & 0x80 ? -1 : 1); return (struct sockaddr *)&tcp_address;
	default: return &odd;
	}
}
