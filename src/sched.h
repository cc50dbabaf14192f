/*
 * sched.h - greenlets, the carrier that runs them, and the two verbs everything else is made of: park and wake
 *
 * Owns struct gr_carrier, in which all of the scheduler's state lives; today there is one.  Everything here runs on the carrier's
 * kernel thread with carrier->inside set, which keeps signal handlers out (signal.c defers them) and sends nested system calls
 * straight to the kernel.  gr_call() in gate.c sets and clears it: a green call never does so itself.
 */
#ifndef GR_SCHED_H
#define GR_SCHED_H

#include "base.h"
#include "list.h"
#include "scope.h"
#include "stack.h"
#include "timer.h"
#include <signal.h>

/* READY --picked--> RUNNING --parks--> PARKED --woken--> READY        yielding: RUNNING -> READY
 * RUNNING --exits--> DEAD       killing is a wake with -ECANCELED, so only READY can die without running */
enum gr_state { GR_READY, GR_RUNNING, GR_PARKED, GR_DEAD };

struct gr_regs;

/* A place in a line of the API's, on its greenlet's stack, which it must not outlive. */
struct gr_place {
	struct gr_list link;
	struct gr_place *also;		/* another place of the same greenlet; NULL: none */
};

extern uint8_t gr_arch_wrfsbase;	/* arch.c: the FS base may be read and written without a system call */

struct gr_greenlet {
	/* the first two cache lines are what a hand-over touches */
	void *sp;			/* where gr_switch() left off, while not RUNNING */
	uintptr_t fs;			/* FS base: the thread's TLS block, which is also its pthread_t */
	struct gr_list run;		/* in carrier->ready or .share.soon while READY */
	struct gr_regs *regs;		/* in a call that came through the gate: the caller's registers, vector state to be kept */
	uint64_t sigmask;		/* kernel layout: bit (n - 1) for signal n */
	uint8_t state;			/* enum gr_state */
	uint8_t park_flags;		/* GR_PARK_*, while PARKED */
	uint8_t restore_mask;		/* gr_call() puts saved_mask back when it is done */
	uint8_t cancel;			/* pthread_cancel() was aimed at it: door.c acts on it */
	uint8_t cancel_off;		/* PTHREAD_CANCEL_DISABLE */
	uint8_t in_door;		/* in a call that is a cancellation point of ours, not of libc's */
	uint8_t hold;			/* GR_PARK_HOLD: for all its parks, whatever their flags */
	bool hog;			/* stands in the run queue after it had to give way (share.h) */
	int result;			/* what gr_park() will return */
	unsigned parks;			/* how often parked: tells gr_call() whether this call did */
	uint64_t pending;		/* which signals are in .signals */
	uint64_t claims;		/* and which of those sent to the process are for it */
	struct gr_timer timer;		/* in carrier->timers while parked with a deadline */
	gr_time limit;			/* scope.h: what ends a park before its own deadline, or GR_NEVER */
	const char *waits;		/* what it is parked in, for people: "futex", "fd", "sleep", ... */
	gr_time parked_at;		/* the hub's last turn before its last park began */
	struct gr_list signals;		/* signals directed to it and not yet delivered (signal_queue.c) */
	uintptr_t own_lo;		/* a worker's own stack (api/worker.c): who stands on it is this greenlet; size 0: not known */
	size_t own_size;

