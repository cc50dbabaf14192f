/*
 * fd.c - the descriptor table, and waiting for descriptors
 */
#include "fd.h"
#include "green/rings.h"
#include "hub.h"
#include "mounts.h"
#include "raw.h"
#include "sched.h"
#include "stack.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <asm/termbits.h>
#include <asm/ioctls.h>

#define CHUNKS		(GR_FD_MAX / GR_FD_CHUNK)

struct gr_fd *gr_fd_chunks[CHUNKS];
static size_t chunks_end;		/* there are none from here on */

static struct gr_fd *entry(int fd)
{
	struct gr_fd *f = gr_fd_peek(fd);
	long p;

	if (f || (unsigned)fd >= GR_FD_MAX)
		return f;
	p = raw(SYS_mmap, 0, sizeof(*f) * GR_FD_CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (raw_failed(p))
		return NULL;
	f = gr_fd_chunks[(unsigned)fd / GR_FD_CHUNK] = (struct gr_fd *)p;
	if (chunks_end <= (unsigned)fd / GR_FD_CHUNK)
		chunks_end = (unsigned)fd / GR_FD_CHUNK + 1;
	for (int i = 0; i < (int)GR_FD_CHUNK; i++) {
		gr_list_init(&f[i].waiters[GR_READ]);
		gr_list_init(&f[i].waiters[GR_WRITE]);
		gr_list_init(&f[i].hub_link);
		f[i].fd = fd - (int)((unsigned)fd % GR_FD_CHUNK) + i;
	}
	return gr_fd_peek(fd);
}

/* --- what kind of descriptor is it? --------------------------------------------------------------------------------------- */

static gr_time socket_timeout(int fd, int option)
{
	struct timeval tv = { 0, 0 };
	socklen_t n = sizeof(tv);

	if (raw(SYS_getsockopt, fd, SOL_SOCKET, option, &tv, &n) < 0 || (tv.tv_sec == 0 && tv.tv_usec == 0))
		return GR_NEVER;
	return GR_SEC(tv.tv_sec) + GR_US(tv.tv_usec);
}

static int option(int fd, int name)
{
	int value = 0;
	socklen_t n = sizeof(value);

	raw(SYS_getsockopt, fd, SOL_SOCKET, name, &value, &n);
	return value;
}

bool gr_fd_is_plain_tcp(int fd)
{
	int domain = option(fd, SO_DOMAIN);
	char ulp[16] = "";
	socklen_t n = sizeof(ulp);

	return (domain == AF_INET || domain == AF_INET6) && option(fd, SO_PROTOCOL) == IPPROTO_TCP && option(fd, SO_RCVLOWAT) == 1 &&
	       raw(SYS_getsockopt, fd, IPPROTO_TCP, TCP_ULP, ulp, &n) == 0 && (n == 0 || !ulp[0]);
}

static void look_at_socket(struct gr_fd *f)
{
	f->kind = option(f->fd, SO_TYPE) == SOCK_STREAM ? GR_KIND_STREAM : GR_KIND_DGRAM;
	f->listening = option(f->fd, SO_ACCEPTCONN) != 0;
	f->tcp = f->listening && gr_fd_is_plain_tcp(f->fd);
	f->timeo[GR_READ] = socket_timeout(f->fd, SO_RCVTIMEO);
	f->timeo[GR_WRITE] = socket_timeout(f->fd, SO_SNDTIMEO);
}

void gr_fd_option_changed(int fd, int option)
{
	struct gr_fd *f = gr_fd_get(fd);
	struct linger linger = { 0, 0 };
	socklen_t n = sizeof(linger);

	if (!f)
		return;
	if (option == SO_RCVLOWAT)
		gr_fd_no_edges(f);
	if (option == SO_RCVTIMEO_OLD || option == SO_RCVTIMEO_NEW)
		f->timeo[GR_READ] = socket_timeout(fd, SO_RCVTIMEO);
	if (option == SO_SNDTIMEO_OLD || option == SO_SNDTIMEO_NEW)
		f->timeo[GR_WRITE] = socket_timeout(fd, SO_SNDTIMEO);
	if (option == SO_LINGER && raw(SYS_getsockopt, fd, SOL_SOCKET, SO_LINGER, &linger, &n) == 0)
		f->lingers = linger.l_onoff && linger.l_linger > 0;
}

/* epoll refuses what is always ready, or has nothing to wait for */
static bool epoll_takes(int fd)
{
	struct epoll_event ev = { .events = 0 };
	long ep = raw(SYS_epoll_create1, EPOLL_CLOEXEC), r;

	if (raw_failed(ep))
		return true;
	r = raw(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fd, &ev);
	raw(SYS_close, ep);
	return r != -EPERM && r != -EBADF;
}

void gr_fd_path(int fd, char path[GR_FD_PATH])
{
	static const char dir[] = "/proc/self/fd/";
	size_t n = sizeof(dir) - 1, k = 0;
	char digits[12];

	memcpy(path, dir, n);
	do
		digits[k++] = (char)('0' + fd % 10);
	while (fd /= 10);
	while (k)
		path[n++] = digits[--k];
	path[n] = '\0';
}

/* Only its name tells what an anonymous file is.  @want: "anon_inode:[...]" */
static bool is_named(int fd, const char *want, size_t size)
{
	char path[GR_FD_PATH], name[32];
	long got;

	gr_fd_path(fd, path);
	got = raw(SYS_readlink, path, name, sizeof(name));
	return got == (long)size && memcmp(name, want, size) == 0;
}

#define IS_NAMED(fd, name) is_named(fd, "anon_inode:" name, sizeof("anon_inode:" name) - 1)

/* A signalfd says EINVAL where others say that they do not know RWF_NOWAIT; a counter can be read at once, and poll() is about its ring. */
static enum gr_fd_kind look_at_anonymous(struct gr_fd *f)
{
	f->signalfd = IS_NAMED(f->fd, "[signalfd]");
	f->answers = !f->signalfd && IS_NAMED(f->fd, "[fanotify]");
	if (f->signalfd || f->answers)
		return GR_KIND_POLL;
	return IS_NAMED(f->fd, "[perf_event]") ? GR_KIND_OTHER : GR_KIND_NOWAIT;
}

/* What fstat() says, without asking a server: a file that has a position is taken for a regular one. */
static int type_of(struct gr_fd *f, struct stat *st)
{
	struct statx sx;

	if (f->speed != GR_SPEED_SLOW)
		return (int)raw(SYS_fstat, f->fd, st);
	st->st_mode = S_IFREG;
	if (raw(SYS_lseek, f->fd, 0, SEEK_CUR) == -ESPIPE && raw(SYS_statx, f->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &sx) == 0)
		st->st_mode = sx.stx_mode;
	return 0;
}

/* Its mount is that of /dev, which says nothing of the drive. */
static void look_at_drive(struct gr_fd *f)
{
	f->kind = GR_KIND_FILE;
	f->speed = GR_SPEED_ASYNC;
}

/* Is it a terminal? */
static bool look_at_device(struct gr_fd *f)
{
	struct termios t;

	f->kind = GR_KIND_POLL;
	return raw(SYS_ioctl, f->fd, TCGETS, &t) == 0;
}

static int look_at(struct gr_fd *f)
{
	struct stat st;
	long flags = raw(SYS_fcntl, f->fd, F_GETFL);

	if (flags < 0)
		return -EBADF;
	f->speed = (uint8_t)(gr_mounts_slow() ? gr_mounts_fd(f->fd) : GR_SPEED_NEW);
	if (type_of(f, &st) < 0)
		return -EBADF;
	f->direct = (flags & O_DIRECT) != 0;
	f->sync = (flags & O_DSYNC) != 0;
	f->nonblock = (flags & O_NONBLOCK) != 0;
	f->shared = true;
	f->timeo[GR_READ] = f->timeo[GR_WRITE] = GR_NEVER;
	f->fifo = S_ISFIFO(st.st_mode);
	f->signalfd = f->answers = false;
	if (flags & O_PATH)
		f->kind = GR_KIND_OTHER;
	else if (S_ISSOCK(st.st_mode))
		look_at_socket(f);
	else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		f->kind = GR_KIND_FILE;
	else if (S_ISBLK(st.st_mode))
		look_at_drive(f);
	else if (S_ISFIFO(st.st_mode))
		f->kind = GR_KIND_NOWAIT;
	else if (!epoll_takes(f->fd))
		f->kind = GR_KIND_OTHER;
	else if (S_ISCHR(st.st_mode))
		f->tty = look_at_device(f);
	else
		f->kind = look_at_anonymous(f);
	f->poll_first = f->kind == GR_KIND_POLL ? GR_BIT(GR_READ) | GR_BIT(GR_WRITE) : 0;
	f->fork_gen = gr_carrier()->forks;
	return 0;
}

static __attribute__((noinline)) struct gr_fd *get_new(int fd)
{
	struct gr_fd *f = entry(fd);

	return f && look_at(f) == 0 ? f : NULL;
}

struct gr_fd *gr_fd_get(int fd)
{
	struct gr_fd *f = gr_fd_peek(fd);

