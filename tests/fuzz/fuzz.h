/*
 * fuzz.h - what the parts of fuzz_calls share
 *
 * A script is a row of steps of eight bytes.  Each step has one of four threads make one call.  The conductor hands out the next one
 * when all threads have answered or are asleep, so the outcome does not depend on scheduling, and must be the same on kernel threads
 * and on greenlets.  Nothing here knows of grove.
 */
#ifndef FUZZ_H
#define FUZZ_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifdef __clang__
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#endif
#pragma GCC diagnostic ignored "-Wnonnull"		/* bad arguments are what this is for */
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#pragma GCC diagnostic ignored "-Warray-bounds"

#define THREADS		4
#define SLOTS		40
#define STEP_BYTES	8
#define MAX_STEPS	64
#define MAX_OBJECTS	512
#define BUFFER		(256 * 1024)
#define LENGTH(a)	(sizeof(a) / sizeof((a)[0]))

/* What may lie behind a slot.  What was made by accept(), or by a step, may be of a kind that is only roughly known. */
enum kind { NOTHING, PIPE_R, PIPE_W, UNIX_STREAM, UNIX_DGRAM, UNIX_SEQ, TCP, UDP, TCP_LISTENER, UNIX_LISTENER, EVENTFD, TIMERFD, EPOLL,
	    FILE_RW, INOTIFY, SIGNALFD, PTY_MASTER, PTY_SLAVE, FIFO, MQ, PIDFD, DEVICE, SOCKET_NEW, OTHER };

struct slot {
	int fd;				/* -1: empty */
	enum kind kind;
	int object;			/* descriptors made by dup have the same */
};

/* An open file, as far as waiting at it goes. */
struct object {
	int waiters[2];			/* threads asleep in a call that reads, that writes */
	int peer;			/* the other end of a stream, or 0 */
	bool finite[2];			/* SO_RCVTIMEO, SO_SNDTIMEO: waits end by themselves */
};

/* What a call may wait for.  Two threads never wait at one object in one direction: whom the kernel wakes is not promised. */
#define READS_A		0x01
#define WRITES_A	0x02
#define READS_B		0x04
#define WRITES_B	0x08
#define POLLS		0x10		/* slots a, b, c; timeout in f */
#define NAMED		0x20		/* the lock or queue number (op->named, a % 4) */
#define TIMED		0x40		/* by its timeout in f */
#define DRAIN		0x80		/* made again until nothing comes */
#define STAYS		0x100		/* the conductor waits for the end of it: it ends by itself */
#define TOUCHES		0x200		/* threads that do nothing may have something to do now: a handler */

struct step {
	uint8_t thread, op, a, b, c, d, e, f;
};

struct result {
	long ret;
	bool number;			/* .ret is a new descriptor */
	int err;
	uint32_t hash;			/* of what was received */
	char more[120];			/* anything else to compare */
};

struct op {
	const char *name;
	void (*fn)(const struct step *s, struct result *r);
	unsigned uses;
	int named;			/* NAMED: which group of locks or queues */
};

/* The group of a NAMED call */
enum { MUTEXES = 1, CONDS, SEMS, RWLOCKS, BARRIERS, WORDS, SYSV_SEMS, SYSV_MSGS, SIGNALS, CHILDREN };

extern const struct op io_ops[], net_ops[], wait_ops[], sync_ops[], signal_ops[], process_ops[], file_ops[];
extern const struct op release_op;
#define RELEASE		255
extern const struct op *find_op(uint8_t number);

/* world.c: the slots */
extern struct slot slots[SLOTS];
extern struct object objects[MAX_OBJECTS];
void world_begin(void);
void world_end(void);
int slot_number(uint8_t b);			/* -1: one of the bad descriptors */
int fd_of(uint8_t b);
enum kind kind_of(uint8_t b);
int object_of(uint8_t b);			/* 0: none */
int put(int fd, enum kind kind, int peer);	/* into the first empty slot, as a new object; closes it if there is none */
void put_same(struct result *r, int from_slot);	/* the same object */
void put_result(struct result *r, long fd, enum kind kind);
void forget(int slot);
const struct sockaddr *address(uint8_t b, socklen_t *ret_len);
extern int sysv_sems, sysv_queue;

/* values made of bytes */
void *buffer(uint8_t b, size_t n, bool out);	/* at least n bytes of the thread's own; or a bad one */
bool good_buffer(uint8_t b);
size_t size_of(uint8_t b);
size_t write_size(uint8_t size, uint8_t fd);	/* what does not make TCP wait, which it does by its own mind */
int timeout_ms(uint8_t b);			/* -1, 0 or a few */
struct timespec *timeout_ts(uint8_t b, struct timespec *ts);	/* NULL, zero, short, invalid, bad pointer */
bool endless(uint8_t b);			/* of timeout_ms() and timeout_ts() */
uint32_t hash_of(const void *p, size_t n);
void took(struct result *r, const void *p, long n);
void more(struct result *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* calls.c */
extern __thread int me;				/* thread number */
extern int signals_taken[THREADS + 1];	/* the last: by the conductor */
pthread_t thread_of(int i);
bool busy(int i);				/* asleep in a step */
extern bool slow_settle;			/* terminals: a kernel thread carries the bytes */

/* A call by the C library's function or straight, as the step says. */
#define STRAIGHT(s)	((s)->thread & 0x80)
#define DO(r, s, nr, fn, ...) do {							\
	errno = 0;									\
	(r)->ret = STRAIGHT(s) ? syscall(nr, ##__VA_ARGS__) : (long)fn(__VA_ARGS__);	\
	(r)->err = (r)->ret == -1 ? errno : 0;						\
} while (0)
#define DONE(r, call) do {								\
	errno = 0;									\
	(r)->ret = (long)(call);							\
	(r)->err = (r)->ret == -1 ? errno : 0;						\
} while (0)
/* in the manner of pthreads */
#define DONE_P(r, call) ((r)->err = (int)(call), (r)->ret = (r)->err ? -1 : 0)

#endif
