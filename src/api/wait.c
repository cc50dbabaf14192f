/*
 * wait.c - grove_wait, grove_iwait, grove_joinall; child processes as objects
 */
#include "greenlet.h"
#include "many.h"
#include "../fd.h"
#include "../raw.h"
#include <grove/wait.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open	434
#endif

static void free_many(struct gr_many **m)
{
	gr_many_free(*m);
}

static bool all_objects(void *const *objects, size_t n)
{
	if (n && !objects)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!gr_is_any(objects[i]))
			return false;
	return true;
}

int grove_wait(grove_object *const *objects, size_t n, size_t count, int64_t timeout, grove_object **ret_ready)
{
	struct gr_many *m __attribute__((cleanup(free_many))) = NULL;
	gr_time deadline;
	size_t ready = 0;
	int err = 0;

	GR_ANYWHERE(-1, grove_wait, objects, n, count, timeout, ret_ready);
	if (!all_objects(objects, n) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	m = gr_many_new(objects, n);
	if (!m)
		return gr_fails(ENOMEM);
	if (count == 0 || count > n)
		count = n;
	gr_enter();
	while (ready < n) {		/* what is ready beyond count, too, but without waiting for it */
		struct gr_object *o = gr_many_next(m, ready < count ? deadline : GR_AT_ONCE, &err);

		if (!o)
			break;
		if (ret_ready)
			ret_ready[ready] = o;
		ready++;
	}
	return gr_leave(ready >= count || gr_many_time_over(m, err) ? (long)ready : err);
}

int grove_joinall(grove_greenlet *const *list, size_t n, size_t count, int64_t timeout, unsigned flags)
{
	struct gr_many *m __attribute__((cleanup(free_many))) = NULL;
	size_t alive = 0, ended;
	gr_time deadline;
	void **objects;
	int err = 0;

	GR_ANYWHERE(-1, grove_joinall, list, n, count, timeout, flags);
	if ((n && !list) || !gr_until(timeout, &deadline) || (flags & ~GROVE_RAISE_ERROR))
		return gr_fails(EINVAL);
	for (size_t i = 0; i < n; i++)
		if (list[i] && !gr_is(list[i], GR_GREENLET))
			return gr_fails(EINVAL);
	objects = malloc((n + 1) * sizeof(*objects));
	if (!objects)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (list[i] && list[i]->g != gr_carrier()->current)	/* a greenlet's own end it cannot see */
			objects[alive++] = list[i];
	m = gr_many_new(objects, alive);
	free(objects);
	if (!m)
		return gr_fails(ENOMEM);
	ended = n - alive;
	if (count == 0 || count > n)
		count = n;
	gr_enter();
	while (ended < count && !err) {
		struct grove_greenlet *g = (struct grove_greenlet *)gr_many_next(m, deadline, &err);

		if (!g)
			break;
		ended++;
		if ((flags & GROVE_RAISE_ERROR) && g->error)
			return gr_leave(-g->error);
	}
	return gr_leave(err == 0 || gr_many_time_over(m, err) ? (long)ended : err);
}

/* --- one after another ------------------------------------------------------------------------------------------------------------- */

struct grove_iwait {
	struct gr_object object;	/* GR_IWAIT */
	struct gr_many *many;
};

grove_iwait *grove_iwait_new(grove_object *const *objects, size_t n)
{
	grove_iwait *it;

	if (!gr_here())
		return gr_fails_null(ENOTSUP);
	if (!all_objects(objects, n))
		return gr_fails_null(EINVAL);
	it = malloc(sizeof(*it));
	if (!it)
		return NULL;
	gr_object_init(&it->object, GR_IWAIT, false);
	it->many = gr_many_new(objects, n);
	if (it->many)
		return it;
	free(it);
	return gr_fails_null(ENOMEM);
}

grove_object *grove_iwait_next(grove_iwait *it, int64_t timeout)
{
	struct gr_object *o;
	gr_time deadline;
	int err;

	if (!gr_here())
		return gr_fails_null(ENOTSUP);
	if (!gr_is(it, GR_IWAIT) || !gr_until(timeout, &deadline))
		return gr_fails_null(EINVAL);
	gr_enter();
	o = gr_many_next(it->many, deadline, &err);
	gr_leave_quietly();
	if (!o)
		errno = -err;
	return o;
}

void grove_iwait_free(grove_iwait *it)
{
	if (!gr_is(it, GR_IWAIT))
		return;
	gr_many_free(it->many);
	it->object.type = 0;
	free(it);
}

/* --- children ----------------------------------------------------------------------------------------------------------------------- */

struct grove_child {
	struct gr_object object;	/* GR_CHILD */
	int pidfd;
	struct grove_greenlet *watcher;
};

static void *watch_child(void *arg)
{
	struct grove_child *child = arg;
	struct gr_fd_wait w = { .fd = child->pidfd };
	int r;

	gr_enter();
	do
		r = gr_fd_wait(&w, GR_READ, GR_NEVER);
	while (r == -EINTR);
	gr_fd_wait_end(&w);
	if (r == 0)
		gr_object_set_ready(&child->object, true);
	gr_leave_quietly();
	return NULL;
}

grove_child *grove_child_new(int pid)
{
	grove_child *child;

	GR_ANYWHERE((grove_child *)NULL, grove_child_new, pid);
	child = malloc(sizeof(*child));
	if (!child)
		return NULL;
	gr_object_init(&child->object, GR_CHILD, false);
	child->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (child->pidfd < 0)
		goto free_child;
	child->watcher = gr_spawn_service("child", watch_child, child);
	if (child->watcher)
		return child;
	close(child->pidfd);
free_child:
	free(child);
	return NULL;
}

int grove_child_free(grove_child *child)
{
	GR_ANYWHERE(-1, grove_child_free, child);
	if (!child)
		return 0;
	if (!gr_is(child, GR_CHILD))
		return gr_fails(EINVAL);
	if (!gr_list_empty(&child->object.links))
		return gr_fails(EBUSY);
	grove_kill(child->watcher, GROVE_FOREVER);
	grove_release(child->watcher);
	close(child->pidfd);
	child->object.type = 0;
	free(child);
	return 0;
}