	return GR_LIKELY(f && f->kind != GR_KIND_NEW) ? f : get_new(fd);
}

bool gr_fd_only_ours(const struct gr_fd *f)
{
	return !f->shared && f->fork_gen == gr_carrier()->forks;
}

bool gr_fd_blocking(struct gr_fd *f)
{
	long flags;

	if (gr_fd_only_ours(f))
		return !f->nonblock;
	flags = raw(SYS_fcntl, f->fd, F_GETFL);
	if (flags >= 0)
		f->nonblock = (flags & O_NONBLOCK) != 0;
	return !f->nonblock;
}

void gr_fd_born(int fd, enum gr_fd_kind kind, bool nonblock)
{
	struct gr_fd *f = entry(fd);

	if (!f)
		return;
	if (f->kind != GR_KIND_NEW)	/* closed where we did not see it */
		gr_fd_close(fd);
	f->kind = (uint8_t)kind;
	f->speed = GR_SPEED_NEW;
	f->nonblock = nonblock;
	f->shared = f->fifo = f->signalfd = f->answers = false;
	f->timeo[GR_READ] = f->timeo[GR_WRITE] = GR_NEVER;
	f->fork_gen = gr_carrier()->forks;
}

void gr_fd_born_file(int fd, int flags, unsigned speed)
{
	struct gr_fd *f;

	gr_fd_born(fd, GR_KIND_FILE, (flags & O_NONBLOCK) != 0);
	f = gr_fd_peek(fd);
	if (!f)
		return;
	f->speed = (uint8_t)speed;
	f->direct = (flags & O_DIRECT) != 0;
	f->sync = (flags & O_DSYNC) != 0;
}

void gr_fd_dup(int from, int to)
{
	struct gr_fd *f = gr_fd_peek(from), *t = entry(to);		/* looked at when first used, and then taken for shared */

	if (f)
		f->shared = f->twin = true;
	if (t)
		t->twin = true;
}

void gr_fd_passed_on(int fd)
{
	struct gr_fd *f = gr_fd_peek(fd);		/* not looked at yet: it will be taken for shared then */

	if (f)
		f->shared = true;
}

/* --- waiting --------------------------------------------------------------------------------------------------------------- */

/* Regular files are always ready, but message queues and some files of /proc look like them and are not. */
static bool never_waits(struct gr_fd *f)
{
	if (f->kind != GR_KIND_FILE && f->kind != GR_KIND_OTHER)
		return false;
	if (!epoll_takes(f->fd))
		return true;
	f->kind = GR_KIND_POLL;
	f->poll_first = GR_BIT(GR_READ) | GR_BIT(GR_WRITE);
	return false;
}

/* Each wait passes here, so somebody else who begins to use the socket may do so while it is being waited for. */
static void join_waiters(struct gr_fd *f, struct gr_waiter *me, int dir)
{
	me->g = gr_carrier()->current;
	me->fd = f->fd;
	if (f->edges && GR_UNLIKELY(!gr_list_empty(&f->waiters[dir]) || !gr_fd_only_ours(f) || gr_carrier()->natives))
		gr_fd_level(f);
	gr_list_push(&f->waiters[dir], &me->link);
	if (!(f->armed & GR_BIT(dir)))
		gr_hub_watch(f);
}

/* A private duplicate has served its last waiter. */
static void drop_moved(int fd)
{
	struct gr_fd *f = gr_fd_peek(fd);

	if (f && --f->movers == 0)
		gr_own_fd_close(fd);
}

int gr_fd_wait(struct gr_fd_wait *w, int dir, gr_time deadline)
{
	struct gr_fd *f = gr_fd_get(w->fd);
	struct gr_waiter me = { .ready = false };
	int r;

	if (!f)
		return -EBADF;
	if (never_waits(f))
		return 0;
	join_waiters(f, &me, dir);
	r = gr_park("fd", deadline, GR_PARK_INTR | (f->kind == GR_KIND_POLL ? GR_PARK_LOOKS : 0));
	gr_list_del(&me.link);
	if (me.moved) {
		if (w->moved)
			drop_moved(w->fd);
		w->fd = me.fd;
		w->moved = true;
	}
	return r == -ETIMEDOUT && me.ready ? 0 : r;
}

void gr_fd_wait_end(struct gr_fd_wait *w)
{
	if (w->moved)
		drop_moved(w->fd);
	w->moved = false;
}

int gr_fd_wait_many(struct gr_fd_want *wants, size_t n, gr_time deadline)
{
	int r;

	for (size_t i = 0; i < n; i++) {
		struct gr_fd *f = gr_fd_get(wants[i].fd);

		wants[i].in = wants[i].out = (struct gr_waiter){ .ready = false };
		gr_list_init(&wants[i].in.link);
		gr_list_init(&wants[i].out.link);
		if (!f || never_waits(f))
			continue;
		if (wants[i].dirs & GR_BIT(GR_READ))
			join_waiters(f, &wants[i].in, GR_READ);
		if (wants[i].dirs & GR_BIT(GR_WRITE))
			join_waiters(f, &wants[i].out, GR_WRITE);
	}
	r = gr_park("poll", deadline, GR_PARK_INTR | GR_PARK_LOOKS);
	for (size_t i = 0; i < n; i++) {
		gr_list_del(&wants[i].in.link);
		gr_list_del(&wants[i].out.link);
		if (wants[i].in.moved)
			drop_moved(wants[i].in.fd);
		if (wants[i].out.moved)
			drop_moved(wants[i].out.fd);
	}
	return r;
}

void gr_fd_level(struct gr_fd *f)
{
	f->edges = false;
	if (f->registered == GR_EDGE)
		gr_hub_watch(f);
}

void gr_fd_urgent(int fd)
{
	struct gr_fd *f = gr_fd_peek(fd);

	if (f)
		gr_fd_level(f);
}

void gr_fd_no_edges(struct gr_fd *f)
{
	f->tcp = false;
	gr_fd_level(f);
}

bool gr_fd_trusts(struct gr_fd *f, const void *buf, size_t size)
{
	struct gr_stack stack;

	if (GR_LIKELY(f->trusted == buf && size <= f->trusted_size))
		return true;
	if (size > UINT16_MAX || !gr_stack_at(buf, &stack) || (const char *)buf < stack.lo || (const char *)buf + size > stack.lo + stack.size)
		return false;
	f->trusted = buf;
	f->trusted_size = (uint16_t)size;
	return true;
}

static bool wake_first(struct gr_list *waiters)
{
	struct gr_waiter *w;

	while (!gr_list_empty(waiters)) {
		w = gr_list_first(waiters, struct gr_waiter, link);
		gr_list_del(&w->link);
		w->ready = true;
		if (gr_wake_soon(w->g, 0))
			return true;
	}
	return false;
}

unsigned gr_fd_ready(struct gr_fd *f, unsigned dirs)
{
	unsigned idle = 0;

	for (int dir = GR_READ; dir <= GR_WRITE; dir++)
		if ((dirs & GR_BIT(dir)) && !wake_first(&f->waiters[dir]))
			idle |= GR_BIT(dir);
	return idle;
}

void gr_fd_room_left(struct gr_fd *f)
{
	wake_first(&f->waiters[GR_WRITE]);
}

void gr_fd_ready_all(struct gr_fd *f)
{
	for (int dir = GR_READ; dir <= GR_WRITE; dir++)
		while (wake_first(&f->waiters[dir]))
			;
}

void gr_fd_watch_anew(void)
{
	for (size_t i = 0; i < chunks_end; i++)
		for (int k = 0; gr_fd_chunks[i] && k < (int)GR_FD_CHUNK; k++) {
			struct gr_fd *f = &gr_fd_chunks[i][k];

			if (!f->registered)
				continue;
			f->registered = GR_UNREGISTERED;
			f->told = 0;
			gr_hub_watches(-1);
			gr_hub_watch(f);
		}
}

/* --- the end of a descriptor ------------------------------------------------------------------------------------------------ */

/* In the kernel a blocked call holds the file it blocks on: give the waiters a duplicate to go on with. */
static void move_waiters(struct gr_fd *f)
{
	int up = gr_own_fd_dup(f->fd);
	struct gr_fd *to = up < 0 ? NULL : gr_fd_get(up);

	for (int dir = GR_READ; dir <= GR_WRITE; dir++)
		gr_list_each_safe(it, &f->waiters[dir]) {
			struct gr_waiter *w = gr_container(it, struct gr_waiter, link);

			gr_list_del(&w->link);
			if (!to) {		/* no descriptor left: the best we can say */
				gr_wake(w->g, -EBADF);
				continue;
			}
			w->fd = to->fd;
			w->moved = true;
			to->movers++;
			gr_list_push(&to->waiters[dir], &w->link);
		}
	if (to)
		gr_hub_watch(to);
}

void gr_fd_close(int fd)
{
	struct gr_fd *f = gr_fd_peek(fd);

	if (!f || f->kind == GR_KIND_NEW)
		return;
	if (!gr_list_empty(&f->waiters[GR_READ]) || !gr_list_empty(&f->waiters[GR_WRITE]))
		move_waiters(f);
	if (GR_UNLIKELY(f->ring != NULL))
		gr_ring_closed(f->ring, fd);
	gr_hub_unwatch(f, fd);
	f->gen++;
	f->ring = NULL;
	f->kind = GR_KIND_NEW;
	f->listening = f->drained = f->lingers = f->own = f->twin = f->edges = f->tcp = false;
	f->trusted = NULL;
	f->poll_first = 0;
	f->movers = 0;
	f->speed = GR_SPEED_NEW;
	f->moving = 0;
}

/* --- fork ------------------------------------------------------------------------------------------------------------------- */

void gr_fd_forked(void)
{
	gr_carrier()->forks++;
}

static void forget_link(struct gr_list *l)
{
	if (!gr_list_empty(l))
		gr_list_init(l);
}

/* Nobody waits in a child, and its hub knows of nothing.  Only what is not so already is written: the kernel copies each page that is. */
static void forget_waits(struct gr_fd *f)
{
	forget_link(&f->waiters[GR_READ]);
	forget_link(&f->waiters[GR_WRITE]);
	forget_link(&f->hub_link);
	if (f->armed || f->told)
		f->armed = f->told = 0;
	if (f->registered != GR_UNREGISTERED)
		f->registered = GR_UNREGISTERED;
}

/* Own descriptors are the parent's: not to be closed here where they are its very own (CLONE_FILES), but still to be hidden. */
void gr_fd_fork_child(void)
{
	bool shared = gr_carrier()->clone_flags & CLONE_FILES;

	for (size_t i = 0; i < chunks_end; i++)
		for (int k = 0; gr_fd_chunks[i] && k < (int)GR_FD_CHUNK; k++) {
			struct gr_fd *f = &gr_fd_chunks[i][k];

			forget_waits(f);
			if (f->own && !shared) {
				raw(SYS_close, f->fd);
				f->own = false;
				f->ring = NULL;
				f->kind = GR_KIND_NEW;
				f->movers = 0;
			}
		}
}
