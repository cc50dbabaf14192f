/*
 * ops_io.c - reading and writing, and descriptors made, copied and closed
 */
#include "fuzz.h"
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <termios.h>

/* What is read lies in front of what a bad size would reach. */
static void op_read(const struct step *s, struct result *r)
{
	size_t n = size_of(s->b);
	void *p = buffer(s->c, n, true);

	DO(r, s, SYS_read, read, fd_of(s->a), p, n);
	if (good_buffer(s->c))
		took(r, p, r->ret);
}

/* The pattern tells the steps apart. */
static void *filled(const struct step *s, size_t n)
{
	unsigned char *p = buffer(s->c, n, false);

	if (good_buffer(s->c))
		for (size_t i = 0; i < n && i < BUFFER; i++)
			p[i] = (unsigned char)(i * 7 + s->b + s->d + (i >> 8));
	return p;
}

static void op_write(const struct step *s, struct result *r)
{
	size_t n = write_size(s->b, s->a);
	void *p = filled(s, n);

	if (kind_of(s->a) == EVENTFD && good_buffer(s->c) && n >= 8)
		*(uint64_t *)p = s->d < 200 ? s->d : s->d == 255 ? UINT64_MAX : UINT64_MAX - 1;
	DO(r, s, SYS_write, write, fd_of(s->a), p, n);
}

static const struct iovec *vector(const struct step *s, void *base, size_t n, struct iovec iov[4], int *ret_n)
{
	char *p = base;

	*ret_n = s->d % 8;
	iov[0] = (struct iovec){ p, n / 3 };
	iov[1] = (struct iovec){ NULL, 0 };
	iov[2] = (struct iovec){ p + n / 3, n - n / 3 };
	iov[3] = (struct iovec){ s->d & 0x40 ? NULL : p, s->d & 0x20 ? 5 : 0 };
	if (*ret_n >= 5)
		*ret_n = *ret_n == 5 ? -1 : *ret_n == 6 ? 1025 : 3;
	return s->d == 0xff ? (void *)8 : *ret_n == 1025 ? (void *)-8l : iov;
}

static void op_readv(const struct step *s, struct result *r)
{
	size_t n = size_of(s->b);
	void *p = buffer(s->c, n, true);
	struct iovec iov[4];
	int count;
	const struct iovec *v = vector(s, p, n, iov, &count);

	DO(r, s, SYS_readv, readv, fd_of(s->a), v, count);
	if (good_buffer(s->c) && count < 4)
		took(r, p, r->ret);
}

static void op_writev(const struct step *s, struct result *r)
{
	size_t n = write_size(s->b, s->a);
	void *p = filled(s, n);
	struct iovec iov[4];
	int count;
	const struct iovec *v = vector(s, p, n, iov, &count);

	DO(r, s, SYS_writev, writev, fd_of(s->a), v, count);
}

static off_t offset_of(uint8_t b)
{
	static const off_t offsets[] = { 0, 1, 100, 4095, 9999, 10000, 20000, -1, -5, INT64_MAX, INT64_MAX - 100, 1ll << 40 };

	return offsets[b % LENGTH(offsets)];
}

static void op_pread(const struct step *s, struct result *r)
{
	size_t n = size_of(s->b);
	void *p = buffer(s->c, n, true);

	DO(r, s, SYS_pread64, pread, fd_of(s->a), p, n, offset_of(s->d));
	if (good_buffer(s->c))
		took(r, p, r->ret);
}

static void op_pwrite(const struct step *s, struct result *r)
{
	size_t n = write_size(s->b, s->a);
	void *p = filled(s, n > 70000 ? 70000 : n);

	if (n > 70000)
		n = 70000;
	DO(r, s, SYS_pwrite64, pwrite, fd_of(s->a), p, n, s->d % 12 >= 9 ? -1 : offset_of(s->d));
}

/* at the file's own position or another, with flags: RWF_HIPRI 1, DSYNC 2, SYNC 4, NOWAIT 8, APPEND 16 */
static const int rw_flags[] = { 0, 0, 1, 2, 4, 8, 16, 64, 1 << 30 };

static void op_preadv2(const struct step *s, struct result *r)
{
	size_t n = size_of(s->b);
	void *p = buffer(s->c, n, true);
	struct iovec iov[4];
	int count;
	const struct iovec *v = vector(s, p, n, iov, &count);

	DONE(r, preadv2(fd_of(s->a), v, count, s->e & 1 ? -1 : offset_of(s->f), rw_flags[s->e % LENGTH(rw_flags)]));
	if (good_buffer(s->c) && count < 4)
		took(r, p, r->ret);
}

