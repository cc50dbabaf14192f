/*
 * grove/event.h - events: a flag that greenlets wait for, until somebody sets it
 *
 * Everybody who waits for an event goes on when it is set; who comes later does not wait, until it is cleared.  Setting and
 * clearing it at once lets those go on who waited at that moment.
 *
 *	grove_event *ready = grove_event_new();
 *	grove_spawn_raw(load, ready);			// load() ends with grove_event_set(ready)
 *	if (grove_event_wait(ready, GROVE_SEC(5)) < 0) ...
 */
#ifndef GROVE_EVENT_H
#define GROVE_EVENT_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct grove_event grove_event;

/*
 * grove_event_new - an event that is not set
 *
 * Returns it, or NULL with errno ENOMEM.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.event.Event.
 */
GROVE_API grove_event *grove_event_new(void);

/*
 * grove_event_free - the event is not needed any more; NULL is allowed
 *
 * Returns 0, or -1 with errno
 *   EBUSY   somebody waits for it
 *   EINVAL  it is no event
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API int grove_event_free(grove_event *event);

/*
 * grove_event_set - set it; all that wait go on, in the order in which they came
 *
 * Returns 0, also when it was set already, or -1 with errno EINVAL: it is no event.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows Event.set.
 */
GROVE_API int grove_event_set(grove_event *event);

/*
 * grove_event_clear - who comes from now on waits
 *
 * Returns 0, also when it was not set, or -1 with errno EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows Event.clear.
 */
GROVE_API int grove_event_clear(grove_event *event);

/*
 * grove_event_is_set - is it set?  False also of what is no event.
 *
 * Parks: no.   Threads: any.   Signals: async-signal-safe.   Follows Event.is_set.
 */
GROVE_API bool grove_event_is_set(const grove_event *event);

/*
 * grove_event_wait - wait until it is set
 *
 * Returns 0, or -1 with errno
 *   EAGAIN     @timeout is 0 and it is not set
 *   ETIMEDOUT  @timeout, or a deadline around the call, is over
 *   ECANCELED  the calling greenlet was killed, or its scope cancelled
 *   EDEADLK    nobody is left who could set it (see grove_run)
 *   EINVAL     it is no event, or @timeout is negative
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows Event.wait.
 */
GROVE_API int grove_event_wait(grove_event *event, int64_t timeout);

#ifdef __cplusplus
}
#endif

#endif
