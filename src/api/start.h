/*
 * start.h - the API in a forked child
 */
#ifndef GR_API_START_H
#define GR_API_START_H

/* Called by gr_forked_child(): the API starts anew on its next use; what belonged to other greenlets is as if they had been killed. */
void gr_api_fork_child(void);

/* Inside: the last greenlet of the program's is about to end.  The process will, as by exit(0). */
void gr_api_last_one_ends(void);

/* On a native thread: it is about to exit. */
void gr_api_native_ends(void);

#endif
