/*
 * grove/wait.h - wait for several objects of any kind
 *
 * An object is ready when: a greenlet, task or future has ended; an event is set; a semaphore or lock could be had, a read-write lock
 * for writing; a barrier is broken; a queue or channel has something to get, or is shut down; a child process has ended; a native-thread
 * job is done; a group or pool is empty; a server is stopped and its handlers have ended.  A condition variable never is.  Waiting takes
 * nothing from it.
 */
#ifndef GROVE_WAIT_H
#define GROVE_WAIT_H

#include <grove/greenlet.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Any object of grove's, whatever its type: lists of objects are arrays of grove_object *, that is, of void *. */
typedef void grove_object;

/*
 * grove_wait - wait until @count of the @n objects are ready; @count 0: all of them
 * @ret_ready: room for @n pointers, filled with those that are ready, in the order in which they became so; may be NULL
 *
 * Returns how many are ready: @count or more, or fewer when @timeout is over; -1 with errno ECANCELED, ETIMEDOUT (a scope around it), EINVAL (something is no
 * object), ENOMEM, EDEADLK.
 * Parks: yes.   Threads: any.   Follows gevent.wait.
 */
GROVE_API int grove_wait(grove_object *const *objects, size_t n, size_t count, int64_t timeout, grove_object **ret_ready);

/*
 * grove_iwait_new - go through the @n objects in the order in which they become ready
 *
 *	grove_iwait *it = grove_iwait_new(list, n);
 *	while ((object = grove_iwait_next(it, GROVE_FOREVER))) ...
 *	grove_iwait_free(it);
 *
 * grove_iwait_next() returns the next object, each once, or NULL with errno 0 after the last, ETIMEDOUT, EAGAIN, ECANCELED ...
 * Parks: next does.   Threads: greenlets; an iterator belongs to the greenlet that made it.   Follows gevent.iwait.
 */
typedef struct grove_iwait grove_iwait;
GROVE_API grove_iwait *grove_iwait_new(grove_object *const *objects, size_t n);
GROVE_API grove_object *grove_iwait_next(grove_iwait *it, int64_t timeout);
GROVE_API void grove_iwait_free(grove_iwait *it);

/*
 * grove_child_new - a child process as an object to wait for, by its process id
 *
 * It is ready when the process has ended; waitpid(2) still is the caller's to call.  NULL with errno ESRCH (no such process), ENOMEM,
 * EMFILE.   Parks: no.   Threads: any.   Follows gevent's loop.child, pidfd_open(2).
 */
typedef struct grove_child grove_child;
GROVE_API grove_child *grove_child_new(int pid);
GROVE_API int grove_child_free(grove_child *child);

#ifdef __cplusplus
}
#endif

#endif