static void op_pwritev2(const struct step *s, struct result *r)
{
	size_t n = write_size(s->b, s->a);
	void *p = filled(s, n > 70000 ? 70000 : n);
	struct iovec iov[4];
	int count;
	const struct iovec *v = vector(s, p, n > 70000 ? 70000 : n, iov, &count);

	DONE(r, pwritev2(fd_of(s->a), v, count, s->e & 1 ? -1 : s->f * 50, rw_flags[s->e % LENGTH(rw_flags)]));
}

static void op_close(const struct step *s, struct result *r)
{
	DO(r, s, SYS_close, close, fd_of(s->a));
	if (r->ret == 0)
		forget(slot_number(s->a));
}

static void op_dup(const struct step *s, struct result *r)
{
	DO(r, s, SYS_dup, dup, fd_of(s->a));
	if (r->ret >= 0)
		put_same(r, slot_number(s->a));
}

/* onto another slot's number: what was there is closed */
static void op_dup2(const struct step *s, struct result *r)
{
	int from = slot_number(s->a), to = slot_number(s->b);

	if (s->c & 1)
		DO(r, s, SYS_dup2, dup2, fd_of(s->a), fd_of(s->b));
	else
		DO(r, s, SYS_dup3, dup3, fd_of(s->a), fd_of(s->b), s->c & 2 ? O_CLOEXEC : s->c == 0xfc ? 5 : 0);
	if (r->ret < 0)
		return;
	r->number = true;
	if (to >= 0 && from >= 0)
		slots[to] = (struct slot){ (int)r->ret, slots[from].kind, slots[from].object };
}

/* a number of a slot and the next one in the table, if they follow each other */
static void op_close_range(const struct step *s, struct result *r)
{
	int slot = slot_number(s->a);
	unsigned fd = (unsigned)fd_of(s->a);

	if (s->b == 0xff) {
		DONE(r, close_range(fd, fd - 1, 0));
		return;
	}
	if (slot < 0 || (int)fd < 0) {
		DONE(r, close_range(1000000, s->b & 1 ? ~0u : 1000001, s->b & 2 ? 64 : 0));
		return;
	}
	DONE(r, close_range(fd, fd, s->b & 1 ? CLOSE_RANGE_CLOEXEC : 0));
	if (r->ret == 0 && !(s->b & 1))
		forget(slot);
}

static void op_pipe(const struct step *s, struct result *r)
{
	static const int flags[] = { 0, O_NONBLOCK, O_CLOEXEC, O_DIRECT, 1 };
	int fds[2] = { -1, -1 };

	DONE(r, pipe2(s->a >= 0xf0 ? (void *)8 : fds, flags[s->b % LENGTH(flags)]));
	put_result(r, fds[0], PIPE_R);
	put_result(r, fds[1], PIPE_W);
}

static void op_eventfd(const struct step *s, struct result *r)
{
	static const int flags[] = { 0, EFD_NONBLOCK, EFD_SEMAPHORE, EFD_CLOEXEC, 2 };

	DONE(r, eventfd(s->a, flags[s->b % LENGTH(flags)]));
	put_result(r, r->ret, EVENTFD);
}

static void op_fcntl(const struct step *s, struct result *r)
{
	static const struct { int cmd, arg; } calls[] = {
		{ F_GETFL, 0 }, { F_SETFL, O_NONBLOCK }, { F_SETFL, 0 }, { F_GETFD, 0 }, { F_SETFD, FD_CLOEXEC }, { F_SETFL, O_NONBLOCK | O_APPEND },
		{ F_GETPIPE_SZ, 0 }, { F_SETPIPE_SZ, 4096 }, { F_DUPFD, 0 }, { F_DUPFD_CLOEXEC, 100 }, { F_DUPFD, -1 }, { F_DUPFD, 1 << 30 },
		{ F_GETOWN, 0 }, { F_GETSIG, 0 }, { 99, 0 }, { F_GETLEASE, 0 }, { F_GET_SEALS, 0 },
	};
	int cmd = calls[s->b % LENGTH(calls)].cmd;

	DO(r, s, SYS_fcntl, fcntl, fd_of(s->a), cmd, calls[s->b % LENGTH(calls)].arg);
	if ((cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) && r->ret >= 0)
		put_same(r, slot_number(s->a));
}

static void op_ioctl(const struct step *s, struct result *r)
{
	static const unsigned long calls[] = { FIONREAD, FIONBIO, FIONBIO, TIOCOUTQ, FIOCLEX, FIONCLEX, TCGETS, TIOCGWINSZ, TIOCGPGRP, 0x12345, 0,
					       TCSBRK, TCFLSH, TIOCGSID, TIOCEXCL, TIOCNXCL };
	unsigned long call = calls[s->b % LENGTH(calls)];
	char room[256] = { 0 };
	void *arg = s->c >= 0xf0 ? (void *)8 : room;

	*(int *)room = s->c & 1;
	if (call == TCSBRK || call == TCFLSH)
		arg = (void *)(s->c & 1l);
	DO(r, s, SYS_ioctl, ioctl, fd_of(s->a), call, arg);
	if (r->ret == 0 && call == FIONREAD && arg == room)
		more(r, "%d", *(int *)room);
}

