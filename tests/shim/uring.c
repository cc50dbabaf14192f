/* uring.c - rings that the program makes itself: waiting for completions, alone and together, with time limits and signals */
#include "t.h"
#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1u << 12)
#define IORING_SETUP_DEFER_TASKRUN (1u << 13)
#endif

struct ring {
	int fd;
	unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	unsigned prepared;
};

static int make(struct ring *r, unsigned flags)
{
	struct io_uring_params p = { .flags = flags };

	memset(r, 0, sizeof(*r));
	r->fd = (int)syscall(SYS_io_uring_setup, 64, &p);
	if (r->fd == -1)
		return -1;
	size_t sq = p.sq_off.array + p.sq_entries * 4, cq = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	char *m = mmap(NULL, sq > cq ? sq : cq, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQ_RING);

	r->sqes = mmap(NULL, p.sq_entries * sizeof(*r->sqes), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQES);
	if (m == MAP_FAILED || r->sqes == MAP_FAILED)
		fail("mapping the ring");
	r->sq_tail = (unsigned *)(m + p.sq_off.tail);
	r->sq_mask = (unsigned *)(m + p.sq_off.ring_mask);
	r->sq_array = (unsigned *)(m + p.sq_off.array);
	r->cq_head = (unsigned *)(m + p.cq_off.head);
	r->cq_tail = (unsigned *)(m + p.cq_off.tail);
	r->cq_mask = (unsigned *)(m + p.cq_off.ring_mask);
	r->cqes = (struct io_uring_cqe *)(m + p.cq_off.cqes);
	return 0;
}

static struct io_uring_sqe *prepare(struct ring *r, int op, int fd, const void *addr, unsigned len, uint64_t data)
{
	unsigned tail = *r->sq_tail, i = tail & *r->sq_mask;

	r->sqes[i] = (struct io_uring_sqe){ .opcode = (uint8_t)op, .fd = fd, .addr = (uintptr_t)addr, .len = len, .user_data = data };
	r->sq_array[i] = i;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
	r->prepared++;
	return &r->sqes[i];
}

static unsigned take_prepared(struct ring *r)
{
	unsigned n = r->prepared;

	r->prepared = 0;
	return n;
}

static long enter(struct ring *r, unsigned min, unsigned flags, const void *arg, size_t size)
{
	flags |= IORING_ENTER_SQ_WAKEUP | (min ? IORING_ENTER_GETEVENTS : 0);	/* a thread of the kernel may have gone to sleep */
	return syscall(SYS_io_uring_enter, r->fd, take_prepared(r), min, flags, arg, size);
}

static unsigned here(struct ring *r)
{
	return __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) - *r->cq_head;
}

/* How many there are; says their results in the order of their data. */
static unsigned take(struct ring *r, const char *what)
{
	int res[64];
	unsigned n = here(r);
	bool seen[64] = { false };

	for (unsigned i = 0; i < n; i++) {
		struct io_uring_cqe *c = &r->cqes[(*r->cq_head + i) & *r->cq_mask];

		if (c->user_data < 64) {
			seen[c->user_data] = true;
			res[c->user_data] = c->res;
		}
	}
	__atomic_store_n(r->cq_head, *r->cq_head + n, __ATOMIC_RELEASE);
	for (int i = 0; i < 64; i++)
		if (seen[i])
			say("%s: request %d: %s%d", what, i, res[i] < 0 ? t_errname(-res[i]) : "", res[i] < 0 ? 0 : res[i]);
	return n;
}

static void unmake(struct ring *r)
{
	close(r->fd);
}

/* --- one ring, one thread ------------------------------------------------------------------------------------------------ */

static int pipes[3][2];

static void *write_one_by_one(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++) {
		msleep(5);
		MUST(write(pipes[i][1], "abc", 3));
	}
	return NULL;
}

/* as linux/io_uring.h of 5.11 has it */
struct getevents_arg {
	uint64_t sigmask;
	uint32_t sigmask_sz, min_wait_usec;
	uint64_t ts;
};

