/*
 * grove/channel.h - channels: hand a pointer from one greenlet to another, and select over several
 *
 * A channel of capacity 0 is a rendezvous: the sender waits until a receiver takes the item, so both know where the other is.
 * One with a capacity keeps that many items for receivers to come.  Senders and receivers are served in the order in which they
 * come.
 *
 * A channel may be closed, by whoever knows that nothing more is to come.  Receivers get what it still keeps, and then EPIPE;
 * senders get EPIPE at once.
 *
 * grove_select() waits until one of several sends and receives can be done, does that one, and only that one:
 *
 *	struct grove_case cases[] = {
 *		{ .channel = jobs, .op = GROVE_RECV },
 *		{ .channel = results, .op = GROVE_SEND, .item = result },
 *	};
 *
 *	switch (grove_select(cases, 2, GROVE_SEC(1))) {
 *	case 0: work(cases[0].item); break;
 *	case 1: result = NULL; break;
 *	case -1: return errno == ETIMEDOUT ? give_up() : -1;
 *	}
 */
#ifndef GROVE_CHANNEL_H
#define GROVE_CHANNEL_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct grove_channel grove_channel;

/*
 * grove_channel_new - a channel that keeps up to @capacity items; 0: a rendezvous
 *
 * Returns it, or NULL with errno ENOMEM.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.queue.Channel, Go's make(chan).
 */
GROVE_API grove_channel *grove_channel_new(size_t capacity);

/*
 * grove_channel_free - the channel is not needed any more, nor are the pointers in it; NULL is allowed
 *
 * Returns 0, or -1 with errno
 *   EBUSY   somebody waits at it
 *   EINVAL  it is no channel
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API int grove_channel_free(grove_channel *channel);

/*
 * grove_channel_send - hand @item to a receiver, and wait until there is one, or room in the channel
 *
 * Returns 0 when a receiver has it or the channel keeps it, or -1 with errno, and then nobody has it
 *   EAGAIN     it would have to wait, and @timeout is 0
 *   ETIMEDOUT  @timeout, or a deadline around the call, is over
 *   ECANCELED  the calling greenlet was killed, or its scope cancelled
 *   EPIPE      the channel is closed, or was closed meanwhile
 *   EDEADLK    nobody is left who could receive it (see grove_run)
 *   EINVAL     it is no channel, or @timeout is negative
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows Channel.put, Go's c <- item.
 */
GROVE_API int grove_channel_send(grove_channel *channel, void *item, int64_t timeout);

/*
 * grove_channel_recv - take an item from a sender, or one that the channel keeps, and wait for it if there is none
 * @ret_item: written only on success; may be NULL
 *
 * Returns 0, or -1 with errno, and then it has taken none
 *   EPIPE      the channel is closed, and keeps none
 *   EAGAIN, ETIMEDOUT, ECANCELED, EDEADLK, EINVAL  as grove_channel_send
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows Channel.get, Go's <-c.
 */
GROVE_API int grove_channel_recv(grove_channel *channel, void **ret_item, int64_t timeout);

/*
 * grove_channel_close - nothing more will be sent
 *
 * Those who wait in it, in either direction, fail with EPIPE.
 * Returns 0, or -1 with errno EALREADY (it is closed) or EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows Go's close(c).
 */
GROVE_API int grove_channel_close(grove_channel *channel);

/*
 * grove_channel_closed - was it closed?
 *
 * Parks: no.   Threads: any.   Signals: async-signal-safe.
 */
GROVE_API bool grove_channel_closed(const grove_channel *channel);

/*
 * grove_channel_size, grove_channel_capacity - how many items it keeps now, and can keep; 0 of what is no channel
 *
 * Parks: no.   Threads: any.   Signals: async-signal-safe.   Follows Go's len(c), cap(c).
 */
GROVE_API size_t grove_channel_size(const grove_channel *channel);
GROVE_API size_t grove_channel_capacity(const grove_channel *channel);

#define GROVE_RECV	0
#define GROVE_SEND	1

/* One of the possibilities of grove_select(). */
struct grove_case {
	grove_channel *channel;		/* NULL: this one is never ready */
	int op;				/* GROVE_RECV or GROVE_SEND */
	int error;			/* written if this one was chosen: 0, or EPIPE when the channel is closed */
	void *item;			/* to be sent; or written if this one was chosen: what was received, NULL after the close */
};

/*
 * grove_select - do one of the @n sends and receives in @cases, and wait until one can be done
 * @timeout: 0 is what Go calls a default case
 *
 * Of several that can be done at once any is chosen, each as likely as the others.  A closed channel can be chosen at any time, see
 * .error.  A channel may be in several cases.  What was not chosen has not happened.
 *
 * Returns the index of the case that was chosen, or -1 with errno, when none was
 *   EAGAIN     none can be done, and @timeout is 0
 *   ETIMEDOUT  @timeout, or a deadline around the call, is over
 *   ECANCELED  the calling greenlet was killed, or its scope cancelled
 *   EDEADLK    nobody is left who could end the wait (see grove_run), for instance without any channel
 *   EINVAL     something is no channel, an op is neither of the two, @timeout is negative, or there are too many cases to count
 *   ENOMEM     for many cases
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows Go's select.
 */
GROVE_API int grove_select(struct grove_case *cases, size_t n, int64_t timeout);

#ifdef __cplusplus
}
#endif

#endif
