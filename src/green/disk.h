/*
 * disk.h - reading and writing what is kept in files, and other calls on them that may wait for a disk or a server
 *
 * What a call may wait for depends on where the file lies (mounts.h).  A disk ends every call by itself, and signals do not break it off; a
 * server may never answer, and what signals do is its own business.  While nobody else is there to be held up the carrier makes the call.
 */
#ifndef GR_DISK_H
#define GR_DISK_H

#include "../fd.h"
#include "../mounts.h"
#include <sys/uio.h>

#define GR_HERE	(-1l)		/* as an offset of preadv2 and pwritev2: the file's own position */

/* Where does @f lie?  Parks: only for files on no mount that we know, while servers are there. */
enum gr_speed gr_disk_speed(struct gr_fd *f);

/* Is the file behind @fd a server's?  Costs next to nothing while none is mounted. */
bool gr_disk_slow(int fd);

/* Is an offload thread making a call at @f's own position?  It holds a lock of the open file, for which the carrier must not wait. */
bool gr_disk_taken(const struct gr_fd *f);

/* Make a call on file @f on another thread.  @moves: at its own position.  Returns what the call would. */
long gr_disk_offload(struct gr_fd *f, bool moves, long nr, long a, long b, long c, long d, long e, long g);

/* preadv2(); -EAGAIN from a file that has become GR_KIND_POLL: wait for it like for a device. */
long gr_disk_read(struct gr_fd *f, const struct iovec *iov, int n, size_t bytes, off_t at, int flags);

/* Will the byte at @at of file @f, or at its own position, have to be waited for?  Also where that cannot be asked. */
bool gr_disk_cold(struct gr_fd *f, off_t at);

/* A write of @bytes; the call itself follows. */
long gr_disk_write(struct gr_fd *f, size_t bytes, bool moves, int flags, long nr, long a, long b, long c, long d, long e, long g);

#endif