static void one(const char *what, unsigned flags)
{
	struct __kernel_timespec ms200 = { 0, 200000000 }, ms5 = { 0, 5000000 }, ms600 = { 0, 600000000 };
	struct getevents_arg limit = { .ts = (uintptr_t)&ms200 };
	struct ring r;
	char buf[3][8] = { "" };
	pthread_t t;

	if (make(&r, flags) == -1) {
		say("-- %s: not known to this kernel", what);
		return;
	}
	say("-- %s", what);
	for (int i = 0; i < 3; i++)
		must_pipe(pipes[i]);
	prepare(&r, IORING_OP_NOP, -1, NULL, 0, 1);
	prepare(&r, IORING_OP_NOP, -1, NULL, 0, 2);
	R("two nops, two wanted", enter(&r, 2, 0, NULL, 0));
	take(&r, "nops");
	R("nothing wanted", enter(&r, 0, 0, NULL, 0));
	R("none, 200 ms", enter(&r, 1, IORING_ENTER_EXT_ARG, &limit, sizeof(limit)));
	R("three of none, 200 ms", enter(&r, 3, IORING_ENTER_EXT_ARG, &limit, sizeof(limit)));
	prepare(&r, IORING_OP_NOP, -1, NULL, 0, 1);
	R("submitted, two wanted, 200 ms", enter(&r, 2, IORING_ENTER_EXT_ARG, &limit, sizeof(limit)));
	take(&r, "one of two");

	for (int i = 0; i < 3; i++)
		prepare(&r, IORING_OP_READ, pipes[i][0], buf[i], 8, (uint64_t)i);
	t = start(write_one_by_one, NULL);
	R("three reads, one wanted", enter(&r, 1, 0, NULL, 0));
	R("all wanted", enter(&r, 3, 0, NULL, 0));
	YES("all came", here(&r) == 3);
	take(&r, "reads");
	join(t);

	prepare(&r, IORING_OP_TIMEOUT, -1, &ms5, 1, 7);
	R("a timeout, one wanted", enter(&r, 1, 0, NULL, 0));
	take(&r, "timeout");
	prepare(&r, IORING_OP_TIMEOUT, -1, &ms600, 1, 7);	/* one that runs out before we wait ends no wait */
	R("a timeout, three wanted", enter(&r, 3, 0, NULL, 0));
	take(&r, "timeout");

	if (!(flags & IORING_SETUP_SQPOLL)) {	/* there the kernel itself sometimes never ends it */
		prepare(&r, IORING_OP_READ, pipes[0][0], buf[0], 8, 3)->flags = IOSQE_IO_LINK;
		prepare(&r, IORING_OP_LINK_TIMEOUT, -1, &ms5, 1, 4);
		R("a read with a limit", enter(&r, 2, 0, NULL, 0));
		take(&r, "linked");
	}

	R("bad size of the argument", enter(&r, 1, IORING_ENTER_EXT_ARG, &limit, 3));
	R("bad argument", enter(&r, 1, IORING_ENTER_EXT_ARG, T_BAD, sizeof(limit)));
	limit.ts = (uintptr_t)T_BAD;
	R("bad time", enter(&r, 1, IORING_ENTER_EXT_ARG, &limit, sizeof(limit)));
	R("bad size of the mask", syscall(SYS_io_uring_enter, r.fd, 0, 1, IORING_ENTER_GETEVENTS, &ms5, 3));
	R("not a ring", syscall(SYS_io_uring_enter, pipes[0][0], 0, 1, IORING_ENTER_GETEVENTS, NULL, 0));
	R("closed", syscall(SYS_io_uring_enter, 999, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0));
	for (int i = 0; i < 3; i++)
		close2(pipes[i]);
	unmake(&r);
}

/* --- signals ----------------------------------------------------------------------------------------------------------------- */

static int handled, place;
static pthread_t waits;

static void on_usr1(int sig)
{
	(void)sig;
	handled++;
}

static void *interrupt(void *arg)
{
	(void)arg;
	wait_parked(&place);
	pthread_kill(waits, SIGUSR1);
	return NULL;
}

static void signals(void)
{
	struct sigaction sa = { .sa_handler = on_usr1, .sa_flags = SA_RESTART };
	uint64_t blocked = 1ull << (SIGUSR1 - 1), none = 0;
	struct __kernel_timespec ms20 = { 0, 20000000 };
	struct getevents_arg limit = { .sigmask = (uintptr_t)&blocked, .sigmask_sz = 8, .ts = (uintptr_t)&ms20 };
	struct ring r;
	pthread_t t;

	say("-- signals");
	MUST(make(&r, 0));
	sigaction(SIGUSR1, &sa, NULL);
	waits = pthread_self();
	for (unsigned min = 1; min < 3; min++) {
		place = 0;
		t = start(interrupt, NULL);
		t_here(&place);
		R("interrupted", enter(&r, min, 0, NULL, 0));
		join(t);
		say("handled %d", handled);
	}
	raise(SIGUSR1);
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	raise(SIGUSR1);
	R("let in for the length of the call", enter(&r, 1, 0, &none, 8));
	say("handled %d", handled);
	raise(SIGUSR1);
	R("kept out", enter(&r, 1, IORING_ENTER_EXT_ARG, &limit, sizeof(limit)));
	say("handled %d", handled);
	pthread_sigmask(SIG_UNBLOCK, &s, NULL);
	say("handled %d", handled);
	unmake(&r);
}

