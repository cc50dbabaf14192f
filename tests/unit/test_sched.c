/* test_sched.c - park, wake, yield, exit and the hub's turns, on the real switch, with a hub that only moves the clock */
#include "world.h"
#include "fd.h"
#include "green/disk.h"
#include <dlfcn.h>
#include <sys/mman.h>
#include <xmmintrin.h>

static unsigned hub_turns;
static bool log_hub;
static struct gr_greenlet *reads;	/* is parked for what the hub will find */

static void hub_main(void *arg)
{
	struct gr_carrier *c = arg;

	gr_greenlet_started();
	for (;;) {
		hub_turns++;
		if (log_hub)
			note("hub");
		if (gr_list_empty(&c->ready) && gr_timers_next(&c->timers) > world_clock)
			world_clock = gr_timers_next(&c->timers);
		gr_timers_run(&c->timers, world_clock);
		if (reads && gr_wake_soon(reads, 0))
			reads = NULL;
		if (!gr_list_empty(&c->ready))
			gr_hub_leave();
	}
}

static int begin(void **state)
{
	static struct gr_greenlet hub;
	static char stack[WORLD_STACK] __attribute__((aligned(16)));
	struct gr_carrier *c = gr_carrier();

	world_begin(state);
	gr_greenlet_init(&hub, c->base_fs, 0);
	(void)VALGRIND_STACK_REGISTER(stack, stack + sizeof(stack));
	hub.sp = gr_frame_init(stack + sizeof(stack), hub_main, c);
	c->hub = &hub;
	gr_list_push(&c->ready, &hub.run);
	return 0;
}

/* --- who runs when ----------------------------------------------------------------------------------------------------- */

static struct gr_greenlet *player[4];

static const char *result_name(int r)
{
	return r == 0 ? "0" : r == -EINTR ? "EINTR" : r == -ECANCELED ? "CANCELED" : r == -ETIMEDOUT ? "TIMEDOUT" : "?";
}

static void park(char how)
{
	gr_time deadline = how == 'p' ? GR_NEVER : how == 'z' ? 0 : gr_deadline(how == 't' ? GR_MS(50) : GR_MS(10));

	note("%s.%c", me(), how);
	note("%s=%s", me(), result_name(gr_park("test", deadline, GR_PARK_INTR)));
}

static void wake(char whom, int result)
{
	bool was_parked = gr_wake(player[whom - 'a'], result);

	note("%s>%c%s", me(), whom, was_parked ? "" : "!");
}

static void wake_soon(char whom)
{
	bool was_parked = gr_wake_soon(player[whom - 'a'], 0);

	note("%s>>%c%s", me(), whom, was_parked ? "" : "!");
}

/*
 * p: park; T, t, z: park for 10 ms, 50 ms, not at all; y: yield; a to d: wake that one; I, C before: with EINTR, ECANCELED; S: for a
 * descriptor; w: 10 ms pass; l: the slice is over; o: is anybody else ready?
 */
static void play(void *script)
{
	int result = 0;

	for (const char *s = script; *s; s++) {
		if (*s == 'y') {
			note("%s.y", me());
			gr_yield();
		} else if (*s == 'l') {
			note("%s.l", me());
			gr_give_way();
		} else if (*s == 'w') {
			world_clock += GR_MS(10);
		} else if (*s == 'o') {
			note("%s.%s", me(), gr_others_ready() ? "others" : "alone");
		} else if (*s == 'S') {
			wake_soon(*++s);
		} else if (*s >= 'a' && *s <= 'd') {
			wake(*s, result);
			result = 0;
		} else if (*s == 'I' || *s == 'C') {
			result = *s == 'I' ? -EINTR : -ECANCELED;
		} else {
			park(*s);
		}
	}
}

struct row {
	const char *when, *script[4];
	gr_time took;
	const char *log;
};

