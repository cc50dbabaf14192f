/*
 * mount.c - the tree of mounts: file systems are read, and their servers asked, on offload threads
 */
#include "green.h"
#include "offloaded.h"
#include "../mounts.h"
#include "../raw.h"

OFFLOADED(green_fsopen, SYS_fsopen)
OFFLOADED(green_fsconfig, SYS_fsconfig)
OFFLOADED(green_fsmount, SYS_fsmount)
OFFLOADED(green_fspick, SYS_fspick)
OFFLOADED(green_open_tree, SYS_open_tree)
OFFLOADED(green_open_tree_attr, SYS_open_tree_attr)
OFFLOADED(green_move_mount, SYS_move_mount)
OFFLOADED(green_mount_setattr, SYS_mount_setattr)
OFFLOADED(green_quotactl_fd, SYS_quotactl_fd)
OFFLOADED(green_ustat, SYS_ustat)

/* Mounts are looked at from the root, which is another one now. */
long green_pivot_root(const char *root, const char *put_old)
{
	long r = gr_offload_nointr(SYS_pivot_root, (long)root, (long)put_old, 0, 0, 0, 0);

	gr_mounts_changed();
	return r;
}
