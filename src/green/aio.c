/*
 * aio.c - the kernel's own asynchronous I/O, io_submit(2) and the like, which is asynchronous only where the file lets it
 */
#include "green.h"
#include "poller.h"
#include "../offload.h"
#include "../raw.h"
#include "../signal.h"
#include <errno.h>

/* Reads and writes through the page cache are done before it returns. */
long green_io_submit(unsigned long ctx, long n, void *iocbs)
{
	return gr_offload_nointr(SYS_io_submit, (long)ctx, n, (long)iocbs, 0, 0, 0);
}

/* Waits for what is under way */
long green_io_destroy(unsigned long ctx)
{
	return gr_offload_nointr(SYS_io_destroy, (long)ctx, 0, 0, 0, 0, 0);
}

static long get_events(unsigned long ctx, long min, long max, void *events, struct timespec *timeout)
{
	long r;

	if (min <= 0)
		return raw(SYS_io_getevents, ctx, min, max, events, timeout);
	r = gr_offload(SYS_io_getevents, (long)ctx, min, max, (long)events, (long)timeout, 0);
	return r == -GR_ERESTART ? -EINTR : r;
}

long green_io_getevents(unsigned long ctx, long min, long max, void *events, struct timespec *timeout)
{
	return get_events(ctx, min, max, events, timeout);
}

long green_io_pgetevents(unsigned long ctx, long min, long max, void *events, struct timespec *timeout, const void *sigmask_arg)
{
	struct {
		const uint64_t *set;
		size_t size;
	} mask = { NULL, 0 };
	struct gr_poller_mask m;
	long r;

	if (sigmask_arg && gr_user_read(&mask, sigmask_arg, sizeof(mask)) < 0)
		return -EFAULT;
	r = gr_poller_mask_read(&m, mask.set, mask.size);
	if (r < 0)
		return r;
	gr_poller_mask_begin(&m);
	r = get_events(ctx, min, max, events, timeout);
	gr_poller_mask_end(r);
	return r;
}