static const struct row rows[] = {
	{ "yielding takes turns",       { "yy", "yy", "y" },     0,         "a.y b.y c.y a.y b.y" },
	{ "yielding alone",             { "yy" },                0,         "a.y a.y" },
	{ "woken in order",             { "p", "p", "ab" },      0,         "a.p b.p c>a c>b a=0 b=0" },
	{ "in the order of the wakes",  { "p", "p", "ba" },      0,         "a.p b.p c>b c>a b=0 a=0" },
	{ "behind who is ready",        { "p", "ay", "y" },      0,         "a.p b>a b.y c.y a=0" },
	{ "interrupted",                { "p", "Ia" },           0,         "a.p b>a a=EINTR" },
	{ "cancelled",                  { "p", "Ca" },           0,         "a.p b>a a=CANCELED" },
	{ "the first wake counts",      { "p", "IaCaa" },        0,         "a.p b>a b>a! b>a! a=EINTR" },
	{ "a wake is not kept",         { "at", "aT" },          GR_MS(10), "a>a! a.t b>a b.T a=0 b=TIMEDOUT" },
	{ "time over",                  { "t" },                 GR_MS(50), "a.t a=TIMEDOUT" },
	{ "the earlier one first",      { "t", "T" },            GR_MS(50), "a.t b.T b=TIMEDOUT a=TIMEDOUT" },
	{ "equals in order",            { "t", "t", "t" },       GR_MS(50), "a.t b.t c.t a=TIMEDOUT b=TIMEDOUT c=TIMEDOUT" },
	{ "one after the other",        { "tT" },                GR_MS(60), "a.t a=TIMEDOUT a.T a=TIMEDOUT" },
	{ "woken in time",              { "t", "a" },            0,         "a.t b>a a=0" },
	{ "woken, then parked anew",    { "tt", "a" },           GR_MS(50), "a.t b>a a=0 a.t a=TIMEDOUT" },
	{ "woken too late",             { "tb", "t" },           GR_MS(50), "a.t b.t a=TIMEDOUT a>b! b=TIMEDOUT" },
	{ "others first, then expired", { "z", "yy" },           0,         "a.z b.y b.y a=TIMEDOUT" },
	{ "nobody else, and expired",   { "z" },                 0,         "a.z a=TIMEDOUT" },
	{ "hand to hand",               { "pbp", "apa", "" },    0,         "a.p b>a b.p a=0 a>b a.p b=0 b>a a=0" },
};

static void play_rows(const struct row *r, size_t n)
{
	for (const struct row *end = r + n; r < end; r++) {
		static const char *const names[] = { "a", "b", "c", "d" };

		world_clear(NULL);
		print_message("  %s\n", r->when);
		for (int k = 0; k < 4 && r->script[k]; k++)
			player[k] = world_go(names[k], play, (void *)r->script[k]);
		assert_string_equal(world_log, "");
		assert_true(world_run());
		assert_string_equal(world_log, r->log);
		assert_int_equal(took(), r->took);
	}
}

static void test_rows(void **state)
{
	(void)state;
	play_rows(rows, GR_LENGTH(rows));
}

static void test_parked_for_ever_is_no_end(void **state)
{
	(void)state;
	player[0] = world_go("a", play, "p");
	assert_false(world_run());
	assert_string_equal(player[0]->waits, "test");
	assert_int_equal(player[0]->state, GR_PARKED);
	assert_true(gr_wake(player[0], 0));
	assert_true(world_run());
}

static void note_others(void *arg)
{
	(void)arg;
	note(gr_others_ready() ? "others" : "alone");
}

static void test_others_ready_leaves_the_hub_out(void **state)
{
	(void)state;
	gr_yield();
	assert_false(gr_others_ready());
	world_go("a", note_others, NULL);
	world_go("b", note_others, NULL);
	assert_true(gr_others_ready());
	assert_true(world_run());
	assert_string_equal(world_log, "others alone");
}

/* --- beside hogs -------------------------------------------------------------------------------------------------------- */

