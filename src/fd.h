/*
 * fd.h - what grove knows about each descriptor, and waiting for one
 *
 * Owns the descriptor table.  An entry appears on first use and is emptied at close().  Waiters live on their callers' stacks.
 * A descriptor closed while others wait on it stays open for them, as in the kernel, where a blocked call holds the file: the
 * waiters move to a private duplicate (gr_fd_close).
 */
#ifndef GR_FD_H
#define GR_FD_H

#include "base.h"
#include "list.h"

struct gr_greenlet;

enum { GR_READ = 0, GR_WRITE = 1 };

#define GR_FD_CHUNK	256u
#define GR_FD_MAX	(1u << 21)	/* twice the kernel's default fs.nr_open; descriptors beyond go straight to the kernel */

enum gr_fd_kind {
	GR_KIND_NEW,		/* not looked at yet */
	GR_KIND_STREAM,		/* socket, stream: MSG_DONTWAIT */
	GR_KIND_DGRAM,		/* socket that keeps messages apart, datagram, seqpacket, raw: MSG_DONTWAIT */
	GR_KIND_NOWAIT,		/* RWF_NOWAIT, which pipes, eventfd and timerfd know; where it fails, poll_first */
	GR_KIND_POLL,		/* poll first: tty, pty, signalfd, epoll, message queues */
	GR_KIND_FILE,		/* regular file, directory, block device: always ready, but may wait for a disk or a server (green/disk.c) */
	GR_KIND_OTHER,		/* epoll refuses it and it is no file (/dev/null, /dev/zero): calls go straight through */
};

/* In the hub's epoll set?  How does the kernel tell? */
enum gr_registered {
	GR_UNREGISTERED,
	GR_LEVEL,		/* as long as it is ready, at each turn */
	GR_EDGE,		/* once, when something comes */
};

struct gr_fd {
	/* the first cache line is what a wait touches */
	uint32_t gen;			/* bumped by close(), and by dup2() onto us */
	int fd;				/* its number */
	uint8_t kind;			/* enum gr_fd_kind */
	bool nonblock;			/* O_NONBLOCK, as last seen; certain only when !shared */
	bool shared;			/* others may change O_NONBLOCK, or read: duplicated, inherited, passed on (fork_gen: before a fork) */
	bool drained;			/* the last receive on this stream came up short: park before trying again */
	uint8_t poll_first;		/* GR_BIT(direction): RWF_NOWAIT is not for this file; unless it is FILE, look for readiness first */
	uint8_t armed;			/* GR_BIT(GR_READ) | GR_BIT(GR_WRITE): directions the hub watches */
	uint8_t told;			/* the same as the kernel's epoll set has it, which is told of changes at the hub's next turn */
	uint8_t registered;		/* enum gr_registered */
	struct gr_list waiters[2];	/* first come, first served */
	const void *trusted;		/* memory that the kernel can always write to: the last receive's buffer, and its size */
	uint16_t trusted_size;
	bool edges;			/* a TCP socket that may be watched by edges (gr_fd_level) */
	uint32_t fork_gen;		/* carrier's count of forks when the entry was made */

	bool tcp;			/* TCP, and what is accepted on it may be watched by edges */
	bool listening;			/* listen() was seen: a socket to accept on */
	bool fifo;			/* a named pipe: readiness does not tell whether anyone could still write */
	bool signalfd;			/* a read that is too small fails at once */
	bool answers;			/* fanotify: a write never waits, and poll() does not know of writing */
	bool lingers;			/* SO_LINGER was set: close() may block */
	bool own;			/* grove's: the program must not see it */

	gr_time timeo[2];		/* SO_RCVTIMEO, SO_SNDTIMEO as durations; GR_NEVER when unset */
	struct gr_list hub_link;	/* in the hub's list of entries to look at */
	struct ring *ring;		/* the program's io_uring (green/rings.c), or NULL */
	unsigned movers;		/* waiters that were moved here from a closed descriptor; the last closes it */

	uint8_t speed;			/* of files: enum gr_speed (mounts.h), NEW until it matters */
	bool direct;			/* O_DIRECT, as last seen: no page cache to look into */
	bool sync;			/* O_SYNC, O_DSYNC: a write waits for the disk */
	bool tty;			/* a terminal: a write to it may be made in pieces */
	bool twin;			/* duplicated: another descriptor has the same position */
	uint16_t moving;		/* calls at the file's own position that are being made by offload threads */
} __attribute__((aligned(64)));

struct gr_waiter {
	struct gr_list link;		/* in gr_fd.waiters */
	struct gr_greenlet *g;
	int fd;				/* the descriptor, or its private duplicate once it was closed under us */
	bool ready;			/* the hub saw it ready */
	bool moved;			/* fd is a private duplicate now; gr_fd_wait_end() closes it after the last */
};

/* The entry for @fd, made if need be; looks at the descriptor (fstat, getsockopt, F_GETFL) on first use.
 * NULL when @fd is not open (the kernel then says EBADF by itself) or no memory. */
struct gr_fd *gr_fd_get(int fd);

extern struct gr_fd *gr_fd_chunks[GR_FD_MAX / GR_FD_CHUNK];	/* the table; NULL: nothing in that part of it yet */

/* The entry if there is one; never makes or looks. */
static inline struct gr_fd *gr_fd_peek(int fd)
{
	struct gr_fd *chunk = GR_LIKELY((unsigned)fd < GR_FD_MAX) ? gr_fd_chunks[(unsigned)fd / GR_FD_CHUNK] : NULL;

	return GR_LIKELY(chunk != NULL) ? &chunk[(unsigned)fd % GR_FD_CHUNK] : NULL;
}