	int tid;			/* as the program sees it; main: the process id, others: from GR_FIRST_TID up */
	uint32_t place;			/* of the record (sched.c), and how often it was used: both are in the tid */
	struct gr_list all;		/* in carrier->all, from birth to death */
	int *clear_tid;			/* set_tid_address, CLONE_CHILD_CLEARTID: cleared and woken when it ends */
	void *robust;			/* struct robust_list_head *, or NULL */
	struct gr_standin *standin;	/* the kernel thread whose tid it has (standin.h), or NULL */
	struct gr_list renamed;		/* with one: in the list of those whose tid does not tell their place */
	uint64_t saved_mask;		/* while ppoll() and the like have one of their own */
	uint64_t waits_for;		/* in sigwait() and the like: these end it although blocked */
	stack_t altstack;		/* sigaltstack() */
	struct gr_stack stack;		/* only of greenlets whose stack we own (the hub) */
	char name[16];			/* as by prctl(PR_SET_NAME) */
	struct gr_scope *scopes;	/* the innermost; they lie in the program's memory */
	int thrown;			/* an errno value for its next wait, or 0 */
	uint8_t killed;			/* its waits fail with ECANCELED */
	uint8_t futex_told;		/* a futex wait has ended for what limits it: the next one waits */
	bool service;			/* grove's own: a signal to the process is not for it */
	bool worker;			/* made by the API to run its greenlets, one after another; nobody while .api is NULL */
	uint8_t next_clone;		/* GR_CLONE_*: what the next thread it makes by pthread_create() is to be */
	bool makes_thread;		/* is about to, and libc will block all signals for a moment: gr_signal_block_for_clone() */
	bool patched;			/* its blocking calls are green even where the program's are not */
	uint16_t generation;
	struct grove_greenlet *api;	/* its other half, if it was made by the API (api/greenlet.c) */
	struct gr_place *in_line;	/* where it stands in line, or NULL */
	struct grove_generator *generator;	/* whose body it is in, the innermost (api/generator.c) */
	const void *waits_on;		/* the object of the API that it is parked at */
	gr_time computed;		/* audit.h: processor time since it last let others run of its own accord */
	int audit_call;			/* the green call it is in, its number + 1, or 0; kept for --audit only */
	uint32_t edge;			/* deadlock.c: its place among those who wait, + 1, while it looks */
} __attribute__((aligned(64)));

#define GR_PARK_INTR	GR_BIT(0)	/* a signal for this greenlet may end it: -EINTR; so may its limit (scope.h): -GR_EBROKEN */
#define GR_PARK_HOLD	GR_BIT(1)	/* the limit may not: the caller has no way to tell anyone */
#define GR_PARK_LOOKS	GR_BIT(3)	/* may be woken for nothing: it looks at descriptors, perhaps at a signalfd */
#define GR_PARK_API	GR_BIT(2)	/* in a function of the API, which can be told that nobody is left to end its wait */
#define GR_PARK_OUTSIDE	GR_BIT(4)	/* somebody outside of this process may end it, whatever .waits says */

#define GR_FIRST_TID	0x20000000	/* beyond the kernel's range (2^22), and within the 30 bits of a futex owner word */

/* Call counters; indexes are system call numbers */
#define GR_NR_CALLS	512

struct gr_stats {
	uint64_t made, switches, hub_turns, wakeups;	/* wakeups: the hub came back from a wait that could block */
	uint64_t preempted;		/* switches made by a tick */
	uint64_t calls[GR_NR_CALLS], parked[GR_NR_CALLS];
	unsigned alive, at_most;
};

/* share.h: who was picked last */
enum gr_runs { GR_RUNS_ANY, GR_RUNS_SOON, GR_RUNS_HOG };

struct gr_share {
	struct gr_list soon;		/* ready too, and before carrier->ready */
	unsigned hogs;			/* in carrier->ready: there are some while anybody is in .soon and no hog runs */
	enum gr_runs runs;		/* who runs, */
	gr_time began;			/* and since when */
	gr_time until;			/* those in .soon have time */
};

struct gr_carrier {
	volatile uint32_t inside;	/* in the runtime: calls pass straight through, signals are deferred */
	volatile uint32_t todo;		/* GR_TODO_*: what gr_call() must see to before it returns */
	struct gr_greenlet *current;