static const struct row hog_rows[] = {
	{ "for a descriptor: next",          { "p", "wlwSal", "wlwl" },                     GR_MS(40),
	  "a.p b.l c.l b>>a b.l a=0 c.l" },
	{ "for anything else: in line",      { "p", "wlwal", "wlwl" },                      GR_MS(40),
	  "a.p b.l c.l b>a b.l c.l a=0" },
	{ "a time that is over: in line",    { "wllll", "zyy" },                            GR_MS(10),
	  "a.l b.z a.l a.l b=TIMEDOUT b.y a.l b.y" },
	{ "nobody is a hog: in line",        { "p", "wSay", "y" },                          GR_MS(10),
	  "a.p b>>a b.y c.y a=0" },
	{ "as long as the slice before",     { "pw", "p", "wlwSaSblwl", "wlwlwl" },         GR_MS(70),
	  "a.p b.p c.l d.l c>>a c>>b c.l a=0 d.l b=0 c.l d.l" },
	{ "the hog is gone: next, but once", { "pyy", "wlwSaT", "yyyy" },                   GR_MS(30),
	  "a.p b.l c.y b>>a b.T a=0 a.y c.y a.y c.y c.y b=TIMEDOUT" },
	{ "who was woken stays so",          { "t", "wlwSaSaCal", "wlwl" },                 GR_MS(40),
	  "a.t b.l c.l b>>a b>>a! b>a! b.l a=0 c.l" },
	{ "who comes next is ready",         { "p", "wlowSaol" },                           GR_MS(20),
	  "a.p b.l b.alone b>>a b.others b.l a=0" },
};

static void test_beside_hogs(void **state)
{
	(void)state;
	play_rows(hog_rows, GR_LENGTH(hog_rows));
	assert_false(gr_carrier()->sharing);
	assert_int_equal(gr_carrier()->share.hogs, 0);
}

#define LONG	GR_SEC(10)

struct worker {
	gr_time step, had;
	unsigned steps;
};

static bool works(struct worker *w)
{
	world_clock += w->step;
	w->had += w->step;
	w->steps++;
	return took() < LONG;
}

static void computes(void *w)
{
	while (works(w))
		gr_give_way();
}

static void serves(void *w)
{
	while (works(w)) {
		reads = gr_carrier()->current;
		gr_park("test", GR_NEVER, 0);
	}
}

static void waits_in_line(void *w)
{
	while (works(w))
		gr_yield();
}

static void test_hogs_have_half_of_the_time(void **state)
{
	struct worker slow[3], quick = { .step = GR_MS(1) };

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(slow); i++) {
		slow[i] = (struct worker){ .step = GR_MS(10) };
		world_go("slow", computes, &slow[i]);
	}
	world_go("quick", serves, &quick);
	assert_true(world_run());
	assert_in_range(quick.had, LONG * 45 / 100, LONG * 55 / 100);
	for (size_t i = 0; i < GR_LENGTH(slow); i++)
		assert_in_range(slow[i].had, LONG * 15 / 100, LONG * 18 / 100);
}

/* As if the process had been stopped in the middle */
static void test_a_slice_of_any_length_gives_no_more_than_ten(void **state)
{
	struct worker slow = { .step = GR_SEC(1) }, quick = { .step = GR_MS(1) };

	(void)state;
	world_go("slow", computes, &slow);
	world_go("quick", serves, &quick);
	assert_true(world_run());
	assert_in_range(quick.steps, (slow.steps - 2) * 100, slow.steps * 101);
}

static void test_others_have_their_turn_after_each_slice(void **state)
{
	struct worker slow = { .step = GR_MS(10) }, quick = { .step = GR_MS(1) }, other = { .step = 0 };

	(void)state;
	world_go("slow", computes, &slow);
	world_go("quick", serves, &quick);
	world_go("other", waits_in_line, &other);
	assert_true(world_run());
	assert_in_range(other.steps, slow.steps - 1, slow.steps + 1);
}

