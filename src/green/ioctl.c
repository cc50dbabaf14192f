/*
 * ioctl.c - which ioctls wait, and the one that sets O_NONBLOCK
 *
 * A request's second byte names its family.  The families below answer at once but for the requests listed; of others we do not know
 * anything, so those go to an offload thread, if the descriptor is a device and may block.
 */
#include "green.h"
#include "tty.h"
#include "disk.h"
#include "../fd.h"
#include "../offload.h"
#include "../raw.h"
#include "../signal.h"
#include <asm/ioctls.h>
#include <asm/sockios.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/stat.h>

#define FAMILY(request)	((request) >> 8 & 0xff)
#define FICLONE		0x40049409u
#define FICLONERANGE	0x4020940du
#define FIDEDUPERANGE	0xc0189436u
#define FIFREEZE	0xc0045877u
#define FITRIM		0xc0185879u
#define FS_IOC_FIEMAP	0xc020660bu
#define KVM_RUN		0xae80u

static bool answers_at_once(unsigned request)
{
	switch (FAMILY(request)) {
	case 'T':			/* terminals, and FIONREAD and its like on anything */
	case 0x89:			/* sockets */
	case 0x8b:			/* wireless */
	case 'f': case 'v':		/* attributes of files */
	case 'R':			/* random numbers */
	case 0x24:			/* perf */
	case 0xaa:			/* userfaultfd */
	case 0xb7:			/* name spaces */
		return true;
	}
	return false;
}

/* Waits for what was written to leave the line, if there is such a thing. */
static bool drains(unsigned request)
{
	return request == TCSBRK || request == TCSBRKP || request == TCSETSW || request == TCSETSF || request == TCSETAW || request == TCSETAF;
}

/* On files that are no devices: until another process makes a call, until a guest has something to tell. */
static bool waits(unsigned request)
{
	return request == TIOCMIWAIT || request == SECCOMP_IOCTL_NOTIF_RECV || request == KVM_RUN;
}

static bool uses_disk(unsigned request)
{
	return request == FICLONE || request == FICLONERANGE || request == FIDEDUPERANGE || request == FIFREEZE || request == FITRIM ||
	       request == FS_IOC_FIEMAP;
}

/* On the carrier as long as nothing is to be drained: a thread with all signals blocked would not be stopped by SIGTTOU. */
static long drain(int fd, unsigned request, long arg)
{
	int left = 0;

	if (raw(SYS_ioctl, fd, TIOCOUTQ, &left) < 0 || left == 0)
		return raw(SYS_ioctl, fd, request, arg);
	return gr_offload(SYS_ioctl, fd, request, arg, 0, 0, 0);
}

static long set_nonblock(int fd, unsigned request, long arg)
{
	struct gr_fd *f = gr_fd_peek(fd);
	long r = raw(SYS_ioctl, fd, request, arg);
	int on;

	if (r == 0 && f && gr_user_read(&on, (void *)arg, sizeof(on)) == 0)
		f->nonblock = on != 0;
	return r;
}

/* Of a device we know nothing about, and that was not told never to block. */
static bool may_wait(int fd)
{
	struct stat st;

	if (raw(SYS_fstat, fd, &st) < 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
		return false;
	return !(raw(SYS_fcntl, fd, F_GETFL) & O_NONBLOCK);
}

static long make(int fd, unsigned request, long arg)
{
	if (request == FIONBIO)
		return set_nonblock(fd, request, arg);
	if (request == FIOSETOWN || request == SIOCSPGRP)
		gr_fd_urgent(fd);
	if (gr_disk_slow(fd))
		return gr_offload_exact(SYS_ioctl, fd, request, arg, 0, 0, 0);
	if (drains(request))
		return drain(fd, request, arg);
	if (waits(request))
		return gr_offload_exact(SYS_ioctl, fd, request, arg, 0, 0, 0);
	if (uses_disk(request))
		return gr_offload_nointr(SYS_ioctl, fd, request, arg, 0, 0, 0);
	if (answers_at_once(request) || !may_wait(fd))
		return raw(SYS_ioctl, fd, request, arg);
	return gr_offload(SYS_ioctl, fd, request, arg, 0, 0, 0);
}

long green_ioctl(int fd, unsigned request, long arg)
{
	if ((request >> 8) != 'T')
		return make(fd, request, arg);
	gr_tty_begin();
	return gr_tty_end(fd, make(fd, request, arg));
}
