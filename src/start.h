/*
 * start.h - the runtime's beginning, and its second one in a forked child
 */
#ifndef GR_START_H
#define GR_START_H

/* Called in the child of a fork, by the greenlet that forked, before anything else runs there. */
void gr_forked_child(void);

#endif
