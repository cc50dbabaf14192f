/*
 * mount.c - the tree of mounts: file systems are read, and their servers asked, on offload threads
 */
#include "green.h"
#include "../offload.h"
#include "../raw.h"

#define OFFLOADED(name, nr)                                                                                                        \
	long name(long a, long b, long c, long d, long e, long f)                                                                  \
	{                                                                                                                          \
		return gr_offload_nointr(nr, a, b, c, d, e, f);                                                                    \
	}

OFFLOADED(green_fsopen, SYS_fsopen)
OFFLOADED(green_fsconfig, SYS_fsconfig)
OFFLOADED(green_fsmount, SYS_fsmount)
OFFLOADED(green_fspick, SYS_fspick)
OFFLOADED(green_open_tree, SYS_open_tree)
OFFLOADED(green_open_tree_attr, SYS_open_tree_attr)
OFFLOADED(green_move_mount, SYS_move_mount)
OFFLOADED(green_mount_setattr, SYS_mount_setattr)
OFFLOADED(green_pivot_root, SYS_pivot_root)
OFFLOADED(green_quotactl_fd, SYS_quotactl_fd)
OFFLOADED(green_ustat, SYS_ustat)
