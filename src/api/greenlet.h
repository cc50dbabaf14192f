/*
 * greenlet.h - the public half of a greenlet, and the threads that run them
 *
 *	NEW --its worker runs--> STARTED --function returns--> ENDING --deferred calls done--> ENDED
 *	DELAYED --timer--> NEW          killed before STARTED: --> ENDED, and it never runs
 *
 * A worker is a detached pthread that libc made on a stack of the pool; when its greenlet has ended, its thread-local variables are made new
 * (tls.c) and it waits for the next one, so that most spawns cost two switches.  The record of a greenlet outlives the worker.
 */
#ifndef GR_API_GREENLET_H
#define GR_API_GREENLET_H

#include "api.h"

enum gr_life { GR_DELAYED, GR_NEW, GR_STARTED, GR_ENDING, GR_ENDED };

#define GR_API_NAME 32

struct grove_greenlet {
	struct gr_object object;	/* GR_GREENLET; ready: it has ended */
	struct gr_greenlet *g;		/* the scheduler's half; NULL before a worker was found, and after the end */
	struct gr_worker *worker;	/* NULL: a pthread of the program's */
	uint32_t refs;
	uint8_t life;			/* enum gr_life */
	bool service;			/* grove's own */
	bool counted;			/* in carrier->background */
	int killed;			/* before it started: the errno value it ends with */
	int failing;			/* grove_fail() */
	int error;			/* how it ended, */
	void *value;			/* or with what */
	grove_fn *fn;
	void *arg;
	struct gr_list joiners;		/* gr_turn */
	struct gr_list callbacks;	/* struct callback: grove_link() */
	struct gr_list all;		/* gr_api.greenlets */
	struct deferred *deferred;	/* the last first */
	struct gr_timer timer;		/* while DELAYED */
	uint64_t id, parent;
	uint64_t sigmask;		/* what it begins with */
	uintptr_t asker;		/* the native thread it works for, or 0: nobody else knows of it */
	void *locals, *context;		/* local.c's */
	size_t stack_size;
	void **spawned_at;		/* return addresses, if they were asked for */
	int spawned_depth;
	char name[GR_API_NAME];		/* empty: made of the id when asked for */
};

/* The first of all: the main thread gets its public half, and with it the number 1. */
void gr_greenlet_adopt_main(void);

/* A greenlet for what a native thread has asked for.  0, or -1 with errno. */
int gr_spawn_for(uintptr_t asker, grove_fn *fn, void *arg);

/* Inside, or in the hub: take up a greenlet whose delay is over. */
void gr_greenlet_begin(struct grove_greenlet *rec);

/* The thread of @g ends, inside: the last word on its public half.  Called by green_exit(). */
void gr_greenlet_gone(struct gr_greenlet *g);

/* In a forked child: only the current greenlet is left. */
void gr_greenlet_fork_child(void);

/* link.c: @rec has ended, inside; have those called who were linked to it. */
void gr_links_ended(struct grove_greenlet *rec);

/* A line for people: name and id, without malloc; returns @buf. */
const char *gr_greenlet_title(const struct grove_greenlet *rec, char *buf, size_t size);

/* All records whose greenlet has not ended, by .all */
extern struct gr_list gr_greenlets;

#endif
