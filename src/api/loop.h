/*
 * loop.h - the program's own libev loop (grove_loop), as the hub sees it
 */
#ifndef GR_API_LOOP_H
#define GR_API_LOOP_H

#include "../base.h"

/* The hub is about to wait, and somebody has run since the loop last looked: he may have started a watcher.  True: its greenlet was woken
 * to see to that. */
bool gr_loop_look_again(void);

/* Is there a watcher that may call somebody? */
bool gr_loop_active(void);

/* In a forked child; watchers stay, and go on with the next grove_loop(). */
void gr_loop_forget(void);

/* hub.c: in a forked child, what was on its way has not come. */
void gr_hub_signals_forget(void);

#endif