/* --- many ------------------------------------------------------------------------------------------------------------------ */

#define MANY	8
#define ROUNDS	50

/* Each sends itself bytes through a pipe of which the other end is another thread's. */
static int circle[MANY][2];

static void *pass_on(void *arg)
{
	int me = (int)(intptr_t)arg;
	struct ring r;
	char c = 0;

	MUST(make(&r, me % 2 ? IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN : 0) == -1 ? make(&r, 0) : 0);
	for (int i = 0; i < ROUNDS; i++) {
		prepare(&r, IORING_OP_READ, circle[me][0], &c, 1, 1);
		while (!here(&r))
			MUST(enter(&r, 1, 0, NULL, 0));
		__atomic_store_n(r.cq_head, *r.cq_head + 1, __ATOMIC_RELEASE);
		prepare(&r, IORING_OP_WRITE, circle[(me + 1) % MANY][1], &c, 1, 2);
		while (!here(&r))
			MUST(enter(&r, 1, 0, NULL, 0));
		__atomic_store_n(r.cq_head, *r.cq_head + 1, __ATOMIC_RELEASE);
	}
	unmake(&r);
	return NULL;
}

static void many(void)
{
	pthread_t t[MANY];
	char c;

	say("-- a ring each");
	for (int i = 0; i < MANY; i++)
		must_pipe(circle[i]);
	for (int i = 0; i < MANY; i++)
		t[i] = start(pass_on, (void *)(intptr_t)i);
	MUST(write(circle[0][1], "x", 1));
	for (int i = 0; i < MANY; i++)
		join(t[i]);
	R("came back", read(circle[0][0], &c, 1));
	for (int i = 0; i < MANY; i++)
		close2(circle[i]);
}

/* One ring; each takes what has come, under a lock, and puts back what is not his. */
static struct ring shared;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int done[MANY];

static void *wait_for_mine(void *arg)
{
	int me = (int)(intptr_t)arg;

	while (!t_get(&done[me])) {
		long n = syscall(SYS_io_uring_enter, shared.fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);

		if (n == -1 && errno != EINTR)
			fail("enter");
		pthread_mutex_lock(&lock);
		while (here(&shared)) {
			t_set(&done[shared.cqes[*shared.cq_head & *shared.cq_mask].user_data % MANY], 1);
			__atomic_store_n(shared.cq_head, *shared.cq_head + 1, __ATOMIC_RELEASE);
		}
		pthread_mutex_unlock(&lock);
		sched_yield();
	}
	return NULL;
}

static void together(void)
{
	pthread_t t[MANY];
	uint64_t value[MANY], one = 1;
	int fd[MANY];

	say("-- one ring for all");
	MUST(make(&shared, 0));
	for (int i = 0; i < MANY; i++) {
		fd[i] = MUST(eventfd(0, EFD_CLOEXEC));
		prepare(&shared, IORING_OP_READ, fd[i], &value[i], 8, (uint64_t)i);
	}
	R("submit", enter(&shared, 0, 0, NULL, 0));
	for (int i = 0; i < MANY; i++)
		t[i] = start(wait_for_mine, (void *)(intptr_t)i);
	for (int i = MANY - 1; i >= 0; i--) {
		msleep(1);
		MUST(write(fd[i], &one, 8));
	}
	/* who is left asleep while another took his: something for each */
	for (int i = 0; i < MANY; i++) {
		pthread_mutex_lock(&lock);
		prepare(&shared, IORING_OP_NOP, -1, NULL, 0, (uint64_t)i);
		MUST(enter(&shared, 0, 0, NULL, 0));
		pthread_mutex_unlock(&lock);
		msleep(1);
	}
	for (int i = 0; i < MANY; i++) {
		join(t[i]);
		close(fd[i]);
	}
	say("all were served");
	unmake(&shared);
}

/* --- a server in a ring, clients in threads ------------------------------------------------------------------------------------ */

static struct sockaddr_in address = { .sin_family = AF_INET };

static void *client(void *arg)
{
	int s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	char buf[8] = "";

	(void)arg;
	MUST(connect(s, (struct sockaddr *)&address, sizeof(address)));
	MUST(write(s, "hello", 5));
	MUST(read(s, buf, sizeof(buf)));
	close(s);
	return (void *)(intptr_t)(strcmp(buf, "hello") == 0);
}

static int result(struct ring *r)
{
	while (!here(r))
		if (enter(r, 1, 0, NULL, 0) == -1 && errno != EINTR)
			fail("enter");
	int res = r->cqes[*r->cq_head & *r->cq_mask].res;
	__atomic_store_n(r->cq_head, *r->cq_head + 1, __ATOMIC_RELEASE);
	return res;
}