static void op_lseek(const struct step *s, struct result *r)
{
	DO(r, s, SYS_lseek, lseek, fd_of(s->a), offset_of(s->b), s->c % 6);
}

/* between two descriptors */
static void op_splice(const struct step *s, struct result *r)
{
	static const unsigned flags[] = { 0, 2, 4, 1, 8, 64 };
	loff_t at = 10;
	size_t n = write_size(s->c, s->b);

	DO(r, s, SYS_splice, splice, fd_of(s->a), s->d & 1 ? &at : s->d == 0xfe ? (void *)8 : NULL, fd_of(s->b), s->d & 2 ? &at : NULL,
	   n > 70000 ? 70000 : n, flags[s->e % LENGTH(flags)]);
}

static void op_tee(const struct step *s, struct result *r)
{
	DO(r, s, SYS_tee, tee, fd_of(s->a), fd_of(s->b), size_of(s->c) > 70000 ? 70000 : size_of(s->c), s->d & 1 ? 2 : 0);
}

static void op_vmsplice(const struct step *s, struct result *r)
{
	size_t n = write_size(s->b, s->a);
	struct iovec iov[5] = { { filled(s, n), n } };

	DO(r, s, SYS_vmsplice, vmsplice, fd_of(s->a), s->e == 0xff ? (void *)8 : iov, s->e & 1 ? 1 : s->e % 5, s->e & 2 ? 2 : 0);
}

static void op_sendfile(const struct step *s, struct result *r)
{
	off_t at = offset_of(s->d);
	size_t n = write_size(s->c, s->a);

	DO(r, s, SYS_sendfile, sendfile, fd_of(s->a), fd_of(s->b), s->e & 1 ? NULL : s->e == 0xfe ? (void *)8 : &at, n > 70000 ? 70000 : n);
	if (!(s->e & 1))
		more(r, "at %lld", (long long)at);
}

static void op_copy_range(const struct step *s, struct result *r)
{
	loff_t at = offset_of(s->d);

	DO(r, s, SYS_copy_file_range, copy_file_range, fd_of(s->a), &at, fd_of(s->b), NULL, size_of(s->c) > 70000 ? 70000 : size_of(s->c),
	   s->e & 1);
}

/* All there is, a piece at a time, without waiting. */
static void op_drain(const struct step *s, struct result *r)
{
	struct pollfd p = { .fd = fd_of(s->a), .events = POLLIN };
	void *to = buffer(0, 4096, true);

	if (poll(&p, 1, 0) != 1 || !(p.revents & (POLLIN | POLLHUP))) {
		r->ret = 0;
		return;
	}
	DONE(r, read(p.fd, to, 60000));
}

const struct op io_ops[] = {
	{ "read", op_read, READS_A, 0 },
	{ "read", op_read, READS_A, 0 },
	{ "write", op_write, WRITES_A, 0 },
	{ "write", op_write, WRITES_A, 0 },
	{ "readv", op_readv, READS_A, 0 },
	{ "writev", op_writev, WRITES_A, 0 },
	{ "pread", op_pread, READS_A, 0 },
	{ "pwrite", op_pwrite, WRITES_A, 0 },
	{ "preadv2", op_preadv2, READS_A, 0 },
	{ "pwritev2", op_pwritev2, WRITES_A, 0 },
	{ "close", op_close, 0, 0 },
	{ "dup", op_dup, 0, 0 },
	{ "dup2", op_dup2, 0, 0 },
	{ "close_range", op_close_range, 0, 0 },
	{ "pipe2", op_pipe, 0, 0 },
	{ "eventfd", op_eventfd, 0, 0 },
	{ "fcntl", op_fcntl, 0, 0 },
	{ "ioctl", op_ioctl, 0, 0 },
	{ "lseek", op_lseek, 0, 0 },
	{ "splice", op_splice, READS_A | WRITES_B, 0 },
	{ "tee", op_tee, READS_A | WRITES_B, 0 },
	{ "vmsplice", op_vmsplice, READS_A | WRITES_A, 0 },
	{ "sendfile", op_sendfile, WRITES_A | READS_B, 0 },
	{ "copy_file_range", op_copy_range, 0, 0 },
	{ "drain", op_drain, READS_A | DRAIN, 0 },
	{ NULL, NULL, 0, 0 },
};