	struct gr_greenlet *hub, *main;
	uintptr_t base_fs;		/* the hub's TLS block (hub_tls.c), or the first thread's, which is never freed */
	struct gr_list ready, all;
	struct gr_list idlers;		/* gr_turn (api/api.h): who runs when nobody else can */
	struct gr_timers timers;
	uint32_t quiet_timers;		/* of them: they wake nobody of the program's */
	unsigned since_hub;		/* switches since the hub had its turn */
	bool hub_passed;		/* its place in the run queue has come, and others went on: it stands in none */
	bool sharing;			/* .share is in use: there are hogs, or there is no hub yet */
	gr_time turn_at;		/* when the hub had its last turn */
	int (*on_switch)(void);		/* somebody is to be told of switches: from .current to .switch_to; or NULL */
	struct gr_greenlet *switch_to;
	int (*audit_switch)(void);	/* the same for --audit: what .on_switch is while nobody else wants to be told */
	bool audit, deadlock;		/* --audit, --deadlock */
	int budget;			/* green calls left before the current greenlet must yield */
	uint8_t tick;			/* GR_TICK_* */
	bool parted;			/* a greenlet has been switched out by a tick: gr_signal_parted() is for who runs next */
	bool left_lent;			/* and stood on the alternate stack that is lent */
	int pid, tid;			/* of the kernel */
	uint64_t kernel_mask;		/* the signal mask the kernel has for us now */
	volatile unsigned signals_arrived, signals_collected;	/* signal.c: how many ever */
	uint64_t signals_spare;		/* sent to the process, pending, and for whoever lets them in */
	struct gr_greenlet *altstack_of;	/* whose alternate stack the kernel has; NULL while nobody ever had one */
	struct gr_greenlet *corpse;	/* ended, its record to be freed by whoever runs next */
	ptrdiff_t tid_at;		/* where in a thread's TLS block glibc keeps its tid, learnt from the first clone; or 0 */
	uint32_t forks;			/* how often this process has forked */
	long clone_flags;		/* of the latest process made: GR_INSIDE_CLONE waits for its outcome; in a child, its own */
	unsigned maps;			/* how often a file was mapped executable, or anything unmapped: libraries may have come or gone */
	struct gr_greenlet *loads_code;	/* has mapped a file executable and not yet protected its RELRO part: dlopen() */
	bool vm_child;			/* a process made with CLONE_VM without CLONE_VFORK may be running in our memory */
	bool hide_new;			/* descriptors made now by libraries in the hub are grove's own */
	bool on;			/* the runtime is started */
	bool gated;			/* libc's system calls come to us: threads can be greenlets */
	bool patched;			/* the program's blocking calls and threads are green: under the shim, or by grove_patch() */
	bool api_on;			/* the API has been used, and is ready */
	unsigned outside;		/* things in progress on native threads that will post a note */
	uint32_t native_threads;	/* atomic: native threads but offload threads; the program's may call the API at any time */
	uint32_t own_threads;		/* atomic: those of them that grove's own jobs run on (gr_native_thread) */
	struct gr_greenlet *loop_greenlet;	/* runs the program's own libev loop */
	unsigned background;		/* of stats.alive: workers without a greenlet, and grove's own greenlets */
	bool natives;			/* there are kernel threads of the program that are not ours */
	bool ungated;			/* some system calls of the program's code do not come to us: they could not be rewritten */
	struct gr_share share;
	struct gr_stats stats;
};

/* carrier->inside */
#define GR_OUTSIDE	0
#define GR_INSIDE	1
#define GR_INSIDE_CLONE	2	/* a clone went the raw way: the next call finds out whether it is made by parent or child */

/* gr_greenlet.next_clone; USUAL: a greenlet if the carrier is patched, else native */
#define GR_CLONE_USUAL	0
#define GR_CLONE_GREEN	1
#define GR_CLONE_NATIVE	2

#define GR_TODO_SIGNAL	GR_BIT(0)	/* the current greenlet has a deliverable signal */
#define GR_TODO_YIELD	GR_BIT(1)	/* its slice was over when it was in the runtime: let others run at the next chance */

/* carrier->tick (preempt.h) */
#define GR_TICK_OFF	0	/* greenlets are not interrupted */
#define GR_TICK_ALONE	1	/* there is one only */
#define GR_TICK_IDLE	2	/* nobody could want to run: the next switch, wake or new greenlet starts it */
#define GR_TICK_ON	3

extern struct gr_carrier gr_carrier0;

static inline struct gr_carrier *gr_carrier(void)
{
	return &gr_carrier0;
}

/* Is there no time that anybody waits for? */
static inline bool gr_nobody_due(const struct gr_carrier *c)
{
	return c->timers.used == c->quiet_timers;
}

