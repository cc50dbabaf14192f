/*
 * mounts.h - which file systems are mounted, and whether a call on one of them may wait for somebody else
 *
 * Owns a copy of /proc/self/mountinfo: for each mount what it takes to get at data there.  A call on a file system that a server answers
 * (FUSE, NFS, CIFS, 9p, autofs, ...) may take for ever, even stat(2), so all of them go to offload threads (green/path.c, green/disk.c).
 * As long as nothing of the kind is mounted, or only one greenlet is there, finding that out costs two loads and a compare.  Nothing here
 * ever asks such a file system anything: a mount is told by its id, which the kernel knows by itself.
 *
 * The copy is made at first need.  Somebody else's mount(2) is noticed by poll(2) on that file, once per turn of the hub: what greenlets
 * learn from outside they learn by waiting.  After our own, gr_mounts_changed() is called.
 */
#ifndef GR_MOUNTS_H
#define GR_MOUNTS_H

#include "base.h"

enum gr_speed {
	GR_SPEED_NEW,			/* not looked at yet, or not known */
	GR_SPEED_MEMORY,		/* tmpfs and its like: nothing to wait for */
	GR_SPEED_PSEUDO,		/* /proc and its like: made up on the spot, but some files have nothing to say yet */
	GR_SPEED_ASYNC,			/* a disk, and cold pages can be read through io_uring without a thread */
	GR_SPEED_DISK,			/* a disk */
	GR_SPEED_SLOW,			/* a server */
};

/* May any call wait for a server?  False as well when there is nobody to be held up. */
bool gr_mounts_slow(void);

/* mount, umount, chroot, pivot_root, unshare, setns: look again before the next call. */
void gr_mounts_changed(void);

/* Where the file behind @fd lies, by the id of its mount; NEW when it lies on no mount of our name space (memfd, another's). */
enum gr_speed gr_mounts_fd(int fd);

/* By st_dev, as long as there is a copy; where one file system has several devices (btrfs), most are not known. */
enum gr_speed gr_mounts_dev(uint64_t st_dev);

/* What statfs(2) says in f_type */
enum gr_speed gr_mounts_type(unsigned long f_type);

/* gr_mounts_slow() is true: may a call on @path wait for a server?  When in doubt, and when names are not in the kernel's cache, yes. */
bool gr_mounts_path(int dir, const char *path);

/* The program answers, by fanotify, whether files may be opened or read: from now on any file may wait for one of its greenlets. */
void gr_mounts_watch(void);
extern bool gr_mounts_watched;

void gr_mounts_fork_child(void);

#endif