static void test_who_copies_much_has_made_many_calls(void **state)
{
	static char room[64 * 1024];
	struct iovec all = { room, sizeof(room) }, little = { room, 4096 };
	int fd = memfd_create("warm", 0), *budget = &gr_carrier()->budget;
	struct gr_fd *f = gr_fd_get(fd);

	(void)state;
	assert_int_equal(write(fd, room, sizeof(room)), sizeof(room));
	*budget = 200;
	assert_int_equal(gr_disk_read(f, &all, 1, sizeof(room), 0, 0), sizeof(room));
	assert_int_equal(*budget, 200);		/* nobody else is there */
	player[0] = world_go("a", play, "");
	assert_int_equal(gr_disk_read(f, &little, 1, 4096, 0, 0), 4096);
	assert_int_equal(*budget, 200);
	assert_int_equal(gr_disk_read(f, &all, 1, sizeof(room), 0, 0), sizeof(room));
	assert_int_equal(*budget, 200 - 60);
	assert_int_equal(gr_disk_write(f, sizeof(room), false, 0, SYS_pwrite64, fd, (long)room, sizeof(room), 0, 0, 0), sizeof(room));
	assert_int_equal(*budget, 200 - 60 - 60);
	assert_true(world_run());
	gr_fd_close(fd);
	close(fd);
}

/* --- the hub's turns --------------------------------------------------------------------------------------------------- */

#define BUSY	3

static void yields(void *arg)
{
	for (int i = 0; i < 10 * GR_HUB_EVERY; i++) {
		++*(unsigned *)arg;
		gr_yield();
	}
}

static void test_hub_looks_now_and_then_while_others_run(void **state)
{
	unsigned switches = 0, turns;

	(void)state;
	gr_yield();
	turns = hub_turns;
	for (int i = 0; i < BUSY; i++)
		world_go("busy", yields, &switches);
	assert_true(world_run());
	turns = hub_turns - turns;
	assert_int_equal(switches, BUSY * 10 * GR_HUB_EVERY);
	assert_in_range(turns, switches / (GR_HUB_EVERY + BUSY + 1), switches / GR_HUB_EVERY + 1);
}

static void test_deadlines_hold_while_others_run(void **state)
{
	unsigned switches = 0;

	(void)state;
	player[0] = world_go("a", play, "z");
	world_go("busy", yields, &switches);
	for (int i = 0; i < GR_HUB_EVERY + 3; i++)
		gr_yield();
	assert_string_equal(world_log, "a.z a=TIMEDOUT");
	assert_true(world_run());
}

#define CROWD	200

static unsigned turn_of[CROWD];

static void expires(void *arg)
{
	gr_park("crowd", world_began + GR_MS(10), 0);
	*(unsigned *)arg = hub_turns;
	gr_yield();
}

/* A descriptor whose waiter has not come to read yet would be reported again, to nobody. */
static void test_everyone_the_hub_woke_runs_before_its_next_turn(void **state)
{
	(void)state;
	for (int i = 0; i < CROWD; i++)
		world_go("one", expires, &turn_of[i]);
	assert_true(world_run());
	for (int i = 1; i < CROWD; i++)
		assert_int_equal(turn_of[i], turn_of[0]);
}

static void test_idle_hub_has_one_turn_for_each_deadline(void **state)
{
	(void)state;
	gr_yield();
	log_hub = true;
	player[0] = world_go("a", play, "tT");
	assert_true(world_run());
	log_hub = false;
	assert_string_equal(world_log, "a.t hub a=TIMEDOUT a.T hub a=TIMEDOUT");
}

/* --- records and tids -------------------------------------------------------------------------------------------------- */

static void nothing(void *arg)
{
	(void)arg;
}

static void test_records_are_used_again_with_another_tid(void **state)
{
	struct gr_greenlet *g[2];
	int tid[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		g[i] = world_go("a", nothing, NULL);
		tid[i] = g[i]->tid;
		assert_ptr_equal(gr_find_tid(tid[i]), g[i]);
		assert_in_range(tid[i], GR_FIRST_TID, 0x3fffffff);	/* a futex owner word has 30 bits */
		assert_true(world_run());
		assert_null(gr_find_tid(tid[i]));
	}
	assert_ptr_equal(g[0], g[1]);
	assert_int_not_equal(tid[0], tid[1]);
}