/* Has nobody else a descriptor of it, as far as we know? */
bool gr_fd_only_ours(const struct gr_fd *f);

/* Somebody else has it from now on. */
void gr_fd_passed_on(int fd);

/* Its urgent data is or may be read out of turn. */
void gr_fd_urgent(int fd);

/* Would a call on it block?  Asks the kernel (F_GETFL) only for descriptors others may have changed. */
bool gr_fd_blocking(struct gr_fd *f);

/* Writes "/proc/self/fd/<fd>" */
#define GR_FD_PATH 32
void gr_fd_path(int fd, char path[GR_FD_PATH]);

/* A descriptor the program just made: no need to look at it later. */
void gr_fd_born(int fd, enum gr_fd_kind kind, bool nonblock);
void gr_fd_born_file(int fd, int flags, unsigned speed);	/* as given to open(2); enum gr_speed */

/*
 * gr_fd_wait - park until @fd may be ready for @dir, or until @deadline
 * Parks: yes.  0 when ready (try again, it may be gone), -ETIMEDOUT, -EINTR, -ECANCELED, -EBADF not open, -ENOMEM.
 * @fd is in and out: after a close by another greenlet it is the private duplicate to go on with, which gr_fd_wait_end() closes.
 */
struct gr_fd_wait {
	int fd;				/* the number to use for the next try */
	bool moved;
};
int gr_fd_wait(struct gr_fd_wait *w, int dir, gr_time deadline);
void gr_fd_wait_end(struct gr_fd_wait *w);

/* Wait on many at once (poll, select): links @n waiters, parks, unlinks.  0 when any is ready. */
struct gr_fd_want {
	struct gr_waiter in, out;
	int fd;
	uint8_t dirs;			/* GR_BIT(GR_READ) | GR_BIT(GR_WRITE) */
};
int gr_fd_wait_many(struct gr_fd_want *wants, size_t n, gr_time deadline);

/* The hub saw @f ready (@dirs): wake the first waiter of each.  Returns the directions in which nobody waits any more. */
unsigned gr_fd_ready(struct gr_fd *f, unsigned dirs);

/*
 * Edges
 * The kernel looks at each descriptor that it has reported once more at the next turn, to see whether it still is ready, unless it is
 * watched by edges; that is a twentieth of what a small request costs.  But an edge is told once, so nobody may wait for one that has passed.
 * So edges are for one waiter of a direction, who has just been told that there is nothing (EAGAIN, or poll), and for TCP, where a receive
 * that comes short has found the end of the queue (epoll(7)).  There are exceptions to that, and after each the socket is watched by
 * level again, for good:
 *	the end		has no edge of its own if it came with the last bytes		event EPOLLRDHUP, EPOLLHUP, EPOLLERR
 *	urgent data	a receive ends where it is or was, also when it was	event EPOLLPRI; before a receive with MSG_OOB; with
 *			read before anybody waited				F_SETOWN and its like, which are for that
 *	bad memory	or where it can be written no further				buffer not in one of our stacks: gr_fd_trusts()
 *	other readers	TCP_ULP (kTLS) returns records, SO_RCVLOWAT asks for more	setsockopt()
 *	others		do any of these where we do not see it: duplicates, other	whoever waits next: join_waiters()
 *			processes, native threads
 * gr_fd_level() also serves a second waiter, since an edge wakes one only.
 */
void gr_fd_level(struct gr_fd *f);
bool gr_fd_is_plain_tcp(int fd);		/* as the kernel has it now: none of its options is in the way */
void gr_fd_no_edges(struct gr_fd *f);		/* nor for what is accepted on it, which inherits the option */

/* Is all of @buf, of @size bytes, in one of the pool's stacks?  Those stay mapped. */
bool gr_fd_trusts(struct gr_fd *f, const void *buf, size_t size);

/* Has an edge for writing perhaps passed already?  Then a send that was made in part is to be tried again before it is waited for. */
static inline bool gr_fd_edge_passed(const struct gr_fd *f)
{
	return f->registered == GR_EDGE && (f->told & GR_BIT(GR_WRITE));
}

/*
 * Who had to wait for room and has written all it wanted wakes the next in line: there may be room for that one too, and events come
 * once a turn of the hub.  With many writers on one descriptor each turn would serve one of them.  Not so for readers: one that finds
 * nothing has made its call in vain, and often there is nothing left.
 */
void gr_fd_room_left(struct gr_fd *f);

/* @f cannot be watched: wake all its waiters, who will see why when they try again. */
void gr_fd_ready_all(struct gr_fd *f);

/* The hub's epoll set is another one, in which nothing is registered yet. */
void gr_fd_watch_anew(void);

/* Before the kernel closes @fd: move its waiters aside, forget the entry. */
void gr_fd_close(int fd);

/* SO_@option of @fd was set: SO_RCVTIMEO, SO_SNDTIMEO and SO_LINGER concern us. */
void gr_fd_option_changed(int fd, int option);

/* @to is now a duplicate of @from: neither's O_NONBLOCK is ours alone any more. */
void gr_fd_dup(int from, int to);

/* In a forked child: no one waits, nothing is watched; and in both: every description is shared from now on. */
void gr_fd_fork_child(void);
void gr_fd_forked(void);

#endif
