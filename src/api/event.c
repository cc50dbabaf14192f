/*
 * event.c - events: a flag and those who wait for it
 */
#include "api.h"
#include <grove/event.h>
#include <stdlib.h>

struct grove_event {
	struct gr_object object;	/* GR_EVENT; ready: it is set */
	struct gr_list waiters;		/* gr_turn; empty while it is set */
};

grove_event *grove_event_new(void)
{
	grove_event *event = malloc(sizeof(*event));

	if (!event)
		return NULL;
	gr_object_init(&event->object, GR_EVENT, false);
	gr_list_init(&event->waiters);
	return event;
}

int grove_event_free(grove_event *event)
{
	if (!event)
		return 0;
	GR_ANYWHERE(-1, grove_event_free, event);
	if (!gr_is(event, GR_EVENT))
		return gr_fails(EINVAL);
	if (!gr_list_empty(&event->waiters) || !gr_list_empty(&event->object.links))
		return gr_fails(EBUSY);
	event->object.type = 0;
	free(event);
	return 0;
}

int grove_event_set(grove_event *event)
{
	GR_ANYWHERE(-1, grove_event_set, event);
	if (!gr_is(event, GR_EVENT))
		return gr_fails(EINVAL);
	gr_enter();
	gr_give_all(&event->waiters, 0);
	gr_object_set_ready(&event->object, true);
	return gr_leave(0);
}

int grove_event_clear(grove_event *event)
{
	GR_ANYWHERE(-1, grove_event_clear, event);
	if (!gr_is(event, GR_EVENT))
		return gr_fails(EINVAL);
	gr_enter();
	gr_object_set_ready(&event->object, false);
	return gr_leave(0);
}

bool grove_event_is_set(const grove_event *event)
{
	return gr_is(event, GR_EVENT) && __atomic_load_n(&event->object.ready, __ATOMIC_ACQUIRE);
}

int grove_event_wait(grove_event *event, int64_t timeout)
{
	gr_time deadline;
	int r = 0;

	GR_ANYWHERE(-1, grove_event_wait, event, timeout);
	if (!gr_is(event, GR_EVENT) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	if (!event->object.ready)
		r = gr_wait_turn(&event->waiters, "event", event, deadline, NULL);
	return gr_leave(r);
}