/* Do native threads of the program's run?  Some that have just ended may still be counted: gr_api_native_ends() tells. */
static inline bool gr_natives_left(const struct gr_carrier *c)
{
	return (int)(__atomic_load_n(&c->native_threads, __ATOMIC_SEQ_CST) - __atomic_load_n(&c->own_threads, __ATOMIC_SEQ_CST)) > 0;
}

/* Is there nobody but the caller to be held up by a call that waits?  Users of the API may have callbacks and posts from other threads. */
static inline bool gr_alone(const struct gr_carrier *c)
{
	return c->stats.alive == 1 && !c->api_on;
}

/* Is the calling code a greenlet of the carrier, outside the runtime?  False on foreign kernel threads, in the hub, and within
 * green calls.  A kernel thread is told by its FS base: no other thread has that of the current greenlet. */
static inline uintptr_t gr_fs_self(void)
{
	uintptr_t self;

	if (GR_LIKELY(gr_arch_wrfsbase))	/* the register: a load from the TLS block would miss the caches after every switch */
		__asm__ volatile("rdfsbase %0" : "=r"(self));
	else
		__asm__ volatile("movq %%fs:0x10, %0" : "=r"(self));	/* tcbhead_t.self, part of glibc's ABI with the thread library */
	return self;
}

static inline bool gr_on_greenlet(const struct gr_carrier *c)
{
	return c->on && !c->inside && gr_fs_self() == c->current->fs;
}

/* The current greenlet's call took as long as @calls small ones. */
static inline void gr_charge(struct gr_carrier *c, unsigned calls)
{
	c->budget -= (int)calls;
}

/*
 * gr_park - leave the CPU until woken, or until @deadline
 * @waits: a word for people
 * Returns what gr_wake() gave (0 for a plain wake, -EINTR, ...), -ETIMEDOUT, or -GR_EBROKEN (scope.h).  A deadline that has passed still
 * lets everyone ready run once.  With GR_PARK_INTR and a deliverable signal already pending: -EINTR at once.
 * The caller unlinks itself from whatever it waited in.
 */
int gr_park(const char *waits, gr_time deadline, unsigned flags);

/* Make @g runnable; its gr_park() returns @result.  False (and nothing happens) when it is not parked. */
bool gr_wake(struct gr_greenlet *g, int result);

/* The same for who waited for a descriptor: it comes before all others while hogs stand in the run queue. */
bool gr_wake_soon(struct gr_greenlet *g, int result);

/* Let every ready greenlet, and the hub if due, run once. */
void gr_yield(void);

/* The same for who has used up a slice: it is a hog until it runs again, and the hub looks at once. */
void gr_give_way(void);

/* Is anyone but the caller ready to run? */
bool gr_others_ready(void);

/*
 * A new greenlet with a tid, and the mask and name of the current one; NULL: no memory (or 2^20 alive).  gr_greenlet_start() puts it
 * last in the run queue; @sp is its first frame, as gr_switch() will load it.  gr_greenlet_started() is what that frame must
 * call first.
 */
struct gr_greenlet *gr_greenlet_new(uintptr_t fs);
void gr_greenlet_start(struct gr_greenlet *g, void *sp);
void gr_greenlet_drop(struct gr_greenlet *g);		/* instead of starting it */
void gr_greenlet_started(void);
void gr_greenlet_init(struct gr_greenlet *g, uintptr_t fs, int tid);
void gr_greenlet_rename(struct gr_greenlet *g, int tid);	/* before it is started */

/* The hub's turn is over and someone is ready. */
void gr_hub_leave(void);

/* The current greenlet has ended; never returns.  Its stack may be reused as soon as another runs. */
_Noreturn void gr_exit(void);

/* By tid (the program's view) or by FS base; NULL when there is none. */
struct gr_greenlet *gr_find_tid(int tid);
struct gr_greenlet *gr_find_fs(uintptr_t fs);

/* Bring up the carrier on the calling kernel thread, which becomes the main greenlet, and its hub.  0 or -errno. */
int gr_start(void);

/* In a forked child: only the current greenlet is left; a new hub is made on the next need. */
void gr_sched_fork_child(void);

#endif