static void test_tid_of_a_place_comes_back_after_512(void **state)
{
	int first = 0, i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		struct gr_greenlet *g = gr_greenlet_new(1);
		int tid = g->tid;

		gr_greenlet_drop(g);
		if (i == 0)
			first = tid;
		else if (tid == first)
			break;
	}
	assert_int_equal(i, 512);
}

static void test_find_tid(void **state)
{
	struct gr_greenlet *main = gr_carrier()->main;

	(void)state;
	assert_ptr_equal(gr_find_tid(getpid()), main);
	assert_null(gr_find_tid(0));
	assert_null(gr_find_tid(-1));
	assert_null(gr_find_tid(1));
	assert_null(gr_find_tid(GR_FIRST_TID));
	assert_null(gr_find_tid(INT32_MAX));
	assert_null(gr_find_tid(INT32_MIN));
}

static void test_find_fs(void **state)
{
	struct gr_carrier *c = gr_carrier();
	int block[4] = { 0 };
	struct gr_greenlet *g;

	(void)state;
	g = player[0] = world_go("a", play, "p");
	gr_yield();
	assert_ptr_equal(gr_find_fs(c->base_fs), c->main);
	assert_null(gr_find_fs((uintptr_t)block));
	g->fs = (uintptr_t)block;
	assert_ptr_equal(gr_find_fs((uintptr_t)block), g);
	c->tid_at = 2 * sizeof(int);		/* by the tid in the TLS block */
	assert_null(gr_find_fs((uintptr_t)block));
	block[2] = g->tid;
	assert_ptr_equal(gr_find_fs((uintptr_t)block), g);
	block[2] = c->main->tid;
	assert_null(gr_find_fs((uintptr_t)block));
	c->tid_at = 0;
	g->fs = c->base_fs;
	gr_wake(g, 0);
	assert_true(world_run());
}

static void test_a_new_one_inherits_mask_and_name(void **state)
{
	struct gr_greenlet *main = gr_carrier()->main, *g;

	(void)state;
	gr_signal_set_mask(GR_SIGBIT(SIGUSR1));
	g = gr_greenlet_new(1);
	gr_signal_set_mask(0);
	assert_int_equal(g->sigmask, GR_SIGBIT(SIGUSR1));
	assert_string_equal(g->name, main->name);
	assert_int_equal(g->altstack.ss_flags, SS_DISABLE);
	gr_greenlet_drop(g);
}

/* --- many -------------------------------------------------------------------------------------------------------------- */

#define MANY	10000

static unsigned many_ran, many_ended;

static void one_of_many(void *arg)
{
	(void)arg;
	many_ran++;
	gr_yield();
	gr_park("many", world_began + GR_MS(1 + many_ran % 7), 0);
	many_ended++;
}

static void test_ten_thousand(void **state)
{
	struct gr_stats *stats = &gr_carrier()->stats;
	uint64_t made = stats->made;

	(void)state;
	many_ran = many_ended = 0;
	for (int i = 0; i < MANY; i++)
		world_go_on(16 * 1024, "one", one_of_many, NULL);
	assert_true(world_run());
	assert_int_equal(many_ran, MANY);
	assert_int_equal(many_ended, MANY);
	assert_int_equal(stats->alive, 1);
	assert_int_equal(stats->at_most, MANY + 1);
	assert_int_equal(stats->made - made, MANY);
}

/* --- what a greenlet keeps to itself ----------------------------------------------------------------------------------- */

#define ROUND_MASK	0x6000u
#define ROUND_DOWN	0x2000u
#define ROUND_UP	0x4000u

static void rounds(void *mode)
{
	unsigned mine = (unsigned)(uintptr_t)mode;

	_mm_setcsr((_mm_getcsr() & ~ROUND_MASK) | mine);
	for (int i = 0; i < 3; i++) {
		gr_yield();
		note((_mm_getcsr() & ROUND_MASK) == mine ? "kept" : "lost");
	}
}

