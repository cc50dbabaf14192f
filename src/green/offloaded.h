/*
 * offloaded.h - green calls that only hand the system call to an offload thread, however long it takes there
 */
#ifndef GR_OFFLOADED_H
#define GR_OFFLOADED_H

#include "../offload.h"

#define OFFLOADED(name, nr)                                                                                                        \
	long name(long a, long b, long c, long d, long e, long f)                                                                  \
	{                                                                                                                          \
		return gr_offload_nointr(nr, a, b, c, d, e, f);                                                                    \
	}

#endif
