/*
 * grove/group.h - groups of greenlets: wait for all, kill all
 *
 * A greenlet leaves its group when it has ended; so a group always is what is still alive of it.  A greenlet may be in several
 * groups.  A group holds no references: handles are the program's as ever.  A pool (grove/pool.h) is a group with a bound, and
 * all that is here is for pools, too.
 *
 *	grove_group *group = grove_group_new();
 *	while ((fd = accept(listener, NULL, NULL)) >= 0)
 *		grove_group_spawn_raw(group, serve, (void *)(intptr_t)fd);
 *	if (grove_group_join(group, GROVE_SEC(10), 0) < 0)	// ten seconds for those who are busy
 *		grove_group_kill(group, GROVE_FOREVER);
 *	grove_group_free(group);
 *
 * Where a failure is to end the others, take a task group (grove/task.h).
 */
#ifndef GROVE_GROUP_H
#define GROVE_GROUP_H

#include <grove/greenlet.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct grove_group grove_group;

/*
 * grove_group_new - an empty group; NULL with errno ENOMEM or ENOTSUP
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.pool.Group.
 */
GROVE_API grove_group *grove_group_new(void);

/*
 * grove_group_free - forget a group; NULL is allowed
 *
 * Returns 0, or -1 with errno EBUSY: it is not empty, or somebody waits at it; EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API int grove_group_free(grove_group *group);

/*
 * grove_group_add - take a greenlet in; one that is in the group, or has ended, makes no difference
 *
 * Waits for a place where the group is a pool that is full; so does grove_group_spawn().
 * Returns 0, or -1 with errno
 *   ECANCELED, ETIMEDOUT  broken off while waiting for a place
 *   EINVAL                @group is no group, or @g no greenlet
 *   ENOMEM
 * Parks: in pools.   Threads: any.   Signals: not async-signal-safe.   Follows Group.add.
 */
GROVE_API int grove_group_add(grove_group *group, grove_greenlet *g);

/*
 * grove_group_discard - let a greenlet go, which lives on
 *
 * Returns 0, or -1 with errno ESRCH: it is not in the group; EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows Group.discard.
 */
GROVE_API int grove_group_discard(grove_group *group, grove_greenlet *g);

/*
 * grove_group_spawn - a greenlet in the group that runs @fn(@arg)
 *
 * Returns a handle, to be given back by grove_release(), or NULL with errno as grove_spawn() and grove_group_add().
 * grove_group_spawn_raw() gives no handle: 0, or -1 with the same errors.
 * Parks: in pools.   Threads: any.   Signals: not async-signal-safe.   Follows Group.spawn.
 */
GROVE_API grove_greenlet *grove_group_spawn(grove_group *group, grove_fn *fn, void *arg);
GROVE_API int grove_group_spawn_raw(grove_group *group, grove_fn *fn, void *arg);

/*
 * grove_group_join - wait until the group is empty
 * @flags: GROVE_RAISE_ERROR: when a member ends with an error meanwhile, stop waiting and fail with that error; else 0
 *
 * Returns 0, or -1 with errno
 *   EAGAIN     @timeout is 0 and it is not empty
 *   ETIMEDOUT  @timeout is over
 *   EDEADLK    the caller is a member, or nobody is left who could end the wait (see grove_run)
 *   EINVAL     @group is no group, or @timeout or @flags make no sense
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows Group.join.
 */
GROVE_API int grove_group_join(grove_group *group, int64_t timeout, unsigned flags);

/*
 * grove_group_kill - kill all members, and wait until the group is empty for at most @timeout (0: do not wait)
 *
 * Who comes into the group while the call waits is killed as well.
 * Returns 0, or -1 with errno ETIMEDOUT: some go on for longer; EDEADLK: the caller is a member, and was killed as well;
 * ECANCELED; EINVAL.
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows Group.kill.
 */
GROVE_API int grove_group_kill(grove_group *group, int64_t timeout);

/* grove_group_killone - grove_kill() for a member; ESRCH also when it is none.   Parks: yes.   Threads: any.   Group.killone. */
GROVE_API int grove_group_killone(grove_group *group, grove_greenlet *g, int64_t timeout);

/* grove_group_size - how many members there are.   Parks: no.   Threads: any.   len(group). */
GROVE_API size_t grove_group_size(const grove_group *group);

/* grove_group_contains - is @g a member?   Parks: no.   Threads: any.   g in group. */
GROVE_API bool grove_group_contains(const grove_group *group, const grove_greenlet *g);

/*
 * grove_group_members - up to @n members, in the order in which they came, each with a reference to be released
 *
 * Returns how many there are, which may be more than @n; 0 with errno EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows iter(group).
 */
GROVE_API size_t grove_group_members(grove_group *group, grove_greenlet **ret_members, size_t n);

#ifdef __cplusplus
}
#endif

#endif