static void test_rounding_mode_is_kept(void **state)
{
	(void)state;
	world_go("a", rounds, (void *)ROUND_DOWN);
	world_go("b", rounds, (void *)ROUND_UP);
	assert_true(world_run());
	assert_int_equal(_mm_getcsr() & ROUND_MASK, 0);
	assert_string_equal(world_log, "kept kept kept kept kept kept");
}

static __thread int mine;

static void has_its_own(void *arg)
{
	bool *ok = arg;
	int me = gr_carrier()->current->tid;

	*ok = mine == 0;
	mine = errno = me;
	for (int i = 0; i < 3; i++) {
		gr_yield();
		*ok = *ok && mine == me && errno == me;
	}
}

/* A TLS block as pthread_create() would make it, as far as errno and our own variable go */
static uintptr_t tls_block(void)
{
	void *(*allocate)(void *) = (void *(*)(void *))dlsym(RTLD_DEFAULT, "_dl_allocate_tls");
	uintptr_t *block = allocate ? allocate(NULL) : NULL, *ours = (uintptr_t *)gr_fs_self();

	if (block) {
		block[0] = block[2] = (uintptr_t)block;
		block[5] = ours[5];		/* stack and pointer guards */
		block[6] = ours[6];
	}
	return (uintptr_t)block;
}

static void test_errno_and_thread_variables_are_kept(void **state)
{
	bool ok[2] = { false, false };

	(void)state;
	mine = 1;
	errno = 2;
	for (int i = 0; i < 2; i++) {
		uintptr_t fs = tls_block();

		assert_int_not_equal(fs, 0);
		world_go("a", has_its_own, &ok[i])->fs = fs;
	}
	assert_true(world_run());
	assert_int_equal(errno, 2);
	assert_int_equal(mine, 1);
	assert_true(ok[0] && ok[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_rows, world_clear),
		cmocka_unit_test_setup(test_parked_for_ever_is_no_end, world_clear),
		cmocka_unit_test_setup(test_others_ready_leaves_the_hub_out, world_clear),
		cmocka_unit_test_setup(test_beside_hogs, world_clear),
		cmocka_unit_test_setup(test_hogs_have_half_of_the_time, world_clear),
		cmocka_unit_test_setup(test_a_slice_of_any_length_gives_no_more_than_ten, world_clear),
		cmocka_unit_test_setup(test_others_have_their_turn_after_each_slice, world_clear),
		cmocka_unit_test_setup(test_who_copies_much_has_made_many_calls, world_clear),
		cmocka_unit_test_setup(test_hub_looks_now_and_then_while_others_run, world_clear),
		cmocka_unit_test_setup(test_deadlines_hold_while_others_run, world_clear),
		cmocka_unit_test_setup(test_everyone_the_hub_woke_runs_before_its_next_turn, world_clear),
		cmocka_unit_test_setup(test_idle_hub_has_one_turn_for_each_deadline, world_clear),
		cmocka_unit_test_setup(test_records_are_used_again_with_another_tid, world_clear),
		cmocka_unit_test_setup(test_tid_of_a_place_comes_back_after_512, world_clear),
		cmocka_unit_test_setup(test_find_tid, world_clear),
		cmocka_unit_test_setup(test_find_fs, world_clear),
		cmocka_unit_test_setup(test_a_new_one_inherits_mask_and_name, world_clear),
		cmocka_unit_test_setup(test_ten_thousand, world_clear),
		cmocka_unit_test_setup(test_rounding_mode_is_kept, world_clear),
	};
	const struct CMUnitTest variables[] = {		/* the sanitizer's own thread variables would be missing */
		cmocka_unit_test_setup(test_errno_and_thread_variables_are_kept, world_clear),
	};
	int n_failed = cmocka_run_group_tests(tests, begin, NULL);

	return n_failed + (UNDER_ASAN ? 0 : cmocka_run_group_tests(variables, NULL, NULL));
}
