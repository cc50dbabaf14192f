/*
 * hub.h - where the carrier waits (loop.c), in a greenlet of its own
 *
 * When the run queue is empty the hub waits in the kernel for descriptors and for the earliest deadline; while others are ready
 * it looks without waiting, every GR_HUB_EVERY switches.  It runs with a TLS block of its own and with carrier->inside set.
 * Greenlets never touch libev: they put a gr_fd on the hub's list, and the hub registers it before it waits; so code that runs in
 * greenlets can be built without vector registers.
 */
#ifndef GR_HUB_H
#define GR_HUB_H

#include "base.h"
#include "list.h"

struct gr_fd;

#define GR_HUB_EVERY	61	/* switches between two looks at the descriptors while greenlets are ready */

int gr_hub_start(void);

/* A TLS block for the hub, made from the one at @fs, which is the caller's; @fs itself where none can be made. */
uintptr_t gr_hub_tls(uintptr_t fs);
int gr_hub_possible(void);	/* 0, or -errno: there are no descriptors left, or no memory */
void gr_hub_fork_child(void);

/* The hub must look at what @f's waiters want before it waits again. */
void gr_hub_watch(struct gr_fd *f);

/* @fd is about to be closed (or its number taken over): forget what the kernel watches for it. */
void gr_hub_unwatch(struct gr_fd *f, int fd);

/* Run @fn(@arg) on the hub's stack at its next turn; for libraries with callbacks (c-ares) whose code may use vector registers
 * or must not be entered twice.  @job is the caller's, and must live until it has run.  Does not park. */
struct gr_hub_job {
	struct gr_list link;
	void (*fn)(struct gr_hub_job *);
};
void gr_hub_call(struct gr_hub_job *job);

/*
 * A note from any kernel thread to the carrier: @fn runs in the hub, inside, and may wake greenlets.  gr_post() is lock-free, and
 * async-signal-safe.  The note is its sender's, and must live until it has run.
 */
struct gr_note {
	struct gr_note *next;
	void (*fn)(struct gr_note *);
};
void gr_post(struct gr_note *note);

/* In the hub: run the notes that have come. */
void gr_hub_notes(void);

/* Counts descriptors that the kernel watches for greenlets.  If there is none, only a look that waits can find anything. */
void gr_hub_watches(int more);

/* The epoll set that they are registered in */
void gr_hub_set_is(int fd);

/* Make a waiting hub come back; async-signal-safe, and callable from any kernel thread. */
void gr_hub_kick(void);

/* Would a turn of the hub find something now?  Is there anything from outside that it expects at all?  Both outside of the runtime. */
bool gr_hub_due(void);
bool gr_hub_expects(void);

/* The eventfd behind gr_hub_kick(): offload threads write to it. */
int gr_hub_kick_fd(void);

/* The function behind gr_call() for descriptors that libraries make in the hub (libev's epoll set): @fd, or where it was moved to.
 * gr_hub_hidden_epoll() tells of the latest epoll set among them, once; -1: there is no new one. */
long gr_hub_hide(long nr, long fd);
int gr_hub_hidden_epoll(void);

/* The hub's timerfd has fired. */
void gr_hub_timer_fired(void);

/* A descriptor of grove's own: moved up out of the program's way, close-on-exec, hidden from close().  Returns the new number. */
int gr_own_fd(int fd);
int gr_own_fd_dup(int fd);		/* the same for a duplicate of a descriptor of the program's, which it keeps; or -errno */
bool gr_is_own_fd(int fd);
void gr_own_fd_close(int fd);

#endif