static void server(void)
{
	socklen_t len = sizeof(address);
	struct ring r;
	pthread_t t[4];
	char buf[8];
	int l = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), good = 0;

	say("-- a server");
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(bind(l, (struct sockaddr *)&address, sizeof(address)));
	MUST(listen(l, 10));
	MUST(getsockname(l, (struct sockaddr *)&address, &len));
	MUST(make(&r, 0));
	for (int i = 0; i < 4; i++)
		t[i] = start(client, NULL);
	for (int i = 0; i < 4; i++) {
		prepare(&r, IORING_OP_ACCEPT, l, NULL, 0, 1);
		int s = result(&r);
		prepare(&r, IORING_OP_RECV, s, buf, sizeof(buf), 2);
		int n = result(&r);
		prepare(&r, IORING_OP_SEND, s, buf, (unsigned)n, 3);
		result(&r);
		prepare(&r, IORING_OP_CLOSE, s, NULL, 0, 4);
		result(&r);
	}
	for (int i = 0; i < 4; i++)
		good += join(t[i]) != NULL;
	say("%d clients were served", good);
	close(l);
	unmake(&r);
}

/* --- registered rings ------------------------------------------------------------------------------------------------------------- */

static void registered(void)
{
	struct io_uring_rsrc_update u = { .offset = ~0u };
	struct __kernel_timespec ms5 = { 0, 5000000 };
	struct ring r;

	say("-- registered");
	MUST(make(&r, 0));
	u.data = (uint64_t)r.fd;
	if (syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_RING_FDS, &u, 1) != 1) {
		say("not known to this kernel");
		return;
	}
	prepare(&r, IORING_OP_TIMEOUT, -1, &ms5, 1, 7);
	R("wait by index", syscall(SYS_io_uring_enter, u.offset, take_prepared(&r), 1, IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING,
				   NULL, 0));
	take(&r, "by index");
	R("wrong index", syscall(SYS_io_uring_enter, 15, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING, NULL, 0));
	R("unregister", syscall(SYS_io_uring_register, r.fd, IORING_UNREGISTER_RING_FDS, &u, 1));
	unmake(&r);
}

/* The index is as good as the descriptor, also when that is closed, and its number is another file's. */
static void registered_and_closed(void)
{
	struct io_uring_rsrc_update u = { .offset = ~0u };
	struct __kernel_timespec ms50 = { 0, 50000000 };
	struct ring r;
	uint64_t told = 0;
	int p[2], event = MUST(eventfd(0, EFD_CLOEXEC));

	say("-- registered and closed");
	MUST(make(&r, 0));
	u.data = (uint64_t)r.fd;
	if (syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_RING_FDS, &u, 1) != 1) {
		say("not known to this kernel");
		return;
	}
	MUST(close(r.fd));
	MUST(pipe(p));
	MUST(write(p[1], "x", 1));
	prepare(&r, IORING_OP_TIMEOUT, -1, &ms50, 1, 8);
	R("wait by index", syscall(SYS_io_uring_enter, u.offset, take_prepared(&r), 1, IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING,
				   NULL, 0));
	take(&r, "by index");
	R("an eventfd by index", syscall(SYS_io_uring_register, u.offset, IORING_REGISTER_EVENTFD | 1u << 31, &event, 1));
	prepare(&r, IORING_OP_TIMEOUT, -1, &ms50, 1, 9);
	R("wait beside it", syscall(SYS_io_uring_enter, u.offset, take_prepared(&r), 1, IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING,
				    NULL, 0));
	take(&r, "by index");
	R("it tells", read(event, &told, sizeof(told)));
	say("of %llu", (unsigned long long)told);
	R("no eventfd", syscall(SYS_io_uring_register, u.offset, IORING_UNREGISTER_EVENTFD | 1u << 31, NULL, 0));
	R("nor another", syscall(SYS_io_uring_register, u.offset, IORING_UNREGISTER_EVENTFD | 1u << 31, NULL, 0));
	u.data = 0;
	R("unregister by index", syscall(SYS_io_uring_register, u.offset, IORING_UNREGISTER_RING_FDS | 1u << 31, &u, 1));
	R("gone", syscall(SYS_io_uring_enter, u.offset, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING, NULL, 0));
	MUST(close(p[0]));
	MUST(close(p[1]));
	MUST(close(event));
}

int main(void)
{
	struct ring r;

	t_begin();
	if (make(&r, 0) == -1) {
		say("there are none here: %s", t_errname(errno));
		return 77;
	}
	unmake(&r);
	one("plain", 0);
	one("COOP_TASKRUN", 1u << 8);
	one("DEFER_TASKRUN", IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	one("SQPOLL", IORING_SETUP_SQPOLL);
	signals();
	many();
	together();
	server();
	registered();
	registered_and_closed();
	return 0;
}
