/*
 * notify.c - descriptors by which the program answers for others, itself among them
 *
 * Who asks to be asked (fanotify's permission events) is asked about his own files, too: then a greenlet waits in open(2) or read(2) until
 * another one has answered, which must not be on the carrier.  A missing page that the program is to fill in (userfaultfd) is met by an
 * instruction and not by a call, so that the greenlet which should fill it in cannot run: all that can be done is to tell.
 */
#include "green.h"
#include "../mounts.h"
#include "../offload.h"
#include "../raw.h"

/* Linux 6.14 has the last of them */
#define ASKS	(0x10000 /* FAN_OPEN_PERM */ | 0x20000 /* FAN_ACCESS_PERM */ | 0x40000 /* FAN_OPEN_EXEC_PERM */ | 0x100000 /* FAN_PRE_ACCESS */)
#define ADD	1		/* FAN_MARK_ADD */

long green_fanotify_mark(int fd, unsigned flags, uint64_t mask, int dir, const char *path)
{
	long r;

	if (gr_path_slow(dir, path))
		r = gr_offload_exact(SYS_fanotify_mark, fd, flags, (long)mask, dir, (long)path, 0);
	else
		r = raw(SYS_fanotify_mark, fd, flags, mask, dir, path);

	if (r == 0 && (flags & ADD) && (mask & ASKS))
		gr_mounts_watch();
	return r;
}

long green_userfaultfd(int flags)
{
	static bool told;
	long fd = raw(SYS_userfaultfd, flags);

	if (!raw_failed(fd) && !told) {
		told = true;
		gr_warn("userfaultfd: a thread that touches a missing page stops all others of this process, also the one that should bring it", 0);
	}
	return fd;
}
